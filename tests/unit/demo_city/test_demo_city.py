"""The demo city's files agree with one another. Read plainly: a fault in a loader cannot hide one here."""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from shapely import union_all
from shapely.geometry import Point, Polygon, shape

import app.demo_city

CITY = Path(str(app.demo_city.__file__)).parent
CSV_KINDS = (
    "items",
    "filing-standards",
    "areas",
    "duty-grids",
    "organizations",
    "routing-rules",
    "routing-steps",
    "duty-list",
    "components",
    "calendar",
    "policies",
    "users",
)
STREET_LEVELS = {"street", "community"}

Row = dict[str, str]


def _read(kind: str) -> list[Row]:
    with (CITY / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
        assert next(file).split() == ["#bihuan", kind, "complete"]
        return list(csv.DictReader(file))


def _item_key(row: Row) -> str:
    return f"{row['standard_ref']}/{row['kind']}/{row['code']}" if row["code"] else ""


ROWS = {kind: _read(kind) for kind in CSV_KINDS}
CELLS: dict[str, Any] = json.loads((CITY / "cells.geojson").read_text(encoding="utf-8"))
REPORTS: list[dict[str, Any]] = [
    json.loads(line) for line in (CITY / "reports.jsonl").read_text(encoding="utf-8").splitlines()
]
ITEMS = {_item_key(row): row for row in ROWS["items"]}
UNITS = {row["code"]: row for row in ROWS["organizations"]}
AREAS = {row["code"]: row for row in ROWS["areas"]}
USERS = {row["username"]: row for row in ROWS["users"]}
COMMUNITIES = sorted(code for code, row in AREAS.items() if row["level"] == "community")
POLYGONS: dict[str, Polygon] = {
    feature["properties"]["cell_id"]: shape(feature["geometry"]) for feature in CELLS["features"]
}


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _routed(item: Row, community: str) -> Row | None:
    """The most specific rule for all hours at the item's default level: item, class, domain, then the narrower area."""
    best: tuple[tuple[int, int, bool], Row] | None = None
    for rule in ROWS["routing-rules"]:
        if rule["hours"] or rule["days"] or rule["urgency"]:
            continue
        key = _item_key(rule)
        if (
            (key and key != _item_key(item))
            or (rule["major_code"] and rule["major_code"] != item["major_code"])
            or (rule["domain"] and rule["domain"] != item["domain"])
            or (rule["level"] and rule["level"] != item["default_level"])
            or not community.startswith(rule["area_code"])
        ):
            continue
        what = 3 if key else 2 if rule["major_code"] else 1 if rule["domain"] else 0
        weight = (what, len(rule["area_code"]), bool(rule["level"]))
        if best is None or weight >= best[0]:
            best = (weight, rule)
    return best[1] if best else None


def test_keys_are_unique() -> None:
    keys = {
        "items": [_item_key(row) for row in ROWS["items"]],
        "filing-standards": [f"{_item_key(row)}#{row['row_no']}" for row in ROWS["filing-standards"]],
        "areas": [row["code"] for row in ROWS["areas"]],
        "organizations": [row["code"] for row in ROWS["organizations"]],
        "routing-rules": [row["rule_no"] for row in ROWS["routing-rules"]],
        "routing-steps": [row["step"] for row in ROWS["routing-steps"]],
        "duty-list": [row["clause_no"] for row in ROWS["duty-list"]],
        "components": [row["component_id"] for row in ROWS["components"]],
        "users": [row["username"] for row in ROWS["users"]],
        "cells": [feature["properties"]["cell_id"] for feature in CELLS["features"]],
    }
    assert {kind: _repeated(found) for kind, found in keys.items() if _repeated(found)} == {}


def test_item_list_is_whole() -> None:
    counts = Counter((row["standard_ref"], row["kind"]) for row in ROWS["items"])
    assert counts == {
        ("GB/T 47678.5-2026", "component"): 153,
        ("GB/T 47678.5-2026", "matter"): 250,
        ("GB/T 30428.2-2013", "component"): 1,
        ("GB/T 30428.2-2013", "matter"): 9,
        ("BIHUAN-HOTLINE-2026", "matter"): 130,
        ("BIHUAN-POLICE-2026", "matter"): 18,
    }


def test_words_of_citizens_stand_on_the_matter_not_on_the_component() -> None:
    matters = {(row["standard_ref"], row["code"]) for row in ROWS["items"] if row["kind"] == "matter"}
    wrong = [
        key
        for key, row in ITEMS.items()
        if row["kind"] == "component" and (row["standard_ref"], row["code"]) in matters and row["synonyms"]
    ]
    assert wrong == []
    assert sum(bool(row["examples"]) for row in ROWS["items"]) >= 150


def test_every_item_has_filing_standards_numbered_from_one() -> None:
    numbers: dict[str, list[int]] = {}
    for row in ROWS["filing-standards"]:
        numbers.setdefault(_item_key(row), []).append(int(row["row_no"]))
    assert set(numbers) == set(ITEMS)
    assert [key for key, found in numbers.items() if found != list(range(1, len(found) + 1))] == []


def test_a_manhole_cover_has_its_four_rows() -> None:
    limits = [row["limit"] for row in ROWS["filing-standards"] if _item_key(row) == "GB/T 47678.5-2026/matter/01001"]
    assert limits == ["2 urgent_hour", "4 work_hour", "2 work_day", "5 work_day"]


def test_areas_hang_together() -> None:
    assert Counter(row["level"] for row in ROWS["areas"]) == {
        "city": 1,
        "district": 1,
        "street": 7,
        "community": 60,
    }
    for row in ROWS["areas"][1:]:
        assert row["parent_code"] in AREAS, row["code"]


def test_cells_tile_one_region_without_gap_or_overlap() -> None:
    assert CELLS["bihuan"] == {"kind": "cells", "mode": "complete"}
    assert 400 <= len(POLYGONS) <= 600
    region = union_all(list(POLYGONS.values()))
    assert region.geom_type == "Polygon"
    assert len(region.interiors) == 0
    assert sum(polygon.area for polygon in POLYGONS.values()) == pytest.approx(region.area, rel=1e-9)


@pytest.mark.parametrize("digits", [9, 12])
def test_streets_and_communities_are_one_piece_each(digits: int) -> None:
    parts: dict[str, list[Polygon]] = {}
    for feature in CELLS["features"]:
        cell_id, community = feature["properties"]["cell_id"], feature["properties"]["community_code"]
        assert cell_id.startswith(community)
        parts.setdefault(cell_id[:digits], []).append(POLYGONS[cell_id])
    assert set(parts) == {code[:digits] for code in COMMUNITIES}
    assert all(len(polygons) >= 5 for polygons in parts.values())
    assert [code for code, found in parts.items() if union_all(found).geom_type != "Polygon"] == []


def test_units_users_and_duty_grids_know_each_other() -> None:
    for unit in UNITS.values():
        assert unit["area_code"] in AREAS, unit["code"]
        assert not unit["parent_code"] or unit["parent_code"] in UNITS, unit["code"]
    assert {user["org_code"] for user in USERS.values()} == set(UNITS)
    for user in USERS.values():
        for seat in user["seats"].split("|"):
            assert seat.partition("@")[2] in {*AREAS, *UNITS}, user["username"]
    for grid in ROWS["duty-grids"]:
        assert UNITS[grid["org_code"]]["org_type"] == "grid_team"
        assert {USERS[name]["org_code"] for name in grid["people"].split("|")} == {grid["org_code"]}
    patterns = {grid["cells"].removesuffix("*") for grid in ROWS["duty-grids"]}
    assert patterns == set(COMMUNITIES)


def test_every_role_is_seated_and_every_unit_of_a_rule_has_liaison_and_handler() -> None:
    seats = {seat for user in USERS.values() for seat in user["seats"].split("|")}
    assert len({seat.partition("@")[0] for seat in seats}) == 15
    for rule in ROWS["routing-rules"]:
        named = [rule["lead_unit"], *filter(None, rule["supporting_units"].split("|"))]
        for unit in named:
            assert {f"unit_liaison@{unit}", f"handler@{unit}"} <= seats, rule["rule_no"]


def test_rules_name_what_exists_and_end_at_the_coordination_desk() -> None:
    domains, majors = ({row[name] for row in ROWS["items"]} for name in ("domain", "major_code"))
    for rule in ROWS["routing-rules"]:
        key = _item_key(rule)
        assert not key or key in ITEMS, rule["rule_no"]
        assert rule["domain"] in {"", *domains}, rule["rule_no"]
        assert rule["major_code"] in {"", *majors}, rule["rule_no"]
        assert rule["area_code"] in {"", *AREAS}, rule["rule_no"]
    last = ROWS["routing-rules"][-1]
    conditions = ("standard_ref", "kind", "code", "major_code", "domain", "level", "area_code", "channel")
    assert not any(last[name] for name in conditions)
    assert (last["lead_unit"], last["step"]) == ("DESK-320102", "coordination_desk")


def test_every_item_finds_a_unit_and_no_department_matter_falls_on_a_street() -> None:
    at_desk = set()
    for key, item in ITEMS.items():
        for community in (COMMUNITIES[0], COMMUNITIES[-1]):
            rule = _routed(item, community)
            assert rule is not None, key
            unit = UNITS[rule["lead_unit"]]
            if unit["level"] in STREET_LEVELS:
                assert rule["step"] == "territorial", key
                assert item["default_level"] in {"grid", "street"}, key
                assert unit["area_code"] == community[:9], key
            if rule["step"] == "coordination_desk":
                at_desk.add(item["code"])
    # What belongs to no department: consultation, suggestion, praise, unclear, out of scope, harassment.
    assert at_desk == {"H1501", "H1506", "H1507", "H1801", "H1802", "H1803", "P0115"}


def test_every_item_that_the_catalogue_gives_to_a_street_stands_in_the_duty_list() -> None:
    clauses = {(_item_key(row), row["area_code"]): row for row in ROWS["duty-list"] if row["code"]}
    assert Counter(row["duty"] for row in clauses.values()).keys() == {"basic", "assisting", "taken_back"}
    for key, item in ITEMS.items():
        rule = _routed(item, COMMUNITIES[0])
        assert rule is not None
        clause = clauses.get((key, ""))
        if UNITS[rule["lead_unit"]]["level"] in STREET_LEVELS:
            assert clause is not None, f"{key} is given to a street without a word in the duty list"
        elif clause is not None:
            assert clause["duty"] != "basic", f"{key} is a department's by the catalogue and a street's by the list"
    for row in ROWS["duty-list"]:
        assert row["source"], row["clause_no"]
        assert not row["department"] or UNITS[row["department"]]["level"] not in STREET_LEVELS, row["clause_no"]


def test_night_and_emergency_rules_name_units_above_the_street() -> None:
    special = [row for row in ROWS["routing-rules"] if row["hours"] or row["days"] or row["urgency"]]
    assert {row["step"] for row in special} == {"night_duty", "statutory_department"}
    assert [row["rule_no"] for row in special if UNITS[row["lead_unit"]]["level"] in STREET_LEVELS] == []


def test_components_stand_in_cells_and_somebody_answers_for_each() -> None:
    assert len(ROWS["components"]) >= 60
    for row in ROWS["components"]:
        assert row["component_id"].startswith(f"320102{row['code']}")
        assert len(row["component_id"]) == 17, "6 + 2 + 3 + 6 digits (DOMAIN.md §2.4)"
        assert f"{row['standard_ref']}/component/{row['code']}" in ITEMS, row["component_id"]
        assert POLYGONS[row["cell_id"]].contains(Point(float(row["lon"]), float(row["lat"]))), row["component_id"]
        named = [row[name] for name in ("competent", "owner", "maintainer") if row[name]]
        assert named, row["component_id"]
        assert set(named) <= set(UNITS), row["component_id"]


def test_calendar_covers_two_years_and_make_up_days_are_weekend_days() -> None:
    years = {row["first_on"][:4] for row in ROWS["calendar"] if row["row_type"] == "year"}
    assert years == {"2025", "2026"}
    make_up = sorted(row["first_on"] for row in ROWS["calendar"] if row["row_type"] == "workday")
    assert len(make_up) == 11
    assert {"2026-02-14", "2026-05-09", "2026-09-20", "2025-10-11"} <= set(make_up)


def test_reports_refer_to_what_exists() -> None:
    for n, report in enumerate(REPORTS):
        assert report["item"] in ITEMS, n
        assert report["cell"] is None or report["cell"] in POLYGONS, n
        if report["outcome"] == "duplicate":
            first = REPORTS[report["of"]]
            assert report["of"] < n
            assert first["outcome"] != "duplicate"
            assert (first["item"], first["cell"]) == (report["item"], report["cell"]), n
        else:
            assert "of" not in report, n


def test_reports_name_components_of_their_own_cell_and_kind() -> None:
    components = {row["component_id"]: row for row in ROWS["components"]}
    named = [report for report in REPORTS if "component" in report]
    assert {report["channel"] for report in named} == {"hotline-12345", "snapshot"}
    for report in named:
        row = components[report["component"]]
        assert (row["cell_id"], row["code"]) == (report["cell"], report["item"].rpartition("/")[2])


def test_reports_are_many_and_varied() -> None:
    texts = [report["content"] for report in REPORTS]
    outcomes = Counter(report["outcome"] for report in REPORTS)
    assert len(REPORTS) >= 330
    assert len(set(texts)) == len(texts)
    assert all(8 <= len(text) <= 200 for text in texts)
    assert {text for row in ROWS["items"] for text in row["examples"].split("|")}.isdisjoint(texts)
    assert len({report["item"] for report in REPORTS}) >= 120
    assert {ITEMS[report["item"]]["domain"] for report in REPORTS} == {row["domain"] for row in ROWS["items"]}
    assert len({report["demand_type"] for report in REPORTS}) == 6
    assert outcomes["duplicate"] >= 25
    assert outcomes["direct_answer"] >= 30
    assert outcomes["not_accepted"] >= 8
    assert {"returned", "failed_inspection", "dissatisfied", "withdrawn"} <= set(outcomes)
