"""A draft of any kind is tried on past events and published; the same reports, really sent again, get what was told.

Nothing here decides a second time: the simulation's word is compared with the decision that the intake stored.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.dispatch.simulation import Replayed
from app.masters.publishing import publish
from app.masters.simulation import ROUTING_KINDS, matter_again, simulate, what_if
from app.supervision.past_matters import past_matters
from tests.flows.test_simulation import SINCE, rows_of
from tests.flows.town import RUBBISH, WAGES, Town, point_in

#: in three streets; the first two lie in different ones
CELLS = ("320102002001001", "320102003003006", "320102002002002", "320102010001001")
HANGING, NOISE = ("市容环境类", "沿街晾挂"), ("市容环境类", "噪声扰民")
#: a component that is registered, and its class
COMPONENT, CLASS = "32010201002000001", "GB/T 47678.5-2026/component/01002"
WEEK_DAYS = 7
DAY = timedelta(days=1)

Rows = dict[str, dict[str, Any]]
Change = Callable[[Rows, list[Any]], Rows]


def messages(town: Town) -> list[dict[str, Any]]:
    """Twenty reports that no two of would be one event."""
    made = []
    for n, cell in enumerate(CELLS):
        lon, lat = point_in(cell)
        place = {"lon": lon, "lat": lat, "crs": "cgcs2000"}
        for classes, urgency in ((RUBBISH, "一般"), (WAGES, "一般"), (HANGING, "一般"), (NOISE, "特急")):
            made.append(town.call(classes, cell=None, urgency=urgency, **place))
        component = {"componentId": COMPONENT} if n == 0 else {}
        made.append(town.call((CLASS,), cell=None, **component, **place))
    return made


# ── what each kind's draft changes; ``decided``: the stored decisions of the past events ─────────────────────


def other_leads(rows: Rows, decided: list[Any]) -> Rows:
    """The rules that decided lead elsewhere."""
    used = {one["rule_no"] for one in decided if one["step"] == "statutory_department"}
    return {no: rows[no] | {"lead_unit": "D-URBAN" if rows[no]["lead_unit"] != "D-URBAN" else "D-ENV"} for no in used}


def taken_back(rows: Rows, decided: list[Any]) -> Rows:
    """What streets led by the duty list a department takes back."""
    used = {one["clause_no"] for one in decided if one["clause_no"]}
    return {no: rows[no] | {"duty": "taken_back", "department": "D-URBAN"} for no in used}


def component_last(rows: Rows, decided: list[Any]) -> Rows:
    return {"component": rows["component"] | {"enabled": False}}


def other_keeper(rows: Rows, decided: list[Any]) -> Rows:
    return {COMPONENT: rows[COMPONENT] | dict.fromkeys(("competent", "owner", "maintainer"), "D-URBAN")}


def no_street_any_more(rows: Rows, decided: list[Any]) -> Rows:
    """The sections of streets that led are the district's from now on: the duty list is not asked for them."""
    used = {one["unit"] for one in decided if one["clause_no"] and rows[one["unit"]]["org_type"] == "section"}
    return {code: rows[code] | {"level": "district", "parent_code": "D-URBAN"} for code in used}


def other_level(rows: Rows, decided: list[Any]) -> Rows:
    """What streets did is the district's, and the other way round."""
    used = {one["facts"]["item"] for one in decided}
    levels = {"grid": "district", "street": "city", "district": "street", "city": "district"}
    return {key: rows[key] | {"default_level": levels[rows[key]["default_level"]]} for key in used}


def the_district_when_critical(rows: Rows, decided: list[Any]) -> Rows:
    return {"least_level.critical": {"key": "least_level.critical", "value": "district", "source": "测试"}}


def other_borders(rows: Rows, decided: list[Any]) -> Rows:
    """Two cells of different streets change places."""
    one, other = rows[CELLS[0]], rows[CELLS[1]]
    return {CELLS[0]: one | {"polygon": other["polygon"]}, CELLS[1]: other | {"polygon": one["polygon"]}}


