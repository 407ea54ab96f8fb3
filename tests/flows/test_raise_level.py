"""提级办理: a higher level leads with clocks of its own; who led before helps, the citizen's clock goes on."""

from typing import Any
from uuid import UUID

import pytest

from app.core.timing import MovableClock
from tests.flows.limits_at_work import set_policies
from tests.flows.town import Town

SECTION = "S-320102002-C"


@pytest.fixture
async def event_id(town: Town) -> str:
    """Rubbish, handled by the section of a street."""
    found: str = (await town.send("hotline-12345", town.call()))["event_id"]
    assert await orders(town, found) == [(SECTION, "lead", "dispatched"), ("CT-SANIT", "supporting", "dispatched")]
    return found


async def orders(town: Town, event_id: str) -> list[tuple[str, str, str]]:
    """(unit, role, state) of the event's orders."""
    found = await town.rows(
        "SELECT g.code, o.role, o.state FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id ORDER BY o.n",
        id=UUID(event_id),
    )
    return [(row.code, row.role, row.state) for row in found]


async def clocks(town: Town, event_id: str, unit: str, role: str = "lead") -> dict[str, tuple[str, Any, Any]]:
    """(state, start, due) of the unit's clocks in this role, by kind."""
    found = await town.rows(
        "SELECT c.kind, c.state, c.started_at, c.due_at FROM clock c "
        "JOIN work_order o ON o.event_id = c.event_id AND o.n = c.order_n JOIN organization g ON g.id = o.unit_id "
        "WHERE c.event_id = :id AND g.code = :unit AND o.role = :role",
        id=UUID(event_id),
        unit=unit,
        role=role,
    )
    return {row.kind: (row.state, row.started_at, row.due_at) for row in found}


async def citizens(town: Town, event_id: str) -> list[Any]:
    """The citizen's clocks, whole."""
    return await town.rows(
        "SELECT n, state, due_at, generation FROM clock WHERE event_id = :id AND kind = 'citizen_total'",
        id=UUID(event_id),
    )


async def rows_since(town: Town, event_id: str, act: str) -> list[Any]:
    """The timeline from this act on."""
    return await town.rows(
        "SELECT act, subject, data, actor_role FROM timeline WHERE event_id = :id AND n >= "
        "(SELECT max(n) FROM timeline WHERE event_id = :id AND act = :act) ORDER BY n",
        id=UUID(event_id),
        act=act,
    )


async def test_the_rules_find_who_leads_at_the_level(town: Town, event_id: str, clock: MovableClock) -> None:
    total = await citizens(town, event_id)
    clock.advance(hours=1)
    await town.act("dispatcher1", f"events/{event_id}", "raise_level", level="district", reason="多次反复")
    assert await orders(town, event_id) == [
        (SECTION, "lead", "transferred"),
        ("CT-SANIT", "supporting", "dispatched"),
        ("D-URBAN", "lead", "dispatched"),
        (SECTION, "supporting", "dispatched"),
    ]
    assert (await town.event(event_id)).level == "district"
    raised, ended, decided, added = await rows_since(town, event_id, "raise_level")
    assert [row.act for row in (raised, ended, decided, added)] == [
        "raise_level",
        "transfer",
        "dispatch",
        "supporting_added",
    ]
    assert (raised.data["from"], raised.data["to"], raised.data["former"]) == ("grid", "district", SECTION)
    assert raised.actor_role == "dispatcher"
    assert ended.data["cause"] == "raised_level"
    assert decided.data["unit"] == "D-URBAN"
    assert decided.data["facts"]["level"] == "district"
    assert added.data["unit"] == SECTION
    former = await clocks(town, event_id, SECTION)
    assert {state for state, _, _ in former.values()} == {"stopped"}
    for unit, role in (("D-URBAN", "lead"), (SECTION, "supporting")):
        running = await clocks(town, event_id, unit, role)
        assert {(state, begun) for state, begun, _ in running.values()} == {("running", clock())}
        assert {"signing", "handling"} <= set(running)
    assert await citizens(town, event_id) == total


