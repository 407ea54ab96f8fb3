"""Several hands on one event: parts of an answer, sections and contractors, call-outs 吹哨报到, parts of the event.

A side page of ``app.loop``. One unit leads and answers for all, whoever helps.
"""

from collections.abc import Sequence
from dataclasses import replace

from app import loop
from app.clocks.limits import Limit
from app.dispatch import callouts, event_parts, orders, raised_levels, sub_orders, supporting
from app.dispatch.matters import named
from app.dispatch.routing import Decision
from app.events.aggregate import EventAggregate
from app.events.tables import WorkOrder
from app.events.visibility import accused_unknown
from app.intake import admission
from app.masters import limits
from app.turn import Turn

# ── 主办与协办: parts and one answer ──────────────────────────────────────────────────────────────────────────


def add_supporting(turn: Turn, unit_id: int, *, part: str) -> None:
    """增派协办: the centre asks one more unit for a part; the lead goes on answering for all."""
    decision = named(unit_id, turn.masters.organizations)
    orders.add_supporting(turn.event, decision, turn.order_limits, turn.act, part=part)


def send_back_part(turn: Turn, order: WorkOrder, *, reason: str) -> None:
    """退回协办部分: one part again, on its own clock; what others have done stays done."""
    supporting.send_back_part(turn.event, order, turn.order_limits, turn.act, reason=reason)


# ── 二次派单: inside a unit ───────────────────────────────────────────────────────────────────────────────────


def sub_dispatch(turn: Turn, order: WorkOrder, unit_id: int, *, limit: Limit, part: str) -> WorkOrder:
    """二次派单: the unit gives work on to its own section or contractor, within its own limit."""
    organizations = turn.masters.organizations
    sentence = f"{organizations.name(order.unit_id)}下派{organizations.name(unit_id)}，限 {limit.chinese}。"
    decision = replace(named(unit_id, organizations), step="sub_dispatch", tried=("单位内下派",), sentence=sentence)
    rule = limits.inner(turn.masters, unit_id, limit)
    return sub_orders.give(turn.event, order, decision, rule, turn.act, part=part)


def decline_sub(turn: Turn, order: WorkOrder, *, reason: str) -> None:
    """退回下派: the section or contractor gives it back to its unit."""
    giver = sub_orders.parent_of(turn.event, order).unit_id
    parent_unit = turn.masters.organizations.code_of(giver)
    sub_orders.decline(turn.event, order, turn.act, parent_unit=parent_unit, reason=reason)


def accept_sub(turn: Turn, order: WorkOrder) -> None:
    """验收: the unit takes over what its section or contractor has done."""
    sub_orders.accept(turn.event, order, turn.act)


def send_back_sub(turn: Turn, order: WorkOrder, *, limit: Limit | None, reason: str) -> None:
    """退回重做: once more, within the limit that it had before unless another one is set."""
    again = limit or sub_orders.last_limit(turn.event, order)
    if again is None:
        raise ValueError(f"order {order.n} has no inner limit")
    sub_orders.send_back(turn.event, order, limits.inner(turn.masters, order.unit_id, again), turn.act, reason=reason)


def recall_sub(turn: Turn, order: WorkOrder, *, reason: str) -> None:
    """收回下派: the unit does it otherwise."""
    sub_orders.recall(turn.event, order, turn.act, reason=reason)


# ── 吹哨报到: a street calls departments out ──────────────────────────────────────────────────────────────────


def street_callout(
    turn: Turn, order: WorkOrder, unit_ids: Sequence[int], *, kind: callouts.Kind, by: Limit | None, note: str
) -> list[WorkOrder]:
    """吹哨: each unit that is called must appear within the limit; nobody's other clock moves."""
    called = [(unit_id, limits.appearance(turn.masters, unit_id, by)) for unit_id in unit_ids]
    return callouts.call(turn.event, order, called, turn.act, turn.masters.organizations, kind=kind, note=note)


def answer_callout(turn: Turn, order: WorkOrder) -> None:
    """报到: in time, or late; ``loop.rung_due`` says when nobody came."""
    callouts.answer_callout(turn.event, order, turn.act, turn.masters.organizations)


def confirm_callout(turn: Turn, order: WorkOrder, *, rating: int, words: str | None, in_time: bool) -> None:
    """确认报到: the street says how it was helped, and if need be that they came in time."""
    callouts.confirm(turn.event, order, turn.act, rating=rating, words=words, in_time=in_time)


def dismiss_callout(turn: Turn, order: WorkOrder, *, reason: str) -> None:
    """撤哨: the street needs them no more."""
    callouts.dismiss_callout(turn.event, order, turn.act, reason=reason)


