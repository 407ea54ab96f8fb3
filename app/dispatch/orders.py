"""The work order's life: dispatched, signed for, handled, reported done; and what its clocks do meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.accounts.organizations import Organizations
from app.clocks.running import LimitRule, end_clocks, running, start_clock
from app.dispatch.routing import Decision
from app.events.aggregate import Act, EventAggregate
from app.events.tables import Event, Participant, WorkOrder

OrderRole = Literal["lead", "supporting", "sub", "callout"]
#: orders that the centre gives; the others are given by a unit, to help with its own order
OF_THE_CENTRE: Final = ("lead", "supporting")


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """The limits of one order; ``first_contact`` None where nobody is to be called."""

    signing: LimitRule
    handling: LimitRule
    first_contact: LimitRule | None


#: unit → the limits of an order for it: each unit's clocks run by its own calendar
LimitsOf = Callable[[int], OrderLimits]


def admit(
    aggregate: EventAggregate,
    org_id: int,
    role: OrderRole | Literal["desk", "inspector", "supervising", "party"],
    at: datetime,
) -> None:
    """Lets an organization see the event from now on in this role."""
    if any(p.org_id == org_id and p.role == role and p.until is None for p in aggregate.participants):
        return
    aggregate.new(
        Participant,
        event_id=aggregate.event.id,
        n=aggregate.next_n(),
        org_id=org_id,
        role=role,
        since=at,
        until=None,
    )


def dismiss(aggregate: EventAggregate, org_id: int, at: datetime, *roles: str) -> None:
    """Ends an organization's part in the event; its own order it still sees.

    A part that another open order of its own gives it goes on.
    """
    kept = {order.role for order in aggregate.open_orders if order.unit_id == org_id}
    for participant in aggregate.participants:
        if participant.org_id == org_id and participant.until is None and participant.role in {*roles} - kept:
            aggregate.change(participant, until=at)


def dispatch(
    aggregate: EventAggregate, decision: Decision, limits: LimitsOf, act: Act, releases: Mapping[str, int]
) -> WorkOrder:
    """派单: the lead order and its supporting orders, with clocks, participants and the stored decision.

    A unit that has its order already goes on with it and with its clocks: deciding again gives nobody new time.
    Who helped until now and leads from now on helps no longer: it would wait for itself.
    """
    if decision.unit_id is None:
        raise ValueError("a decision without a unit cannot be dispatched")
    event = aggregate.event
    # Who has had it first; the desk only finds out whose it is.
    took_it_in = event.first_receiver_id or (decision.unit_id if decision.step != "coordination_desk" else None)
    n = aggregate.advance(
        event,
        "dispatch",
        act,
        data={**decision.as_data(), "releases": dict(releases)},
        lead_unit_id=decision.unit_id,
        triage=None,
        release_vector=dict(releases),
        first_receiver_id=took_it_in,
    )
    listed_by = {name: getattr(event, name) for name in ("item_id", "district_code", "street_code", "community_code")}
    for order in aggregate.open_orders:
        if any(getattr(order, name) != value for name, value in listed_by.items()):
            aggregate.change(order, **listed_by)
        if order.role == "supporting" and order.unit_id == decision.unit_id:
            end_order(aggregate, order, "transfer", act, cause="leads", reason="")
    lead = aggregate.lead
    if lead is not None and goes_on(lead, decision):
        aggregate.change(lead, decision_n=n)
    else:
        lead = _order(aggregate, decision.unit_id, "lead", n, limits, act)
    helping = {order.unit_id for order in aggregate.open_orders if order.role in OF_THE_CENTRE}
    for unit_id in decision.supporting_ids:
        if unit_id in helping:
            continue
        _order(aggregate, unit_id, "supporting", n, limits, act)
    return lead


def goes_on(order: WorkOrder, decision: Decision | None) -> bool:
    """Whether a decision leaves the order with its unit, in the role that it has."""
    if decision is None or decision.unit_id is None:
        return False
    return order.unit_id == decision.unit_id if order.role == "lead" else order.unit_id in decision.supporting_ids


def add_supporting(
    aggregate: EventAggregate,
    decision: Decision,
    limits: LimitsOf,
    act: Act,
    *,
    part: str = "",
    instead_of: WorkOrder | None = None,
) -> None:
    """增派协办: a supporting order for a unit that a person names.

    ``part``: what it supplies, in words; ``instead_of``: or the order whose part it takes over.
    """
    if decision.unit_id is None:
        raise ValueError("a decision without a unit cannot be dispatched")
    data = decision.as_data() if instead_of is None else decision.as_data() | {"part_n": instead_of.decision_n}
    n = aggregate.record(act, "supporting_added", data=data, note=part)
    _order(aggregate, decision.unit_id, "supporting", n, limits, act)


def _order(
    aggregate: EventAggregate,
    unit_id: int,
    role: Literal["lead", "supporting"],
    decision_n: int,
    limits_of: LimitsOf,
    act: Act,
) -> WorkOrder:
    limits = limits_of(unit_id)
    order = new_order(aggregate, unit_id, role, decision_n, act)
    start_clock(aggregate, "signing", limits.signing, act.at, decision_n, order_n=order.n, unit_id=unit_id)
    start_clock(aggregate, "handling", limits.handling, act.at, decision_n, order_n=order.n, unit_id=unit_id)
    if limits.first_contact and role == "lead":
        contact = limits.first_contact
        start_clock(aggregate, "first_contact", contact, act.at, decision_n, order_n=order.n, unit_id=unit_id)
    return order


def new_order(
    aggregate: EventAggregate,
    unit_id: int,
    role: OrderRole,
    decision_n: int,
    act: Act,
    *,
    parent: WorkOrder | None = None,
) -> WorkOrder:
    """The row of an order and its unit's part in the event; its clocks are started by whoever gives it.

    ``parent``: the order of the unit that gives it.
    """
    event = aggregate.event
    order = aggregate.new(
        WorkOrder,
        event_id=event.id,
        n=aggregate.next_n(),
        jurisdiction_id=event.jurisdiction_id,
        unit_id=unit_id,
        role=role,
        parent_n=parent.n if parent else None,
        holder_id=None,
        state="dispatched",
        round=1,
        item_id=event.item_id,
        district_code=event.district_code,
        street_code=event.street_code,
        community_code=event.community_code,
        channel=event.channel,
        urgency=event.urgency,
        decision_n=decision_n,
        dispatched_at=act.at,
        signed_at=None,
        signed_automatically=False,
        first_contact_at=None,
        started_at=None,
        reported_done_at=None,
        result=None,
        ended_at=None,
    )
    admit(aggregate, unit_id, role, act.at)
    return order


def sign_for(aggregate: EventAggregate, order: WorkOrder, act: Act, *, automatically: bool = False) -> int:
    """签收: by the unit, or by the clock when its time is up, so that it stops nothing. Returns the act's number.

    By the clock it was signed for at its limit, in time, however late the worker comes to write it down.
    """
    n = aggregate.advance(
        order,
        "sign_for",
        act,
        data={"automatically": automatically},
        signed_at=act.acted_at,
        signed_automatically=automatically,
    )
    ended_at = act.acted_at if automatically else act.at
    end_clocks(aggregate, running(aggregate, "signing", order=order), "met", ended_at)
    return n


def first_contact(aggregate: EventAggregate, order: WorkOrder, act: Act, *, reached: bool) -> None:
    """先行联系: the unit calls the complainant before acting; an attempt that reached nobody is kept and counts not."""
    if not reached:
        aggregate.advance(order, "first_contact", act, name="first_contact_attempted")
        return
    aggregate.advance(order, "first_contact", act, first_contact_at=order.first_contact_at or act.acted_at)
    end_clocks(aggregate, running(aggregate, "first_contact", order=order), "met", act.at)


def start(aggregate: EventAggregate, order: WorkOrder, act: Act) -> None:
    """开始处置."""
    aggregate.advance(order, "start", act, started_at=act.acted_at)


def report_done(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    *,
    result: Literal["resolved", "explained"],
    evidence: Sequence[str],
    statement: str,
) -> None:
    """处置完毕: the unit's word, with what was done and the pictures that show it."""
    aggregate.advance(
        order,
        "report_done",
        act,
        data={"result": result, "evidence": list(evidence), "round": order.round},
        note=statement,
        result=result,
        evidence=list(evidence),
        reported_done_at=act.acted_at,
        started_at=order.started_at or act.acted_at,
    )
    end_clocks(aggregate, running(aggregate, "handling", "sub_handling", "signing", order=order), "met", act.at)