async def test_a_named_unit_leads(town: Town, event_id: str) -> None:
    await town.act(
        "adjudicator1", f"events/{event_id}", "raise_level", level="district", unit="D-URBAN", reason="跨部门协调"
    )
    _, _, decided, _ = await rows_since(town, event_id, "raise_level")
    assert (decided.data["unit"], decided.data["step"]) == ("D-URBAN", "raised_level")
    assert decided.data["sentence"] == "提级至区级办理，由中心指定玄武区城市管理局主办。"
    assert (await town.lead(event_id))[1] == "u-d-urban"
    seen = await town.get("u-s-320102002-c", f"/events/{event_id}")
    assert {one["role"] for one in seen["participants"] if one["unit"]["code"] == SECTION} == {"supporting"}


async def test_no_unit_of_the_level_is_found(town: Town, event_id: str) -> None:
    await town.act("leader1", f"events/{event_id}", "raise_level", level="city", reason="全市专项")
    event = await town.event(event_id)
    assert (event.state, event.triage, event.level) == ("analyzing", "level_raised", "city")
    acts = [row.act for row in await rows_since(town, event_id, "raise_level")]
    assert acts == ["raise_level", "transfer", "undecided", "ask_person", "supporting_added"]
    undecided = (await rows_since(town, event_id, "undecided"))[0].data
    assert undecided["sentence"] == "已提级，而提级后的层级没有适用的派单规则，转人工研判。"
    assert undecided["facts"]["at_least"] == "city", "deciding again from the facts finds nobody either"
    assert (SECTION, "supporting", "dispatched") in await orders(town, event_id), "it goes on until somebody leads"
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="CITY-TRANS")
    assert (await town.lead(event_id))[1] == "u-city-trans"


async def test_who_stays_the_lead_keeps_its_order_and_clocks(town: Town, event_id: str, clock: MovableClock) -> None:
    order, _ = await town.lead(event_id)
    await town.act("dispatcher1", order, "transfer", unit="D-URBAN", reason="区局办理")
    before = await clocks(town, event_id, "D-URBAN")
    clock.advance(hours=1)
    await town.act(
        "dispatcher1", f"events/{event_id}", "raise_level", level="district", unit="D-URBAN", reason="按区级督办"
    )
    assert await clocks(town, event_id, "D-URBAN") == before
    assert [row for row in await orders(town, event_id) if row[0] == "D-URBAN"] == [("D-URBAN", "lead", "dispatched")]


async def test_a_supporting_unit_that_leads_now_helps_no_longer(town: Town, event_id: str) -> None:
    order, _ = await town.lead(event_id)
    await town.act("dispatcher1", order, "add_supporting", unit="D-URBAN", part="现场执法")
    await town.act(
        "dispatcher1", f"events/{event_id}", "raise_level", level="district", unit="D-URBAN", reason="由其牵头"
    )
    mine = [row[1:] for row in await orders(town, event_id) if row[0] == "D-URBAN"]
    assert mine == [("supporting", "transferred"), ("lead", "dispatched")]


async def test_a_correction_keeps_the_level_up(town: Town, event_id: str) -> None:
    await town.act("dispatcher1", f"events/{event_id}", "raise_level", level="district", reason="多次反复")
    await town.act("dispatcher1", f"events/{event_id}", "correct", area_code="320102003001")
    assert (await town.event(event_id)).level == "district"
    assert (await town.lead(event_id))[1] == "u-d-urban"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"level": "street"}, "level"),
        ({"level": "district", "unit": "S-320102002"}, "unit"),
        ({"level": "city", "unit": "D-URBAN"}, "unit"),
        ({"level": "district", "unit": "NOBODY"}, "unit"),
    ],
)
async def test_what_is_no_raising_is_refused(town: Town, event_id: str, body: dict[str, str], path: str) -> None:
    refused = await town.act("dispatcher1", f"events/{event_id}", "raise_level", 422, reason="提级", **body)
    assert [fault["path"] for fault in refused["faults"]] == [path]
    assert "raise_level" not in await town.acts(event_id)


