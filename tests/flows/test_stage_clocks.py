"""One clock for each stage, and what a return request does to the unit's."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.core.timing import MovableClock, now
from tests.flows.limits_at_work import set_policies
from tests.flows.town import Town

#: words that name no item
RIDDLE = ("请你们尽快处理一下这个情况",)


async def clock_rows(town: Town, event_id: str, kind: str) -> list[Any]:
    """The clocks of a kind with the causes of their due times, in order."""
    return await town.rows(
        "SELECT c.*, (SELECT array_agg(d.cause ORDER BY d.generation) FROM clock_due d "
        "WHERE d.event_id = c.event_id AND d.clock_n = c.n) AS causes "
        "FROM clock c WHERE c.event_id = :id AND c.kind = :kind ORDER BY c.n",
        id=UUID(event_id),
        kind=kind,
    )


async def lead_handling(town: Town, event_id: str) -> Any:
    """The handling clock of the newest lead order."""
    (row,) = await town.rows(
        "SELECT c.* FROM clock c JOIN work_order o ON o.event_id = c.event_id AND o.n = c.order_n "
        "WHERE c.event_id = :id AND c.kind = 'handling' AND o.role = 'lead' ORDER BY c.n DESC LIMIT 1",
        id=UUID(event_id),
    )
    return row


async def dues(town: Town, event_id: str, clock_n: int) -> list[tuple[str, datetime]]:
    """(cause, due time) of each generation of a clock."""
    found = await town.rows(
        "SELECT cause, due_at FROM clock_due WHERE event_id = :id AND clock_n = :n ORDER BY generation",
        id=UUID(event_id),
        n=clock_n,
    )
    return [(row.cause, row.due_at) for row in found]


async def test_what_waits_for_a_person_has_a_clock_until_the_person_decides(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call(RIDDLE, content="说不清楚的一件事"))
    event_id = receipt["event_id"]
    assert (await town.event(event_id)).triage == "item_uncertain"
    (filing,) = await clock_rows(town, event_id, "filing")
    assert (filing.state, filing.limit_value, filing.limit_unit, filing.rule) == (
        "running",
        2,
        "work_hour",
        "filing_limit",
    )
    assert await clock_rows(town, event_id, "dispatch") == []

    clock.advance(minutes=25)
    await town.act("dispatcher1", f"events/{event_id}", "correct", item="GB/T 47678.5-2026/matter/06028")
    (filing,) = await clock_rows(town, event_id, "filing")
    assert (filing.state, filing.counted_minutes, filing.elapsed_minutes) == ("met", 25, 25)


async def test_inspection_and_callback_have_clocks_of_the_centre(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.handle(event_id)
    (inspection,) = await clock_rows(town, event_id, "inspection")
    assert (inspection.state, inspection.unit_id) == ("running", None)
    clock.advance(minutes=30)
    await town.inspect(event_id)
    (inspection,) = await clock_rows(town, event_id, "inspection")
    assert (inspection.state, inspection.elapsed_minutes) == ("met", 30)
    assert await clock_rows(town, event_id, "callback") == [], "nobody is called before they were answered"

    await town.act("callback1", f"events/{event_id}", "reply", body="已清理，请您查看。")
    (callback,) = await clock_rows(town, event_id, "callback")
    assert (callback.state, callback.report_id) == ("running", UUID(report_id))
    clock.advance(minutes=5)
    await town.call_back(report_id)
    (callback,) = await clock_rows(town, event_id, "callback")
    assert (callback.state, callback.elapsed_minutes) == ("met", 5)


async def test_a_second_report_leaves_the_first_one_s_callback_running(town: Town) -> None:
    first = await town.send("hotline-12345", town.call())
    event_id = first["event_id"]
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理，请您查看。")
    second = await town.send("hotline-12345", town.call(source_ref="SECOND-1"))
    assert second["event_id"] == event_id
    (callback,) = await clock_rows(town, event_id, "callback")
    assert callback.state == "running"


async def test_the_unit_s_clock_waits_while_its_return_is_reviewed(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, unit = await town.lead(event_id)
    before = await lead_handling(town, event_id)
    (total,) = await clock_rows(town, event_id, "citizen_total")

    clock.advance(minutes=30)
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    paused = await lead_handling(town, event_id)
    assert paused.due_at > before.due_at
    (review,) = await clock_rows(town, event_id, "return_review")
    assert (review.state, review.rule) == ("running", "return_review_limit")
    records = await town.rows(
        "SELECT pause_from, pause_until, grounds FROM clock_due "
        "WHERE event_id = :id AND clock_n = :n AND cause = 'paused'",
        id=UUID(event_id),
        n=paused.n,
    )
    assert [row.grounds for row in records] == ["return_review"]
    assert records[0].pause_until == review.due_at.replace(second=0, microsecond=0)

    clock.advance(minutes=45)
    await town.act("dispatcher1", order, "reject_return", reason="核对地图在本街道内")
    rejected = await lead_handling(town, event_id)
    assert rejected.due_at == before.due_at, "the pause is taken back"
    assert await dues(town, event_id, rejected.n) == [
        ("started", before.due_at),
        ("paused", paused.due_at),
        ("taken_back", before.due_at),
    ]
    (review,) = await clock_rows(town, event_id, "return_review")
    assert (review.state, review.elapsed_minutes) == ("met", 45)
    (same_total,) = await clock_rows(town, event_id, "citizen_total")
    assert (same_total.due_at, same_total.generation) == (total.due_at, 1), "the citizen's clock never pauses"


async def test_a_granted_return_starts_anew_at_the_other_unit(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, unit = await town.lead(event_id)
    first = await lead_handling(town, event_id)
    clock.advance(minutes=30)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="该地块由市场方管理")
    clock.advance(minutes=10)
    await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
    second = await lead_handling(town, event_id)
    assert second.n != first.n
    assert second.started_at == now()
    assert await dues(town, event_id, second.n) == [("started", second.due_at)]
    (row,) = [row for row in await clock_rows(town, event_id, "handling") if row.n == first.n]
    assert (row.state, row.counted_minutes, row.elapsed_minutes) == ("stopped", 30, 40), "ten minutes were its review"


@pytest.mark.parametrize("decided", ["withdraw_return", "reject_return"])
async def test_asking_again_and_again_gains_nothing(town: Town, clock: MovableClock, decided: str) -> None:
    await set_policies(town, returns_to_ruling="100")
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, unit = await town.lead(event_id)
    before = await lead_handling(town, event_id)
    for _ in range(3):
        await town.act(unit, order, "request_return", reason_code="other", reason="再议")
        clock.advance(minutes=3)
        who, said = (unit, {}) if decided == "withdraw_return" else ("dispatcher1", {"reason": "属本单位"})
        await town.act(who, order, decided, **said)
    after = await lead_handling(town, event_id)
    assert (after.due_at, after.generation) == (before.due_at, 7)


async def test_a_stage_whose_subject_fell_away_was_not_done(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    await town.act(unit, order, "withdraw_return")
    (review,) = await clock_rows(town, event_id, "return_review")
    assert review.state == "stopped"
    await town.act(unit, order, "request_return", reason_code="not_our_area", reason="在隔壁街道")
    await town.act("dispatcher1", order, "reject_return", reason="在本街道内")
    assert [row.state for row in await clock_rows(town, event_id, "return_review")] == ["stopped", "met"]

    await town.handle(event_id)
    await town.act("dispatcher1", f"events/{event_id}", "send_back", reason="照片看不出已清理")
    (inspection,) = await clock_rows(town, event_id, "inspection")
    assert inspection.state == "stopped", "it was taken back"
    await town.handle_again(event_id)
    await town.inspect(event_id, passed=False)
    assert [row.state for row in await clock_rows(town, event_id, "inspection")] == ["stopped", "met"]

    await town.handle_again(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理，请您查看。")
    await town.act("operator1", f"reports/{report_id}", "withdraw", reason="不用回访了")
    (callback,) = await clock_rows(town, event_id, "callback")
    assert callback.state == "stopped"


async def test_who_was_called_as_often_as_the_city_asks_was_called(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.act("callback1", f"events/{event_id}", "reply", body="已清理，请您查看。")
    states = []
    for _ in range(3):
        await town.act("callback1", f"reports/{report_id}", "callback", reached=False)
        states += [row.state for row in await clock_rows(town, event_id, "callback")]
    assert states == ["running", "running", "met"]
