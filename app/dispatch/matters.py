"""What routing looks at, taken from an event; and the decision of a person, in the same shape as the rules' own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.accounts.organizations import Organizations
from app.dispatch.routing import NO_LOAD, Decision, Matter, is_above
from app.events.tables import Event
from app.grid.datum import LonLat
from app.grid.place_index import PlaceIndex
from app.items.rows import ItemRow


@dataclass(frozen=True, slots=True)
class Site:
    """A place as routing asks for it; the members are those of ``Matter``."""

    areas: tuple[str, ...] = ()
    cell_id: str | None = None
    borders: tuple[str, ...] = ()
    on_duty: tuple[str, ...] = ()


def site_of(
    places: PlaceIndex,
    areas: Sequence[str | None],
    cell_id: str | None,
    point: LonLat | None,
    *,
    border_within_m: float,
) -> Site:
    """A located place. ``areas``: codes of district, street and community, None where not known."""
    known = tuple(code for code in areas if code)
    # Only a point tells on which side of a border something is: without one it stays where it was located.
    borders = places.other_streets(cell_id, point, border_within_m) if cell_id and point else ()
    return Site(known, cell_id, borders, places.staffed_by(cell_id, areas[2] if len(areas) > 2 else None))


def matter_of(
    event: Event,
    item: ItemRow | None,
    site: Site,
    *,
    at: datetime,
    workday: bool | None,
    gave_back: frozenset[int] = frozenset(),
    load: Mapping[int, int] = NO_LOAD,
) -> Matter:
    """The event as the rules see it at a moment. One whose level is above its item's own was raised 提级.

    ``gave_back``: units that have given it back. ``load``: open orders of the units on duty there, by unit id.
    """
    return Matter(
        item_key=item.key if item else None,
        item_name=item.name if item else "",
        major_code=item.major_code if item else "",
        domain=event.domain or "",
        level=event.level,
        areas=site.areas,
        channel=event.channel,
        accused=frozenset(event.accused_org_ids),
        urgency=event.urgency,
        at=at,
        workday=workday,
        at_least=event.level if item is not None and is_above(event.level, item.default_level) else "",
        component_id=event.component_id,
        cell_id=site.cell_id,
        borders=site.borders,
        on_duty=site.on_duty,
        first_receiver=event.first_receiver_id,
        gave_back=gave_back,
        load=load,
    )


def named(unit_id: int, organizations: Organizations) -> Decision:
    """The decision of a dispatcher who names the unit."""
    sentence = f"由派遣员指定{organizations.name(unit_id)}承办。"
    return Decision(organizations.code_of(unit_id), unit_id, (), "person", None, ("派遣员指定",), (), sentence)
