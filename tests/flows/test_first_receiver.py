"""首接单位: who took it in is known; only a city that wants 首接负责 lets it decide."""

from tests.conftest import client_token, http_for
from tests.flows.decisions import LAMP_OUT, ask_in_this_order, decision, rows_of
from tests.flows.town import Town


async def receiver(town: Town, event_id: str) -> str | None:
    [row] = await town.rows(
        "SELECT g.code FROM event e LEFT JOIN organization g ON g.id = e.first_receiver_id WHERE e.id = :id",
        id=event_id,
    )
    found: str | None = row.code
    return found


async def test_a_message_may_name_it_and_an_unknown_one_costs_nobody_their_report(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call(firstReceiver="D-URBAN"))
    assert await receiver(town, sent["event_id"]) == "D-URBAN"
    decided = await decision(town, sent["event_id"])
    assert decided["facts"]["first_receiver"] == "D-URBAN"
    assert decided["unit"] != "D-URBAN", "off unless a city switches it on"
    message = town.call((), itemCode=LAMP_OUT, firstReceiver="NOBODY")
    async with http_for(town.runtime, client_token(town.runtime, town.city, "hotline-12345")) as http:
        answer = await http.post("/intake/hotline-12345", json=message)
        batch = await http.post("/intake/hotline-12345/batch", json={"reports": [message, town.call(cell=None)]})
    assert answer.status_code == 201, answer.text
    event_id = answer.json()["event_id"]
    assert (await receiver(town, event_id), (await town.lead(event_id))[1]) == ("D-MUNI", "u-d-muni"), "the first lead"
    [row] = await rows_of(town, event_id, "analyzed")
    assert any("首接单位代码没有登记" in note for note in row.data["notes"])
    assert "NOBODY" not in str(row.data), "what a source wrote may be anything"
    assert [one["status"] for one in batch.json()["results"]] == [200, 201]
    assert (await town.rows("SELECT count(*) AS n FROM inbox WHERE state = 'held'"))[0].n == 0


async def test_else_it_is_the_first_lead_and_stays_so(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call((), itemCode=LAMP_OUT))
    assert await receiver(town, sent["event_id"]) == "D-MUNI"
    order, _ = await town.lead(sent["event_id"])
    await town.act("dispatcher1", order, "transfer", unit="D-URBAN", reason="试")
    assert await receiver(town, sent["event_id"]) == "D-MUNI"


async def test_the_coordination_desk_only_finds_out_whose_it_is(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call(("其他", "其他"), title="其他", content="其他"))
    await town.act("dispatcher1", f"events/{sent['event_id']}", "dispatch", unit="D-URBAN")
    assert await receiver(town, sent["event_id"]) == "D-URBAN"


async def test_switched_on_it_leads_unless_it_gave_it_back(town: Town) -> None:
    await ask_in_this_order(town, "emergency_handover", "first_receiver")
    sent = await town.send("hotline-12345", town.call((), itemCode=LAMP_OUT, firstReceiver="D-URBAN"))
    event_id = sent["event_id"]
    decided = await decision(town, event_id)
    assert (decided["unit"], decided["step"]) == ("D-URBAN", "first_receiver")
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="路灯不归本单位")
    await town.act("dispatcher1", order, "approve_return")
    decided = await decision(town, event_id)
    assert decided["unit"] == "D-MUNI"
    assert decided["facts"]["gave_back"] == ["D-URBAN"]
    assert {"step": "first_receiver", "outcome": "refused"}.items() <= decided["steps"][1].items()
    await town.act("dispatcher1", f"events/{event_id}", "correct", area_code="320102008003")
    decided = await decision(town, event_id)
    assert (decided["unit"], decided["facts"]["gave_back"]) == ("D-MUNI", ["D-URBAN"]), "also when decided again later"
    order, _ = await town.lead(event_id)
    await town.act("dispatcher1", order, "transfer", unit="D-URBAN", reason="经核实路灯在其管养范围内")
    await town.act("dispatcher1", f"events/{event_id}", "correct", area_code="320102008005")
    decided = await decision(town, event_id)
    assert (decided["unit"], decided["facts"].get("gave_back")) == ("D-URBAN", None), "it has taken it again"


async def test_the_duty_list_has_the_last_word(town: Town) -> None:
    await ask_in_this_order(town, "emergency_handover", "first_receiver")
    smoke = "GB/T 47678.5-2026/matter/06027"
    sent = await town.send("hotline-12345", town.call((), itemCode=smoke, firstReceiver="S-320102002-E"))
    decided = await decision(town, sent["event_id"])
    assert (decided["unit"], decided["step"]) == ("D-ENV", "first_receiver"), "taken back from the streets"
