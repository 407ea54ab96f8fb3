"""Nobody gains time by being given again what they have: the order stays, and its clocks go on."""

from typing import Any
from uuid import UUID

import pytest

from app.core.timing import MovableClock
from tests.flows.limits_at_work import AtWork
from tests.flows.town import ALONE, Town


@pytest.fixture
async def work(town: Town, clock: MovableClock) -> AtWork:
    """4 work_hour from Tuesday 2026-03-10 10:00: 10–12 and 14–16."""
    return await AtWork.begin(town, clock)


async def orders(work: AtWork) -> list[Any]:
    """The event's orders with their items."""
    return await work.town.rows(
        "SELECT n, role, state, unit_id, item_id, decision_n FROM work_order WHERE event_id = :id ORDER BY n",
        id=UUID(work.event_id),
    )


async def handling(work: AtWork) -> list[Any]:
    """The handling clocks of all orders."""
    return await work.town.rows(
        "SELECT n, order_n, state, due_at, generation FROM clock WHERE event_id = :id AND kind = 'handling' ORDER BY n",
        id=UUID(work.event_id),
    )


async def test_an_order_is_not_transferred_to_the_unit_that_has_it(work: AtWork) -> None:
    work.at("2026-03-11 11:00")  # late since yesterday
    before = await orders(work), await handling(work)
    own = work.unit.removeprefix("u-").upper()
    refused = await work.by("dispatcher1", "transfer", 409, unit=own, reason="再派一次")
    assert refused["detail"] == "该工单现在就由梅园新村街道城市管理科承办，不能改派给同一单位。"
    assert (await orders(work), await handling(work)) == before
    await work.by("dispatcher1", "transfer", unit="D-URBAN", reason="改由区城管局办理")


async def test_a_return_is_not_granted_back_to_the_unit_that_asked(work: AtWork) -> None:
    await work.by_unit("request_return", reason_code="not_our_area", reason="在隔壁街道")
    own = work.unit.removeprefix("u-").upper()
    refused = await work.by("dispatcher1", "approve_return", 409, unit=own)
    assert refused["detail"].endswith("同意退单时不能再派回该单位；应由其继续办理的，请驳回退单。")
    assert "approve_return" in await work.allowed("dispatcher1"), "it still waits for a decision"
    await work.by("dispatcher1", "reject_return", reason="在本街道内")
    assert await work.due() == "2026-03-10 16:00"


async def test_a_correction_that_leads_to_the_same_units_leaves_their_orders_and_clocks(work: AtWork) -> None:
    work.at("2026-03-11 11:00")  # late since yesterday
    before, clocks = await orders(work), await handling(work)
    await work.town.act("dispatcher1", f"events/{work.event_id}", "correct", item="GB/T 47678.5-2026/matter/06012")
    event = await work.town.event(work.event_id)
    assert event.item_id != before[0].item_id
    after = await orders(work)
    assert [(row.n, row.role, row.state, row.unit_id) for row in after] == [
        (row.n, row.role, row.state, row.unit_id) for row in before
    ]
    assert {row.item_id for row in after} == {event.item_id}, "they are listed by what it is now"
    assert await handling(work) == clocks, "late is late"
    assert (await work.town.acts(work.event_id)).count("dispatch") == 2, "what was decided again is to be seen"
    (decided,) = await work.town.rows(
        "SELECT max(n) AS n FROM timeline WHERE event_id = :id AND act = 'dispatch'", id=UUID(work.event_id)
    )
    assert after[0].decision_n == decided.n
    await work.by_unit("start")
    await work.by_unit("report_done", result="resolved", statement="已清运", without_parts=ALONE)
