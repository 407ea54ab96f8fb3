"""管辖争议: units that do not agree whose job an event is; settled by negotiation 会商 or ruling 裁决 (DOMAIN.md §4.3).

Rules over one locked event. Whose order begins or ends by it is the page's business (``app.disputes``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from app.accounts.access import Asker
from app.accounts.organizations import Organizations
from app.clocks.calendar import CHINA_TIME
from app.clocks.records import Clockwork
from app.core.errors import Conflict
from app.dispatch import returns
from app.dispatch.limit_requests import city_time
from app.dispatch.orders import admit, dismiss
from app.dispatch.routing import Decision
from app.dispatch.routing.registers import Components
from app.events.aggregate import Act, EventAggregate
from app.events.dispute_tables import Dispute, DisputeParty
from app.events.tables import Event, WorkOrder

Stance = Literal["ours", "not_ours", "shared"]
Cause = Literal["second_return", "dispatcher"]
#: how a unit that is named came to it, as stored decisions keep it, and how the timeline says it of orders that end
Step = Literal["agreement", "ruling", "act_first", "precedent"]

STATES_ZH: Final = {"negotiating": "会商", "ruling": "裁决"}
_TRIED: Final[dict[Step, str]] = {
    "agreement": "会商一致",
    "ruling": "裁决",
    "act_first": "先办后议",
    "precedent": "参照裁决先例",
}


# --- what it is about --------------------------------------------------------------------------------------------


class Facts:
    """What a dispute is about and a ruling rests on: item, areas, and a component that the register knows.

    Corrected, they are another case.
    """

    __slots__ = ("_register", "_told")

    def __init__(self, event: Event, register: Components) -> None:
        """As the event says them now."""
        self._register = register
        self._told = self._of(event, {})

    def hold(self, event: Event, changes: Mapping[str, Any] | None = None) -> bool:
        """Whether the event still says the same; with ``changes``: whether it will, once these are its columns."""
        return self._of(event, changes or {}) == self._told

    def _of(self, event: Event, changes: Mapping[str, Any]) -> list[Any]:
        names = ("item_id", "district_code", "street_code", "community_code", "component_id")
        *told, component_id = (changes.get(name, getattr(event, name)) for name in names)
        return [*told, component_id if self._register.find(component_id) is not None else None]


def decision(
    step: Step, unit_id: int, supporting_ids: Sequence[int], sentence: str, organizations: Organizations
) -> Decision:
    """Who leads and who helps as people have settled it, in the shape of the rules' own decisions."""
    helping = tuple(unit for unit in dict.fromkeys(supporting_ids) if unit != unit_id)
    if helping:
        sentence += f"{'、'.join(map(organizations.name, helping))}协办。"
    code = organizations.code_of(unit_id)
    return Decision(code, unit_id, helping, step, None, (_TRIED[step],), (), sentence)


def returns_counted(aggregate: EventAggregate) -> int:
    """How often units have asked to give the lead back; what they withdrew does not count."""
    leads = {order.n for order in aggregate.orders if order.role == "lead"}
    return sum(request.order_n in leads and request.state != "withdrawn" for request in aggregate.returns)


def parties_of(aggregate: EventAggregate, dispute: Dispute) -> list[DisputeParty]:
    """The units asked in this negotiation, in order."""
    return [party for party in aggregate.parties if party.dispute_n == dispute.n]


def party_units(aggregate: EventAggregate) -> list[int]:
    """The units that are asked in the negotiation that goes on; none when there is none."""
    dispute = aggregate.dispute
    if dispute is None or dispute.state != "negotiating":
        return []
    return [party.unit_id for party in parties_of(aggregate, dispute)]


def about(aggregate: EventAggregate, order: WorkOrder) -> Dispute | None:
    """The open dispute about who leads, for the order that leads now."""
    return aggregate.dispute if order.role == "lead" and order.ended_at is None else None


def binding(aggregate: EventAggregate, order: WorkOrder) -> Dispute | None:
    """The ruling by which the order's unit leads, while it binds. ``order_n`` of a ruled dispute is that order."""
    ruled = [dispute for dispute in aggregate.disputes if dispute.state == "ruled"][-1:]
    held = [one for one in ruled if (one.order_n, one.unit_id) == (order.n, order.unit_id)]
    return held[0] if held and order.ended_at is None else None


