"""主办 and 协办: parts, and one answer."""

import pytest
from sqlalchemy import text

from app.core.database import transaction
from app.core.timing import MovableClock
from tests.flows.hands_at_work import Hands
from tests.flows.town import ALONE, Town

#: the supporting unit that the rules name for rubbish there
HELPER = "CT-SANIT"
DONE = {"result": "resolved", "statement": "已处置"}
#: a part that the centre asks for
PART = {"unit": "D-MARKET", "part": "查处占道商户"}


@pytest.fixture
async def hands(town: Town, clock: MovableClock) -> Hands:
    return await Hands.begin(town, clock)


async def do_part(hands: Hands, order: str, user: str) -> None:
    await hands.act(user, order, "sign_for")
    await hands.act(user, order, "report_done", **DONE)


async def test_the_centre_asks_one_more_unit_for_a_part(hands: Hands) -> None:
    totals, lead_clocks = await hands.totals(), await hands.clocks(hands.lead)
    hands.clock.advance(minutes=30)
    await hands.act(hands.unit, hands.lead, "add_supporting", 403, **PART)
    await hands.act("dispatcher1", hands.lead, "add_supporting", **PART)
    order = await hands.order("D-MARKET", "supporting")
    assert await hands.clocks(order) == [("signing", "running", "03-10 14:30"), ("handling", "running", "03-10 16:30")]
    row = await hands.row("supporting_added")
    assert (row.data["unit"], row.data["step"], row.note) == ("D-MARKET", "person", "查处占道商户")
    assert await hands.clocks(hands.lead) == lead_clocks
    assert await hands.totals() == totals
    assert (await hands.shown("u-d-market"))["stand"] == "unit"

    taken = await hands.act("dispatcher1", hands.lead, "add_supporting", 409, **PART)
    assert taken["detail"] == "玄武区市场监督管理局已在办理该事件。"
    await hands.act("dispatcher1", order, "add_supporting", 409, unit="D-URBAN", part="协助执法")


async def test_the_lead_sees_each_part_with_its_result_and_evidence(hands: Hands) -> None:
    await hands.act("dispatcher1", hands.lead, "add_supporting", **PART)
    order = await hands.order("D-MARKET", "supporting")
    await do_part(hands, order, "u-d-market")
    found = {one["unit"]["code"]: one for one in (await hands.shown(hands.unit))["work_orders"]}
    part = found["D-MARKET"]
    assert (part["part"], part["state"], part["result"], part["parent"]) == (
        "查处占道商户",
        "reported_done",
        "resolved",
        None,
    )
    assert found[HELPER]["part"] is None, "what the rules give has no words of its own"
    assert (await hands.town.get("u-d-market", "/" + order))["part"] == "查处占道商户"


async def test_a_part_that_is_moved_keeps_its_words(hands: Hands) -> None:
    await hands.act("dispatcher1", hands.lead, "add_supporting", **PART)
    await hands.act(
        "dispatcher1", await hands.order("D-MARKET", "supporting"), "transfer", unit="D-URBAN", reason="改由城管"
    )
    await hands.act(
        "dispatcher1", await hands.order("D-URBAN", "supporting"), "transfer", unit="D-POLICE", reason="改由公安"
    )
    order = await hands.order("D-POLICE", "supporting")
    assert (await hands.town.get("u-d-police", "/" + order))["part"] == "查处占道商户"
    assert (await hands.row("supporting_added")).note is None, "said once, erased once"


async def test_the_lead_waits_for_the_parts(hands: Hands) -> None:
    await hands.act("dispatcher1", hands.lead, "add_supporting", **PART)
    refused = await hands.act(hands.unit, hands.lead, "report_done", 409, **DONE)
    assert (refused["code"], refused["units"]) == ("parts_open", [HELPER, "D-MARKET"])
    assert "玄武区市场监督管理局" in refused["detail"]
    assert (await hands.clocks(hands.lead))[1][:2] == ("handling", "running"), "nothing is half done"
    await do_part(hands, await hands.order("D-MARKET", "supporting"), "u-d-market")
    refused = await hands.act(hands.unit, hands.lead, "report_done", 409, **DONE)
    assert refused["units"] == [HELPER]
    await do_part(hands, await hands.order(HELPER, "supporting"), "u-ct-sanit")
    assert (await hands.town.event(hands.event_id)).state == "handling", "a part moves nothing"
    await hands.act(hands.unit, hands.lead, "report_done", **DONE)
    assert (await hands.town.event(hands.event_id)).state == "verifying"
    assert "parts_left_open" not in await hands.town.acts(hands.event_id)


async def test_a_lead_that_does_not_wait_says_why_and_the_part_goes_on_until_the_end(hands: Hands) -> None:
    await hands.act(hands.unit, hands.lead, "report_done", **DONE, without_parts="环卫作业安排在夜间")
    row = await hands.row("parts_left_open")
    assert (row.data, row.note) == ({"parts": [HELPER], "subs": []}, "环卫作业安排在夜间")
    part = await hands.order(HELPER, "supporting")
    assert ("handling", "running") in [one[:2] for one in await hands.clocks(part)]
    await hands.town.inspect(hands.event_id)
    await hands.town.answer(hands.event_id, hands.report_id)
    assert await hands.state(HELPER, "supporting") == "dispatched"
    await hands.town.close(hands.event_id)
    assert await hands.state(HELPER, "supporting") == "completed"
    assert {one[1] for one in await hands.clocks(part)} == {"stopped"}, "never done, never late"


