"""Stored decisions, read by somebody who has only the exported releases and what the HTTP API tells of the event.

Two hundred of them, in the demo city under three catalogues made at random: the plain reference must come to the same
unit, rule and clause, and its own account of the principles must be the stored one.
"""

import ast
import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from os import listdir
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from app.commands.demo.reports import Messages, read_reports
from app.core import releases
from app.core.database import transaction
from app.core.tables import Release
from app.core.timing import MovableClock, now
from app.masters.export import export
from app.masters.publishing import publish
from tests import reference_router
from tests.conftest import ROOT, client_token, http_for
from tests.flows.town import Town, point_in
from tests.reference_router import ReferenceRouter, facts_of, read_export

#: what routing rests on, and what the facts of an event are derived by
ROUTING = ("routing-rules", "routing-steps", "duty-list", "components", "organizations")
FACTS = ("items", "calendar", "duty-grids", "cells")
KINDS = (*ROUTING, *FACTS)
COMPARED = ("unit", "step", "rule_no", "clause_no")
HOURS = ("18:00-08:00", "08:00-12:00", "12:00-18:00", "20:00-24:00")
DECISIONS = 200
#: reports sent under each of the catalogues
ROUNDS = (75, 75, 75)

Json = dict[str, Any]


async def rows_of(town: Town, kind: str) -> dict[str, Json]:
    async with town.runtime.sessions() as session:
        release = await releases.published_of(session, town.city.jurisdiction_id, kind)
        assert release is not None
        return await releases.rows_of(session, release.id)


# ── a city with another catalogue ────────────────────────────────────────────────────────────────────────────


def changed_rules(pick: Random, rules: dict[str, Json], streets: list[str], communities: list[str]) -> dict[str, Json]:
    """Some rules are gone, and many items have one that holds only then, there, or for that channel."""
    found = dict(rules)
    plain = sorted(
        no for no, row in rules.items() if row["step"] == "statutory_department" and row["code"] and not row["urgency"]
    )
    departments = sorted({rules[no]["lead_unit"] for no in plain if rules[no]["lead_unit"].startswith("D-")})
    for no in pick.sample(plain, 40):
        del found[no]
    # One an item: of two that are equally narrow a catalogue may have none.
    one_each = {(row["standard_ref"], row["kind"], row["code"]): no for no in plain for row in (rules[no],)}
    for n, no in enumerate(pick.sample(sorted(one_each.values()), 240)):
        conditions: tuple[Json, ...] = (
            {"hours": [HOURS[n % len(HOURS)]]},
            {"days": pick.choice(("workday", "day_off"))},
            {"urgency": pick.choice(("urgent", "critical", "normal"))},
            {"channel": pick.choice(("hotline-12345", "snapshot", "police-110"))},
            {"area_code": pick.choice(streets)},
            {"area_code": pick.choice(communities), "days": "workday"},
            {"hours": [pick.choice(HOURS)], "area_code": pick.choice(streets), "channel": "hotline-12345"},
            {"valid_from": "2026-03-20", "hours": [pick.choice(HOURS)]},
        )
        own = {"rule_no": f"Z{n:04d}", "lead_unit": pick.choice(departments), "supporting_units": []}
        found[f"Z{n:04d}"] = rules[no] | own | conditions[n % len(conditions)]
    return found


async def another_catalogue(town: Town, pick: Random, *, first_receiver: bool) -> None:
    """Publishes rules, clauses of the duty list and an order of the principles, as the command line does."""
    areas = await rows_of(town, "areas")
    streets, communities = ([code for code in sorted(areas) if len(code) == digits] for digits in (9, 12))
    duties, steps = await rows_of(town, "duty-list"), await rows_of(town, "routing-steps")
    basic = sorted(no for no, row in duties.items() if row["duty"] == "basic")
    for n, no in enumerate(pick.sample(basic, 24)):
        duties[no] = duties[no] | {"duty": ("taken_back", "assisting")[n % 2], "department": "D-URBAN"}
    steps["first_receiver"] = steps["first_receiver"] | {"enabled": first_receiver}
    drafts = {
        "routing-rules": changed_rules(pick, await rows_of(town, "routing-rules"), streets, communities),
        "duty-list": duties,
        "routing-steps": steps,
    }
    async with transaction(town.runtime.sessions) as session:
        made = []
        for kind, rows in drafts.items():
            draft = await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=True, by="test")
            made += [kind] if draft.draft else []
        await publish(session, town.city.jurisdiction_id, made, by="test", unreviewed_because="测试")


