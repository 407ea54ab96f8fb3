"""The less straight ways of the demo's events: argued about, helped, given on, called out for, split, raised.

Which report goes which way, and by which units, stands in ``demo_city/reports.jsonl``. As in ``steps``, the event's
present state alone says what comes next, so each way is gone once and to its end, whatever happens in between.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from app.commands.demo.reports import Planned
from app.commands.demo.staff import Json, Staff, Step

#: nothing to do about the order now: somebody else is to act first
WAIT: Final = Step("", "", "")
#: states of an event that has not ended
_AT_IT: Final = ("analyzing", "handling", "verifying", "answering", "closing")
_NOT_OURS: Final = "经现场查看，该事项不属于我单位职责，请改派。"


def part_of(plan: Planned) -> Planned:
    """How the part that was split off from the report's event is to end."""
    item = plan.part or plan.item
    return Planned(plan.index, plan.channel, item, "", "", plan.demand_type, plan.reporter, "handled", cell=plan.cell)


def open_orders(event: Json) -> list[Json]:
    """The orders that have not ended."""
    return [order for order in event["work_orders"] if order["ended_at"] is None]


def waits_for_others(event: Json, order: Json) -> bool:
    """Whether others still have their part to do: whoever helps the lead, is called out by it, or is split off."""
    given = [other for other in open_orders(event) if other["parent"] == order["id"]]
    helping = [other for other in open_orders(event) if other["role"] == "supporting" and order["role"] == "lead"]
    parts = [part for part in event["parts"] if part["state"] in _AT_IT]
    return bool(given or parts) or any(other["state"] != "reported_done" for other in helping)


def given_step(event: Json, order: Json, staff: Staff) -> Step | None:
    """What only orders below the centre's have: appearing, and being taken over by who gave them."""
    path = f"/work-orders/{order['id']}"
    if order["role"] not in ("sub", "callout"):
        return None
    if order["state"] == "reported_done":
        giver = next(other for other in event["work_orders"] if other["id"] == order["parent"])
        user = staff.unit_user(giver["unit"]["code"])
        if order["role"] == "sub":
            return Step(user, path, "accept_sub")
        return Step(user, path, "confirm_callout", {"rating": 5, "words": "及时到场，配合有力。"})
    if order["role"] == "callout" and order["state"] == "dispatched":
        return Step(staff.holder(event, order), path, "answer_callout")
    return None


# ── whose job it is ──────────────────────────────────────────────────────────────────────────────────────────


def quarrel_step(event: Json, plan: Planned, staff: Staff) -> Step | None:
    """What the units and the desks say in a dispute that goes on; None when nobody argues."""
    dispute = next((one for one in event["disputes"] if one["ended_at"] is None), None)
    if dispute is None:
        return None
    return _position(event, dispute, plan, staff) if dispute["state"] == "negotiating" else _ruling(event, plan, staff)


def _position(event: Json, dispute: Json, plan: Planned, staff: Staff) -> Step:
    code = next((p["unit"]["code"] for p in dispute["parties"] if p["stance"] is None), None)
    if code is None:
        return WAIT
    whose = plan.units[0] if plan.units else dispute["parties"][0]["unit"]["code"]
    ours = code == whose
    body = {
        "unit": code,
        "stance": "ours" if ours else "shared",
        "suggested_unit": whose,
        "reason": "该事项属我单位职责，由我单位牵头。" if ours else "我单位承担其中一部分，可以配合。",
    }
    return Step(staff.unit_user(code), f"/events/{event['id']}", "state_position", body)


def _ruling(event: Json, plan: Planned, staff: Staff) -> Step:
    path, lead = f"/events/{event['id']}", _lead(event)
    dispute = next(one for one in event["disputes"] if one["ended_at"] is None)
    acting = plan.units[1] if len(plan.units) > 1 else None
    if acting is not None and dispute["acting_unit"] is None:
        body = {"unit": acting, "reason": "争议期间不能没有人管，由其先到现场处置。"}
        return Step(staff.seat("dispatcher", event["id"]), path, "act_first", body)
    if lead is not None and dispute["acting_unit"] is not None and lead["state"] == "dispatched":
        return Step(staff.holder(event, lead), f"/work-orders/{lead['id']}", "sign_for")
    ruled = plan.units[-1] if plan.units else lead["unit"]["code"] if lead else ""
    item = event["item"]["name"] if event["item"] else "该事项"
    body = {
        "unit": ruled,
        "grounds": "依据职责清单和现场情况，由其承办更有利于根本解决。",
        "summary": f"同类“{item}”由{staff.names[ruled]}承办，不再退单。",
    }
    return Step(staff.seat("adjudicator", event["id"]), path, "rule_jurisdiction", body)


def _argued(event: Json) -> list[Json]:
    return [request for request in event["returns"] if request["reason_code"] == "not_our_duty"]


def _asked(event: Json, lead: Json) -> bool:
    return any(one["order_n"] == lead["n"] and one["state"] == "requested" for one in event["returns"])


def _return(event: Json, lead: Json, staff: Staff) -> Step:
    body = {"reason_code": "not_our_duty", "reason": _NOT_OURS}
    return Step(staff.holder(event, lead), f"/work-orders/{lead['id']}", "request_return", body)


