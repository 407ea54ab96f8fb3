"""A clock accounted for: what it rests on, what moved it, and every minute, so that anybody can check it by hand. Pure.

Everything follows from the records and the calendars by which they were computed, and is compared with what is stored:
where the two differ, the account says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from app.clocks.arithmetic import counted_minutes, due, elapsed_minutes
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.explain import Interval, cut, explain
from app.clocks.limits import DAY_UNITS, WORKING_UNITS, Limit, LimitUnit
from app.clocks.pauses import Pause
from app.clocks.records import effective_pauses, given_back_of, limit_of
from app.events.clock_tables import Clock, ClockDue
from app.supervision.clock_books import Book, Edition, Fired, Written
from app.supervision.clock_words import grounds_in_words

#: within: up to the due time; over: past it; ahead: from now to a due time still to come
Phase = Literal["within", "over", "ahead"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time of one cause in one phase of the clock."""

    interval: Interval
    phase: Phase


@dataclass(frozen=True, slots=True)
class Move:
    """One record of a clock's due time. ``before_at``: what it was before; None for the first."""

    written: Written
    before_at: datetime | None


@dataclass(frozen=True, slots=True)
class Uncounted:
    """How much may stay uncounted, and how much of that the pauses take, planned ones to their planned end."""

    cap: Limit
    cap_minutes: int
    used_minutes: int


@dataclass(frozen=True, slots=True)
class Account:
    """One clock, accounted for up to ``until_at``: its end, or now."""

    clock: Clock
    edition: Edition
    until_at: datetime
    counted: int
    elapsed: int
    #: counted minutes from start to due
    counted_to_due: int
    #: what these must be, for limits in hours; limits in days end at close of business instead
    limit_minutes: int | None
    #: natural minutes past due; 0: in time
    late_minutes: int
    uncounted: Uncounted | None
    #: as they count: one after the other, cut by the cap
    pauses: Sequence[Pause]
    moves: Sequence[Move]
    rungs: Sequence[Fired]
    stretches: Sequence[Stretch]
    #: whether computing it again gives the stored due time and minutes
    adds_up: bool
    #: Chinese sentences on what a reader must know
    notes: Sequence[str]


def account_of(book: Book, editions: Mapping[int | None, Edition], at: datetime) -> Account:
    """The account of a clock as it stands at ``at``. Raises LookupError when no release has its calendar."""
    clock = book.clock
    edition, pauses, again_at = _computed_by(book, editions)
    calendar, unit, back = edition.calendars[clock.calendar_code], LimitUnit(clock.limit_unit), given_back_of(clock)
    until_at = max(clock.ended_at or at, clock.started_at)
    named = [replace(pause, cause=grounds_in_words(pause.cause)) for pause in pauses]
    last_at = max(until_at, clock.due_at)
    whole = explain(calendar, unit, clock.started_at, last_at, named, given_back=back)
    past, behind = cut(whole, min(until_at, clock.due_at))
    phase: Phase = "over" if until_at > clock.due_at else "ahead"
    if clock.ended_at is not None and phase == "ahead":
        behind = ()
    gone = past + (behind if phase == "over" else ())
    counted = counted_minutes(calendar, unit, clock.started_at, until_at, pauses, given_back=back)
    to_due = counted_minutes(
        calendar, unit, clock.started_at, max(clock.due_at, clock.started_at), pauses, given_back=back
    )
    elapsed = elapsed_minutes(clock.started_at, until_at)
    notes = _notes(book, editions, edition)
    sums = sum(one.minutes for one in gone if one.counted), sum(one.minutes for one in gone)
    agrees = again_at == clock.due_at
    if not agrees:
        notes.append(
            f"按记录和日历重新计算，到期时间应为 {_city(again_at)}，与保存的 {_city(clock.due_at)} 不符，请核对。"
        )
    stored = clock.counted_minutes
    if stored is not None and stored != counted:
        at_end = editions.get(book.end_release)
        if at_end is not None and stored == _recounted(book, at_end, until_at):
            notes.append(
                f"结束时按当时的日历第 {at_end.number} 版记下计时 {stored} 分钟；"
                f"到期时间依据第 {edition.number} 版，按该版为 {counted} 分钟。"
            )
        else:
            agrees = False
            notes.append(f"结束时记下的计时为 {stored} 分钟，重新计算为 {counted} 分钟，请核对。")
    return Account(
        clock=clock,
        edition=edition,
        until_at=until_at,
        counted=counted,
        elapsed=elapsed,
        counted_to_due=to_due,
        limit_minutes=_hours_as_minutes(limit_of(clock), calendar),
        late_minutes=elapsed_minutes(clock.due_at, until_at) if phase == "over" else 0,
        uncounted=_uncounted(clock, calendar, pauses),
        pauses=named,
        moves=_moves(book.records),
        rungs=book.rungs,
        stretches=[*(Stretch(one, "within") for one in past), *(Stretch(one, phase) for one in behind)],
        adds_up=agrees and sums == (counted, elapsed),
        notes=notes,
    )


