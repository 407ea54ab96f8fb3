"""举报件: whom it accuses is said by a person, that it accuses no unit too; what each seat sees before and after."""

from typing import Any

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import RUBBISH, Town

#: sits in the coordination desk, which is a unit like any other
DESK = "u-desk-320102"
LISTS = ("/events", "/work-orders", "/reports", "/inspections", "/supervision/overdue")
WORDS = "举报隔壁店主偷倒垃圾"
DOOR = "樱驼村九栋二单元"


async def accuse(town: Town, accused: str = "某某科室") -> tuple[str, str]:
    """An accusation that the rules could dispatch but for whom it accuses; its event and report."""
    sent = town.call(RUBBISH, orderType="举报", accusedUnit=accused, content=WORDS, title=WORDS, address=DOOR)
    receipt = await town.send("hotline-12345", sent)
    return receipt["event_id"], receipt["report_id"]


async def stated(town: Town, username: str, event_id: str) -> list[tuple[str, Any, str]]:
    """(act, accused, role) of the timeline rows that say whom the event accuses, as this user reads them."""
    shown = await town.get(username, f"/events/{event_id}/timeline")
    rows = shown["items"] if isinstance(shown, dict) else shown
    return [(row["act"], row["data"]["accused"], row["actor_role"]) for row in rows if "accused" in row["data"]]


async def sees_nothing(town: Town, username: str, event_id: str, report_id: str) -> None:
    """Neither by its address nor in any list."""
    for path in (f"/events/{event_id}", f"/events/{event_id}/timeline", f"/reports/{report_id}"):
        await town.get(username, path, 404)
    for path in LISTS:
        assert event_id not in str(await town.get(username, path)), (username, path)


async def sees(town: Town, username: str, event_id: str, report_id: str, *lists: str) -> None:
    """By its address and in these lists, without the accuser's words."""
    for path in (f"/events/{event_id}", f"/events/{event_id}/timeline", f"/reports/{report_id}"):
        assert WORDS not in str(await town.get(username, path)), (username, path)
    for path in lists:
        shown = str(await town.get(username, path))
        assert event_id in shown, (username, path)
        assert WORDS not in shown, (username, path)


async def test_an_accusation_of_no_unit_goes_all_the_way_like_any_other_event(town: Town) -> None:
    event_id, report_id = await accuse(town)
    for username in ("u-d-urban", DESK, "collector1"):
        await sees_nothing(town, username, event_id, report_id)
    await town.act("dispatcher1", f"events/{event_id}", "dispatch")
    assert (await town.event(event_id)).triage == "accused_unknown", "nothing has been said"

    await town.act("dispatcher1", f"events/{event_id}", "dispatch", accused_units=[])
    event = await town.event(event_id)
    assert (event.state, event.triage, event.accused_org_ids, event.nobody_accused) == ("handling", None, [], True)
    assert await stated(town, "dispatcher1", event_id) == [("correct", [], "dispatcher")]
    _, unit = await town.lead(event_id)
    assert await stated(town, unit, event_id) == []
    await sees(town, unit, event_id, report_id, "/events", "/work-orders", "/reports")
    for path in ("/events", "/work-orders", "/reports"):
        shown = str(await town.get(DESK, path))
        assert event_id in shown, path
        assert WORDS in shown, (path, "by the same person's seat in the centre")
        assert DOOR in shown, path
    assert (await town.get(DESK, f"/events/{event_id}"))["stand"] == "centre"
    await sees_nothing(town, "u-city-gas", event_id, report_id)
    await sees_nothing(town, "collector1", event_id, report_id)

    await town.handle(event_id)
    await sees(town, "collector1", event_id, report_id, "/inspections")
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    assert (await town.event(event_id)).state == "closed"
    assert await town.debts(report_id) == {"reply": "paid", "callback": "paid", "result": "owed"}
    await town.deliver()
    assert (await town.event(event_id)).settled_at is not None


