"""What history suggests is shown to the person who decides, never applied; until it is learned there is nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.accounts.organizations import Organizations
from app.core.timing import MovableClock, now
from app.masters import Masters
from app.masters.unit_history import LEARN_EVERY, circumstances
from tests.flows.decisions import put_in_force
from tests.flows.test_suggested_rules import moved_by_people
from tests.flows.town import CELL, RUBBISH, Town

ITEM = "GB/T 47678.5-2026/matter/06010"
PLACE = CELL[:12]


async def masters_of(town: Town) -> Masters:
    async with town.runtime.sessions() as session:
        return await town.runtime.masters.get(session, town.city.jurisdiction_id)


async def learn(town: Town) -> int:
    return await town.runtime.history.learn(town.runtime.read_sessions, await masters_of(town), now())


async def previewed(town: Town, **told: Any) -> dict[str, Any]:
    async with await town.as_user("operator1") as http:
        answer = await http.post("/dispatch/preview", json={"item": ITEM, "area_code": PLACE} | told)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_where_such_things_went_in_the_end_is_said_beside_what_the_rules_say(
    town: Town, clock: MovableClock
) -> None:
    await moved_by_people(town, clock, times=8)
    town = Town(town.runtime, town.city)
    told = await previewed(town)
    assert (told["suggested"], told["suggested_as_of"]) == ([], None), "nobody has learned yet, and nobody waits"
    assert await learn(town) == 8
    told = await previewed(town)
    assert told["suggested_as_of"] is not None
    [one] = told["suggested"]
    assert (one["unit"]["code"], one["support"], one["cases"]) == ("D-URBAN", 8, 8)
    assert one["share"] > 0.9
    assert one["sentence"].startswith("“暴露垃圾”在大行宫社区居委会的 8 件中，由")
    assert told["lead"]["code"] != "D-URBAN", "the rules decide"
    assert (await previewed(town, item=None))["suggested"] == []
    assert (await previewed(town, accused=["D-URBAN"]))["suggested"] == []


async def test_the_centre_sees_it_while_somebody_is_to_find_the_unit(town: Town, clock: MovableClock) -> None:
    await moved_by_people(town, clock, times=5)
    town = Town(town.runtime, town.city)
    await learn(town)
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    path = f"/events/{event_id}"
    order, unit = await town.lead(event_id)
    assert (await town.get("dispatcher1", path))["suggested"] == [], "it has its unit"
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="由市场方管理")
    seen = await town.get("dispatcher1", path)
    assert [one["unit"]["code"] for one in seen["suggested"]] == ["D-URBAN"]
    assert seen["suggested_as_of"]
    own = await town.get(unit, path)
    assert (own["suggested"], own["suggested_as_of"]) == ([], None), "not for the units"
    await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
    await town.act("u-d-urban", (await town.lead(event_id))[0], "request_return", reason_code="other", reason="也不是")
    given_back = await town.get("dispatcher1", path)
    assert [one["unit"]["code"] for one in given_back["suggested"]] == ["D-URBAN"], "it has not given it back yet"


async def test_an_accusation_of_nobody_knows_whom_gets_no_suggestion(town: Town, clock: MovableClock) -> None:
    await moved_by_people(town, clock, times=5)
    town = Town(town.runtime, town.city)
    await learn(town)
    event_id = (await town.send("hotline-12345", town.call(RUBBISH, orderType="举报")))["event_id"]
    assert (await town.event(event_id)).triage == "accused_unknown"
    assert (await town.get("dispatcher1", f"/events/{event_id}"))["suggested"] == []
    await town.act("dispatcher1", f"events/{event_id}", "correct", accused_units=["D-URBAN"], redispatch=False)
    assert (await town.get("dispatcher1", f"/events/{event_id}"))["suggested"] == [], "the accused is not suggested"


async def test_it_is_learned_anew_when_it_is_old_or_what_routing_rests_on_has_changed(
    town: Town, clock: MovableClock
) -> None:
    history = town.runtime.history
    assert history.is_due(await masters_of(town), now())
    await history.learn_due(town.runtime.read_sessions, town.runtime.masters)
    assert not history.is_due(await masters_of(town), now() + LEARN_EVERY - timedelta(seconds=1))
    assert history.is_due(await masters_of(town), now() + LEARN_EVERY)
    rule = {
        "rule_no": "R9001",
        "major_code": "06",
        "lead_unit": "D-URBAN",
        "step": "territorial",
        "basis": "试点",
        "area_code": "320102002",
    }
    await put_in_force(town, "routing-rules", {"R9001": rule})
    assert history.is_due(await masters_of(town), now())
    await history.learn_due(town.runtime.read_sessions, town.runtime.masters)
    assert not history.is_due(await masters_of(town), now())


async def test_closed_units_are_not_suggested(town: Town, clock: MovableClock) -> None:
    await moved_by_people(town, clock, times=5)
    await learn(Town(town.runtime, town.city))
    masters = await masters_of(town)
    asked = circumstances(masters.items.item(ITEM), (PLACE[:9], PLACE), "hotline-12345", now())
    assert [one.unit for one in town.runtime.history.suggested(masters, asked)[0]] == ["D-URBAN"]
    rows = [row.model_copy(update={"active": row.code != "D-URBAN"}) for row in masters.organizations.rows]
    ids = {row.code: masters.organizations.id_of(row.code) or 0 for row in rows}
    later = replace(masters, organizations=Organizations.build(rows, ids))
    assert town.runtime.history.suggested(later, asked)[0] == ()
