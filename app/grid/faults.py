"""What is wrong with place masters, in Chinese sentences, checked before a release is published."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely

from app.grid.datum import metres_per_degree
from app.grid.rows import AREA_LEVELS, CODE_LENGTHS, AreaRow, CellRow, DutyGridRow
from app.grid.unit_cells import polygons_of

#: Borders drawn twice and rounded to 0.1 m leave slivers of this size that are nobody's mistake.
TOLERANCE_M2 = 1.0
#: A wrong datum makes every cell wrong; the first faults tell as much as all of them.
MAX_FAULTS = 200


def tiling_faults(cells: Iterable[CellRow], tolerance_m2: float = TOLERANCE_M2) -> list[str]:
    """Unit cells must tile the ground, seamless and without overlap (DOMAIN.md §2.3).

    Names repeated ids, invalid polygons, overlaps (pairs, with m²) and gaps (holes inside the union, with m²
    and neighbours), the largest first; overlaps and gaps up to ``tolerance_m2`` are let pass. An indentation
    of the outer border is no hole and is not found.
    """
    ids: list[str] = []

    def rings() -> Iterable[Any]:
        for cell in cells:
            ids.append(cell.cell_id)
            yield cell.polygon

    polygons = polygons_of(rings())
    faults = [f"单元网格 {cell_id} 出现 {n} 次" for cell_id, n in Counter(ids).items() if n > 1]
    if not ids:
        return faults
    valid = shapely.is_valid(polygons)
    for n in np.flatnonzero(~valid):
        faults.append(f"单元网格 {ids[n]} 的多边形无效：{shapely.is_valid_reason(polygons[n])}")
    kept_ids = [ids[n] for n in np.flatnonzero(valid)]
    kept = polygons[valid]
    faults += _overlaps(kept_ids, kept, tolerance_m2)
    faults += _gaps(kept_ids, kept, tolerance_m2)
    return _capped(faults)


def _capped(faults: list[str]) -> list[str]:
    rest = len(faults) - MAX_FAULTS
    return [*faults[:MAX_FAULTS], f"另有 {rest} 处问题未列出"] if rest > 0 else faults


def _square_metres(polygons: Any) -> Any:
    """Areas in m² of an array of small polygons in degrees."""
    middle = (shapely.bounds(polygons)[:, 1] + shapely.bounds(polygons)[:, 3]) / 2.0
    scale = [east * north for east, north in map(metres_per_degree, middle)]
    return shapely.area(polygons) * np.asarray(scale)


def _overlaps(ids: Sequence[str], polygons: Any, tolerance_m2: float) -> list[str]:
    # Cells that share borders corner for corner are proven sound by one linear pass; only those that are
    # not (also where a neighbour has a corner more, which is harmless) are worth intersecting.
    suspects = np.flatnonzero(~shapely.is_empty(shapely.coverage_invalid_edges(polygons)))
    if not len(suspects):
        return []
    tree = shapely.STRtree(polygons)
    left, right = tree.query(polygons[suspects], predicate="intersects")
    left = suspects[left]
    pairs = np.unique(np.sort(np.stack([left, right], axis=1)[left != right], axis=1), axis=0)
    if not len(pairs):
        return []
    shared = _square_metres(shapely.intersection(polygons[pairs[:, 0]], polygons[pairs[:, 1]]))
    faults = []
    for n in sorted(np.flatnonzero(shared > tolerance_m2), key=lambda n: -shared[n]):
        one, other = sorted((ids[pairs[n, 0]], ids[pairs[n, 1]]))
        faults.append(f"单元网格 {one} 与 {other} 重叠约 {shared[n]:.0f} 平方米")
    return faults


def _gaps(ids: Sequence[str], polygons: Any, tolerance_m2: float) -> list[str]:
    if not len(polygons):
        return []
    whole = shapely.coverage_union_all(polygons) if shapely.coverage_is_valid(polygons) else None
    if whole is None:
        whole = shapely.union_all(polygons)
    parts = shapely.get_parts(whole)
    holes = shapely.polygons(shapely.get_rings(parts)[_inner(parts)])
    if not len(holes):
        return []
    areas = _square_metres(holes)
    tree = shapely.STRtree(polygons)
    faults = []
    for n in sorted(np.flatnonzero(areas > tolerance_m2), key=lambda n: -areas[n])[:MAX_FAULTS]:
        near = sorted(ids[m] for m in tree.query(holes[n], predicate="intersects"))
        centre = shapely.point_on_surface(holes[n])
        faults.append(
            f"单元网格之间有空隙约 {areas[n]:.0f} 平方米，在 ({centre.x:.6f}, {centre.y:.6f}) 处，"
            f"相邻网格：{'、'.join(near[:4])}"
        )
    return faults


def _inner(parts: Any) -> Any:
    """Which of the rings of ``parts``, in order, are holes."""
    counts = shapely.get_num_interior_rings(parts) + 1
    inner = np.ones(int(counts.sum()), dtype=bool)
    inner[np.concatenate(([0], np.cumsum(counts)[:-1]))] = False
    return inner


def area_faults(
    areas: Iterable[AreaRow],
    cells: Iterable[tuple[str, str]] = (),
    duty_grids: Iterable[DutyGridRow] = (),
) -> list[str]:
    """Areas whose codes, levels and parents do not fit together, and what refers to them wrongly.

    ``cells`` are pairs of cell id and community code. Without cells nothing is said of the duty grids' cells,
    except where two grids claim the same ones.
    """
    rows = list(areas)
    known = {row.code: row for row in rows}
    faults = [f"区划代码 {code} 出现 {n} 次" for code, n in Counter(r.code for r in rows).items() if n > 1]
    for row in rows:
        faults += _area_faults(row, known)
    cell_list = list(cells)
    faults += _community_faults(cell_list, known)
    faults += _duty_grid_faults([cell_id for cell_id, _ in cell_list], list(duty_grids))
    return _capped(faults)


def _own_digits(code: str) -> str:
    """The digits that the codes of everything inside begin with: 320100 is 3201, 310000 is 31."""
    return code.removesuffix("00").removesuffix("00") if len(code) == 6 else code


def _area_faults(row: AreaRow, known: dict[str, AreaRow]) -> list[str]:
    this = f"区划 {row.code}（{row.name}）"
    faults = []
    if len(row.code) != CODE_LENGTHS[row.level]:
        faults.append(f"{this}的代码应为 {CODE_LENGTHS[row.level]} 位")
    if row.parent_code is None:
        return faults
    parent = known.get(row.parent_code)
    if parent is None:
        return [*faults, f"{this}的上级 {row.parent_code} 不存在"]
    above = f"上级 {parent.code}（{parent.name}）"
    if AREA_LEVELS.index(parent.level) >= AREA_LEVELS.index(row.level):
        faults.append(f"{this}的{above}级别不高于它")
    elif not row.code.startswith(_own_digits(parent.code)):
        faults.append(f"{this}的代码与{above}不一致")
    return faults


def _community_faults(cells: list[tuple[str, str]], known: dict[str, AreaRow]) -> list[str]:
    counts = Counter(community for _, community in cells)
    faults = []
    for code, n in sorted(counts.items()):
        row = known.get(code)
        if row is None:
            faults.append(f"{n} 个单元网格所属的社区 {code} 不存在")
        elif row.level != "community":
            faults.append(f"{n} 个单元网格所属的 {code}（{row.name}）不是社区")
    # A district may come without cells; a street that has some must have them everywhere.
    drawn = {known[code].parent_code for code in counts if code in known}
    for row in known.values():
        if row.level == "community" and row.code not in counts and row.parent_code in drawn:
            faults.append(f"社区 {row.code}（{row.name}）没有单元网格，而同一上级的其他社区有")
    return faults


def _duty_grid_faults(cell_ids: list[str], duty_grids: list[DutyGridRow]) -> list[str]:
    faults = [f"责任网格 {code} 出现 {n} 次" for code, n in Counter(g.code for g in duty_grids).items() if n > 1]
    claims: dict[str, list[str]] = defaultdict(list)
    for grid in duty_grids:
        for pattern in dict.fromkeys(grid.cells):
            claims[pattern].append(grid.code)
    for pattern, codes in claims.items():
        if len(codes) > 1:
            faults.append(f"{pattern} 同时属于责任网格 {'、'.join(codes)}")
    if not (cell_ids and duty_grids):
        return faults
    prefixes = {id_[:length] for id_ in cell_ids for length in range(1, len(id_) + 1)}
    for pattern, codes in claims.items():
        if pattern.removesuffix("*") not in prefixes:
            faults.append(f"责任网格 {codes[0]} 列出的 {pattern} 不对应任何单元网格")
    lengths = {len(pattern) - 1 for pattern in claims if pattern.endswith("*")}
    for cell_id in cell_ids:
        if cell_id not in claims and not any(cell_id[:length] + "*" in claims for length in lengths):
            faults.append(f"单元网格 {cell_id} 不属于任何责任网格")
    return faults
