"""Every minute of an order's clocks, over HTTP and on the command line, against what is stored."""

import asyncio
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app import background, cli
from app.clocks import moving
from app.clocks.records import Clockwork
from app.clocks.running import running
from app.commands.clock import explain_order, show
from app.core.database import transaction
from app.core.errors import NotFound
from app.core.settings import get_settings
from app.core.timing import MovableClock, now
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.store import lock_events, write_events
from app.runtime import Runtime
from app.turn import Turn
from tests.conftest import City
from tests.flows.town import ALONE, Town

Move = Callable[[EventAggregate, Clock, Clockwork, int], None]


async def begin(town: Town, **fields: Any) -> tuple[str, str, str]:
    """A hotline report that is dispatched: (event id, lead order, its unit's user)."""
    receipt = await town.send("hotline-12345", town.call(**fields))
    return receipt["event_id"], *(await town.lead(receipt["event_id"]))


async def move(town: Town, event_id: str, what: Move) -> None:
    """Moves the handling clock as an act of the system."""
    runtime = town.runtime
    async with transaction(runtime.sessions) as session:
        masters = await runtime.masters.get(session, town.city.jurisdiction_id)
        aggregate = (await lock_events(session, [UUID(event_id)]))[UUID(event_id)]
        (clock,) = [one for one in running(aggregate, "handling") if one.order_n == aggregate.lead.n]  # type: ignore[union-attr] # it has a lead
        act = Act(SYSTEM, now(), now())
        n = aggregate.record(act, "limit_moved", subject=clock, note="")
        what(aggregate, clock, masters.clockwork, n)
        Turn(masters, aggregate, act).rest()
        await write_events(session, runtime.keyring, [aggregate])


def adds_up(clock: dict[str, Any]) -> None:
    """What holds of every account."""
    stretches = clock["stretches"]
    assert [one["until_at"] for one in stretches[:-1]] == [one["from_at"] for one in stretches[1:]]
    gone = [one for one in stretches if one["phase"] != "ahead"]
    assert sum(one["minutes"] for one in gone) == clock["elapsed_minutes"], clock["kind"]
    assert sum(one["minutes"] for one in gone if one["counted"]) == clock["counted_minutes"], clock["kind"]
    if clock["limit_minutes"] is not None:
        assert clock["counted_to_due"] == clock["limit_minutes"], clock["kind"]
    assert clock["adds_up"], clock["notes"]
    assert clock["moves"][-1]["due_at"] == clock["due_at"]
    assert [one["before_at"] for one in clock["moves"]] == [None, *(one["due_at"] for one in clock["moves"][:-1])]


async def explained(town: Town, user: str, order: str) -> dict[str, dict[str, Any]]:
    """The newest clock of each kind, each checked."""
    found = await town.get(user, f"/{order}/clocks")
    for clock in (*found["order"], *found["event"]):
        adds_up(clock)
    return {clock["kind"]: clock for clock in (*found["order"], *found["event"])}


