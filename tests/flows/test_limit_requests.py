"""延期 from the asking to the last word, who may decide, and what falls away with the order."""

from typing import Any
from uuid import uuid4

import pytest

from app.commands.bench.statements import StatementCount
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City, http_for, user_token
from tests.flows.limits_at_work import APPOINTMENT, ENGINEERING, SEASON, AtWork, seat, set_policies
from tests.flows.test_recalculation import published, standard
from tests.flows.test_recalculation import work as run_jobs
from tests.flows.town import ALONE, Town


@pytest.fixture
async def work(town: Town, clock: MovableClock) -> AtWork:
    """4 work_hour from Tuesday 2026-03-10 10:00: 10–12 and 14–16."""
    return await AtWork.begin(town, clock)


async def test_a_short_extension_moves_the_due_time_when_the_dispatcher_agrees(work: AtWork) -> None:
    totals = await work.totals()
    work.at("2026-03-10 10:30")
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    assert await work.due() == "2026-03-10 16:00", "asking moves nothing"
    await work.by("dispatcher1", "approve_extension", note="情况属实")
    # 6 work_hour: 10–12 and 14–18
    assert await work.due() == "2026-03-10 18:00"
    assert await work.told("extension") == [
        ("extension_requested", None, "requested", "unit_liaison"),
        ("extension_granted", "requested", "granted", "dispatcher"),
    ]
    (record,) = await work.records()
    assert (record.cause, record.grounds, record.act, record.limit_value) == (
        "extended",
        "extension",
        "extension_granted",
        6,
    )
    assert [one["role"] for one in record.approval] == ["dispatcher"]
    assert await work.totals() == totals, "the citizen's clock never moves for the unit"
    (shown,) = await work.shown(work.unit)
    assert (shown["state"], shown["terms"], shown["waits_for"]) == ("granted", {"more": "2 work_hour"}, None)
    assert shown["ended_at"] == "2026-03-10T10:30:00+08:00"
    refused = await work.by_unit("request_extension", 409, more=1, **ENGINEERING)
    assert refused["detail"] == "该工单已延期 1 次，每个工单最多延期 1 次。"
    assert "request_extension" not in await work.allowed(work.unit)


async def test_a_long_extension_needs_two_in_their_order(work: AtWork) -> None:
    await work.by_unit("request_extension", more=4, **ENGINEERING)
    early = await work.by("leader1", "approve_extension", 403)
    assert early["detail"] == "这份申请现在须由派遣员审批，您在该区域没有这一席位。"
    assert early["needs"] == ["dispatcher"]
    assert "approve_extension" not in await work.allowed("leader1")
    assert {"approve_extension", "reject_extension"} <= await work.allowed("dispatcher1")
    act_id = str(uuid4())
    assert not (await work.by("dispatcher1", "approve_extension", act_id=act_id))["repeated"]
    assert (await work.by("dispatcher1", "approve_extension", act_id=act_id))["repeated"], "a double click"
    assert await work.due() == "2026-03-10 16:00", "one of two moves nothing"
    (shown,) = await work.shown("leader1")
    assert (shown["state"], shown["waits_for"]) == ("reviewed", "shift_leader")
    again = await work.by("dispatcher2", "approve_extension", 403)
    assert again["detail"] == "这份申请现在须由值班长审批，您在该区域没有这一席位。"
    assert "approve_extension" not in await work.allowed("dispatcher1")
    assert "approve_extension" in await work.allowed("leader1")
    work.at("2026-03-10 15:00")
    await work.by("leader1", "approve_extension")
    # 8 work_hour: 10–12, 14–18, and Wednesday 8–10
    assert await work.due() == "2026-03-11 10:00"
    assert [one[0] for one in await work.told("extension")] == [
        "extension_requested",
        "extension_reviewed",
        "extension_granted",
    ]
    (record,) = await work.records()
    assert [one["role"] for one in record.approval] == ["dispatcher", "shift_leader"]
    none = await work.by("leader1", "approve_extension", 409)
    assert none["code"] == "not_allowed_now"


async def test_nobody_agrees_twice_whatever_seats_they_have(town: Town, work: AtWork) -> None:
    await seat(town, "dispatcher1", "shift_leader")
    await work.by_unit("request_extension", more=4, **ENGINEERING)
    await work.by("dispatcher1", "approve_extension")
    refused = await work.by("dispatcher1", "approve_extension", 403)
    assert refused["detail"] == "您已审批过这份延期申请，下一步须由另一人审批。"
    assert "approve_extension" not in await work.allowed("dispatcher1")
    await work.by("leader2", "approve_extension")


async def test_nobody_decides_for_their_own_unit(town: Town, work: AtWork) -> None:
    """The desk's officer handles orders there and holds a dispatcher's seat too."""
    await town.act("dispatcher1", work.order, "transfer", unit="DESK-320102", reason="须统筹")
    work.order, work.unit = await town.lead(work.event_id)
    assert work.unit == "u-desk-320102"
    await work.by_unit("sign_for")
    await work.by_unit("request_extension", more=1, **ENGINEERING)
    refused = await work.by_unit("approve_extension", 403)
    assert refused["detail"] == "您属于提出申请的单位，不能审批本单位的延期申请。"
    allowed = await work.allowed(work.unit)
    assert "withdraw_extension" in allowed
    assert not {"approve_extension", "reject_extension"} & allowed
    await work.by("dispatcher1", "approve_extension")


