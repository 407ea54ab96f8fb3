"""The past events of ``bihuan bench simulate``, and the draft that is tried on them.

Events of every item, in every street, on its borders too, through all channels, at all hours of half a year; some with
a registered component or accused units, some that people wait for. The same seed gives the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.accounts.rows import OrganizationRow
from app.commands.harness.scratch_database import libpq_url
from app.core.database import Json
from app.core.set_writes import to_json
from app.core.timing import now
from app.dispatch.rows import ComponentRow
from app.grid.locating import Location
from app.grid.rows import CellRow
from app.intake.channels import CHANNELS
from app.items.rows import ItemRow
from app.masters import Masters, routing

DAYS: Final = 180
_PLACES: Final = 4_000
_BORDER_SHARE: Final = 0.2
_MOST_TRIED: Final = 60_000
_BATCH: Final = 20_000

_CHANNEL_WEIGHTS: Final = (60, 15, 25)
_DEMAND_TYPES: Final = ("help", "complaint", "inquiry", "suggestion", "accusation", "praise")
_DEMAND_WEIGHTS: Final = (40, 35, 13, 5, 4, 3)

_EVENT: Final = (
    *("id", "jurisdiction_id", "event_no", "seq", "head", "head_n", "head_tag", "state", "end_kind", "ended_at"),
    *("triage", "item_id", "closure_profile", "demand_type", "domain", "level", "urgency", "channel"),
    *("district_code", "street_code", "community_code", "cell_id", "duty_grid_code", "lon", "lat", "address", "title"),
    *("component_id", "lead_unit_id", "accused_org_ids", "nobody_accused", "report_count"),
    *("received_at", "release_vector"),
)
_ORDER: Final = (
    *("event_id", "n", "jurisdiction_id", "unit_id", "role", "state", "round", "channel", "urgency", "decision_n"),
    *("dispatched_at", "signed_automatically", "ended_at"),
)
_TIMELINE: Final = (
    *("event_id", "n", "jurisdiction_id", "act", "subject", "from_state", "to_state", "actor_kind", "acted_at"),
    *("recorded_at", "data", "mac"),
)
#: different decisions, of the size that real ones have
_DECISIONS: Final = 300


@dataclass(frozen=True, slots=True)
class Ground:
    """What events are made of: the demo city's own masters."""

    masters: Masters
    items: Sequence[ItemRow]
    components: Sequence[ComponentRow]
    #: with a point, some of them on a border; then some of which only community, street or district is known
    places: Sequence[Location]
    #: ids of departments that work
    departments: Sequence[int]
    #: stored decisions as JSON, to be read past
    decisions: Sequence[str]


def ground_of(masters: Masters, documents: Mapping[str, Sequence[str]], seed: int = 1) -> Ground:
    """``documents``: rows of items, cells, components and organizations as JSON."""
    pick = Random(seed)  # noqa: S311 - test data, not secrets
    cells = [CellRow.model_validate_json(each) for each in documents["cells"]]
    units = [OrganizationRow.model_validate_json(each) for each in documents["organizations"]]
    ids = (masters.organizations.id_of(row.code) for row in units if row.org_type == "department" and row.active)
    items = [ItemRow.model_validate_json(each) for each in documents["items"]]
    places = _places(masters, cells, pick)
    return Ground(
        masters,
        items,
        [ComponentRow.model_validate_json(each) for each in documents["components"]],
        places,
        [unit for unit in ids if unit is not None],
        [_decision(masters, pick.choice(items), pick.choice(places)) for _ in range(_DECISIONS)],
    )


def _decision(masters: Masters, item: ItemRow, place: Location) -> str:
    told = routing.Told(item=item, place=place, channel="hotline-12345", urgency="normal", at=now())
    return to_json(routing.preview(masters, told).as_data() | {"releases": dict(masters.vector)})


