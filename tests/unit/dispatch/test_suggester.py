"""The list of units for the dispatcher: what stands first, how sure it is, and what it must not depend on."""

from dataclasses import replace
from random import Random

from app.dispatch.learning import PastDecision
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.suggester import Suggester, advise
from app.dispatch.unit_kinds import kinds_of
from tests.unit.dispatch.histories import AREAS, EAST, WAGES, WEST, matter, rules_index, seen, unit_rows, went

KINDS = kinds_of(unit_rows(), AREAS)
ONE, TWO, THREE, FOUR = f"{EAST}001", f"{EAST}002", f"{WEST}001", f"{WEST}002"


def history() -> list[PastDecision]:
    """Rubbish mostly goes to the street's team, seldom to the department; wages always to one department."""
    random = Random(2)  # noqa: S311 - a fixed sample
    past = []
    for day in range(150):
        place = random.choice([ONE, TWO, THREE])
        team = "EAST-TEAM" if place.startswith(EAST) else "WEST-TEAM"
        past += went(team if random.random() < 0.8 else "CITY", community=place, day=day)
        past += went("LABOUR", item=WAGES, community=place, day=day)
    return past


PAST = history()
LEARNED = Suggester.fit(PAST, KINDS)


def test_the_place_s_own_unit_stands_first_and_the_next_likely_one_second() -> None:
    ranked = LEARNED.rank(seen(community=TWO, day=160), 3)
    assert [each.unit for each in ranked[:2]] == ["EAST-TEAM", "CITY"]
    assert 0.65 < ranked[0].probability < 0.95
    assert LEARNED.rank(seen(item=WAGES, day=160))[0].unit == "LABOUR"
    assert LEARNED.rank(seen(item=WAGES, day=160))[0].probability > 0.9


def test_what_one_street_does_is_expected_of_the_same_unit_in_another() -> None:
    past = [
        *went("EAST-TEAM", 60, community=ONE),
        *went("WEST-TEAM", 6, item=WAGES, community=THREE),
        *went("LABOUR", 6, item=WAGES, community=ONE),
    ]
    assert Suggester.fit(past, KINDS).rank(seen(community=FOUR))[0].unit == "WEST-TEAM"
    assert Suggester.fit(past, {}).rank(seen(community=FOUR))[0].unit == "EAST-TEAM", "without kinds nobody could know"


def test_probabilities_are_shares_and_in_order() -> None:
    for known in (seen(), seen(community=""), seen(item="GB/T 1/matter/0999", community="320102009001")):
        ranked = LEARNED.rank(known)
        shares = [each.probability for each in ranked]
        assert shares == sorted(shares, reverse=True)
        assert all(share >= 0 for share in shares)
        assert sum(shares) <= 1 + 1e-9
        assert len({each.unit for each in ranked}) == len(ranked)


def test_the_mixture_is_about_as_sure_as_it_is_right() -> None:
    fresh = history()  # the same sample with new numbers: the share of 0.8 is what can be known about it
    rubbish = [past for past in fresh if past.unit != "LABOUR"]
    ranked = [LEARNED.rank(past.seen)[0] for past in rubbish]
    right = sum(each.unit == past.unit for each, past in zip(ranked, rubbish, strict=True)) / len(rubbish)
    assert abs(sum(each.probability for each in ranked) / len(ranked) - right) < 0.1


def test_the_same_history_gives_the_same_answers() -> None:
    again = Suggester.fit(list(PAST), KINDS)
    assert again.weights == LEARNED.weights
    assert again.rank(seen(community=TWO)) == LEARNED.rank(seen(community=TWO))
    assert all(weight >= 0 for weight in LEARNED.weights)


def test_an_empty_history_suggests_nothing_and_a_tiny_one_what_it_has() -> None:
    assert Suggester.fit([], KINDS).rank(seen()) == ()
    assert Suggester.fit([replace(past, unit=None) for past in PAST], KINDS).rank(seen()) == ()
    assert [each.unit for each in Suggester.fit(went("CITY"), KINDS).rank(seen())] == ["CITY"]


def test_a_rule_goes_first_and_the_desk_is_a_person() -> None:
    ranked = LEARNED.rank(seen(community=TWO))
    row = {"rule_no": "R1", "lead_unit": "CITY", "step": "statutory_department", "basis": "职责规定"}
    decided = advise(rules_index([RoutingRuleRow.model_validate(row)]).decide(matter(seen(community=TWO))), ranked)
    assert (decided.decided, decided.ranked[0].unit) == (True, "CITY")
    assert decided.confidence == next(each.probability for each in ranked if each.unit == "CITY")
    assert [each.unit for each in decided.ranked[1:]] == [each.unit for each in ranked if each.unit != "CITY"]
    desk = RoutingRuleRow.model_validate(row | {"lead_unit": "DESK", "step": "coordination_desk"})
    for rows in ([], [desk]):
        left = advise(rules_index(rows).decide(matter(seen(community=TWO))), ranked)
        assert (left.decided, left.ranked) == (False, ranked)
    assert advise(rules_index([]).decide(matter(seen())), ()).confidence == 0
