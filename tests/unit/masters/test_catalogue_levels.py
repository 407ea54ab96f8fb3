"""Levels that the city raises by urgency: whoever leads must be of them, or the checker says that nobody does."""

from dataclasses import replace

import pytest

from app.dispatch.routing import is_above
from app.masters.catalogue.check import blocking, check
from app.masters.catalogue.rows import CityRows
from app.masters.consistency import Proposal, city_of
from app.masters.policies import PolicyRow
from tests.unit.dispatch.city import rule
from tests.unit.masters.small_cities import DESK_A, DESK_B, ITEMS, UNITS, every_matter, level_of, router_of, small

STEPS = ("emergency_handover", "statutory_department", "coordination_desk")


def unanswered(city: CityRows) -> set[tuple[str | None, str, str]]:
    router = router_of(city)
    return {
        (matter.item_key, matter.level, matter.urgency)
        for matter in every_matter(city)
        if router.decide(matter).unit is None
    }


@pytest.mark.parametrize("least", ["", "street", "district", "city"])
@pytest.mark.parametrize("lead", ["A1", "WATER", "CITY"])
def test_who_is_too_low_for_what_is_raised_leaves_a_gap(least: str, lead: str) -> None:
    city = replace(small(rule("R", lead), steps=("statutory_department",)), least_levels={"critical": least})
    too_low = least and is_above(least, {"A1": "street", "WATER": "district", "CITY": "city"}[lead])
    found = [(each.kind, each.matter) for each in blocking(city) if each.kind == "gap"]
    assert unanswered(city) == ({(ITEMS[0].key, least, "critical")} if too_low else set())
    assert [kind for kind, _ in found] == ["gap"] * bool(too_low)
    for _, matter in found:
        assert matter is not None
        assert (matter.level, matter.urgency, matter.at_least) == (least, "critical", least)
        assert router_of(city).decide(matter).triage == "level_raised"


def test_a_desk_of_the_district_does_not_lead_what_is_raised_to_the_city() -> None:
    city = replace(small(steps=STEPS), organizations=(*UNITS, DESK_A, DESK_B), least_levels={"critical": "district"})
    assert not blocking(city)
    city = replace(city, least_levels={"critical": "city"})
    (gap,) = blocking(city)
    assert "所有区划，市级，特急" in gap.sentence
    assert not blocking(replace(city, routing_rules=(rule("R", "CITY", urgency="critical"),)))


def test_a_rule_for_what_is_raised_decides_only_if_its_unit_is_of_that_level() -> None:
    rules = rule("R1", "WATER", level="city", domain="water"), rule("R2", "CITY")
    city = small(*rules, steps=("statutory_department",))
    raised = replace(city, least_levels={"normal": "city", "urgent": "city", "critical": "city"})
    assert not [each.subject for each in check(city) if each.kind == "never_matches"]
    assert [each.subject for each in check(raised) if each.kind == "never_matches"] == ["R1"]


def test_levels_are_those_of_the_policies() -> None:
    policies = (PolicyRow(key="least_level.critical", value="city"),)
    city = city_of(Proposal(items=ITEMS, policies=policies))
    assert level_of(city, ITEMS[0], "critical") == "city"
    assert level_of(city, ITEMS[0], "urgent") == "grid"
