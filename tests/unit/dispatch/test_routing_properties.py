"""Whatever catalogue passes the checks: all is somebody's, streets keep to their duties, order changes nothing."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from app.dispatch.routing import Matter, Router, steps_in_order
from app.dispatch.rows import STEP_NAMES, DutyRow, RoutingRuleRow, RoutingStepRow
from app.grid.rows import AreaRow
from app.items.rows import ItemRow
from app.masters.consistency import Proposal, faults
from tests.unit.dispatch.city import COMMUNITY, DISTRICT, EAST, IDS, WEST, order, organizations

ORGANIZATIONS = organizations()
AREAS = (
    AreaRow(code="320100", name="市", level="city"),
    AreaRow(code=DISTRICT, name="区", level="district", parent_code="320100"),
    AreaRow(code=EAST, name="东街道", level="street", parent_code=DISTRICT),
    AreaRow(code=WEST, name="西街道", level="street", parent_code=DISTRICT),
    AreaRow(code=COMMUNITY, name="社区", level="community", parent_code=EAST),
)
ITEMS = tuple(
    ItemRow.model_validate(
        {
            "standard_ref": "S",
            "kind": "matter",
            "code": code,
            "name": code,
            "major_code": major,
            "domain": domain,
            "default_level": level,
            "closure_profile": "both",
        }
    )
    for code, major, domain, level in (
        ("01001", "01", "water", "street"),
        ("01002", "01", "water", "district"),
        ("02001", "02", "water", "grid"),
        ("03001", "03", "noise", "grid"),
    )
)
GRASSROOTS = {"EAST", "EAST-SECTION", "EAST-TEAM", "EAST-TEAM-2", "WEST"}

what = st.one_of(
    st.sampled_from([{"standard_ref": "S", "kind": "matter", "code": item.code} for item in ITEMS]),
    st.sampled_from([{"major_code": "01"}, {"major_code": "03"}, {"domain": "water"}, {"domain": "noise"}]),
)


@st.composite
def rules(draw: st.DrawFn, sound: bool = False) -> list[RoutingRuleRow]:
    """``sound``: without what the checks would refuse most often, so that enough pass."""
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "what": st.one_of(what, st.just({})),
                    "area_code": st.sampled_from(["", "", DISTRICT, EAST, WEST, COMMUNITY]),
                    "level": st.sampled_from(["", "", "grid", "street", "district", "city"]),
                    "urgency": st.sampled_from(["", "", "critical"]),
                    "lead_unit": st.sampled_from(sorted(set(IDS) - {"DESK"} - ({"CLOSED"} if sound else set()))),
                    "supporting_units": st.lists(st.sampled_from(sorted(IDS)), max_size=2, unique=True),
                    "step": st.sampled_from(["statutory_department", "territorial", "night_duty"]),
                }
            ),
            max_size=12,
        )
    )
    found: list[RoutingRuleRow] = []
    for n, row in enumerate(rows):
        members: dict[str, Any] = dict(row)
        named = members.pop("what")
        if sound:
            members["supporting_units"] = sorted({*members["supporting_units"]} - {"CLOSED", members["lead_unit"]})
        found.append(RoutingRuleRow.model_validate(members | named | {"rule_no": f"R{n}", "basis": "职责"}))
    return found


@st.composite
def duties(draw: st.DrawFn, sound: bool = False) -> list[DutyRow]:
    rows = draw(
        st.lists(
            st.tuples(
                what,
                st.sampled_from(["", EAST, WEST]),
                st.sampled_from(["basic", "basic", "assisting", "taken_back"]),
                st.sampled_from(["WATER", "ROADS", "CITY-WATER", *(() if sound else ("EAST", "CLOSED"))]),
            ),
            max_size=6,
            unique_by=(lambda row: (str(row[0]), row[1])) if sound else None,
        )
    )
    return [
        DutyRow.model_validate(
            {
                **named,
                "clause_no": f"C{n}",
                "area_code": area,
                "duty": duty,
                "department": "" if duty == "basic" else department,
                "clause": "条款",
                "source": "试验",
            }
        )
        for n, (named, area, duty, department) in enumerate(rows)
    ]


steps = st.one_of(
    st.just(()),
    st.permutations(STEP_NAMES).flatmap(
        lambda names: st.integers(1, len(names)).map(lambda n: order(*dict.fromkeys([*names[:n], "coordination_desk"])))
    ),
)

matters = st.builds(
    lambda item, areas, urgency, borders, on_duty, first: Matter(
        item_key=item.key,
        major_code=item.major_code,
        domain=item.domain,
        level=item.default_level,
        areas=areas,
        channel="snapshot",
        urgency=urgency,
        borders=borders,
        on_duty=on_duty,
        first_receiver=first,
    ),
    st.sampled_from(ITEMS),
    st.sampled_from([(DISTRICT, EAST, COMMUNITY), (DISTRICT, WEST, f"{WEST}001"), (DISTRICT, EAST), (DISTRICT,)]),
    st.sampled_from(["normal", "critical"]),
    st.sampled_from([(), (WEST,), ("320104001",)]),
    st.sampled_from([(), ("EAST-TEAM",)]),
    st.sampled_from([None, IDS["EAST"], IDS["ROADS"]]),
)


def router(rows: list[RoutingRuleRow], clauses: list[DutyRow], order_of: tuple[RoutingStepRow, ...]) -> Router:
    return Router(rows, ORGANIZATIONS, duties=clauses, steps=steps_in_order(order_of))


@given(rules(sound=True), duties(sound=True), steps, st.lists(matters, min_size=1, max_size=6))
def test_whatever_passes_the_checks_routes_everything_to_somebody(
    rows: list[RoutingRuleRow], clauses: list[DutyRow], order_of: tuple[RoutingStepRow, ...], about: list[Matter]
) -> None:
    proposal = Proposal(
        items=ITEMS,
        areas=AREAS,
        organizations=ORGANIZATIONS.rows,
        routing_rules=tuple(rows),
        duty_list=tuple(clauses),
        routing_steps=order_of or None,
        channels=frozenset({"snapshot"}),
    )
    assume(not faults(proposal, ("routing-rules", "duty-list", "routing-steps", "organizations", "items", "areas")))
    routing = router(rows, clauses, order_of)
    for matter in about:
        decision = routing.decide(matter)
        if decision.unit is None:
            assert decision.triage == "place_unknown"
            assert len(matter.areas) < 3, "with a known place the desk is the last resort, never nobody"
        else:
            assert ORGANIZATIONS.by_code(decision.unit)
            assert decision.unit_id == IDS[decision.unit]
        assert decision.sentence
        assert decision.steps


@given(rules(), duties(), steps, matters)
def test_a_street_never_leads_what_is_not_its_basic_duty(
    rows: list[RoutingRuleRow], clauses: list[DutyRow], order_of: tuple[RoutingStepRow, ...], about: Matter
) -> None:
    decision = router(rows, clauses, order_of).decide(about)
    if clauses and decision.unit in GRASSROOTS:
        clause = next(row for row in clauses if row.clause_no == decision.clause_no)
        assert clause.duty == "basic"
        street = ORGANIZATIONS.by_code(decision.unit)
        assert street is not None
        assert clause.area_code in ("", street.area_code[:9])
        assert clause.item_key in ("", about.item_key)
        assert clause.major_code in ("", about.major_code)
        assert clause.domain in ("", about.domain)


@given(st.data(), rules(), duties(), steps, matters)
def test_the_order_of_the_files_changes_nothing(
    data: st.DataObject,
    rows: list[RoutingRuleRow],
    clauses: list[DutyRow],
    order_of: tuple[RoutingStepRow, ...],
    about: Matter,
) -> None:
    shuffled = router(
        data.draw(st.permutations(rows)),
        data.draw(st.permutations(clauses)),
        tuple(data.draw(st.permutations(order_of))),
    )
    assert shuffled.decide(about).as_data() == router(rows, clauses, order_of).decide(about).as_data()
