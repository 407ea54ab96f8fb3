"""What a unit asks about its order's limits, from the asking to the last word (DOMAIN.md §4.3).

What each kind asks for and moves stands in ``extensions``, ``standstills`` and ``lateness_appeals``. Who must agree is
data: roles in order, one after the other, never the same person twice, never somebody of the unit that asks. What was
granted for a time is over when that time is; the next act on the event writes it down (``follow``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from app.accounts.access import Asker
from app.accounts.organizations import Organizations
from app.clocks.calendar import CHINA_TIME
from app.clocks.running import running
from app.core.database import Json
from app.core.errors import Conflict, Malformed
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.clock_tables import Clock, LimitRequest
from app.events.tables import WorkOrder

Kind = Literal["extension", "deferral", "waiting", "lateness_appeal"]

NAMES_ZH: Final = {
    "extension": "延期",
    "deferral": "挂账",
    "waiting": "等待诉求人",
    "lateness_appeal": "超期申诉",
}
ROLES_ZH: Final = {
    "operator": "话务员",
    "dispatcher": "派遣员",
    "callback_agent": "回访员",
    "shift_leader": "值班长",
    "supervisor": "督查员",
    "quality_reviewer": "质检员",
    "adjudicator": "裁决员",
}
PENDING: Final = ("requested", "reviewed")
#: what of its terms the timeline tells: words that somebody wrote stay with the request
_TOLD: Final = ("more", "until", "late")
_AT_WORK: Final = ("dispatched", "signed", "handling")


@dataclass(frozen=True, slots=True)
class Asked:
    """Why, in the unit's words, and as a code."""

    reason_code: str
    reason: str


# --- what there is ------------------------------------------------------------------------------------------------


