"""Hostile and unlucky clients: whatever comes in, a clear answer in problem form goes out, and never a 500."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import text

from app.accounts.passwords import Passwords
from app.accounts.tokens import TokenIssuer, UserSubject
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.masters.users import load_city
from app.runtime import Runtime
from tests.conftest import DEMO_CITY, City, client_token, http_for, user_token
from tests.flows.town import Town, picture

Channel = Callable[[str], httpx.AsyncClient]
SQLISH = "'; DROP TABLE event; -- \" OR 1=1 /*"
NOWHERE = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def town(runtime: Runtime, city: City, clock: MovableClock) -> Town:
    return Town(runtime, city)


@pytest.fixture
async def operator(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    async with await town.as_user("dispatcher1") as http:
        yield http


def refused(answer: httpx.Response, *statuses: int, code: str | None = None) -> dict[str, Any]:
    """Asserts a refusal in problem form with one of these statuses, and returns it."""
    assert answer.status_code in statuses, f"{answer.request.url}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(problem)
    assert problem["status"] == answer.status_code
    assert any("\u4e00" <= letter <= "\u9fff" for letter in problem["detail"]), "the detail is for a Chinese reader"
    assert code in (None, problem["code"])
    return problem


# --- bodies ------------------------------------------------------------------------------------------------------

BODIES = {
    "empty": b"",
    "not JSON": b"{not json",
    "cut off": b'{"orderNum": "A1", "content": "',
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "text": b'"text"',
    "not UTF-8": b'{"orderNum": "\xff\xfe"}',
    "lone surrogate": b'{"orderNum": "A1", "content": "\\ud800", "title": "\\udfff", "note": "\\ud800"}',
    "NaN": b'{"lon": NaN, "lat": Infinity, "crs": "wgs84"}',
    "deep": b'{"content": ' + b"[" * 900 + b"]" * 900 + b"}",
    "very deep": b"[" * 200_000 + b"]" * 200_000,
    "NUL": b'{"orderNum": "A\\u0000", "content": "a\\u0000b", "note": "a\\u0000b"}',
    "long number": b'{"lon": ' + b"9" * 5000 + b', "revision": ' + b"9" * 40 + b"}",
    "wrong types": b'{"orderNum": {}, "content": [], "lon": "x", "callTime": 5, "act_id": 5, "acted_at": [], "note": {}}',
    "same name twice": b'{"orderNum": "A1", "orderNum": "A2"}',
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("channel_code", ["hotline-12345", "police-110", "snapshot"])
async def test_bad_bodies_at_intake(channel: Channel, channel_code: str, name: str) -> None:
    http = channel(channel_code)
    refused(await http.post(f"/intake/{channel_code}", content=BODIES[name]), 400, 422)
    refused(await http.post(f"/intake/{channel_code}/batch", content=BODIES[name]), 400, 422)


@pytest.mark.parametrize("name", BODIES)
async def test_bad_messages_in_a_batch_are_answered_one_by_one(channel: Channel, town: Town, name: str) -> None:
    http = channel("hotline-12345")
    good = json.dumps(town.call()).encode()
    answer = await http.post(
        "/intake/hotline-12345/batch", content=b'{"reports": [' + (BODIES[name] or b"{}") + b", " + good + b"]}"
    )
    if answer.status_code == 200:
        bad, fine = answer.json()["results"]
        assert (bad["status"], fine["status"]) == (422, 201)
        assert bad["problem"]["faults"]
    else:
        refused(answer, 400, 422)


@pytest.mark.parametrize("name", BODIES)
async def test_bad_bodies_of_acts(town: Town, operator: httpx.AsyncClient, name: str) -> None:
    event = await town.send("hotline-12345", town.call())
    for path in (
        f"/events/{event['event_id']}/actions/correct",
        f"/events/{event['event_id']}/actions/merge",
        f"/events/{event['event_id']}/actions/force_close",
        f"/reports/{event['report_id']}/actions/supplement",
    ):
        answer = await operator.post(path, content=BODIES[name], headers={"content-type": "application/json"})
        refused(answer, 400, 403, 404, 422)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderNum", "A\x00B"),
        ("orderNum", "x" * 65),
        ("content", "有\x00字"),
        ("content", "字" * 5001),
        ("title", "字" * 201),
        ("callTime", "2026-13-45"),
        ("callTime", "9999-12-31T23:59:59+08:00"),
        ("callTime", "0001-01-01T00:00:00+14:00"),
        ("lon", 1e308),
        ("lon", -181),
        ("lat", "北纬"),
        ("crs", "mars"),
        ("revision", -1),
        ("revision", 10**12),
        ("callerPhone", "1" * 4000),
        ("callerName", ["王"]),
        ("attachments", ["../../etc/passwd"]),
        ("attachments", ["0" * 64] * 21),
        ("orderType", SQLISH),
        ("areaCode", SQLISH),
    ],
)
async def test_a_fault_is_named_by_the_channel_s_own_field(
    channel: Channel, town: Town, field: str, value: Any
) -> None:
    answer = await channel("hotline-12345").post("/intake/hotline-12345", json=town.call() | {field: value})
    problem = refused(answer, 422, code="malformed")
    assert any(fault["path"].startswith(field) for fault in problem["faults"])
    assert await town.rows("SELECT 1 FROM inbox") == []


async def test_unknown_fields_may_be_deep_but_not_too_deep(channel: Channel, town: Town) -> None:
    nested: Any = 1
    for _ in range(300):
        nested = [nested]
    message = town.call() | {"vendor": nested}
    problem = refused(await channel("hotline-12345").post("/intake/hotline-12345", json=message), 422)
    assert problem["faults"][0]["code"] == "too_deep"


async def test_what_looks_like_sql_is_kept_as_it_was_said(channel: Channel, town: Town) -> None:
    message = town.call(cell=None, address=SQLISH, title=SQLISH, content=SQLISH, callerName=SQLISH[:20])
    receipt = await town.send("hotline-12345", message | {"orderNum": "O'--;"})
    assert receipt["outcome"] == "created"
    await town.act("operator1", f"reports/{receipt['report_id']}", "supplement", text=SQLISH)
    shown = await town.get("dispatcher1", f"/events/{receipt['event_id']}/timeline")
    assert SQLISH in json.dumps(shown, ensure_ascii=False).replace('\\"', '"')
    for path in ("/events", "/reports", "/work-orders", "/supervision/overdue"):
        for name in ("q", "item", "area", "unit", "state", "channel", "cursor", "street", "stage"):
            answer = await (await town.as_user("dispatcher1")).get(path, params={name: SQLISH})
            assert answer.status_code in (200, 400, 422), f"{path} {name}: {answer.status_code} {answer.text[:200]}"


@pytest.mark.parametrize("value", ["\x00", "%", "a\x00b", "x" * 5000, "²", "-1", "99999999999999999999", "NaN", ""])
async def test_strange_query_values(operator: httpx.AsyncClient, value: str) -> None:
    schema = (await operator.get("http://test/openapi.json")).json()
    paths = {
        path: [parameter["name"] for parameter in methods["get"].get("parameters", ()) if parameter["in"] == "query"]
        for path, methods in schema["paths"].items()
        if "get" in methods and "{" not in path
    }
    assert "/api/v1/events" in paths
    for path, names in paths.items():
        for name in names:
            answer = await operator.get(f"http://test{path}", params={name: value})
            if answer.status_code != 200:
                refused(answer, 400, 403, 404, 422)


@pytest.mark.parametrize("value", ["²", "9" * 5000, "W/", "-1", "null", "\u00b9\u00b2"])
async def test_strange_versions(town: Town, operator: httpx.AsyncClient, value: str) -> None:
    event = await town.send("hotline-12345", town.call())
    answer = await operator.post(
        f"/events/{event['event_id']}/actions/cancel", json={}, headers={"If-Match": value.encode("latin-1")}
    )
    refused(answer, 403, 412, 422)
    answer = await operator.post(
        f"/reports/{event['report_id']}/actions/chase", json={}, headers={"If-Match": value.encode("latin-1")}
    )
    refused(answer, 412, 422)


async def test_a_body_that_is_too_large_is_refused_announced_or_not(runtime: Runtime, channel: Channel) -> None:
    limit = runtime.settings.max_body_bytes
    http = channel("hotline-12345")
    refused(await http.post("/intake/hotline-12345", content=b"{}", headers={"content-length": str(limit + 1)}), 413)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limit // 2**20 + 1):
            yield b" " * 2**20

    refused(await http.post("/intake/hotline-12345", content=endless()), 413)
    refused(await http.post(f"/events/{NOWHERE}/actions/close", content=endless()), 400, 413)


@pytest.mark.parametrize("count", [0, 1001])
async def test_batches_of_no_and_of_too_many(channel: Channel, count: int) -> None:
    answer = await channel("hotline-12345").post("/intake/hotline-12345/batch", json={"reports": [{}] * count})
    assert refused(answer, 422)["faults"][0]["path"] == "reports"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + b"\x00" * 100,
        b"\xff\xd8\xff\xe0" + b"\x00" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"<svg onload=alert(1)>",
    ],
)
async def test_what_is_no_picture(operator: httpx.AsyncClient, channel: Channel, town: Town, content: bytes) -> None:
    refused(await operator.post("/attachments", content=content), 422)
    message = town.snapshot(pictures=[{"data": base64.b64encode(content).decode()}])
    refused(await channel("snapshot").post("/intake/snapshot", json=message), 422)


# --- tokens ------------------------------------------------------------------------------------------------------


def forged(runtime: Runtime, subject: str, header: dict[str, Any], key: bytes | None = None, **claims: Any) -> str:
    """A token that our issuer did not make."""
    at = int(now().timestamp())
    body = {"sub": subject, "jur": 1, "ver": 0, "iat": at, "exp": at + 600, "jti": "x"} | claims
    if header["alg"] == "none":
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, body)]
        return ".".join([*parts, ""])
    return jwt.encode(header, body, OctKey.import_key(key or runtime.keyring.token_key), algorithms=[header["alg"]])


async def test_tokens_that_are_not_ours(runtime: Runtime, town: Town, clock: MovableClock) -> None:
    real = await user_token(runtime, "dispatcher1")
    subject = str(jwt.decode(real, OctKey.import_key(runtime.keyring.token_key)).claims["sub"])
    typ = {"alg": "HS256", "typ": "at+jwt"}
    short = TokenIssuer(runtime.keyring.token_key, timedelta(minutes=1))
    expired, _ = short.issue(UserSubject(UUID(subject[5:])), jurisdiction_id=town.city.jurisdiction_id, token_version=0)
    clock.advance(minutes=5)
    head, body, signature = real.split(".")
    tokens = {
        "expired": expired,
        "other key": forged(runtime, subject, typ, b"k" * 32),
        "alg none": forged(runtime, subject, {"alg": "none", "typ": "at+jwt"}),
        "other algorithm": forged(runtime, subject, {"alg": "HS512", "typ": "at+jwt"}, b"k" * 64),
        "other type": forged(runtime, subject, {"alg": "HS256", "typ": "JWT"}),
        "cut": f"{head}.{body}",
        "other signature": f"{head}.{body}.{signature[::-1]}",
        "no subject": forged(runtime, "", typ),
        "subject of no kind": forged(runtime, "root:1", typ),
        "subject is SQL": forged(runtime, f"user:{SQLISH}", typ),
        "client is huge": forged(runtime, "client:99999999999999999999", typ),
        "client is no number": forged(runtime, "client:²", typ),
        "unknown client": forged(runtime, "client:999999", typ),
        "unknown user": forged(runtime, f"user:{NOWHERE}", typ),
        "jurisdiction is text": forged(runtime, subject, typ, jur="x"),
        "version is huge": forged(runtime, subject, typ, ver=10**30),
        "time is text": forged(runtime, subject, typ, iat="now"),
        "time is huge": forged(runtime, subject, typ, iat=10**30, exp=10**31),
        "rubbish": "x.y.z",
        "long": "a" * 10_000,
        "NUL": "a\x00b",
        "letters": "\u00e9\u00e8",
    }
    for name, token in tokens.items():
        http = http_for(runtime)
        for method, path in (
            ("GET", "/events"),
            ("GET", "/me"),
            ("POST", f"/events/{NOWHERE}/actions/close"),
            ("POST", "/intake/hotline-12345"),
        ):
            body = town.call() if "intake" in path else {"closing_condition_met": True}
            headers = {"Authorization": b"Bearer " + token.encode("latin-1")}
            answer = await http.request(method, path, headers=headers, json=None if method == "GET" else body)
            # only our own key could have signed the number that no account can have
            refused(answer, 401, *((403, 422) if "client" in name else ()))
    assert await town.rows("SELECT 1 FROM inbox") == []


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "bearer x", "Token x"])
async def test_no_token_is_401_everywhere(runtime: Runtime, header: str | None) -> None:
    http = http_for(runtime)
    headers = {} if header is None else {"Authorization": header}
    schema = (await http.get("http://test/openapi.json")).json()
    for path, methods in schema["paths"].items():
        if path.endswith(("/auth/token", "/intake/channels")):
            continue
        for method in methods:
            place = path.replace("{channel}", "snapshot").replace("{sha256}", "0" * 64)
            for name in ("{event_id}", "{report_id}"):
                place = place.replace(name, NOWHERE)
            place = place.replace("{order_id}", f"{NOWHERE}.1").replace("{action}", "close").replace("{kind}", "items")
            answer = await http.request(method, f"http://test{place}", headers=headers, content=b"{}")
            refused(answer, 401, code="unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_people_and_machines_keep_to_their_own_routes(
    runtime: Runtime, town: Town, operator: httpx.AsyncClient, channel: Channel
) -> None:
    receipt = await town.send("hotline-12345", town.call())
    refused(await operator.post("/intake/hotline-12345", json=town.call()), 403)
    refused(await operator.post("/intake/hotline-12345/batch", json={"reports": [town.call()]}), 403)
    machine, other = channel("hotline-12345"), channel("snapshot")
    for path in ("/me", "/events", "/reports", "/work-orders", "/changes", "/supervision/overdue"):
        refused(await machine.get(path), 403)
    refused(await machine.post("/intake/snapshot", json=town.snapshot()), 403)
    event, report = f"/events/{receipt['event_id']}/actions", f"/reports/{receipt['report_id']}/actions"
    refused(await machine.post(f"{event}/cancel", json={"reason": "不要了"}), 403, 404)
    refused(await machine.post(f"{report}/reveal_identity", json={"reason": "看看"}), 403)
    refused(await other.post(f"{report}/withdraw", json={"reason": "不是我的"}), 404)
    assert (await machine.post(f"{report}/chase", json={})).status_code == 200


async def test_tokens_of_ended_accounts_end_at_once(runtime: Runtime, town: Town, channel: Channel) -> None:
    http = await town.as_user("dispatcher2")
    machine = channel("snapshot")
    assert (await http.get("/me")).status_code == 200
    receipt = await town.send("snapshot", town.snapshot())
    for change in (
        "UPDATE user_account SET token_version = token_version + 1 WHERE username = 'dispatcher2'",
        "UPDATE user_account SET active = false WHERE username = 'dispatcher2'",
    ):
        async with transaction(runtime.sessions) as session:
            await session.execute(text(change))
            await session.execute(text("UPDATE machine_client SET active = false WHERE channel = 'snapshot'"))
        refused(await http.get("/me"), 401)
        refused(await http.post(f"/events/{receipt['event_id']}/actions/cancel", json={"reason": "不要了"}), 403, 401)
        refused(await machine.post("/intake/snapshot", json=town.snapshot()), 401)
        refused(await machine.post(f"/reports/{receipt['report_id']}/actions/chase", json={}), 401)
        refused(await http.post("/attachments", content=picture()), 401)
        refused(await machine.post("/attachments", content=picture()), 401)


async def test_guessing_a_password_locks_the_account_and_time_opens_it(runtime: Runtime, clock: MovableClock) -> None:
    password = "正确的密码 correct"  # noqa: S105 - of this test's own account
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1)
    http = http_for(replace(runtime, passwords=passwords))
    hashed = await passwords.hash(password)
    async with transaction(runtime.sessions) as session:
        await session.execute(
            text("UPDATE user_account SET password_hash = :h WHERE username = 'leader1'"), {"h": hashed}
        )

    async def log_in(word: str) -> httpx.Response:
        return await http.post("/auth/token", data={"username": "leader1", "password": word})

    assert (await log_in(password)).status_code == 200
    for attempt in range(runtime.settings.login_max_failures):
        refused(await log_in(f"猜 {attempt}"), 401)
    locked = await log_in(password)
    refused(locked, 429)
    assert 0 < int(locked.headers["Retry-After"]) <= runtime.settings.login_lock_minutes * 60 + 1
    clock.advance(minutes=runtime.settings.login_lock_minutes, seconds=1)
    assert (await log_in(password)).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"username": "nobody", "password": "x"},
        {"username": SQLISH, "password": SQLISH},
        {"username": "a\x00b", "password": "x"},
        {"username": "leader1", "password": "a\x00b"},
        {"username": "leader1", "password": "x", "jurisdiction": "\x00"},
        {"username": "x" * 100_000, "password": "x" * 100_000},
        {"grant_type": "root", "username": "leader1"},
        {"grant_type": "client_credentials", "client_id": "\x00", "client_secret": "x"},
        {"grant_type": "client_credentials", "client_id": "hotline-12345", "client_secret": ""},
    ],
)
async def test_log_ins_that_are_none(http: httpx.AsyncClient, form: dict[str, str]) -> None:
    refused(await http.post("/auth/token", data=form), 401, 422)


# --- acts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "body", "path"),
    [
        ("supplement", {"text": "字" * 4001}, "text"),
        ("supplement", {"text": "  "}, "text"),
        ("supplement", {"text": "有\x00字"}, "text"),
        ("supplement", {"text": 5}, "text"),
        ("chase", {"note": "字" * 4001}, "note"),
        ("chase", {"note": "有\x00字"}, "note"),
        ("chase", {"note": "\x00"}, "note"),
        ("chase", {"nots": "多了一个字段"}, "nots"),
        ("chase", {"act_id": "1"}, "act_id"),
        ("chase", {"acted_at": "2026-03-10T10:30:00+08:00"}, "acted_at"),
        ("chase", {"acted_at": "2026-03-10T10:00:00"}, "acted_at"),
        ("chase", {"acted_at": "昨天"}, "acted_at"),
        ("chase", {"acted_at": 1e300}, "acted_at"),
        ("callback", {"reached": "也许"}, "reached"),
        ("callback", {"reached": True, "satisfaction_level": 9}, "satisfaction_level"),
        ("callback", {"reached": True, "satisfaction_level": 10**30}, "satisfaction_level"),
    ],
)
async def test_faults_of_an_act_s_body_are_named(town: Town, action: str, body: dict[str, Any], path: str) -> None:
    receipt = await town.send("hotline-12345", town.call())
    user = "callback1" if action == "callback" else "operator1"
    before = await town.acts(receipt["event_id"])
    problem = await town.act(user, f"reports/{receipt['report_id']}", action, 422, **body)
    assert problem["code"] == "malformed"
    assert path in {fault["path"] for fault in problem["faults"]}
    assert await town.acts(receipt["event_id"]) == before


async def test_a_note_of_4000_characters_is_taken_whole(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.act("operator1", f"reports/{receipt['report_id']}", "chase", note="𠮷" * 4000)
    (note,) = await town.rows("SELECT body FROM timeline_note WHERE body LIKE '𠮷%'")
    assert note.body == "𠮷" * 4000


async def test_an_act_dated_before_its_event_counts_from_the_event(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    for moment in ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-03-10T10:04:00+08:00"):
        await town.act("operator1", f"reports/{receipt['report_id']}", "chase", acted_at=moment)
    rows = await town.rows(
        "SELECT acted_at, recorded_at FROM timeline WHERE act = 'chase' AND event_id = :id",
        id=UUID(receipt["event_id"]),
    )
    assert [row.acted_at for row in rows] == [town.at("2026-03-10 10:00")] * 3


@pytest.mark.parametrize(
    "body",
    [
        {"lon": 1e308, "lat": 32, "crs": "wgs84"},
        {"lon": 118.8, "lat": 91, "crs": "gcj02"},
        {"lon": 0, "lat": 0, "crs": "bd09"},
        {"lon": 118.8, "lat": 32.05},
        {"lon": 118.8},
        {"area_code": "\x00"},
        {"area_code": SQLISH},
        {"area_code": "110101"},
        {"item": "没有/matter/0"},
        {"item": "a\x00b"},
        {"redispatch": "也许"},
        {},
    ],
)
async def test_corrections_that_make_no_sense(town: Town, body: dict[str, Any]) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.act("dispatcher1", f"events/{receipt['event_id']}", "correct", 422, **body)


async def test_evidence_must_have_been_uploaded(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    await town.act(unit, order, "sign_for")
    done = {"result": "resolved", "statement": "已清理"}
    for evidence in (["f" * 64], ["F" * 64], ["../x"], [""], ["0" * 64] * 21, "f" * 64, [None]):
        problem = await town.act(unit, order, "report_done", 422, **done, evidence=evidence)
        assert problem["code"] == "malformed"
        assert problem["faults"][0]["path"].startswith("evidence")
    await town.act(unit, order, "report_done", **done)
    await town.act("collector1", f"events/{receipt['event_id']}", "claim_inspection")
    for action in ("pass_inspection", "fail_inspection"):
        await town.act("collector1", f"events/{receipt['event_id']}", action, 422, evidence=["f" * 64])


async def test_a_late_act_with_strange_contents_is_refused_like_any_other(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    late = {"act_id": str(uuid4()), "acted_at": "2026-03-10T09:59:00+08:00"}
    kept = await town.act(unit, order, "start", 409, **late, note=SQLISH)
    assert kept["kept"] is True
    await town.act(unit, order, "start", 422, **late, note="a\x00b")
    await town.act(unit, order, "request_return", 422, **late, reason_code="other", reason="x", suggested_unit="\x00")


# --- places that are not there, or not theirs --------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/events/{NOWHERE}",
        f"/events/{NOWHERE}/timeline",
        f"/reports/{NOWHERE}",
        f"/work-orders/{NOWHERE}.1",
        f"/work-orders/{NOWHERE}",
        f"/work-orders/{NOWHERE}.",
        f"/work-orders/{NOWHERE}.{'9' * 30}",
        f"/work-orders/{NOWHERE}.{'9' * 5000}",
        "/work-orders/x.1",
        "/events/x",
        "/events/%00",
        "/reports/%27",
        "/attachments/" + "0" * 64,
        "/attachments/%2e%2e",
        "/nothing",
        "/events/../../etc/passwd",
    ],
)
async def test_places_that_are_not_there(operator: httpx.AsyncClient, path: str) -> None:
    refused(await operator.get(path), 404, 422)


@pytest.mark.parametrize("action", ["close", "nothing", "%00", "'--"])
async def test_acts_on_what_is_not_there(operator: httpx.AsyncClient, channel: Channel, action: str) -> None:
    body = {"closing_condition_met": True}
    for subject in (
        f"events/{NOWHERE}",
        "events/x",
        f"reports/{NOWHERE}",
        f"work-orders/{NOWHERE}.1",
        f"work-orders/{NOWHERE}.{'9' * 30}",
        f"work-orders/{NOWHERE}.{'9' * 5000}",
        "work-orders/1",
    ):
        refused(await operator.post(f"/{subject}/actions/{action}", json=body), 404, 422)
    refused(await operator.post(f"/events/{NOWHERE}/actions/merge", json={"into": NOWHERE}), 404)
    refused(await channel("hotline-12345").post(f"/reports/{NOWHERE}/actions/chase", json={}), 404)
    refused(await operator.post("/intake/nothing", json={}), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/events"),
        ("PUT", "/intake/snapshot"),
        ("GET", "/auth/token"),
        ("PATCH", f"/work-orders/{NOWHERE}.1"),
        ("POST", "/me"),
        ("GET", f"/events/{NOWHERE}/actions/close"),
    ],
)
async def test_other_methods_are_405_in_problem_form(operator: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await operator.request(method, path)
    refused(answer, 405)
    assert answer.headers["Allow"]


@pytest.fixture
async def other_city(runtime: Runtime, town: Town) -> dict[str, str]:
    """A second jurisdiction with the same people's names: tokens of its users by name."""
    await town.as_user("dispatcher1")  # while the name is the only one
    async with transaction(runtime.sessions) as session:
        number = await session.scalar(
            text("INSERT INTO jurisdiction (code, name) VALUES ('320104', '另一个区') RETURNING id")
        )
        await load_city(session, number, DEMO_CITY, by="tests", passwords=Passwords(time_cost=1, memory_kib=8))
        users = await session.execute(
            text("SELECT id, username, token_version FROM user_account WHERE jurisdiction_id = :j"), {"j": number}
        )
        client = await session.scalar(
            text(
                "INSERT INTO machine_client (jurisdiction_id, code, name, channel, secret_hash) "
                "VALUES (:j, 'hotline-12345', 'x', 'hotline-12345', 'no log-in') RETURNING id"
            ),
            {"j": number},
        )
    tokens = {
        user.username: runtime.tokens.issue(
            UserSubject(user.id), jurisdiction_id=number, token_version=user.token_version
        )[0]
        for user in users
    }
    tokens["hotline-12345"] = client_token(runtime, City(number, {"hotline-12345": client}), "hotline-12345")
    return tokens


