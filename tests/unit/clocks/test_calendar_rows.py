"""Weeks, hours of single days and closures: their rows, and which row decides about a day."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

from app.clocks.arithmetic import Due, Limit, LimitUnit, counted_minutes, due
from app.clocks.calendar import CHINA_TIME, Calendar, day_number, weekday
from app.clocks.rows import CalendarRow
from tests.unit.clocks.conftest import official_rows, row


def built(*rows: CalendarRow) -> Calendar:
    return Calendar.from_rows([*official_rows(), *rows], "cn")


def hours_on(calendar: Calendar, text: str) -> str:
    """The hours worked on a day of 2026, empty on a day off."""
    intervals = calendar.working_intervals(date.fromisoformat(f"2026-{text}"))
    return " ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in intervals)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA_TIME)


ALL_DAY = "08:00-12:00 14:00-18:00"


# --- rows


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (("week", "", ""), "week 行必须写明每周哪几天工作"),
        (("day_hours", "2026-02-14", ""), "day_hours 行必须写明工作时段"),
        (("day_hours", "", "08:00-12:00"), "day_hours 行必须写明起止日期"),
        (("closure", "", ""), "closure 行必须写明停工的名称"),
        (("day_hours", "2026-02-14", "12:00-08:00"), "结束必须晚于开始"),
    ],
)
def test_rows_without_what_they_need_are_refused(made: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        row(*made)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"row_type": "week", "span": "2026-01-01 2026-12-31", "weekdays": "1|2"}, "week 行不写起止日期"),
        ({"row_type": "week", "weekdays": "1|2", "hours": "08:00-12:00"}, "week 行不可以"),
        ({"row_type": "week", "weekdays": "0|1"}, "星期“0”写法不对"),
        ({"row_type": "week", "weekdays": "1|8"}, "星期“8”写法不对"),
        ({"row_type": "week", "weekdays": "1|"}, "星期“”写法不对"),
        ({"row_type": "week", "weekdays": "1-5"}, "星期“1-5”写法不对"),
        ({"row_type": "week", "weekdays": "一"}, "星期“一”写法不对"),
        ({"row_type": "week", "weekdays": "1|1"}, "重复或次序颠倒"),
        ({"row_type": "week", "weekdays": "2|1"}, "重复或次序颠倒"),
        ({"row_type": "hours", "hours": "08:00-12:00", "weekdays": "1"}, "只有 week 行可以写星期，hours 行不可以"),
        ({"row_type": "closure", "name": "台风"}, "closure 行必须写明起止日期"),
    ],
)
def test_bad_rows_are_refused(members: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        row(**members)


def test_weekdays_are_read_from_a_cell_or_a_list_and_round_trip() -> None:
    week = row("week", weekdays=" 1 | 3|7 ")
    assert week.weekdays == (1, 3, 7)
    assert week.key == "cn/week/"
    assert CalendarRow.model_validate_json(week.model_dump_json()) == week
    with pytest.raises(ValidationError, match=r"星期“1\.5”写法不对"):
        CalendarRow.model_validate({"calendar_code": "cn", "row_type": "week", "weekdays": [1.5]})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((row("week", weekdays="1"), row("week", weekdays="2")), "日历 cn 有不止一行每周工作日"),
        (
            (
                row("day_hours", "2026-03-02 2026-03-04", "08:00-12:00"),
                row("day_hours", "2026-03-04 2026-03-05", "09:00-12:00"),
            ),
            "单日工作时间（day_hours）在 2026-03-04 重叠",
        ),
        (
            (row("closure", "2026-08-01 2026-08-03", name="台风"), row("closure", "2026-08-03", name="停电")),
            "停工（closure）在 2026-08-03 重叠",
        ),
        ((row("closure", "2099-12-31 2100-01-01", name="台风"),), "2000 年至 2099 年"),
    ],
)
def test_contradicting_rows_are_refused(rows: tuple[CalendarRow, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(*rows)


# --- weeks and rosters


def test_weekdays_are_numbered_from_monday() -> None:
    assert [weekday(day_number(date(2026, 3, day))) for day in range(2, 9)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_week_of_six_days_keeps_holidays_and_make_up_days() -> None:
    calendar = built(row("week", weekdays="1|2|3|4|5|6"))
    assert hours_on(calendar, "03-07") == ALL_DAY  # a Saturday
    assert hours_on(calendar, "03-08") == ""
    assert hours_on(calendar, "10-03") == ""  # a Saturday of the National Day holiday
    assert hours_on(calendar, "09-20") == ALL_DAY  # a Sunday made up for
    # Friday afternoon: the hour that is left, then Saturday.
    assert due(calendar, at("03-06 17:00"), Limit(2, LimitUnit.work_hour)).due_at == at("03-07 09:00")


def test_a_night_roster_works_through_midnight_on_all_days() -> None:
    rows = [
        row("week", weekdays="1|2|3|4|5|6|7"),
        row("hours", hours="00:00-06:00|22:00-24:00"),
        row("year", "2026-01-01 2026-12-31"),
    ]
    night = Calendar.from_rows(rows, "cn")
    assert night.standard_day_minutes == 480
    # From Saturday 23:00: one hour, then six until 06:00 on Sunday, then one from 22:00.
    assert due(night, at("03-07 23:00"), Limit(1, LimitUnit.work_day)) == Due(at("03-08 23:00"), assumed=False)
    assert due(night, at("03-07 23:00"), Limit(7, LimitUnit.work_hour)).due_at == at("03-08 06:00")
    assert due(night, at("10-01 12:00"), Limit(1, LimitUnit.work_hour)).due_at == at("10-01 23:00")
    assert due(night, at("03-07 23:00"), Limit(1, LimitUnit.legal_work_day)).due_at == at("03-09 00:00")
    assert counted_minutes(night, LimitUnit.work_hour, at("03-07 23:00"), at("03-08 23:00")) == 480


# --- hours of single days


def test_hours_of_single_days_go_before_the_season_and_work_no_day_off() -> None:
    calendar = built(
        row("hours", "2026-02-01 2026-04-30", "09:00-12:00|13:00-17:00"),
        row("day_hours", "2026-02-12 2026-02-16", "08:00-12:00", name="春节前半天"),
        row("day_hours", "2026-03-07 2026-03-08", "08:00-12:00"),
    )
    assert hours_on(calendar, "02-11") == "09:00-12:00 13:00-17:00"
    assert [hours_on(calendar, f"02-{day}") for day in (12, 13)] == ["08:00-12:00"] * 2
    assert hours_on(calendar, "02-14") == "08:00-12:00"  # a Saturday made up for
    assert [hours_on(calendar, f"02-{day}") for day in (15, 16)] == ["", ""]  # holidays
    assert hours_on(calendar, "03-07") == ""


def test_a_limit_over_a_half_day() -> None:
    calendar = built(row("day_hours", "2026-03-04", "08:00-12:00", name="半天"))
    # 1 hour on Tuesday, 4 on Wednesday, 3 on Thursday; the standard day stays eight hours.
    assert due(calendar, at("03-03 17:00"), Limit(1, LimitUnit.work_day)).due_at == at("03-05 11:00")
    assert due(calendar, at("03-03 17:00"), Limit(1, LimitUnit.legal_work_day)).due_at == at("03-04 12:00")
    assert due(calendar, at("03-03 17:00"), Limit(1, LimitUnit.natural_day)).due_at == at("03-04 12:00")


# --- closures


def test_a_closure_goes_before_everything_else() -> None:
    calendar = built(
        row("hours", "2026-02-01 2026-04-30", "09:00-12:00|13:00-17:00"),
        row("day_hours", "2026-02-13", "08:00-12:00"),
        row("closure", "2026-02-12 2026-02-14", name="暴雪"),
        row("closure", "2026-03-05 2026-03-08", "10:00-12:00", name="停电"),
    )
    # The 14th is a make-up day.
    assert [hours_on(calendar, f"02-{day}") for day in (11, 12, 13, 14)] == ["09:00-12:00 13:00-17:00", "", "", ""]
    # What is still worked is worked on Thursday and Friday, not at the weekend.
    assert [hours_on(calendar, f"03-0{day}") for day in (5, 6, 7, 8)] == ["10:00-12:00", "10:00-12:00", "", ""]


def test_limits_over_closures() -> None:
    calendar = built(row("closure", "2026-03-04 2026-03-05", name="台风"))
    start = at("03-03 17:00")
    assert due(calendar, start, Limit(2, LimitUnit.work_hour)).due_at == at("03-06 09:00")
    assert due(calendar, start, Limit(1, LimitUnit.legal_work_day)).due_at == at("03-06 18:00")
    assert due(calendar, start, Limit(1, LimitUnit.natural_day)).due_at == at("03-06 18:00")  # rolls on
    assert due(calendar, start, Limit(26, LimitUnit.natural_hour)).due_at == at("03-04 19:00")
    partial = built(row("closure", "2026-03-04", "10:00-12:00", name="台风"))
    assert due(partial, start, Limit(4, LimitUnit.work_hour)).due_at == at("03-05 09:00")
    assert due(partial, start, Limit(1, LimitUnit.legal_work_day)).due_at == at("03-04 12:00")


def test_a_closure_in_a_year_without_a_list_holds_but_covers_nothing() -> None:
    calendar = built(row("closure", "2027-01-01", name="元旦"))
    found = due(calendar, at("12-31 17:00"), Limit(1, LimitUnit.legal_work_day))
    assert found == Due(datetime(2027, 1, 4, 18, tzinfo=CHINA_TIME), assumed=True)


# --- names


def test_each_day_keeps_the_row_that_makes_it_special() -> None:
    calendar = built(
        row("holiday", "2026-06-01 2026-06-02", name="假"),
        row("day_hours", "2026-06-02 2026-06-04", "08:00-12:00", name="半天"),
        row("closure", "2026-06-04", name="停工"),
    )
    found = [calendar.naming_row(day_number(date(2026, 6, day))) for day in range(1, 6)]
    assert [each.name if each else None for each in found] == ["假", "假", "半天", "停工", None]
