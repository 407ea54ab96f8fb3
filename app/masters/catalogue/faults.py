"""Contradictions in a catalogue, duties aimed at the wrong unit, units that cannot do what they are named for. Pure.

What is found is data; ``check`` puts it into words.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.clocks.ladder import RELATIVE
from app.dispatch.routing.rule_index import Weight
from app.dispatch.rows import DutyRow
from app.items.rows import ItemRow
from app.masters.catalogue.rows import CityRows
from app.masters.catalogue.space import Box, bits, within, without
from app.masters.catalogue.terrain import Ready, Terrain

_ROLES: Final = (("competent", "主管"), ("owner", "权属"), ("maintainer", "养护"))


@dataclass(frozen=True, slots=True)
class Clash:
    """Two rules that both hold for the matters of ``box`` and are equally specific; ``item``: one they meet in."""

    winner: Ready
    loser: Ready
    leads: tuple[str, str]
    item: ItemRow
    box: Box


def clashes(terrain: Terrain) -> Iterator[Clash]:
    """Pairs of rules between which only the number decides, and which name different units.

    Rules meet where one principle hears both: those of the catalogue, of the night, and whatever is critical.
    """
    alike: dict[tuple[str, Weight, tuple[str, ...]], list[Ready]] = defaultdict(list)
    for ready in terrain.rules:
        row = ready.row
        what = ("", row.domain, row.major_code, row.item_key)[ready.weight[0]]
        hearing = (
            ("catalogue", terrain.by_catalogue),
            ("night", terrain.by_night),
            ("emergency", terrain.by_emergency),
        )
        for name, hears in hearing if ready.box is not None else ():
            if hears(ready):
                alike[name, ready.weight, (what, row.area_code)].append(ready)
    told: set[tuple[str, str]] = set()
    for group in alike.values():
        group.sort(key=lambda ready: ready.row.rule_no, reverse=True)
        for n, winner in enumerate(group):
            for loser in group[n + 1 :]:
                pair = winner.row.rule_no, loser.row.rule_no
                if pair not in told and (clash := _clash(terrain, winner, loser)) is not None:
                    told.add(pair)
                    yield clash


def _clash(terrain: Terrain, winner: Ready, loser: Ready) -> Clash | None:
    if winner.row.lead_unit == loser.row.lead_unit or winner.box is None or loser.box is None:
        return None
    both = winner.box.meet(loser.box)
    if both is None:
        return None
    for item in terrain.items_of(winner):
        if not loser.fits(item):
            continue
        for lead, box in terrain.part_of(both, winner.row.lead_unit, item):
            for other, part in terrain.part_of(box, loser.row.lead_unit, item):
                inside = next((hit for each in terrain.space.universe(item) if (hit := each.meet(part))), None)
                if other != lead and inside is not None:
                    return Clash(winner, loser, (lead, other), item, inside)
    return None


@dataclass(slots=True)
class Misplaced:
    """A rule against a clause of the duty list (None: the list has none) in ``count`` items; ``item``: the first."""

    ready: Ready
    clause: DutyRow | None
    item: ItemRow
    box: Box
    count: int = 1


def against_clauses(terrain: Terrain) -> list[Misplaced]:
    """Rules that give to another department what a clause of the duty list gives to one.

    Looked at are matters as they arise by themselves, with no border near; a rule that is critical, the night's or the
    desk's may differ.
    """
    found: dict[tuple[str, str], Misplaced] = {}
    for item in terrain.city.items if terrain.duties else ():
        governed: dict[str, tuple[DutyRow, int]] = {}
        for street, areas in terrain.space.streets.items():
            clause = terrain.clause(item, street)
            if clause is not None and clause.duty != "basic":
                known = governed.get(clause.clause_no, (clause, 0))[1]
                governed[clause.clause_no] = clause, known | areas
        for clause, areas in governed.values():
            for ready, box in _speaking(terrain, item, areas):
                told = found.get((clause.clause_no, ready.row.rule_no))
                if told is None:
                    found[clause.clause_no, ready.row.rule_no] = Misplaced(ready, clause, item, box)
                else:
                    told.count += told.item is not item
    return [each for each in found.values() if not _kin(terrain, each)]


def _speaking(terrain: Terrain, item: ItemRow, areas: int) -> Iterator[tuple[Ready, Box]]:
    """The rules that speak for the item at its own level, each with matters about which it does."""
    region = [box._replace(areas=areas) for box in terrain.space.arising(item)]
    for ready in terrain.about(item):
        if not region or not terrain.by_catalogue(ready):
            continue
        for _, box in terrain.usable(ready, item):
            hits = within(region, box)
            region = without(region, box)
            if hits and ready.row.urgency != "critical" and ready.row.step != "coordination_desk":
                yield ready, hits[0]


def _kin(terrain: Terrain, found: Misplaced) -> bool:
    """Whether who leads by the rule is the clause's department, under it or above it."""
    department = found.clause.department if found.clause else ""
    own = terrain.organizations.id_of(department)
    for lead, box in terrain.usable(found.ready, found.item):
        id_ = terrain.organizations.id_of(lead)
        if box.meet(found.box) is not None and own is not None and id_ is not None:
            under = terrain.organizations.under
            return id_ in under(own) or own in under(id_)
    return False