def is_held(aggregate: EventAggregate) -> bool:
    """Whether units argue about it or a ruling binds: then whose it is turns on its facts."""
    lead = aggregate.lead
    return aggregate.dispute is not None or (lead is not None and binding(aggregate, lead) is not None)


def may_work(unit_id: int, accused: Collection[int], organizations: Organizations) -> bool:
    """Whether the unit is in use and not accused, itself or by a unit above it."""
    row = organizations.by_id(unit_id)
    return row is not None and row.active and not any(unit_id in organizations.under(org) for org in accused)


# --- why something is not possible now, as a sentence; None: it is ------------------------------------------------


def why_bound(aggregate: EventAggregate, order: WorkOrder, organizations: Organizations) -> str | None:
    """A ruling binds its unit and the centre; only another ruling, or a corrected item or place, ends that."""
    ruled = binding(aggregate, order)
    if ruled is None or ruled.ended_at is None:
        return None
    on = f"{ruled.ended_at.astimezone(CHINA_TIME):%Y-%m-%d}"
    return (
        f"该事件已于 {on} 裁决由{organizations.name(order.unit_id)}承办（时间线第 {order.decision_n} 条），须执行；"
        "有新情况的，请裁决员重新裁决，或由派遣员更正事项、地点。"
    )


def why_partial(
    aggregate: EventAggregate, order: WorkOrder | None, asker: Asker, organizations: Organizations
) -> str | None:
    """Whoever belongs to a side decides nothing between the sides, in whatever seat, by themselves or for another.

    A side: the unit of the ``order`` to be given back or that leads, who gave the lead back, who was asked in a
    negotiation; and whoever has acted for a unit in the event. Being of the centre is no side: its people decide.
    """
    if not aggregate.handlers.isdisjoint(asker.persons):
        return "您或您代理的人参与过该事件的办理，不能由您决定。"
    gave_back = {one.order_n for one in aggregate.returns if one.state == "approved"}
    sides = {one.unit_id for one in aggregate.orders if one.role == "lead" and one.n in gave_back}
    sides |= {party.unit_id for party in aggregate.parties}
    if order is not None:
        sides.add(order.unit_id)
    rows = ((home, organizations.by_id(home)) for home in asker.homes)
    mine = {home for home, row in rows if row is None or row.org_type != "centre"}
    seats = asker.units(organizations)
    own = [unit for unit in sides if unit in seats or not mine.isdisjoint(organizations.under(unit))]
    if not own:
        return None
    return f"您或您代理的人属于{'、'.join(sorted(map(organizations.name, own)))}，是当事单位，不能由您决定。"


def why_undecided(aggregate: EventAggregate, order: WorkOrder) -> str | None:
    """While units argue about the lead, its return is not the dispatcher's to decide any more."""
    dispute = about(aggregate, order)
    if dispute is None:
        return None
    if dispute.state == "negotiating":
        return "该事件正在会商，退单随会商结果一并决定：各单位请表明意见；会商不成的，转裁决席裁决。"
    return "该事件已提请裁决，退单由裁决员一并决定；承办单位撤回退单或处置完毕的，争议即告终止。"


def why_not_moved(aggregate: EventAggregate, order: WorkOrder, organizations: Organizations) -> str | None:
    """The lead is not taken away by hand from whom a ruling names, nor while units argue about it."""
    dispute = about(aggregate, order)
    if dispute is not None:
        return f"该事件正在{STATES_ZH[dispute.state]}，主办单位由其结果决定；须由其他单位先办的，请指定先行办理单位。"
    return why_bound(aggregate, order, organizations)


def why_not_dispatched(_: object, aggregate: EventAggregate, __: object) -> str | None:
    """While units argue about an event that nobody leads, nobody is simply named."""
    dispute = aggregate.dispute
    if dispute is None:
        return None
    return f"该事件正在{STATES_ZH[dispute.state]}，由其结果决定承办单位；须有单位先办的，请指定先行办理单位。"


