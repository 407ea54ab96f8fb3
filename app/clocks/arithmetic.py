"""Due times and counted time: six units, pauses, no state (DOMAIN.md §7.1).

Pauses given to these functions are effective ones (``pauses.effective``): ascending, disjoint, cut by the cap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.clocks.calendar import DAY, HOUR, MINUTE, Calendar, instant, moment, position
from app.clocks.limits import DAY_UNITS, WORKING_UNITS, Limit, LimitUnit
from app.clocks.pauses import GivenBack, Pause, Span, given_back_days, later, spans_since, worked

__all__ = [
    *("Due", "GivenBack", "Limit", "LimitUnit"),
    *("counted_minutes", "due", "elapsed_minutes", "moment_at_share"),
]

# Python 3.11 looks enum members up through a descriptor, which took up to a fifth of the time of `due`.
_WORK_HOUR, _WORK_DAY = LimitUnit.work_hour, LimitUnit.work_day
_LEGAL_WORK_DAY, _NATURAL_DAY = LimitUnit.legal_work_day, LimitUnit.natural_day


@dataclass(frozen=True, slots=True)
class Due:
    """When a limit ends. ``due_at`` is in UTC.

    ``assumed``: the answer rests on days for which no official list is loaded yet (the days of the week
    instead), so it must be shown as provisional and computed anew once the list is there.
    """

    due_at: datetime
    assumed: bool


def due(
    calendar: Calendar,
    started_at: datetime,
    limit: Limit,
    pauses: Sequence[Pause] = (),
    *,
    given_back: GivenBack = "covered",
) -> Due:
    """The end of ``limit`` for a clock started at ``started_at`` (aware, any zone; its seconds are kept).

    A limit in hours ends at the earliest moment at which so much time has counted: never inside a pause, at
    most at its first moment. legal_work_day and natural_day both end at close of business, not at 24:00: by
    Civil Code 203 a last day ends when business does, where there are business hours. For them a pause gives
    whole days back (``given_back``): they do not count, and nothing ends on them.

    Only the days that the answer depends on can make it ``assumed``: none for continuous hours, all but the
    starting day for legal_work_day, only the last day and its rolling for natural_day.

    Raises ValueError for a naive time or one outside 2000 to 2099.
    """
    day, microseconds = position(started_at)
    unit, value = limit.unit, limit.value
    if unit is _WORK_HOUR or unit is _WORK_DAY:
        length = value * (HOUR if unit is _WORK_HOUR else calendar.standard_day_minutes * MINUTE)
        first_day = day
        if pauses:
            start = day * DAY + microseconds
            due_day, end = divmod(later(calendar, unit, start, length, spans_since(pauses, start)), DAY)
        else:
            due_day, end = calendar.after_working(day, microseconds, length)
    elif unit is _LEGAL_WORK_DAY:
        first_day = day + 1
        due_day = calendar.working_day_after(day, value)
        if pauses:
            due_day = _without_given_back(calendar, due_day, _given_back(calendar, unit, day, pauses, given_back))
        end = calendar.closes(due_day)
    elif unit is _NATURAL_DAY:
        first_day = day + value
        if pauses:
            first_day, due_day = _natural_last(
                calendar, first_day, _given_back(calendar, unit, day, pauses, given_back)
            )
        else:
            due_day = calendar.working_day_after(first_day - 1, 1)
        end = calendar.closes(due_day)
    elif pauses:
        start = day * DAY + microseconds
        return Due(instant(0, later(calendar, unit, start, value * HOUR, spans_since(pauses, start))), False)
    else:
        return Due(instant(day, microseconds + value * HOUR), False)
    return Due(instant(due_day, end), not calendar.covers_days(first_day, due_day))


def _given_back(
    calendar: Calendar, unit: LimitUnit, start_day: int, pauses: Sequence[Pause], given_back: GivenBack
) -> list[tuple[int, int]]:
    return given_back_days(calendar, unit, spans_since(pauses, (start_day + 1) * DAY), given_back)


def _without_given_back(calendar: Calendar, due_day: int, ranges: list[tuple[int, int]]) -> int:
    """The n-th working day that is not given back, where ``due_day`` is the n-th of all."""
    for first, until in ranges:
        if first > due_day:
            break
        if lost := calendar.working_days(first, until):
            due_day = calendar.working_day_after(due_day, lost)
    return due_day


def _natural_last(calendar: Calendar, last: int, ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """(the n-th day that is not given back, the working day it rolls to), where ``last`` is the n-th of all."""
    for first, until in ranges:
        if first > last:
            break
        last += until - first
    due_day = calendar.working_day_after(last - 1, 1)
    for first, until in ranges:
        if first <= due_day < until:
            due_day = calendar.working_day_after(until - 1, 1)
    return last, due_day


def counted_minutes(
    calendar: Calendar,
    unit: LimitUnit,
    started_at: datetime,
    ended_at: datetime,
    pauses: Sequence[Pause] = (),
    *,
    given_back: GivenBack = "covered",
) -> int:
    """Minutes that count in ``unit``: working minutes, or all of them for natural units and urgent_hour.

    It counts the minutes that tick over, so parts always add up to the whole and none is off by a minute or
    more. Minutes of pauses do not count; for legal_work_day and natural_day neither does the starting day, nor
    a day given back. For work_hour and work_day the minutes from start to due are exactly the limit.

    Raises ValueError for naive times, times outside 2000 to 2099, or an end before the start.
    """
    start, end = _ordered(started_at, ended_at)
    first = _first_counted(unit, start)
    if first >= end:
        return 0

    def minutes(at: int) -> int:
        return (worked(calendar, at) if unit in WORKING_UNITS else at) // MINUTE

    paused = sum(
        minutes(min(span.end, end)) - minutes(span.start)
        for span in _uncounted(calendar, unit, first, pauses, given_back)
        if span.start < end
    )
    return minutes(end) - minutes(first) - paused


def elapsed_minutes(started_at: datetime, ended_at: datetime) -> int:
    """All minutes that tick over, counted or not. Raises ValueError as ``counted_minutes`` does."""
    start, end = _ordered(started_at, ended_at)
    return end // MINUTE - start // MINUTE


def moment_at_share(
    calendar: Calendar,
    unit: LimitUnit,
    started_at: datetime,
    due_at: datetime,
    share: float,
    pauses: Sequence[Pause] = (),
    *,
    given_back: GivenBack = "covered",
) -> datetime:
    """The earliest moment (UTC) at which ``share`` of the time that counts between start and due has passed.

    The start itself for a share of 0, and when nothing counts. Raises ValueError for a share outside 0 to 1
    and as ``counted_minutes`` does.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"时限的比例必须在 0 到 1 之间，不能是 {share}")
    start, end = _ordered(started_at, due_at)
    first = _first_counted(unit, start)
    spans = _uncounted(calendar, unit, first, pauses, given_back)

    def counted(at: int) -> int:
        return worked(calendar, at) if unit in WORKING_UNITS else at

    whole = counted(end) - counted(first) if first < end else 0
    whole -= sum(counted(min(span.end, end)) - counted(span.start) for span in spans if span.start < end)
    # A share such as 0.8 is meant as written (to a millionth), not as the binary fraction a hair above it.
    part = -(-round(share * 1_000_000) * whole // 1_000_000)
    return instant(0, later(calendar, unit, first, part, spans) if part else start)


def _ordered(started_at: datetime, ended_at: datetime) -> tuple[int, int]:
    start, end = moment(started_at), moment(ended_at)
    if end < start:
        raise ValueError(f"结束时间 {ended_at.isoformat()} 早于开始时间 {started_at.isoformat()}")
    return start, end


def _first_counted(unit: LimitUnit, start: int) -> int:
    """The first moment that may count: for units of whole days the midnight after the starting day."""
    return (start // DAY + 1) * DAY if unit in DAY_UNITS else start


def _uncounted(
    calendar: Calendar, unit: LimitUnit, first: int, pauses: Sequence[Pause], given_back: GivenBack
) -> list[Span]:
    """Pauses and the days that they give back, from ``first`` on, ascending and disjoint."""
    spans = spans_since(pauses, first) if pauses else []
    if not spans or unit not in DAY_UNITS or given_back == "covered":
        # All the time of a day that is covered is paused already.
        return spans
    days = [Span(day * DAY, until * DAY) for day, until in given_back_days(calendar, unit, spans, given_back)]
    merged: list[Span] = []
    for span in sorted(spans + days):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
