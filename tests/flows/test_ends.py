"""Every end of an event, what each still owes, and when it becomes final."""

from typing import Any

import pytest

from app.core.timing import MovableClock
from tests.flows.town import Town

UNSURE = {"content": "说不清楚的一件事，想问一问", "class1": "没有", "class2": "这个类"}


async def begin(town: Town, **fields: Any) -> tuple[str, str]:
    """A report whose event waits in the human queue: (event id, report id)."""
    receipt = await town.send("hotline-12345", town.call(**UNSURE | fields))
    return receipt["event_id"], receipt["report_id"]


@pytest.mark.parametrize("treatment", ["emergency_transfer", "statutory_route", "explanation_only", "disruption"])
async def test_not_accepted_with_each_treatment_owes_the_reporter_the_way_to_go(town: Town, treatment: str) -> None:
    event_id, report_id = await begin(town)
    await town.act(
        "operator1", f"events/{event_id}", "refuse", treatment=treatment, explanation="请向有关机关提出", told=False
    )
    event = await town.event(event_id)
    assert (event.state, event.end_kind, event.settled_at) == ("not_accepted", treatment, None)
    assert await town.debts(report_id) == {"result": "owed", "reply": "owed", "callback": "not_accepted"}
    await town.deliver()
    assert (await town.event(event_id)).settled_at is None, "the reporter has not been told"
    await town.act("operator1", f"reports/{report_id}", "reply", body="您反映的事项请走法定途径。")
    event = await town.event(event_id)
    assert event.settled_at is not None
    (row,) = await town.rows("SELECT result FROM reply WHERE report_id = :id", id=report_id)
    assert row.result == "not_accepted"
    assert (await town.clocks(event_id))["citizen_total"] == "met"


async def test_refused_and_told_on_the_line_is_final_once_the_source_knows(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.act(
        "operator1", f"events/{event_id}", "refuse", treatment="explanation_only", explanation="已当面说明", told=True
    )
    assert (await town.debts(report_id))["reply"] == "paid"
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_message_refused_at_the_desk_arrives_as_not_accepted(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(refusedAs="statutory_route"))
    event = await town.event(receipt["event_id"])
    assert (event.state, event.end_kind) == ("not_accepted", "statutory_route")


async def test_direct_answer_on_the_line_ends_at_once(town: Town) -> None:
    message = town.call(orderType="咨询", answeredDirectly=True, answerText="可凭身份证到街道办理。", **UNSURE)
    receipt = await town.send("hotline-12345", message)
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    event = await town.event(event_id)
    assert (event.state, event.end_kind) == ("closed", "answered_directly")
    assert await town.debts(report_id) == {"result": "owed", "reply": "paid", "callback": "answered_on_the_line"}
    assert await town.rows("SELECT 1 FROM work_order WHERE event_id = :id", id=event_id) == []
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


@pytest.mark.parametrize("kind", ["answered_directly", "found_and_fixed"])
async def test_settled_at_the_desk_by_a_person(town: Town, kind: str) -> None:
    event_id, _ = await begin(town)
    await town.act("operator1", f"events/{event_id}", "settle_at_desk", answer="当场解决", kind=kind)
    event = await town.event(event_id)
    assert (event.state, event.end_kind) == ("closed", kind)


async def test_handed_over_says_to_whom(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.act("dispatcher1", f"events/{event_id}", "hand_over", to="市信访局")
    event = await town.event(event_id)
    assert (event.state, event.end_kind) == ("handed_over", "市信访局")
    assert (await town.debts(report_id))["reply"] == "owed"


async def test_withdrawal_of_the_only_report_cancels_its_event(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.act("operator1", f"reports/{report_id}", "withdraw", reason="来电人称已解决")
    event = await town.event(event_id)
    assert (event.state, event.end_kind) == ("cancelled", "withdrawn")
    assert {row.state for row in await town.rows("SELECT state FROM work_order WHERE event_id = :id", id=event_id)} == {
        "cancelled"
    }
    assert set((await town.clocks(event_id)).values()) == {"stopped"}
    assert await town.debts(report_id) == {"result": "owed", "reply": "withdrawn", "callback": "withdrawn"}
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_withdrawal_of_one_of_two_leaves_the_other_alone(town: Town) -> None:
    first = await town.send("hotline-12345", town.call())
    second = await town.send("snapshot", town.snapshot(east_m=5))
    await town.act("operator1", f"reports/{first['report_id']}", "withdraw", reason="撤单")
    event_id = first["event_id"]
    assert (await town.event(event_id)).state == "handling"
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.answer(event_id, second["report_id"])
    await town.close(event_id)
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_forced_end_leaves_its_debts_standing_until_they_are_paid(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.act("dispatcher1", f"events/{event_id}", "force_close", 403, reason="不该由派遣员强制结案")
    await town.act("leader1", f"events/{event_id}", "force_close", reason="权属不清，转专题研究")
    event = await town.event(event_id)
    assert (event.state, event.end_kind) == ("closed", "forced")
    await town.deliver()
    assert (await town.event(event_id)).settled_at is None
    await town.act("callback1", f"reports/{report_id}", "reply", body="该问题已列入专题研究。")
    await town.call_back(report_id, level=2)
    assert (await town.event(event_id)).settled_at is not None


async def test_forced_end_and_a_dissatisfied_caller_opens_it_again(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.act("leader1", f"events/{event_id}", "force_close", reason="强制结案")
    await town.act("callback1", f"reports/{report_id}", "reply", body="已结案。")
    await town.call_back(report_id, level=5)
    event = await town.event(event_id)
    assert (event.state, event.end_kind, event.ended_at) == ("handling", None, None)
    await town.handle_again(event_id)
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    await town.deliver()
    event = await town.event(event_id)
    assert (event.state, event.settled_at is not None) == ("closed", True)


async def test_void_event_still_owes_its_reporter_a_word(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.act("leader1", f"events/{event_id}", "cancel", reason="误报")
    assert (await town.event(event_id)).end_kind == "void"
    assert (await town.debts(report_id))["reply"] == "owed"


async def test_danger_to_life_is_told_to_110_at_once_and_the_loop_goes_on(town: Town) -> None:
    message = town.call(content="楼道里一股很浓的煤气味，有人晕倒了，快来救人", class1="", class2="")
    receipt = await town.send("hotline-12345", message)
    event = await town.event(receipt["event_id"])
    assert event.urgency == "critical"
    assert "alarm_raised" in await town.acts(receipt["event_id"])
    rows = await town.rows(
        "SELECT c.channel, d.kind FROM delivery d JOIN machine_client c ON c.id = d.destination_id "
        "WHERE d.lane_id = :id",
        id=event.id,
    )
    assert ("police-110", "alert") in [tuple(row) for row in rows]


async def test_an_act_that_came_too_late_from_an_offline_phone_is_kept(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, unit = await town.lead(event_id)
    await town.act("dispatcher1", order, "transfer", unit="D-URBAN", reason="改派")
    clock.advance(minutes=30)
    late = {"act_id": "0193a000-0000-7000-8000-000000000001", "acted_at": "2026-03-10T10:01:00+08:00"}
    async with await town.as_user(unit) as http:
        answer = await http.post(f"/{order}/actions/sign_for", json=late)
    assert answer.status_code in (404, 409)
    kept = await town.rows("SELECT action FROM late_act WHERE event_id = :id", id=event_id)
    assert [row.action for row in kept] == ["sign_for"]
