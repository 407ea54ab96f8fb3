"""Of a raised event nobody leads who is below the level that it was raised to, whatever names them."""

from typing import Any

import pytest

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.routing import Decision, Matter, Router, reaches
from app.dispatch.rows import DutyRow, RoutingRuleRow


def unit(code: str, level: Any, org_type: Any, area_code: str) -> OrganizationRow:
    return OrganizationRow(
        code=code, name=code, short_name="", level=level, org_type=org_type, parent_code=None, area_code=area_code
    )


ROWS = (
    unit("SECTION", "street", "section", "320102002"),
    unit("TEAM", "community", "grid_team", "320102002001"),
    unit("DEPARTMENT", "district", "department", "320102"),
    unit("DESK", "district", "coordination_desk", "320102"),
    unit("CITY", "city", "department", "320100"),
)
ORGANIZATIONS = Organizations.build(ROWS, {row.code: n for n, row in enumerate(ROWS, start=1)})


def rule(number: str, lead: str, step: Any = "territorial", **conditions: str) -> RoutingRuleRow:
    return RoutingRuleRow.model_validate(
        {"rule_no": number, "domain": "city", "lead_unit": lead, "step": step, "basis": "测试"} | conditions
    )


def decided(at_least: str, *rules: RoutingRuleRow, duties: tuple[DutyRow, ...] = (), **facts: Any) -> Decision:
    level = at_least or "street"
    areas = ("320102", "320102002", "320102002001")
    matter = Matter("S/matter/1", "", "city", level, areas, "snapshot", at_least=at_least, **facts)
    return Router(rules, ORGANIZATIONS, duties=duties).decide(matter)


SECTION = rule("R1", "SECTION", area_code="320102002")
DEPARTMENT = rule("R2", "DEPARTMENT", "statutory_department")
CITY = rule("R3", "CITY", "statutory_department")


def test_a_unit_below_makes_way_for_the_next_rule() -> None:
    assert decided("", SECTION, DEPARTMENT).unit == "SECTION"
    taken = decided("district", SECTION, DEPARTMENT)
    assert (taken.unit, taken.rule_no) == ("DEPARTMENT", "R2")
    assert [(other.unit, other.why_not) for other in taken.alternatives] == [("SECTION", "低于提级后的区级")]
    assert taken.as_data()["facts"]["at_least"] == "district"


def test_without_a_rule_of_the_level_the_desk_has_it_if_it_reaches() -> None:
    assert (decided("district", SECTION).unit, decided("district", SECTION).step) == ("DESK", "coordination_desk")
    nobody = decided("city", SECTION, DEPARTMENT)
    assert (nobody.unit, nobody.triage) == (None, "level_raised")
    assert nobody.sentence == "已提级，而提级后的层级没有适用的派单规则，转人工研判。"
    assert decided("city", SECTION, DEPARTMENT, CITY).unit == "CITY"


def test_neither_a_night_crew_nor_the_nearest_nor_a_clause_leads_below() -> None:
    night = rule("R4", "TEAM", "night_duty")
    critical = rule("R5", "SECTION", urgency="critical")
    for found in (
        decided("district", night),
        decided("district", on_duty=("TEAM",)),
        decided("district", critical, urgency="critical"),
    ):
        assert found.unit == "DESK"
    clause = DutyRow(
        clause_no="C1", domain="city", duty="assisting", department="DEPARTMENT", clause="配合", source="测试"
    )
    handed_up = decided("city", SECTION, duties=(clause,))
    assert (handed_up.unit, handed_up.triage) == (None, "level_raised")


@pytest.mark.parametrize(
    ("code", "level", "enough"),
    [("TEAM", "grid", True), ("TEAM", "street", False), ("SECTION", "street", True), ("DEPARTMENT", "city", False),
     ("CITY", "district", True), ("NOBODY", "grid", False)],
)  # fmt: skip
def test_a_community_s_unit_is_the_grid_s(code: str, level: str, enough: bool) -> None:
    assert reaches(ORGANIZATIONS, code, level) is enough
