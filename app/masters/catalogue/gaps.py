"""What nobody answers for, what only the coordination desk answers for, and rules that never decide. Pure; exact.

Covered is every matter of ``space``: a known place, nobody accused, nobody gave it back. A rule that never
decides there may still be heard when the unit before it is accused or has given the matter back.

Nobody decides exactly where no unit that any principle names may lead, whichever is asked first: a gap is what is left
of the space when all their boxes are cut out. Which rule decides depends on the order, so that is walked through.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from app.dispatch.routing import LEVELS
from app.items.rows import ItemRow
from app.masters.catalogue.answers import Answers
from app.masters.catalogue.space import Box, areas_of, merged, within, without
from app.masters.catalogue.terrain import CATALOGUE, Ready, Standing, Terrain

_GRID: Final = 1 << LEVELS.index("grid")


@dataclass(frozen=True, slots=True)
class Hole:
    """Matters of one item that nobody, or nobody but the desk, answers for. ``on_duty``: of the first matter."""

    item: ItemRow
    region: tuple[Box, ...]
    on_duty: tuple[str, ...] = ()

    @property
    def places(self) -> int:
        """How many places there are in it."""
        return areas_of(self.region).bit_count()


def gaps(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Hole]:
    """Items that somewhere, under some circumstances, nobody answers for."""
    answers = Answers(terrain)
    for item in items:
        region = terrain.space.universe(item)
        for desk in terrain.desks(item):
            region = without(region, desk.box)
        if region:
            region = less(region, (*answers.of(item, desk=False), *answers.of(item, desk=True)))
        region = less(region, terrain.near(item, _at_grid(region)))
        if region:
            yield Hole(item, tuple(region), terrain.on_duty_for_nothing(item, region[0]))


def only_the_desk(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Hole]:
    """Items as they arise by themselves (``Space.arising``) that the desk alone answers for somewhere."""
    answers = Answers(terrain)
    for item in items:
        region = less(terrain.space.arising(item), answers.of(item, desk=False))
        region = less(region, terrain.near(item, _at_grid(region)))
        left: list[Box] = []
        for box in (*(desk.box for desk in terrain.desks(item)), *answers.of(item, desk=True)) if region else ():
            left += within(region, box)
            region = without(region, box)
        if left:
            yield Hole(item, tuple(left))


def _at_grid(region: Iterable[Box]) -> int:
    return areas_of(box for box in region if box.levels & _GRID)


def less(region: list[Box], taken: Iterable[Box]) -> list[Box]:
    """A region less many boxes."""
    for box in merged(taken) if region else ():
        region = without(region, box)
        if not region:
            break
    return region


@dataclass(slots=True)
class Shadow:
    """Why a rule never decides. ``behind``: numbers of rules that are heard before it."""

    ready: Ready
    reason: str
    behind: list[str] = field(default_factory=list)


#: reasons of a ``Shadow``
PAST, SWITCHED_OFF, IMPOSSIBLE, REFUSED, SHADOWED = "past", "switched_off", "impossible", "refused", "shadowed"


def never_deciding(terrain: Terrain, rules: Iterable[Ready]) -> Iterator[Shadow]:
    """Rules that decide about no matter at all.

    A rule of the coordination desk behind others is left out: it is the net under them.
    """
    for ready in rules:
        row = ready.row
        if row.valid_until is not None and row.valid_until < terrain.city.today:
            yield Shadow(ready, PAST)
        elif not terrain.is_heard(ready):
            yield Shadow(ready, SWITCHED_OFF)
        elif not (items := _about(terrain, ready)) or ready.box is None:
            yield Shadow(ready, IMPOSSIBLE)
        else:
            walk = _Walk(terrain, ready)
            # Nearly every rule decides somewhere, and one place is enough to show it; else all are looked at.
            places = terrain.some_places(ready.box.areas)
            if any(walk.decides(item, place) for item in items for place in places):
                continue
            if ready.box.areas.bit_count() > len(places) and any(map(walk.decides, items)):
                continue
            if not walk.shadowed:
                yield Shadow(ready, REFUSED)
            elif row.step != "coordination_desk":
                yield Shadow(ready, SHADOWED, sorted(walk.behind))


def _about(terrain: Terrain, ready: Ready) -> list[ItemRow]:
    """Items of which some matter may meet the rule's conditions."""
    levels, possible = ready.box.levels if ready.box else 0, terrain.space.levels.possible
    return [item for item in terrain.items_of(ready) if levels & possible(item.default_level)]


_TakenBy = Callable[[Ready], Iterable[Box]]