def _computed_by(book: Book, editions: Mapping[int | None, Edition]) -> tuple[Edition, tuple[Pause, ...], datetime]:
    """The edition that the stored due time comes from, the pauses as they count by it, and the due time computed again.

    A record names its release; for one that does not, the first that gives the stored time: that of the event's
    decision, else those in force.
    """
    clock, records = book.clock, [one.due for one in book.records]
    named = records[-1].calendar_release
    tried = [named] if named is not None else [book.event_release, *editions]
    first: tuple[Edition, tuple[Pause, ...], datetime] | None = None
    for release in tried:
        edition = editions.get(release)
        if edition is None or clock.calendar_code not in edition.calendars:
            continue
        calendar = edition.calendars[clock.calendar_code]
        pauses = effective_pauses(clock, records, calendar)
        end = due(calendar, clock.started_at, limit_of(clock), pauses, given_back=given_back_of(clock))
        found = edition, pauses, end.due_at
        if end.due_at == clock.due_at:
            return found
        first = first or found
    if first is None:
        raise LookupError(f"no release has the calendar {clock.calendar_code} of clock {clock.event_id}.{clock.n}")
    return first


def _recounted(book: Book, edition: Edition, until_at: datetime) -> int | None:
    """The counted minutes by another release; None when it does not have the calendar."""
    clock = book.clock
    calendar = edition.calendars.get(clock.calendar_code)
    if calendar is None:
        return None
    pauses = effective_pauses(clock, [one.due for one in book.records], calendar)
    unit, back = LimitUnit(clock.limit_unit), given_back_of(clock)
    return counted_minutes(calendar, unit, clock.started_at, until_at, pauses, given_back=back)


def _moves(records: Sequence[Written]) -> list[Move]:
    befores: list[ClockDue | None] = [None, *(one.due for one in records)]
    return [Move(one, before.due_at if before else None) for one, before in zip(records, befores, strict=False)]


def _hours_as_minutes(limit: Limit, calendar: Calendar) -> int | None:
    if limit.unit in DAY_UNITS:
        return None
    return limit.value * (calendar.standard_day_minutes if limit.unit is LimitUnit.work_day else 60)


def _uncounted(clock: Clock, calendar: Calendar, pauses: Sequence[Pause]) -> Uncounted | None:
    if clock.uncounted_cap is None:
        return None
    cap = Limit.parse(clock.uncounted_cap)
    used = 0
    for pause in pauses:
        if pause.uncapped:
            continue
        if cap.unit in WORKING_UNITS:
            used += counted_minutes(calendar, LimitUnit.work_hour, pause.from_at, pause.until_at)
        else:
            used += elapsed_minutes(pause.from_at, pause.until_at)
    if cap.unit in (LimitUnit.work_day, LimitUnit.legal_work_day):
        return Uncounted(cap, cap.value * calendar.standard_day_minutes, used)
    return Uncounted(cap, cap.value * (1440 if cap.unit is LimitUnit.natural_day else 60), used)


def _notes(book: Book, editions: Mapping[int | None, Edition], edition: Edition) -> list[str]:
    clock, notes = book.clock, []
    newest = max((one.number or 0 for one in editions.values()), default=0)
    if edition.number is not None and edition.number < newest:
        notes.append(
            f"到期时间按日历第 {edition.number} 版计算；此后已发布第 {newest} 版，未据以重算，本说明仍按原版。"
        )
    if clock.assumed:
        notes.append("到期时间落在官方日历尚未公布的年份，按每周工作日估算，公布后重算。")
    if clock.exempted_n is not None:
        notes.append(f"超期已按时间线第 {clock.exempted_n} 条的决定不计入统计，超期的事实仍在。")
    return notes


def _city(at: datetime) -> str:
    return f"{at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M:%S}"
