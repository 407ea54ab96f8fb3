"""The official calendars of 2025 and 2026 with the usual hours; 2027 is left without a list on purpose."""

import pytest

from app.clocks.calendar import Calendar
from app.clocks.rows import CalendarRow

HOURS = "08:00-12:00|14:00-18:00"
YEARS = ("2025", "2026")
HOLIDAYS = (
    *("2025-01-01", "2025-01-28 2025-02-04", "2025-04-04 2025-04-06", "2025-05-01 2025-05-05"),
    *("2025-05-31 2025-06-02", "2025-10-01 2025-10-08"),
    *("2026-01-01 2026-01-03", "2026-02-15 2026-02-23", "2026-04-04 2026-04-06", "2026-05-01 2026-05-05"),
    *("2026-06-19 2026-06-21", "2026-09-25 2026-09-27", "2026-10-01 2026-10-07"),
)
MAKE_UP_DAYS = (
    *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
    *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
)


def row(
    row_type: str, span: str = "", hours: str = "", code: str = "cn", *, name: str = "", weekdays: str = ""
) -> CalendarRow:
    """A row as the CSV gives it; ``span`` is "first last", one date, or empty."""
    first, _, last = span.partition(" ")
    return CalendarRow.model_validate(
        {
            "calendar_code": code,
            "row_type": row_type,
            "first_on": first,
            "last_on": last or first,
            "hours": hours,
            "weekdays": weekdays,
            "name": name,
            "source": "",
        }
    )


def official_rows() -> list[CalendarRow]:
    return [
        row("hours", hours=HOURS),
        *(row("year", f"{year}-01-01 {year}-12-31") for year in YEARS),
        *(row("holiday", span) for span in HOLIDAYS),
        *(row("workday", day) for day in MAKE_UP_DAYS),
    ]


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return Calendar.from_rows(official_rows(), "cn")
