"""What must not leak: accusations to whom they may accuse, addresses that lead to who told us, pictures of others."""

import base64
from typing import Any

import pytest
from sqlalchemy import text

from app.api import attachments
from app.core.timing import MovableClock
from tests.flows.town import Town, picture

#: sits in the centre and in the coordination desk's own unit
BOTH = "u-desk-320102"
DOOR = "樱驼村九栋二单元"
LISTS = ("/events", "/work-orders", "/reports", "/inspections", "/supervision/overdue")


async def accuse(town: Town, org: str | None) -> str:
    """An accusation of ``org``, or of somebody who is not known; its event's id."""
    sent = town.call(orderType="举报", accusedUnit="某某科室", title="举报吃拿卡要", address=DOOR)
    event_id = (await town.send("hotline-12345", sent))["event_id"]
    if org is not None:
        async with town.runtime.sessions() as session, session.begin():
            await session.execute(
                text(
                    "UPDATE event SET accused_org_ids = ARRAY(SELECT id FROM organization WHERE code = :org) "
                    "WHERE id = CAST(:id AS uuid)"
                ),
                {"org": org, "id": event_id},
            )
    return str(event_id)


async def seat(town: Town, username: str, role: str, area: str) -> None:
    """One more seat for a user."""
    async with town.runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO seat (user_id, role, scope_area, since) "
                "SELECT id, :role, :area, now() FROM user_account WHERE username = :name"
            ),
            {"name": username, "role": role, "area": area},
        )


@pytest.mark.parametrize("accused", ["DESK-320102", None])
@pytest.mark.parametrize("area", [None, "320102002"])
async def test_a_centre_seat_opens_no_list_on_what_may_accuse_one_s_own_unit(
    town: Town, clock: MovableClock, accused: str | None, area: str | None
) -> None:
    event_id = await accuse(town, accused)
    clock.advance(days=29)
    narrowed: dict[str, Any] = {"area": area} if area else {}
    for path in LISTS:
        assert event_id not in str(await town.get(BOTH, path, **narrowed)), path
    assert event_id in str(await town.get("dispatcher1", "/events"))
    assert event_id in str(await town.get("dispatcher1", "/supervision/overdue", late_by=0))
    assert event_id not in str(await town.get(BOTH, "/supervision/overdue", late_by=0, **narrowed))
    assert event_id not in str(await town.get(BOTH, "/changes"))
    await town.get(BOTH, f"/events/{event_id}", 404)
    await town.get(BOTH, f"/events/{event_id}/timeline", 404)
    assert (await town.get(BOTH, "/supervision/indicators"))["events"]["received"] == 0
    assert (await town.get("dispatcher1", "/supervision/indicators"))["events"]["received"] == 1


async def test_what_may_accuse_one_s_own_unit_is_nobody_s_possible_duplicate(town: Town) -> None:
    plain = (await town.send("hotline-12345", town.call()))["event_id"]
    hidden = await accuse(town, None)
    path = f"/events/{plain}/possible-duplicates"
    assert hidden in str(await town.get("dispatcher1", path))
    assert hidden not in str(await town.get(BOTH, path))


async def test_an_accusation_of_nobody_known_is_seen_by_the_unit_that_has_its_order(town: Town) -> None:
    event_id = await accuse(town, None)
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="D-MARKET")
    order, unit = await town.lead(event_id)
    assert unit == "u-d-market"
    # Another unit takes part in it without an order.
    async with town.runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO event_participant (event_id, n, org_id, role, since) "
                "SELECT CAST(:id AS uuid), 900, id, 'desk', now() FROM organization WHERE code = 'D-URBAN'"
            ),
            {"id": event_id},
        )
    for stranger in ("u-d-urban", BOTH):
        await town.get(stranger, f"/events/{event_id}", 404)
        for path in LISTS:
            assert event_id not in str(await town.get(stranger, path)), path
    assert (await town.get(unit, f"/events/{event_id}"))["stand"] == "unit"
    for path in ("/events", "/work-orders", "/reports"):
        shown = str(await town.get(unit, path))
        assert event_id in shown, path
        assert DOOR not in shown, path
        assert "吃拿卡要" not in shown, path
    # Its order does not make the centre's seat of the same person read the accuser's words.
    await seat(town, unit, "dispatcher", "320102")
    for path in (f"/events/{event_id}", f"/{order}", "/events", "/work-orders", "/reports", "/supervision/overdue"):
        shown = str(await town.get(unit, path))
        assert event_id in shown or "overdue" in path
        assert DOOR not in shown, path
        assert "吃拿卡要" not in shown, path


