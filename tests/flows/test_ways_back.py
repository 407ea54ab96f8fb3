"""Every way back to the unit, and every way in which a report finds its own path."""

import pytest

from app.core.timing import MovableClock
from tests.flows.town import ALONE, Town


async def begin(town: Town, **fields: object) -> tuple[str, str]:
    """A hotline report that is dispatched: (event id, report id)."""
    receipt = await town.send("hotline-12345", town.call(**fields))  # type: ignore[arg-type] # message fields
    return receipt["event_id"], receipt["report_id"]


async def test_approved_return_goes_to_the_named_unit_with_fresh_clocks(town: Town, clock: MovableClock) -> None:
    event_id, _ = await begin(town)
    order, unit = await town.lead(event_id)
    total_before = await town.rows(
        "SELECT due_at FROM clock WHERE event_id = :id AND kind = 'citizen_total'", id=event_id
    )
    clock.advance(hours=1)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="该地块由市场方管理")
    refused = await town.act(unit, order, "request_return", 409, reason_code="other", reason="再来一次")
    assert refused["code"] == "not_allowed_now"
    await town.act(unit, order, "sign_for")  # 先办后议: handling goes on
    held = await town.act(unit, order, "report_done", 409, result="resolved", statement="已清理")
    assert held["code"] == "not_allowed_now"
    assert "withdraw_return" in held["allowed"]
    await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
    second, second_unit = await town.lead(event_id)
    assert (second_unit, second != order) == ("u-d-urban", True)
    assert (await town.event(event_id)).state == "handling"
    states = await town.rows(
        "SELECT kind, state FROM clock WHERE event_id = :id AND order_n = :n", id=event_id, n=int(order.split(".")[1])
    )
    assert {row.state for row in states if row.kind == "handling"} == {"stopped"}
    total = await town.rows("SELECT due_at FROM clock WHERE event_id = :id AND kind = 'citizen_total'", id=event_id)
    assert total == total_before, "the citizen's clock never moves for what the government argues about"
    await town.get(unit, f"/events/{event_id}", 404)
    await town.act(unit, order, "start", 404)


async def test_rejected_and_withdrawn_returns_leave_the_order_where_it_was(town: Town) -> None:
    event_id, _ = await begin(town)
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "request_return", reason_code="wrong_item", reason="不是垃圾")
    await town.act(unit, order, "withdraw_return")
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    await town.act("dispatcher1", order, "reject_return", reason="核对地图在本街道内")
    rows = await town.rows("SELECT state FROM return_request WHERE event_id = :id ORDER BY n", id=event_id)
    assert [row.state for row in rows] == ["withdrawn", "rejected"]
    assert (await town.act(unit, order, "start"))["state"] == "handling"


async def test_return_without_a_name_is_routed_again_and_never_to_the_same_unit(town: Town) -> None:
    event_id, _ = await begin(town)
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不是我们的")
    await town.act("dispatcher1", order, "approve_return")
    event = await town.event(event_id)
    if event.state == "handling":
        assert (await town.lead(event_id))[1] != unit
    else:
        assert event.triage is not None


async def test_failed_inspection_goes_back_for_another_round(town: Town) -> None:
    event_id, report_id = await begin(town)
    order, unit = await town.handle(event_id)
    await town.inspect(event_id, passed=False)
    assert (await town.event(event_id)).state == "handling"
    (row,) = await town.rows(
        "SELECT state, round, result FROM work_order WHERE event_id = :id AND role = 'lead'", id=event_id
    )
    assert (row.state, row.round, row.result) == ("handling", 2, None)
    assert (await town.clocks(event_id))["handling"] == "running"
    await town.act(unit, order, "report_done", result="resolved", statement="重新清理完毕", without_parts=ALONE)
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    assert (await town.event(event_id)).state == "closed"
    rows = await town.rows("SELECT state, round FROM inspection WHERE event_id = :id ORDER BY n", id=event_id)
    assert [(row.state, row.round) for row in rows] == [("failed", 1), ("passed", 2)]


async def test_dissatisfied_caller_is_owed_everything_again(town: Town) -> None:
    event_id, report_id = await begin(town)
    order, unit = await town.handle(event_id)
    await town.inspect(event_id)
    await town.answer(event_id, report_id, level=5)
    event = await town.event(event_id)
    assert event.state == "handling"
    assert await town.debts(report_id) == {"result": "owed", "reply": "owed", "callback": "owed"}
    clocks = await town.clocks(event_id)
    assert (clocks["citizen_total"], clocks["handling"]) == ("running", "running")
    await town.act(unit, order, "report_done", result="resolved", statement="再次处置", without_parts=ALONE)
    await town.inspect(event_id)
    await town.answer(event_id, report_id, level=3)
    await town.close(event_id)
    rows = await town.rows(
        "SELECT satisfaction_level, satisfaction_scale, satisfied FROM callback WHERE report_id = :id ORDER BY n",
        id=report_id,
    )
    assert [tuple(row) for row in rows] == [(5, "five", False), (3, "five", True)]


