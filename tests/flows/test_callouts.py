"""吹哨报到: a street calls departments out; who does not come is brought before who stands above."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.database import transaction
from app.core.timing import MovableClock
from app.events.store import load_events
from app.masters import limits
from tests.flows.hands_at_work import Hands
from tests.flows.ladders import publish_ladder, sweep
from tests.flows.limits_at_work import set_policies
from tests.flows.town import ALONE, Town

CALL: dict[str, Any] = {
    "units": ["D-URBAN", "CT-DRAIN"],
    "kind": "comprehensive_enforcement",
    "words": "上午十点半到大行宫社区路口，联合清理",
}
ONCE = {"act_id": "00000000-0000-4000-8000-000000000001"}
DONE: dict[str, Any] = {"result": "resolved", "statement": "已到场配合清理"}


@pytest.fixture
async def hands(town: Town, clock: MovableClock) -> Hands:
    """A street's section leads from Tuesday 10:00 on."""
    return await Hands.begin(town, clock)


async def called(hands: Hands, unit: str = "D-URBAN", **changes: Any) -> str:
    """The order of one unit that was called out."""
    await hands.act(hands.unit, hands.lead, "street_callout", **(CALL | {"units": [unit]} | changes))
    return await hands.order(unit, "callout")


async def test_called_they_appear_do_their_share_and_are_rated(hands: Hands) -> None:
    totals, lead_clocks = await hands.totals(), await hands.clocks(hands.lead)
    answer = await hands.act(hands.unit, hands.lead, "street_callout", **CALL, **ONCE)
    order = await hands.order("D-URBAN", "callout")
    assert answer["given"][0] == order.removeprefix("work-orders/")
    again = await hands.act(hands.unit, hands.lead, "street_callout", **CALL, **ONCE)
    assert (again["repeated"], again["given"]) == (True, answer["given"])
    assert await hands.clocks(order) == [("appearance", "running", "03-10 12:00")]
    row = await hands.row("street_callout")
    assert (row.data["units"], row.data["kind"], row.note) == (CALL["units"], CALL["kind"], CALL["words"])
    assert row.data["sentence"] == (
        "梅园新村街道城市管理科因综合执法吹哨，请玄武区城市管理局、玄武排水管网养护单位报到。"
    )
    assert (await hands.town.get("u-d-urban", "/" + order))["part"] == CALL["words"]

    hands.clock.advance(minutes=40)
    await hands.act("u-d-urban", order, "sign_for")
    assert {"report_done", "start", "request_return", "transfer"}.isdisjoint(await hands.allowed("u-d-urban", order))
    await hands.act("u-d-urban", order, "answer_callout")
    assert await hands.clocks(order) == [("appearance", "met", "03-10 12:00")]
    assert (await hands.row("answer_callout")).data["late"] is False
    await hands.act("u-d-urban", order, "confirm_callout", 403, rating=5)
    await hands.act("u-d-urban", order, "report_done", **DONE)
    assert (await hands.town.event(hands.event_id)).state == "handling"
    await hands.act(hands.unit, order, "confirm_callout", 422, rating=6)
    await hands.act(hands.unit, order, "confirm_callout", rating=4, words="到场及时")
    row = await hands.row("callout_confirmed")
    assert (row.data["rating"], row.note, row.to_state) == (4, "到场及时", "completed")
    assert await hands.clocks(hands.lead) == lead_clocks
    assert await hands.totals() == totals


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"units": []}, "units"),
        ({"units": ["D-URBAN"] * 11}, "units"),
        ({"units": ["D-URBAN", "D-URBAN"]}, "units.1"),
        ({"units": ["S-320102003-C"]}, "units.0"),
        ({"units": ["D-MARKET", "G-320102002-1"]}, "units.1"),
        ({"units": ["NOBODY"]}, "units.0"),
        ({"kind": "party"}, "kind"),
        ({"by": "soon"}, "by"),
    ],
)
async def test_whom_a_street_may_call(hands: Hands, changes: dict[str, Any], path: str) -> None:
    refused = await hands.act(hands.unit, hands.lead, "street_callout", 422, **(CALL | changes))
    assert refused["faults"][0]["path"] == path
    assert "street_callout" not in await hands.town.acts(hands.event_id)


