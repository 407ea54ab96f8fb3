"""20,000 random lives of a clock: the application and the minute-by-minute reference must agree exactly.

A failure prints the case; ``agree(SEED, number)`` runs that one again.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Literal

import pytest

from app.clocks.arithmetic import counted_minutes, due, elapsed_minutes
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import effective
from tests import reference_clock
from tests.reference_clock import Hours, PausedFrom, PlainCalendar
from tests.unit.clocks.test_vectors import app_calendar, app_pauses

SEED = 20_260_101
CASES = 20_000
BLOCK = 1_000
CASES_PER_CALENDAR = 20

FIRST_DAY = date(2026, 1, 1)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OFFICE: Hours = ((480, 720), (840, 1080))
ORDINARY: tuple[Hours, ...] = (
    *(OFFICE, OFFICE, ((510, 690), (900, 1110)), ((540, 1020),), ((480, 720), (720, 1020))),
    *(((0, 360), (1320, 1440)), ((0, 1440),), ((565, 566), (600, 723), (1439, 1440))),
)
PARTIAL: tuple[Hours, ...] = (((480, 720),), ((840, 1080),), ((600, 601),), ((0, 1440),), ((1080, 1200),))
EDGES = (0, 1, 359, 360, 479, 480, 481, 719, 720, 721, 839, 840, 841, 1079, 1080, 1081, 1320, 1438, 1439)
LARGEST = {
    "urgent_hour": 90,
    "natural_hour": 90,
    "work_hour": 40,
    "work_day": 8,
    "legal_work_day": 12,
    "natural_day": 20,
}


def ranges(rng: Random, count: int, longest: int) -> list[tuple[date, date]]:
    """Date ranges of about half a year that do not overlap."""
    found, on = [], FIRST_DAY + rng.randrange(10) * DAY
    for _ in range(count):
        last = on + rng.randrange(longest) * DAY
        found.append((on, last))
        on = last + (1 + rng.randrange(220 // count)) * DAY
    return found


def random_calendar(rng: Random) -> PlainCalendar:
    """Offices and rosters, with all that a calendar file can say about their days."""
    is_roster = rng.random() < 0.2
    holidays = [] if is_roster else ranges(rng, rng.randrange(1, 9), 8)
    workdays = [
        (first, last)
        for first, last in ranges(rng, rng.randrange(1, 12), 2)
        if not any(first <= end and begin <= last for begin, end in holidays)
    ]
    return PlainCalendar(
        hours=rng.choice(ORDINARY),
        week=(1, 2, 3, 4, 5, 6, 7)
        if is_roster
        else rng.choice([(1, 2, 3, 4, 5), (1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6), (2, 5), (7,)]),
        holidays=tuple(holidays),
        workdays=tuple(workdays),
        seasons=tuple((*span, rng.choice(ORDINARY)) for span in ranges(rng, rng.randrange(1, 4), 60)[1:]),
        day_hours=tuple((*span, rng.choice(PARTIAL)) for span in ranges(rng, rng.randrange(1, 10), 3)[1:]),
        closures=tuple((*span, rng.choice(((), *PARTIAL))) for span in ranges(rng, rng.randrange(1, 6), 5)[1:]),
    )


@lru_cache(maxsize=16)
def calendars(seed: int, number: int) -> tuple[PlainCalendar, Calendar]:
    plain = random_calendar(Random(f"{seed}/calendar/{number}"))  # noqa: S311 - repeatable, keeps no secret
    return plain, app_calendar(plain, range(2025, 2030))


def moment(rng: Random, on: date) -> datetime:
    """A whole minute of this day, often one at which something opens or closes."""
    minute = rng.choice(EDGES) if rng.random() < 0.6 else rng.randrange(1440)
    return datetime(on.year, on.month, on.day) + minute * MINUTE


def after(rng: Random, at: datetime) -> datetime:
    """A whole minute later than this: minutes, hours, or days later, often where a day begins or ends."""
    whole = at.replace(second=0)
    kind = rng.random()
    if kind < 0.2:
        return whole + rng.randrange(1, 300) * MINUTE
    if kind < 0.4:
        return datetime(at.year, at.month, at.day) + rng.randrange(1, 6) * DAY
    return max(whole + MINUTE, moment(rng, at.date() + rng.choice((0, 0, 1, 1, 2, 3, 5, 9)) * DAY))


@dataclass(frozen=True)
class Life:
    """What has happened to one clock: the calendar's number and all that the clock depends on."""

    calendar: int
    started_at: datetime
    value: int
    unit: str
    given_back: Literal["covered", "touched"]
    cap: tuple[int, str] | None
    extension: int = 0
    pauses: tuple[PausedFrom, ...] = ()
    history: tuple[str, ...] = field(default=())