async def test_return_pause_waiting_and_extension_are_told_to_the_minute(town: Town, clock: MovableClock) -> None:
    event_id, order, unit = await begin(town)
    clock.advance(minutes=37, seconds=20)
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    clock.advance(minutes=50)
    asked = (await explained(town, unit, order))["handling"]
    assert asked["pauses"][0]["cause"] == "退单审核中"
    assert asked["state"] == "running"
    assert [one["cause"] for one in asked["stretches"]][:2] == ["计时", "暂停：退单审核中"]
    await town.act("dispatcher1", order, "reject_return", reason="核对地图在本街道内")
    rejected = (await explained(town, unit, order))["handling"]
    assert (rejected["pauses"], rejected["due_at"]) == ([], rejected["moves"][0]["due_at"])
    assert [one["cause"] for one in rejected["moves"]] == ["started", "paused", "taken_back"]
    assert [one["by"]["act"] for one in rejected["moves"][1:]] == ["request_return", "reject_return"]

    await town.act(unit, order, "start")
    until = town.at("2026-03-11 09:30")
    await move(
        town,
        event_id,
        lambda event, one, work, n: moving.pause_clock(event, one, work, now(), n, until=until, grounds="waiting"),
    )
    clock.set(town.at("2026-03-11 08:11"))
    town = Town(town.runtime, town.city)  # everybody logs in again
    await move(
        town,
        event_id,
        lambda event, one, work, n: moving.resume_clock(event, one, work, now(), n, grounds="waiting"),
    )
    approval = [{"role": "shift_leader", "user_id": "u1", "at": "2026-03-11T08:11:00+08:00"}]
    await move(
        town,
        event_id,
        lambda event, one, work, n: moving.extend_clock(event, one, work, now(), n, more=2, approval=approval),
    )
    extended = (await explained(town, unit, order))["handling"]
    assert [(one["cause"], one["grounds_name"]) for one in extended["moves"][3:]] == [
        ("paused", "等待诉求人"),
        ("resumed", "等待诉求人"),
        ("extended", "延期"),
    ]
    assert extended["moves"][-1]["approval"] == [
        {"role": "shift_leader", "role_name": "值班长", "user_id": "u1", "at": "2026-03-11T08:11:00+08:00"}
    ]
    assert extended["uncounted"]["used_minutes"] > 0

    clock.advance(hours=1, minutes=3)
    async with await town.as_user(unit) as http:
        await http.post(f"/{order}/actions/first_contact", json={"reached": True})
    await town.act(unit, order, "report_done", result="explained", statement="已说明", without_parts=ALONE)
    done = await explained(town, unit, order)
    stored = await town.rows(
        "SELECT kind, counted_minutes AS c, elapsed_minutes AS e FROM clock WHERE event_id = :id AND order_n = :n",
        id=UUID(event_id),
        n=int(order.split(".")[1]),
    )
    assert {row.kind: (row.c, row.e) for row in stored} == {
        kind: (done[kind]["counted_minutes"], done[kind]["elapsed_minutes"])
        for kind in ("signing", "handling", "first_contact", "return_review")
    }
    assert done["citizen_total"]["report_id"], "who sees the event sees the citizen's clock"


async def test_a_late_clock_shows_its_rungs_and_how_late_it_is(town: Town, clock: MovableClock) -> None:
    _, order, unit = await begin(town)
    clock.advance(days=30)
    while await background.sweep(town.runtime):
        pass
    late = await explained(town, unit, order)
    rungs = {one["rung"]: one for one in late["handling"]["rungs"]}
    assert rungs["due"]["late"], "the sweep came weeks after the limit"
    assert rungs["due"]["rung_at"] == late["handling"]["due_at"]
    assert late["handling"]["late_minutes"] > 0
    assert {one["phase"] for one in late["handling"]["stretches"]} == {"within", "over"}
    assert late["signing"]["state"] == "met"
    assert late["signing"]["rungs"][-1]["late"], "signed by itself, weeks late"


async def test_an_order_that_left_a_unit_keeps_its_own_clocks_and_no_others(town: Town, clock: MovableClock) -> None:
    _, order, unit = await begin(town)
    clock.advance(minutes=30)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="该地块由市场方管理")
    clock.advance(minutes=30)
    await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
    kept = await town.get(unit, f"/{order}/clocks")
    assert {one["kind"] for one in kept["order"]} >= {"signing", "handling", "return_review"}
    assert kept["event"] == []
    whole = await town.get("dispatcher1", f"/{order}/clocks")
    assert {one["kind"] for one in whole["event"]} >= {"citizen_total"}
    for one in (*whole["order"], *whole["event"]):
        adds_up(one)
    await town.get("u-d-muni", f"/{order}/clocks", 404)
    await town.get("dispatcher1", "/work-orders/nothing.1/clocks", 404)


async def test_merged_reports_clocks_are_told_to_the_centre(town: Town) -> None:
    first, order, unit = await begin(town)
    second, _, _ = await begin(town, cell="320102002002002")
    await town.act("dispatcher1", f"events/{second}", "merge", into=first)
    told = await town.get("dispatcher1", f"/{order}/clocks")
    assert {one["event_id"] for one in told["event"] if one["kind"] == "citizen_total"} == {first, second}
    told = await town.get(unit, f"/{order}/clocks")
    assert {one["event_id"] for one in told["event"]} == {first}


