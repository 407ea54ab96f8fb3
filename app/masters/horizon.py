"""How far the official calendars reach: next year's list comes out in November, and somebody has to load it.

Beyond it the days of the week decide and every due time is marked ``assumed`` (DOMAIN.md §7.2).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from app.clocks.calendar import CHINA_TIME, Calendar
from app.core.metrics import CALENDAR_HORIZON
from app.core.timing import now

#: alarm when a calendar reaches less far than this (DOMAIN.md §7.2)
ALARM: Final = timedelta(days=60)

log = structlog.get_logger()


def days_left(calendar: Calendar, today: date) -> int:
    """Days after ``today`` that official lists cover without a gap; 0 when not even today is."""
    horizon = calendar.horizon
    return max(0, (horizon - today).days) if horizon is not None and calendar.covers(today) else 0


def too_short(calendars: Mapping[str, Calendar], today: date) -> dict[str, int]:
    """The calendars whose next year is missing, by code, each with the days that are left."""
    left = {code: days_left(calendar, today) for code, calendar in calendars.items()}
    return {code: days for code, days in left.items() if days < ALARM.days}


def watch(jurisdiction_code: str, calendars: Mapping[str, Calendar]) -> None:
    """Sets the gauges of a jurisdiction's calendars and warns of those that end soon."""
    for code, calendar in calendars.items():
        horizon = calendar.horizon
        at = datetime.combine(horizon, time.max, CHINA_TIME).astimezone(UTC).timestamp() if horizon else 0.0
        CALENDAR_HORIZON.labels(jurisdiction_code, code).set(at)
    for code, days in too_short(calendars, now().astimezone(CHINA_TIME).date()).items():
        log.warning("calendar.ends_soon", jurisdiction=jurisdiction_code, calendar=code, days_left=days)
