"""超期申诉: a unit that was late says why it should not count against it; once, after the event has closed.

Granted by two reviews it is left out of the statistics; that it was late stays to be seen (DOMAIN.md §4.3).
"""

from collections.abc import Sequence
from datetime import datetime

from app.clocks.arithmetic import due
from app.clocks.running import LimitRule
from app.dispatch import limit_requests
from app.dispatch.limit_requests import Asked
from app.events.aggregate import Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.tables import WorkOrder


def late_clocks(aggregate: EventAggregate, order: WorkOrder) -> list[Clock]:
    """The order's own clocks that ended after their due time; load them first (``events.late_clocks``)."""
    return [
        clock
        for clock in aggregate.clocks
        if (clock.event_id, clock.order_n) == (order.event_id, order.n)
        and clock.unit_id is not None
        and clock.ended_at is not None
        and clock.ended_at > clock.due_at
    ]


def why_no_appeal(aggregate: EventAggregate, order: WorkOrder, window: LimitRule, at: datetime) -> str | None:
    """Why the unit may not appeal now, as a sentence; None: it may."""
    event = aggregate.event
    if event.state != "closed" or event.ended_at is None:
        return "事件结案后才能申诉超期。"
    if any(r.order_n == order.n and r.kind == "lateness_appeal" for r in aggregate.limit_requests):
        return "该工单已申诉过，每个工单只能申诉一次。"
    if not late_clocks(aggregate, order):
        return "该工单没有超期的时限，无需申诉。"
    if at > due(window.calendar, event.ended_at, window.limit).due_at:
        return f"申诉须在结案后 {window.limit.chinese}内提出，现已过期。"
    return None


def ask(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    asked: Asked,
    *,
    evidence: Sequence[str],
    reviewers: Sequence[str],
) -> None:
    """申诉, with what shows it."""
    late = [{"kind": clock.kind, "clock_n": clock.n} for clock in late_clocks(aggregate, order)]
    terms = {"evidence": list(evidence), "late": late}
    limit_requests.ask(aggregate, order, act, "lateness_appeal", asked, terms=terms, approvers=reviewers)


def approve(aggregate: EventAggregate, order: WorkOrder, act: Act) -> None:
    """同意: with the last review the clocks that the appeal named are exempted, by that very act.

    A round that became late after the event was opened again was never argued about.
    """
    request, n = limit_requests.agree(aggregate, order, act, "lateness_appeal", done=True)
    if n is None:
        return
    named = {late["clock_n"] for late in request.terms["late"]}
    for clock in late_clocks(aggregate, order):
        if clock.n in named:
            aggregate.change(clock, exempted_n=n)
