"""``GET /work-orders``: the orders that the asker sees, those of the newest event first. A unit sees its own."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page, decode_cursor, digest_of
from app.events.lifecycles import WORK_ORDER
from app.events.visibility import Sight
from app.supervision.event_scans import choose, event_filters
from app.supervision.filters import Filters
from app.supervision.holders import NOBODY
from app.supervision.scans import EVENT_ID, NUMBER, Child, Listing, Scan, Values, Where, narrowest
from app.supervision.shares import Shares, shares_of

_KEYS = (EVENT_ID, NUMBER)
_OWN = ("o.event_id", "o.n")
#: orders that one person holds at once, or rather fewer
_HELD_ROWS = 50.0
_COLUMNS = (
    "e.event_no, e.title, e.item_id, e.demand_type, e.accused_org_ids, e.nobody_accused, e.lead_unit_id, e.level, "
    "e.received_at, e.district_code, e.street_code, e.community_code, o.unit_id, o.role, o.parent_n, o.state, "
    "o.round, o.channel, o.urgency, "
    "o.dispatched_at, o.signed_at, o.signed_automatically, o.first_contact_at, o.started_at, o.reported_done_at, "
    "o.result, o.evidence, o.ended_at, h.username AS holder_username, h.display_name AS holder_name, "
    "(SELECT min(c.due_at) FROM clock c WHERE c.event_id = o.event_id AND c.order_n = o.n "
    "AND c.state = 'running') AS next_due_at, "
    "(SELECT c.assumed FROM clock c WHERE c.event_id = o.event_id AND c.order_n = o.n "
    "AND c.state = 'running' ORDER BY c.due_at, c.n LIMIT 1) AS next_due_assumed"
)
_JOINS = (
    "LEFT JOIN work_order o ON o.event_id = k.event_id AND o.n = k.n LEFT JOIN event e ON e.id = k.event_id "
    "LEFT JOIN user_account h ON h.id = o.holder_id"
)


def _order_filters(filters: Filters, o: str) -> Where:
    where = Where()
    if filters.unit_id is not None:
        where.add(f"{o}.unit_id = :unit_id", unit_id=filters.unit_id)
    if filters.states:
        where.add(f"{o}.state = ANY(CAST(:states AS text[]))", states=list(filters.states))
    if filters.open is not None:
        where.add(f"{o}.ended_at IS {'' if filters.open else 'NOT '}NULL")
    if filters.channel:
        where.add(f"{o}.channel = :channel", channel=filters.channel)  # always its event's, but needs no look-up
    if filters.holder == NOBODY:
        where.add(f"{o}.holder_id IS NULL AND {o}.ended_at IS NULL")
    elif filters.holder:
        where.add(f"{o}.holder_id = CAST(:holder AS uuid)", holder=filters.holder)
    if filters.role:
        where.add(f"{o}.role = :role", role=filters.role)
    return where


def _only_open(filters: Filters) -> bool:
    if filters.open is not None:
        return filters.open
    if filters.holder:
        return True  # nobody holds what has ended, and the pool is what waits
    return bool(filters.states) and not set(filters.states) & set(WORK_ORDER.ends)


def _of_units(sight: Sight, filters: Filters, shares: Shares, only_open: bool) -> list[Scan]:
    """A unit's own orders, former ones included; only those of the filtered unit when one is named."""
    units = sight.units if filters.unit_id is None else sight.units & {filters.unit_id}
    own, event = _order_filters(filters, "o"), event_filters(filters, "order").also(sight.unbarred())
    if _person(filters):
        own.add("o.unit_id = ANY(CAST(:units AS integer[]))", units=sorted(units))
        return [_held(own, event.sql, own.values | event.values)]
    return [
        Scan(
            shares.rows("work_order.unit_id", units, among="ix_work_order_unit_open" if only_open else None),
            "work_order o",
            "o.ended_at IS NULL" if only_open else "true",
            _OWN,
            own.sql,
            event.sql,
            over="unnest(CAST(:units AS integer[])) AS s(v)",
            within=("o.unit_id", "s.v"),
            values=own.values | event.values | {"units": sorted(units)},
        )
    ]


def _person(filters: Filters) -> bool:
    return filters.holder not in (None, NOBODY)


def _held(own: Where, event: str, values: Values) -> Scan:
    """What one person holds: a handful."""
    within = ("o.holder_id", "CAST(:holder AS uuid)")
    where = "o.holder_id IS NOT NULL AND o.ended_at IS NULL"
    return Scan(_HELD_ROWS, "work_order o", where, _OWN, own.sql, event, within=within, values=values)


def _by_order(sight: Sight, filters: Filters, shares: Shares, only_open: bool) -> list[list[Scan]]:
    """Ways through the orders' own indexes for the centre: one unit's, or all open ones."""
    own = _order_filters(filters, "o")
    event = event_filters(filters, "order").also(sight.condition())
    values = own.values | event.values | {"jurisdiction": sight.jurisdiction_id}
    ways: list[list[Scan]] = []
    if _person(filters):
        ways.append([_held(own, event.sql, values)])
    if filters.unit_id is not None:
        among = "ix_work_order_unit_open" if only_open else None
        rows = shares.rows("work_order.unit_id", [filters.unit_id], among=among)
        where = "o.ended_at IS NULL" if only_open else "true"
        within = ("o.unit_id", ":unit_id")
        ways.append([Scan(rows, "work_order o", where, _OWN, own.sql, event.sql, within=within, values=values)])
    if only_open:
        rows = shares.relation("ix_work_order_open")
        where = "o.jurisdiction_id = :jurisdiction AND o.ended_at IS NULL"
        ways.append([Scan(rows, "work_order o", where, _OWN, own.sql, event.sql, values=values)])
    return ways


async def list_orders(
    session: AsyncSession, sight: Sight, filters: Filters, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Rows of orders with what a list tells of their event. Raises ``Malformed`` for a cursor of other filters."""
    shares = await shares_of(session)
    address, shown = sight.address()
    columns = f"{_COLUMNS}, {address}"
    only_open = _only_open(filters)
    if sight.units and not sight.areas:
        scans = _of_units(sight, filters, shares, only_open)
        listing = Listing(_KEYS, scans, columns, _JOINS, values=shown)
        digest = digest_of("work-orders/own", filters.as_dict())
        after = decode_cursor(cursor, digest, [key.kind for key in _KEYS])
        return await listing.page(session, digest=digest, limit=limit, after=after)
    ways = _by_order(sight, filters, shares, only_open)
    keys, scans, digest, after = choose(
        "work-orders", sight, filters, shares, cursor, of="order", only_open=only_open, child=NUMBER
    )
    if scans and keys == _KEYS and narrowest(scans, *ways) is not scans:
        listing = Listing(keys, narrowest(*ways), columns, _JOINS, values=shown)
        return await listing.page(session, digest=digest, limit=limit, after=after)
    own = _order_filters(filters, "c").add("c.event_id = x.event_id")
    child = Child(f"work_order c WHERE {own.sql}", "c.n", "-1", own.values)
    listing = Listing(keys, scans, columns, _JOINS, child, values=shown)
    return await listing.page(session, digest=digest, limit=limit, after=after)
