"""The router and a plain reference that sees only exported rows and the stored facts come to the same decisions."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.accounts.organizations import Organizations
from app.clocks.calendar import CHINA_TIME
from app.dispatch.routing import Decision, Matter, Router, steps_in_order
from app.dispatch.rows import STEP_NAMES
from app.items.rows import ItemRow
from app.masters.kinds import KINDS
from app.masters.publishing import read_folder
from tests.conftest import DEMO_CITY
from tests.reference_router import ReferenceRouter

Release = Mapping[str, Sequence[Mapping[str, Any]]]

FILES = read_folder(DEMO_CITY)
ROUTING = ("routing-rules", "routing-steps", "duty-list", "components", "organizations")
#: as ``bihuan release`` keeps and exports them
DEMO: dict[str, list[Any]] = {kind: json.loads(json.dumps(list(FILES[kind].documents.values()))) for kind in ROUTING}
CHANNELS = ("hotline-12345", "police-110", "snapshot")
MONDAY = datetime(2026, 3, 9, 0, 0, tzinfo=CHINA_TIME)


def organizations_of(release: Release) -> Organizations:
    rows = [KINDS["organizations"].model.model_validate(row) for row in release["organizations"]]
    return Organizations.build(rows, {row.key: n for n, row in enumerate(rows, start=1)})  # type: ignore[attr-defined, arg-type]


def router_of(release: Release, organizations: Organizations) -> Router:
    rows: dict[str, Any] = {
        kind: [KINDS[kind].model.model_validate(row) for row in release.get(kind, ())] for kind in ROUTING
    }
    return Router(
        rows["routing-rules"],
        organizations,
        components=rows["components"],
        duties=rows["duty-list"],
        steps=steps_in_order(rows["routing-steps"]),
    )


def check(decision: Decision, release: Release, organizations: Organizations, accused: Sequence[str]) -> None:
    """What the timeline keeps is read back as text; the reference sees nothing else."""
    stored = json.loads(json.dumps(decision.as_data(), ensure_ascii=False))
    reference = ReferenceRouter(release, stored["facts"], accused)
    expected = reference.decide()
    assert [(each["step"], each["outcome"]) for each in stored["steps"]] == reference.account, stored
    supporting = [organizations.code_of(unit) for unit in decision.supporting_ids]
    told = {name: stored[name] for name in ("unit", "step", "rule_no", "clause_no")} | {"supporting": supporting}
    assert told == expected, stored


def random_matter(random: Random, items: Sequence[ItemRow], streets: Sequence[str], units: int) -> Matter:
    """Anything that may happen in the city, rare things as often as common ones."""
    item, street = random.choice(items), random.choice(streets)
    areas = ("320102", street, random.choice([row for row in COMMUNITIES if row.startswith(street)]))
    at = MONDAY + timedelta(minutes=random.randrange(14 * 24 * 60))
    # Keep off the rarer ones mostly, so that the later principles are reached as well.
    rarely, sometimes = random.random() < 0.1, random.random() < 0.3
    return Matter(
        item_key=item.key,
        item_name=item.name,
        major_code=item.major_code,
        domain=item.domain,
        level=random.choice(("grid", "street", "district", "city")) if rarely else item.default_level,
        areas=areas[: random.randrange(4)] if rarely else areas,
        channel=random.choice(CHANNELS),
        urgency=random.choice(("normal", "normal", "urgent", "critical")),
        at_least=random.choice(("street", "district", "city")) if random.random() < 0.1 else "",
        at=None if random.random() < 0.05 else at,
        workday=at.isoweekday() < 6,
        component_id=random.choice(COMPONENTS) if rarely else None,
        borders=tuple(sorted(random.sample(OTHER_STREETS, random.randrange(1, 3)))) if sometimes else (),
        on_duty=tuple(random.sample(TEAMS, random.randrange(3))),
        accused=frozenset(random.sample(range(1, units + 1), random.randrange(1, 9))) if sometimes else frozenset(),
        gave_back=frozenset(random.sample(range(1, units + 1), 2)) if random.random() < 0.2 else frozenset(),
        first_receiver=random.randrange(1, units + 1) if rarely else None,
        load={random.randrange(1, units + 1): random.randrange(9) for _ in range(20)} if sometimes else {},
    )


ITEMS: list[Any] = list(FILES["items"].rows.values())
COMMUNITIES = [code for code in FILES["areas"].rows if len(code) == 12]
STREETS = sorted({code[:9] for code in COMMUNITIES})
OTHER_STREETS = [*STREETS, "320104001"]
COMPONENTS = [row["component_id"] for row in DEMO["components"]] + ["no-such-component"]
TEAMS = [row["code"] for row in DEMO["organizations"] if row["org_type"] == "grid_team"]


def accused_codes(matter: Matter, organizations: Organizations) -> list[str]:
    return [code for unit in matter.accused if (code := organizations.code_of(unit))]


def test_they_agree_over_the_demo_city() -> None:
    organizations = organizations_of(DEMO)
    random = Random(20260310)  # noqa: S311 - test data, not secrets
    router = router_of(DEMO, organizations)
    steps: Counter[str] = Counter()
    for _ in range(2500):
        matter = random_matter(random, ITEMS, STREETS, len(organizations))
        decision = router.decide(matter)
        steps[decision.step] += 1
        check(decision, DEMO, organizations, accused_codes(matter, organizations))
    assert set(steps) >= {"emergency_handover", "component", "statutory_department", "territorial", "coordination_desk"}


def spoilt(random: Random) -> dict[str, list[Any]]:
    """A release of a city that nobody would wish for: every condition and every principle somewhere, at random."""
    items = random.sample(ITEMS, 6)
    units = [dict(row) for row in DEMO["organizations"]]
    for row in units:
        row["active"] = row["org_type"] == "coordination_desk" or random.random() < 0.85
    codes = [row["code"] for row in units]
    departments = [row["code"] for row in units if row["level"] in ("city", "district")]

    def what(item: ItemRow) -> dict[str, str]:
        named: list[dict[str, str]] = [
            {"standard_ref": item.standard_ref, "kind": item.kind, "code": item.code},
            {"major_code": item.major_code},
            {"domain": item.domain},
        ]
        return random.choice(named)

    def rule(n: int) -> dict[str, Any]:
        maybe = random.random
        return {
            "rule_no": f"R{n:03}",
            **(what(random.choice(items)) if maybe() < 0.9 else {}),
            "level": random.choice(("grid", "street", "district", "city")) if maybe() < 0.3 else "",
            "area_code": random.choice([*STREETS, *COMMUNITIES[:20], "320102"]) if maybe() < 0.5 else "",
            "channel": random.choice(CHANNELS) if maybe() < 0.15 else "",
            "urgency": random.choice(("urgent", "critical")) if maybe() < 0.15 else "",
            "hours": [random.choice(("18:00-08:00", "08:00-12:00", "00:00-24:00"))] if maybe() < 0.2 else [],
            "days": random.choice(("workday", "day_off")) if maybe() < 0.15 else "",
            "valid_from": "2026-03-12" if maybe() < 0.1 else None,
            "valid_until": "2026-03-18" if maybe() < 0.1 else None,
            "lead_unit": random.choice(codes),
            "supporting_units": random.sample(codes, random.randrange(3)),
            "step": random.choice(("statutory_department", "territorial", "territorial", "night_duty")),
            "basis": "职责",
        }

    def clause(n: int) -> dict[str, Any]:
        duty = random.choice(("basic", "basic", "assisting", "taken_back"))
        return {
            "clause_no": f"C{n:03}",
            "area_code": random.choice(("", "", random.choice(STREETS))),
            **what(random.choice(items)),
            "duty": duty,
            "department": "" if duty == "basic" else random.choice(departments),
            "clause": "职责",
            "source": "试验",
        }

    steps = random.sample(STEP_NAMES, len(STEP_NAMES))
    documents: dict[str, list[dict[str, Any]]] = {
        "routing-rules": [rule(n) for n in range(random.randrange(60, 160))],
        "duty-list": [clause(n) for n in range(random.choice((0, 12, 25)))],
        "routing-steps": [
            {"step": step, "position": n, "enabled": step == "coordination_desk" or random.random() < 0.8}
            for n, step in enumerate(steps, start=1)
        ],
        "components": DEMO["components"],
        "organizations": units,
    }
    if random.random() < 0.7:
        documents["routing-rules"].append(
            {"rule_no": "DESK", "lead_unit": "DESK-320102", "step": "coordination_desk", "basis": "协调"}
        )
    if random.random() < 0.3:
        del documents["routing-steps"]
    whole = {
        kind: [KINDS[kind].model.model_validate(row).model_dump(mode="json") for row in rows]
        for kind, rows in documents.items()
    }
    return {**whole, "items": items}


@pytest.mark.parametrize("seed", range(24))
def test_they_agree_over_random_catalogues(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - test data, not secrets
    release = spoilt(random)
    items = release.pop("items")
    organizations = organizations_of(release)
    router = router_of(release, organizations)
    for _ in range(120):
        matter = random_matter(random, items, STREETS, len(organizations))
        decision = router.decide(matter)
        check(decision, release, organizations, accused_codes(matter, organizations))
        assert decision.as_data() == router.decide(replace(matter)).as_data()
