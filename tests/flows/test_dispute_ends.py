"""What ends a dispute, lifts a ruling and what does not; who learns what of a dispute and its precedent."""

from typing import Any
from uuid import UUID

import pytest

from app.core.timing import MovableClock
from tests.flows.quarrels import GREEN, NOT_OURS, RUBBISH_ITEM, SECTION, TEACHES, URBAN, Quarrel, user
from tests.flows.test_components import LAMP
from tests.flows.town import ALONE, CELL, Town, point_in

DONE = {"result": "resolved", "statement": "已清运", "without_parts": ALONE}


@pytest.fixture
async def quarrel(town: Town) -> Quarrel:
    """Tuesday 10:00, led by the street's section."""
    return await Quarrel.begin(town)


async def accusation(town: Town, accused: list[str], unit: str = URBAN) -> str:
    """An accusation that the dispatcher has sent to a unit; the event's path."""
    sent = town.call(orderType="举报", content="举报偷倒垃圾", title="举报")
    path = f"events/{(await town.send('hotline-12345', sent))['event_id']}"
    await town.act("dispatcher1", path, "dispatch", accused_units=accused, unit=unit)
    return path


# --- a correction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"item": RUBBISH_ITEM}, {"area_code": "320102003001"}, {"component": LAMP}])
async def test_only_who_decides_whose_it_is_lifts_a_ruling_by_other_facts(
    town: Town, quarrel: Quarrel, body: dict[str, Any]
) -> None:
    await quarrel.rule(GREEN)
    refused = await quarrel.by("operator1", "correct", 403, redispatch=False, **body)
    assert refused["needs"] == ["dispatcher", "shift_leader", "adjudicator"]
    assert (await quarrel.dispute()).order_n is not None
    await quarrel.on_lead("dispatcher1", "transfer", 409, unit=URBAN, reason="换人")
    await quarrel.by("adjudicator1", "correct", redispatch=False, **body)
    assert (await quarrel.row("correct")).actor_role == "adjudicator"
    assert (await quarrel.dispute()).order_n is None
    await quarrel.on_lead("dispatcher1", "transfer", unit=URBAN, reason="换人")


async def test_a_side_does_not_end_the_dispute_by_other_facts(quarrel: Quarrel) -> None:
    await quarrel.negotiate("DESK-320102", URBAN)
    await quarrel.by("u-desk-320102", "correct", component="NOSUCH1")  # it has a dispatcher's seat
    await quarrel.by("u-desk-320102", "correct", 403, item=RUBBISH_ITEM)
    assert (await quarrel.dispute()).state == "negotiating"


@pytest.mark.parametrize("redispatch", [False, True])
@pytest.mark.parametrize("body", [{"component": "NOSUCH1"}, {"crs": "cgcs2000"}, {"accused_units": []}])
async def test_what_is_no_fact_of_it_may_be_corrected_by_anybody_and_ends_nothing(
    town: Town, quarrel: Quarrel, body: dict[str, Any], redispatch: bool
) -> None:
    if "crs" in body:
        body |= dict(zip(("lon", "lat"), point_in(CELL, east_m=30), strict=True))
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.by("dispatcher1", "act_first", unit=GREEN, reason="先清运")
    await quarrel.by("operator1", "correct", redispatch=redispatch, **body)
    assert (await quarrel.dispute()).state == "negotiating"
    assert (await town.lead(quarrel.event_id))[1] == user(GREEN), "not moved while they argue"
    await quarrel.by("operator1", "correct", 403, item=RUBBISH_ITEM)
    assert (await quarrel.dispute()).state == "negotiating"

    await quarrel.rule(URBAN)
    again = {"component": "NOSUCH2"} if "component" in body else body
    await quarrel.by("operator1", "correct", redispatch=redispatch, **again)
    assert (await quarrel.dispute()).order_n is not None
    await quarrel.on_lead("dispatcher1", "transfer", 409, unit=GREEN, reason="换人")


async def test_an_event_nobody_leads_waits_for_people_as_long_as_they_argue(town: Town, quarrel: Quarrel) -> None:
    await quarrel.on_lead("dispatcher1", "cancel", reason="承办单位不明")
    await quarrel.negotiate(URBAN, GREEN)
    await quarrel.by("operator1", "correct", component="NOSUCH1")
    event = await town.event(quarrel.event_id)
    assert (event.state, event.triage) == ("analyzing", "waits_for_dispatch")
    assert (await quarrel.dispute()).state == "negotiating"


# --- the work is done ---------------------------------------------------------------------------------------------


async def second_return(quarrel: Quarrel, clock: MovableClock) -> tuple[str, str, Any]:
    """The section has asked twice to give it back: its order, its user, its handling clock before the second time."""
    await quarrel.give_back()
    await quarrel.on_lead("dispatcher1", "reject_return", reason="属本街道")
    order, unit = await quarrel.town.lead(quarrel.event_id)
    await quarrel.town.act(unit, order, "sign_for")
    before = await quarrel.handling()
    await quarrel.give_back()
    assert (await quarrel.dispute()).state == "ruling"
    clock.advance(minutes=30)
    return order, unit, before


