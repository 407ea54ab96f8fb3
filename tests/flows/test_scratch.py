import orjson
from datetime import timedelta
from sqlalchemy import text
from app import receiving
from app.acts.performing import Request, perform
from tests.conftest import client_token, user_token

HOT = {"orderNum": "A1", "callTime": "2026-03-10T09:58:00+08:00", "callerName": "张三", "callerPhone": "13800001234",
 "orderType": "投诉", "title": "井盖破损", "content": "门口的供水井盖破了一个大洞，晚上很危险，请尽快处理", "address": "梅园新村街道大行宫社区"}

async def test_one(runtime, city, clock):
    tok = client_token(runtime, city, "hotline-12345")
    t = runtime.tokens.verify(tok)
    raw = orjson.dumps(HOT)
    a = receiving.read_message("hotline-12345", HOT, raw, runtime)
    r = await receiving.take_in(runtime, t, "hotline-12345", [a])
    print(r)
    a2 = receiving.read_message("hotline-12345", HOT, raw, runtime)
    r2 = await receiving.take_in(runtime, t, "hotline-12345", [a2])
    print(r2)
    async with runtime.sessions() as s:
        for row in await s.execute(text("select n, act, subject, to_state, data from timeline order by n")): print(row)
        for row in await s.execute(text("select n, kind, due_at, rule from clock order by n")): print(row)
        for row in await s.execute(text("select state, triage, item_id, street_code, community_code, closure_profile from event")): print(row)
    assert 0
