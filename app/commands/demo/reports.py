"""The demo's reports: a selection of the demo city's, and each as the message that its channel's client would send."""

import base64
import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, pi, radians, sin, sqrt
from pathlib import Path
from random import Random
from typing import Any, Final

from PIL import Image, ImageDraw
from shapely.geometry import Point, Polygon, shape

from app import demo_city
from app.clocks.calendar import CHINA_TIME
from app.grid.datum import Crs, LonLat, from_cgcs2000

CITY_FOLDER: Final = demo_city.FOLDER
CITY_CODE: Final = "320102"
CITY_NAME: Final = "南京市玄武区（演示）"

_SEED: Final = 20261122
_DEMAND: Final = {
    "inquiry": "咨询",
    "help": "求助",
    "complaint": "投诉",
    "accusation": "举报",
    "suggestion": "建议",
    "praise": "表扬",
}
#: what is ruled is sent first, what follows it last
_PLACES: Final = {"ruling": 0, "precedent": 2}
_SPARE: Final = 4
#: between a report and one that repeats it: 20 m is well within the joining radius of 50 m
_DUPLICATE_METRES: Final = 20.0
_METRES_PER_DEGREE: Final = 111_320.0
#: the hotline's operators work with maps of several makers
_HOTLINE_CRS: Final[tuple[Crs, ...]] = ("gcj02", "bd09", "cgcs2000", "wgs84")


@dataclass(frozen=True, slots=True)
class Planned:
    """One report of the demo: what is said, what is right about it, and how it is to end (``demo_city/README.md``)."""

    index: int
    channel: str
    item: str
    content: str
    title: str
    demand_type: str
    reporter: str
    outcome: str
    address: str | None = None
    cell: str | None = None
    #: the registered component that it names
    component: str | None = None
    #: index of the report that this one repeats
    of: int | None = None
    #: what else happens to it on its way to its end (``ways.py``), by which units, and the item of the part split off
    way: str | None = None
    units: tuple[str, ...] = ()
    part: str | None = None

    @property
    def told_at_the_desk(self) -> bool:
        """Whether the caller is answered or refused while still on the line; the other such reports go to a seat."""
        if self.channel != "hotline-12345":
            return False
        return (self.outcome == "direct_answer" and self.index % 3 != 0) or (
            self.outcome == "not_accepted" and self.index % 2 == 0
        )


