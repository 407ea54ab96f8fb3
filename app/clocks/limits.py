"""A time limit: how many of which unit, read from the text that the filing standards write (DOMAIN.md §7.1)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self


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
#: units in which only working time counts; the others count every hour of a day
WORKING_UNITS = frozenset({LimitUnit.work_hour, LimitUnit.work_day, LimitUnit.legal_work_day})
#: units that count whole days: the starting day is left out, and a limit ends at close of business
DAY_UNITS = frozenset({LimitUnit.legal_work_day, LimitUnit.natural_day})
_MAX_VALUE = 9999
_LIMIT = re.compile(r"([1-9][0-9]{0,3})\s+([a-z_]+)")
_ACCEPTED = "、".join(f"“2 {unit}”（{name}）" for unit, name in _CHINESE.items())


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[int, LimitUnit]:
    """The number and unit of a written limit: the same few are read for every clock."""
    match = _LIMIT.fullmatch(text)
    if match is None or match[2] not in LimitUnit.__members__:
        raise ValueError(f"时限“{text}”写法不对，应为 1 到 {_MAX_VALUE} 的整数加单位：{_ACCEPTED}")
    return int(match[1]), LimitUnit(match[2])


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
        return cls(*_read(text.strip()))

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"

    @property
    def chinese(self) -> str:
        """For people: "2 紧急工作时"."""
        return f"{self.value} {_CHINESE[self.unit]}"
