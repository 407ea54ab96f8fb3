"""Laws of a clock with pauses that hold whatever the calendar, the unit and the history."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Literal

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.clocks.arithmetic import counted_minutes, due, elapsed_minutes, moment_at_share
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.explain import explain
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import Pause, effective, union
from tests.reference_clock import PlainCalendar
from tests.unit.clocks.test_vectors import NIGHT, OFFICIAL, app_calendar

GivenBack = Literal["covered", "touched"]
Span = tuple[int, int]

MINUTE = timedelta(minutes=1)
HOUR_UNITS = (LimitUnit.urgent_hour, LimitUnit.natural_hour, LimitUnit.work_hour, LimitUnit.work_day)
DAY_UNITS = (LimitUnit.legal_work_day, LimitUnit.natural_day)
WORKING_UNITS = (LimitUnit.work_hour, LimitUnit.work_day, LimitUnit.legal_work_day)
# All that a calendar can say, within a month.
DENSE = PlainCalendar(
    hours=((480, 720), (840, 1080)),
    holidays=OFFICIAL.holidays,
    workdays=OFFICIAL.workdays,
    seasons=((date(2026, 3, 5), date(2026, 3, 31), ((510, 690), (900, 1110))),),
    day_hours=(
        (date(2026, 2, 12), date(2026, 2, 15), ((480, 720),)),
        (date(2026, 3, 4), date(2026, 3, 5), ((0, 1440),)),
    ),
    closures=(
        (date(2026, 2, 13), date(2026, 2, 13), ((600, 660),)),
        (date(2026, 2, 26), date(2026, 3, 1), ()),
        (date(2026, 3, 6), date(2026, 3, 9), ((840, 1080),)),
    ),
)
ROSTERS = [app_calendar(plain) for plain in (OFFICIAL, DENSE, NIGHT)]
FIRST = datetime(2026, 2, 9, tzinfo=CHINA_TIME)

calendars = st.sampled_from(ROSTERS)
modes: st.SearchStrategy[GivenBack] = st.sampled_from(["covered", "touched"])
units = st.sampled_from(LimitUnit)
hour_units, day_units = st.sampled_from(HOUR_UNITS), st.sampled_from(DAY_UNITS)
# Drawn from lists, because Hypothesis prefers small integers: nearly all of them would lie in the first night.
values = st.sampled_from(range(1, 16))
# Those times of a day at which something begins or ends are drawn often.
minutes_of_day = st.sampled_from([*range(0, 1440, 7), *[hour * 60 for hour in (0, 6, 8, 12, 14, 18, 22)] * 30])


def minutes_within(first_day: int, last_day: int) -> st.SearchStrategy[int]:
    days = st.sampled_from(range(first_day, last_day))
    return st.builds(lambda day, minute: day * 1440 + minute, days, minutes_of_day)


seconds = st.sampled_from([0, 0, 30, *range(60)])
starts = st.builds(
    lambda minute, second: FIRST + timedelta(minutes=minute, seconds=second), minutes_within(0, 30), seconds
)
whole_starts = minutes_within(0, 30).map(lambda minute: FIRST + minute * MINUTE)
lengths = st.one_of(
    st.sampled_from([1, 60, 240, 600, 1440, 2 * 1440, 3 * 1440, 10 * 1440]), st.sampled_from(range(1, 3000))
)
span = st.tuples(minutes_within(-1, 12), lengths)
spans: st.SearchStrategy[list[Span]] = st.lists(span, min_size=1, max_size=4) | st.just([])
law = settings(max_examples=100, deadline=None)


def pauses_at(start: datetime, held: list[Span]) -> list[Pause]:
    """Pauses that begin so many minutes after midnight of the start's day (or before it) and last so long."""
    midnight = start.astimezone(CHINA_TIME).replace(hour=0, minute=0, second=0)
    return [
        Pause(midnight + first * MINUTE, midnight + (first + length) * MINUTE, f"原因{n % 2}", uncapped=n % 3 == 2)
        for n, (first, length) in enumerate(held)
    ]


