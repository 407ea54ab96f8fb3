"""Reports known only to their street: where the checker says that they wait, the router asks for the place."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings

from app.dispatch.routing import Matter
from app.masters.catalogue.check import Finding, check
from app.masters.catalogue.places import waiting
from app.masters.catalogue.rows import CityRows
from app.masters.catalogue.terrain import Terrain
from tests.unit.dispatch.city import rule
from tests.unit.masters.small_cities import (
    A1,
    A11,
    A12,
    DESK_A,
    ITEMS,
    UNITS,
    A,
    cities,
    every_matter,
    level_of,
    router_of,
    small,
)

ITEM = {"standard_ref": "S", "kind": "matter", "code": "01"}


def known_to_the_street(city: CityRows) -> Iterator[Matter]:
    items = {one.key: one for one in city.items}
    for matter in every_matter(city):
        one = items[matter.item_key or ""]
        if A11 in matter.areas and not matter.borders and matter.level == level_of(city, one, matter.urgency):
            yield replace(matter, areas=(A, A1), on_duty=())


@settings(max_examples=120, deadline=None)
@given(cities(timed=True, most=9))
def test_what_waits_is_what_the_router_asks_the_place_of(city: CityRows) -> None:
    router = router_of(city)
    asked = {matter.item_key for matter in known_to_the_street(city) if router.decide(matter).triage == "place_unknown"}
    terrain = Terrain(city)
    found = list(waiting(terrain, city.items))
    assert {each.item.key for each in found} == asked
    for each in found:
        for box in each.region:
            matter = terrain.space.matter(each.item, box)
            assert router.decide(replace(matter, areas=(A, A1))).triage == "place_unknown"


def told(city: CityRows) -> list[Finding]:
    return [each for each in check(city) if each.kind == "needs_place"]


def test_a_rule_of_a_community_makes_its_street_wait_unless_another_is_as_close() -> None:
    by_community = rule("P1", "WATER", **ITEM, area_code=A11), rule("P2", "CITY", **ITEM, area_code=A12)
    city = small(*by_community, rule("Z", "CITY"), steps=("statutory_department", "coordination_desk"))
    (finding,) = told(city)
    assert (finding.severity, finding.subject, finding.count) == ("warning", ITEMS[0].key, 1)
    assert "事项 S/matter/01 的规则分社区" in finding.sentence
    assert finding.matter is not None
    assert finding.matter.areas == (A, A1)
    assert router_of(city).decide(finding.matter).triage == "place_unknown"
    as_close = rule("P3", "WATER", **ITEM, area_code=A1)
    assert not told(replace(city, routing_rules=(*city.routing_rules, as_close)))


def test_items_of_a_domain_are_told_together() -> None:
    rules = rule("P1", "WATER", domain="water", area_code=A11), rule("Z", "CITY")
    city = replace(small(*rules, steps=("statutory_department",)), items=ITEMS)
    (finding,) = told(city)
    assert (finding.subject, finding.count) == ("water", 2)
    assert "领域 water 的规则分社区，只知道街道的来件须先由人定位：2 个事项，事项×街道 2 处" in finding.sentence


def test_what_the_night_decides_first_does_not_wait() -> None:
    rules = rule("N", "CITY", "night_duty"), rule("P1", "WATER", area_code=A11)
    first = small(*rules, steps=("night_duty", "statutory_department"))
    assert not told(first)
    assert told(small(*rules, steps=("statutory_department", "night_duty"))) == []
    desk = replace(
        small(*rules, steps=("coordination_desk", "statutory_department", "night_duty")), organizations=(*UNITS, DESK_A)
    )
    (finding,) = told(desk)
    assert finding.subject == "*"
