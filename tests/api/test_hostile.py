"""Hostile and unlucky clients: whatever comes in, a clear answer in problem form goes out, and never a 500."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from app.runtime import Runtime
from tests.api.refusals import NOWHERE, SQLISH, refused
from tests.flows.town import Town

Channel = Callable[[str], httpx.AsyncClient]


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
    "wrong types": b'{"orderNum": {}, "content": [], "lon": "x", "act_id": 5, "acted_at": [], "note": {}}',
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
async def test_bad_bodies_of_acts(town: Town, dispatcher: httpx.AsyncClient, name: str) -> None:
    event = await town.send("hotline-12345", town.call())
    for path in (
        f"/events/{event['event_id']}/actions/correct",
        f"/events/{event['event_id']}/actions/merge",
        f"/events/{event['event_id']}/actions/force_close",
        f"/reports/{event['report_id']}/actions/supplement",
    ):
        answer = await dispatcher.post(path, content=BODIES[name], headers={"content-type": "application/json"})
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
async def test_strange_query_values(dispatcher: httpx.AsyncClient, value: str) -> None:
    schema = (await dispatcher.get("http://test/openapi.json")).json()
    paths = {
        path: [parameter["name"] for parameter in methods["get"].get("parameters", ()) if parameter["in"] == "query"]
        for path, methods in schema["paths"].items()
        if "get" in methods and "{" not in path
    }
    assert "/api/v1/events" in paths
    for path, names in paths.items():
        for name in names:
            answer = await dispatcher.get(f"http://test{path}", params={name: value})
            if answer.status_code != 200:
                refused(answer, 400, 403, 404, 422)


@pytest.mark.parametrize("value", ["²", "9" * 5000, "W/", "-1", "null", "\u00b9\u00b2"])
async def test_strange_versions(town: Town, dispatcher: httpx.AsyncClient, value: str) -> None:
    event = await town.send("hotline-12345", town.call())
    answer = await dispatcher.post(
        f"/events/{event['event_id']}/actions/cancel", json={}, headers={b"If-Match": value.encode("latin-1")}
    )
    refused(answer, 403, 412, 422)
    answer = await dispatcher.post(
        f"/reports/{event['report_id']}/actions/chase", json={}, headers={b"If-Match": value.encode("latin-1")}
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
async def test_what_is_no_picture(dispatcher: httpx.AsyncClient, channel: Channel, town: Town, content: bytes) -> None:
    refused(await dispatcher.post("/attachments", content=content), 422)
    message = town.snapshot(pictures=[{"data": base64.b64encode(content).decode()}])
    refused(await channel("snapshot").post("/intake/snapshot", json=message), 422)


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
async def test_places_that_are_not_there(dispatcher: httpx.AsyncClient, path: str) -> None:
    refused(await dispatcher.get(path), 404, 422)


@pytest.mark.parametrize("action", ["close", "nothing", "%00", "'--"])
async def test_acts_on_what_is_not_there(dispatcher: httpx.AsyncClient, channel: Channel, action: str) -> None:
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
        refused(await dispatcher.post(f"/{subject}/actions/{action}", json=body), 404, 422)
    refused(await dispatcher.post(f"/events/{NOWHERE}/actions/merge", json={"into": NOWHERE}), 404)
    refused(await channel("hotline-12345").post(f"/reports/{NOWHERE}/actions/chase", json={}), 404)
    refused(await dispatcher.post("/intake/nothing", json={}), 404)


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
async def test_other_methods_are_405_in_problem_form(dispatcher: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await dispatcher.request(method, path)
    refused(answer, 405)
    assert answer.headers["Allow"]
