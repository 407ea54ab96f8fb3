"""挂账 and 等待诉求人: what keeps the unit's clock standing, and what ends that. The citizen's never stands."""

from typing import Any

import pytest

from app.core.timing import MovableClock
from tests.conftest import client_token, http_for
from tests.flows.limits_at_work import APPOINTMENT, SEASON, AtWork, set_policies
from tests.flows.town import Town

MILESTONES = [{"on": "2026-03-31", "text": "完成清运"}, {"on": "2026-03-16", "text": "完成设计"}]


@pytest.fixture
async def work(town: Town, clock: MovableClock) -> AtWork:
    """4 work_hour from Tuesday 2026-03-10 10:00: 10–12 and 14–16."""
    return await AtWork.begin(town, clock)


async def defer(work: AtWork) -> None:
    """Asked at 10:30 and granted at 11:00, when one of four hours has passed; until Wednesday 2026-04-01 09:00."""
    work.at("2026-03-10 10:30")
    await work.by_unit("request_deferral", until="2026-04-01T09:00:00+08:00", milestones=MILESTONES, **SEASON)
    await work.by("dispatcher1", "approve_deferral")
    work.at("2026-03-10 11:00")
    await work.by("leader1", "approve_deferral")


# --- 挂账 --------------------------------------------------------------------------------------------------------


async def test_a_deferral_holds_the_clock_beyond_the_cap_on_other_pauses(work: AtWork) -> None:
    totals = await work.totals()
    await defer(work)
    # 15 working days stand still although the cap is 10; three hours are left from 09:00
    assert await work.due() == "2026-04-01 12:00"
    assert await work.totals() == totals
    (record,) = await work.records()
    assert (record.cause, record.grounds, record.act) == ("paused", "deferred", "deferral_granted")
    assert [one["role"] for one in record.approval] == ["dispatcher", "shift_leader"]
    assert await work.told("deferral") == [
        ("deferral_requested", None, "requested", "unit_liaison"),
        ("deferral_reviewed", "requested", "reviewed", "dispatcher"),
        ("deferral_granted", "reviewed", "granted", "shift_leader"),
    ]
    (shown,) = await work.shown(work.unit)
    assert (shown["state"], shown["ended_at"], shown["terms"]["leader"]) == ("granted", None, "街道城管科")
    assert [one["on"] for one in shown["terms"]["milestones"]] == ["2026-03-16", "2026-03-31"]
    again = await work.by_unit(
        "request_deferral", 409, until="2026-05-06T09:00:00+08:00", milestones=MILESTONES, **SEASON
    )
    assert again["detail"] == "该工单正在挂账。"
    waiting = await work.by_unit("wait_for_complainant", 409, until="2026-03-11T09:00:00+08:00", **APPOINTMENT)
    assert waiting["detail"] == "该工单正在挂账，处置时限已暂停。"


async def test_one_of_two_approvers_or_a_no_moves_nothing(work: AtWork) -> None:
    await work.by_unit("request_deferral", until="2026-04-01T09:00:00+08:00", milestones=MILESTONES, **SEASON)
    await work.by("dispatcher1", "approve_deferral")
    assert await work.due() == "2026-03-10 16:00"
    await work.by("leader1", "reject_deferral", reason="条件已具备")
    assert await work.due() == "2026-03-10 16:00"
    assert (await work.told("deferral"))[-1] == ("deferral_rejected", "reviewed", "rejected", "shift_leader")
    assert await work.records() == []