async def test_only_streets_call_and_only_once(hands: Hands) -> None:
    await called(hands)
    again = await hands.act(hands.unit, hands.lead, "street_callout", 422, **CALL)
    assert again["detail"] == "已吹哨请玄武区城市管理局报到，尚未结束。"
    await hands.act("dispatcher1", hands.lead, "street_callout", 403, **CALL)
    helper = await hands.order("CT-SANIT", "supporting")
    refused = await hands.act("u-ct-sanit", helper, "street_callout", 409, **(CALL | {"units": ["D-MARKET"]}))
    assert refused["detail"] == "只有街道、社区一级的单位可以吹哨。"


async def test_the_limit_is_the_city_s_or_the_street_s(hands: Hands) -> None:
    await set_policies(hands.town, appearance_limit="1 work_hour")
    assert (await hands.clocks(await called(hands)))[0][2] == "03-10 11:00"
    assert (await hands.clocks(await called(hands, "D-MARKET", by="30 urgent_hour")))[0][2] == "03-11 16:00"


async def test_only_the_city_s_own_limit_follows_a_release(hands: Hands) -> None:
    await called(hands)
    await called(hands, "D-MARKET", by="30 urgent_hour")
    async with transaction(hands.town.runtime.sessions) as session:
        masters = await hands.town.runtime.masters.get(session, hands.town.city.jurisdiction_id)
        (aggregate,) = (await load_events(session, [UUID(hands.event_id)])).values()
    rules = [
        limits.of_running(masters, clock, aggregate.event, None)
        for clock in aggregate.clocks
        if clock.kind == "appearance"
    ]
    assert [rule and (rule.rule, str(rule.limit)) for rule in rules] == [("appearance_limit", "2 work_hour"), None]


async def test_a_no_show_goes_to_who_stands_above_without_any_rung(hands: Hands) -> None:
    await publish_ladder(hands.town)
    order = await called(hands, "CT-DRAIN")
    assert (await hands.shown("u-d-waterres"))["stand"] == "helper", "by what is under it"
    hands.at("2026-03-10 12:01")
    await sweep(hands.town)
    row = await hands.row("no_show")
    assert (row.actor_kind, row.acted_at, row.data) == (
        "system",
        hands.town.at("2026-03-10 12:00"),
        {"unit": "CT-DRAIN", "to": ["D-WATERRES"]},
    )
    assert await hands.clocks(order) == [("appearance", "running", "03-10 12:00")], "they are still awaited"
    roles = {one["unit"]["code"]: one["role"] for one in (await hands.shown("u-d-waterres"))["participants"]}
    assert (roles["D-WATERRES"], roles["CT-DRAIN"]) == ("supervising", "callout")
    assert "clock_missed" not in await hands.town.acts(hands.event_id), "the no-show is that record"
    await sweep(hands.town)
    assert (await hands.town.acts(hands.event_id)).count("no_show") == 1


async def test_the_ladder_tells_who_stands_above_and_the_desk(hands: Hands) -> None:
    await called(hands, "CT-DRAIN")
    await called(hands, "D-URBAN")  # nobody stands above it: the district's desk
    hands.at("2026-03-10 12:01")
    await sweep(hands.town)
    found = await hands.town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = 'escalated' AND data->>'kind' = 'appearance' "
        "AND data->>'rung' = 'no-show' ORDER BY n",
        id=hands.event_id,
    )
    assert [sorted(row.data["to"]) for row in found] == [["D-WATERRES", "DESK-320102"], ["DESK-320102"]]
    assert (await hands.row("no_show")).data == {"unit": "D-URBAN", "to": ["DESK-320102"]}
    roles = {one["unit"]["code"]: one["role"] for one in (await hands.shown("dispatcher1"))["participants"]}
    assert (roles["DESK-320102"], roles["D-WATERRES"]) == ("supervising", "supervising")


