"""Background work as rows: written in the transaction that made it necessary, done under a lease (DESIGN.md §4).

A worker takes due jobs with SKIP LOCKED and commits a lease; each job then runs in a transaction of its own that also
records the outcome. What a handler writes to the database therefore happens once: when another worker took the job
over meanwhile, the fence has risen and the whole transaction is rolled back. What a handler does elsewhere may happen
again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Json, Sessions, transaction
from app.core.ids import uuid7
from app.core.logging import mask_numbers
from app.core.metrics import JOB_SECONDS, JOBS
from app.core.retries import MAX_FAULT_CHARS, delay_after, describe
from app.core.set_writes import to_json
from app.core.timing import now

#: (session, args); the session's transaction commits with the job's outcome
Handler = Callable[[AsyncSession, Json], Awaitable[None]]

LEASE: Final = timedelta(minutes=2)
MAX_ATTEMPTS: Final = 10
#: after the first attempt, the second, …
RETRY_STEPS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600))
#: done jobs are kept this long, for whoever asks what happened
KEPT: Final = timedelta(days=7)

log = structlog.get_logger()


class GiveUp(Exception):
    """Trying again is of no use: what the handler wrote is kept, and the job is dead with this text."""


class LeaseLost(Exception):
    """Another worker has taken the job over; this one must leave no trace."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A job under our lease."""

    id: UUID
    kind: str
    key: str
    args: Json
    attempts: int
    fence: int


# A leased job's run_at equals its lease_until. Who enqueues the same job meanwhile moves run_at away from it, and the
# job waits again when this run has ended: the run may have read what the enqueuing transaction has just changed.
_ENQUEUE = text(
    """
    INSERT INTO job (id, kind, key, args, run_at)
    VALUES (:id, :kind, :key, CAST(CAST(:args AS text) AS jsonb), :run_at)
    ON CONFLICT (kind, key) WHERE state IN ('waiting', 'leased') DO UPDATE SET
      args = excluded.args,
      run_at = CASE
        WHEN job.state = 'waiting' THEN LEAST(job.run_at, excluded.run_at)
        WHEN job.lease_until = excluded.run_at THEN excluded.run_at - interval '1 microsecond'
        ELSE excluded.run_at
      END
    """
)

_CLAIM = text(
    """
    WITH due AS (
      SELECT id FROM job
      WHERE state IN ('waiting', 'leased') AND run_at <= :at AND (state = 'waiting' OR lease_until <= :at)
        AND kind = ANY(:kinds)
      ORDER BY run_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE job SET state = 'leased', attempts = attempts + 1, fence = fence + 1, lease_until = :until, run_at = :until
    FROM due WHERE job.id = due.id
    RETURNING job.id, job.kind, job.key, job.args, job.attempts, job.fence
    """
)

_DONE = text(
    """
    UPDATE job SET lease_until = NULL, last_error = NULL,
      state = CASE WHEN run_at = lease_until THEN 'done' ELSE 'waiting' END,
      attempts = CASE WHEN run_at = lease_until THEN attempts ELSE 0 END
    WHERE id = :id AND fence = :fence AND state = 'leased' RETURNING state
    """
)

_FAILED = text(
    """
    UPDATE job SET lease_until = NULL, last_error = :fault,
      state = CASE WHEN run_at = lease_until AND :dead THEN 'dead' ELSE 'waiting' END,
      attempts = CASE WHEN run_at = lease_until THEN attempts ELSE 0 END,
      run_at = CASE WHEN run_at = lease_until THEN :retry_at ELSE run_at END
    WHERE id = :id AND fence = :fence AND state = 'leased' RETURNING state
    """
)

_REVIVE = text(
    """
    UPDATE job SET state = 'waiting', attempts = 0, run_at = :at
    WHERE id = :id AND state = 'dead' AND NOT EXISTS (
      SELECT 1 FROM job o WHERE o.kind = job.kind AND o.key = job.key AND o.state IN ('waiting', 'leased')
    ) RETURNING id
    """
)


async def enqueue(session: AsyncSession, kind: str, key: str, args: Json, run_at: datetime) -> None:
    """Writes a job in the caller's transaction; it exists when that commits.

    One job of a (kind, key) waits at most: a second one brings the first forward and replaces its ``args``. While one
    is running, it is run once more afterwards.
    """
    await session.execute(_ENQUEUE, {"id": uuid7(), "kind": kind, "key": key, "args": to_json(args), "run_at": run_at})


