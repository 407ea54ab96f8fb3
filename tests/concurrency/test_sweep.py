"""Several sweepers on one database: each rung fires once, in order, whoever comes second and whatever breaks off."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from app import background, receiving
from app.clocks.sweep import due_clocks, lock_if_free
from app.commands.audit import verify_all
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.events import store
from app.events.store import lock_events
from app.runtime import Runtime
from tests.conftest import City, client_token

#: a matter that a district department handles: one order
WAGES = {"class1": "劳动与社会保障", "class2": "拖欠工资", "content": "工资一直没发，请帮忙处理"}
CALL = {
    "callTime": "2026-03-10T09:58:00+08:00",
    "callerPhone": "13800001234",
    "orderType": "投诉",
    "title": "拖欠工资",
    "address": "大行宫社区",
}
ONE_EACH = """
    SELECT (SELECT count(*) FROM clock_rung), (SELECT count(*) FROM timeline WHERE act IN ('clock_missed', 'escalated')
      OR (act = 'sign_for' AND data->>'automatically' = 'true')),
      (SELECT count(DISTINCT (event_id, timeline_n)) FROM clock_rung), (SELECT count(*) FROM clock WHERE next_at <= :at)
"""
OUT_OF_ORDER = """
    SELECT count(*) FROM (SELECT rung_at, lag(rung_at) OVER (PARTITION BY event_id ORDER BY timeline_n) AS before
      FROM clock_rung) r WHERE before > rung_at
"""


@pytest.fixture
def runtime(committing_runtime: Runtime, clock: MovableClock) -> Runtime:
    return committing_runtime


async def report(runtime: Runtime, city: City, ref: str) -> UUID:
    """The event of a report that is dispatched at once."""
    token = runtime.tokens.verify(client_token(runtime, city, "hotline-12345"))
    body = CALL | WAGES | {"orderNum": ref}
    arrival = receiving.read_message("hotline-12345", body, orjson.dumps(body), runtime)
    [receipt] = await receiving.take_in(runtime, token, "hotline-12345", [arrival])
    assert isinstance(receipt, receiving.Receipt)
    assert receipt.event_id is not None
    return receipt.event_id


async def row(runtime: Runtime, query: str, **parameters: Any) -> tuple[Any, ...]:
    async with runtime.sessions() as session:
        return tuple((await session.execute(text(query), parameters)).one())


async def test_every_rung_fires_once_in_order_however_many_sweep_at_once(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    for number in range(12):
        await report(runtime, city, f"S{number}")
        clock.advance(minutes=7)
    sweepers = [background.Sweeper(runtime, concurrency=concurrency) for concurrency in (1, 3, 3, 1)]
    for days in (0, 1, 20):
        clock.advance(days=days, hours=3)
        while sum(await asyncio.gather(*(sweeper.sweep(limit=15) for sweeper in sweepers))):
            pass
    rungs, acts, own_acts, left = await row(runtime, ONE_EACH, at=now())
    assert rungs == acts == own_acts > 12 * 4
    assert left == 0
    assert await row(runtime, OUT_OF_ORDER) == (0,)
    assert (await verify_all(runtime.sessions, runtime.keyring)).faults == []


async def test_who_comes_second_finds_the_event_done_and_leaves_it_alone(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    event_id = await report(runtime, city, "S1")
    clock.advance(hours=6)
    async with transaction(runtime.sessions) as session:
        [due] = await due_clocks(session, now(), 10)
    assert due.event_id == event_id
    assert await background.sweep(runtime) > 0
    before = await row(runtime, "SELECT xmin::text, seq FROM event WHERE id = :id", id=event_id)
    async with transaction(runtime.sessions) as session:
        assert not await lock_if_free(session, event_id, now())
    assert (await background._fire(runtime, due)).count == 0
    assert await row(runtime, "SELECT xmin::text, seq FROM event WHERE id = :id", id=event_id) == before


async def test_what_breaks_off_before_its_commit_has_not_happened_and_happens_later(
    runtime: Runtime, city: City, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await report(runtime, city, "S1")
    clock.advance(hours=6)
    write = store.write_events

    async def breaks_off(*args: Any) -> None:
        await write(*args)
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(background, "write_events", breaks_off)
        assert await background.sweep(runtime) == 0
    rungs, acts, _, left = await row(runtime, ONE_EACH, at=now())
    assert (rungs, acts) == (0, 0)
    assert left > 0
    assert await background.sweep(runtime) > 0
    rungs, acts, own_acts, left = await row(runtime, ONE_EACH, at=now())
    assert rungs == acts == own_acts > 0
    assert left == 0


async def test_in_order_an_event_in_use_holds_up_no_other_and_comes_later(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    used = await report(runtime, city, "S1")
    clock.advance(minutes=1)
    free = await report(runtime, city, "S2")
    clock.advance(hours=6)
    sweeper = background.Sweeper(runtime, concurrency=1)
    async with transaction(runtime.sessions) as session:
        await lock_events(session, [used])
        assert await sweeper.sweep() > 0
        found = await row(runtime, "SELECT array_agg(DISTINCT event_id) FROM clock_rung")
        assert found == ([free],)
    assert await sweeper.sweep() > 0
    assert await sweeper.sweep() == 0


async def test_the_query_takes_the_first_that_are_due_and_no_others(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    events = []
    for number in range(3):
        events.append(await report(runtime, city, f"S{number}"))
        clock.advance(minutes=10)
    clock.advance(minutes=90)  # two hours after the first: its signing is due
    async with transaction(runtime.sessions) as session:
        assert [due.event_id for due in await due_clocks(session, now(), 10)] == events[:1]
        later = now() + timedelta(hours=4)
        assert [due.event_id for due in await due_clocks(session, later, 10)] == events
        assert [due.event_id for due in await due_clocks(session, later, 2)] == events[:2]
        assert [due.event_id for due in await due_clocks(session, later, 10, without=events[:1])] == events[1:]