# ── parts of the event 拆分件 ─────────────────────────────────────────────────────────────────────────────────


def split(
    turn: Turn, wanted: Sequence[event_parts.Wanted], numbers: Sequence[str], *, kept: bool
) -> list[EventAggregate]:
    """拆分: each part becomes an event of its own; the reporters stay. ``kept``: the address is the centre's alone."""
    begun: list[EventAggregate] = []
    for one, event_no in zip(wanted, numbers, strict=True):
        level = turn.level_of(one.item)
        part = admission.part_event(
            turn.event.event, one.item, one.item_id, level, event_no, turn.act.at, address_kept=kept
        )
        data = {"from": turn.event.event.event_no, "event": str(turn.event.event.id), "item": one.item.key}
        part.record(turn.act, "split_off", data=data, note=one.words or "")
        begun.append(part)
    data = event_parts.as_data(begun, [one.item for one in wanted])
    turn.event.advance(turn.event.event, "split", turn.act, data=data)
    for one, part in zip(wanted, begun, strict=True):
        loop.dispatch(Turn(turn.masters, part, turn.act, turn.load), unit_id=one.unit_id)
    return begun


def join(turn: Turn, parent: Turn, *, keep_unit: bool) -> None:
    """合并: a part goes back into the event that it was split from; its unit may stay there as a supporting one."""
    part, lead = turn.event.event, turn.event.lead
    led_by = parent.event.lead.unit_id if parent.event.lead is not None else None
    kept = lead.unit_id if keep_unit and lead is not None and lead.unit_id != led_by else None
    code = turn.masters.organizations.code_of(kept) if kept is not None else None
    event = parent.event.event
    turn.event.record(turn.act, "joined", data={"into": event.event_no, "event": str(event.id), "kept_unit": code})
    loop.merge(turn, parent)
    parent.event.record(
        parent.act, "joined", data={"part": part.event_no, "event": str(part.id), "kept_unit": code}, note=""
    )
    if kept is not None and not supporting.takes_part(parent.event, kept):
        decision = named(kept, turn.masters.organizations)
        orders.add_supporting(parent.event, decision, parent.order_limits, parent.act, part=parent.act.note or "")


def part_ended(parent: Turn, part: EventAggregate) -> None:
    """拆分件办结: whatever its end, the event that it was split from is told of it."""
    parent.event.record(parent.act, "part_ended", data=event_parts.end_data(part), note="")


def part_reopened(parent: Turn, part: EventAggregate) -> None:
    """拆分件重办: the event that it was split from waits for it again, if it has not ended itself."""
    data = {"part": part.event.event_no, "event": str(part.event.id)}
    parent.event.record(parent.act, "part_reopened", data=data, note="")


def follow_accused(turn: Turn, parent: EventAggregate) -> None:
    """被举报单位: whom an event accuses its parts accuse too; a part that such a unit has is routed again."""
    event = turn.event.event
    accused = list(parent.event.accused_org_ids)
    if event.accused_org_ids == accused and event.nobody_accused == parent.event.nobody_accused:
        return
    if event.state in ("analyzing", "handling"):
        loop.correct(turn, item=None, item_id=None, place=None, accused=accused)
        return
    codes = [turn.masters.organizations.code_of(org) for org in accused]
    turn.event.record(turn.act, "accused_corrected", data={"accused": codes}, note="")
    turn.event.change(event, accused_org_ids=accused, nobody_accused=parent.event.nobody_accused)
    orders.end_accused(turn.event, turn.act, turn.masters.organizations, done_too=False)


# ── 提级 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def raise_level(turn: Turn, level: str, *, unit_id: int | None, reason: str) -> None:
    """提级办理: a higher level leads from now on, with clocks of its own; who led before helps it."""
    event, former, organizations = turn.event.event, turn.event.lead, turn.masters.organizations
    unit = organizations.code_of(former.unit_id) if former is not None else None
    data = {"from": event.level, "to": level, "former": unit}
    turn.event.advance(event, "raise_level", turn.act, data=data, note=reason, level=level)
    decision: Decision | None = None
    if unit_id is not None:
        decision = raised_levels.named_at(level, named(unit_id, organizations), organizations)
    elif not accused_unknown(event):
        decision = loop.decide(turn)
    if former is not None and not orders.goes_on(former, decision):
        orders.end_order(turn.event, former, "transfer", turn.act, cause="raised_level")
    loop.dispatch(turn, decision)
    if former is not None and former.ended_at is not None and not supporting.takes_part(turn.event, former.unit_id):
        orders.add_supporting(turn.event, named(former.unit_id, organizations), turn.order_limits, turn.act)
