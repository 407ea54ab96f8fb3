"""A unit with colleagues, for tests about people who leave or are away."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.load_users import UsersOutcome
from app.accounts.passwords import Passwords
from app.accounts.people import find_account
from app.accounts.rows import UserRow
from app.core.database import transaction
from app.core.timing import now
from app.events.aggregate import SYSTEM, Act
from app.events.store import lock_events, write_events
from app.masters.users import put_users
from app.runtime import Runtime
from tests.flows.town import Town

#: the street's city-management section, to which rubbish goes
SECTION = "S-320102002-C"
LIAISON = "u-s-320102002-c"


async def load(town: Town, *people: tuple[str, str, str]) -> UsersOutcome:
    """Loads users as ``(username, unit, seats)``, as ``bihuan load users`` does."""
    rows = [UserRow(username=name, display_name=name, org_code=unit, seats=seats) for name, unit, seats in people]
    async with transaction(town.runtime.sessions) as session:
        return await put_users(session, town.city.jurisdiction_id, rows, passwords=Passwords(time_cost=1, memory_kib=8))


async def colleagues(town: Town) -> None:
    """Two handlers of the section, ``first`` and ``second``."""
    await load(town, *((name, SECTION, f"handler@{SECTION}") for name in ("first", "second")))


async def user_id(town: Town, username: str) -> UUID:
    """The id of an account."""
    async with town.runtime.sessions() as session:
        return (await find_account(session, town.city.jurisdiction_id, username)).id


async def give(session: AsyncSession, runtime: Runtime, order: str, holder: UUID) -> None:
    """The order is taken out of the pool for somebody, by the one write path."""
    event_id, _, n = order.removeprefix("work-orders/").partition(".")
    aggregate = (await lock_events(session, [UUID(event_id)]))[UUID(event_id)]
    found, at = aggregate.order(int(n)), now()
    assert found is not None
    aggregate.advance(found, "assign", Act(SYSTEM, at, at), holder_id=holder)
    await write_events(session, runtime.keyring, [aggregate])


@dataclass(slots=True)
class Held:
    """A lead order of the section that ``first`` holds."""

    event_id: str
    report_id: str
    order: str
    event_no: str

    @classmethod
    async def begin(cls, town: Town, **fields: Any) -> "Held":
        """A report about rubbish, dispatched to the section and held by ``first``."""
        receipt = await town.send("hotline-12345", town.call(**fields))
        order, unit = await town.lead(receipt["event_id"])
        assert unit == LIAISON
        async with transaction(town.runtime.sessions) as session:
            await give(session, town.runtime, order, await user_id(town, "first"))
        return cls(receipt["event_id"], receipt["report_id"], order, (await town.event(receipt["event_id"])).event_no)

    async def holder(self, town: Town) -> str | None:
        """The username of who holds it now."""
        event_id, _, n = self.order.removeprefix("work-orders/").partition(".")
        (row,) = await town.rows(
            "SELECT u.username FROM work_order o LEFT JOIN user_account u ON u.id = o.holder_id "
            "WHERE o.event_id = :event_id AND o.n = :n",
            event_id=UUID(event_id),
            n=int(n),
        )
        found: str | None = row.username
        return found


async def dues(town: Town, event_id: str) -> list[tuple[Any, ...]]:
    """Every clock of an event, as it stands."""
    found = await town.rows(
        "SELECT n, kind, state, generation, due_at, ended_at FROM clock WHERE event_id = :id ORDER BY n",
        id=UUID(event_id),
    )
    return [tuple(row) for row in found]


async def deputise(town: Town, username: str, deputy: str, until: str, expect: int = 200) -> dict[str, Any]:
    """``username`` names a deputy until a moment of the city's time."""
    until_at = town.at(until).isoformat()
    return await town.act(username, f"users/{username}", "name-deputy", expect, deputy=deputy, until_at=until_at)
