"""Whose job it is: returns against their limits, negotiation, ruling, who acts first; rows and clocks at each step."""

from datetime import timedelta

import pytest

from app.core.timing import MovableClock, now
from tests.flows.ladders import sweep
from tests.flows.limits_at_work import set_policies
from tests.flows.quarrels import GREEN, HELPER, NOT_OURS, RUBBISH_ITEM, SECTION, TEACHES, URBAN, Quarrel, user
from tests.flows.town import RUBBISH, Town


@pytest.fixture
async def quarrel(town: Town) -> Quarrel:
    """Tuesday 10:00, led by the street's section."""
    return await Quarrel.begin(town)


async def test_a_return_is_asked_within_the_window_of_the_unit_s_calendar(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    # 2 work_day of 8 hours from Tuesday 10:00 are over on Thursday 10:00
    clock.advance(hours=48)
    order, unit = await town.lead(quarrel.event_id)
    assert "request_return" in (await town.get(unit, f"/{order}"))["allowed_actions"]
    clock.advance(minutes=1)
    assert "request_return" not in (await town.get(unit, f"/{order}"))["allowed_actions"]
    refused = await quarrel.give_back(409)
    assert "2026-03-12 10:00" in refused["detail"]
    assert "提请会商" in refused["detail"]
    await town.act("dispatcher1", order, "transfer", unit=URBAN, reason="经核实属城管局")
    await quarrel.give_back(reason_code="other")  # the window is counted from the order's own dispatch


async def test_all_agree_and_the_return_is_decided_with_it(quarrel: Quarrel, clock: MovableClock) -> None:
    await quarrel.give_back()
    assert await quarrel.clocks("return_review") == ["running"]
    clock.advance(minutes=30)
    await quarrel.negotiate(SECTION, URBAN, GREEN)
    assert await quarrel.since("negotiation_opened") == ["negotiation_opened"]
    opened = await quarrel.row("negotiation_opened")
    assert (opened.subject, opened.data["units"]) == ("dispute", [SECTION, URBAN, GREEN])
    assert (await quarrel.clocks("return_review"), await quarrel.clocks("negotiation")) == (["met"], ["running"])
    for action, body in (("approve_return", {"unit": URBAN}), ("reject_return", {"reason": "属本街道"})):
        held = await quarrel.on_lead("dispatcher1", action, 409, **body)
        assert "正在会商" in held["detail"]
    assert "指定先行办理" in (await quarrel.on_lead("dispatcher1", "transfer", 409, unit=URBAN, reason="x"))["detail"]

    clock.advance(minutes=30)
    shown = await quarrel.shown(user(GREEN))
    assert shown["allowed_actions"]["event"] == ["state_position"], "who is asked sees it, and may only speak"
    await quarrel.says(GREEN, "ours")
    await quarrel.says(SECTION, "not_ours", suggested_unit=URBAN)
    await quarrel.says(GREEN, "shared")  # changed while they negotiate
    assert [party["stance"] for party in (await quarrel.shown())["disputes"][0]["parties"]] == [
        "not_ours",
        None,
        "shared",
    ]
    await quarrel.says(URBAN, "ours")
    assert await quarrel.since("negotiation_agreed") == [
        "negotiation_agreed",
        "transfer",
        "approve_return",
        "approve",
        "dispatch",
    ]
    left = await quarrel.row("transfer")
    assert (left.subject, left.data["cause"]) == ("work_order", "agreed"), "it helped who led before"
    assert await quarrel.returns() == ["approved"]
    assert await quarrel.orders() == [
        ("lead", SECTION, "returned"),
        ("supporting", HELPER, "transferred"),
        ("lead", URBAN, "dispatched"),
        ("supporting", GREEN, "dispatched"),
    ]
    decision = (await quarrel.row("dispatch")).data
    assert (decision["step"], decision["unit"]) == ("agreement", URBAN)
    assert decision["sentence"] == "经会商一致，由玄武区城市管理局承办。玄武区绿化园林局协办。"
    assert await quarrel.clocks("negotiation") == ["met"]
    assert await quarrel.clocks("handling") == ["stopped", "running"]
    assert (await quarrel.handling()).started_at == now()
    assert (await quarrel.dispute()).state == "agreed"
    await quarrel.the_citizen_notices_nothing()
    await quarrel.town.get(user(SECTION), f"/events/{quarrel.event_id}", 404)


async def test_agreed_that_the_lead_keeps_it_gives_nobody_new_time(quarrel: Quarrel, clock: MovableClock) -> None:
    before = await quarrel.handling()
    clock.advance(minutes=20)
    await quarrel.give_back()
    await quarrel.negotiate(URBAN, GREEN)  # who leads is always one of them
    clock.advance(minutes=40)
    await quarrel.says(URBAN, "not_ours")
    await quarrel.says(GREEN, "not_ours")
    await quarrel.says(SECTION, "ours")
    assert await quarrel.since("negotiation_agreed") == ["negotiation_agreed", "reject_return", "reject", "dispatch"]
    after = await quarrel.handling()
    assert (after.n, after.due_at, after.state) == (before.n, before.due_at, "running")
    assert await quarrel.orders() == [("lead", SECTION, "dispatched"), ("supporting", HELPER, "dispatched")]
    await quarrel.town.get(user(GREEN), f"/events/{quarrel.event_id}", 404)  # it looks on no longer


async def test_without_an_agreement_it_goes_to_the_ruling(quarrel: Quarrel) -> None:
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.says(SECTION, "ours")
    await quarrel.says(URBAN, "ours")
    assert await quarrel.since("referred_to_ruling") == ["referred_to_ruling"]
    assert (await quarrel.row("referred_to_ruling")).data["why"] == "no_agreement"
    dispute = await quarrel.dispute()
    assert (dispute.state, dispute.cause) == ("ruling", "dispatcher")
    assert (await quarrel.clocks("negotiation"), await quarrel.clocks("ruling")) == (["met"], ["running"])
    late = await quarrel.says(URBAN, "not_ours", 403)
    assert late["code"] == "forbidden"
    await quarrel.rule(SECTION)
    assert await quarrel.since("jurisdiction_ruled") == ["jurisdiction_ruled", "dispatch"]
    assert await quarrel.orders() == [("lead", SECTION, "dispatched"), ("supporting", HELPER, "dispatched")]
    assert await quarrel.clocks("ruling") == ["met"]
    await quarrel.the_citizen_notices_nothing()


async def test_the_limit_of_the_negotiation_refers_it_by_itself(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.says(URBAN, "not_ours")
    # 1 work_day from Tuesday 10:00
    clock.advance(hours=23, minutes=59)
    await sweep(town)
    assert (await quarrel.dispute()).state == "negotiating"
    clock.advance(minutes=2)
    await sweep(town)
    assert (await quarrel.dispute()).state == "ruling"
    referred = await quarrel.row("referred_to_ruling")
    assert (referred.actor_kind, referred.data["why"]) == ("system", "limit")
    assert referred.acted_at == Town.at("2026-03-11 10:00")
    assert (await quarrel.clocks("negotiation"), await quarrel.clocks("ruling")) == (["met"], ["running"])
    (listed,) = (await town.get("adjudicator1", "/dispatch/disputes", state="ruling"))["items"]
    assert (listed["event_id"], listed["due_at"]) == (quarrel.event_id, "2026-03-12T10:01:00+08:00")
    assert [party["stance"] for party in listed["parties"]] == [None, "not_ours"]
    assert (await town.get("adjudicator1", "/dispatch/disputes", state="negotiating"))["items"] == []
    assert (await town.get(user(GREEN), "/dispatch/disputes"))["items"] == [], "it is not theirs"


async def test_the_dispatcher_refers_it_too(quarrel: Quarrel) -> None:
    await quarrel.by("dispatcher1", "refer_to_ruling", 409, reason="分歧大")
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.by("operator1", "refer_to_ruling", 403, reason="分歧大")
    await quarrel.by("dispatcher1", "refer_to_ruling", reason="分歧大")
    assert (await quarrel.row("referred_to_ruling")).data["why"] == "dispatcher"


async def test_the_second_return_goes_to_the_ruling_desk_by_itself(quarrel: Quarrel, clock: MovableClock) -> None:
    await quarrel.give_back()
    await quarrel.on_lead("dispatcher1", "approve_return", unit=URBAN)
    clock.advance(minutes=30)
    await quarrel.give_back()
    assert await quarrel.since("request_return") == ["request_return", "referred_to_ruling"]
    assert (await quarrel.row("referred_to_ruling")).data == {"cause": "second_return", "returns": 2}
    dispute = await quarrel.dispute()
    assert (dispute.state, dispute.cause) == ("ruling", "second_return")
    assert (await quarrel.clocks("return_review"), await quarrel.clocks("ruling")) == (["met"], ["running"])
    for who, action, body in (
        ("dispatcher1", "approve_return", {}),
        ("dispatcher1", "reject_return", {"reason": "x"}),
    ):
        assert "裁决员" in (await quarrel.on_lead(who, action, 409, **body))["detail"]
    clock.advance(minutes=30)
    await quarrel.rule(SECTION, supporting=[URBAN])
    ended = ["jurisdiction_ruled", "transfer", "approve_return", "approve", "dispatch"]
    assert await quarrel.since("jurisdiction_ruled") == ended
    assert await quarrel.orders() == [
        ("lead", SECTION, "returned"),
        ("supporting", HELPER, "transferred"),
        ("lead", URBAN, "returned"),
        ("lead", SECTION, "dispatched"),
        ("supporting", URBAN, "dispatched"),
    ]
    assert await quarrel.clocks("handling") == ["stopped", "stopped", "running"]
    assert (await quarrel.handling()).started_at == now()
    await quarrel.the_citizen_notices_nothing()


async def test_what_was_withdrawn_does_not_count(town: Town, quarrel: Quarrel) -> None:
    order, unit = await town.lead(quarrel.event_id)
    for _ in range(3):
        await quarrel.give_back()
        await town.act(unit, order, "withdraw_return")
    assert await quarrel.clocks("return_review") == ["stopped"] * 3
    await set_policies(town, returns_to_ruling="1")
    await quarrel.give_back()
    assert (await quarrel.dispute()).cause == "second_return"


async def test_who_is_ruled_to_keep_it_goes_on_with_its_clock(quarrel: Quarrel, clock: MovableClock) -> None:
    before = await quarrel.handling()
    await quarrel.give_back()
    assert (await quarrel.handling()).due_at > before.due_at
    clock.advance(minutes=30)
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.by("leader1", "refer_to_ruling", reason="分歧大")
    await quarrel.rule(SECTION)
    assert await quarrel.since("jurisdiction_ruled") == ["jurisdiction_ruled", "reject_return", "reject", "dispatch"]
    after = await quarrel.handling()
    assert (after.n, after.due_at, after.state) == (before.n, before.due_at, "running"), "the pause is taken back"
    decision = (await quarrel.row("dispatch")).data
    assert (decision["step"], decision["sentence"][:4]) == ("ruling", "经裁决，")


async def test_a_ruling_binds_until_item_or_place_is_corrected(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.by("dispatcher1", "refer_to_ruling", reason="分歧大")
    await quarrel.rule(URBAN)
    n = (await quarrel.row("dispatch")).n
    said = f"该事件已于 2026-03-10 裁决由玄武区城市管理局承办（时间线第 {n} 条）"
    assert said in (await quarrel.give_back(409))["detail"]
    assert said in (await quarrel.on_lead("dispatcher1", "transfer", 409, unit=GREEN, reason="换人"))["detail"]
    assert said in (await quarrel.on_lead("dispatcher1", "cancel", 409, reason="换人"))["detail"]
    assert said in (await quarrel.by("dispatcher1", "open_negotiation", 409, units=[URBAN, GREEN]))["detail"]
    # whom nobody accuses is no new fact, nor is the item that it had anyway
    await quarrel.by("dispatcher1", "correct", accused_units=[])
    await quarrel.by("dispatcher1", "correct", item=(await quarrel.shown())["item"]["key"])
    assert (await town.lead(quarrel.event_id))[1] == user(URBAN)
    assert "anew" in (await quarrel.rule(GREEN, 409))["detail"]
    await quarrel.rule(GREEN, anew=True, precedent=False)
    assert (await town.lead(quarrel.event_id))[1] == user(GREEN)
    assert await quarrel.orders() == [
        ("lead", SECTION, "transferred"),
        ("supporting", HELPER, "transferred"),
        ("lead", URBAN, "transferred"),
        ("lead", GREEN, "dispatched"),
    ]
    await quarrel.by("dispatcher1", "correct", item=RUBBISH_ITEM, redispatch=False)
    await quarrel.give_back()
    await quarrel.the_citizen_notices_nothing()


async def test_the_guard_s_order_ends_when_another_unit_is_ruled(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    await quarrel.negotiate(SECTION, URBAN, reason="互不认领")
    clock.advance(minutes=30)
    await quarrel.by("dispatcher1", "act_first", unit=GREEN, reason="先清运，避免污染")
    assert await quarrel.since("act_first") == ["act_first", "transfer", "dispatch"]
    assert (await quarrel.row("act_first")).data["unit"] == GREEN
    decision = (await quarrel.row("dispatch")).data
    assert (decision["step"], decision["unit"]) == ("act_first", GREEN)
    assert (await quarrel.handling()).started_at == now()
    assert await quarrel.clocks("handling") == ["stopped", "running"]
    assert await quarrel.clocks("negotiation") == ["running"]
    order, unit = await town.lead(quarrel.event_id)
    assert unit == user(GREEN)
    await town.act(unit, order, "sign_for")
    assert "先办后议" in (await town.act(unit, order, "request_return", 409, **NOT_OURS))["detail"]

    clock.advance(minutes=30)
    await quarrel.by("adjudicator1", "act_first", unit=URBAN, reason="换区城管局先办")
    await quarrel.by("dispatcher1", "refer_to_ruling", reason="久议不决")
    clock.advance(minutes=30)
    await quarrel.rule(SECTION)
    assert await quarrel.since("jurisdiction_ruled") == ["jurisdiction_ruled", "transfer", "dispatch"]
    assert (await quarrel.row("transfer")).data["cause"] == "ruled"
    assert await quarrel.orders() == [
        ("lead", SECTION, "transferred"),
        ("supporting", HELPER, "dispatched"),
        ("lead", GREEN, "transferred"),
        ("lead", URBAN, "transferred"),
        ("lead", SECTION, "dispatched"),
    ]
    assert await quarrel.clocks("handling") == ["stopped"] * 3 + ["running"]
    assert await quarrel.clocks("signing") == ["stopped", "met", "stopped", "running"]
    assert (await quarrel.dispute()).unit_id != (await quarrel.dispute()).acting_unit_id
    await quarrel.the_citizen_notices_nothing()


async def test_the_lead_may_act_first_and_is_only_marked(quarrel: Quarrel) -> None:
    before = await quarrel.handling()
    await quarrel.negotiate(SECTION, URBAN, acting_unit=SECTION)
    assert await quarrel.since("negotiation_opened") == ["negotiation_opened", "act_first"]
    assert (await quarrel.handling()).n == before.n
    assert "先办后议" in (await quarrel.give_back(409))["detail"]
    assert (await quarrel.shown())["disputes"][0]["acting_unit"]["code"] == SECTION


async def test_a_withdrawn_return_leaves_nothing_to_argue_about(quarrel: Quarrel) -> None:
    await quarrel.give_back()
    await quarrel.negotiate(SECTION, GREEN)
    await quarrel.on_lead(user(SECTION), "withdraw_return")
    assert await quarrel.since("withdraw_return") == ["withdraw_return", "withdraw", "dispute_dropped"]
    assert (await quarrel.dispute()).state == "dropped"
    assert await quarrel.clocks("negotiation") == ["stopped"]
    assert (await quarrel.handling()).state == "running"
    await quarrel.town.get(user(GREEN), f"/events/{quarrel.event_id}", 404)


@pytest.mark.parametrize("end", ["correct", "cancel", "merge", "hand_over", "report_done"])
async def test_a_dispute_is_dropped_when_its_event_ends_or_becomes_another(
    town: Town, quarrel: Quarrel, end: str
) -> None:
    await quarrel.negotiate(SECTION, URBAN)
    if end == "correct":
        await quarrel.by("dispatcher1", "correct", item=RUBBISH_ITEM, redispatch=False)
    elif end == "cancel":
        await quarrel.by("leader1", "cancel", reason="误报")
    elif end == "hand_over":
        await quarrel.by("dispatcher1", "hand_over", to="市级平台")
    elif end == "report_done":
        await town.handle(quarrel.event_id)
    else:
        other = await Quarrel.begin(town, cell="320102002002002")
        assert other.event_id != quarrel.event_id
        await quarrel.by("dispatcher1", "merge", into=other.event_id)
    assert (await quarrel.dispute()).state == "dropped"
    assert "dispute_dropped" in await quarrel.since("negotiation_opened")
    assert (await quarrel.clocks("negotiation"), await quarrel.clocks("ruling")) == (["stopped"], [])
    parties = await town.rows(
        "SELECT 1 FROM event_participant WHERE event_id = :id AND role = 'party' AND until IS NULL",
        id=quarrel.event_id,
    )
    assert parties == []


async def test_an_event_that_waits_for_people_is_argued_about_and_ruled_too(town: Town, quarrel: Quarrel) -> None:
    await quarrel.on_lead("dispatcher1", "cancel", reason="承办单位不明")
    assert (await town.event(quarrel.event_id)).state == "analyzing"
    await quarrel.negotiate(URBAN, GREEN)
    assert (await quarrel.dispute()).order_n is None
    held = await quarrel.by("dispatcher1", "dispatch", 409, unit=URBAN)
    assert "正在会商" in held["detail"]
    await quarrel.by("dispatcher1", "act_first", unit=GREEN, reason="先行处置")
    assert (await town.event(quarrel.event_id)).state == "handling"
    await quarrel.by("dispatcher1", "refer_to_ruling", reason="分歧大")
    await quarrel.rule(GREEN)
    assert await quarrel.orders() == [
        ("lead", SECTION, "cancelled"),
        ("supporting", HELPER, "transferred"),
        ("lead", GREEN, "dispatched"),
    ]
    assert await quarrel.since("jurisdiction_ruled") == ["jurisdiction_ruled", "transfer", "dispatch"]


async def test_who_may_rule_and_what_a_ruling_says(quarrel: Quarrel) -> None:
    await quarrel.rule(URBAN, 403, who="dispatcher1")
    missing = await quarrel.rule(URBAN, 422, summary=None)
    assert missing["faults"][0]["path"] == "summary"
    await quarrel.rule("D-NOWHERE", 422)
    await quarrel.by("dispatcher1", "open_negotiation", 422, units=[URBAN])
    await quarrel.by("dispatcher1", "open_negotiation", 422, units=[SECTION, SECTION])
    await quarrel.rule(URBAN)  # an adjudicator may rule before anybody argues
    assert (await quarrel.dispute()).state == "ruled"
    assert TEACHES["grounds"] in [
        row["note"] for row in (await quarrel.town.get("leader1", f"/events/{quarrel.event_id}/timeline"))["items"]
    ]
    assert timedelta() == now() - (await quarrel.handling()).started_at


async def test_the_return_of_who_helps_stays_with_the_dispatcher(town: Town, quarrel: Quarrel) -> None:
    (helps,) = await town.rows(
        "SELECT n FROM work_order WHERE event_id = :id AND role = 'supporting'", id=quarrel.event_id
    )
    order = f"work-orders/{quarrel.event_id}.{helps.n}"
    await quarrel.negotiate(SECTION, URBAN)
    await town.act("u-ct-sanit", order, "request_return", **NOT_OURS)
    assert (await quarrel.dispute()).state == "negotiating", "it does not count: whose the event is it does not say"
    running = await town.rows(
        "SELECT order_n FROM clock WHERE event_id = :id AND kind = 'return_review' AND state = 'running'",
        id=quarrel.event_id,
    )
    assert [row.order_n for row in running] == [helps.n]
    await town.act("dispatcher1", order, "approve_return")
    assert (await quarrel.dispute()).state == "negotiating"


async def test_no_other_unit_learns_of_an_accusation_while_nobody_knows_whom_it_accuses(town: Town) -> None:
    sent = town.call(RUBBISH, orderType="举报", accusedUnit="某某科室", content="举报偷倒垃圾", title="举报")
    path = f"events/{(await town.send('hotline-12345', sent))['event_id']}"
    unknown = await town.act("dispatcher1", path, "open_negotiation", 409, units=[URBAN, GREEN])
    assert "被举报单位" in unknown["detail"]
    await town.act("dispatcher1", path, "correct", accused_units=[URBAN], redispatch=False)
    accused = await town.act("dispatcher1", path, "open_negotiation", 422, units=[URBAN, GREEN])
    assert accused["faults"][0]["path"] == "units"
    await town.act("adjudicator1", path, "rule_jurisdiction", 422, unit=URBAN, **TEACHES)
    await town.act("dispatcher1", path, "open_negotiation", units=[SECTION, GREEN])
    await town.act("dispatcher1", path, "correct", accused_units=[GREEN], redispatch=False)
    assert "dispute_dropped" in await town.acts(path.split("/")[1])
    await town.get(user(GREEN), f"/{path}", 404)
