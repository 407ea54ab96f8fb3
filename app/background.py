"""What happens without a request: clocks that fall due, messages that go out, work that is tried again.

Each step is safe to repeat, to kill and to run in several processes: it looks again under the event's lock and
commits what it did together with the mark that it is done. ``app.worker`` calls the three of them for ever.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from heapq import heapify, heappop, heappush
from random import SystemRandom
from typing import Final, Literal
from uuid import UUID

import httpx
import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import loop
from app.accounts.endpoints import active_endpoints, notice_clients
from app.clocks.sweep import DueEvent, due_clocks, lock_if_free, next_rung, wait_for_next
from app.core import deliveries, jobs
from app.core.crypto import Keyring, UnsealError, open_sealed
from app.core.database import Json, transaction
from app.core.deliveries import Key, Leased, Outcome
from app.core.metrics import BACKLOG, CLOCK_LAG, CLOCKS_FIRED
from app.core.receivers import HttpReceiver, NullReceiver, Receiver, open_http
from app.core.timing import now
from app.events.aggregate import SYSTEM, Act, Actor, EventAggregate
from app.events.report_tables import Report, ReportKey
from app.events.store import DELIVERY_AAD, load_events, load_reports, lock_events, write_events
from app.feedback import debts
from app.masters import Masters
from app.masters.publishing import RECALCULATE
from app.masters.scheduling import PUBLISH_RELEASE, publish_scheduled
from app.recalculation import job as recalculation
from app.receiving import retry_held
from app.runtime import Runtime
from app.turn import Turn

SWEEP_LIMIT: Final = 200
SWEEP_CONCURRENCY: Final = 3
SEND_CONCURRENCY: Final = 8
JOB_CONCURRENCY: Final = 3
#: a run of it takes a second: who takes over from a dead worker need not wait as long as for other jobs
RECALCULATION_LEASE: Final = timedelta(seconds=30)
#: an event whose clocks could not be acted on is left alone for so long, so that it holds up no other
LEFT_ALONE: Final = timedelta(minutes=1)

log = structlog.get_logger()
_shuffle = SystemRandom().shuffle


class FamilyMoved(Exception):
    """A report changed its event between looking and locking: the step is simply done again."""


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def handlers(runtime: Runtime) -> Mapping[str, jobs.Handler]:
    """What the kinds of jobs do."""

    async def _retry_held(_: AsyncSession, args: Json) -> None:
        # in its own transaction; a message that is not held any more is left as it is
        await retry_held(runtime, UUID(args["message_id"]))

    async def _recalculate(session: AsyncSession, args: Json) -> None:
        await recalculation.run(session, args, runtime)

    return {"retry_held": _retry_held, RECALCULATE: _recalculate, PUBLISH_RELEASE: publish_scheduled}


async def run_jobs(runtime: Runtime, *, concurrency: int = JOB_CONCURRENCY) -> int:
    """Runs the jobs that are due; returns how many. ``concurrency``: jobs at once."""
    ran = 0
    for kind, handler in handlers(runtime).items():
        lease = RECALCULATION_LEASE if kind == RECALCULATE else jobs.LEASE
        ran += await jobs.run_due(runtime.sessions, {kind: handler}, concurrency=concurrency, lease=lease)
    return ran


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────────────────


class Sweeper:
    """Acts on clocks that fell due. Remembers for a while which events failed, and is otherwise without state.

    The rungs of one event fire in the order of their times. With ``concurrency`` 1 those of all events do.
    """

    def __init__(self, runtime: Runtime, *, concurrency: int = SWEEP_CONCURRENCY) -> None:
        self._runtime = runtime
        self._concurrency = concurrency
        self._failed: dict[UUID, float] = {}

    async def sweep(self, limit: int = SWEEP_LIMIT) -> int:
        """Acts on up to ``limit`` due clocks, each event in a transaction of its own; returns how many it fired."""
        clock = asyncio.get_running_loop().time
        self._failed = {event_id: until for event_id, until in self._failed.items() if until > clock()}
        async with transaction(self._runtime.sessions) as session:
            due = await due_clocks(session, now(), limit, without=self._failed)
        if self._concurrency == 1:
            return await self._in_order(due)
        # Several workers find the same list; in the same order each would meet the other at every event.
        _shuffle(due)
        gate = asyncio.Semaphore(self._concurrency)

        async def act(event: DueEvent) -> int:
            async with gate:
                return (await self._act(event)).count

        async with asyncio.TaskGroup() as group:
            acting = [group.create_task(act(event)) for event in due]
        return sum(task.result() for task in acting)

    async def _in_order(self, due: Sequence[DueEvent]) -> int:
        """One rung after the other by its time, across events: none later than the next event's first."""
        waiting = [(event.next_at, event.event_id, event) for event in due]
        heapify(waiting)
        last_at = due[-1].next_at if due else now()
        fired = 0
        while waiting:
            *_, event = heappop(waiting)
            done = await self._act(event, until=waiting[0][0] if waiting else last_at)
            fired += done.count
            # What lies behind the last event of the list may come after events that are not in it.
            if done.next_at is not None and done.next_at <= last_at:
                heappush(waiting, (done.next_at, event.event_id, event))
        return fired

    async def _act(self, event: DueEvent, *, until: datetime | None = None) -> "_Fired":
        try:
            return await _fire(self._runtime, event, until=until)
        except Exception:
            self._failed[event.event_id] = asyncio.get_running_loop().time() + LEFT_ALONE.total_seconds()
            log.exception("sweep.event_failed", event_id=event.event_id)
            return _Fired()


