"""A city of any size made of rows: districts, streets, communities, square cells, units and a dispatch catalogue.

For measurements of what is decided in memory. Nothing in it is a real place; the same numbers give the same city.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from app.accounts.rows import OrganizationRow
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import ItemRow

#: a code that the division code table does not have
CITY: Final = "990100"
_STANDARD: Final = "测量用清单"
_SOURCE: Final = "测量"
#: about 100 m
_STEP: Final = 0.001
_WEST, _SOUTH = 110.0, 30.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. A community has ``cells_each`` cells in a row."""

    districts: int = 10
    streets_each: int = 10
    communities_each: int = 10
    cells_each: int = 20
    units: int = 5_000
    rules: int = 20_000
    items: int = 300
    components: int = 5_000


@dataclass(slots=True)
class Rows:
    """The rows of each master."""

    areas: list[AreaRow] = field(default_factory=list)
    cells: list[CellRow] = field(default_factory=list)
    grids: list[DutyGridRow] = field(default_factory=list)
    units: list[OrganizationRow] = field(default_factory=list)
    items: list[ItemRow] = field(default_factory=list)
    rules: list[RoutingRuleRow] = field(default_factory=list)
    duties: list[DutyRow] = field(default_factory=list)
    components: list[ComponentRow] = field(default_factory=list)


def build(size: Size, seed: int = 0) -> Rows:
    """All rows of a city of this size."""
    pick = Random(seed)  # noqa: S311 - test data, not secrets
    rows = Rows()
    rows.areas.append(AreaRow(code=CITY, name="测量市", level="city"))
    _places(rows, size)
    _items(rows, size)
    _units(rows, size)
    _duties(rows)
    _rules(rows, size, pick)
    _components(rows, size, pick)
    return rows


def _places(rows: Rows, size: Size) -> None:
    line = 0
    for d in range(1, size.districts + 1):
        district = f"99{d + 1:02d}{d:02d}"
        rows.areas.append(AreaRow(code=district, name=f"第{d}区", level="district", parent_code=CITY))
        for s in range(1, size.streets_each + 1):
            street = f"{district}{s:03d}"
            rows.areas.append(AreaRow(code=street, name=f"{d}区{s}街道", level="street", parent_code=district))
            for c in range(1, size.communities_each + 1):
                community = f"{street}{c:03d}"
                name = f"{d}区{s}街{c}社区"
                rows.areas.append(AreaRow(code=community, name=name, level="community", parent_code=street))
                rows.cells.extend(_cells(community, line, size.cells_each))
                rows.grids.append(
                    DutyGridRow(
                        code=f"G{community}", name=f"{name}网格", org_code=f"T{community}", cells=f"{community}*"
                    )
                )
                line += 1


def _cells(community: str, line: int, count: int) -> Iterator[CellRow]:
    """One community is one row of squares, the next one lies beside it: streets and districts touch."""
    for n in range(count):
        west, south = _WEST + n * _STEP, _SOUTH + line * _STEP
        east, north = west + _STEP, south + _STEP
        ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
        yield CellRow(cell_id=f"{community}{n + 1:03d}", community_code=community, polygon=(ring,))


def _items(rows: Rows, size: Size) -> None:
    for n in range(size.items):
        rows.items.append(
            ItemRow(
                standard_ref=_STANDARD,
                kind="component" if n % 5 == 0 else "matter",
                code=f"{n:05d}",
                name=f"测量事项{n}",
                major_code=f"M{n // 10:03d}",
                major_name=f"大类{n // 10}",
                domain=f"领域{n // 30}",
                default_level="district" if n % 2 else "street",
                closure_profile="answer",
            )
        )


