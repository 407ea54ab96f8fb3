"""Due times worked out by hand from the calendars of 2025 and 2026, for the application and for its reference.

Every row was counted with a paper calendar; the last column says how. A time without a year is in 2026.
"""

import csv
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

import app.demo_city
from app.clocks.arithmetic import due
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.limits import Limit
from app.clocks.pauses import Pause, effective
from app.clocks.rows import CalendarRow
from tests import reference_clock
from tests.reference_clock import Hours, PausedFrom, PlainCalendar

Reckon = Callable[..., datetime]
OFFICE: Hours = ((480, 720), (840, 1080))


def days(text: str) -> tuple[date, date]:
    """A range of dates: "2026-10-01 2026-10-07", or one date alone."""
    first, _, last = text.partition(" ")
    return date.fromisoformat(first), date.fromisoformat(last or first)


OFFICIAL = PlainCalendar(
    hours=OFFICE,
    holidays=tuple(
        days(text)
        for text in (
            *("2025-01-01", "2025-01-28 2025-02-04", "2025-04-04 2025-04-06", "2025-05-01 2025-05-05"),
            *("2025-05-31 2025-06-02", "2025-10-01 2025-10-08"),
            *("2026-01-01 2026-01-03", "2026-02-15 2026-02-23", "2026-04-04 2026-04-06", "2026-05-01 2026-05-05"),
            *("2026-06-19 2026-06-21", "2026-09-25 2026-09-27", "2026-10-01 2026-10-07"),
        )
    ),
    workdays=tuple(
        days(text)
        for text in (
            *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
            *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
        )
    ),
)
SPECIAL = PlainCalendar(
    hours=OFFICE,
    holidays=OFFICIAL.holidays,
    workdays=OFFICIAL.workdays,
    seasons=((date(2026, 7, 1), date(2026, 9, 30), ((480, 720), (900, 1140))),),
    day_hours=(
        (date(2026, 2, 13), date(2026, 2, 15), ((480, 720),)),
        (date(2026, 7, 2), date(2026, 7, 2), ((600, 660),)),
    ),
    closures=(
        (date(2026, 5, 9), date(2026, 5, 9), ()),
        (date(2026, 8, 5), date(2026, 8, 6), ((600, 720),)),
    ),
)
NIGHT = PlainCalendar(hours=((0, 360), (1320, 1440)), week=(1, 2, 3, 4, 5, 6, 7))

OF_THE_DOMAIN_PAGE = [
    (start, limit, expected, "DOMAIN.md §7.3")
    for start, row in {
        "02-13 16:30": ("02-13 18:30", "02-14 10:30", "02-14 16:30", "02-27 16:30", "02-14 18:00", "02-27 18:00"),
        "09-30 17:00": ("09-30 19:00", "10-08 11:00", "10-08 17:00", "10-13 17:00", "10-08 18:00", "10-13 18:00"),
        "10-01 09:00": ("10-01 11:00", "10-08 12:00", "10-08 18:00", "10-13 18:00", "10-08 18:00", "10-13 18:00"),
        "05-08 11:00": ("05-08 13:00", "05-08 17:00", "05-09 11:00", "05-14 11:00", "05-09 18:00", "05-14 18:00"),
        "09-18 17:30": ("09-18 19:30", "09-20 11:30", "09-20 17:30", "09-24 17:30", "09-20 18:00", "09-24 18:00"),
    }.items()
    for limit, expected in zip(
        ("2 urgent_hour", "4 work_hour", "1 work_day", "5 work_day", "1 legal_work_day", "5 legal_work_day"),
        row,
        strict=True,
    )
] + [("02-10 10:00", "7 natural_day", "02-24 18:00", "DOMAIN.md §7.3: 02-17 is a holiday, rolls to 02-24")]

