"""What a draft would do to open clocks, told before it is published; and how things stand."""

from io import StringIO
from typing import Any

from rich.console import Console

from app.commands.release_effects import show_open_clocks, show_status
from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock
from tests.flows.conftest import town as town
from tests.flows.test_recalculation import HOLIDAY, calendar_rows, draft
from tests.flows.town import WAGES, Town


async def preview(town: Town, user: str, expect: int = 200, **query: Any) -> Any:
    return await town.get(user, "/releases/preview", expect, **query)


async def test_the_api_counts_what_would_move_and_writes_nothing(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(WAGES, cell=None))
    assert (await preview(town, "leader1", 404))["code"] == "not_found"
    await draft(town, "calendar", calendar_rows(HOLIDAY))
    told = await preview(town, "leader1")
    (counted,) = await town.rows("SELECT count(*) AS n FROM clock WHERE state = 'running'")
    assert told["kinds"] == ["calendar"]
    assert told["open"] == counted.n
    assert 0 < told["later"] == told["moved"] <= told["open"]
    assert told["most_later_minutes"] >= 2 * 24 * 60
    assert {example["event_id"] for example in told["examples"]} == {receipt["event_id"]}
    assert all(example["after_at"] > example["before_at"] for example in told["examples"])
    assert await town.rows("SELECT 1 FROM timeline WHERE act = 'clock_recalculated'") == []
    assert await town.rows("SELECT 1 FROM job WHERE kind = 'recalculate'") == []


async def test_only_who_answers_for_limits_may_ask(town: Town) -> None:
    await draft(town, "calendar", calendar_rows(HOLIDAY))
    assert (await preview(town, "callback1", 403))["code"] == "forbidden"


async def test_a_draft_that_makes_no_calendar_is_told(town: Town) -> None:
    overlap = {"cn/workday/2026-03-13": {"row_type": "workday", "first_on": "2026-03-13", "last_on": "2026-03-13"}}
    await draft(town, "calendar", calendar_rows(HOLIDAY | overlap))
    told = await preview(town, "leader1", 409)
    assert "2026-03-13" in told["faults"][0]["message"]


async def test_the_screen_tells_the_preview_and_how_things_stand(town: Town, clock: MovableClock) -> None:
    await town.send("hotline-12345", town.call(WAGES, cell=None))
    await draft(town, "calendar", calendar_rows(HOLIDAY))
    out = Console(file=StringIO(), width=160)
    jurisdiction_id = town.city.jurisdiction_id
    async with transaction(town.runtime.sessions) as session:
        await show_open_clocks(session, jurisdiction_id, None, out, Console(file=StringIO()))
        assert not await show_status(session, jurisdiction_id, out)
        clock.set(town.at("2026-11-22 10:00"))
        assert await show_status(session, jurisdiction_id, out)
        await releases.discard_draft(session, jurisdiction_id, "calendar")
    told = out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "若按“在办的重算”发布工作日历" in told
    assert "官方安排到 2026-12-31，还有 39 天，请尽快载入下一年的安排" in told
