"""Each channel's report to a closed event, with every book checked on the way."""

from app.core.timing import MovableClock
from tests.flows.town import WAGES, Town


async def test_hotline_report_is_handled_inspected_answered_and_closed(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    assert receipt["outcome"] == "created"
    assert (await town.event(event_id)).state == "handling"
    assert await town.clocks(event_id) == {
        "citizen_total": "running",
        "signing": "running",
        "handling": "running",
        "first_contact": "running",
    }
    assert await town.debts(report_id) == {"result": "owed", "reply": "owed", "callback": "owed"}

    clock.advance(minutes=20)
    assert await town.help(event_id) == ["u-ct-sanit"]
    assert (await town.event(event_id)).state == "handling", "one part is not the whole"
    await town.handle(event_id)
    assert (await town.event(event_id)).state == "verifying"
    clocks = await town.clocks(event_id)
    assert (clocks["signing"], clocks["handling"], clocks["first_contact"]) == ("met", "met", "met")

    await town.inspect(event_id)
    assert (await town.event(event_id)).state == "answering"
    await town.answer(event_id, report_id, level=2)
    assert (await town.event(event_id)).state == "closing"
    assert await town.debts(report_id) == {"result": "owed", "reply": "paid", "callback": "paid"}

    await town.close(event_id)
    event = await town.event(event_id)
    assert (event.state, event.end_kind, event.standard_row_no) == ("closed", "handled", 1)
    assert event.settled_at is None, "the source has not been told yet"
    assert await town.deliveries(event_id) == [("result", "waiting")]

    await town.deliver()
    assert await town.deliveries(event_id) == [("result", "delivered")]
    assert (await town.event(event_id)).settled_at is not None
    assert set((await town.clocks(event_id)).values()) == {"met"}
    assert await town.acts(event_id) == [
        "received",
        "analyzed",
        "dispatch",
        "sign_for",  # the supporting unit
        "start",
        "report_done",
        "sign_for",
        "first_contact",
        "start",
        "report_done",
        "verify",
        "inspection_requested",
        "inspection_claimed",
        "inspection_passed",
        "answer",
        "reply",
        "called_back",
        "conclude",
        "close",
        "complete",  # the lead's order
        "complete",  # the supporting unit's
        "settle",
        "settled",
    ]


async def test_hotline_report_that_only_needs_an_answer_skips_the_inspection(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(WAGES, cell=None))
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    await town.handle(event_id, result="explained")
    assert (await town.event(event_id)).state == "answering"
    await town.answer(event_id, report_id)
    await town.close(event_id)
    assert (await town.event(event_id)).end_kind == "explained"


async def test_police_record_is_receipted_dispatched_by_a_person_and_its_result_goes_back(town: Town) -> None:
    receipt = await town.send("police-110", town.police())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    assert await town.deliveries(event_id) == [("receipt", "waiting")]
    event = await town.event(event_id)
    assert event.cell_id is not None, "the scene's pair, in the client's datum, finds the cell"
    if event.state == "analyzing":
        await town.act("dispatcher1", f"events/{event_id}", "correct", item="BIHUAN-POLICE-2026/matter/P0101")
    assert (await town.event(event_id)).state == "handling"
    await town.handle(event_id)
    if (await town.event(event_id)).state == "verifying":
        await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    await town.deliver()
    assert await town.deliveries(event_id) == [("receipt", "delivered"), ("result", "delivered")]
    assert (await town.event(event_id)).settled_at is not None


async def test_snapshot_report_is_closed_and_its_pictures_are_kept(town: Town) -> None:
    receipt = await town.send("snapshot", town.snapshot())
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    (report,) = await town.rows("SELECT pictures, source_crs FROM report WHERE id = :id", id=report_id)
    assert report.source_crs == "gcj02"
    assert len(await town.runtime.attachments.get(report.pictures[0])) > 100
    await town.handle(event_id)
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None
