"""跨界: on the border of two streets the district leads; corrected away from it, it is decided once more."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from shapely.geometry import Point

from app.core.timing import MovableClock
from tests.flows.town import CELL, Town, _cells, point_in

#: cells of 梅园新村 and of 新街口 with a common side
HERE, THERE = "320102002001001", "320102003011007"
#: who leads at the level of the district
DISTRICT = "D-URBAN"
STREETS = {"S-320102002", "S-320102003"}
#: another class of rubbish for the same section of a street
HEAPS = "GB/T 47678.5-2026/matter/06011"


def on_the_border(*, metres: float = 3.0) -> tuple[float, float]:
    """A point inside ``HERE`` so far from ``THERE``, in CGCS2000."""
    here, there = _cells()[HERE], _cells()[THERE]
    middle: Point = here.boundary.intersection(there.boundary).interpolate(0.5, normalized=True)
    inside = here.representative_point()
    share = metres / 94_000 / middle.distance(inside)
    return middle.x + (inside.x - middle.x) * share, middle.y + (inside.y - middle.y) * share


async def report(town: Town) -> tuple[str, str]:
    """Rubbish on the border: (event, report)."""
    lon, lat = on_the_border()
    receipt = await town.send("hotline-12345", town.call(cell=None, lon=lon, lat=lat, crs="cgcs2000"))
    return receipt["event_id"], receipt["report_id"]


async def orders(town: Town, event_id: str) -> list[tuple[str, str, str]]:
    """(unit, role, state) in order."""
    found = await town.rows(
        "SELECT g.code, o.role, o.state FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id ORDER BY o.n",
        id=UUID(event_id),
    )
    return [(row.code, row.role, row.state) for row in found]


async def clocks(town: Town, event_id: str) -> list[Any]:
    """The units' clocks: (unit, role, kind, state, started_at)."""
    return await town.rows(
        "SELECT g.code, o.role, c.kind, c.state, c.started_at FROM clock c "
        "JOIN work_order o ON o.event_id = c.event_id AND o.n = c.order_n JOIN organization g ON g.id = o.unit_id "
        "WHERE c.event_id = :id ORDER BY c.n",
        id=UUID(event_id),
    )


async def citizens(town: Town, event_id: str) -> list[tuple[Any, ...]]:
    """The citizen's clocks, whole."""
    found = await town.rows(
        "SELECT n, state, started_at, due_at, generation FROM clock WHERE event_id = :id AND kind = 'citizen_total'",
        id=UUID(event_id),
    )
    return [tuple(row) for row in found]


async def test_it_goes_to_the_district_and_both_streets_help(town: Town, clock: MovableClock) -> None:
    event_id, _ = await report(town)
    event = await town.event(event_id)
    assert (event.cell_id, event.street_code) == (HERE, "320102002")
    lead, *others = await orders(town, event_id)
    assert lead == (DISTRICT, "lead", "dispatched")
    assert {unit for unit, role, state in others if (role, state) == ("supporting", "dispatched")} >= STREETS
    (decided,) = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = 'dispatch'", id=UUID(event_id)
    )
    assert decided.data["facts"]["borders"] == ["320102003"]
    running = await clocks(town, event_id)
    for unit in (DISTRICT, *STREETS):
        own = {row.kind for row in running if row.code == unit}
        assert {"signing", "handling"} <= own
        assert {(row.state, row.started_at) for row in running if row.code == unit} == {("running", clock())}
    for street in sorted(STREETS):
        seen = await town.get(f"u-{street.lower()}", f"/events/{event_id}")
        assert seen["stand"] == "unit"
        (mine,) = (await town.get(f"u-{street.lower()}", "/work-orders", role="supporting", unit=street))["items"]
        assert mine["event_id"] == event_id
    await town.get("u-s-320102005", f"/events/{event_id}", expect=404)


async def test_a_few_metres_further_in_it_is_the_street_s_own(town: Town) -> None:
    lon, lat = on_the_border(metres=40)
    receipt = await town.send("hotline-12345", town.call(cell=None, lon=lon, lat=lat, crs="cgcs2000"))
    assert (await town.lead(receipt["event_id"]))[1] == "u-s-320102002-c"