MAKE_UP_DAYS = [
    ("2025-01-24 17:30", "1 work_hour", "2025-01-26 08:30", "30 min on Friday, Saturday off, 30 min on Sunday"),
    ("2025-01-25 09:00", "1 legal_work_day", "2025-01-26 18:00", "the Sunday is worked"),
    ("2025-02-07 14:00", "1 work_day", "2025-02-08 12:00", "4 h on Friday, 4 h on the worked Saturday"),
    ("2025-02-07 10:00", "2 legal_work_day", "2025-02-10 18:00", "Saturday 02-08 and Monday 02-10"),
    ("2025-04-25 17:00", "9 work_hour", "2025-04-27 18:00", "1 h on Friday, 8 h on the worked Sunday"),
    ("2025-04-26 09:00", "1 natural_day", "2025-04-27 18:00", "the Sunday is worked, nothing rolls"),
    ("2025-09-27 12:00", "1 work_day", "2025-09-28 18:00", "Saturday off, the whole Sunday"),
    ("2025-09-28 12:00", "1 legal_work_day", "2025-09-29 18:00", "a worked Sunday is a starting day as any other"),
    ("2025-10-10 18:00", "1 work_hour", "2025-10-11 09:00", "Friday is over, Saturday is worked"),
    ("2025-09-30 09:00", "3 legal_work_day", "2025-10-11 18:00", "10-09, 10-10, and Saturday 10-11"),
    ("2025-12-31 17:00", "2 work_hour", "01-04 09:00", "1 h in the old year, 1 h on Sunday 01-04"),
    ("01-03 10:00", "1 legal_work_day", "01-04 18:00", "the Sunday is worked"),
    ("02-14 09:00", "1 work_day", "02-24 09:00", "7 h on Saturday 02-14, 1 h after the festival"),
    ("02-02 10:00", "10 legal_work_day", "02-14 18:00", "02-03..06, 02-09..13, and Saturday 02-14"),
    ("02-27 17:00", "3 work_hour", "02-28 10:00", "1 h on Friday, 2 h on Saturday 02-28"),
    ("02-27 10:00", "2 legal_work_day", "03-02 18:00", "Saturday 02-28 and Monday 03-02"),
    ("02-11 08:00", "10 work_day", "03-02 18:00", "02-11..14, 02-24..28, 03-02: ten days"),
    ("05-09 16:00", "1 work_day", "05-11 16:00", "2 h on Saturday 05-09, 6 h on Monday"),
    ("05-08 18:00", "1 natural_day", "05-09 18:00", "the Saturday is worked, nothing rolls"),
    ("09-19 09:00", "1 natural_day", "09-20 18:00", "the Sunday is worked, nothing rolls"),
    ("09-20 17:00", "2 work_hour", "09-21 09:00", "1 h on Sunday 09-20, 1 h on Monday"),
    ("10-09 15:00", "4 work_hour", "10-10 09:00", "3 h on Friday, 1 h on Saturday 10-10"),
    ("10-08 12:00", "2 legal_work_day", "10-10 18:00", "Friday and Saturday 10-10"),
    ("10-08 12:00", "3 legal_work_day", "10-12 18:00", "Friday, Saturday 10-10, Monday"),
]
EDGES_OF_A_DAY = [
    ("03-03 05:00", "1 work_hour", "03-03 09:00", "before the opening"),
    ("03-03 07:59", "1 work_hour", "03-03 09:00", "one minute before the opening"),
    ("03-03 08:00", "1 work_hour", "03-03 09:00", "at the opening"),
    ("03-03 08:00", "4 work_hour", "03-03 12:00", "an interval's end belongs to it"),
    ("03-03 11:00", "1 work_hour", "03-03 12:00", "ends at noon, not at 14:00"),
    ("03-03 17:00", "1 work_hour", "03-03 18:00", "ends at the close of business, not the next morning"),
    ("03-03 11:30", "1 work_hour", "03-03 14:30", "30 min before lunch, 30 after"),
    ("03-03 11:59", "1 work_hour", "03-03 14:59", "1 min before lunch, 59 after"),
    ("03-03 11:59:30", "1 work_hour", "03-03 14:59:30", "30 s before lunch, 59.5 min after"),
    ("03-03 11:59", "4 work_hour", "03-03 17:59", "1 min before lunch, 239 after"),
    ("03-03 11:59", "1 work_day", "03-04 11:59", "1 + 240 min, 239 the next morning"),
    ("03-03 12:00", "1 work_hour", "03-03 15:00", "lunch begins"),
    ("03-03 12:01", "1 work_hour", "03-03 15:00", "in the lunch break"),
    ("03-03 12:00", "1 work_day", "03-04 12:00", "4 h in the afternoon, 4 the next morning"),
    ("03-03 13:59", "1 work_hour", "03-03 15:00", "the last minute of lunch"),
    ("03-03 13:59", "1 work_day", "03-04 12:00", "4 h in the afternoon, 4 the next morning"),
    ("03-03 14:00", "1 work_hour", "03-03 15:00", "lunch is over"),
    ("03-03 14:00", "4 work_hour", "03-03 18:00", "ends at the close of business"),
    ("03-03 17:59", "1 work_hour", "03-04 08:59", "1 min, 59 the next morning"),
    ("03-03 17:59:59", "1 work_hour", "03-04 08:59:59", "1 s, the rest the next morning"),
    ("03-03 18:00", "1 work_hour", "03-04 09:00", "the day is over"),
    ("03-03 18:00", "1 work_day", "03-04 18:00", "the whole next day"),
    ("03-03 23:59", "1 work_hour", "03-04 09:00", "the last minute of the day"),
    ("03-04 00:00", "1 work_hour", "03-04 09:00", "midnight belongs to the new day"),
    ("03-03 00:00", "1 legal_work_day", "03-04 18:00", "the starting day never counts, from its first minute"),
    ("03-03 23:59:59", "1 legal_work_day", "03-04 18:00", "nor to its last second"),
    ("03-04 00:00", "1 natural_day", "03-05 18:00", "midnight starts the new day, which does not count"),
]
WEEKENDS_HOLIDAYS_AND_YEAR_ENDS = [
    ("03-06 17:30", "1 work_day", "03-09 17:30", "30 min on Friday, 7.5 h on Monday"),
    ("03-07 10:00", "1 work_hour", "03-09 09:00", "Saturday does not work"),
    ("03-07 10:00", "1 legal_work_day", "03-09 18:00", "a starting day off, then Monday"),
    ("03-07 10:00", "2 urgent_hour", "03-07 12:00", "urgent hours know no weekend"),
    ("03-07 10:00", "1 natural_day", "03-09 18:00", "Sunday rolls to Monday"),
    ("03-03 09:00", "1 natural_day", "03-04 18:00", "closes with the business of the next day"),
    ("03-03 09:00", "4 natural_day", "03-09 18:00", "Saturday 03-07 rolls to Monday"),
    ("10-01 09:00", "24 natural_hour", "10-02 09:00", "natural hours know no holiday"),
    ("02-28 18:00", "36 natural_hour", "03-02 06:00", "24 h to 03-01 18:00, 12 more"),
    ("2025-04-03 17:00", "2 work_hour", "2025-04-07 09:00", "Tomb-Sweeping 04-04 to 04-06"),
    ("04-03 17:00", "2 work_hour", "04-07 09:00", "Tomb-Sweeping 04-04 to Monday 04-06"),
    ("2025-04-30 09:00", "1 legal_work_day", "2025-05-06 18:00", "Labour Day 05-01 to 05-05"),
    ("04-30 17:00", "5 work_hour", "05-06 12:00", "1 h, then 4 h on 05-06"),
    ("2025-05-30 16:00", "1 work_day", "2025-06-03 16:00", "2 h, Dragon Boat to Monday 06-02, 6 h on Tuesday"),
    ("06-18 10:00", "1 legal_work_day", "06-22 18:00", "Dragon Boat 06-19 to 06-21"),
    ("09-24 09:00", "1 natural_day", "09-28 18:00", "Mid-Autumn 09-25 to 09-27 rolls to Monday"),
    ("09-16 09:00", "15 natural_day", "10-08 18:00", "10-01 rolls over the National Day holiday"),
    ("2025-01-27 17:00", "2 work_hour", "2025-02-05 09:00", "1 h, Spring Festival, 1 h"),
    ("2025-01-27 10:00", "5 legal_work_day", "2025-02-10 18:00", "02-05, 06, 07, Saturday 08, Monday 10"),
    ("2024-12-31 09:00", "1 legal_work_day", "2025-01-02 18:00", "New Year's Day 2025 is off"),
    ("2025-12-31 23:30", "1 urgent_hour", "01-01 00:30", "over midnight of the year"),
    ("2025-12-31 17:00", "1 natural_day", "01-04 18:00", "01-01 rolls to the worked Sunday 01-04"),
    ("2025-12-31 17:00", "1 legal_work_day", "01-04 18:00", "the first working day of the year is Sunday 01-04"),
    ("2025-09-30 17:00", "5 legal_work_day", "2025-10-14 18:00", "10-09, 10, Saturday 11, Monday 13, 14"),
    ("2025-12-31 12:00", "5 natural_day", "01-05 18:00", "Monday 01-05"),
    ("2025-12-31 08:00", "2 work_day", "01-04 18:00", "12-31 and 01-04"),
    ("12-31 17:00", "1 work_hour", "12-31 18:00", "the last hour of the year"),
    ("12-31 17:00", "2 work_hour", "2027-01-01 09:00", "2027 has no list yet: its Friday 01-01 counts as worked"),
]