def random_life(rng: Random, calendar: int) -> Life:
    unit, cap_unit = rng.choice(list(LARGEST)), rng.choice(list(LARGEST))
    start = moment(rng, FIRST_DAY + rng.randrange(160) * DAY)
    if rng.random() < 0.1:
        start += timedelta(seconds=rng.choice((20, 30, 40)))
    life = Life(
        calendar,
        start,
        rng.randint(1, LARGEST[unit]),
        unit,
        rng.choice(("covered", "touched")),
        (rng.randint(1, max(3, LARGEST[cap_unit] // 3)), cap_unit) if rng.random() < 0.5 else None,
    )
    now = start - rng.choice((0, 0, 0, 1)) * rng.randrange(3000) * MINUTE
    for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6, 8))):
        # Much happens soon after the start, while the limit is still running.
        now = after(rng, now) if rng.random() < 0.6 else now + rng.randrange(200) * MINUTE
        life = happens(rng, life, now)
    return life


def happens(rng: Random, life: Life, now: datetime) -> Life:
    """One more record in the history of the clock."""
    what = rng.choice(("pause", "pause", "pause", "pause", "pause", "resume", "extend", "taken back", "calendar"))
    if what == "pause":
        pause = (now.replace(second=0), after(rng, now), rng.random() < 0.7)
        return replace(life, pauses=(*life.pauses, pause), history=(*life.history, f"paused {pause}"))
    if what == "extend":
        more = rng.randint(1, 4)
        return replace(life, extension=life.extension + more, history=(*life.history, f"extended by {more}"))
    if what == "calendar":
        return replace(life, calendar=life.calendar + 1, history=(*life.history, "another calendar"))
    if not life.pauses:
        return life
    n = rng.randrange(len(life.pauses))
    from_at, until_at, capped = life.pauses[n]
    others = life.pauses[:n] + life.pauses[n + 1 :]
    if what == "taken back":
        return replace(life, pauses=others, history=(*life.history, f"return {n} rejected"))
    resumed_at = from_at + rng.randrange((until_at - from_at) // MINUTE) * MINUTE
    shortened = () if resumed_at == from_at else ((from_at, resumed_at, capped),)
    return replace(life, pauses=others + shortened, history=(*life.history, f"resumed {n} at {resumed_at}"))


def agree(seed: int, number: int) -> None:
    """Lives one random life and asks both clocks for its due time and for two counts of minutes."""
    rng = Random(f"{seed}/case/{number}")  # noqa: S311 - repeatable, keeps no secret
    life = random_life(rng, number // CASES_PER_CALENDAR)
    plain, calendar = calendars(seed, life.calendar)
    start, unit = life.started_at.replace(tzinfo=CHINA_TIME), LimitUnit(life.unit)
    cap = Limit(life.cap[0], LimitUnit(life.cap[1])) if life.cap else None
    held = effective(calendar, app_pauses(life.pauses), start, cap)

    expected = reference_clock.due(
        plain,
        life.started_at,
        life.value,
        life.unit,
        life.pauses,
        cap=life.cap,
        extension=life.extension,
        given_back=life.given_back,
    )
    found = due(calendar, start, Limit(life.value + life.extension, unit), held, given_back=life.given_back).due_at
    case = f"seed {seed}, case {number}: {life}\n{plain}\nin force: {held}"
    assert found.astimezone(CHINA_TIME).replace(tzinfo=None) == expected, case

    elsewhere = life.started_at + timedelta(seconds=20) * rng.randrange(3 * 1440 * 12)
    for end in (expected, elsewhere):
        until = end.replace(tzinfo=CHINA_TIME)
        minutes = reference_clock.counted_minutes(
            plain, life.started_at, end, life.unit, life.pauses, cap=life.cap, given_back=life.given_back
        )
        counted = counted_minutes(calendar, unit, start, until, held, given_back=life.given_back)
        assert counted == minutes, f"minutes to {end}; {case}"
        assert elapsed_minutes(start, until) >= counted, case


@pytest.mark.parametrize("first", range(0, CASES, BLOCK))
def test_the_application_agrees_with_the_reference(first: int) -> None:
    for number in range(first, first + BLOCK):
        agree(SEED, number)
