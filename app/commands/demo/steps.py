"""What somebody of the demo city does next about an event, judged by what the API shows of it and nothing else.

Pure: the event's present state goes in, one act comes out. So the demo can be stopped anywhere and goes on from there,
and whatever happens between a look and the act only means another look.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.commands.demo.reports import Planned, treatment_of
from app.commands.demo.staff import Json, Staff, Step
from app.commands.demo.ways import WAIT, given_step, open_orders, quarrel_step, waits_for_others, way_step

DESK: Final = "DESK-320102"
CLIENT: Final = "client"
_RETURNS: Final = (
    ("not_our_duty", "经现场查看，该设施不属于我单位管护范围，请改派。"),
    ("not_our_area", "该地点不在我单位辖区内，请改派。"),
    ("wrong_item", "现场情况与所派事项不符，请重新研判。"),
)
_DONE: Final = {
    "resolved": (
        "已到现场处置完毕，恢复正常，附处置后照片。",
        "已处理到位并清理现场，附照片。",
        "已整改完成，附照片。",
    ),
    "explained": ("经核实，已向诉求人说明情况和政策依据。", "该情况符合规定，已当面解释说明。"),
}


def next_step(event: Json, plans: Mapping[str, Planned], staff: Staff) -> Step | None:
    """The next act on an event (as ``GET /events/{id}`` shows it to the centre); None: nothing to do now.

    ``plans``: by report id, how the reports of this run are to end; by event id, how the parts split off from theirs.
    """
    own = [plans[key] for key in (*(report["id"] for report in event["reports"]), event["id"]) if key in plans]
    if not own:
        return None
    plan = next((one for one in own if one.outcome != "duplicate"), own[0])
    return (
        _caller(event, plans)
        or {
            "analyzing": _analyzing,
            "handling": _handling,
            "verifying": _verifying,
        }.get(event["state"], _nobody)(event, plan, staff)
        or _answer(event, plans, staff)
        or (_close(event, staff) if event["state"] == "closing" else None)
    )


def _nobody(event: Json, plan: Planned, staff: Staff) -> Step | None:
    return None


def _caller(event: Json, plans: Mapping[str, Planned]) -> Step | None:
    """What callers do to their open reports: withdraw, and chase when it takes too long."""
    for report in event["reports"]:
        plan = plans.get(report["id"])
        if plan is None or report["state"] != "open" or event["state"] not in ("analyzing", "handling"):
            continue
        if plan.outcome == "withdrawn":
            body = {"reason": "来电人表示问题已解决，要求撤单。"}
            return Step(CLIENT, f"/reports/{report['id']}", "withdraw", body, channel=plan.channel)
        if plan.outcome == "dissatisfied" and not report["chase_count"] and event["state"] == "handling":
            return Step(CLIENT, f"/reports/{report['id']}", "chase", channel=plan.channel)
    return None


def _analyzing(event: Json, plan: Planned, staff: Staff) -> Step:
    """The human queue: the desk answers, refuses, or names the item and the place; then the rules decide."""
    path = f"/events/{event['id']}"
    if plan.outcome == "direct_answer":
        body = {"answer": "已按政策规定直接答复，来电人表示清楚。"}
        return Step(staff.seat("operator", event["id"]), path, "settle_at_desk", body)
    dispatcher = staff.seat("dispatcher", event["id"])
    if plan.outcome == "not_accepted":
        return Step(dispatcher, path, "refuse", _refusal(plan))
    found = event["item"]["key"] if event["item"] else None
    body = {} if found == plan.item else {"item": plan.item}
    if plan.cell and event["place"]["community_code"] is None:
        body["area_code"] = plan.cell[:12]
    if body:
        return Step(dispatcher, path, "correct", body)
    if event["triage"] == "accused_unknown":
        # The demo's accusations are of shops, sites and neighbours, never of a unit of the city.
        return Step(dispatcher, path, "dispatch", {"accused_units": []})
    if plan.way == "precedent" and event["precedents"]:
        return Step(dispatcher, path, "dispatch", {"precedent": event["precedents"][0]["id"]})
    # What no rule answers, or only with a place that nobody knows, is the coordination desk's to find out.
    if event["triage"] in ("no_rule", "place_unknown", "level_raised", "order_cancelled"):
        return Step(dispatcher, path, "dispatch", {"unit": DESK})
    return Step(dispatcher, path, "dispatch")


def _refusal(plan: Planned) -> dict[str, Any]:
    words = {
        "statutory_route": "该事项应通过法定途径（诉讼、仲裁、行政复议）解决，已告知受理机关。",
        "disruption": "未反映具体诉求，已提醒不得占用热线。",
        "explanation_only": "不属于本平台受理范围，已说明理由和可以求助的部门。",
    }
    treatment = treatment_of(plan)
    return {"treatment": treatment, "explanation": words[treatment], "told": plan.channel == "hotline-12345"}


def _handling(event: Json, plan: Planned, staff: Staff) -> Step | None:
    """The units: they sign, call, go there, report done; or ask to give it back, which the centre decides."""
    if plan.outcome == "not_accepted" and event["lead_unit"]:
        return Step(staff.seat("dispatcher", event["id"]), f"/events/{event['id']}", "refuse", _refusal(plan))
    if argued := quarrel_step(event, plan, staff):
        return argued if argued is not WAIT else None
    if not _wrong_item(event, plan) and (own := way_step(event, plan, staff)):
        return own if own is not WAIT else None
    orders = open_orders(event)
    # Supporting units first, since the lead's word ends the handling; but they wait while it is not the lead's matter.
    lead_first = _wrong_item(event, plan) or (plan.outcome == "returned" and not event["returns"])
    for order in sorted(orders, key=lambda order: (order["role"] == "lead") != lead_first):
        if step := _order_step(event, order, plan, staff):
            return step
    return None


def _wrong_item(event: Json, plan: Planned) -> bool:
    return event["item"] is not None and event["item"]["key"] != plan.item


def _order_step(event: Json, order: Json, plan: Planned, staff: Staff) -> Step | None:
    path, user = f"/work-orders/{order['id']}", staff.holder(event, order)
    if step := given_step(event, order, staff):
        return step
    lead = order["role"] == "lead"
    wrong_item = lead and _wrong_item(event, plan)
    asked = [request for request in event["returns"] if request["order_n"] == order["n"]]
    if any(request["state"] == "requested" for request in asked):
        dispatcher = staff.seat("dispatcher", event["id"])
        if wrong_item and any(other["state"] == "reported_done" for other in open_orders(event)):
            # Too late to begin anew: somebody's part is done already. The lead stays.
            return Step(dispatcher, path, "reject_return", {"reason": "协办单位已处置完毕，请继续牵头办理。"})
        if wrong_item:
            # The rules decide anew for the right item, which ends this order and its request.
            return Step(dispatcher, f"/events/{event['id']}", "correct", {"item": plan.item})
        return Step(dispatcher, path, "approve_return")
    if lead and not event["returns"] and (wrong_item or plan.outcome == "returned"):
        code, reason = _RETURNS[2 if wrong_item else plan.index % 2]
        return Step(user, path, "request_return", {"reason_code": code, "reason": reason})
    if order["state"] == "dispatched":
        on_the_street = order["unit"]["code"] in staff.workers and order["holder"] is None
        return Step(user, path, "take" if on_the_street else "sign_for")
    if order["state"] == "signed":
        to_call = any(c["kind"] == "first_contact" and c["order_n"] == order["n"] for c in event["clocks"])
        if to_call and order["first_contact_at"] is None:
            return Step(user, path, "first_contact", {"reached": True})
        return Step(user, path, "start")
    if order["state"] == "handling" and not waits_for_others(event, order):
        explained = plan.outcome in ("direct_answer", "not_accepted") or plan.demand_type in ("inquiry", "praise")
        result = "explained" if explained else "resolved"
        said = _DONE[result][plan.index % len(_DONE[result])]
        if order["round"] > 1:
            said = "已再次到现场重新处置。" + said
        return Step(user, path, "report_done", {"result": result, "statement": said}, evidence=not explained)
    return None


def _verifying(event: Json, plan: Planned, staff: Staff) -> Step | None:
    path, collector = f"/events/{event['id']}", staff.seat("collector", event["id"])
    current = next((one for one in event["inspections"] if one["ended_at"] is None), None)
    if current is None:
        return None
    if current["state"] == "requested":
        return Step(collector, path, "claim_inspection")
    failed_before = any(one["state"] == "failed" for one in event["inspections"])
    if plan.outcome == "failed_inspection" and not failed_before:
        return Step(collector, path, "fail_inspection", {"note": "现场仍未恢复，退回重办。"}, evidence=True)
    return Step(collector, path, "pass_inspection", evidence=True)


def _answer(event: Json, plans: Mapping[str, Planned], staff: Staff) -> Step | None:
    """What is owed to the callers once the unit has reported done, or the event has ended: a reply, then a callback."""
    if event["state"] in ("analyzing", "handling", "verifying"):
        return None
    for report in event["reports"]:
        if "reply" in report["owes"]:
            return Step(_who_replies(event, report, staff), f"/reports/{report['id']}", "reply", _reply_words(event))
        if "callback" in report["owes"]:
            return Step(
                staff.seat("callback_agent", event["id"]),
                f"/reports/{report['id']}",
                "callback",
                _called(event, plans.get(report["id"])),
            )
    return None


def _who_replies(event: Json, report: Json, staff: Staff) -> str:
    """The lead unit; the centre itself where the unit may not know who asked, or where none has handled it."""
    hidden = report["demand_type"] == "accusation" or (report["reporter"] or {}).get("confidential")
    if hidden or event["lead_unit"] is None or event["state"] not in ("answering", "closing"):
        return staff.seat("operator", event["id"])
    return staff.unit_user(event["lead_unit"]["code"])


def _reply_words(event: Json) -> dict[str, Any]:
    if event["state"] == "not_accepted":
        return {"body": "您反映的事项不予受理，理由和可以办理的途径已向您说明。"}
    return {"body": "您反映的问题已处理，如仍有问题请随时联系。", "method": "phone"}


def _called(event: Json, plan: Planned | None) -> dict[str, Any]:
    first = all(order["round"] == 1 for order in event["work_orders"])
    unhappy = plan is not None and plan.outcome == "dissatisfied" and first
    level = 5 if unhappy else 1 + (plan.index % 3 if plan else 0)
    return {"reached": True, "contacted": True, "resolved": not unhappy, "satisfaction_level": level}


def _close(event: Json, staff: Staff) -> Step:
    row = staff.standard_rows.get(event["item"]["key"]) if event["item"] else None
    body = {"standard_row_no": row, "closing_condition_met": True}
    return Step(staff.seat("dispatcher", event["id"]), f"/events/{event['id']}", "close", body)