# In a pause, "~" in front marks one that the cap does not limit. The third column: pauses / mode / cap.
PAUSED = [
    ("03-03 09:00", "4 work_hour", "10:00-11:00 / covered /", "03-03 16:00", "9-10, 11-12, 14-16"),
    ("03-03 09:00", "4 work_hour", "11:30-14:30 / covered /", "03-03 16:00", "2.5 h, then from 14:30"),
    ("03-03 17:00", "2 work_hour", "18:00-04 08:00 / covered /", "03-04 09:00", "the night did not count anyway"),
    ("03-03 09:00", "1 work_hour", "10:00-11:00 / covered /", "03-03 10:00", "due at the pause's first moment"),
    ("03-03 10:00:30", "1 work_hour", "10:00-10:30 / covered /", "03-03 11:30", "held from the start to 10:30"),
    ("03-03 22:00", "4 natural_hour", "23:00-04 01:00 / covered /", "03-04 04:00", "1 h, then 3 h from 01:00"),
    ("03-03 10:00", "1 legal_work_day", "04 08:00-04 18:00 / covered /", "03-05 18:00", "all working time of 03-04"),
    ("03-03 10:00", "1 legal_work_day", "04 08:00-04 17:59 / covered /", "03-04 18:00", "one minute was left"),
    ("03-03 10:00", "1 legal_work_day", "04 17:59-04 18:00 / touched /", "03-05 18:00", "one minute was taken"),
    ("03-03 10:00", "1 legal_work_day", "04 12:00-04 14:00 / touched /", "03-04 18:00", "lunch is no working time"),
    (
        "03-03 10:00",
        "1 legal_work_day",
        "04 08:00-04 12:00, 04 14:00-04 18:00 / covered /",
        "03-05 18:00",
        "both halves",
    ),
    (
        "03-05 10:00",
        "1 legal_work_day",
        "06 00:00-09 00:00 / covered /",
        "03-09 18:00",
        "Friday given back, weekend off",
    ),
    ("03-03 10:00", "1 natural_day", "04 08:00-04 18:00 / covered /", "03-04 18:00", "10 of 24 hours are not the day"),
    ("03-03 10:00", "1 natural_day", "04 08:00-04 18:00 / touched /", "03-05 18:00", "10 of 24 hours touch the day"),
    ("03-03 10:00", "1 natural_day", "04 00:00-05 00:00 / covered /", "03-05 18:00", "all 24 hours"),
    ("03-05 10:00", "1 natural_day", "06 00:00-07 00:00 / covered /", "03-09 18:00", "Saturday is the day, rolls"),
    ("03-05 10:00", "1 natural_day", "09 00:00-10 00:00 / covered /", "03-06 18:00", "the pause comes after the end"),
    ("03-06 10:00", "1 natural_day", "09 00:00-10 00:00 / covered /", "03-10 18:00", "rolls over Monday, given back"),
    ("03-03 08:00", "4 work_hour", "09:00-18:00 / covered / 2 work_hour", "03-03 16:00", "held to 11:00 only"),
    ("03-03 08:00", "4 work_hour", "~09:00-18:00 / covered / 2 work_hour", "03-04 11:00", "held to 18:00"),
    (
        "03-03 08:00",
        "4 work_hour",
        "11:00-04 11:00 / covered / 24 natural_hour",
        "03-04 12:00",
        "24 h are just reached",
    ),
    ("03-03 08:00", "4 work_hour", "11:00-04 12:00 / covered / 24 natural_hour", "03-04 12:00", "cut at 24 h"),
    (
        "03-03 08:00",
        "1 work_day",
        "10:00-06 10:00 / covered / 1 work_day",
        "03-04 18:00",
        "8 working hours: to 03-04 10:00",
    ),
    ("03-03 00:00", "2 urgent_hour", "01:00-10 00:00 / covered / 1 natural_day", "03-04 02:00", "24 h: to 03-04 01:00"),
    ("03-03 08:00", "4 work_hour", "09:00-10:00, 14:00-16:00 / covered / 2 work_hour", "03-03 16:00", "1 h + 1 h"),
    ("03-03 08:00", "4 work_hour", "09:00-12:00, ~09:00-11:00 / covered / 1 work_hour", "03-03 17:00", "cap: 11-12"),
    (
        "03-03 10:00",
        "1 work_hour",
        "08:00-11:00 / covered / 1 work_hour",
        "03-03 12:00",
        "nothing is used before start",
    ),
]
OTHER_CALENDARS = [
    (SPECIAL, "02-13 11:00", "2 work_hour", "02-14 09:00", "02-13 is a half day: 1 h, and 1 h on 02-14"),
    (SPECIAL, "02-13 08:00", "1 work_day", "02-14 12:00", "two half days make a standard day"),
    (SPECIAL, "02-12 10:00", "1 legal_work_day", "02-13 12:00", "a half day closes at noon"),
    (SPECIAL, "02-14 12:00", "1 work_hour", "02-24 09:00", "half hours on 02-15 do not make the holiday worked"),
    (SPECIAL, "05-08 10:00", "1 legal_work_day", "05-11 18:00", "the make-up day 05-09 is closed"),
    (SPECIAL, "05-08 17:30", "1 work_hour", "05-11 08:30", "the make-up day 05-09 is closed"),
    (SPECIAL, "06-30 17:00", "6 work_hour", "07-01 16:00", "1 h; 08-12; summer opens at 15:00"),
    (SPECIAL, "07-01 18:30", "2 work_hour", "07-03 08:30", "30 min; 07-02 works from 10 to 11 only; 30 min"),
    (SPECIAL, "08-04 17:00", "1 legal_work_day", "08-05 12:00", "the closure leaves 10:00 to 12:00"),
    (SPECIAL, "08-04 18:00", "6 work_hour", "08-07 09:00", "1 h, 2 h, 2 h, 1 h"),
    (SPECIAL, "08-04 09:00", "2 natural_day", "08-06 12:00", "closes at noon"),
    (NIGHT, "03-03 23:00", "2 work_hour", "03-04 01:00", "over midnight"),
    (NIGHT, "03-03 05:30", "1 work_hour", "03-03 22:30", "30 min, the day free, 30 min"),
    (NIGHT, "03-07 12:00", "1 legal_work_day", "03-09 00:00", "Sunday works until midnight"),
    (NIGHT, "10-01 00:00", "1 work_day", "10-02 00:00", "a roster knows no holiday; the day ends it"),
]


