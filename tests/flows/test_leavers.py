"""The leaver's handover: an account closes when it holds nothing, and a colleague goes on where it stopped."""

from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.database import transaction
from app.core.errors import Conflict, Malformed
from app.core.timing import MovableClock
from tests.conftest import http_for, user_token
from tests.flows.leavers import LIAISON, SECTION, Held, colleagues, deputise, dues, give, load, user_id
from tests.flows.town import Town


async def held(town: Town, count: int) -> list[Held]:
    """Orders that ``first`` holds, of events apart from each other."""
    return [await Held.begin(town, cell=None, address="大行宫社区") for _ in range(count)]


async def test_the_leavers_handover(town: Town) -> None:
    await colleagues(town)
    orders = await held(town, 2)
    before = [await dues(town, one.event_id) for one in orders]
    refused = await town.act("sysadmin", "users/first", "close", 409)
    assert refused["code"] == "still_holds"
    assert {(fault["path"], fault["kind"]) for fault in refused["faults"]} == {
        (one.event_no, "work_order") for one in orders
    }
    assert "未办结工单 2 项" in refused["detail"]
    assert (await town.get("first", "/me"))["seats"], "nothing was half done"

    done = await town.act(LIAISON, "users/first", "relieve", to="second")
    assert done == {"moved": 2, "released": 0, "left": []}
    for one, clocks in zip(orders, before, strict=True):
        assert await one.holder(town) == "second"
        assert await dues(town, one.event_id) == clocks, "the unit's time goes on"
        (row,) = await town.rows(
            "SELECT data, subject, actor_id, actor_role, from_state, to_state, body FROM timeline "
            "JOIN timeline_note USING (event_id, n) WHERE event_id = :id AND act = 'reassigned'",
            id=UUID(one.event_id),
        )
        assert (row.subject, row.actor_role) == ("work_order", "unit_liaison")
        assert row.from_state == row.to_state
        assert row.data == {"unit": SECTION, "role": "lead"}, "whose names these are can be erased"
        assert row.body == "由 first 交接给 second"
        assert row.actor_id == str(await user_id(town, LIAISON))
    assert await town.act(LIAISON, "users/first", "relieve", to="second") == {"moved": 0, "released": 0, "left": []}

    token = await user_token(town.runtime, "first")
    closed = await town.act("sysadmin", "users/first", "close")
    assert (closed["active"], closed["seats"], closed["repeated"]) == (False, [], False)
    assert closed["closed_at"] == "2026-03-10T10:00:00+08:00"
    async with http_for(town.runtime, token) as http:
        answer = await http.get("/me")
    assert (answer.status_code, answer.json()["reason"]) == (401, "revoked")
    again = await town.act("sysadmin", "users/first", "close")
    assert again == closed | {"repeated": True}
    told = await town.act(LIAISON, "users/second", "relieve", 422, to="first")
    assert told["detail"] == "first 的账号已注销，不能接手。"


async def test_what_was_reported_done_is_handed_over_too_and_comes_back_to_the_colleague(town: Town) -> None:
    await colleagues(town)
    one = await Held.begin(town)
    await town.handle(one.event_id)
    assert (await town.act(LIAISON, "users/first", "relieve", to="second"))["moved"] == 1
    await town.inspect(one.event_id, passed=False)
    assert await one.holder(town) == "second"


