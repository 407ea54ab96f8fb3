"""What tests of disputes share: an event that two units argue about, and a look at its books."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.timing import now
from tests.flows.town import CELL, Town

#: who gets rubbish in CELL by the rules, and two departments that might have it instead
SECTION, URBAN, GREEN = "S-320102002-C", "D-URBAN", "D-GREEN"
#: the contractor that helps the section by the rules
HELPER = "CT-SANIT"
NOT_OURS: dict[str, Any] = {"reason_code": "not_our_duty", "reason": "该地块由市场方管理"}
RUBBISH_ITEM = "GB/T 47678.5-2026/matter/06028"
TEACHES: dict[str, Any] = {"grounds": "该地块属市政道路保洁范围", "summary": "市政道路两侧的暴露垃圾由城管局清运"}


def user(unit: str) -> str:
    """Who acts for a unit."""
    return f"u-{unit.lower()}"


@dataclass(slots=True)
class Quarrel:
    """An event that the section leads, and what the citizen was promised."""

    town: Town
    event_id: str
    report_id: str
    total_due_at: datetime

    @classmethod
    async def begin(cls, town: Town, cell: str | None = CELL, **fields: Any) -> "Quarrel":
        """A hotline report about rubbish, of now."""
        called = now().astimezone(Town.at("2026-01-01 00:00").tzinfo).isoformat(timespec="seconds")
        receipt = await town.send("hotline-12345", town.call(cell=cell, **({"callTime": called} | fields)))
        (total,) = await town.rows(
            "SELECT due_at FROM clock WHERE event_id = :id AND report_id = :report AND kind = 'citizen_total'",
            id=UUID(receipt["event_id"]),
            report=UUID(receipt["report_id"]),
        )
        return cls(town, receipt["event_id"], receipt["report_id"], total.due_at)

    @property
    def path(self) -> str:
        """Where acts on the event go."""
        return f"events/{self.event_id}"

    async def by(self, who: str, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """An act on the event."""
        return await self.town.act(who, self.path, action, expect, **body)

    async def on_lead(self, who: str, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """An act on the order that leads now."""
        order, _ = await self.town.lead(self.event_id)
        return await self.town.act(who, order, action, expect, **body)

    async def give_back(self, expect: int = 200, **body: Any) -> dict[str, Any]:
        """The unit that leads asks to give it back."""
        order, unit = await self.town.lead(self.event_id)
        return await self.town.act(unit, order, "request_return", expect, **(NOT_OURS | body))

    async def negotiate(self, *units: str, **body: Any) -> None:
        """The dispatcher asks these units."""
        await self.by("dispatcher1", "open_negotiation", units=list(units), **body)

    async def says(self, unit: str, stance: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """A unit states its position."""
        return await self.by(user(unit), "state_position", expect, stance=stance, reason="按职责清单", **body)

    async def rule(self, unit: str, expect: int = 200, *, who: str = "adjudicator1", **body: Any) -> dict[str, Any]:
        """An adjudicator rules."""
        return await self.by(who, "rule_jurisdiction", expect, unit=unit, **(TEACHES | body))

    # --- the books ---------------------------------------------------------------------------------------------

    async def shown(self, who: str = "dispatcher1") -> Any:
        """The event as somebody sees it."""
        return await self.town.get(who, f"/events/{self.event_id}")

    async def since(self, act: str) -> list[str]:
        """The acts from the last one of this name on."""
        acts = await self.town.acts(self.event_id)
        return acts[len(acts) - 1 - acts[::-1].index(act) :]

    async def row(self, act: str) -> Any:
        """The newest timeline row of this name."""
        return (
            await self.town.rows(
                "SELECT * FROM timeline WHERE event_id = :id AND act = :act ORDER BY n", id=UUID(self.event_id), act=act
            )
        )[-1]

    async def orders(self) -> list[tuple[str, str, str]]:
        """(role, unit, state) of all orders in order."""
        found = await self.town.rows(
            "SELECT o.role, g.code, o.state FROM work_order o JOIN organization g ON g.id = o.unit_id "
            "WHERE o.event_id = :id ORDER BY o.n",
            id=UUID(self.event_id),
        )
        return [tuple(row) for row in found]

    async def clocks(self, kind: str) -> list[str]:
        """The states of the event's clocks of a kind, in order; of lead orders only, where they are of orders."""
        found = await self.town.rows(
            "SELECT c.state FROM clock c LEFT JOIN work_order o ON (o.event_id, o.n) = (c.event_id, c.order_n) "
            "WHERE c.event_id = :id AND c.kind = :kind AND coalesce(o.role, 'lead') = 'lead' ORDER BY c.n",
            id=UUID(self.event_id),
            kind=kind,
        )
        return [row.state for row in found]

    async def handling(self) -> Any:
        """The handling clock of the order that leads now."""
        (row,) = await self.town.rows(
            "SELECT c.* FROM clock c JOIN work_order o ON (o.event_id, o.n) = (c.event_id, c.order_n) "
            "WHERE c.event_id = :id AND c.kind = 'handling' AND o.role = 'lead' ORDER BY c.n DESC LIMIT 1",
            id=UUID(self.event_id),
        )
        return row

    async def dispute(self) -> Any:
        """The newest dispute's row."""
        return (await self.town.rows("SELECT * FROM dispute WHERE event_id = :id ORDER BY n", id=UUID(self.event_id)))[
            -1
        ]

    async def returns(self) -> list[str]:
        """The states of the return requests, in order."""
        found = await self.town.rows(
            "SELECT state FROM return_request WHERE event_id = :id ORDER BY n", id=UUID(self.event_id)
        )
        return [row.state for row in found]

    async def the_citizen_notices_nothing(self) -> None:
        """The citizen's clock never moves and never pauses for anything inside the government."""
        (total,) = await self.town.rows(
            "SELECT due_at, generation, state FROM clock WHERE event_id = :id AND kind = 'citizen_total'",
            id=UUID(self.event_id),
        )
        assert (total.due_at, total.generation, total.state) == (self.total_due_at, 1, "running")
