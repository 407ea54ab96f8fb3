"""``GET /work-orders/{id}/clocks``: who may read it, in which shape, and what it says when the calendar has changed."""

from typing import Any

import pytest

from app import background
from app.api.clock_shapes import OrderClocksShape
from app.core import releases
from app.core.database import transaction
from app.core.releases import Mode
from app.core.timing import MovableClock
from app.masters.publishing import publish
from tests.conftest import http_for, user_token
from tests.flows.town import ALONE, Town

#: on the day on which the test begins, only these two hours are worked after all
SHORT_DAY = {
    "calendar_code": "cn",
    "row_type": "closure",
    "first_on": "2026-03-10",
    "last_on": "2026-03-10",
    "hours": ["10:00-12:00"],
    "weekdays": [],
    "name": "暴雪",
    "source": "",
}


async def begin(town: Town, **fields: Any) -> tuple[str, str, str]:
    """A dispatched hotline report: (event id, lead order, its unit's user)."""
    receipt = await town.send("hotline-12345", town.call(**fields))
    return receipt["event_id"], *(await town.lead(receipt["event_id"]))


async def publish_short_day(town: Town, mode: Mode) -> None:
    """A new edition of the calendar."""
    async with transaction(town.runtime.sessions) as session:
        rows = {f"cn/closure/{SHORT_DAY['first_on']}": SHORT_DAY}
        await releases.put_draft(session, town.city.jurisdiction_id, "calendar", rows, complete=False, by="test")
        await publish(session, town.city.jurisdiction_id, by="test", mode=mode)


async def handling(town: Town, user: str, order: str) -> dict[str, Any]:
    found: dict[str, Any] = await town.get(user, f"/{order}/clocks")
    (clock,) = [one for one in found["order"] if one["kind"] == "handling"]
    assert isinstance(clock, dict)
    return clock


async def test_clocks_of_before_are_explained_by_the_calendar_of_before(town: Town, clock: MovableClock) -> None:
    _, order, unit = await begin(town)
    await town.act(unit, order, "sign_for")
    clock.advance(minutes=30)
    await publish_short_day(town, "new_only")
    clock.set(town.at("2026-03-10 15:00"))
    old = await handling(town, unit, order)
    assert (old["due_at"], old["counted_minutes"]) == ("2026-03-10T16:00:00+08:00", 180)
    assert old["calendar_number"] == 1
    assert old["adds_up"]
    assert "第 2 版" in old["notes"][0]
    await town.act(unit, order, "start")
    await town.act(unit, order, "first_contact", reached=True)
    await town.act(unit, order, "report_done", result="explained", statement="已说明", without_parts=ALONE)
    ended = await handling(town, unit, order)
    assert (ended["counted_minutes"], ended["counted_to_due"], ended["limit_minutes"]) == (180, 240, 240)
    assert ended["adds_up"]
    assert "第 2 版记下计时 120 分钟" in ended["notes"][-1]


async def test_a_clock_that_followed_the_new_calendar_is_explained_by_it(town: Town, clock: MovableClock) -> None:
    _, order, unit = await begin(town)
    clock.advance(minutes=30)
    await publish_short_day(town, "re_decide_open")
    await background.run_jobs(town.runtime, concurrency=1)
    clock.set(town.at("2026-03-10 15:00"))
    moved = await handling(town, unit, order)
    assert (moved["due_at"], moved["counted_minutes"]) == ("2026-03-11T10:00:00+08:00", 120)
    assert (moved["calendar_number"], moved["adds_up"], moved["notes"]) == (2, True, [])
    assert [(one["cause_name"], one["before_at"]) for one in moved["moves"][1:]] == [
        ("日历更新后重算", "2026-03-10T16:00:00+08:00")
    ]
    assert "新发布的基础数据" in moved["moves"][1]["grounds_name"]
    assert "停工：暴雪" in [one["cause"] for one in moved["stretches"]]


async def test_the_answer_has_the_documented_shape(town: Town) -> None:
    _, order, unit = await begin(town)
    async with http_for(town.runtime, await user_token(town.runtime, unit)) as http:
        answer = await http.get(f"/{order}/clocks")
    told = OrderClocksShape.model_validate_json(answer.content)
    assert told.model_dump_json() == answer.text
    assert {one.kind for one in told.order} >= {"signing", "handling"}
    assert {one.kind_name for one in told.order} >= {"签收", "处置"}


@pytest.mark.parametrize("path", ["work-orders/x/clocks", "work-orders/01a20291-a8d0-74b1-9f2b-9ed1ef63fa18.1/clocks"])
async def test_an_order_that_is_not_there_reads_like_one_of_others(town: Town, path: str) -> None:
    _, order, _ = await begin(town)
    await town.get("dispatcher1", f"/{path}", 404)
    await town.get("u-d-muni", f"/{order}/clocks", 404)
    await town.get("collector1", f"/{order}/clocks", 404)


async def test_an_accused_unit_reads_no_clock_of_its_accusation(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(orderType="举报", accusedUnit="某某科室"))
    event_id = receipt["event_id"]
    accused: dict[str, Any] = {"unit": "D-MARKET", "accused_units": ["D-URBAN"]}
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", **accused)
    order, unit = await town.lead(event_id)
    assert unit == "u-d-market"
    await town.get("u-d-urban", f"/{order}/clocks", 404)
    assert (await town.get(unit, f"/{order}/clocks"))["order"]
