"""A clock whose calendar is gone still ends, by the city's; and one whose limit a cap cuts is due the same anywhere."""

from datetime import UTC, datetime

import pytest

from app.clocks.calendar import Calendar
from app.clocks.ladder import Ladder
from app.clocks.limits import Limit
from app.clocks.records import Clockwork, due_with, pause_of


def test_a_missing_calendar_is_the_citys(calendar: Calendar) -> None:
    work = Clockwork({"cn": calendar, "night": calendar}, Ladder(), 7, "cn")
    assert work.calendar("night") is work.calendars["night"]
    assert work.calendar("gone") is work.calendars["cn"]
    with pytest.raises(KeyError):
        Clockwork({}, Ladder(), 7, "cn").calendar("gone")


@pytest.mark.parametrize(
    ("grounds", "due_at", "assumed"),
    [("waiting", "2026-03-12T17:00+08:00", False), ("emergency", "2026-04-01T12:00+08:00", False)],
)
def test_a_cap_cuts_what_the_grounds_say(calendar: Calendar, grounds: str, due_at: str, assumed: bool) -> None:
    def at(moment: str) -> datetime:
        return datetime.fromisoformat(moment + "+08:00").astimezone(UTC)

    started_at = at("2026-03-10T10:00")
    pause = pause_of(at("2026-03-10T10:00"), at("2026-04-01T10:00"), grounds)
    end = due_with(
        calendar,
        started_at,
        Limit.parse("2 natural_hour"),
        [pause],
        cap=Limit.parse("53 natural_hour"),
        given_back="covered",
    )
    assert (end.due_at, end.assumed) == (datetime.fromisoformat(due_at), assumed)


def test_a_cap_that_cuts_in_an_unlisted_year_makes_hours_assumed(calendar: Calendar) -> None:
    started_at = datetime(2026, 12, 30, 2, tzinfo=UTC)
    pause = pause_of(started_at, datetime(2027, 1, 4, 3, tzinfo=UTC), "waiting")
    limit, cap = Limit.parse("48 natural_hour"), Limit.parse("10 work_day")
    assert due_with(calendar, started_at, limit, [pause], cap=cap, given_back="covered").assumed
    assert not due_with(calendar, started_at, limit, [pause], cap=None, given_back="covered").assumed
