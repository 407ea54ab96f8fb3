"""Who may lead at all, whichever principle names it: duty list, accusations, returns."""

from dataclasses import replace

import pytest

from tests.unit.dispatch.city import (
    EAST,
    IDS,
    LEAK,
    WEST,
    clause,
    decide,
    helpers,
    matter,
    order,
    outcomes,
    rule,
)

DESK = rule("DESK", "DESK", "coordination_desk")
STREET = rule("STREET", "EAST-SECTION", "territorial", domain="water", area_code=EAST)


def test_a_street_leads_its_basic_duty_and_the_clause_is_kept() -> None:
    decision = decide(matter(), STREET, DESK, duties=[clause("A1", "basic")])
    assert (decision.unit, decision.clause_no) == ("EAST-SECTION", "A1")
    assert "A1" in decision.sentence
    assert decision.as_data()["clause_no"] == "A1"


@pytest.mark.parametrize("duty", ["assisting", "taken_back"])
def test_what_is_not_the_streets_own_is_led_by_the_department_and_the_street_helps(duty: str) -> None:
    decision = decide(matter(), STREET, DESK, duties=[clause("B1", duty, "ROADS")])
    assert (decision.unit, decision.step, decision.rule_no, decision.clause_no) == (
        "ROADS",
        "territorial",
        "STREET",
        "B1",
    )
    assert helpers(decision) == ["EAST-SECTION"]
    assert "ROADS单位牵头" in decision.sentence
    assert "EAST-SECTION单位配合" in decision.sentence


def test_what_no_clause_covers_goes_to_the_desk_and_not_to_a_street() -> None:
    decision = decide(matter(), STREET, DESK, duties=[clause("A1", "basic", domain="noise")])
    assert (decision.unit, outcomes(decision)["territorial"]) == ("DESK", "refused")
    assert ("EAST-SECTION", "属街道及以下，职责清单未列此项") in [
        (other.unit, other.why_not) for other in decision.alternatives
    ]


def test_without_a_duty_list_nothing_is_asked_of_it() -> None:
    assert decide(matter(), STREET, DESK).unit == "EAST-SECTION"


def test_the_closest_clause_counts_item_before_class_before_domain_then_the_streets_own() -> None:
    clauses = [
        clause("C1", "taken_back", "ROADS", domain="water"),
        clause("C2", "assisting", "WATER", major_code="01"),
        clause("C3", "basic"),
        clause("C4", "taken_back", "CITY-WATER", **LEAK, area_code=EAST),
        clause("C5", "assisting", "ROADS", **LEAK, area_code=WEST),
    ]
    leads = [decide(matter(), STREET, DESK, duties=clauses[:n]).unit for n in range(1, 6)]
    assert leads == ["ROADS", "WATER", "EAST-SECTION", "CITY-WATER", "CITY-WATER"]


def test_of_two_clauses_that_contradict_each_other_the_one_that_spares_the_street_counts() -> None:
    clauses = [clause("C1", "basic"), clause("C2", "assisting", "WATER"), clause("C3", "taken_back", "ROADS")]
    assert decide(matter(), STREET, DESK, duties=clauses).unit == "ROADS"
    assert decide(matter(), STREET, DESK, duties=clauses[::-1]).unit == "ROADS"


@pytest.mark.parametrize("department", ["CLOSED", "EAST", "NOBODY"])
def test_a_department_that_cannot_lead_leaves_the_matter_to_the_desk(department: str) -> None:
    decision = decide(matter(), STREET, DESK, duties=[clause("B1", "taken_back", department)])
    assert decision.unit == "DESK"
    assert any("B1" in told for told in decision.tried)


def test_a_department_that_gave_it_back_is_not_asked_again_through_the_clause() -> None:
    about = matter(gave_back=frozenset({IDS["ROADS"]}))
    assert decide(about, STREET, DESK, duties=[clause("B1", "taken_back", "ROADS")]).unit == "DESK"


@pytest.mark.parametrize("level", ["district", "city"])
def test_what_is_above_the_street_is_not_led_by_one_even_as_a_basic_duty(level: str) -> None:
    about = matter(level=level)
    assert decide(about, STREET, DESK, duties=[clause("A1", "basic")]).unit == "DESK"
    assert decide(about, STREET, DESK).unit == "EAST-SECTION", "a city without a list goes by its catalogue alone"


def test_the_guard_looks_at_every_principle() -> None:
    duties = [clause("A1", "basic", domain="noise")]
    steps = order("first_receiver", "nearest_on_duty", "coordination_desk")
    about = matter(level="grid", first_receiver=IDS["EAST"], on_duty=("EAST-TEAM",))
    decision = decide(about, DESK, duties=duties, steps=steps)
    assert outcomes(decision) == {
        "first_receiver": "refused",
        "nearest_on_duty": "refused",
        "coordination_desk": "chosen",
    }
    assert decide(about, DESK, duties=[clause("A2", "basic")], steps=steps).unit == "EAST"


def test_units_that_gave_it_back_are_passed_over_with_all_that_is_under_them() -> None:
    about = matter(gave_back=frozenset({IDS["EAST"]}))
    decision = decide(about, STREET, DESK)
    assert decision.unit == "DESK"
    assert any("退回" in other.why_not for other in decision.alternatives)
    assert decision.as_data()["facts"]["gave_back"] == ["EAST"]


def test_accused_units_neither_lead_nor_help() -> None:
    helped = rule("R", "WATER", **LEAK, supporting_units="ROADS|WATER-CREW|CLOSED")
    assert helpers(decide(matter(), helped)) == ["ROADS", "WATER-CREW"]
    assert helpers(decide(matter(accused=frozenset({IDS["ROADS"]})), helped)) == ["WATER-CREW"]
    accused = decide(matter(accused=frozenset({IDS["WATER"]})), helped, DESK)
    assert accused.unit == "DESK"
    kept = {name: accused.as_data()[name] for name in ("tried", "steps", "alternatives", "facts", "sentence")}
    assert "WATER" not in str(kept), "the decision names no accused unit, nor what is under it"
    assert any("回避" in told for told in accused.tried)


def test_the_same_matter_gives_the_same_decision() -> None:
    about = matter(level="grid", on_duty=("EAST-TEAM-2", "EAST-TEAM"))
    assert decide(about, STREET, DESK).as_data() == decide(replace(about), DESK, STREET).as_data()