async def test_one_event_has_one_answer(hands: Hands) -> None:
    await hands.town.help(hands.event_id)
    await hands.act(hands.unit, hands.lead, "report_done", **DONE)
    await hands.town.inspect(hands.event_id)
    body = {"body": "已清理。"}
    helper = await hands.shown("u-ct-sanit")
    assert "reply" not in helper["allowed_actions"]["event"]
    assert "reply" not in helper["allowed_actions"]["reports"][hands.report_id]
    await hands.town.act("u-ct-sanit", f"events/{hands.event_id}", "reply", 403, **body)
    await hands.town.act("u-ct-sanit", f"reports/{hands.report_id}", "reply", 403, **body)
    await hands.town.act(hands.unit, f"events/{hands.event_id}", "reply", **body)
    assert (await hands.town.debts(hands.report_id))["reply"] == "paid"


async def test_a_part_is_sent_back_alone_with_a_fresh_clock(hands: Hands) -> None:
    totals = await hands.totals()
    await hands.town.help(hands.event_id)
    part = await hands.order(HELPER, "supporting")
    hands.at("2026-03-10 14:00")
    await hands.act("u-ct-sanit", part, "send_back_part", 403, reason="自己说了不算")
    await hands.act(hands.unit, part, "send_back_part", reason="照片里仍有积存垃圾")
    assert await hands.clocks(part) == [
        ("signing", "met", "03-10 12:00"),
        ("handling", "met", "03-10 16:00"),
        ("handling", "running", "03-10 18:00"),
    ]
    row = await hands.row("send_back")
    assert (row.data["cause"], row.data["round"], row.note) == ("part", 2, "照片里仍有积存垃圾")
    assert (await hands.clocks(hands.lead))[1] == ("handling", "running", "03-10 16:00"), "the lead's is not moved"
    assert await hands.totals() == totals
    assert (await hands.act(hands.unit, hands.lead, "report_done", 409, **DONE))["code"] == "parts_open"
    await hands.act("u-ct-sanit", part, "report_done", **DONE)
    await hands.act("dispatcher1", part, "send_back_part", reason="中心复核仍不合格")
    assert (await hands.town.get("dispatcher1", "/" + part))["round"] == 3


async def test_what_was_done_stays_done_when_the_lead_must_do_it_again(hands: Hands) -> None:
    await hands.town.help(hands.event_id)
    part = await hands.order(HELPER, "supporting")
    await hands.act(hands.unit, hands.lead, "report_done", **DONE)
    assert "send_back_part" not in await hands.allowed("dispatcher1", part), "the whole is looked at now"
    await hands.town.inspect(hands.event_id, passed=False)
    assert await hands.state(HELPER, "supporting") == "reported_done"
    assert "send_back_part" in await hands.allowed("dispatcher1", part)
    await hands.act(hands.unit, hands.lead, "report_done", **DONE)
    assert (await hands.town.event(hands.event_id)).state == "verifying"


async def test_a_part_done_again_or_given_back_is_not_the_event_s(hands: Hands) -> None:
    part = await hands.order(HELPER, "supporting")
    await do_part(hands, part, "u-ct-sanit")
    await hands.act(hands.unit, part, "send_back_part", reason="角落未清理")
    await hands.act("dispatcher1", hands.lead, "add_supporting", **PART)
    other = await hands.order("D-MARKET", "supporting")
    await hands.act("u-d-market", other, "request_return", reason_code="not_our_duty", reason="不归我们")
    await hands.act("dispatcher1", other, "approve_return", unit="D-URBAN")
    assert await hands.state("D-MARKET", "supporting") == "returned"
    hands.clock.advance(minutes=10)
    figures = (await hands.town.get("supervisor1", "/supervision/indicators"))["events"]
    assert (figures["dispatched"], figures["reworked"], figures["returned"]) == (1, 0, 0)
    await hands.act(hands.unit, hands.lead, "report_done", **DONE, without_parts=ALONE)
    await hands.town.inspect(hands.event_id, passed=False)
    assert (await hands.town.get("supervisor1", "/supervision/indicators"))["events"]["reworked"] == 1


async def test_orders_are_listed_by_their_role(hands: Hands) -> None:
    found = await hands.town.get("dispatcher1", "/work-orders", role="supporting")
    assert [one["unit"]["code"] for one in found["items"]] == [HELPER]
    for role in ("sub", "callout"):
        assert (await hands.town.get("dispatcher1", "/work-orders", role=role))["items"] == []
    await hands.town.get("dispatcher1", "/work-orders", 422, role="helper")


async def test_an_accused_unit_is_never_asked_for_a_part(hands: Hands) -> None:
    async with transaction(hands.town.runtime.sessions) as session:
        await session.execute(
            text(
                "UPDATE event SET demand_type = 'accusation', accused_org_ids = "
                "ARRAY(SELECT id FROM organization WHERE code = 'D-MARKET') WHERE id = :id"
            ),
            {"id": hands.event_id},
        )
    refused = await hands.act("dispatcher1", hands.lead, "add_supporting", 422, **PART)
    assert refused["faults"][0]["path"] == "unit"
