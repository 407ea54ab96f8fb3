"""吹哨报到: a street calls departments out; they appear in time, late, or not at all (DOMAIN.md §4.4).

Whoever does not appear within the limit is brought before the unit above it, and may still come.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal, get_args

from app.accounts.organizations import Organizations
from app.clocks.ladder import DUE
from app.clocks.running import LimitRule, end_clocks, running, start_clock
from app.dispatch.orders import admit, end_order, new_order
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.tables import WorkOrder

#: 综合执法, 重点工作, 应急处置
Kind = Literal["comprehensive_enforcement", "key_task", "emergency_response"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
_KINDS_ZH: Final = {
    "comprehensive_enforcement": "综合执法",
    "key_task": "重点工作",
    "emergency_response": "应急处置",
}
#: how long after the limit a phone may still bring the word that its unit had come in time: the street stands where
#: they should be and sees them; a dead zone lasts an hour, an excuse lasts as long as one likes
OFFLINE_ALLOWANCE: Final = timedelta(hours=1)
_CALLERS: Final = ("street", "community")
_CALLED: Final = ("district", "city")


def why_no_call(organizations: Organizations, order: WorkOrder) -> str | None:
    """Why the order's unit may not call out, as a sentence; None: it may."""
    row = organizations.by_id(order.unit_id)
    if row is None or row.level not in _CALLERS:
        return "只有街道、社区一级的单位可以吹哨。"
    return None


def why_not_called(
    aggregate: EventAggregate, organizations: Organizations, order: WorkOrder, unit_id: int
) -> str | None:
    """Why this unit cannot be called out by the order's unit, as a sentence; None: it can."""
    row, name = organizations.by_id(unit_id), organizations.name(unit_id)
    if row is None or row.level not in _CALLED or unit_id in organizations.under(order.unit_id):
        return f"{name}不是区、市一级的部门或单位，不能吹哨请其报到。"
    if any(other.unit_id == unit_id and other.role == "callout" for other in aggregate.open_orders):
        return f"已吹哨请{name}报到，尚未结束。"
    return None


def call(
    aggregate: EventAggregate,
    parent: WorkOrder,
    called: Sequence[tuple[int, LimitRule]],
    act: Act,
    organizations: Organizations,
    *,
    kind: Kind,
    note: str,
) -> list[WorkOrder]:
    """吹哨: one act, an order for each unit called with its limit to appear. ``note``: where, when, what for."""
    names = "、".join(organizations.name(unit_id) for unit_id, _ in called)
    data = {
        "step": "callout",
        "kind": kind,
        "parent_n": parent.n,
        "units": [organizations.code_of(unit_id) for unit_id, _ in called],
        "limits": [str(rule.limit) for _, rule in called],
        "sentence": f"{organizations.name(parent.unit_id)}因{_KINDS_ZH[kind]}吹哨，请{names}报到。",
    }
    n = aggregate.record(act, "street_callout", subject=parent, data=data, note=note)
    given = []
    for unit_id, rule in called:
        order = new_order(aggregate, unit_id, "callout", n, act, parent=parent)
        start_clock(aggregate, "appearance", rule, act.at, n, order_n=order.n, unit_id=unit_id)
        given.append(order)
    return given


def answer_callout(aggregate: EventAggregate, order: WorkOrder, act: Act, organizations: Organizations) -> None:
    """报到: when they came is what they say (``acted_at``), but nobody came before they were called.

    Late is late, whether or not the sweep had noticed that nobody was there. Who tells us longer than
    ``OFFLINE_ALLOWANCE`` after the limit that they had come within it (``backdated``) is late too, unless the unit that
    called confirms it (``confirm``).
    """
    act = replace(act, acted_at=max(act.acted_at, order.dispatched_at))
    clocks = running(aggregate, "appearance", order=order)
    backdated = any(act.acted_at <= clock.due_at < act.at - OFFLINE_ALLOWANCE for clock in clocks)
    came_at = act.at if backdated else act.acted_at
    late = any(came_at > clock.due_at for clock in clocks)
    for clock in clocks:
        if came_at > clock.due_at and not _was_missed(aggregate, clock):
            no_show(aggregate, order, Act(SYSTEM, act.at, clock.due_at), organizations)
    signed_at = order.signed_at or act.acted_at
    data = {"late": late} | ({"backdated": True} if backdated else {})
    aggregate.advance(order, "answer_callout", act, data=data, signed_at=signed_at, started_at=act.acted_at)
    for clock in clocks:
        end_clocks(aggregate, [clock], "met", came_at)


def _was_missed(aggregate: EventAggregate, clock: Clock) -> bool:
    return any((rung.clock_n, rung.rung) == (clock.n, DUE.name) for rung in aggregate.clock_rungs)


def no_show(aggregate: EventAggregate, order: WorkOrder, act: Act, organizations: Organizations) -> int:
    """未报到: written down, and brought before who stands above the unit. Returns the act's number."""
    above = _leaders_of(aggregate, organizations, order.unit_id)
    data = {"unit": organizations.code_of(order.unit_id), "to": [organizations.code_of(org_id) for org_id in above]}
    n = aggregate.advance(order, "no_show", act, data=data, note="")
    for org_id in above:
        admit(aggregate, org_id, "supervising", act.at)
    return n


def _leaders_of(aggregate: EventAggregate, organizations: Organizations, unit_id: int) -> list[int]:
    """The unit above, else the coordination desk of the event's district; never one that the event accuses."""
    event = aggregate.event
    leaders = list(organizations.above(unit_id)[:1])
    if not leaders and event.district_code:
        desks = organizations.of_area(event.district_code, "coordination_desk")
        leaders = [org_id for row in desks if (org_id := organizations.id_of(row.code)) is not None]
    accused = {org for one in event.accused_org_ids for org in organizations.under(one)}
    return [org_id for org_id in leaders if org_id not in accused]


def confirm(
    aggregate: EventAggregate, order: WorkOrder, act: Act, *, rating: int, words: str | None, in_time: bool = False
) -> None:
    """确认: the street says how it was helped, 1 (poor) to 5 (good), and may say that they did come in time."""
    data = {"parent_n": order.parent_n, "rating": rating} | ({"in_time": True} if in_time else {})
    aggregate.advance(order, "complete", act, name="callout_confirmed", data=data, note=words)


def dismiss_callout(aggregate: EventAggregate, order: WorkOrder, act: Act, *, reason: str) -> None:
    """撤哨: the street needs them no more."""
    end_order(aggregate, order, "cancel", act, cause="dismissed", reason=reason)
