"""What is left of pauses: their union, the part after the start, the cap; and the days they give back."""

from datetime import UTC, datetime

import pytest

from app.clocks.arithmetic import Limit, LimitUnit
from app.clocks.calendar import CHINA_TIME, Calendar, instant, moment
from app.clocks.pauses import GivenBack, Pause, effective, given_back_days, spans_since, union, whole_minute


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA_TIME)


def pause(text: str, cause: str = "", *, uncapped: bool = False) -> Pause:
    """ "03-03 09:00 03-04 10:00" """
    return Pause(at(text[:11]), at(text[12:]), cause, uncapped)


def shown(pauses: tuple[Pause, ...]) -> list[str]:
    return [
        f"{p.from_at.astimezone(CHINA_TIME):%m-%d %H:%M} {p.until_at.astimezone(CHINA_TIME):%m-%d %H:%M}"
        + (f" {p.cause}" if p.cause else "")
        + (" uncapped" if p.uncapped else "")
        for p in pauses
    ]


def test_a_pause_begins_and_ends_on_whole_minutes() -> None:
    assert whole_minute(datetime(2026, 3, 3, 9, 0, 59, 999_999, UTC)) == datetime(2026, 3, 3, 9, tzinfo=UTC)


# --- union


def test_a_union_is_ascending_and_disjoint() -> None:
    found = union(
        [pause("03-05 08:00 03-05 09:00"), pause("03-03 08:00 03-03 12:00"), pause("03-03 10:00 03-03 14:00")]
    )
    assert shown(found) == ["03-03 08:00 03-03 14:00", "03-05 08:00 03-05 09:00"]


def test_pauses_that_touch_are_one_and_empty_ones_are_none() -> None:
    touching = [pause("03-03 08:00 03-03 09:00"), pause("03-03 09:00 03-03 10:00")]
    empty = [pause("03-03 12:00 03-03 12:00"), pause("03-03 14:00 03-03 13:00")]
    assert shown(union(touching + empty)) == ["03-03 08:00 03-03 10:00"]
    assert union(empty) == union([]) == ()


def test_pieces_of_different_causes_stay_separate_and_the_first_to_begin_keeps_its_cause() -> None:
    later, earlier = pause("03-03 10:00 03-03 15:00", "乙"), pause("03-03 08:00 03-03 12:00", "甲")
    assert shown(union([later, earlier])) == ["03-03 08:00 03-03 12:00 甲", "03-03 12:00 03-03 15:00 乙"]
    inside = pause("03-03 09:00 03-03 10:00", "丙")
    assert shown(union([inside, earlier])) == ["03-03 08:00 03-03 12:00 甲"]
    together = [pause("03-03 08:00 03-03 09:00", "丁"), earlier]
    assert shown(union(together)) == ["03-03 08:00 03-03 09:00 丁", "03-03 09:00 03-03 12:00 甲"]


def test_where_an_uncapped_pause_holds_too_the_piece_is_uncapped() -> None:
    found = union([pause("03-03 08:00 03-03 12:00", "甲"), pause("03-03 10:00 03-03 15:00", "乙", uncapped=True)])
    assert shown(found) == [
        "03-03 08:00 03-03 10:00 甲",
        "03-03 10:00 03-03 12:00 甲 uncapped",
        "03-03 12:00 03-03 15:00 乙 uncapped",
    ]


# --- start and cap


def test_nothing_before_the_start_is_left(calendar: Calendar) -> None:
    pauses = [pause("03-02 08:00 03-02 10:00"), pause("03-03 08:00 03-03 12:00"), pause("03-02 09:00 03-03 09:00")]
    assert shown(effective(calendar, pauses, at("03-03 10:00"), None)) == ["03-03 10:00 03-03 12:00"]
    assert effective(calendar, pauses, at("03-03 12:00"), None) == ()


THREE = ["03-03 09:00 03-03 16:00", "03-04 20:00 03-05 07:00", "03-05 11:00 03-06 09:00"]


