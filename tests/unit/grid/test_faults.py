"""Faults of place masters: what does not tile, what does not fit together."""

from app.grid import faults
from app.grid.faults import area_faults, tiling_faults
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from tests.unit.grid.test_locating import AREAS, CELLS, GRIDS, SOUTH, STEP, WEST, area, cell, grid, square

SQUARE_M2 = 94.46 * 110.88  # a cell of 0.001° × 0.001° at 32.04° N


def block(columns: int, rows: int) -> list[CellRow]:
    return [cell("320102001001", c * rows + r, c, r) for c in range(columns) for r in range(rows)]


def reshaped(row: CellRow, *ring: tuple[float, float]) -> CellRow:
    raw = {"cell_id": row.cell_id, "community_code": row.community_code, "polygon": [ring]}
    return CellRow.model_validate(raw)


def test_a_sound_block_has_no_faults() -> None:
    assert tiling_faults(block(3, 3)) == []
    assert tiling_faults([]) == []


def test_a_missing_cell_inside_is_a_gap_with_its_size_place_and_neighbours() -> None:
    cells = block(3, 3)
    del cells[4]
    (fault,) = tiling_faults(cells)
    assert "空隙约" in fault
    assert abs(int(fault.split("约 ")[1].split(" ")[0]) - SQUARE_M2) < 20
    assert "(118.791500, 32.041500)" in fault
    assert "320102001001001" in fault


def test_a_cell_drawn_over_its_neighbours_is_an_overlap_by_pair() -> None:
    cells = block(2, 1)
    cells[0] = reshaped(cells[0], *((lon + (lon > WEST) * STEP / 2, lat) for lon, lat in square(0, 0)))
    (fault,) = tiling_faults(cells)
    assert fault.startswith("单元网格 320102001001000 与 320102001001001 重叠约")
    assert abs(int(fault.split("约 ")[1].split(" ")[0]) - SQUARE_M2 / 2) < 20


def test_a_cell_wholly_inside_another_is_an_overlap() -> None:
    cells = block(2, 1)
    tenth = STEP / 10
    low, high = (WEST + tenth, SOUTH + tenth), (WEST + 3 * tenth, SOUTH + 3 * tenth)
    inner = [low, (high[0], low[1]), high, (low[0], high[1]), low]
    (fault,) = tiling_faults([*cells, reshaped(cell("320102001001", 9, 0, 0), *inner)])
    assert "320102001001000 与 320102001001009 重叠" in fault


def test_the_same_cell_twice() -> None:
    cells = block(2, 1)
    found = tiling_faults([*cells, cells[0]])
    assert "单元网格 320102001001000 出现 2 次" in found
    assert any("重叠" in fault for fault in found)


def test_a_corner_more_on_one_side_of_a_border_is_no_fault() -> None:
    cells = block(2, 1)
    ring = square(0, 0)
    ring.insert(2, (WEST + STEP, SOUTH + STEP / 2))
    cells[0] = reshaped(cells[0], *ring)
    assert tiling_faults(cells) == []


def test_a_bow_tie_is_invalid() -> None:
    cells = block(1, 1)
    a, b, c, d, _ = square(0, 0)
    cells[0] = reshaped(cells[0], a, c, b, d, a)
    (fault,) = tiling_faults(cells)
    assert fault.startswith("单元网格 320102001001000 的多边形无效：Self-intersection")


def test_slivers_below_the_tolerance_pass() -> None:
    cells = block(2, 1)
    sliver = 4e-8  # about 4 mm, over the 111 m of the border: 0.4 m²
    cells[0] = reshaped(cells[0], *((lon + (lon > WEST) * sliver, lat) for lon, lat in square(0, 0)))
    assert tiling_faults(cells) == []
    assert len(tiling_faults(cells, tolerance_m2=0.1)) == 1


def pairs() -> list[tuple[str, str]]:
    return [(row.cell_id, row.community_code) for row in CELLS]


def test_sound_areas_have_no_faults() -> None:
    assert area_faults(AREAS, pairs(), GRIDS[:3]) == []
    shanghai = area("310000", "上海市", "city", ""), area("310101", "黄浦区", "district", "310000")
    assert area_faults(shanghai) == []


def test_each_fault_of_an_area_is_named() -> None:
    rows: list[AreaRow] = [
        *AREAS,
        area("320105", "孤区", "district", "329999"),
        area("320106", "短街道", "street", "320102"),
        area("320104009", "错街道", "street", "320102"),
        area("320102003", "低街道", "street", "320102001001"),
        AREAS[2],
    ]
    found = area_faults(rows)
    assert found == [
        "区划代码 320102001 出现 2 次",
        "区划 320105（孤区）的上级 329999 不存在",
        "区划 320106（短街道）的代码应为 9 位",
        "区划 320106（短街道）的代码与上级 320102（玄武区）不一致",
        "区划 320104009（错街道）的代码与上级 320102（玄武区）不一致",
        "区划 320102003（低街道）的上级 320102001001（珠江路社区居委会）级别不高于它",
    ]


def test_cells_of_missing_communities_and_communities_of_missing_cells() -> None:
    found = area_faults(AREAS, [p for p in pairs() if p[1] != "320102001002"] + [("X" * 15, "320102009009")])
    assert found == [
        "1 个单元网格所属的社区 320102009009 不存在",
        "社区 320102001002（新村社区居委会）没有单元网格，而同一上级的其他社区有",
    ]


def test_duty_grids_must_share_the_cells_out() -> None:
    grids: list[DutyGridRow] = [grid("G1", "320102001*|320102001001002"), grid("G2", "320102001001002|3209*")]
    found = area_faults(AREAS, pairs(), grids)
    assert found == [
        "320102001001002 同时属于责任网格 G1、G2",
        "责任网格 G2 列出的 3209* 不对应任何单元网格",
        "单元网格 320102002001001 不属于任何责任网格",
        "单元网格 320102002001002 不属于任何责任网格",
        "单元网格 320102002002001 不属于任何责任网格",
    ]


def test_a_flood_of_faults_is_cut_and_counted() -> None:
    orphans = [(f"{n:015d}", f"{n:012d}") for n in range(faults.MAX_FAULTS + 30)]
    found = area_faults([], orphans)
    assert len(found) == faults.MAX_FAULTS + 1
    assert found[-1] == "另有 30 处问题未列出"