def why_no_return(
    aggregate: EventAggregate, order: WorkOrder, organizations: Organizations, until: datetime, at: datetime
) -> str | None:
    """退单 is asked within the window from dispatch (``until``), not while units argue, not against a ruling."""
    dispute = about(aggregate, order)
    if dispute is not None and dispute.acting_unit_id == order.unit_id:
        return f"该工单由贵单位先行办理（先办后议），{STATES_ZH[dispute.state]}结束之前不能申请退单。"
    if dispute is not None:
        return f"该事件正在{STATES_ZH[dispute.state]}，不能再申请退单；请在会商中表明意见，或等待裁决。"
    if why := why_bound(aggregate, order, organizations):
        return why
    if at > until:
        return f"退单申请期已于 {city_time(until)} 截止；确非本单位职责的，请联系派遣员改派或提请会商。"
    return None


# --- a dispute begins ---------------------------------------------------------------------------------------------


def open_negotiation(
    aggregate: EventAggregate, act: Act, units: Collection[int], organizations: Organizations, *, reason: str | None
) -> Dispute:
    """会商: the units are asked whose job it is; the one that leads is one of them."""
    lead = aggregate.lead
    asked = list(dict.fromkeys([*([lead.unit_id] if lead else []), *units]))
    dispute = _begin(aggregate, act, "negotiating", "dispatcher")
    data = {"cause": dispute.cause, "units": [organizations.code_of(unit) for unit in asked]}
    aggregate.record(act, "negotiation_opened", subject=dispute, to_state=dispute.state, data=data, note=reason or "")
    for unit in asked:
        aggregate.new(
            DisputeParty,
            event_id=aggregate.event.id,
            n=aggregate.next_n(),
            dispute_n=dispute.n,
            unit_id=unit,
            invited_at=act.at,
            stance=None,
            suggested_unit_id=None,
            stated_at=None,
        )
        admit(aggregate, unit, "party", act.at)
    return dispute


def open_ruling(aggregate: EventAggregate, act: Act, cause: Cause, *, told: bool = True) -> Dispute:
    """It goes to the ruling desk at once. ``told`` False: it is ruled in the same act, which says it all."""
    dispute = _begin(aggregate, act, "ruling", cause)
    if told:
        data = {"cause": cause, "returns": returns_counted(aggregate)}
        aggregate.record(act, "referred_to_ruling", subject=dispute, to_state=dispute.state, data=data, note="")
    return dispute


def _begin(aggregate: EventAggregate, act: Act, state: Literal["negotiating", "ruling"], cause: Cause) -> Dispute:
    if aggregate.dispute is not None:
        raise Conflict("该事件已有未决的管辖争议。")
    lead = aggregate.lead
    return aggregate.new(
        Dispute,
        event_id=aggregate.event.id,
        n=aggregate.next_n(),
        jurisdiction_id=aggregate.event.jurisdiction_id,
        state=state,
        cause=cause,
        order_n=lead.n if lead else None,
        acting_unit_id=None,
        unit_id=None,
        opened_at=act.at,
        ended_at=None,
    )


# --- while it lasts -----------------------------------------------------------------------------------------------


def current(aggregate: EventAggregate) -> Dispute:
    """The open dispute. Raises ``Conflict`` when there is none."""
    if aggregate.dispute is None:
        raise Conflict("该事件没有未决的管辖争议。")
    return aggregate.dispute


def state_position(
    aggregate: EventAggregate,
    act: Act,
    unit_id: int,
    organizations: Organizations,
    *,
    stance: Stance,
    suggested_unit_id: int | None,
    reason: str,
) -> None:
    """表明意见: ours, not ours, or shared; it may be changed as long as they negotiate."""
    dispute = current(aggregate)
    party = next((one for one in parties_of(aggregate, dispute) if one.unit_id == unit_id), None)
    if party is None:
        raise Conflict(f"{organizations.name(unit_id)}未被邀请参加会商。")
    suggested = organizations.code_of(suggested_unit_id) if suggested_unit_id is not None else None
    data = {"unit": organizations.code_of(unit_id), "stance": stance, "suggested_unit": suggested}
    aggregate.advance(dispute, "state_position", act, data=data, note=reason)
    aggregate.change(party, stance=stance, suggested_unit_id=suggested_unit_id, stated_at=act.at)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a negotiation in which all have spoken. ``unit_id`` None: no agreement."""

    unit_id: int | None
    supporting_ids: tuple[int, ...] = ()


def outcome(aggregate: EventAggregate, dispute: Dispute) -> Outcome | None:
    """One unit says that it is theirs: agreed, those who share it help. None or several say so: not agreed.

    None while somebody has not spoken yet.
    """
    parties = parties_of(aggregate, dispute)
    if any(party.stance is None for party in parties):
        return None
    ours = [party.unit_id for party in parties if party.stance == "ours"]
    if len(ours) != 1:
        return Outcome(None)
    return Outcome(ours[0], tuple(party.unit_id for party in parties if party.stance == "shared"))


def refer(aggregate: EventAggregate, act: Act, *, why: str, reason: str | None = None) -> int:
    """提请裁决; returns the act's number. ``why``: no_agreement, limit, dispatcher."""
    return aggregate.advance(
        current(aggregate), "refer", act, name="referred_to_ruling", data={"why": why}, note=reason or ""
    )


