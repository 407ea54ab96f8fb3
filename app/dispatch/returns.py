"""退单: a return request with its reason, and its review 派单异议审核."""

from dataclasses import dataclass
from datetime import datetime

from app.clocks.moving import pause_clock, take_back_pause
from app.clocks.records import Clockwork
from app.clocks.running import end_clocks, running
from app.core.errors import Conflict
from app.dispatch.orders import dismiss
from app.events.aggregate import Act, EventAggregate
from app.events.tables import ReturnRequest, WorkOrder

REASONS = {
    "not_our_duty": "不属于本单位职责",
    "not_our_area": "不在本单位辖区",
    "wrong_item": "事项分类有误",
    "insufficient_information": "信息不足无法办理",
    "other": "其他",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A return request in the unit's words."""

    reason_code: str
    reason: str
    suggested_unit_id: int | None
    #: when the review is due; from then on the unit's clock counts again, decided or not
    review_until: datetime


class ReturnPending(Conflict):
    """The order has an undecided return request."""

    code = "return_pending"


def open_request(aggregate: EventAggregate, order: WorkOrder) -> ReturnRequest | None:
    """The request about this order that nobody has decided yet."""
    return next((r for r in aggregate.returns if r.order_n == order.n and r.state == "requested"), None)


def gave_back(aggregate: EventAggregate) -> frozenset[int]:
    """Units that have given the lead back; not one that was given it again afterwards, by a ruling say, and kept it."""
    last = {order.unit_id: order.state for order in sorted(aggregate.orders, key=lambda o: o.n) if order.role == "lead"}
    return frozenset(unit_id for unit_id, state in last.items() if state == "returned")


def refuse_while_pending(aggregate: EventAggregate, order: WorkOrder) -> None:
    """An order that is asked to be returned cannot be reported done or be asked again. Raises ``ReturnPending``."""
    if open_request(aggregate, order):
        raise ReturnPending("该工单已申请退单，正在审核；请等待审核结果，或先撤回退单申请。")


def request(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    work: Clockwork,
    asked: Asked,
) -> ReturnRequest:
    """申请退单: only before the unit has reported done; the unit goes on handling, its clock waits for the review."""
    refuse_while_pending(aggregate, order)
    n = aggregate.advance(order, "request_return", act, data={"reason_code": asked.reason_code}, note=asked.reason)
    for clock in running(aggregate, "handling", order=order):
        pause_clock(aggregate, clock, work, act.at, n, until=asked.review_until, grounds="return_review")
    return aggregate.new(
        ReturnRequest,
        event_id=order.event_id,
        n=aggregate.next_n(),
        order_n=order.n,
        state="requested",
        reason_code=asked.reason_code,
        suggested_unit_id=asked.suggested_unit_id,
        requested_at=act.at,
        decided_at=None,
    )


def _pending(aggregate: EventAggregate, order: WorkOrder) -> ReturnRequest:
    found = open_request(aggregate, order)
    if found is None:
        raise Conflict("该工单没有待审核的退单申请。", state=order.state)
    return found


def approve(aggregate: EventAggregate, order: WorkOrder, act: Act) -> None:
    """同意退单: the order ends as returned, its unit leaves; what comes next is the dispatcher's decision."""
    found = _pending(aggregate, order)
    aggregate.advance(order, "approve_return", act, data={"reason_code": found.reason_code})
    aggregate.advance(found, "approve", act, decided_at=act.at)
    end_clocks(aggregate, running(aggregate, "return_review", order=order), "met", act.at)
    end_clocks(aggregate, running(aggregate, order=order), "stopped", act.at)
    dismiss(aggregate, order.unit_id, act.at, order.role)


def reject(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork, *, reason: str) -> None:
    """驳回退单: the unit goes on; the pause of its clock is taken back, as if it had not asked."""
    found = _pending(aggregate, order)
    n = aggregate.advance(order, "reject_return", act, data={"reason_code": found.reason_code}, note=reason)
    for clock in running(aggregate, "handling", order=order):
        take_back_pause(aggregate, clock, work, act.at, n, grounds="return_review")
    aggregate.advance(found, "reject", act, decided_at=act.at)


def withdraw(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork) -> None:
    """撤回退单申请: by the unit itself; it had no ground for the pause of its clock, which is taken back."""
    found = _pending(aggregate, order)
    n = aggregate.advance(order, "withdraw_return", act)
    for clock in running(aggregate, "handling", order=order):
        take_back_pause(aggregate, clock, work, act.at, n, grounds="return_review")
    aggregate.advance(found, "withdraw", act, decided_at=act.at)
