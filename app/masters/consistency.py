"""Whether masters fit together, as they would stand after publishing. Pure; faults are Chinese sentences.

A check runs when one of the kinds it looks at is being published, so that an old fault elsewhere never keeps
a correction back; and only when all of these kinds are there, so that a city can be built up kind by kind.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from app.accounts.organizations import organization_faults
from app.accounts.rows import OrganizationRow
from app.clocks.calendar import Calendar
from app.clocks.emergencies import EmergencyRow
from app.clocks.ladder import RELATIVE, RungRow
from app.clocks.rows import CalendarRow
from app.core.errors import Conflict
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow
from app.grid.faults import area_faults, tiling_faults
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items import catalogue
from app.items.rows import FilingStandardRow, ItemRow
from app.masters import routing_faults
from app.masters.catalogue import blocking
from app.masters.catalogue.levels import URGENCIES
from app.masters.catalogue.rows import CityRows
from app.masters.policies import Policies, PolicyRow

#: Faults told per check; a wrong file makes hundreds of one sort.
MAX_TOLD: Final = 30


class Inconsistent(Conflict):
    """Drafts do not fit together or with what is published; ``faults``: ``path`` (kinds), ``message``."""

    code = "inconsistent_masters"
    title = "基础数据相互不一致"

    def __init__(self, faults: Iterable[Mapping[str, str]]) -> None:
        listed = [dict(fault) for fault in faults]
        super().__init__(f"有 {len(listed)} 处不一致，未发布", faults=listed)


@dataclass(frozen=True, slots=True)
class Proposal:
    """All masters as they would stand: a kind without any release is None."""

    items: tuple[ItemRow, ...] | None = None
    filing_standards: tuple[FilingStandardRow, ...] | None = None
    areas: tuple[AreaRow, ...] | None = None
    cells: tuple[CellRow, ...] | None = None
    duty_grids: tuple[DutyGridRow, ...] | None = None
    organizations: tuple[OrganizationRow, ...] | None = None
    routing_rules: tuple[RoutingRuleRow, ...] | None = None
    routing_steps: tuple[RoutingStepRow, ...] | None = None
    duty_list: tuple[DutyRow, ...] | None = None
    components: tuple[ComponentRow, ...] | None = None
    calendar: tuple[CalendarRow, ...] | None = None
    escalation_rungs: tuple[RungRow, ...] | None = None
    policies: tuple[PolicyRow, ...] | None = None
    emergencies: tuple[EmergencyRow, ...] | None = None
    #: names of the accounts there are
    usernames: frozenset[str] = frozenset()
    #: codes of the channels that reports come in by
    channels: frozenset[str] = frozenset()
    #: the present date in China
    today: date = date.max
    #: how many running clocks there are by calendars that were dropped, by the calendar's code
    orphaned_clocks: Mapping[str, int] = field(default_factory=dict)


def rows_member(kind: str) -> str:
    """The member of ``Proposal`` that holds the rows of a kind."""
    return kind.replace("-", "_")


def _items(p: Proposal) -> list[str]:
    return catalogue.faults(p.items or (), p.filing_standards or ())


def _tiling(p: Proposal) -> list[str]:
    return tiling_faults(p.cells or ())


def _areas(p: Proposal) -> list[str]:
    cells = [(cell.cell_id, cell.community_code) for cell in p.cells or ()]
    return area_faults(p.areas or (), cells, p.duty_grids or ())


def _organizations(p: Proposal) -> list[str]:
    rows = p.organizations or ()
    found = organization_faults(rows)
    if not any(row.org_type == "coordination_desk" and row.active for row in rows):
        found.append("没有在用的协调席（coordination_desk）：职责不清的事件无处协调")
    return found


def _organization_areas(p: Proposal) -> list[str]:
    areas = {row.code for row in p.areas or ()}
    return [
        f"单位 {row.code}（{row.name}）服务的区划 {row.area_code} 不存在"
        for row in p.organizations or ()
        if row.area_code not in areas
    ]


def _duty_grid_units(p: Proposal) -> list[str]:
    units = {row.code: row for row in p.organizations or ()}
    return [
        f"责任网格 {grid.code}（{grid.name}）的单位 {grid.org_code} {why}"
        for grid in p.duty_grids or ()
        if (why := _unusable(units, grid.org_code))
    ]


def _duty_grid_people(p: Proposal) -> list[str]:
    return [
        f"责任网格 {grid.code}（{grid.name}）的人员 {person} 没有账号，请先载入 users"
        for grid in p.duty_grids or ()
        for person in grid.people
        if person not in p.usernames
    ]


def _unusable(units: Mapping[str, OrganizationRow], code: str) -> str:
    row = units.get(code)
    return "不存在" if row is None else "" if row.active else "已停用"


def _rule_units(p: Proposal) -> list[str]:
    units = {row.code: row for row in p.organizations or ()}
    found = []
    for rule in p.routing_rules or ():
        if why := _unusable(units, rule.lead_unit):
            found.append(f"规则 {rule.rule_no} 的承办单位 {rule.lead_unit} {why}")
        elif rule.step == "coordination_desk" and units[rule.lead_unit].org_type != "coordination_desk":
            found.append(f"规则 {rule.rule_no} 属协调席一步，而 {rule.lead_unit} 不是协调席")
        for code in rule.supporting_units:
            if why := _unusable(units, code):
                found.append(f"规则 {rule.rule_no} 的协办单位 {code} {why}")
            elif code == rule.lead_unit:
                found.append(f"规则 {rule.rule_no} 的协办单位 {code} 同时是承办单位")
    return found


def _rule_items(p: Proposal) -> list[str]:
    keys = {item.key for item in p.items or ()}
    majors = {item.major_code for item in p.items or ()}
    domains = {item.domain for item in p.items or ()}
    found = []
    for rule in p.routing_rules or ():
        if rule.item_key and rule.item_key not in keys:
            found.append(f"规则 {rule.rule_no} 的事项 {rule.item_key} 不在事项清单中")
        if rule.major_code and rule.major_code not in majors:
            found.append(f"规则 {rule.rule_no} 的大类 {rule.major_code} 不在事项清单中")
        if rule.domain and rule.domain not in domains:
            found.append(f"规则 {rule.rule_no} 的领域 {rule.domain} 不在事项清单中")
    return found


def _rule_areas(p: Proposal) -> list[str]:
    areas = {row.code for row in p.areas or ()}
    return [
        f"规则 {rule.rule_no} 的区划 {rule.area_code} 不存在"
        for rule in p.routing_rules or ()
        if rule.area_code and rule.area_code not in areas
    ]


def _rule_channels(p: Proposal) -> list[str]:
    return [
        f"规则 {rule.rule_no} 的渠道 {rule.channel} 不存在，可用：{'、'.join(sorted(p.channels))}"
        for rule in p.routing_rules or ()
        if rule.channel and rule.channel not in p.channels
    ]


def _calendar(p: Proposal) -> list[str]:
    rows = p.calendar or ()
    found = []
    for code in dict.fromkeys(row.calendar_code for row in rows):
        try:
            calendar = Calendar.from_rows(rows, code)
        except ValueError as error:
            found.append(str(error))
            continue
        if not calendar.covers(p.today):
            found.append(f"日历 {code} 没有 {p.today.year} 年的官方安排（year 行）")
    return found


def _orphaned_clocks(p: Proposal) -> list[str]:
    return [
        f"还有 {count} 个在办时限使用日历 {code}，不能从工作日历中删去；请保留它，待这些时限办结或改用其他日历后再删"
        for code, count in p.orphaned_clocks.items()
    ]


def _policy_calendar(p: Proposal) -> list[str]:
    wanted = Policies.build(p.policies or ()).calendar
    if any(row.calendar_code == wanted for row in p.calendar or ()):
        return []
    return [f"策略 calendar 指定的日历 {wanted} 不在工作日历中"]


def _organization_calendars(p: Proposal) -> list[str]:
    codes = {row.calendar_code for row in p.calendar or ()}
    return [
        f"单位 {row.code}（{row.name}）的日历 {row.calendar_code} 不在工作日历中"
        for row in p.organizations or ()
        if row.calendar_code is not None and row.calendar_code not in codes
    ]


def _rung_items(p: Proposal) -> list[str]:
    keys = {row.key for row in p.items or ()}
    return [
        f"督办阶梯 {row.key} 的事项不在事项清单中"
        for row in p.escalation_rungs or ()
        if row.item_key and row.item_key not in keys
    ]


def _rung_units(p: Proposal) -> list[str]:
    units = {row.code: row for row in p.organizations or ()}
    return [
        f"督办阶梯 {row.key} 要通知的单位 {code} {why}"
        for row in p.escalation_rungs or ()
        for code in row.to
        if code not in RELATIVE and (why := _unusable(units, code))
    ]


def _steps(p: Proposal) -> list[str]:
    return routing_faults.of_steps(p.routing_steps or ())


def _duties(p: Proposal) -> list[str]:
    return routing_faults.of_duties(p.duty_list or ())


def _duty_areas(p: Proposal) -> list[str]:
    return routing_faults.duty_areas(p.duty_list or (), p.areas or ())


def _duty_items(p: Proposal) -> list[str]:
    return routing_faults.duty_items(p.duty_list or (), p.items or ())


def _duty_departments(p: Proposal) -> list[str]:
    return routing_faults.duty_departments(p.duty_list or (), p.organizations or ())


def _component_items(p: Proposal) -> list[str]:
    return routing_faults.component_items(p.components or (), p.items or ())


def _component_units(p: Proposal) -> list[str]:
    return routing_faults.component_units(p.components or (), p.organizations or ())


def _component_cells(p: Proposal) -> list[str]:
    return routing_faults.component_cells(p.components or (), p.cells or ())


def city_of(p: Proposal, staffed: frozenset[str] | None = None) -> CityRows:
    """The masters as the checker of the dispatch catalogue reads them. ``staffed``: see ``CityRows``."""
    policies = Policies.build(p.policies or ())
    try:
        calendar = Calendar.from_rows(p.calendar or (), policies.calendar)
    except ValueError:  # told by its own check
        calendar = None
    return CityRows(
        items=p.items or (),
        areas=p.areas or (),
        organizations=p.organizations or (),
        routing_rules=p.routing_rules or (),
        routing_steps=p.routing_steps or (),
        duty_list=p.duty_list or (),
        components=p.components or (),
        cells=p.cells or (),
        duty_grids=p.duty_grids or (),
        escalation_rungs=p.escalation_rungs or (),
        channels=p.channels,
        today=p.today,
        is_working_day=calendar.is_working_day if calendar else None,
        staffed=staffed,
        least_levels={urgency: policies.least_level(urgency) for urgency in URGENCIES},
    )


def _catalogue(p: Proposal) -> list[str]:
    return [f"{finding.sentence}。{finding.advice}" for finding in blocking(city_of(p))]


def _emergency_areas(p: Proposal) -> list[str]:
    areas = {row.code for row in p.areas or () if row.level != "city"}
    return [
        f"应急预案 {row.code}（{row.name}）的区划 {code} 不存在，或不是区县、街道、社区"
        for row in p.emergencies or ()
        for code in row.area_codes
        if code not in areas
    ]


def _emergency_domains(p: Proposal) -> list[str]:
    domains = {item.domain for item in p.items or ()}
    return [
        f"应急预案 {row.code}（{row.name}）的领域 {domain} 不在事项清单中"
        for row in p.emergencies or ()
        for domain in row.domains
        if domain not in domains
    ]


#: the kinds a check looks at: all of them must be there, and one of them is being published → the check
_CHECKS: Final[tuple[tuple[tuple[str, ...], Callable[[Proposal], list[str]]], ...]] = (
    (("items",), _items),
    (("items", "filing-standards"), _items),
    (("cells",), _tiling),
    (("areas",), _areas),
    (("areas", "cells"), _areas),
    (("areas", "cells", "duty-grids"), _areas),
    (("organizations",), _organizations),
    (("organizations", "areas"), _organization_areas),
    (("duty-grids", "organizations"), _duty_grid_units),
    (("duty-grids",), _duty_grid_people),
    (("routing-rules", "organizations"), _rule_units),
    (("routing-rules", "items"), _rule_items),
    (("routing-rules", "areas"), _rule_areas),
    (("routing-rules",), _rule_channels),
    (("routing-steps",), _steps),
    (("duty-list",), _duties),
    (("duty-list", "areas"), _duty_areas),
    (("duty-list", "items"), _duty_items),
    (("duty-list", "organizations"), _duty_departments),
    (("components", "items"), _component_items),
    (("components", "organizations"), _component_units),
    (("components", "cells"), _component_cells),
    (("calendar",), _calendar),
    (("calendar",), _orphaned_clocks),
    (("calendar", "policies"), _policy_calendar),
    (("organizations", "calendar"), _organization_calendars),
    (("escalation-rungs", "items"), _rung_items),
    (("escalation-rungs", "organizations"), _rung_units),
    (("emergencies", "areas"), _emergency_areas),
    (("emergencies", "items"), _emergency_domains),
)


#: the kinds that say whose job something is: without them nothing can be said of gaps and contradictions
_CATALOGUE: Final = ("routing-rules", "items", "areas", "organizations")
#: those whose publication may make one
_CATALOGUE_MADE_BY: Final = frozenset({"routing-steps", "duty-list", "cells", "duty-grids", "policies", *_CATALOGUE})
#: what is read then. The state's calendar is read, and never held up for what a rule says of its days
_CATALOGUE_READ: Final = _CATALOGUE_MADE_BY | {"calendar"}


def kinds_looked_at(publishing: Collection[str]) -> frozenset[str]:
    """The kinds whose rows the checks of a publication read."""
    looked_at = frozenset(kind for kinds, _ in _CHECKS if set(kinds) & set(publishing) for kind in kinds)
    return looked_at | _CATALOGUE_READ if _CATALOGUE_MADE_BY & set(publishing) else looked_at


def _has_catalogue(proposal: Proposal, publishing: Collection[str]) -> bool:
    """Whether there are rules to check: none while a city is being set up, kind by kind."""
    there = all(getattr(proposal, rows_member(kind)) is not None for kind in _CATALOGUE)
    return there and (bool(proposal.routing_rules) or "routing-rules" in publishing)


def faults(proposal: Proposal, publishing: Collection[str]) -> list[dict[str, str]]:
    """What speaks against publishing these kinds: ``path`` names the kinds, ``message`` the fault."""
    due: dict[Callable[[Proposal], list[str]], tuple[str, ...]] = {}
    for kinds, check in _CHECKS:
        there = all(getattr(proposal, rows_member(kind)) is not None for kind in kinds)
        if there and set(kinds) & set(publishing):
            # The last entry of a check names the most kinds: each check runs once.
            due[check] = kinds
    if _CATALOGUE_MADE_BY & set(publishing) and _has_catalogue(proposal, publishing):
        due[_catalogue] = _CATALOGUE
    found: list[dict[str, str]] = []
    for check, kinds in due.items():
        told: list[Any] = check(proposal)
        rest = len(told) - MAX_TOLD
        if rest > 0:
            told = [*told[:MAX_TOLD], f"另有 {rest} 处同类问题未列出"]
        found += ({"path": "/".join(kinds), "message": message} for message in told)
    return found
