"""The alarm while the next year's official list is missing (DOMAIN.md §7.2)."""

from datetime import UTC, date, datetime

import pytest
import structlog
from prometheus_client import REGISTRY

from app.clocks.calendar import Calendar
from app.clocks.rows import CalendarRow
from app.core.timing import MovableClock, use_clock
from app.masters.horizon import days_left, too_short, watch

HOURS = CalendarRow(calendar_code="cn", row_type="hours", hours=("08:00-12:00",))


def calendar(*years: int) -> Calendar:
    rows = [
        CalendarRow(calendar_code="cn", row_type="year", first_on=date(year, 1, 1), last_on=date(year, 12, 31))
        for year in years
    ]
    return Calendar.from_rows([HOURS, *rows], "cn")


@pytest.mark.parametrize(
    ("years", "today", "left", "alarmed"),
    [
        ((2026,), date(2026, 11, 1), 60, False),
        ((2026,), date(2026, 11, 2), 59, True),
        ((2026, 2027), date(2026, 12, 31), 365, False),
        ((2026,), date(2027, 3, 1), 0, True),
        ((2027,), date(2026, 3, 1), 0, True),
        ((), date(2026, 3, 1), 0, True),
    ],
)
def test_the_alarm_begins_when_less_than_60_days_are_left(
    years: tuple[int, ...], today: date, left: int, alarmed: bool
) -> None:
    assert days_left(calendar(*years), today) == left
    assert too_short({"cn": calendar(*years)}, today) == ({"cn": left} if alarmed else {})


def test_who_reads_the_calendars_is_warned_and_the_gauge_says_until_when() -> None:
    at = MovableClock(datetime(2026, 12, 1, 2, tzinfo=UTC))
    with use_clock(at), structlog.testing.capture_logs() as logs:
        watch("320102", {"cn": calendar(2026)})
        at.set(datetime(2026, 6, 1, tzinfo=UTC))
        watch("320102", {"cn": calendar(2026)})
    assert [(entry["event"], entry["log_level"], entry["days_left"]) for entry in logs] == [
        ("calendar.ends_soon", "warning", 30)
    ]
    labels = {"jurisdiction": "320102", "calendar": "cn"}
    gauge = REGISTRY.get_sample_value("bihuan_calendar_horizon_timestamp_seconds", labels)
    assert gauge == pytest.approx(datetime(2026, 12, 31, 16, tzinfo=UTC).timestamp(), abs=1)
