"""Finding the clocks whose next rung has come. Acting on them is the loop's, one event at a time, under its lock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.ladder import Rung
from app.clocks.records import Clockwork, next_rung_at, pending_rungs
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event with rungs to fire."""

    event_id: UUID
    jurisdiction_id: int
    #: the earliest of them
    next_at: datetime


#: what a sweep asks first; the limit stands inside, on ix_clock_sweep: however much is due, no more than this is read
DUE_QUERY = text(
    """
    SELECT event_id, min(jurisdiction_id), min(next_at) FROM (
      SELECT event_id, jurisdiction_id, next_at FROM clock
      WHERE next_at <= :at AND NOT (event_id = ANY(:without))
      ORDER BY next_at LIMIT :limit
    ) c GROUP BY event_id ORDER BY min(next_at)
    """
)

# Asks again whether anything is due: several workers found the same list, and another one may have been here since.
_LOCK_FREE = text(
    """
    SELECT e.id FROM event e
    WHERE e.id = :id AND EXISTS (SELECT FROM clock c WHERE c.event_id = e.id AND c.next_at <= :at)
    FOR UPDATE SKIP LOCKED
    """
)


async def due_clocks(
    session: AsyncSession, at: datetime, limit: int, *, without: Collection[UUID] = ()
) -> list[DueEvent]:
    """Events among whose clocks the first ``limit`` have a rung due by ``at`` that did not fire yet.

    Locks nothing: what is found is looked at again under the event's lock. ``without``: events to leave alone for now.
    """
    found = await session.execute(DUE_QUERY, {"at": at, "limit": limit, "without": list(without)})
    return [DueEvent(*row) for row in found]


async def lock_if_free(session: AsyncSession, event_id: UUID, at: datetime) -> bool:
    """Locks the event unless somebody else has it, or has just done what was due by ``at``.

    Who has it may be acting on the same clock, and the next sweep comes.
    """
    return await session.scalar(_LOCK_FREE, {"id": event_id, "at": at}) is not None


def next_rung(aggregate: EventAggregate, work: Clockwork, at: datetime) -> tuple[Clock, Rung, datetime] | None:
    """The earliest rung of a locked event that is due by ``at`` and has not fired; None when there is none (any more).

    A clock whose ladder was changed so that nothing is due is set to what it waits for now.
    """
    found: list[tuple[datetime, int, Clock, Rung]] = []
    for clock in aggregate.clocks:
        if clock.state != "running" or clock.next_at is None or clock.next_at > at:
            continue
        waiting = pending_rungs(aggregate, clock, work)
        if waiting and waiting[0][0] <= at:
            found.append((waiting[0][0], clock.n, clock, waiting[0][1]))
        else:
            aggregate.change(clock, next_at=waiting[0][0] if waiting else None)
    if not found:
        return None
    rung_at, _, clock, rung = min(found, key=lambda one: one[:2])
    return clock, rung, rung_at


def wait_for_next(aggregate: EventAggregate, clock: Clock, work: Clockwork) -> None:
    """After a rung has fired: the clock waits for the one after it."""
    if clock.state == "running":
        aggregate.change(clock, next_at=next_rung_at(aggregate, clock, work))
