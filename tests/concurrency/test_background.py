"""Clocks, deliveries and held messages through the loop, with real commits and several workers at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from app import background, loop, receiving
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.events.aggregate import SYSTEM, Act, Actor
from app.events.store import load_reports, lock_events, write_events
from app.runtime import Runtime
from app.turn import Turn
from tests.conftest import City, client_token

HOTLINE = {
    "callTime": "2026-03-10T09:58:00+08:00",
    "callerName": "来电人",
    "callerPhone": "13800001234",
    "orderType": "投诉",
    "title": "井盖破损",
    "content": "门口的供水井盖破了一个大洞，晚上很危险，请尽快处理",
    "address": "说不清的地方",
}


@pytest.fixture
def runtime(committing_runtime: Runtime, clock: MovableClock) -> Runtime:
    return committing_runtime


async def report(runtime: Runtime, city: City, ref: str) -> tuple[UUID, UUID]:
    """A report through the hotline, on an event of its own; the event's id and its own."""
    token = runtime.tokens.verify(client_token(runtime, city, "hotline-12345"))
    body = HOTLINE | {"orderNum": ref}
    arrival = receiving.read_message("hotline-12345", body, orjson.dumps(body), runtime)
    [receipt] = await receiving.take_in(runtime, token, "hotline-12345", [arrival])
    assert isinstance(receipt, receiving.Receipt)
    assert receipt.event_id is not None
    return receipt.event_id, receipt.report_id


async def act(runtime: Runtime, step: Callable[..., object], *event_ids: UUID) -> None:
    """One step of the loop on these events."""
    async with transaction(runtime.sessions) as session:
        locked = await lock_events(session, event_ids)
        turns = []
        for event_id in event_ids:
            await load_reports(session, locked[event_id])
            masters = await runtime.masters.get(session, locked[event_id].event.jurisdiction_id)
            turns.append(Turn(masters, locked[event_id], Act(SYSTEM, now(), now())))
        step(*turns)
        await write_events(session, runtime.keyring, locked.values())


def refuse(turn: Turn) -> None:
    loop.refuse(turn, treatment="other_channel", explanation="请向法院咨询", told=True)


async def rows(runtime: Runtime, query: str, **parameters: Any) -> list[Any]:
    async with runtime.sessions() as session:
        return [tuple(row) for row in await session.execute(text(query), parameters)]


async def event(runtime: Runtime, event_id: UUID) -> Any:
    async with runtime.sessions() as session:
        return (await session.execute(text("SELECT * FROM event WHERE id = :id"), {"id": event_id})).one()


