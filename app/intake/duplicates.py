"""并单: is this report about something that we know already? Same item, near, recent, and with a point.

A text-only neighbour is never joined by itself; it is proposed to people (``supervision``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, floor, radians
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch
from app.events.aggregate import EventAggregate
from app.events.store import lock_events
from app.events.tables import Event
from app.grid.datum import distance_m

LonLat = tuple[float, float]
_PER_DEGREE = 1000  # squares per degree: 111 m north to south, 65 to 107 m west to east in China
_METRES_PER_DEGREE = 111_000.0


def bucket_of(lon_lat: LonLat) -> int:
    """The number of the square in which a point lies."""
    return _number(floor(lon_lat[0] * _PER_DEGREE), floor(lon_lat[1] * _PER_DEGREE))


def _number(column: int, row: int) -> int:
    return column * 1_000_000 + row


def buckets_around(lon_lat: LonLat, radius_m: float) -> list[int]:
    """All squares that a circle touches. Two points within ``radius_m`` always share one."""
    north = radius_m / _METRES_PER_DEGREE
    east = north / cos(radians(lon_lat[1]))
    columns = range(floor((lon_lat[0] - east) * _PER_DEGREE), floor((lon_lat[0] + east) * _PER_DEGREE) + 1)
    rows = range(floor((lon_lat[1] - north) * _PER_DEGREE), floor((lon_lat[1] + north) * _PER_DEGREE) + 1)
    return [_number(column, row) for column in columns for row in rows]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a duplicate search compares: the item, the place and the time of one report or event."""

    item_id: int
    lon_lat: LonLat
    received_at: datetime
    #: the registered component that it names; two different ones are never the same thing
    component_id: str | None = None


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An open event that a report may join."""

    event_id: UUID
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """How near and how recent (published policy; 50 m and 24 h in DOMAIN.md §4.2)."""

    radius_m: float
    window: timedelta

    def nearest(self, sighting: Sighting, known: Iterable[KnownEvent]) -> UUID | None:
        """The nearest known event that ``sighting`` belongs to, if any; ties go to the older one."""
        fitting = [
            (distance_m(sighting.lon_lat, event.sighting.lon_lat), event.event_id)
            for event in known
            if event.sighting.item_id == sighting.item_id
            and event.sighting.component_id in (None, sighting.component_id or event.sighting.component_id)
            and abs(sighting.received_at - event.sighting.received_at) <= self.window
        ]
        near = [(metres, event_id) for metres, event_id in fitting if metres <= self.radius_m]
        return min(near)[1] if near else None


# Sorted, so that two transactions that need the same squares wait for each other instead of dead-locking; and in a
# statement of its own, so that the search after it sees what the other one committed.
_LOCK = "SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k"

_SEARCH = """
    SELECT e.id, e.item_id, e.lon, e.lat, e.received_at, e.component_id
    FROM unnest($1::integer[], $2::bigint[]) AS s(item_id, bucket)
    JOIN event e ON e.item_id = s.item_id AND e.place_bucket = s.bucket AND e.ended_at IS NULL
    WHERE e.received_at >= $3 AND e.lon IS NOT NULL AND e.demand_type IS DISTINCT FROM 'accusation'
    ORDER BY e.id
    """


async def lock_and_search(
    session: AsyncSession, sightings: Sequence[Sighting], rule: DuplicateRule
) -> list[KnownEvent]:
    """Keeps others from reporting the same thing until this transaction ends, then finds the open events near by."""
    squares = sorted(
        {
            (sighting.item_id, bucket)
            for sighting in sightings
            for bucket in buckets_around(sighting.lon_lat, rule.radius_m)
        }
    )
    if not squares:
        return []
    keys = sorted((item_id << 39) + bucket for item_id, bucket in squares)
    await fetch(session, _LOCK, keys)
    found = await fetch(
        session,
        _SEARCH,
        [item_id for item_id, _ in squares],
        [bucket for _, bucket in squares],
        min(sighting.received_at for sighting in sightings) - rule.window,
    )
    return [
        KnownEvent(event_id, Sighting(item_id, (lon, lat), received_at, component_id))
        for event_id, item_id, lon, lat, received_at, component_id in found
    ]


async def lock_nearest(
    session: AsyncSession, rule: DuplicateRule, sightings: Sequence[Sighting]
) -> tuple[list[KnownEvent], dict[UUID, EventAggregate]]:
    """The open events that these sightings may join, locked; what ended or moved meanwhile makes way for the next."""
    known = await lock_and_search(session, sightings, rule)
    locked: dict[UUID, EventAggregate] = {}
    while True:
        nearest = {rule.nearest(sighting, known) for sighting in sightings}
        wanted = {event_id for event_id in nearest if event_id is not None and event_id not in locked}
        if not wanted:
            return [event for event in known if event.event_id in locked], locked
        looked = {event.event_id: event for event in known if event.event_id in wanted}
        for event_id, aggregate in (await lock_events(session, wanted)).items():
            if _as_seen(aggregate.event, looked[event_id].sighting):
                locked[event_id] = aggregate
        known = [event for event in known if event.event_id not in wanted or event.event_id in locked]


def _as_seen(event: Event, seen: Sighting) -> bool:
    """True while the event is open, of the item and at the place where the search saw it before it was locked."""
    same = (event.item_id, event.lon, event.lat) == (seen.item_id, *seen.lon_lat)
    return same and event.ended_at is None and not event.accused_org_ids
