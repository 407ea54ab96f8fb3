"""二次派单: a unit gives work on to a section or contractor of its own, within an inner limit.

Inner limits are between the two: no signing, no first contact, and the unit's own limit is where they end.
"""

from datetime import datetime
from typing import Final

from app.clocks.limits import Limit, LimitUnit
from app.clocks.running import LimitRule, end_clocks, running, start_clock
from app.dispatch.limit_requests import city_time, refuse
from app.dispatch.orders import dismiss, end_order, new_order
from app.dispatch.routing import Decision
from app.events.aggregate import Act, EventAggregate
from app.events.tables import WorkOrder

#: how often work is given on: to a section, to its contractor, to a team of that
MAX_DEPTH: Final = 3
_AT_WORK: Final = ("dispatched", "signed", "handling")


def parent_of(aggregate: EventAggregate, order: WorkOrder) -> WorkOrder:
    """The order by which it was given. Raises ValueError for an order that nobody below the centre gave."""
    parent = aggregate.order(order.parent_n) if order.parent_n is not None else None
    if parent is None:
        raise ValueError(f"order {order.n} has no parent")
    return parent


def parent_at_work(aggregate: EventAggregate, order: WorkOrder) -> bool:
    """Whether the unit that gave the order has not reported its own done yet."""
    return parent_of(aggregate, order).state in _AT_WORK


def why_no_sub(aggregate: EventAggregate, order: WorkOrder) -> str | None:
    """Why this order's work cannot be given on, as a sentence; None: it can."""
    depth, above = 0, order
    while above.role == "sub":
        depth, above = depth + 1, parent_of(aggregate, above)
    return f"二次派单最多 {MAX_DEPTH} 级，不能再往下派。" if depth >= MAX_DEPTH else None


def give(
    aggregate: EventAggregate, parent: WorkOrder, decision: Decision, rule: LimitRule, act: Act, *, part: str
) -> WorkOrder:
    """二次派单. ``decision`` names the unit. Raises ``Malformed`` for a limit beyond the parent's own."""
    if decision.unit_id is None:
        raise ValueError("a decision without a unit cannot be dispatched")
    data = decision.as_data() | {"parent_n": parent.n, "limit": str(rule.limit)}
    n = aggregate.record(act, "sub_dispatch", subject=parent, data=data, note=part)
    order = new_order(aggregate, decision.unit_id, "sub", n, act, parent=parent)
    _start(aggregate, parent, order, rule, act, n)
    return order


def _start(
    aggregate: EventAggregate, parent: WorkOrder, order: WorkOrder, rule: LimitRule, act: Act, timeline_n: int
) -> None:
    clock = start_clock(aggregate, "sub_handling", rule, act.at, timeline_n, order_n=order.n, unit_id=order.unit_id)
    latest_at = _due_of(aggregate, parent)
    # Who is late already may still have it done: there is no time left that it could keep to.
    if latest_at is not None and act.at < latest_at < clock.due_at:
        refuse(
            "limit",
            f"时限 {rule.limit.chinese}到 {city_time(clock.due_at)} 才满，超过本单位的处置时限，"
            f"最晚只能到 {city_time(latest_at)}。",
        )


def _due_of(aggregate: EventAggregate, order: WorkOrder) -> datetime | None:
    return next((clock.due_at for clock in running(aggregate, "handling", "sub_handling", order=order)), None)


def last_limit(aggregate: EventAggregate, order: WorkOrder) -> Limit | None:
    """The inner limit of the last round; load it first (``events.late_clocks``)."""
    of_order = (
        c for c in aggregate.clocks if (c.event_id, c.order_n, c.kind) == (order.event_id, order.n, "sub_handling")
    )
    clock = max(of_order, key=lambda clock: clock.n, default=None)
    return Limit(clock.limit_value, LimitUnit(clock.limit_unit)) if clock else None


def decline(aggregate: EventAggregate, order: WorkOrder, act: Act, *, parent_unit: str | None, reason: str) -> None:
    """退回下派: it goes back to the unit that gave it, which finds somebody else; nothing is argued about."""
    data = {"parent_n": order.parent_n, "to": parent_unit}
    aggregate.advance(order, "approve_return", act, name="sub_declined", data=data, note=reason)
    end_clocks(aggregate, running(aggregate, order=order), "stopped", act.at)
    dismiss(aggregate, order.unit_id, act.at, order.role)


def accept(aggregate: EventAggregate, order: WorkOrder, act: Act) -> None:
    """验收: the unit that gave it takes what was done."""
    aggregate.advance(order, "complete", act, name="sub_accepted", data={"parent_n": order.parent_n})


def send_back(aggregate: EventAggregate, order: WorkOrder, rule: LimitRule, act: Act, *, reason: str) -> None:
    """退回重做: a new round with an inner limit of its own. Raises ``Malformed`` as ``give`` does."""
    data = {"cause": "sub", "round": order.round + 1, "limit": str(rule.limit)}
    n = aggregate.advance(
        order, "send_back", act, data=data, note=reason, round=order.round + 1, reported_done_at=None, result=None
    )
    _start(aggregate, parent_of(aggregate, order), order, rule, act, n)


def recall(aggregate: EventAggregate, order: WorkOrder, act: Act, *, reason: str) -> None:
    """收回: the unit that gave it does it otherwise."""
    end_order(aggregate, order, "cancel", act, cause="recalled", reason=reason)