def _of(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> Iterable[LimitRequest]:
    return (r for r in aggregate.limit_requests if r.order_n == order.n and r.kind == kind)


def pending(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> LimitRequest | None:
    """The request of this kind that nobody has decided yet, or not everybody who must."""
    return next((r for r in _of(aggregate, order, kind) if r.state in PENDING), None)


def until_of(request: LimitRequest | Any) -> datetime | None:
    """Until when it is to hold; None for what is done once."""
    until = request.terms.get("until")
    return datetime.fromisoformat(until) if until else None


def state_at(request: LimitRequest | Any, at: datetime) -> tuple[str, datetime | None]:
    """(state, when it ended) at a moment: what was granted until then has ended then, written down or not."""
    until = until_of(request)
    if request.state in ("granted", "settling") and request.ended_at is None and until is not None and until <= at:
        return "ended", until
    return request.state, request.ended_at


def in_force(aggregate: EventAggregate, order: WorkOrder, kind: Kind, at: datetime) -> LimitRequest | None:
    """What was granted for a time that is not over."""
    found = (r for r in _of(aggregate, order, kind) if r.ended_at is None)
    return next((r for r in found if state_at(r, at)[0] in ("granted", "settling")), None)


def waits_for(request: LimitRequest | Any) -> str | None:
    """The role whose turn it is to decide; None when nothing waits."""
    return str(request.approvers[len(request.decisions)]) if request.state in PENDING else None


def why_not_theirs(request: LimitRequest, asker: Asker, organizations: Organizations) -> str | None:
    """Why this person may not decide, whatever seats they have; None: they may, if it is their seat's turn."""
    name = NAMES_ZH[request.kind]
    unit = organizations.under(request.unit_id)
    own = not asker.homes.isdisjoint(unit) or request.unit_id in asker.units(organizations)
    if own:
        return f"您属于提出申请的单位，不能审批本单位的{name}申请。"
    # A deputy decides for two: neither of them may take the next step as another person.
    decided = {person for one in request.decisions for person in (one["user_id"], one.get("deputy_for"))}
    if request.state in PENDING and not asker.persons.isdisjoint(decided):
        return f"您已审批过这份{name}申请，下一步须由另一人审批。"
    return None


def undecided(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> LimitRequest | None:
    """What waits for a decision: of an approver in their turn, or whether it is settled."""
    return next((r for r in _of(aggregate, order, kind) if r.state in (*PENDING, "settling")), None)


def handling(aggregate: EventAggregate, order: WorkOrder) -> Clock | None:
    """The order's running handling clock."""
    return next(iter(running(aggregate, "handling", order=order)), None)


def granted(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> int:
    """How often this was granted to the order, over or not."""
    return sum(r.state in ("granted", "settling", "ended") for r in _of(aggregate, order, kind))


def city_time(at: datetime) -> str:
    """For a sentence: ``2026-03-10 18:00``."""
    return f"{at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}"


def why_not_any(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> str | None:
    """Why nothing of this kind may be asked now, as a sentence; None: each kind looks further."""
    if pending(aggregate, order, kind):
        return f"该工单已有{NAMES_ZH[kind]}申请正在审批；请等待结果，或先撤回。"
    if handling(aggregate, order) is None:
        return f"该工单没有正在计时的处置时限，不能申请{NAMES_ZH[kind]}。"
    return None


# --- asking -------------------------------------------------------------------------------------------------------


def ask(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    kind: Kind,
    asked: Asked,
    *,
    terms: Json,
    approvers: Sequence[str],
) -> LimitRequest:
    """Writes the request down. Whether it may be asked was looked at before."""
    request = aggregate.new(
        LimitRequest,
        event_id=order.event_id,
        n=aggregate.next_n(),
        jurisdiction_id=order.jurisdiction_id,
        order_n=order.n,
        unit_id=order.unit_id,
        kind=kind,
        state="requested",
        reason_code=asked.reason_code,
        terms=terms,
        approvers=list(approvers),
        decisions=[],
        requested_at=act.at,
        ended_at=None,
    )
    data: Json = {"order_n": order.n, "reason_code": asked.reason_code, "approvers": list(approvers)}
    data |= {name: terms[name] for name in _TOLD if name in terms}
    aggregate.record(act, f"{kind}_requested", subject=request, to_state="requested", data=data, note=asked.reason)
    return request


def refuse(path: str, message: str) -> None:
    """Raises ``Malformed`` for one member of what was asked."""
    raise Malformed(message, faults=[{"path": path, "message": message}])


# --- deciding -----------------------------------------------------------------------------------------------------


def _pending(aggregate: EventAggregate, order: WorkOrder, kind: Kind) -> LimitRequest:
    found = pending(aggregate, order, kind)
    if found is None:
        raise Conflict(f"该工单没有待审批的{NAMES_ZH[kind]}申请。", state=order.state)
    return found


def _decision(act: Act, *, agreed: bool) -> Json:
    by: Json = {"role": act.actor.role, "user_id": act.actor.id, "at": act.at.isoformat(), "agreed": agreed}
    return by if act.actor.deputy_for is None else by | {"deputy_for": act.actor.deputy_for}


def agree(
    aggregate: EventAggregate, order: WorkOrder, act: Act, kind: Kind, *, done: bool
) -> tuple[LimitRequest, int | None]:
    """One who must agree does; (the request, the act's number when nobody else must). ``done``: it ends with that."""
    request = _pending(aggregate, order, kind)
    decisions = [*request.decisions, _decision(act, agreed=True)]
    last = len(decisions) >= len(request.approvers)
    data = {"order_n": order.n, "step": len(decisions), "steps": len(request.approvers)}
    changes: dict[str, Any] = {"ended_at": act.at} if last and done else {}
    n = aggregate.advance(
        request,
        "grant" if last else "review",
        act,
        name=f"{kind}_granted" if last else f"{kind}_reviewed",
        data=data,
        decisions=decisions,
        **changes,
    )
    return request, n if last else None


def approval(request: LimitRequest) -> list[Json]:
    """Who agreed, in order, as the moved due time keeps it."""
    return [{name: one[name] for name in ("role", "user_id", "at")} for one in request.decisions]


def reject(aggregate: EventAggregate, order: WorkOrder, act: Act, kind: Kind, *, reason: str) -> None:
    """驳回: by whoever's turn it is; nothing moves."""
    request = _pending(aggregate, order, kind)
    decisions = [*request.decisions, _decision(act, agreed=False)]
    data = {"order_n": order.n, "step": len(decisions), "steps": len(request.approvers)}
    aggregate.advance(request, "reject", act, name=f"{kind}_rejected", data=data, note=reason, decisions=decisions)


def withdraw(aggregate: EventAggregate, order: WorkOrder, act: Act, kind: Kind) -> None:
    """撤回: by the unit, before it is decided; nothing moves."""
    request = _pending(aggregate, order, kind)
    aggregate.advance(request, "withdraw", act, name=f"{kind}_withdrawn", data={"order_n": order.n, "cause": "unit"})


def follow(aggregate: EventAggregate, act: Act) -> None:
    """The end of every act: what an order that is not at work any more asked for falls away; what is over has ended.

    A pause that lasts still is of no matter then: the clock has ended with the order's work. An appeal outlives it.
    """
    if not aggregate.timeline:
        return
    for request in aggregate.limit_requests:
        order = aggregate.order(request.order_n)
        if request.ended_at is not None or request.kind == "lateness_appeal" or order is None:
            continue
        data: Json = {"order_n": request.order_n}
        if order.state not in _AT_WORK:
            trigger, word = ("withdraw", "withdrawn") if request.state in PENDING else ("end", "ended")
            data["cause"] = order.state
            aggregate.advance(request, trigger, act, name=f"{request.kind}_{word}", data=data, note="")
            continue
        state, ended_at = state_at(request, act.at)
        if state == "ended" and ended_at is not None:
            data["cause"] = "expired"
            by_itself = Act(SYSTEM, act.at, ended_at)
            aggregate.advance(request, "end", by_itself, name=f"{request.kind}_ended", data=data, ended_at=ended_at)
