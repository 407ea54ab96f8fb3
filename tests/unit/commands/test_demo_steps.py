"""What the demo's people do next is read from the event's state alone."""

from copy import deepcopy
from typing import Any

from app.commands.demo.reports import Planned, master_rows
from app.commands.demo.staff import Staff
from app.commands.demo.steps import CLIENT, DESK, next_step

STAFF = Staff.of(master_rows("users"), master_rows("organizations"), master_rows("filing-standards"))
ITEM = "GB/T 47678.5-2026/matter/01003"
REPORT = "019a0000-0000-7000-8000-000000000001"
EVENT = "019a0000-0000-7000-8000-000000000002"


def _plan(outcome: str = "handled") -> dict[str, Planned]:
    return {REPORT: Planned(1, "hotline-12345", ITEM, "文", "题", "help", "named", outcome, cell="320102008003003")}


def _event(state: str, **members: Any) -> dict[str, Any]:
    report = {
        "id": REPORT,
        "state": "open",
        "demand_type": "help",
        "chase_count": 0,
        "owes": ["result"],
        "reporter": {"confidential": False},
    }
    return {
        "id": EVENT,
        "state": state,
        "triage": None,
        "item": {"key": ITEM},
        "place": {"community_code": "320102008003"},
        "lead_unit": {"code": "D-URBAN"},
        "work_orders": [],
        "returns": [],
        "disputes": [],
        "precedents": [],
        "parts": [],
        "inspections": [],
        "clocks": [],
        "reports": [report],
        "ended_at": None,
        **members,
    }


def _order(state: str, n: int = 3, role: str = "lead", unit: str = "D-URBAN", **members: Any) -> dict[str, Any]:
    order = {"id": f"{EVENT}.{n}", "n": n, "role": role, "unit": {"code": unit}, "state": state, "round": 1}
    return {**order, "ended_at": None, "first_contact_at": None, "holder": None, "parent": None, **members}


def _acts(event: dict[str, Any], outcome: str = "handled") -> tuple[str, str] | None:
    step = next_step(event, _plan(outcome), STAFF)
    return (step.who.rstrip("0123456789"), step.action) if step else None


def test_the_human_queue_names_item_and_place_then_dispatches() -> None:
    unknown = _event("analyzing", item=None, place={"community_code": None}, lead_unit=None)
    step = next_step(unknown, _plan(), STAFF)
    assert step is not None
    assert step.action == "correct"
    assert step.body == {"item": ITEM, "area_code": "320102008003"}
    step = next_step(_event("analyzing", triage="no_rule"), _plan(), STAFF)
    assert step is not None
    assert step.body == {"unit": DESK}


def test_an_accusation_is_dispatched_by_saying_that_no_unit_is_accused_after_its_item_is_right() -> None:
    waiting = _event("analyzing", triage="accused_unknown")
    step = next_step(waiting, _plan(), STAFF)
    assert step is not None
    assert (step.action, step.body) == ("dispatch", {"accused_units": []})
    step = next_step(waiting | {"item": None}, _plan(), STAFF)
    assert step is not None
    assert (step.action, step.body) == ("correct", {"item": ITEM})
    assert _acts(waiting, "not_accepted") == ("dispatcher", "refuse")


def test_the_desk_answers_and_refuses() -> None:
    assert _acts(_event("analyzing"), "direct_answer") == ("operator", "settle_at_desk")
    assert _acts(_event("analyzing"), "not_accepted") == ("dispatcher", "refuse")


def test_a_unit_signs_calls_starts_and_reports_done_in_this_order() -> None:
    to_call = [{"kind": "first_contact", "order_n": 3}]
    states = [
        (_order("dispatched"), "sign_for"),
        (_order("signed"), "first_contact"),
        (_order("signed", first_contact_at="t"), "start"),
        (_order("handling"), "report_done"),
    ]
    for order, action in states:
        assert _acts(_event("handling", work_orders=[order], clocks=to_call)) == ("u-d-urban", action)
    step = next_step(_event("handling", work_orders=[_order("handling")]), _plan(), STAFF)
    assert step is not None
    assert step.evidence


def test_supporting_units_come_before_the_lead() -> None:
    orders = [_order("handling"), _order("signed", n=4, role="supporting", unit="D-MUNI")]
    assert _acts(_event("handling", work_orders=orders)) == ("u-d-muni", "start")


