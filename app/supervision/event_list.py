"""``GET /events``: the events that the asker sees, newest first."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page
from app.events.visibility import Sight, address_kept
from app.supervision.event_scans import choose, means_open
from app.supervision.filters import Filters
from app.supervision.scans import Listing
from app.supervision.shares import shares_of

#: what every list tells of the event
EVENT_COLUMNS = (
    "e.event_no, e.seq, e.state, e.end_kind, e.ended_at, e.settled_at, e.merged_into, e.split_from, e.triage, "
    "e.item_id, e.closure_profile, e.demand_type, e.domain, e.level, e.urgency, e.channel, e.district_code, "
    "e.street_code, e.community_code, e.cell_id, e.duty_grid_code, e.lon, e.lat, e.title, e.lead_unit_id, "
    "e.report_count, e.received_at, e.accused_org_ids, e.nobody_accused"
)


async def list_events(
    session: AsyncSession, sight: Sight, filters: Filters, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Rows with ``event_id``, ``EVENT_COLUMNS`` and the address. Raises ``Malformed`` for a cursor of other filters."""
    shares = await shares_of(session)
    keys, scans, digest, after = choose("events", sight, filters, shares, cursor, only_open=means_open(filters))
    address, values = sight.address()
    joins = "JOIN event e ON e.id = k.event_id"
    listing = Listing(keys, scans, f"{EVENT_COLUMNS}, {address}", joins, values=values)
    return await listing.page(session, digest=digest, limit=limit, after=after)


_KEPT = text(f"SELECT {address_kept()} FROM event e WHERE e.id = :id")  # noqa: S608 - our own condition


async def is_address_kept(session: AsyncSession, event_id: UUID) -> bool:
    """Whether only the centre may read the event's address; True for an unknown event."""
    return bool((await session.execute(_KEPT, {"id": event_id})).scalar_one_or_none() is not False)
