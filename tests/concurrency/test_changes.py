"""``GET /changes`` while transactions overlap: nothing is missed and nothing comes twice."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import Town

_INSERT = text(
    "INSERT INTO timeline (event_id, n, jurisdiction_id, act, subject, actor_kind, acted_at, recorded_at, data, mac) "
    "SELECT id, :n, jurisdiction_id, 'test', 'event', 'system', now(), now(), '{}', '' FROM event WHERE id = :id"
)


async def rest(town: Town, after: str | None, username: str = "dispatcher1") -> tuple[list[tuple[str, int]], str]:
    """All changes behind a cursor as (event, n), and the cursor behind them."""
    found: list[tuple[str, int]] = []
    while True:
        params: dict[str, Any] = {"limit": 3} | ({"after": after} if after else {})
        answer = await town.get(username, "/changes", **params)
        found += [(row["event_id"], row["n"]) for row in answer["items"]]
        after = answer["next"]
        if not answer["more"]:
            return found, after


async def test_a_row_committed_late_is_neither_missed_nor_overtaken(
    committing_runtime: Runtime, city: City, clock: MovableClock
) -> None:
    town = Town(committing_runtime, city)
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    seen, cursor = await rest(town, None)
    assert seen == [(event_id, row.n) for row in await town.rows("SELECT n FROM timeline ORDER BY n")]

    early: AsyncSession = committing_runtime.sessions()
    late: AsyncSession = committing_runtime.sessions()
    async with early, late:
        await early.execute(_INSERT, {"id": event_id, "n": 1001})
        await late.execute(_INSERT, {"id": event_id, "n": 1002})
        await late.commit()
        found, cursor = await rest(town, cursor)
        assert found == [], "the earlier transaction still runs: what comes after it must wait"
        await early.commit()
    found, cursor = await rest(town, cursor)
    assert found == [(event_id, 1001), (event_id, 1002)]
    assert (await rest(town, cursor))[0] == []


async def test_a_unit_gets_only_its_own_and_its_cursor_moves_past_the_others(
    committing_runtime: Runtime, city: City, clock: MovableClock
) -> None:
    town = Town(committing_runtime, city)
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    _, unit = await town.lead(event_id)
    mine, _ = await rest(town, None, unit)
    assert {event for event, _ in mine} == {event_id}
    nothing, cursor = await rest(town, None, "u-city-gas")
    assert nothing == []
    assert (await rest(town, cursor, "u-city-gas"))[0] == []
    assert (await rest(town, None, "sysadmin"))[0] == [], "administrators see no case"
