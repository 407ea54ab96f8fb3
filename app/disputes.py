"""Whose job it is, when units do not agree: return 退单, negotiation 会商, ruling 裁决, and who acts first meanwhile.

A side page of ``app.loop``. Handling never waits for the quarrel, and the citizen's clock never pauses for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app import loop
from app.clocks.arithmetic import due
from app.dispatch import disputes, orders, precedents, returns
from app.dispatch.routing import Decision
from app.events.dispute_tables import Dispute, Precedent
from app.events.tables import WorkOrder
from app.masters import limits
from app.turn import Turn


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an adjudicator says: who leads, who helps, on what grounds, and what it teaches."""

    unit_id: int
    supporting_ids: Sequence[int]
    grounds: str
    #: the rule for the next time, in words that name no person; None: it is no precedent
    summary: str | None
    #: username of the adjudicator
    by: str


# ── return 退单, and its review 派单异议审核 ──────────────────────────────────────────────────────────────────


def request_return(turn: Turn, order: WorkOrder, *, code: str, reason: str, suggested: int | None) -> None:
    """退单: a reason and a review; the unit goes on handling meanwhile (先办后议), its clock waits for the review.

    When units have asked as often as the city puts up with, it goes to the ruling desk by itself.
    """
    review = limits.stage(turn.masters, "return_review")
    until = due(review.calendar, turn.act.at, review.limit).due_at
    asked = returns.Asked(code, reason, suggested, until)
    returns.request(turn.event, order, turn.act, turn.masters.clockwork, asked)
    most = turn.masters.policies.number("returns_to_ruling")
    if order.role == "lead" and disputes.returns_counted(turn.event) >= most:
        disputes.open_ruling(turn.event, turn.act, "second_return")


def withdraw_return(turn: Turn, order: WorkOrder) -> None:
    """撤回退单: where it was what they argued about, nobody argues any more."""
    returns.withdraw(turn.event, order, turn.act, turn.masters.clockwork)
    if disputes.about(turn.event, order):
        disputes.drop(turn.event, turn.act, cause="return_withdrawn")


def approve_return(turn: Turn, order: WorkOrder, *, unit_id: int | None) -> None:
    """同意退单: another unit gets it at once, named by the dispatcher or found by the rules."""
    returns.approve(turn.event, order, turn.act)
    gave_back = frozenset(other.unit_id for other in turn.event.orders if other.state == "returned")
    loop.pass_on(turn, order, unit_id, avoid=gave_back)


def approve_return_by_precedent(turn: Turn, order: WorkOrder, taught: precedents.Taught) -> None:
    """同意退单, and the unit that an earlier ruling names gets it."""
    returns.approve(turn.event, order, turn.act)
    dispatch_by_precedent(turn, taught)


def dispatch_by_precedent(turn: Turn, taught: precedents.Taught) -> WorkOrder:
    """派单 as was ruled in a like case: a person has chosen to follow it, it is never applied by itself."""
    organizations = turn.masters.organizations
    case = precedents.case_of(turn.event.event, turn.masters.jurisdiction_code)
    return _give(turn, precedents.followed(taught, case, organizations), cause="precedent")


# ── negotiation 会商 ─────────────────────────────────────────────────────────────────────────────────────────


def open_negotiation(turn: Turn, units: Sequence[int], *, acting: int | None, reason: str | None) -> None:
    """会商: the units are asked whose job it is; the return that waits is decided with it."""
    disputes.open_negotiation(turn.event, turn.act, units, turn.masters.organizations, reason=reason)
    if acting is not None:
        act_first(turn, acting, reason=None)


def state_position(turn: Turn, unit_id: int, stance: disputes.Stance, *, suggested: int | None, reason: str) -> None:
    """表明意见: when all have spoken it is agreed, if one unit alone says that it is theirs, or goes to the ruling."""
    organizations = turn.masters.organizations
    disputes.state_position(
        turn.event, turn.act, unit_id, organizations, stance=stance, suggested_unit_id=suggested, reason=reason
    )
    found = disputes.outcome(turn.event, disputes.current(turn.event))
    if found is None:
        return
    if found.unit_id is None or not _may_lead(turn, found.unit_id):
        disputes.refer(turn.event, turn.act, why="no_agreement")
        return
    sentence = f"经会商一致，由{organizations.name(found.unit_id)}承办。"
    decided = disputes.decision("agreement", found.unit_id, found.supporting_ids, sentence, organizations)
    dispute = disputes.end(turn.event, turn.act, "agree", decided, organizations)
    _settle(turn, decided, dispute, cause="agreed")


