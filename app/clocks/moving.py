"""What moves a due time, each with its record: pauses, extensions, changed calendars and limits. Nothing else does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from app.clocks.pauses import whole_minute
from app.clocks.records import (
    Clockwork,
    cap_of,
    due_with,
    given_back_of,
    limit_of,
    next_rung_at,
    recorded_pauses,
    records_of,
    write_record,
)
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock


def pause_clock(
    aggregate: EventAggregate,
    clock: Clock,
    work: Clockwork,
    at: datetime,
    timeline_n: int,
    *,
    until: datetime,
    grounds: str,
    approval: Sequence[Mapping[str, Any]] = (),
    since: datetime | None = None,
) -> None:
    """The clock does not count from ``at`` to ``until``; it runs again by itself then, or earlier by ``resume``.

    ``since``: when the pause begins, if not at the moment ``at`` at which it is written down.
    """
    begin, end = whole_minute(since or at), whole_minute(until)
    if end > begin:
        _move(aggregate, clock, work, at, "paused", timeline_n, grounds=grounds, approval=approval, pause=(begin, end))


def resume_clock(
    aggregate: EventAggregate,
    clock: Clock,
    work: Clockwork,
    at: datetime,
    timeline_n: int,
    *,
    grounds: str,
    end: datetime | None = None,
) -> None:
    """Ends the clock's open pauses of these grounds at ``at`` (or at ``end``), if they would last longer."""
    end = whole_minute(end or at)
    for generation, pause in recorded_pauses(records_of(aggregate, clock)).items():
        if pause.cause == grounds and pause.until_at > end:
            until = max(end, pause.from_at)
            _move(
                aggregate,
                clock,
                work,
                at,
                "resumed",
                timeline_n,
                grounds=grounds,
                pause=(None, until),
                of_generation=generation,
            )


def take_back_pause(
    aggregate: EventAggregate, clock: Clock, work: Clockwork, at: datetime, timeline_n: int, *, grounds: str
) -> None:
    """The clock's last pause of these grounds is as if it had never been."""
    held = [g for g, p in recorded_pauses(records_of(aggregate, clock)).items() if p.cause == grounds]
    if held:
        _move(aggregate, clock, work, at, "taken_back", timeline_n, grounds=grounds, of_generation=held[-1])


def extend_clock(
    aggregate: EventAggregate,
    clock: Clock,
    work: Clockwork,
    at: datetime,
    timeline_n: int,
    *,
    more: int,
    approval: Sequence[Mapping[str, Any]],
) -> None:
    """延期: the limit grows by ``more`` of its own units."""
    aggregate.change(clock, limit_value=clock.limit_value + more)
    _move(aggregate, clock, work, at, "extended", timeline_n, grounds="extension", approval=approval)


def recalculated(aggregate: EventAggregate, clock: Clock, work: Clockwork) -> tuple[datetime, bool]:
    """(due time, assumed) of a running clock by today's calendars and its records."""
    end = due_with(
        work.calendar(clock.calendar_code),
        clock.started_at,
        limit_of(clock),
        recorded_pauses(records_of(aggregate, clock)).values(),
        cap=cap_of(clock),
        given_back=given_back_of(clock),
    )
    return end.due_at, end.assumed


def recalculate_clock(
    aggregate: EventAggregate,
    clock: Clock,
    work: Clockwork,
    at: datetime,
    timeline_n: int,
    *,
    cause: Literal["calendar", "limit"],
    grounds: str,
) -> None:
    """A calendar or a limit was published that open clocks follow. Write the new limit on the clock first."""
    _move(aggregate, clock, work, at, cause, timeline_n, grounds=grounds)


def _move(
    aggregate: EventAggregate,
    clock: Clock,
    work: Clockwork,
    at: datetime,
    cause: str,
    timeline_n: int,
    *,
    grounds: str,
    approval: Sequence[Mapping[str, Any]] = (),
    pause: tuple[datetime | None, datetime | None] = (None, None),
    of_generation: int | None = None,
) -> None:
    aggregate.change(clock, generation=clock.generation + 1)
    record = write_record(
        aggregate,
        clock,
        cause,
        at,
        timeline_n,
        grounds=grounds,
        approval=approval,
        pause=pause,
        of_generation=of_generation,
        release=work.calendar_release,
    )
    due_at, assumed = recalculated(aggregate, clock, work)
    aggregate.change(record, due_at=due_at)
    aggregate.change(clock, due_at=due_at, assumed=assumed)
    aggregate.change(clock, next_at=next_rung_at(aggregate, clock, work))
