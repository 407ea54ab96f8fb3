"""Who reads the notes of an event's timeline: whom a unit called, and who of it does the work, is its own affair."""

from typing import Any

import pytest

from app.core.timing import MovableClock
from tests.flows.hands_at_work import Hands
from tests.flows.town import Town

BUREAU, CREW = "u-d-muni", "u-ct-road"
CALLED = "已联系王某某 13800001234"
WORDS = "我是三单元王某某"
GIVEN = {"unit": "CT-ROAD", "limit": "2 work_hour", "part": "修补路面"}


async def notes(hands: Hands, user: str) -> dict[str, Any]:
    """By act: the newest note that somebody reads, or the state that stands for it."""
    rows = (await hands.town.get(user, f"/events/{hands.event_id}/timeline"))["items"]
    return {row["act"]: row["note"] or row["note_state"] for row in rows if row["note_state"] != "none"}


@pytest.fixture(params=[False, True], ids=["open", "confidential"])
async def hands(town: Town, clock: MovableClock, request: pytest.FixtureRequest) -> Hands:
    """The bureau leads, has called the reporter and given its contractor the work; the reporter adds something."""
    hands = await Hands.begin(town, clock, lead="D-MUNI", confidential=request.param)
    await hands.act(BUREAU, hands.lead, "first_contact", reached=False, note="13800001234 无人接听")
    await hands.act(BUREAU, hands.lead, "first_contact", reached=True, note=CALLED)
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **GIVEN)
    await town.act("operator1", f"reports/{hands.report_id}", "supplement", text=WORDS)
    return hands


async def test_a_contractor_reads_what_it_is_to_do_and_nothing_of_who_said_so(hands: Hands) -> None:
    order = await hands.order("CT-ROAD", "sub")
    await hands.act(CREW, order, "sign_for", note="下午到场")
    await hands.act(BUREAU, order, "recall_sub", reason="改由其他班组")
    await hands.act(BUREAU, hands.lead, "sub_dispatch", **GIVEN)
    found = await notes(hands, CREW)
    assert (found["sub_dispatch"], found["cancel"]) == ("修补路面", "改由其他班组")
    assert {found[act] for act in ("first_contact", "first_contact_attempted", "supplement", "transfer")} == {
        "withheld"
    }
    page = str(await hands.town.get(CREW, f"/events/{hands.event_id}/timeline"))
    page += str(await hands.shown(CREW)) + str(await hands.town.get(CREW, "/" + order))
    page += str(await hands.town.get(CREW, "/changes"))
    for told in ("王某某", "13800001234"):
        assert told not in page
    assert (await notes(hands, BUREAU))["first_contact"] == CALLED
    assert (await notes(hands, "dispatcher1"))["first_contact"] == CALLED


async def test_a_contractor_reads_no_other_s_part(hands: Hands) -> None:
    await hands.act("dispatcher1", hands.lead, "add_supporting", unit="D-MARKET", part="找王某某核对门牌")
    assert (await notes(hands, CREW))["supporting_added"] == "withheld"
    parts = {one["unit"]["code"]: one["part"] for one in (await hands.shown(CREW))["work_orders"]}
    assert (parts["CT-ROAD"], parts["D-MARKET"]) == ("修补路面", None)
    assert (await notes(hands, "u-d-market"))["supporting_added"] == "找王某某核对门牌"


async def test_another_unit_does_not_read_who_does_the_work_nor_whom_it_called(hands: Hands) -> None:
    await hands.act("dispatcher1", hands.lead, "add_supporting", unit="D-MARKET", part="查处占道商户")
    await hands.act(BUREAU, hands.lead, "assign", user=BUREAU, note="先办")
    await hands.act(BUREAU, hands.lead, "put_back", note="王师傅请假")
    await hands.act(BUREAU, hands.lead, "take", note="王师傅不在")
    acts = ("first_contact", "first_contact_attempted", "assign", "put_back", "take")
    found = await notes(hands, "u-d-market")
    assert [found[act] for act in acts] == ["withheld"] * len(acts)
    assert found["transfer"] == "由该单位牵头", "what is said to all of them"
    inside = await notes(hands, BUREAU)
    assert (inside["assign"].endswith("：先办"), inside["put_back"], inside["take"]) == (
        True,
        "王师傅请假",
        "王师傅不在",
    )
    market = await hands.order("D-MARKET", "supporting")
    await hands.act("u-d-market", market, "take", note="本所自办")
    assert (await notes(hands, "u-d-market"))["take"] == "本所自办"


async def test_a_unit_reads_what_is_noted_on_orders_under_its_own(hands: Hands) -> None:
    order = await hands.order("CT-ROAD", "sub")
    await hands.act(CREW, order, "take", note="甲班去")
    assert (await notes(hands, BUREAU))["take"] == "甲班去"
    await hands.act("dispatcher1", hands.lead, "add_supporting", unit="D-MARKET", part="查处占道商户")
    assert (await notes(hands, "u-d-market"))["take"] == "withheld"
