"""Nobody decides in their own cause: a return or quarrel of their unit, a draft of somebody whose seats they hold.

Whoever stands in for somebody is held to that one's bars too.
"""

import pytest

from app.core.timing import MovableClock
from tests.api.test_release_actions import imported, send
from tests.flows.leavers import deputise, load
from tests.flows.quarrels import GREEN, NOT_OURS, SECTION, URBAN, Quarrel
from tests.flows.town import Town

UNTIL = "2026-03-20 18:00"
DESK, BOTH = "DESK-320102", "u-desk-320102"


@pytest.fixture
async def quarrel(town: Town, clock: MovableClock) -> Quarrel:
    """An event that the section leads."""
    return await Quarrel.begin(town)


async def offered(quarrel: Quarrel, who: str) -> set[str]:
    """What somebody may do to the event and to the order that leads it."""
    allowed = (await quarrel.shown(who))["allowed_actions"]
    order, _ = await quarrel.town.lead(quarrel.event_id)
    return {*allowed["event"], *allowed["work_orders"][order.rpartition(".")[2]]}


async def test_the_desk_s_own_return_is_decided_by_the_centre(quarrel: Quarrel) -> None:
    await quarrel.on_lead("dispatcher1", "transfer", unit=DESK, reason="须统筹")
    await quarrel.on_lead(BOTH, "request_return", **NOT_OURS)
    for action, body in (("approve_return", {"unit": URBAN}), ("reject_return", {"reason": "须统筹"})):
        refused = await quarrel.on_lead(BOTH, action, 403, **body)
        assert "当事单位" in refused["detail"]
        assert "无关的派遣员、值班长办理" in refused["detail"]
        assert refused["needs"] == ["dispatcher", "shift_leader"]
    assert not {"approve_return", "reject_return"} & await offered(quarrel, BOTH)
    assert {"approve_return", "reject_return"} <= await offered(quarrel, "dispatcher1")
    await quarrel.on_lead("dispatcher1", "approve_return", unit=URBAN)


async def test_the_desk_decides_on_the_returns_of_others(quarrel: Quarrel) -> None:
    await quarrel.give_back()
    await quarrel.on_lead(BOTH, "reject_return", reason="属本街道")


async def test_a_deputy_of_the_unit_decides_on_nothing_of_it(quarrel: Quarrel, clock: MovableClock) -> None:
    town = quarrel.town
    await load(town, ("lent", "C-320102", f"unit_liaison@{SECTION}"))
    await deputise(town, "lent", "dispatcher2", UNTIL)
    order, _ = await town.lead(quarrel.event_id)
    await town.act("dispatcher2", order, "request_return", **NOT_OURS)
    assert SECTION in (await town.get("dispatcher2", "/me"))["seats"][-1].values()
    assert "当事单位" in (await quarrel.on_lead("dispatcher2", "approve_return", 403, unit=URBAN))["detail"]
    await town.act("lent", "users/lent", "end-deputy", deputy="dispatcher2")
    # what they did stays, though the seat is gone
    assert "参与过该事件的办理" in (await quarrel.on_lead("dispatcher2", "approve_return", 403, unit=URBAN))["detail"]
    await quarrel.on_lead("dispatcher3", "approve_return", unit=URBAN)


@pytest.mark.parametrize("side", [SECTION, URBAN])
async def test_nobody_rules_for_a_side(quarrel: Quarrel, side: str) -> None:
    town = quarrel.town
    await load(town, ("lent", "C-320102", f"handler@{side}"))
    await quarrel.negotiate(URBAN, GREEN)
    assert "rule_jurisdiction" in await offered(quarrel, "adjudicator1")
    await deputise(town, "lent", "adjudicator1", UNTIL)
    assert "rule_jurisdiction" not in await offered(quarrel, "adjudicator1")
    refused = await quarrel.rule(GREEN, 403)
    assert "当事单位" in refused["detail"]
    assert "无关的裁决员办理" in refused["detail"]
    await quarrel.rule(GREEN, who="adjudicator2")
    # nor anew, once it is over
    await quarrel.rule(URBAN, 403, anew=True)


async def test_who_gave_it_back_is_a_side_too(quarrel: Quarrel) -> None:
    await quarrel.give_back()
    await quarrel.on_lead("dispatcher1", "approve_return", unit=URBAN)
    await quarrel.give_back()
    assert (await quarrel.dispute()).state == "ruling"
    await load(quarrel.town, ("lent", "C-320102", f"handler@{SECTION}|adjudicator@320102"))
    assert "当事单位" in (await quarrel.rule(GREEN, 403, who="lent"))["detail"]
    await quarrel.rule(GREEN)


async def test_whose_people_one_is_counts_without_a_seat_there_too(quarrel: Quarrel) -> None:
    await load(quarrel.town, ("lent", SECTION, "dispatcher@320102"))
    await quarrel.give_back()
    await quarrel.on_lead("lent", "reject_return", 403, reason="x")
    await quarrel.on_lead("dispatcher1", "reject_return", reason="属本街道")


async def test_the_centre_s_people_decide_on_the_centre_s_own_order(quarrel: Quarrel) -> None:
    centre = "C-320102"
    await load(quarrel.town, ("lent", centre, f"unit_liaison@{centre}|dispatcher@320102"))
    await quarrel.on_lead("dispatcher1", "transfer", unit=centre, reason="须统筹")
    await quarrel.on_lead("lent", "request_return", **NOT_OURS)
    await quarrel.on_lead("lent", "approve_return", 403, unit=URBAN)
    await quarrel.on_lead("dispatcher1", "approve_return", unit=URBAN)


@pytest.mark.parametrize(("away", "deputy"), [("editor1", "quality1"), ("leader2", "editor1")])
async def test_a_deputy_is_no_second_person_for_a_draft(
    town: Town, clock: MovableClock, away: str, deputy: str
) -> None:
    await load(town, ("reader", "C-320102", "supervisor@320102"))
    maker, reviewer = ("editor1", deputy) if away == "editor1" else (deputy, away)
    await deputise(town, away, deputy, UNTIL)
    draft = (await imported(town, maker))["draft"]["id"]
    refused = await send(town, reviewer, "POST", f"/releases/{draft}/review", 409)
    assert refused["code"] == "own_draft"
    assert "代理关系" in refused["detail"]
    assert (await send(town, "reader", "POST", f"/releases/{draft}/review"))["reviewed_by"] == "reader"


async def test_a_deputy_of_the_past_reviews(town: Town, clock: MovableClock) -> None:
    await deputise(town, "editor1", "leader2", UNTIL)
    draft = (await imported(town))["draft"]["id"]
    await town.act("editor1", "users/editor1", "end-deputy", deputy="leader2")
    assert (await send(town, "leader2", "POST", f"/releases/{draft}/review"))["reviewed_by"] == "leader2"
