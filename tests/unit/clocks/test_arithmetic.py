"""Limits, due times finer than a minute or without an official list, and laws that hold anywhere."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clocks.arithmetic import Due, Limit, LimitUnit, counted_minutes, due
from app.clocks.calendar import CHINA_TIME, Calendar
from tests.unit.clocks.conftest import MAKE_UP_DAYS, official_rows, row


def at(text: str) -> datetime:
    """China time; without a year it is 2026."""
    text = text if text[4] == "-" else f"2026-{text}"
    return datetime.fromisoformat(text).replace(tzinfo=CHINA_TIME)


# --- limits


@pytest.mark.parametrize("unit", list(LimitUnit))
def test_a_limit_reads_back_what_it_writes(unit: LimitUnit) -> None:
    limit = Limit(12, unit)
    assert str(limit) == f"12 {unit.value}"
    assert Limit.parse(str(limit)) == limit
    assert Limit.parse(f"  12   {unit.value} ") == limit


def test_limits_have_names_for_people() -> None:
    names = [Limit(2, unit).chinese for unit in LimitUnit]
    assert names[0] == "2 紧急工作时"
    assert len(set(names)) == len(LimitUnit)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2",
            "urgent_hour",
            "2urgent_hour",
            "0 work_hour",
            "-1 work_hour",
            "1.5 work_hour",
            "02 work_day",
        ),
        *("２ work_hour", "2 hours", "2 Work_hour", "10000 work_day", "2 work_hour 3", "2 __class__"),
    ],
)
def test_other_forms_are_refused_with_the_accepted_ones_named(text: str) -> None:
    with pytest.raises(ValueError, match="写法不对") as refused:
        Limit.parse(text)
    assert all(f"2 {unit.value}" in str(refused.value) for unit in LimitUnit)


@pytest.mark.parametrize("value", [0, -3, 10_000])
def test_a_limit_is_between_1_and_9999(value: int) -> None:
    with pytest.raises(ValueError, match="1 到 9999"):
        Limit(value, LimitUnit.work_hour)


# --- edges


@pytest.mark.parametrize(
    ("start", "limit", "expected"),
    [
        # Seconds and parts of them are kept, and do not fall into the break
        ("03-03 10:00:30", "1 work_hour", "03-03 11:00:30"),
        ("03-03 11:00:00.000001", "1 work_hour", "03-03 14:00:00.000001"),
        ("03-03 11:59:59.999999", "1 work_hour", "03-03 14:59:59.999999"),
        ("03-03 17:59:59", "2 urgent_hour", "03-03 19:59:59"),
        ("03-03 17:30:15", "1 work_day", "03-04 17:30:15"),
        ("03-03 17:59:59", "1 legal_work_day", "03-04 18:00"),
        # Before a year end, all that the answer rests on is still listed
        ("2026-12-31 17:00", "1 work_hour", "2026-12-31 18:00"),
    ],
)
def test_edges(calendar: Calendar, start: str, limit: str, expected: str) -> None:
    assert due(calendar, at(start), Limit.parse(limit)) == Due(at(expected), assumed=False)


@pytest.mark.parametrize("day", MAKE_UP_DAYS)
def test_every_make_up_day_counts_for_every_working_unit(calendar: Calendar, day: str) -> None:
    eve, opening, closing = at(f"{day} 00:00") - timedelta(minutes=1), at(f"{day} 08:00"), at(f"{day} 18:00")
    assert due(calendar, eve, Limit(1, LimitUnit.work_hour)).due_at == opening + timedelta(hours=1)
    for unit in (LimitUnit.work_day, LimitUnit.legal_work_day, LimitUnit.natural_day):
        assert due(calendar, eve, Limit(1, unit)) == Due(closing, assumed=False)


@pytest.mark.parametrize(
    ("start", "limit", "expected", "assumed"),
    [
        ("2026-12-31 17:00", "2 work_hour", "2027-01-01 09:00", True),
        ("2026-12-31 17:00", "1 work_day", "2027-01-01 17:00", True),
        ("2026-12-31 17:00", "1 legal_work_day", "2027-01-01 18:00", True),
        ("2026-12-25 17:00", "7 natural_day", "2027-01-01 18:00", True),
        ("2026-12-30 17:00", "1 natural_day", "2026-12-31 18:00", False),
        # Continuous hours need no list.
        ("2026-12-31 23:00", "2 urgent_hour", "2027-01-01 01:00", False),
        ("2027-06-01 23:00", "2 natural_hour", "2027-06-02 01:00", False),
        # Before the first list: the whole way counts for working time, only the end for natural days.
        ("2024-12-31 17:00", "2 work_hour", "2025-01-02 09:00", True),
        ("2024-12-30 17:00", "2 legal_work_day", "2025-01-02 18:00", True),
        ("2024-12-30 17:00", "3 natural_day", "2025-01-02 18:00", False),
    ],
)
def test_a_due_time_that_rests_on_no_official_list_says_so(
    calendar: Calendar, start: str, limit: str, expected: str, assumed: bool
) -> None:
    assert due(calendar, at(start), Limit.parse(limit)) == Due(at(expected), assumed)


@pytest.mark.parametrize(
    "zone", [UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York"), timezone(timedelta(hours=-12))]
)
@pytest.mark.parametrize("unit", list(LimitUnit))
def test_the_zone_of_a_time_does_not_matter(calendar: Calendar, zone: ZoneInfo, unit: LimitUnit) -> None:
    # 00:30 in China is still the day before in every other zone here.
    start = at("05-09 00:30")
    found = due(calendar, start.astimezone(zone), Limit(1, unit))
    assert found == due(calendar, start, Limit(1, unit))
    assert found.due_at.tzinfo is UTC


def test_naive_times_are_refused(calendar: Calendar) -> None:
    naive, aware = datetime(2026, 3, 3, 9), at("03-03 09:00")
    with pytest.raises(ValueError, match="必须带时区"):
        due(calendar, naive, Limit(1, LimitUnit.urgent_hour))
    for start, end in ((naive, aware), (aware, naive)):
        with pytest.raises(ValueError, match="必须带时区"):
            counted_minutes(calendar, LimitUnit.work_hour, start, end)


# --- counted minutes


@pytest.mark.parametrize(
    ("unit", "start", "end", "minutes"),
    [
        ("work_hour", "03-03 08:00", "03-03 18:00", 480),
        ("work_hour", "03-03 11:30", "03-03 14:30", 60),
        ("work_hour", "03-03 12:00", "03-03 14:00", 0),
        ("work_hour", "03-03 18:00", "03-04 08:00", 0),
        ("work_day", "09-30 17:00", "10-08 09:00", 120),
        # The hour that was left of the starting day does not count for units of whole days.
        ("legal_work_day", "09-30 17:00", "10-08 09:00", 60),
        ("legal_work_day", "03-03 08:00", "03-03 18:00", 0),
        ("legal_work_day", "03-03 00:00", "03-05 18:00", 960),
        ("work_hour", "02-14 00:00", "02-15 00:00", 480),
        ("urgent_hour", "09-30 17:00", "10-01 17:00", 1440),
        ("natural_hour", "2025-12-31 23:00", "2026-01-01 01:00", 120),
        ("natural_day", "03-03 09:00", "03-04 18:00", 1080),
        ("natural_day", "03-03 09:00", "03-03 23:59", 0),
        ("natural_day", "03-06 09:00", "03-09 18:00", 3960),
        ("work_hour", "03-03 09:00", "03-03 09:00", 0),
        ("work_hour", "03-03 09:00:30", "03-03 10:00:30", 60),
        ("urgent_hour", "03-03 09:00:01", "03-03 09:00:59", 0),
    ],
)
def test_counted_minutes(calendar: Calendar, unit: str, start: str, end: str, minutes: int) -> None:
    assert counted_minutes(calendar, LimitUnit(unit), at(start), at(end)) == minutes


@pytest.mark.parametrize("unit", list(LimitUnit))
def test_an_end_before_the_start_is_refused(calendar: Calendar, unit: LimitUnit) -> None:
    with pytest.raises(ValueError, match="早于开始时间"):
        counted_minutes(calendar, unit, at("03-03 09:00:01"), at("03-03 09:00:00"))


# --- laws

SEASONAL = Calendar.from_rows(
    [*official_rows(), row("hours", "2026-06-15 2026-09-15", "08:30-11:30|15:00-18:30")], "cn"
)
CALENDARS = st.sampled_from([Calendar.from_rows(official_rows(), "cn"), SEASONAL])
TIMES = st.datetimes(datetime(2024, 11, 1), datetime(2027, 3, 1), timezones=st.just(UTC))
HOUR_UNITS = [LimitUnit.urgent_hour, LimitUnit.work_hour, LimitUnit.work_day, LimitUnit.natural_hour]
LIMITS = st.builds(Limit, st.integers(1, 60), st.sampled_from(LimitUnit))
law = settings(max_examples=150, deadline=None)


@law
@given(CALENDARS, TIMES, TIMES, LIMITS)
def test_a_later_start_is_never_due_earlier(calendar: Calendar, one: datetime, two: datetime, limit: Limit) -> None:
    first, second = sorted((one, two))
    assert first < due(calendar, first, limit).due_at <= due(calendar, second, limit).due_at


@law
@given(CALENDARS, TIMES, LIMITS)
def test_more_units_are_due_no_earlier(calendar: Calendar, start: datetime, limit: Limit) -> None:
    longer = Limit(limit.value + 1, limit.unit)
    assert due(calendar, start, limit).due_at <= due(calendar, start, longer).due_at


@law
@given(CALENDARS, TIMES, st.integers(1, 60), st.sampled_from([LimitUnit.work_hour, LimitUnit.work_day]))
def test_the_counted_minutes_until_due_are_the_limit(
    calendar: Calendar, start: datetime, value: int, unit: LimitUnit
) -> None:
    length = 60 if unit is LimitUnit.work_hour else calendar.standard_day_minutes
    end = due(calendar, start, Limit(value, unit)).due_at
    assert counted_minutes(calendar, unit, start, end) == value * length
    # The due time is the earliest such moment: its last microsecond was a working one.
    assert any(
        opens < end <= closes
        for opens, closes in calendar.working_intervals((end - timedelta(microseconds=1)).astimezone(CHINA_TIME).date())
    )


@law
@given(CALENDARS, TIMES, st.integers(1, 60))
def test_legal_days_count_whole_days_after_the_starting_one(calendar: Calendar, start: datetime, value: int) -> None:
    end = due(calendar, start, Limit(value, LimitUnit.legal_work_day)).due_at.astimezone(CHINA_TIME)
    first = start.astimezone(CHINA_TIME).date() + timedelta(1)
    span = (end.date() - first).days + 1
    assert sum(calendar.is_working_day(first + timedelta(n)) for n in range(span)) == value
    assert end == calendar.working_intervals(end.date())[-1][1]


@law
@given(CALENDARS, st.sampled_from(HOUR_UNITS), TIMES, TIMES, TIMES)
def test_counted_minutes_add_up_over_any_split_and_never_fall(
    calendar: Calendar, unit: LimitUnit, one: datetime, two: datetime, three: datetime
) -> None:
    start, middle, end = sorted((one, two, three))
    parts = [counted_minutes(calendar, unit, *span) for span in ((start, middle), (middle, end))]
    assert min(parts) >= 0
    assert sum(parts) == counted_minutes(calendar, unit, start, end)


@law
@given(CALENDARS, TIMES, st.integers(1, 40))
def test_the_tables_agree_with_walking_through_the_days(calendar: Calendar, start: datetime, hours: int) -> None:
    left, on = timedelta(hours=hours), start.astimezone(CHINA_TIME).date()
    expected = None
    while expected is None:
        for opens, closes in calendar.working_intervals(on):
            begins = max(opens, start)
            if begins < closes:
                if closes - begins >= left:
                    expected = begins + left
                    break
                left -= closes - begins
        on += timedelta(1)
    found = due(calendar, start, Limit(hours, LimitUnit.work_hour))
    assert found.due_at == expected
    covered = date(2025, 1, 1) <= start.astimezone(CHINA_TIME).date() and expected < at("2027-01-01 00:00")
    assert found.assumed is not covered
