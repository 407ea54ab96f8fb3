"""Moving open clocks beside people who act: an event in use is left and asked for again, a broken one passed over."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import background
from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock
from app.events.store import lock_events
from app.masters import MastersCache
from app.masters.publishing import publish
from app.recalculation import job
from app.recalculation.moves import move_of
from app.runtime import Runtime
from tests.concurrency.test_background import report, rows
from tests.conftest import City

HOLIDAY = {
    "cn/holiday/2026-03-11": {
        "calendar_code": "cn",
        "row_type": "holiday",
        "first_on": "2026-03-11",
        "last_on": "2026-03-11",
        "name": "临时放假",
    }
}


@pytest.fixture(scope="module")
def own_cache() -> MastersCache:
    """Releases of a clone have the ids of releases of other clones; here all tests publish the same."""
    return MastersCache()


@pytest.fixture
def runtime(committing_runtime: Runtime, clock: MovableClock, own_cache: MastersCache) -> Runtime:
    return replace(committing_runtime, masters=own_cache)


async def declare(runtime: Runtime, city: City) -> None:
    async with transaction(runtime.sessions) as session:
        await releases.put_draft(session, city.jurisdiction_id, "calendar", HOLIDAY, complete=False, by="test")
        await publish(session, city.jurisdiction_id, ["calendar"], by="test")


async def moved(runtime: Runtime) -> set[UUID]:
    found = await rows(runtime, "SELECT DISTINCT event_id FROM timeline WHERE act = 'clock_recalculated'")
    return {event_id for (event_id,) in found}


async def test_an_event_that_somebody_has_is_left_and_moved_when_it_is_free(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    events = [(await report(runtime, city, f"R{number}"))[0] for number in range(3)]
    await declare(runtime, city)
    async with transaction(runtime.sessions) as session:
        await lock_events(session, [events[1]])
        assert await background.run_jobs(runtime) == 1
        assert await moved(runtime) == {events[0], events[2]}, "it waits for nobody"
        assert await background.run_jobs(runtime) == 1
        assert await background.run_jobs(runtime) == 0, "and asks again after a while"
    clock.advance(job.BUSY_AGAIN)
    assert await background.run_jobs(runtime) == 1
    assert await moved(runtime) == set(events)


async def test_two_workers_at_once_move_each_clock_once(runtime: Runtime, city: City) -> None:
    for number in range(4):
        await report(runtime, city, f"W{number}")
    await declare(runtime, city)
    (args,) = await rows(runtime, "SELECT args FROM job WHERE kind = 'recalculate'")

    async def straight() -> None:
        async with transaction(runtime.sessions) as session:
            await job.run(session, args[0], runtime)

    await asyncio.gather(straight(), background.run_jobs(runtime))
    while await background.run_jobs(runtime):
        pass
    twice = "SELECT 1 FROM clock_due WHERE cause = 'calendar' GROUP BY event_id, clock_n HAVING count(*) > 1"
    assert await rows(runtime, twice) == []
    assert len(await moved(runtime)) == 4


async def test_a_clock_that_cannot_be_computed_holds_up_no_other(
    runtime: Runtime, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [(await report(runtime, city, f"P{number}"))[0] for number in range(3)]
    await declare(runtime, city)

    def compute(masters: Any, kinds: Any, found: Any) -> Any:
        if found.clock.event_id == events[0]:
            raise ValueError("out of range")
        return move_of(masters, kinds, found)

    monkeypatch.setattr(job, "move_of", compute)
    while await background.run_jobs(runtime):
        pass
    assert await moved(runtime) == set(events[1:])
    assert await rows(runtime, "SELECT state FROM job WHERE kind = 'recalculate'") == [("waiting",)]


async def test_an_event_that_the_database_refuses_holds_up_no_other(runtime: Runtime, city: City) -> None:
    events = [(await report(runtime, city, f"D{number}"))[0] for number in range(3)]
    async with transaction(runtime.sessions) as session:
        # a row of its timeline where its next one has to go
        await session.execute(
            text(
                "INSERT INTO timeline (event_id, n, jurisdiction_id, act, subject, actor_kind, acted_at, recorded_at, "
                "data, mac) SELECT id, seq + 1, jurisdiction_id, 'stray', 'event', 'system', now(), now(), '{}', '' "
                "FROM event WHERE id = :id"
            ),
            {"id": events[1]},
        )
    await declare(runtime, city)
    while await background.run_jobs(runtime):
        pass
    assert await moved(runtime) == {events[0], events[2]}


async def test_a_commit_moves_no_more_clocks_than_it_may(
    runtime: Runtime, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CLOCKS_A_COMMIT", 1)
    for number in range(2):
        await report(runtime, city, f"C{number}")
    await declare(runtime, city)
    while await background.run_jobs(runtime):
        pass
    a_commit = (
        "SELECT max(n) FROM (SELECT count(*) AS n FROM timeline WHERE act = 'clock_recalculated' GROUP BY xact_id) c"
    )
    assert await rows(runtime, a_commit) == [(1,)]
    unmoved = "SELECT kind FROM clock WHERE state = 'running' AND generation = 1 AND limit_unit = 'legal_work_day'"
    assert await rows(runtime, unmoved) == []
