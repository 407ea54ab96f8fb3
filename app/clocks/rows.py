"""The master rows from which a working calendar is built (kind ``calendar``)."""

import re
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

RowType = Literal["hours", "year", "holiday", "workday"]

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTERVAL = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
_DAY_MINUTES = 24 * 60


def parse_hours(hours: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Working intervals as ascending (start, end) minutes after local midnight; the last may end at 24:00.

    Raises ValueError (Chinese) for a malformed, empty, backward or overlapping interval.
    """
    intervals: list[tuple[int, int]] = []
    for text in hours:
        match = _INTERVAL.fullmatch(text)
        if match is None:
            raise ValueError(f"工作时段“{text}”写法不对，应如 08:00-12:00，多段用 | 分隔")
        from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
        start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        if end > _DAY_MINUTES or start >= end:
            raise ValueError(f"工作时段“{text}”的结束必须晚于开始，且不超过 24:00（跨夜请分成两段）")
        if intervals and start < intervals[-1][1]:
            raise ValueError(f"工作时段“{text}”与前一段重叠或次序颠倒")
        intervals.append((start, end))
    return tuple(intervals)


class CalendarRow(BaseModel):
    """One line of a calendar (DOMAIN.md §7).

    ``hours``: working hours of each working day from ``first_on`` to ``last_on``, or of all other days when
    both dates are empty. ``year``: an official list covers this whole year. ``holiday`` and ``workday`` 调休:
    days that override the weekday rule. Both dates are included in the range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    calendar_code: str = Field(pattern=r"^[^/\s]+$")
    row_type: RowType
    first_on: date | None = None
    last_on: date | None = None
    hours: tuple[str, ...] = ()
    name: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """Unique in the release; the default hours row ends in an empty date."""
        return f"{self.calendar_code}/{self.row_type}/{self.first_on or ''}"

    @field_validator("first_on", "last_on", mode="before")
    @classmethod
    def _read_date(cls, value: Any) -> Any:
        # pydantic alone would read digits such as "20260101" as a Unix time.
        if not isinstance(value, str):
            return value
        text = value.strip()
        if text and _ISO_DATE.fullmatch(text) is None:
            raise ValueError(f"日期“{text}”写法不对，应如 2026-10-01")
        return text or None

    @field_validator("hours", mode="before")
    @classmethod
    def _split_hours(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split("|")) if value.strip() else ()
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.row_type == "hours":
            if not self.hours:
                raise ValueError("hours 行必须写明工作时段，例如 08:00-12:00|14:00-18:00")
            parse_hours(self.hours)
        elif self.hours:
            raise ValueError(f"只有 hours 行可以写工作时段，{self.row_type} 行不可以")
        if (self.first_on is None) != (self.last_on is None):
            raise ValueError("起止日期要么都写，要么都空")
        if self.first_on is None or self.last_on is None:
            if self.row_type != "hours":
                raise ValueError(f"{self.row_type} 行必须写明起止日期，只有一天时两者相同")
            return self
        if self.first_on > self.last_on:
            raise ValueError(f"起始日期 {self.first_on} 晚于截止日期 {self.last_on}")
        if self.row_type == "year":
            year = self.first_on.year
            if (self.first_on, self.last_on) != (date(year, 1, 1), date(year, 12, 31)):
                raise ValueError("year 行必须从 1 月 1 日到同年 12 月 31 日")
        return self
