"""The job ``recalculate``: a run looks on from its cursor and moves the clocks of a few events, under their locks.

What it moved and how far it got are one commit, so a process that dies loses nothing and repeats nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.records import records_of
from app.core import jobs
from app.core.database import Json, fetch
from app.core.metrics import CLOCKS_RECALCULATED
from app.core.set_writes import plain_row
from app.core.timing import now
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.report_tables import Report
from app.events.store import load_events, write_events
from app.masters import Masters
from app.masters.kinds import LADDER_KIND, LIMIT_KINDS
from app.masters.publishing import RECALCULATE
from app.recalculation.moves import Found, Move, apply, grounds_of, move_of, wait_anew, waits_otherwise
from app.recalculation.scan import BEGINNING, pages
from app.runtime import Runtime
from app.turn import Turn

#: events that one commit moves: an act that needs one of them waits for no more than that
EVENTS_A_COMMIT: Final = 40
#: clocks that one commit moves at most, whatever their events
CLOCKS_A_COMMIT: Final = 500
#: clocks that one run looks at: it is over long before its lease
LOOKED_AT_MOST: Final = 10_000
#: an event that somebody has under lock is asked for again after this
BUSY_AGAIN: Final = timedelta(seconds=0.5)
#: Who had read the old release when the new one came may write by it until about then (a transaction that is left
#: idle for longer is ended, ``core.database``): what began since is looked at once more.
STRAGGLERS: Final = timedelta(seconds=60)
_BEFORE_PUBLICATION: Final = timedelta(hours=1)

log = structlog.get_logger()

_LOCK_FREE: Final = "SELECT id FROM event WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED"
#: class of SQLSTATE: what stands in the database contradicts what is to be written
_CONTRADICTION: Final = "23"
_DEMANDS: Final = "SELECT id, demand_type FROM report WHERE id = ANY($1::uuid[])"


async def run(session: AsyncSession, args: Json, runtime: Runtime) -> None:
    """One run of the job ``recalculate``: looks on from its cursor, moves one commit's worth, and writes the job anew.

    A release that was replaced meanwhile is passed over: its successor says itself what becomes of open clocks.
    """
    masters = await runtime.masters.get(session, args["jurisdiction_id"])
    releases = {kind: id_ for kind, id_ in args["releases"].items() if masters.vector.get(kind) == id_}
    if not releases:
        return
    published_at = datetime.fromisoformat(args["published_at"])
    again = bool(args.get("again"))
    busy = [UUID(id_) for id_ in args.get("busy", ())]
    after = (UUID(args["after"][0]), int(args["after"][1])) if args.get("after") else BEGINNING
    wanted, reached = busy[:EVENTS_A_COMMIT], None
    if not args.get("looked_through") and len(wanted) < EVENTS_A_COMMIT:
        since_at = published_at - _BEFORE_PUBLICATION if again else None
        more, reached = await _look(session, masters, releases, after, since_at, EVENTS_A_COMMIT - len(wanted))
        wanted += [id_ for id_ in more if id_ not in busy]
    left, moved = await _move_each(session, runtime, masters, releases, wanted)
    left += busy[EVENTS_A_COMMIT:]
    looked_through = bool(args.get("looked_through")) or (reached is None and len(busy) < EVENTS_A_COMMIT)
    on = {name: args[name] for name in ("jurisdiction_id", "releases", "published_at")}
    on |= {"moved": int(args.get("moved", 0)) + moved, "again": again}
    at = run_at = now()
    if left or not looked_through:
        on |= {"busy": list(map(str, left)), "looked_through": looked_through}
        on["after"] = [str(part) for part in reached or after]
        if looked_through and not moved:
            run_at = at + BUSY_AGAIN
    elif again:
        log.info("recalculation.done", jurisdiction_id=args["jurisdiction_id"], releases=releases, moved=on["moved"])
        return
    else:
        on["again"] = True
        run_at = max(at, published_at + STRAGGLERS)
    await jobs.enqueue(session, RECALCULATE, f"{args['jurisdiction_id']}/{max(args['releases'].values())}", on, run_at)


async def _look(
    session: AsyncSession,
    masters: Masters,
    releases: Mapping[str, int],
    after: tuple[UUID, int],
    since_at: datetime | None,
    most: int,
) -> tuple[list[UUID], tuple[UUID, int] | None]:
    """Up to ``most`` events whose clocks move, and how far it looked; None for that: to the end."""
    events: dict[UUID, None] = {}
    looked, clocks = 0, 0
    reached = after
    grounds = [grounds_of(release) for release in releases.values()]
    async for page in pages(
        session, masters.jurisdiction_id, releases, after=after, since_at=since_at, grounds=grounds
    ):
        for event_id, group in groupby(page, lambda found: found.clock.event_id):
            if len(events) >= most or clocks >= CLOCKS_A_COMMIT:
                return list(events), reached
            mine = list(group)
            moving = sum(_moving(masters, releases, found) for found in mine)
            if moving:
                events[event_id] = None
                clocks += moving
            reached = (event_id, mine[-1].clock.n)
        looked += len(page)
        if looked >= LOOKED_AT_MOST:
            return list(events), reached
    return list(events), None


def _moving(masters: Masters, releases: Mapping[str, int], found: Found) -> bool:
    try:
        return move_of(masters, releases, found) is not None or waits_otherwise(masters, releases, found)
    except (ValueError, KeyError):
        return True  # told, and passed over, when it is looked at under its lock


async def _move_each(
    session: AsyncSession, runtime: Runtime, masters: Masters, releases: Mapping[str, int], wanted: Sequence[UUID]
) -> tuple[list[UUID], int]:
    """As ``_move``; when the database refuses what stands in one of them, that one alone stays as it is."""
    try:
        async with session.begin_nested():
            await session.connection()  # sets the savepoint, which statements through the driver alone do not
            return await _move(session, runtime, masters, releases, wanted)
    except DBAPIError as fault:
        if not str(getattr(fault.orig, "sqlstate", None) or "").startswith(_CONTRADICTION):
            raise
        if len(wanted) == 1:
            log.exception("recalculation.event_failed", event_id=wanted[0])
            return [], 0
    done = [await _move_each(session, runtime, masters, releases, [event_id]) for event_id in wanted]
    return [id_ for left, _ in done for id_ in left], sum(moved for _, moved in done)


async def _move(
    session: AsyncSession, runtime: Runtime, masters: Masters, releases: Mapping[str, int], wanted: Sequence[UUID]
) -> tuple[list[UUID], int]:
    """Moves the clocks of these events; (those that somebody has under lock, how many clocks it moved).

    Waits for nobody: while it did, everybody else would wait for the events that it has already.
    """
    if not wanted:
        return [], 0
    free = {row["id"] for row in await fetch(session, _LOCK_FREE, list(wanted))}
    locked = await load_events(session, sorted(free))
    reports = await _reports(session, locked.values()) if LIMIT_KINDS.intersection(releases) else {}
    at = now()
    changed: list[EventAggregate] = []
    causes: list[str] = []
    left = [id_ for id_ in wanted if id_ not in free]
    for aggregate in locked.values():
        try:
            moves = _moves(masters, releases, aggregate, reports)
            if moves and len(causes) >= CLOCKS_A_COMMIT:
                left.append(aggregate.event.id)
                continue
            turn = Turn(masters, aggregate, Act(SYSTEM, at, at))
            room = CLOCKS_A_COMMIT - len(causes)
            for clock, move in moves[:room]:
                apply(turn, clock, move, releases)
            waits = LADDER_KIND in releases and wait_anew(aggregate, masters)
            if moves:
                turn.rest()
            if moves or waits:
                changed.append(aggregate)
                causes += [move.cause for _, move in moves[:room]]
            if moves[room:]:
                left.append(aggregate.event.id)
        except Exception:
            # its clocks stay as they are; it must not hold up all the others
            log.exception("recalculation.event_failed", event_id=aggregate.event.id)
    if changed:
        await write_events(session, runtime.keyring, changed)
    for cause in causes:
        CLOCKS_RECALCULATED.labels(cause).inc()
    return left, len(causes)


def _moves(
    masters: Masters, releases: Mapping[str, int], aggregate: EventAggregate, reports: Mapping[UUID, Report]
) -> list[tuple[Clock, Move]]:
    """Computed again under the lock: a clock may have been moved, or have ended, since it was looked at."""
    moves: list[tuple[Clock, Move]] = []
    for clock in aggregate.clocks:
        if clock.state != "running":
            continue
        report = reports.get(clock.report_id) if clock.report_id else None
        records = records_of(aggregate, clock) if clock.generation > 1 else ()
        move = move_of(masters, releases, Found(clock, aggregate.event, report, records))
        if move is not None:
            moves.append((clock, move))
    return moves


async def _reports(session: AsyncSession, aggregates: Collection[EventAggregate]) -> dict[UUID, Report]:
    ids = {clock.report_id for aggregate in aggregates for clock in aggregate.clocks if clock.report_id}
    found = await fetch(session, _DEMANDS, list(ids)) if ids else []
    return {row["id"]: plain_row(Report, demand_type=row["demand_type"]) for row in found}
