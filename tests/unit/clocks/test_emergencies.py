"""Which clocks an emergency concerns, from when on, and how recorded pauses become the wanted ones."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.clocks.emergencies import Change, Emergencies, EmergencyRow, Subject, reconcile
from app.clocks.pauses import Pause, union

T0 = datetime.fromisoformat("2026-07-20T08:00:00+08:00")
STREET = Subject("handling", "drainage", "street", "urgent", ("320102", "320102002", None))


def hours(count: float) -> datetime:
    return T0 + timedelta(hours=count)


def row(**members: Any) -> EmergencyRow:
    given_ = {"code": "flood", "name": "防汛", "reason": "暴雨红色预警", "effect": "pause"}
    given_ |= {"from_at": "2026-07-20T08:00:00+08:00", "until_at": "2026-07-22T08:00:00+08:00"}
    return EmergencyRow.model_validate(given_ | members)


def spans(pauses: tuple[Pause, ...]) -> list[tuple[float, float]]:
    return [((p.from_at - T0) / timedelta(hours=1), (p.until_at - T0) / timedelta(hours=1)) for p in pauses]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"from_at": "2026-07-20 08:00:00"}, "应带时区"),
        ({"until_at": "20260722"}, "应带时区"),
        ({"until_at": "2026-07-20T08:00:00+08:00"}, "必须晚于"),
        ({"limit": "8 work_hour"}, "为 pause 时不写"),
        ({"effect": "limit"}, "必须写明 limit"),
        ({"effect": "limit", "limit": "8 hours"}, "写法不对"),
        ({"clocks": "handling|unknown"}, "clocks"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(members: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        row(**members)


def test_a_line_survives_its_release() -> None:
    line = row(clocks="handling|signing", levels="street", area_codes="320102002", urgencies="urgent|critical")
    assert EmergencyRow.model_validate_json(line.model_dump_json()) == line
    assert line.clocks == ("handling", "signing")


@pytest.mark.parametrize(
    ("conditions", "concerned"),
    [
        ({}, True),
        ({"clocks": "handling"}, True),
        ({"clocks": "signing"}, False),
        ({"domains": "drainage|roads"}, True),
        ({"domains": "roads"}, False),
        ({"levels": "district"}, False),
        ({"urgencies": "urgent"}, True),
        ({"area_codes": "320102002"}, True),
        ({"area_codes": "320102"}, True),
        ({"area_codes": "320102003"}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], concerned: bool) -> None:
    assert bool(Emergencies([row(**conditions)], T0).pauses(STREET, T0)) is concerned


def test_the_citizens_total_is_concerned_only_by_name() -> None:
    total = STREET._replace(kind="citizen_total")
    assert not Emergencies([row()], T0).pauses(total, T0)
    assert Emergencies([row(clocks="citizen_total")], T0).pauses(total, T0)


def test_nothing_holds_before_its_publication_nor_before_the_clock() -> None:
    known = Emergencies([row()], hours(5))
    assert spans(known.pauses(STREET, hours(1))) == [(5, 48)]
    assert spans(known.pauses(STREET, hours(7))) == [(7, 48)]
    assert known.pauses(STREET, hours(48)) == ()


def test_of_several_limits_the_narrowest_holds_while_it_lasts() -> None:
    wide = row(code="wide", effect="limit", limit="8 work_hour")
    narrow = row(code="narrow", effect="limit", limit="2 urgent_hour", levels="street")
    known = Emergencies([wide, narrow], hours(1))
    assert known.limit(STREET, hours(2)) == narrow
    assert known.limit(STREET._replace(level="city"), hours(2)) == wide
    assert known.limit(STREET, hours(0.5)) is None, "not published yet"
    assert known.limit(STREET, hours(48)) is None
    assert narrow.rule == "emergency.narrow"


def pause(start: float, end: float) -> Pause:
    return Pause(hours(start), hours(end), "emergency")


@pytest.mark.parametrize(
    ("held", "wanted", "change"),
    [
        ([], [], Change()),
        ([], [pause(3, 9)], Change(None, (pause(3, 9),))),
        ([pause(0, 9)], [pause(2, 9)], Change()),
        ([pause(0, 9)], [pause(2, 5)], Change(hours(5))),
        ([pause(0, 9)], [], Change(hours(2))),
        ([pause(0, 9)], [pause(2, 12)], Change(None, (pause(9, 12),))),
        ([pause(0, 9)], [pause(2, 4), pause(6, 12)], Change(hours(4), (pause(6, 12),))),
        ([pause(6, 9)], [pause(4, 9)], Change(hours(4), (pause(4, 9),))),
        ([pause(0, 1)], [], Change()),
    ],
)
def test_what_is_held_becomes_what_is_wanted_from_now_on(
    held: list[Pause], wanted: list[Pause], change: Change
) -> None:
    assert reconcile(held, wanted, hours(2)) == change


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda s: s[0] < s[1]), max_size=4)


@given(SPANS, SPANS, st.integers(0, 30))
def test_after_the_change_both_are_the_same_and_the_past_is_as_it_was(
    held: list[tuple[int, int]], wanted: list[tuple[int, int]], since: int
) -> None:
    have, want = [pause(*span) for span in held], [pause(*span) for span in wanted]
    change = reconcile(have, want, hours(since))
    cut = change.cut_at
    after = [Pause(p.from_at, max(p.from_at, min(p.until_at, cut)) if cut else p.until_at, p.cause) for p in have]
    after += change.pauses

    def clipped(pauses: list[Pause], low: int, high: int) -> tuple[Pause, ...]:
        return union(Pause(max(p.from_at, hours(low)), min(p.until_at, hours(high)), "emergency") for p in pauses)

    assert clipped(after, since, 99) == clipped(want, since, 99)
    assert clipped(after, 0, since) == clipped(have, 0, since)
    assert not reconcile(after, want, hours(since))
