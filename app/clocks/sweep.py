"""Finding the clocks whose time has come. Acting on them is the loop's, one event at a time, under its lock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.aggregate import EventAggregate
from app.events.tables import Clock


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event with clocks to act on."""

    event_id: UUID
    jurisdiction_id: int
    #: the earliest of them
    due_at: datetime


# The limit stands inside, on ix_clock_sweep: however much is due, no more than this is read.
_DUE = text(
    """
    SELECT event_id, min(jurisdiction_id), min(due_at) FROM (
      SELECT event_id, jurisdiction_id, due_at FROM clock
      WHERE state = 'running' AND fired_at IS NULL AND due_at <= :at AND NOT (event_id = ANY(:without))
      ORDER BY due_at LIMIT :limit
    ) c GROUP BY event_id ORDER BY min(due_at)
    """
)

_LOCK_FREE = text("SELECT id FROM event WHERE id = :id FOR UPDATE SKIP LOCKED")


async def due_clocks(
    session: AsyncSession, at: datetime, limit: int, *, without: Collection[UUID] = ()
) -> list[DueEvent]:
    """Events among whose running clocks the first ``limit`` fell due by ``at`` and were not acted on yet.

    Locks nothing: what is found is looked at again under the event's lock. ``without``: events to leave alone for now.
    """
    found = await session.execute(_DUE, {"at": at, "limit": limit, "without": list(without)})
    return [DueEvent(*row) for row in found]


async def lock_if_free(session: AsyncSession, event_id: UUID) -> bool:
    """Locks the event unless somebody else has it: they may be acting on the same clock, and the next sweep comes."""
    return await session.scalar(_LOCK_FREE, {"id": event_id}) is not None


def still_due(aggregate: EventAggregate, at: datetime) -> Sequence[Clock]:
    """The clocks of a locked event to act on, in the order in which they fell due."""
    due = [
        clock
        for clock in aggregate.clocks
        if clock.state == "running" and clock.fired_at is None and clock.due_at <= at
    ]
    return sorted(due, key=lambda clock: (clock.due_at, clock.n))
