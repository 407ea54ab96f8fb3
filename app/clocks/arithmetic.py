"""Limits and due times: six units, one function, no state (DOMAIN.md §7.1)."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from app.clocks.calendar import DAY, HOUR, MINUTE, Calendar, instant, position


class LimitUnit(StrEnum):
    """In what a limit is counted."""

    #: 紧急工作时: continuous, nights and weekends included
    urgent_hour = "urgent_hour"
    #: 工作时: inside working hours of working days
    work_hour = "work_hour"
    #: 工作日 of city management: as many working hours as a standard day has, from the minute of start
    work_day = "work_day"
    #: 工作日 of the law and of 12345: the starting day not counted, ends at close of business
    legal_work_day = "legal_work_day"
    #: 自然时: continuous
    natural_hour = "natural_hour"
    #: 自然日: the starting day not counted, a last day that is a day off rolls to the next working day
    natural_day = "natural_day"


_CHINESE = {
    LimitUnit.urgent_hour: "紧急工作时",
    LimitUnit.work_hour: "工作时",
    LimitUnit.work_day: "工作日",
    LimitUnit.legal_work_day: "法定工作日",
    LimitUnit.natural_hour: "自然时",
    LimitUnit.natural_day: "自然日",
}
_WORKING_UNITS = frozenset({LimitUnit.work_hour, LimitUnit.work_day, LimitUnit.legal_work_day})
# Python 3.11 looks enum members up through a descriptor, which took up to a fifth of the time of `due`.
_WORK_HOUR, _WORK_DAY = LimitUnit.work_hour, LimitUnit.work_day
_LEGAL_WORK_DAY, _NATURAL_DAY = LimitUnit.legal_work_day, LimitUnit.natural_day
_MAX_VALUE = 9999
_LIMIT = re.compile(r"([1-9][0-9]{0,3})\s+([a-z_]+)")
_ACCEPTED = "、".join(f"“2 {unit}”（{name}）" for unit, name in _CHINESE.items())


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit as the filing standards write it: ``value`` from 1 to 9999 whole units."""

    value: int
    unit: LimitUnit

    def __post_init__(self) -> None:
        if not 1 <= self.value <= _MAX_VALUE:
            raise ValueError(f"时限必须是 1 到 {_MAX_VALUE} 的整数，不能是 {self.value}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2 urgent_hour". Raises ValueError naming the accepted forms (Chinese)."""
        match = _LIMIT.fullmatch(text.strip())
        if match is None or match[2] not in LimitUnit.__members__:
            raise ValueError(f"时限“{text}”写法不对，应为 1 到 {_MAX_VALUE} 的整数加单位：{_ACCEPTED}")
        return cls(int(match[1]), LimitUnit(match[2]))

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"

    @property
    def chinese(self) -> str:
        """For people: "2 紧急工作时"."""
        return f"{self.value} {_CHINESE[self.unit]}"


@dataclass(frozen=True, slots=True)
class Due:
    """When a limit ends. ``due_at`` is in UTC.

    ``assumed``: the answer rests on days for which no official list is loaded yet (Monday to Friday instead),
    so it must be shown as provisional and computed anew once the list is there.
    """

    due_at: datetime
    assumed: bool


def due(calendar: Calendar, started_at: datetime, limit: Limit) -> Due:
    """The end of ``limit`` for a clock started at ``started_at`` (aware, any zone; its seconds are kept).

    legal_work_day and natural_day both end at close of business, not at 24:00: by Civil Code 203 a last day
    ends when business does, where there are business hours. Only the days that the answer depends on can make
    it ``assumed``: none for continuous hours, all but the starting day for legal_work_day, only the last day
    and its rolling for natural_day.

    Raises ValueError for a naive time or one outside 2000 to 2099.
    """
    day, microseconds = position(started_at)
    unit, value = limit.unit, limit.value
    if unit is _WORK_HOUR or unit is _WORK_DAY:
        length = HOUR if unit is _WORK_HOUR else calendar.standard_day_minutes * MINUTE
        due_day, moment = calendar.after_working(day, microseconds, value * length)
        first_day = day
    elif unit is _LEGAL_WORK_DAY:
        due_day = calendar.working_day_after(day, value)
        moment = calendar.closes(due_day)
        first_day = day + 1
    elif unit is _NATURAL_DAY:
        first_day = day + value
        due_day = calendar.working_day_after(first_day - 1, 1)
        moment = calendar.closes(due_day)
    else:
        return Due(instant(day, microseconds + value * HOUR), False)
    return Due(instant(due_day, moment), not calendar.covers_days(first_day, due_day))


def counted_minutes(calendar: Calendar, unit: LimitUnit, started_at: datetime, ended_at: datetime) -> int:
    """Minutes that count in ``unit``: working minutes, or all of them for natural units and urgent_hour.

    It counts the minutes that tick over, so the parts of a span always add up to the whole (pauses cut a
    clock into many) and no part is off by a minute or more. For work_hour and work_day the minutes from start
    to due are exactly the limit. For legal_work_day and natural_day the rest of the starting day is counted
    too, though their limit ignores it.

    Raises ValueError for naive times, times outside 2000 to 2099, or an end before the start.
    """
    start_day, start = position(started_at)
    end_day, end = position(ended_at)
    if (end_day, end) < (start_day, start):
        raise ValueError(f"结束时间 {ended_at.isoformat()} 早于开始时间 {started_at.isoformat()}")
    if unit in _WORKING_UNITS:
        return calendar.worked(end_day, end) // MINUTE - calendar.worked(start_day, start) // MINUTE
    return (end_day * DAY + end) // MINUTE - (start_day * DAY + start) // MINUTE
