"""The checker against the router: what it says of all matters is what the router decides about each of them."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from app.dispatch.routing import Decision, Matter, is_above
from app.dispatch.routing.matter import LOCAL
from app.masters.catalogue.check import Finding, by_kind, check
from app.masters.catalogue.rows import CityRows
from tests.unit.dispatch.city import rule
from tests.unit.masters.small_cities import (
    A1,
    A2,
    AREAS,
    DESK_A,
    DESK_B,
    GRIDS,
    ITEMS,
    TODAY,
    UNITS,
    A,
    B,
    at_least,
    cities,
    every_matter,
    is_working_day,
    places_of,
    router_of,
    small,
)


def told(city: CityRows, kind: Any) -> list[Finding]:
    return by_kind(check(city)).get(kind, [])


def agrees(city: CityRows) -> None:
    """Gaps and rules that never decide are exactly those that the router shows over the whole small universe."""
    router = router_of(city)
    unanswered, deciding = set(), set()
    for matter in every_matter(city):
        decision = router.decide(matter)
        if decision.unit is None:
            unanswered.add(matter.item_key)
        deciding.add(decision.rule_no)
    gaps = told(city, "gap")
    assert {finding.subject for finding in gaps} == unanswered
    for finding in gaps:
        assert finding.matter is not None
        assert router.decide(finding.matter).unit is None
    never = {finding.subject for finding in told(city, "never_matches")}
    dead = {row.rule_no for row in city.routing_rules} - deciding
    nets = {row.rule_no for row in city.routing_rules if row.step == "coordination_desk"}
    assert never <= dead
    assert dead - nets <= never


@settings(max_examples=60, deadline=None)
@given(cities())
def test_gaps_and_dead_rules_are_those_of_the_router(city: CityRows) -> None:
    agrees(city)


@settings(max_examples=25, deadline=None)
@given(cities(timed=True, most=4), st.sampled_from([0, 1]))
def test_hours_days_and_dates_are_told_apart_exactly(city: CityRows, n: int) -> None:
    agrees(replace(city, items=ITEMS[n : n + 1], duty_grids=()))


matters = st.builds(
    lambda one, place, level, channel, urgency, at: (one, place, level, channel, urgency, at),
    st.sampled_from(ITEMS),
    st.integers(0, 20),
    st.sampled_from(["grid", "street", "district", "city"]),
    st.sampled_from(["c1", "c2", "hotline-12345"]),
    st.sampled_from(["normal", "urgent", "critical"]),
    st.one_of(
        st.datetimes(datetime(2026, 3, 12), datetime(2030, 1, 1)),
        st.sampled_from(
            [datetime.combine(TODAY + timedelta(days=n), time(h)) for n in range(5) for h in (0, 7, 8, 18, 23)]
        ),
    ),
)


def answered(city: CityRows, by: str) -> CityRows:
    """The city with somebody for everything: desks, a department, or a department for each district."""
    if by == "desks":
        return replace(city, organizations=(*UNITS, DESK_A, DESK_B), routing_steps=())
    rest = [rule("Z", "CITY")] if by == "rule" else [rule("ZA", "WATER", area_code=A), rule("ZB", "CITY", area_code=B)]
    return replace(city, organizations=UNITS, routing_steps=(), routing_rules=(*city.routing_rules, *rest))


mostly_sound = st.builds(answered, cities(timed=True, most=9), st.sampled_from(["desks", "rule", "rules"]))


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(cities(timed=True, most=9), mostly_sound),
    st.lists(matters, min_size=4, max_size=12),
    st.randoms(use_true_random=False),
)
def test_what_passes_gives_everything_to_somebody_and_always_the_same(
    city: CityRows, drawn: list[Any], shuffler: Any
) -> None:
    passes = not told(city, "gap")
    event(f"passes: {passes}")
    router, places = router_of(city), places_of(city)
    shuffled = router_of(
        replace(
            city,
            routing_rules=tuple(shuffler.sample(city.routing_rules, len(city.routing_rules))),
            duty_list=tuple(shuffler.sample(city.duty_list, len(city.duty_list))),
            routing_steps=tuple(shuffler.sample(city.routing_steps, len(city.routing_steps))),
        )
    )
    for one, place, level, channel, urgency, at in drawn:
        areas, borders, on_duty = places[place % len(places)]
        level = one.default_level if is_above(one.default_level, level) else level
        matter = Matter(
            item_key=one.key,
            major_code=one.major_code,
            domain=one.domain,
            level=level,
            at_least=at_least(city, one, level, urgency),
            areas=areas,
            channel=channel,
            urgency=urgency,
            at=at.replace(tzinfo=LOCAL),
            workday=is_working_day(at.date()),
            borders=borders,
            on_duty=on_duty,
        )
        first: Decision = router.decide(matter)
        assert router.decide(matter).as_data() == first.as_data()
        assert shuffled.decide(matter).as_data() == first.as_data()
        assert first.unit is not None or not passes


@settings(max_examples=60, deadline=None)
@given(cities(timed=True))
@example(CityRows(items=ITEMS, areas=AREAS, organizations=UNITS, today=TODAY))
def test_each_finding_holds_for_the_matter_it_shows(city: CityRows) -> None:
    router = router_of(city)
    leads = {row.rule_no: row.lead_unit for row in city.routing_rules}
    for finding in check(city):
        if finding.matter is None:
            continue
        decision = router.decide(finding.matter)
        if finding.kind == "gap":
            assert decision.unit is None
        elif finding.kind == "only_desk":
            assert decision.step in ("coordination_desk", "emergency_handover")
        elif finding.kind == "street_duty":
            assert decision.unit != leads[finding.subject] or decision.rule_no != finding.subject


def test_units_on_duty_close_a_gap_of_the_grid_level_and_go_before_later_rules() -> None:
    above = [rule(f"R{level}", "CITY", level=level) for level in ("street", "district", "city")]
    elsewhere = [rule("RA2", "CITY", area_code=A2), rule("RB", "CITY", area_code=B)]
    behind = rule("N", "CITY", "night_duty", level="grid", area_code=A1)
    city = small(
        *above, *elsewhere, behind, steps=("statutory_department", "nearest_on_duty", "night_duty"), grids=GRIDS
    )
    agrees(city)
    assert [(each.kind, each.subject) for each in check(city)] == [("never_matches", "N")]
    agrees(replace(city, duty_grids=()))
    assert not told(replace(city, duty_grids=()), "never_matches")


def test_a_border_raises_what_streets_may_not_lead() -> None:
    rules = (rule("R0", "ROVERS"), rule("R1", "WATER", level="district"), rule("R2", "CITY", level="city"))
    city = small(*rules, steps=("level", "statutory_department"))
    agrees(city)
    assert not told(city, "gap")
    assert told(replace(city, routing_rules=rules[:2]), "gap")


def test_the_night_is_heard_where_the_catalogue_passes_it_by() -> None:
    rules = (rule("N", "CITY", "night_duty"), rule("R0", "WATER"), rule("R1", "WATER", "territorial", domain="water"))
    late = small(*rules[:2], steps=("statutory_department", "night_duty", "territorial"))
    agrees(late)
    assert [each.subject for each in told(late, "never_matches")] == ["N"]
    passed = replace(late, routing_rules=rules)
    agrees(passed)
    assert [each.subject for each in told(passed, "never_matches")] == ["R0", "R1"]