def in_force(calendar: Calendar, start: datetime, held: list[Span], cap: Limit | None = None) -> tuple[Pause, ...]:
    return effective(calendar, pauses_at(start, held), start, cap)


def length_of(calendar: Calendar, limit: Limit) -> int:
    """Minutes of an hour-grained limit."""
    return limit.value * (calendar.standard_day_minutes if limit.unit is LimitUnit.work_day else 60)


# --- what is counted


@settings(max_examples=50, deadline=None)
@given(calendars, units, starts, minutes_within(0, 10), spans, modes)
def test_counted_minutes_are_the_unpaused_working_minutes_of_counted_days(
    calendar: Calendar, unit: LimitUnit, start: datetime, later: int, held: list[Span], mode: GivenBack
) -> None:
    end, first_on = start + later * MINUTE, start.date()
    paused = [(pause.from_at, pause.until_at) for pause in pauses_at(start, held)]
    expected = 0
    for n in range((end.date() - first_on).days + 1):
        on = first_on + timedelta(n)
        midnight = datetime(on.year, on.month, on.day, tzinfo=CHINA_TIME)
        whole_day = [midnight + minute * MINUTE for minute in range(1440)]
        open_at = calendar.working_intervals(on)
        worked = [at for at in whole_day if any(opens <= at < closes for opens, closes in open_at)]
        of_unit = worked if unit in WORKING_UNITS else whole_day
        free = [at for at in of_unit if not any(begins <= at < ends for begins, ends in paused)]
        if unit in DAY_UNITS:
            given_back = not free if mode == "covered" else len(free) < len(of_unit)
            if n == 0 or given_back:
                continue
        # A minute is counted when it is completed after the start and not after the end.
        expected += sum(start < at + MINUTE <= end for at in free)
    assert counted_minutes(calendar, unit, start, end, in_force(calendar, start, held), given_back=mode) == expected


@law
@given(calendars, hour_units, values, starts, spans)
@example(ROSTERS[0], LimitUnit.work_hour, 1, FIRST + timedelta(hours=11, seconds=30), [(660, 30)])
def test_the_counted_minutes_until_an_hour_grained_due_time_are_the_limit(
    calendar: Calendar, unit: LimitUnit, value: int, start: datetime, held: list[Span]
) -> None:
    limit, pauses = Limit(value, unit), in_force(calendar, start, held)
    end = due(calendar, start, limit, pauses).due_at
    assert counted_minutes(calendar, unit, start, end, pauses) == length_of(calendar, limit)
    # It is the earliest such time: what came just before it counted.
    before = end - timedelta(microseconds=1)
    assert not any(pause.from_at <= before < pause.until_at for pause in pauses)
    assert elapsed_minutes(start, end) >= length_of(calendar, limit)


@law
@given(calendars, hour_units, values, whole_starts, spans, units, st.integers(1, 8))
def test_a_cap_lets_the_clock_count_on_and_the_limit_is_still_met(
    calendar: Calendar, unit: LimitUnit, value: int, start: datetime, held: list[Span], cap_unit: LimitUnit, most: int
) -> None:
    limit = Limit(value, unit)
    capped = in_force(calendar, start, held, Limit(most, cap_unit))
    end = due(calendar, start, limit, capped).due_at
    assert counted_minutes(calendar, unit, start, end, capped) == length_of(calendar, limit)
    assert end <= due(calendar, start, limit, in_force(calendar, start, held)).due_at


# --- explanations


