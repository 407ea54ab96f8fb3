"""The demo's less straight ways are each gone once, by the right people, and to their end."""

from typing import Any

import pytest

from app.commands.demo.reports import Planned, choose, master_rows, read_reports
from app.commands.demo.staff import Staff, Step
from app.commands.demo.steps import next_step
from app.commands.demo.ways import WAYS, part_of

STAFF = Staff.of(master_rows("users"), master_rows("organizations"), master_rows("filing-standards"))
ITEM = "GB/T 47678.5-2026/matter/01003"
PART = "GB/T 47678.5-2026/matter/01004"
REPORT = "019a0000-0000-7000-8000-000000000001"
EVENT = "019a0000-0000-7000-8000-000000000002"
PLACE = {"community_code": "320102008003"}


def _order(n: int, unit: str, state: str, role: str = "lead", **members: Any) -> dict[str, Any]:
    order = {"id": f"{EVENT}.{n}", "n": n, "role": role, "unit": {"code": unit}, "state": state, "round": 1}
    return order | {"ended_at": None, "first_contact_at": None, "holder": None, "parent": None} | members


def _event(*orders: dict[str, Any], **members: Any) -> dict[str, Any]:
    report = {"id": REPORT, "state": "open", "demand_type": "help", "chase_count": 0, "owes": [], "reporter": {}}
    event = {
        "id": EVENT,
        "state": "handling",
        "level": "street",
        "triage": None,
        "item": {"key": ITEM, "name": "雨水井盖异常"},
        "component_id": None,
        "place": PLACE,
        "lead_unit": None,
        "work_orders": list(orders),
        "inspections": [],
        "clocks": [],
        "reports": [report],
        "ended_at": None,
    }
    return event | {name: [] for name in ("returns", "disputes", "precedents", "parts")} | members


def _step(event: dict[str, Any], way: str | None, *units: str, part: str | None = None) -> Step | None:
    plan = Planned(1, "snapshot", ITEM, "文", "题", "help", "named", "handled", way=way, units=units, part=part)
    return next_step(event, {REPORT: plan}, STAFF)


def _seen(event: dict[str, Any], way: str | None, *units: str, part: str | None = None) -> tuple[str, str] | None:
    step = _step(event, way, *units, part=part)
    return (step.who.rstrip("0123456789"), step.action) if step else None


def _asked(order: dict[str, Any], reason: str = "not_our_duty") -> dict[str, Any]:
    return {"order_n": order["n"], "state": "requested", "reason_code": reason}


def _dispute(state: str, **members: Any) -> dict[str, Any]:
    return {"state": state, "ended_at": None, "acting_unit": None, "parties": [], **members}


def test_units_give_it_back_until_it_is_ruled_while_another_one_acts() -> None:
    units = ("D-MUNI", "CT-DRAIN", "D-WATERRES")
    first = _order(3, "D-URBAN", "dispatched")
    assert _seen(_event(first), "ruling", *units) == ("u-d-urban", "request_return")
    approved = _step(_event(first, returns=[_asked(first)]), "ruling", *units)
    assert approved is not None
    assert (approved.action, approved.body) == ("approve_return", {"unit": "D-MUNI"})
    second = _order(5, "D-MUNI", "dispatched")
    gone = first | {"state": "returned", "ended_at": "t"}
    assert _seen(_event(gone, second), "ruling", *units) == ("u-d-muni", "request_return")
    open_ = _dispute("ruling")
    step = _step(_event(gone, second, disputes=[open_], returns=[_asked(second)]), "ruling", *units)
    assert step is not None
    assert (step.action, step.body["unit"]) == ("act_first", "CT-DRAIN")
    acting = open_ | {"acting_unit": {"code": "CT-DRAIN"}}
    third = _order(7, "CT-DRAIN", "dispatched")
    assert _seen(_event(third, disputes=[acting]), "ruling", *units) == ("u-ct-drain", "sign_for")
    ruled = _step(_event(third | {"state": "signed"}, disputes=[acting]), "ruling", *units)
    assert ruled is not None
    assert ruled.who.startswith("adjudicator")
    assert ruled.body["unit"] == "D-WATERRES"
    over = _dispute("ruled", ended_at="t")
    fourth = _order(9, "D-WATERRES", "dispatched")
    assert _seen(_event(fourth, disputes=[over]), "ruling", *units) == ("u-d-waterres", "sign_for")


