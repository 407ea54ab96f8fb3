"""二次派单: a unit gives work on to a contractor of its own."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.core.database import transaction
from app.core.timing import MovableClock
from tests.flows.hands_at_work import Hands
from tests.flows.ladders import sweep
from tests.flows.town import ALONE, Town

#: the department that leads, its contractor, and their users
BUREAU, CREW = "u-d-muni", "u-ct-road"
GIVEN = {"unit": "CT-ROAD", "limit": "2 work_hour", "part": "修补路面"}
DONE: dict[str, Any] = {"result": "resolved", "statement": "已修补"}
#: the rules' own supporting unit goes on beside it
LEAD_DONE = DONE | {"without_parts": ALONE}


@pytest.fixture
async def hands(town: Town, clock: MovableClock) -> Hands:
    """The department leads from Tuesday 10:00 on; it is due at 16:00."""
    return await Hands.begin(town, clock, lead="D-MUNI")


async def given(hands: Hands, **changes: Any) -> str:
    """What the contractor was given."""
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **(GIVEN | changes))
    return await hands.order("CT-ROAD", "sub")


async def test_a_contractor_works_within_an_inner_limit_and_the_unit_accepts(hands: Hands) -> None:
    totals, lead_clocks = await hands.totals(), await hands.clocks(hands.lead)
    order = await given(hands)
    assert await hands.clocks(order) == [("sub_handling", "running", "03-10 12:00")], (
        "neither signing nor first contact"
    )
    row = await hands.row("sub_dispatch")
    assert (row.data["unit"], row.data["step"], row.data["limit"]) == ("CT-ROAD", "sub_dispatch", "2 work_hour")
    assert row.data["sentence"] == "玄武区市政设施管理中心下派玄武市政道路养护单位，限 2 工作时。"
    assert (row.subject, row.note) == ("work_order", "修补路面")
    shown = await hands.town.get(CREW, "/" + order)
    assert (shown["role"], shown["parent"], shown["part"]) == (
        "sub",
        hands.lead.removeprefix("work-orders/"),
        "修补路面",
    )

    assert await hands.allowed(CREW, order) >= {"sign_for", "decline_sub"}
    hands.clock.advance(minutes=30)
    await hands.act(CREW, order, "sign_for")
    await hands.act(CREW, order, "start")
    await hands.act(CREW, order, "report_done", **DONE)
    assert (await hands.town.event(hands.event_id)).state == "handling"
    assert await hands.clocks(order) == [("sub_handling", "met", "03-10 12:00")]
    await hands.act(CREW, order, "accept_sub", 403)
    await hands.act("dispatcher1", order, "accept_sub", 403)
    await hands.act(BUREAU, order, "accept_sub")
    assert (await hands.row("sub_accepted")).actor_role == "unit_liaison"
    assert await hands.state("CT-ROAD", "sub") == "completed"
    assert await hands.clocks(hands.lead) == lead_clocks
    assert await hands.totals() == totals
    await hands.act(BUREAU, hands.lead, "report_done", **LEAD_DONE)


async def test_what_belongs_to_the_centre_s_orders_is_not_offered(hands: Hands) -> None:
    order = await given(hands)
    await hands.act(CREW, order, "sign_for")
    everybody = [name for user in (CREW, BUREAU, "dispatcher1", "leader1") for name in await hands.allowed(user, order)]
    foreign = {"request_return", "first_contact", "transfer", "request_extension", "request_deferral", "street_callout"}
    assert foreign.isdisjoint(everybody)
    await hands.act(CREW, order, "request_return", 409, reason_code="not_our_duty", reason="不归我们")
    await hands.act("dispatcher1", order, "transfer", 409, unit="D-URBAN", reason="改派")


async def test_a_limit_beyond_the_units_own_is_refused_with_the_latest_possible(hands: Hands) -> None:
    refused = await hands.act(BUREAU, hands.lead, "sub_dispatch", 422, **(GIVEN | {"limit": "5 work_hour"}))
    assert refused["faults"][0]["path"] == "limit"
    assert refused["detail"] == (
        "时限 5 工作时到 2026-03-10 17:00 才满，超过本单位的处置时限，最晚只能到 2026-03-10 16:00。"
    )
    assert "sub_dispatch" not in await hands.town.acts(hands.event_id)
    bad = await hands.act(BUREAU, hands.lead, "sub_dispatch", 422, **(GIVEN | {"limit": "两小时"}))
    assert bad["faults"][0]["path"] == "limit"
    order = await given(hands, limit="4 work_hour")
    assert await hands.clocks(order) == [("sub_handling", "running", "03-10 16:00")], "to the very minute it may"


async def test_only_to_units_of_its_own_and_once_at_a_time(hands: Hands) -> None:
    for unit in ("D-MUNI", "CT-SANIT", "NOBODY"):
        refused = await hands.act(BUREAU, hands.lead, "sub_dispatch", 422, **(GIVEN | {"unit": unit}))
        assert refused["faults"][0]["path"] == "unit"
    await given(hands)
    again = await hands.act(BUREAU, hands.lead, "sub_dispatch", 409, **GIVEN)
    assert again["detail"] == "已下派玄武市政道路养护单位，尚未结束。"
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **(GIVEN | {"unit": "CT-LIGHT"}))
    await hands.act("dispatcher1", hands.lead, "sub_dispatch", 403, **GIVEN)
    order = await hands.order("CT-ROAD", "sub")
    await hands.act(CREW, order, "sub_dispatch", 422, **GIVEN)  # it has nobody under it


async def test_a_contractor_declines_and_nothing_is_argued_about(hands: Hands) -> None:
    order = await given(hands)
    await hands.act(BUREAU, order, "recall_sub", 422)
    await hands.act(CREW, order, "decline_sub", reason="设备在检修")
    row = await hands.row("sub_declined")
    assert (row.data["to"], row.note, row.to_state) == ("D-MUNI", "设备在检修", "returned")
    assert await hands.clocks(order) == [("sub_handling", "stopped", "03-10 12:00")]
    assert (await hands.shown("dispatcher1"))["returns"] == []
    await hands.town.get(CREW, f"/events/{hands.event_id}", 404)
    assert (await hands.town.get(CREW, "/" + order))["event_visible"] is False
    await given(hands)  # it may be asked again
    found = await hands.town.get("leader1", "/supervision/indicators")
    assert found["events"]["returned"] == 0, "the city's order was never given back"


async def test_sent_back_it_has_its_limit_again_or_another_one(hands: Hands) -> None:
    order = await given(hands)
    await hands.act(CREW, order, "sign_for")
    await hands.act(CREW, order, "report_done", **DONE)
    hands.at("2026-03-10 11:00")
    await hands.act(CREW, order, "send_back_sub", 403, reason="自评不合格")
    await hands.act(BUREAU, order, "send_back_sub", reason="接缝不平")
    assert (await hands.clocks(order))[1:] == [("sub_handling", "running", "03-10 15:00")]
    row = await hands.row("send_back")
    assert (row.data["round"], row.data["limit"], row.note) == (2, "2 work_hour", "接缝不平")
    await hands.act(CREW, order, "report_done", **DONE)
    late = await hands.act(BUREAU, order, "send_back_sub", 422, reason="仍不平", limit="4 work_hour")
    assert late["detail"].endswith("最晚只能到 2026-03-10 16:00。")
    await hands.act(BUREAU, order, "send_back_sub", reason="仍不平", limit="1 work_hour")
    assert (await hands.clocks(order))[2:] == [("sub_handling", "running", "03-10 12:00")]


async def test_recalled_it_ends_and_the_contractor_sees_the_event_no_more(hands: Hands) -> None:
    order = await given(hands)
    await hands.act(CREW, order, "recall_sub", 403, reason="不想做")
    await hands.act(BUREAU, order, "recall_sub", reason="改由本单位处理")
    row = await hands.row("cancel")
    assert (row.data["cause"], row.note) == ("recalled", "改由本单位处理")
    assert await hands.clocks(order) == [("sub_handling", "stopped", "03-10 12:00")]
    await hands.town.get(CREW, f"/events/{hands.event_id}", 404)


async def test_the_unit_waits_for_what_it_gave_on_or_says_why_not(hands: Hands) -> None:
    order = await given(hands)
    for part in await hands.town.help(hands.event_id):
        assert part != CREW
    refused = await hands.act(BUREAU, hands.lead, "report_done", 409, **DONE)
    assert (refused["code"], refused["units"]) == ("subs_open", ["CT-ROAD"])
    await hands.act(BUREAU, hands.lead, "report_done", **DONE, without_parts="路面另行修补")
    assert (await hands.row("parts_left_open")).data == {"parts": [], "subs": ["CT-ROAD"]}
    assert "send_back_sub" not in await hands.allowed(BUREAU, order)
    await hands.act(CREW, order, "sign_for")


@pytest.mark.parametrize(
    ("who", "action", "body", "parent"),
    [
        ("dispatcher1", "transfer", {"unit": "D-URBAN", "reason": "改派"}, "transferred"),
        ("dispatcher1", "cancel", {"reason": "重复"}, "cancelled"),
    ],
)
async def test_with_the_units_order_all_that_it_gave_on_ends(
    hands: Hands, who: str, action: str, body: dict[str, str], parent: str
) -> None:
    order = await given(hands)
    await hands.act(CREW, order, "sign_for")
    await hands.act(CREW, order, "report_done", **DONE)
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **(GIVEN | {"unit": "CT-LIGHT"}))
    await hands.act(who, hands.lead, action, **body)
    states = [await hands.state(unit, "sub") for unit in ("CT-ROAD", "CT-LIGHT")]
    assert states == ["cancelled", "cancelled"], "also what was done: its unit has left"
    assert (await hands.row("cancel")).data["cause"] == f"parent_{parent}"
    await hands.town.get(CREW, f"/events/{hands.event_id}", 404)


async def test_a_return_ends_it_too(hands: Hands) -> None:
    await given(hands)
    await hands.act(BUREAU, hands.lead, "request_return", reason_code="not_our_duty", reason="属城管职责")
    await hands.act("dispatcher1", hands.lead, "approve_return", unit="D-URBAN")
    assert await hands.state("CT-ROAD", "sub") == "cancelled"
    assert (await hands.row("cancel")).data["cause"] == "parent_returned"


async def test_closing_completes_what_was_done_and_cancels_the_rest(hands: Hands) -> None:
    order = await given(hands)
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **(GIVEN | {"unit": "CT-LIGHT"}))
    await hands.act(CREW, order, "sign_for")
    await hands.act(CREW, order, "report_done", **DONE)
    await hands.act(BUREAU, hands.lead, "report_done", **LEAD_DONE)
    await hands.town.inspect(hands.event_id)
    await hands.town.answer(hands.event_id, hands.report_id)
    await hands.town.close(hands.event_id)
    assert [await hands.state(unit, "sub") for unit in ("CT-ROAD", "CT-LIGHT")] == ["completed", "cancelled"]
    assert (await hands.town.event(hands.event_id)).state == "closed"


async def test_a_correction_that_leads_elsewhere_ends_it(hands: Hands) -> None:
    await given(hands)
    await hands.town.act("dispatcher1", f"events/{hands.event_id}", "correct", item="GB/T 47678.5-2026/matter/06012")
    assert (await hands.town.lead(hands.event_id))[1] != BUREAU
    assert await hands.state("CT-ROAD", "sub") == "cancelled"
    assert (await hands.row("cancel")).data["cause"] == "parent_transferred"


async def test_inner_lateness_is_the_contractors_to_see_and_not_the_city_s_figure(hands: Hands) -> None:
    order = await given(hands, limit="1 work_hour")
    hands.at("2026-03-10 11:30")
    await sweep(hands.town)
    row = await hands.row("clock_missed")
    assert row.data["kind"] == "sub_handling"
    late = (await hands.town.get(CREW, "/supervision/overdue", late_by=0))["items"]
    assert [(one["stage"], one["work_order"], one["unit"]["code"]) for one in late] == [
        ("sub_handling", order.removeprefix("work-orders/"), "CT-ROAD")
    ]
    (above,) = (await hands.town.get(BUREAU, "/supervision/overdue", late_by=0))["items"]
    assert above == late[0], "its unit's too"
    for user in ("dispatcher1", "supervisor1"):
        for narrowed in ({}, {"stage": "sub_handling"}, {"unit": "CT-ROAD"}, {"area": "320102"}, {"area": "320102002"}):
            found = await hands.town.get(user, "/supervision/overdue", **narrowed)
            assert "sub_handling" not in {one["stage"] for one in found["items"]}
    risks = await hands.town.get("supervisor1", "/supervision/risks", min_risk=0)
    assert order.removeprefix("work-orders/") not in {one["work_order"] for one in risks["items"]}
    for unit in ("CT-ROAD", "D-MUNI"):
        figures = await hands.town.get("leader1", "/supervision/indicators", unit=unit)
        assert "sub_handling" not in {one["kind"] for one in figures["limits"]}


async def test_whoever_is_late_may_still_give_it_on(hands: Hands) -> None:
    hands.at("2026-03-11 09:00")
    order = await given(hands)
    assert await hands.clocks(order) == [("sub_handling", "running", "03-11 11:00")]


async def test_a_contractor_learns_what_is_to_be_done_and_not_who_said_so(hands: Hands) -> None:
    order = await given(hands)
    shown = await hands.shown(CREW)
    assert shown["stand"] == "helper"
    (report,) = shown["reports"]
    assert report["content"] == "请尽快派人来看看，谢谢"
    assert report["reporter"] is None
    assert report["allowed_actions"] == []
    for path in ("/reports", f"/reports/{hands.report_id}"):
        found = await hands.town.get(CREW, path)
        assert (found["items"][0] if "items" in found else found)["reporter"] is None
    await hands.town.act(CREW, f"reports/{hands.report_id}", "reveal_identity", 403, reason="想联系")
    assert (await hands.town.get(BUREAU, "/reports"))["items"][0]["reporter"] is not None
    assert [one["id"] for one in (await hands.town.get(CREW, "/work-orders", role="sub"))["items"]] == [
        order.removeprefix("work-orders/")
    ]


async def test_nobody_is_let_in_while_the_accused_is_unknown(hands: Hands) -> None:
    async with transaction(hands.town.runtime.sessions) as session:
        await session.execute(
            text("UPDATE event SET demand_type = 'accusation', nobody_accused = false WHERE id = :id"),
            {"id": hands.event_id},
        )
    refused = await hands.act(BUREAU, hands.lead, "sub_dispatch", 409, **GIVEN)
    assert refused["detail"] == "尚未确认被举报单位，不能请其他单位参与。"


async def test_sent_again_it_is_answered_with_the_order_that_it_gave(hands: Hands) -> None:
    body = GIVEN | {"act_id": str(uuid4())}
    first = await hands.act(BUREAU, hands.lead, "sub_dispatch", **body)
    again = await hands.act(BUREAU, hands.lead, "sub_dispatch", **body)
    assert (again["repeated"], again["given"]) == (True, first["given"])
