"""Where a report that is known only to its street waits until a person finds the community. Pure; exact.

A missing place is no reason for a vaguer rule (decision 0007): where a rule of a community names a matter more closely
than the rule that would decide without it, or nothing else decides, the router asks for the place first.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from app.dispatch.routing.matter import COMMUNITY, STREET
from app.items.rows import ItemRow
from app.masters.catalogue.answers import Answers
from app.masters.catalogue.gaps import less
from app.masters.catalogue.space import Box, bits, merged, within, without
from app.masters.catalogue.terrain import Name, Ready, Terrain


class Waiting(NamedTuple):
    """Matters of one item that wait. ``name``: by what the rules of communities call it.

    ``region``: each street is one place of it, the first of its communities.
    """

    item: ItemRow
    name: Name
    region: list[Box]


def waiting(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Waiting]:
    """Items as they arise by themselves, in streets whose name alone does not do."""
    known = _KnownToTheStreet(terrain)
    for item in items:
        yield from known.waiting(item)


class _KnownToTheStreet:
    def __init__(self, terrain: Terrain) -> None:
        self._terrain = terrain
        self._answers = Answers(terrain, lambda ready: terrain.by_catalogue(ready) and not _is_of_community(ready))
        #: one place for each street with communities, and all of them
        self._places: dict[str, int] = {}
        for street, areas in terrain.space.streets.items():
            first = next(bits(areas))
            if len(terrain.space.places[first][-1]) == COMMUNITY:
                self._places[street] = 1 << first
        self._all = sum(self._places.values())
        self._hidden: dict[Name, tuple[list[Box], list[tuple[Ready, Box]]]] = {}

    def waiting(self, item: ItemRow) -> Iterator[Waiting]:
        """By name, the closest first: the closest rule out of sight is what a decision is measured by."""
        left = [box._replace(areas=self._all) for box in self._terrain.space.arising(item)]
        for name in self._terrain.names(item) if self._all else ():
            region: list[Box] = []
            for box in self._out_of_sight(name, item):
                region += within(left, box)
                left = without(left, box)
            decided = (self._answers.of(item, desk=desk, closely=name[0]) for desk in (False, True))
            region = self._undecided(item, less(region, chain.from_iterable(decided)))
            if region:
                yield Waiting(item, name, region)

    def _out_of_sight(self, name: Name, item: ItemRow) -> list[Box]:
        """Where rules of communities would hold if only the place were known."""
        if name not in self._hidden:
            found: list[tuple[Ready, Box]] = []
            for ready in self._terrain.named(name):
                place = self._places.get(ready.row.area_code[:STREET])
                if ready.box and place and _is_of_community(ready) and self._terrain.by_catalogue(ready):
                    found.append((ready, ready.box._replace(areas=place)))
            plain = merged(box for ready, box in found if not ready.narrowed)
            self._hidden[name] = plain, [each for each in found if each[0].narrowed]
        plain, narrowed = self._hidden[name]
        return [*plain, *(box for ready, box in narrowed if ready.fits(item))]

    def _undecided(self, item: ItemRow, region: list[Box]) -> list[Box]:
        """What neither the emergency handover nor the night decides before the catalogue is asked."""
        terrain = self._terrain
        for step, hears in (("emergency_handover", terrain.by_emergency), ("night_duty", terrain.by_night)):
            rules = (ready for ready in self._in_sight(item) if hears(ready)) if region else ()
            for box in merged(part.box for ready in rules for part in terrain.usable(ready, item)):
                hits = within(region, box)
                region = without(region, box) + self._asked_before(item, hits, terrain.steps.index(step))
        return region

    def _asked_before(self, item: ItemRow, region: list[Box], position: int) -> list[Box]:
        """What of a region the catalogue speaks about at a principle before this position."""
        terrain, before = self._terrain, self._terrain.steps[:position]
        found: list[Box] = []
        for ready in filter(terrain.by_catalogue, self._in_sight(item)):
            for _, box in terrain.usable(ready, item) if region else ():
                found += within(region, box) if ready.row.step in before else []
                region = without(region, box)
        for desk in terrain.desks(item) if "coordination_desk" in before else ():
            found += within(region, desk.box)
            region = without(region, desk.box)
        return found

    def _in_sight(self, item: ItemRow) -> Iterator[Ready]:
        return (ready for ready in self._terrain.about(item) if not _is_of_community(ready))


def _is_of_community(ready: Ready) -> bool:
    return len(ready.row.area_code) > STREET
