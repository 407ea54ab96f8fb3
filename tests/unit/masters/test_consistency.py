from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.accounts.rows import OrganizationRow
from app.clocks.rows import CalendarRow
from app.dispatch.rows import RoutingRuleRow
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import FilingStandardRow, ItemRow
from app.masters.consistency import MAX_TOLD, Proposal, faults, kinds_looked_at
from app.masters.kinds import RELEASED_KINDS
from app.masters.policies import PolicyRow


def unit(code: str, org_type: str = "department", **members: Any) -> OrganizationRow:
    row = {"code": code, "name": code, "level": "district", "org_type": org_type, "area_code": "320102"}
    return OrganizationRow.model_validate(row | members)


def rule(number: str, **members: Any) -> RoutingRuleRow:
    row = {"rule_no": number, "lead_unit": "BUREAU", "step": "statutory_department", "basis": "职责清单"}
    return RoutingRuleRow.model_validate(row | members)


def cell(number: int, west: float) -> CellRow:
    ring = ((west, 32.0), (west + 0.001, 32.0), (west + 0.001, 32.001), (west, 32.001), (west, 32.0))
    return CellRow(cell_id=f"320102002001{number:03}", community_code="320102002001", polygon=(ring,))


CITY = Proposal(
    items=(
        ItemRow(
            standard_ref="S",
            kind="matter",
            code="01",
            name="路灯异常",
            major_code="1",
            domain="lighting",
            default_level="district",
            closure_profile="both",
        ),
    ),
    filing_standards=(FilingStandardRow(standard_ref="S", kind="matter", code="01", row_no=1, limit="1 work_day"),),
    areas=(
        AreaRow(code="320102", name="玄武区", level="district"),
        AreaRow(code="320102002", name="梅园新村街道", level="street", parent_code="320102"),
        AreaRow(code="320102002001", name="梅园新村社区", level="community", parent_code="320102002"),
    ),
    cells=(cell(1, 118.790), cell(2, 118.791)),
    duty_grids=(
        DutyGridRow(code="DG", name="一号网格", org_code="TEAM", cells=("320102002001*",), people=("worker",)),
    ),
    organizations=(
        unit("BUREAU"),
        unit("TEAM", "grid_team", parent_code="BUREAU"),
        unit("CLOSED", active=False),
        unit("DESK", "coordination_desk"),
    ),
    routing_rules=(
        rule("R1", standard_ref="S", kind="matter", code="01", area_code="320102002", supporting_units="TEAM"),
        rule("R2", lead_unit="DESK", step="coordination_desk"),
    ),
    calendar=(
        CalendarRow(calendar_code="cn", row_type="hours", hours=("08:00-12:00",)),
        CalendarRow(calendar_code="cn", row_type="year", first_on=date(2026, 1, 1), last_on=date(2026, 12, 31)),
    ),
    policies=(PolicyRow(key="calendar", value="cn"),),
    usernames=frozenset({"worker"}),
    channels=frozenset({"snapshot"}),
    today=date(2026, 11, 22),
)
KIND_OF = {kind.replace("-", "_"): kind for kind in RELEASED_KINDS}


def told(proposal: Proposal, *publishing: str) -> str:
    return "\n".join(fault["message"] for fault in faults(proposal, publishing or RELEASED_KINDS))