@settings(max_examples=250, deadline=None)
@given(calendars, units, starts, minutes_within(0, 20), seconds, spans, modes)
def test_an_explanation_is_contiguous_and_adds_up(
    calendar: Calendar, unit: LimitUnit, start: datetime, later: int, second: int, held: list[Span], mode: GivenBack
) -> None:
    end, pauses = start + timedelta(minutes=later, seconds=second), in_force(calendar, start, held)
    intervals = explain(calendar, unit, start, end, pauses, given_back=mode)
    edges = [start, *(each.until_at for each in intervals)]
    assert [each.from_at for each in intervals] == edges[:-1]
    assert edges[-1] == end
    assert all(each.from_at < each.until_at and each.cause for each in intervals)
    assert [each.minutes for each in intervals] == [elapsed_minutes(each.from_at, each.until_at) for each in intervals]

    counted = sum(each.minutes for each in intervals if each.counted)
    not_counted = sum(each.minutes for each in intervals if not each.counted)
    assert counted == counted_minutes(calendar, unit, start, end, pauses, given_back=mode)
    assert counted + not_counted == elapsed_minutes(start, end)
    # Each interval is of one kind throughout, so the count rises by all of it or by nothing.
    reached = [counted_minutes(calendar, unit, start, edge, pauses, given_back=mode) for edge in edges]
    for each, before, after in zip(intervals, reached, reached[1:], strict=False):
        assert after - before == (each.minutes if each.counted else 0), each


# --- pauses


@law
@given(
    calendars, units, values, starts, spans, modes, st.none() | st.builds(Limit, st.integers(1, 9), units), st.randoms()
)
def test_only_the_union_of_pauses_matters(
    calendar: Calendar,
    unit: LimitUnit,
    value: int,
    start: datetime,
    held: list[Span],
    mode: GivenBack,
    cap: Limit | None,
    rng: Random,
) -> None:
    pauses = pauses_at(start, held)
    others = []
    for pause in pauses:
        length = int((pause.until_at - pause.from_at) / MINUTE)
        cut = pause.from_at + rng.randint(0, length) * MINUTE
        halves = [(pause.from_at, cut), (cut, pause.until_at)]
        others += [Pause(a, b, pause.cause, uncapped=pause.uncapped) for a, b in halves if a < b]
        others += [pause, pause]
    rng.shuffle(others)

    limit, end = Limit(value, unit), start + 9 * 1440 * MINUTE
    one, two = (effective(calendar, each, start, cap) for each in (pauses, others))
    assert due(calendar, start, limit, one, given_back=mode) == due(calendar, start, limit, two, given_back=mode)
    assert counted_minutes(calendar, unit, start, end, one, given_back=mode) == counted_minutes(
        calendar, unit, start, end, two, given_back=mode
    )


@law
@given(starts, spans)
def test_a_union_is_ascending_disjoint_and_holds_the_same_minutes(start: datetime, held: list[Span]) -> None:
    pauses = pauses_at(start, held)
    merged = union(pauses)
    assert all(one.until_at <= two.from_at for one, two in pairwise(merged))
    edges = [edge for pause in pauses for edge in (pause.from_at, pause.until_at)]
    for at in [*edges, *(edge - MINUTE for edge in edges)]:
        inside = any(pause.from_at <= at < pause.until_at for pause in pauses)
        assert any(pause.from_at <= at < pause.until_at for pause in merged) is inside
    assert union(merged) == merged


@law
@given(calendars, units, values, starts, spans, span, modes)
def test_a_pause_taken_back_leaves_no_trace(
    calendar: Calendar, unit: LimitUnit, value: int, start: datetime, held: list[Span], extra: Span, mode: GivenBack
) -> None:
    limit = Limit(value, unit)
    never = due(calendar, start, limit, in_force(calendar, start, held), given_back=mode)
    with_it = due(calendar, start, limit, in_force(calendar, start, [*held, extra]), given_back=mode)
    assert due(calendar, start, limit, in_force(calendar, start, held), given_back=mode) == never
    # More pause is never an earlier due time either.
    assert with_it.due_at >= never.due_at


