"""What else open clocks must follow, and must not: dropped calendars, long emergencies, stragglers, new rungs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.clocks.moving import pause_clock
from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.masters import MastersCache
from app.masters.consistency import Inconsistent
from app.masters.publishing import publish
from tests.flows.ladders import begin, move_handling, names, publish_ladder, sweep
from tests.flows.limits_at_work import AtWork
from tests.flows.test_emergencies import declare, line, report
from tests.flows.test_recalculation import HOLIDAY, calendar_rows, clocks, moved, published, records, work
from tests.flows.town import ALONE, WAGES, Town

HALF, LATE = {"rung": "half", "at": "50%"}, {"rung": "late", "at": "90%"}


async def rows_in_force(town: Town, kind: str) -> dict[str, dict[str, Any]]:
    found = await town.rows(
        "SELECT r.key, r.body FROM release_row r JOIN release l ON l.id = r.release_id "
        "WHERE l.kind = :kind AND l.status = 'published'",
        kind=kind,
    )
    return {row.key: dict(row.body) for row in found}


async def renamed_calendar(town: Town, *, keep: bool) -> None:
    """The city's calendar under another code, which the city runs by from now on; the old one is kept or dropped."""
    old = await rows_in_force(town, "calendar")
    new = {f"cn2/{key.split('/', 1)[1]}": row | {"calendar_code": "cn2"} for key, row in old.items()}
    async with transaction(town.runtime.sessions) as session:
        city = town.city.jurisdiction_id
        rows = new | old if keep else new
        await releases.put_draft(session, city, "calendar", rows, complete=True, by="test")
        policy = {"calendar": {"key": "calendar", "value": "cn2", "source": "测试"}}
        await releases.put_draft(session, city, "policies", policy, complete=False, by="test")
        kinds = ["calendar", "policies"]
        await publish(session, city, kinds, by="test", mode="re_decide_open", unreviewed_because="测试")


async def test_a_calendar_by_which_clocks_run_is_not_dropped(town: Town, clock: MovableClock) -> None:
    await AtWork.begin(town, clock)
    (running,) = await town.rows("SELECT count(*) AS n FROM clock WHERE state = 'running' AND calendar_code = 'cn'")
    with pytest.raises(Inconsistent) as refused:
        await renamed_calendar(town, keep=False)
    (fault,) = refused.value.extra["faults"]
    assert f"还有 {running.n} 个在办时限使用日历 cn" in fault["message"]


async def test_a_calendar_can_be_dropped_when_its_clocks_run_by_another(town: Town, clock: MovableClock) -> None:
    order = await AtWork.begin(town, clock)
    await renamed_calendar(town, keep=True)
    await work(town)
    assert {clock.calendar_code for clock in (await clocks(town, order.event_id)).values() if not clock.ended_at} == {
        "cn2"
    }
    rows = {key: row for key, row in (await rows_in_force(town, "calendar")).items() if not key.startswith("cn/")}
    async with transaction(town.runtime.sessions) as session:
        city = town.city.jurisdiction_id
        await releases.put_draft(session, city, "calendar", rows, complete=True, by="test")
        await publish(session, city, ["calendar"], by="test")
    await order.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)


async def test_a_long_emergency_is_written_as_the_act_says_it(town: Town) -> None:
    event_id = await report(town)
    await declare(town, line(until_at="2026-04-30T18:00:00+08:00"))
    (act,) = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = 'clock_recalculated'", id=UUID(event_id)
    )
    after = (await clocks(town, event_id))["handling"]
    assert after.due_at > town.at("2026-05-01 00:00"), "the cap on uncounted time leaves an emergency alone"
    assert (act.data["after"], act.data["assumed"]) == (after.due_at.isoformat(), after.assumed)


async def test_a_clock_whose_pause_runs_into_an_unlisted_year_is_moved_by_no_other_calendar(
    town: Town, clock: MovableClock
) -> None:
    clock.set(town.at("2026-12-30 10:00"))
    event_id = await report(town)
    (before,) = await town.rows("SELECT rule FROM clock WHERE event_id = :id AND kind = 'handling'", id=UUID(event_id))
    row = (await rows_in_force(town, "filing-standards"))[before.rule]
    await published(town, "filing-standards", {before.rule: row | {"limit": "48 natural_hour"}}, mode="re_decide_open")
    await work(town)
    until = now() + timedelta(days=6)
    await move_handling(
        town,
        event_id,
        lambda event, held, clockwork, n: pause_clock(event, held, clockwork, now(), n, until=until, grounds="waiting"),
    )
    paused = (await clocks(town, event_id))["handling"]
    assert (paused.limit_unit, paused.assumed) == ("natural_hour", True), "whether the cap cuts rests on days of 2027"
    past = {"cn/holiday/2025-03-03": {"row_type": "holiday", "first_on": "2025-03-03", "last_on": "2025-03-03"}}
    await published(town, "calendar", calendar_rows(past))
    await work(town)
    assert (await clocks(town, event_id))["handling"] == paused