async def open_debts(runtime: Runtime, report_id: UUID) -> list[str]:
    query = "SELECT kind FROM debt WHERE report_id = :id AND paid_at IS NULL AND waived IS NULL"
    return [kind for (kind,) in await rows(runtime, query, id=report_id)]


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_order_signs_itself_once_when_it_falls_due_however_many_workers_sweep(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    [(unit_id,)] = await rows(runtime, "SELECT min(id) FROM organization")
    for number in range(8):
        event_id, _ = await report(runtime, city, f"A{number}")
        if (await event(runtime, event_id)).state == "analyzing":
            await act(runtime, lambda turn: loop.dispatch(turn, unit_id=unit_id), event_id)
    signing = "FROM clock c JOIN work_order o ON (o.event_id, o.n) = (c.event_id, c.order_n) WHERE c.kind = 'signing'"
    [(count, due_at)] = await rows(runtime, f"SELECT count(*), max(c.due_at) {signing}")
    assert count == 8
    clock.set(due_at - timedelta(microseconds=1))
    assert await background.sweep(runtime) == 0
    clock.set(due_at + timedelta(minutes=5))

    sweeps = 0
    while sum(await asyncio.gather(*(background.sweep(runtime) for _ in range(3)))):
        sweeps += 1
    assert sweeps >= 1
    found = await rows(runtime, f"SELECT DISTINCT o.state, o.signed_automatically, o.signed_at = c.due_at {signing}")
    assert found == [("signed", True, True)], "however late the sweep came"
    assert await rows(runtime, "SELECT count(*) FROM timeline WHERE act = 'sign_for'") == [(8,)]
    assert (await background.measure_backlog(runtime))["clocks_due"] == 0


async def test_a_missed_limit_is_written_down_once_and_an_event_in_use_is_left_for_the_next_sweep(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    event_id, _ = await report(runtime, city, "A1")
    clock.advance(days=300)
    async with transaction(runtime.sessions) as session:
        await lock_events(session, [event_id])
        assert await background.sweep(runtime) == 0
    assert await background.sweep(runtime) > 0
    assert await background.sweep(runtime) == 0
    query = "SELECT count(*), count(DISTINCT subject_n) FROM timeline WHERE act = 'clock_missed'"
    [(missed, clocks)] = await rows(runtime, query)
    assert missed == clocks > 0


async def test_an_event_that_fails_holds_up_no_other(
    runtime: Runtime, city: City, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = await report(runtime, city, "A1")
    await report(runtime, city, "A2")
    clock.advance(days=300)
    rung_due = loop.rung_due

    def fails_for_one(turn: Turn, *rest: Any) -> None:
        if turn.event.event.id == bad:
            raise RuntimeError
        rung_due(turn, *rest)

    monkeypatch.setattr(loop, "rung_due", fails_for_one)
    sweeper = background.Sweeper(runtime)
    assert await sweeper.sweep() > 0
    assert await sweeper.sweep() == 0, "left alone for a while"
    unfired = await rows(runtime, "SELECT DISTINCT event_id FROM clock WHERE next_at IS NOT NULL")
    assert unfired == [(bad,)]
    monkeypatch.undo()
    assert await background.sweep(runtime) > 0


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_end_is_final_when_its_result_has_arrived(runtime: Runtime, city: City) -> None:
    event_id, report_id = await report(runtime, city, "A1")
    await act(runtime, refuse, event_id)
    assert (await event(runtime, event_id)).settled_at is None
    assert await open_debts(runtime, report_id) == ["result"]
    assert await background.deliver(runtime) == 1
    assert (await event(runtime, event_id)).settled_at == now()
    assert await open_debts(runtime, report_id) == []
    assert await rows(runtime, "SELECT state FROM report") == [("settled",)]
    assert await background.deliver(runtime) == 0


async def test_an_event_and_those_merged_into_it_are_final_together_after_the_last_result(
    runtime: Runtime, city: City
) -> None:
    first, second, third = [(await report(runtime, city, f"A{number}"))[0] for number in range(3)]
    await act(runtime, loop.merge, first, second)
    await act(runtime, loop.merge, second, third)
    await act(runtime, refuse, third)
    assert await rows(runtime, "SELECT count(*) FROM delivery WHERE kind = 'result' AND state = 'waiting'") == [(3,)]
    for left in (2, 1, 0):  # they share one lane: one at a time
        assert await background.deliver(runtime) == 1
        settled = [(await event(runtime, event_id)).settled_at is not None for event_id in (first, second, third)]
        assert settled == [left == 0] * 3


async def test_the_result_of_an_end_that_was_taken_back_pays_nothing(
    runtime: Runtime, city: City, clock: MovableClock
) -> None:
    event_id, report_id = await report(runtime, city, "A1")
    await act(runtime, refuse, event_id)
    clock.advance(minutes=1)
    # what a reopening does to the event, while the result of the first end is still on its way
    async with transaction(runtime.sessions) as session:
        await session.execute(text("UPDATE event SET state = 'analyzing', ended_at = NULL, end_kind = NULL"))
        await session.execute(text("UPDATE report SET state = 'open'"))
    assert await background.deliver(runtime) == 1
    assert await open_debts(runtime, report_id) == ["result"]
    await act(runtime, refuse, event_id)
    assert await background.deliver(runtime) == 1
    assert await open_debts(runtime, report_id) == []
    assert (await event(runtime, event_id)).settled_at == now()


async def test_who_was_erased_is_told_nothing_and_the_event_can_still_be_final(runtime: Runtime, city: City) -> None:
    event_id, _ = await report(runtime, city, "A1")
    await act(runtime, refuse, event_id)
    async with transaction(runtime.sessions) as session:
        await session.execute(text("DELETE FROM report_key"))
    await background.deliver(runtime)
    assert await rows(runtime, "SELECT state, last_error FROM delivery") == [("skipped", "erased")]
    assert await rows(runtime, "SELECT waived FROM debt WHERE kind = 'result'") == [("erased",)]
    assert (await event(runtime, event_id)).settled_at == now()


async def test_a_person_who_skips_a_result_writes_its_debt_off_under_their_name(runtime: Runtime, city: City) -> None:
    event_id, _ = await report(runtime, city, "A1")
    await act(runtime, refuse, event_id)
    [(lane_id, n)] = await rows(runtime, "SELECT lane_id, n FROM delivery")
    async with transaction(runtime.sessions) as session:
        person = Actor("user", "u1", "system_administrator")
        await background.skip_delivery(session, runtime, lane_id, n, person, "已电话告知对方系统")
    assert (await event(runtime, event_id)).settled_at == now()
    query = "SELECT actor_id, body FROM timeline JOIN timeline_note USING (event_id, n) WHERE act = :act"
    assert await rows(runtime, query, act="result_written_off") == [("u1", "已电话告知对方系统")]


async def test_several_workers_finish_many_events(runtime: Runtime, city: City) -> None:
    for number in range(10):
        await act(runtime, refuse, (await report(runtime, city, f"A{number}"))[0])
    while sum(await asyncio.gather(*(background.deliver(runtime) for _ in range(3)))):
        pass
    assert await rows(runtime, "SELECT count(*) FROM event WHERE settled_at IS NULL") == [(0,)]
    assert await rows(runtime, "SELECT DISTINCT state, attempts FROM delivery") == [("delivered", 1)]


# ── held messages ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_held_message_is_derived_by_its_job(
    runtime: Runtime, city: City, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError

    token = runtime.tokens.verify(client_token(runtime, city, "hotline-12345"))
    body = HOTLINE | {"orderNum": "A1"}
    arrival = receiving.read_message("hotline-12345", body, orjson.dumps(body), runtime)
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "_analyse", fails)
        [receipt] = await receiving.take_in(runtime, token, "hotline-12345", [arrival])
        assert isinstance(receipt, receiving.Receipt)
        assert receipt.outcome == "held"
        assert await background.run_jobs(runtime) == 1
    assert await rows(runtime, "SELECT state FROM inbox") == [("held",)]
    clock.advance(seconds=7)
    assert await background.run_jobs(runtime) == 1
    assert await rows(runtime, "SELECT i.state, j.state FROM inbox i, job j") == [("accepted", "done")]
    assert await rows(runtime, "SELECT count(*) FROM event") == [(1,)]
