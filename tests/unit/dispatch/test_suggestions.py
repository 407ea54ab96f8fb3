"""Suggestions: made on evidence, told in words, and never a change by themselves."""

from collections.abc import Sequence
from random import Random

import pytest

from app.dispatch.learning import PastDecision
from app.dispatch.routing import Decision
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.suggestions import Bar, Decider, Names, Suggestion, certain_share, suggestions
from tests.unit.dispatch.histories import AREAS, EAST, RUBBISH, UNITS, WAGES, WEST, matter, rules_index, went

ONE, TWO, THREE = f"{EAST}001", f"{EAST}002", f"{WEST}001"
USABLE = {code: unit[2] for code, unit in UNITS.items() if code != "DESK"}
NAMES = Names({code: unit[0] for code, unit in UNITS.items()}, AREAS)


def rule(rule_no: str, lead_unit: str, item: str = RUBBISH, **fields: object) -> RoutingRuleRow:
    standard_ref, kind, code = item.rsplit("/", 2)
    named = {"standard_ref": standard_ref, "kind": kind, "code": code, "step": "statutory_department"}
    return RoutingRuleRow.model_validate(
        {"rule_no": rule_no, "lead_unit": lead_unit, "basis": "职责规定", **named, **fields}
    )


def decider_of(rules: Sequence[RoutingRuleRow]) -> Decider:
    router = rules_index(rules)

    def decide(past: PastDecision) -> Decision:
        return router.decide(matter(past.seen))

    return decide


def found_in(
    history: Sequence[PastDecision], rules: Sequence[RoutingRuleRow] = (), bar: Bar | None = None
) -> list[Suggestion]:
    return suggestions(history, rules, decider_of, usable=USABLE, names=NAMES, bar=bar or Bar())


def test_a_wrong_rule_is_found_with_its_evidence_in_words() -> None:
    history = [*went("EAST-TEAM", 129), *went("CITY", 11)]
    [found] = found_in(history, [rule("R12", "CITY")], Bar(gain=5))
    assert (found.unit, found.support, found.cases) == ("EAST-TEAM", 129, 140)
    assert found.confidence == pytest.approx(129 / 140)
    assert found.certain_share < found.confidence
    assert (found.catalogue_unit, found.catalogue_rule, found.catalogue_right) == ("CITY", "R12", 11)
    assert found.right_with_it == 129
    assert "共 140 件，其中 129 件（92%）由东门街道综合执法队承办" in found.sentence
    assert "派单目录现在派给城管局（规则 R12，140 件如此）" in found.sentence
    numbers = {past.ref: past.unit for past in history}
    assert {numbers[ref] for ref in found.examples} == {"EAST-TEAM"}
    assert {numbers[ref] for ref in found.counter_examples} == {"CITY"}


def test_the_same_conditions_replace_the_rule_and_keep_who_helps() -> None:
    history = [*went("LABOUR", 20), *went("LABOUR", 20, community=THREE)]
    [found] = found_in(history, [rule("R12", "CITY", supporting_units="ONE|LABOUR")])
    assert found.replaces == found.row.rule_no == "R12"
    assert found.row.supporting_units == ("ONE",)
    assert found.row.lead_unit == "LABOUR"
    assert "职责依据待核" in found.row.basis, "a statistic is no duty clause"


def test_a_gap_is_found_and_the_widest_rule_that_does_it_is_enough() -> None:
    [found] = found_in(
        [past for place in (ONE, TWO, THREE) for past in went("LABOUR", 20, item=WAGES, community=place)]
    )
    assert (found.row.area_code, found.row.item_key, found.replaces) == ("", WAGES, None)
    assert "现在交人决定（60 件如此）" in found.sentence
    assert found.row.rule_no == found.number


def test_a_major_class_gets_a_rule_when_several_of_its_items_speak_for_it() -> None:
    items = [WAGES, f"{WAGES[:-2]}99"]
    places = (ONE, THREE)
    history = [past for item in items for place in places for past in went("LABOUR", 20, item=item, community=place)]
    [found] = found_in(history)
    assert (found.row.major_code, found.row.code, found.cases) == ("02", "", 80)


def test_one_place_says_nothing_about_the_others() -> None:
    [found] = found_in(went("CITY", 40, community=ONE))
    assert found.row.area_code == ONE


def test_a_unit_of_a_street_is_never_named_beyond_it() -> None:
    history = [*went("EAST-TEAM", 20, community=ONE), *went("EAST-TEAM", 20, community=TWO)]
    assert [each.row.area_code for each in found_in(history)] == [EAST]
    assert found_in(went("EAST-TEAM", 40, community=THREE)) == []


