"""Rows and the calendar built from them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from app.clocks.arithmetic import Limit, LimitUnit, counted_minutes, due
from app.clocks.calendar import CHINA_TIME, MINUTE, Calendar, day_number, instant, position
from app.clocks.rows import CalendarRow
from tests.unit.clocks.conftest import MAKE_UP_DAYS, official_rows, row


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(n) for n in range((date(year + 1, 1, 1) - first).days)]


def clock_hours(calendar: Calendar, on: date) -> list[str]:
    return [f"{start:%H:%M}-{end:%H:%M}" for start, end in calendar.working_intervals(on)]


# --- rows


def test_key_is_unique_per_code_type_and_first_date() -> None:
    assert row("holiday", "2026-10-01 2026-10-07").key == "cn/holiday/2026-10-01"
    assert row("hours", hours="08:00-12:00").key == "cn/hours/"
    rows = official_rows()
    assert len({each.key for each in rows}) == len(rows)


def test_hours_are_read_from_a_cell_or_a_list_and_round_trip() -> None:
    from_cell = row("hours", hours=" 08:00-12:00 | 14:00-18:00 ")
    assert from_cell.hours == ("08:00-12:00", "14:00-18:00")
    assert CalendarRow.model_validate(from_cell.model_dump(mode="json")) == from_cell


@pytest.mark.parametrize(
    ("row_type", "span", "hours", "message"),
    [
        ("hours", "", "", "必须写明工作时段"),
        ("hours", "", "8:00-12:00", "写法不对"),
        ("hours", "", "08:00-12:00|", "写法不对"),
        ("hours", "", "08:60-12:00", "写法不对"),
        ("hours", "", "22:00-06:00", "结束必须晚于开始"),
        ("hours", "", "12:00-24:01", "24:00"),
        ("hours", "", "08:00-12:00|11:00-18:00", "重叠"),
        ("hours", "", "14:00-18:00|08:00-12:00", "次序"),
        ("holiday", "2026-10-01", "08:00-12:00", "只有 hours、day_hours、closure 行"),
        ("holiday", "", "", "必须写明起止日期"),
        ("workday", "2026-10-02 2026-10-01", "", "晚于"),
        ("year", "2026-01-01 2026-12-30", "", "year 行"),
        ("year", "2025-01-01 2026-12-31", "", "year 行"),
        ("workday", "20261010", "", "写法不对"),
        ("workday", "2026/10/10", "", "写法不对"),
        ("workday", "2026-02-30", "", "first_on"),
        ("weekend", "2026-10-10", "", "row_type"),
    ],
)
def test_bad_rows_are_refused(row_type: str, span: str, hours: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        row(row_type, span, hours)


def test_one_date_alone_and_unknown_columns_are_refused() -> None:
    base = {"calendar_code": "cn", "row_type": "holiday", "first_on": "2026-10-01"}
    with pytest.raises(ValidationError, match="要么都写，要么都空"):
        CalendarRow.model_validate(base)
    with pytest.raises(ValidationError, match="colour"):
        CalendarRow.model_validate({**base, "last_on": "2026-10-01", "colour": "red"})


# --- days


@pytest.mark.parametrize("text", MAKE_UP_DAYS)
def test_every_make_up_day_is_a_weekend_day_with_full_hours(calendar: Calendar, text: str) -> None:
    on = date.fromisoformat(text)
    assert on.weekday() >= 5
    assert calendar.is_working_day(on)
    assert clock_hours(calendar, on) == ["08:00-12:00", "14:00-18:00"]
    start = datetime(on.year, on.month, on.day, tzinfo=CHINA_TIME)
    assert counted_minutes(calendar, LimitUnit.work_hour, start, start + timedelta(1)) == 480
    assert due(calendar, start, Limit(3, LimitUnit.work_hour)).due_at == start + timedelta(hours=11)


def test_only_the_make_up_days_work_at_weekends(calendar: Calendar) -> None:
    worked = [on for year in (2025, 2026) for on in days_of(year) if on.weekday() >= 5 and calendar.is_working_day(on)]
    assert [on.isoformat() for on in worked] == list(MAKE_UP_DAYS)


def test_weekdays_off_in_2026_are_those_of_the_domain_page(calendar: Calendar) -> None:
    off = [f"{on:%m-%d}" for on in days_of(2026) if on.weekday() < 5 and not calendar.is_working_day(on)]
    assert off == [
        *("01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06", "05-01"),
        *("05-04", "05-05", "06-19", "09-25", "10-01", "10-02", "10-05", "10-06", "10-07"),
    ]


@pytest.mark.parametrize(("year", "days"), [(2025, 248), (2026, 248)])
def test_working_days_of_a_year(calendar: Calendar, year: int, days: int) -> None:
    assert sum(calendar.is_working_day(on) for on in days_of(year)) == days
    start, end = datetime(year, 1, 1, tzinfo=CHINA_TIME), datetime(year + 1, 1, 1, tzinfo=CHINA_TIME)
    assert counted_minutes(calendar, LimitUnit.work_day, start, end) == days * calendar.standard_day_minutes


def test_a_day_off_has_no_intervals_and_a_working_one_has_aware_ones(calendar: Calendar) -> None:
    assert calendar.working_intervals(date(2026, 10, 1)) == ()
    (start, end), _ = calendar.working_intervals(date(2026, 10, 8))
    assert (start.isoformat(), end.isoformat()) == ("2026-10-08T08:00:00+08:00", "2026-10-08T12:00:00+08:00")


def test_horizon_and_cover(calendar: Calendar) -> None:
    assert calendar.horizon == date(2026, 12, 31)
    assert [calendar.covers(date(y, m, d)) for y, m, d in [(2024, 12, 31), (2025, 1, 1)]] == [False, True]
    assert [calendar.covers(date(y, m, d)) for y, m, d in [(2026, 12, 31), (2027, 1, 1)]] == [True, False]
    # The stated fallback: Monday to Friday, New Year's Day included.
    assert calendar.is_working_day(date(2027, 1, 1))
    assert not calendar.is_working_day(date(2027, 1, 2))


def test_a_calendar_without_years_covers_nothing() -> None:
    bare = Calendar.from_rows([row("hours", hours="09:00-17:00")], "cn")
    assert bare.horizon is None
    assert not bare.covers(date(2026, 1, 1))
    assert due(bare, datetime(2026, 10, 1, tzinfo=UTC), Limit(1, LimitUnit.work_hour)).assumed


# --- building


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "没有默认工作时间"),
        ([row("hours", hours="08:00-12:00", code="other")], "没有默认工作时间"),
        ([row("hours", "2026-07-01 2026-09-30", "08:00-12:00")], "没有默认工作时间"),
        ([row("hours", hours="08:00-12:00"), row("hours", hours="09:00-12:00")], "不止一行"),
        (
            [
                row("hours", hours="08:00-12:00"),
                row("hours", "2026-06-01 2026-07-01", "09:00-12:00"),
                row("hours", "2026-07-01 2026-08-01", "10:00-12:00"),
            ],
            "2026-07-01 重叠",
        ),
        (
            [
                row("hours", hours="08:00-12:00"),
                row("holiday", "2026-10-01 2026-10-07"),
                row("workday", "2026-10-07"),
            ],
            "2026-10-07 既是节假日又是调休上班日",
        ),
        (
            [
                row("hours", hours="08:00-12:00"),
                row("year", "2024-01-01 2024-12-31"),
                row("year", "2026-01-01 2026-12-31"),
            ],
            "缺少 2025 年",
        ),
        ([row("hours", hours="08:00-12:00"), row("holiday", "1999-12-31 2000-01-01")], "2000 年至 2099 年"),
    ],
)
def test_contradicting_rows_are_refused(rows: list[CalendarRow], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calendar.from_rows(rows, "cn")


def test_calendars_do_not_mix() -> None:
    rows = [
        *official_rows(),
        row("hours", hours="09:00-17:00", code="desk"),
        row("workday", "2026-10-03", code="desk"),
    ]
    desk, cn = Calendar.from_rows(rows, "desk"), Calendar.from_rows(rows, "cn")
    assert desk.is_working_day(date(2026, 10, 3))
    assert not cn.is_working_day(date(2026, 10, 3))
    assert (desk.standard_day_minutes, cn.standard_day_minutes) == (480, 480)
    assert desk.is_working_day(date(2026, 10, 1))


def test_seasonal_hours_apply_on_their_dates_only() -> None:
    rows = [*official_rows(), row("hours", "2026-07-01 2026-09-30", "08:00-12:00|15:00-19:00")]
    calendar = Calendar.from_rows(rows, "cn")
    assert clock_hours(calendar, date(2026, 6, 30)) == ["08:00-12:00", "14:00-18:00"]
    assert clock_hours(calendar, date(2026, 7, 1)) == ["08:00-12:00", "15:00-19:00"]
    assert clock_hours(calendar, date(2025, 7, 1)) == ["08:00-12:00", "14:00-18:00"]
    eve = datetime(2026, 6, 30, 17, tzinfo=CHINA_TIME)
    assert due(calendar, eve, Limit(6, LimitUnit.work_hour)).due_at == datetime(2026, 7, 1, 16, tzinfo=CHINA_TIME)
    one_day = due(calendar, eve, Limit(1, LimitUnit.legal_work_day))
    assert one_day.due_at == datetime(2026, 7, 1, 19, tzinfo=CHINA_TIME)


def test_a_work_day_is_the_standard_day_even_when_seasonal_days_are_shorter() -> None:
    rows = [
        row("hours", hours="08:00-12:00|14:00-18:00"),
        row("hours", "2026-07-06 2026-07-08", "08:00-14:00"),
    ]
    calendar = Calendar.from_rows(rows, "cn")
    monday = datetime(2026, 7, 6, 8, tzinfo=CHINA_TIME)
    assert due(calendar, monday, Limit(1, LimitUnit.work_day)).due_at == datetime(2026, 7, 7, 10, tzinfo=CHINA_TIME)


def test_round_the_clock_hours_close_at_midnight() -> None:
    rows = [row("hours", hours="00:00-24:00"), row("year", "2026-01-01 2026-12-31")]
    calendar = Calendar.from_rows(rows, "cn")
    thursday = datetime(2026, 12, 30, 9, tzinfo=CHINA_TIME)
    # Midnight belongs to the day that it ends, so the last covered day is not yet an assumption.
    closed = due(calendar, thursday, Limit(1, LimitUnit.legal_work_day))
    assert (closed.due_at, closed.assumed) == (datetime(2027, 1, 1, tzinfo=CHINA_TIME), False)
    assert due(calendar, thursday, Limit(39, LimitUnit.work_hour)).due_at == closed.due_at


# --- instants and tables


def test_positions_and_instants_are_inverse() -> None:
    at = datetime(2026, 2, 13, 23, 59, 59, 999_999, tzinfo=CHINA_TIME)
    day, microseconds = position(at)
    assert day == day_number(date(2026, 2, 13))
    assert instant(day, microseconds) == at
    assert instant(day, microseconds).tzinfo is UTC


def test_times_beyond_the_tables_grow_them_and_broken_ones_are_refused(calendar: Calendar) -> None:
    far = datetime(2099, 12, 31, 17, tzinfo=CHINA_TIME)
    late = due(calendar, far, Limit(9999, LimitUnit.work_day))
    assert late.assumed
    assert counted_minutes(calendar, LimitUnit.work_hour, far - timedelta(hours=1), far) == 60
    for broken in (datetime(2100, 1, 1, tzinfo=CHINA_TIME), datetime(1970, 1, 1, tzinfo=UTC)):
        with pytest.raises(ValueError, match="2000 年至 2099 年"):
            due(calendar, broken, Limit(1, LimitUnit.work_hour))


def test_growing_changes_no_answer() -> None:
    grown, fresh = (Calendar.from_rows(official_rows(), "cn") for _ in range(2))
    grown.worked(*position(datetime(2060, 1, 1, tzinfo=UTC)))
    for month in range(1, 13):
        at = position(datetime(2026, month, 15, 3, 30, tzinfo=UTC))
        assert grown.worked(*at) == fresh.worked(*at)
        assert grown.after_working(*at, 999 * MINUTE) == fresh.after_working(*at, 999 * MINUTE)
