"""Whether what routing rests on fits the other masters: order of the principles, duty list, components. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.accounts.rows import OrganizationRow
from app.dispatch.rows import ComponentRow, DutyRow, RoutingStepRow
from app.grid.rows import AreaRow, CellRow
from app.items.rows import ItemRow

_GRASSROOTS: Final = ("street", "community")
_ROLES: Final = (("competent", "主管"), ("owner", "权属"), ("maintainer", "养护"))


def of_steps(steps: Sequence[RoutingStepRow]) -> list[str]:
    """The desk must be asked, and no two principles at the same time."""
    found = []
    if not any(row.step == "coordination_desk" and row.enabled for row in steps):
        found.append("派单原则里没有启用协调席（coordination_desk）：职责不清的事件无处可去")
    names: dict[int, str] = {}
    for row in steps:
        if row.enabled and names.setdefault(row.position, row.step) != row.step:
            found.append(f"派单原则 {names[row.position]} 与 {row.step} 的次序同为 {row.position}")
    return found


def of_duties(duties: Iterable[DutyRow]) -> list[str]:
    """No two clauses about the same thing in the same place."""
    found = []
    known: dict[tuple[str, ...], DutyRow] = {}
    for row in duties:
        first = known.setdefault((row.item_key, row.major_code, row.domain, row.area_code), row)
        if first is not row:
            found.append(f"职责清单 {first.clause_no} 与 {row.clause_no} 说的是同一事项、同一街道")
    return found


def duty_areas(duties: Iterable[DutyRow], areas: Iterable[AreaRow]) -> list[str]:
    """Clauses hold in streets that there are."""
    streets = {row.code for row in areas if row.level == "street"}
    return [
        f"职责清单 {row.clause_no} 的街道 {row.area_code} 不存在"
        for row in duties
        if row.area_code and row.area_code not in streets
    ]


def duty_items(duties: Iterable[DutyRow], items: Sequence[ItemRow]) -> list[str]:
    """Clauses are about items, classes and domains that there are."""
    keys = {item.key for item in items}
    majors, domains = {item.major_code for item in items}, {item.domain for item in items}
    found = []
    for row in duties:
        if row.code and row.item_key not in keys:
            found.append(f"职责清单 {row.clause_no} 的事项 {row.item_key} 不在事项清单中")
        if row.major_code and row.major_code not in majors:
            found.append(f"职责清单 {row.clause_no} 的大类 {row.major_code} 不在事项清单中")
        if row.domain and row.domain not in domains:
            found.append(f"职责清单 {row.clause_no} 的领域 {row.domain} 不在事项清单中")
    return found


def duty_departments(duties: Iterable[DutyRow], organizations: Iterable[OrganizationRow]) -> list[str]:
    """What a street does not lead is led by a department that works."""
    units = {row.code: row for row in organizations}
    found = []
    for row in duties:
        if not row.department:
            continue
        unit = units.get(row.department)
        if unit is None or not unit.active:
            found.append(
                f"职责清单 {row.clause_no} 的牵头部门 {row.department} {'不存在' if unit is None else '已停用'}"
            )
        elif unit.level in _GRASSROOTS:
            found.append(f"职责清单 {row.clause_no} 的牵头部门 {row.department}（{unit.name}）是街道以下的单位")
    return found


def component_items(components: Iterable[ComponentRow], items: Iterable[ItemRow]) -> list[str]:
    """Components are of items that there are."""
    keys = {item.key for item in items}
    return [
        f"部件 {row.component_id} 的类别 {row.item_key} 不在事项清单中"
        for row in components
        if row.item_key not in keys
    ]


def component_units(components: Iterable[ComponentRow], organizations: Iterable[OrganizationRow]) -> list[str]:
    """Somebody answers for each component; one of its units may have been closed, not all."""
    active = {row.code: row.active for row in organizations}
    found = []
    for row in components:
        named = [(title, code) for name, title in _ROLES if (code := getattr(row, name))]
        unknown = [f"{title}单位 {code}" for title, code in named if code not in active]
        if unknown:
            found.append(f"部件 {row.component_id} 的{'、'.join(unknown)}不存在")
        elif not any(active[code] for _, code in named):
            found.append(f"部件 {row.component_id} 的主管、权属、养护单位都已停用")
    return found


def component_cells(components: Iterable[ComponentRow], cells: Iterable[CellRow]) -> list[str]:
    """Components stand in cells that there are."""
    known = {row.cell_id for row in cells}
    return [
        f"部件 {row.component_id} 的单元网格 {row.cell_id} 不存在"
        for row in components
        if row.cell_id and row.cell_id not in known
    ]