@pytest.mark.parametrize("kept", [{"confidential": True}, {"orderType": "举报", "accusedUnit": "玄武区水务局"}])
async def test_an_address_that_leads_to_who_told_us_is_the_centre_s_alone(town: Town, kept: dict[str, Any]) -> None:
    receipt = await town.send("hotline-12345", town.call(address=DOOR, title="门口有人乱倒", **kept))
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    if (await town.event(event_id)).state == "analyzing":
        await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit="D-MARKET")
    order, unit = await town.lead(event_id)
    paths = [f"/events/{event_id}", f"/{order}", f"/reports/{report_id}", "/events", "/work-orders", "/reports"]
    for path in paths:
        assert DOOR in str(await town.get("dispatcher1", path)), path
        shown = str(await town.get(unit, path))
        assert event_id in shown, path
        assert DOOR not in shown, path
    assert DOOR not in str(await town.get(unit, f"/events/{event_id}/timeline"))


async def test_an_address_told_openly_is_shown_to_its_unit(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(address=DOOR))
    order, unit = await town.lead(receipt["event_id"])
    for path in (f"/events/{receipt['event_id']}", f"/{order}", f"/reports/{receipt['report_id']}"):
        assert DOOR in str(await town.get(unit, path)), path
    for path in ("/events", "/work-orders", "/reports"):
        assert DOOR in str(await town.get(unit, path)), path


async def photographed(town: Town, colour: str, east_m: float = 0.0) -> tuple[str, str]:
    """A picture report's event and its picture's id."""
    pictures = [{"data": base64.b64encode(picture(colour)).decode()}]
    receipt = await town.send("snapshot", town.snapshot(east_m=east_m, pictures=pictures))
    shown = await town.get("dispatcher1", f"/reports/{receipt['report_id']}")
    return receipt["event_id"], shown["pictures"][0]


async def opened(town: Town, username: str, sha: str) -> int:
    """The status of downloading a picture."""
    async with await town.as_user(username) as http:
        return (await http.get(f"/attachments/{sha}")).status_code


async def test_a_merged_report_s_pictures_are_the_handling_unit_s_to_see(town: Town) -> None:
    first, mine = await photographed(town, "orange")
    second, theirs = await photographed(town, "purple", east_m=300)
    assert first != second
    _, unit = await town.lead(first)
    await town.act("dispatcher1", f"events/{second}", "merge", into=first)
    await town.get(unit, f"/events/{second}", 404)
    assert [await opened(town, unit, sha) for sha in (mine, theirs)] == [200, 200]
    assert [await opened(town, "u-city-gas", sha) for sha in (mine, theirs)] == [404, 404]


async def test_other_owners_of_a_picture_do_not_hide_one_s_own(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_MOST_OWNERS", 1)
    first, sha = await photographed(town, "cyan")
    _, unit = await town.lead(first)
    other = await accuse(town, "D-URBAN")
    async with town.runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "UPDATE report SET pictures = ARRAY[CAST(:sha AS text)] WHERE id IN "
                "(SELECT report_id FROM event_report WHERE event_id = CAST(:id AS uuid))"
            ),
            {"sha": sha, "id": other},
        )
    assert await opened(town, unit, sha) == 200


async def test_an_accusation_s_pictures_are_the_centre_s_alone(town: Town) -> None:
    event_id, sha = await photographed(town, "navy")
    _, unit = await town.lead(event_id)
    assert await opened(town, unit, sha) == 200
    async with town.runtime.sessions() as session, session.begin():
        accused = "UPDATE report SET demand_type = 'accusation' WHERE pictures @> ARRAY[CAST(:sha AS text)]"
        await session.execute(text(accused), {"sha": sha})
    assert await opened(town, unit, sha) == 404
    assert await opened(town, "dispatcher1", sha) == 200


async def test_a_unit_that_also_inspects_reads_no_name_as_a_collector(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await seat(town, "u-city-gas", "collector", "320102")
    await town.handle(receipt["event_id"])
    _, unit = await town.lead(receipt["event_id"])
    shown = str(await town.get("u-city-gas", "/reports"))
    assert receipt["report_id"] in shown
    assert "****1234" not in shown
    assert "****1234" in str(await town.get(unit, "/reports"))
    await seat(town, unit, "collector", "320102")
    assert "****1234" in str(await town.get(unit, "/reports")), "its unit leads"


@pytest.mark.parametrize("n", ["²", "+1", "1_0", " 1", "9" * 5_000])
async def test_an_order_s_number_is_read_strictly_when_acting_too(town: Town, n: str) -> None:
    receipt = await town.send("hotline-12345", town.call())
    async with await town.as_user("dispatcher1") as http:
        answer = await http.post(f"/work-orders/{receipt['event_id']}.{n}/actions/urge", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
