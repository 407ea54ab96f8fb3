"""The units of one release as a tree, ready to be asked; knows no database."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Self

from app.accounts.rows import OrganizationRow


def organization_faults(rows: Iterable[OrganizationRow]) -> list[str]:
    """Codes that repeat, parents that do not exist, and loops of parents; one Chinese sentence each."""
    rows = tuple(rows)
    known = {row.code: row for row in rows}
    faults = [f"单位代码 {code} 出现 {n} 次" for code, n in Counter(r.code for r in rows).items() if n > 1]
    for row in known.values():
        if row.parent_code is None:
            continue
        if row.parent_code not in known:
            faults.append(f"单位 {row.code}（{row.name}）的上级 {row.parent_code} 不存在")
        elif row.code in _climb(known, row.parent_code):
            faults.append(f"单位 {row.code}（{row.name}）是自己的上级的上级，上下级成了环")
    return faults


def _climb(known: Mapping[str, OrganizationRow], code: str | None) -> tuple[str, ...]:
    """``code`` and everything above it, nearest first; stops at a loop or an unknown parent."""
    steps: list[str] = []
    while code is not None and code in known and code not in steps:
        steps.append(code)
        code = known[code].parent_code
    return tuple(steps)


def _normalised(words: str) -> str:
    """Full and half width, letter case and spaces make no difference."""
    return "".join(unicodedata.normalize("NFKC", words).casefold().split())


def _names(rows: Iterable[OrganizationRow]) -> dict[str, str | None]:
    """Code by code, name and short name; None where several units share it."""
    found: dict[str, str | None] = {}
    for row in rows:
        for name in {_normalised(part) for part in (row.code, row.name, row.short_name) if part}:
            found[name] = None if found.get(name, row.code) != row.code else row.code
    return found


class Organizations:
    """The units of one release with their lasting ids. Never changed after it is built; safe for any thread.

    Units of earlier releases keep their ids and are found by ``id_of`` and ``code_of``; they have no row.
    """

    __slots__ = ("_above", "_by_area", "_by_name", "_children", "_codes", "_ids", "_rows", "_under")

    def __init__(self, rows: Mapping[str, OrganizationRow], ids: Mapping[str, int]) -> None:
        self._rows = dict(rows)
        self._ids = dict(ids)
        self._codes = {id_: code for code, id_ in ids.items()}
        self._above = {self._ids[code]: tuple(map(self._id, _climb(rows, code)[1:])) for code in rows}
        under: dict[int, set[int]] = {self._ids[code]: {self._ids[code]} for code in rows}
        children: dict[int | None, list[str]] = {}
        by_area: dict[str, list[OrganizationRow]] = {}
        for code in sorted(rows):
            row, above = rows[code], self._above[self._ids[code]]
            for ancestor in above:
                under[ancestor].add(self._ids[code])
            children.setdefault(above[0] if above else None, []).append(code)
            by_area.setdefault(row.area_code, []).append(row)
        self._under = {id_: frozenset(ids) for id_, ids in under.items()}
        self._children = {parent: tuple(map(self._id, codes)) for parent, codes in children.items()}
        self._by_name = _names(rows.values())
        self._by_area = {area: tuple(found) for area, found in by_area.items()}

    @classmethod
    def build(cls, rows: Iterable[OrganizationRow], ids: Mapping[str, int]) -> Self:
        """``ids``: the lasting id of every code, also of units that the release does not have any more.

        Raises ValueError (Chinese) for faults of the rows (see ``organization_faults``) and for a code that
        has no id.
        """
        rows = tuple(rows)
        if faults := organization_faults(rows):
            raise ValueError("；".join(faults[:5]))
        if missing := [row.code for row in rows if row.code not in ids]:
            raise ValueError(f"单位 {'、'.join(missing[:5])} 还没有内部编号")
        return cls({row.code: row for row in rows}, ids)

    def _id(self, code: str) -> int:
        return self._ids[code]

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, code: str) -> bool:
        return code in self._rows

    @property
    def rows(self) -> tuple[OrganizationRow, ...]:
        """All units of the release, by code."""
        return tuple(self._rows[code] for code in sorted(self._rows))

    def by_code(self, code: str) -> OrganizationRow | None:
        """The unit of this release with this code."""
        return self._rows.get(code)

    def by_id(self, id_: int) -> OrganizationRow | None:
        """The unit of this release with this id."""
        return self._rows.get(self._codes.get(id_, ""))

    def id_of(self, code: str) -> int | None:
        """The lasting id of a code; None for a code that no release ever had."""
        return self._ids.get(code)

    def code_of(self, id_: int) -> str | None:
        """The code of a lasting id."""
        return self._codes.get(id_)

    def name(self, id_: int) -> str:
        """The unit's name for a sentence; its code, or the number, where this release does not have it."""
        row = self.by_id(id_)
        return row.name if row else self._codes.get(id_, str(id_))

    def name_of(self, code: str) -> str:
        """The same by code."""
        row = self._rows.get(code)
        return row.name if row else code

    def find(self, words: str) -> int | None:
        """Id of the one unit that a free text names; None when it names none or several.

        The text is a unit's code, name or short name, or has exactly one unit's full name in it: a name that
        is part of another one found does not count ("玄武区房产局" beside "玄武区房产局物业科").
        """
        words = _normalised(words)
        if not words:
            return None
        if words in self._by_name:
            code = self._by_name[words]
            return self._ids[code] if code else None
        found = {name: row.code for row in self._rows.values() if (name := _normalised(row.name)) in words}
        widest = [code for name, code in found.items() if not any(name != other and name in other for other in found)]
        return self._ids[widest[0]] if len(widest) == 1 else None

    def under(self, id_: int) -> frozenset[int]:
        """The unit itself and everything below it; a unit without a row has only itself."""
        return self._under.get(id_, frozenset({id_}))

    def above(self, id_: int) -> tuple[int, ...]:
        """Everything above the unit, nearest first, itself not included."""
        return self._above.get(id_, ())

    def calendar_code(self, id_: int) -> str | None:
        """The code of the calendar the unit works by: its own, else that of the nearest unit above with one.

        None where none of them names one, and for a unit without a row: there the city's calendar holds.
        """
        for each in (id_, *self.above(id_)):
            row = self.by_id(each)
            if row is not None and row.calendar_code is not None:
                return row.calendar_code
        return None

    def children(self, id_: int | None) -> tuple[int, ...]:
        """Units directly below, by code; None gives the tops."""
        return self._children.get(id_, ())

    def of_area(self, area_code: str, org_type: str | None = None) -> tuple[OrganizationRow, ...]:
        """Active units that serve exactly this area, by code; only those of ``org_type`` when it is given."""
        return tuple(
            row
            for row in self._by_area.get(area_code, ())
            if row.active and (org_type is None or row.org_type == org_type)
        )
