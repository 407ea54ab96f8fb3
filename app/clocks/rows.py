"""The master rows from which a working calendar is built (kind ``calendar``)."""

import re
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

RowType = Literal["hours", "year", "holiday", "workday", "week", "day_hours", "closure"]

#: row types that may have working hours; the first two must
_WITH_HOURS = ("hours", "day_hours", "closure")
#: row types of which a calendar has at most one line without dates
_UNDATED = ("hours", "week")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTERVAL = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
_WEEKDAY = re.compile(r"[1-7]")
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
    """One line of a calendar (DOMAIN.md §7). Ranges of dates include both ends.

    ``hours``: working hours of each working day from ``first_on`` to ``last_on`` (a season), or of all other
    days when both dates are empty. ``year``: an official list covers this whole year. ``holiday`` and
    ``workday`` 调休: days that override the weekday rule. ``week``: the weekdays that are worked by default
    (1 is Monday), at most one line without dates; Monday to Friday without it. ``day_hours`` 半天: other hours
    of the working days in the range, whatever the season. ``closure`` 停工: ``hours`` are what is still worked
    on the working days of the range, nothing when empty; it goes before everything else and must have a name.

    A night or seven-day roster is a calendar of its own: all seven ``weekdays``, ``hours`` such as
    00:00-06:00|22:00-24:00, and no holidays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    calendar_code: str = Field(pattern=r"^[^/\s]+$", max_length=100)
    row_type: RowType
    first_on: date | None = None
    last_on: date | None = None
    hours: tuple[str, ...] = ()
    #: of a ``week`` line: 1 (Monday) to 7, ascending
    weekdays: tuple[int, ...] = ()
    name: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """Unique in the release; the default hours row and the week row end in an empty date."""
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

    @field_validator("weekdays", mode="before")
    @classmethod
    def _read_weekdays(cls, value: Any) -> Any:
        parts = value.split("|") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            return value
        texts = [str(part).strip() for part in parts] if value else []
        if bad := [text for text in texts if _WEEKDAY.fullmatch(text) is None]:
            raise ValueError(f"星期“{bad[0]}”写法不对，应为 1（星期一）到 7（星期日），多个用 | 分隔，例如 1|2|3|4|5")
        days = [int(text) for text in texts]
        if days != sorted(set(days)):
            raise ValueError(f"星期“{'|'.join(texts)}”重复或次序颠倒，应由小到大各写一次")
        return tuple(days)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_hours()
        if (self.first_on is None) != (self.last_on is None):
            raise ValueError("起止日期要么都写，要么都空")
        if self.first_on is None or self.last_on is None:
            if self.row_type not in _UNDATED:
                raise ValueError(f"{self.row_type} 行必须写明起止日期，只有一天时两者相同")
            return self
        if self.row_type == "week":
            raise ValueError("week 行不写起止日期：它定的是整个日历的每周工作日")
        if self.first_on > self.last_on:
            raise ValueError(f"起始日期 {self.first_on} 晚于截止日期 {self.last_on}")
        if self.row_type == "year":
            year = self.first_on.year
            if (self.first_on, self.last_on) != (date(year, 1, 1), date(year, 12, 31)):
                raise ValueError("year 行必须从 1 月 1 日到同年 12 月 31 日")
        return self

    def _check_hours(self) -> None:
        if self.hours and self.row_type not in _WITH_HOURS:
            raise ValueError(f"只有 {'、'.join(_WITH_HOURS)} 行可以写工作时段，{self.row_type} 行不可以")
        if not self.hours and self.row_type in _WITH_HOURS[:2]:
            raise ValueError(f"{self.row_type} 行必须写明工作时段，例如 08:00-12:00|14:00-18:00")
        parse_hours(self.hours)
        if self.weekdays and self.row_type != "week":
            raise ValueError(f"只有 week 行可以写星期，{self.row_type} 行不可以")
        if not self.weekdays and self.row_type == "week":
            raise ValueError("week 行必须写明每周哪几天工作（weekdays），例如 1|2|3|4|5")
        if self.row_type == "closure" and not self.name:
            raise ValueError("closure 行必须写明停工的名称（name），它会出现在时限说明里")