# ── reports of all sorts ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Sender:
    """Sends reports at odd times, and does to some events what people do."""

    town: Town
    clock: MovableClock
    pick: Random
    items: list[Json]
    cells: list[str]
    communities: list[str]
    components: list[Json]
    departments: list[str]
    #: points that belong to several streets
    borders: list[tuple[float, float]]
    done: Counter[str] = field(default_factory=Counter)

    async def send(self, count: int) -> None:
        police = [one for one in read_reports() if one.channel == "police-110" and one.of is None]
        messages = Messages(f"p{count}{now():%d%H%M}")
        for n in range(count):
            # nights, weekends, and never so soon that the same thing would be the same event
            self.clock.advance(minutes=self.pick.randrange(20, 400))
            channel = self.pick.choices(("hotline-12345", "snapshot", "police-110"), (6, 3, 1))[0]
            if channel == "police-110":
                message = messages.of(police[self.pick.randrange(len(police))], now())
                message["JJDBH"] = f"JJ{now():%m%d%H%M}{n:04d}"
            else:
                message = self._call(n) if channel == "hotline-12345" else self._picture()
            async with http_for(self.town.runtime, client_token(self.town.runtime, self.town.city, channel)) as http:
                answer = await http.post(f"/intake/{channel}", json=message)
            assert answer.status_code == 201, (message, answer.text)
            if answer.json()["outcome"] == "created":
                await self._act(answer.json()["event_id"], n, message)

    def _place(self) -> Json:
        if self.pick.random() < 0.15:
            return {}
        return self._point()

    def _point(self) -> Json:
        lon, lat = point_in(self.pick.choice(self.cells), east_m=self.pick.uniform(-60, 60))
        if self.pick.random() < 0.2:
            lon, lat = self.pick.choice(self.borders)
        return {"lon": lon, "lat": lat, "crs": "cgcs2000"}

    def _call(self, n: int) -> Json:
        item = self.pick.choice(self.items)
        message = self.town.call((f"{item['standard_ref']}/{item['kind']}/{item['code']}",), cell=None)
        message |= self._place() | {
            "callTime": now().isoformat(),
            "urgency": self.pick.choice(("一般", "紧急", "特急")),
        }
        if "lon" not in message and self.pick.random() < 0.7:
            message["areaCode"] = self.pick.choice(self.communities)[: self.pick.choice((6, 9, 12))]
        if n % 9 == 0:
            message["componentId"] = self.pick.choice(self.components)["component_id"]
        if n % 6 == 0:
            message["firstReceiver"] = self.pick.choice(self.departments)
        if n % 11 == 0:
            message |= {"orderType": "举报", "accusedUnit": "某某科室"}
        return message

    def _picture(self) -> Json:
        item = self.pick.choice(self.items)
        return self.town.snapshot(category=list(item["path"]), submitted_at=now().isoformat()) | self._point()

    async def _act(self, event_id: str, n: int, message: Json) -> None:
        """An accusation's units are named; some items and places are corrected, some orders given back."""
        event = await self.town.event(event_id)
        if event.triage == "accused_unknown":
            accused = self.pick.sample(self.departments, 2) if n % 2 else []
            await self._do("dispatcher1", f"events/{event_id}", "correct", accused_units=accused)
        elif event.ended_at is not None:
            return
        elif n % 8 == 3:
            item = self.pick.choice(self.items)
            key = f"{item['standard_ref']}/{item['kind']}/{item['code']}"
            await self._do("dispatcher1", f"events/{event_id}", "correct", item=key)
        elif n % 8 == 5:
            await self._do("dispatcher1", f"events/{event_id}", "correct", **self._point())
        elif n % 8 == 7 and event.lead_unit_id is not None:
            order, unit = await self.town.lead(event_id)
            if await self.town.rows("SELECT 1 FROM user_account WHERE username = :name", name=unit):
                await self._do(unit, order, "request_return", reason_code="not_our_duty", reason="不归我单位")
                await self._do("dispatcher1", order, "approve_return")

    async def _do(self, username: str, path: str, action: str, **body: Any) -> None:
        self.town = Town(self.town.runtime, self.town.city)  # the days that pass outlast a token
        await self.town.act(username, path, action, **body)
        self.done[action] += 1


