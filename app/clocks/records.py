"""What is written about a clock, read back as arithmetic sees it: its limit, its pauses, its rungs still to come.

A due time is computed from the calendar and these records alone, so that anybody can compute it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from app.clocks.arithmetic import Due, due
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.ladder import Ladder, Rung, Span, pending
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import GivenBack, Pause, effective
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock, ClockDue

log = structlog.get_logger()

#: pauses with a limit of their own, which the cap on uncounted time leaves alone
UNCAPPED = frozenset({"deferred", "emergency"})


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What clocks run by, of one release vector: calendars by code, the ladder, the calendars' release."""

    calendars: Mapping[str, Calendar]
    ladder: Ladder
    calendar_release: int | None = None
    #: code of the city's own calendar
    city: str = ""

    def calendar(self, code: str) -> Calendar:
        """The calendar of this code; the city's, and a logged error, where there is none.

        No release drops a calendar by which clocks run (``masters.publishing``), but a clock may start while one is
        being published: it must still end. Raises KeyError when the city's is missing, too.
        """
        found = self.calendars.get(code)
        if found is None:
            log.error("clock.calendar_missing", calendar=code, release=self.calendar_release, instead=self.city)
            found = self.calendars[self.city]
        return found


def write_record(
    aggregate: EventAggregate,
    clock: Clock,
    cause: str,
    since_at: datetime,
    timeline_n: int,
    *,
    grounds: str = "",
    approval: Sequence[Mapping[str, Any]] = (),
    pause: tuple[datetime | None, datetime | None] = (None, None),
    of_generation: int | None = None,
    release: int | None,
) -> ClockDue:
    """Writes down the due time that the clock has now, what it came from, and by which act."""
    return aggregate.new(
        ClockDue,
        event_id=clock.event_id,
        clock_n=clock.n,
        generation=clock.generation,
        due_at=clock.due_at,
        cause=cause,
        since_at=since_at,
        timeline_n=timeline_n,
        limit_value=clock.limit_value,
        limit_unit=clock.limit_unit,
        pause_from=pause[0],
        pause_until=pause[1],
        of_generation=of_generation,
        grounds=grounds,
        approval=list(approval),
        calendar_release=release,
    )


def records_of(aggregate: EventAggregate, clock: Clock) -> list[ClockDue]:
    """The loaded due times of a clock, in order."""
    return [due for due in aggregate.clock_dues if due.clock_n == clock.n and due.event_id == clock.event_id]


def pause_of(from_at: datetime, until_at: datetime, grounds: str) -> Pause:
    """A recorded pause as arithmetic sees it."""
    return Pause(from_at, until_at, grounds, grounds in UNCAPPED)


def recorded_pauses(records: Iterable[ClockDue]) -> dict[int, Pause]:
    """The pauses that hold, by the generation that began them: resumed ones shortened, those taken back left out."""
    pauses: dict[int, Pause] = {}
    for record in records:
        if record.cause == "paused" and record.pause_from and record.pause_until:
            pauses[record.generation] = pause_of(record.pause_from, record.pause_until, record.grounds)
        elif record.of_generation in pauses:
            # in its place: the last one stays the one that began last
            old = pauses[record.of_generation]
            if record.cause == "resumed" and record.pause_until:
                pauses[record.of_generation] = Pause(old.from_at, record.pause_until, old.cause, old.uncapped)
            else:
                del pauses[record.of_generation]
    return pauses


def effective_pauses(clock: Clock, records: Iterable[ClockDue], calendar: Calendar) -> tuple[Pause, ...]:
    """The pauses as they count: one union, none before the start, no more than the clock's cap."""
    return effective(calendar, recorded_pauses(records).values(), clock.started_at, cap_of(clock))


def due_with(
    calendar: Calendar,
    started_at: datetime,
    limit: Limit,
    pauses: Iterable[Pause],
    *,
    cap: Limit | None,
    given_back: GivenBack,
) -> Due:
    """When a clock with these recorded pauses is due: the one place where that is worked out. Pure.

    ``assumed`` also when the cap cuts by days without an official list, and the limit itself counts every hour.
    """
    counted = effective(calendar, pauses, started_at, cap)
    end = due(calendar, started_at, limit, counted, given_back=given_back)
    capped = (
        bool(counted) and cap is not None and not calendar.covers(counted[-1].until_at.astimezone(CHINA_TIME).date())
    )
    return Due(end.due_at, end.assumed or capped)


def limit_of(clock: Clock) -> Limit:
    """The limit in force."""
    return Limit(clock.limit_value, LimitUnit(clock.limit_unit))


def cap_of(clock: Clock) -> Limit | None:
    """How much of it may stay uncounted; None: no limit of its own."""
    return Limit.parse(clock.uncounted_cap) if clock.uncounted_cap else None


def given_back_of(clock: Clock) -> GivenBack:
    """Which days a pause gives back to a limit in days."""
    return "touched" if clock.given_back == "touched" else "covered"


def _rungs_of(aggregate: EventAggregate, clock: Clock, work: Clockwork) -> tuple[Rung, ...]:
    event = aggregate.event
    return work.ladder.rungs(
        clock.kind, item_id=event.item_id, domain=event.domain, level=event.level, urgency=event.urgency
    )


def _span_of(clock: Clock, work: Clockwork, pauses: Sequence[Pause]) -> Span:
    return Span(
        work.calendar(clock.calendar_code),
        LimitUnit(clock.limit_unit),
        clock.started_at,
        clock.due_at,
        pauses,
        given_back=given_back_of(clock),
    )


def pending_rungs(aggregate: EventAggregate, clock: Clock, work: Clockwork) -> list[tuple[datetime, Rung]]:
    """The clock's rungs still to fire in its generation, earliest first."""
    calendar = work.calendar(clock.calendar_code)
    pauses: tuple[Pause, ...] = ()
    changed_at = clock.started_at
    if clock.generation > 1:
        records = records_of(aggregate, clock)
        pauses, changed_at = effective_pauses(clock, records, calendar), records[-1].since_at
    fired = {
        (rung.generation, rung.rung)
        for rung in aggregate.clock_rungs
        if rung.clock_n == clock.n and rung.event_id == clock.event_id
    }
    rungs = _rungs_of(aggregate, clock, work)
    return pending(rungs, _span_of(clock, work, pauses), clock.generation, changed_at, fired)


def next_rung_at(aggregate: EventAggregate, clock: Clock, work: Clockwork) -> datetime | None:
    """When the sweep must look at the clock next; None when nothing more will fire."""
    waiting = pending_rungs(aggregate, clock, work)
    return waiting[0][0] if waiting else None
