"""Lists against a plain reading of what they promise: every row of the asker's, once, in order, however it is found.

The lists choose among many index scans, stop at budgets and go on; a slow and simple query over the same city says
what must come out. Budgets are set so low here that pages are cut everywhere.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.tokens import UserSubject
from app.api.changes import ChangesShape
from app.api.event_shapes import EventSummary, OrderInList
from app.api.inspections import InspectionInList
from app.api.report_shapes import ReportInList
from app.api.shapes import PageShape, Shape
from app.api.supervision import OverdueShape
from app.commands.bench import lists_data as data
from app.commands.bench import lists_load as loader
from app.commands.bench.statements import StatementCount
from app.core.pagination import Page
from app.events.visibility import Areas, Sight
from app.runtime import Runtime
from app.supervision import scans
from app.supervision.event_list import list_events
from app.supervision.filters import Filters
from app.supervision.inspection_list import list_inspections
from app.supervision.order_list import list_orders
from app.supervision.overdue import list_overdue
from app.supervision.report_list import list_reports
from tests.conftest import http_for

COUNT = 1_200
NEVER = Areas()
Condition = tuple[list[str], dict[str, Any]]


@pytest.fixture
async def runtime_of_lists(committing_runtime: Runtime, owner_database_url: str) -> Runtime:
    """A clone with the small edition of the city that the benchmark measures."""
    await loader.build(owner_database_url, committing_runtime.sessions, COUNT, lambda _: None)
    async with committing_runtime.sessions() as session, session.begin():
        await session.execute(
            text("UPDATE event SET accused_org_ids = ARRAY[lead_unit_id]::bigint[] WHERE demand_type = 'accusation'")
        )
    return committing_runtime


@pytest.fixture
async def reading(runtime_of_lists: Runtime) -> AsyncIterator[AsyncSession]:
    async with runtime_of_lists.sessions() as session:
        yield session


@pytest.fixture
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "DENSE_BUDGET", 90)
    monkeypatch.setattr(scans, "SPARSE_BUDGET", 70)
    monkeypatch.setattr(scans, "LOOKUP_BUDGET", 60)
    monkeypatch.setattr(scans, "MIN_WALK", 20)
    monkeypatch.setattr(scans, "MIN_LOOKUPS", 10)


async def everything(read: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Any]:
    """All rows of a list, page after page."""
    rows: list[Any] = []
    cursor: str | None = None
    for _ in range(5_000):
        page = await read(cursor)
        rows += page.items
        cursor = page.next
        if cursor is None:
            return rows
    raise AssertionError("paging does not end")


def sights(jurisdiction: int, units: list[int]) -> dict[str, Sight]:
    """Scopes of every shape."""
    street, community = data.street_code, data.community_code

    def of_units(*ranks: int) -> frozenset[int]:
        return frozenset(units[rank] for rank in ranks)

    return {
        "all": Sight(jurisdiction, Areas(True), frozenset(), NEVER, frozenset()),
        "areas": Sight(
            jurisdiction,
            Areas(False, (), (street(0), street(5)), (community(2, 1), community(0, 2))),
            frozenset(),
            NEVER,
            frozenset(),
        ),
        "district": Sight(jurisdiction, Areas(False, (data.JURISDICTION,)), frozenset(), NEVER, frozenset()),
        "units": Sight(jurisdiction, NEVER, of_units(0, 3, 17, 40), NEVER, of_units(0, 3)),
        "collector": Sight(jurisdiction, NEVER, frozenset(), Areas(False, (), (street(1),)), frozenset()),
        "mixed": Sight(jurisdiction, Areas(False, (), (), (community(0, 0),)), of_units(1, 2), NEVER, of_units(1)),
    }


def some_filters(chance: random.Random, units: list[int], items: list[int]) -> Filters:
    """A few filters, each with a frequent and a rare value."""
    since = datetime.now(UTC) - timedelta(days=140)
    choices: dict[str, list[Any]] = {
        "open": [True, False],
        "unit_id": [units[0], units[3], units[20]],
        "area": [data.street_code(0), data.community_code(0, 0), data.JURISDICTION],
        "item_id": [items[0], items[5]],
        "channel": ["police-110"],
        "urgency": ["urgent"],
        "demand_type": ["accusation", "help"],
        "triage": ["any", "no_rule"],
        "received_from": [since],
        "received_to": [since + timedelta(days=60)],
    }
    return Filters(**{name: chance.choice(values) for name, values in choices.items() if chance.random() < 0.22})


def plain(sight: Sight, filters: Filters, columns: dict[str, str]) -> Condition:
    """What the filters mean, one condition each; ``columns``: where the list's own meaning differs from the event's."""
    seen, values = sight.condition()
    where = [seen]
    of_event = {name: f"e.{name}" for name in ("item_id", "urgency", "channel", "demand_type")}
    for name, column in (of_event | {"unit_id": "e.lead_unit_id"} | columns).items():
        if getattr(filters, name) is not None:
            where.append(f"{column} = :plain_{name}")
            values[f"plain_{name}"] = getattr(filters, name)
    if filters.area:
        where.append(f"e.{filters.area_level}_code = :plain_area")
        values["plain_area"] = filters.area
    if filters.triage:
        where.append("e.triage IS NOT NULL" if filters.triage == "any" else "e.triage = 'no_rule'")
    for name, sign in (("received_from", ">="), ("received_to", "<")):
        if getattr(filters, name):
            where.append(f"e.received_at {sign} :plain_{name}")
            values[f"plain_{name}"] = getattr(filters, name)
    return where, values


def ended(filters: Filters, when_open: str) -> list[str]:
    return [] if filters.open is None else [when_open if filters.open else f"NOT ({when_open})"]


async def keys(session: AsyncSession, sql: str, condition: Condition) -> set[Any]:
    found = await session.execute(text(f"{sql} WHERE {' AND '.join(condition[0])}"), condition[1])
    return {row[0] if len(row) == 1 else tuple(row) for row in found}


async def city_ids(session: AsyncSession) -> tuple[int, list[int], list[int]]:
    jurisdiction = await session.scalar(text("SELECT id FROM jurisdiction WHERE code = :c"), {"c": data.JURISDICTION})
    assert jurisdiction is not None
    ids = []
    for table, column, codes in (
        ("organization", "code", [data.unit_code(n) for n in range(data.UNITS)]),
        ("item", "key", [data.item_key(n) for n in range(data.ITEMS)]),
    ):
        found = await session.execute(
            text(f"SELECT {column}, id FROM {table} WHERE jurisdiction_id = :j"),  # noqa: S608 - names of our own
            {"j": jurisdiction},
        )
        by_code = {code: id_ for code, id_ in found}
        ids.append([by_code[code] for code in codes])
    return jurisdiction, ids[0], ids[1]


@pytest.mark.usefixtures("small_budgets")
async def test_every_list_gives_every_row_of_the_asker_once(reading: AsyncSession) -> None:
    jurisdiction, units, items = await city_ids(reading)
    chance = random.Random(20261122)  # noqa: S311 - the same filters each time
    at = datetime.now(UTC)
    compared = 0
    for name, sight in list(sights(jurisdiction, units).items()) * 6:
        filters = some_filters(chance, units, items)
        limit = chance.choice([7, 50])
        told = f"{name} {filters}"

        def page(read: Any, filters: Filters = filters, sight: Sight = sight, limit: int = limit, **more: Any) -> Any:
            return lambda cursor: read(reading, sight, filters, limit=limit, cursor=cursor, **more)

        rows = await everything(page(list_events))
        where, values = plain(sight, filters, {})
        wanted = await keys(reading, "SELECT e.id FROM event e", (where + ended(filters, "e.ended_at IS NULL"), values))
        found = [row.event_id for row in rows]
        assert (len(found), set(found)) == (len(wanted), wanted), f"events {told}"
        assert found == sorted(found, reverse=True), f"order of events {told}"

        rows = await everything(page(list_orders))
        where, values = plain(sight, filters, {"unit_id": "o.unit_id"})
        if sight.units and not sight.areas:
            unbarred, more = sight.unbarred()
            where = [unbarred, "o.unit_id = ANY(:own_units)", *where[1:]]
            values |= more | {"own_units": sorted(sight.units)}
        wanted = await keys(
            reading,
            "SELECT o.event_id, o.n FROM work_order o JOIN event e ON e.id = o.event_id",
            (where + ended(filters, "o.ended_at IS NULL"), values),
        )
        found = [(row.event_id, row.n) for row in rows]
        assert (len(found), set(found)) == (len(wanted), wanted), f"orders {told}"

        rows = await everything(page(list_reports))
        where, values = plain(sight, filters, {"channel": "r.channel", "demand_type": "r.demand_type"})
        wanted = await keys(
            reading,
            "SELECT r.id FROM report r JOIN event_report l ON l.report_id = r.id JOIN event e ON e.id = l.event_id",
            (where + ended(filters, "r.state IN ('open', 'replied')"), values),
        )
        found = [row.report_id for row in rows]
        assert (len(found), set(found)) == (len(wanted), wanted), f"reports {told}"

        rows = await everything(page(list_inspections))
        where, values = plain(sight, filters, {})
        wanted = await keys(
            reading,
            "SELECT i.event_id, i.n FROM inspection i JOIN event e ON e.id = i.event_id",
            (where + ended(filters, "i.ended_at IS NULL"), values),
        )
        found = [(row.event_id, row.n) for row in rows]
        assert (len(found), set(found)) == (len(wanted), wanted), f"inspections {told}"

        clocks = Filters(unit_id=filters.unit_id, area=filters.area, channel=filters.channel, late_by=0)
        rows = await everything(page(list_overdue, clocks, at=at, near_share=0.2))
        own, values = sight.areas.condition("e", "plain_sight")
        ways = [own]
        if sight.units:
            unbarred, more = sight.unbarred()
            ways.append(f"(c.unit_id = ANY(:own_units) AND {unbarred})")
            values |= more | {"own_units": sorted(sight.units)}
        where, more = plain(sight, clocks, {"unit_id": "c.unit_id"})
        values |= {name: value for name, value in more.items() if name.startswith("plain_")} | {"at": at}
        where = [*where[1:], f"({' OR '.join(ways)})", "c.state = 'running'", "c.due_at <= :at"]
        wanted = await keys(
            reading, "SELECT c.event_id, c.n FROM clock c JOIN event e ON e.id = c.event_id", (where, values)
        )
        found = [(row.event_id, row.n) for row in rows]
        assert (len(found), set(found)) == (len(wanted), wanted), f"overdue {told}"
        assert [row.due_at for row in rows] == sorted(row.due_at for row in rows)
        compared += len(found)
    assert compared, "the filters must let something through"


async def test_lists_over_http_take_a_constant_number_of_statements(runtime_of_lists: Runtime) -> None:
    jurisdiction, users = await loader.user_ids(runtime_of_lists.sessions)
    statements = StatementCount(runtime_of_lists.read_sessions)
    paths = ("/events", "/work-orders", "/reports", "/inspections", "/supervision/overdue", "/reports?owes=callback")
    for name, user in users.items():
        token, _ = runtime_of_lists.tokens.issue(UserSubject(user), jurisdiction_id=jurisdiction, token_version=0)
        async with http_for(runtime_of_lists, token) as http:
            await http.get("/events")  # masters and statistics are read once per process
            for path in paths:
                counts = set()
                for limit in (1, 100):
                    statements.reset()
                    answer = await http.get(path, params={"limit": limit})
                    assert answer.status_code == 200, answer.text
                    counts.add(statements.queries)
                assert counts == {2}, f"{name} {path}: the asker and the list, however long it is"


SHAPES: dict[str, type[Shape]] = {
    "/events": PageShape[EventSummary],
    "/work-orders": PageShape[OrderInList],
    "/reports": PageShape[ReportInList],
    "/inspections": PageShape[InspectionInList],
    "/supervision/overdue": PageShape[OverdueShape],
    "/changes": ChangesShape,
}


async def test_a_list_answers_in_the_shape_that_its_documentation_promises(runtime_of_lists: Runtime) -> None:
    """Lists write their rows without the shapes' own checks: nothing may be missing, left over or written otherwise."""
    jurisdiction, users = await loader.user_ids(runtime_of_lists.sessions)
    for name in ("all", "units"):
        token, _ = runtime_of_lists.tokens.issue(
            UserSubject(users[name]), jurisdiction_id=jurisdiction, token_version=0
        )
        async with http_for(runtime_of_lists, token) as http:
            documented = (await http.get("http://test/openapi.json")).json()["paths"]
            for path, shape in SHAPES.items():
                answer = await http.get(path, params={"limit": 200})
                assert answer.json()["items"], f"{name} {path}"
                assert shape.model_validate_json(answer.content).model_dump_json() == answer.text, f"{name} {path}"
                content = documented[f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]
                assert content["schema"]["$ref"].split("/")[-1] in {shape.__name__, _component(shape)}