def act_first(
    aggregate: EventAggregate, act: Act, unit_id: int, organizations: Organizations, *, reason: str | None
) -> None:
    """先办后议: this unit leads while they argue."""
    data = {"unit": organizations.code_of(unit_id)}
    dispute = current(aggregate)
    aggregate.advance(dispute, "act_first", act, data=data, note=reason or "", acting_unit_id=unit_id)


# --- it ends ------------------------------------------------------------------------------------------------------


def end(
    aggregate: EventAggregate,
    act: Act,
    trigger: Literal["agree", "rule"],
    decided: Decision,
    organizations: Organizations,
    *,
    reason: str | None = None,
) -> Dispute:
    """Whose job it is, agreed or ruled; the units that were asked look on no longer."""
    dispute = current(aggregate)
    data = {"unit": decided.unit, "supporting": [organizations.code_of(unit) for unit in decided.supporting_ids]}
    name = "negotiation_agreed" if trigger == "agree" else "jurisdiction_ruled"
    aggregate.advance(dispute, trigger, act, name=name, data=data, note=reason or "", unit_id=decided.unit_id)
    _dismiss_parties(aggregate, dispute, act)
    return dispute


def overtake(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork) -> None:
    """The lead has done the work while they argue: whoever has done it takes back that it was not theirs.

    Without an argument a return that waits for its review must be decided first: ``returns.ReturnPending``.
    """
    if about(aggregate, order) is None:
        returns.refuse_while_pending(aggregate, order)
    elif returns.open_request(aggregate, order) is not None:
        returns.withdraw(aggregate, order, act, work)


def drop(aggregate: EventAggregate, act: Act, *, cause: str) -> None:
    """Nothing is left to argue about: ``cause`` says why. Nothing happens when nobody argues."""
    dispute = aggregate.dispute
    if dispute is not None:
        aggregate.advance(dispute, "drop", act, name="dispute_dropped", data={"cause": cause}, note="")
        _dismiss_parties(aggregate, dispute, act)


def corrected(aggregate: EventAggregate, act: Act, before: Facts, organizations: Organizations) -> bool:
    """Other facts are a new case: no argument about the old one goes on, and no ruling binds any more.

    ``before``: the facts before the correction. Whom an accusation accuses is no such fact, but an argument in which
    an accused unit takes part ends. Returns whether the route may be decided again: not while units argue, nor
    against a ruling that binds.
    """
    hold = before.hold(aggregate.event)
    if not hold or _accused_argues(aggregate, organizations):
        drop(aggregate, act, cause="corrected")
    if hold:
        return not is_held(aggregate)
    for dispute in aggregate.disputes:
        if dispute.state == "ruled" and dispute.order_n is not None:
            aggregate.change(dispute, order_n=None)
    return True


def _accused_argues(aggregate: EventAggregate, organizations: Organizations) -> bool:
    dispute = aggregate.dispute
    if dispute is None:
        return False
    order = aggregate.order(dispute.order_n or 0)
    argue = {party.unit_id for party in parties_of(aggregate, dispute)} | {dispute.acting_unit_id}
    accused = {unit for org in aggregate.event.accused_org_ids for unit in organizations.under(org)}
    return not accused.isdisjoint(argue | ({order.unit_id} if order is not None else set()))


def _dismiss_parties(aggregate: EventAggregate, dispute: Dispute, act: Act) -> None:
    for party in parties_of(aggregate, dispute):
        dismiss(aggregate, party.unit_id, act.at, "party")