async def test_unreached_callbacks_are_kept_and_waived_after_the_city_s_number(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"reports/{report_id}", "callback", 409, reached=False)  # not answered yet
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理。")
    for _ in range(2):
        await town.act("callback1", f"reports/{report_id}", "callback", reached=False)
    assert (await town.debts(report_id))["callback"] == "owed"
    await town.act("callback1", f"reports/{report_id}", "callback", reached=False)
    assert (await town.debts(report_id))["callback"] == "unreachable"
    assert (await town.event(event_id)).state == "closing"


async def test_the_centre_may_refuse_to_close(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.act("dispatcher1", f"events/{event_id}", "close", 422, standard_row_no=99, closing_condition_met=True)
    await town.act("dispatcher1", f"events/{event_id}", "close", 422, standard_row_no=1, closing_condition_met=False)
    await town.act("dispatcher1", f"events/{event_id}", "send_back", reason="照片看不出已清理")
    assert (await town.event(event_id)).state == "handling"


async def test_duplicate_joins_and_both_reporters_are_answered(town: Town) -> None:
    first = await town.send("hotline-12345", town.call())
    second = await town.send("snapshot", town.snapshot(east_m=20))
    third = await town.send("snapshot", town.snapshot(east_m=75))
    assert (second["outcome"], second["event_id"]) == ("joined", first["event_id"])
    assert third["outcome"] == "created", "beyond 50 m of the first point it is another event"
    event_id = first["event_id"]
    assert (await town.event(event_id)).report_count == 2
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理。")
    await town.call_back(first["report_id"])
    assert (await town.event(event_id)).state == "answering", "the second reporter has not been called back"
    await town.call_back(second["report_id"], level=2)
    await town.close(event_id)
    await town.deliver()
    rows = await town.rows(
        "SELECT l.report_id, r.state FROM event_report l JOIN report r ON r.id = l.report_id WHERE l.event_id = :id",
        id=event_id,
    )
    assert [row.state for row in rows] == ["settled", "settled"]
    assert await town.deliveries(event_id) == [("result", "delivered"), ("result", "delivered")]


async def test_a_day_later_it_is_another_event(town: Town, clock: MovableClock) -> None:
    first = await town.send("hotline-12345", town.call())
    clock.advance(hours=24, minutes=1)
    message = town.call(callTime="2026-03-11T10:00:00+08:00")
    assert (await town.send("hotline-12345", message))["event_id"] != first["event_id"]


async def test_text_only_neighbours_are_never_joined_by_themselves(town: Town) -> None:
    first = await town.send("hotline-12345", town.call(cell=None, address="大行宫社区"))
    second = await town.send("hotline-12345", town.call(cell=None, address="大行宫社区"))
    assert first["event_id"] != second["event_id"]


async def test_merged_reports_are_answered_by_the_target_and_final_with_it(town: Town) -> None:
    kept, kept_report = await begin(town, cell=None, address="大行宫社区")
    merged, merged_report = await begin(town, cell=None, address="大行宫社区")
    await town.act("dispatcher1", f"events/{merged}", "merge", into=kept)
    assert (await town.event(merged)).state == "merged"
    await town.handle(kept)
    await town.inspect(kept)
    await town.act("callback1", f"events/{kept}", "reply", body="已清理。")
    await town.call_back(kept_report)
    await town.call_back(merged_report)
    await town.close(kept)
    await town.deliver()
    assert (await town.event(kept)).settled_at is not None
    assert (await town.event(merged)).settled_at is not None
    assert await town.debts(merged_report) == {"result": "paid", "reply": "paid", "callback": "paid"}
    assert set((await town.clocks(merged)).values()) <= {"met", "stopped"}
    again = await town.act("dispatcher1", f"events/{merged}", "merge", 409, into=kept)
    assert again["code"] in ("not_allowed_now", "conflict")


async def test_unlinked_report_gets_an_event_of_its_own_clocked_from_its_receipt(
    town: Town, clock: MovableClock
) -> None:
    first = await town.send("hotline-12345", town.call())
    second = await town.send("snapshot", town.snapshot(east_m=10))
    clock.advance(hours=3)
    answer = await town.act("dispatcher1", f"reports/{second['report_id']}", "unlink", reason="不是同一处")
    own = answer["new_event_id"]
    assert own != first["event_id"]
    assert (await town.event(own)).state == "handling"
    (total,) = await town.rows("SELECT started_at FROM clock WHERE event_id = :id AND kind = 'citizen_total'", id=own)
    assert total.started_at == town.at("2026-03-10 10:00")
    assert (await town.event(first["event_id"])).report_count == 1
    refused = await town.act("dispatcher1", f"reports/{first['report_id']}", "unlink", 409, reason="也拆")
    assert refused["code"] == "not_allowed_now"


async def test_chase_and_supplement_act_on_the_open_report(town: Town) -> None:
    event_id, report_id = await begin(town)
    await town.act("operator1", f"reports/{report_id}", "chase", note="来电人催办")
    await town.act("operator1", f"reports/{report_id}", "chase")
    await town.act("operator1", f"reports/{report_id}", "supplement", text="又多了一堆")
    (row,) = await town.rows("SELECT chase_count FROM report WHERE id = :id", id=report_id)
    assert row.chase_count == 2
    assert (await town.acts(event_id))[-3:] == ["chase", "chase", "supplement"]
    assert len(await town.rows("SELECT 1 FROM event")) == 1


@pytest.mark.parametrize("supplement", ["补充：人还在闹"])
async def test_police_supplement_is_added_to_the_open_report(town: Town, supplement: str) -> None:
    message = town.police()
    first = await town.send("police-110", message)
    second = await town.send("police-110", message | {"BCJJNR": supplement})
    assert (second["outcome"], second["report_id"]) == ("supplemented", first["report_id"])
    again = await town.send("police-110", message | {"BCJJNR": supplement}, 200)
    assert again["repeated"] is True
    acts = await town.acts(first["event_id"])
    assert acts.count("supplement") == 1


async def test_correction_routes_again_once_and_closes_the_old_order_visibly(town: Town) -> None:
    event_id, _ = await begin(town)
    before, unit = await town.lead(event_id)
    await town.act("dispatcher1", f"events/{event_id}", "correct", item="BIHUAN-HOTLINE-2026/matter/H0201")
    after, new_unit = await town.lead(event_id)
    assert (before != after, unit != new_unit) == (True, True)
    rows = await town.rows(
        "SELECT state FROM work_order WHERE event_id = :id AND n = :n", id=event_id, n=int(before.split(".")[1])
    )
    assert rows[0].state == "transferred"
    acts = await town.acts(event_id)
    assert acts.count("dispatch") == 2
    (clock_row,) = await town.rows(
        "SELECT item_id FROM clock WHERE event_id = :id AND kind = 'citizen_total'", id=event_id
    )
    assert clock_row.item_id == (await town.event(event_id)).item_id


async def test_uncertain_item_waits_for_a_person_and_nothing_is_lost(town: Town) -> None:
    message = town.call(("没有这个大类", "没有这个小类"), content="那个东西不太对劲，你们看着办吧")
    receipt = await town.send("hotline-12345", message)
    event = await town.event(receipt["event_id"])
    assert (event.state, event.triage) == ("analyzing", "item_uncertain")
    assert (
        "top"
        in (await town.rows("SELECT data FROM timeline WHERE event_id = :id AND act = 'analyzed'", id=event.id))[0].data
    )
    await town.act("dispatcher1", f"events/{event.id}", "dispatch", 409)
    await town.act("dispatcher1", f"events/{event.id}", "correct", item="GB/T 47678.5-2026/matter/06010")
    assert (await town.event(receipt["event_id"])).state == "handling"


async def test_signing_signs_itself_and_missed_limits_are_written_down(town: Town, clock: MovableClock) -> None:
    from app import background

    event_id, _ = await begin(town)
    clock.advance(hours=1)
    await background.sweep(town.runtime)
    assert "sign_for" not in await town.acts(event_id)
    clock.advance(hours=6)
    await background.sweep(town.runtime)
    await background.sweep(town.runtime)
    rows = await town.rows(
        "SELECT state, signed_automatically FROM work_order WHERE event_id = :id AND role = 'lead'", id=event_id
    )
    assert tuple(rows[0]) == ("signed", True)
    clock.advance(days=14)
    await background.sweep(town.runtime)
    await background.sweep(town.runtime)
    missed = await town.rows(
        "SELECT data ->> 'kind' AS kind FROM timeline WHERE event_id = :id AND act = 'clock_missed' ORDER BY n",
        id=event_id,
    )
    kinds = [row.kind for row in missed]
    assert sorted(set(kinds)) == ["citizen_total", "first_contact", "handling"]
    assert kinds.count("citizen_total") == 1
