"""Coordinate datums: GCJ-02 and BD-09 to CGCS2000 and back, exact to well below a millimetre.

Everything is stored in CGCS2000 as longitude, latitude in degrees (DOMAIN.md §8). WGS-84 is the same to the
millimetre at city accuracy and passes through unchanged. A forgotten conversion moves a point by about
500 m, five unit cells, so nothing here ever guesses a datum: an unknown one is the caller's to refuse.
"""

from collections.abc import Callable
from math import atan2, cos, hypot, isfinite, pi, sin, sqrt
from typing import Literal, get_args

Crs = Literal["wgs84", "gcj02", "bd09", "cgcs2000"]
LonLat = tuple[float, float]

# Krasovsky ellipsoid as used by GCJ-02 (DOMAIN.md §8).
_A = 6378245.0
_EE = 0.00669342162296594323
_BD_PI = pi * 3000.0 / 180.0
_BD_LON = 0.0065
_BD_LAT = 0.006

# The rectangle within which the published transformation shifts points; outside it, it is the identity.
_WEST, _EAST = 72.004, 137.8347
_SOUTH, _NORTH = 0.8293, 55.8271

# 1e-12 degrees is a ten-thousandth of a millimetre; the error shrinks about 200-fold per round.
_CONVERGED = 1e-12
_MAX_ROUNDS = 20


def inside_china(lon: float, lat: float) -> bool:
    """Whether GCJ-02 shifts this point: inside the rectangle 72.004–137.8347 E, 0.8293–55.8271 N."""
    return _WEST <= lon <= _EAST and _SOUTH <= lat <= _NORTH


def check_lon_lat(lon: float, lat: float) -> None:
    """Refuse what cannot be a longitude and a latitude in degrees.

    Raises ValueError with a Chinese sentence. A pair in the order lat, lon (the order EPSG:4490 declares) is
    named as such, also where the swapped pair would be a legal point in the Arctic: no city of ours is there.
    """
    if not (isfinite(lon) and isfinite(lat)):
        raise ValueError("坐标不是有效的数值")
    if lon == 0 and lat == 0:
        raise ValueError("坐标为 (0, 0)，来源没有真正定位")
    if not inside_china(lon, lat) and inside_china(lat, lon):
        raise ValueError(f"经度和纬度疑似颠倒：经度 {lon}，纬度 {lat}")
    if not -180 <= lon <= 180:
        raise ValueError(f"经度 {lon} 超出 -180 至 180 的范围")
    if not -90 <= lat <= 90:
        raise ValueError(f"纬度 {lat} 超出 -90 至 90 的范围")


def _shift(lon: float, lat: float) -> LonLat:
    """The GCJ-02 offset in degrees at a WGS-84 point."""
    x, y = lon - 105.0, lat - 35.0
    root = sqrt(abs(x))
    ripple = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north_m += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north_m += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east_m += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east_m += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0

    latitude = lat / 180.0 * pi
    magic = 1.0 - _EE * sin(latitude) ** 2
    east = east_m * 180.0 / (_A / sqrt(magic) * cos(latitude) * pi)
    north = north_m * 180.0 / (_A * (1.0 - _EE) / (magic * sqrt(magic)) * pi)
    return east, north


def _invert(forward: Callable[[float, float], LonLat], lon: float, lat: float) -> LonLat:
    """The point that ``forward`` moves to (lon, lat), by fixed-point iteration."""
    guess_lon, guess_lat = lon, lat
    for _ in range(_MAX_ROUNDS):
        moved_lon, moved_lat = forward(guess_lon, guess_lat)
        off_lon, off_lat = lon - moved_lon, lat - moved_lat
        guess_lon += off_lon
        guess_lat += off_lat
        if abs(off_lon) < _CONVERGED and abs(off_lat) < _CONVERGED:
            break
    return guess_lon, guess_lat


def _shifted(lon: float, lat: float) -> LonLat:
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def wgs84_to_gcj02(lon: float, lat: float) -> LonLat:
    """WGS-84 (or CGCS2000) degrees to GCJ-02; unchanged outside China."""
    return _shifted(lon, lat) if inside_china(lon, lat) else (lon, lat)


def gcj02_to_wgs84(lon: float, lat: float) -> LonLat:
    """GCJ-02 degrees to WGS-84 (or CGCS2000); unchanged outside China."""
    # Inverting the unconditional shift keeps the iteration from jumping across the edge of the rectangle.
    return _invert(_shifted, lon, lat) if inside_china(lon, lat) else (lon, lat)


def _rotated(lon: float, lat: float) -> LonLat:
    radius = hypot(lon, lat) + 0.00002 * sin(lat * _BD_PI)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BD_PI)
    return radius * cos(angle) + _BD_LON, radius * sin(angle) + _BD_LAT


def gcj02_to_bd09(lon: float, lat: float) -> LonLat:
    """GCJ-02 degrees to BD-09; unchanged outside China, where Baidu serves WGS-84."""
    return _rotated(lon, lat) if inside_china(lon, lat) else (lon, lat)


def bd09_to_gcj02(lon: float, lat: float) -> LonLat:
    """BD-09 degrees to GCJ-02, the true inverse of the forward formula and not the usual approximation."""
    return _invert(_rotated, lon, lat) if inside_china(lon, lat) else (lon, lat)


def to_cgcs2000(lon: float, lat: float, crs: Crs) -> LonLat:
    """Degrees in ``crs`` to CGCS2000 longitude, latitude (DOMAIN.md §8).

    Raises ValueError, in Chinese, for impossible coordinates (see ``check_lon_lat``) and for an unknown crs.
    """
    check_lon_lat(lon, lat)
    match crs:
        case "wgs84" | "cgcs2000":
            return lon, lat
        case "gcj02":
            return gcj02_to_wgs84(lon, lat)
        case "bd09":
            return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))
    raise ValueError(f"不支持的坐标系：{crs}，应为 {'、'.join(get_args(Crs))} 之一")


def from_cgcs2000(lon: float, lat: float, crs: Crs) -> LonLat:
    """CGCS2000 degrees to ``crs``, for a receiver whose map needs it. Raises like ``to_cgcs2000``."""
    check_lon_lat(lon, lat)
    match crs:
        case "wgs84" | "cgcs2000":
            return lon, lat
        case "gcj02":
            return wgs84_to_gcj02(lon, lat)
        case "bd09":
            return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))
    raise ValueError(f"不支持的坐标系：{crs}，应为 {'、'.join(get_args(Crs))} 之一")


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres in one degree of longitude and of latitude at ``lat``, on the CGCS2000 ellipsoid."""
    phi = lat / 180.0 * pi
    east = 111412.84 * cos(phi) - 93.5 * cos(3.0 * phi) + 0.118 * cos(5.0 * phi)
    north = 111132.92 - 559.82 * cos(2.0 * phi) + 1.175 * cos(4.0 * phi)
    return east, north


def distance_m(lon_lat_a: LonLat, lon_lat_b: LonLat) -> float:
    """Metres between two CGCS2000 points, on the plane tangent between them.

    Meant for one city: off by less than a metre in 50 km. Not for points on either side of the date line.
    """
    east, north = metres_per_degree((lon_lat_a[1] + lon_lat_b[1]) / 2.0)
    return hypot((lon_lat_a[0] - lon_lat_b[0]) * east, (lon_lat_a[1] - lon_lat_b[1]) * north)