async def sweep(runtime: Runtime, *, concurrency: int = SWEEP_CONCURRENCY) -> int:
    """One sweep over the due clocks; returns how many were fired. ``concurrency``: events at once."""
    return await Sweeper(runtime, concurrency=concurrency).sweep()


@dataclass(frozen=True, slots=True)
class _Fired:
    """What came of one event: how many rungs fired, and when its next one is due."""

    count: int = 0
    next_at: datetime | None = None


async def _fire(runtime: Runtime, due: DueEvent, *, until: datetime | None = None) -> _Fired:
    """Fires the event's rungs that are due; with ``until`` only those of this moment and before."""
    fired: list[tuple[str, float]] = []
    async with transaction(runtime.sessions) as session:
        if not await lock_if_free(session, due.event_id, now()):
            return _Fired()
        masters = await runtime.masters.get(session, due.jurisdiction_id)
        aggregate = (await load_events(session, [due.event_id]))[due.event_id]
        notify = await notice_clients(session, due.jurisdiction_id)
        at = now()
        # one at a time: acting on one may have ended another
        while found := next_rung(aggregate, masters.clockwork, at if until is None else min(at, until)):
            clock, rung, rung_at = found
            # However late the sweep comes, the limit passed when it fell due.
            turn = Turn(masters, aggregate, Act(SYSTEM, at, rung_at))
            loop.rung_due(turn, clock, rung, rung_at, notify)
            wait_for_next(aggregate, clock, masters.clockwork)
            fired.append((clock.kind, (at - rung_at).total_seconds()))
        if fired:
            Turn(masters, aggregate, Act(SYSTEM, at, at)).rest()
        # a clock may only have been told what it waits for now
        if any(True for _ in aggregate.changes()):
            await write_events(session, runtime.keyring, [aggregate])
    for kind, lag in fired:
        CLOCKS_FIRED.labels(kind).inc()
        CLOCK_LAG.observe(lag)
    waits = [clock.next_at for clock in aggregate.clocks if clock.state == "running" and clock.next_at is not None]
    return _Fired(len(fired), min(waits, default=None))


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────


async def deliver(runtime: Runtime, http: httpx.AsyncClient | None = None, *, stop: asyncio.Event | None = None) -> int:
    """One round of deliveries; returns how many were taken. Without ``http`` it opens a client for this round."""
    if http is None:
        async with open_http(SEND_CONCURRENCY) as opened:
            return await deliver(runtime, opened, stop=stop)
    return await deliveries.deliver_due(
        runtime.sessions,
        open_bodies=partial(open_bodies, keyring=runtime.keyring),
        find_receivers=partial(_find_receivers, keyring=runtime.keyring, http=http),
        on_delivered=partial(on_delivered, runtime=runtime),
        concurrency=SEND_CONCURRENCY,
        stop=stop,
    )


