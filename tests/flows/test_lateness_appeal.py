"""申诉: a unit that was late says why it should not count; granted, it is exempt, and was late all the same."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.core.timing import MovableClock
from tests.flows.limits_at_work import AtWork, set_policies
from tests.flows.town import ALONE, Town, picture

CAUSE: dict[str, Any] = {"reason_code": "force_majeure", "reason": "当日暴雨红色预警，人员不得外出作业"}


async def closed(town: Town, clock: MovableClock, done: str) -> AtWork:
    """An order that was due on Tuesday 16:00 and done at ``done``; the event closes on Wednesday 2026-03-11 11:00."""
    work = await AtWork.begin(town, clock)
    await work.by_unit("first_contact", reached=True)
    work.at(done)
    await work.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)
    work.at("2026-03-11 11:00")
    await town.inspect(work.event_id)
    await town.answer(work.event_id, work.report_id)
    await town.close(work.event_id)
    return work


@pytest.fixture
async def work(town: Town, clock: MovableClock) -> AtWork:
    """Done on Wednesday 09:00: three hours of work late."""
    return await closed(town, clock, "2026-03-11 09:00")


async def granted_n(work: AtWork) -> int:
    """The act by which the appeal was granted."""
    (row,) = await work.town.rows(
        "SELECT n FROM timeline WHERE event_id = :id AND act = 'lateness_appeal_granted'", id=UUID(work.event_id)
    )
    return int(row.n)


async def exempted(work: AtWork) -> dict[str, int | None]:
    """By which act the order's clocks are exempt."""
    found = await work.town.rows(
        "SELECT kind, exempted_n FROM clock WHERE event_id = :id AND order_n = :n",
        id=UUID(work.event_id),
        n=int(work.order.split(".")[1]),
    )
    return {row.kind: row.exempted_n for row in found}


async def test_two_reviews_exempt_the_late_clock_and_nothing_else(work: AtWork) -> None:
    before = await work.row()
    assert "appeal_lateness" in await work.allowed(work.unit)
    act_id = str(uuid4())
    for repeated in (False, True):
        told = await work.by_unit("appeal_lateness", act_id=act_id, **CAUSE)
        assert told["repeated"] is repeated, "a double click"
    early = await work.by("adjudicator1", "approve_lateness_appeal", 403)
    assert early["detail"] == "这份申请现在须由质检员审批，您在该区域没有这一席位。"
    await work.by("dispatcher1", "approve_lateness_appeal", 403)
    assert "approve_lateness_appeal" in await work.allowed("quality1")
    await work.by("quality1", "approve_lateness_appeal", note="附气象预警")
    assert set((await exempted(work)).values()) == {None}, "one review is none"
    assert "approve_lateness_appeal" not in await work.allowed("quality1")
    await work.by("adjudicator1", "approve_lateness_appeal")
    n = await granted_n(work)
    assert await exempted(work) == {"handling": n, "signing": None, "first_contact": None}
    after = await work.row()
    kept: dict[str, Any] = dict(before._mapping) | {"exempted_n": n}
    assert dict(after._mapping) == kept, "that it was late stays to be seen"
    assert after.ended_at > after.due_at
    assert await work.told("lateness_appeal") == [
        ("lateness_appeal_requested", None, "requested", "unit_liaison"),
        ("lateness_appeal_reviewed", "requested", "reviewed", "quality_reviewer"),
        ("lateness_appeal_granted", "reviewed", "granted", "adjudicator"),
    ]
    (shown,) = await work.shown(work.unit)
    assert (shown["state"], shown["ended_at"]) == ("granted", "2026-03-11T11:00:00+08:00")
    assert shown["terms"]["late"] == [{"kind": "handling", "clock_n": before.n}]


async def test_a_rejected_appeal_exempts_nothing_and_is_the_only_one(work: AtWork) -> None:
    await work.by_unit("appeal_lateness", **CAUSE)
    await work.by("quality1", "approve_lateness_appeal")
    await work.by("adjudicator1", "reject_lateness_appeal", reason="当日预警已解除")
    assert set((await exempted(work)).values()) == {None}
    refused = await work.by_unit("appeal_lateness", 409, **CAUSE)
    assert refused["detail"] == "该工单已申诉过，每个工单只能申诉一次。"
    assert "appeal_lateness" not in await work.allowed(work.unit)


async def test_a_withdrawn_one_was_the_only_one_too(work: AtWork) -> None:
    await work.by_unit("appeal_lateness", **CAUSE)
    await work.by_unit("withdraw_lateness_appeal")
    await work.by_unit("appeal_lateness", 409, **CAUSE)


