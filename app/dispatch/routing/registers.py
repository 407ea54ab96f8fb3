"""The duty list 基层职责清单 and the component register 部件登记, indexed. Pure; immutable."""

from collections.abc import Iterable
from typing import Final

from app.dispatch.routing.matter import Matter
from app.dispatch.rows import ComponentRow, DutyRow

#: of two clauses that say the same thing differently the one that spares the street
_STRICTEST: Final = ("taken_back", "assisting", "basic")


class Duties:
    """Clauses by what × street: an item's before its class's before its domain's, the street's own before that of all.

    Empty: the city has published no list, and nothing is asked of it.
    """

    __slots__ = ("_clauses",)

    def __init__(self, rows: Iterable[DutyRow]) -> None:
        clauses: dict[tuple[str, str, str], DutyRow] = {}
        for row in sorted(rows, key=lambda row: (_STRICTEST.index(row.duty), row.clause_no)):
            what = ("item", row.item_key) if row.code else ("major", row.major_code) if row.major_code else None
            clauses.setdefault((*(what or ("domain", row.domain)), row.area_code), row)
        self._clauses = clauses

    def __bool__(self) -> bool:
        return bool(self._clauses)

    def clause(self, matter: Matter, street: str) -> DutyRow | None:
        """The clause that says whose duty the matter is, seen from a street (its division code, or empty)."""
        clauses = self._clauses
        for what, name in (("item", matter.item_key), ("major", matter.major_code), ("domain", matter.domain)):
            if name:
                found = clauses.get((what, name, street)) or clauses.get((what, name, ""))
                if found is not None:
                    return found
        return None


class Components:
    """Registered components by id."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[ComponentRow]) -> None:
        self._rows = {row.component_id: row for row in rows}

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, component_id: str | None) -> ComponentRow | None:
        """The component with this id."""
        return self._rows.get(component_id) if component_id else None
