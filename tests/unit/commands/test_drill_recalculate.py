"""What the drill builds, and whether it would see that something went wrong."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest

from app.clocks.calendar import Calendar
from app.clocks.rows import CalendarRow
from app.commands.drill.recalculate_books import Books, look
from app.commands.drill.recalculate_city import Plan, years

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
HOURS = CalendarRow(calendar_code="cn", row_type="hours", hours=("08:00-12:00", "14:00-18:00"))
YEAR = CalendarRow(calendar_code="cn", row_type="year", first_on=date(2026, 1, 1), last_on=date(2026, 12, 31))
ROWS = [HOURS, YEAR, *(CalendarRow.model_validate(body) for body in years([YEAR], AT.date()).values())]


def test_the_calendar_is_made_complete_so_that_nothing_is_assumed() -> None:
    assert Calendar.from_rows(ROWS, "cn").horizon == date(2028, 12, 31)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_holiday_moves_about_the_wanted_share_of_the_clocks(share: float) -> None:
    plan = Plan(4_000, share, ROWS, AT)
    moved = sum(c.due_at(plan.calendar) != c.due_at(plan.changed) for pair in plan.clocks() for c in pair)
    assert moved / 4_000 == pytest.approx(share, abs=0.05)


def test_the_same_plan_again_is_the_same_and_holds_pauses_and_extensions() -> None:
    plan = Plan(200, 0.2, ROWS, AT)
    first = list(plan.clocks())
    assert first == list(plan.clocks())
    assert sum(handling.pause is not None for _, handling in first) == 10
    assert sum(handling.limit != handling.before for _, handling in first) == 10
    assert all(c.due_at(plan.calendar) > AT + timedelta(days=14) for pair in islice(first, 50) for c in pair)


def clock(**members: Any) -> dict[str, Any]:
    """A clock of 2 work days from a Monday morning, which the calendar below makes due on Wednesday."""
    due_at = datetime(2026, 11, 25, 2, tzinfo=UTC)
    row = {"event_id": uuid4(), "n": 4, "state": "running", "started_at": datetime(2026, 11, 23, 2, tzinfo=UTC)}
    row |= {"limit_value": 2, "limit_unit": "work_day", "uncounted_cap": None, "pause_from": None}
    return row | {"pause_until": None, "due_at": due_at, "due_before": due_at, "moves": 0} | members


EARLIER = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("members", "sound"),
    [
        ({}, True),
        ({"due_before": EARLIER, "moves": 1}, True),
        ({"due_before": EARLIER, "moves": 0}, False),
        ({"due_before": EARLIER, "moves": 2}, False),
        ({"due_before": EARLIER, "due_at": EARLIER, "moves": 1}, False),
        ({"moves": 1}, False),
        ({"due_before": EARLIER, "due_at": EARLIER, "state": "met"}, True),
    ],
)
def test_the_books_see_what_is_wrong(members: dict[str, Any], sound: bool) -> None:
    books = Books()
    look(books, Calendar.from_rows(ROWS, "cn"), clock(**members))
    assert (books.wrong == []) is sound