async def test_another_jurisdiction_s_ids_do_not_exist(
    runtime: Runtime, town: Town, other_city: dict[str, str]
) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event, report = receipt["event_id"], receipt["report_id"]
    order, unit = await town.lead(event)
    theirs = await town.send("hotline-12345", town.call(cell=None, address="大行宫社区"))
    for username in ("dispatcher1", "leader1", "supervisor1", "collector1", unit, "auditadmin", "sysadmin"):
        http = http_for(runtime, other_city[username])
        for path in (f"/events/{event}", f"/events/{event}/timeline", f"/reports/{report}", f"/{order}"):
            refused(await http.get(path), 403, 404)
        for path, body in (
            (f"/events/{event}/actions/cancel", {"reason": "不要了"}),
            (f"/events/{event}/actions/merge", {"into": theirs["event_id"]}),
            (f"/{order}/actions/sign_for", {}),
            (f"/{order}/actions/request_return", {"reason_code": "other", "reason": "x"}),
            (f"/reports/{report}/actions/chase", {}),
            (f"/reports/{report}/actions/reveal_identity", {"reason": "看看"}),
        ):
            refused(await http.post(path, json=body), 404)
        for path in ("/events", "/reports", "/work-orders"):
            answer = await http.get(path)
            assert answer.status_code == 403 or answer.json()["items"] == []
    machine = http_for(runtime, other_city["hotline-12345"])
    refused(await machine.post(f"/reports/{report}/actions/withdraw", json={"reason": "不是我的"}), 404)
    sent = await machine.post("/intake/hotline-12345", json=town.call() | {"orderNum": receipt["source_ref"]})
    assert sent.status_code == 201, "another city's system may use the same numbers"
    assert sent.json()["event_id"] != event
    refused(
        await (await town.as_user("dispatcher1")).post(
            f"/events/{event}/actions/merge", json={"into": sent.json()["event_id"]}
        ),
        404,
    )
    assert (await town.acts(event))[-1] == "dispatch"


async def test_a_name_in_two_jurisdictions_needs_the_jurisdiction(
    http: httpx.AsyncClient, other_city: dict[str, str]
) -> None:
    refused(await http.post("/auth/token", data={"username": "leader1", "password": "x"}), 401)