def aimed_at_streets(terrain: Terrain) -> Iterator[Misplaced]:
    """Rules that give a street or what is under it an item that the duty list does not call basic there.

    Only where the rule would be heard for matters as they arise by themselves: what a more specific rule takes before
    is nobody's worry, and neither are levels that the item hardly ever has.
    """
    if not terrain.duties:
        return
    for ready in terrain.rules:
        unit = ready.row.lead_unit
        street = terrain.units.street_of(unit)
        if ready.box is None or not terrain.is_heard(ready) or street is None or terrain.units.active_id(unit) is None:
            continue
        told: Misplaced | None = None
        for item in terrain.items_of(ready):
            for seen_from, areas in {street: ready.box.areas}.items() if street else terrain.space.streets.items():
                clause = terrain.clause(item, seen_from)
                if clause is not None and clause.duty == "basic":
                    continue
                box = ready.box._replace(areas=ready.box.areas & areas)
                if (reached := _reached(terrain, ready, item, box)) is None:
                    continue
                if told is None:
                    told = Misplaced(ready, clause, item, reached)
                else:
                    told.count += 1
                break
        if told is not None:
            yield told


def _reached(terrain: Terrain, ready: Ready, item: ItemRow, box: Box) -> Box | None:
    region = within(terrain.space.arising(item), box)
    if not region:
        return None
    place = next(bits(region[0].areas))
    here = [region[0]._replace(areas=1 << place)]
    left = _left_to(terrain, ready, item, here, terrain.about_in(item, place))
    if not left:
        left = _left_to(terrain, ready, item, region, terrain.about_near(item, ready.row.area_code))
    return left[0] if left else None


def _left_to(terrain: Terrain, ready: Ready, item: ItemRow, region: list[Box], about: Iterable[Ready]) -> list[Box]:
    """What rules that are heard before this one leave of the region."""
    heard = terrain.by_night if terrain.by_night(ready) else terrain.by_catalogue
    for other in about:
        if other.order <= ready.order or not region:
            break
        if heard(other):
            for _, part in terrain.usable(other, item):
                region = without(region, part)
    return region


@dataclass(slots=True)
class Naming:
    """A unit that is named: where (in words), whether as the lead of a rule, and how often."""

    unit: str
    where: str
    leads: bool
    count: int = 1


def named_units(city: CityRows, *, with_people: bool = False) -> list[Naming]:
    """Every unit that rules, duty list, components, duty grids or the ladder name, with the first place of each sort.

    ``with_people``: only what gives a unit orders.
    """
    found: dict[tuple[str, str], Naming] = {}
    for unit, sort, where in _namings(city, with_people):
        told = found.get((unit, sort))
        if told is None:
            found[unit, sort] = Naming(unit, where, sort == "承办单位")
        else:
            told.count += 1
    return list(found.values())


