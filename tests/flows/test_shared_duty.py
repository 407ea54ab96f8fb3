"""就近值守: where several teams are on duty, the one with the fewest open orders; nobody else is asked for its load."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event as events

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import client_token, http_for
from tests.flows.decisions import ask_in_this_order, decision, put_in_force
from tests.flows.town import Town

#: a community of two teams since the grids of this test, and one that has a team to itself
BOTH, ALONE = "320102008006", "320102008003"
TEAMS = ("G-320102008-1", "G-320102008-2")
LITTER = "GB/T 47678.5-2026/matter/06010"


@pytest.fixture
async def shared(town: Town) -> Town:
    """Two teams share a community, and nearness is asked first."""
    other = await town.rows(
        "SELECT w.body FROM release_row w JOIN release r ON r.id = w.release_id WHERE r.kind = 'duty-grids' "
        "AND r.status = 'published' AND w.key = :key",
        key=f"DG-{BOTH}",
    )
    grid, code = other[0].body, f"DG-{BOTH}"
    cells = [[f"{BOTH}{n:03d}" for n in numbers] for numbers in (range(1, 6), range(6, 10))]
    halves = {
        code: grid | {"cells": cells[0], "org_code": TEAMS[1]},
        f"{code}-B": grid | {"code": f"{code}-B", "name": "北苑乙", "cells": cells[1], "org_code": TEAMS[0]},
    }
    await put_in_force(town, "duty-grids", halves)
    await ask_in_this_order(town, "nearest_on_duty")
    return town


def litter(town: Town, area_code: str = BOTH) -> dict[str, Any]:
    return town.call((), cell=None, itemCode=LITTER, areaCode=area_code)


@contextmanager
def counted(runtime: Runtime) -> Iterator[list[str]]:
    """Statements that go to the database meanwhile."""
    seen: list[str] = []
    connection = runtime.sessions.kw["bind"].sync_connection

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    events.listen(connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        events.remove(connection, "before_cursor_execute", note)


async def test_the_less_busy_team_gets_it_and_the_decision_keeps_how_busy_they_were(shared: Town) -> None:
    told = []
    for _ in range(3):
        sent = await shared.send("hotline-12345", litter(shared))
        decided = await decision(shared, sent["event_id"])
        assert decided["step"] == "nearest_on_duty"
        told.append((decided["unit"], decided["facts"].get("load", {})))
    assert told == [(TEAMS[0], {}), (TEAMS[1], {TEAMS[0]: 1}), (TEAMS[0], {TEAMS[0]: 1, TEAMS[1]: 1})]


async def test_a_batch_counts_what_it_has_just_dispatched_itself(shared: Town) -> None:
    async with http_for(shared.runtime, client_token(shared.runtime, shared.city, "hotline-12345")) as http:
        batch = {"reports": [litter(shared) for _ in range(6)]}
        with counted(shared.runtime) as statements:
            answer = await http.post("/intake/hotline-12345/batch", json=batch)
    assert answer.is_success, answer.text
    assert len([one for one in statements if "GROUP BY unit_id" in one]) == 1, "one statement for all of them"
    orders = await shared.rows(
        "SELECT g.code, count(*) AS n FROM work_order o JOIN organization g ON g.id = o.unit_id GROUP BY 1 ORDER BY 1"
    )
    assert [(row.code, row.n) for row in orders] == [(TEAMS[0], 3), (TEAMS[1], 3)]


async def test_a_place_with_one_team_costs_no_statement(shared: Town, runtime: Runtime) -> None:
    await shared.send("hotline-12345", litter(shared, ALONE))  # numbers are reserved, plans are made
    with counted(runtime) as ordinary:
        await shared.send("hotline-12345", litter(shared, ALONE))
    with counted(runtime) as at_both:
        await shared.send("hotline-12345", litter(shared))
    assert not [one for one in ordinary if "GROUP BY unit_id" in one]
    assert len(at_both) == len(ordinary) + 1


async def test_an_event_that_is_decided_again_does_not_count_against_the_team_that_has_it(
    shared: Town, clock: MovableClock
) -> None:
    first = (await shared.send("hotline-12345", litter(shared)))["event_id"]
    assert (await decision(shared, first))["unit"] == TEAMS[0]
    order, _ = await shared.lead(first)
    clock.advance(minutes=20)
    await shared.act("dispatcher1", f"events/{first}", "correct", item="GB/T 47678.5-2026/matter/06012")
    assert (await decision(shared, first))["unit"] == TEAMS[0]
    assert (await shared.lead(first))[0] == order, "its order and its clocks go on"
    second = (await shared.send("hotline-12345", litter(shared)))["event_id"]
    assert (await decision(shared, second))["unit"] == TEAMS[1]
    moved = (await shared.send("hotline-12345", litter(shared, ALONE)))["event_id"]
    await shared.send("hotline-12345", litter(shared, ALONE))
    await shared.act("dispatcher1", f"events/{moved}", "correct", area_code=BOTH)
    decided = await decision(shared, moved)
    assert decided["unit"] == TEAMS[1], "the load is that of the place it was put at"
    assert decided["facts"]["load"] == {TEAMS[0]: 2, TEAMS[1]: 1}


async def test_after_a_return_the_other_team_gets_it_however_busy(shared: Town) -> None:
    first = (await shared.send("hotline-12345", litter(shared)))["event_id"]
    for _ in range(3):
        await shared.send("hotline-12345", litter(shared))
    order, unit = await shared.lead(first)
    await shared.act(unit, order, "request_return", reason_code="not_our_area", reason="不在本格")
    await shared.act("dispatcher1", order, "approve_return")
    decided = await decision(shared, first)
    assert (decided["unit"], decided["facts"]["load"]) == (TEAMS[1], {TEAMS[0]: 1, TEAMS[1]: 2})


async def test_the_preview_names_the_same_team(shared: Town) -> None:
    await shared.send("hotline-12345", litter(shared))
    async with await shared.as_user("operator1") as http:
        told = (await http.post("/dispatch/preview", json={"item": LITTER, "area_code": BOTH})).json()
    assert (told["lead"]["code"], told["step"]) == (TEAMS[1], "nearest_on_duty")
