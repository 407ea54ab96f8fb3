"""Acts that come twice, too late, or by somebody else; and what stopped, until a person sets it going again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app import background
from app.commands import deliveries as commands
from app.core.database import transaction
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.flows.town import Town

BEFORE = "2026-03-10T10:01:00+08:00"


def offline() -> dict[str, Any]:
    return {"act_id": str(uuid4()), "acted_at": BEFORE}


async def kept(town: Town, event_id: str) -> list[tuple[Any, ...]]:
    found = await town.rows(
        "SELECT resource, action FROM late_act WHERE event_id = :id ORDER BY recorded_at, act_id", id=UUID(event_id)
    )
    return [tuple(row) for row in found]


async def seat(town: Town, username: str, role: str, area: str) -> None:
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text(
                "INSERT INTO seat (user_id, role, scope_area, since) "
                "SELECT id, :role, :area, now() FROM user_account WHERE username = :name"
            ),
            {"role": role, "area": area, "name": username},
        )


# ── the same act id ──────────────────────────────────────────────────────────────────────────────────────────


async def test_an_act_id_stands_for_one_action_on_one_subject(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    used = str(uuid4())
    await town.act(unit, order, "sign_for", act_id=used)
    for path, action, body in (
        (order, "start", {}),
        (f"events/{receipt['event_id']}", "reply", {"body": "已办"}),
        (f"reports/{receipt['report_id']}", "reply", {"body": "已办"}),
    ):
        refused = await town.act(unit, path, action, 409, act_id=used, **body)
        assert refused["code"] == "act_id_reused"
    assert (await town.act(unit, order, "sign_for", act_id=used))["repeated"] is True


async def test_the_same_action_on_another_report_of_the_event_is_another_act(town: Town) -> None:
    first = await town.send("hotline-12345", town.call())
    second = await town.send("hotline-12345", town.call(callerPhone="13800005555"))
    assert second["event_id"] == first["event_id"]
    used = str(uuid4())
    await town.act("operator1", f"reports/{first['report_id']}", "chase", act_id=used)
    refused = await town.act("operator1", f"reports/{second['report_id']}", "chase", 409, act_id=used)
    assert refused["code"] == "act_id_reused"


async def test_who_lost_the_event_by_the_act_still_learns_that_it_was_done(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    path = f"events/{event_id}"
    await town.handle(event_id)
    claim, passed = offline(), offline()
    await town.act("collector1", path, "claim_inspection", **claim)
    await town.act("collector1", path, "pass_inspection", **passed)
    assert (await town.act("collector1", path, "claim_inspection", **claim))["repeated"] is True
    assert (await town.act("collector1", path, "pass_inspection", **passed))["repeated"] is True
    await town.act("collector2", path, "pass_inspection", 404, **passed)
    assert await kept(town, event_id) == []


# ── too late ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_late_act_on_an_order_that_was_given_to_others_is_kept_and_resolved(
    town: Town, clock: MovableClock
) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, unit = await town.lead(event_id)
    await town.act("dispatcher1", order, "transfer", unit="D-URBAN", reason="改派")
    clock.advance(minutes=30)
    late = offline()
    answer = await town.act(unit, order, "sign_for", 404, **late)
    assert "kept" not in answer
    await town.act("u-city-gas", order, "sign_for", 404, **offline())
    assert await kept(town, event_id) == [("work_order", "sign_for")]

    await town.get(unit, "/supervision/late-acts", 403)
    (shown,) = (await town.get("supervisor1", "/supervision/late-acts"))["items"]
    assert (shown["work_order"], shown["act_id"], shown["resolved_at"]) == (
        order.removeprefix("work-orders/"),
        late["act_id"],
        None,
    )
    async with await town.as_user("dispatcher1") as http:
        where = f"/supervision/late-acts/{event_id}/{late['act_id']}/resolve"
        resolved = await http.post(where, json={"note": "已电话核实，无需处理"})
        again = await http.post(where, json={"note": "再来一次"})
        unknown = await http.post(f"/supervision/late-acts/{event_id}/{uuid4()}/resolve", json={"note": "无"})
    assert (resolved.status_code, again.status_code, unknown.status_code) == (200, 409, 404), resolved.text
    assert resolved.json()["resolved_at"] is not None
    assert (await town.acts(event_id))[-1] == "late_act_resolved"


async def test_late_acts_on_events_and_reports_are_kept_too(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id, report = receipt["event_id"], f"reports/{receipt['report_id']}"
    await town.act("operator1", report, "withdraw", reason="诉求人称已自行解决")
    clock.advance(minutes=30)
    assert (await town.act("operator1", report, "chase", 409, **offline()))["kept"] is True
    conflict = await town.act("dispatcher1", f"events/{event_id}", "merge", 409, into=event_id, **offline())
    assert conflict["kept"] is True
    assert sorted(await kept(town, event_id)) == [("event", "merge"), ("report", "chase")]
    (row,) = await town.rows("SELECT body FROM late_act WHERE resource = 'report'")
    assert row.body["report_id"] == receipt["report_id"]


async def test_the_reason_of_a_withdrawal_is_kept(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.act("operator1", f"reports/{receipt['report_id']}", "withdraw", reason="诉求人称已自行解决")
    (row,) = await town.rows(
        "SELECT b.body FROM timeline t JOIN timeline_note b USING (event_id, n) "
        "WHERE t.event_id = :id AND t.act = 'withdraw'",
        id=UUID(receipt["event_id"]),
    )
    assert row.body == "诉求人称已自行解决"


# ── inspections ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_claimed_inspection_can_be_given_back_and_is_only_the_claimant_s(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    path = f"events/{event_id}"
    deciding = {"pass_inspection", "fail_inspection", "release_inspection"}

    async def offered(username: str) -> set[str]:
        shown = await town.get(username, f"/{path}")
        return deciding & set(shown["allowed_actions"]["event"])

    await town.handle(event_id)
    await town.act("collector1", path, "claim_inspection")
    assert await offered("collector1") == deciding
    assert await offered("collector2") == set()
    assert await offered("dispatcher1") == {"release_inspection"}
    await town.act("collector2", path, "release_inspection", 403)
    await town.act("collector1", path, "release_inspection", note="车坏在路上")
    await town.act("collector2", path, "claim_inspection")
    await town.act("collector1", path, "pass_inspection", 403, **offline())
    assert await kept(town, event_id) == [("event", "pass_inspection")]
    await town.act("dispatcher1", path, "release_inspection")
    await town.act("collector1", path, "claim_inspection")
    await town.act("collector1", path, "pass_inspection")
    assert (await town.acts(event_id)).count("inspection_released") == 2


# ── who calls back ───────────────────────────────────────────────────────────────────────────────────────────


async def test_who_calls_back_learns_a_confidential_number_but_not_an_accuser_s(town: Town) -> None:
    secret = await town.send("hotline-12345", town.call(confidential=True))
    shown = await town.act("callback1", f"reports/{secret['report_id']}", "reveal_identity", reason="回访")
    assert shown["identity"]["phones"] == ["13800001234"]
    accusing = await town.send("hotline-12345", town.call(orderType="举报", accusedUnit="某某科室"))
    await town.act("callback1", f"reports/{accusing['report_id']}", "reveal_identity", 403, reason="回访")


async def test_a_seat_elsewhere_does_not_lend_its_role(town: Town) -> None:
    accusing = await town.send("hotline-12345", town.call(orderType="举报", accusedUnit="某某科室"))
    await seat(town, "callback1", "dispatcher", "320104")
    await town.act("callback1", f"reports/{accusing['report_id']}", "reveal_identity", 403, reason="回访")


# ── what was not delivered ───────────────────────────────────────────────────────────────────────────────────


async def test_the_shift_leader_sends_again_or_gives_up_what_could_not_be_delivered(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    await town.act("operator1", f"reports/{receipt['report_id']}", "withdraw", reason="不再需要")
    async with transaction(town.runtime.sessions) as session:
        await session.execute(text("UPDATE delivery SET state = 'dead', last_error = '503'"))
    await town.get("dispatcher1", "/supervision/deliveries", 403)
    dead = (await town.get("leader1", "/supervision/deliveries", state="dead"))["items"]
    assert dead
    assert {one["event_id"] for one in dead} == {event_id}
    result = next(one["id"] for one in dead if one["kind"] == "result")
    async with await town.as_user("leader1") as http:
        where = f"/supervision/deliveries/{result}/actions"
        again = await http.post(f"{where}/send_again", json={"reason": "对方已恢复"})
        assert (again.status_code, again.json()["state"]) == (200, "waiting")
        assert (await http.post(f"{where}/send_again", json={"reason": "对方已恢复"})).status_code == 409
        skipped = await http.post(f"{where}/skip", json={"reason": "已电话告知"})
        assert (skipped.status_code, skipped.json()["state"]) == (200, "skipped")
        assert (await http.post("/supervision/deliveries/x.1/actions/skip", json={"reason": "-"})).status_code == 404
    acts = await town.acts(event_id)
    assert {"delivery_sent_again", "delivery_skipped", "result_written_off"} <= set(acts)
    async with await town.as_user("dispatcher1") as http:
        assert (await http.post(f"{where}/skip", json={"reason": "-"})).status_code == 403


async def test_the_command_line_lists_and_skips_what_stopped(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Runtime]:
        yield town.runtime

    monkeypatch.setattr(commands, "open_sessions", opened)
    monkeypatch.setattr(commands, "open_runtime", opened)
    monkeypatch.setattr(commands, "get_settings", lambda: town.runtime.settings)
    receipt = await town.send("hotline-12345", town.call())
    await town.act("operator1", f"reports/{receipt['report_id']}", "withdraw", reason="不再需要")
    async with transaction(town.runtime.sessions) as session:
        await session.execute(text("UPDATE delivery SET state = 'dead', last_error = '503'"))
        await session.execute(
            text(
                "INSERT INTO job (id, kind, key, args, state, run_at) "
                "VALUES (:id, 'retry_held', 'k', '{}', 'dead', now())"
            ),
            {"id": (job_id := uuid4())},
        )
    dead = await commands._rows(commands._DELIVERIES, "dead", 50, "bihuan")
    result = next(row.id for row in dead if row.kind == "result")
    await commands._decide(background.skip_delivery, result, "已电话告知", "bihuan")
    assert (await town.acts(receipt["event_id"]))[-1] == "delivery_skipped"
    assert [row.id for row in await commands._rows(commands._JOBS, "dead", 50, "bihuan")] == [str(job_id)]
    assert await commands._revive(job_id, "bihuan")
    assert not await commands._revive(job_id, "bihuan")