async def test_the_command_prints_what_can_be_added_up_by_hand(
    town: Town, clock: MovableClock, runtime: Runtime
) -> None:
    event_id, order, unit = await begin(town)
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    clock.advance(hours=5)
    event_no = (await town.event(event_id)).event_no
    n = order.split(".")[1]
    async with runtime.sessions() as session:
        by_id = await explain_order(session, f"{event_id}.{n}", now())
        by_no = await explain_order(session, f"{event_no}.{n}", now())
        for wrong in ("x", f"{event_id}.999", "20260310-1.1", f"{event_id}."):
            with pytest.raises(NotFound):
                await explain_order(session, wrong, now())
    out = StringIO()
    show(by_no, Console(file=out, width=160))
    told = out.getvalue()
    assert [one.clock.n for one in by_id.order] == [one.clock.n for one in by_no.order]
    handling = next(one for one in by_no.order if one.clock.kind == "handling")
    rest = handling.elapsed - handling.counted
    assert f"合计：计 {handling.counted} + 不计 {rest} = {handling.elapsed} 分钟" in told
    assert "暂停：退单审核中" in told
    assert "处置时限" in told
    assert "总时限时限" not in told


async def test_the_command_runs_from_the_command_line(
    committing_runtime: Runtime, city: City, database_url: str, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(committing_runtime, city)
    _, order, _ = await begin(town)
    monkeypatch.setenv("BIHUAN_DATABASE_URL", database_url)
    monkeypatch.setenv("BIHUAN_DEMO", "true")
    get_settings.cache_clear()
    try:
        asked = ["clock", "explain", order.removeprefix("work-orders/")]
        # the command has an event loop of its own
        told = await asyncio.to_thread(CliRunner().invoke, cli.build("clock"), asked)
    finally:
        get_settings.cache_clear()
    assert told.exit_code == 0, told.output
    assert "逐段说明" in told.output


async def test_what_a_unit_asked_for_is_not_told_to_the_others(town: Town, clock: MovableClock) -> None:
    event_id, order, unit = await begin(town)
    await town.act(unit, order, "sign_for")
    waits: dict[str, Any] = {
        "reason_code": "appointment",
        "reason": "诉求人约定后天在家",
        "until": "2026-03-11T10:00:00+08:00",
    }
    await town.act(unit, order, "wait_for_complainant", **waits)
    await town.act(unit, order, "request_extension", more=2, reason_code="engineering", reason="清运量大")
    await town.act("dispatcher1", order, "approve_extension")
    (helper,) = await town.rows(
        "SELECT g.code FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id AND o.role = 'supporting'",
        id=UUID(event_id),
    )
    for who in (unit, "dispatcher1"):
        own = (await explained(town, who, order))["handling"]
        assert [one["grounds"] for one in own["moves"]] == ["", "waiting", "extension"]
        assert [one["by"]["act"] for one in own["moves"]][1:] == ["waiting_granted", "extension_granted"]
        assert len(own["moves"][2]["approval"]) == len(own["pauses"]) == 1
    other = (await explained(town, f"u-{helper.code.lower()}", order))["handling"]
    assert [one["due_at"] for one in other["moves"]] == [one["due_at"] for one in own["moves"]]
    for one in other["moves"]:
        assert (one["grounds"], one["grounds_name"], one["approval"]) == ("", "", [])
        by = one["by"]
        assert {by[name] or None for name in ("act", "actor_kind", "actor_id", "actor_role", "actor_unit")} == {None}
    assert (other["pauses"], other["uncounted"]) == ([], None)
    assert "暂停" in {one["cause"] for one in other["stretches"]}
    assert [one["minutes"] for one in other["stretches"]] == [one["minutes"] for one in own["stretches"]]
    assert "等待" not in str(other)
    assert "waiting" not in str(other)
