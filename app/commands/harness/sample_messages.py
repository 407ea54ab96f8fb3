"""Varied messages of three channels for benches and drills: the demo city's texts at places all over its cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import orjson

from app import demo_city
from app.clocks.calendar import CHINA_TIME
from app.grid.datum import LonLat, from_cgcs2000

DEMO_CITY: Final = demo_city.FOLDER

ChannelCode = Literal["hotline-12345", "police-110", "snapshot"]

_ORDER_TYPES: Final = {
    "inquiry": "咨询",
    "help": "求助",
    "complaint": "投诉",
    "accusation": "举报",
    "suggestion": "建议",
    "praise": "表扬",
}
#: said before and after a text, so that hardly two messages are the same
_BEFORE: Final = ("", "", "", "你好，", "我反映一下，", "麻烦看一下，")
_AFTER: Final = ("", "", "。", "，请尽快处理", "，谢谢", "，已经好几天了", "，等你们回话")
#: metres to degrees at the demo city's latitude; a joining report lies within so many metres of the first
_METRE: Final = 1 / 111_000.0
_JOIN_WITHIN_M: Final = 8.0
#: earlier reports that a joining one may follow
_REMEMBERED: Final = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    """A message of one channel, and its reference at the source."""

    channel: ChannelCode
    source_ref: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Text:
    content: str
    title: str
    demand_type: str
    anonymous: bool


class Samples:
    """An endless supply of different messages; the same for the same ``run`` and ``seed``.

    ``run`` begins every reference (letters and digits); ``join_share``: how many in a hundred tell of the place and
    the matter of an earlier one.
    """

    def __init__(self, run: str, *, seed: int = 0, join_share: float = 0.1, folder: Path = DEMO_CITY) -> None:
        self._run = run
        self._random = Random(f"{run}/{seed}")  # noqa: S311 - test data, not secrets
        self._join_share = join_share
        self._texts = list(_texts(folder))
        self._cells = list(_boxes(folder))
        self._earlier: list[tuple[_Text, LonLat]] = []
        self._count = 0
        self._seed = seed

    def next(self, channel: ChannelCode, at: datetime) -> Sample:
        """One more message, as reported at ``at``."""
        self._count += 1
        number = f"{self._run}{self._seed:02d}{self._count:07d}"
        text, place = self._matter()
        said = f"{self._random.choice(_BEFORE)}{text.content}{self._random.choice(_AFTER)}"
        shown_at = at.astimezone(CHINA_TIME).strftime("%Y-%m-%d %H:%M:%S")
        phone = f"139{self._random.randrange(10**8):08d}"
        make = {"hotline-12345": self._hotline, "police-110": self._police, "snapshot": self._snapshot}[channel]
        return make(number, text, said, place, shown_at, phone)

    def answered(self, at: datetime) -> Sample:
        """A hotline message that the desk has answered itself: its result is owed to the hotline at once."""
        sample = self.next("hotline-12345", at)
        return Sample(
            sample.channel,
            sample.source_ref,
            {**sample.body, "orderType": "咨询", "answeredDirectly": True, "answerText": "已在电话中说明办理途径。"},
        )

    def _matter(self) -> tuple[_Text, LonLat]:
        pick = self._random
        if self._earlier and pick.random() < self._join_share:
            text, (lon, lat) = pick.choice(self._earlier)
            near = _JOIN_WITHIN_M * _METRE / 2
            return text, (lon + pick.uniform(-near, near), lat + pick.uniform(-near, near))
        text = pick.choice(self._texts)
        west, south, east, north = pick.choice(self._cells)
        place = (pick.uniform(west, east), pick.uniform(south, north))
        if len(self._earlier) < _REMEMBERED:
            self._earlier.append((text, place))
        else:
            self._earlier[pick.randrange(_REMEMBERED)] = (text, place)
        return text, place

    def _hotline(self, number: str, text: _Text, said: str, place: LonLat, at: str, phone: str) -> Sample:
        lon, lat = from_cgcs2000(*place, "gcj02")
        body = {
            "orderNum": f"GD{number}",
            "callTime": at,
            "callerPhone": phone,
            "orderType": _ORDER_TYPES[text.demand_type],
            "title": text.title,
            "content": said,
            "lon": round(lon, 6),
            "lat": round(lat, 6),
            "crs": "gcj02",
            "confidential": "否",
            "replyRequired": "是",
        }
        if text.anonymous:
            body |= {"anonymous": "是"}
        return Sample("hotline-12345", f"GD{number}", body)

    def _police(self, number: str, text: _Text, said: str, place: LonLat, at: str, phone: str) -> Sample:
        lon, lat = from_cgcs2000(*place, "gcj02")
        body = {
            "XZQHDM": "320102",
            "JJDBH": number,
            "JJLX": "01",
            "BJSJ": at,
            "BJDH": phone,
            "BJRMC": "匿名",
            "BJNR": said,
            "FXDWJD": f"{lon:.6f}",
            "FXDWWD": f"{lat:.6f}",
            "SFBM": "0",
        }
        return Sample("police-110", f"320102/{number}", body)

    def _snapshot(self, number: str, text: _Text, said: str, place: LonLat, at: str, phone: str) -> Sample:
        user = f"u-{self._random.randrange(10_000):06d}"
        body = {
            "user_id": user,
            "request_id": number,
            "description": said,
            "pictures": [{"sha256": f"{self._random.getrandbits(256):064x}"}],
            "submitted_at": at,
            "lon": round(place[0], 6),
            "lat": round(place[1], 6),
            "crs": "wgs84",
            "accuracy_m": 15,
        }
        if not text.anonymous:
            body |= {"phone": phone}
        return Sample("snapshot", f"{user}/{number}", body)


def _texts(folder: Path) -> Iterator[_Text]:
    for line in (folder / "reports.jsonl").read_bytes().splitlines():
        row = orjson.loads(line)
        yield _Text(row["content"], row["title"], row["demand_type"], row["reporter"] == "anonymous")


def _boxes(folder: Path) -> Iterator[tuple[float, float, float, float]]:
    """West, south, east, north of every cell in CGCS2000 degrees."""
    for feature in orjson.loads((folder / "cells.geojson").read_bytes())["features"]:
        ring = feature["geometry"]["coordinates"][0]
        lons, lats = [point[0] for point in ring], [point[1] for point in ring]
        yield min(lons), min(lats), max(lons), max(lats)
