"""部件权责更正: the field says that the register is wrong, the desk agrees, and a release makes it so; not before."""

from typing import Any

from app.core import releases
from app.core.timing import MovableClock
from tests.flows.decisions import LAMP, LAMP_OUT, clocks_of, decision, put_in_force, rows_of
from tests.flows.town import Town

PATH = "/dispatch/component-corrections"
OTHER_LAMP = "32010201037000002"


async def at_the_lamp(town: Town, component: str = LAMP) -> str:
    sent = await town.send("hotline-12345", town.call((), itemCode=LAMP_OUT, componentId=component))
    found: str = sent["event_id"]
    return found


async def reported(town: Town, event_id: str, expect: int = 200, **body: Any) -> dict[str, Any]:
    order, unit = await town.lead(event_id)
    told = {"duty": "maintainer", "unit": "CT-ROAD", "reason": "去年已移交道路养护"} | body
    return await town.act(unit, order, "report_component", expect, **told)


async def decided(town: Town, id: str, action: str, expect: int = 200, by: str = "leader1", **body: Any) -> Any:
    async with await town.as_user(by) as http:
        answer = await http.post(f"{PATH}/{id}/actions/{action}", json=body)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def draft_row(town: Town, component: str = LAMP) -> dict[str, Any] | None:
    async with town.runtime.sessions() as session:
        draft = await releases.draft_of(session, town.city.jurisdiction_id, "components")
        return (await releases.rows_of(session, draft.id))[component] if draft else None


async def test_from_a_wrong_entry_to_the_right_unit(town: Town, clock: MovableClock) -> None:
    first = await at_the_lamp(town)
    assert (await decision(town, first))["unit"] == "CT-LIGHT"
    clocks = [await clocks_of(town, first, kind) for kind in ("handling", "signing", "citizen_total")]
    clock.advance(minutes=20)
    answer = await reported(town, first)
    assert answer["state"] == "dispatched", "the order goes on"
    assert [await clocks_of(town, first, kind) for kind in ("handling", "signing", "citizen_total")] == clocks
    [row] = await rows_of(town, first, "component_reported")
    told = {"component": LAMP, "duty": "maintainer", "registered": "CT-LIGHT", "unit": "CT-ROAD"}
    assert told.items() <= row.data.items()
    assert (row.subject, row.actor_role) == ("component_correction", "unit_liaison")

    [one] = (await town.get("dispatcher1", PATH))["items"]
    assert (one["registered"]["code"], one["unit"]["code"], one["reported_by"]["code"]) == (
        "CT-LIGHT",
        "CT-ROAD",
        "CT-LIGHT",
    )
    assert LAMP in one["sentence"]
    told = await decided(town, one["id"], "accept")
    assert (told["state"], told["changed"]) == ("accepted", 1)
    entry = await draft_row(town)
    assert entry is not None
    assert (entry["maintainer"], entry["owner"]) == ("CT-ROAD", "D-MUNI")
    assert (await town.get("dispatcher1", PATH))["items"] == []
    before = (await town.send("snapshot", town.snapshot(component_id=LAMP)))["event_id"]
    assert (await decision(town, before))["unit"] == "CT-LIGHT", "a draft decides nothing"

    clock.advance(days=2)
    await put_in_force(town, "components")
    town = Town(town.runtime, town.city)  # logged in anew
    second = await at_the_lamp(town)
    assert (await decision(town, second))["unit"] == "CT-ROAD"
    await town.act("dispatcher1", f"events/{first}", "correct", component=LAMP)
    again = await decision(town, first)
    assert (again["unit"], again["step"]) == ("CT-ROAD", "component")
    assert [act.act for act in await rows_of(town, first, "component_reported", "component_accepted", "transfer")] == [
        "component_reported",
        "component_accepted",
        "transfer",
    ]
    late = await clocks_of(town, first, "handling")
    assert ("CT-ROAD", "running") in {(whose, state) for whose, state, _ in late}, "the new unit has its own clock"
    assert late[0][:2] == ("CT-LIGHT", "stopped")


async def test_two_accepted_ones_both_stand_in_the_draft(town: Town) -> None:
    event_id = await at_the_lamp(town)
    await reported(town, event_id)
    await reported(town, event_id, duty="owner", unit="D-URBAN")
    await reported(town, event_id, component=OTHER_LAMP, unit="CT-ROAD")
    for one in (await town.get("leader1", PATH))["items"]:
        await decided(town, one["id"], "accept")
    entry, other = await draft_row(town), await draft_row(town, OTHER_LAMP)
    assert entry is not None
    assert other is not None
    assert (entry["maintainer"], entry["owner"], other["maintainer"]) == ("CT-ROAD", "D-URBAN", "CT-ROAD")


async def test_it_is_decided_once_and_a_rejected_one_changes_nothing(town: Town) -> None:
    event_id = await at_the_lamp(town)
    await reported(town, event_id)
    [one] = (await town.get("leader1", PATH))["items"]
    told = await decided(town, one["id"], "reject", note="移交协议尚未生效")
    assert (told["state"], told["draft_number"]) == ("rejected", None)
    assert await draft_row(town) is None
    for action in ("accept", "reject"):
        refused = await decided(town, one["id"], action, 409)
        assert refused["code"] == "not_allowed_now"
    assert await draft_row(town) is None
    assert [row.act for row in await rows_of(town, event_id, "component_accepted", "component_rejected")] == [
        "component_rejected"
    ]
    await reported(town, event_id)  # it may be said again