def at(text: str, base: str = "") -> datetime:
    """Wall-clock time; a missing year is 2026, and a missing date or month is that of ``base``."""
    if len(base) and len(text) == 5:
        text = f"{base.split()[0]} {text}"
    elif len(base) and len(text) == 8:
        text = f"{base.split()[0][:-2]}{text}"
    return datetime.fromisoformat(text if text[4] == "-" else f"2026-{text}")


def app_calendar(plain: PlainCalendar, years: range = range(2025, 2027)) -> Calendar:
    """The application's calendar with the same days, built from the rows of a calendar file."""

    def row(row_type: str, span: tuple[date, date] | None = None, hours: Hours = (), weekdays: str = "") -> CalendarRow:
        cell = "|".join(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in hours)
        first, last = (f"{span[0]}", f"{span[1]}") if span else ("", "")
        cells = {"calendar_code": "c", "row_type": row_type, "first_on": first, "last_on": last, "hours": cell}
        return CalendarRow.model_validate({**cells, "weekdays": weekdays, "name": row_type, "source": ""})

    rows = [
        row("hours", hours=plain.hours),
        row("week", weekdays="|".join(map(str, plain.week))),
        *(row("year", (date(year, 1, 1), date(year, 12, 31))) for year in years),
        *(row("holiday", span) for span in plain.holidays),
        *(row("workday", span) for span in plain.workdays),
        *(row("hours", (first, last), hours) for first, last, hours in plain.seasons),
        *(row("day_hours", (first, last), hours) for first, last, hours in plain.day_hours),
        *(row("closure", (first, last), hours) for first, last, hours in plain.closures),
    ]
    return Calendar.from_rows(rows, "c")