async def test_clearance_is_the_unit_s_word_until_the_dispatcher_has_verified_it(work: AtWork) -> None:
    await defer(work)
    work.at("2026-03-12 09:30")
    assert "verify_clearance" not in await work.allowed("dispatcher1")
    await work.by("dispatcher1", "verify_clearance", 409)
    await work.by_unit("claim_clearance", statement="已提前清运")
    assert "verify_clearance" not in await work.allowed(work.unit)
    await work.by_unit("verify_clearance", 403)
    await work.by("dispatcher1", "refuse_clearance", reason="仍有残留")
    assert await work.due() == "2026-04-01 12:00"
    await work.by_unit("claim_clearance", statement="已清运完毕")
    assert await work.due() == "2026-04-01 12:00", "a claim alone moves nothing"
    work.at("2026-03-12 10:30")
    await work.by("dispatcher1", "verify_clearance")
    # three hours are left from Thursday 10:30: 10:30–12:00 and 14:00–15:30
    assert await work.due() == "2026-03-12 15:30"
    assert [one[:3] for one in (await work.told("deferral"))[3:]] == [
        ("clearance_claimed", "granted", "settling"),
        ("clearance_refused", "settling", "granted"),
        ("clearance_claimed", "granted", "settling"),
        ("clearance_verified", "settling", "ended"),
    ]
    assert [(one.cause, one.act) for one in await work.records()] == [
        ("paused", "deferral_granted"),
        ("resumed", "clearance_verified"),
    ]
    once = await work.by_unit(
        "request_deferral", 409, until="2026-05-06T09:00:00+08:00", milestones=MILESTONES, **SEASON
    )
    assert once["detail"] == "该工单已挂账 1 次，每个工单最多挂账 1 次。"


async def test_a_deferral_is_over_by_its_own_date(town: Town, work: AtWork) -> None:
    await defer(work)
    work.at("2026-04-01 08:59")
    assert "claim_clearance" in await work.allowed(work.unit)
    listed = "/supervision/limit-requests"
    assert len((await town.get("leader1", listed, state="granted"))["items"]) == 1
    work.at("2026-04-01 09:00")
    (shown,) = await work.shown(work.unit)
    assert (shown["state"], shown["ended_at"]) == ("ended", "2026-04-01T09:00:00+08:00")
    assert (await town.get("leader1", listed))["items"] == []
    await work.by_unit("claim_clearance", 409, statement="已清运")
    work.at("2026-04-01 09:30")
    await work.by_unit("start")
    # whatever touches the event next writes it down, at its own time and by nobody
    (row,) = await town.rows(
        "SELECT acted_at, recorded_at, actor_kind, data ->> 'cause' AS cause FROM timeline "
        "WHERE event_id = :id AND act = 'deferral_ended'",
        id=work.event_id,
    )
    assert (row.acted_at, row.recorded_at) == (town.at("2026-04-01 09:00"), town.at("2026-04-01 09:30"))
    assert (row.actor_kind, row.cause) == ("system", "expired")
    assert await work.due() == "2026-04-01 12:00"


