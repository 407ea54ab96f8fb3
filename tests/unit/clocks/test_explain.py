"""Explanations: every minute of a clock with its cause, as a person reads it."""

from datetime import datetime

import pytest

from app.clocks.arithmetic import LimitUnit, counted_minutes, elapsed_minutes
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.explain import explain
from app.clocks.pauses import GivenBack, Pause
from app.clocks.rows import CalendarRow
from tests.unit.clocks.conftest import official_rows, row

NAMED = (
    row("holiday", "2026-06-01 2026-06-02", name="甲节"),
    row("day_hours", "2026-06-03", "08:00-12:00", name="节后半天"),
    row("closure", "2026-06-04", name="台风"),
    row("closure", "2026-06-05", "10:00-12:00", name="清淤"),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA_TIME)


def pause(begins: str, ends: str, cause: str = "") -> Pause:
    return Pause(at(begins), at(ends), cause)


def told(
    unit: str,
    start: str,
    end: str,
    *pauses: Pause,
    given_back: GivenBack = "covered",
    rows: tuple[CalendarRow, ...] = (),
) -> list[str]:
    """The explanation as lines; checks what holds of every explanation."""
    calendar = Calendar.from_rows([*official_rows(), *rows], "cn")
    first, last, of = at(start), at(end), LimitUnit(unit)
    intervals = explain(calendar, of, first, last, pauses, given_back=given_back)
    assert [each.from_at for each in intervals] == [first, *(each.until_at for each in intervals[:-1])]
    assert intervals[-1].until_at == last
    assert sum(each.minutes for each in intervals) == elapsed_minutes(first, last)
    counted = sum(each.minutes for each in intervals if each.counted)
    assert counted == counted_minutes(calendar, of, first, last, pauses, given_back=given_back)
    assert all(each.counted is (each.cause == "计时") for each in intervals)
    return [f"{each.from_at.astimezone(CHINA_TIME):%m-%d %H:%M} {each.minutes} {each.cause}" for each in intervals]


def test_working_hours_over_a_weekend() -> None:
    assert told("work_hour", "03-06 11:00", "03-09 09:00") == [
        "03-06 11:00 60 计时",
        "03-06 12:00 120 午休、下班",
        "03-06 14:00 240 计时",
        "03-06 18:00 360 午休、下班",
        "03-07 00:00 2880 周末",
        "03-09 00:00 480 午休、下班",
        "03-09 08:00 60 计时",
    ]


def test_the_night_between_two_working_days_is_one_interval() -> None:
    assert told("work_day", "03-03 17:30", "03-04 08:30") == [
        "03-03 17:30 30 计时",
        "03-03 18:00 840 午休、下班",
        "03-04 08:00 30 计时",
    ]


def test_holidays_half_days_and_closures_are_named() -> None:
    lines = told("work_hour", "05-31 23:00", "06-06 01:00", rows=NAMED)
    assert lines == [
        "05-31 23:00 60 周末",
        "06-01 00:00 2880 节假日：甲节",
        "06-03 00:00 480 午休、下班（节后半天）",
        "06-03 08:00 240 计时",
        "06-03 12:00 720 午休、下班（节后半天）",
        "06-04 00:00 1440 停工：台风",
        "06-05 00:00 600 停工：清淤",
        "06-05 10:00 120 计时",
        "06-05 12:00 720 停工：清淤",
        "06-06 00:00 60 周末",
    ]


def test_a_day_off_in_the_middle_of_a_rosters_week_is_no_weekend() -> None:
    roster = (row("week", weekdays="1|3|4|5|6|7"),)
    assert told("work_hour", "03-03 09:00", "03-04 08:00", rows=roster) == [
        "03-03 09:00 900 休息日",
        "03-04 00:00 480 午休、下班",
    ]


def test_hours_without_an_end_count_through_everything() -> None:
    assert told("urgent_hour", "03-06 11:00", "03-09 09:00") == ["03-06 11:00 4200 计时"]
    assert told("natural_hour", "05-31 23:00", "06-06 01:00", rows=NAMED) == ["05-31 23:00 7320 计时"]


