"""The tree of areas: who lies in whom."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.grid.rows import AreaRow


class AreaPath(NamedTuple):
    """The codes above an area, itself included; None where a level is not known or does not exist."""

    city: str | None = None
    district: str | None = None
    street: str | None = None
    community: str | None = None


class AreaTree:
    """The areas of one release, never changed after it is built."""

    __slots__ = ("_children", "_lineages", "_paths", "_rows")

    def __init__(self, areas: Iterable[AreaRow]) -> None:
        self._rows = {row.code: row for row in areas}
        self._lineages = {code: self._climb(code) for code in self._rows}
        self._paths = {
            code: AreaPath(**{self._rows[step].level: step for step in lineage})
            for code, lineage in self._lineages.items()
        }
        below: dict[str | None, list[AreaRow]] = {}
        for row in self._rows.values():
            parent = row.parent_code if row.parent_code in self._rows else None
            below.setdefault(parent, []).append(row)
        self._children = {parent: tuple(sorted(rows, key=lambda row: row.code)) for parent, rows in below.items()}

    def _climb(self, code: str) -> tuple[str, ...]:
        steps: list[str] = []
        at: str | None = code
        # A loop of parents is reported by faults.area_faults; here it must only not hang.
        while at in self._rows and at not in steps:
            steps.append(at)
            at = self._rows[at].parent_code
        return tuple(reversed(steps))

    def __iter__(self) -> Iterator[AreaRow]:
        return iter(self._rows.values())

    def area(self, code: str) -> AreaRow | None:
        """The area with this code, if it belongs to the jurisdiction."""
        return self._rows.get(code)

    def name(self, code: str) -> str:
        """The name for a sentence; the code itself where the area is unknown."""
        row = self._rows.get(code)
        return row.name if row else code

    def lineage(self, code: str) -> tuple[str, ...]:
        """Codes from the top down to this area, itself included; empty for an unknown code."""
        return self._lineages.get(code, ())

    def path(self, code: str) -> AreaPath:
        """The same by level."""
        return self._paths.get(code, AreaPath())

    def children(self, code: str | None) -> tuple[AreaRow, ...]:
        """Areas directly below, by code; None gives the tops of the jurisdiction."""
        return self._children.get(code, ())

    def within(self, code: str, container: str) -> bool:
        """Whether an area is ``container`` or lies in it."""
        return container in self._lineages.get(code, ())

    def related(self, code_a: str, code_b: str) -> bool:
        """Whether one lies in the other (or they are the same)."""
        return self.within(code_a, code_b) or self.within(code_b, code_a)

    def common(self, codes: Iterable[str]) -> str | None:
        """The narrowest area that holds them all; None when there is none."""
        shared: str | None = None
        for steps in zip(*(self.lineage(code) for code in codes), strict=False):
            if len(set(steps)) > 1:
                break
            shared = steps[0]
        return shared

    def known_prefix(self, code: str) -> str | None:
        """The narrowest known area a 6, 9 or 12 digit code begins with, trailing ``000`` groups ignored.

        ``320102002000`` is street 320102002; a community that is not in the release falls back to its street.
        """
        for length in (12, 9, 6):
            if len(code) >= length and code[:length] in self._rows:
                return code[:length]
        return None
