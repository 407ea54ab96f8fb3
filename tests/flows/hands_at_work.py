"""Several hands on one order on a standing clock: what tests about them look at."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.timing import MovableClock
from tests.flows.town import Town


@dataclass(slots=True)
class Hands:
    """An event whose lead order was dispatched on Tuesday 2026-03-10 at 10:00: 4 work_hour, due at 16:00."""

    town: Town
    clock: MovableClock
    event_id: str
    report_id: str
    #: the lead order and its unit's user
    lead: str
    unit: str

    @classmethod
    async def begin(cls, town: Town, clock: MovableClock, *, lead: str | None = None, **fields: Any) -> "Hands":
        """A hotline report about rubbish; ``lead``: the unit to which the centre moves it at once."""
        receipt = await town.send("hotline-12345", town.call(**fields))
        event_id = receipt["event_id"]
        order, unit = await town.lead(event_id)
        if lead is not None:
            await town.act("dispatcher1", order, "transfer", unit=lead, reason="由该单位牵头")
            order, unit = await town.lead(event_id)
        await town.act(unit, order, "sign_for")
        return cls(town, clock, event_id, receipt["report_id"], order, unit)

    def at(self, moment: str) -> None:
        """Moves the time, written ``2026-03-10 18:00``."""
        self.clock.set(self.town.at(moment))
        self.town._tokens.clear()  # a token lasts hours, not days

    async def act(self, username: str, order: str, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """Somebody acts on an order."""
        return await self.town.act(username, order, action, expect, **body)

    async def order(self, unit: str, role: str) -> str:
        """The newest order of a unit in a role."""
        row = (await self._orders(unit, role))[-1]
        return f"work-orders/{self.event_id}.{row.n}"

    async def _orders(self, unit: str, role: str) -> list[Any]:
        return await self.town.rows(
            "SELECT o.* FROM work_order o JOIN organization g ON g.id = o.unit_id "
            "WHERE o.event_id = :id AND g.code = :unit AND o.role = :role ORDER BY o.n",
            id=UUID(self.event_id),
            unit=unit,
            role=role,
        )

    async def state(self, unit: str, role: str) -> str:
        """The state of it."""
        state: str = (await self._orders(unit, role))[-1].state
        return state

    async def clocks(self, order: str) -> list[tuple[str, str, str]]:
        """(kind, state, due) of an order's clocks, the oldest first; the time in the city's."""
        found = await self.town.rows(
            "SELECT kind, state, due_at FROM clock WHERE event_id = :id AND order_n = :n ORDER BY n",
            id=UUID(self.event_id),
            n=int(order.rpartition(".")[2]),
        )
        zone = self.town.at("2026-01-01 00:00").tzinfo
        return [(row.kind, row.state, f"{row.due_at.astimezone(zone):%m-%d %H:%M}") for row in found]

    async def totals(self) -> list[Any]:
        """What the citizen's clocks say: nothing inside the government moves them."""
        return await self.town.rows(
            "SELECT state, due_at, generation FROM clock WHERE event_id = :id AND kind = 'citizen_total'",
            id=UUID(self.event_id),
        )

    async def row(self, act: str) -> Any:
        """The newest timeline row of an act, with its note."""
        found = await self.town.rows(
            "SELECT t.*, b.body AS note FROM timeline t "
            "LEFT JOIN timeline_note b ON b.event_id = t.event_id AND b.n = t.n "
            "WHERE t.event_id = :id AND t.act = :act ORDER BY t.n DESC LIMIT 1",
            id=UUID(self.event_id),
            act=act,
        )
        assert found, f"no row {act}"
        return found[0]

    async def shown(self, username: str) -> dict[str, Any]:
        """The event as somebody sees it."""
        found: dict[str, Any] = await self.town.get(username, f"/events/{self.event_id}")
        return found

    async def allowed(self, username: str, order: str) -> set[str]:
        """What somebody may do with an order now."""
        return set((await self.town.get(username, "/" + order))["allowed_actions"])
