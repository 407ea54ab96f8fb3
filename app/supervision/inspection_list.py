"""``GET /inspections``: what waits to be inspected, and what was; a collector sees the open ones of their area."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page
from app.events.lifecycles import INSPECTION
from app.events.visibility import Sight
from app.supervision.event_scans import choose, event_filters
from app.supervision.filters import Filters
from app.supervision.scans import NUMBER, Child, Listing, Scan, Where, narrowest
from app.supervision.shares import shares_of

_COLUMNS = (
    "e.event_no, e.title, e.item_id, e.demand_type, e.accused_org_ids, e.nobody_accused, e.lead_unit_id, e.lon, e.lat, "
    "e.urgency, e.channel, e.received_at, e.district_code, e.street_code, e.community_code, i.order_n, "
    "i.round, i.state, i.collector_id, "
    "i.evidence, i.requested_at, i.ended_at"
)
_JOINS = "LEFT JOIN inspection i ON i.event_id = k.event_id AND i.n = k.n LEFT JOIN event e ON e.id = k.event_id"


def _inspection_filters(filters: Filters, i: str) -> Where:
    where = Where()
    if filters.states:
        where.add(f"{i}.state = ANY(CAST(:states AS text[]))", states=list(filters.states))
    if filters.open is not None:
        where.add(f"{i}.ended_at IS {'' if filters.open else 'NOT '}NULL")
    return where


async def list_inspections(
    session: AsyncSession, sight: Sight, filters: Filters, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Rows of inspections with what a list tells of their event. Raises ``Malformed`` for a cursor of other filters."""
    shares = await shares_of(session)
    address, shown = sight.address()
    columns = f"{_COLUMNS}, {address}"
    only_open = bool(filters.open) or (bool(filters.states) and not set(filters.states) & set(INSPECTION.ends))
    keys, scans, digest, after = choose(
        "inspections", sight, filters, shares, cursor, of="inspection", only_open=only_open, child=NUMBER
    )
    own = _inspection_filters(filters, "i")
    if only_open and scans and len(keys) == 2:
        event = event_filters(filters, "inspection").also(sight.condition())
        walk = Scan(
            shares.relation("ix_inspection_open"),
            "inspection i",
            "i.jurisdiction_id = :jurisdiction AND i.ended_at IS NULL",
            ("i.event_id", "i.n"),
            own.sql,
            event.sql,
            values=own.values | event.values | {"jurisdiction": sight.jurisdiction_id},
        )
        if narrowest([walk], scans) is not scans:
            listing = Listing(keys, [walk], columns, _JOINS, values=shown)
            return await listing.page(session, digest=digest, limit=limit, after=after)
    own = _inspection_filters(filters, "c").add("c.event_id = x.event_id")
    child = Child(f"inspection c WHERE {own.sql}", "c.n", "-1", own.values)
    listing = Listing(keys, scans, columns, _JOINS, child, values=shown)
    return await listing.page(session, digest=digest, limit=limit, after=after)
