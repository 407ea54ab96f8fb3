"""The levels that matters have by themselves, and who is too low for what the city raises by its urgency 分级. Pure.

A matter has its item's own level, or a higher one that policies ask at least for its urgency (``least_level.*``). Then
nobody below it leads (``Matter.at_least``). Above that only a person raises a matter 提级; whom no unit of that level
answers for may end at a person, and is no gap: such matters are covered as if nothing held them at their level.
"""

from collections.abc import Mapping
from typing import Final

from app.dispatch.routing import LEVELS

URGENCIES: Final = ("normal", "urgent", "critical")
ALL_LEVELS: Final = (1 << len(LEVELS)) - 1


class Levels:
    """Levels as bits, by an item's own level and the city's least ones."""

    def __init__(self, least: Mapping[str, str]) -> None:
        """``least``: the lowest level by urgency; none or empty: the item's own."""
        self._least = [LEVELS.index(least[urgency]) if least.get(urgency) else 0 for urgency in URGENCIES]

    def possible(self, own: str) -> int:
        """The levels that a matter of such an item may have."""
        lowest = LEVELS.index(own)
        return ALL_LEVELS >> lowest << lowest

    def arising(self, own: str) -> dict[int, int]:
        """The levels that its matters have by themselves, each with the urgencies of which they have it."""
        found: dict[int, int] = {}
        for n, least in enumerate(self._least):
            level = 1 << max(LEVELS.index(own), least)
            found[level] = found.get(level, 0) | 1 << n
        return found

    def raised(self, own: str) -> dict[int, int]:
        """Those of them that are above its own level."""
        return {level: urgencies for level, urgencies in self.arising(own).items() if level >> LEVELS.index(own) > 1}

    def at_least(self, own: str, level: str, urgency: str) -> str:
        """The level that whoever leads must have; empty: any."""
        is_raised = self.raised(own).get(1 << LEVELS.index(level), 0) & 1 << URGENCIES.index(urgency)
        return level if is_raised else ""
