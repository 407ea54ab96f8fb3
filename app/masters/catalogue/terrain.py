"""What each rule of a catalogue covers, seen as boxes of the space of matters, and where the guard lets its unit lead.

It says of sets of matters what ``app.dispatch.routing`` says of one; tests hold the two against each other. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

from app.accounts.organizations import Organizations
from app.dispatch.routing import LEVELS, Matter, Router, reaches, steps_in_order
from app.dispatch.routing.guard import Units
from app.dispatch.routing.matter import COMMUNITY
from app.dispatch.routing.registers import Duties
from app.dispatch.routing.rule_index import ANYTHING, DOMAIN, ITEM, MAJOR, Weight, weight_of
from app.dispatch.rows import DutyRow, RoutingRuleRow
from app.grid.unit_cells import DutyGrids
from app.items.rows import ItemRow
from app.masters.catalogue.levels import ALL_LEVELS, Levels
from app.masters.catalogue.rows import CityRows
from app.masters.catalogue.space import (
    ALL_BORDERS,
    ALL_URGENCIES,
    CROSSES_DISTRICTS,
    CROSSES_STREETS,
    INSIDE,
    Box,
    Space,
    bits,
    without,
)

_GRID: Final = 1 << LEVELS.index("grid")
_BELOW_DISTRICT: Final = (1 << LEVELS.index("district")) - 1
_BELOW_CITY: Final = (1 << LEVELS.index("city")) - 1
#: beyond it going through the rules of an item is quicker than asking for each area
_MANY_AREAS: Final = 50
#: the principles that read the catalogue's rules for all hours
CATALOGUE: Final = frozenset({"statutory_department", "territorial", "coordination_desk"})
#: the level a border raises to, the borders and the levels below it
_RAISED: Final = {"district": (CROSSES_STREETS, _BELOW_DISTRICT), "city": (CROSSES_DISTRICTS, _BELOW_CITY)}


class Standing(NamedTuple):
    """Where a unit that is named may lead, or ``lead`` instead of it."""

    lead: str
    box: Box


@dataclass(frozen=True, slots=True)
class Ready:
    """One rule, its conditions made ready. ``box`` None: they never hold."""

    row: RoutingRuleRow
    weight: Weight
    box: Box | None

    #: the higher one is heard first
    order: tuple[Weight, str]
    #: it names more than what it is found by
    narrowed: bool

    @classmethod
    def of(cls, row: RoutingRuleRow, box: Box | None) -> Self:
        """A rule with the box where its conditions hold."""
        weight = weight_of(row)
        named = bool(row.code) + bool(row.major_code) + bool(row.domain)
        return cls(row, weight, box, (weight, row.rule_no), named > 1)

    def fits(self, item: ItemRow) -> bool:
        """Whether a rule that was found by a name of the item is about it."""
        row = self.row
        return not self.narrowed or (
            (not row.major_code or row.major_code == item.major_code) and (not row.domain or row.domain == item.domain)
        )


Name = tuple[int, str]


class Terrain:
    """The rules of one catalogue over the space that they tell apart. Answers are remembered."""

    def __init__(self, city: CityRows) -> None:
        """Raises ValueError (Chinese) for organizations that form no tree."""
        self.city = city
        ids = {row.code: n for n, row in enumerate(city.organizations, start=1)}
        self.organizations = Organizations.build(city.organizations, ids)
        self.units = Units(self.organizations)
        self.duties = Duties(city.duty_list)
        self.steps: tuple[str, ...] = steps_in_order(city.routing_steps)
        self.by_level = "level" in self.steps
        self.heard = CATALOGUE & set(self.steps)
        self.space = Space(
            city.areas,
            city.routing_rules,
            channels=city.channels,
            today=city.today,
            is_working_day=city.is_working_day,
            with_borders=self.by_level,
            levels=Levels(city.least_levels),
        )
        self._too_low: dict[tuple[str, str], tuple[Box, ...]] = {}
        self._named: dict[Name, list[Ready]] = defaultdict(list)
        self._placed: dict[tuple[Name, str], list[Ready]] = defaultdict(list)
        self.rules = [Ready.of(row, self.space.box_of(row)) for row in city.routing_rules]
        for ready in self.rules:
            self._named[_name_of(ready)].append(ready)
        for name, found in self._named.items():
            found.sort(key=lambda ready: ready.order, reverse=True)
            for ready in found:
                if ready.box is not None:
                    self._placed[name, ready.row.area_code].append(ready)
        self._names: dict[int, tuple[Name, ...]] = {}
        self._items: dict[Name, list[ItemRow]] = defaultdict(list)
        for item in city.items:
            for name in self.names(item):
                self._items[name].append(item)
        self._clauses: dict[tuple[int, str], DutyRow | None] = {}
        self._related: dict[str, list[str]] = {}
        self._some: dict[int, tuple[int, ...]] = {}
        self._usable: dict[tuple[str, str], tuple[Standing, ...]] = {}
        #: no condition at all; where a street may lead what belongs to it; and only what is of its level
        self.everywhere = Box(ALL_LEVELS, ALL_URGENCIES, ALL_BORDERS, *self.space.all[3:])
        self._inside = self.everywhere._replace(borders=INSIDE) if self.by_level else self.everywhere
        self._basic = self._inside._replace(levels=_BELOW_DISTRICT) if self.by_level else self._inside

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

    def items_of(self, ready: Ready) -> list[ItemRow]:
        """Items that a rule is about."""
        return [item for item in self._items.get(_name_of(ready), ()) if ready.fits(item)]

    def names(self, item: ItemRow) -> tuple[Name, ...]:
        """What rules may call an item of the city, the closest first."""
        known = self._names.get(id(item))
        if known is None:
            named = (ITEM, item.key), (MAJOR, item.major_code), (DOMAIN, item.domain)
            known = self._names[id(item)] = (*(name for name in named if name[1]), (ANYTHING, ""))
        return known

    def named(self, name: Name) -> Sequence[Ready]:
        """Rules that name their items so, the most specific first."""
        return self._named.get(name, ())

    def some_places(self, areas: int) -> tuple[int, ...]:
        """A few places of many: the first, and those after each third."""
        if areas not in self._some:
            places = list(bits(areas))
            self._some[areas] = tuple(places[:: max(1, len(places) // 3)])
        return self._some[areas]

    def about(self, item: ItemRow) -> Iterator[Ready]:
        """Rules about an item whose conditions hold somewhere, the most specific first."""
        for name in self.names(item):
            for ready in self._named.get(name, ()):
                if ready.box is not None and ready.fits(item):
                    yield ready

    def about_in(self, item: ItemRow, place: int) -> Iterator[Ready]:
        """The same for one place: those that hold there."""
        areas = (*reversed(self.space.places[place]), "")
        for name in self.names(item):
            for area in areas:
                for ready in self._placed.get((name, area), ()):
                    if ready.fits(item):
                        yield ready

    def about_near(self, item: ItemRow, area: str) -> Iterable[Ready]:
        """The same for an area: those that hold in all or some of it."""
        if not area:
            return self.about(item)
        areas = self._related.get(area)
        if areas is None:
            related = self.space.tree.related
            areas = self._related[area] = ["", *(code for code in self._ruled if code and related(code, area))]
        if len(areas) > _MANY_AREAS:
            wanted = self.space.area(area)
            return [ready for ready in self.about(item) if ready.box is not None and ready.box.areas & wanted]
        found = [
            ready
            for name in self.names(item)
            for code in areas
            for ready in self._placed.get((name, code), ())
            if ready.fits(item)
        ]
        found.sort(key=lambda ready: ready.order, reverse=True)
        return found

    @cached_property
    def _ruled(self) -> list[str]:
        """Areas that some rule names."""
        return sorted({area for _, area in self._placed})

    def usable(self, ready: Ready, item: ItemRow) -> tuple[Standing, ...]:
        """Where the rule's conditions hold for the item and its unit, or the one that a clause names, may lead."""
        if self.units.street_of(ready.row.lead_unit) is not None:
            return self.part_of(ready.box, ready.row.lead_unit, item)
        key = ready.row.rule_no, self.own_of(item)
        known = self._usable.get(key)
        if known is None:
            known = self._usable[key] = self.part_of(ready.box, ready.row.lead_unit, item)
        return known

    def part_of(self, box: Box | None, unit: str, item: ItemRow) -> tuple[Standing, ...]:
        """The parts of a box in which a unit may lead, or another one instead."""
        if box is None:
            return ()
        return tuple(
            Standing(lead, part)
            for lead, where in self.standing(unit, item)
            if (hit := box.meet(where)) is not None
            for part in self.high_enough(hit, item, unit, lead)
        )

    def by_catalogue(self, ready: Ready) -> bool:
        """Whether a principle that is asked hears the rule at all hours."""
        return ready.row.step in self.heard

    def by_night(self, ready: Ready) -> bool:
        """Whether the night duty hears it."""
        return ready.row.step == "night_duty" and "night_duty" in self.steps

    def by_emergency(self, ready: Ready) -> bool:
        """Whether the emergency handover hears it."""
        return ready.row.urgency == "critical" and "emergency_handover" in self.steps

    def is_heard(self, ready: Ready) -> bool:
        """Whether any principle hears it."""
        return self.by_catalogue(ready) or self.by_night(ready) or self.by_emergency(ready)

    # ── who may lead ─────────────────────────────────────────────────────────────────────────────────────────

    def clause(self, item: ItemRow, street: str) -> DutyRow | None:
        """The clause about an item, seen from a street."""
        key = id(item), street
        if key not in self._clauses:
            matter = Matter(item.key, item.major_code, item.domain, "", (), "")
            self._clauses[key] = self.duties.clause(matter, street)
        return self._clauses[key]

    def own_of(self, item: ItemRow) -> str:
        """What tells items apart that the city raises differently: their own level; empty where it raises nothing."""
        return item.default_level if self.space.levels.raised(item.default_level) else ""

    def high_enough(self, box: Box, item: ItemRow, *units: str) -> list[Box]:
        """The box less what the city raises above one of the units."""
        left = [box]
        if own := self.own_of(item):
            for unit in units:
                for raised in self._above(unit, own):
                    left = without(left, raised)
        return left

    def _above(self, unit: str, own: str) -> tuple[Box, ...]:
        if (unit, own) not in self._too_low:
            self._too_low[unit, own] = tuple(
                self.everywhere._replace(levels=level, urgencies=urgencies)
                for level, urgencies in self.space.levels.raised(own).items()
                if not reaches(self.organizations, unit, LEVELS[level.bit_length() - 1])
            )
        return self._too_low[unit, own]

    def standing(self, unit: str, item: ItemRow) -> tuple[Standing, ...]:
        """Where the guard lets a unit that is named lead, or who leads instead; empty: nowhere. By levels nothing."""
        if self.units.active_id(unit) is None:
            return ()
        street = self.units.street_of(unit)
        if street is None:
            return (Standing(unit, self.everywhere),)
        if street or not self.duties:
            found = self.seen_from(street, unit, item)
            return (found,) if found else ()
        return tuple(
            Standing(found.lead, found.box._replace(areas=areas))
            for place, areas in self.space.streets.items()
            if (found := self.seen_from(place, unit, item)) is not None
        )

    def seen_from(self, street: str, unit: str, item: ItemRow) -> Standing | None:
        """Where a unit of a street that works may lead, or who leads instead; None: nowhere."""
        if not self.duties:
            return Standing(unit, self._inside)
        clause = self.clause(item, street)
        if clause is None:
            return None
        if clause.duty == "basic":
            return Standing(unit, self._basic)
        instead = clause.department
        if self.units.active_id(instead) is None or self.units.street_of(instead) is not None:
            return None
        return Standing(instead, self.everywhere)

    # ── what principles answer without a rule of their own ───────────────────────────────────────────────────

    def raised(self, ready: Ready) -> tuple[Box, ...]:
        """Where the level step hears the rule because a border raises the matter to its level."""
        row = ready.row
        if ready.box is None or not self.by_level or row.level not in _RAISED or not self.by_catalogue(ready):
            return ()
        if self.units.active_id(row.lead_unit) is None or self.units.street_of(row.lead_unit) is not None:
            return ()
        borders, levels = _RAISED[row.level]
        return (ready.box._replace(levels=levels, borders=borders),)

    def desks(self, item: ItemRow) -> list[Standing]:
        """Where the coordination desk is found though no rule names it."""
        return [part for desk, box in self.found_desks for part in self.part_of(box, desk, item)]

    @cached_property
    def found_desks(self) -> list[tuple[str, Box]]:
        """Desks that may be found though no rule names them, and where."""
        return [
            (desk.code, self.everywhere._replace(areas=areas))
            for district, areas in self.space.districts.items()
            for desk in self.organizations.of_area(district, "coordination_desk")
            if "coordination_desk" in self.steps
        ]

    def near(self, item: ItemRow, places: int) -> list[Box]:
        """Where some unit on duty may lead, whichever of its duty grids holds the point; of these places only."""
        if "nearest_on_duty" not in self.steps or not places:
            return []
        found: dict[int, int] = {}
        for lists, areas in self._duty_areas.items():
            if areas & places:
                borders = ALL_BORDERS
                for streets in lists:
                    borders &= self._borders_near(item, streets)
                if borders:
                    found[borders] = found.get(borders, 0) | areas & places
        grid = self.everywhere._replace(levels=_GRID)
        return [grid._replace(borders=borders, areas=areas) for borders, areas in found.items()]

    def on_duty_for_nothing(self, item: ItemRow, box: Box) -> tuple[str, ...]:
        """Units on duty in the first place of the box of which none may lead; empty: nobody is on duty there."""
        place, border = next(bits(box.areas)), box.borders & -box.borders
        known = self._on_duty(place)
        return next((each for each in known if not self._borders_near(item, self._streets(each, place)) & border), ())

    def _borders_near(self, item: ItemRow, streets: Iterable[str | None]) -> int:
        """Borders by which one of some units may lead what is of the grid's level."""
        borders = 0
        for street in streets:
            found = Standing("", self.everywhere) if street is None else self.seen_from(street, "", item)
            borders |= found.box.borders if found else 0
        return borders

    @cached_property
    def _duty_areas(self) -> Mapping[tuple[frozenset[str | None], ...], int]:
        """Places by who may be on duty there: streets that the units are of, None for what is above them."""
        found: dict[tuple[frozenset[str | None], ...], int] = {}
        for place in range(len(self.space.places)):
            lists = tuple(dict.fromkeys(self._streets(units, place) for units in self._on_duty(place)))
            found[lists] = found.get(lists, 0) | 1 << place
        return found

    def _streets(self, units: Iterable[str], place: int) -> frozenset[str | None]:
        of = {self.units.street_of(unit) for unit in units if self.units.active_id(unit) is not None}
        return frozenset(self.space.street_of(place) if street == "" else street for street in of)

    def _on_duty(self, place: int) -> list[tuple[str, ...]]:
        """Who may be on duty in a place: one list for each of its cells, and one where no cell is known."""
        community = self.space.places[place][-1]
        grids = self._grids.all_of_community(community) if len(community) == COMMUNITY else ()
        every = tuple(dict.fromkeys(grid.org_code for grid in grids))
        single = {(grid.org_code,) for cell in self._cells.get(community, ()) if (grid := self._grids.of_cell(cell))}
        return [*sorted(single - {every}), every]

    @cached_property
    def _cells(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for cell in self.city.cells:
            found[cell.community_code].append(cell.cell_id)
        return found

    @cached_property
    def _grids(self) -> DutyGrids:
        return DutyGrids(self.city.duty_grids, ((cell.cell_id, cell.community_code) for cell in self.city.cells))

    @cached_property
    def router(self) -> Router:
        """The router itself, for examples."""
        return Router(
            self.city.routing_rules,
            self.organizations,
            components=self.city.components,
            duties=self.city.duty_list,
            steps=steps_in_order(self.city.routing_steps),
        )


def _name_of(ready: Ready) -> Name:
    row, what = ready.row, ready.weight[0]
    return what, (("", row.domain, row.major_code, row.item_key)[what])
