"""A report may name a registered component 部件: it is routed by the register, which also helps with place and item."""

from typing import Any

import pytest

from app.core.timing import MovableClock
from tests.api.refusals import refused
from tests.conftest import client_token, http_for
from tests.flows.decisions import LAMP, LAMP_CELL, LAMP_OUT, VAGUE, clocks_of, decision, rows_of
from tests.flows.town import CELL, Town, point_in


async def analysis(town: Town, event_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await rows_of(town, event_id, "analyzed"))[-1].data
    return found


async def test_the_register_decides_and_gives_the_place_and_the_item_that_nobody_told(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call((), cell=None, componentId=LAMP, **VAGUE))
    event = await town.event(sent["event_id"])
    assert (event.component_id, event.cell_id, event.street_code) == (LAMP, LAMP_CELL, LAMP_CELL[:9])
    assert event.lon == pytest.approx(118.7969766)
    found = await analysis(town, sent["event_id"])
    assert (found["item"], found["by"], found["location"]["how"]) == (LAMP_OUT, "component", "component")
    assert found["notes"] == [f"事项取自部件 {LAMP} 的登记。"]
    assert found["location"]["notes"][-1] == f"位置取自部件 {LAMP} 的登记。"
    decided = await decision(town, sent["event_id"])
    assert (decided["unit"], decided["step"], decided["facts"]["component"]) == ("CT-LIGHT", "component", LAMP)
    order, unit = await town.lead(sent["event_id"])
    assert (await town.get(unit, f"/{order}"))["component_id"] == LAMP
    assert [step["step"] for step in decided["steps"]] == ["emergency_handover", "component"]
    assert await clocks_of(town, sent["event_id"], "handling") != []


async def test_what_the_message_says_itself_goes_before_the_register(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call(componentId=LAMP))
    event = await town.event(sent["event_id"])
    assert (event.cell_id, event.component_id) == (CELL, LAMP)
    assert (await analysis(town, sent["event_id"]))["by"] == "source_class", "rubbish beside a lamp"
    elsewhere = await town.send("hotline-12345", town.call((), cell="320102008003008", componentId=LAMP, **VAGUE))
    found = await analysis(town, elsewhere["event_id"])
    assert (found["item"], found["location"]["cell"]) == (None, "320102008003008"), (
        "another street: one of them is wrong"
    )
    assert "以来源给出的位置为准" in found["location"]["notes"][-1]
    district = town.call((), cell=None, componentId=LAMP, areaCode="320102", **VAGUE)
    found = await analysis(town, (await town.send("hotline-12345", district))["event_id"])
    assert found["location"]["cell"] == LAMP_CELL, "it says the same place more closely"


async def test_an_unknown_component_is_kept_and_routing_passes(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call(componentId="32010299999999999"))
    event = await town.event(sent["event_id"])
    assert event.component_id == "32010299999999999"
    decided = await decision(town, sent["event_id"])
    assert decided["step"] != "component"
    assert decided["steps"][1] == {
        "step": "component",
        "outcome": "passed",
        "reason": "部件 32010299999999999 没有登记",
    }
    assert (await analysis(town, sent["event_id"]))["notes"] == ["部件 32010299999999999 没有登记。"]


async def test_a_resident_may_scan_the_code_on_the_lamp_and_send_nothing_else(town: Town) -> None:
    scanned = town.snapshot(component_id=LAMP, category="", description="坏了")
    for name in ("lon", "lat", "crs"):
        scanned[name] = None
    sent = await town.send("snapshot", scanned)
    assert (await decision(town, sent["event_id"]))["unit"] == "CT-LIGHT"
    async with http_for(town.runtime, client_token(town.runtime, town.city, "snapshot")) as http:
        nowhere = await http.post("/intake/snapshot", json=scanned | {"component_id": None, "request_id": "RQ-x"})
        malformed = await http.post("/intake/snapshot", json=scanned | {"component_id": "灯 1", "request_id": "RQ-y"})
    assert refused(nowhere, 422)["faults"][0]["code"] == "no_place"
    assert refused(malformed, 422)["faults"][0]["path"] == "component_id"


async def test_two_lamps_side_by_side_are_two_events_and_a_second_call_joins_its_own(town: Town) -> None:
    lon, lat = point_in(LAMP_CELL)
    place = {"lon": lon, "lat": lat, "crs": "cgcs2000", "cell": None, "itemCode": LAMP_OUT}
    ones = [
        await town.send("hotline-12345", town.call((), componentId=component, **place))
        for component in (LAMP, "32010299999999999", LAMP, None)
    ]
    assert [one["outcome"] for one in ones] == ["created", "created", "joined", "joined"]
    assert ones[2]["event_id"] == ones[0]["event_id"]


async def test_what_a_joining_report_tells_of_it_waits_for_a_person(town: Town) -> None:
    first = await town.send("hotline-12345", town.call())
    second = await town.send("hotline-12345", town.call(componentId=LAMP))
    assert second["event_id"] == first["event_id"]
    assert (await town.event(first["event_id"])).component_id is None, "it is decided: nobody moves it by a second call"
    assert [row.data.get("component") for row in await rows_of(town, first["event_id"], "received")] == [None, LAMP]
    await town.act("dispatcher1", f"events/{first['event_id']}", "correct", component=LAMP)
    assert (await decision(town, first["event_id"]))["unit"] == "CT-LIGHT"


async def test_a_person_names_or_removes_the_component_and_it_is_routed_again(town: Town, clock: MovableClock) -> None:
    sent = await town.send("hotline-12345", town.call((), itemCode=LAMP_OUT))
    event_id = sent["event_id"]
    path = f"events/{event_id}"
    assert (await decision(town, event_id))["unit"] == "D-MUNI"
    citizen = await clocks_of(town, event_id, "citizen_total")
    clock.advance(minutes=30)
    await town.act("operator1", path, "correct", component=LAMP)
    assert (await decision(town, event_id))["unit"] == "CT-LIGHT"
    handling = await clocks_of(town, event_id, "handling")
    assert [(who, state) for who, state, _ in handling if who in ("D-MUNI",)] == [("D-MUNI", "stopped")]
    assert handling[-1][1] == "running"
    assert await clocks_of(town, event_id, "citizen_total") == citizen, "never moved by whose job it is"
    await town.act("dispatcher1", path, "correct", component="")
    assert (await town.event(event_id)).component_id is None
    assert (await decision(town, event_id))["unit"] == "D-MUNI"
    told = [row.data.get("component", "-") for row in await rows_of(town, event_id, "correct")]
    assert told == [LAMP, None]
    seen = await town.get("dispatcher1", f"/{path}")
    assert (seen["component_id"], seen["first_receiver"]["code"]) == (None, "D-MUNI")
    await town.act("dispatcher1", path, "correct", 422, component="路灯一号")
    await town.act("dispatcher1", path, "correct", 422)


async def test_naming_the_component_is_enough_where_neither_place_nor_item_was_known(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call((), cell=None, **VAGUE))
    assert (await town.event(sent["event_id"])).triage == "item_uncertain"
    await town.act("operator1", f"events/{sent['event_id']}", "correct", component=LAMP)
    event = await town.event(sent["event_id"])
    assert (event.state, event.triage, event.cell_id) == ("handling", None, LAMP_CELL)
    assert (await decision(town, sent["event_id"]))["unit"] == "CT-LIGHT"
