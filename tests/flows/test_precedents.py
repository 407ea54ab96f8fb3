"""What a ruling teaches: offered for the next event, followed by a person, overruled, drafted, ended; time in hand."""

from typing import Any

from app.core.timing import MovableClock
from tests.flows.quarrels import GREEN, HELPER, SECTION, TEACHES, URBAN, Quarrel, user
from tests.flows.town import CELL, Town, point_in

#: a cell of another street of the same district
ELSEWHERE = "320102003001001"


async def fought_out(town: Town, unit: str = URBAN, **body: Any) -> tuple[Quarrel, int | None]:
    """Two units argue, it is ruled; the event and the precedent's id."""
    quarrel = await Quarrel.begin(town)
    await quarrel.give_back()
    await quarrel.negotiate(SECTION, URBAN)
    await quarrel.says(SECTION, "not_ours")
    await quarrel.says(URBAN, "not_ours")
    await quarrel.rule(unit, **body)
    found = await town.rows("SELECT id FROM precedent ORDER BY id DESC LIMIT 1")
    return quarrel, found[0].id if found else None


async def another(town: Town, clock: MovableClock) -> Quarrel:
    """A like event later; found by its address alone, so that it does not join the earlier one."""
    clock.advance(hours=1)
    return await Quarrel.begin(town, cell=None, address="大行宫社区")


async def offered(town: Town, who: str = "dispatcher1", **params: Any) -> list[int]:
    """The ids of the precedents that a list offers."""
    return [one["id"] for one in await town.get(who, "/dispatch/precedents", **params)]


async def test_two_units_fight_to_the_ruling_and_the_next_event_follows_it(town: Town, clock: MovableClock) -> None:
    first, precedent = await fought_out(town, supporting=[GREEN])
    assert await first.orders() == [
        ("lead", SECTION, "returned"),
        ("supporting", HELPER, "transferred"),
        ("lead", URBAN, "dispatched"),
        ("supporting", GREEN, "dispatched"),
    ]
    (kept,) = await town.rows("SELECT * FROM precedent")
    event = await town.event(first.event_id)
    assert (kept.item_id, kept.area_code, kept.dispute_n) == (
        event.item_id,
        event.street_code,
        (await first.dispute()).n,
    )

    second = await another(town, clock)
    assert second.event_id != first.event_id
    assert (await second.shown())["precedents"] == [], "nobody asks"
    await second.give_back()
    (shown,) = (await second.shown())["precedents"]
    assert (shown["id"], shown["unit"]["code"], shown["summary"]) == (precedent, URBAN, TEACHES["summary"])
    assert shown["event_no"] == event.event_no
    assert (await second.shown(user(SECTION)))["precedents"] == [], "it is the centre's to choose"
    assert await offered(town, event_id=second.event_id) == [precedent]

    await second.on_lead("dispatcher1", "approve_return", 422, unit=GREEN, precedent=precedent)
    await second.on_lead("dispatcher1", "approve_return", precedent=precedent)
    assert await second.since("approve_return") == ["approve_return", "approve", "dispatch"]
    assert await second.orders() == [
        ("lead", SECTION, "returned"),
        ("supporting", HELPER, "dispatched"),
        ("lead", URBAN, "dispatched"),
        ("supporting", GREEN, "dispatched"),
    ]
    decision = (await second.row("dispatch")).data
    assert decision["step"] == "precedent"
    assert decision["sentence"] == (
        f"参照 2026-03-10 的裁决（先例 {precedent} 号），由玄武区城市管理局承办。玄武区绿化园林局协办。"
    )
    assert await second.clocks("return_review") == ["met"]
    assert await second.clocks("handling") == ["stopped", "running"]
    await second.the_citizen_notices_nothing()


async def test_the_desk_dispatches_by_a_precedent_what_the_rules_left_to_it(town: Town, clock: MovableClock) -> None:
    _, precedent = await fought_out(town)
    second = await another(town, clock)
    await second.on_lead("dispatcher1", "cancel", reason="承办单位不明")
    assert [one["id"] for one in (await second.shown())["precedents"]] == [precedent]
    unknown = await second.by("dispatcher1", "dispatch", 422, precedent=987_654)
    assert unknown["faults"][0]["path"] == "precedent"
    await second.by("dispatcher1", "dispatch", precedent=precedent)
    assert (await town.lead(second.event_id))[1] == user(URBAN)
    assert (await second.row("dispatch")).data["step"] == "precedent"
    assert await second.clocks("dispatch") == ["met"]


async def test_it_is_offered_for_the_same_item_in_the_same_street(town: Town, clock: MovableClock) -> None:
    first, precedent = await fought_out(town)
    item = (await first.shown())["item"]["key"]
    street = (await first.shown())["place"]["street_code"]
    lon, lat = point_in(CELL)
    body = {"item": item, "point": {"lon": lon, "lat": lat, "crs": "cgcs2000"}}
    async with await town.as_user("operator1") as http:
        preview = (await http.post("/dispatch/preview", json=body)).json()
        accused = (await http.post("/dispatch/preview", json=body | {"accused": [URBAN]})).json()
        elsewhere = (await http.post("/dispatch/preview", json={"item": item, "area_code": "320102003"})).json()
    assert [one["id"] for one in preview["precedents"]] == [precedent]
    assert accused["precedents"] == [], "who is accused never leads"
    assert elsewhere["precedents"] == []
    assert await offered(town, item=item) == [precedent]
    assert await offered(town, item=item, area_code=f"{street}002") == [precedent]
    assert await offered(town, item=item, area_code="320102003") == []
    assert await offered(town, who="editor1") == [precedent]
    await town.get(user(URBAN), "/dispatch/precedents", 403)
    await town.get("dispatcher1", "/dispatch/precedents", 422, item="nothing")

    other = await Quarrel.begin(town, cell=ELSEWHERE)
    await other.on_lead("dispatcher1", "cancel", reason="承办单位不明")
    assert await offered(town, event_id=other.event_id) == []
    unfit = await other.by("dispatcher1", "dispatch", 422, precedent=precedent)
    assert unfit["detail"] == "该先例的区域与本事件不同。"


