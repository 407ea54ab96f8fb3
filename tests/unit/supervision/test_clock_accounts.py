"""Accounts of clocks over records made by hand: what they add up to, by which calendar, and what they admit."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import configure_mappers

from app.clocks.arithmetic import counted_minutes, due
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import Pause
from app.core.set_writes import plain_row
from app.events.clock_tables import Clock, ClockDue
from app.supervision.clock_accounts import Account, account_of
from app.supervision.clock_books import Act, Book, Edition, Written
from tests.unit.clocks.conftest import official_rows, row

configure_mappers()  # rows are made here without a database

EVENT = UUID(int=7)
OLD, NEW = 3, 8
CALENDARS: dict[int | None, Edition] = {
    OLD: Edition(OLD, 1, {"cn": Calendar.from_rows(official_rows(), "cn")}),
    NEW: Edition(
        NEW, 2, {"cn": Calendar.from_rows([*official_rows(), row("closure", "2026-03-11", name="暴雪")], "cn")}
    ),
}
ACT = Act(
    5,
    "dispatch",
    "user",
    "u",
    "某人",
    "dispatcher",
    1,
    datetime(2026, 3, 10, tzinfo=UTC),
    datetime(2026, 3, 10, tzinfo=UTC),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA_TIME)


def book(
    limit: str,
    started: str,
    due_at: datetime,
    *,
    ended: str | None = None,
    stored: int | None = None,
    release: int | None = OLD,
    event_release: int | None = OLD,
    end_release: int | None = OLD,
    cap: str | None = None,
    pauses: tuple[tuple[str, str, str], ...] = (),
) -> Book:
    """A clock with its start and one record for each (from, until, grounds)."""
    parsed = Limit.parse(limit)

    def record(generation: int, cause: str, **more: Any) -> Written:
        values = {"pause_from": None, "pause_until": None, "of_generation": None, "grounds": ""} | more
        last = generation == 1 + len(pauses)
        return Written(
            plain_row(
                ClockDue,
                event_id=EVENT,
                clock_n=4,
                generation=generation,
                due_at=due_at if last else at(started),
                cause=cause,
                since_at=at(started),
                timeline_n=5,
                limit_value=parsed.value,
                limit_unit=parsed.unit.value,
                approval=[],
                calendar_release=release,
                **values,
            ),
            ACT,
        )

    records = [record(1, "started")]
    for n, (begins, ends, grounds) in enumerate(pauses, 2):
        records.append(record(n, "paused", pause_from=at(begins), pause_until=at(ends), grounds=grounds))
    clock = plain_row(
        Clock,
        event_id=EVENT,
        n=4,
        kind="handling",
        state="met" if ended else "running",
        limit_value=parsed.value,
        limit_unit=parsed.unit.value,
        calendar_code="cn",
        uncounted_cap=cap,
        given_back="covered",
        rule="x",
        started_at=at(started),
        generation=len(records),
        due_at=due_at,
        assumed=False,
        ended_at=at(ended) if ended else None,
        counted_minutes=stored,
        exempted_n=None,
    )
    return Book(clock, records, [], event_release, end_release)


def sums(account: Account, *phases: str) -> tuple[int, int]:
    """(counted, all) minutes of the stretches in these phases; checks that no gap is between them."""
    ordered = [one.interval for one in account.stretches]
    assert [one.until_at for one in ordered[:-1]] == [one.from_at for one in ordered[1:]]
    own = [one.interval for one in account.stretches if one.phase in phases]
    return sum(one.minutes for one in own if one.counted), sum(one.minutes for one in own)


def test_a_running_clock_shows_the_way_it_has_gone_and_the_way_to_its_due_time() -> None:
    account = account_of(book("1 work_day", "03-10 10:00", at("03-11 10:00")), CALENDARS, at("03-10 15:00"))
    assert (account.counted, account.elapsed, account.late_minutes) == (180, 300, 0)
    assert sums(account, "within") == (180, 300)
    assert sums(account, "ahead") == (300, 19 * 60)
    assert (account.counted_to_due, account.limit_minutes) == (480, 480)
    assert (account.adds_up, account.edition.number) == (True, 1)


def test_a_late_clock_is_cut_at_its_due_time_to_the_minute() -> None:
    account = account_of(
        book("2 work_hour", "03-10 10:00", at("03-10 12:00"), ended="03-10 14:31", stored=151),
        CALENDARS,
        at("04-01 00:00"),
    )
    assert sums(account, "within") == (120, 120)
    assert sums(account, "over") == (31, 151)
    assert (account.counted, account.elapsed, account.late_minutes) == (151, 271, 151)
    assert account.until_at == at("03-10 14:31")


def test_pauses_stand_in_words_and_are_cut_by_the_cap() -> None:
    paused = (("03-10 11:00", "03-10 17:00", "waiting"), ("03-11 08:00", "03-11 10:00", "return_review"))
    # working time of the first: 4 h, of which the cap leaves 3: it ends at 16:00; nothing is left for the second
    account = account_of(
        book("4 work_hour", "03-10 10:00", at("03-11 09:00"), cap="3 work_hour", pauses=paused),
        CALENDARS,
        at("03-11 12:00"),
    )
    assert [one.cause for one in account.pauses] == ["等待诉求人"]
    assert [one.interval.minutes for one in account.stretches if one.interval.cause == "暂停：等待诉求人"] == [300]
    assert account.uncounted is not None
    assert (account.uncounted.cap_minutes, account.uncounted.used_minutes) == (180, 180)
    assert account.counted_to_due == account.limit_minutes == 240
    assert account.adds_up
    assert [move.before_at for move in account.moves] == [None, at("03-10 10:00"), at("03-10 10:00")]


def test_an_old_release_explains_what_was_computed_by_it_though_the_calendar_has_changed_since() -> None:
    # The newer one closes 11 March; the clock was started before it was known.
    started = book("1 work_day", "03-10 10:00", at("03-11 10:00"))
    account = account_of(started, CALENDARS, at("03-12 10:00"))
    assert account.edition.release_id == OLD
    assert account.adds_up
    assert any("第 2 版" in note for note in account.notes)
    newer = account_of(book("1 work_day", "03-10 10:00", at("03-12 10:00"), release=NEW), CALENDARS, at("03-12 10:00"))
    assert newer.edition.release_id == NEW
    assert [one.interval.cause for one in newer.stretches].count("停工：暴雪") == 1
    assert (newer.adds_up, list(newer.notes)) == (True, [])


def test_a_record_without_a_release_is_explained_by_the_one_that_gives_its_due_time() -> None:
    account = account_of(
        book("1 work_day", "03-10 10:00", at("03-12 10:00"), release=None, event_release=OLD),
        CALENDARS,
        at("03-10 15:00"),
    )
    assert (account.edition.release_id, account.adds_up) == (NEW, True)


def test_what_does_not_add_up_is_said() -> None:
    moved = account_of(book("1 work_day", "03-10 10:00", at("03-11 11:00")), CALENDARS, at("03-10 15:00"))
    assert not moved.adds_up
    assert "2026-03-11 10:00:00" in moved.notes[-1]
    miscounted = account_of(
        book("1 work_day", "03-10 10:00", at("03-11 10:00"), ended="03-10 11:00", stored=61),
        CALENDARS,
        at("03-12 10:00"),
    )
    assert not miscounted.adds_up
    assert "61" in miscounted.notes[-1]


def test_minutes_that_were_counted_by_a_newer_calendar_than_the_due_time_are_told_as_such() -> None:
    ended = book("2 work_day", "03-10 10:00", at("03-12 10:00"), ended="03-12 09:00", stored=360 + 60, end_release=NEW)
    account = account_of(ended, CALENDARS, at("03-13 10:00"))
    assert (account.counted, account.adds_up) == (900, True)
    assert "第 2 版记下计时 420 分钟" in account.notes[-1]
    assert not account_of(replace(ended, end_release=OLD), CALENDARS, at("03-13 10:00")).adds_up


def test_a_calendar_that_no_release_has_is_an_error() -> None:
    with pytest.raises(LookupError):
        account_of(book("1 work_day", "03-10 10:00", at("03-11 10:00")), {}, at("03-10 15:00"))


@pytest.mark.parametrize(
    "limit", ["5 urgent_hour", "30 work_hour", "4 work_day", "3 legal_work_day", "7 natural_hour", "5 natural_day"]
)
@pytest.mark.parametrize("started", ["03-06 17:59", "02-14 11:30", "03-07 12:00", "03-10 00:00"])
@pytest.mark.parametrize("ended", [None, "03-06 18:00", "03-20 09:17"])
def test_stretches_add_up_for_every_unit(limit: str, started: str, ended: str | None) -> None:
    calendar = CALENDARS[OLD].calendars["cn"]
    parsed = Limit.parse(limit)
    paused = (("03-09 09:00", "03-11 10:00", "deferred"),)
    pauses = [Pause(at("03-09 09:00"), at("03-11 10:00"), "deferred", True)]
    end = due(calendar, at(started), parsed, pauses).due_at
    if ended and at(ended) < at(started):
        ended = None
    last = at(ended) if ended else at("03-30 08:00")
    stored = counted_minutes(calendar, LimitUnit(parsed.unit), at(started), last, pauses)
    account = account_of(
        book(limit, started, end, ended=ended, stored=stored if ended else None, pauses=paused), CALENDARS, last
    )
    assert account.adds_up
    assert sums(account, "within", "over") == (stored, account.elapsed)
    if end <= last:
        assert sums(account, "within")[0] == account.counted_to_due
    if account.limit_minutes is not None:
        assert account.counted_to_due == account.limit_minutes