async def test_finished_work_is_reported_done_whatever_is_to_be_ruled(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    order, unit, before = await second_return(quarrel, clock)
    assert "report_done" in (await town.get(unit, f"/{order}"))["allowed_actions"]
    await town.act(unit, order, "report_done", **DONE)
    assert (await quarrel.since("referred_to_ruling"))[1:4] == ["withdraw_return", "withdraw", "report_done"]
    assert (await quarrel.dispute()).state == "dropped"
    assert (await quarrel.row("dispute_dropped")).data == {"cause": "done"}
    assert await quarrel.returns() == ["rejected", "withdrawn"]
    after = await quarrel.handling()
    assert (after.state, after.due_at) == ("met", before.due_at), "it gains no time by what it has taken back"
    assert await quarrel.clocks("ruling") == ["stopped"]
    assert (await town.event(quarrel.event_id)).state == "verifying"
    await quarrel.the_citizen_notices_nothing()


async def test_what_waits_for_a_ruling_may_be_withdrawn(town: Town, quarrel: Quarrel, clock: MovableClock) -> None:
    order, unit, before = await second_return(quarrel, clock)
    await town.act(unit, order, "withdraw_return")
    assert (await quarrel.since("withdraw_return")) == ["withdraw_return", "withdraw", "dispute_dropped"]
    assert ((await quarrel.dispute()).state, await quarrel.clocks("ruling")) == ("dropped", ["stopped"])
    assert (await quarrel.handling()).due_at == before.due_at


async def test_done_during_a_negotiation_takes_the_return_back_too(town: Town, quarrel: Quarrel) -> None:
    order, unit = await town.lead(quarrel.event_id)
    await town.act(unit, order, "sign_for")
    await quarrel.give_back()
    await town.act(unit, order, "report_done", 409, **DONE)  # nobody argues: the review comes first
    await quarrel.negotiate(SECTION, URBAN)
    await town.act(unit, order, "report_done", **DONE)
    assert (await quarrel.returns(), (await quarrel.dispute()).state) == (["withdrawn"], "dropped")


# --- who learns what ----------------------------------------------------------------------------------------------


async def test_the_ruling_of_an_accusation_teaches_nobody(town: Town) -> None:
    path = await accusation(town, ["DESK-320102"])
    refused = await town.act("adjudicator1", path, "rule_jurisdiction", 422, unit=URBAN, precedent=True, **TEACHES)
    assert [fault["path"] for fault in refused["faults"]] == ["precedent"]
    await town.act("adjudicator1", path, "rule_jurisdiction", unit=URBAN, grounds=TEACHES["grounds"])
    assert await town.rows("SELECT 1 FROM precedent") == []
    assert await town.get("u-desk-320102", "/dispatch/precedents") == []
    await town.act("adjudicator1", path, "rule_jurisdiction", unit=GREEN, anew=True, precedent=False, **TEACHES)
    assert await town.rows("SELECT 1 FROM precedent") == []


async def test_who_follows_a_precedent_is_not_told_of_which_event(
    town: Town, quarrel: Quarrel, clock: MovableClock
) -> None:
    await quarrel.rule(URBAN)
    (precedent,) = await town.rows("SELECT id FROM precedent")
    clock.advance(hours=1)
    second = await Quarrel.begin(town, cell=None, address="大行宫社区")
    await second.give_back()
    (listed,) = await town.get("dispatcher1", "/dispatch/precedents", event_id=second.event_id)
    ruled_no = (await town.event(quarrel.event_id)).event_no
    assert listed["event_no"] == ruled_no
    await second.on_lead("dispatcher1", "approve_return", precedent=precedent.id)
    rows = (await town.get(user(URBAN), f"/events/{second.event_id}/timeline"))["items"]
    (told,) = [row["data"]["sentence"] for row in rows if row["data"].get("step") == "precedent"]
    assert f"先例 {precedent.id} 号" in told
    assert all(ruled_no not in str(row) for row in rows)


async def test_who_is_only_asked_sees_the_matter_and_not_the_reporter(town: Town, quarrel: Quarrel) -> None:
    await quarrel.negotiate(SECTION, GREEN)
    shown = await quarrel.shown(user(GREEN))
    assert (shown["stand"], shown["reports"][0]["reporter"]) == ("helper", None)
    assert shown["reports"][0]["content"]
    assert (await quarrel.shown(user(SECTION)))["reports"][0]["reporter"] is not None, "who leads has to call"
    await town.act(user(GREEN), f"reports/{quarrel.report_id}", "reveal_identity", 403, reason="核实情况")
    listed = (await town.get(user(GREEN), "/reports"))["items"]
    assert [one["reporter"] for one in listed if one["id"] == quarrel.report_id] == [None]


async def test_who_speaks_for_several_units_acts_for_the_one_they_name(town: Town, quarrel: Quarrel) -> None:
    await quarrel.negotiate("D-MUNI", "CT-ROAD")
    for unit in ("CT-ROAD", "D-MUNI"):
        await quarrel.by("u-d-muni", "state_position", unit=unit, stance="not_ours", reason="按职责清单")
        row = await quarrel.row("state_position")
        (org,) = await town.rows("SELECT code FROM organization WHERE id = :id", id=row.actor_org_id)
        assert (org.code, row.data["unit"], row.actor_role) == (unit, unit, "unit_liaison")


async def test_a_unit_that_is_asked_and_then_accused_argues_no_more(town: Town) -> None:
    path = await accusation(town, [], SECTION)
    await town.act("dispatcher1", path, "open_negotiation", units=[SECTION, GREEN])
    await town.act("operator1", path, "correct", accused_units=["D-MARKET"], redispatch=False)
    states = "SELECT state FROM dispute WHERE event_id = :id"
    assert [row.state for row in await town.rows(states, id=UUID(path[7:]))] == ["negotiating"]
    await town.act("operator1", path, "correct", accused_units=["D-MARKET", GREEN], redispatch=False)
    assert [row.state for row in await town.rows(states, id=UUID(path[7:]))] == ["dropped"]
    await town.act(user(GREEN), path, "request_return", 404, **NOT_OURS)
