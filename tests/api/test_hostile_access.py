"""Wrong tokens, ended accounts, guessed passwords, and the ids of other jurisdictions."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

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
from tests.api.refusals import NOWHERE, SQLISH, refused
from tests.conftest import DEMO_CITY, City, client_token, http_for, user_token
from tests.flows.town import Town, picture

Channel = Callable[[str], httpx.AsyncClient]


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
            message = town.call() if "intake" in path else {"closing_condition_met": True}
            headers = {b"Authorization": b"Bearer " + token.encode("latin-1")}
            answer = await http.request(method, path, headers=headers, json=None if method == "GET" else message)
            # people and machines are told apart before the account is looked up; and only our own key could have
            # signed the number that no account can have
            machine = "client" in name
            refused(answer, 401, *((403,) if machine or "intake" in path else ()), *((422,) if machine else ()))
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
    runtime: Runtime, town: Town, dispatcher: httpx.AsyncClient, channel: Channel
) -> None:
    receipt = await town.send("hotline-12345", town.call())
    refused(await dispatcher.post("/intake/hotline-12345", json=town.call()), 403)
    refused(await dispatcher.post("/intake/hotline-12345/batch", json={"reports": [town.call()]}), 403)
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
    password = "正确的密码 correct"
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
