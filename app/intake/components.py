"""What a registered component 部件 says of a report about it: where it is, and what it is. Pure.

The register only helps out: what the message says itself goes first, and what contradicts it is not used.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from app.grid.locating import Location
from app.grid.place_index import PlaceIndex
from app.items.catalogue import Catalogue
from app.items.rows import ItemRow


class Registered(Protocol):
    """A row of the register; degrees are CGCS2000, empty members are not known."""

    @property
    def component_id(self) -> str: ...

    @property
    def standard_ref(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def cell_id(self) -> str: ...

    @property
    def lon(self) -> float | None: ...

    @property
    def lat(self) -> float | None: ...


#: the register: the row of an id, None for an id that it does not have
Register = Callable[[str | None], Registered | None]


def item_of(component: Registered, items: Catalogue) -> ItemRow | None:
    """What a report about it is about: the matter of its code 部件异常 where the list has one, else the component."""
    keys = (f"{component.standard_ref}/{kind}/{component.code}" for kind in ("matter", "component"))
    return next((item for key in keys if (item := items.item(key)) is not None), None)


def place_of(component: Registered, places: PlaceIndex) -> Location | None:
    """Where it is registered; None where the register does not say, or says two different things."""
    at = (component.lon, component.lat) if component.lon is not None and component.lat is not None else None
    cell_id = component.cell_id or (places.cell_at(*at) if at else None)
    found = places.in_cell(cell_id, at) if cell_id else None
    return replace(found, how="component") if found else None


def at_odds(told: Location, own: Location | None) -> bool:
    """Whether a message places it in another street, so that one of the two is wrong. ``own``: see ``place_of``."""
    if own is None or told.precision == "none":
        return False
    known = told.community_code or told.street_code or told.district_code
    within = known in (own.community_code, own.street_code, own.district_code)
    return not within and (told.street_code or known) != own.street_code


def located(component: Registered, told: Location, own: Location | None) -> Location:
    """The place as told, or the component's own where that is told less closely and fits; what disagrees is noted."""
    if own is None:
        return told
    if at_odds(told, own):
        note = f"部件 {component.component_id} 登记的位置不在此处，以来源给出的位置为准。"
        return replace(told, notes=(*told.notes, note))
    known = told.community_code or told.street_code or told.district_code
    if told.precision == "cell" or known not in (None, own.community_code, own.street_code, own.district_code):
        return told
    return replace(own, notes=(*told.notes, f"位置取自部件 {component.component_id} 的登记。"))
