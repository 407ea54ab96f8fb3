"""The kinds of field that channels' messages are made of: how each is read, refused and documented in the
JSON schema.

Blank values never reach these readers: an empty string or null counts as "not given" (see
``channel.canonical``).
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, ClassVar, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from app.intake.channels.faults import Fault, wrong
from app.intake.phones import normal_phones

#: a source's clock may run this far ahead of ours
CLOCK_SKEW: Final = timedelta(minutes=10)
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
#: degrees that enclose the country, with a margin
LON_RANGE: Final = (73.0, 136.0)
LAT_RANGE: Final = (3.0, 54.0)

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Control characters other than tab and newline, and the invisible marks that can reverse or hide text on
# a screen.
_DROPPED: Final = re.compile(
    "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)?", re.ASCII
)
_COMPACT_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,25})?(?:[Ee][+-]?\d{1,4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What a reader needs beside the value: our clock, and the zone of times without an offset.

    ``sound`` collects the fields that were read well (by attribute name), so that cross-field checks can
    run although other fields failed.
    """

    now: datetime
    zone: tzinfo
    sound: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FieldKind:
    """Base of the annotations: ``read`` returns the value or raises ``faults.wrong(...)``."""

    def read(self, value: Any, context: ReadingContext) -> Any:
        """The value as the report needs it."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """The JSON schema of what a client may write."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def run(value: Any, info: ValidationInfo) -> Any:
            context = info.context
            if not isinstance(context, ReadingContext):
                context = ReadingContext(datetime.now(UTC), timezone(timedelta(hours=8)))
            return self.read(value, context)

        return core_schema.with_info_plain_validator_function(run)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.schema()


def storable(value: str) -> None:
    """Refuse what PostgreSQL cannot store or UTF-8 cannot encode."""
    if "\x00" in value:
        raise wrong("control_character", "含有空字符（U+0000），请去掉后重发。")
    if _SURROGATE.search(value):
        raise wrong("broken_text", "含有不完整的 Unicode 字符，请检查编码后重发。")


@dataclass(frozen=True)
class Text(FieldKind):
    """Text of at most ``limit`` characters on one line; with ``lines`` its line breaks are kept."""

    limit: int
    lines: bool = False

    def read(self, value: Any, context: ReadingContext) -> str:
        if not isinstance(value, str):
            raise wrong("wrong_type", "应为文字（字符串）。")
        # Twice the limit leaves room for what cleaning drops, and keeps huge texts from being cleaned at
        # all.
        if len(value) > 2 * self.limit + 100:
            raise self._too_long(len(value))
        storable(value)
        text = _DROPPED.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
        if not self.lines:
            text = " ".join(text.split())
        if not text:
            raise wrong("empty", "没有可显示的文字。")
        if len(text) > self.limit:
            raise self._too_long(len(text))
        return text

    def _too_long(self, length: int) -> Exception:
        return wrong("too_long", f"最多 {self.limit} 个字，收到 {length} 个，请缩短。")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.limit}


@dataclass(frozen=True)
class Code(FieldKind):
    """A code or number plate: ``pattern`` matched whole, ``hint`` says in Chinese what it looks like.

    With ``identity`` only a string is taken, unchanged: as a JSON number it would lose leading zeros, and
    JavaScript clients round what exceeds 2^53, so that two orders would become one.
    """

    limit: int
    pattern: str = r"[0-9A-Za-z._:\-]+"
    hint: str = "由字母、数字和 . _ : - 组成"
    identity: bool = False

    def read(self, value: Any, context: ReadingContext) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and not self.identity and value.bit_length() < 120:
            value = str(value)
        if not isinstance(value, str):
            raise wrong("wrong_type", "应写成字符串（加引号）。" if self.identity else "应为字符串。")
        if len(value) > 4 * self.limit:
            raise wrong("too_long", f"最多 {self.limit} 个字符，收到 {len(value)} 个。")
        storable(value)
        text = value.strip() if self.identity else unicodedata.normalize("NFKC", value).strip()
        if len(text) > self.limit:
            raise wrong("too_long", f"最多 {self.limit} 个字符，收到 {len(text)} 个。")
        if not re.fullmatch(self.pattern, text):
            raise wrong("bad_format", f"应{self.hint}。")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.limit, "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Moment(FieldKind):
    """A time as ``YYYY-MM-DD HH:MM:SS``, ``YYYYMMDDHHMMSS`` or RFC 3339; without an offset in the
    client's zone.

    Refused: before 2000, and more than 10 minutes ahead of our clock.
    """

    def read(self, value: Any, context: ReadingContext) -> datetime:
        if not isinstance(value, str):
            raise wrong("wrong_type", "应为时间字符串，如 2026-09-01 08:30:00。")
        text = value.strip() if len(value) <= 60 else ""
        found = _TIME.fullmatch(text) or _COMPACT_TIME.fullmatch(text)
        if not found:
            raise wrong("bad_time", "时间格式应为 2026-09-01 08:30:00、20260901083000 或 2026-09-01T08:30:00+08:00。")
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        fraction, offset = found.groups()[6:] if len(found.groups()) > 6 else (None, None)
        # Years are compared before the zone is applied: arithmetic at the ends of the calendar would
        # overflow.
        if year < EARLIEST.year:
            raise wrong("time_too_old", "早于 2000 年，请检查时间。")
        if year > context.now.year + 1:
            raise wrong("time_in_future", "晚于当前时间，请检查时钟或时区。")
        try:
            moment = datetime(
                year,
                month,
                day,
                hour,
                minute,
                second,
                int((fraction or "0").ljust(6, "0")[:6]),
                tzinfo=context.zone,
            )
            if offset:
                moment = moment.replace(tzinfo=zone_of(offset.upper()))
        except ValueError:
            raise wrong("bad_time", "没有这个日期或时刻，请检查。") from None
        if moment < EARLIEST:
            raise wrong("time_too_old", "早于 2000 年，请检查时间。")
        if moment > context.now + CLOCK_SKEW:
            raise wrong("time_in_future", "晚于当前时间 10 分钟以上，请检查时钟或时区。")
        return moment

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "maxLength": 60,
            "description": "YYYY-MM-DD HH:MM:SS、YYYYMMDDHHMMSS 或 RFC 3339",
        }