async def test_an_extension_is_asked_for_before_the_limit_has_run_out(work: AtWork) -> None:
    work.at("2026-03-10 15:59")
    assert "request_extension" in await work.allowed(work.unit)
    work.at("2026-03-10 16:00")
    refused = await work.by_unit("request_extension", 409, more=1, **ENGINEERING)
    assert refused["detail"] == "处置时限已于 2026-03-10 16:00 到期；延期须在到期前申请。"
    assert "request_extension" not in await work.allowed(work.unit)


async def test_asked_in_time_it_may_be_granted_after_the_limit(work: AtWork) -> None:
    work.at("2026-03-10 15:59")
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    work.at("2026-03-10 17:00")
    await work.by("dispatcher1", "approve_extension")
    assert await work.due() == "2026-03-10 18:00"


async def test_no_more_than_the_city_allows(town: Town, work: AtWork) -> None:
    refused = await work.by_unit("request_extension", 422, more=5, **ENGINEERING)
    assert refused["detail"] == "原时限为 4 工作时，一次最多延长 4 工作时。"
    assert refused["faults"][0]["path"] == "more"
    await work.by_unit("request_extension", 422, more=0, **ENGINEERING)
    await work.by_unit("request_extension", 422, more=1, reason_code="tired", reason="累")
    await set_policies(town, extension_times="2", extension_share="0.5", extension_approvers="supervisor|shift_leader")
    await work.by_unit("request_extension", 422, more=3, **ENGINEERING)
    for hours, approver in ((2, "16:00"), (2, "18:00")):
        assert await work.due() == f"2026-03-10 {approver}"
        await work.by_unit("request_extension", more=hours, **ENGINEERING)
        await work.by("dispatcher1", "approve_extension", 403)
        await work.by("supervisor1", "approve_extension")
        await work.by("leader1", "approve_extension")
    assert await work.due() == "2026-03-11 10:00"
    await work.by_unit("request_extension", 409, more=1, **ENGINEERING)


async def test_rejected_and_withdrawn_move_nothing_and_may_be_asked_again(work: AtWork) -> None:
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    twice = await work.by_unit("request_extension", 409, more=1, **ENGINEERING)
    assert twice["detail"] == "该工单已有延期申请正在审批；请等待结果，或先撤回。"
    await work.by("dispatcher1", "reject_extension", reason="车辆已到位")
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    await work.by("dispatcher1", "withdraw_extension", 403)
    await work.by_unit("withdraw_extension")
    await work.by_unit("withdraw_extension", 409)
    assert await work.due() == "2026-03-10 16:00"
    assert await work.records() == []
    assert [(one["state"], len(one["decisions"])) for one in await work.shown("dispatcher1")] == [
        ("rejected", 1),
        ("withdrawn", 0),
    ]
    await work.by_unit("request_extension", more=1, **ENGINEERING)


async def test_asking_twice_with_one_act_id_asks_once(work: AtWork) -> None:
    act_id = str(uuid4())
    for repeated in (False, True):
        told = await work.by_unit("request_extension", more=2, act_id=act_id, **ENGINEERING)
        assert told["repeated"] is repeated
    assert len(await work.shown(work.unit)) == 1


async def test_a_version_that_was_passed_is_refused(town: Town, work: AtWork) -> None:
    async with await town.as_user(work.unit) as http:
        body = {"more": 1, **ENGINEERING}
        answer = await http.post(f"/{work.order}/actions/request_extension", json=body, headers={"If-Match": '"1"'})
    assert answer.status_code == 412


@pytest.mark.parametrize(
    ("end", "cause"),
    [
        (("leader1", "transfer", {"unit": "D-URBAN", "reason": "改派"}), "transferred"),
        (("dispatcher1", "cancel", {"reason": "重复"}), "cancelled"),
        (
            ("unit", "report_done", {"result": "resolved", "statement": "已清运", "without_parts": ALONE}),
            "reported_done",
        ),
    ],
)
async def test_what_was_asked_falls_away_with_the_order(
    town: Town, work: AtWork, end: tuple[str, str, dict[str, Any]], cause: str
) -> None:
    await work.by_unit("wait_for_complainant", until="2026-03-11T15:00:00+08:00", **APPOINTMENT)
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    who, action, body = end
    await work.by(work.unit if who == "unit" else who, action, **body)
    rows = await town.rows(
        "SELECT l.kind, l.state, l.ended_at IS NULL AS open, t.act, t.data ->> 'cause' AS cause FROM limit_request l "
        "JOIN timeline t ON t.event_id = l.event_id AND t.subject_n = l.n AND t.to_state = l.state "
        "WHERE l.event_id = :id ORDER BY l.n",
        id=work.event_id,
    )
    assert [tuple(row) for row in rows] == [
        ("waiting", "ended", False, "waiting_ended", cause),
        ("extension", "withdrawn", False, "extension_withdrawn", cause),
    ]
    assert (await town.get("dispatcher1", "/supervision/limit-requests"))["items"] == []


