"""What is learned from past dispatches, and how it is written as rules."""

from random import Random

import pytest

from app.dispatch.learning import Dispatches, Drafting, Key, best_weight, least_share, number_of, rules_from
from app.dispatch.unit_kinds import kinds_of
from tests.unit.dispatch.histories import (
    AREAS,
    EAST,
    RUBBISH,
    UNITS,
    WAGES,
    WEST,
    matter,
    rules_index,
    seen,
    unit_rows,
    went,
)

USABLE = set(UNITS) - {"DESK"}
ONE, TWO, THREE = f"{EAST}001", f"{EAST}002", f"{WEST}001"


def test_rules_by_channel_go_before_those_of_the_place_and_route_as_learned() -> None:
    history = [
        *went("EAST-TEAM", 9, channel="snapshot"),
        *went("CITY", 4, channel="hotline-12345"),
        *went("WEST-TEAM", 6, community=THREE),
        *went("LABOUR", 5, item=WAGES),
    ]
    drafting = Drafting(desk="DESK", weight=1.0, channels=True)
    rules = rules_index(rules_from(history, USABLE, drafting))
    learned = Dispatches(history, 1.0, channels=True)
    assert learned.unit_for(seen(channel="snapshot")) == "EAST-TEAM"
    assert learned.unit_for(seen(channel="hotline-12345")) == "CITY"
    asked = [
        *(
            seen(channel=channel, community=place)
            for channel in ("snapshot", "web", "hotline-12345")
            for place in AREAS
        ),
        *(seen(item=WAGES, community=place) for place in (ONE, THREE, "")),
    ]
    for each in asked:
        assert rules.decide(matter(each)).unit == learned.unit_for(each), each


def test_where_the_cases_contradict_each_other_the_desk_s_rule_shields_them_from_a_wider_one() -> None:
    history = [*went("EAST-TEAM", 30, community=TWO), *went("CITY", 5), *went("ONE", 5)]
    rows = rules_from(history, USABLE, Drafting(desk="DESK", weight=1.0, min_share=0.7, area_names=AREAS))
    rules = rules_index(rows)
    assert rules.decide(matter(seen(community=TWO))).unit == "EAST-TEAM"
    left = rules.decide(matter(seen(community=ONE)))
    assert (left.unit, left.step) == ("DESK", "coordination_desk")
    basis = next(row.basis for row in rows if row.area_code == ONE)
    assert "一社区“暴露垃圾”共 10 件" in basis
    assert "分歧较大" in basis


def test_the_share_that_rules_need_is_as_high_as_the_past_demands() -> None:
    random = Random(5)  # noqa: S311 - a fixed sample
    reliable = went("LABOUR", 60, item=WAGES)
    doubtful = [
        past for _ in range(120) for past in went(random.choice(["CITY", "CITY", "CITY", "EAST-TEAM"]), community=TWO)
    ]
    share = least_share([*reliable, *doubtful], 1.0, precision=0.95)
    assert 0.75 < share <= 1.0, "three in four are not enough where nineteen in twenty are asked for"
    assert least_share(reliable, 1.0, precision=0.95) == 0.5
    guessed = [past for _ in range(200) for past in went(random.choice(["CITY", "EAST-TEAM", "ONE", "FOUR"]))]
    assert least_share(guessed, 1.0, precision=0.95) > 1, "no rule may decide what is a toss-up"


def test_the_order_of_the_history_makes_no_difference() -> None:
    history = [*went("EAST-TEAM", 7), *went("CITY", 7), *went("ONE", 3, community=TWO), *went("LABOUR", 4, item=WAGES)]
    shuffled = list(history)
    Random(1).shuffle(shuffled)  # noqa: S311 - a fixed sample
    assert best_weight(history) == best_weight(shuffled)
    drafting = Drafting(desk="DESK", weight=2.0, channels=True)
    assert rules_from(history, USABLE, drafting) == rules_from(shuffled, USABLE, drafting)


def test_rule_numbers_tell_places_and_channels_apart() -> None:
    keys = [
        Key("item", RUBBISH),
        Key("item", RUBBISH, ONE),
        Key("item", RUBBISH, ONE, "snapshot"),
        Key("major", "0101"),
        Key("domain", "0101"),
    ]
    assert len({number_of(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EAST-TEAM", "WEST-TEAM", True),
        ("ONE", "FOUR", True),
        ("EAST-TEAM", "ONE", False),
        ("CITY", "LABOUR", False),
    ],
)
def test_units_that_do_the_same_in_different_places_are_of_one_kind(one: str, other: str, same: bool) -> None:
    kinds = kinds_of(unit_rows(), AREAS)
    assert (kinds[one].kind == kinds[other].kind) is same
    assert kinds["EAST-TEAM"].area_code == EAST
    assert kinds["CITY"].area_code is None
