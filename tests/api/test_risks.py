"""The list of risks over a city with a past: what ended clocks teach, what is said of open ones, and to whom."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count, islice
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import worker
from app.core.timing import MovableClock, now
from app.runtime import Runtime
from app.supervision import experience, risks
from tests.flows.town import Town

_numbers = count(100_000)

# The clock before its due time: that is a foreign key, looked at when the statement ends.
_ENDED = text(
    """
    WITH past AS (
      INSERT INTO clock SELECT (jsonb_populate_record(c, jsonb_build_object('n', i.n, 'state', 'met', 'next_at', NULL,
        'generation', 1,
        'ended_at', c.due_at + CASE WHEN CAST(:share AS float8) > 1 THEN interval '1 hour' ELSE interval '0' END,
        'counted_minutes', CAST(round(CAST(:share AS float8) * c.limit_value * 60) AS integer), 'elapsed_minutes', 1,
        'exempted_n', CAST(:exempted AS integer)))).*
      FROM clock c, unnest(CAST(:numbers AS integer[])) AS i(n)
      WHERE c.event_id = :event AND c.kind = 'handling' AND c.order_n = :order_n AND c.n < 100000
      RETURNING event_id, n
    )
    INSERT INTO clock_due SELECT (jsonb_populate_record(d, jsonb_build_object('clock_n', p.n))).*
    FROM past p, clock c JOIN clock_due d ON d.event_id = c.event_id AND d.clock_n = c.n AND d.generation = 1
    WHERE c.event_id = :event AND c.kind = 'handling' AND c.order_n = :order_n AND c.n < 100000
    """
)


@pytest.fixture
async def reading(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    async with runtime.sessions() as session:
        yield session


async def a_past(town: Town, event_id: str, n: int, ends: list[tuple[float, int]], *, exempted: bool = False) -> None:
    """Ended clocks like the order's own: (share of the budget that was used, how many)."""
    async with town.runtime.sessions() as session, session.begin():
        for share, cases in ends:
            numbers = list(islice(_numbers, cases))
            of = {"event": event_id, "order_n": n, "exempted": 1 if exempted else None}
            await session.execute(_ENDED, of | {"share": share, "numbers": numbers})


async def begin(town: Town, **fields: Any) -> tuple[str, str, int]:
    """A dispatched report: (event id, its unit's user, its order's number)."""
    receipt = await town.send("hotline-12345", town.call(**fields))
    order, unit = await town.lead(receipt["event_id"])
    return receipt["event_id"], unit, int(order.split(".")[-1])


async def test_an_order_is_told_with_its_risk_and_the_reason(town: Town, clock: MovableClock) -> None:
    event_id, unit, n = await begin(town)
    # 4 work hours: 40 done at a quarter, 8 late, 4 at four fifths; 30 exempted ones teach nothing
    await a_past(town, event_id, n, [(0.25, 40), (0.8, 4), (1.5, 8)])
    await a_past(town, event_id, n, [(1.5, 30)], exempted=True)
    clock.advance(hours=2)  # half of it
    await worker.learn(town.runtime)
    found = await town.get("supervisor1", "/supervision/risks", min_risk=0)
    (row,) = [one for one in found["items"] if one["event_id"] == event_id and one["work_order"].endswith(f".{n}")]
    assert (row["compared"], row["still_open"], row["late"]) == (52, 12, 8)
    assert row["share_used"] == 0.5
    assert row["risk"] == round(8.5 / 13, 3)
    assert row["reason"] == "同单位同类工单 52 件中，有 12 件用时超过本单目前已用的 50%，其中 8 件超期"
    assert row["left_minutes"] == 240
    assert found["weighed"] >= 1
    assert found["until_at"] is None
    likely = await town.get("supervisor1", "/supervision/risks")
    assert row["work_order"] in [one["work_order"] for one in likely["items"]]
    supporting = [one for one in likely["items"] if one["event_id"] == event_id and one["unit"] != row["unit"]]
    assert all(one["reason"].startswith("同类工单 52 件") for one in supporting), "another unit's, of the same item"
    assert all(one["risk"] >= 0.5 for one in likely["items"])
    assert not (await town.get("supervisor1", "/supervision/risks", min_risk=0.9))["items"]

    own = await town.get(unit, "/supervision/risks", min_risk=0)
    assert {one["event_id"] for one in own["items"]} == {event_id}
    assert (await town.get("u-d-edu", "/supervision/risks", min_risk=0))["items"] == []
    assert (await town.get("collector1", "/supervision/risks", min_risk=0))["items"] == []

    clock.advance(hours=6)
    after = await Town(town.runtime, town.city).get("supervisor1", "/supervision/risks", min_risk=0)
    assert n not in [int(one["work_order"].split(".")[1]) for one in after["items"] if one["event_id"] == event_id]