def _component(shape: type[Shape]) -> str:
    """The name of ``PageShape[X]`` among the components of the documentation."""
    return shape.__name__.replace("[", "_").replace("]", "_")


async def test_what_a_list_says_over_http(runtime_of_lists: Runtime) -> None:
    jurisdiction, users = await loader.user_ids(runtime_of_lists.sessions)
    token, _ = runtime_of_lists.tokens.issue(UserSubject(users["all"]), jurisdiction_id=jurisdiction, token_version=0)
    async with http_for(runtime_of_lists, token) as http:
        first = (await http.get("/events", params={"limit": 10, "open": "true"})).json()
        assert len(first["items"]) == 10
        assert all(row["ended_at"] is None and row["received_at"].endswith("+08:00") for row in first["items"])
        second = (await http.get("/events", params={"limit": 10, "open": "true", "cursor": first["next"]})).json()
        assert not {row["id"] for row in first["items"]} & {row["id"] for row in second["items"]}
        refused = await http.get("/events", params={"open": "false", "cursor": first["next"]})
        assert (refused.status_code, refused.json()["code"]) == (422, "malformed")
        refused = await http.get("/work-orders", params={"state": "verifying", "unit": "nobody", "area": "1"})
        assert {fault["path"] for fault in refused.json()["faults"]} == {"state", "unit", "area"}
        assert (await http.get("/events", params={"colour": "red"})).status_code == 422
        figures = (await http.get("/supervision/indicators")).json()
        assert figures["events"]["received"] > 0
        assert figures["rates"]["score"] is not None
        assert {row["kind"] for row in figures["limits"]} <= {"signing", "first_contact", "handling", "citizen_total"}
