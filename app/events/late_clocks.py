"""Clocks of an event's orders that have ended: read only where lateness is argued about (超期申诉) or a limit is set
anew."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch
from app.core.set_writes import read_row
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock

_LATE = """
    SELECT to_jsonb(c) AS clock FROM clock c
    WHERE c.event_id = $1 AND c.unit_id IS NOT NULL AND c.state <> 'running' AND c.ended_at > c.due_at
    ORDER BY c.n
    """
_INNER = """
    SELECT to_jsonb(c) AS clock FROM clock c
    WHERE c.event_id = $1 AND c.kind = 'sub_handling' AND c.state <> 'running' ORDER BY c.n
    """


async def load_late_clocks(session: AsyncSession, aggregate: EventAggregate) -> None:
    """Adds the units' clocks that ended after their due time to the loaded event."""
    await _load(session, aggregate, _LATE)


async def load_inner_clocks(session: AsyncSession, aggregate: EventAggregate) -> None:
    """Adds the clocks of sub-dispatches 二次派单 that have ended to the loaded event."""
    await _load(session, aggregate, _INNER)


async def _load(session: AsyncSession, aggregate: EventAggregate, statement: str) -> None:
    known = {(clock.event_id, clock.n) for clock in aggregate.clocks}
    rows = await fetch(session, statement, aggregate.event.id)
    found: list[Clock] = [read_row(Clock, row["clock"]) for row in rows]
    aggregate.clocks += [clock for clock in found if (clock.event_id, clock.n) not in known]
