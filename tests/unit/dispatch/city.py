"""A city small enough to see: one district, two streets, a handful of units; and matters in it."""

from typing import Any

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.routing import Decision, Matter, Router, steps_in_order
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow

DISTRICT, EAST, WEST = "320102", "320102001", "320102002"
COMMUNITY = "320102001001"
ABROAD = "320104001"
LEAK = {"standard_ref": "S", "kind": "matter", "code": "01001"}
PIPE = "32010201001000001"

#: code → type, level, parent, area
_UNITS: dict[str, tuple[str, str, str | None, str]] = {
    "DESK": ("coordination_desk", "district", None, DISTRICT),
    "CITY-WATER": ("department", "city", None, "320100"),
    "WATER": ("department", "district", None, DISTRICT),
    "WATER-CREW": ("contractor", "district", "WATER", DISTRICT),
    "ROADS": ("department", "district", None, DISTRICT),
    "EAST": ("street_office", "street", None, EAST),
    "EAST-SECTION": ("section", "street", "EAST", EAST),
    "EAST-TEAM": ("grid_team", "community", "EAST", EAST),
    "EAST-TEAM-2": ("grid_team", "community", "EAST", EAST),
    "WEST": ("street_office", "street", None, WEST),
    "CLOSED": ("department", "district", None, DISTRICT),
}
IDS = {code: n for n, code in enumerate(_UNITS, start=1)}


def organizations() -> Organizations:
    rows = [
        OrganizationRow.model_validate(
            {
                "code": code,
                "name": f"{code}单位",
                "org_type": org_type,
                "level": level,
                "parent_code": parent,
                "area_code": area,
                "active": code != "CLOSED",
            }
        )
        for code, (org_type, level, parent, area) in _UNITS.items()
    ]
    return Organizations.build(rows, IDS)


def rule(rule_no: str, lead_unit: str, step: str = "statutory_department", **conditions: Any) -> RoutingRuleRow:
    row = {"rule_no": rule_no, "lead_unit": lead_unit, "step": step, "basis": "职责条款"}
    return RoutingRuleRow.model_validate(row | conditions)


def clause(clause_no: str, duty: str, department: str = "", **what: Any) -> DutyRow:
    row = {"clause_no": clause_no, "duty": duty, "department": department, "clause": "条款", "source": "试验"}
    return DutyRow.model_validate(row | (what or LEAK))


def component(**units: str) -> ComponentRow:
    return ComponentRow.model_validate({"component_id": PIPE, "standard_ref": "S", "code": "01001"} | units)


def order(*steps: str) -> tuple[RoutingStepRow, ...]:
    return tuple(RoutingStepRow.model_validate({"step": step, "position": n}) for n, step in enumerate(steps, start=1))


def matter(**members: Any) -> Matter:
    facts: dict[str, Any] = {
        "item_key": "S/matter/01001",
        "item_name": "漏水",
        "major_code": "01",
        "domain": "water",
        "level": "street",
        "areas": (DISTRICT, EAST, COMMUNITY),
        "channel": "hotline-12345",
    }
    return Matter(**facts | members)


def decide(about: Matter, *rules: RoutingRuleRow, steps: Any = (), **masters: Any) -> Decision:
    return Router(rules, organizations(), steps=steps_in_order(steps), **masters).decide(about)


def helpers(decision: Decision) -> list[str | None]:
    """Codes of the supporting units."""
    return [organizations().code_of(unit) for unit in decision.supporting_ids]


def outcomes(decision: Decision) -> dict[str, str]:
    """Each principle that was asked, and its outcome."""
    return {each.step: each.outcome for each in decision.steps}