@law
@given(calendars, units, values, starts, spans, st.integers(0, 3000), lengths, modes)
def test_a_pause_that_begins_at_the_due_time_or_ends_at_the_start_changes_nothing(
    calendar: Calendar,
    unit: LimitUnit,
    value: int,
    start: datetime,
    held: list[Span],
    gap: int,
    length: int,
    mode: GivenBack,
) -> None:
    # From the next day on, for a limit in days: a pause in the evening of the last day may give it back.
    start, limit = start.replace(second=0), Limit(value, unit)
    pauses = pauses_at(start, held)
    before = effective(calendar, pauses, start, None)
    found = due(calendar, start, limit, before, given_back=mode)
    free_at = found.due_at + (gap + (1440 if unit in DAY_UNITS else 0)) * MINUTE
    outside = [
        Pause(start - (gap + length) * MINUTE, start - gap * MINUTE, "早先"),
        Pause(free_at, free_at + length * MINUTE, "以后"),
    ]
    assert due(calendar, start, limit, effective(calendar, pauses + outside, start, None), given_back=mode) == found


# --- order


@law
@given(calendars, units, values, starts, minutes_within(0, 5), seconds, spans, modes)
def test_a_later_start_is_never_due_earlier(
    calendar: Calendar,
    unit: LimitUnit,
    value: int,
    first: datetime,
    later: int,
    second: int,
    held: list[Span],
    mode: GivenBack,
) -> None:
    limit, pauses = Limit(value, unit), pauses_at(first, held)
    one, two = (
        due(calendar, start, limit, effective(calendar, pauses, start, None), given_back=mode).due_at
        for start in (first, first + timedelta(minutes=later, seconds=second))
    )
    assert first < one <= two


@law
@given(calendars, units, values, st.integers(1, 5), starts, spans, modes)
def test_an_extension_is_never_an_earlier_due_time(
    calendar: Calendar, unit: LimitUnit, value: int, more: int, start: datetime, held: list[Span], mode: GivenBack
) -> None:
    pauses = in_force(calendar, start, held)
    one, two = (due(calendar, start, Limit(n, unit), pauses, given_back=mode).due_at for n in (value, value + more))
    assert one < two or (unit is LimitUnit.natural_day and one == two)


@law
@given(calendars, units, values, starts, spans)
def test_a_day_only_touched_is_given_back_later_or_at_the_same_time(
    calendar: Calendar, unit: LimitUnit, value: int, start: datetime, held: list[Span]
) -> None:
    limit, pauses = Limit(value, unit), in_force(calendar, start, held)
    covered, touched = (
        due(calendar, start, limit, pauses, given_back="covered").due_at,
        due(calendar, start, limit, pauses, given_back="touched").due_at,
    )
    assert covered <= touched
    if unit not in DAY_UNITS:
        assert covered == touched


# --- shares


@law
@given(calendars, units, values, starts, spans, modes, st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_shares_are_reached_in_their_order_and_not_after_the_due_time(
    calendar: Calendar,
    unit: LimitUnit,
    value: int,
    start: datetime,
    held: list[Span],
    mode: GivenBack,
    shares: list[float],
) -> None:
    pauses = in_force(calendar, start, held)
    end = due(calendar, start, Limit(value, unit), pauses, given_back=mode).due_at
    shares = [0, *sorted(shares), 1]
    reached = [moment_at_share(calendar, unit, start, end, share, pauses, given_back=mode) for share in shares]
    assert reached == sorted(reached)
    assert start <= reached[0]
    assert reached[-1] <= end
    total = counted_minutes(calendar, unit, start, end, pauses, given_back=mode)
    for share, at in zip(shares, reached, strict=True):
        assert abs(counted_minutes(calendar, unit, start, at, pauses, given_back=mode) - share * total) <= 1


@law
@given(calendars, units, values, starts, spans, modes, st.sampled_from([0.25, 0.5, 0.8, 1.0]))
def test_a_share_is_reached_by_counting_and_never_in_a_pause(
    calendar: Calendar, unit: LimitUnit, value: int, start: datetime, held: list[Span], mode: GivenBack, share: float
) -> None:
    pauses = in_force(calendar, start, held)
    end = due(calendar, start, Limit(value, unit), pauses, given_back=mode).due_at
    assume(counted_minutes(calendar, unit, start, end, pauses, given_back=mode) > 0)
    before = moment_at_share(calendar, unit, start, end, share, pauses, given_back=mode) - timedelta(microseconds=1)
    assert not any(pause.from_at <= before < pause.until_at for pause in pauses)
