"""Rows that routing rests on: what a file may not say, and what does not fit the other masters."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from app.accounts.rows import OrganizationRow
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow, minutes_of
from app.grid.rows import AreaRow, CellRow
from app.items.rows import ItemRow
from app.masters.consistency import Proposal, faults, kinds_looked_at
from tests.unit.dispatch.city import EAST, LEAK, PIPE, clause, component, order, organizations

RING = ((118.79, 32.0), (118.791, 32.0), (118.791, 32.001), (118.79, 32.0))
CELL = f"{EAST}001001"


def item(kind: str) -> ItemRow:
    members = {"name": "供水井盖", "major_code": "01", "domain": "water", "default_level": "street"}
    return ItemRow.model_validate(LEAK | members | {"kind": kind, "closure_profile": "both"})


SOUND = Proposal(
    items=(item("matter"), item("component")),
    areas=(
        AreaRow(code="320100", name="市", level="city"),
        AreaRow(code="320102", name="区", level="district", parent_code="320100"),
        AreaRow(code=EAST, name="东街道", level="street", parent_code="320102"),
        AreaRow(code="320102002", name="西街道", level="street", parent_code="320102"),
        AreaRow(code=f"{EAST}001", name="社区", level="community", parent_code=EAST),
    ),
    cells=(CellRow(cell_id=CELL, community_code=f"{EAST}001", polygon=(RING,)),),
    organizations=organizations().rows,
    duty_list=(
        clause("A1", "basic"),
        clause("B1", "assisting", "WATER", domain="water"),
        clause("B2", "basic", area_code=EAST, **LEAK),
    ),
    components=(component(owner="WATER", cell_id=CELL),),
    routing_steps=order("component", "coordination_desk"),
)
KINDS = ("duty-list", "components", "routing-steps")


def told(**spoilt: Any) -> str:
    return "\n".join(fault["message"] for fault in faults(replace(SOUND, **spoilt), KINDS))


def test_what_fits_is_not_faulted() -> None:
    assert told() == ""
    assert {"items", "areas", "organizations"} <= kinds_looked_at({"duty-list"})


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ({"duty_list": (clause("A1", "basic"), clause("A2", "taken_back", "WATER"))}, "A1 与 A2 说的是同一事项"),
        ({"duty_list": (clause("A1", "basic", **LEAK, area_code="320104001"),)}, "街道 320104001 不存在"),
        ({"duty_list": (clause("A1", "basic", **LEAK | {"code": "9"}),)}, "事项 S/matter/9 不在事项清单中"),
        ({"duty_list": (clause("A1", "basic", major_code="9"),)}, "大类 9 不在事项清单中"),
        ({"duty_list": (clause("A1", "basic", domain="noise"),)}, "领域 noise 不在事项清单中"),
        ({"duty_list": (clause("B1", "assisting", "GONE"),)}, "牵头部门 GONE 不存在"),
        ({"duty_list": (clause("B1", "assisting", "CLOSED"),)}, "牵头部门 CLOSED 已停用"),
        ({"duty_list": (clause("B1", "assisting", "EAST"),)}, "是街道以下的单位"),
        ({"components": (component(owner="GONE"),)}, f"部件 {PIPE} 的权属单位 GONE不存在"),
        ({"components": (component(maintainer="CLOSED"),)}, "单位都已停用"),
        ({"components": (component(owner="WATER", code="9"),)}, "类别 S/component/9 不在事项清单中"),
        ({"components": (component(owner="WATER", cell_id="320102001001999"),)}, "单元网格 320102001001999 不存在"),
        ({"routing_steps": order("component", "level")}, "没有启用协调席"),
        (
            {"routing_steps": (*order("coordination_desk"), RoutingStepRow(step="level", position=1))},
            "coordination_desk 与 level 的次序同为 1",
        ),
    ],
)
def test_each_fault_is_named(spoilt: dict[str, Any], sentence: str) -> None:
    assert sentence in told(**spoilt)


def test_a_closed_maintainer_is_no_fault_while_somebody_else_answers() -> None:
    assert told(components=(component(maintainer="CLOSED", competent="WATER"),)) == ""


RULE = {"rule_no": "R", "lead_unit": "U", "step": "territorial", "basis": "职责"}
DUTY = {"clause_no": "A", "clause": "条款", "source": "试验", "duty": "basic", "domain": "water"}
PART = {"component_id": "1", "standard_ref": "S", "code": "1", "owner": "U"}


@pytest.mark.parametrize(
    ("model", "row", "why"),
    [
        (RoutingRuleRow, RULE | {"hours": "18-8"}, "应写成 18:00-08:00"),
        (RoutingRuleRow, RULE | {"hours": "25:00-08:00"}, "应写成 18:00-08:00"),
        (RoutingRuleRow, RULE | {"valid_from": "2026-02-02", "valid_until": "2026-02-01"}, "不能早于"),
        (RoutingRuleRow, RULE | {"code": "01"}, "三项须同时填写"),
        (DutyRow, DUTY | {"department": "U"}, "basic 不填 department"),
        (DutyRow, DUTY | {"duty": "assisting"}, "须填牵头部门"),
        (DutyRow, DUTY | {"domain": ""}, "须填且只填一种"),
        (DutyRow, DUTY | {"major_code": "01"}, "须填且只填一种"),
        (DutyRow, DUTY | {"area_code": "320102"}, "pattern"),
        (ComponentRow, PART | {"owner": ""}, "至少填写一项"),
        (ComponentRow, PART | {"lon": 118.7}, "lon、lat 须同时填写"),
        (RoutingStepRow, {"step": "nearest", "position": 1}, "Input should be"),
        (RoutingStepRow, {"step": "level", "position": 0}, "greater than"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(model: type[OrganizationRow], row: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        model.model_validate(row)


def test_empty_cells_of_a_spreadsheet_mean_any() -> None:
    row = RoutingRuleRow.model_validate(RULE | {"hours": "", "valid_from": "", "days": "", "urgency": ""})
    assert (row.hours, row.valid_from, row.days) == ((), None, "")
    assert RoutingRuleRow.model_validate(RULE | {"hours": "18:00-08:00| 12:00-13:00"}).hours == (
        "18:00-08:00",
        "12:00-13:00",
    )
    assert RoutingRuleRow.model_validate_json(row.model_dump_json()) == row


def test_hours_are_read_as_minutes_of_the_day() -> None:
    assert minutes_of("18:30-08:00") == (1110, 480)
    assert minutes_of("00:00-24:00") == (0, 1440)
