"""Messages owed to other systems: claimed by lane, sent outside any transaction, recorded under a fence.

A lane is (destination, lane_id). Its deliveries go in order of ``n``, never two at once; a dead one stops its lane
until a person skips it or sends it again. A message goes out at least once, always under the same id: a worker that
dies between sending and recording leaves a lease behind, and who takes that over sends again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Sessions, transaction
from app.core.errors import Conflict, NotFound
from app.core.faults import fault_point
from app.core.metrics import DELIVERIES, DELIVERY_LAG, DELIVERY_SECONDS
from app.core.receivers import Answer, Message, Receiver
from app.core.retries import delay_after, describe, jittered
from app.core.set_writes import to_json
from app.core.timing import now

#: longer than one whole round can take, see ``deliver_due``
LEASE: Final = timedelta(minutes=2)
MAX_ATTEMPTS: Final = 12
#: after the first attempt, the second, …; the last repeats
RETRY_STEPS: Final = tuple(timedelta(minutes=minutes) for minutes in (0.5, 2, 10, 60, 360))
#: when to try again what was not even tried, because its receiver was found to be down
LATER: Final = timedelta(seconds=30)
#: what waits behind a dead delivery waits for a person; a moment that does not come keeps it out of the claims
_BLOCKED: Final = timedelta(days=3650)
#: how often recording an outcome is tried before the delivery counts as failed
_RECORD_TRIES: Final = 3

_STATE_NAMES: Final = {
    "waiting": "正在排队",
    "leased": "正在发送",
    "delivered": "已送达",
    "skipped": "已跳过",
    "dead": "已停止",
}

State = Literal["waiting", "delivered", "skipped", "dead"]
Key = tuple[UUID, int]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery under our lease; ``sealed`` is its body."""

    lane_id: UUID
    n: int
    destination_id: int
    report_id: UUID | None
    kind: str
    sealed: bytes
    attempts: int
    fence: int
    created_at: datetime

    @property
    def key(self) -> Key:
        """(lane_id, n)"""
        return self.lane_id, self.n


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. ``tried`` is False when nothing was sent at all: then no attempt is counted."""

    leased: Leased
    state: State
    fault: str | None
    next_at: datetime
    tried: bool = True


#: bodies by key: None when they must not leave any more (the person was erased), missing when they could not be opened
OpenBodies = Callable[[AsyncSession, Sequence[Leased]], Awaitable[Mapping[Key, bytes | None]]]
#: receivers by destination id; one that is missing cannot be reached
FindReceivers = Callable[[AsyncSession, Collection[int]], Awaitable[Mapping[int, Receiver]]]
#: called in the recording transaction with what left its lane for good: delivered or skipped
OnDelivered = Callable[[AsyncSession, Sequence[Outcome]], Awaitable[None]]

_CLAIM = text(
    """
    WITH due AS (
      SELECT d.lane_id, d.n FROM delivery d
      WHERE d.state IN ('waiting', 'leased') AND d.next_at <= :at
        AND NOT EXISTS (
          SELECT 1 FROM delivery b
          WHERE b.destination_id = d.destination_id AND b.lane_id = d.lane_id AND b.n < d.n
            AND b.state IN ('waiting', 'leased', 'dead'))
      ORDER BY d.next_at, d.lane_id LIMIT :limit FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE delivery d SET state = 'leased', attempts = d.attempts + 1, fence = d.fence + 1,
      lease_until = :until, next_at = :until
    FROM due WHERE d.lane_id = due.lane_id AND d.n = due.n
    RETURNING d.lane_id, d.n, d.destination_id, d.report_id, d.kind, d.sealed, d.attempts, d.fence, d.created_at
    """
)

# What stands behind in the lane follows: free when this one left, later when it waits. Otherwise each claim would look
# at every delivery that an outage has piled up. Only who holds the head of a lane moves its followers.
_RECORD = text(
    """
    WITH s AS (
      SELECT * FROM json_to_recordset(CAST(CAST(:rows AS text) AS json))
        AS x(lane_id uuid, n integer, fence integer, state text, fault text, next_at timestamptz, tried boolean)
    ), done AS (
      UPDATE delivery d SET state = s.state, next_at = s.next_at, lease_until = NULL, last_error = s.fault,
        attempts = d.attempts - CASE WHEN s.tried THEN 0 ELSE 1 END,
        delivered_at = CASE WHEN s.state = 'delivered' THEN CAST(:at AS timestamptz) END
      FROM s WHERE d.lane_id = s.lane_id AND d.n = s.n AND d.fence = s.fence AND d.state = 'leased'
      RETURNING d.destination_id, d.lane_id, d.n, d.state, s.next_at
    ), behind AS (
      UPDATE delivery f SET next_at = CASE
          WHEN done.state IN ('delivered', 'skipped') THEN CAST(:at AS timestamptz)
          WHEN done.state = 'dead' THEN CAST(:blocked AS timestamptz)
          ELSE GREATEST(f.next_at, done.next_at) END
      FROM done
      WHERE f.destination_id = done.destination_id AND f.lane_id = done.lane_id AND f.n > done.n
        AND f.state = 'waiting'
    )
    SELECT lane_id, n FROM done
    """
)

_LOCK_ONE = text("SELECT * FROM delivery WHERE lane_id = :lane_id AND n = :n FOR UPDATE")
_MOVE_ONE = text(
    """
    WITH one AS (
      UPDATE delivery SET state = :state, next_at = :at, lease_until = NULL, fence = fence + 1,
        attempts = CASE WHEN :state = 'waiting' THEN 0 ELSE attempts END,
        last_error = COALESCE(:fault, last_error)
      WHERE lane_id = :lane_id AND n = :n RETURNING destination_id, lane_id, n
    )
    UPDATE delivery f SET next_at = :at FROM one
    WHERE f.destination_id = one.destination_id AND f.lane_id = one.lane_id AND f.n > one.n AND f.state = 'waiting'
    """
)


async def claim(sessions: Sessions, *, limit: int, lease: timedelta = LEASE) -> list[Leased]:
    """Takes the first due delivery of up to ``limit`` lanes under a committed lease, the longest waiting first."""
    at = now()
    async with transaction(sessions) as session:
        found = await session.execute(_CLAIM, {"at": at, "until": at + lease, "limit": limit})
        return [Leased(*row) for row in found]


async def deliver_due(
    sessions: Sessions,
    *,
    open_bodies: OpenBodies,
    find_receivers: FindReceivers,
    on_delivered: OnDelivered,
    limit: int = 50,
    concurrency: int = 8,
    lease: timedelta = LEASE,
    max_attempts: int = MAX_ATTEMPTS,
    stop: asyncio.Event | None = None,
) -> int:
    """One round: claims lanes, sends several at a time, records each as soon as its answer is there; how many it took.

    When a receiver proves to be down, the rest of the round that is addressed to it goes back untried, so that an
    outage neither holds up the other receivers nor uses up attempts. When ``stop`` is set, nothing new is sent.
    """
    leased = await claim(sessions, limit=limit, lease=lease)
    if not leased:
        return 0
    fault_point("delivery.leased")
    async with transaction(sessions) as session:
        bodies = await open_bodies(session, leased)
        receivers = await find_receivers(session, {delivery.destination_id for delivery in leased})
    gate = asyncio.Semaphore(concurrency)
    answered: asyncio.Queue[Outcome] = asyncio.Queue()
    # Answers that take too long must not be started any more when another worker may already have taken over.
    last_start = time.monotonic() + lease.total_seconds() / 2
    down: set[int] = set()

    async def send(delivery: Leased) -> None:
        async with gate:
            stopping = (stop is not None and stop.is_set()) or time.monotonic() > last_start
            if delivery.key in bodies and bodies[delivery.key] is None:
                outcome = Outcome(delivery, "skipped", "erased", now())
            elif delivery.attempts > max_attempts:
                outcome = Outcome(delivery, "dead", "the lease ran out each time", now())
            elif stopping or delivery.destination_id in down:
                wait = timedelta() if stopping else jittered(LATER)
                fault = None if stopping else "receiver is down"
                outcome = Outcome(delivery, "waiting", fault, now() + wait, tried=False)
            else:
                answer = await _send(delivery, bodies.get(delivery.key), receivers.get(delivery.destination_id))
                if answer.down:
                    down.add(delivery.destination_id)
                outcome = _outcome(delivery, answer, max_attempts)
        await answered.put(outcome)

    async with asyncio.TaskGroup() as group:
        for delivery in leased:
            group.create_task(send(delivery))
        left = len(leased)
        while left:
            outcomes = [await answered.get()]
            while not answered.empty():
                outcomes.append(answered.get_nowait())
            await _record(sessions, outcomes, on_delivered, max_attempts)
            left -= len(outcomes)
    return len(leased)


async def _send(delivery: Leased, body: bytes | None, receiver: Receiver | None) -> Answer:
    if body is None:
        return Answer("retry", "the body does not open with our keys")
    if receiver is None:
        return Answer("retry", "the destination is not active")
    message = Message(f"{delivery.lane_id}.{delivery.n}", delivery.kind, body)
    began = time.monotonic()
    try:
        answer = await receiver.send(message)
    except Exception as fault:
        log.warning("delivery.receiver_failed", destination_id=delivery.destination_id, fault=type(fault).__name__)
        answer = Answer("retry", type(fault).__name__)
    DELIVERY_SECONDS.observe(time.monotonic() - began)
    fault_point("delivery.sent")
    return answer


def _outcome(delivery: Leased, answer: Answer, max_attempts: int) -> Outcome:
    at = now()
    if answer.outcome == "delivered":
        return Outcome(delivery, "delivered", answer.detail, at)
    if answer.outcome == "dead" or delivery.attempts >= max_attempts:
        return Outcome(delivery, "dead", answer.detail, at)
    wait = max(delay_after(delivery.attempts, RETRY_STEPS), answer.retry_after or timedelta())
    return Outcome(delivery, "waiting", answer.detail, at + wait)


async def _record(
    sessions: Sessions, outcomes: Sequence[Outcome], on_delivered: OnDelivered, max_attempts: int
) -> None:
    """Records together what came together; one by one when that fails, so that one cannot hold back the others."""
    try:
        recorded = await _record_together(sessions, outcomes, on_delivered)
    except Exception:
        if len(outcomes) > 1:
            for outcome in outcomes:
                await _record(sessions, [outcome], on_delivered, max_attempts)
        else:
            await _record_alone(sessions, outcomes[0], on_delivered, max_attempts)
        return
    _count(outcomes, recorded)


async def _record_alone(sessions: Sessions, outcome: Outcome, on_delivered: OnDelivered, max_attempts: int) -> None:
    for attempt in range(1, _RECORD_TRIES + 1):
        try:
            _count([outcome], await _record_together(sessions, [outcome], on_delivered))
            return
        except Exception as error:
            fault = error
            await asyncio.sleep(0.05 * attempt)
    log.error("delivery.not_recorded", lane_id=outcome.leased.lane_id, n=outcome.leased.n, exc_info=fault)
    # It went out, but what follows from it cannot be written: later it goes out again, under the same id.
    answer = Answer("retry", f"not recorded: {describe(fault)}")
    failed = _outcome(outcome.leased, answer, max_attempts)
    _count([failed], await _record_together(sessions, [failed], on_delivered))


async def _record_together(sessions: Sessions, outcomes: Sequence[Outcome], on_delivered: OnDelivered) -> set[Key]:
    at = now()
    rows: list[dict[str, Any]] = [
        {
            "lane_id": outcome.leased.lane_id,
            "n": outcome.leased.n,
            "fence": outcome.leased.fence,
            "state": outcome.state,
            "fault": outcome.fault,
            "next_at": outcome.next_at,
            "tried": outcome.tried,
        }
        for outcome in outcomes
    ]
    async with transaction(sessions) as session:
        found = await session.execute(_RECORD, {"rows": to_json(rows), "at": at, "blocked": at + _BLOCKED})
        recorded: set[Key] = {(row.lane_id, row.n) for row in found}
        gone = [o for o in outcomes if o.leased.key in recorded and o.state in ("delivered", "skipped")]
        if gone:
            await on_delivered(session, gone)
        fault_point("delivery.recorded")
    return recorded


def _count(outcomes: Sequence[Outcome], recorded: Collection[Key]) -> None:
    at = now()
    for outcome in outcomes:
        delivery = outcome.leased
        if delivery.key not in recorded:
            DELIVERIES.labels(delivery.kind, "lease_lost").inc()
            log.warning("delivery.lease_lost", lane_id=delivery.lane_id, n=delivery.n)
            continue
        what = outcome.state if outcome.state != "waiting" else "failed" if outcome.tried else "put_back"
        DELIVERIES.labels(delivery.kind, what).inc()
        if outcome.state == "delivered":
            DELIVERY_LAG.observe(max((at - delivery.created_at).total_seconds(), 0.0))
        elif outcome.state == "dead":
            log.error(
                "delivery.dead",
                lane_id=delivery.lane_id,
                n=delivery.n,
                destination_id=delivery.destination_id,
                fault=outcome.fault,
            )


async def skip(session: AsyncSession, lane_id: UUID, n: int, reason: str) -> Outcome:
    """A person gives a delivery up, and the lane goes on. Raises NotFound, Conflict (being sent, or over already).

    What follows from it for the reporter's debts is the caller's: pass the answer to its own ``on_delivered``.
    """
    at = now()
    leased = await _lock_for_person(session, lane_id, n, ("waiting", "dead"))
    await _move(session, leased, "skipped", reason, at)
    return Outcome(replace(leased, fence=leased.fence + 1), "skipped", reason, at)


async def send_again(session: AsyncSession, lane_id: UUID, n: int) -> None:
    """A person sends a dead delivery again, under the same id, with all its attempts. Raises NotFound, Conflict."""
    leased = await _lock_for_person(session, lane_id, n, ("dead",))
    await _move(session, leased, "waiting", None, now())


async def _lock_for_person(session: AsyncSession, lane_id: UUID, n: int, states: tuple[str, ...]) -> Leased:
    row = (await session.execute(_LOCK_ONE, {"lane_id": lane_id, "n": n})).one_or_none()
    if row is None:
        raise NotFound("没有这条推送记录。")
    if row.state not in states:
        raise Conflict(f"该推送{_STATE_NAMES[row.state]}，不能执行此操作；请刷新后再看。", state=row.state)
    return Leased(
        row.lane_id,
        row.n,
        row.destination_id,
        row.report_id,
        row.kind,
        row.sealed,
        row.attempts,
        row.fence,
        row.created_at,
    )


async def _move(session: AsyncSession, leased: Leased, state: str, fault: str | None, at: datetime) -> None:
    await session.execute(
        _MOVE_ONE, {"lane_id": leased.lane_id, "n": leased.n, "state": state, "fault": fault, "at": at}
    )
