"""One order at work on a standing clock, for tests about its limits: 4 work_hour from Tuesday 10:00, due at 16:00."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock
from app.masters.publishing import publish
from tests.flows.town import CELL, Town

ENGINEERING: dict[str, Any] = {"reason_code": "engineering", "reason": "清运量大，需调用车辆"}
SEASON: dict[str, Any] = {
    "reason_code": "season_bound",
    "reason": "须等汛期过后施工",
    "plan": "汛期后统一清运并硬化地面",
    "leader": "街道城管科",
}
APPOINTMENT: dict[str, Any] = {"reason_code": "appointment", "reason": "诉求人约定后天在家"}


async def set_policies(town: Town, **values: str) -> None:
    """Publishes a patch of the city's policies."""
    jurisdiction_id = town.city.jurisdiction_id
    rows = {key: {"key": key, "value": value, "source": "本区文件"} for key, value in values.items()}
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, jurisdiction_id, "policies", rows, complete=False, by="tests")
        await publish(session, jurisdiction_id, ["policies"], by="tests", unreviewed_because="测试")


async def seat(town: Town, username: str, role: str) -> None:
    """Gives a user one more seat of the centre, over the whole district."""
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text(
                "INSERT INTO seat (user_id, role, scope_area, since) "
                "SELECT id, :role, '320102', '2026-01-01 00:00+08' FROM user_account WHERE username = :name"
            ),
            {"role": role, "name": username},
        )


@dataclass(slots=True)
class AtWork:
    """An order that its unit has signed for at Tuesday 10:00."""

    town: Town
    clock: MovableClock
    event_id: str
    report_id: str
    order: str
    unit: str

    @classmethod
    async def begin(cls, town: Town, clock: MovableClock, cell: str = CELL) -> "AtWork":
        """A hotline report about rubbish, dispatched and signed for."""
        receipt = await town.send("hotline-12345", town.call(cell=cell))
        order, unit = await town.lead(receipt["event_id"])
        await town.act(unit, order, "sign_for")
        return cls(town, clock, receipt["event_id"], receipt["report_id"], order, unit)

    def at(self, moment: str) -> None:
        """Moves the time, written ``2026-03-10 18:00`` in the city's time."""
        self.clock.set(self.town.at(moment))
        self.town._tokens.clear()  # a token lasts hours, not days

    async def by_unit(self, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """The unit acts on the order."""
        return await self.town.act(self.unit, self.order, action, expect, **body)

    async def by(self, username: str, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """Somebody acts on the order."""
        return await self.town.act(username, self.order, action, expect, **body)

    async def row(self) -> Any:
        """The order's newest handling clock."""
        found = await self.town.rows(
            "SELECT * FROM clock WHERE event_id = :id AND order_n = :n AND kind = 'handling' ORDER BY n DESC LIMIT 1",
            id=UUID(self.event_id),
            n=int(self.order.split(".")[1]),
        )
        return found[0]

    async def due(self) -> str:
        """When the unit's limit ends, in the city's time."""
        return f"{(await self.row()).due_at.astimezone(self.town.at('2026-01-01 00:00').tzinfo):%Y-%m-%d %H:%M}"

    async def records(self) -> list[Any]:
        """The due times that the handling clock had, the first left out."""
        clock = await self.row()
        return await self.town.rows(
            "SELECT d.*, t.act FROM clock_due d JOIN timeline t ON t.event_id = d.event_id AND t.n = d.timeline_n "
            "WHERE d.event_id = :id AND d.clock_n = :n AND d.generation > 1 ORDER BY d.generation",
            id=UUID(self.event_id),
            n=clock.n,
        )

    async def totals(self) -> set[Any]:
        """What the citizen's clock says: it must never move."""
        return set(
            await self.town.rows(
                "SELECT due_at, generation FROM clock WHERE event_id = :id AND kind = 'citizen_total'",
                id=UUID(self.event_id),
            )
        )

    async def told(self, kind: str) -> list[tuple[str, str | None, str | None, str]]:
        """(act, from, to, role or actor kind) of the timeline about requests of a kind."""
        found = await self.town.rows(
            "SELECT t.act, t.from_state, t.to_state, coalesce(t.actor_role, t.actor_kind) AS who FROM timeline t "
            "JOIN limit_request l ON l.event_id = t.event_id AND l.n = t.subject_n "
            "WHERE t.event_id = :id AND t.subject = 'limit_request' AND l.kind = :kind ORDER BY t.n",
            id=UUID(self.event_id),
            kind=kind,
        )
        return [tuple(row) for row in found]

    async def allowed(self, username: str) -> set[str]:
        """What somebody may do with the order now."""
        return set((await self.town.get(username, "/" + self.order))["allowed_actions"])

    async def shown(self, username: str) -> list[dict[str, Any]]:
        """The order's requests as somebody sees them."""
        found: list[dict[str, Any]] = (await self.town.get(username, "/" + self.order))["limit_requests"]
        return found
