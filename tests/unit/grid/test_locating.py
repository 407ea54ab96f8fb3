"""Locating by point, division code and text, on a small made-up jurisdiction of real-looking codes."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.grid.datum import Crs, from_cgcs2000
from app.grid.locating import Location, Point
from app.grid.place_index import PlaceIndex
from app.grid.rows import AreaRow, CellRow, DutyGridRow

WEST, SOUTH, STEP = 118.79, 32.04, 0.001


def area(code: str, name: str, level: str, parent: str, aliases: str = "", places: str = "") -> AreaRow:
    raw = {"code": code, "name": name, "level": level, "parent_code": parent}
    return AreaRow.model_validate({**raw, "aliases": aliases, "places": places})


AREAS = [
    area("320100", "南京市", "city", ""),
    area("320102", "玄武区", "district", "320100"),
    area("320102001", "东河街道", "street", "320102"),
    area("320102001001", "珠江路社区居委会", "community", "320102001", "珠江社区", "珠江路|太平北路|锦绣花园"),
    area("320102001002", "新村社区居委会", "community", "320102001", "", "珠江路|光明广场"),
    area("320102002", "西河街道", "street", "320102", "西河街办"),
    area("320102002001", "新村社区居委会", "community", "320102002", "", "太平北路|环山路|湖"),
    area("320102002002", "环山社区居委会", "community", "320102002", "", "环山路"),
    area("320104", "秦淮区", "district", "320100"),
    area("320104001", "南桥街道", "street", "320104"),
    area("320104001001", "南桥社区居委会", "community", "320104001", "", "锦绣路"),
]


def square(column: int, row: int) -> list[tuple[float, float]]:
    west, south = WEST + column * STEP, SOUTH + row * STEP
    east, north = WEST + (column + 1) * STEP, SOUTH + (row + 1) * STEP
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def cell(community: str, number: int, column: int, row: int) -> CellRow:
    ring = square(column, row)
    return CellRow.model_validate(
        {"cell_id": f"{community}{number:03d}", "community_code": community, "polygon": [ring]}
    )


# Bottom row: 001001 ×2, 001002; top row: 002001, 002001, 002002. The other district has no cells.
CELLS = [
    cell("320102001001", 1, 0, 0),
    cell("320102001001", 2, 1, 0),
    cell("320102001002", 1, 2, 0),
    cell("320102002001", 1, 0, 1),
    cell("320102002001", 2, 1, 1),
    cell("320102002002", 1, 2, 1),
]


def grid(code: str, cells: str) -> DutyGridRow:
    raw = {"code": code, "name": f"责任网格{code}", "org_code": "O1", "cells": cells, "people": "w1|w2"}
    return DutyGridRow.model_validate(raw)


GRIDS = [
    grid("G1", "320102001*"),
    grid("G2", "320102001001002"),
    grid("G3", "320102002001*|320102002002001"),
    grid("G4", "320104001001*"),
]


@pytest.fixture(scope="module")
def index() -> PlaceIndex:
    # Cells in reverse, to show that the answer does not hang on the order of the file.
    return PlaceIndex.build(AREAS, reversed(CELLS), GRIDS)


def middle(column: int, row: int) -> tuple[float, float]:
    return WEST + (column + 0.5) * STEP, SOUTH + (row + 0.5) * STEP


def at(column: int, row: int, crs: Crs | None = "cgcs2000", role: str = "scene") -> Point:
    lon, lat = from_cgcs2000(*middle(column, row), crs or "cgcs2000")
    return lon, lat, crs, role


def text(index: PlaceIndex, *addresses: str, area_code: str | None = None) -> Location:
    return index.locate([], addresses, area_code)


def codes(candidates: Iterable[tuple[str, str]]) -> list[str]:
    return [code for code, _ in candidates]


class TestPoint:
    @pytest.mark.parametrize("crs", ["cgcs2000", "wgs84", "gcj02", "bd09"])
    def test_a_point_in_any_datum_finds_its_cell(self, index: PlaceIndex, crs: Crs) -> None:
        found = index.locate([at(1, 0, crs)], [], None)
        assert found == Location(
            how="point",
            city_code="320100",
            district_code="320102",
            street_code="320102001",
            community_code="320102001001",
            cell_id="320102001001002",
            duty_grid_code="G2",
            lon_lat_cgcs2000=found.lon_lat_cgcs2000,
            precision="cell",
        )
        assert found.lon_lat_cgcs2000 == pytest.approx(middle(1, 0), abs=1e-9)

    def test_a_point_without_a_datum_is_never_used(self, index: PlaceIndex) -> None:
        found = index.locate([at(1, 0, None)], ["环山社区"], None)
        assert (found.how, found.community_code) == ("address", "320102002002")
        assert found.lon_lat_cgcs2000 is None
        assert any("未注明坐标系" in note for note in found.notes)

    def test_scene_before_device_before_caller(self, index: PlaceIndex) -> None:
        points = [at(0, 1, role="caller"), at(1, 0, role="device"), at(2, 0)]
        assert index.locate(points, [], None).cell_id == "320102001002001"
        assert index.locate(points[:2], [], None).cell_id == "320102001001002"

    def test_a_shared_corner_goes_to_the_smallest_cell_id(self, index: PlaceIndex) -> None:
        corner = (WEST + STEP, SOUTH + STEP)
        assert index.locate([(*corner, "cgcs2000", "scene")], [], None).cell_id == "320102001001001"

    def test_outside_the_jurisdiction_is_noted_and_the_next_point_used(self, index: PlaceIndex) -> None:
        found = index.locate([at(30, 0), at(1, 0, role="device")], [], None)
        assert found.cell_id == "320102001001002"
        assert "不在本辖区的单元网格内，距最近的网格约 2.6 公里" in found.notes[0]
        alone = index.locate([at(30, 0)], [], None)
        assert (alone.how, alone.precision, alone.lon_lat_cgcs2000) == ("none", "none", None)

    def test_an_impossible_point_is_a_note_not_an_error(self, index: PlaceIndex) -> None:
        lon, lat, crs, role = at(0, 0)
        found = index.locate([(lat, lon, crs, role)], [], "320104")
        assert (found.how, found.district_code) == ("area_code", "320104")
        assert any("颠倒" in note for note in found.notes)

    def test_the_point_wins_over_text_and_code_and_says_so(self, index: PlaceIndex) -> None:
        found = index.locate([at(0, 0)], ["西河街道环山社区"], "320104")
        assert found.cell_id == "320102001001001"
        assert found.notes == (
            "坐标落在“玄武区”，来源给出的区划指向“秦淮区”，以坐标为准。",
            "坐标落在“玄武区东河街道”，文字地址指向“玄武区西河街道”，以坐标为准。",
        )

    def test_a_neighbouring_community_of_the_same_street_is_no_conflict(self, index: PlaceIndex) -> None:
        assert index.locate([at(0, 0)], ["光明广场"], "320102001002").notes == ()

    def test_equal_names_are_no_conflict_with_a_point_whatever_the_code(self, index: PlaceIndex) -> None:
        notes = index.locate([at(2, 0)], ["新村社区"], "320102002").notes
        assert len(notes) == 1
        assert "来源给出的区划" in notes[0]

    def test_a_point_where_no_cells_are_drawn_is_kept_but_not_relied_on(self, index: PlaceIndex) -> None:
        found = index.locate([at(30, 0)], ["南桥社区"], None)
        assert (found.how, found.precision, found.duty_grid_code) == ("address", "community", "G4")
        assert found.lon_lat_cgcs2000 == pytest.approx(middle(30, 0))

    @given(st.integers(0, 2), st.integers(0, 1), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
    @settings(max_examples=40, deadline=None)
    def test_every_inner_point_is_in_exactly_the_cell_drawn_there(
        self, index: PlaceIndex, column: int, row: int, across: float, up: float
    ) -> None:
        lon_lat = (WEST + (column + across) * STEP, SOUTH + (row + up) * STEP)
        assert index.cell_at(*lon_lat) == CELLS[row * 3 + column].cell_id


class TestAreaCode:
    @pytest.mark.parametrize(
        ("code", "precision", "street", "community"),
        [
            ("320102002001", "community", "320102002", "320102002001"),
            ("320102002", "street", "320102002", None),
            ("320102002000", "street", "320102002", None),
            ("320102000000", "district", None, None),
        ],
    )
    def test_known_codes(
        self, index: PlaceIndex, code: str, precision: str, street: str | None, community: str | None
    ) -> None:
        found = text(index, area_code=code)
        assert (found.how, found.precision) == ("area_code", precision)
        assert (found.street_code, found.community_code, found.notes) == (street, community, ())

    def test_an_unregistered_community_falls_back_to_its_street(self, index: PlaceIndex) -> None:
        found = text(index, area_code="320102002099")
        assert (found.precision, found.street_code) == ("street", "320102002")
        assert found.notes == ("区划代码 320102002099 未登记，按上级“玄武区西河街道”处理。",)

    @pytest.mark.parametrize(("code", "words"), [("440310", "不在本辖区"), ("玄武", "不是 6、9 或 12 位")])
    def test_foreign_or_malformed_codes_are_noted(self, index: PlaceIndex, code: str, words: str) -> None:
        found = text(index, area_code=code)
        assert (found.how, len(found.notes)) == ("none", 1)
        assert words in found.notes[0]

    def test_a_city_alone_is_not_a_location(self, index: PlaceIndex) -> None:
        found = text(index, area_code="320100")
        assert (found.how, found.precision, found.city_code) == ("none", "none", "320100")

    def test_text_inside_the_code_refines_it(self, index: PlaceIndex) -> None:
        found = text(index, "光明广场南门", area_code="320102")
        assert (found.how, found.community_code, found.notes) == ("address", "320102001002", ())

    def test_the_code_decides_between_equal_names(self, index: PlaceIndex) -> None:
        found = text(index, "新村社区", area_code="320102002")
        assert (found.community_code, found.candidates) == ("320102002001", ())

    def test_text_outside_the_code_loses_and_is_noted(self, index: PlaceIndex) -> None:
        found = text(index, "南桥街道", area_code="320102001")
        assert (found.how, found.street_code) == ("area_code", "320102001")
        assert "文字地址指向“秦淮区南桥街道”，以区划代码为准" in found.notes[0]


class TestText:
    @pytest.mark.parametrize(
        ("address", "community"),
        [
            ("南京市玄武区环山社区3幢", "320102002002"),
            ("环 山 社 区", "320102002002"),
            ("南桥社区居民委员会旁", "320104001001"),
            ("珠江社区", "320102001001"),
            ("锦绣花园12栋", "320102001001"),
            ("光明广场", "320102001002"),
            ("珠江路社区门口", "320102001001"),
            ("西河街道新村社区", "320102002001"),
            ("新村社区(东河街道)", "320102001002"),
            ("珠江路与太平北路交叉口", "320102001001"),
        ],
    )
    def test_texts_that_mean_one_community(self, index: PlaceIndex, address: str, community: str) -> None:
        found = text(index, address)
        assert (found.how, found.precision, found.community_code) == ("address", "community", community)
        assert found.candidates == ()

    def test_a_village_committee_does_not_claim_every_village(self) -> None:
        rows = [*AREAS[:3], area("320102001009", "新村村委会", "community", "320102001")]
        built = PlaceIndex.build(rows, [], [])
        assert text(built, "梅园新村12号").how == "none"
        assert text(built, "新村村民委员会").community_code == "320102001009"

    def test_a_road_is_not_taken_for_the_community_with_that_alias(self) -> None:
        rows = [*AREAS[:5], area("320102001009", "太平社区", "community", "320102001", "太平北路")]
        found = text(PlaceIndex.build(rows, [], []), "太平北路9号")
        assert (found.precision, codes(found.candidates)) == ("street", ["320102001001", "320102001009"])

    def test_full_width_letters_and_blanks(self) -> None:
        rows = [*AREAS[:3], area("320102001009", "万达社区", "community", "320102001", "", "SOHO广场B座")]
        found = text(PlaceIndex.build(rows, [], []), "ｓｏｈｏ　广场 Ｂ座")
        assert found.community_code == "320102001009"

    def test_a_road_through_several_communities_is_not_guessed(self, index: PlaceIndex) -> None:
        found = text(index, "珠江路88号")
        assert (found.precision, found.street_code, found.community_code) == ("street", "320102001", None)
        assert codes(found.candidates) == ["320102001001", "320102001002"]
        across = text(index, "太平北路")
        assert (across.precision, across.district_code, across.street_code) == ("district", "320102", None)
        assert across.duty_grid_code is None

    def test_equal_names_without_a_street_stay_open(self, index: PlaceIndex) -> None:
        found = text(index, "新村社区5号")
        assert (found.precision, found.district_code) == ("district", "320102")
        assert codes(found.candidates) == ["320102001002", "320102002001"]
        assert "请人工选择" in found.notes[-1]

    def test_a_place_narrows_equal_names(self, index: PlaceIndex) -> None:
        assert text(index, "新村社区环山路口").community_code == "320102002001"

    def test_a_written_street_outranks_a_place_listed_elsewhere(self, index: PlaceIndex) -> None:
        found = text(index, "西河街道锦绣花园")
        assert (found.precision, found.street_code) == ("street", "320102002")
        assert "以写明的区划为准" in found.notes[0]

    def test_two_contradicting_streets_leave_the_district(self, index: PlaceIndex) -> None:
        found = text(index, "东河街道与西河街道交界处")
        assert (found.precision, codes(found.candidates)) == ("district", ["320102001", "320102002"])

    @pytest.mark.parametrize("address", ["", "湖边", "上海市黄浦区外滩街道", "不详"])
    def test_nothing_of_this_jurisdiction(self, index: PlaceIndex, address: str) -> None:
        assert text(index, address) == Location()

    def test_later_addresses_refine_or_are_noted(self, index: PlaceIndex) -> None:
        assert text(index, "玄武区", "环山社区").community_code == "320102002002"
        found = text(index, "环山社区", "南桥社区")
        assert found.community_code == "320102002002"
        assert "几处文字地址不一致" in found.notes[0]

    def test_candidates_are_at_most_five(self) -> None:
        many = [area(f"320102001{n:03d}", f"第{n}社区", "community", "320102001", "", "长路") for n in range(1, 9)]
        found = text(PlaceIndex.build([*AREAS[:3], *many], [], []), "长路1号")
        assert (found.street_code, len(found.candidates)) == ("320102001", 5)

    @given(st.text(max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_any_text_is_survived(self, index: PlaceIndex, address: str) -> None:
        found = text(index, address)
        assert (found.how == "none") == (found.precision == "none")


class TestWithoutCells:
    def test_areas_alone_locate_and_keep_the_point(self) -> None:
        found = PlaceIndex.build(AREAS, [], GRIDS).locate([at(0, 0)], ["南桥社区"], None)
        assert (found.how, found.precision, found.cell_id) == ("address", "community", None)
        assert found.duty_grid_code == "G4"
        assert found.lon_lat_cgcs2000 == pytest.approx(middle(0, 0))
        assert "没有单元网格数据" in found.notes[0]

    def test_nothing_at_all(self) -> None:
        empty = PlaceIndex.build([], [], [])
        assert empty.locate([], ["玄武区"], None) == Location()
        assert empty.children(None) == ()


class TestIndex:
    def test_tree(self, index: PlaceIndex) -> None:
        assert index.ancestors("320102001002") == ("320100", "320102", "320102001", "320102001002")
        assert index.ancestors("320102") == ("320100", "320102", None, None)
        assert index.ancestors("999999") == (None, None, None, None)
        assert [row.code for row in index.children("320100")] == ["320102", "320104"]
        assert [row.code for row in index.children(None)] == ["320100"]
        assert index.area("320104") == AREAS[8]
        assert index.area("320199") is None

    def test_a_cell_comes_back_as_it_was_loaded(self, index: PlaceIndex) -> None:
        assert index.cell(CELLS[0].cell_id) == CELLS[0]
        assert index.cell("320102001001999") is None

    def test_duty_grids_full_id_before_longest_prefix(self, index: PlaceIndex) -> None:
        names = {c.cell_id: grid.code for c in CELLS if (grid := index.duty_grid_of(c.cell_id))}
        assert [names[c.cell_id] for c in CELLS] == ["G1", "G2", "G1", "G3", "G3", "G3"]
        assert index.duty_grid_of("320102001001999") is None

    def test_a_community_has_a_duty_grid_only_when_it_is_the_only_one(self, index: PlaceIndex) -> None:
        assert index.duty_grid_of_community("320102001001") is None
        only = index.duty_grid_of_community("320102001002")
        assert only is not None
        assert only.code == "G1"

    def test_a_cell_of_an_unknown_community_is_still_found(self) -> None:
        stray = cell("320102001077", 1, 0, 0)
        found = PlaceIndex.build(AREAS, [stray], []).locate([at(0, 0)], [], None)
        assert (found.cell_id, found.street_code, found.community_code) == (stray.key, "320102001", None)

    def test_a_loop_of_parents_does_not_hang(self) -> None:
        loop = [area("320102", "甲区", "district", "320104"), area("320104", "乙区", "district", "320102")]
        assert PlaceIndex.build(loop, [], []).locate([], ["甲区"], None).precision == "district"


class TestRows:
    def test_lists_and_blanks_from_csv(self) -> None:
        row = area(" 320102 ", " 玄武区 ", "district", " ", "玄武 | 老玄武|", "")
        assert (row.code, row.name, row.parent_code) == ("320102", "玄武区", None)
        assert (row.aliases, row.places, row.key) == (("玄武", "老玄武"), (), "320102")

    def test_a_file_in_lat_lon_order_is_refused(self) -> None:
        swapped = [[(lat, lon) for lon, lat in square(0, 0)]]
        with pytest.raises(ValidationError, match="颠倒"):
            CellRow.model_validate({"cell_id": "320102001001001", "community_code": "320102001001", "polygon": swapped})

    @pytest.mark.parametrize("cells", ["3201*2", "320102001001", "32010200100100a", "*"])
    def test_malformed_cell_patterns_are_refused(self, cells: str) -> None:
        with pytest.raises(ValidationError):
            grid("G9", cells)