async def test_an_approved_return_ends_it_too(town: Town, work: AtWork) -> None:
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    await work.by_unit("request_return", reason_code="not_our_duty", reason="非本单位职责")
    await work.by("dispatcher1", "approve_return", unit="D-URBAN")
    assert (await work.told("extension"))[-1][:3] == ("extension_withdrawn", "requested", "withdrawn")


async def test_the_unit_sees_its_own_the_centre_all_others_nothing(town: Town, work: AtWork) -> None:
    """The event has a supporting unit, which sees the lead's order but not what the lead asked for."""
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    (helper,) = await town.rows(
        "SELECT g.code FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id AND o.role = 'supporting'",
        id=work.event_id,
    )
    assert len(await work.shown(work.unit)) == len(await work.shown("supervisor1")) == 1
    assert await work.shown(f"u-{helper.code.lower()}") == []
    await work.by(f"u-{helper.code.lower()}", "withdraw_extension", 403)


async def test_the_list_of_what_waits(town: Town, work: AtWork, clock: MovableClock) -> None:
    await work.by_unit("request_extension", more=4, **ENGINEERING)
    others = []
    for cell in ("320102003001001", "320102005001001", "320102008001001"):
        clock.advance(minutes=1)
        other = await AtWork.begin(town, clock, cell)
        milestones = [{"on": "2026-03-20", "text": "完成设计"}]
        await other.by_unit("request_deferral", until="2026-04-01T09:00:00+08:00", milestones=milestones, **SEASON)
        others.append(other)
    await work.by("dispatcher1", "approve_extension")
    path, cursor, pages = "/supervision/limit-requests", None, 0
    found: list[dict[str, Any]] = []
    while True:
        page = await town.get("dispatcher2", path, limit=3, **({"cursor": cursor} if cursor else {}))
        found, cursor, pages = [*found, *page["items"]], page["next"], pages + 1
        if cursor is None:
            break
    assert ([one["event_id"] for one in found], pages) == ([work.event_id, *(one.event_id for one in others)], 2)
    assert (found[0]["work_order"], found[0]["waits_for"]) == (work.order.split("/")[1], "shift_leader")
    mine = await town.get("leader1", path, waits_for="shift_leader")
    assert [one["event_id"] for one in mine["items"]] == [work.event_id]
    assert len((await town.get("leader1", path, kind="deferral", state="requested"))["items"]) == 3
    assert (await town.get("leader1", path, unit="D-URBAN"))["items"] == []
    await town.get("leader1", path, 422, cursor="x")
    await town.get("leader1", path, 422, kind="holiday")
    await town.get(work.unit, path, 403)
    async with http_for(town.runtime) as http:
        assert (await http.get(path)).status_code == 401


async def test_the_list_takes_two_statements_however_long_it_is(committing_runtime: Runtime, city: City) -> None:
    statements = StatementCount(committing_runtime.read_sessions)
    async with http_for(committing_runtime, await user_token(committing_runtime, "leader1")) as http:
        await http.get("/events")  # masters are read once per process
        for limit in (1, 200):
            statements.reset()
            answer = await http.get("/supervision/limit-requests", params={"limit": limit})
            assert answer.status_code == 200, answer.text
            assert statements.queries == 2, "the asker and the list"


async def test_what_was_asked_in_hours_is_not_granted_in_days(town: Town, work: AtWork) -> None:
    await work.by_unit("request_extension", more=4, **ENGINEERING)
    key = (await work.row()).rule
    row = await standard(town, key)
    await published(town, "filing-standards", {key: row | {"limit": "1 work_day"}}, mode="re_decide_open")
    await run_jobs(town)
    assert await work.due() == "2026-03-11 10:00"
    refused = await work.by("dispatcher1", "approve_extension", 409)
    assert refused["detail"] == (
        "申请延长 4 工作时，而处置时限现已按新规定改为 1 工作日，单位不同，不能批准；请驳回，由承办单位重新申请。"
    )
    assert "approve_extension" not in await work.allowed("dispatcher1")
    await work.by("dispatcher1", "reject_extension", reason="时限已改为工作日")
    told = await work.by_unit("request_extension", 422, more=2, **ENGINEERING)
    assert told["detail"] == "原时限为 1 工作日，一次最多延长 1 工作日。"
    await work.by_unit("request_extension", more=1, **ENGINEERING)


async def test_the_most_goes_by_the_limit_in_force_without_its_extensions(town: Town, work: AtWork) -> None:
    await set_policies(town, extension_times="2")
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    await work.by("dispatcher1", "approve_extension")
    key = (await work.row()).rule
    row = await standard(town, key)
    await published(town, "filing-standards", {key: row | {"limit": "6 work_hour"}}, mode="re_decide_open")
    await run_jobs(town)
    assert (await work.row()).limit_value == 8
    told = await work.by_unit("request_extension", 422, more=7, **ENGINEERING)
    assert told["detail"] == "原时限为 6 工作时，一次最多延长 6 工作时。"
