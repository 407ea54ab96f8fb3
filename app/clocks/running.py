"""Clock rows on an event: started, met, stopped."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.clocks.arithmetic import counted_minutes, due, elapsed_minutes
from app.clocks.calendar import Calendar
from app.clocks.emergencies import GROUNDS, NO_EMERGENCIES, Emergencies, Subject
from app.clocks.ladder import ClockKind, Span
from app.clocks.limits import Limit, LimitUnit
from app.clocks.moving import pause_clock
from app.clocks.pauses import GivenBack
from app.clocks.records import Clockwork, effective_pauses, given_back_of, next_rung_at, records_of, write_record
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock
from app.events.tables import Event, WorkOrder


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit with the rule that sets it, in words, and how it is counted."""

    limit: Limit
    rule: str
    calendar_code: str
    clockwork: Clockwork
    #: how much may stay uncounted; None: no limit of its own
    cap: Limit | None = None
    given_back: GivenBack = "covered"
    #: a clock that starts while one of these lasts has its limit, or stands still
    emergencies: Emergencies = NO_EMERGENCIES

    @property
    def calendar(self) -> Calendar:
        """The calendar it is counted in."""
        return self.clockwork.calendar(self.calendar_code)


def start_clock(
    aggregate: EventAggregate,
    kind: ClockKind,
    rule: LimitRule,
    started_at: datetime,
    timeline_n: int,
    *,
    order_n: int | None = None,
    unit_id: int | None = None,
    report_id: UUID | None = None,
) -> Clock:
    """Starts a clock because of the timeline row ``timeline_n``. ``unit_id``: the unit whose time it is."""
    event = aggregate.event
    concerned = subject_of(event, kind) if rule.emergencies else None
    emergency = rule.emergencies.limit(concerned, started_at) if concerned else None
    limit = Limit.parse(emergency.limit) if emergency else rule.limit
    end = due(rule.calendar, started_at, limit)
    rungs = rule.clockwork.ladder.rungs(
        kind, item_id=event.item_id, domain=event.domain, level=event.level, urgency=event.urgency
    )
    span = Span(rule.calendar, limit.unit, started_at, end.due_at, given_back=rule.given_back)
    clock = aggregate.new(
        Clock,
        event_id=event.id,
        n=aggregate.next_n(),
        jurisdiction_id=event.jurisdiction_id,
        kind=kind,
        state="running",
        order_n=order_n,
        report_id=report_id,
        unit_id=unit_id,
        item_id=event.item_id,
        district_code=event.district_code,
        street_code=event.street_code,
        community_code=event.community_code,
        channel=event.channel,
        limit_value=limit.value,
        limit_unit=limit.unit.value,
        calendar_code=rule.calendar_code,
        uncounted_cap=str(rule.cap) if rule.cap else None,
        given_back=rule.given_back,
        rule=emergency.rule if emergency else rule.rule,
        started_at=started_at,
        generation=1,
        due_at=end.due_at,
        assumed=end.assumed,
        next_at=span.time_of(rungs[0]),
        ended_at=None,
        counted_minutes=None,
        elapsed_minutes=None,
        exempted_n=None,
    )
    write_record(aggregate, clock, "started", started_at, timeline_n, release=rule.clockwork.calendar_release)
    for pause in rule.emergencies.pauses(concerned, started_at) if concerned else ():
        pause_clock(
            aggregate,
            clock,
            rule.clockwork,
            started_at,
            timeline_n,
            since=pause.from_at,
            until=pause.until_at,
            grounds=GROUNDS,
        )
    return clock


def subject_of(event: Event, kind: str) -> Subject:
    """The event's clock of this kind as the lines of an emergency ask for it."""
    areas = (event.district_code, event.street_code, event.community_code)
    return Subject(kind, event.domain, event.level, event.urgency, areas)


def running(
    aggregate: EventAggregate,
    *kinds: ClockKind,
    order: WorkOrder | None = None,
    report_id: UUID | None = None,
) -> list[Clock]:
    """The running clocks of these kinds, of this order or report (of any, when none is named)."""
    return [
        clock
        for clock in aggregate.clocks
        if clock.state == "running"
        and (not kinds or clock.kind in kinds)
        and (order is None or clock.order_n == order.n)
        and (report_id is None or clock.report_id == report_id)
    ]


def end_clocks(
    aggregate: EventAggregate, clocks: list[Clock], outcome: Literal["met", "stopped"], at: datetime
) -> None:
    """Ends clocks: ``met`` when the duty was done (late or not), ``stopped`` when it fell away."""
    for clock in clocks:
        aggregate.change(clock, state=outcome, ended_at=at, next_at=None)


def just_ended(aggregate: EventAggregate) -> list[Clock]:
    """The event's own clocks that ended in this act."""
    return [
        clock
        for clock in aggregate.clocks
        if clock.ended_at is not None and clock.elapsed_minutes is None and clock.event_id == aggregate.event.id
    ]


def count_ended(aggregate: EventAggregate, work: Clockwork) -> None:
    """Writes how long the clocks that ended in this act had run: counted minutes, and all of them."""
    for clock in aggregate.clocks:
        if clock.ended_at is None or clock.elapsed_minutes is not None:
            continue
        calendar = work.calendar(clock.calendar_code)
        ended_at = max(clock.ended_at, clock.started_at)  # a clock of the machine that was set back
        counted = counted_minutes(
            calendar,
            LimitUnit(clock.limit_unit),
            clock.started_at,
            ended_at,
            effective_pauses(clock, records_of(aggregate, clock), calendar),
            given_back=given_back_of(clock),
        )
        aggregate.change(clock, counted_minutes=counted, elapsed_minutes=elapsed_minutes(clock.started_at, ended_at))


def relocate(aggregate: EventAggregate, work: Clockwork) -> None:
    """Carries a corrected item or place over to the running clocks, by which they are listed, and other rungs hold."""
    event = aggregate.event
    for clock in running(aggregate):
        aggregate.change(
            clock,
            item_id=event.item_id,
            district_code=event.district_code,
            street_code=event.street_code,
            community_code=event.community_code,
        )
        # Rungs go by the clock's own event; of a clock that was merged into this one they are not loaded.
        if clock.event_id == event.id:
            aggregate.change(clock, next_at=next_rung_at(aggregate, clock, work))
