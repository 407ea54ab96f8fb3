"""The register of components helps with place and item only as far as nothing speaks against it."""

from dataclasses import dataclass

import pytest

from app import demo_city
from app.grid.locating import Location
from app.grid.place_index import PlaceIndex
from app.intake.components import at_odds, item_of, located, place_of
from app.items.catalogue import Catalogue
from app.masters.publishing import read_folder

FILES = read_folder(demo_city.FOLDER)
CELL = "320102002001001"


def rows(kind: str) -> list[object]:
    return list(FILES[kind].rows.values())


PLACES = PlaceIndex.build(rows("areas"), rows("cells"), rows("duty-grids"))  # type: ignore[arg-type] # by their kind
ITEMS = Catalogue.build(rows("items"))  # type: ignore[arg-type] # by their kind


@dataclass(frozen=True)
class Row:
    component_id: str = "K1"
    standard_ref: str = "GB/T 47678.5-2026"
    code: str = "01037"
    cell_id: str = ""
    lon: float | None = None
    lat: float | None = None


INSIDE = {"lon": 118.7969766, "lat": 32.0512219}


@pytest.mark.parametrize("row", [Row(cell_id=CELL), Row(**INSIDE), Row(cell_id=CELL, **INSIDE)])
def test_cell_or_point_or_both_tell_the_place(row: Row) -> None:
    place = place_of(row, PLACES)
    assert place is not None
    assert (place.how, place.cell_id, place.community_code, place.duty_grid_code) == (
        *("component", CELL, CELL[:12], f"DG-{CELL[:12]}"),
    )
    assert (place.lon_lat_cgcs2000 is not None) is (row.lon is not None), "no point is made up"


@pytest.mark.parametrize(
    "row", [Row(), Row(cell_id="320102002001999"), Row(cell_id="320102008003003", **INSIDE), Row(lon=120.0, lat=30.0)]
)
def test_a_register_that_says_nothing_or_two_things_tells_no_place(row: Row) -> None:
    assert place_of(row, PLACES) is None
    told = Location()
    assert located(row, told, place_of(row, PLACES)) is told


def test_the_matter_of_its_code_goes_before_the_component_itself() -> None:
    found = item_of(Row(), ITEMS)
    assert found is not None
    assert found.key == "GB/T 47678.5-2026/matter/01037"
    assert item_of(Row(code="99999"), ITEMS) is None
    only = Catalogue.build(item for item in ITEMS.items if item.kind == "component")
    component = item_of(Row(), only)
    assert component is not None
    assert component.kind == "component"


@pytest.mark.parametrize(
    ("told", "odd", "taken"),
    [
        ("", False, True),
        ("320102", False, True),
        (CELL[:9], False, True),
        (CELL[:12], False, True),
        ("320102002005", False, False),
        ("320102008", True, False),
        ("320102008003", True, False),
    ],
)
def test_it_refines_what_the_message_says_and_never_contradicts_it(told: str, odd: bool, taken: bool) -> None:
    row = Row(cell_id=CELL)
    said, own = PLACES.locate((), (), told or None), place_of(row, PLACES)
    assert at_odds(said, own) is odd
    found = located(row, said, own)
    assert (found.cell_id == CELL) is taken
    assert any("以来源给出的位置为准" in note for note in found.notes) is odd