async def test_handing_over_stops_half_way_and_goes_on(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await colleagues(town)
    orders = await held(town, 2)
    seen = []

    def fall(name: str) -> None:
        seen.append(name)
        if len(seen) == 2:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("app.acts.handover.fault_point", fall)
        await town.act(LIAISON, "users/first", "relieve", 500, to="second")
    assert sorted([await one.holder(town) for one in orders], key=str) == ["first", "second"]
    assert (await town.act(LIAISON, "users/first", "relieve", to="second"))["moved"] == 1
    assert [await one.holder(town) for one in orders] == ["second", "second"]


async def test_who_may_relieve_and_by_whom(town: Town) -> None:
    await colleagues(town)
    one = await Held.begin(town)
    await town.act("u-d-market", "users/first", "relieve", 404, to="second")
    await town.act("second", "users/first", "relieve", 404, to="second")
    await town.act("first", "users/first", "relieve", 403, to="second")
    await town.act("leader1", "users/first", "relieve", 404, to="second")
    await town.act(LIAISON, "users/first", "relieve", 404, to="nobody")
    await town.act(LIAISON, "users/first", "relieve", 422, to="first")
    stays = await town.act(LIAISON, "users/first", "relieve", to="u-d-market")
    assert stays == {
        "moved": 0,
        "released": 0,
        "left": [{"why": "u-d-market 在承办单位没有席位", "count": 1, "event_nos": [one.event_no]}],
    }
    unseen = await town.act("sysadmin", "users/first", "relieve", to="u-d-market")
    assert unseen["left"] == [{"why": "u-d-market 在承办单位没有席位", "count": 1, "event_nos": []}]
    # the street is above its section
    assert (await town.act("u-s-320102002", "users/first", "relieve", to="second"))["moved"] == 1


async def test_a_collector_who_leaves_gives_inspections_back(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.handle(receipt["event_id"])
    await town.act("collector1", f"events/{receipt['event_id']}", "claim_inspection")
    refused = await town.act("sysadmin", "users/collector1", "close", 409)
    assert [fault["kind"] for fault in refused["faults"]] == ["inspection"]
    assert await town.act("leader1", "users/collector1", "relieve") == {"moved": 0, "released": 1, "left": []}
    assert (await town.acts(receipt["event_id"]))[-1] == "inspection_released"
    await town.act("sysadmin", "users/collector1", "close")
    await town.act("collector2", f"events/{receipt['event_id']}", "claim_inspection")


async def test_a_deputy_does_not_close_before_the_time_is_over(town: Town, clock: MovableClock) -> None:
    await colleagues(town)
    await deputise(town, "first", "second", "2026-03-20 18:00")
    refused = await town.act("sysadmin", "users/second", "close", 409)
    assert [(fault["path"], fault["kind"]) for fault in refused["faults"]] == [("first", "deputy")]
    # who is away may close: nobody stands in for them any more
    await town.act("sysadmin", "users/first", "close")
    assert (await town.get("second", "/me"))["stands_in_for"] == []
    await town.act("sysadmin", "users/second", "close")


async def test_who_may_close(town: Town) -> None:
    await colleagues(town)
    await town.act(LIAISON, "users/first", "close", 403)
    await town.act("first", "users/first", "close", 403)
    await town.act("u-d-market", "users/first", "close", 404)
    await town.act("sysadmin", "users/sysadmin", "close", 409)
    await town.act("sysadmin", "users/nobody", "close", 404)


async def test_nothing_is_given_to_a_closed_account(town: Town) -> None:
    await colleagues(town)
    one = await Held.begin(town)
    await town.act("sysadmin", "users/second", "close")
    with pytest.raises(Conflict, match="账号已注销"):
        async with transaction(town.runtime.sessions) as session:
            await give(session, town.runtime, one.order, await user_id(town, "second"))
    assert await one.holder(town) == "first"


async def test_loading_users_leaves_nobody_with_what_is_not_theirs(town: Town) -> None:
    await colleagues(town)
    one = await Held.begin(town)
    for unit, seats in ((SECTION, ""), ("D-MARKET", "handler"), (SECTION, "handler@D-MARKET")):
        with pytest.raises(Conflict) as refused:
            await load(town, ("second", SECTION, ""), ("first", unit, seats))
        assert refused.value.code == "still_holds"
        (fault,) = refused.value.extra["faults"]
        assert (fault["path"], fault["message"]) == (f"first {one.event_no}", "未办结工单")
    assert (await town.get("second", "/me"))["seats"], "nothing was loaded"
    # another seat for the same unit is as good
    assert (await load(town, ("first", SECTION, f"grid_worker@{SECTION}"))).seats_ended == 1
    await town.act(LIAISON, "users/first", "relieve", to="second")
    assert (await load(town, ("first", SECTION, ""))).seats_ended == 1
    await town.act("sysadmin", "users/first", "close")
    with pytest.raises(Malformed, match="已注销"):
        await load(town, ("first", SECTION, f"handler@{SECTION}"))


async def test_lists_of_users_and_who_may_see_them(town: Town) -> None:
    await colleagues(town)
    await Held.begin(town)
    await deputise(town, "first", "second", "2026-03-20 18:00")
    page = await town.get(LIAISON, "/users")
    mine = {one["username"]: one for one in page["items"]}
    assert set(mine) == {"first", "second", LIAISON}
    assert (mine["first"]["held_orders"], mine["second"]["held_orders"]) == (1, 0)
    assert mine["first"]["seats"] == [{"role": "handler", "area": None, "organization": SECTION}]
    (deputy,) = mine["first"]["deputies"]
    assert (deputy["username"], deputy["until_at"]) == ("second", "2026-03-20T18:00:00+08:00")
    assert [one["username"] for one in mine["second"]["stands_in_for"]] == ["first"]
    centre = {one["username"] for one in (await town.get("leader1", "/users", limit=200))["items"]}
    assert {"operator1", "collector1", "leader2"} <= centre
    assert not {"first", LIAISON, "sysadmin"} & centre
    every: list[str] = []
    cursor = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await town.get("sysadmin", "/users", limit=50, **more)
        every += [one["username"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    (count,) = (await town.rows("SELECT count(*) FROM user_account"))[0]
    assert (len(every), len(set(every))) == (count, count)
    await town.act("sysadmin", "users/second", "end-deputy", 404, deputy="nobody")
    await town.act("sysadmin", "users/first", "end-deputy", deputy="second")
    await town.act("sysadmin", "users/second", "close")
    street = await town.get("sysadmin", "/users", org="S-320102002", active=False)
    assert [one["username"] for one in street["items"]] == ["second"]
    for nobody in ("first", "operator1", "auditadmin", "secadmin"):
        await town.get(nobody, "/users", 403)
    await town.get("first", "/users/first")
    await town.get("first", "/users/second", 404)
    await town.get("sysadmin", "/users", 422, org="NOWHERE")
    await town.get("sysadmin", "/users", 422, cursor="nonsense")


async def test_clients_without_their_secrets(town: Town) -> None:
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text(
                "UPDATE machine_client SET endpoint_url = 'https://110.example/in', endpoint_secret_sealed = 'x' "
                "WHERE channel = 'police-110'"
            )
        )
    first = await town.get("sysadmin", "/clients", limit=2)
    page = await town.get("sysadmin", "/clients", limit=2, cursor=first["next"])
    items = [*first["items"], *page["items"]]
    assert [(one["code"], one["endpoint_set"]) for one in items] == [
        ("hotline-12345", False),
        ("police-110", True),
        ("snapshot", False),
    ]
    assert set(items[0]) == {"code", "name", "channel", "active", "endpoint_set"}
    assert "110.example" not in str(items)
    for other in ("leader1", LIAISON, "auditadmin"):
        await town.get(other, "/clients", 403)