CHANGES: dict[str, Change] = {
    "routing-rules": other_leads,
    "duty-list": taken_back,
    "routing-steps": component_last,
    "components": other_keeper,
    "organizations": no_street_any_more,
    "items": other_level,
    "policies": the_district_when_critical,
    "cells": other_borders,
}


async def decision_of(town: Town, event_id: str) -> Any:
    """The stored first decision."""
    [row] = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act IN ('dispatch', 'undecided') ORDER BY n LIMIT 1",
        id=event_id,
    )
    return row.data


@pytest.mark.parametrize("kind", CHANGES)
async def test_what_was_foretold_is_what_the_same_reports_get(town: Town, clock: MovableClock, kind: str) -> None:
    assert kind in ROUTING_KINDS
    sent: dict[str, dict[str, Any]] = {}
    decided = []
    for message in messages(town):
        told = await town.send("hotline-12345", message)
        assert told["outcome"] == "created"
        sent[told["event_no"]] = message
        decided.append(await decision_of(town, told["event_id"]))
    rows = CHANGES[kind](await rows_of(town, kind), decided)
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=False, by="test")
    clock.advance(seconds=1)
    found: list[Replayed] = []
    async with town.runtime.sessions() as session:
        asked = await what_if(session, town.runtime.masters, town.city.jurisdiction_id, [kind])
        tally = await simulate(session, asked, SINCE, now(), each=found.extend)
    stored = [(one["unit"], one["step"], one["rule_no"], one["clause_no"]) for one in decided]
    assert [one.before[:4] for one in found] == stored, "the past is not what it was"
    assert any(one.before != one.after for one in found), "the draft changes nothing here"
    assert tally.moved > 0 or kind == "organizations"

    async with transaction(town.runtime.sessions) as session:
        await publish(session, town.city.jurisdiction_id, [kind], by="test", unreviewed_because="测试")
    clock.advance(days=WEEK_DAYS, seconds=-1)
    wrong = []
    for one in found:
        message = sent[one.event_no] | {"orderNum": f"X{one.event_no}", "callTime": now().isoformat()}
        again = await town.send("hotline-12345", message)
        assert again["outcome"] == "created"
        real = await decision_of(town, again["event_id"])
        if (real["unit"], real["step"], real["rule_no"], real["clause_no"]) != one.after[:4]:
            wrong.append((one.event_no, one.after, real))
    assert not wrong, (len(wrong), wrong[0])
    assert len(found) == len(sent) == 5 * len(CELLS)


async def test_a_level_that_a_person_raised_stays_raised(town: Town) -> None:
    """A draft that lowers the item lowers those events of it that nobody raised."""
    first, other = [
        await town.send("hotline-12345", town.call(WAGES, cell=cell, areaCode=cell[:12])) for cell in CELLS[:2]
    ]
    await town.act("leader1", f"events/{first['event_id']}", "raise_level", level="city", reason="影响大")
    items = await rows_of(town, "items")
    key = (await decision_of(town, other["event_id"]))["facts"]["item"]
    async with transaction(town.runtime.sessions) as session:
        rows = {key: items[key] | {"default_level": "street"}}
        await releases.put_draft(session, town.city.jurisdiction_id, "items", rows, complete=False, by="test")
    async with town.runtime.sessions() as session:
        pages = [page async for page in past_matters(session, town.city.jurisdiction_id, SINCE, now() + DAY)]
        asked = await what_if(session, town.runtime.masters, town.city.jurisdiction_id, ["items"])
    told = {past.event.event_no: matter_again(asked.after, past) for page in pages for past in page}
    assert (told[first["event_no"]].level, told[first["event_no"]].at_least) == ("city", "city")
    assert (told[other["event_no"]].level, told[other["event_no"]].at_least) == ("street", "")
