"""The checker on a sound catalogue, and on one broken in each way: the fault is named, and nothing else is."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from app.clocks.calendar import CHINA_TIME
from app.clocks.ladder import RungRow
from app.dispatch.routing import Matter
from app.dispatch.routing.rule_index import Rule, moment_of
from app.dispatch.rows import RoutingRuleRow
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import ItemRow
from app.masters.catalogue.check import Finding, blocking, by_kind, check
from app.masters.catalogue.rows import CityRows
from app.masters.catalogue.space import _Times
from app.masters.consistency import Proposal, faults, kinds_looked_at
from app.masters.policies import PolicyRow
from tests.unit.dispatch.city import COMMUNITY, DISTRICT, EAST, LEAK, PIPE, WEST, clause, component, order, rule
from tests.unit.dispatch.city import organizations as small_city

NOISE = LEAK | {"code": "03001"}
RING = ((118.79, 32.0), (118.791, 32.0), (118.791, 32.001), (118.79, 32.0))
CELL = f"{COMMUNITY}001"


def item(named: dict[str, str], level: str, domain: str) -> ItemRow:
    row = {"name": f"事项{named['code']}", "major_code": named["code"][:2], "domain": domain, "default_level": level}
    return ItemRow.model_validate(named | row | {"closure_profile": "both"})


AREAS = tuple(
    AreaRow.model_validate({"code": code, "name": name, "level": level, "parent_code": parent})
    for code, name, level, parent in (
        ("320100", "市", "city", None),
        (DISTRICT, "区", "district", "320100"),
        (EAST, "东街道", "street", DISTRICT),
        (WEST, "西街道", "street", DISTRICT),
        (COMMUNITY, "一社区", "community", EAST),
    )
)
#: a leak is the water bureau's, at night its crew's; noise in the east is the street's, elsewhere the roads bureau's
RULES = (
    rule("R1", "WATER", **LEAK, supporting_units="ROADS"),
    rule("R2", "EAST", "territorial", **NOISE, area_code=EAST, level="street"),
    rule("R3", "ROADS", domain="noise"),
    rule("N1", "WATER-CREW", "night_duty", domain="noise", hours="22:00-06:00"),
    rule("Z1", "DESK", "coordination_desk"),
)
STEPS = ("component", "night_duty", "statutory_department", "level", "territorial", "coordination_desk")
SOUND = CityRows(
    items=(item(LEAK, "district", "water"), item(NOISE, "street", "noise")),
    areas=AREAS,
    organizations=small_city().rows,
    routing_rules=RULES,
    routing_steps=order(*STEPS),
    duty_list=(clause("C1", "basic", **NOISE), clause("C2", "taken_back", "WATER", **LEAK)),
    components=(component(owner="WATER"),),
    cells=(CellRow(cell_id=CELL, community_code=COMMUNITY, polygon=(RING,)),),
    duty_grids=(DutyGridRow(code="DG1", name="一格", org_code="EAST-TEAM", cells=(f"{COMMUNITY}*",)),),
    escalation_rungs=(
        RungRow.model_validate({"rung": "r", "clock": "handling", "at": "due", "action": "urge", "to": "unit|ROADS"}),
    ),
    today=date(2026, 3, 10),
    is_working_day=lambda on: on.isoweekday() < 6,
    staffed=frozenset({"DESK", "WATER", "ROADS", "EAST"}),
)


def named(found: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(finding.kind, finding.subject) for finding in found}


def with_rules(*more: RoutingRuleRow, less: str = "") -> dict[str, Any]:
    return {"routing_rules": (*(row for row in RULES if row.rule_no not in less.split()), *more)}


def closed(code: str) -> dict[str, Any]:
    rows = SOUND.organizations
    return {"organizations": tuple(row.model_copy(update={"active": row.active and row.code != code}) for row in rows)}


def test_a_sound_catalogue_has_no_faults() -> None:
    assert check(SOUND) == []
    assert blocking(SOUND) == []


NOISE_KEY, LEAK_KEY = "S/matter/03001", "S/matter/01001"
BROKEN: dict[str, tuple[dict[str, Any], set[tuple[str, str]], str]] = {
    "nobody for anything but a leak": (
        with_rules(less="R2 R3 Z1") | {"routing_steps": order("night_duty", "statutory_department")},
        {("gap", NOISE_KEY)},
        "“事项03001”（S/matter/03001）没有任何单位可承办：所有区划，例如 2026-03-10 06:00",
    ),
    "nobody outside the east": (
        with_rules(rule("R3", "ROADS", domain="noise", area_code=EAST), less="R3 Z1")
        | {"routing_steps": order("night_duty", "statutory_department", "territorial")},
        {("gap", NOISE_KEY)},
        "没有任何单位可承办：西街道，例如 2026-03-10 06:00",
    ),
    "two rules that say different things": (
        with_rules(rule("R4", "ROADS", **LEAK, days="workday"), rule("R5", "WATER-CREW", **LEAK, hours="08:00-18:00")),
        {("contradiction", "R5"), ("contradiction", "R4")},
        "规则 R5（WATER-CREW单位）与 R4（ROADS单位）同等具体、同时适用于“事项01001”，只凭编号在后取 R5：所有区划，"
        "例如 2026-03-10 08:00",
    ),
    "a rule that says other than a clause": (
        with_rules(rule("R1", "ROADS", **LEAK), less="R1"),
        {("contradiction", "R1")},
        "职责清单 C2 把“事项01001”列为收回事项，由WATER单位牵头，而规则 R1 派给ROADS单位",
    ),
    "a rule of the past": (
        with_rules(rule("R4", "WATER", **LEAK, valid_until="2026-03-09")),
        {("never_matches", "R4")},
        "已于 2026-03-09 期满",
    ),
    "a rule for a step that is off": (
        {"routing_steps": tuple(row for row in SOUND.routing_steps if row.step != "night_duty")},
        {("never_matches", "N1")},
        "所属的“夜间值班”一步没有启用",
    ),
    "a rule for an item of another class": (
        with_rules(rule("R4", "WATER", **LEAK, domain="noise")),
        {("never_matches", "R4")},
        "没有任何事件能同时满足",
    ),
    "a rule for a level below the item's": (
        with_rules(rule("R4", "WATER", **LEAK, level="street")),
        {("never_matches", "R4")},
        "没有任何事件能同时满足（事项、不低于事项本级的层级",
    ),
    "a rule for the whole city's code": (
        with_rules(rule("R4", "WATER", **LEAK, area_code="320100")),
        {("never_matches", "R4")},
        "没有任何事件能同时满足",
    ),
    "a rule behind others": (
        with_rules(rule("R0", "WATER", **LEAK)),
        {("never_matches", "R0")},
        "它适用之处都先按规则 R1决定（只有在先的单位被举报或退回时才轮到它）",
    ),
    "a rule behind two that share its matters": (
        with_rules(
            rule("R4", "WATER", domain="water", area_code=EAST),
            rule("R5", "WATER", domain="water", area_code=WEST),
            rule("R6", "WATER", domain="water"),
            less="R1",
        ),
        {("never_matches", "R6")},
        "它适用之处都先按规则 R4、R5决定",
    ),
    "a department's duty aimed at a street": (
        with_rules(rule("R4", "EAST", "territorial", **LEAK, area_code=EAST)),
        {("street_duty", "R4")},
        "规则 R4 把“事项01001”派给EAST单位，而职责清单 C2 列为部门牵头，实际会派给WATER单位",
    ),
    "a closed unit that leads": (
        closed("WATER-CREW"),
        {("closed_unit", "WATER-CREW"), ("never_matches", "N1")},
        "派单规则 N1 的承办单位 WATER-CREW（WATER-CREW单位）已停用",
    ),
    "a closed unit in the register": (
        {"components": (component(owner="WATER", maintainer="CLOSED"),)},
        {("closed_unit", "CLOSED")},
        f"部件 {PIPE} 的养护单位 CLOSED（CLOSED单位）已停用",
    ),
    "a closed unit on the ladder": (
        {"escalation_rungs": (SOUND.escalation_rungs[0].model_copy(update={"to": ("CLOSED",)}),)},
        {("closed_unit", "CLOSED")},
        "要通知的单位 CLOSED（CLOSED单位）已停用",
    ),
    "an unknown item": (
        with_rules(rule("R4", "WATER", **LEAK | {"code": "99"})),
        {("unknown", "R4"), ("never_matches", "R4")},
        "规则 R4 的事项 S/matter/99 不存在",
    ),
    "a unit without people": (
        {"staffed": frozenset({"DESK", "WATER", "EAST"})},
        {("unit_without_people", "ROADS")},
        "ROADS单位（ROADS）及其上级没有可签收工单的在用账号：派单规则 R1 的协办单位，共 2 处",
    ),
    "a desk without people": (
        {"staffed": frozenset({"ROADS", "WATER", "EAST"})},
        {("unit_without_people", "DESK")},
        "DESK单位（DESK）及其上级没有可签收工单的在用账号",
    ),
    "a cell without a duty grid": (
        {"duty_grids": (SOUND.duty_grids[0].model_copy(update={"cells": (f"{COMMUNITY}002",)}),)},
        {("cell_without_duty_grid", CELL)},
        f"单元网格 {CELL} 不属于任何责任网格",
    ),
    "only the desk for noise elsewhere": (
        with_rules(less="R3"),
        {("only_desk", NOISE_KEY)},
        "只有协调席可接：西街道，街道级，例如 2026-03-10 06:00",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_each_fault_is_named_and_nothing_else(broken: str) -> None:
    changes, expected, sentence = BROKEN[broken]
    found = check(replace(SOUND, **changes))
    assert named(found) == expected
    assert any(sentence in finding.sentence for finding in found), [finding.sentence for finding in found]
    assert all(finding.advice for finding in found)


def test_all_kinds_at_once_are_sorted_out_and_the_worst_stop_the_publication() -> None:
    city = replace(
        SOUND,
        routing_rules=(rule("R1", "CLOSED", **LEAK), rule("R2", "ROADS", **NOISE), rule("R3", "WATER", **NOISE)),
        routing_steps=order("statutory_department"),
        staffed=frozenset(),
    )
    found = check(city)
    assert [*by_kind(found)] == ["gap", "contradiction", "never_matches", "closed_unit", "unit_without_people"]
    errors = {(each.kind, each.subject) for each in found if each.severity == "error"}
    assert errors == {("gap", LEAK_KEY), ("contradiction", "R3"), ("closed_unit", "CLOSED")}
    assert named(blocking(city)) == {("gap", LEAK_KEY), ("contradiction", "R3")}


def told(rules: tuple[RoutingRuleRow, ...], *publishing: str) -> list[dict[str, str]]:
    proposal = Proposal(
        items=SOUND.items,
        areas=SOUND.areas,
        organizations=SOUND.organizations,
        routing_rules=rules,
        routing_steps=SOUND.routing_steps,
        duty_list=SOUND.duty_list,
        today=SOUND.today,
    )
    return faults(proposal, publishing)


def test_publishing_is_refused_for_what_only_the_number_decides() -> None:
    assert told(RULES, "routing-rules") == []
    (fault,) = told((*RULES, rule("R4", "ROADS", **LEAK)), "routing-rules")
    assert fault["path"] == "routing-rules/items/areas/organizations"
    assert "只凭编号在后取 R4" in fault["message"]
    assert "删去其中一条" in fault["message"]
    # what stood already keeps no other master back
    assert told((*RULES, rule("R4", "ROADS", **LEAK)), "components") == []
    assert {"duty-grids", "calendar", "duty-list"} <= kinds_looked_at({"routing-steps"})


def with_nobody(**changes: Any) -> Proposal:
    """No desk, and nobody for anything but a leak."""
    proposal = Proposal(
        items=SOUND.items[:1],
        areas=SOUND.areas,
        organizations=SOUND.organizations,
        routing_rules=(rule("R1", "WATER", **LEAK),),
        routing_steps=order("statutory_department"),
        today=SOUND.today,
    )
    return replace(proposal, **changes)


#: what is of the grid's level goes to whoever is on duty in the east
NEAREST: dict[str, Any] = {
    "items": (item(LEAK, "grid", "water"),),
    "routing_rules": (
        *(rule(f"R{level}", "WATER", **LEAK, level=level) for level in ("street", "district", "city")),
        rule("R2", "WATER", **LEAK, area_code=WEST),
    ),
    "routing_steps": order("statutory_department", "nearest_on_duty"),
    "cells": SOUND.cells,
    "duty_grids": (SOUND.duty_grids[0].model_copy(update={"cells": (CELL,), "org_code": "WATER"}),),
}
GAPS_MADE: dict[str, dict[str, Any]] = {
    "items": {"items": SOUND.items},
    "areas": {
        "areas": (
            *AREAS,
            AreaRow.model_validate(
                {"code": f"{DISTRICT}009", "name": "新", "level": "street"} | {"parent_code": DISTRICT}
            ),
        ),
        "routing_rules": tuple(rule(f"R{area}", "WATER", **LEAK, area_code=area) for area in (EAST, WEST)),
    },
    "policies": {"policies": (PolicyRow(key="least_level.critical", value="city"),)},
    "duty-grids": NEAREST | {"duty_grids": ()},
    # A cell where nobody works lies in a grid that no other cell is in.
    "cells": NEAREST
    | {
        "duty_grids": (
            *NEAREST["duty_grids"],
            DutyGridRow(code="DG2", name="二格", org_code="CLOSED", cells=(f"{COMMUNITY}9*",)),
        ),
        "cells": (*SOUND.cells, CellRow(cell_id=f"{COMMUNITY}901", community_code=COMMUNITY, polygon=(RING,))),
    },
}


@pytest.mark.parametrize("kind", GAPS_MADE)
def test_whatever_opens_a_gap_is_refused_but_while_there_are_no_rules(kind: str) -> None:
    def gaps(proposal: Proposal, *publishing: str) -> list[str]:
        found = (fault["message"] for fault in faults(proposal, publishing))
        return [message for message in found if "没有任何单位可承办" in message]

    assert gaps(with_nobody(), kind) == []
    assert gaps(with_nobody(**NEAREST), kind) == []
    proposal = with_nobody(**GAPS_MADE[kind])
    assert gaps(proposal, kind)
    assert {"routing-rules", kind} <= kinds_looked_at({kind})
    assert gaps(replace(proposal, routing_rules=()), kind) == []
    assert gaps(replace(proposal, routing_rules=None), kind) == []
    assert gaps(replace(proposal, routing_rules=()), kind, "routing-rules")


def test_what_is_critical_is_a_contradiction_across_principles() -> None:
    night = rule("N2", "WATER-CREW", "night_duty", **LEAK, urgency="critical")
    rules = with_rules(night, rule("R4", "ROADS", **LEAK, urgency="critical"))
    assert not by_kind(check(replace(SOUND, **rules))).get("contradiction")
    asked = replace(SOUND, **rules, routing_steps=order("emergency_handover", *STEPS))
    (found,) = by_kind(check(asked))["contradiction"]
    assert (found.subject, found.others) == ("R4", ("N2",))
    assert found.matter is not None
    assert found.matter.urgency == "critical"


def test_dates_and_hours_hold_at_the_instants_at_which_the_router_says_so() -> None:
    today = SOUND.today
    rules = [
        rule(
            f"R{n}",
            "WATER",
            **LEAK,
            valid_from=today + timedelta(days=n % 20 - 5) if n % 3 else None,
            valid_until=today + timedelta(days=n % 20 + n % 9) if n % 4 else None,
            hours=f"{n % 24:02}:{n % 4 * 15:02}-{n % 23:02}:05" if n % 5 else "",
            days=("", "workday", "day_off")[n % 3],
        )
        for n in range(120)
    ]
    times = _Times(rules, today, lambda day: day.weekday() < 5)
    leak = Matter(f"{LEAK['standard_ref']}/{LEAK['kind']}/{LEAK['code']}", "01", "water", "district", (), "snapshot")
    for row in rules:
        expected = 0
        for n, instant in enumerate(times.instants):
            at = datetime.combine(instant.on, time(instant.minute // 60, instant.minute % 60), CHINA_TIME)
            moment = moment_of(replace(leak, at=at, workday=instant.workday))
            expected |= Rule(row).holds(leak, leak.level, moment) << n
        assert times.of(row) == expected, row


def test_units_that_form_no_tree_are_left_to_their_own_check() -> None:
    looped = SOUND.organizations[0].model_copy(update={"parent_code": SOUND.organizations[0].code})
    assert blocking(replace(SOUND, organizations=(looped,))) == []


def test_progress_is_told_to_the_end() -> None:
    items = tuple(item(LEAK | {"code": f"01{n:03d}"}, "street", "water") for n in range(120))
    steps: list[tuple[int, int]] = []
    check(replace(SOUND, items=items), lambda done, total: steps.append((done, total)))
    assert steps[-1] == (350, 365)


def test_the_state_s_calendar_is_never_held_up() -> None:
    proposal = with_nobody(routing_rules=(rule("R1", "WATER", **LEAK, days="workday"),), calendar=())
    assert not [fault for fault in faults(proposal, ["calendar"]) if "没有任何单位可承办" in fault["message"]]
    assert [fault for fault in faults(proposal, ["routing-rules"]) if "没有任何单位可承办" in fault["message"]]
