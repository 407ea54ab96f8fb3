"""主办与协办: a unit leads an event or helps, once; who begins to lead helps no longer."""

from typing import Any

import pytest

from app.core.timing import MovableClock
from tests.flows.hands_at_work import Hands
from tests.flows.quarrels import NOT_OURS
from tests.flows.town import Town

MARKET, GREEN, SECTION = "D-MARKET", "D-GREEN", "S-320102002-C"
#: the supporting unit that the rules name for rubbish there
HELPER = "CT-SANIT"
#: street lamps: a district unit
LAMP = "GB/T 47678.5-2026/component/01037"
DONE = {"result": "resolved", "statement": "已处置"}


@pytest.fixture
async def hands(town: Town, clock: MovableClock) -> Hands:
    """The section leads, two departments help."""
    hands = await Hands.begin(town, clock)
    for unit in (MARKET, GREEN):
        await hands.act("dispatcher1", hands.lead, "add_supporting", unit=unit, part="现场执法")
    return hands


async def roles(hands: Hands, unit: str) -> list[tuple[str, str]]:
    """(role, state) of a unit's orders, in order."""
    found: list[Any] = []
    for role in ("lead", "supporting", "callout"):
        found += [(row.n, role, row.state) for row in await hands._orders(unit, role)]
    return [(role, state) for _, role, state in sorted(found)]


async def test_a_part_is_not_moved_to_who_has_one(hands: Hands) -> None:
    part = await hands.order(GREEN, "supporting")
    for taken in (MARKET, SECTION):
        refused = await hands.act("dispatcher1", part, "transfer", 409, unit=taken, reason="由其一并办理")
        assert refused["detail"].endswith("已在办理该事件。")
    await hands.act("u-d-green", part, "request_return", **NOT_OURS)
    refused = await hands.act("dispatcher1", part, "approve_return", 409, unit=MARKET)
    assert refused["detail"] == "玄武区市场监督管理局已在办理该事件。"
    assert await roles(hands, MARKET) == [("supporting", "dispatched")]
    await hands.act("dispatcher1", part, "approve_return", unit="D-POLICE")
    assert await roles(hands, "D-POLICE") == [("supporting", "dispatched")]


async def lead_of(hands: Hands) -> str:
    """Who leads now signs."""
    order, unit = await hands.town.lead(hands.event_id)
    await hands.act(unit, order, "sign_for")
    return order


@pytest.mark.parametrize("way", ["transfer", "approve_return", "cancel", "ruled"])
async def test_who_helped_and_leads_now_does_not_wait_for_itself(hands: Hands, way: str) -> None:
    event = f"events/{hands.event_id}"
    if way == "transfer":
        await hands.act("dispatcher1", hands.lead, "transfer", unit=MARKET, reason="由其牵头")
    elif way == "approve_return":
        await hands.act(hands.unit, hands.lead, "request_return", **NOT_OURS)
        await hands.act("dispatcher1", hands.lead, "approve_return", unit=MARKET)
    elif way == "cancel":
        await hands.act("dispatcher1", hands.lead, "cancel", reason="承办单位不明")
        await hands.town.act("dispatcher1", event, "dispatch", unit=MARKET)
    else:
        await hands.town.act(
            "adjudicator1", event, "rule_jurisdiction", unit=MARKET, grounds="按职责清单", precedent=False
        )
    assert await roles(hands, MARKET) == [("supporting", "transferred"), ("lead", "dispatched")]
    if way != "ruled":
        assert (await hands.row("transfer")).data["cause"] == "leads"
    order = await lead_of(hands)
    mine = [one for one in (await hands.shown("u-d-market"))["participants"] if one["unit"]["code"] == MARKET]
    assert [one["role"] for one in mine] == ["lead"]
    if way == "ruled":  # whom the ruling does not name has gone
        await hands.act("u-d-market", order, "report_done", **DONE)
    else:
        refused = await hands.act("u-d-market", order, "report_done", 409, **DONE)
        assert refused["units"] == [HELPER, GREEN]


async def test_who_helped_leads_after_no_unit_of_the_level_was_found(hands: Hands) -> None:
    event = f"events/{hands.event_id}"
    await hands.act("dispatcher1", hands.lead, "add_supporting", unit="CITY-TRANS", part="协调")
    await hands.town.act("leader1", event, "raise_level", level="city", reason="全市专项")
    assert (await hands.town.event(hands.event_id)).triage == "level_raised"
    await hands.town.act("dispatcher1", event, "dispatch", unit="CITY-TRANS")
    assert await roles(hands, "CITY-TRANS") == [("supporting", "transferred"), ("lead", "dispatched")]


async def test_who_was_only_called_out_may_be_asked_for_a_part(hands: Hands) -> None:
    await hands.act(hands.unit, hands.lead, "street_callout", units=["D-URBAN"], kind="key_task", words="到现场")
    await hands.act("dispatcher1", hands.lead, "add_supporting", unit="D-URBAN", part="现场执法")
    assert await roles(hands, "D-URBAN") == [("callout", "dispatched"), ("supporting", "dispatched")]


@pytest.mark.parametrize("before", ["callout", "supporting", "lead"])
async def test_a_unit_is_said_to_be_kept_when_it_is(hands: Hands, before: str) -> None:
    town, event = hands.town, f"events/{hands.event_id}"
    unit = "D-MUNI" if before != "lead" else SECTION
    done = await town.act("dispatcher1", event, "split", parts=[{"item": LAMP, "unit": unit}])
    part = done["parts"][0]["event_id"]
    if before == "callout":
        await hands.act(hands.unit, hands.lead, "street_callout", units=[unit], kind="key_task", words="到现场")
    elif before == "supporting":
        await hands.act("dispatcher1", hands.lead, "add_supporting", unit=unit, part="修灯")
    await town.act("dispatcher1", f"events/{part}", "join", keep_unit=True)
    said = (await hands.row("joined")).data["kept_unit"]
    helps = [state for role, state in await roles(hands, unit) if role == "supporting"]
    assert (said, helps) == ((None, []) if before == "lead" else (unit, ["dispatched"]))
