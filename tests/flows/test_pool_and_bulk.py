"""认领: orders lie in their unit's pool until a person takes them; 批量: many at once, each for itself."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from app.core.database import transaction
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import Town

LIAISON = "u-s-320102002-c"
UNIT = "S-320102002-C"
FIRST, SECOND, OUTSIDER = "worker-1", "worker-2", "u-d-urban"

_ADD = """
    WITH made AS (
      INSERT INTO user_account
        (id, jurisdiction_id, username, display_name, org_id, password_hash, token_version, active)
      SELECT :id, o.jurisdiction_id, :username, :name, o.id, 'no log-in', 1, true
      FROM organization o WHERE o.code = :unit
      RETURNING id, org_id
    ) INSERT INTO seat (user_id, role, scope_org_id, since) SELECT id, 'handler', org_id, now() FROM made
"""


async def hire(runtime: Runtime) -> None:
    """Two handlers of the section who are not its liaison."""
    async with transaction(runtime.sessions) as session:
        for username, name in ((FIRST, "承办员甲"), (SECOND, "承办员乙")):
            await session.execute(text(_ADD), {"id": uuid4(), "username": username, "name": name, "unit": UNIT})


@pytest.fixture
async def order(town: Town) -> str:
    """The path of an order of the section."""
    await hire(town.runtime)
    path, unit = await town.lead((await town.send("hotline-12345", town.call()))["event_id"])
    assert unit == LIAISON
    return path


async def holder(town: Town, order: str) -> str | None:
    """Who holds it, as the books say."""
    event_id, _, n = order.removeprefix("work-orders/").partition(".")
    (row,) = await town.rows(
        "SELECT u.username FROM work_order o LEFT JOIN user_account u ON u.id = o.holder_id "
        "WHERE o.event_id = :id AND o.n = :n",
        id=UUID(event_id),
        n=int(n),
    )
    found: str | None = row.username
    return found


async def last(town: Town, order: str) -> Any:
    """The newest timeline row of its event."""
    event_id = order.removeprefix("work-orders/").partition(".")[0]
    return (
        await town.rows(
            "SELECT t.act, t.data, t.subject, t.from_state, t.to_state, b.body AS note FROM timeline t "
            "LEFT JOIN timeline_note b ON b.event_id = t.event_id AND b.n = t.n "
            "WHERE t.event_id = :id ORDER BY t.n DESC LIMIT 1",
            id=UUID(event_id),
        )
    )[0]


async def test_somebody_takes_an_order_and_puts_it_back(town: Town, order: str) -> None:
    event_id = order.removeprefix("work-orders/").partition(".")[0]
    clocks = "SELECT n, state, due_at, generation FROM clock WHERE event_id = :id ORDER BY n"
    before = await town.rows(clocks, id=UUID(event_id))
    await town.act(FIRST, order, "take")
    assert await holder(town, order) == FIRST
    row = await last(town, order)
    assert (row.act, row.subject, row.from_state, row.to_state) == ("take", "work_order", "dispatched", "dispatched")
    assert (await town.get(FIRST, f"/{order}"))["holder"] == {"username": FIRST, "display_name": "承办员甲"}
    assert "take" not in (await town.get(SECOND, f"/{order}"))["allowed_actions"]
    await town.act(SECOND, order, "put_back", 403)
    await town.act(FIRST, order, "put_back")
    assert await holder(town, order) is None
    assert (await last(town, order)).act == "put_back"
    await town.act(FIRST, order, "put_back", 409)
    assert await town.rows(clocks, id=UUID(event_id)) == before, "who holds it is no business of any clock"


async def test_what_is_taken_is_not_taken_again(town: Town, order: str) -> None:
    await town.act(FIRST, order, "take")
    refused = await town.act(SECOND, order, "take", 409)
    assert refused["code"] == "held_by_other"
    assert "承办员甲" not in str(refused)
    refused = await town.act(LIAISON, order, "take", 409)
    assert (refused["code"], refused["holder"]) == ("held_by_other", "承办员甲")
    assert (await town.act(FIRST, order, "take", 409))["detail"] == "该工单已由您认领。"
    assert await holder(town, order) == FIRST
    await town.act(SECOND, order, "sign_for")
    assert await holder(town, order) == FIRST, "others of the unit may act, and it stays who looks after it"


async def test_the_liaison_gives_orders_to_people_and_takes_them_back(town: Town, order: str) -> None:
    await town.act(LIAISON, order, "assign", user=FIRST, note="今天先办这件")
    assert await holder(town, order) == FIRST
    row = await last(town, order)
    assert (row.act, row.data["again"], row.note) == ("assign", False, "指派给承办员甲：今天先办这件")
    assert "承办员" not in str(row.data)
    await town.act(LIAISON, order, "assign", user=SECOND)
    assert (await last(town, order)).data["again"] is True
    assert await holder(town, order) == SECOND
    await town.act(LIAISON, order, "put_back")
    assert await holder(town, order) is None
    await town.act(FIRST, order, "assign", 403, user=FIRST)


@pytest.mark.parametrize("user", [OUTSIDER, "dispatcher1", "nobody-at-all"])
async def test_only_people_of_the_unit_are_given_its_orders(town: Town, order: str, user: str) -> None:
    refused = await town.act(LIAISON, order, "assign", 422, user=user)
    assert [fault["path"] for fault in refused["faults"]] == ["user"]
    assert refused["detail"] == f"梅园新村街道城市管理科没有登录名为“{user}”的在岗人员。"
    assert await holder(town, order) is None


async def test_whoever_is_of_another_unit_takes_nothing_and_learns_no_name(town: Town, order: str) -> None:
    await town.act(FIRST, order, "take")
    await town.act("u-d-green", order, "take", 404)
    await town.act("dispatcher1", order, "add_supporting", unit="D-GREEN", part="绿化带部分")
    await town.act("u-d-green", order, "take", 403)
    event_id = order.removeprefix("work-orders/").partition(".")[0]
    assert "承办员甲" not in str(await town.get("u-d-green", f"/events/{event_id}"))
    assert "承办员甲" in str(await town.get("dispatcher1", f"/events/{event_id}"))


@pytest.mark.parametrize(
    ("user", "action", "body"),
    [
        ("dispatcher1", "transfer", {"unit": "D-URBAN", "reason": "区局办理"}),
        ("dispatcher1", "cancel", {"reason": "重复派单"}),
    ],
)
async def test_nobody_holds_what_has_ended(
    town: Town, order: str, user: str, action: str, body: dict[str, str]
) -> None:
    await town.act(FIRST, order, "take")
    await town.act(user, order, action, **body)
    assert await holder(town, order) is None


async def test_what_is_given_back_or_ends_with_its_event_is_held_by_nobody(town: Town, order: str) -> None:
    await town.act(FIRST, order, "take")
    await town.act(FIRST, order, "request_return", reason_code="not_our_duty", reason="不属我科")
    assert await holder(town, order) == FIRST
    await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
    assert await holder(town, order) is None
    event_id = order.removeprefix("work-orders/").partition(".")[0]
    again, unit = await town.lead(event_id)
    await town.act(unit, again, "take")
    await town.act("leader1", f"events/{event_id}", "force_close", reason="转专题研究")
    assert await holder(town, again) is None


async def test_lists_by_holder(town: Town, order: str) -> None:
    other, unit = await town.lead((await town.send("hotline-12345", town.call(cell="320102002002002")))["event_id"])
    assert unit == LIAISON
    await town.act(FIRST, order, "take")

    async def found(user: str, who: str, **more: Any) -> set[str]:
        items = (await town.get(user, "/work-orders", holder=who, **more))["items"]
        return {f"work-orders/{one['id']}" for one in items}

    assert await found(FIRST, "me") == {order}
    assert await found(SECOND, "me") == set()
    assert await found(SECOND, FIRST) == {order}
    assert await found(SECOND, "none", role="lead") == {other}
    assert await found("dispatcher1", FIRST) == {order}
    assert order not in await found("dispatcher1", "none")
    assert await found(OUTSIDER, FIRST) == set(), "of another unit's orders there is nothing to list"
    (mine,) = (await town.get("dispatcher1", "/work-orders", holder=FIRST))["items"]
    assert mine["holder"] == {"username": FIRST, "display_name": "承办员甲"}
    refused = await town.get(FIRST, "/work-orders", expect=422, holder="nobody-at-all")
    assert [fault["path"] for fault in refused["faults"]] == ["holder"]
    await town.get("collector1", "/work-orders", expect=403, holder=FIRST)


# --- 批量 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def open_town(committing_runtime: Runtime, city: City, clock: MovableClock) -> Town:
    """Acts at once need connections of their own."""
    await hire(committing_runtime)
    return Town(committing_runtime, city)


async def bulk(town: Town, user: str, path: str, **body: Any) -> httpx.Response:
    """Sends a bulk act."""
    async with await town.as_user(user) as http:
        return await http.post(f"/{path}", json=body)


async def some_orders(town: Town, count: int) -> list[str]:
    """Ids of orders of the section, each of another event."""
    cells = ["320102002002001", "320102002002002", "320102002001001"][:count]
    ids = []
    for cell in cells:
        path, unit = await town.lead((await town.send("hotline-12345", town.call(cell=cell)))["event_id"])
        assert unit == LIAISON
        ids.append(path.removeprefix("work-orders/"))
    return ids


async def test_many_orders_are_given_at_once_and_a_retry_gives_nothing_twice(open_town: Town) -> None:
    town = open_town
    ids = await some_orders(town, 3)
    await town.act(LIAISON, f"work-orders/{ids[0]}", "sign_for")
    key = str(uuid4())
    asked = {"ids": [*ids, ids[0], "not-an-order"], "body": {"user": FIRST, "note": "今天办"}, "act_id": key}
    answer = await bulk(town, LIAISON, "work-orders/actions/assign", **asked)
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["done"], done["refused"]) == (3, 1)
    assert [one["id"] for one in done["items"]] == [*ids, "not-an-order"]
    assert [one["state"] for one in done["items"]] == ["signed", "dispatched", "dispatched", None]
    assert done["items"][3]["problem"]["code"] == "not_found"
    assert {await holder(town, f"work-orders/{one}") for one in ids} == {FIRST}
    rows = "SELECT count(*) AS n, count(DISTINCT act_id) AS acts FROM timeline WHERE act = 'assign'"
    assert [tuple(row) for row in await town.rows(rows)] == [(3, 3)]
    again = (await bulk(town, LIAISON, "work-orders/actions/assign", **asked)).json()
    assert [one["repeated"] for one in again["items"]] == [True, True, True, False]
    assert [tuple(row) for row in await town.rows(rows)] == [(3, 3)]


async def test_one_that_is_refused_keeps_no_other_from_being_done(open_town: Town) -> None:
    town = open_town
    ids = await some_orders(town, 2)
    await town.act(FIRST, f"work-orders/{ids[0]}", "take")
    answer = (await bulk(town, SECOND, "work-orders/actions/take", ids=ids, act_id=str(uuid4()))).json()
    assert [one["ok"] for one in answer["items"]] == [False, True]
    assert (answer["items"][0]["problem"]["status"], answer["items"][0]["problem"]["code"]) == (409, "held_by_other")
    assert [await holder(town, f"work-orders/{one}") for one in ids] == [FIRST, SECOND]
    foreign = (await bulk(town, "u-d-green", "work-orders/actions/sign_for", ids=ids, act_id=str(uuid4()))).json()
    assert {one["problem"]["status"] for one in foreign["items"]} == {404}


async def test_of_two_who_take_it_at_once_one_has_it(open_town: Town) -> None:
    town = open_town
    (one,) = await some_orders(town, 1)
    for user in (FIRST, SECOND):
        await town.as_user(user)
    answers = await asyncio.gather(
        *(bulk(town, user, "work-orders/actions/take", ids=[one], act_id=str(uuid4())) for user in (FIRST, SECOND))
    )
    (first,), (second,) = (answer.json()["items"] for answer in answers)
    assert first["ok"] != second["ok"]
    assert (second if first["ok"] else first)["problem"]["code"] == "held_by_other"
    assert await holder(town, f"work-orders/{one}") == (FIRST if first["ok"] else SECOND)


async def test_waiting_events_are_dispatched_at_once(open_town: Town) -> None:
    town = open_town
    ids = [(await town.send("hotline-12345", town.call(("没有这类",), cell=None)))["event_id"] for _ in range(2)]
    body = {"ids": ids, "body": {"unit": "D-URBAN"}, "act_id": str(uuid4())}
    answer = (await bulk(town, "dispatcher1", "events/actions/dispatch", **body)).json()
    assert [(one["ok"], one["state"]) for one in answer["items"]] == [(True, "handling")] * 2, answer
    for event_id in ids:
        assert (await town.acts(event_id)).count("dispatch") == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("work-orders/actions/report_done", {"ids": ["a"], "act_id": str(uuid4())}, 404),
        ("events/actions/close", {"ids": ["a"], "act_id": str(uuid4())}, 404),
        ("work-orders/actions/take", {"ids": ["a"] * 201, "act_id": str(uuid4())}, 422),
        ("work-orders/actions/take", {"ids": [], "act_id": str(uuid4())}, 422),
        ("work-orders/actions/take", {"ids": ["a"]}, 422),
        ("work-orders/actions/take", {"ids": ["a"], "body": {"act_id": "x"}, "act_id": str(uuid4())}, 422),
    ],
)
async def test_what_is_no_bulk_act_is_refused_as_a_whole(
    town: Town, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await bulk(town, LIAISON, path, **body)
    assert answer.status_code == status, answer.text
