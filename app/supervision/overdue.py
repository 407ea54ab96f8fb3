"""``GET /supervision/overdue``: limits that have run out or are about to, the longest overdue first."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page, decode_cursor, digest_of
from app.events.visibility import Sight
from app.supervision.filters import Filters
from app.supervision.scans import EVENT_ID, NUMBER, Key, Listing, Scan, Where, narrowest
from app.supervision.shares import Shares, shares_of

DUE_KEYS = (Key("due_key", datetime, "timestamptz"), EVENT_ID, NUMBER)
_KEYS = ("c.due_at", "c.event_id", "c.n")
COLUMNS = (
    "e.event_no, e.title, e.state AS event_state, e.demand_type, e.accused_org_ids, e.nobody_accused, "
    "e.item_id, e.channel, e.district_code, e.street_code, e.community_code, e.lead_unit_id, "
    "c.kind, c.order_n, c.report_id, "
    "coalesce(c.unit_id, e.lead_unit_id) AS unit_id, c.limit_value, c.limit_unit, c.rule, c.started_at, "
    "c.due_at, c.assumed, c.exempted_n IS NOT NULL AS exempted"
)
#: the limit that a unit sets its own section or contractor 二次派单 is the unit's affair (ADR 0010)
_NOT_INNER = "c.kind <> 'sub_handling'"
JOINS = "LEFT JOIN clock c ON c.event_id = k.event_id AND c.n = k.n LEFT JOIN event e ON e.id = k.event_id"


def clock_filters(filters: Filters) -> Where:
    """The filters as conditions on the clock itself."""
    where = Where()
    if filters.unit_id is not None:
        where.add("c.unit_id = :unit_id", unit_id=filters.unit_id)
    if filters.area:
        where.add(f"c.{filters.area_level}_code = :area", area=filters.area)
    if filters.item_id is not None:
        where.add("c.item_id = :item_id", item_id=filters.item_id)
    if filters.channel:
        where.add("c.channel = :channel", channel=filters.channel)
    if filters.stage:
        where.add("c.kind = :stage", stage=filters.stage)
    return where


def _late_or_near(where: Where, at: datetime, near_share: float) -> Where:
    """Near its limit: no more than ``near_share`` of its whole time is left."""
    near = "c.due_at <= :at OR c.due_at - :at <= (c.due_at - c.started_at) * CAST(:near AS float8)"
    return where.add(near, at=at, near=near_share)


def clock_scans(sight: Sight, filters: Filters, own: Where, shares: Shares, at: datetime) -> list[Scan]:
    """The walks through the asker's running clocks in the order of their due times; ``own``: conditions on a clock.

    The centre's have no limits that units set inside themselves; the units concerned, and those above them, see these.
    """
    barred, barred_values = sight.unbarred()
    late = {"latest": at - timedelta(minutes=filters.late_by)} if filters.late_by is not None else {}
    running = "c.state = 'running'" + (" AND c.due_at <= :latest" if late else "")
    base = own.values | late | {"jurisdiction": sight.jurisdiction_id}
    mine = f"{running} AND c.jurisdiction_id = :jurisdiction"
    running_share = shares.relation("ix_clock_due") / shares.relation("clock")
    areas = sight.areas.narrowed(filters.area)
    place, place_values = areas.condition("c", "clock_area")
    values = base | place_values | barred_values
    # Who sits only in the centre is barred from nothing, and is spared the look-up.
    event = barred if sight.own else ""
    hit = f"{own.sql} AND {place} AND {_NOT_INNER}"

    def scan(rows: float, where: str, within: tuple[str, str] | None = None) -> Scan:
        return Scan(rows, "clock c", where, _KEYS, hit, event, within=within, values=values)

    scans: list[Scan] = []
    if areas:
        ways = [[scan(shares.relation("ix_clock_due"), mine)]]
        if filters.unit_id is not None:
            rows = shares.rows("clock.unit_id", [filters.unit_id]) * running_share
            ways.append([scan(rows, f"{mine} AND c.unit_id IS NOT NULL", ("c.unit_id", ":unit_id"))])
        if filters.area and filters.area_level != "district":
            # A street's index serves its communities too: their codes begin with the street's (DOMAIN.md §2.3).
            street = filters.area[:9]
            rows = shares.rows("clock.street_code", [street]) * running_share
            values |= {"street": street}
            ways.append([scan(rows, mine, ("c.street_code", ":street"))])
        streets = sorted({code[:9] for code in (*areas.streets, *areas.communities)})
        if streets and not areas.districts:
            rows = shares.rows("clock.street_code", streets) * running_share
            over = "unnest(CAST(:streets AS text[])) AS s(v)"
            ways.append(
                [
                    Scan(
                        rows,
                        "clock c",
                        mine,
                        _KEYS,
                        hit,
                        event,
                        over=over,
                        within=("c.street_code", "s.v"),
                        values=values | {"streets": streets},
                    )
                ]
            )
        scans += narrowest(*ways)
    if sight.units:  # also beside the whole city: inner limits are seen by this way alone
        scans.append(
            Scan(
                0,
                "clock c",
                mine + " AND c.unit_id IS NOT NULL",
                _KEYS,
                own.sql,
                barred,
                over="unnest(CAST(:units AS integer[])) AS s(v)",
                within=("c.unit_id", "s.v"),
                values=base | barred_values | {"units": sorted(sight.units)},
            )
        )
    return scans


async def list_overdue(
    session: AsyncSession,
    sight: Sight,
    filters: Filters,
    *,
    at: datetime,
    near_share: float,
    limit: int,
    cursor: str | None,
) -> Page[Any]:
    """Rows of running clocks past due at ``at`` or near it. A unit sees the clocks of its own orders.

    Raises ``Malformed`` for a cursor of other filters.
    """
    shares = await shares_of(session)
    digest = digest_of("overdue", filters.as_dict())
    after = decode_cursor(cursor, digest, [key.kind for key in DUE_KEYS])
    own = clock_filters(filters)
    if filters.late_by is None:
        _late_or_near(own, at, near_share)
    listing = Listing(DUE_KEYS, clock_scans(sight, filters, own, shares, at), COLUMNS, JOINS, order=("ASC", ">"))
    return await listing.page(session, digest=digest, limit=limit, after=after)
