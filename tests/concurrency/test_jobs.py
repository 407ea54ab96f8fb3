"""Jobs on a database with real commits: leases, fences, retries, and the one job that may wait under a key."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import jobs
from app.core.database import Json, Sessions, make_engine, make_sessions, transaction
from app.core.timing import MovableClock, now


@pytest.fixture
async def sessions(database_url: str, owner_database_url: str) -> AsyncIterator[Sessions]:
    owner = make_engine(owner_database_url, pool_size=1)
    async with owner.begin() as connection:
        await connection.execute(text("CREATE TABLE trace (key text, attempt integer)"))
    await owner.dispose()
    engine = make_engine(database_url, pool_size=8)
    yield make_sessions(engine)
    await engine.dispose()


async def put(sessions: Sessions, key: str, args: Json | None = None, *, kind: str = "note", later: float = 0) -> None:
    async with transaction(sessions) as session:
        await jobs.enqueue(session, kind, key, args or {"key": key}, now() + timedelta(seconds=later))


async def rows(sessions: Sessions, query: str = "SELECT key, state, attempts, last_error FROM job ORDER BY key") -> Any:
    async with sessions() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def note(session: AsyncSession, args: Json) -> None:
    await session.execute(text("INSERT INTO trace VALUES (:key, 1)"), {"key": args["key"]})


async def fail(session: AsyncSession, args: Json) -> None:
    await note(session, args)
    raise ValueError("13800001234 does not answer\nDETAIL: quotes data")


async def test_a_handler_that_gives_up_keeps_what_it_wrote_and_is_not_run_again(
    sessions: Sessions, clock: MovableClock
) -> None:
    async def give_up(session: AsyncSession, args: Json) -> None:
        await note(session, args)
        raise jobs.GiveUp("没有这个单位，电话 13800001234")

    await put(sessions, "a")
    assert await jobs.run_due(sessions, {"note": give_up}) == 1
    assert await rows(sessions) == [("a", "dead", 1, "没有这个单位，电话 138****1234")]
    assert await rows(sessions, "SELECT key FROM trace") == [("a",)]
    clock.advance(days=1)
    assert await jobs.run_due(sessions, {"note": note}) == 0


async def test_a_job_exists_when_its_transaction_commits_and_not_otherwise(
    sessions: Sessions, clock: MovableClock
) -> None:
    async with sessions() as session:
        await jobs.enqueue(session, "note", "lost", {}, now())
        await session.rollback()
    await put(sessions, "kept")
    assert await jobs.run_due(sessions, {"note": note}) == 1
    assert await rows(sessions) == [("kept", "done", 1, None)]
    assert await rows(sessions, "SELECT key FROM trace") == [("kept",)]


async def test_one_job_of_a_key_waits_and_the_earlier_time_counts(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a", {"key": "first"}, later=600)
    await put(sessions, "a", {"key": "second"}, later=60)
    await put(sessions, "a", {"key": "third"}, later=900)
    assert await jobs.run_due(sessions, {"note": note}) == 0
    clock.advance(seconds=61)
    assert await jobs.run_due(sessions, {"note": note}) == 1
    assert await rows(sessions, "SELECT key FROM trace") == [("third",)]


async def test_many_workers_do_each_job_once(sessions: Sessions, clock: MovableClock) -> None:
    for number in range(40):
        await put(sessions, f"{number:02}")

    async def worker() -> int:
        done = 0
        while taken := await jobs.run_due(sessions, {"note": note}, limit=5, concurrency=2):
            done += taken
        return done

    assert sum(await asyncio.gather(*(worker() for _ in range(4)))) == 40
    assert await rows(sessions, "SELECT count(*), count(DISTINCT key) FROM trace") == [(40, 40)]


async def test_a_failure_leaves_nothing_behind_and_is_tried_later_until_the_job_is_dead(
    sessions: Sessions, clock: MovableClock
) -> None:
    await put(sessions, "a")
    await jobs.run_due(sessions, {"note": fail}, max_attempts=2)
    assert await rows(sessions) == [("a", "waiting", 1, "ValueError: 138****1234 does not answer")]
    assert await jobs.run_due(sessions, {"note": fail}, max_attempts=2) == 0, "it must wait first"
    clock.advance(seconds=7)
    await jobs.run_due(sessions, {"note": fail}, max_attempts=2)
    assert await rows(sessions) == [("a", "dead", 2, "ValueError: 138****1234 does not answer")]
    assert await rows(sessions, "SELECT * FROM trace") == []
    clock.advance(days=1)
    assert await jobs.run_due(sessions, {"note": note}) == 0

    [(job_id,)] = await rows(sessions, "SELECT id FROM job")
    async with transaction(sessions) as session:
        assert await jobs.revive(session, job_id)
        assert not await jobs.revive(session, job_id), "only a dead one can be revived"
    assert await jobs.run_due(sessions, {"note": note}) == 1


async def test_who_lost_the_lease_leaves_no_trace(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a")
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(session: AsyncSession, args: Json) -> None:
        await session.execute(text("INSERT INTO trace VALUES ('slow', 1)"))
        began.set()
        await go_on.wait()

    first = asyncio.create_task(jobs.run_due(sessions, {"note": slow}))
    await began.wait()
    assert await jobs.run_due(sessions, {"note": note}) == 0, "the lease still holds"
    clock.advance(jobs.LEASE)
    assert await jobs.run_due(sessions, {"note": note}) == 1
    go_on.set()
    await first
    assert await rows(sessions, "SELECT key FROM trace") == [("a",)]
    assert await rows(sessions) == [("a", "done", 2, None)]


async def test_a_job_enqueued_while_it_runs_is_run_once_more(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a", {"key": "before"})

    async def enqueues_again(session: AsyncSession, args: Json) -> None:
        await note(session, args)
        if args["key"] == "before":
            await put(sessions, "a", {"key": "meanwhile"})

    assert await jobs.run_due(sessions, {"note": enqueues_again}) == 1
    assert await jobs.run_due(sessions, {"note": enqueues_again}) == 1
    assert await jobs.run_due(sessions, {"note": enqueues_again}) == 0
    assert await rows(sessions, "SELECT key FROM trace") == [("before",), ("meanwhile",)]


async def test_kinds_without_a_handler_are_left_alone(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a", kind="from a newer release")
    assert await jobs.run_due(sessions, {"note": note}) == 0
    assert await rows(sessions) == [("a", "waiting", 0, None)]


async def test_a_job_that_kills_its_worker_each_time_dies_in_the_end(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a")
    for _ in range(2):
        assert len(await jobs.claim(sessions, ["note"], limit=5)) == 1
        clock.advance(jobs.LEASE)
    assert await jobs.run_due(sessions, {"note": note}, max_attempts=2) == 1
    assert await rows(sessions) == [("a", "dead", 3, "the lease ran out each time")]


async def test_done_jobs_are_forgotten_after_a_while(sessions: Sessions, clock: MovableClock) -> None:
    await put(sessions, "a")
    await jobs.run_due(sessions, {"note": note})
    for days, left in ((1, 1), (7, 0)):
        clock.advance(days=days)
        async with transaction(sessions) as session:
            await jobs.forget_done(session)
        assert len(await rows(sessions)) == left