class _Walk:
    """Looks for a matter about which one rule decides."""

    def __init__(self, terrain: Terrain, ready: Ready) -> None:
        self.terrain = terrain
        self.ready = ready
        #: rules that took some of what it would have decided
        self.behind: dict[str, None] = {}
        #: whether there was something to take
        self.shadowed = False
        self._about: list[Ready] = []
        self._universe: list[Box] = []

    def decides(self, item: ItemRow, place: int | None = None) -> bool:
        """Whether it decides about some matter of the item; ``place``: in this one."""
        terrain, universe = self.terrain, self.terrain.space.universe(item)
        if place is None:
            self._about, self._universe = list(terrain.about_near(item, self.ready.row.area_code)), universe
        else:
            here = terrain.everywhere._replace(areas=1 << place)
            self._about, self._universe = list(terrain.about_in(item, place)), within(universe, here)
        return any(self._survives(item, step, region) for step, region in self._chances(item))

    def _chances(self, item: ItemRow) -> Iterator[tuple[str, list[Box]]]:
        """The principles that may choose the rule, each with the matters for which it goes before its like."""
        terrain, ready = self.terrain, self.ready
        usable = [hit for _, box in terrain.usable(ready, item) for hit in within(self._universe, box)]
        if usable and terrain.by_catalogue(ready):
            yield ready.row.step, self._first(item, usable, lambda other: _boxes(terrain, other, item, "catalogue"))
        if usable and terrain.by_night(ready):
            yield "night_duty", self._first(item, usable, lambda other: _boxes(terrain, other, item, "night"))
        if usable and terrain.by_emergency(ready):
            yield (
                "emergency_handover",
                self._first(item, usable, lambda other: _boxes(terrain, other, item, "emergency")),
            )
        raised = [hit for box in terrain.raised(ready) for hit in within(self._universe, box)]
        if raised:
            yield "level", self._first(item, raised, terrain.raised)

    def _first(self, item: ItemRow, region: list[Box], taken_by: _TakenBy) -> list[Box]:
        """The region less what rules that are heard before this one take."""
        for other in self._about:
            if other.order <= self.ready.order or not region:
                break
            region = self._cut(region, taken_by(other), other)
        return region

    def _cut(self, region: list[Box], boxes: Iterable[Box], other: Ready | None = None) -> list[Box]:
        for box in boxes:
            left = without(region, box)
            if left == region:
                continue
            self.shadowed = True
            if other is not None and other.row.rule_no != self.ready.row.rule_no:
                self.behind.setdefault(other.row.rule_no)
            region = left
        return region

    def _survives(self, item: ItemRow, step: str, region: list[Box]) -> bool:
        """Whether principles that are asked before this one leave something of the region."""
        terrain = self.terrain
        before = terrain.steps[: terrain.steps.index(step)]
        for earlier in before:
            if not region:
                return False
            if earlier == "emergency_handover":
                region = self._less_rules(item, region, "emergency")
            elif earlier == "night_duty":
                region = self._less_rules(item, region, "night")
            elif earlier == "level":
                for other in self._about:
                    region = self._cut(region, terrain.raised(other), other)
        if region and step not in CATALOGUE:
            region = self._past_catalogue(item, region, before)
        if region and "nearest_on_duty" in before and all(box.levels == _GRID for box in region):
            region = self._cut(region, terrain.near(item, areas_of(region)))
        return bool(region)

    def _less_rules(self, item: ItemRow, region: list[Box], heard_by: str) -> list[Box]:
        for other in self._about:
            if not region:
                break
            region = self._cut(region, _boxes(self.terrain, other, item, heard_by), other)
        return region

    def _past_catalogue(self, item: ItemRow, region: list[Box], before: tuple[str, ...]) -> list[Box]:
        """What is left by the principles of the catalogue that were asked before.

        Only the most specific usable rule speaks: where it serves a later principle, the earlier ones pass.
        """
        terrain = self.terrain
        if not CATALOGUE & set(before):
            return region
        passed: list[Box] = []
        for other in self._about:
            if not region:
                break
            for box in _boxes(terrain, other, item, "catalogue"):
                if other.row.step not in before:
                    passed += within(region, box)
                    region = without(region, box)
                else:
                    region = self._cut(region, [box], other)
        if "coordination_desk" in before:
            region = self._cut(region, (desk.box for desk in terrain.desks(item)))
        return passed + region


def _boxes(terrain: Terrain, ready: Ready, item: ItemRow, heard_by: str) -> Iterator[Box]:
    heard = {"catalogue": terrain.by_catalogue, "night": terrain.by_night, "emergency": terrain.by_emergency}[heard_by]
    if heard(ready):
        standing: Standing
        for standing in terrain.usable(ready, item):
            yield standing.box