def zone_of(offset: str) -> tzinfo:
    """``Z`` or ``+08:00`` as a fixed zone; ValueError when it is neither."""
    if offset == "Z":
        return UTC
    found = re.fullmatch(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", offset)
    if not found:
        raise ValueError(f"not an offset like +08:00: {offset!r}")
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-size if found[1] == "-" else size)


@dataclass(frozen=True)
class Number(FieldKind):
    """A finite number from ``low`` to ``high``, perhaps as a string; ``whole`` wants an integer."""

    low: float
    high: float
    whole: bool = False

    def read(self, value: Any, context: ReadingContext) -> float | int | None:
        number = self._finite(value)
        if not self.low <= number <= self.high:
            raise wrong("out_of_range", f"应在 {self.low:g} 到 {self.high:g} 之间。")
        if self.whole:
            if number != int(number):
                raise wrong("wrong_type", "应为整数。")
            return int(number)
        return number

    def _finite(self, value: Any) -> float:
        if isinstance(value, str) and len(value) <= 60 and _NUMBER.fullmatch(value.strip()):
            number = float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
        else:
            raise wrong("wrong_type", "应为数字。")
        if not math.isfinite(number):
            raise wrong("not_a_number", "不是有效的数字。")
        return number

    def schema(self) -> dict[str, Any]:
        numeric = {"type": "integer" if self.whole else "number", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [numeric, {"type": "string", "maxLength": 60}]}


@dataclass(frozen=True)
class Degrees(Number):
    """A longitude or latitude in degrees; zero counts as not given, as devices without a fix send it.

    Range and order are judged on the pair (``pair_fault``), so that a swapped pair is called swapped.
    """

    low: float = -180.0
    high: float = 180.0

    def read(self, value: Any, context: ReadingContext) -> float | None:
        degrees = super().read(value, context)
        # Some location services answer the smallest positive double when they have no fix.
        return None if degrees is None or abs(degrees) < 1e-6 else degrees


def pair_fault(lon: float | None, lat: float | None, lon_field: str, lat_field: str) -> Fault | None:
    """What is wrong with a pair of degrees, if anything: half given, swapped, or outside the country."""
    if lon is None and lat is None:
        return None
    if lon is None or lat is None:
        missing = lon_field if lon is None else lat_field
        return Fault(missing, "incomplete_point", f"经纬度须同时提供，缺少 {missing}。")
    if LON_RANGE[0] <= lon <= LON_RANGE[1] and LAT_RANGE[0] <= lat <= LAT_RANGE[1]:
        return None
    if LON_RANGE[0] <= lat <= LON_RANGE[1] and LAT_RANGE[0] <= lon <= LAT_RANGE[1]:
        return Fault(lon_field, "swapped_point", f"经纬度写反了：{lon_field} 应为经度，{lat_field} 应为纬度。")
    return Fault(
        lon_field,
        "point_out_of_range",
        "坐标不在我国范围内，应为以度为单位的经度（73 至 136）和纬度（3 至 54）。",
    )


@dataclass(frozen=True, eq=False)
class Choice(FieldKind):
    """One of several spellings, mapped to our value; whole numbers are read as their digits."""

    spellings: Mapping[str, Any]

    def read(self, value: Any, context: ReadingContext) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100:
            value = str(value)
        if not isinstance(value, str):
            raise wrong("wrong_type", f"应为字符串：{self._offer()}。")
        key = value.strip() if len(value) <= 60 else ""
        if key not in self.spellings:
            key = key.lower().replace("-", "").replace(" ", "")
        if key not in self.spellings:
            raise wrong("unknown_value", f"应为以下之一：{self._offer()}。")
        return self.spellings[key]

    def _offer(self) -> str:
        return "、".join(self.spellings)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.spellings)}


@dataclass(frozen=True)
class YesNo(FieldKind):
    """A flag as 是/否, 1/0 or true/false, also as strings."""

    YES: ClassVar[frozenset[str]] = frozenset({"是", "1", "true", "yes", "y"})
    NO: ClassVar[frozenset[str]] = frozenset({"否", "0", "false", "no", "n"})

    def read(self, value: Any, context: ReadingContext) -> bool:
        if isinstance(value, bool):
            return value
        key = value.strip().lower() if isinstance(value, str) and len(value) <= 20 else ""
        if isinstance(value, int) and value in (0, 1):
            key = str(value)
        if key in self.YES or key in self.NO:
            return key in self.YES
        raise wrong("unknown_value", "应为 是/否、1/0 或 true/false。")

    def schema(self) -> dict[str, Any]:
        return {"enum": [True, False, 0, 1, "是", "否", "0", "1"]}


@dataclass(frozen=True)
class Phones(FieldKind):
    """Normal numbers. A word for "none" and a number masked by its source give an empty tuple."""

    limit: int = 100

    def read(self, value: Any, context: ReadingContext) -> tuple[str, ...]:
        text = Code(self.limit, r"[\s\S]+").read(value, context)
        numbers = normal_phones(text)
        if not numbers and any(c.isdecimal() for c in text) and "*" not in text and text != "0":
            raise wrong("not_a_phone", "不是电话号码，应如 13900000000 或 025-00000000。")
        return numbers

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.limit}