def _places(masters: Masters, cells: Sequence[CellRow], pick: Random) -> list[Location]:
    places, within_m = masters.places, masters.policies.border_within_m
    inside: list[Location] = []
    border: list[Location] = []
    wanted = int(_PLACES * _BORDER_SHARE)
    for _ in range(_MOST_TRIED):
        lons, lats = zip(*pick.choice(cells).polygon[0], strict=True)
        point = (pick.uniform(min(lons), max(lons)), pick.uniform(min(lats), max(lats)))
        cell_id = places.cell_at(*point)
        if cell_id is None:
            continue
        on_border = bool(places.other_streets(cell_id, point, within_m))
        found, most = (border, wanted) if on_border else (inside, _PLACES - wanted)
        if len(found) < most:
            found.append(places.locate([(*point, "cgcs2000", "scene")], [], None))
        if len(inside) + len(border) == _PLACES:
            break
    known = [row.community_code[:digits] for row in cells[::2] for digits in (6, 9, 12)]
    return [*inside, *border, *(places.locate([], [], code) for code in known[: _PLACES // 5])]


def events(ground: Ground, count: int, until_at: datetime, seed: int = 2) -> Iterator[tuple[Any, ...]]:
    """Rows of ``event``, of its first lead ``work_order`` and two of the ``timeline``, by time of receipt.

    All but the first are None where people are waited for, the last one also where nobody raised its level 提级.
    """
    pick = Random(seed)  # noqa: S311 - test data, not secrets
    masters = ground.masters
    begin_at = until_at - timedelta(days=DAYS)
    for g in range(count):
        received_at = begin_at + timedelta(seconds=86_400 * DAYS * g / count)
        item: ItemRow | None = ground.items[int(len(ground.items) * pick.random() ** 1.5)]
        place = ground.places[pick.randrange(len(ground.places))]
        component = None
        if pick.random() < 0.03:
            component = pick.choice(ground.components)
            item = masters.items.item(component.item_key) or item
        dispatched = pick.random() < 0.93
        if pick.random() < 0.02:
            item, dispatched = None, False
        ended = dispatched and pick.random() < 0.9
        demand_type = pick.choices(_DEMAND_TYPES, _DEMAND_WEIGHTS)[0] if pick.random() < 0.75 else None
        accused: list[int] = []
        nobody = False
        if demand_type == "accusation":
            accused = [pick.choice(ground.departments)] if pick.random() < 0.5 else []
            nobody = not accused and pick.random() < 0.5
        unit = pick.choice(ground.departments)
        channel = pick.choices(tuple(CHANNELS), _CHANNEL_WEIGHTS[: len(CHANNELS)])[0]
        urgency = pick.choices(("normal", "urgent", "critical"), (85, 11, 4))[0]
        standard = masters.items.default_standard(item.key) if item else None
        if urgency == "normal" and standard is not None and standard.limit.endswith("urgent_hour"):
            urgency = "urgent"  # as the intake grades it
        level = routing.level_of(masters, item, urgency)
        raised = dispatched and level != "city" and pick.random() < 0.02
        level = "city" if raised else level
        point = place.lon_lat_cgcs2000 or (None, None)
        event_id, at = _id(received_at, pick), received_at + timedelta(minutes=pick.randrange(1, 30))
        ended_at = received_at + timedelta(hours=1 + 90 * pick.random()) if ended else None
        yield (
            (
                *(event_id, masters.jurisdiction_id, f"B-{g:010d}", 6, b"\0", 5, b"\0"),
                *("closed" if ended else "handling" if dispatched else "analyzing", "handled" if ended else None),
                *(ended_at, None if dispatched else "no_rule" if item else "item_uncertain"),
                *(masters.item_ids[item.key] if item else None, item.closure_profile if item else "both", demand_type),
                *(item.domain if item else None, level, urgency, channel),
                *(place.district_code, place.street_code, place.community_code, place.cell_id, place.duty_grid_code),
                *(*point, "测量", "测量", component.component_id if component else None),
                *(unit if dispatched else None, accused, nobody, 0, received_at, "{}"),
            ),
            (
                *(event_id, 3, masters.jurisdiction_id, unit, "lead", "completed" if ended else "dispatched", 1),
                *(channel, urgency, 1, at, False, ended_at),
            )
            if dispatched
            else None,
            (
                *(event_id, 1, masters.jurisdiction_id, "dispatch", "event", "analyzing", "handling", "system"),
                *(at, at, pick.choice(ground.decisions), b"\0"),
            )
            if dispatched
            else None,
            (
                *(event_id, 2, masters.jurisdiction_id, "raise_level", "event", "handling", "handling", "user"),
                *(at, at, to_json({"to": level}), b"\0"),
            )
            if raised
            else None,
        )


def _id(at: datetime, pick: Random) -> UUID:
    """A UUID of version 7 that the same seed gives again."""
    millis = int(at.timestamp() * 1000)
    return UUID(int=millis << 80 | 0x7 << 76 | pick.getrandbits(12) << 64 | 0b10 << 62 | pick.getrandbits(62))


async def build(owner_url: str, ground: Ground, count: int, until_at: datetime, tell: Callable[[int], None]) -> None:
    """Writes the events; ``tell`` is told how many came on."""
    connection = await asyncpg.connect(libpq_url(owner_url), server_settings={"timezone": "UTC"})
    try:
        # Foreign keys and triggers are the service's own; here they would take most of the time.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        batch: list[tuple[Any, ...]] = []
        for rows in events(ground, count, until_at):
            batch.append(rows)
            if len(batch) == _BATCH:
                await _write(connection, batch)
                tell(len(batch))
                batch.clear()
        await _write(connection, batch)
        tell(len(batch))
        for table in ("event", "work_order", "timeline"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection, batch: Sequence[tuple[Any, ...]]) -> None:
    tables = (("event", _EVENT), ("work_order", _ORDER), ("timeline", _TIMELINE), ("timeline", _TIMELINE))
    for n, (table, columns) in enumerate(tables):
        records = [rows[n] for rows in batch if rows[n] is not None]
        await connection.copy_records_to_table(table, records=records, columns=columns)


# ── the draft ────────────────────────────────────────────────────────────────────────────────────────────────

_DEPARTMENT: Final = {"step": "statutory_department", "supporting_units": [], "hours": [], "days": "", "level": ""}


@dataclass(frozen=True, slots=True)
class Changes:
    """A catalogue with some rules changed, removed and added, and clauses of the duty list taken back."""

    rules: Mapping[str, Json]
    duties: Mapping[str, Json]
    changed: int
    removed: int
    added: int
    clauses: int


def changes(rules: Mapping[str, Json], duties: Mapping[str, Json], streets: Sequence[str], seed: int = 3) -> Changes:
    """``rules`` and ``duties``: those in force, by key. ``streets``: division codes."""
    pick = Random(seed)  # noqa: S311 - test data, not secrets
    drafted: dict[str, Json] = dict(rules)
    departmental = sorted(no for no, row in rules.items() if row["step"] == "statutory_department" and row["code"])
    units = sorted({rules[no]["lead_unit"] for no in departmental if rules[no]["lead_unit"].startswith("D-")})
    pick.shuffle(departmental)
    cuts = [int(len(departmental) * share) for share in (0.2, 0.7, 0.95)]
    removed, changed = departmental[: cuts[0]], departmental[cuts[0] : cuts[1]]
    refined = departmental[cuts[1] : cuts[2]]
    # Some hold in one street only from now on: of events there whose street nobody knows people must decide.
    removed += refined[::12]
    # What streets led, each its own, goes to one department: it no longer matters where it is.
    by_street = sorted({_item(row) for row in rules.values() if _is_streets(row)})
    gathered = set(pick.sample(by_street, len(by_street) // 2))
    removed += [no for no, row in rules.items() if _is_streets(row) and _item(row) in gathered]
    for no in removed:
        del drafted[no]
    for no in changed:
        drafted[no] = _led_by(rules[no], units, pick)
    for n, item in enumerate(sorted(gathered)):
        row = next(row for row in rules.values() if _is_streets(row) and _item(row) == item)
        drafted[f"SIM9{n:03d}"] = _led_by(row, units, pick) | {"rule_no": f"SIM9{n:03d}", "area_code": ""} | _DEPARTMENT
    conditions: tuple[Callable[[], Json], ...] = (
        lambda: {"area_code": pick.choice(streets)},
        lambda: {"channel": pick.choice(tuple(CHANNELS))},
        lambda: {"urgency": pick.choice(("urgent", "critical"))},
        lambda: {"hours": ["18:00-08:00"], "days": "workday"},
        lambda: {"days": "day_off", "area_code": pick.choice(streets)},
        lambda: {"level": "district", "valid_from": "2099-01-01"},
    )
    for n, no in enumerate(refined):
        row = _led_by(rules[no], units, pick) | {"rule_no": f"SIM{n:04d}"}
        drafted[row["rule_no"]] = row | conditions[n % len(conditions)]()
    basic = sorted(no for no, row in duties.items() if row["duty"] == "basic")
    taken = {no: duties[no] | {"duty": "taken_back", "department": pick.choice(units)} for no in basic[::6]}
    added = len(refined) + len(gathered)
    return Changes(drafted, {**duties, **taken}, len(changed), len(removed), added, len(taken))


def _is_streets(row: Json) -> bool:
    return bool(row["step"] == "territorial" and row["code"] and len(row["area_code"]) == 9)


def _item(row: Json) -> tuple[str, str, str]:
    return row["standard_ref"], row["kind"], row["code"]


def _led_by(row: Json, units: Sequence[str], pick: Random) -> Json:
    """The same rule for another department."""
    unit = pick.choice([unit for unit in units if unit != row["lead_unit"]])
    helping = [code for code in row["supporting_units"] if code != unit]
    return row | {"lead_unit": unit, "supporting_units": helping}