def test_the_next_like_event_waits_for_the_precedent_and_follows_it() -> None:
    lead = _order(3, "D-URBAN", "dispatched")
    assert _seen(_event(lead), "precedent") == ("u-d-urban", "request_return")
    asked = _event(lead, returns=[_asked(lead)])
    assert _step(asked, "precedent") is None
    step = _step(asked | {"precedents": [{"id": 7, "unit": {"code": "D-MUNI"}}]}, "precedent")
    assert step is not None
    assert (step.action, step.body) == ("approve_return", {"precedent": 7})
    assert _seen(asked | {"precedents": [{"id": 7, "unit": {"code": "D-URBAN"}}]}, "precedent") == (
        "dispatcher",
        "reject_return",
    )


def test_a_negotiation_in_which_one_says_it_is_theirs() -> None:
    lead = _order(3, "D-URBAN", "dispatched")
    opened = _step(_event(lead, returns=[_asked(lead)]), "negotiation", "D-MUNI", "D-FIRE")
    assert opened is not None
    assert opened.body["units"] == ["D-URBAN", "D-MUNI", "D-FIRE"]
    parties = [{"unit": {"code": code}, "stance": None} for code in opened.body["units"]]
    stances = []
    for party in parties:
        event = _event(lead, disputes=[_dispute("negotiating", parties=parties)])
        step = _step(event, "negotiation", "D-MUNI", "D-FIRE")
        assert step is not None
        assert (step.action, step.who) == ("state_position", STAFF.unit_user(party["unit"]["code"]))
        party["stance"] = step.body["stance"]
        stances.append(party["stance"])
    assert stances == ["shared", "ours", "shared"]


@pytest.mark.parametrize(
    ("way", "units", "lead", "action"),
    [
        ("supporting", ("D-MUNI",), "D-URBAN", "add_supporting"),
        ("sub", ("CT-SANIT",), "D-URBAN", "sub_dispatch"),
        ("callout", ("D-FIRE", "D-MUNI"), "S-320102008-C", "street_callout"),
        ("split", ("D-WATERRES",), "D-URBAN", "split"),
    ],
)
def test_help_is_called_for_once_the_lead_is_at_work(way: str, units: tuple[str, ...], lead: str, action: str) -> None:
    at_work = _order(3, lead, "handling")
    step = _step(_event(at_work), way, *units, part=PART)
    assert step is not None
    assert step.action == action
    assert _seen(_event(_order(3, lead, "dispatched")), way, *units, part=PART) == (STAFF.unit_user(lead), "sign_for")


def test_only_a_street_calls_out_and_only_down_the_line_is_work_given_on() -> None:
    lead = _order(3, "D-URBAN", "handling")
    assert _seen(_event(lead), "callout", "D-FIRE") == ("u-d-urban", "report_done")
    assert _seen(_event(lead), "sub", "CT-ROAD") == ("u-d-urban", "report_done")


def test_who_is_called_out_appears_and_works_and_is_confirmed_before_the_street_reports() -> None:
    lead = _order(3, "S-320102008-C", "handling")
    called = _order(5, "D-FIRE", "dispatched", "callout", parent=lead["id"])
    for state, seen in (
        ("dispatched", ("u-d-fire", "answer_callout")),
        ("handling", ("u-d-fire", "report_done")),
        ("reported_done", ("u-s-320102008-c", "confirm_callout")),
    ):
        assert _seen(_event(lead, called | {"state": state}), "callout", "D-FIRE") == seen
    ended = called | {"state": "completed", "ended_at": "t"}
    assert _seen(_event(lead, ended), "callout", "D-FIRE") == ("u-s-320102008-c", "report_done")


