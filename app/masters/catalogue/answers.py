"""Where rules make some principle name a unit that may lead; what many items share is put together once. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from app.items.rows import ItemRow
from app.masters.catalogue.space import Box, merged
from app.masters.catalogue.terrain import Name, Ready, Terrain


class _General(NamedTuple):
    """What rules for many items answer for. ``by_street``: by the street of their units, whose clauses decide."""

    plain: list[Box]
    by_street: dict[str, list[Box]]
    #: rules that must be looked at one by one
    odd: list[Ready]


class Answers:
    """What the rules of a catalogue answer for, by item."""

    def __init__(self, terrain: Terrain, heard: Callable[[Ready], bool] | None = None) -> None:
        """``heard``: which rules; None: all that some principle hears."""
        self._terrain = terrain
        self._heard = heard or terrain.is_heard
        self._known: dict[tuple[Name, bool, str], _General] = {}

    def of(self, item: ItemRow, *, desk: bool, closely: int = 0) -> Iterator[Box]:
        """The boxes of rules about an item: of those that serve the coordination desk, or of all others.

        ``closely``: only those that name it so closely (``rule_index.ITEM`` … ``ANYTHING``).
        """
        own, *general = (name for name in self._terrain.names(item) if name[0] >= closely)
        for ready in self._terrain.named(own):
            if (ready.row.step == "coordination_desk") is desk and ready.fits(item):
                yield from self._answers(ready, item)
        for name in general:
            known = self._general(name, item, desk)
            yield from known.plain
            for street, boxes in known.by_street.items():
                if (standing := self._terrain.seen_from(street, "", item)) is not None:
                    for box in boxes:
                        if (hit := box.meet(standing.box)) is not None:
                            yield from self._terrain.high_enough(hit, item, *filter(None, [standing.lead]))
            for ready in known.odd:
                if ready.fits(item):
                    yield from self._answers(ready, item)

    def _answers(self, ready: Ready, item: ItemRow) -> Iterator[Box]:
        if self._heard(ready):
            yield from (box for _, box in self._terrain.usable(ready, item))
        yield from self._terrain.raised(ready)

    def _general(self, name: Name, item: ItemRow, desk: bool) -> _General:
        key = name, desk, self._terrain.own_of(item)
        if key not in self._known:
            self._known[key] = self._put_together(name, item, desk)
        return self._known[key]

    def _put_together(self, name: Name, item: ItemRow, desk: bool) -> _General:
        terrain = self._terrain
        plain: list[Box] = []
        by_street: dict[str, list[Box]] = {}
        odd: list[Ready] = []
        for ready in terrain.named(name):
            unit = ready.row.lead_unit
            street = terrain.units.street_of(unit)
            if (ready.row.step == "coordination_desk") is not desk or ready.box is None:
                continue
            if street == "" or ready.narrowed:
                odd.append(ready)
                continue
            if terrain.units.active_id(unit) is None:
                continue
            where = plain if street is None else by_street.setdefault(street, [])
            if self._heard(ready):
                where += terrain.high_enough(ready.box, item, unit)
            if street is None:
                plain += terrain.raised(ready)
        return _General(merged(plain), {street: merged(boxes) for street, boxes in by_street.items()}, odd)