def test_the_lead_waits_for_the_parts_even_where_it_comes_first() -> None:
    orders = [_order("handling"), _order("handling", n=4, role="supporting", unit="D-MUNI")]
    event = _event("handling", work_orders=orders, item={"key": "X/matter/1"})
    event["returns"] = [{"order_n": 3, "state": "rejected"}]
    assert _acts(event) == ("u-d-muni", "report_done")
    orders[1]["state"] = "reported_done"
    assert _acts(event) == ("u-d-urban", "report_done")


def test_returns_are_asked_for_once_and_decided_by_the_centre() -> None:
    event = _event("handling", work_orders=[_order("dispatched")])
    assert _acts(event, "returned") == ("u-d-urban", "request_return")
    event["returns"] = [{"order_n": 3, "state": "requested"}]
    assert _acts(event, "returned") == ("dispatcher", "approve_return")
    event["returns"] = [{"order_n": 3, "state": "rejected"}]
    assert _acts(event, "returned") == ("u-d-urban", "sign_for")


def test_a_wrong_item_comes_back_and_is_corrected() -> None:
    other = _order("signed", n=4, role="supporting", unit="D-MUNI")
    event = _event("handling", work_orders=[other, _order("dispatched")], item={"key": "X/matter/1"})
    assert _acts(event) == ("u-d-urban", "request_return")
    event["returns"] = [{"order_n": 3, "state": "requested"}]
    assert _acts(event) == ("dispatcher", "correct")
    late = deepcopy(event)
    late["work_orders"][0]["state"] = "reported_done"
    assert _acts(late) == ("dispatcher", "reject_return")


def test_one_collector_claims_and_decides_and_fails_once() -> None:
    def waiting(state: str, *before: str) -> dict[str, Any]:
        done = [{"state": one, "ended_at": "t"} for one in before]
        return _event("verifying", inspections=[*done, {"state": state, "ended_at": None}])

    claim = next_step(waiting("requested"), _plan(), STAFF)
    decide = next_step(waiting("claimed"), _plan(), STAFF)
    assert claim is not None
    assert decide is not None
    assert claim.who == decide.who
    assert (claim.action, decide.action) == ("claim_inspection", "pass_inspection")
    assert _acts(waiting("claimed"), "failed_inspection") == ("collector", "fail_inspection")
    assert _acts(waiting("claimed", "failed"), "failed_inspection") == ("collector", "pass_inspection")


def test_reply_then_callback_then_closing_with_the_filing_standard() -> None:
    event = _event("answering", work_orders=[_order("reported_done")])
    event["reports"][0]["owes"] = ["result", "reply", "callback"]
    assert _acts(event) == ("u-d-urban", "reply")
    event["reports"][0]["reporter"] = {"confidential": True}
    assert _acts(event) == ("operator", "reply")
    event["reports"][0]["owes"] = ["result", "callback"]
    assert _acts(event) == ("callback", "callback")
    event["reports"][0]["owes"] = ["result"]
    event["state"] = "closing"
    step = next_step(event, _plan(), STAFF)
    assert step is not None
    assert step.action == "close"
    assert step.body == {"standard_row_no": 1, "closing_condition_met": True}


def test_dissatisfied_once_satisfied_after_the_second_round() -> None:
    event = _event("answering", work_orders=[_order("reported_done")])
    event["reports"][0] |= {"owes": ["callback"], "chase_count": 1}
    first = next_step(event, _plan("dissatisfied"), STAFF)
    event["work_orders"][0]["round"] = 2
    second = next_step(event, _plan("dissatisfied"), STAFF)
    assert first is not None
    assert second is not None
    assert (first.body["satisfaction_level"], second.body["satisfaction_level"] <= 3) == (5, True)


def test_callers_withdraw_and_chase_through_their_channel() -> None:
    step = next_step(_event("handling", work_orders=[_order("signed")]), _plan("withdrawn"), STAFF)
    assert step is not None
    assert (step.who, step.action, step.channel) == (CLIENT, "withdraw", "hotline-12345")
    assert _acts(_event("handling", work_orders=[_order("signed")]), "dissatisfied") == (CLIENT, "chase")


def test_nothing_to_do_at_the_end_or_for_reports_of_others() -> None:
    assert next_step(_event("closed", ended_at="t"), _plan(), STAFF) is None
    assert next_step(_event("analyzing"), {}, STAFF) is None
