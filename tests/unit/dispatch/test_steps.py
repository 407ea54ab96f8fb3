"""Each principle by itself, and the order in which they are asked."""

from datetime import datetime
from typing import Any

import pytest

from app.clocks.calendar import CHINA_TIME
from app.dispatch.rows import STEP_NAMES
from tests.unit.dispatch.city import (
    ABROAD,
    COMMUNITY,
    DISTRICT,
    EAST,
    IDS,
    LEAK,
    PIPE,
    WEST,
    component,
    decide,
    helpers,
    matter,
    order,
    outcomes,
    rule,
)

DESK = rule("DESK", "DESK", "coordination_desk")
BUREAU = rule("BUREAU", "WATER", **LEAK)
STREET = rule("STREET", "EAST-SECTION", "territorial", domain="water", area_code=EAST)


def at(clock: str, day: int = 10) -> datetime:
    """A moment of March 2026; the 10th was a Tuesday."""
    return datetime.fromisoformat(f"2026-03-{day:02}T{clock}:00+08:00").astimezone(CHINA_TIME)


def test_what_is_critical_goes_by_rules_of_its_own_before_all_others() -> None:
    crew = rule("E1", "WATER-CREW", "territorial", domain="water", urgency="critical", supporting_units="ROADS")
    calm = decide(matter(), BUREAU, crew, DESK)
    assert (calm.unit, outcomes(calm)["emergency_handover"]) == ("WATER", "passed")
    decision = decide(matter(urgency="critical"), BUREAU, crew, DESK)
    assert (decision.unit, decision.step, decision.rule_no) == ("WATER-CREW", "emergency_handover", "E1")
    assert helpers(decision) == ["ROADS"]
    assert decision.sentence.startswith("情况特急")


def test_special_goes_before_general_whichever_principles_they_serve() -> None:
    special = rule("SPECIAL", "EAST-SECTION", "territorial", **LEAK, area_code=EAST)
    decision = decide(matter(), BUREAU, special, DESK)
    assert (decision.unit, decision.step) == ("EAST-SECTION", "territorial")
    assert "SPECIAL" in decision.steps[1].reason, "the department's principle says to whom it gave way"
    assert decide(matter(), BUREAU, STREET, DESK).unit == "WATER"


def test_a_special_rule_whose_unit_is_closed_gives_way_to_the_general_one() -> None:
    closed = rule("SPECIAL", "CLOSED", "territorial", **LEAK, area_code=EAST)
    decision = decide(matter(), BUREAU, closed, DESK)
    assert (decision.unit, decision.step) == ("WATER", "statutory_department")
    assert [(other.unit, other.why_not) for other in decision.alternatives][-1] == ("CLOSED", "不存在或已停用")


@pytest.mark.parametrize(
    ("units", "lead"),
    [
        ({"maintainer": "WATER-CREW", "owner": "CITY-WATER", "competent": "WATER"}, "WATER-CREW"),
        ({"owner": "CITY-WATER", "competent": "WATER"}, "CITY-WATER"),
        ({"maintainer": "CLOSED", "competent": "ROADS"}, "ROADS"),
        ({"maintainer": "CLOSED"}, "DESK"),
    ],
)
def test_a_component_goes_to_its_maintainer_else_owner_else_competent_body(units: dict[str, str], lead: str) -> None:
    decision = decide(matter(component_id=PIPE), STREET, DESK, components=[component(**units)], steps=NO_STREETS)
    assert decision.unit == lead
    assert (decision.step == "component") is (lead != "DESK")


#: as by default, without the territorial principle
NO_STREETS = order(*(step for step in STEP_NAMES if step not in ("first_receiver", "territorial")))


def test_an_unknown_component_is_passed_over_and_said_so() -> None:
    decision = decide(matter(component_id="other"), STREET, DESK, components=[component(owner="WATER")])
    assert decision.unit == "EAST-SECTION"
    assert next(each.reason for each in decision.steps if each.step == "component") == "部件 other 没有登记"


