"""Where a report belongs: the point first, then the division code, then the text address (DESIGN.md §5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from app.grid.areas import AreaTree
from app.grid.datum import Crs, LonLat, to_cgcs2000
from app.grid.place_names import PlaceNames, TextPlace
from app.grid.rows import AreaRow, DutyGridRow

How = Literal["point", "address", "area_code", "component", "none"]
Precision = Literal["cell", "community", "street", "district", "none"]
#: longitude, latitude, datum (None: not told), and whose place it is: scene, device or caller
Point = tuple[float, float, Crs | None, str]

#: The scene is where it happened; the device where it was recorded; the caller may ring from home.
_ROLES: dict[str, str] = {"scene": "事发地", "device": "设备", "caller": "报告人"}
_CODE_LENGTHS = (6, 9, 12)


@dataclass(frozen=True, slots=True)
class Location:
    """The decision. ``how`` is "none" exactly when ``precision`` is; a city alone is not a location."""

    how: How = "none"
    city_code: str | None = None
    district_code: str | None = None
    street_code: str | None = None
    community_code: str | None = None
    cell_id: str | None = None
    duty_grid_code: str | None = None
    #: the point relied on or at least not contradicted, CGCS2000 degrees
    lon_lat_cgcs2000: LonLat | None = None
    precision: Precision = "none"
    #: (area code, why), at most five, when the text fits several areas
    candidates: tuple[tuple[str, str], ...] = ()
    #: Chinese sentences on what was not used and on what disagreed
    notes: tuple[str, ...] = ()


class Cells(Protocol):
    """What deciding needs of the unit cells."""

    def __len__(self) -> int: ...

    def at(self, lon: float, lat: float) -> tuple[str, str] | None: ...

    def metres_to_nearest(self, lon: float, lat: float) -> float | None: ...


class Grids(Protocol):
    """What deciding needs of the duty grids."""

    def of_cell(self, cell_id: str) -> DutyGridRow | None: ...

    def of_community(self, community_code: str) -> DutyGridRow | None: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything a decision is made on; ``covered``: codes of all areas that have at least one cell."""

    areas: AreaTree
    names: PlaceNames
    cells: Cells
    duty_grids: Grids
    covered: frozenset[str]


def decide(ground: Ground, points: Sequence[Point], addresses: Sequence[str], area_code: str | None) -> Location:
    """Locate a report; never raises on bad input, which becomes a note.

    A point wins over a division code, and that over a text address; what disagrees is noted. A text that
    agrees with the code but is more precise refines it.
    """
    notes: list[str] = []
    seen, outside = _from_points(ground, points, notes)
    claimed = _from_area_code(ground, area_code, notes)
    if seen:
        text = _from_texts(ground, addresses, None)
        for source, code in (("来源给出的区划", claimed), ("文字地址", text.area_code)):
            _note_disagreement(ground, seen, source, code, notes)
        return replace(seen, notes=tuple(notes))

    text = _from_texts(ground, addresses, claimed)
    if text.area_code and not (claimed and not ground.areas.within(text.area_code, claimed)):
        how: How = "address" if text.area_code != claimed else "area_code"
        code, candidates = text.area_code, text.candidates
        notes += text.notes
    elif claimed:
        how, code, candidates = "area_code", claimed, ()
        if text.area_code and not ground.areas.related(claimed, text.area_code):
            pair = _named(ground, claimed), _named(ground, text.area_code)
            notes.append(f"来源给出的区划为{pair[0]}，文字地址指向{pair[1]}，以区划代码为准。")
    else:
        how, code, candidates = "none", None, text.candidates
        notes += text.notes
    return _of_area(ground, how, code, candidates, outside, notes)


def _from_points(ground: Ground, points: Sequence[Point], notes: list[str]) -> tuple[Location | None, LonLat | None]:
    """The location of the first usable point in a cell; else the first usable point in no cell."""
    outside: LonLat | None = None
    order = list(_ROLES)
    for lon, lat, crs, role in sorted(points, key=lambda p: order.index(p[3]) if p[3] in _ROLES else 9):
        whose = _ROLES.get(role, role)
        if crs is None:
            notes.append(f"{whose}坐标未注明坐标系，未用于定位。")
            continue
        try:
            lon_lat = to_cgcs2000(lon, lat, crs)
        except ValueError as fault:
            notes.append(f"{whose}坐标未采用：{fault}。")
            continue
        if found := ground.cells.at(*lon_lat):
            return in_cell(ground, *found, lon_lat), None
        outside = outside or lon_lat
        distance = ground.cells.metres_to_nearest(*lon_lat)
        if distance is None:
            notes.append(f"本辖区没有单元网格数据，{whose}坐标未用于定位。")
        else:
            notes.append(f"{whose}坐标不在本辖区的单元网格内，距最近的网格约{_distance(distance)}，未用于定位。")
    return None, outside