def app_pauses(pauses: tuple[PausedFrom, ...]) -> tuple[Pause, ...]:
    return tuple(
        Pause(a.replace(tzinfo=CHINA_TIME), b.replace(tzinfo=CHINA_TIME), "挂起", uncapped=not capped)
        for a, b, capped in pauses
    )


def by_the_app(
    plain: PlainCalendar,
    started_at: datetime,
    limit: str,
    pauses: tuple[PausedFrom, ...] = (),
    given_back: str = "covered",
    cap: str = "",
) -> datetime:
    calendar, start = app_calendar(plain), started_at.replace(tzinfo=CHINA_TIME)
    held = effective(calendar, app_pauses(pauses), start, Limit.parse(cap) if cap else None)
    found = due(calendar, start, Limit.parse(limit), held, given_back=given_back)  # type: ignore[arg-type]
    # Only what ends in 2027 rests on days of a year without an official list.
    assert found.assumed is (found.due_at.astimezone(CHINA_TIME).year == 2027)
    return found.due_at.astimezone(CHINA_TIME).replace(tzinfo=None)


def by_the_reference(
    plain: PlainCalendar,
    started_at: datetime,
    limit: str,
    pauses: tuple[PausedFrom, ...] = (),
    given_back: str = "covered",
    cap: str = "",
) -> datetime:
    (value, unit), plain_cap = limit.split(), cap.split()
    return reference_clock.due(
        plain,
        started_at,
        int(value),
        unit,
        pauses,
        cap=(int(plain_cap[0]), plain_cap[1]) if cap else None,
        given_back=given_back,
    )