async def test_a_level_is_raised_once(town: Town, event_id: str) -> None:
    await town.act("dispatcher1", f"events/{event_id}", "raise_level", level="district", reason="多次反复")
    refused = await town.act("dispatcher1", f"events/{event_id}", "raise_level", 422, level="district", reason="再提")
    assert refused["detail"] == "本件现在是区级，只能提到更高的一级。"
    await town.act("operator1", f"events/{event_id}", "raise_level", 403, level="city", reason="提级")
    await town.act(
        "dispatcher1", f"events/{event_id}", "raise_level", level="city", unit="CITY-TRANS", reason="市级协调"
    )
    refused = await town.act("dispatcher1", f"events/{event_id}", "raise_level", 409, level="city", reason="提级")
    assert refused["detail"] == "本件已是市级，不能再提级。"


async def test_what_is_critical_starts_at_the_level_that_the_city_asks_for(town: Town) -> None:
    await set_policies(town, **{"least_level.critical": "district"})
    common = await town.send("hotline-12345", town.call())
    urgent = await town.send("hotline-12345", town.call(urgency="特急", cell="320102002001003"))
    assert ((await town.event(common["event_id"])).level, (await orders(town, common["event_id"]))[0][0]) == (
        "grid",
        SECTION,
    )
    event = await town.event(urgent["event_id"])
    assert (event.urgency, event.level) == ("critical", "district")
    assert (await orders(town, urgent["event_id"]))[0] == ("D-URBAN", "lead", "dispatched")
    decided = (await rows_since(town, urgent["event_id"], "dispatch"))[0].data
    assert (decided["facts"]["level"], decided["facts"]["at_least"]) == ("district", "district")


@pytest.mark.parametrize("way", ["transfer", "approve_return", "dispatch", "rule_jurisdiction"])
async def test_nobody_below_the_level_is_named_to_lead(town: Town, event_id: str, way: str) -> None:
    path = f"events/{event_id}"
    await town.act("dispatcher1", path, "raise_level", level="district", unit="D-URBAN", reason="多次反复")
    order, unit = await town.lead(event_id)
    body: dict[str, Any] = {}
    who = "dispatcher1"
    if way == "transfer":
        path, body = order, {"reason": "退回街道"}
    elif way == "approve_return":
        await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不归我局")
        path = order
    elif way == "dispatch":
        await town.act("dispatcher1", order, "cancel", reason="另行指定")
    else:
        who, body = "adjudicator1", {"grounds": "按职责清单", "precedent": False}
    refused = await town.act(who, path, way, 422, unit="S-320102002-E", **body)
    assert [fault["path"] for fault in refused["faults"]] == ["unit"]
    assert "本件按区级办理" in refused["detail"]
    await town.act(who, path, way, unit="D-GREEN", **body)
    assert (await town.lead(event_id))[1] == "u-d-green"


async def test_who_helps_with_a_raised_event_or_acts_first_may_be_of_any_level(town: Town, event_id: str) -> None:
    path = f"events/{event_id}"
    await town.act("dispatcher1", path, "raise_level", level="district", unit="D-URBAN", reason="多次反复")
    order, _ = await town.lead(event_id)
    await town.act("dispatcher1", order, "add_supporting", unit="S-320102002-E", part="现场劝导")
    helpers = [unit for unit, role, _ in await orders(town, event_id) if role == "supporting"]
    assert helpers == ["CT-SANIT", SECTION, "S-320102002-E"]
    await town.act("dispatcher1", path, "open_negotiation", units=["D-GREEN", SECTION])
    await town.act("dispatcher1", path, "act_first", unit=SECTION, reason="就近先办")
    assert (await town.lead(event_id))[1] == "u-s-320102002-c"
    # that they agree on a unit below the level does not lower it: it goes to the ruling
    for unit, stance in (("d-urban", "not_ours"), ("d-green", "not_ours"), ("s-320102002-c", "ours")):
        await town.act(f"u-{unit}", path, "state_position", stance=stance, reason="按职责清单")
    (dispute,) = await town.rows("SELECT state FROM dispute WHERE event_id = :id", id=UUID(event_id))
    assert dispute.state == "ruling"
