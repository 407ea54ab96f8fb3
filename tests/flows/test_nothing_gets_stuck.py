"""Turns of a case that once left an event without an end, a debt that nobody could pay, or a duty that nobody had."""

from app.core.timing import MovableClock
from tests.flows.limits_at_work import set_policies
from tests.flows.town import WAGES, Town


async def two_reports(town: Town) -> tuple[str, str, str]:
    """One event with two reports: (event id, first report, second report)."""
    first = await town.send("hotline-12345", town.call())
    second = await town.send("snapshot", town.snapshot(east_m=5))
    assert first["event_id"] == second["event_id"]
    return first["event_id"], first["report_id"], second["report_id"]


async def finish(town: Town, event_id: str, *report_ids: str) -> None:
    """The rest of the way for an event that a unit has to handle."""
    if (await town.event(event_id)).state == "handling":
        await town.handle(event_id)
    if (await town.event(event_id)).state == "verifying":
        await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已处理。")
    for report_id in report_ids:
        await town.call_back(report_id)
    await town.close(event_id)
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_a_withdrawn_report_is_owed_nothing_again_by_a_correction(town: Town) -> None:
    event_id, first, second = await two_reports(town)
    await town.act("operator1", f"reports/{second}", "withdraw", reason="撤单")
    await town.act("dispatcher1", f"events/{event_id}", "correct", item="GB/T 47678.5-2026/matter/06011")
    assert (await town.debts(second))["reply"] == "withdrawn"
    await finish(town, event_id, first)


async def test_a_refused_event_with_a_withdrawn_report_becomes_final(town: Town) -> None:
    event_id, _, second = await two_reports(town)
    await town.act("operator1", f"reports/{second}", "withdraw", reason="撤单")
    await town.act(
        "operator1", f"events/{event_id}", "refuse", treatment="explanation_only", explanation="已说明", told=True
    )
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_a_place_alone_leaves_the_event_in_the_human_queue(town: Town) -> None:
    message = town.call(("没有", "这类"), cell=None, content="说不清楚的一件事")
    event_id = (await town.send("hotline-12345", message))["event_id"]
    await town.act("dispatcher1", f"events/{event_id}", "correct", area_code="320102002002")
    assert (await town.event(event_id)).triage == "item_uncertain"
    await town.act(
        "dispatcher1", f"events/{event_id}", "correct", item="GB/T 47678.5-2026/matter/06010", redispatch=False
    )
    assert (await town.event(event_id)).triage == "waits_for_dispatch"
    await town.act("dispatcher1", f"events/{event_id}", "dispatch")
    assert (await town.event(event_id)).triage is None


async def test_two_dissatisfied_callers_are_both_heard(town: Town) -> None:
    event_id, first, second = await two_reports(town)
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理。")
    await town.call_back(first, level=5)
    await town.call_back(second, level=4)
    event = await town.event(event_id)
    assert event.state == "handling"
    await town.handle_again(event_id)
    await finish(town, event_id, first, second)


async def test_the_parent_goes_on_when_the_unlinked_report_was_the_last_to_be_answered(town: Town) -> None:
    event_id, first, second = await two_reports(town)
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"reports/{first}", "reply", body="已清理。")
    await town.call_back(first)
    assert (await town.event(event_id)).state == "answering"
    await town.act("dispatcher1", f"reports/{second}", "unlink", reason="不是同一处")
    assert (await town.event(event_id)).state == "closing"
    await town.close(event_id)
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_a_supporting_part_that_is_moved_is_somebody_s_duty(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    (supporting,) = await town.rows(
        "SELECT n FROM work_order WHERE event_id = :id AND role = 'supporting' LIMIT 1", id=event_id
    )
    await town.act(
        "dispatcher1", f"work-orders/{event_id}.{supporting.n}", "transfer", unit="D-MARKET", reason="改协办"
    )
    rows = await town.rows(
        "SELECT g.code FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id AND o.role = 'supporting' AND o.ended_at IS NULL",
        id=event_id,
    )
    assert [row.code for row in rows] == ["D-MARKET"]


async def test_a_forced_end_does_not_count_undone_duties_as_done(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    await town.act("leader1", f"events/{event_id}", "force_close", reason="强制")
    clocks = await town.clocks(event_id)
    assert {clocks[kind] for kind in ("signing", "handling", "first_contact")} == {"stopped"}


async def test_an_order_goes_past_every_unit_that_gave_it_back(town: Town) -> None:
    await set_policies(town, returns_to_ruling="100")
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    gave_back = []
    for _ in range(3):
        if (await town.event(event_id)).state != "handling":
            break
        order, unit = await town.lead(event_id)
        assert unit not in gave_back
        gave_back.append(unit)
        await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不是我们的")
        await town.act("dispatcher1", order, "approve_return")
    assert gave_back


async def test_callback_attempts_are_counted_anew_after_somebody_was_reached(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理。")
    for _ in range(2):
        await town.act("callback1", f"reports/{report_id}", "callback", reached=False)
    await town.call_back(report_id, level=5)
    await town.handle_again(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已再次清理。")
    await town.act("callback1", f"reports/{report_id}", "callback", reached=False)
    assert (await town.debts(report_id))["callback"] == "owed"


async def test_words_of_a_refused_caller_and_of_a_supplement_are_not_passed_on_unmasked(town: Town) -> None:
    refused = await town.send(
        "hotline-12345", town.call(refusedAs="disruption", content="我是某某，电话13912345678，天天打")
    )
    (note,) = await town.rows("SELECT body FROM reply WHERE report_id = :id", id=refused["report_id"])
    assert "1391234" not in note.body
    receipt = await town.send("hotline-12345", town.call())
    await town.act("operator1", f"reports/{receipt['report_id']}", "supplement", text="请打13912345678")
    notes = await town.rows("SELECT body FROM timeline_note WHERE event_id = :id", id=receipt["event_id"])
    assert "13912345678" not in str(notes)


async def test_an_accusation_leaves_its_quarantine_only_when_a_person_has_named_the_accused(
    town: Town, clock: MovableClock
) -> None:
    receipt = await town.send("hotline-12345", town.call(orderType="举报", accusedUnit="某某科室"))
    event_id = receipt["event_id"]
    ordinary = await town.send("snapshot", town.snapshot(east_m=3))
    assert ordinary["event_id"] != event_id, "nothing joins an accusation by itself"
    await town.act("dispatcher1", f"events/{event_id}", "merge", 409, into=ordinary["event_id"])
    await town.act("dispatcher1", f"events/{event_id}", "correct", item="GB/T 47678.5-2026/matter/06010")
    event = await town.event(event_id)
    assert (event.state, event.triage) == ("analyzing", "accused_unknown")
    _, likely = await town.lead(ordinary["event_id"])
    accused = likely.removeprefix("u-").upper()
    await town.act("dispatcher1", f"events/{event_id}", "correct", accused_units=[accused])
    event = await town.event(event_id)
    assert event.accused_org_ids
    if event.state == "handling":
        assert (await town.lead(event_id))[1] != likely
    await town.get(likely, f"/events/{event_id}", 404)