by_both = pytest.mark.parametrize("reckon", [by_the_app, by_the_reference])


@by_both
@pytest.mark.parametrize(
    ("start", "limit", "expected", "why"),
    [*OF_THE_DOMAIN_PAGE, *MAKE_UP_DAYS, *EDGES_OF_A_DAY, *WEEKENDS_HOLIDAYS_AND_YEAR_ENDS],
)
def test_the_official_calendar(reckon: Reckon, start: str, limit: str, expected: str, why: str) -> None:
    assert reckon(OFFICIAL, at(start), limit) == at(expected), why


@by_both
@pytest.mark.parametrize(("start", "limit", "held", "expected", "why"), PAUSED)
def test_pauses_caps_and_days_given_back(
    reckon: Reckon, start: str, limit: str, held: str, expected: str, why: str
) -> None:
    spans, given_back, cap = (part.strip() for part in held.split("/"))
    pauses = []
    for span in spans.split(", "):
        first, _, end = span.lstrip("~").partition("-")
        pauses.append((at(first, start), at(end, start), not span.startswith("~")))
    assert reckon(OFFICIAL, at(start), limit, tuple(pauses), given_back, cap) == at(expected), why


@by_both
@pytest.mark.parametrize(("plain", "start", "limit", "expected", "why"), OTHER_CALENDARS)
def test_seasons_half_days_closures_and_rosters(
    reckon: Reckon, plain: PlainCalendar, start: str, limit: str, expected: str, why: str
) -> None:
    assert reckon(plain, at(start), limit) == at(expected), why


def test_the_demonstration_city_has_the_calendar_of_these_tables() -> None:
    path = Path(app.demo_city.__file__).with_name("calendar.csv")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = [row for row in csv.DictReader(lines) if row["calendar_code"] == "cn"]
    for row_type, spans in (("holiday", OFFICIAL.holidays), ("workday", OFFICIAL.workdays)):
        held = [days(f"{row['first_on']} {row['last_on']}") for row in rows if row["row_type"] == row_type]
        assert sorted(held) == sorted(spans)
    assert [row["hours"] for row in rows if row["row_type"] == "hours"] == ["08:00-12:00|14:00-18:00"]