def send_back(
    aggregate: EventAggregate,
    order: WorkOrder,
    limits: LimitsOf,
    act: Act,
    *,
    cause: str,
    note: str | None,
) -> None:
    """退回重办: a new round for the same unit, with a handling clock of its own."""
    n = aggregate.advance(
        order,
        "send_back" if order.ended_at is None else "reopen",
        act,
        name="send_back",
        data={"cause": cause, "round": order.round + 1},
        note=note,
        round=order.round + 1,
        reported_done_at=None,
        result=None,
    )
    admit(aggregate, order.unit_id, "lead" if order.role == "lead" else "supporting", act.at)
    start_clock(
        aggregate, "handling", limits(order.unit_id).handling, act.at, n, order_n=order.n, unit_id=order.unit_id
    )


def end_order(
    aggregate: EventAggregate,
    order: WorkOrder,
    trigger: Literal["complete", "cancel", "transfer"],
    act: Act,
    *,
    cause: str,
    reason: str | None = None,
) -> None:
    """Ends an order without the unit: completed when the event closes, cancelled or transferred by the centre."""
    aggregate.advance(order, trigger, act, data={"cause": cause}, note=reason)
    # What was done ended its clock when it was done; what runs still was never done, however the order ends.
    end_clocks(aggregate, running(aggregate, order=order), "stopped", act.at)
    for request in aggregate.returns:
        if request.order_n == order.n and request.state == "requested":
            aggregate.advance(request, "withdraw", act, data={"cause": cause}, decided_at=act.at)
    if trigger != "complete":
        dismiss(aggregate, order.unit_id, act.at, order.role)