def test_places_that_differ_get_rules_of_their_own() -> None:
    history = [*went("EAST-TEAM", 30, community=ONE), *went("WEST-TEAM", 30, community=THREE)]
    found = found_in(history)
    assert {(each.row.area_code, each.unit) for each in found} == {(ONE, "EAST-TEAM"), (THREE, "WEST-TEAM")}
    assert all(each.row.step == "territorial" for each in found)


def test_an_exception_is_suggested_beside_the_wider_rule() -> None:
    history = [*went("CITY", 150, community=THREE), *went("CITY", 50, community=TWO), *went("ONE", 25, community=ONE)]
    found = found_in(history)
    assert {(each.row.area_code, each.unit) for each in found} == {("", "CITY"), (ONE, "ONE")}


def test_what_the_catalogue_says_already_is_not_suggested() -> None:
    assert found_in(went("CITY", 50), [rule("R1", "CITY")]) == []


def test_what_an_existing_special_rule_would_go_on_overruling_is_not_suggested_for_everywhere() -> None:
    special = rule("R2", "CITY", area_code=ONE, step="territorial")
    [found] = found_in(went("EAST-TEAM", 30, community=ONE), [special])
    assert (found.replaces, found.row.area_code) == ("R2", ONE)


def test_what_rules_decided_is_no_evidence_against_today_s_catalogue() -> None:
    by_the_old_rule = went("EAST-TEAM", 60, by_person=False)
    assert found_in(by_the_old_rule, [rule("R1", "CITY")]) == [], "the rule was changed on purpose"
    stood = went("CITY", 60, by_person=False)
    moved = went("EAST-TEAM", 20)
    assert found_in([*stood, *moved], [rule("R1", "CITY")]) == [], "most of what the rule decided stood"
    assert [each.unit for each in found_in(moved, [rule("R1", "CITY")])] == ["EAST-TEAM"]


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (went("EAST-TEAM", 9), "too few"),
        ([*went("EAST-TEAM", 15), *went("ONE", 7)], "too divided"),
        (went("ONE", 40, community=TWO), "not its community"),
        (went("GONE", 40), "not in force any more"),
        (went("DESK", 40), "people, not a unit"),
        (went(None, 40), "nobody was named"),
    ],
)
def test_thin_evidence_suggests_nothing(history: list[PastDecision], why: str) -> None:
    assert found_in(history) == [], why


def test_nothing_is_ever_changed_and_the_order_makes_no_difference() -> None:
    rules = [rule("R1", "CITY"), rule("R2", "LABOUR", WAGES)]
    history = [*went("EAST-TEAM", 30), *went("WEST-TEAM", 30, community=THREE), *went("CITY", 20, item=WAGES)]
    before = [row.model_dump() for row in rules]
    first = found_in(history, rules)
    shuffled = list(history)
    Random(4).shuffle(shuffled)  # noqa: S311 - a fixed sample
    assert found_in(shuffled, rules) == first
    assert [row.model_dump() for row in rules] == before
    assert decider_of(rules)(history[0]).unit == "CITY", "found is not yet in force"
    assert len({each.number for each in first}) == len(first) == 3


def test_accepted_suggestions_give_what_they_promised_and_are_not_made_again() -> None:
    rules = [rule("R1", "CITY")]
    history = [*went("EAST-TEAM", 30), *went("CITY", 3), *went("LABOUR", 30, item=WAGES)]
    found = found_in(history, rules)
    drafted = {row.key: row for row in rules} | {each.row.key: each.row for each in found}
    decide = decider_of(list(drafted.values()))
    for each in found:
        cases = [past for past in history if past.seen.item_key == (RUBBISH if each.unit == "EAST-TEAM" else WAGES)]
        assert sum(decide(past).unit == past.unit for past in cases) == each.right_with_it
    assert found_in(history, list(drafted.values())) == []


def test_the_number_stands_for_condition_and_unit_alone() -> None:
    [before] = found_in(went("EAST-TEAM", 30))
    [after] = found_in(went("EAST-TEAM", 50))
    assert before.number == after.number
    assert before.number != found_in(went("CITY", 30))[0].number


def test_certainty_grows_with_the_cases() -> None:
    assert certain_share(0, 0) == 0
    assert certain_share(9, 10) < certain_share(90, 100) < certain_share(900, 1000) < 0.9