def test_what_belongs_to_two_streets_goes_up_one_level_and_both_help() -> None:
    higher = rule("UP", "ROADS", domain="water", level="district")
    decision = decide(matter(borders=(WEST,)), STREET, higher, DESK)
    assert (decision.unit, decision.step, decision.rule_no) == ("ROADS", "level", "UP")
    assert helpers(decision) == ["EAST", "WEST"]
    assert "跨界" in decision.sentence


def test_what_belongs_to_two_districts_goes_up_to_the_city() -> None:
    rules = (STREET, rule("UP", "ROADS", domain="water", level="district"), DESK)
    city = rule("TOP", "CITY-WATER", domain="water", level="city")
    assert decide(matter(borders=(ABROAD,)), *rules, city).unit == "CITY-WATER"
    assert decide(matter(borders=(ABROAD,), level="city"), *rules, city).step == "statutory_department"


def test_without_a_rule_for_the_higher_level_no_street_leads_what_is_not_its_alone() -> None:
    decision = decide(matter(borders=(WEST,)), STREET, DESK)
    assert (decision.unit, outcomes(decision)["level"], outcomes(decision)["territorial"]) == (
        "DESK",
        "passed",
        "refused",
    )
    assert helpers(decision) == ["EAST", "WEST"]
    alone = order("territorial", "coordination_desk")
    assert decide(matter(borders=(WEST,)), STREET, DESK, steps=alone).unit == "EAST-SECTION", "the city does not ask"


def test_a_department_leads_across_borders_without_the_streets() -> None:
    decision = decide(matter(borders=(WEST,)), BUREAU, STREET, DESK)
    assert (decision.unit, helpers(decision)) == ("WATER", [])


def test_the_first_receiver_leads_only_where_the_city_wants_it() -> None:
    received = matter(first_receiver=IDS["ROADS"])
    assert decide(received, STREET, DESK).unit == "EAST-SECTION"
    wanted = order("first_receiver", "territorial", "coordination_desk")
    decision = decide(received, STREET, DESK, steps=wanted)
    assert (decision.unit, decision.step) == ("ROADS", "first_receiver")
    assert decide(matter(), STREET, DESK, steps=wanted).unit == "EAST-SECTION"


def test_the_least_busy_unit_on_duty_near_by_takes_what_is_of_the_grid() -> None:
    near: dict[str, Any] = {"on_duty": ("EAST-TEAM", "EAST-TEAM-2"), "level": "grid"}
    assert decide(matter(**near), DESK).unit == "EAST-TEAM"
    busy = decide(matter(**near, load={IDS["EAST-TEAM"]: 3, IDS["EAST-TEAM-2"]: 1}), DESK)
    assert (busy.unit, busy.step, busy.rule_no) == ("EAST-TEAM-2", "nearest_on_duty", None)
    assert busy.as_data()["facts"]["load"] == {"EAST-TEAM": 3, "EAST-TEAM-2": 1}
    assert decide(matter(**near | {"level": "street"}), DESK).unit == "DESK"
    assert decide(matter(level="grid"), DESK).unit == "DESK"


@pytest.mark.parametrize(
    ("moment", "workday", "applies"),
    [
        (at("18:00"), True, True),
        (at("23:59"), True, True),
        (at("07:59"), True, True),
        (at("08:00"), True, False),
        (at("17:59"), True, False),
        (None, True, False),
    ],
)
def test_night_duty_goes_past_midnight(moment: datetime | None, workday: bool, applies: bool) -> None:
    night = rule("N", "WATER-CREW", "night_duty", domain="water", hours="18:00-08:00")
    decision = decide(matter(at=moment, workday=workday), night, DESK)
    assert (decision.unit == "WATER-CREW") is applies
    assert (decision.step == "night_duty") is applies


