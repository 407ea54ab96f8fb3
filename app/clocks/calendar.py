"""A working calendar as cumulative tables, so that adding working time is one bisection (DOMAIN.md §7).

Inside this package an instant is a pair: the day number (0 is 2000-01-01 in China) and the microseconds since
that day's local midnight. China has one zone without summer time, so a fixed offset is exact.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple, Self

from app.clocks.rows import CalendarRow, parse_hours

CHINA_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")

#: Microseconds; all lengths of time in this package are integers of this unit unless the name says otherwise.
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: Local midnight of day 0, held in UTC so that what is added to it comes out in UTC.
_EPOCH_AT = datetime(2000, 1, 1, tzinfo=CHINA_TIME).astimezone(UTC)
_EPOCH_ORDINAL = date(2000, 1, 1).toordinal()
#: First day that is refused: a time beyond it is a broken phone, and would only make the tables huge.
_END_DAY = date(2100, 1, 1).toordinal() - _EPOCH_ORDINAL
#: Days added past what the rows say, at first and whenever a table turns out too short.
_GROWTH_DAYS = 3 * 366


def position(at: datetime) -> tuple[int, int]:
    """(day, microseconds after its local midnight) of an aware time in any zone.

    Raises ValueError for a naive time, and for one outside 2000 to 2099.
    """
    try:
        gone = at - _EPOCH_AT
    except TypeError:
        raise ValueError("时间必须带时区，例如 2026-02-13T16:30:00+08:00") from None
    day = gone.days
    if not 0 <= day < _END_DAY:
        raise ValueError(f"时间 {at.isoformat()} 超出可计算的范围（2000 年至 2099 年）")
    return day, gone.seconds * 1_000_000 + gone.microseconds


def instant(day: int, microseconds: int) -> datetime:
    """The time, in UTC, ``microseconds`` after the local midnight of ``day``; these may exceed a DAY."""
    return _EPOCH_AT + timedelta(day, 0, microseconds)


def day_number(on: date) -> int:
    """The day number of a date; negative before 2000."""
    return on.toordinal() - _EPOCH_ORDINAL


class _Hours:
    """The working intervals of one kind of day, in microseconds after local midnight."""

    __slots__ = ("closes", "intervals", "total")

    def __init__(self, minutes: tuple[tuple[int, int], ...]) -> None:
        self.intervals = tuple((start * MINUTE, end * MINUTE) for start, end in minutes)
        self.total = sum(end - start for start, end in self.intervals)
        self.closes = self.intervals[-1][1]

    def worked(self, microseconds: int) -> int:
        """Working time of the day that has passed at this moment of it."""
        done = 0
        for start, end in self.intervals:
            if microseconds < end:
                return done + microseconds - start if microseconds > start else done
            done += end - start
        return done

    def moment(self, worked: int) -> int:
        """The earliest moment of the day at which ``worked`` (above 0, at most the total) has passed."""
        for start, end in self.intervals:
            length = end - start
            if worked <= length:
                return start + worked
            worked -= length
        return self.closes


class _Table(NamedTuple):
    """Totals before each day: entry ``d`` sums the days below ``d``, so n days have n + 1 entries."""

    worked: list[int]
    working_days: list[int]


class Calendar:
    """The working days and hours of one calendar code; it decides the same for ever, its tables only grow.

    Outside the officially covered years Monday to Friday are taken as working days; ``covers`` tells.
    """

    __slots__ = ("_covered", "_default", "_overrides", "_seasonal", "_table", "code", "standard_day_minutes")

    def __init__(
        self,
        code: str,
        default: _Hours,
        seasonal: dict[int, _Hours],
        overrides: dict[int, bool],
        covered: tuple[int, int] | None,
    ) -> None:
        self.code = code
        #: one work_day 工作日 (城管): what the default hours add up to, seasonal hours or not
        self.standard_day_minutes = default.total // MINUTE
        self._default = default
        self._seasonal = seasonal
        self._overrides = overrides
        self._covered = covered
        self._table = _Table([0], [0])
        self._grow(max([*overrides, *seasonal, covered[1] if covered else 0]))

    @classmethod
    def from_rows(cls, rows: Iterable[CalendarRow], code: str) -> Self:
        """The calendar ``code``; rows of other calendars are passed over.

        Raises ValueError (Chinese) without exactly one default hours row, when seasonal hours overlap, when a
        day is both holiday and workday, when covered years have a gap, or for dates outside 2000 to 2099.
        """
        default: _Hours | None = None
        seasonal: dict[int, _Hours] = {}
        overrides: dict[int, bool] = {}
        years: set[int] = set()
        for row in rows:
            if row.calendar_code != code:
                continue
            if row.first_on is None or row.last_on is None:
                if default is not None:
                    raise ValueError(f"日历 {code} 有不止一行默认工作时间")
                default = _Hours(parse_hours(row.hours))
                continue
            first, last = day_number(row.first_on), day_number(row.last_on)
            if first < 0 or last >= _END_DAY:
                raise ValueError(f"日历 {code} 的 {row.key} 超出可计算的范围（2000 年至 2099 年）")
            if row.row_type == "year":
                years.add(row.first_on.year)
            elif row.row_type == "hours":
                hours = _Hours(parse_hours(row.hours))
                for day in range(first, last + 1):
                    if day in seasonal:
                        raise ValueError(f"日历 {code} 的季节工作时间在 {_on(day)} 重叠")
                    seasonal[day] = hours
            else:
                working = row.row_type == "workday"
                for day in range(first, last + 1):
                    if overrides.setdefault(day, working) != working:
                        raise ValueError(f"日历 {code} 的 {_on(day)} 既是节假日又是调休上班日")
        if default is None:
            raise ValueError(f"日历 {code} 没有默认工作时间（起止日期都空的 hours 行）")
        return cls(code, default, seasonal, overrides, _span(code, years))

    @property
    def horizon(self) -> date | None:
        """The last officially covered date; None when no year is covered."""
        return _on(self._covered[1]) if self._covered else None

    def covers(self, on: date) -> bool:
        """Whether an official list covers this date; if not, its being a working day is assumed."""
        day = day_number(on)
        return self.covers_days(day, day)

    def covers_days(self, first_day: int, last_day: int) -> bool:
        """Whether every day from ``first_day`` to ``last_day`` (day numbers, both included) is covered."""
        covered = self._covered
        return covered is not None and covered[0] <= first_day and last_day <= covered[1]

    def is_working_day(self, on: date) -> bool:
        """Holiday and make-up rows first, then Monday to Friday."""
        return self._works(day_number(on))

    def working_intervals(self, on: date) -> tuple[tuple[datetime, datetime], ...]:
        """(start, end) pairs in China time, ascending; empty on a day off."""
        if not self.is_working_day(on):
            return ()
        day = day_number(on)
        return tuple(
            (instant(day, start).astimezone(CHINA_TIME), instant(day, end).astimezone(CHINA_TIME))
            for start, end in self._hours(day).intervals
        )

    def closes(self, day: int) -> int:
        """Close of business of a working day, microseconds after its local midnight."""
        return self._hours(day).closes

    def worked(self, day: int, microseconds: int) -> int:
        """Working time from day 0 up to this instant, in microseconds."""
        worked = self._reaching(day).worked
        before = worked[day]
        if worked[day + 1] == before:
            return before
        return before + self._hours(day).worked(microseconds)

    def after_working(self, day: int, microseconds: int, length: int) -> tuple[int, int]:
        """The earliest (day, microseconds) with ``length`` (above 0) of working time since the given one.

        A start outside working time counts from the next working minute; an interval's end belongs to it, so
        4 hours from 08:00 end at 12:00 and not after lunch.
        """
        target = self.worked(day, microseconds) + length
        worked = self._table.worked  # read after the line above, which may have grown it
        while target > worked[-1]:
            worked = self._grow(len(worked)).worked
        due_day = bisect_left(worked, target, day) - 1
        return due_day, self._hours(due_day).moment(target - worked[due_day])

    def working_day_after(self, day: int, count: int) -> int:
        """The ``count``-th (from 1) working day after ``day``, which itself never counts."""
        working_days = self._reaching(day).working_days
        target = working_days[day + 1] + count
        while target > working_days[-1]:
            working_days = self._grow(len(working_days)).working_days
        return bisect_left(working_days, target, day + 1) - 1

    def _works(self, day: int) -> bool:
        override = self._overrides.get(day)
        # Day 0 was a Saturday.
        return (day + 5) % 7 < 5 if override is None else override

    def _hours(self, day: int) -> _Hours:
        return self._seasonal.get(day, self._default)

    def _reaching(self, day: int) -> _Table:
        table = self._table
        return table if day + 1 < len(table.worked) else self._grow(day)

    def _grow(self, day: int) -> _Table:
        """A table that reaches well past ``day``.

        It is replaced as one object, so a thread still reading the old one never sees a half-grown table.
        """
        worked, working_days = list(self._table.worked), list(self._table.working_days)
        done, count = worked[-1], working_days[-1]
        for each in range(len(worked) - 1, day + _GROWTH_DAYS):
            if self._works(each):
                done += self._hours(each).total
                count += 1
            worked.append(done)
            working_days.append(count)
        self._table = _Table(worked, working_days)
        return self._table


def _on(day: int) -> date:
    return date.fromordinal(day + _EPOCH_ORDINAL)


def _span(code: str, years: set[int]) -> tuple[int, int] | None:
    """The covered days as one span. A gap is refused: it would hide behind a horizon that looks far away."""
    if not years:
        return None
    first, last = min(years), max(years)
    missing = sorted(set(range(first, last + 1)) - years)
    if missing:
        raise ValueError(f"日历 {code} 的年份不连续，缺少 {'、'.join(map(str, missing))} 年的官方安排")
    return day_number(date(first, 1, 1)), day_number(date(last, 12, 31))
