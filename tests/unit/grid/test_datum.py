"""Datum conversions: published vectors, exact inverses, refusals, and a real city drawn in two datums."""

import json
from pathlib import Path
from statistics import median
from typing import Any, get_args

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from app.grid import datum
from app.grid.datum import Crs, distance_m, from_cgcs2000, to_cgcs2000

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
DATUMS: tuple[Crs, ...] = get_args(Crs)

# Well inside the shifted rectangle, so that a point cannot leave it by being shifted.
inland = st.tuples(st.floats(73.0, 136.0), st.floats(2.0, 55.0))


@pytest.mark.parametrize(
    ("wgs", "gcj"),
    [
        ((116.404, 39.915), (116.41024450, 39.91640428)),
        ((118.796877, 32.060255), (118.80206059, 32.05817934)),
    ],
)
def test_published_vectors_both_ways(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert datum.wgs84_to_gcj02(*wgs) == pytest.approx(gcj, abs=6e-9)
    assert to_cgcs2000(*gcj, "gcj02") == pytest.approx(wgs, abs=6e-9)


@pytest.mark.parametrize(
    ("city", "metres"),
    [
        ((116.404, 39.915), 555),
        ((118.796877, 32.060255), 540),
        ((121.4737, 31.2304), 481),
        ((113.2644, 23.1291), 621),
    ],
)
def test_offsets_of_four_cities(city: tuple[float, float], metres: float) -> None:
    assert distance_m(city, datum.wgs84_to_gcj02(*city)) == pytest.approx(metres, abs=6)


@given(inland, st.sampled_from(DATUMS))
@settings(max_examples=150, deadline=None)
def test_every_datum_returns_to_the_same_millimetre(point: tuple[float, float], crs: Crs) -> None:
    assert distance_m(to_cgcs2000(*from_cgcs2000(*point, crs), crs), point) < 1e-3


@given(inland)
@settings(max_examples=50, deadline=None)
def test_bd09_is_shifted_once_more_than_gcj02(point: tuple[float, float]) -> None:
    as_baidu, as_gaode = from_cgcs2000(*point, "bd09"), from_cgcs2000(*point, "gcj02")
    assert 300 < distance_m(as_baidu, as_gaode) < 1500
    assert distance_m(to_cgcs2000(*as_baidu, "gcj02"), point) > 300


@pytest.mark.parametrize("crs", ["wgs84", "cgcs2000"])
def test_same_datum_passes_untouched(crs: Crs) -> None:
    assert to_cgcs2000(118.796877, 32.060255, crs) == (118.796877, 32.060255)


@pytest.mark.parametrize("point", [(-0.1278, 51.5074), (151.2093, -33.8688), (-74.006, 40.7128)])
@pytest.mark.parametrize("crs", DATUMS)
def test_points_outside_china_are_not_shifted(point: tuple[float, float], crs: Crs) -> None:
    assert to_cgcs2000(*point, crs) == point


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (32.06, 118.79, "颠倒"),
        (39.47, 75.99, "颠倒"),
        (0.0, 0.0, "没有真正定位"),
        (float("nan"), 32.0, "有效的数值"),
        (118.79, float("inf"), "有效的数值"),
        (190.0, 32.0, "经度"),
        (118.79, 95.0, "纬度"),
        (11879.6877, 3206.0255, "经度"),
    ],
)
def test_impossible_coordinates_are_refused_in_words(lon: float, lat: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_cgcs2000(lon, lat, "gcj02")


def test_unknown_datum_is_refused() -> None:
    with pytest.raises(ValueError, match="不支持的坐标系"):
        to_cgcs2000(118.79, 32.06, "epsg3857")  # type: ignore[arg-type]  # the point of the test


def test_distance_at_city_scale() -> None:
    # Vincenty on WGS-84: a degree of latitude at 32° N is 110,879 m; of longitude at 32° N 94,497 m.
    assert distance_m((118.0, 31.5), (118.0, 32.5)) == pytest.approx(110_879, rel=1e-4)
    assert distance_m((118.0, 32.0), (118.1, 32.0)) == pytest.approx(9_449.7, rel=1e-4)
    assert distance_m((118.0, 32.0), (118.0, 32.0)) == 0


@pytest.mark.skipif(
    not (DATA / "nanjing_districts_gcj02.geojson").exists(),
    reason="public data not present beside the repository (../shared/data)",
)
def test_conversion_lays_the_gcj02_districts_of_nanjing_onto_the_wgs84_ones() -> None:
    def districts(crs: str) -> dict[str, Any]:
        text = (DATA / f"nanjing_districts_{crs}.geojson").read_text("utf-8")
        return {f["properties"]["name"]: f["geometry"] for f in json.loads(text)["features"]}

    drawn_gcj, drawn_wgs = districts("gcj02"), districts("wgs84")
    for name in ("秦淮区", "建邺区", "玄武区", "鼓楼区"):
        outline = shapely.boundary(shapely.from_geojson(json.dumps(drawn_gcj[name])))
        corners = shapely.get_coordinates(shapely.from_geojson(json.dumps(drawn_wgs[name])))

        def off_m(moved: Any, corners: Any = corners) -> float:
            lines = shapely.shortest_line(shapely.points(corners), moved)
            return median(distance_m(*map(tuple, shapely.get_coordinates(line))) for line in lines)

        converted = shapely.transform(outline, lambda pairs: [to_cgcs2000(lon, lat, "gcj02") for lon, lat in pairs])
        # The WGS-84 file is a coarse drawing: its corners lie on the fine border, not the reverse.
        assert off_m(outline) > 250
        assert off_m(converted) < 20