def end_open_orders(
    aggregate: EventAggregate,
    trigger: Literal["complete", "cancel", "transfer"],
    act: Act,
    *,
    cause: str,
    but: Decision | None = None,
) -> None:
    """Ends every open order of the event, except those that go on after the decision ``but``.

    What a unit gave to others ends with its own order (``follow_parents``).
    """
    for order in aggregate.open_orders:
        if order.parent_n is None and not goes_on(order, but):
            end_order(aggregate, order, trigger, act, cause=cause)


def end_helpers(aggregate: EventAggregate, act: Act, decision: Decision, *, cause: str) -> None:
    """Ends the supporting orders that the decision does not name."""
    for order in aggregate.open_orders:
        if order.role == "supporting" and not goes_on(order, decision):
            end_order(aggregate, order, "transfer", act, cause=cause, reason="")


def is_accused(event: Event, unit_id: int, organizations: Organizations) -> bool:
    """Whether the event accuses the unit, or one above it."""
    return any(unit_id in organizations.under(org) for org in event.accused_org_ids)


def end_accused(
    aggregate: EventAggregate, act: Act, organizations: Organizations, *, done_too: bool = True
) -> WorkOrder | None:
    """Whoever is accused 被举报单位 works on it no longer, in whichever role. Returns the lead order that ended by it.

    ``done_too`` False: what has been reported done stays, as long as nobody asks for it again.
    """
    led: WorkOrder | None = None
    for order in aggregate.open_orders:
        stays = order.state == "reported_done" and not done_too
        if not stays and is_accused(aggregate.event, order.unit_id, organizations):
            end_order(aggregate, order, "transfer", act, cause="accused", reason="")
            led = order if order.role == "lead" else led
    return led


def follow_parents(aggregate: EventAggregate, act: Act) -> None:
    """The end of every act: what a unit gave to others (二次派单, 吹哨) ends with the order by which it was given.

    What was done is completed with a completed order; all else falls away. Who was called out and has not come need not
    come any more once the unit that called has reported that it is done: nobody awaits them, their time ends.
    """
    for order in aggregate.open_orders:  # a parent's number is below those that it gave
        parent = aggregate.order(order.parent_n) if order.parent_n is not None else None
        if parent is None:
            continue
        if parent.state == "reported_done" and order.role == "callout" and order.state in ("dispatched", "signed"):
            end_order(aggregate, order, "cancel", act, cause="caller_done", reason="")
            continue
        if parent.ended_at is None:
            continue
        done = (parent.state, order.state) == ("completed", "reported_done")
        end_order(aggregate, order, "complete" if done else "cancel", act, cause=f"parent_{parent.state}", reason="")