def test_a_sound_city_has_no_faults() -> None:
    assert faults(CITY, RELEASED_KINDS) == []


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ({"items": (), "routing_rules": ()}, "S/matter/01 不在事项清单中"),
        ({"cells": (cell(1, 118.790), cell(2, 118.7905))}, "重叠约"),
        ({"cells": (cell(1, 118.790),), "areas": CITY.areas and CITY.areas[:2]}, "社区 320102002001 不存在"),
        ({"areas": CITY.areas and CITY.areas[1:]}, "上级 320102 不存在"),
        ({"organizations": (unit("BUREAU"), unit("TEAM"))}, "没有在用的协调席"),
        ({"organizations": (unit("DESK", "coordination_desk", active=False),)}, "没有在用的协调席"),
        ({"organizations": (unit("BUREAU", parent_code="GONE"),)}, "上级 GONE 不存在"),
        ({"organizations": (unit("BUREAU", area_code="320104"),)}, "服务的区划 320104 不存在"),
        ({"duty_grids": (DutyGridRow(code="DG", name="n", org_code="GONE"),)}, "单位 GONE 不存在"),
        ({"duty_grids": (DutyGridRow(code="DG", name="n", org_code="CLOSED"),)}, "单位 CLOSED 已停用"),
        ({"duty_grids": (DutyGridRow(code="DG", name="n", org_code="TEAM"),)}, "不属于任何责任网格"),
        ({"usernames": frozenset()}, "人员 worker 没有账号"),
        ({"routing_rules": (rule("R1", lead_unit="GONE"),)}, "承办单位 GONE 不存在"),
        ({"routing_rules": (rule("R1", lead_unit="CLOSED"),)}, "承办单位 CLOSED 已停用"),
        ({"routing_rules": (rule("R1", supporting_units="GONE"),)}, "协办单位 GONE 不存在"),
        ({"routing_rules": (rule("R1", supporting_units="BUREAU"),)}, "同时是承办单位"),
        ({"routing_rules": (rule("R1", step="coordination_desk"),)}, "BUREAU 不是协调席"),
        ({"routing_rules": (rule("R1", area_code="320104"),)}, "区划 320104 不存在"),
        ({"routing_rules": (rule("R1", major_code="9"),)}, "大类 9 不在事项清单中"),
        ({"routing_rules": (rule("R1", domain="parks"),)}, "领域 parks 不在事项清单中"),
        ({"routing_rules": (rule("R1", channel="fax"),)}, "渠道 fax 不存在，可用：snapshot"),
        ({"today": date(2027, 1, 1)}, "日历 cn 没有 2027 年的官方安排"),
        ({"calendar": CITY.calendar and CITY.calendar[1:]}, "没有默认工作时间"),
        (
            {"organizations": (unit("BUREAU", calendar_code="night"),)},
            "单位 BUREAU（BUREAU）的日历 night 不在工作日历中",
        ),
        ({"policies": (PolicyRow(key="calendar", value="other"),)}, "日历 other 不在工作日历中"),
    ],
)
def test_each_fault_is_named(spoilt: dict[str, Any], sentence: str) -> None:
    assert sentence in told(replace(CITY, **spoilt))


def test_an_old_fault_does_not_keep_an_unrelated_correction_back() -> None:
    next_year = replace(CITY, today=date(2027, 1, 1))
    assert "2027" in told(next_year, "calendar")
    assert told(next_year, "routing-rules", "organizations", "areas") == ""


@pytest.mark.parametrize("absent", sorted(KIND_OF))
def test_a_city_can_be_built_up_without_any_one_kind(absent: str) -> None:
    there = [kind for member, kind in KIND_OF.items() if member != absent]
    assert faults(replace(CITY, **{absent: None}), there) == []


def test_what_refers_to_a_changed_kind_is_looked_at_too() -> None:
    assert {"routing-rules", "duty-grids", "areas"} <= kinds_looked_at({"organizations"})
    assert {"calendar", "policies", "organizations"} <= kinds_looked_at({"calendar"})
    assert kinds_looked_at({"emergencies"}) == {"emergencies", "areas", "items"}


def test_hundreds_of_faults_of_one_sort_are_cut_short() -> None:
    many = tuple(rule(f"R{n}", lead_unit="GONE") for n in range(MAX_TOLD + 7))
    found = faults(replace(CITY, routing_rules=many), ["routing-rules"])
    assert len(found) == MAX_TOLD + 1
    assert found[-1]["message"] == "另有 7 处同类问题未列出"