async def sender_of(town: Town, clock: MovableClock, pick: Random) -> Sender:
    items = [row for row in (await rows_of(town, "items")).values() if row["path"]]
    units, cells = await rows_of(town, "organizations"), sorted(await rows_of(town, "cells"))
    async with town.runtime.sessions() as session:
        masters = await town.runtime.masters.get(session, town.city.jurisdiction_id)
    points = [point_in(cell, east_m=metres) for cell in cells for metres in (-45, 0, 45)]
    located = [(masters.places.cell_at(*point), point) for point in points]
    within_m = masters.policies.border_within_m
    return Sender(
        town,
        clock,
        pick,
        items,
        cells,
        [code for code in sorted(await rows_of(town, "areas")) if len(code) == 12],
        list((await rows_of(town, "components")).values()),
        [code for code, row in sorted(units.items()) if code.startswith("D-") and row["active"]],
        [point for cell, point in located if cell and masters.places.other_streets(cell, point, within_m)],
    )


# ── what the reader has ──────────────────────────────────────────────────────────────────────────────────────


async def export_all(town: Town, folder: Path) -> None:
    """Every release there ever was as a file ``<id>.<kind>.csv``."""
    async with town.runtime.sessions() as session:
        for release in await session.scalars(select(Release).where(Release.kind.in_(KINDS))):
            file = await export(session, release)
            (folder / f"{release.id}.{file.file_name}").write_bytes(file.content)


async def write_events(town: Town, folder: Path) -> None:
    """Each event and its history, as the HTTP API tells the centre."""
    town = Town(town.runtime, town.city)
    async with await town.as_user("dispatcher1") as http:
        query: Json = {"limit": 200}
        while query:
            page = (await http.get("/events", params=query)).json()
            for one in page["items"]:
                event = (await http.get(f"/events/{one['id']}")).json()
                event["timeline"] = (await http.get(f"/events/{one['id']}/timeline")).json()["items"]
                (folder / f"{one['event_no']}.json").write_text(json.dumps(event), encoding="utf-8")
            query = {"limit": 200, "cursor": page["next"]} if page["next"] else {}


@dataclass(frozen=True, slots=True)
class Reread:
    """One stored decision beside what the reference makes of it; it has read nothing but files."""

    stored: Json
    again: Json
    account: list[tuple[str, str]]
    facts_agree: bool
    #: the event's last decision: its facts are derived, and only those of earlier ones believed
    newest: bool

    @property
    def same(self) -> bool:
        told = [(each["step"], each["outcome"]) for each in self.stored["steps"]]
        units = {name: self.stored[name] for name in COMPARED} == {name: self.again[name] for name in COMPARED}
        return units and told == self.account and self.facts_agree