async def test_a_clock_that_the_old_release_starts_from_long_ago_is_moved_in_the_end(
    town: Town, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await town.send("hotline-12345", town.call()) for _ in range(2)]
    assert first["event_id"] == second["event_id"]
    clock.advance(hours=3)
    async with town.runtime.sessions() as session:
        old = await town.runtime.masters.get(session, town.city.jurisdiction_id)
    await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)

    async def at(*_: object) -> Any:
        return old

    with monkeypatch.context() as patched:
        # whoever takes them apart had read the old calendar; the clock starts when the report came
        patched.setattr(MastersCache, "at", at)
        await town.act("dispatcher1", f"reports/{second['report_id']}", "unlink", reason="不是一回事")
    query = (
        "SELECT started_at, due_at FROM clock WHERE report_id = :id AND kind = 'citizen_total' AND state = 'running'"
    )
    (before,) = await town.rows(query, id=UUID(second["report_id"]))
    assert before.started_at == town.at("2026-03-10 10:00")
    clock.advance(minutes=2)
    await work(town)
    (after,) = await town.rows(query, id=UUID(second["report_id"]))
    assert after.due_at == before.due_at + timedelta(days=2)


async def test_the_second_look_leaves_out_what_the_release_has_moved(town: Town, clock: MovableClock) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)
    acts = await moved(town, event_id)
    clock.advance(minutes=2)
    await work(town)
    assert acts
    assert await moved(town, event_id) == acts


async def test_a_new_rung_reaches_open_clocks_and_moves_no_limit(town: Town, clock: MovableClock) -> None:
    await publish_ladder(town, LATE)
    order = await AtWork.begin(town, clock)  # 10:00 to 16:00, four hours of them worked
    before, acts = await order.row(), await town.acts(order.event_id)
    await publish_ladder(town, LATE, HALF)
    await work(town)
    after = await order.row()
    assert (before.next_at, after.next_at) == (town.at("2026-03-10 15:36"), town.at("2026-03-10 12:00"))
    assert (after.generation, after.due_at) == (before.generation, before.due_at)
    assert await town.acts(order.event_id) == acts
    assert [cause for cause, _ in await records(town, order.event_id, "handling")] == ["started"]
    order.at("2026-03-10 14:30")
    await sweep(town)
    assert await names(town, order.event_id) == ["half"]


async def test_a_rung_that_fired_is_not_waited_for_again(town: Town, clock: MovableClock) -> None:
    await publish_ladder(town, HALF)
    order = await AtWork.begin(town, clock)
    order.at("2026-03-10 14:30")
    await sweep(town)
    await publish_ladder(town, {"rung": "half", "at": "40%"}, LATE)
    await work(town)
    assert (await order.row()).next_at == town.at("2026-03-10 15:36")


async def test_a_ladder_for_what_comes_after_leaves_open_clocks_alone(town: Town, clock: MovableClock) -> None:
    order = await AtWork.begin(town, clock)
    before = await order.row()
    row = {"clock": "handling", "action": "urge", "to": ["unit"], "rung": "first", "at": "1%"}
    await published(town, "escalation-rungs", {"handling/first////": row}, mode="new_only")
    assert await work(town) == 0
    assert await order.row() == before


async def test_a_corrected_item_brings_its_own_rungs(town: Town, clock: MovableClock) -> None:
    rows = await rows_in_force(town, "items")
    event_id = await begin(town)
    event = await town.event(event_id)
    other = next(key for key, row in rows.items() if row["domain"] != event.domain and row["kind"] == "matter")
    await publish_ladder(town, LATE, HALF | {"domain": rows[other]["domain"], "clock": "citizen_total"})
    await work(town)
    before = (await clocks(town, event_id))["citizen_total"]
    assert before.next_at == before.due_at
    await town.act("dispatcher1", f"events/{event_id}", "correct", item=other, redispatch=False)
    after = (await clocks(town, event_id))["citizen_total"]
    assert after.due_at == before.due_at
    assert after.next_at < before.next_at