def _may_lead(turn: Turn, unit_id: int) -> bool:
    accused, organizations = turn.event.event.accused_org_ids, turn.masters.organizations
    able = disputes.may_work(unit_id, accused, organizations) and turn.why_too_low(unit_id) is None
    return able and turn.why_spared(unit_id) is None


def refer_to_ruling(turn: Turn, *, reason: str | None) -> None:
    """提请裁决: the centre does not wait for an agreement; the limit of the negotiation does the same by itself."""
    disputes.refer(turn.event, turn.act, why="dispatcher", reason=reason)


# ── who acts first 先办后议, and the ruling 裁决 ─────────────────────────────────────────────────────────────


def act_first(turn: Turn, unit_id: int, *, reason: str | None) -> None:
    """先办后议: one unit leads while they argue, with clocks of its own from now; who leads already goes on."""
    organizations, lead = turn.masters.organizations, turn.event.lead
    disputes.act_first(turn.event, turn.act, unit_id, organizations, reason=reason)
    if lead is not None and lead.unit_id == unit_id:
        return
    if lead is not None:
        orders.end_order(turn.event, lead, "transfer", turn.act, cause="act_first", reason="")
    sentence = f"管辖争议未决，由{organizations.name(unit_id)}先行办理（先办后议）。"
    _give(turn, disputes.decision("act_first", unit_id, (), sentence, organizations), cause="act_first")


def rule(turn: Turn, ruling: Ruling, overruled: Sequence[Precedent]) -> None:
    """裁决: binding for units and centre. Who leads already goes on with its clocks; another one gets an order anew.

    ``overruled``: the precedents of the same item and area that still hold.
    """
    event, act, organizations = turn.event, turn.act, turn.masters.organizations
    if event.dispute is None:
        disputes.open_ruling(event, act, "dispatcher", told=False)
    sentence = f"经裁决，由{organizations.name(ruling.unit_id)}承办。"
    decided = disputes.decision("ruling", ruling.unit_id, ruling.supporting_ids, sentence, organizations)
    dispute = disputes.end(event, act, "rule", decided, organizations, reason=ruling.grounds)
    event.change(dispute, order_n=_settle(turn, decided, dispute, cause="ruled").n)
    if ruling.summary is not None:
        case = precedents.case_of(event.event, turn.masters.jurisdiction_code)
        precedents.teach(event, act, dispute, decided, case, overruled, summary=ruling.summary, by=ruling.by)


def _settle(turn: Turn, decided: Decision, dispute: Dispute, *, cause: str) -> WorkOrder:
    """The quarrel's end: where another unit leads than before it, who helped that one helps on only if it is named."""
    event, before = turn.event, turn.event.order(dispute.order_n) if dispute.order_n is not None else None
    if before is None or before.unit_id != decided.unit_id:
        orders.end_helpers(event, turn.act, decided, cause=cause)
    return _give(turn, decided, cause=cause)


def _give(turn: Turn, decided: Decision, *, cause: str) -> WorkOrder:
    """The lead goes to whom people have settled on; what a unit that does not keep it has asked for is decided so."""
    event, act, lead = turn.event, turn.act, turn.event.lead
    asked = lead is not None and returns.open_request(event, lead) is not None
    if lead is not None and orders.goes_on(lead, decided):
        if asked:
            returns.reject(event, lead, act, turn.masters.clockwork, reason="")
    elif lead is not None and asked:
        returns.approve(event, lead, act)
    elif lead is not None:
        orders.end_order(event, lead, "transfer", act, cause=cause, reason="")
    return orders.dispatch(event, decided, turn.order_limits, act, turn.masters.vector)
