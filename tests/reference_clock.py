"""A second clock, written only to check the first: it walks through time and knows no shortcut.

It takes nothing from the application. Every minute is asked three plain questions: is it worked, is it
paused, and so does it count? What is due is found by walking on until enough minutes have counted.
The rules are those of DOMAIN.md §7.1, spelled out where they are used.

Times are wall-clock times in China without a zone. A time may have whole seconds; then the walk takes
smaller steps than a minute (the largest that fit), and nothing else changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import compress
from math import gcd

Hours = tuple[tuple[int, int], ...]
"""What is worked on a day: intervals in minutes since midnight, such as ((480, 720), (840, 1080))."""

PausedFrom = tuple[datetime, datetime, bool]
"""A pause: its first moment, the moment at which it is over, and whether the cap limits it."""

ONE_DAY = timedelta(days=1)
MOST_DAYS = 20_000
"""A walk that has not arrived after so many days would never arrive."""

WORKING_UNITS = ("work_hour", "work_day", "legal_work_day")
DAY_UNITS = ("legal_work_day", "natural_day")


@dataclass(frozen=True)
class PlainCalendar:
    """The days of one office. Ranges are (first date, last date), both included."""

    hours: Hours
    week: tuple[int, ...] = (1, 2, 3, 4, 5)
    holidays: tuple[tuple[date, date], ...] = ()
    workdays: tuple[tuple[date, date], ...] = ()
    seasons: tuple[tuple[date, date, Hours], ...] = ()
    day_hours: tuple[tuple[date, date, Hours], ...] = ()
    closures: tuple[tuple[date, date, Hours], ...] = ()

    def standard_day(self) -> int:
        """The minutes of one ``work_day``: what the ordinary hours add up to."""
        return sum(closes - opens for opens, closes in self.hours)

    def hours_on(self, on: date) -> Hours:
        """What is worked on this day; empty on a day off."""
        # An ordinary week comes first; a holiday takes a day away; a make-up day gives it back.
        is_worked = on.isoweekday() in self.week
        if any(first <= on <= last for first, last in self.holidays):
            is_worked = False
        if any(first <= on <= last for first, last in self.workdays):
            is_worked = True
        if not is_worked:
            return ()
        # A closure beats a day's own hours, these beat the season's, and the season's the ordinary ones.
        for table in (self.closures, self.day_hours, self.seasons):
            for first, last, hours in table:
                if first <= on <= last:
                    return hours
        return self.hours


@dataclass
class Day:
    """One day of the walk. Each list has one flag (0 or 1) for every step of the day, from 00:00 to 24:00."""

    on: date
    is_starting_day: bool
    exists: bytes  # 1: the step is not before the start of the clock
    worked: bytes  # 1: the office works
    paused: bytes  # 1: a pause holds the clock

    def is_given_back(self, unit: str, given_back: str) -> bool:
        """Whether pauses took so much of the day that, as a day, it does not count."""
        if 1 not in self.paused:
            return False
        # The time of a working day is its working time; the time of a natural day is all its 24 hours.
        of_the_day = compress(self.paused, self.worked) if unit == "legal_work_day" else iter(self.paused)
        return all(of_the_day) if given_back == "covered" else any(of_the_day)

    def counted(self, unit: str, given_back: str) -> bytes:
        """Each step of the day: 1 when it counts for a limit in this unit, 0 when not."""
        if unit in DAY_UNITS and (self.is_starting_day or self.is_given_back(unit, given_back)):
            return bytes(len(self.worked))
        fits = self.worked if unit in WORKING_UNITS else b"\1" * len(self.worked)
        if 1 not in self.paused and 0 not in self.exists:
            return fits
        steps = zip(fits, self.exists, self.paused, strict=True)
        return bytes([fit and exists and not paused for fit, exists, paused in steps])


def due(
    calendar: PlainCalendar,
    started_at: datetime,
    value: int,
    unit: str,
    pauses: tuple[PausedFrom, ...] = (),
    *,
    cap: tuple[int, str] | None = None,
    extension: int = 0,
    given_back: str = "covered",
) -> datetime:
    """The moment at which ``value + extension`` units are over."""
    step = _step_seconds(started_at)
    wanted = value + extension
    if unit in DAY_UNITS:
        # The starting day does not count, nor does a day given back. A working day counts if anything is
        # worked on it; a natural day counts always, but the last one must be a day on which the office works.
        days_counted = 0
        for day in _days(calendar, started_at, pauses, cap, step):
            is_working_day = 1 in day.worked
            if day.is_starting_day or day.is_given_back(unit, given_back):
                continue
            if unit == "natural_day" or is_working_day:
                days_counted += 1
            if days_counted >= wanted and is_working_day:
                close_of_business = day.worked.rindex(1) + 1
                return _moment(day.on, close_of_business, step)
    else:
        # The limit is over at the end of the last step it needs: four hours from 08:00 end at 12:00.
        steps_left = wanted * _minutes_of_one(calendar, unit) * 60 // step
        for day in _days(calendar, started_at, pauses, cap, step):
            counted = day.counted(unit, given_back)
            if counted.count(1) < steps_left:
                steps_left -= counted.count(1)
                continue
            for n, counts in enumerate(counted):
                if counts:
                    steps_left -= 1
                    if steps_left == 0:
                        return _moment(day.on, n + 1, step)
    raise AssertionError("the walk did not arrive")


def counted_minutes(
    calendar: PlainCalendar,
    started_at: datetime,
    ended_at: datetime,
    unit: str,
    pauses: tuple[PausedFrom, ...] = (),
    *,
    cap: tuple[int, str] | None = None,
    given_back: str = "covered",
) -> int:
    """The minutes that count and that the clock on the wall completes after the start and until the end."""
    step = gcd(_step_seconds(started_at), _step_seconds(ended_at))
    steps_of_a_minute = 60 // step
    minutes = 0
    for day in _days(calendar, started_at, pauses, cap, step):
        if day.on > ended_at.date():
            break
        counted = day.counted(unit, given_back)
        if day.on == ended_at.date():
            counted = counted[: _steps_since_midnight(ended_at, step)]
        # A minute is completed in its last step, so that step decides for it.
        minutes += counted[steps_of_a_minute - 1 :: steps_of_a_minute].count(1)
    return minutes


def _days(
    calendar: PlainCalendar,
    started_at: datetime,
    pauses: tuple[PausedFrom, ...],
    cap: tuple[int, str] | None,
    step: int,
) -> Iterator[Day]:
    """The days from the starting day on, one after the other."""
    cap_left = -1 if cap is None else cap[0] * _minutes_of_one(calendar, cap[1]) * 60 // step
    for n in range(MOST_DAYS):
        on = started_at.date() + n * ONE_DAY
        exists = _flags(on, ((started_at, datetime.max),), step)
        worked = _worked_flags(calendar.hours_on(on), step)
        # A pause from before the start holds nothing before the start.
        holds_anyway = _flags(on, tuple((max(a, started_at), b) for a, b, capped in pauses if not capped), step)
        holds_capped = _flags(on, tuple((max(a, started_at), b) for a, b, capped in pauses if capped), step)
        if cap is not None and 1 in holds_capped:
            # Each step uses up the cap when only a capped pause holds the clock, and when the step is of the
            # kind in which the cap is measured. Once the cap is used up, capped pauses hold nothing any more.
            kept = bytearray(holds_capped)
            for i in range(len(kept)):
                if holds_capped[i] and not holds_anyway[i]:
                    if cap_left == 0:
                        kept[i] = 0
                    elif cap[1] not in WORKING_UNITS or worked[i]:
                        cap_left -= 1
            holds_capped = bytes(kept)
        paused = holds_capped
        if 1 in holds_anyway:
            paused = bytes([a or b for a, b in zip(holds_anyway, holds_capped, strict=True)])
        yield Day(on, n == 0, exists, worked, paused)


def _minutes_of_one(calendar: PlainCalendar, unit: str) -> int:
    """How long one unit is, in minutes (of working time, for the working units)."""
    if unit in ("urgent_hour", "natural_hour", "work_hour"):
        return 60
    if unit in ("work_day", "legal_work_day"):
        return calendar.standard_day()
    assert unit == "natural_day"
    return 24 * 60


def _flags(on: date, spans: tuple[tuple[datetime, datetime], ...], step: int) -> bytes:
    """One flag for each step of the day: 1 when any of these spans contains it."""
    midnight = datetime.combine(on, time())
    flags = bytearray(86_400 // step)
    for first, end in spans:
        begin = max(0, (first - midnight) // timedelta(seconds=step))
        until = min(len(flags), (end - midnight) // timedelta(seconds=step))
        if begin < until:
            flags[begin:until] = b"\1" * (until - begin)
    return bytes(flags)


@cache
def _worked_flags(hours: Hours, step: int) -> bytes:
    """One flag for each step of a day with these hours: 1 when it lies in one of the intervals."""
    return bytes(
        any(opens * 60 <= second < closes * 60 for opens, closes in hours) for second in range(0, 86_400, step)
    )


def _step_seconds(at: datetime) -> int:
    assert at.tzinfo is None
    assert at.microsecond == 0
    return gcd(60, at.second)


def _steps_since_midnight(at: datetime, step: int) -> int:
    return (at.hour * 3600 + at.minute * 60 + at.second) // step


def _moment(on: date, steps: int, step: int) -> datetime:
    return datetime.combine(on, time()) + timedelta(seconds=steps * step)