class Reader:
    """Reads the exported releases and the events' JSON."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[str, Any] = {}
        #: decisions that tell no facts
        self.without_facts: list[Json] = []

    def _table(self, kind: str, vector: Json) -> Any:
        name = f"{vector[kind]}.{kind}.{'geojson' if kind == 'cells' else 'csv'}"
        if name not in self._tables and kind == "cells":
            features = json.loads((self._folder / name).read_text(encoding="utf-8-sig"))["features"]
            self._tables[name] = [feature["properties"] for feature in features]
        elif name not in self._tables:
            self._tables[name] = read_export(self._folder / name)
        return self._tables[name]

    def decisions(self) -> list[Reread]:
        found: list[Reread] = []
        for name in sorted(listdir(self._folder)):
            if not name.endswith(".json"):
                continue
            event = json.loads((self._folder / name).read_text(encoding="utf-8"))
            accused: list[str] = []
            rows = event["timeline"]
            last = max((row["n"] for row in rows if row["act"] in ("dispatch", "undecided")), default=0)
            for row in rows:
                accused = row["data"].get("accused", accused)
                if row["act"] not in ("dispatch", "undecided"):
                    continue
                if "facts" in row["data"]:
                    found.append(self._reread(event, row["data"], accused, newest=row["n"] == last))
                else:
                    self.without_facts.append(row["data"])
        return found

    def _reread(self, event: Json, stored: Json, accused: list[str], *, newest: bool) -> Reread:
        vector = stored["releases"]
        facts = stored["facts"]
        if newest:  # an older decision rests on what the event was then
            facts = facts_of(event, stored, {kind: self._table(kind, vector) for kind in FACTS})
        reference = ReferenceRouter({kind: self._table(kind, vector) for kind in ROUTING}, facts, accused)
        again = reference.decide()
        return Reread(stored, again, reference.account, facts == stored["facts"], newest)


def tamper(folder: Path, release: int, rule_no: str) -> None:
    """Somebody changes the unit of one rule in the exported catalogue."""
    path = folder / f"{release}.routing-rules.csv"
    with path.open(encoding="utf-8-sig", newline="") as opened:
        head, table = opened.readline(), list(csv.reader(opened))
    columns = table[0]
    number, unit = columns.index("rule_no"), columns.index("lead_unit")
    [row] = [row for row in table[1:] if row[number] == rule_no]
    row[unit] = "D-CULTURE" if row[unit] != "D-CULTURE" else "D-EDU"
    with path.open("w", encoding="utf-8-sig", newline="") as opened:
        opened.write(head)
        csv.writer(opened).writerows(table)


async def test_two_hundred_decisions_can_be_checked_without_the_application(
    town: Town, clock: MovableClock, tmp_path: Path
) -> None:
    pick = Random(20260310)  # noqa: S311 - test data, not secrets
    sender = await sender_of(town, clock, pick)
    for n, count in enumerate(ROUNDS):
        await another_catalogue(town, pick, first_receiver=n == 1)
        await sender.send(count)
        clock.advance(days=4)
    await export_all(town, tmp_path)
    await write_events(town, tmp_path)

    reader = Reader(tmp_path)
    found = reader.decisions()
    wrong = [each for each in found if not each.same]
    assert not wrong, (len(wrong), wrong[0])
    assert sum(each.newest for each in found) >= DECISIONS
    assert {each["step"] for each in reader.without_facts} <= {"person"}  # who decides by hand gives a sentence
    derived = Counter(name for each in found if each.newest for name in each.stored["facts"])
    assert min(derived[name] for name in ("component", "on_duty")) > 0, derived
    assert {each.stored["facts"]["workday"] for each in found if each.newest} == {True, False}
    steps = Counter(each.stored["step"] for each in found)
    assert {"component", "statutory_department", "level", "first_receiver", "night_duty", "territorial"} <= set(steps)
    assert steps["person"] > 0
    facts = Counter(name for each in found for name in each.stored["facts"])
    assert min(facts[name] for name in ("borders", "component", "first_receiver", "gave_back", "on_duty")) > 0, facts
    assert sum(each.stored["clause_no"] is not None for each in found) > 10
    assert len({str(each.stored["releases"]) for each in found}) == len(ROUNDS)
    assert {"correct", "request_return", "approve_return"} <= set(sender.done)

    chosen = next(each.stored for each in found if each.stored["step"] == "statutory_department")
    tamper(tmp_path, chosen["releases"]["routing-rules"], chosen["rule_no"])
    noticed = [each.stored for each in Reader(tmp_path).decisions() if not each.same]
    assert chosen in noticed
    assert {each["rule_no"] for each in noticed} == {chosen["rule_no"]}


def test_the_reference_knows_nothing_of_the_application() -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "tests" / "reference_router.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
        elif isinstance(node, ast.Name):
            assert node.id not in ("__import__", "eval", "exec")
    assert names == {"collections.abc", "csv", "datetime", "pathlib", "typing"}
    assert reference_router.ReferenceRouter is ReferenceRouter


@pytest.mark.parametrize(("cell", "value"), [("'0123", "0123"), ("true", True), ("", ""), ("a|b", "a|b")])
def test_an_exported_cell_reads_as_it_was(tmp_path: Path, cell: str, value: Any) -> None:
    path = tmp_path / "1.items.csv"
    path.write_text(f"\ufeff#bihuan items complete\r\nname,hours,position\r\n{cell},x|y,7\r\n", encoding="utf-8")
    assert read_export(path) == [{"name": value, "hours": ["x", "y"], "position": 7}]
