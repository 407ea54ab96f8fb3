"""Clocks where a report changes its event, and limits that passed while no worker ran."""

from uuid import UUID

from app.core.timing import MovableClock
from tests.flows.ladders import names, sweep
from tests.flows.limits_at_work import AtWork
from tests.flows.town import ALONE, WAGES, Town


async def totals(town: Town, report_id: str) -> list[tuple[str, str, str]]:
    """(state, rule, due time) of the citizen's clocks of a report, in the order in which they began to matter."""
    found = await town.rows(
        "SELECT c.state, c.rule, c.due_at FROM clock c JOIN event e ON e.id = c.event_id "
        "WHERE c.report_id = :id AND c.kind = 'citizen_total' ORDER BY e.received_at, e.id, c.n",
        id=UUID(report_id),
    )
    return [(row.state, row.rule, row.due_at.isoformat()) for row in found]


async def two_reports(town: Town) -> tuple[str, str]:
    """Two reports of one event, answered both: (event id, the second report's id)."""
    first = await town.send("hotline-12345", town.call())
    second = await town.send("hotline-12345", town.call())
    assert second["event_id"] == first["event_id"]
    await town.handle(first["event_id"])
    await town.inspect(first["event_id"])
    await town.act("callback1", f"events/{first['event_id']}", "reply", body="已清理，请您查看。")
    return first["event_id"], second["report_id"]


async def test_a_limit_that_passed_before_the_unit_was_done_is_written_down(town: Town, clock: MovableClock) -> None:
    work = await AtWork.begin(town, clock)
    work.at("2026-03-11 09:30")
    await work.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)
    assert "due" in await names(town, work.event_id)
    missed = await town.rows(
        "SELECT data, acted_at FROM timeline WHERE event_id = :id AND act = 'clock_missed' "
        "AND data->>'kind' = 'handling'",
        id=UUID(work.event_id),
    )
    (mine,) = [row for row in missed if row.acted_at == town.at("2026-03-10 16:00")]
    assert mine.data["late"] is True
    before = await names(town, work.event_id)
    await sweep(town)
    assert await names(town, work.event_id) == before, "and never twice"


async def test_who_was_answered_already_gets_no_new_clock_by_being_unlinked(town: Town) -> None:
    _, report_id = await two_reports(town)
    before = await totals(town, report_id)
    await town.act("dispatcher1", f"reports/{report_id}", "unlink", reason="不是一回事")
    assert await totals(town, report_id) == before
    assert [state for state, _, _ in before] == ["met"]


async def test_a_second_handling_keeps_its_limit_when_the_report_is_unlinked(town: Town) -> None:
    _, report_id = await two_reports(town)
    await town.call_back(report_id, level=5)
    *_, (state, rule, due_at) = await totals(town, report_id)
    assert (state, rule) == ("running", "rehandle_limit")
    await town.act("dispatcher1", f"reports/{report_id}", "unlink", reason="不是一回事")
    now_running = [clock for clock in await totals(town, report_id) if clock[0] == "running"]
    assert now_running == [("running", "rehandle_limit", due_at)]


async def test_the_clocks_of_a_merged_event_are_the_time_of_who_leads_now(town: Town) -> None:
    merged = await town.send("hotline-12345", town.call())
    root = await town.send("hotline-12345", town.call(WAGES, cell=None))
    former = (await town.event(merged["event_id"])).lead_unit_id
    await town.act("dispatcher1", f"events/{merged['event_id']}", "merge", into=root["event_id"])
    lead = (await town.event(root["event_id"])).lead_unit_id
    assert (await town.event(merged["event_id"])).lead_unit_id == lead != former