async def claim(sessions: Sessions, kinds: list[str], *, limit: int, lease: timedelta = LEASE) -> list[Leased]:
    """Takes up to ``limit`` due jobs of these kinds under a committed lease."""
    at = now()
    async with transaction(sessions) as session:
        found = await session.execute(_CLAIM, {"at": at, "until": at + lease, "kinds": kinds, "limit": limit})
        return [Leased(*row) for row in found]


async def run_due(
    sessions: Sessions,
    handlers: Mapping[str, Handler],
    *,
    limit: int = 20,
    concurrency: int = 3,
    lease: timedelta = LEASE,
    max_attempts: int = MAX_ATTEMPTS,
) -> int:
    """Runs the due jobs that ``handlers`` knows (the others are left to who knows them); returns how many it took.

    A handler that raises is tried again later with a back-off; after ``max_attempts`` the job is dead and keeps the
    last fault, at once when the handler gives up. Handlers are cut off when their lease ends.
    """
    leased = await claim(sessions, list(handlers), limit=limit, lease=lease)
    gate = asyncio.Semaphore(concurrency)
    # counted from here: jobs that wait for the gate use up their lease as well
    ends = asyncio.get_running_loop().time() + lease.total_seconds()

    async def run(job: Leased) -> None:
        async with gate:
            if job.attempts > max_attempts:
                await _record_failure(sessions, job, "the lease ran out each time", dead=True)
            else:
                await _run_one(sessions, job, handlers[job.kind], ends, dead=job.attempts == max_attempts)

    async with asyncio.TaskGroup() as group:
        for job in leased:
            group.create_task(run(job))
    return len(leased)


async def _run_one(sessions: Sessions, job: Leased, handler: Handler, ends: float, *, dead: bool) -> None:
    try:
        async with asyncio.timeout_at(ends), transaction(sessions) as session:
            given_up: str | None = None
            with JOB_SECONDS.labels(job.kind).time():
                try:
                    await handler(session, job.args)
                except GiveUp as fault:
                    given_up = mask_numbers(str(fault))[:MAX_FAULT_CHARS]
            mine = {"id": job.id, "fence": job.fence}
            if given_up is None:
                state = await session.scalar(_DONE, mine)
            else:
                state = await session.scalar(_FAILED, mine | {"fault": given_up, "dead": True, "retry_at": now()})
            if state is None:
                raise LeaseLost
        JOBS.labels(job.kind, "dead" if state == "dead" else "done").inc()
        if state == "dead":
            log.error("job.dead", kind=job.kind, job_id=job.id, fault=given_up)
    except LeaseLost:
        JOBS.labels(job.kind, "lease_lost").inc()
        log.warning("job.lease_lost", kind=job.kind, job_id=job.id)
    except Exception as fault:
        log.warning("job.failed", kind=job.kind, job_id=job.id, attempts=job.attempts, dead=dead, exc_info=True)
        await _record_failure(sessions, job, describe(fault), dead=dead)


async def _record_failure(sessions: Sessions, job: Leased, fault: str, *, dead: bool) -> None:
    retry_at = now() + delay_after(job.attempts, RETRY_STEPS)
    async with transaction(sessions) as session:
        state = await session.scalar(
            _FAILED, {"id": job.id, "fence": job.fence, "fault": fault, "dead": dead, "retry_at": retry_at}
        )
    outcome = {"dead": "dead", "waiting": "failed", None: "lease_lost"}[state]
    JOBS.labels(job.kind, outcome).inc()
    if outcome == "dead":
        log.error("job.dead", kind=job.kind, job_id=job.id, fault=fault)


async def revive(session: AsyncSession, job_id: UUID) -> bool:
    """A person sends a dead job to work again; False when it is not dead or a newer one waits in its place."""
    return await session.scalar(_REVIVE, {"id": job_id, "at": now()}) is not None


async def forget_done(session: AsyncSession) -> None:
    """Deletes jobs that were done longer ago than they are ``KEPT``."""
    await session.execute(text("DELETE FROM job WHERE state = 'done' AND run_at < :before"), {"before": now() - KEPT})
