"""Clock rows on an event: started, met, stopped. Every due time is a ``clock_due`` row with its cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.clocks.arithmetic import Limit, due
from app.clocks.calendar import Calendar
from app.events.aggregate import EventAggregate
from app.events.tables import Clock, ClockDue, WorkOrder

ClockKind = Literal["signing", "first_contact", "handling", "citizen_total"]


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit with the rule that sets it, in words, and the calendar it is counted in."""

    limit: Limit
    rule: str
    calendar_code: str
    calendar: Calendar


def start_clock(
    aggregate: EventAggregate,
    kind: ClockKind,
    rule: LimitRule,
    started_at: datetime,
    timeline_n: int,
    *,
    order: WorkOrder | None = None,
    report_id: UUID | None = None,
    unit_id: int | None = None,
) -> Clock:
    """Starts a clock because of the timeline row ``timeline_n``; an order's clock belongs to its unit."""
    event = aggregate.event
    end = due(rule.calendar, started_at, rule.limit)
    clock = aggregate.new(
        Clock,
        event_id=event.id,
        n=aggregate.next_n(),
        jurisdiction_id=event.jurisdiction_id,
        kind=kind,
        state="running",
        order_n=order.n if order else None,
        report_id=report_id,
        unit_id=order.unit_id if order else unit_id,
        item_id=event.item_id,
        district_code=event.district_code,
        street_code=event.street_code,
        community_code=event.community_code,
        channel=event.channel,
        limit_value=rule.limit.value,
        limit_unit=rule.limit.unit.value,
        calendar_code=rule.calendar_code,
        rule=rule.rule,
        started_at=started_at,
        generation=1,
        due_at=end.due_at,
        assumed=end.assumed,
        fired_at=None,
        ended_at=None,
    )
    aggregate.new(
        ClockDue,
        event_id=event.id,
        clock_n=clock.n,
        generation=1,
        due_at=end.due_at,
        cause="started",
        timeline_n=timeline_n,
    )
    return clock


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
        aggregate.change(clock, state=outcome, ended_at=at)


def relocate(aggregate: EventAggregate) -> None:
    """Carries a corrected item or place over to the running clocks, by which they are listed."""
    event = aggregate.event
    for clock in running(aggregate):
        aggregate.change(
            clock,
            item_id=event.item_id,
            district_code=event.district_code,
            street_code=event.street_code,
            community_code=event.community_code,
        )
