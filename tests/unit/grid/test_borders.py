"""To which streets a place belongs as well, and who is on duty there."""

import pytest

from app.grid.place_index import PlaceIndex
from app.grid.rows import AreaRow, CellRow, DutyGridRow

EAST, WEST, ABROAD = "320102001", "320102002", "320104001"
DEGREE_M = 110_900  # one degree of latitude at 32°N, roughly


def _area(code: str) -> AreaRow:
    level = {6: "district", 9: "street", 12: "community"}[len(code)]
    return AreaRow.model_validate(
        {"code": code, "name": code, "level": level, "parent_code": code[:-3] if level != "district" else ""}
    )


def _cell(community: str, column: int, row: int) -> CellRow:
    west, south, step = 118.79 + column * 0.001, 32.04 + row * 0.001, 0.001
    ring = [(west, south), (west + step, south), (west + step, south + step), (west, south + step), (west, south)]
    members = {"cell_id": f"{community}{column}{row}0", "community_code": community, "polygon": [ring]}
    return CellRow.model_validate(members)


# Rows from south to north: EAST 001, EAST 002, WEST; beside WEST the other district.
COMMUNITIES = (f"{EAST}001", f"{EAST}002", f"{WEST}001", f"{ABROAD}001")
CELLS = (
    _cell(COMMUNITIES[0], 0, 0),
    _cell(COMMUNITIES[1], 0, 1),
    _cell(COMMUNITIES[2], 0, 2),
    _cell(COMMUNITIES[3], 1, 2),
)
GRIDS = (
    DutyGridRow(code="DG1", name="一", org_code="TEAM-1", cells=(f"{EAST}*",)),
    DutyGridRow(code="DG2", name="二", org_code="TEAM-2", cells=(CELLS[1].cell_id,)),
    DutyGridRow(code="DG3", name="三", org_code="TEAM-3", cells=(f"{WEST}001*",)),
)
PLACES = PlaceIndex.build(
    [_area(code) for code in ("320102", "320104", EAST, WEST, ABROAD, *COMMUNITIES)], CELLS, GRIDS
)
MIDDLE, NORTH = CELLS[1].cell_id, CELLS[2].cell_id


@pytest.mark.parametrize(
    ("metres_from_border", "within_m", "streets"), [(5, 10, (WEST,)), (15, 10, ()), (15, 20, (WEST,)), (90, 10, ())]
)
def test_a_point_close_to_another_street_belongs_to_both(
    metres_from_border: float, within_m: float, streets: tuple[str, ...]
) -> None:
    point = (118.7905, 32.042 - metres_from_border / DEGREE_M)
    assert PLACES.other_streets(MIDDLE, point, within_m) == streets


def test_a_corner_may_belong_to_three_streets_of_two_districts() -> None:
    corner = (118.79099, 32.04201)
    assert PLACES.other_streets(NORTH, corner, 10) == (EAST, ABROAD)


def test_another_community_of_the_same_street_is_no_border() -> None:
    assert PLACES.other_streets(CELLS[0].cell_id, (118.7905, 32.0409), 20) == ()


def test_only_streets_whose_cells_touch_count_however_far_one_asks() -> None:
    assert PLACES.other_streets(CELLS[0].cell_id, (118.7905, 32.0405), 5000) == ()
    assert PLACES.other_streets("320102001001999", (118.7905, 32.0405), 5000) == ()


def test_who_is_on_duty_is_told_by_the_cell_else_by_the_community() -> None:
    assert PLACES.staffed_by(MIDDLE, COMMUNITIES[1]) == ("TEAM-2",)
    assert PLACES.staffed_by(None, COMMUNITIES[2]) == ("TEAM-3",)
    assert PLACES.staffed_by(None, COMMUNITIES[3]) == ()
    assert PLACES.staffed_by(None, None) == ()
