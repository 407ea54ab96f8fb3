"""Routing over a small catalogue: who wins, who does not and why, and when a person must decide."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.routing import Matter, Rules
from app.dispatch.rows import RoutingRuleRow

UNITS = {
    "CENTRE": (1, "", True),
    "DESK": (2, "CENTRE", True),
    "WATER": (3, "", True),
    "WATER-SECTION": (4, "WATER", True),
    "ROADS": (5, "", True),
    "STREET-A": (6, "", True),
    "CLOSED": (7, "", False),
}


def organizations() -> Organizations:
    rows = [
        OrganizationRow(
            code=code,
            name=f"{code}单位",
            short_name=code,
            level="district",
            org_type="coordination_desk" if code == "DESK" else "department",
            parent_code=parent,
            area_code="320102",
            domains=[],
            duty_phone="025-55550000",
            active=active,
        )
        for code, (_, parent, active) in UNITS.items()
    ]
    return Organizations.build(rows, {code: number for code, (number, _, _) in UNITS.items()})


def rule(rule_no: str, lead_unit: str, **conditions: Any) -> RoutingRuleRow:
    return RoutingRuleRow(
        rule_no=rule_no,
        lead_unit=lead_unit,
        step=conditions.pop("step", "statutory_department"),
        basis="职责条款",
        **conditions,
    )


LEAK = {"standard_ref": "S", "kind": "matter", "code": "01001"}
MATTER = Matter(
    item_key="S/matter/01001",
    item_name="漏水",
    major_code="01",
    domain="water",
    level="district",
    areas=("320102", "320102001", "320102001001"),
    channel="hotline-12345",
)


def decide(matter: Matter, *rules: RoutingRuleRow) -> Any:
    return Rules(rules, organizations()).decide(matter)


LADDER = [
    rule("R1", "DESK", step="coordination_desk"),
    rule("R2", "ROADS", domain="water"),
    rule("R3", "WATER", major_code="01"),
    rule("R4", "ROADS", **LEAK),
    rule("R5", "WATER", **LEAK, area_code="320102001"),
    rule("R6", "STREET-A", **LEAK, area_code="320102001001"),
    rule("R7", "WATER-SECTION", **LEAK, area_code="320102001001", level="district"),
    rule("R8", "ROADS", **LEAK, area_code="320102001001", level="district", channel="hotline-12345"),
]


@pytest.mark.parametrize("rungs", range(1, len(LADDER) + 1))
def test_the_more_specific_rule_wins_at_every_rung(rungs: int) -> None:
    decision = decide(MATTER, *LADDER[:rungs])
    assert decision.rule_no == f"R{rungs}"
    assert decision.rule_no in decision.sentence


def test_conditions_that_do_not_hold_keep_a_rule_out() -> None:
    for condition in ({"level": "city"}, {"area_code": "320102002"}, {"channel": "snapshot"}, {"domain": "gas"}):
        assert decide(MATTER, LADDER[0], rule("R9", "WATER", **LEAK | condition)).unit == "DESK"


def test_alternatives_say_why_they_did_not_win() -> None:
    decision = decide(MATTER, *LADDER[:3])
    assert [(other.unit, other.rule_no) for other in decision.alternatives] == [("ROADS", "R2"), ("DESK", "R1")]
    assert all(other.why_not for other in decision.alternatives)


def test_an_accused_unit_and_what_is_under_it_is_never_asked() -> None:
    accused = replace(MATTER, accused=frozenset({3}))
    assert decide(accused, *LADDER[:3]).unit == "ROADS"
    assert decide(accused, LADDER[0], LADDER[6]).unit == "DESK"
    nobody = decide(replace(MATTER, accused=frozenset({1})), LADDER[0])
    assert (nobody.unit, nobody.triage) == (None, "no_rule")


def test_a_closed_unit_is_passed_over_and_said_so() -> None:
    decision = decide(MATTER, LADDER[0], rule("R9", "CLOSED", **LEAK))
    assert decision.unit == "DESK"
    assert any("CLOSED" in step for step in decision.tried)


def test_an_unknown_place_asks_a_person_where_the_rules_look_at_places() -> None:
    nowhere = replace(MATTER, areas=())
    decision = decide(nowhere, LADDER[0], LADDER[1], LADDER[4])
    assert (decision.unit, decision.triage) == (None, "place_unknown")
    assert decide(nowhere, LADDER[0], LADDER[3], LADDER[4]).unit == "ROADS", "a rule for the item anywhere is enough"


def test_without_any_rule_a_person_decides() -> None:
    decision = decide(MATTER)
    assert (decision.unit, decision.triage, decision.step) == (None, "no_rule", "person")


@given(st.permutations(LADDER))
def test_the_order_of_the_file_changes_nothing(rules: list[RoutingRuleRow]) -> None:
    assert decide(MATTER, *rules).as_data() == decide(MATTER, *LADDER).as_data()


def test_a_rule_that_half_names_an_item_is_refused() -> None:
    with pytest.raises(ValidationError, match="同时"):
        rule("R9", "WATER", code="01001")
