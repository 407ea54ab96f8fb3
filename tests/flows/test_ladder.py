"""督办阶梯 through the loop: a worker that was away, and lines and limits that changed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app import background, loop
from app.clocks.moving import pause_clock, take_back_pause
from app.core.timing import MovableClock, now
from app.turn import Turn
from tests.flows.ladders import STREET, begin, extend_handling, move_handling, names, publish_ladder, rungs, sweep, told
from tests.flows.town import WAGES, Town

OTHER_CELL = "320102002002002"


# ── the worker was away ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sequence(monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, str, str, str]]:
    """(time, event, clock, rung) of every rung, in the order in which the sweep fires them."""
    fired: list[tuple[datetime, str, str, str]] = []
    fire: Callable[..., None] = loop.rung_due

    def noting(turn: Turn, clock: Any, rung: Any, rung_at: datetime, *more: Any) -> None:
        fired.append((rung_at, str(turn.event.event.id), clock.kind, rung.name))
        fire(turn, clock, rung, rung_at, *more)

    monkeypatch.setattr(loop, "rung_due", noting)
    return fired


async def test_after_days_without_a_worker_everything_fires_late_and_in_order(
    town: Town, clock: MovableClock, sequence: list[tuple[datetime, str, str, str]]
) -> None:
    # 清明节 from Saturday to Monday; nobody sweeps from Friday afternoon to Tuesday afternoon
    clock.set(town.at("2026-04-03 15:00"))
    first = await begin(town)
    clock.set(town.at("2026-04-03 15:20"))
    wages = await begin(town, *WAGES)
    clock.set(town.at("2026-04-03 16:30"))
    second = await begin(town, cell=OTHER_CELL)
    clock.set(town.at("2026-04-07 16:00"))
    assert await sweep(town) == len(sequence)

    assert [at for at, *_ in sequence] == sorted(at for at, *_ in sequence), "across events"
    assert len({event_id for _, event_id, _, _ in sequence[8:20]}) == 2, "they are interleaved"
    assert await rungs(town, first, "signing") == [(1, "due", town.at("2026-04-03 17:00"))]
    assert await rungs(town, wages, "signing") == [(1, "due", town.at("2026-04-03 17:20"))]
    assert await rungs(town, second, "signing") == [(1, "due", town.at("2026-04-07 08:30"))]
    assert await rungs(town, first) == [
        (1, "near", town.at("2026-04-07 08:12")),
        (1, "overdue", town.at("2026-04-07 09:00")),
        (1, "due", town.at("2026-04-07 09:00")),
        (1, "overdue-4h", town.at("2026-04-07 15:00")),
    ]
    assert await rungs(town, second) == [
        (1, "near", town.at("2026-04-07 09:42")),
        (1, "overdue", town.at("2026-04-07 10:30")),
        (1, "due", town.at("2026-04-07 10:30")),
    ]
    assert await rungs(town, wages) == []
    late = await town.rows(
        "SELECT DISTINCT data->>'late' AS late FROM timeline WHERE act IN ('escalated', 'clock_missed')"
    )
    assert [row.late for row in late] == ["true"]
    assert await sweep(town) == 0

    clock.set(town.at("2026-04-07 16:30"))
    await sweep(town)
    assert (await rungs(town, second))[-1] == (1, "overdue-4h", town.at("2026-04-07 16:30"))
    (row,) = await town.rows(
        "SELECT t.data FROM clock_rung r JOIN timeline t ON (t.event_id, t.n) = (r.event_id, r.timeline_n) "
        "WHERE r.event_id = :id AND r.rung = 'overdue-4h' ORDER BY r.clock_n LIMIT 1",
        id=UUID(second),
    )
    assert row.data["late"] is False


async def test_one_sweep_of_many_keeps_the_order_of_what_it_leaves_to_the_next(
    town: Town, clock: MovableClock, sequence: list[tuple[datetime, str, str, str]]
) -> None:
    clock.set(town.at("2026-04-03 15:00"))
    await begin(town)
    clock.set(town.at("2026-04-03 16:30"))
    await begin(town, cell=OTHER_CELL)
    clock.set(town.at("2026-04-08 16:00"))
    sweeper = background.Sweeper(town.runtime, concurrency=1)
    while await sweeper.sweep(limit=3):
        pass
    assert len(sequence) > 15
    assert [at for at, *_ in sequence] == sorted(at for at, *_ in sequence)


async def test_signing_signs_itself_and_its_rung_is_that_act(town: Town, clock: MovableClock) -> None:
    await publish_ladder(town, {"rung": "half", "clock": "signing", "at": "50%"})
    event_id = await begin(town)
    due_at = town.at("2026-03-10 12:00")
    clock.set(town.at("2026-03-10 15:00"))
    await sweep(town)
    assert await rungs(town, event_id, "signing") == [(1, "half", town.at("2026-03-10 11:00")), (1, "due", due_at)]
    order, *_ = await town.rows("SELECT * FROM work_order WHERE event_id = :id ORDER BY n", id=UUID(event_id))
    assert (order.state, order.signed_automatically, order.signed_at) == ("signed", True, due_at)
    (act,) = await town.rows(
        "SELECT t.act, t.subject_n FROM clock_rung r JOIN timeline t ON (t.event_id, t.n) = (r.event_id, r.timeline_n) "
        "WHERE r.event_id = :id AND r.rung = 'due' ORDER BY r.clock_n LIMIT 1",
        id=UUID(event_id),
    )
    assert (act.act, act.subject_n) == ("sign_for", order.n)
    assert (await town.clocks(event_id))["signing"] == "met"
    (signing, *_) = await town.rows(
        "SELECT * FROM clock WHERE event_id = :id AND kind = 'signing' ORDER BY n", id=UUID(event_id)
    )
    assert (signing.ended_at, signing.counted_minutes) == (due_at, 120), "in time, though the sweep came hours later"


# ── which lines hold, and when again ─────────────────────────────────────────────────────────────────────────


async def test_a_rung_that_was_taken_from_the_ladder_does_not_fire_and_the_others_do(
    town: Town, clock: MovableClock
) -> None:
    event_id = await begin(town)  # 4 work_hour from 10:00: near its limit at 15:12, over at 16:00
    await publish_ladder(town, {"rung": "overdue", "at": "due"})
    clock.set(town.at("2026-03-10 15:30"))
    await sweep(town)
    assert await names(town, event_id) == []
    (row,) = await town.rows(
        "SELECT next_at FROM clock WHERE event_id = :id AND kind = 'handling' ORDER BY n LIMIT 1", id=UUID(event_id)
    )
    assert row.next_at == town.at("2026-03-10 16:00"), "it was looked at and waits for what is left"
    clock.set(town.at("2026-03-12 16:00"))
    await sweep(town)
    assert await names(town, event_id) == ["overdue", "due"]


async def test_the_narrower_line_holds_where_it_fits(town: Town, clock: MovableClock) -> None:
    rubbish = {"standard_ref": "GB/T 47678.5-2026", "kind": "matter", "code": "06010"}
    await publish_ladder(
        town,
        {"rung": "near", "at": "80%"},
        {"rung": "near", "at": "25%", "to": "parent"} | rubbish,
        {"rung": "near", "at": "90%", "level": "grid"},
        {"rung": "overdue", "at": "due", "to": "desk"},
        {"rung": "overdue", "at": "due", "action": "none", "to": ""} | rubbish,
    )
    event_id, wages = await begin(town), await begin(town, *WAGES)
    clock.set(town.at("2026-03-17 18:00"))
    await sweep(town)
    assert (await rungs(town, event_id))[0] == (1, "near", town.at("2026-03-10 11:00"))
    assert await names(town, event_id) == ["near", "due"]
    assert ("near", [STREET]) in await told(town, event_id)
    assert await names(town, wages) == ["near", "overdue", "due"]
    assert [to for _, to in await told(town, wages)] == [["D-HRSS"], ["DESK-320102"]]


async def test_after_an_extension_only_what_the_data_arms_again_fires_again(town: Town, clock: MovableClock) -> None:
    await publish_ladder(
        town,
        {"rung": "near", "at": "80%", "rearm": "true"},
        {"rung": "once", "at": "due"},
        {"rung": "later", "at": "+1 work_hour", "rearm": "false"},
    )
    event_id = await begin(town)
    clock.set(town.at("2026-03-10 17:30"))
    await sweep(town)
    assert await names(town, event_id) == ["near", "once", "due", "later"]
    await extend_handling(town, event_id, 4)  # to 10:00 the next day; 80% of it is at 08:24
    assert await sweep(town) == 0
    clock.set(town.at("2026-03-11 08:24"))
    await sweep(town)
    assert (await rungs(town, event_id))[4:] == [(2, "near", town.at("2026-03-11 08:24"))]
    clock.set(town.at("2026-03-12 18:00"))
    await sweep(town)
    assert [(generation, rung) for generation, rung, _ in (await rungs(town, event_id))[5:]] == [(2, "due")]


async def test_an_extension_that_comes_too_late_brings_back_no_reminder(town: Town, clock: MovableClock) -> None:
    await publish_ladder(town, {"rung": "near", "at": "80%", "rearm": "true"})
    event_id = await begin(town)
    clock.set(town.at("2026-03-10 18:00"))
    await sweep(town)
    await extend_handling(town, event_id, 2)  # to 18:00 that day, whose 80% was at 16:48
    clock.set(town.at("2026-03-12 18:00"))
    assert await sweep(town) > 0, "other clocks"
    assert await rungs(town, event_id) == [
        (1, "near", town.at("2026-03-10 15:12")),
        (1, "due", town.at("2026-03-10 16:00")),
    ]


async def test_what_an_act_moves_into_the_past_fires_at_once_and_is_not_marked_late(
    town: Town, clock: MovableClock
) -> None:
    await publish_ladder(town)
    event_id = await begin(town)
    clock.set(town.at("2026-03-10 15:00"))
    until = town.at("2026-03-11 15:00")
    await move_handling(
        town, event_id, lambda e, c, work, n: pause_clock(e, c, work, now(), n, until=until, grounds="waiting")
    )
    clock.set(town.at("2026-03-10 17:00"))
    await sweep(town)
    assert await names(town, event_id) == []
    await move_handling(town, event_id, lambda e, c, work, n: take_back_pause(e, c, work, now(), n, grounds="waiting"))
    await sweep(town)
    assert await rungs(town, event_id) == [(3, "due", town.at("2026-03-10 16:00"))]
    (row, *_) = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = 'clock_missed'", id=UUID(event_id)
    )
    assert row.data["late"] is False