async def test_a_deferral_has_an_end_within_a_year_and_milestones_before_it(work: AtWork) -> None:
    async def refused(path: str, until: str, milestones: list[dict[str, str]] = MILESTONES) -> str:
        told = await work.by_unit("request_deferral", 422, until=until, milestones=milestones, **SEASON)
        assert told["faults"][0]["path"].startswith(path)
        return str(told["detail"])

    assert await refused("until", "2027-03-10T10:01:00+08:00") == "挂账最长 365 天。"
    assert await refused("until", "2026-03-10T10:00:30+08:00") == "截止时间必须晚于现在。"
    late = [MILESTONES[0], {"on": "2026-04-02", "text": "收尾"}]
    assert "2026-04-02 不在挂账期间" in await refused("milestones.1.on", "2026-04-01T09:00:00+08:00", late)
    await refused("milestones", "2026-04-01T09:00:00+08:00", [])
    await refused("milestones.0.text", "2026-04-01T09:00:00+08:00", [{"on": "2026-03-20", "text": "空\x00"}])
    for until in ("2026-04-01T09:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        await refused("until", until)
    await work.by_unit("request_deferral", until="2027-03-10T10:00:00+08:00", milestones=MILESTONES, **SEASON)


async def test_what_should_have_ended_meanwhile_cannot_be_granted(work: AtWork) -> None:
    milestones = [{"on": "2026-03-10", "text": "当日完成"}]
    await work.by_unit("request_deferral", until="2026-03-10T11:00:00+08:00", milestones=milestones, **SEASON)
    work.at("2026-03-10 11:00")
    told = await work.by("dispatcher1", "approve_deferral", 409)
    assert told["detail"] == "申请的截止时间 2026-03-10 11:00 已过，不能再批准；请驳回。"
    assert "approve_deferral" not in await work.allowed("dispatcher1")
    await work.by("dispatcher1", "reject_deferral", reason="已过期")


# --- 等待诉求人 --------------------------------------------------------------------------------------------------


async def wait(work: AtWork, until: str = "2026-03-11T15:00:00+08:00") -> None:
    """From 10:30, when half of the first hour has passed."""
    work.at("2026-03-10 10:30")
    await work.by_unit("wait_for_complainant", until=until, **APPOINTMENT)


async def test_waiting_needs_nobody_and_ends_by_itself(work: AtWork) -> None:
    totals = await work.totals()
    await wait(work)
    # three and a half hours are left from Wednesday 15:00: 15–18, and Thursday 8:00–8:30
    assert await work.due() == "2026-03-12 08:30"
    assert await work.totals() == totals
    assert await work.told("waiting") == [
        ("waiting_requested", None, "requested", "unit_liaison"),
        ("waiting_granted", "requested", "granted", "unit_liaison"),
    ]
    twice = await work.by_unit("wait_for_complainant", 409, until="2026-03-12T15:00:00+08:00", **APPOINTMENT)
    assert twice["detail"] == "该工单已在等待诉求人。"
    work.at("2026-03-11 15:00")
    allowed = await work.allowed(work.unit)
    assert "resume" not in allowed
    assert "wait_for_complainant" in allowed
    await work.by_unit("resume", 409)
    await work.by_unit("wait_for_complainant", until="2026-03-11T16:00:00+08:00", **APPOINTMENT)
    assert await work.due() == "2026-03-12 09:30"
    assert [one["state"] for one in await work.shown(work.unit)] == ["ended", "granted"]
    assert ("waiting_ended", "granted", "ended", "system") in await work.told("waiting")


async def test_the_unit_ends_it_earlier(work: AtWork) -> None:
    await wait(work)
    work.at("2026-03-10 14:30")
    await work.by_unit("resume")
    # three and a half hours are left from 14:30
    assert await work.due() == "2026-03-10 18:00"
    assert [one.cause for one in await work.records()] == ["paused", "resumed"]
    await work.by_unit("resume", 409)


@pytest.mark.parametrize("by", ["operator", "source"])
@pytest.mark.parametrize("action", ["chase", "supplement"])
async def test_the_complainant_s_word_ends_it(town: Town, work: AtWork, by: str, action: str) -> None:
    await wait(work)
    work.at("2026-03-10 11:30")
    body: dict[str, Any] = {"text": "我现在在家，可以来了"} if action == "supplement" else {}
    path = f"reports/{work.report_id}"
    if by == "operator":
        await town.act("operator1", path, action, **body)
    else:
        async with http_for(town.runtime, client_token(town.runtime, town.city, "hotline-12345")) as http:
            answer = await http.post(f"/{path}/actions/{action}", json=body)
        assert answer.status_code == 200, answer.text
    # three and a half hours are left from 11:30: 11:30–12 and 14–17
    assert await work.due() == "2026-03-10 17:00"
    assert (await work.told("waiting"))[-1][:3] == ("waiting_ended", "granted", "ended")
    (row,) = await town.rows(
        "SELECT data ->> 'cause' AS cause FROM timeline WHERE event_id = :id AND act = 'waiting_ended'",
        id=work.event_id,
    )
    assert row.cause == action


async def test_waiting_has_a_longest_time(work: AtWork) -> None:
    # five natural days from Tuesday end on a Sunday, which rolls to Monday's close of business
    told = await work.by_unit("wait_for_complainant", 422, until="2026-03-16T18:01:00+08:00", **APPOINTMENT)
    assert told["detail"] == "等待诉求人最长 5 自然日，现在申请最晚到 2026-03-16 18:00。"
    await work.by_unit("wait_for_complainant", until="2026-03-16T18:00:00+08:00", **APPOINTMENT)


async def test_waiting_is_cut_by_the_cap_and_refused_when_it_is_used_up(town: Town, clock: MovableClock) -> None:
    await set_policies(town, uncounted_cap="1 work_hour")
    work = await AtWork.begin(town, clock)
    await wait(work, "2026-03-10T15:00:00+08:00")
    # only 10:30–11:30 stands still: three and a half hours are left from 11:30
    assert await work.due() == "2026-03-10 17:00"
    work.at("2026-03-10 11:15")
    await work.by_unit("resume")
    # 10:30–11:15 stood still: three and a half hours are left from 11:15
    assert await work.due() == "2026-03-10 16:45"
    await work.by_unit("wait_for_complainant", until="2026-03-10T16:00:00+08:00", **APPOINTMENT)
    assert await work.due() == "2026-03-10 17:00", "a quarter of an hour of the cap was left"
    work.at("2026-03-10 14:00")
    await work.by_unit("resume")
    refused = await work.by_unit("wait_for_complainant", 409, until="2026-03-10T16:00:00+08:00", **APPOINTMENT)
    assert refused["detail"] == "该工单不计时的时间已达上限（1 工作时），不能再暂停计时。"
    assert "wait_for_complainant" not in await work.allowed(work.unit)
    # a deferral has a limit of its own
    assert "request_deferral" in await work.allowed(work.unit)


async def test_a_city_may_want_waiting_to_be_approved(town: Town, work: AtWork) -> None:
    await set_policies(town, waiting_approvers="dispatcher")
    await wait(work)
    assert await work.due() == "2026-03-10 16:00"
    work.at("2026-03-10 11:00")
    await work.by("dispatcher1", "approve_waiting")
    # it stands still from the approval on: three hours are left from Wednesday 15:00
    assert await work.due() == "2026-03-11 18:00"
    await work.by_unit("resume")
    await work.by_unit("wait_for_complainant", until="2026-03-11T15:00:00+08:00", **APPOINTMENT)
    await town.act("operator1", f"reports/{work.report_id}", "chase")
    assert (await work.told("waiting"))[-1][:3] == ("waiting_withdrawn", "requested", "withdrawn")
    assert await work.due() == "2026-03-10 16:00"


@pytest.mark.parametrize("action", ["chase", "supplement"])
async def test_another_reporter_s_word_ends_no_waiting(town: Town, work: AtWork, action: str) -> None:
    await wait(work)
    second = await town.send("snapshot", town.snapshot())
    assert second["event_id"] == work.event_id
    body: dict[str, Any] = {"text": "又多了一堆"} if action == "supplement" else {}
    await town.act("operator1", f"reports/{second['report_id']}", action, **body)
    assert (await work.told("waiting"))[-1][0] == "waiting_granted"
    assert await work.due() == "2026-03-12 08:30"
    await town.act("operator1", f"reports/{work.report_id}", action, **body)
    assert (await work.told("waiting"))[-1][0] == "waiting_ended"


async def test_of_several_reporters_the_unit_says_for_whom_it_waits(town: Town, work: AtWork) -> None:
    second = await town.send("snapshot", town.snapshot())
    until = "2026-03-11T15:00:00+08:00"
    told = await work.by_unit("wait_for_complainant", 422, until=until, **APPOINTMENT)
    assert told["detail"] == "该事件有 2 件未了诉求，请注明等待哪一件诉求的诉求人。"
    assert told["faults"][0]["path"] == "report_id"
    await work.by_unit("wait_for_complainant", 422, until=until, report_id=work.event_id, **APPOINTMENT)
    await work.by_unit("wait_for_complainant", until=until, report_id=second["report_id"], **APPOINTMENT)
    await town.act("operator1", f"reports/{work.report_id}", "chase")
    (shown,) = await work.shown(work.unit)
    assert (shown["state"], shown["terms"]["report_id"]) == ("granted", second["report_id"])
    await town.act("operator1", f"reports/{second['report_id']}", "chase")
    assert (await work.told("waiting"))[-1][0] == "waiting_ended"