async def test_a_newer_ruling_takes_the_place_of_the_older(town: Town, clock: MovableClock) -> None:
    first, older = await fought_out(town)
    await first.rule(GREEN, anew=True, who="adjudicator2")
    rows = await town.rows("SELECT id, ended_at, ended_by FROM precedent ORDER BY id")
    assert [(row.id == older, row.ended_by) for row in rows] == [(True, "adjudicator2"), (False, None)]
    assert await offered(town, event_id=first.event_id) == [rows[1].id]
    second = await another(town, clock)
    await second.give_back()
    gone = await second.on_lead("dispatcher1", "approve_return", 422, precedent=older)
    assert gone["detail"] == "该先例已停用。"


async def test_it_teaches_nothing_when_it_is_not_meant_to(town: Town) -> None:
    _, precedent = await fought_out(town, precedent=False, summary=None)
    assert precedent is None


async def test_a_precedent_is_drafted_into_the_catalogue_and_ended(town: Town) -> None:
    first, precedent = await fought_out(town, supporting=[GREEN])
    path = f"/dispatch/precedents/{precedent}/actions"
    async with await town.as_user(user(URBAN)) as http:
        assert (await http.post(f"{path}/draft-rule")).status_code == 403
        assert (await http.post(f"{path}/end", json={"reason": "x"})).status_code == 403
    async with await town.as_user("editor1") as http:
        drafted = (await http.post(f"{path}/draft-rule")).json()
        assert (await http.post("/dispatch/precedents/987654/actions/draft-rule")).status_code == 404
    assert (drafted["added"], drafted["changed"]) == (1, 0)
    (row,) = await town.rows(
        "SELECT d.body FROM release r JOIN release_row d ON d.release_id = r.id "
        "WHERE r.kind = 'routing-rules' AND r.status = 'draft' AND d.key = :key",
        key=f"P{precedent}",
    )
    document = row.body
    assert (document["lead_unit"], document["supporting_units"]) == (URBAN, [GREEN])
    assert (document["area_code"], document["code"]) == ("320102002", "06010")
    assert TEACHES["summary"] in document["basis"]
    assert await offered(town, event_id=first.event_id) == [precedent], "a draft decides nothing"

    async with await town.as_user("dispatcher1") as http:
        ended = await http.post(f"{path}/end", json={"reason": "已写入派单目录"})
        assert ended.status_code == 200, ended.text
        assert (await http.post(f"{path}/end", json={"reason": "再次"})).status_code == 409
        assert (await http.post(f"{path}/draft-rule")).status_code == 409
    assert await offered(town, event_id=first.event_id) == []
    assert (await first.row("precedent_ended")).data == {"precedent_id": precedent}
    assert (await town.rows("SELECT ended_by FROM precedent"))[0].ended_by == "dispatcher1"


async def test_how_long_units_held_it_is_there_for_all_to_see(town: Town, clock: MovableClock) -> None:
    first = await Quarrel.begin(town)
    clock.advance(minutes=90)
    await first.give_back()
    await first.on_lead("dispatcher1", "approve_return", unit=URBAN)
    clock.advance(minutes=30)
    await first.on_lead("dispatcher1", "transfer", unit=GREEN, reason="属绿化带")
    clock.advance(minutes=10)
    held = [(one["unit"]["code"], one["minutes"], one["ended"]) for one in (await first.shown())["holds"]]
    assert held == [(SECTION, 90, "returned"), (URBAN, 30, "transferred"), (GREEN, 10, None)]

    period = {"since": "2026-03-01T00:00:00+08:00", "until": "2026-04-01T00:00:00+08:00"}
    found = (await town.get("supervisor1", "/supervision/holds", **period))["items"]
    by_unit = {
        one["unit"]["code"]: (one["led"], one["gave_back"], one["moved"], one["median_hours"], one["p90_hours"])
        for one in found
    }
    assert by_unit == {
        SECTION: (1, 1, 0, 1.5, 1.5),
        URBAN: (1, 0, 1, 0.5, 0.5),
        GREEN: (1, 0, 0, None, None),
    }
    only = (await town.get("supervisor1", "/supervision/holds", **period, unit=URBAN))["items"]
    assert [one["unit"]["code"] for one in only] == [URBAN]
    await town.get("supervisor1", "/supervision/holds", 422)
    await town.get("supervisor1", "/supervision/holds", 422, **(period | {"until": "2026-08-01T00:00:00+08:00"}))
    await town.get(user(URBAN), "/supervision/holds", 403, **period)