def _namings(city: CityRows, with_people: bool) -> Iterator[tuple[str, str, str]]:
    for rule in city.routing_rules:
        yield rule.lead_unit, "承办单位", f"派单规则 {rule.rule_no} 的承办单位"
        for unit in rule.supporting_units:
            yield unit, "协办单位", f"派单规则 {rule.rule_no} 的协办单位"
    for clause in city.duty_list:
        if clause.department:
            yield clause.department, "牵头部门", f"职责清单 {clause.clause_no} 的牵头部门"
    for component in city.components:
        for name, title in _ROLES:
            if unit := getattr(component, name):
                yield unit, f"{title}单位", f"部件 {component.component_id} 的{title}单位"
    for grid in city.duty_grids:
        yield grid.org_code, "责任网格", f"责任网格 {grid.code}（{grid.name}）的单位"
    for rung in () if with_people else city.escalation_rungs:
        for unit in rung.to:
            if unit not in RELATIVE:
                yield unit, "督办阶梯", f"督办阶梯 {rung.key} 要通知的单位"


def without_people(terrain: Terrain, staffed: Iterable[str]) -> Iterator[Naming]:
    """Units in use that get orders, and where nobody may sign for them. ``staffed``: units where somebody sits."""
    organizations = terrain.organizations
    covered: set[int] = set()
    for code in staffed:
        if (id_ := organizations.id_of(code)) is not None:
            covered |= organizations.under(id_)
    named: dict[str, Naming] = {}
    for naming in named_units(terrain.city, with_people=True):
        if naming.unit in named:
            named[naming.unit].count += naming.count
        else:
            named[naming.unit] = naming
    for desk, _ in terrain.found_desks:
        named.setdefault(desk, Naming(desk, "没有规则时找到的协调席", leads=False))
    for code, naming in named.items():
        id_ = terrain.units.active_id(code)
        if id_ is not None and id_ not in covered:
            yield naming


def unknown(city: CityRows) -> Iterator[tuple[str, str]]:
    """Rules and what they name that does not exist, in words."""
    items = {item.key for item in city.items}
    majors, domains = {item.major_code for item in city.items}, {item.domain for item in city.items}
    areas = {area.code for area in city.areas}
    units = {unit.code for unit in city.organizations}
    for rule in city.routing_rules:
        named: tuple[tuple[str, str, Iterable[str]], ...] = (
            ("事项", rule.item_key, items),
            ("大类", rule.major_code, majors),
            ("领域", rule.domain, domains),
            ("区划", rule.area_code, areas),
            ("渠道", rule.channel, city.channels or (rule.channel,)),
            ("承办单位", rule.lead_unit, units),
            *(("协办单位", unit, units) for unit in rule.supporting_units),
        )
        for title, code, known in named:
            if code and code not in known:
                yield rule.rule_no, f"{title} {code}"


def uncovered_cells(city: CityRows) -> Iterator[str]:
    """Unit cells that no duty grid lists, by id; nothing where there are no duty grids and no cells."""
    exact = {pattern for grid in city.duty_grids for pattern in grid.cells if not pattern.endswith("*")}
    starts = {pattern[:-1] for grid in city.duty_grids for pattern in grid.cells if pattern.endswith("*")}
    lengths = sorted({len(start) for start in starts})
    for cell in city.cells:
        if cell.cell_id not in exact and not any(cell.cell_id[:length] in starts for length in lengths):
            yield cell.cell_id


def closed(city: CityRows) -> Iterator[Naming]:
    """Units that are named and closed."""
    active: Mapping[str, bool] = {unit.code: unit.active for unit in city.organizations}
    for naming in named_units(city):
        if active.get(naming.unit) is False:
            yield naming
