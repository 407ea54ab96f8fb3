"""Pauses of a clock: what is left of them by the cap, and the days that they give back. Pure.

A pause always has an end that is known, so a due time is always definite and a clock runs again by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Literal, NamedTuple

from app.clocks.calendar import DAY, HOUR, MINUTE, Calendar, instant, moment
from app.clocks.limits import WORKING_UNITS, Limit, LimitUnit

#: When a pause keeps a day from counting for a limit in days: all of the day's time is paused, or any of it.
GivenBack = Literal["covered", "touched"]


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that does not count: from ``from_at`` up to, not including, ``until_at`` (aware; empty if not later).

    ``uncapped``: it has a limit of its own (挂账), uses nothing of the cap and is not cut by it.
    """

    from_at: datetime
    until_at: datetime
    cause: str = ""
    uncapped: bool = False


class Span(NamedTuple):
    """A pause in moments (microseconds since midnight of day 0, see ``calendar.moment``)."""

    start: int
    end: int
    cause: str = ""


def whole_minute(at: datetime) -> datetime:
    """The minute in which ``at`` lies: pauses begin and end on whole minutes."""
    return at.replace(second=0, microsecond=0)


def union(pauses: Iterable[Pause]) -> tuple[Pause, ...]:
    """Pauses that together cover the same time, ascending and disjoint.

    Where several overlap, the piece has the cause of the one that began first (of the one given first, if
    they began together), and is uncapped if any of them is. Pieces that touch are joined if both are the same.
    """
    ordered = sorted((p for p in pauses if p.from_at < p.until_at), key=lambda p: p.from_at)
    edges = sorted({edge for p in ordered for edge in (p.from_at, p.until_at)})
    pieces: list[Pause] = []
    for start, end in pairwise(edges):
        over = [p for p in ordered if p.from_at <= start and end <= p.until_at]
        if not over:
            continue
        piece = Pause(start, end, over[0].cause, any(p.uncapped for p in over))
        last = pieces[-1] if pieces else None
        if last and (last.until_at, last.cause, last.uncapped) == (start, piece.cause, piece.uncapped):
            pieces[-1] = replace(last, until_at=end)
        else:
            pieces.append(piece)
    return tuple(pieces)


def effective(
    calendar: Calendar, pauses: Iterable[Pause], started_at: datetime, cap: Limit | None
) -> tuple[Pause, ...]:
    """The pauses as they count for a clock started at ``started_at``: their union from then on, up to the cap.

    From the moment at which the capped pauses add up to ``cap`` only uncapped ones hold. A cap in work_hour,
    work_day or legal_work_day (both n standard days) is used up by the working time inside the pauses, one in
    other units by all of their time.

    Raises ValueError for naive times and those outside 2000 to 2099.
    """
    clipped = tuple(
        replace(piece, from_at=max(piece.from_at, started_at)) for piece in union(pauses) if piece.until_at > started_at
    )
    if cap is None:
        return clipped
    left = _length(calendar, cap)
    kept: list[Pause] = []
    for piece in clipped:
        if piece.uncapped:
            kept.append(piece)
        elif left:
            start, end = moment(piece.from_at), moment(piece.until_at)
            used = worked(calendar, end) - worked(calendar, start) if cap.unit in WORKING_UNITS else end - start
            if used >= left:
                piece = replace(piece, until_at=instant(0, later(calendar, cap.unit, start, left)))
            left = max(0, left - used)
            kept.append(piece)
    return tuple(kept)


def _length(calendar: Calendar, cap: Limit) -> int:
    if cap.unit in (LimitUnit.work_day, LimitUnit.legal_work_day):
        return cap.value * calendar.standard_day_minutes * MINUTE
    return cap.value * (DAY if cap.unit is LimitUnit.natural_day else HOUR)


def worked(calendar: Calendar, at: int) -> int:
    """Working time from day 0 up to a moment, in microseconds."""
    return calendar.worked(*divmod(at, DAY))


def later(calendar: Calendar, unit: LimitUnit, start: int, length: int, spans: Iterable[Span] = ()) -> int:
    """The earliest moment at which ``length`` (above 0) has passed since ``start`` outside of the spans.

    Of working time for the units that count it, of all time for the others. Spans are ascending and disjoint.
    """
    working = unit in WORKING_UNITS
    end = _after(calendar, start, length) if working else start + length
    for span in spans:
        # The end belongs to the time that counts, so it may be the first moment of a pause.
        if end <= span.start:
            break
        if not working:
            end += span.end - span.start
        elif lost := worked(calendar, span.end) - worked(calendar, span.start):
            end = _after(calendar, end, lost)
    return end


def _after(calendar: Calendar, start: int, length: int) -> int:
    day, microseconds = calendar.after_working(*divmod(start, DAY), length)
    return day * DAY + microseconds


def spans_since(pauses: Iterable[Pause], since: int) -> list[Span]:
    """The time of effective pauses from the moment ``since`` on, ascending and disjoint."""
    found = (Span(max(since, moment(pause.from_at)), moment(pause.until_at), pause.cause) for pause in pauses)
    return [span for span in found if span.start < span.end]


def given_back_days(
    calendar: Calendar, unit: LimitUnit, spans: Sequence[Span], given_back: GivenBack
) -> list[tuple[int, int]]:
    """The days which, paused, do not count for a limit in days: ascending disjoint (first, until) day numbers.

    A day's time is its working time for legal_work_day, its 24 hours for natural_day. Days off may be in the
    ranges of legal_work_day: they do not count there anyway.
    """

    def part(day: int, start: int, end: int) -> int:
        working = unit is LimitUnit.legal_work_day
        return calendar.worked(day, end) - calendar.worked(day, start) if working else end - start

    ranges: list[tuple[int, int]] = []
    paused: dict[int, int] = {}
    for span in spans:
        first, start = divmod(span.start, DAY)
        last, end = divmod(span.end, DAY)
        if first == last:
            paused[first] = paused.get(first, 0) + part(first, start, end)
            continue
        paused[first] = paused.get(first, 0) + part(first, start, DAY)
        paused[last] = paused.get(last, 0) + part(last, 0, end)
        if first + 1 < last:
            ranges.append((first + 1, last))
    for day, time in paused.items():
        if time and (given_back == "touched" or time == part(day, 0, DAY)):
            ranges.append((day, day + 1))
    return sorted(ranges)