@pytest.mark.parametrize(
    ("cap", "left"),
    [
        # Working time inside the three: 5 hours, none, 6 hours.
        ("2 work_hour", ["03-03 09:00 03-03 11:00"]),
        # The third hour is over at noon, so the lunch break counts again already.
        ("3 work_hour", ["03-03 09:00 03-03 12:00"]),
        ("4 work_hour", ["03-03 09:00 03-03 15:00"]),
        ("5 work_hour", ["03-03 09:00 03-03 16:00"]),
        ("6 work_hour", [*THREE[:2], "03-05 11:00 03-05 12:00"]),
        ("1 work_day", [*THREE[:2], "03-05 11:00 03-05 16:00"]),
        ("1 legal_work_day", [*THREE[:2], "03-05 11:00 03-05 16:00"]),
        ("11 work_hour", THREE),
        # All the time inside the three: 7, 11 and 22 hours.
        ("7 natural_hour", THREE[:1]),
        ("8 natural_hour", [THREE[0], "03-04 20:00 03-04 21:00"]),
        ("20 urgent_hour", [*THREE[:2], "03-05 11:00 03-05 13:00"]),
        ("1 natural_day", [*THREE[:2], "03-05 11:00 03-05 17:00"]),
        ("2 natural_day", THREE),
    ],
)
def test_the_cap_cuts_the_union_where_its_length_reaches_it(calendar: Calendar, cap: str, left: list[str]) -> None:
    pauses = [pause(text) for text in THREE]
    assert shown(effective(calendar, pauses, at("03-03 08:00"), Limit.parse(cap))) == left


def test_overlaps_use_the_cap_once_and_what_was_before_the_start_uses_nothing(calendar: Calendar) -> None:
    pauses = [pause("03-03 06:00 03-03 10:00"), pause("03-03 09:00 03-03 11:00"), pause("03-03 20:00 03-03 23:00")]
    left = effective(calendar, pauses, at("03-03 08:00"), Limit(5, LimitUnit.natural_hour))
    assert shown(left) == ["03-03 08:00 03-03 11:00", "03-03 20:00 03-03 22:00"]


def test_uncapped_pauses_use_nothing_of_the_cap_and_are_not_cut(calendar: Calendar) -> None:
    pauses = [
        pause("03-03 08:00 03-03 10:00", "甲"),
        pause("03-03 09:00 03-20 00:00", "挂账", uncapped=True),
        pause("03-19 23:00 03-20 06:00", "乙"),
    ]
    left = effective(calendar, pauses, at("03-03 08:00"), Limit(3, LimitUnit.natural_hour))
    assert shown(left) == [
        "03-03 08:00 03-03 09:00 甲",
        "03-03 09:00 03-03 10:00 甲 uncapped",
        "03-03 10:00 03-20 00:00 挂账 uncapped",
        "03-20 00:00 03-20 02:00 乙",
    ]
    spent = effective(calendar, pauses, at("03-03 08:00"), Limit(1, LimitUnit.natural_hour))
    assert shown(spent)[-1] == "03-03 10:00 03-20 00:00 挂账 uncapped"


# --- days given back


@pytest.mark.parametrize(
    ("unit", "given_back", "spans", "days"),
    [
        # Working time alone matters for working days: lunch may be open, and two pauses may share a day.
        ("legal_work_day", "covered", ["03-04 08:00 03-04 12:00", "03-04 14:00 03-04 18:00"], ["03-04"]),
        ("legal_work_day", "covered", ["03-04 08:00 03-04 17:59"], []),
        ("legal_work_day", "touched", ["03-04 17:59 03-05 08:00"], ["03-04"]),
        ("legal_work_day", "touched", ["03-04 12:00 03-04 14:00", "03-04 18:00 03-05 08:00"], []),
        ("legal_work_day", "covered", ["03-03 10:00 03-06 10:00"], ["03-04", "03-05"]),
        ("legal_work_day", "touched", ["03-03 10:00 03-06 10:00"], ["03-03", "03-04", "03-05", "03-06"]),
        ("natural_day", "covered", ["03-04 08:00 03-05 18:00"], []),
        ("natural_day", "covered", ["03-04 00:00 03-04 12:00", "03-04 12:00 03-05 00:00"], ["03-04"]),
        ("natural_day", "covered", ["03-04 00:01 03-05 00:00"], []),
        ("natural_day", "touched", ["03-04 23:59 03-05 00:00"], ["03-04"]),
    ],
)
def test_days_given_back(
    calendar: Calendar, unit: str, given_back: GivenBack, spans: list[str], days: list[str]
) -> None:
    held = spans_since([pause(text) for text in spans], moment(at("03-03 00:00")))
    ranges = given_back_days(calendar, LimitUnit(unit), held, given_back)
    found = [instant(day, 0).astimezone(CHINA_TIME) for first, until in ranges for day in range(first, until)]
    assert [f"{day:%m-%d}" for day in found] == days
