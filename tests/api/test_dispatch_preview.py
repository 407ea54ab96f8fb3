"""``POST /dispatch/preview``: decides as the dispatch would, and writes nothing."""

import json
from typing import Any

import httpx
import pytest
from shapely.geometry import shape
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.timing import MovableClock
from tests.api.refusals import refused
from tests.conftest import DEMO_CITY, LogIn
from tests.flows.town import Town

LAMP, LITTER, SMOKE = (
    "GB/T 47678.5-2026/matter/01037",
    "GB/T 47678.5-2026/matter/06010",
    "GB/T 47678.5-2026/matter/06027",
)
STREET = "320102002"
PATH = "/dispatch/preview"


def middle_of(cell_id: str) -> dict[str, Any]:
    cells = json.loads((DEMO_CITY / "cells.geojson").read_text(encoding="utf-8"))["features"]
    point = next(shape(each["geometry"]) for each in cells if each["properties"]["cell_id"] == cell_id).centroid
    return {"lon": point.x, "lat": point.y, "crs": "cgcs2000"}


async def asked(http: httpx.AsyncClient, **told: Any) -> dict[str, Any]:
    answer = await http.post(PATH, json=told)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_an_operator_is_told_who_it_is_why_and_how_to_reach_them(town: Town, log_in: LogIn) -> None:
    http = await log_in("operator1")
    told = await asked(http, item=LAMP, point=middle_of("320102002001001"))
    assert (told["lead"]["code"], told["rule_no"], told["step"]) == ("D-MUNI", "R0162", "statutory_department")
    assert told["lead"]["duty_phone"].startswith("025-5555")
    assert [unit["code"] for unit in told["supporting"]] == ["CT-LIGHT"]
    assert told["supporting"][0]["duty_phone"]
    assert told["item"]["name"] in told["sentence"]
    assert "R0162" in told["sentence"]
    assert [each["step"] for each in told["steps"]] == ["emergency_handover", "component", "statutory_department"]
    assert all(each["title"] and each["reason"] for each in told["steps"])
    assert [(other["unit"]["code"], bool(other["why_not"])) for other in told["alternatives"]] == [
        ("DESK-320102", True)
    ]
    assert (told["place"]["street_code"], told["place"]["cell_id"]) == (STREET, "320102002001001")
    assert told["releases"]["routing-rules"]


async def test_a_registered_component_is_its_maintainers(town: Town, log_in: LogIn) -> None:
    told = await asked(await log_in("operator1"), item=LAMP, component_id="32010201037000001")
    assert (told["lead"]["code"], told["step"]) == ("CT-LIGHT", "component")


async def test_the_duty_list_is_told_to_the_caller(town: Town, log_in: LogIn) -> None:
    http = await log_in("operator1")
    own = await asked(http, item=LITTER, area_code=f"{STREET}001")
    assert (own["lead"]["code"], own["step"]) == (f"S-{STREET}-C", "territorial")
    assert own["clause_no"] in own["sentence"]
    taken_back = await asked(http, item=SMOKE, area_code=f"{STREET}001")
    assert taken_back["lead"]["code"] == "D-ENV"
    assert [unit["code"] for unit in taken_back["supporting"]] == [f"S-{STREET}-E"]
    assert taken_back["clause_no"] in taken_back["sentence"]


async def test_the_time_of_the_call_counts(town: Town, log_in: LogIn) -> None:
    http = await log_in("operator1")
    for at, unit in (
        ("2026-03-10T17:59:00+08:00", f"S-{STREET}-C"),
        ("2026-03-10T18:00:00+08:00", "CT-SANIT"),
        ("2026-02-14T10:00:00+08:00", f"S-{STREET}-C"),  # a Saturday that is worked
        ("2026-02-17T10:00:00+08:00", "CT-SANIT"),  # a Tuesday that is a holiday
    ):
        told = await asked(http, item=LITTER, area_code=f"{STREET}001", at=at)
        assert told["lead"]["code"] == unit, at


async def test_nothing_is_known_and_a_person_or_the_desk_decides(town: Town, log_in: LogIn) -> None:
    http = await log_in("dispatcher1")
    told = await asked(http, item=LITTER)
    assert (told["lead"], told["triage"], told["step"]) == (None, "place_unknown", "person")
    told = await asked(http, area_code=f"{STREET}001")
    assert (told["lead"]["code"], told["item"]) == ("DESK-320102", None)


async def test_an_accused_unit_is_never_named(town: Town, log_in: LogIn) -> None:
    told = await asked(await log_in("operator1"), item=LAMP, accused=["D-MUNI"])
    assert told["lead"]["code"] != "D-MUNI"
    assert told["supporting"] == []


async def test_nothing_is_written_and_one_statement_is_enough(town: Town, log_in: LogIn, session: AsyncSession) -> None:
    http = await log_in("operator1")
    await asked(http, item=LAMP)  # the masters are built
    count = text("SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM work_order)")
    before = await session.scalar(count)
    statements: list[str] = []
    connection = (await session.connection()).sync_connection

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(connection, "before_cursor_execute", note)
    await asked(http, item=LAMP, point=middle_of("320102002001001"))
    event.remove(connection, "before_cursor_execute", note)
    assert not [each for each in statements if each.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))]
    assert await session.scalar(count) == before


async def test_the_event_is_then_dispatched_as_it_was_previewed(
    town: Town, log_in: LogIn, dispatcher: httpx.AsyncClient, clock: MovableClock
) -> None:
    sent = await town.send("hotline-12345", town.call())
    seen = (await dispatcher.get(f"/events/{sent['event_id']}")).json()
    assert seen["item"], "the town's usual call is recognised"
    place = seen["place"]
    told = await asked(
        await log_in("operator1"),
        item=seen["item"]["key"],
        area_code=place["community_code"] or place["street_code"] or place["district_code"],
        urgency=seen["urgency"],
    )
    assert told["lead"]["code"] == seen["lead_unit"]["code"]


@pytest.mark.parametrize("username", ["collector1", "u-d-muni", "supervisor1"])
async def test_who_has_no_seat_for_it_is_refused(town: Town, log_in: LogIn, username: str) -> None:
    refused(await (await log_in(username)).post(PATH, json={"item": LAMP}), 403)


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"item": "no/such/item"}, "item"),
        ({"channel": "fax"}, "channel"),
        ({"accused": ["NOBODY"]}, "accused"),
        ({"first_receiver": "NOBODY"}, "first_receiver"),
        ({"at": "2026-03-10T10:00:00"}, "at"),
        ({"urgency": "very"}, "urgency"),
        ({"point": {"lon": 118.7, "lat": 32.0}}, "crs"),
        ({"no_such_member": 1}, "no_such_member"),
    ],
)
async def test_what_does_not_exist_is_named(town: Town, log_in: LogIn, told: dict[str, Any], path: str) -> None:
    problem = refused(await (await log_in("operator1")).post(PATH, json=told), 400, 422)
    assert any(path in fault["path"] for fault in problem["faults"])


async def test_a_machine_or_nobody_is_refused(town: Town, http: httpx.AsyncClient) -> None:
    refused(await http.post(PATH, json={}), 401)
