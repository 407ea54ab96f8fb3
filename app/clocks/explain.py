"""Why time counted or did not: the life of a clock as intervals with their causes, for people to read. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from app.clocks.calendar import DAY, MINUTE, Calendar, instant, moment, weekday
from app.clocks.limits import DAY_UNITS, WORKING_UNITS, LimitUnit
from app.clocks.pauses import GivenBack, Pause, Span, given_back_days, spans_since

COUNTED = "计时"
OUTSIDE_HOURS = "午休、下班"
STARTING_DAY = "起算日不计"


class Interval(NamedTuple):
    """Time of one cause. ``minutes``: those that tick over in it; ``from_at`` and ``until_at`` are in UTC."""

    from_at: datetime
    until_at: datetime
    minutes: int
    counted: bool
    #: Chinese: 计时, 午休、下班, 周末, 节假日：春节, 停工：台风, 起算日不计, 暂停：…, 整日退还：…
    cause: str


class _Piece(NamedTuple):
    """The same in moments."""

    start: int
    end: int
    counted: bool
    cause: str


def explain(
    calendar: Calendar,
    unit: LimitUnit,
    started_at: datetime,
    ended_at: datetime,
    pauses: Sequence[Pause] = (),
    *,
    given_back: GivenBack = "covered",
) -> tuple[Interval, ...]:
    """All the time from start to end, without a gap; neighbours of the same cause are one interval.

    The minutes add up to ``elapsed_minutes``, the counted ones to ``counted_minutes``. A pause is shown as
    one, also over nights and days off; where it gives a day back, the whole day is. ``pauses``: effective ones.

    Raises ValueError for naive times, times outside 2000 to 2099, or an end before the start.
    """
    start, end = moment(started_at), moment(ended_at)
    if end < start:
        raise ValueError(f"结束时间 {ended_at.isoformat()} 早于开始时间 {started_at.isoformat()}")
    joined: list[_Piece] = []
    for piece in _pieces(calendar, unit, start, end, pauses, given_back):
        first, until = max(piece.start, start), min(piece.end, end)
        if first >= until:
            continue
        if joined and (joined[-1].counted, joined[-1].cause) == (piece.counted, piece.cause):
            joined[-1] = joined[-1]._replace(end=until)
        else:
            joined.append(_Piece(first, until, piece.counted, piece.cause))
    return tuple(
        Interval(instant(0, each.start), instant(0, each.end), each.end // MINUTE - each.start // MINUTE, *each[2:])
        for each in joined
    )


def cut(intervals: Sequence[Interval], at: datetime) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """The intervals up to ``at`` and those from then on; the one that it lies in becomes two, whose minutes add up."""
    before: list[Interval] = []
    behind: list[Interval] = []
    for each in intervals:
        if each.until_at <= at:
            before.append(each)
        elif each.from_at >= at:
            behind.append(each)
        else:
            minutes = moment(at) // MINUTE - moment(each.from_at) // MINUTE
            before.append(each._replace(until_at=at.astimezone(UTC), minutes=minutes))
            behind.append(each._replace(from_at=at.astimezone(UTC), minutes=each.minutes - minutes))
    return tuple(before), tuple(behind)


def _pieces(
    calendar: Calendar, unit: LimitUnit, start: int, end: int, pauses: Sequence[Pause], given_back: GivenBack
) -> Iterator[_Piece]:
    """The pieces of each day from the starting to the last one, each day from 00:00 to 24:00."""
    starting_day = start // DAY
    in_days = unit in DAY_UNITS
    spans = spans_since(pauses, (starting_day + 1) * DAY if in_days else start)
    back: set[int] = set()
    if in_days:
        for first, until in given_back_days(calendar, unit, spans, given_back):
            back.update(range(first, min(until, end // DAY + 1)))
    for day in range(starting_day, -(-end // DAY)):
        midnight = day * DAY
        over = [span for span in spans if span.start < midnight + DAY and midnight < span.end]
        if in_days and day == starting_day:
            yield _Piece(midnight, midnight + DAY, False, STARTING_DAY)
        elif day in back and (unit is LimitUnit.natural_day or calendar.intervals(day)):
            yield _Piece(midnight, midnight + DAY, False, _with("整日退还", over[0].cause))
        else:
            for piece in _of_day(calendar, unit, day):
                yield from _around(piece, over)


def _around(piece: _Piece, spans: Sequence[Span]) -> Iterator[_Piece]:
    """The piece with the pauses, which go before any other cause, cut out of it and put in."""
    at = piece.start
    for span in spans:
        start, end = max(at, span.start), min(piece.end, span.end)
        if start >= end:
            continue
        if at < start:
            yield piece._replace(start=at, end=start)
        yield _Piece(start, end, False, _with("暂停", span.cause))
        at = end
    if at < piece.end:
        yield piece._replace(start=at)


def _of_day(calendar: Calendar, unit: LimitUnit, day: int) -> Iterator[_Piece]:
    """A day on which nothing is paused, from 00:00 to 24:00."""
    midnight = at = day * DAY
    if unit not in WORKING_UNITS:
        yield _Piece(midnight, midnight + DAY, True, COUNTED)
        return
    idle = _idle_cause(calendar, day)
    for start, end in calendar.intervals(day):
        if at < midnight + start:
            yield _Piece(at, midnight + start, False, idle)
        yield _Piece(midnight + start, midnight + end, True, COUNTED)
        at = midnight + end
    if at < midnight + DAY:
        yield _Piece(at, midnight + DAY, False, idle)


def _idle_cause(calendar: Calendar, day: int) -> str:
    """Why those hours of the day that are not worked are not."""
    row = calendar.naming_row(day)
    if row and row.row_type == "closure":
        return _with("停工", row.name)
    if calendar.intervals(day):
        return f"{OUTSIDE_HOURS}（{row.name}）" if row and row.name else OUTSIDE_HOURS
    if row and row.row_type == "holiday":
        return _with("节假日", row.name)
    # A roster may be off in the middle of the week.
    return "周末" if weekday(day) > 5 else "休息日"


def _with(cause: str, name: str) -> str:
    return f"{cause}：{name}" if name else cause