def _to_ruling(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    """Each unit gives it back, until it goes to the ruling desk by itself."""
    if event["disputes"]:
        return None
    if not _asked(event, lead):
        return _return(event, lead, staff)
    had = {order["unit"]["code"] for order in event["work_orders"] if order["role"] == "lead"}
    unit = next((code for code in plan.units if code not in had), None)
    dispatcher = staff.seat("dispatcher", event["id"])
    return Step(dispatcher, f"/work-orders/{lead['id']}", "approve_return", {"unit": unit} if unit else {})


def _by_precedent(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    """The unit gives it back, and the dispatcher does as was ruled in the like case."""
    path, dispatcher = f"/work-orders/{lead['id']}", staff.seat("dispatcher", event["id"])
    if not _asked(event, lead):
        return None if _argued(event) else _return(event, lead, staff)
    if not event["precedents"]:
        return WAIT
    taught = event["precedents"][0]
    if taught["unit"]["code"] == lead["unit"]["code"]:
        return Step(dispatcher, path, "reject_return", {"reason": "同类事项已裁决由贵单位承办，请继续办理。"})
    return Step(dispatcher, path, "approve_return", {"precedent": taught["id"]})


def _negotiate(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    units = [code for code in plan.units if code != lead["unit"]["code"]]
    if event["disputes"] or not units:
        return None
    if not _asked(event, lead):
        return _return(event, lead, staff)
    body = {"units": [lead["unit"]["code"], *units], "reason": "涉及几家职责，请一起说清楚。"}
    return Step(staff.seat("dispatcher", event["id"]), f"/events/{event['id']}", "open_negotiation", body)


# ── several hands ────────────────────────────────────────────────────────────────────────────────────────────


def _help(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    if _took_part(event, plan.units[0]):
        return None
    body = {"unit": plan.units[0], "part": "核对审批和权属，督促责任单位配合整改"}
    return Step(staff.seat("dispatcher", event["id"]), f"/work-orders/{lead['id']}", "add_supporting", body)


def _give_on(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    if _took_part(event, plan.units[0]) or not staff.is_under(plan.units[0], lead["unit"]["code"]):
        return None
    body = {"unit": plan.units[0], "limit": "1 natural_hour", "part": "到现场处置并拍照回传"}
    return Step(staff.unit_user(lead["unit"]["code"]), f"/work-orders/{lead['id']}", "sub_dispatch", body)


def _street_callout(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    called = any(order["role"] == "callout" for order in event["work_orders"])
    if called or staff.levels[lead["unit"]["code"]] not in ("street", "community"):
        return None
    body = {"units": list(plan.units), "kind": "comprehensive_enforcement", "words": "请即到现场联合处置"}
    return Step(staff.unit_user(lead["unit"]["code"]), f"/work-orders/{lead['id']}", "street_callout", body)


def _split(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    if event["parts"]:
        return None
    part = {"item": plan.part, "unit": plan.units[0], "note": "另一处问题由其同时处置"}
    return Step(staff.seat("dispatcher", event["id"]), f"/events/{event['id']}", "split", {"parts": [part]})


def _raise_level(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    if event["level"] not in ("grid", "street"):
        return None
    body = {"level": "district", "unit": plan.units[0], "reason": "多次反复，街道一级难以解决，提级办理。"}
    return Step(staff.seat("dispatcher", event["id"]), f"/events/{event['id']}", "raise_level", body)


def _report_component(event: Json, lead: Json, plan: Planned, staff: Staff) -> Step | None:
    # In the one moment before it is started, since the event does not show what was reported.
    if lead["state"] != "signed" or event["component_id"] is None:
        return None
    path, user = f"/work-orders/{lead['id']}", staff.holder(event, lead)
    body = {"duty": "owner", "unit": plan.units[0], "reason": "该设施在小区红线内，登记的权属单位有误。"}
    return Step(user, path, "report_component", body, then=Step(user, path, "start"))


def _took_part(event: Json, unit: str) -> bool:
    return any(order["unit"]["code"] == unit for order in event["work_orders"])


_Way = Callable[[Json, Json, Planned, Staff], Step | None]
#: as soon as a unit leads
_AT_ONCE: Final[Mapping[str, _Way]] = {
    "ruling": _to_ruling,
    "precedent": _by_precedent,
    "negotiation": _negotiate,
    "raise_level": _raise_level,
}
#: once the lead has begun, or is about to
_AT_WORK: Final[Mapping[str, _Way]] = {
    "supporting": _help,
    "sub": _give_on,
    "callout": _street_callout,
    "split": _split,
    "component": _report_component,
}
#: every way of ``reports.jsonl``; in ``pool`` the grid's team leads anyway, and its worker takes the order
WAYS: Final[Sequence[str]] = (*_AT_ONCE, *_AT_WORK, "pool")


def way_step(event: Json, plan: Planned, staff: Staff) -> Step | None:
    """What the plan's way asks next of an event that is handled; None: the usual steps; ``WAIT``: nothing now."""
    lead = _lead(event)
    if lead is None or not plan.way:
        return None
    contacted = lead["first_contact_at"] is not None or not _contact_owed(event, lead)
    if (found := _AT_ONCE.get(plan.way)) is not None:
        return found(event, lead, plan, staff)
    if (found := _AT_WORK.get(plan.way)) is not None and lead["state"] in ("signed", "handling") and contacted:
        return found(event, lead, plan, staff)
    return None


def _contact_owed(event: Json, order: Json) -> bool:
    return any(clock["kind"] == "first_contact" and clock["order_n"] == order["n"] for clock in event["clocks"])


def _lead(event: Json) -> Any:
    return next((order for order in open_orders(event) if order["role"] == "lead"), None)