async def test_who_comes_after_a_no_show_is_late_and_may_still_help(hands: Hands) -> None:
    order = await called(hands)
    hands.at("2026-03-10 15:00")
    await sweep(hands.town)
    await hands.act("u-d-urban", order, "answer_callout")
    row = await hands.row("answer_callout")
    assert (row.data["late"], row.from_state, row.to_state) == (True, "dispatched", "handling")
    await hands.act("u-d-urban", order, "report_done", **DONE)
    assert (await hands.town.acts(hands.event_id)).count("no_show") == 1


async def test_who_comes_late_was_a_no_show_also_when_no_sweep_had_noticed(hands: Hands) -> None:
    order = await called(hands, "CT-DRAIN")
    hands.at("2026-03-10 15:00")
    await hands.act("u-ct-drain", order, "answer_callout")
    acts = await hands.town.acts(hands.event_id)
    assert acts.index("no_show") < acts.index("answer_callout")
    assert (await hands.row("no_show")).acted_at == hands.town.at("2026-03-10 12:00")
    assert (await hands.row("answer_callout")).data["late"] is True
    assert (await hands.shown("u-d-waterres"))["stand"] == "unit"
    await sweep(hands.town)
    assert (await hands.town.acts(hands.event_id)).count("no_show") == 1


async def test_an_offline_phone_was_there_when_it_says(hands: Hands) -> None:
    order = await called(hands)
    hands.at("2026-03-10 13:00")
    await sweep(hands.town)
    await hands.act("u-d-urban", order, "answer_callout", acted_at="2026-03-10T11:40:00+08:00")
    row = await hands.row("answer_callout")
    assert (row.data, row.acted_at) == ({"late": False}, hands.town.at("2026-03-10 11:40"))
    (clock,) = await hands.town.rows(
        "SELECT state, ended_at FROM clock WHERE event_id = :id AND kind = 'appearance'", id=hands.event_id
    )
    assert tuple(clock) == ("met", hands.town.at("2026-03-10 11:40"))


async def came(hands: Hands) -> tuple[int, int]:
    """Of the called: how many came in time and how many late."""
    period = {"since": "2026-03-10T00:00:00+08:00", "until": "2026-03-11T00:00:00+08:00"}
    (one,) = (await hands.town.get("leader1", "/supervision/callouts", **period))["called"]
    return one["in_time"], one["late"]


@pytest.mark.parametrize("in_time", [False, True])
async def test_who_says_it_too_late_was_late_unless_the_street_confirms(hands: Hands, in_time: bool) -> None:
    order = await called(hands)
    hands.at("2026-03-10 13:01")
    await hands.act("u-d-urban", order, "answer_callout", acted_at="2026-03-10T11:40:00+08:00")
    row = await hands.row("answer_callout")
    assert (row.data, row.acted_at) == ({"late": True, "backdated": True}, hands.town.at("2026-03-10 11:40"))
    assert "no_show" in await hands.town.acts(hands.event_id)
    await hands.act("u-d-urban", order, "report_done", **DONE)
    assert await came(hands) == (0, 1)
    await hands.act("u-d-urban", order, "confirm_callout", 403, rating=5, in_time=True)
    await hands.act(hands.unit, order, "confirm_callout", rating=5, in_time=in_time)
    assert (await hands.row("callout_confirmed")).data.get("in_time", False) is in_time
    assert await came(hands) == ((1, 0) if in_time else (0, 1))


async def test_who_came_late_by_their_own_word_is_vouched_for_by_nobody(hands: Hands) -> None:
    order = await called(hands)
    hands.at("2026-03-10 15:00")
    await hands.act("u-d-urban", order, "answer_callout")
    await hands.act("u-d-urban", order, "report_done", **DONE)
    await hands.act(hands.unit, order, "confirm_callout", rating=5, in_time=True)
    assert await came(hands) == (0, 1)


