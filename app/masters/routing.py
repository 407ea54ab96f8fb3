"""Routing by the masters in force: an event, or what a caller tells of one that does not exist yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.clocks.calendar import CHINA_TIME
from app.dispatch.matters import Site, matter_of, site_of
from app.dispatch.raised_levels import NO_ITEM
from app.dispatch.routing import NO_LOAD, Decision, Matter, is_above
from app.events.tables import Event
from app.grid.locating import Location
from app.items.rows import ItemRow
from app.masters.masters import Masters


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of something that may become an event. Units by id."""

    item: ItemRow | None
    place: Location
    channel: str
    urgency: str
    at: datetime
    #: None: the item's own, as an event would have it
    level: str | None = None
    component_id: str | None = None
    first_receiver: int | None = None
    accused: frozenset[int] = frozenset()
    #: open orders by unit id, see ``shared_duty``
    load: Mapping[int, int] = field(default_factory=dict)


def workday(masters: Masters, at: datetime) -> bool | None:
    """Whether the city works on this day; None without a calendar."""
    calendar = masters.clockwork.calendars.get(masters.policies.calendar)
    return calendar.is_working_day(at.astimezone(CHINA_TIME).date()) if calendar else None


def shared_duty(masters: Masters, cell_id: str | None, community_code: str | None) -> frozenset[int]:
    """Ids of the units whose open orders decide which of them is nearest at this place 就近值守; empty: nothing to ask.

    Only a place that several units are on duty for needs their load: elsewhere nobody reads it.
    """
    if "nearest_on_duty" not in masters.router.steps:
        return frozenset()
    units = masters.places.staffed_by(cell_id, community_code)
    ids = (masters.organizations.id_of(code) for code in units) if len(units) > 1 else ()
    return frozenset(unit for unit in ids if unit is not None)


def level_of(masters: Masters, item: ItemRow | None, urgency: str) -> str:
    """The level of an event: its item's own, or what the city asks at least for its urgency 分级."""
    own = item.default_level if item else NO_ITEM
    least = masters.policies.least_level(urgency)
    return least if least and is_above(least, own) else own


def decide(
    masters: Masters,
    event: Event,
    at: datetime,
    *,
    gave_back: frozenset[int] = frozenset(),
    load: Mapping[int, int] = NO_LOAD,
) -> Decision:
    """Whose job the event is at this moment.

    ``gave_back``: units that have given it back. ``load``: other open orders by unit id, see ``shared_duty``.
    """
    item = masters.items.item(masters.item_keys[event.item_id]) if event.item_id else None
    point = (event.lon, event.lat) if event.lon is not None and event.lat is not None else None
    areas = (event.district_code, event.street_code, event.community_code)
    site = site_of(masters.places, areas, event.cell_id, point, border_within_m=masters.policies.border_within_m)
    matter = matter_of(event, item, site, at=at, workday=workday(masters, at), gave_back=gave_back, load=load)
    return masters.router.decide(matter)


def why_spared(masters: Masters, event: Event, at: datetime, unit_id: int) -> str | None:
    """Why a person cannot push the event down to this unit: the duty list gives it to a department; None: they can."""
    item = masters.items.item(masters.item_keys[event.item_id]) if event.item_id else None
    areas = tuple(code for code in (event.district_code, event.street_code, event.community_code) if code)
    matter = matter_of(event, item, Site(areas), at=at, workday=None)
    clause = masters.router.spared(matter, masters.organizations.code_of(unit_id) or "")
    if clause is None:
        return None
    department = masters.organizations.name_of(clause.department)
    said = "收回" if clause.duty == "taken_back" else "配合"
    return f"基层职责清单 {clause.clause_no} 列为{said}事项，由{department}牵头，不能派给街道；有争议的请提请裁决。"


def preview(masters: Masters, told: Told) -> Decision:
    """Whose job it would be; nothing is written."""
    item, place = told.item, told.place
    level = told.level or level_of(masters, item, told.urgency)
    areas = (place.district_code, place.street_code, place.community_code)
    site = site_of(
        masters.places, areas, place.cell_id, place.lon_lat_cgcs2000, border_within_m=masters.policies.border_within_m
    )
    matter = Matter(
        item_key=item.key if item else None,
        item_name=item.name if item else "",
        major_code=item.major_code if item else "",
        domain=item.domain if item else "",
        level=level,
        at_least=level if item is not None and is_above(level, item.default_level) else "",
        areas=site.areas,
        channel=told.channel,
        accused=told.accused,
        urgency=told.urgency,
        at=told.at,
        workday=workday(masters, told.at),
        component_id=told.component_id,
        cell_id=site.cell_id,
        borders=site.borders,
        on_duty=site.on_duty,
        first_receiver=told.first_receiver,
        load=told.load,
    )
    return masters.router.decide(matter)