async def open_bodies(session: AsyncSession, leased: Sequence[Leased], *, keyring: Keyring) -> dict[Key, bytes | None]:
    """The bodies of deliveries; None for a person who was erased, missing when sealed under keys we do not have."""
    report_ids = {delivery.report_id for delivery in leased if delivery.report_id is not None}
    found = await session.execute(
        select(ReportKey.report_id, ReportKey.wrapped).where(ReportKey.report_id.in_(report_ids))
    )
    wrapped = {report_id: key for report_id, key in found}
    bodies: dict[Key, bytes | None] = {}
    for delivery in leased:
        try:
            if delivery.report_id is None:
                bodies[delivery.key] = keyring.open_alone(delivery.sealed, DELIVERY_AAD)
            elif delivery.report_id not in wrapped:
                bodies[delivery.key] = None
            else:
                key = keyring.unwrap(wrapped[delivery.report_id])
                aad = DELIVERY_AAD + delivery.report_id.bytes
                bodies[delivery.key] = open_sealed(key, delivery.sealed, aad)
        except UnsealError as fault:
            log.error("delivery.not_opened", lane_id=delivery.lane_id, n=delivery.n, fault=str(fault))
    return bodies


async def _find_receivers(
    session: AsyncSession, destination_ids: Collection[int], *, keyring: Keyring, http: httpx.AsyncClient
) -> dict[int, Receiver]:
    endpoints = await active_endpoints(session, keyring, destination_ids)
    return {
        client_id: HttpReceiver(http, endpoint.url, endpoint.secret) if endpoint.url else NullReceiver()
        for client_id, endpoint in endpoints.items()
    }


async def on_delivered(session: AsyncSession, outcomes: Sequence[Outcome], *, runtime: Runtime) -> None:
    """What follows when results have reached their sources, or never will: debts end, and ends become final.

    Runs in the transaction that records the outcomes. Raises FamilyMoved when a report has just changed its event.
    """
    results = [o for o in outcomes if o.leased.kind == "result" and o.leased.report_id is not None]
    if not results:
        return
    at = now()
    await _pay_results(session, runtime, results, Act(SYSTEM, at, at))


async def skip_delivery(
    session: AsyncSession, runtime: Runtime, lane_id: UUID, n: int, actor: Actor, reason: str
) -> None:
    """A person gives a delivery up: its lane goes on, and a result that was owed is written off with their name.

    Raises NotFound and Conflict as ``deliveries.skip`` does.
    """
    outcome = await deliveries.skip(session, lane_id, n, reason)
    at = now()
    if outcome.leased.kind == "result" and outcome.leased.report_id is not None:
        await _pay_results(session, runtime, [outcome], Act(actor, at, at))
    await _write_down(session, runtime, lane_id, n, Act(actor, at, at), "delivery_skipped", reason)


async def send_delivery_again(
    session: AsyncSession, runtime: Runtime, lane_id: UUID, n: int, actor: Actor, reason: str
) -> None:
    """A person sends a dead delivery again, with all its attempts. Raises NotFound and Conflict."""
    await deliveries.send_again(session, lane_id, n)
    at = now()
    await _write_down(session, runtime, lane_id, n, Act(actor, at, at), "delivery_sent_again", reason)


async def _write_down(
    session: AsyncSession, runtime: Runtime, lane_id: UUID, n: int, act: Act, name: str, reason: str
) -> None:
    # a lane is what we say about one event, in order
    event = (await lock_events(session, [lane_id])).get(lane_id)
    if event is not None:
        event.record(act, name, data={"delivery": n}, note=reason)
        await write_events(session, runtime.keyring, [event])


# The root is the event that answers for the report: its own, or the one that it was merged into, however often.
_FAMILIES = text(
    """
    WITH RECURSIVE up(report_id, id, merged_into) AS (
      SELECT l.report_id, e.id, e.merged_into FROM event_report l JOIN event e ON e.id = l.event_id
      WHERE l.report_id = ANY(:report_ids) AND l.left_at IS NULL
      UNION
      SELECT up.report_id, e.id, e.merged_into FROM up JOIN event e ON e.id = up.merged_into
    ), root AS (
      SELECT report_id, id FROM up WHERE merged_into IS NULL
    ), family(root_id, id) AS (
      SELECT DISTINCT id, id FROM root
      UNION
      SELECT f.root_id, e.id FROM family f JOIN event e ON e.merged_into = f.id
    )
    SELECT r.report_id, r.id AS root_id,
      (SELECT array_agg(f.id) FROM family f WHERE f.root_id = r.id AND f.id <> r.id) AS merged_ids
    FROM root r
    """
)