async def test_nobody_came_before_they_were_called(hands: Hands) -> None:
    hands.clock.advance(minutes=30)
    order = await called(hands)
    hands.clock.advance(minutes=5)
    await hands.act("u-d-urban", order, "answer_callout", acted_at="2026-03-10T10:10:00+08:00")
    (row,) = await hands._orders("D-URBAN", "callout")
    assert row.started_at == row.signed_at == row.dispatched_at == (await hands.row("answer_callout")).acted_at


async def test_nobody_is_awaited_once_the_street_is_done(hands: Hands) -> None:
    order = await called(hands)
    there = await called(hands, "D-MARKET")
    await hands.act("u-d-market", there, "answer_callout")
    await hands.act(hands.unit, hands.lead, "report_done", **DONE, without_parts=ALONE)
    assert [await hands.state(unit, "callout") for unit in ("D-URBAN", "D-MARKET")] == ["cancelled", "handling"]
    assert (await hands.row("cancel")).data["cause"] == "caller_done"
    assert await hands.clocks(order) == [("appearance", "stopped", "03-10 12:00")]
    hands.at("2026-03-10 15:00")
    await sweep(hands.town)
    assert "no_show" not in await hands.town.acts(hands.event_id)
    await hands.act("u-d-market", there, "report_done", **DONE)  # who is there goes on


async def test_dismissed_they_need_not_come(hands: Hands) -> None:
    order = await called(hands, "D-MARKET")
    await hands.act("u-d-market", order, "dismiss_callout", 403, reason="不想去")
    await hands.act(hands.unit, order, "dismiss_callout", reason="现场已清理")
    row = await hands.row("cancel")
    assert (row.data["cause"], row.note) == ("dismissed", "现场已清理")
    assert await hands.clocks(order) == [("appearance", "stopped", "03-10 12:00")]
    await hands.town.get("u-d-market", f"/events/{hands.event_id}", 404)
    hands.at("2026-03-10 12:30")
    await sweep(hands.town)
    assert "no_show" not in await hands.town.acts(hands.event_id)
    await called(hands, "D-MARKET")  # and may be called again


async def test_call_outs_end_with_the_street_s_order(hands: Hands) -> None:
    await hands.act(hands.unit, hands.lead, "street_callout", **CALL)
    order = await hands.order("D-URBAN", "callout")
    await hands.act("u-d-urban", order, "answer_callout")
    await hands.act("u-d-urban", order, "report_done", **DONE)
    await hands.act(hands.unit, hands.lead, "report_done", **DONE, without_parts=ALONE)
    await hands.town.inspect(hands.event_id)
    await hands.town.answer(hands.event_id, hands.report_id)
    await hands.town.close(hands.event_id)
    assert [await hands.state(unit, "callout") for unit in CALL["units"]] == ["completed", "cancelled"]


async def test_a_correction_that_leaves_the_street_leading_leaves_its_call_out(hands: Hands) -> None:
    order = await called(hands)
    await hands.town.act("dispatcher1", f"events/{hands.event_id}", "correct", item="GB/T 47678.5-2026/matter/06012")
    assert (await hands.town.lead(hands.event_id))[0] == hands.lead
    assert await hands.clocks(order) == [("appearance", "running", "03-10 12:00")]


async def test_another_event_that_takes_this_one_in_ends_them(hands: Hands) -> None:
    order = await called(hands)
    other = await hands.town.send("hotline-12345", hands.town.call(cell="320102002002002"))
    await hands.town.act("dispatcher1", f"events/{hands.event_id}", "merge", into=other["event_id"])
    assert await hands.state("D-URBAN", "callout") == "cancelled"
    assert await hands.clocks(order) == [("appearance", "stopped", "03-10 12:00")]


