"""The escalation ladder as data: how lines are read, which of them hold, when they fire, and when they fire again."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.ladder import DUE, Ladder, Rung, RungRow, Span, pending
from app.clocks.limits import LimitUnit
from app.clocks.pauses import GivenBack, Pause

ITEMS = {"S/matter/01": 1, "S/matter/02": 2}


def at(text: str) -> datetime:
    """China time of 2026, where 3 March is a Tuesday."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA_TIME)


def line(rung: str = "r", at: str = "80%", **cells: Any) -> RungRow:
    return RungRow.model_validate({"rung": rung, "clock": "handling", "at": at, "action": "urge", "to": "unit"} | cells)


def item(code: str) -> dict[str, str]:
    return {"standard_ref": "S", "kind": "matter", "code": code}


def rungs(*lines: RungRow, kind: str = "handling", **asked: Any) -> dict[str, str]:
    """Name → time of the rungs that hold, ``due`` left out."""
    conditions: dict[str, Any] = {"item_id": 1, "domain": "d1", "level": "street", "urgency": "normal"} | asked
    found = Ladder(lines, ITEMS).rungs(kind, **conditions)
    assert found.count(DUE) == 1
    return {rung.name: rung.at for rung in found if rung is not DUE}


# --- lines


@pytest.mark.parametrize("time", ["80%", "5%", "due", "+4 work_hour", "+1 natural_day"])
def test_times_are_kept_as_they_are_written(time: str) -> None:
    assert line(at=time).at == time


@pytest.mark.parametrize(
    "time", ["100%", "0%", "08%", "80", "overdue", "+4", "+0 work_hour", "+4 hours", "-1 work_hour", ""]
)
def test_a_time_that_says_nothing_is_refused(time: str) -> None:
    with pytest.raises(ValidationError):
        line(at=time)


@pytest.mark.parametrize(
    "cells",
    [
        {"code": "01"},
        {"standard_ref": "S", "code": "01"},
        {"to": ""},
        {"rung": "due"},
        {"rung": "a b"},
        {"clock": "lunch"},
        {"action": "shout"},
    ],
)
def test_an_incomplete_or_unknown_line_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        line(**cells)


def test_who_is_told_is_a_list_and_may_be_left_out_where_nothing_is_told() -> None:
    assert line(to="unit|D-URBAN").to == ("unit", "D-URBAN")
    assert line(action="none", to="").to == ()


# --- which lines hold


def test_a_clock_without_lines_only_has_its_limit() -> None:
    assert Ladder([line()]).rungs("signing", item_id=1, domain=None, level=None, urgency=None) == (DUE,)
    assert Ladder().rungs("handling", item_id=None, domain=None, level=None, urgency=None) == (DUE,)


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        (item("01"), {"item_id": 2}),
        ({"domain": "d1"}, {"domain": "d2"}),
        ({"level": "street"}, {"level": "city"}),
        ({"urgency": "critical"}, {"urgency": "normal"}),
    ],
)
def test_a_line_holds_only_where_its_conditions_do(condition: dict[str, str], other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"urgency": "critical"}
    assert rungs(line(**condition), **asked) == {"r": "80%"}
    assert rungs(line(**condition), **(asked | other)) == {}
    unknown: dict[str, Any] = {"item_id": None, "domain": None, "level": None, "urgency": None}
    assert rungs(line(**condition), **unknown) == {}


def test_the_narrowest_line_of_a_rung_holds_item_before_domain_before_level_before_urgency() -> None:
    # in the order of their weight, the widest first; each later one beats all before it together
    lines = [
        line(at="10%"),
        line(at="20%", urgency="normal"),
        line(at="30%", level="street"),
        line(at="40%", level="street", urgency="normal"),
        line(at="50%", domain="d1"),
        line(at="60%", domain="d1", level="street", urgency="normal"),
        line(at="70%", **item("01")),
        line(at="90%", **item("01"), urgency="normal"),
    ]
    for count, expected in enumerate(("10%", "20%", "30%", "40%", "50%", "60%", "70%", "90%"), start=1):
        assert rungs(*lines[:count]) == {"r": expected}
        assert rungs(*reversed(lines[:count])) == {"r": expected}, "whatever the order of the file"
    assert rungs(*lines, item_id=2) == {"r": "60%"}


def test_none_takes_a_rung_away_where_its_conditions_hold_and_nowhere_else() -> None:
    lines = (line("near"), line("late", at="+4 work_hour"), line("near", action="none", to="", urgency="critical"))
    assert rungs(*lines) == {"near": "80%", "late": "+4 work_hour"}
    assert rungs(*lines, urgency="critical") == {"late": "+4 work_hour"}


