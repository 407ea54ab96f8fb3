"""Due times, counted minutes and shares of clocks that were paused, counted by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from app.clocks.arithmetic import (
    Due,
    Limit,
    LimitUnit,
    counted_minutes,
    due,
    elapsed_minutes,
    moment_at_share,
)
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.pauses import GivenBack, Pause, effective


def at(text: str) -> datetime:
    """China time; without a year it is 2026, where 3 March is a Tuesday."""
    text = text if text[4] == "-" else f"2026-{text}"
    return datetime.fromisoformat(text).replace(tzinfo=CHINA_TIME)


def held(calendar: Calendar, start: str, *spans: str, cap: str = "") -> tuple[Pause, ...]:
    """Effective pauses of spans such as "03-03 09:00 > 03-04 10:00"."""
    parts = [span.split(" > ") for span in spans]
    pauses = [Pause(at(begins), at(ends)) for begins, ends in parts]
    return effective(calendar, pauses, at(start), Limit.parse(cap) if cap else None)


# --- limits in hours


@pytest.mark.parametrize(
    ("start", "limit", "spans", "expected"),
    [
        # The pause takes 14:00 to 15:00 and the lunch break, of which only the hour was working time.
        ("03-03 11:00", "2 work_hour", ["03-03 12:00 > 03-03 15:00"], "03-03 16:00"),
        ("03-03 11:00", "2 work_hour", ["03-03 11:30 > 03-03 14:30"], "03-03 16:00"),
        # A pause inside the lunch break or in the night costs nothing.
        ("03-03 11:00", "2 work_hour", ["03-03 12:00 > 03-03 14:00"], "03-03 15:00"),
        ("03-03 17:00", "2 work_hour", ["03-03 18:00 > 03-04 08:00"], "03-04 09:00"),
        # The hour is over at noon, before the pause begins; a minute more and it is not.
        ("03-03 11:00", "1 work_hour", ["03-03 12:00 > 03-03 15:00"], "03-03 12:00"),
        ("03-03 11:01", "1 work_hour", ["03-03 12:00 > 03-03 15:00"], "03-03 15:01"),
        # The first moment of a pause is still in time.
        ("03-03 08:00", "2 work_hour", ["03-03 10:00 > 03-05 10:00"], "03-03 10:00"),
        # It ends with the day: the minutes that are missing follow the next morning.
        ("03-03 16:00", "2 work_hour", ["03-03 17:30 > 03-03 18:00"], "03-04 08:30"),
        # It begins before or with the start.
        ("03-03 10:00", "1 work_hour", ["03-03 09:00 > 03-03 10:30"], "03-03 11:30"),
        ("03-03 10:00", "1 work_hour", ["03-03 08:00 > 03-03 10:00"], "03-03 11:00"),
        # Several pauses, the second of which only matters because of the first.
        ("03-03 08:00", "4 work_hour", ["03-03 09:00 > 03-03 10:00", "03-03 14:30 > 03-03 15:00"], "03-03 15:30"),
        # Overlapping ones count once.
        ("03-03 08:00", "2 work_hour", ["03-03 09:00 > 03-03 11:00", "03-03 10:00 > 03-03 11:30"], "03-03 14:30"),
        # 8 hours: one before the pause, over the weekend and Monday, seven on Tuesday.
        ("03-06 17:00", "1 work_day", ["03-06 18:00 > 03-10 08:00"], "03-10 17:00"),
        ("03-03 08:00", "2 natural_hour", ["03-03 09:00 > 03-03 21:00"], "03-03 22:00"),
        ("03-03 23:00", "2 urgent_hour", ["03-04 00:00 > 03-04 06:00", "03-04 06:30 > 03-04 07:00"], "03-04 07:30"),
        ("03-03 23:00", "1 urgent_hour", ["03-04 00:00 > 03-04 06:00"], "03-04 00:00"),
        # Seconds of the start are kept.
        ("03-03 09:59:30", "1 work_hour", ["03-03 10:00 > 03-03 10:10"], "03-03 11:09:30"),
    ],
)
def test_hours_are_made_up_for(calendar: Calendar, start: str, limit: str, spans: list[str], expected: str) -> None:
    wanted, pauses = Limit.parse(limit), held(calendar, start, *spans)
    assert due(calendar, at(start), wanted, pauses) == Due(at(expected), assumed=False)
    length = {"work_day": 480}.get(wanted.unit, 60) * wanted.value
    assert counted_minutes(calendar, wanted.unit, at(start), at(expected), pauses) == length


def test_a_pause_that_was_taken_back_has_never_been(calendar: Calendar) -> None:
    start, limit = at("03-03 09:00"), Limit(1, LimitUnit.work_day)
    paused = due(calendar, start, limit, held(calendar, "03-03 09:00", "03-03 10:00 > 03-03 17:00"))
    # One hour before and one after it on Tuesday, six on Wednesday
    assert paused.due_at == at("03-04 16:00")
    assert due(calendar, start, limit, held(calendar, "03-03 09:00")) == due(calendar, start, limit)


def test_the_cap_lets_the_clock_count_on_inside_the_pause(calendar: Calendar) -> None:
    start, limit = "03-03 09:00", Limit(4, LimitUnit.work_hour)
    span = "03-03 10:00 > 03-06 10:00"
    # One hour before, three of the pause (10 to 12, 14 to 15), then 15 to 18.
    capped = held(calendar, start, span, cap="3 work_hour")
    assert due(calendar, at(start), limit, capped).due_at == at("03-03 18:00")
    assert counted_minutes(calendar, limit.unit, at(start), at("03-03 18:00"), capped) == 240
    # A day of plain time ends on Wednesday at 10:00: to 12:00, then one more hour.
    capped = held(calendar, start, span, cap="1 natural_day")
    assert due(calendar, at(start), limit, capped).due_at == at("03-04 15:00")


# --- limits in days


@pytest.mark.parametrize(
    ("limit", "spans", "covered", "touched"),
    [
        # Started on Tuesday, 3 March.
        ("1 legal_work_day", ["03-04 08:00 > 03-04 18:00"], "03-05 18:00", "03-05 18:00"),
        ("1 legal_work_day", ["03-04 08:01 > 03-04 18:00"], "03-04 18:00", "03-05 18:00"),
        ("1 legal_work_day", ["03-04 17:59 > 03-05 08:01"], "03-04 18:00", "03-06 18:00"),
        # Only the lunch break, the night, the starting day, or after the end
        ("1 legal_work_day", ["03-04 12:00 > 03-04 14:00", "03-03 18:00 > 03-04 08:00"], "03-04 18:00", "03-04 18:00"),
        ("1 legal_work_day", ["03-03 00:00 > 03-04 00:00"], "03-04 18:00", "03-04 18:00"),
        ("1 legal_work_day", ["03-05 00:00 > 03-09 00:00"], "03-04 18:00", "03-04 18:00"),
        # A morning and an afternoon by two pauses
        ("1 legal_work_day", ["03-04 08:00 > 03-04 12:00", "03-04 14:00 > 03-04 18:00"], "03-05 18:00", "03-05 18:00"),
        # Wednesday counts; Thursday, Friday and Monday are given back, and Tuesday if touched.
        ("2 legal_work_day", ["03-05 00:00 > 03-10 09:00"], "03-10 18:00", "03-11 18:00"),
        ("3 legal_work_day", ["03-05 00:00 > 03-06 00:00", "03-09 00:00 > 03-10 00:00"], "03-10 18:00", "03-10 18:00"),
        # 24 hours make a natural day: one that was paused in its working hours only still counts.
        ("1 natural_day", ["03-04 08:00 > 03-04 18:00"], "03-04 18:00", "03-05 18:00"),
        ("1 natural_day", ["03-04 00:00 > 03-05 00:00"], "03-05 18:00", "03-05 18:00"),
        ("3 natural_day", ["03-04 12:00 > 03-06 12:00"], "03-09 18:00", "03-09 18:00"),
        # Saturday is the fourth day; it rolls to Monday, or past it where Monday is given back.
        ("4 natural_day", ["03-09 00:00 > 03-10 00:00"], "03-10 18:00", "03-10 18:00"),
        ("4 natural_day", ["03-08 23:00 > 03-09 01:00"], "03-09 18:00", "03-10 18:00"),
        # Saturday is given back, so Sunday is the fourth day.
        ("4 natural_day", ["03-07 00:00 > 03-08 00:00"], "03-09 18:00", "03-09 18:00"),
    ],
)
def test_days_are_given_back(calendar: Calendar, limit: str, spans: list[str], covered: str, touched: str) -> None:
    start = "03-03 09:00"
    pauses = held(calendar, start, *spans)
    wanted = Limit.parse(limit)
    assert due(calendar, at(start), wanted, pauses) == Due(at(covered), assumed=False)
    assert due(calendar, at(start), wanted, pauses, given_back="touched") == Due(at(touched), assumed=False)


@pytest.mark.parametrize(
    ("limit", "spans", "expected", "assumed"),
    [
        ("1 work_hour", ["2026-12-31 17:00 > 2026-12-31 18:00"], "2027-01-01 09:00", True),
        ("1 work_hour", ["2026-12-31 16:00 > 2026-12-31 17:00"], "2026-12-31 18:00", False),
        ("1 legal_work_day", ["2026-12-31 00:00 > 2027-01-01 00:00"], "2027-01-01 18:00", True),
        ("1 natural_day", ["2026-12-31 00:00 > 2027-01-01 00:00"], "2027-01-01 18:00", True),
        ("20 urgent_hour", ["2026-12-31 00:00 > 2027-01-01 00:00"], "2027-01-01 13:00", False),
    ],
)
def test_a_pause_can_move_the_end_into_a_year_without_a_list(
    calendar: Calendar, limit: str, spans: list[str], expected: str, assumed: bool
) -> None:
    start = "2026-12-31 17:00" if "work_hour" in limit else "2026-12-30 17:00"
    if limit == "20 urgent_hour":
        # Seven hours of the 30th, and thirteen after the pause
        assert due(calendar, at(start), Limit.parse(limit)).due_at == at("12-31 13:00")
    pauses = held(calendar, start, *spans)
    assert due(calendar, at(start), Limit.parse(limit), pauses) == Due(at(expected), assumed)


# --- counted minutes


@pytest.mark.parametrize(
    ("unit", "given_back", "end", "minutes"),
    [
        # Started on Tuesday at 09:00; paused on Wednesday from 10:00 to 15:00 and for the whole of Friday.
        ("work_hour", "covered", "03-04 18:00", 420 + 120 + 180),
        ("work_hour", "covered", "03-04 11:00", 420 + 120),
        ("work_hour", "touched", "03-06 18:00", 420 + 300 + 480),
        ("natural_hour", "covered", "03-04 18:00", 15 * 60 + 10 * 60 + 3 * 60),
        ("urgent_hour", "covered", "03-07 00:00", (15 + 19 + 24) * 60),
        ("legal_work_day", "covered", "03-06 18:00", 120 + 180 + 480),
        ("legal_work_day", "touched", "03-06 18:00", 480),
        ("legal_work_day", "touched", "03-04 11:00", 0),
        ("legal_work_day", "covered", "03-09 09:00", 780 + 60),
        ("natural_day", "covered", "03-05 00:00", 19 * 60),
        ("natural_day", "covered", "03-08 00:00", (19 + 24 + 24) * 60),
        ("natural_day", "touched", "03-08 00:00", (24 + 24) * 60),
    ],
)
def test_counted_minutes(calendar: Calendar, unit: str, given_back: GivenBack, end: str, minutes: int) -> None:
    start = "03-03 09:00"
    pauses = held(calendar, start, "03-04 10:00 > 03-04 15:00", "03-06 00:00 > 03-07 00:00")
    counted = counted_minutes(calendar, LimitUnit(unit), at(start), at(end), pauses, given_back=given_back)
    assert counted == minutes
    assert elapsed_minutes(at(start), at(end)) == (at(end) - at(start)) // timedelta(minutes=1) >= counted


def test_elapsed_minutes_tick_over() -> None:
    assert elapsed_minutes(at("03-03 09:00:59"), at("03-03 09:01:00")) == 1
    assert elapsed_minutes(at("03-03 09:00:00"), at("03-03 09:00:59")) == 0
    with pytest.raises(ValueError, match="早于开始时间"):
        elapsed_minutes(at("03-03 09:00:01"), at("03-03 09:00:00"))


# --- shares


@pytest.mark.parametrize(
    ("limit", "spans", "share", "expected"),
    [
        # From Tuesday 09:00: three hours before lunch, the fourth until 15:00.
        ("1 work_day", [], 0.5, "03-03 15:00"),
        ("1 work_day", [], 0.8, "03-03 17:24"),
        ("4 work_hour", [], 0.75, "03-03 12:00"),
        ("1 work_day", ["03-03 10:00 > 03-03 16:00"], 0.5, "03-04 09:00"),
        ("1 work_day", ["03-03 10:00 > 03-03 16:00"], 0.125, "03-03 10:00"),
        ("10 natural_hour", ["03-03 10:00 > 03-03 16:00"], 0.5, "03-03 20:00"),
        # The starting day does not count for units of whole days.
        ("2 legal_work_day", [], 0.5, "03-04 18:00"),
        ("2 legal_work_day", ["03-04 10:00 > 03-04 18:00"], 0.5, "03-05 11:00"),
        ("2 legal_work_day", ["03-04 00:00 > 03-05 00:00"], 0.25, "03-05 12:00"),
        # Wednesday, and Thursday to 18:00: 42 hours
        ("2 natural_day", [], 0.5, "03-04 21:00"),
    ],
)
def test_moments_at_a_share(calendar: Calendar, limit: str, spans: list[str], share: float, expected: str) -> None:
    start, wanted = at("03-03 09:00"), Limit.parse(limit)
    pauses = held(calendar, "03-03 09:00", *spans)
    end = due(calendar, start, wanted, pauses).due_at
    assert moment_at_share(calendar, wanted.unit, start, end, share, pauses) == at(expected)
    assert moment_at_share(calendar, wanted.unit, start, end, 0, pauses) == start
    assert moment_at_share(calendar, wanted.unit, start, end, 1, pauses) == end


def test_a_touched_day_has_no_part_in_a_share(calendar: Calendar) -> None:
    start, pauses = at("03-03 09:00"), held(calendar, "03-03 09:00", "03-04 10:00 > 03-04 10:01")
    limit = Limit(1, LimitUnit.legal_work_day)
    end = due(calendar, start, limit, pauses, given_back="touched").due_at
    assert end == at("03-05 18:00")
    half = moment_at_share(calendar, limit.unit, start, end, 0.5, pauses, given_back="touched")
    assert (half, half.tzinfo) == (at("03-05 12:00"), UTC)


def test_a_share_of_nothing_is_the_start_and_impossible_shares_are_refused(calendar: Calendar) -> None:
    start, end = at("03-07 09:00"), at("03-07 18:00")  # a Saturday
    assert moment_at_share(calendar, LimitUnit.work_hour, start, end, 0.5) == start
    assert moment_at_share(calendar, LimitUnit.legal_work_day, start, end, 1) == start
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="0 到 1"):
            moment_at_share(calendar, LimitUnit.work_hour, start, end, share)