def read_reports(folder: Path = CITY_FOLDER) -> list[Planned]:
    """All reports of the demo city, in the file's order."""
    lines = (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    return [_planned(index, json.loads(line)) for index, line in enumerate(lines)]


def _planned(index: int, members: dict[str, Any]) -> Planned:
    return Planned(index=index, **members | {"units": tuple(members.get("units", ()))})


def choose(reports: Sequence[Planned], count: int) -> list[Planned]:
    """``count`` of them, every channel and outcome in its share, in a mixed order that is always the same.

    A duplicate comes with the report that it repeats, a few places behind it. Those that go a way of their own are all
    among them; what is ruled comes first and what follows the ruling last, so that it has become a precedent.
    """
    groups: dict[tuple[str, str], list[Planned]] = defaultdict(list)
    for report in reports:
        groups[report.channel, report.outcome].append(report)
    chosen = {report.index: report for report in reports if report.way}
    for group in groups.values():
        share = min(len(group), max(1, round(count * len(group) / len(reports))))
        for n in range(share):
            report = group[n * len(group) // share]
            chosen[report.index] = report
            if report.of is not None:
                chosen[report.of] = reports[report.of]
    random = Random(_SEED)  # noqa: S311 - an order of demo reports, not a secret
    rest = [report for report in reports if report.index not in chosen and report.outcome != "duplicate"]
    random.shuffle(rest)
    wanted = [*chosen.values(), *rest[: max(0, count - len(chosen))]]
    random.shuffle(wanted)
    firsts = sorted((report for report in wanted if report.of is None), key=_worth)[:count]
    random.shuffle(firsts)
    repeats = [report for report in wanted if report.of in {first.index for first in firsts}]
    for repeat in repeats:
        place = next(n for n, report in enumerate(firsts) if report.index == repeat.of)
        firsts.insert(min(len(firsts), place + random.randint(1, 4)), repeat)
    if len(firsts) > count:
        spare = [r.index for r in reversed(firsts) if _worth(r) == _SPARE and not _repeated(r, firsts)]
        dropped = set(spare[: len(firsts) - count])
        firsts = [report for report in firsts if report.index not in dropped]
    # Cutting off the end never parts a repetition from its first, which stands before it.
    return sorted(firsts[:count], key=lambda report: _PLACES.get(report.way or "", 1))


def _worth(report: Planned) -> int:
    """How early it is kept where there are too many: 0 first, ``_SPARE`` last."""
    if report.way:
        return _PLACES.get(report.way, 1)
    return _SPARE if report.outcome == "handled" else _SPARE - 1


def _repeated(report: Planned, among: Sequence[Planned]) -> bool:
    return any(other.of == report.index for other in among)


class Messages:
    """Turns reports into messages: each channel's own fields, references of this run, points within the cells."""

    def __init__(self, run: str, folder: Path = CITY_FOLDER) -> None:
        self._run = run
        cells = json.loads((folder / "cells.geojson").read_text(encoding="utf-8"))
        self._cells: dict[str, Polygon] = {
            feature["properties"]["cell_id"]: shape(feature["geometry"]) for feature in cells["features"]
        }
        self._points: dict[int, LonLat] = {}

    def of(self, report: Planned, at: datetime) -> dict[str, Any]:
        """The message of a report that is sent at ``at``."""
        make = {"hotline-12345": self._hotline, "police-110": self._police, "snapshot": self._snapshot}
        message = make[report.channel](report, at)
        return {name: value for name, value in message.items() if value is not None}

    def point(self, report: Planned) -> LonLat | None:
        """Where it happened, in CGCS2000: somewhere in its cell; a repetition close to the first. None: not known."""
        if report.cell is None:
            return None
        if report.index not in self._points:
            random = Random(_SEED + report.index)  # noqa: S311 - as above
            first = self._points.get(report.of) if report.of is not None else None
            self._points[report.index] = _near(first, random) if first else _inside(self._cells[report.cell], random)
        return self._points[report.index]

    def _in(self, report: Planned, crs: Crs) -> tuple[float | None, float | None]:
        point = self.point(report)
        if point is None:
            return None, None
        lon, lat = from_cgcs2000(*point, crs)
        return round(lon, 6), round(lat, 6)

    def _hotline(self, report: Planned, at: datetime) -> dict[str, Any]:
        crs = _HOTLINE_CRS[report.index % len(_HOTLINE_CRS)]
        lon, lat = self._in(report, crs)
        answered = report.told_at_the_desk and report.outcome == "direct_answer"
        return {
            "orderNum": f"GD{self._run}{report.index:04d}",
            "callTime": _plain(at - timedelta(minutes=3)),
            "callerName": None if report.reporter == "anonymous" else "来电市民",
            "callerPhone": _phone(report),
            "orderType": _DEMAND[report.demand_type],
            "title": report.title,
            "content": report.content,
            "address": report.address,
            "areaCode": CITY_CODE,
            "componentId": report.component,
            "lon": lon,
            "lat": lat,
            "crs": crs if lon is not None else None,
            "anonymous": "是" if report.reporter == "anonymous" else "否",
            "confidential": "是" if report.reporter == "confidential" else "否",
            "operatorNo": f"{report.index % 6 + 1:03d}",
            "answeredDirectly": "是" if answered else None,
            "answerText": "已按知识库答复，来电人表示清楚。" if answered else None,
            "refusedAs": treatment_of(report) if report.told_at_the_desk and not answered else None,
        }

    def _police(self, report: Planned, at: datetime) -> dict[str, Any]:
        lon, lat = self._in(report, "gcj02")
        return {
            "XZQHDM": CITY_CODE,
            "JJDBH": f"{CITY_CODE}{self._run}{report.index:04d}",
            "JJLX": "01",
            "BJSJ": _plain(at - timedelta(minutes=6)),
            "JJSJ": f"{at - timedelta(minutes=5):%Y%m%d%H%M%S}",
            "TSSJ": _plain(at),
            "BJRMC": "匿名" if report.reporter == "anonymous" else "报警群众",
            "BJDH": _phone(report),
            "JQDZ": report.address,
            "BJNR": report.content,
            "JQLBMC": _DEMAND[report.demand_type],
            # as the dispatch system exports them: strings, and empty where there is no fix
            "FXDWJD": str(lon) if lon is not None else "",
            "FXDWWD": str(lat) if lat is not None else "",
            "SFBM": "1" if report.reporter == "confidential" else "0",
        }

    def _snapshot(self, report: Planned, at: datetime) -> dict[str, Any]:
        lon, lat = self._in(report, "gcj02")
        return {
            "user_id": f"demo-user-{report.index % 40:02d}",
            "request_id": f"{self._run}-{report.index:04d}",
            "description": report.content,
            "pictures": [{"data": base64.b64encode(picture(report.index)).decode()}],
            "taken_at": (at - timedelta(minutes=2)).isoformat(timespec="seconds"),
            "submitted_at": at.isoformat(timespec="seconds"),
            "lon": lon,
            "lat": lat,
            "crs": "gcj02" if lon is not None else None,
            "accuracy_m": 15 if lon is not None else None,
            "address": report.address,
            "component_id": report.component,
            "phone": _phone(report),
            "anonymous": report.reporter == "anonymous",
            "demand_type": report.demand_type,
        }


def treatment_of(report: Planned) -> str:
    """Why a report is not accepted, as one of the four treatments (DOMAIN.md §5)."""
    words = report.title + report.content
    if any(word in words for word in ("法院", "仲裁", "复议", "判决")):
        return "statutory_route"
    if any(word in words for word in ("打着玩", "骂")):
        return "disruption"
    return "explanation_only"


def picture(number: int) -> bytes:
    """A small JPEG, another one for each number."""
    random = Random(number)  # noqa: S311 - colours
    image = Image.new("RGB", (160, 120), tuple(random.randrange(90, 230) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = random.randrange(140), random.randrange(100)
        draw.rectangle(
            (x, y, x + 12 + random.randrange(30), y + 20), fill=tuple(random.randrange(256) for _ in range(3))
        )
    draw.text((6, 104), f"bihuan demo {number}", fill=(20, 20, 20))
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=80)
    return kept.getvalue()


def master_rows(kind: str, folder: Path = CITY_FOLDER) -> list[Mapping[str, str]]:
    """The rows of one of the city's CSV files."""
    with (folder / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
        next(file)
        return list(csv.DictReader(file))


def _phone(report: Planned) -> str | None:
    return None if report.reporter == "anonymous" else f"1390000{report.index:04d}"


def _plain(at: datetime) -> str:
    return f"{at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M:%S}"


def _inside(cell: Polygon, random: Random) -> LonLat:
    west, south, east, north = cell.buffer(-0.00012).bounds or cell.bounds
    for _ in range(200):
        lon, lat = random.uniform(west, east), random.uniform(south, north)
        if cell.contains(Point(lon, lat)):
            return lon, lat
    inner = cell.representative_point()
    return inner.x, inner.y


def _near(first: LonLat, random: Random) -> LonLat:
    metres = _DUPLICATE_METRES * sqrt(random.random()) * 0.95
    angle = random.uniform(0, 2 * pi)
    lon, lat = first
    north = metres * cos(angle) / _METRES_PER_DEGREE
    east = metres * sin(angle) / (_METRES_PER_DEGREE * cos(radians(lat)))
    return lon + east, lat + north