def test_a_contractor_s_work_is_taken_over_by_the_unit_that_gave_it() -> None:
    lead = _order(3, "D-URBAN", "handling")
    sub = _order(5, "CT-SANIT", "reported_done", "sub", parent=lead["id"])
    assert _seen(_event(lead, sub), "sub", "CT-SANIT") == ("u-d-urban", "accept_sub")


def test_the_grid_worker_who_walks_there_takes_the_order_and_handles_it() -> None:
    order = _order(3, "G-320102008-1", "dispatched")
    step = _step(_event(order), "pool")
    assert step is not None
    assert (step.who, step.action) == ("grid-320102008003", "take")
    held = order | {"holder": {"username": "grid-320102008001"}}
    taken = _step(_event(held), "pool")
    assert taken is not None
    assert (taken.who, taken.action) == ("grid-320102008001", "sign_for")


def test_an_event_that_was_split_waits_for_its_part_which_ends_by_itself() -> None:
    lead = _order(3, "D-URBAN", "handling")
    part = {"event_id": "p", "state": "verifying"}
    assert _step(_event(lead, parts=[part]), "split", "D-WATERRES", part=PART) is None
    done = _event(lead, parts=[part | {"state": "closed"}])
    assert _seen(done, "split", "D-WATERRES", part=PART) == ("u-d-urban", "report_done")
    plan = Planned(1, "snapshot", ITEM, "文", "题", "help", "named", "returned", way="split", part=PART)
    own = _event(_order(3, "D-WATERRES", "dispatched"), reports=[], item={"key": PART, "name": "雨水箅子异常"})
    step = next_step(own, {EVENT: part_of(plan)}, STAFF)
    assert step is not None
    assert step.action == "sign_for"


def test_a_level_is_raised_once() -> None:
    lead = _order(3, "S-320102008-C", "dispatched")
    assert _seen(_event(lead), "raise_level", "D-TRAFFIC") == ("dispatcher", "raise_level")
    assert _seen(_event(lead, level="district"), "raise_level", "D-TRAFFIC") == ("u-s-320102008-c", "sign_for")


def test_a_wrong_entry_is_reported_in_the_breath_before_the_work_begins() -> None:
    event = _event(_order(3, "CT-LIGHT", "signed"), component_id="32010201037000009")
    step = _step(event, "component", "D-HOUSING")
    assert step is not None
    assert step.action == "report_component"
    assert step.then is not None
    assert step.then.action == "start"
    assert _seen(event | {"component_id": None}, "component", "D-HOUSING") == ("u-ct-light", "start")


def test_what_is_wrong_about_the_item_is_put_right_before_anybody_argues() -> None:
    lead = _order(3, "D-URBAN", "dispatched")
    step = _step(_event(lead, item={"key": "X/matter/1", "name": "别的"}), "ruling", "D-MUNI")
    assert step is not None
    assert step.body["reason_code"] == "wrong_item"


def test_a_usual_demo_shows_every_way_with_units_of_the_city_and_rulings_before_what_follows_them() -> None:
    chosen = choose(read_reports(), 120)
    ways = {way: [report for report in chosen if report.way == way] for way in WAYS}
    assert min(len(found) for found in ways.values()) >= 2
    assert {report.way for report in chosen} == {*WAYS, None}
    assert all(unit in STAFF.names for report in chosen for unit in report.units)
    assert all(report.part in STAFF.standard_rows for report in ways["split"])
    place = {report.index: n for n, report in enumerate(chosen)}
    ruled = {(report.item, (report.cell or "")[:9]): place[report.index] for report in ways["ruling"]}
    for report in ways["precedent"]:
        assert place[report.index] - ruled[report.item, (report.cell or "")[:9]] >= 100