async def test_who_was_called_learns_nothing_of_the_reporter(hands: Hands) -> None:
    await called(hands, "D-MARKET")
    shown = await hands.shown("u-d-market")
    assert (shown["stand"], shown["reports"][0]["reporter"]) == ("helper", None)
    await hands.town.act("u-d-market", f"events/{hands.event_id}", "reply", 403, body="已处理。")
    assert (await hands.town.get("u-d-police", f"/events/{hands.event_id}", 404))["code"] == "not_found"


async def test_an_accused_unit_is_not_called(hands: Hands) -> None:
    async with transaction(hands.town.runtime.sessions) as session:
        await session.execute(
            text(
                "UPDATE event SET demand_type = 'accusation', accused_org_ids = "
                "ARRAY(SELECT id FROM organization WHERE code = 'D-URBAN') WHERE id = :id"
            ),
            {"id": hands.event_id},
        )
    for unit in ("D-URBAN", "CT-SANIT"):  # also what is under it
        refused = await hands.act(hands.unit, hands.lead, "street_callout", 422, **(CALL | {"units": [unit]}))
        assert refused["faults"][0]["path"] == "unit"


async def test_both_sides_are_scored(hands: Hands) -> None:
    for unit in ("D-URBAN", "D-MARKET", "CT-DRAIN", "D-POLICE"):
        await called(hands, unit)
    for unit, rating in (("D-URBAN", 5), ("D-MARKET", 2)):
        order, user = await hands.order(unit, "callout"), f"u-{unit.lower()}"
        await hands.act(user, order, "answer_callout")
        await hands.act(user, order, "report_done", **DONE)
        await hands.act(hands.unit, order, "confirm_callout", rating=rating)
        if unit == "D-URBAN":
            await called(hands, unit)  # once more, and then too late
            hands.at("2026-03-10 11:00")
    await hands.act(hands.unit, await hands.order("D-POLICE", "callout"), "dismiss_callout", reason="不需要了")
    hands.at("2026-03-10 16:00")
    await hands.act("u-d-urban", await hands.order("D-URBAN", "callout"), "answer_callout")

    period = {"since": "2026-03-10T00:00:00+08:00", "until": "2026-03-11T00:00:00+08:00"}
    found = await hands.town.get("leader1", "/supervision/callouts", **period)
    names = ("calls", "in_time", "late", "no_shows", "rated", "mean_rating")
    by_unit = {one["unit"]["code"]: tuple(one[name] for name in names) for one in found["called"]}
    assert by_unit == {
        "D-URBAN": (2, 1, 1, 0, 1, 5.0),
        "D-MARKET": (1, 1, 0, 0, 1, 2.0),
        "CT-DRAIN": (1, 0, 0, 1, 0, None),
        "D-POLICE": (1, 0, 0, 0, 0, None),
    }
    (street,) = found["callers"]
    assert street["unit"]["code"] == "S-320102002-C"
    assert tuple(street[name] for name in names) == (5, 2, 1, 1, 2, 3.5)
    mine = await hands.town.get("u-d-market", "/supervision/callouts", **period)
    assert [one["unit"]["code"] for one in mine["called"]] == ["D-MARKET"]
    assert await hands.town.get(hands.unit, "/supervision/callouts", **period) == found
    other = await hands.town.get("u-s-320102003-c", "/supervision/callouts", **period)
    assert (other["called"], other["callers"]) == ([], [])
    figures = await hands.town.get("leader1", "/supervision/indicators")
    assert "appearance" not in {one["kind"] for one in figures["limits"]}


@pytest.mark.parametrize(
    "period",
    [
        {"since": "2026-01-01T00:00:00+08:00", "until": "2026-04-04T00:00:00+08:00"},
        {"since": "2026-01-02T00:00:00+08:00", "until": "2026-01-01T00:00:00+08:00"},
        {"since": "2026-01-02T00:00:00"},
        {"until": "yesterday"},
    ],
)
async def test_a_period_that_cannot_be_counted_is_refused(town: Town, period: dict[str, str]) -> None:
    await town.get("leader1", "/supervision/callouts", 422, **period)