async def _pay_results(session: AsyncSession, runtime: Runtime, results: Sequence[Outcome], act: Act) -> None:
    """Ends these result debts; an event whose last debt it was becomes final, with those merged into it."""
    found = await session.execute(_FAMILIES, {"report_ids": [o.leased.report_id for o in results]})
    root_of: dict[UUID, UUID] = {}
    merged: dict[UUID, list[UUID]] = {}
    for row in found:
        root_of[row.report_id] = row.root_id
        merged[row.root_id] = row.merged_ids or []
    locked = await lock_events(session, {*merged, *(id_ for ids in merged.values() for id_ in ids)})
    masters: dict[int, Masters] = {}
    for root_id, merged_ids in merged.items():
        jurisdiction_id = locked[root_id].event.jurisdiction_id
        if jurisdiction_id not in masters:
            masters[jurisdiction_id] = await runtime.masters.get(session, jurisdiction_id)
        turn = Turn(masters[jurisdiction_id], locked[root_id], act)
        mine = [o for o in results if o.leased.report_id and root_of.get(o.leased.report_id) == root_id]
        await _pay_one(session, turn, [locked[id_] for id_ in merged_ids], mine)
        turn.rest()
    await write_events(session, runtime.keyring, [a for a in locked.values() if any(True for _ in a.changes())])


async def _pay_one(
    session: AsyncSession, turn: Turn, merged: Sequence[EventAggregate], results: Sequence[Outcome]
) -> None:
    root, act = turn.event, turn.act
    await load_reports(session, root)
    reports = {report.id: report for report in root.reports}
    if root.event.merged_into is not None or any(o.leased.report_id not in reports for o in results):
        raise FamilyMoved
    final_before = root.event.settled_at is not None
    for outcome in results:
        report = reports[outcome.leased.report_id] if outcome.leased.report_id else None
        if report is None or not _tells_present_end(root, report, outcome):
            continue
        if outcome.state == "delivered":
            loop.delivered(turn, report, "result")
        else:
            why: Literal["erased", "delivery_skipped"] = "erased" if outcome.fault == "erased" else "delivery_skipped"
            root.record(act, "result_written_off", report=report, data={"why": why}, note=_note(why, outcome))
            debts.waive(root, report, "result", why)
            debts.settle(root, act)
    if root.event.settled_at is not None and not final_before:
        for aggregate in merged:
            if aggregate.event.settled_at is None:
                aggregate.change(aggregate.event, settled_at=act.at)
                aggregate.record(act, "settled", data={"with": str(root.event.id)}, note="")


def _note(why: str, outcome: Outcome) -> str:
    return outcome.fault or "" if why == "delivery_skipped" else ""


def _tells_present_end(root: EventAggregate, report: Report, outcome: Outcome) -> bool:
    """False for the result of an end that was taken back meanwhile: the source is still owed the one to come."""
    if report.state == "withdrawn":
        return True
    ended_at = root.event.ended_at
    return ended_at is not None and outcome.leased.created_at >= ended_at


# ── what waits ───────────────────────────────────────────────────────────────────────────────────────────────

_BACKLOG = text(
    """
    SELECT
      (SELECT count(*) FROM job WHERE state IN ('waiting', 'leased') AND run_at <= :at) AS jobs_due,
      (SELECT count(*) FROM job WHERE state = 'dead') AS jobs_dead,
      (SELECT count(*) FROM delivery WHERE state IN ('waiting', 'leased') AND next_at <= :at) AS deliveries_due,
      (SELECT count(*) FROM delivery WHERE state IN ('waiting', 'leased')) AS deliveries_open,
      (SELECT count(*) FROM delivery WHERE state = 'dead') AS deliveries_dead,
      (SELECT count(*) FROM clock WHERE next_at <= :at) AS clocks_due,
      (SELECT count(*) FROM inbox WHERE state = 'held') AS messages_held
    """
)


async def measure_backlog(runtime: Runtime) -> Mapping[str, int]:
    """Counts what waits, sets the gauges, and answers the counts."""
    async with runtime.read_sessions() as session:
        row = (await session.execute(_BACKLOG, {"at": now()})).mappings().one()
    counts = {str(what): int(count) for what, count in row.items()}
    for what, count in counts.items():
        BACKLOG.labels(what).set(count)
    return counts


async def forget(runtime: Runtime) -> None:
    """Deletes what nobody asks for any more."""
    async with transaction(runtime.sessions) as session:
        await jobs.forget_done(session)