def in_cell(ground: Ground, cell_id: str, community_code: str, lon_lat: LonLat | None) -> Location:
    """The location of something in a known cell, with the point where that is known."""
    # A cell whose community is missing from the release still tells street or district by its digits.
    known = ground.areas.known_prefix(community_code)
    path = ground.areas.path(known or "")
    grid = ground.duty_grids.of_cell(cell_id) or ground.duty_grids.of_community(community_code)
    return Location(
        how="point",
        city_code=path.city,
        district_code=path.district,
        street_code=path.street,
        community_code=path.community,
        cell_id=cell_id,
        duty_grid_code=grid.code if grid else None,
        lon_lat_cgcs2000=lon_lat,
        precision="cell",
    )


def _from_area_code(ground: Ground, area_code: str | None, notes: list[str]) -> str | None:
    """The known area a division code means, its nearest known ancestor when it is not registered."""
    given = (area_code or "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) in _CODE_LENGTHS):
        notes.append(f"区划代码“{given}”不是 6、9 或 12 位数字，未采用。")
        return None
    known = ground.areas.known_prefix(given)
    if known is None:
        notes.append(f"区划代码 {given} 不在本辖区，未采用。")
    elif given[len(known) :].strip("0"):
        notes.append(f"区划代码 {given} 未登记，按上级{_named(ground, known)}处理。")
    return known


def _from_texts(ground: Ground, addresses: Sequence[str], within: str | None) -> TextPlace:
    """The first address that says anything, refined by later ones that lie in it."""
    areas, best = ground.areas, TextPlace()
    for address in addresses:
        text = ground.names.resolve(address, best.area_code or within)
        if text.area_code is None:
            best = best if best.area_code or best.candidates else text
        elif best.area_code is None or (
            text.area_code != best.area_code and areas.within(text.area_code, best.area_code)
        ):
            best = text
        elif not areas.related(text.area_code, best.area_code):
            pair = _named(ground, best.area_code), _named(ground, text.area_code)
            note = f"几处文字地址不一致：{pair[0]}与{pair[1]}，以先写明的为准。"
            best = replace(best, notes=(*best.notes, note))
    return best


def _note_disagreement(ground: Ground, seen: Location, source: str, code: str | None, notes: list[str]) -> None:
    """Compare down to the street; below it names and borders are too loose to call it a conflict."""
    if code is None:
        return
    path = ground.areas.path(code)
    for here, there in ((seen.district_code, path.district), (seen.street_code, path.street)):
        if here and there and here != there:
            pair = _named(ground, here), _named(ground, there)
            notes.append(f"坐标落在{pair[0]}，{source}指向{pair[1]}，以坐标为准。")
            return


def _of_area(
    ground: Ground,
    how: How,
    code: str | None,
    candidates: tuple[tuple[str, str], ...],
    outside: LonLat | None,
    notes: list[str],
) -> Location:
    path = ground.areas.path(code or "")
    precision: Precision = "none"
    grid: DutyGridRow | None = None
    if path.community:
        precision, grid = "community", ground.duty_grids.of_community(path.community)
    elif path.street:
        precision = "street"
    elif path.district:
        precision = "district"
    # Cells that cover the area say the point lies elsewhere; without such cells nothing contradicts it.
    contradicted = code in ground.covered if code else len(ground.cells) > 0
    return Location(
        how="none" if precision == "none" else how,
        city_code=path.city,
        district_code=path.district,
        street_code=path.street,
        community_code=path.community,
        duty_grid_code=grid.code if grid else None,
        lon_lat_cgcs2000=None if contradicted else outside,
        precision=precision,
        candidates=candidates,
        notes=tuple(notes),
    )


def _named(ground: Ground, code: str) -> str:
    """The area for a sentence, with the area above it where a community's name alone would not do."""
    steps: list[AreaRow] = [row for step in ground.areas.lineage(code) if (row := ground.areas.area(step))]
    return "“" + "".join(row.name for row in steps if row.level != "city" or row is steps[-1]) + "”"


def _distance(metres: float) -> str:
    return f" {metres / 1000:.1f} 公里" if metres >= 1000 else f" {metres:.0f} 米"