def test_a_pause_is_one_interval_over_lunch_and_night() -> None:
    held = pause("03-03 11:00", "03-04 08:30", "等待材料")
    assert told("work_hour", "03-03 10:00", "03-04 09:00", held) == [
        "03-03 10:00 60 计时",
        "03-03 11:00 1290 暂停：等待材料",
        "03-04 08:30 30 计时",
    ]
    assert told("natural_hour", "03-03 10:00", "03-03 16:00", pause("03-03 09:00", "03-03 12:00")) == [
        "03-03 10:00 120 暂停",
        "03-03 12:00 240 计时",
    ]


def test_pauses_of_different_causes_are_told_apart() -> None:
    held = pause("03-03 10:00", "03-03 11:00", "甲"), pause("03-03 11:00", "03-03 13:00", "乙")
    assert told("work_hour", "03-03 10:00", "03-03 14:30", *held) == [
        "03-03 10:00 60 暂停：甲",
        "03-03 11:00 120 暂停：乙",
        "03-03 13:00 60 午休、下班",
        "03-03 14:00 30 计时",
    ]


def test_the_starting_day_of_units_of_whole_days() -> None:
    held = pause("03-03 10:00", "03-03 12:00", "甲")
    assert told("legal_work_day", "03-03 09:00", "03-04 18:00", held) == [
        "03-03 09:00 900 起算日不计",
        "03-04 00:00 480 午休、下班",
        "03-04 08:00 240 计时",
        "03-04 12:00 120 午休、下班",
        "03-04 14:00 240 计时",
    ]
    assert told("natural_day", "03-06 09:00", "03-09 18:00") == [
        "03-06 09:00 900 起算日不计",
        "03-07 00:00 3960 计时",
    ]
    assert told("natural_day", "03-03 09:00", "03-03 18:00") == ["03-03 09:00 540 起算日不计"]


def test_given_back_days_are_whole_days_and_working_days_only() -> None:
    # Thursday to Tuesday morning: Thursday, Friday and Monday are given back.
    held = pause("03-05 07:00", "03-10 09:00", "挂账")
    assert told("legal_work_day", "03-04 09:00", "03-10 18:00", held) == [
        "03-04 09:00 900 起算日不计",
        "03-05 00:00 2880 整日退还：挂账",
        "03-07 00:00 2880 暂停：挂账",
        "03-09 00:00 1440 整日退还：挂账",
        "03-10 00:00 540 暂停：挂账",
        "03-10 09:00 180 计时",
        "03-10 12:00 120 午休、下班",
        "03-10 14:00 240 计时",
    ]


def test_a_day_that_was_only_touched_is_given_back_where_the_city_wants_it() -> None:
    held = pause("03-04 10:00", "03-04 11:00", "甲")
    assert told("natural_day", "03-03 09:00", "03-05 18:00", held, given_back="touched") == [
        "03-03 09:00 900 起算日不计",
        "03-04 00:00 1440 整日退还：甲",
        "03-05 00:00 1080 计时",
    ]
    assert told("natural_day", "03-03 09:00", "03-05 00:00", held) == [
        "03-03 09:00 900 起算日不计",
        "03-04 00:00 600 计时",
        "03-04 10:00 60 暂停：甲",
        "03-04 11:00 780 计时",
    ]


def test_seconds_belong_to_the_minute_that_ticks_over() -> None:
    assert told("work_hour", "03-03 11:59:30", "03-03 14:00:30") == [
        "03-03 11:59 1 计时",
        "03-03 12:00 120 午休、下班",
        "03-03 14:00 0 计时",
    ]


def test_no_time_needs_no_explanation_and_time_does_not_run_backwards(calendar: Calendar) -> None:
    moment = at("03-03 09:00")
    assert explain(calendar, LimitUnit.legal_work_day, moment, moment) == ()
    with pytest.raises(ValueError, match="早于开始时间"):
        explain(calendar, LimitUnit.work_hour, moment, at("03-03 08:59"))
