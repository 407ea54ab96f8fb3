"""Which units do the same work in different places: 综合执法队 of one street and of another.

What was learned about one of them then speaks for the others, each in its own area. Only units of streets and
communities are compared; above that a unit is its own kind. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app.accounts.rows import OrganizationRow

#: how an area's name is written shorter within a unit's: 坪山街道 as 坪山, 坪山办事处, 坪山办
_TAILS: Final = "街道办事处|街道|办事处|镇|乡|办|社区居民委员会|社区居委会|社区|村民委员会|村委会|村|工作站"
_SUFFIXES: Final = ("街道", "社区", "镇", "乡", "村")
_BRACKETED: Final = re.compile(r"[（(].*?[）)]")


@dataclass(frozen=True, slots=True)
class UnitKind:
    """The kind of a unit's work, and where it does it."""

    kind: str
    #: division code; None: it is not bound to a street or community, and is the only one of its kind
    area_code: str | None


def kinds_of(units: Iterable[OrganizationRow], area_names: Mapping[str, str]) -> dict[str, UnitKind]:
    """The kind of each unit by its code. ``area_names``: division code → name, of streets and communities.

    Two units are of one kind when level and type are the same, and what is left of their names without the area's.
    """
    found: dict[str, UnitKind] = {}
    for unit in units:
        name = area_names.get(unit.area_code)
        if unit.level not in ("street", "community") or not name:
            found[unit.code] = UnitKind(f"={unit.code}", None)
            continue
        # What stands in brackets only repeats the office that the unit belongs to.
        rest = _without(_BRACKETED.sub("", unit.name), name)
        found[unit.code] = UnitKind(f"{unit.level}/{unit.org_type}/{rest}", unit.area_code)
    return found


def _without(unit_name: str, area_name: str) -> str:
    stem = area_name
    for suffix in _SUFFIXES:
        if area_name.endswith(suffix) and len(area_name) > len(suffix):
            stem = area_name.removesuffix(suffix)
            break
    return re.sub(f"{re.escape(stem)}(?:{_TAILS})*", "", unit_name)