async def test_what_was_accepted_and_lost_with_its_draft_is_told_and_can_be_accepted_again(town: Town) -> None:
    event_id = await at_the_lamp(town)
    await reported(town, event_id, unit=None)
    [one] = (await town.get("leader1", PATH))["items"]
    assert one["not_in_force"] is False
    await decided(town, one["id"], "accept", unit="CT-ROAD")
    jurisdiction_id = town.city.jurisdiction_id
    async with town.runtime.sessions() as session:
        published = await releases.published_of(session, jurisdiction_id, "components")
        assert published is not None
        whole = await releases.rows_of(session, published.id)
    changed = whole | {OTHER_LAMP: whole[OTHER_LAMP] | {"source": "普查"}}
    async with town.runtime.sessions() as session, session.begin():
        await releases.put_draft(session, jurisdiction_id, "components", changed, complete=True, by="census")
    [lost] = (await town.get("dispatcher1", PATH))["items"]
    assert (lost["id"], lost["not_in_force"], lost["unit"]["code"]) == (one["id"], True, "CT-ROAD")
    await decided(town, one["id"], "reject", 409)
    told = await decided(town, one["id"], "accept")
    assert (told["state"], told["changed"]) == ("accepted", 2)
    entry, other = await draft_row(town), await draft_row(town, OTHER_LAMP)
    assert entry is not None
    assert other is not None
    assert (entry["maintainer"], other["source"]) == ("CT-ROAD", "普查")
    assert (await town.get("dispatcher1", PATH))["items"] == []
    await decided(town, one["id"], "accept", 409)

    async with town.runtime.sessions() as session, session.begin():
        await releases.discard_draft(session, jurisdiction_id, "components")
    assert [each["id"] for each in (await town.get("dispatcher1", PATH))["items"]] == [one["id"]]
    await decided(town, one["id"], "accept")
    await put_in_force(town, "components")
    assert (await town.get("dispatcher1", PATH))["items"] == []
    await put_in_force(town, "components", {LAMP: whole[LAMP] | {"maintainer": "D-URBAN"}})
    assert (await town.get("dispatcher1", PATH))["items"] == [], "a later release has changed it: that is no loss"


async def test_who_does_not_know_whose_it_is_leaves_that_to_the_desk(town: Town) -> None:
    event_id = await at_the_lamp(town)
    await reported(town, event_id, unit=None)
    [one] = (await town.get("leader1", PATH))["items"]
    assert one["unit"] is None
    await decided(town, one["id"], "accept", 422, unit="NOBODY")
    await decided(town, one["id"], "accept", unit="CT-ROAD")
    entry = await draft_row(town)
    assert entry is not None
    assert entry["maintainer"] == "CT-ROAD"
    [row] = await rows_of(town, event_id, "component_accepted")
    assert row.data["unit"] == "CT-ROAD"


async def test_an_entry_never_ends_up_with_nobody(town: Town) -> None:
    event_id = await at_the_lamp(town)
    row = {"component_id": LAMP, "standard_ref": "GB/T 47678.5-2026", "code": "01037", "maintainer": "CT-LIGHT"}
    await put_in_force(town, "components", {LAMP: row | {"competent": "", "owner": ""}})
    await reported(town, event_id, unit=None)
    [one] = (await town.get("leader1", PATH))["items"]
    refused = await decided(town, one["id"], "accept", 409)
    assert "须指明应为哪个单位" in refused["detail"]
    assert [each["id"] for each in (await town.get("leader1", PATH))["items"]] == [one["id"]], "it still waits"


async def test_what_makes_no_sense_is_refused(town: Town) -> None:
    event_id = await at_the_lamp(town)
    await reported(town, event_id, 422, unit="CT-LIGHT")
    await reported(town, event_id, 422, component="32010299999999999")
    await reported(town, event_id, 422, unit="NOBODY")
    await reported(town, event_id, 422, duty="boss")
    await reported(town, event_id)
    await reported(town, event_id, 409, unit="D-URBAN")
    plain = (await town.send("hotline-12345", town.call()))["event_id"]
    answer = await reported(town, plain, 422)
    assert "没有部件标识码" in answer["detail"]


async def test_only_the_unit_reports_and_only_the_whole_district_s_desk_decides(town: Town) -> None:
    event_id = await at_the_lamp(town)
    order, _ = await town.lead(event_id)
    body = {"duty": "owner", "unit": "D-URBAN", "reason": "试"}
    await town.act("dispatcher1", order, "report_component", 403, **body)
    await town.act("u-d-urban", order, "report_component", 404, **body)
    await reported(town, event_id)
    [one] = (await town.get("dispatcher1", PATH))["items"]
    for username in ("operator1", "u-ct-light", "collector1"):
        await town.get(username, PATH, 403)
        await decided(town, one["id"], "accept", 403, by=username)
    await decided(town, one["id"], "accept", 403, by="dispatcher1")
    await decided(town, "no-such.1", "accept", 404)
    await decided(town, one["event_id"] + ".999", "accept", 404)