def test_a_line_of_an_item_that_nobody_published_holds_for_none() -> None:
    assert rungs(line(**item("99")), item_id=1) == {}
    assert rungs(line(**item("99")), item_id=None) == {}


def test_a_new_clock_waits_for_the_first_in_the_list() -> None:
    lines = (line("late", at="+1 work_hour"), line("b", at="80%"), line("at", at="due"), line("a", at="5%"))
    found = Ladder(lines).rungs("handling", item_id=None, domain=None, level=None, urgency=None)
    assert [rung.name for rung in found[:3]] == ["a", "b", "due"]


# --- when they fire

START, END = at("03-03T16:00"), at("03-04T16:00")


def span(calendar: Calendar, *pauses: tuple[str, str], end: datetime = END, given_back: GivenBack = "covered") -> Span:
    """One work_day from Tuesday 16:00 to Wednesday 16:00, and its pauses."""
    held = [Pause(at(begins), at(ends)) for begins, ends in pauses]
    return Span(calendar, LimitUnit.work_day, START, end, held, given_back)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("50%", "03-04T10:00"),  # four of eight working hours: two on Tuesday, two on Wednesday
        ("25%", "03-03T18:00"),  # the end of the day belongs to it
        ("due", "03-04T16:00"),
        ("+4 work_hour", "03-05T10:00"),
        ("+1 urgent_hour", "03-04T17:00"),
        ("+1 legal_work_day", "03-05T18:00"),
        ("+3 natural_day", "03-09T18:00"),  # Saturday rolls on to Monday
    ],
)
def test_the_time_of_a_rung(calendar: Calendar, time: str, expected: str) -> None:
    assert span(calendar).time_of(Rung("r", time, "urge")) == at(expected)


def test_a_pause_moves_what_comes_after_it_before_and_after_the_limit(calendar: Calendar) -> None:
    paused = span(calendar, ("03-04T09:00", "03-04T10:00"), ("03-04T17:00", "03-05T09:00"), end=at("03-04T17:00"))
    assert paused.time_of(Rung("r", "50%", "urge")) == at("03-04T11:00")
    assert paused.time_of(Rung("r", "+1 work_hour", "urge")) == at("03-05T10:00")


@pytest.mark.parametrize(("given_back", "expected"), [("covered", "03-05T18:00"), ("touched", "03-06T18:00")])
def test_a_day_that_the_clock_gives_back_is_given_back_after_its_limit_too(
    calendar: Calendar, given_back: GivenBack, expected: str
) -> None:
    paused = span(calendar, ("03-05T09:00", "03-05T10:00"), given_back=given_back)
    assert paused.time_of(Rung("r", "+1 legal_work_day", "urge")) == at(expected)


# --- what is still to fire

NEAR, URGE = Rung("near", "80%", "remind", rearm=True), Rung("urge", "due", "urge")
LATER = Rung("later", "+4 work_hour", "escalate")
ALL = (DUE, LATER, URGE, NEAR)


def names(calendar: Calendar, generation: int = 1, changed: datetime = START, **more: Any) -> list[str]:
    fired = more.get("fired", ())
    return [rung.name for _, rung in pending(more.get("rungs", ALL), span(calendar), generation, changed, fired)]


def test_what_waits_comes_in_the_order_of_time_and_the_record_of_the_limit_before_what_follows(
    calendar: Calendar,
) -> None:
    assert names(calendar) == ["near", "urge", "due", "later"]
    assert names(calendar, fired={(1, "near"), (1, "urge")}) == ["due", "later"]
    assert names(calendar, fired={(1, rung.name) for rung in ALL}) == []


def test_after_the_limit_moved_only_what_is_armed_again_and_lies_ahead_fires_again(calendar: Calendar) -> None:
    fired = {(1, rung.name) for rung in ALL}
    moved = at("03-04T09:00")  # before 80%, which is at 14:00 after the break
    assert names(calendar, 2, moved, fired=fired) == ["near", "due"], "urge and later are not armed again"
    assert names(calendar, 2, at("03-04T15:00"), fired=fired) == ["due"], "the reminder would have been before"
    assert names(calendar, 2, at("03-04T16:00"), fired=fired) == [], "nor what falls on the act itself"


def test_what_never_fired_fires_in_any_generation_though_its_time_has_passed(calendar: Calendar) -> None:
    assert names(calendar, 3, at("03-05T17:00"), fired={(1, "near")}) == ["urge", "due", "later"]
    assert names(calendar, 3, at("03-05T17:00"), fired={(1, "near"), (3, "urge")}) == ["due", "later"]
