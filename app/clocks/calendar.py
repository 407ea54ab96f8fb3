"""A working calendar as cumulative tables, so that adding working time is one bisection (DOMAIN.md §7).

Inside this package an instant is a pair: the day number (0 is 2000-01-01 in China) and the microseconds since
that day's local midnight; or it is a moment, the microseconds since midnight of day 0. China has one zone
without summer time, so a fixed offset is exact.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple, Self

from app.clocks.rows import CalendarRow, RowType, parse_hours

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
_MONDAY_TO_FRIDAY = (1, 2, 3, 4, 5)


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


def moment(at: datetime) -> int:
    """Microseconds from local midnight of day 0 to this time. Raises ValueError as ``position`` does."""
    day, microseconds = position(at)
    return day * DAY + microseconds


def instant(day: int, microseconds: int) -> datetime:
    """The time, in UTC, ``microseconds`` after the local midnight of ``day``; these may exceed a DAY."""
    return _EPOCH_AT + timedelta(day, 0, microseconds)


def day_number(on: date) -> int:
    """The day number of a date; negative before 2000."""
    return on.toordinal() - _EPOCH_ORDINAL


def weekday(day: int) -> int:
    """1 (Monday) to 7 of a day number."""
    # Day 0 was a Saturday.
    return (day + 5) % 7 + 1


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

    Outside the officially covered years the days of the week alone decide (Monday to Friday unless a row says
    otherwise), together with closures and whatever else is already known; ``covers`` tells.
    """

    __slots__ = (
        *("_covered", "_default", "_hours_by_day", "_names", "_overrides", "_table", "_week"),
        *("code", "standard_day_minutes"),
    )

    def __init__(
        self,
        code: str,
        default: _Hours,
        week: Sequence[int],
        hours_by_day: dict[int, _Hours],
        overrides: dict[int, bool],
        names: dict[int, CalendarRow],
        covered: tuple[int, int] | None,
    ) -> None:
        self.code = code
        #: one work_day 工作日 (城管): what the default hours add up to, seasonal hours or not
        self.standard_day_minutes = default.total // MINUTE
        self._default = default
        self._week = tuple(each in week for each in range(1, 8))
        self._hours_by_day = hours_by_day
        self._overrides = overrides
        self._names = names
        self._covered = covered
        self._table = _Table([0], [0])
        self._grow(max([*overrides, *hours_by_day, covered[1] if covered else 0]))

    @classmethod
    def from_rows(cls, rows: Iterable[CalendarRow], code: str) -> Self:
        """The calendar ``code``; rows of other calendars are passed over.

        A closure goes before everything else, and what is still worked during it is worked only on days that
        would be worked anyway. Then holidays and make-up days go before the week, and hours of single days
        before those of the season.

        Raises ValueError (Chinese) without exactly one default hours row, with several week rows, when two
        seasonal hours, two hours of single days or two closures overlap, when a day is both holiday and
        workday, when covered years have a gap, or for dates outside 2000 to 2099.
        """
        own = [row for row in rows if row.calendar_code == code]
        for row in own:
            if row.first_on and row.last_on and not 0 <= day_number(row.first_on) <= day_number(row.last_on) < _END_DAY:
                raise ValueError(f"日历 {code} 的 {row.key} 超出可计算的范围（2000 年至 2099 年）")
        default = _only(code, own, "hours", "默认工作时间")
        if default is None:
            raise ValueError(f"日历 {code} 没有默认工作时间（起止日期都空的 hours 行）")
        week = _only(code, own, "week", "每周工作日（week）")
        seasonal = _by_day(code, own, "hours", once="季节工作时间")
        day_hours = _by_day(code, own, "day_hours", once="单日工作时间（day_hours）")
        closures = _by_day(code, own, "closure", once="停工（closure）")
        holidays, workdays = _by_day(code, own, "holiday"), _by_day(code, own, "workday")
        if both := holidays.keys() & workdays.keys():
            raise ValueError(f"日历 {code} 的 {_on(min(both))} 既是节假日又是调休上班日")
        hours_of = {row.hours: _Hours(parse_hours(row.hours)) for row in own if row.hours}
        return cls(
            code,
            hours_of[default.hours],
            week.weekdays if week else _MONDAY_TO_FRIDAY,
            {day: hours_of[row.hours] for day, row in (seasonal | day_hours | closures).items() if row.hours},
            dict.fromkeys(holidays, False)
            | dict.fromkeys(workdays, True)
            | {day: False for day, row in closures.items() if not row.hours},
            day_hours | holidays | closures,
            _span(code, {row.first_on.year for row in own if row.row_type == "year" and row.first_on}),
        )

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
        """Closures first, then holiday and make-up rows, then the week."""
        return self._works(day_number(on))

    def naming_row(self, day: int) -> CalendarRow | None:
        """The row that makes this day special: a closure, else a holiday, else hours of its own (half day)."""
        return self._names.get(day)

    def working_intervals(self, on: date) -> tuple[tuple[datetime, datetime], ...]:
        """(start, end) pairs in China time, ascending; empty on a day off."""
        day = day_number(on)
        return tuple(
            (instant(day, start).astimezone(CHINA_TIME), instant(day, end).astimezone(CHINA_TIME))
            for start, end in self.intervals(day)
        )

    def intervals(self, day: int) -> tuple[tuple[int, int], ...]:
        """The same as microseconds after local midnight."""
        return self._hours(day).intervals if self._works(day) else ()

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
        worked = self._reaching(day).worked
        target = worked[day] + length
        if worked[day + 1] != worked[day]:
            target += self._hours(day).worked(microseconds)
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

    def working_days(self, first_day: int, until_day: int) -> int:
        """How many working days there are from ``first_day`` up to, not including, ``until_day``."""
        working_days = self._reaching(until_day).working_days
        return working_days[until_day] - working_days[first_day]

    def _works(self, day: int) -> bool:
        override = self._overrides.get(day)
        return self._week[weekday(day) - 1] if override is None else override

    def _hours(self, day: int) -> _Hours:
        return self._hours_by_day.get(day, self._default)

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


def _only(code: str, rows: Iterable[CalendarRow], row_type: RowType, title: str) -> CalendarRow | None:
    """The one row of this type without dates."""
    found = [row for row in rows if row.row_type == row_type and row.first_on is None]
    if len(found) > 1:
        raise ValueError(f"日历 {code} 有不止一行{title}")
    return found[0] if found else None


def _by_day(code: str, rows: Iterable[CalendarRow], row_type: RowType, *, once: str = "") -> dict[int, CalendarRow]:
    """Day number → the row of this type with the day in its range. ``once``: what must not overlap, if it must not."""
    found: dict[int, CalendarRow] = {}
    for row in rows:
        if row.row_type == row_type and row.first_on and row.last_on:
            for day in range(day_number(row.first_on), day_number(row.last_on) + 1):
                if found.setdefault(day, row) is not row and once:
                    raise ValueError(f"日历 {code} 的{once}在 {_on(day)} 重叠")
    return found


def _span(code: str, years: set[int]) -> tuple[int, int] | None:
    """The covered days as one span. A gap is refused: it would hide behind a horizon that looks far away."""
    if not years:
        return None
    first, last = min(years), max(years)
    missing = sorted(set(range(first, last + 1)) - years)
    if missing:
        raise ValueError(f"日历 {code} 的年份不连续，缺少 {'、'.join(map(str, missing))} 年的官方安排")
    return day_number(date(first, 1, 1)), day_number(date(last, 12, 31))
