"""What ``bihuan drill recalculate`` looks at afterwards: every clock once more, by its records and the new calendar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.arithmetic import due
from app.clocks.calendar import Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import Pause, effective
from app.core.crypto import Keyring
from app.core.database import fetch
from app.events.tables import Event
from app.events.timeline import ChainFault, verify_chain
from app.events.timeline_tables import Timeline, TimelineNote

_PAGE: Final = 5_000
_CLOCKS: Final = f"""
    SELECT c.event_id, c.n, c.state, c.started_at, c.limit_value, c.limit_unit, c.uncounted_cap, c.due_at,
      (SELECT count(*) FROM clock_due d
        WHERE d.event_id = c.event_id AND d.clock_n = c.n AND d.cause = 'calendar') AS moves,
      p.pause_from, p.pause_until,
      (SELECT d.due_at FROM clock_due d WHERE d.event_id = c.event_id AND d.clock_n = c.n AND d.cause <> 'calendar'
        ORDER BY d.generation DESC LIMIT 1) AS due_before
    FROM clock c LEFT JOIN clock_due p ON p.event_id = c.event_id AND p.clock_n = c.n AND p.cause = 'paused'
    WHERE (c.event_id, c.n) > ($1::uuid, $2::int) ORDER BY c.event_id, c.n LIMIT {_PAGE}
    """  # noqa: S608 - a constant
_LARGEST_COMMIT: Final = text(
    """
    SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM clock_due d
      JOIN timeline t ON t.event_id = d.event_id AND t.n = d.timeline_n WHERE d.cause = 'calendar' GROUP BY t.xact_id) c
    """
)
_COMMITS: Final = text("SELECT count(DISTINCT xact_id) FROM timeline WHERE act = 'clock_recalculated'")
_ACTS: Final = text("SELECT act_id FROM timeline WHERE act_id = ANY(CAST(:ids AS uuid[]))")


@dataclass(slots=True)
class Books:
    """Counts of clocks. ``affected``: the new calendar gives them another due time than the old one."""

    clocks: int = 0
    running: int = 0
    affected: int = 0
    moved: int = 0
    #: ended before the recalculation came to them
    ended_unmoved: int = 0
    #: not due when the new calendar says; moved without need; not moved; moved more than once
    wrong: list[str] = field(default_factory=list)


def look(books: Books, calendar: Calendar, row: Any) -> None:
    """Takes one clock into account: its due time computed anew from its start, limit and pause alone."""
    started_at = row["started_at"]
    cap = Limit.parse(row["uncounted_cap"]) if row["uncounted_cap"] else None
    pauses = [Pause(row["pause_from"], row["pause_until"])] if row["pause_from"] else []
    limit = Limit(row["limit_value"], LimitUnit(row["limit_unit"]))
    end = due(calendar, started_at, limit, effective(calendar, pauses, started_at, cap)).due_at
    moves = row["moves"]
    affected = end != row["due_before"]
    books.clocks += 1
    books.running += row["state"] == "running"
    books.affected += affected
    books.moved += moves > 0
    spared = row["state"] != "running" and affected and not moves
    books.ended_unmoved += spared
    if moves != (affected and not spared) or (not spared and row["due_at"] != end):
        books.wrong.append(f"{row['event_id']}.{row['n']}：到期 {row['due_at']}，应为 {end}，重算 {moves} 次")


async def look_at_all(
    session: AsyncSession, calendar: Calendar, looked_at: Callable[[int], None] = lambda _: None
) -> Books:
    """Every clock there is."""
    books, after = Books(), (UUID(int=0), 0)
    while rows := await fetch(session, _CLOCKS, *after):
        for row in rows:
            look(books, calendar, row)
        looked_at(len(rows))
        after = (rows[-1]["event_id"], rows[-1]["n"])
    return books


async def commits(session: AsyncSession) -> tuple[int, int]:
    """(commits of the recalculation, clocks of the largest)."""
    largest = await session.scalar(_LARGEST_COMMIT)
    return int(await session.scalar(_COMMITS) or 0), int(largest or 0)


async def lost_acts(session: AsyncSession, answered: Sequence[UUID]) -> int:
    """Acts that were answered as done and stand on no timeline."""
    found = set(await session.scalars(_ACTS, {"ids": [str(id_) for id_ in answered]}))
    return len(set(answered) - found)


async def verify(session: AsyncSession, keyring: Keyring, ids: Sequence[UUID]) -> list[ChainFault]:
    """Faults of the chains of these events."""
    faults: list[ChainFault] = []
    for event in await session.scalars(select(Event).where(Event.id.in_(ids))):
        rows = await session.scalars(select(Timeline).where(Timeline.event_id == event.id).order_by(Timeline.n))
        notes = await session.scalars(select(TimelineNote).where(TimelineNote.event_id == event.id))
        faults += verify_chain(event, list(rows), list(notes), keyring)
    return faults
