"""主办 and 协办: each supporting unit supplies its part, and the lead answers for all of them (one answer)."""

from app.accounts.organizations import Organizations
from app.core.errors import Conflict
from app.dispatch.orders import OF_THE_CENTRE, LimitsOf, is_accused, send_back
from app.events.aggregate import Act, EventAggregate
from app.events.tables import WorkOrder


class PartsOpen(Conflict):
    """Supporting units have not reported their parts done."""

    code = "parts_open"


class SubsOpen(Conflict):
    """Sections or contractors have not reported done what they were given."""

    code = "subs_open"


def takes_part(aggregate: EventAggregate, unit_id: int) -> bool:
    """Whether the unit leads the event or helps, by an open order; a call-out is no part of the answer."""
    return any(order.unit_id == unit_id and order.role in OF_THE_CENTRE for order in aggregate.open_orders)


def refuse_twice(aggregate: EventAggregate, unit_id: int, organizations: Organizations) -> None:
    """One order for a unit: it would end with one of two what it still owes with the other. Raises ``Conflict``."""
    if takes_part(aggregate, unit_id):
        raise Conflict(f"{organizations.name(unit_id)}已在办理该事件。")


def _undone(aggregate: EventAggregate, order: WorkOrder) -> tuple[list[WorkOrder], list[WorkOrder]]:
    """What the order's own word waits for: (supporting parts, what it gave to sections and contractors)."""
    undone = [other for other in aggregate.open_orders if other.state != "reported_done"]
    parts = [other for other in undone if other.role == "supporting" and order.role == "lead"]
    return parts, [other for other in undone if other.role == "sub" and other.parent_n == order.n]


def leave_open(
    aggregate: EventAggregate, order: WorkOrder, act: Act, organizations: Organizations, *, reason: str | None
) -> None:
    """The order is reported done before what others supply: only with a reason, which is written down.

    What is left open goes on. Raises ``PartsOpen`` or ``SubsOpen`` naming the units when there is no reason.
    """
    parts, subs = _undone(aggregate, order)
    if not parts and not subs:
        return
    if reason is None:
        fault, what = (PartsOpen, "协办单位") if parts else (SubsOpen, "下派单位")
        units = [other.unit_id for other in parts or subs]
        raise fault(
            f"{what}{'、'.join(map(organizations.name, units))}尚未处置完毕；"
            "请等待其办结，或填写理由（without_parts）后先行报结。",
            units=[organizations.code_of(unit) for unit in units],
        )
    data = {
        name: [organizations.code_of(o.unit_id) for o in found] for name, found in (("parts", parts), ("subs", subs))
    }
    aggregate.record(act, "parts_left_open", subject=order, data=data, note=reason)


def may_send_back(aggregate: EventAggregate, order: WorkOrder) -> bool:
    """A part can be asked for again while the event is handled."""
    return aggregate.event.state == "handling"


def why_not_again(aggregate: EventAggregate, order: WorkOrder, organizations: Organizations) -> str | None:
    """Why its unit cannot be asked for the part again, as a sentence; None: it can."""
    name = organizations.name(order.unit_id)
    if is_accused(aggregate.event, order.unit_id, organizations):
        return f"{name}是被举报单位或其下属单位，不能再办理该事件；请另行增派协办单位。"
    if order.ended_at is not None and takes_part(aggregate, order.unit_id):
        return f"{name}已在办理该事件，请在其现有工单上办理。"
    return None


def send_back_part(aggregate: EventAggregate, order: WorkOrder, limits: LimitsOf, act: Act, *, reason: str) -> None:
    """退回协办部分: a new round of the part alone, with a handling clock of its own; the lead's goes on untouched."""
    send_back(aggregate, order, limits, act, cause="part", note=reason)
