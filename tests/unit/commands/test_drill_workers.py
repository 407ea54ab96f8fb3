"""The workers drill's own judgement: a drill that cannot find a fault proves nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.clocks.calendar import Calendar
from app.clocks.ladder import Ladder, RungRow, Span
from app.clocks.limits import LimitUnit
from app.commands.drill.worker_books import Fired, compare
from app.commands.drill.worker_city import APART, HOURS, STEPS, due_rungs

START = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
EVENT = uuid4()
KINDS = ("handling", "signing")


def expected() -> dict[tuple[UUID, int, int, str], tuple[str, datetime]]:
    """Everything of two clocks of one event."""
    return {
        (EVENT, n, 1, rung): (kind, at)
        for n, kind in enumerate(KINDS)
        for rung, at in due_rungs(kind, START, START + timedelta(hours=5)).items()
    }


def sound() -> list[Fired]:
    """The same, fired as it must be."""
    acts = {"handling": "clock_missed", "signing": "sign_for"}
    found = sorted(expected().items(), key=lambda one: one[1][1])
    return [
        Fired(*key, at, at, n, kind, acts[kind] if key[3] == "due" else "escalated", "false", int(key[3] != "due"))
        for n, (key, (kind, at)) in enumerate(found)
    ]


def faults(fired: list[Fired], *, acts: int | None = None, notices: int | None = None, received: int = 0) -> list[str]:
    owed = sum(one.told > 0 for one in fired) if notices is None else notices
    ids = {f"{n}" for n in range(owed)}
    got = {f"{n}" for n in range(owed + received)}
    return compare(expected(), fired, len(fired) if acts is None else acts, ids, got).faults()


def test_what_fired_as_it_must_is_no_fault() -> None:
    assert faults(sound()) == []


def test_what_is_missing_double_or_not_due_is_found() -> None:
    fired = sound()
    assert "没有触发" in faults(fired[1:])[0]
    assert any("一一对应" in fault for fault in faults([*fired, fired[-1]]))
    assert any("不该触发" in fault for fault in faults([*fired, replace(fired[-1], rung="other", timeline_n=99)]))


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda one: replace(one, rung_at=one.rung_at + timedelta(microseconds=1)), "时点"),
        (lambda one: replace(one, act="clock_paused"), "记录"),
        (lambda one: replace(one, act=None), "记录"),
        (lambda one: replace(one, timeline_n=0), "一一对应"),
    ],
)
def test_a_wrong_time_or_act_is_found(spoil: Callable[[Fired], Fired], word: str) -> None:
    fired = sound()
    assert any(word in fault for fault in faults([*fired[:-1], spoil(fired[-1])]))


def test_what_fired_in_another_order_is_found() -> None:
    fired = sound()
    assert any("颠倒" in fault for fault in faults([fired[-1], *fired[:-1]]))


def test_acts_without_a_rung_and_notices_that_went_astray_are_found() -> None:
    fired = sound()
    assert any("一一对应" in fault for fault in faults(fired, acts=len(fired) + 1))
    assert any("通知" in fault for fault in faults(fired, notices=1))
    assert any("无人发出" in fault for fault in faults(fired, received=1))
    assert any("没有收到" in fault for fault in faults(fired, received=-1))


def test_the_published_ladder_says_what_the_plain_table_says(calendar: Calendar) -> None:
    for kind, steps in STEPS.items():
        lines = [
            RungRow.model_validate({"rung": rung, "clock": kind, "at": step.at, "action": step.action, "to": step.to})
            for rung, step in steps.items()
        ]
        rungs = Ladder(lines).rungs(kind, item_id=None, domain=None, level=None, urgency=None)
        span = Span(calendar, LimitUnit.urgent_hour, START, START + timedelta(hours=HOURS[kind]))
        assert {rung.name: span.time_of(rung) for rung in rungs} == due_rungs(kind, START, START + timedelta(days=1))
    assert timedelta(minutes=10) < APART


@pytest.fixture
def calendar() -> Calendar:
    from app.clocks.rows import CalendarRow

    hours = {"calendar_code": "cn", "row_type": "hours", "hours": "08:00-12:00|14:00-18:00", "source": ""}
    return Calendar.from_rows([CalendarRow.model_validate(hours)], "cn")