def _units(rows: Rows, size: Size) -> None:
    """Desk and departments in each district, office and sections in each street, a team in each community."""
    by_level = {level: [area for area in rows.areas if area.level == level] for level in ("district", "street")}
    rows.units.append(
        OrganizationRow(code="CENTRE", name="测量市中心", level="city", org_type="centre", area_code=CITY)
    )
    for area in by_level["district"]:
        rows.units.append(_unit(f"DESK{area.code}", "district", "coordination_desk", area.code))
        rows.units.extend(_unit(f"DEP{area.code}-{n:02d}", "district", "department", area.code) for n in range(20))
    for area in by_level["street"]:
        rows.units.append(_unit(f"OFF{area.code}", "street", "street_office", area.code))
        rows.units.extend(
            _unit(f"SEC{area.code}-{n}", "street", "section", area.code, f"OFF{area.code}") for n in range(8)
        )
    for area in rows.areas:
        if area.level == "community":
            rows.units.append(_unit(f"T{area.code}", "community", "grid_team", area.code, f"OFF{area.code[:9]}"))
    district = by_level["district"]
    for n in range(max(0, size.units - len(rows.units))):
        area = district[n % len(district)]
        rows.units.append(_unit(f"CON{n:05d}", "district", "contractor", area.code, f"DEP{area.code}-{n % 20:02d}"))


def _unit(code: str, level: str, org_type: str, area: str, parent: str | None = "CENTRE") -> OrganizationRow:
    return OrganizationRow.model_validate(
        {"code": code, "name": code, "level": level, "org_type": org_type, "area_code": area, "parent_code": parent}
    )


def _duties(rows: Rows) -> None:
    """Every second item is the street's basic duty; of the others every third is only assisted."""
    for n, item in enumerate(rows.items):
        named = {"standard_ref": item.standard_ref, "kind": item.kind, "code": item.code}
        if n % 2 == 0:
            duty, department = "basic", ""
        elif n % 3 == 0:
            duty, department = "assisting", f"DEP{_districts(rows)[0]}-{n % 20:02d}"
        else:
            continue
        rows.duties.append(
            DutyRow.model_validate(
                {**named, "clause_no": f"Z{n:05d}", "duty": duty, "department": department}
                | {"clause": f"第{n}条", "source": _SOURCE}
            )
        )


def _districts(rows: Rows) -> list[str]:
    return [area.code for area in rows.areas if area.level == "district"]


def _rules(rows: Rows, size: Size, pick: Random) -> None:
    """Departments by item and district, sections by item and street, then narrower ones up to the number asked for."""
    made = rows.rules

    def rule(item: ItemRow | None, step: str, unit: str, **conditions: str) -> None:
        named = {"standard_ref": item.standard_ref, "kind": item.kind, "code": item.code} if item else {}
        made.append(
            RoutingRuleRow.model_validate(
                {
                    "rule_no": f"R{len(made):06d}",
                    "lead_unit": unit,
                    "step": step,
                    "basis": _SOURCE,
                    **named,
                    **conditions,
                }
            )
        )

    streets = [area.code for area in rows.areas if area.level == "street"]
    for district in _districts(rows):
        for n, item in enumerate(rows.items):
            rule(item, "statutory_department", f"DEP{district}-{n % 20:02d}", area_code=district)
        for major in sorted({item.major_code for item in rows.items}):
            rule(
                None,
                "statutory_department",
                f"DEP{district}-19",
                area_code=district,
                major_code=major,
                urgency="critical",
            )
    for street in streets:
        rule(None, "night_duty", f"OFF{street}", area_code=street, hours="20:00-08:00")
        for n, item in enumerate(rows.items):
            if n % 2 == 0 and len(made) < size.rules:
                days = "workday" if n % 8 == 0 else ""  # of these the department takes care on days off
                rule(item, "territorial", f"SEC{street}-{n % 8}", area_code=street, days=days)
    communities = [area.code for area in rows.areas if area.level == "community"]
    while len(made) < size.rules:
        community, item = pick.choice(communities), pick.choice(rows.items[::2])
        channel = pick.choice(("hotline-12345", "snapshot", "police-110"))
        days = pick.choice(("workday", "day_off", ""))
        rule(item, "territorial", f"T{community}", area_code=community, channel=channel, days=days)


def _components(rows: Rows, size: Size, pick: Random) -> None:
    kinds = [item for item in rows.items if item.kind == "component"]
    for n in range(size.components if kinds else 0):
        cell, item = pick.choice(rows.cells), pick.choice(kinds)
        district = cell.cell_id[:6]
        rows.components.append(
            ComponentRow(
                component_id=f"C{n:06d}",
                standard_ref=item.standard_ref,
                code=item.code,
                cell_id=cell.cell_id,
                maintainer=f"DEP{district}-{n % 20:02d}",
                source=_SOURCE,
            )
        )