async def test_that_nobody_is_accused_holds_when_the_rules_decide_again(town: Town) -> None:
    event_id, _ = await accuse(town)
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="D-MARKET", accused_units=[])
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不归我单位")
    await town.act("dispatcher1", order, "approve_return")
    event = await town.event(event_id)
    assert (event.state, event.triage) == ("handling", None)
    assert (await town.lead(event_id))[1] != unit


async def test_a_named_unit_sees_nothing_and_is_not_asked(town: Town) -> None:
    event_id, report_id = await accuse(town)
    for body in ({"unit": "D-URBAN", "accused_units": ["D-URBAN"]}, {"accused_units": ["NOBODY"]}):
        refused = await town.act("dispatcher1", f"events/{event_id}", "dispatch", 422, **body)
        assert refused["code"] == "malformed"
    assert (await town.event(event_id)).triage == "accused_unknown", "a refused act has said nothing"

    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="D-MARKET", accused_units=["D-URBAN"])
    assert not (await town.event(event_id)).nobody_accused
    assert await stated(town, "dispatcher1", event_id) == [("correct", ["D-URBAN"], "dispatcher")]
    await sees(town, "u-d-market", event_id, report_id, "/events", "/work-orders", "/reports")
    assert "D-URBAN" not in str(await town.get("u-d-market", f"/events/{event_id}/timeline"))
    await sees_nothing(town, "u-d-urban", event_id, report_id)
    await town.handle(event_id)
    await sees_nothing(town, "u-d-urban", event_id, report_id)


async def test_what_was_said_can_be_corrected_both_ways(town: Town) -> None:
    event_id, report_id = await accuse(town)
    path = f"events/{event_id}"
    await town.act("dispatcher1", path, "dispatch", unit="D-URBAN", accused_units=[])
    await sees(town, "u-d-urban", event_id, report_id, "/events")
    await town.act("dispatcher1", path, "correct", accused_units=["D-URBAN"])
    event = await town.event(event_id)
    assert (len(event.accused_org_ids), event.nobody_accused) == (1, False)
    await sees_nothing(town, "u-d-urban", event_id, report_id)
    await town.act("dispatcher1", path, "correct", accused_units=[], redispatch=False)
    event = await town.event(event_id)
    assert (event.accused_org_ids, event.nobody_accused) == ([], True)
    said = [accused for _, accused, _ in await stated(town, "dispatcher1", event_id)]
    assert said == [[], ["D-URBAN"], []]


async def test_changes_follow_what_has_been_said(committing_runtime: Runtime, city: City, clock: MovableClock) -> None:
    town = Town(committing_runtime, city)  # what has not been committed is no change yet

    async def changed(username: str) -> dict[str, list[Any]]:
        """For each event, the ``accused`` of its rows that say it."""
        answer = await town.get(username, "/changes", limit=200)
        found: dict[str, list[Any]] = {}
        for row in answer["items"]:
            found.setdefault(row["event_id"], []).extend([row["data"]["accused"]] if "accused" in row["data"] else [])
        return found

    event_id, _ = await accuse(town)
    assert await changed("dispatcher1") == {event_id: []}
    assert await changed("u-d-market") == await changed("collector1") == await changed(DESK) == {}
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="D-MARKET", accused_units=["DESK-320102"])
    await town.handle(event_id)
    assert await changed("dispatcher1") == {event_id: [["DESK-320102"]]}
    assert await changed("u-d-market") == {event_id: []}
    assert await changed(DESK) == {}, "a seat in the centre does not open what accuses its own unit"

    other_id, _ = await accuse(town)
    await town.act("dispatcher1", f"events/{other_id}", "dispatch", unit="D-MARKET", accused_units=[])
    await town.handle(other_id)
    assert await changed("collector1") == {event_id: [], other_id: []}
    assert await changed(DESK) == {other_id: [[]]}
