"""Routing by the masters in force: an event, or what a caller tells of one that does not exist yet."""

from dataclasses import dataclass
from datetime import datetime

from app.clocks.calendar import CHINA_TIME
from app.dispatch.matters import matter_of, site_of
from app.dispatch.routing import Decision, Matter
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


def workday(masters: Masters, at: datetime) -> bool | None:
    """Whether the city works on this day; None without a calendar."""
    calendar = masters.clockwork.calendars.get(masters.policies.calendar)
    return calendar.is_working_day(at.astimezone(CHINA_TIME).date()) if calendar else None


def decide(masters: Masters, event: Event, at: datetime, *, gave_back: frozenset[int] = frozenset()) -> Decision:
    """Whose job the event is at this moment. ``gave_back``: units that have just given it back."""
    item = masters.items.item(masters.item_keys[event.item_id]) if event.item_id else None
    point = (event.lon, event.lat) if event.lon is not None and event.lat is not None else None
    areas = (event.district_code, event.street_code, event.community_code)
    site = site_of(masters.places, areas, event.cell_id, point, border_within_m=masters.policies.border_within_m)
    matter = matter_of(event, item, site, at=at, workday=workday(masters, at), gave_back=gave_back)
    return masters.router.decide(matter)


def preview(masters: Masters, told: Told) -> Decision:
    """Whose job it would be; nothing is written."""
    item, place = told.item, told.place
    areas = (place.district_code, place.street_code, place.community_code)
    site = site_of(
        masters.places, areas, place.cell_id, place.lon_lat_cgcs2000, border_within_m=masters.policies.border_within_m
    )
    matter = Matter(
        item_key=item.key if item else None,
        item_name=item.name if item else "",
        major_code=item.major_code if item else "",
        domain=item.domain if item else "",
        level=told.level or (item.default_level if item else "district"),
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
    )
    return masters.router.decide(matter)