async def test_the_window_is_five_working_days_from_closing(work: AtWork) -> None:
    # closed on Wednesday 03-11, which does not count: 12, 13, 16, 17, 18; until close of business
    work.at("2026-03-18 18:01")
    refused = await work.by_unit("appeal_lateness", 409, **CAUSE)
    assert refused["detail"] == "申诉须在结案后 5 法定工作日内提出，现已过期。"
    assert "appeal_lateness" not in await work.allowed(work.unit)
    work.at("2026-03-18 18:00")
    assert "appeal_lateness" in await work.allowed(work.unit)
    await work.by_unit("appeal_lateness", **CAUSE)
    work.at("2026-03-25 10:00")
    await work.by("quality1", "approve_lateness_appeal")  # reviews may take longer


async def test_only_lateness_can_be_appealed_against(town: Town, clock: MovableClock) -> None:
    work = await closed(town, clock, "2026-03-10 16:00")
    refused = await work.by_unit("appeal_lateness", 409, **CAUSE)
    assert refused["detail"] == "该工单没有超期的时限，无需申诉。"
    assert "appeal_lateness" not in await work.allowed(work.unit)


async def test_not_before_the_event_has_closed(town: Town, clock: MovableClock) -> None:
    work = await AtWork.begin(town, clock)
    work.at("2026-03-11 09:00")
    await work.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)
    await work.by_unit("appeal_lateness", 409, **CAUSE)
    assert "appeal_lateness" not in await work.allowed(work.unit)


async def test_only_the_unit_itself_appeals_with_pictures_that_are_there(town: Town, work: AtWork) -> None:
    await work.by("dispatcher1", "appeal_lateness", 403, **CAUSE)
    missing = await work.by_unit("appeal_lateness", 422, evidence=["0" * 64], **CAUSE)
    assert missing["faults"][0]["code"] == "not_uploaded"
    async with await town.as_user(work.unit) as http:
        sha256 = (await http.post("/attachments", content=picture("blue"))).json()["sha256"]
    await work.by_unit("appeal_lateness", evidence=[sha256], **CAUSE)
    (shown,) = await work.shown("quality1")
    assert shown["terms"]["evidence"] == [sha256]


async def test_a_waiting_appeal_is_on_the_list_though_its_event_has_closed(town: Town, work: AtWork) -> None:
    await work.by_unit("appeal_lateness", **CAUSE)
    await work.by("quality1", "approve_lateness_appeal")
    (waiting,) = (await town.get("adjudicator1", "/supervision/limit-requests", kind="lateness_appeal"))["items"]
    assert (waiting["event_state"], waiting["waits_for"]) == ("closed", "adjudicator")


async def test_the_city_says_who_reviews_and_how_long(town: Town, work: AtWork) -> None:
    await set_policies(town, appeal_reviewers="shift_leader", appeal_window="1 natural_day")
    work.at("2026-03-12 18:00")
    await work.by_unit("appeal_lateness", **CAUSE)
    await work.by("leader1", "approve_lateness_appeal")
    assert (await exempted(work))["handling"] == await granted_n(work)


async def test_a_round_that_became_late_afterwards_is_not_exempt(town: Town, clock: MovableClock) -> None:
    """The event is closed over an open callback, argued about, opened again by the caller, and late once more."""
    work = await AtWork.begin(town, clock)
    await work.by_unit("first_contact", reached=True)
    work.at("2026-03-11 09:00")
    await work.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)
    await town.inspect(work.event_id)
    await town.act("callback1", f"events/{work.event_id}", "reply", body="已清理，请您查看。")
    await town.act("leader1", f"events/{work.event_id}", "force_close", reason="多次联系不上")
    await work.by_unit("appeal_lateness", **CAUSE)
    first = (await work.row()).n
    await town.call_back(work.report_id, level=5)
    work.at("2026-03-13 17:00")
    await work.by_unit("report_done", result="resolved", statement="再次清运", without_parts=ALONE)
    second = await work.row()
    assert second.ended_at > second.due_at
    await work.by("quality1", "approve_lateness_appeal")
    await work.by("adjudicator1", "approve_lateness_appeal")
    rows = await town.rows(
        "SELECT n FROM clock WHERE event_id = :id AND exempted_n IS NOT NULL", id=UUID(work.event_id)
    )
    assert [row.n for row in rows] == [first]