async def test_corrected_away_from_the_border_it_is_decided_once_more(town: Town, clock: MovableClock) -> None:
    event_id, _ = await report(town)
    before, total = await orders(town, event_id), await citizens(town, event_id)
    clock.advance(hours=1)
    lon, lat = point_in(CELL)
    body = {"lon": lon, "lat": lat, "crs": "cgcs2000"}
    await town.act("dispatcher1", f"events/{event_id}", "correct", **body)
    acts = await town.acts(event_id)
    assert (acts.count("correct"), acts.count("dispatch")) == (1, 2)
    ended = await town.rows(
        "SELECT o.state, t.data->>'cause' AS cause FROM work_order o "
        "JOIN timeline t ON t.event_id = o.event_id AND t.subject = 'work_order' AND t.subject_n = o.n "
        "WHERE o.event_id = :id AND t.act = 'transfer'",
        id=UUID(event_id),
    )
    after = await orders(town, event_id)
    gone = [one for one, then in zip(after, before, strict=False) if one[2] == "transferred"]
    assert {unit for unit, _, _ in gone} >= {DISTRICT, *STREETS}
    assert [(row.state, row.cause) for row in ended] == [("transferred", "corrected")] * len(gone)
    assert (await town.lead(event_id))[1] == "u-s-320102002-c"
    for row in await clocks(town, event_id):
        stays = row.code not in {DISTRICT, *STREETS}
        assert row.state == ("running" if stays else "stopped"), row
    (lead,) = {row.started_at for row in await clocks(town, event_id) if row.role == "lead" and row.state == "running"}
    assert lead == clock(), "the new unit's clocks are its own"
    assert await citizens(town, event_id) == total
    await town.get("u-s-320102003", f"/events/{event_id}", expect=404)


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("what", ["place", "item"])
async def test_a_correction_sent_twice_decides_once(town: Town, what: str, keyed: bool) -> None:
    event_id, _ = await report(town)
    lon, lat = point_in(CELL)
    body: dict[str, Any] = {"item": HEAPS} if what == "item" else {"lon": lon, "lat": lat, "crs": "cgcs2000"}
    if keyed:
        body["act_id"] = str(uuid4())
    first = await town.act("dispatcher1", f"events/{event_id}", "correct", **body)
    assert "unchanged" not in first
    done, books, total = await town.acts(event_id), await orders(town, event_id), await citizens(town, event_id)
    assert (done.count("correct"), done.count("dispatch")) == (1, 2)
    again = await town.act("dispatcher1", f"events/{event_id}", "correct", **body)
    assert again["repeated"] is keyed
    assert again.get("unchanged", False) is not keyed
    assert await town.acts(event_id) == done
    assert await orders(town, event_id) == books
    assert await citizens(town, event_id) == total


async def test_what_was_written_down_without_deciding_is_decided_when_it_is_said_again(town: Town) -> None:
    event_id, _ = await report(town)
    lon, lat = point_in(CELL)
    body = {"lon": lon, "lat": lat, "crs": "cgcs2000"}
    await town.act("dispatcher1", f"events/{event_id}", "correct", **body, redispatch=False)
    assert (await town.lead(event_id))[1] == "u-d-urban"
    await town.act("dispatcher1", f"events/{event_id}", "correct", **body)
    assert (await town.lead(event_id))[1] == "u-s-320102002-c"


async def test_a_correction_to_the_same_item_of_a_raised_event_leaves_its_level(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    await town.act("dispatcher1", f"events/{event_id}", "correct", item=HEAPS)
    await town.act("dispatcher1", f"events/{event_id}", "raise_level", level="district", reason="多次反复")
    level, lead = (await town.event(event_id)).level, await town.lead(event_id)
    await town.act("dispatcher1", f"events/{event_id}", "correct", item=HEAPS)
    assert ((await town.event(event_id)).level, await town.lead(event_id)) == (level, lead)