@pytest.mark.parametrize(
    ("conditions", "moment", "workday", "applies"),
    [
        ({"days": "day_off"}, at("12:00"), False, True),
        ({"days": "day_off"}, at("12:00"), True, False),
        ({"days": "workday"}, at("12:00"), None, False),
        ({"hours": "00:00-24:00", "days": "workday"}, at("12:00"), True, True),
        ({"hours": "08:00-12:00|14:00-18:00"}, at("13:00"), True, False),
        ({"hours": "08:00-12:00|14:00-18:00"}, at("14:00"), True, True),
        ({"valid_from": "2026-03-11"}, at("12:00", 10), True, False),
        ({"valid_from": "2026-03-11"}, at("00:00", 11), True, True),
        ({"valid_until": "2026-03-11"}, at("23:59", 11), True, True),
        ({"valid_until": "2026-03-11"}, at("00:00", 12), True, False),
    ],
)
def test_days_hours_and_dates_of_a_rule(
    conditions: dict[str, str], moment: datetime, workday: bool | None, applies: bool
) -> None:
    decision = decide(matter(at=moment, workday=workday), rule("T", "ROADS", **LEAK, **conditions), DESK)
    assert decision.unit == ("ROADS" if applies else "DESK")


def test_a_dated_rule_is_no_more_specific_than_another() -> None:
    dated = rule("Z", "ROADS", **LEAK, valid_from="2026-01-01")
    assert decide(matter(at=at("12:00")), BUREAU, dated).unit == "ROADS", "the later number of two equals"
    assert decide(matter(at=at("12:00")), rule("ZZ", "WATER", **LEAK), dated).unit == "WATER"


def test_what_nobody_answers_for_goes_to_the_districts_desk_and_never_to_a_street() -> None:
    decision = decide(matter())
    assert (decision.unit, decision.step, decision.rule_no) == ("DESK", "coordination_desk", None)
    nowhere = decide(matter(areas=()))
    assert (nowhere.unit, nowhere.triage, nowhere.step) == (None, "no_rule", "person")
    assert decide(matter(areas=("320104",))).unit is None, "another district's desk is none of ours"


def test_a_better_place_is_asked_for_where_it_would_decide() -> None:
    somewhere = matter(areas=(DISTRICT,))
    close = rule("CLOSE", "EAST-SECTION", "territorial", **LEAK, area_code=COMMUNITY)
    decision = decide(somewhere, close, rule("WIDE", "WATER", domain="water"), DESK)
    assert (decision.unit, decision.triage) == (None, "place_unknown")
    assert any("CLOSE" in told for told in decision.tried)
    assert [other.unit for other in decision.alternatives] == ["WATER", "DESK"]
    assert decide(somewhere, close, BUREAU, DESK).unit == "WATER", "a rule that names it as closely is enough"


def test_the_citys_own_order_counts_and_what_is_switched_off_is_not_heard() -> None:
    night = rule("N", "WATER-CREW", "night_duty", domain="water", hours="18:00-08:00")
    late = matter(at=at("22:00"), workday=True)
    assert decide(late, BUREAU, night, DESK).unit == "WATER"
    first = order("night_duty", "statutory_department", "coordination_desk")
    assert decide(late, BUREAU, night, STREET, DESK, steps=first).unit == "WATER-CREW"
    assert decide(matter(), STREET, DESK, steps=first).unit == "DESK"


def test_every_principle_asked_is_kept_with_its_answer() -> None:
    data = decide(matter(), STREET, DESK).as_data()
    assert [each["step"] for each in data["steps"]] == [
        "emergency_handover",
        "statutory_department",
        "component",
        "level",
        "territorial",
    ]
    assert [each["outcome"] for each in data["steps"]] == ["passed"] * 4 + ["chosen"]
    assert all(each["reason"] for each in data["steps"])
    assert data["facts"]["areas"] == [DISTRICT, EAST, COMMUNITY]