async def test_an_order_like_no_other_is_listed_without_a_number(town: Town) -> None:
    event_id, _, _ = await begin(town)
    found = await town.get("supervisor1", "/supervision/risks", min_risk=0)
    row = next(one for one in found["items"] if one["event_id"] == event_id)
    assert (row["risk"], row["reason"]) == (None, "没有足够的同类工单可比")
    assert (await town.get("supervisor1", "/supervision/risks"))["items"] == []


async def test_pages_hold_every_order_once_in_the_order_of_risk(
    town: Town, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(risks, "CANDIDATES", 50)
    event_id, _, n = await begin(town)
    await a_past(town, event_id, n, [(0.25, 40), (0.8, 10), (1.5, 30)])
    for minutes in (20, 30, 25):
        clock.advance(minutes=minutes)
        await begin(town, cell=f"32010200200200{1 + minutes % 4}")
    await worker.learn(town.runtime)
    whole = (await town.get("supervisor1", "/supervision/risks", min_risk=0))["items"]
    assert len(whole) >= 4
    order = [(-(one["risk"] if one["risk"] is not None else -1), one["due_at"]) for one in whole]
    assert order == sorted(order)
    paged: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(len(whole) + 1):
        page = await town.get("supervisor1", "/supervision/risks", min_risk=0, limit=1, **cursor)
        paged += [one["work_order"] for one in page["items"]]
        clock.advance(minutes=1)  # the weights are those of the first page
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == [one["work_order"] for one in whole]
    await town.get("supervisor1", "/supervision/risks", 422, min_risk=0.4, **cursor)


async def test_refreshing_is_done_once_by_any_number_of_workers(
    town: Town, clock: MovableClock, reading: AsyncSession
) -> None:
    event_id, _, n = await begin(town)
    await a_past(town, event_id, n, [(0.25, 19)])
    learned = await experience.refresh(reading, town.city.jurisdiction_id, now(), {"cn": 480})
    count = text("SELECT count(*) FROM clock_experience WHERE jurisdiction_id = :j")
    assert learned
    assert await reading.scalar(count, {"j": town.city.jurisdiction_id}) == 0, "19 cases say nothing"
    await a_past(town, event_id, n, [(0.25, 1)])
    assert await experience.refresh(reading, town.city.jurisdiction_id, now(), {"cn": 480})
    assert await reading.scalar(count, {"j": town.city.jurisdiction_id}) == 3, "unit and item, item, domain and level"
    assert not await experience.refresh(reading, town.city.jurisdiction_id, now() + timedelta(minutes=1), {"cn": 480})
    assert await experience.refresh(reading, town.city.jurisdiction_id, now() + timedelta(hours=1), {"cn": 480})


async def test_exempted_lateness_is_counted_by_itself_alone(town: Town, clock: MovableClock) -> None:
    event_id, _, n = await begin(town)
    await a_past(town, event_id, n, [(0.25, 3), (1.5, 2)])
    await a_past(town, event_id, n, [(1.5, 4), (0.5, 1)], exempted=True)
    due_at = (
        await town.rows(
            "SELECT due_at FROM clock WHERE event_id = :id AND kind = 'handling' AND order_n = :n", id=event_id, n=n
        )
    )[0].due_at
    clock.set(due_at + timedelta(hours=2))
    found = await town.get(
        "supervisor1",
        "/supervision/indicators",
        since=(due_at - timedelta(minutes=1)).isoformat(),
        until=(due_at + timedelta(minutes=1)).isoformat(),
    )
    (row,) = [one for one in found["limits"] if one["kind"] == "handling"]
    # the open order itself is overdue now, and so may be its supporting unit's
    assert (row["on_time"], row["late"], row["exempted"]) == (4, 2, 4)
    assert row["due"] == row["on_time"] + row["late"] + row["overdue"]
    listed = await town.get("supervisor1", "/supervision/overdue", stage="handling", late_by=0)
    assert {one["exempted"] for one in listed["items"]} == {False}
