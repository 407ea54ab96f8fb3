"""``GET /reports``: the reports of the events that the asker sees, identities masked."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.pagination import Page, belongs_to, decode_cursor, digest_of
from app.events.visibility import Sight
from app.supervision.event_scans import choose, event_filters
from app.supervision.filters import Filters
from app.supervision.scans import EVENT_ID, REPORT_ID, Child, Listing, Scan, Where
from app.supervision.shares import Shares, shares_of

_NIL = f"CAST('{UUID(int=0)}' AS uuid)"
_COLUMNS = (
    "e.id AS event, e.event_no, e.state AS event_state, e.item_id, e.lead_unit_id, e.district_code, e.street_code, "
    "e.community_code, e.accused_org_ids, e.nobody_accused, e.demand_type AS event_demand_type, "
    "l.joined_at, l.cause, r.channel, r.kind, r.demand_type, r.state, r.title, "
    "r.content, r.address, r.pictures, r.anonymous, r.confidential, r.reply_wanted, r.chase_count, r.source_ref, "
    "r.occurred_at, r.received_at AS report_received_at, i.masked_name, i.masked_phone, "
    "(SELECT array_agg(d.kind ORDER BY d.n) FROM debt d "
    "WHERE d.report_id = r.id AND d.paid_at IS NULL AND d.waived IS NULL) AS owes"
)
_JOINS = (
    "LEFT JOIN report r ON r.id = k.report_id LEFT JOIN event e ON e.id = k.event_id "
    "LEFT JOIN event_report l ON l.event_id = k.event_id AND l.report_id = k.report_id "
    "LEFT JOIN report_identity i ON i.report_id = k.report_id"
)
_BY_REPORT = (REPORT_ID, EVENT_ID)
_OPEN = "('open', 'replied')"


def _report_filters(filters: Filters) -> Where:
    where = Where()
    for name in ("channel", "demand_type", "kind"):
        value = getattr(filters, name)
        if value is not None:
            where.add(f"c.{name} = :{name}", **{name: value})
    if filters.states:
        where.add("c.state = ANY(CAST(:states AS text[]))", states=list(filters.states))
    if filters.open is not None:
        where.add(f"c.state {'' if filters.open else 'NOT '}IN {_OPEN}")
    return where


#: from which share of all events on a scope is wide: walking all reports then finds its own soon enough
_WIDE = 0.05


async def list_reports(
    session: AsyncSession, sight: Sight, filters: Filters, *, limit: int, cursor: str | None
) -> Page[Any]:
    """Rows of reports with what a list tells of their event. Raises ``Malformed`` for a cursor of other filters.

    Those of the newest event first, together with the reports that joined it. Where the filters are about the reports
    themselves and the scope is wide, and for what is owed, the newest report first: then their own table is walked.
    """
    if sight.nothing:
        return Page((), None)
    own = _report_filters(filters)
    digest = digest_of("reports/report_id", filters.as_dict())
    shares = await shares_of(session)
    if filters.owes:
        debts = Where(values={"owes": filters.owes}).add("d.kind = :owes AND d.paid_at IS NULL AND d.waived IS NULL")
        scan = Scan(0, "debt d", debts.sql, ("d.report_id",), values=debts.values)
        return await _by_report(session, sight, filters, scan, own, digest=digest, limit=limit, cursor=cursor)
    narrow = filters.item_id or filters.unit_id or filters.area or filters.triage
    wide = sight.areas and not narrow and _scope(sight, shares) >= _WIDE
    if own.parts and (belongs_to(cursor, digest) if cursor else wide):
        values = own.values | {"jurisdiction": sight.jurisdiction_id}
        scan = Scan(0, "report c", "c.jurisdiction_id = :jurisdiction", ("c.id",), own.sql, dense=True, values=values)
        return await _by_report(session, sight, filters, scan, Where(), digest=digest, limit=limit, cursor=cursor)
    keys, scans, digest, after = choose("reports", sight, filters, shares, cursor, of="report", child=REPORT_ID)
    source = (
        "event_report m JOIN report c ON c.id = m.report_id "
        f"WHERE m.event_id = x.event_id AND m.left_at IS NULL AND {own.sql}"
    )
    child = Child(source, "m.report_id", _NIL, own.values, lookups=2)
    part, parts = sight.own_part()
    listing = Listing(keys, scans, f"{_COLUMNS}, {part}", _JOINS, child, values=parts)
    return await listing.page(session, digest=digest, limit=limit, after=after)


def _scope(sight: Sight, shares: Shares) -> float:
    """The share of all events that lies in the asker's areas, by estimate."""
    areas = sight.areas
    if areas.whole or areas.districts:
        return 1.0
    return shares.share("event.street_code", areas.streets) + shares.share("event.community_code", areas.communities)


async def _by_report(
    session: AsyncSession,
    sight: Sight,
    filters: Filters,
    scan: Scan,
    own: Where,
    *,
    digest: str,
    limit: int,
    cursor: str | None,
) -> Page[Any]:
    """A walk over reports (or over what they are owed), with the event looked up for those that fit."""
    after = decode_cursor(cursor, digest, [key.kind for key in _BY_REPORT])
    event = event_filters(filters, "report").also(sight.condition())
    report = "JOIN report c ON c.id = m.report_id " if own.parts else ""
    source = (
        f"event_report m JOIN event e ON e.id = m.event_id {report}"
        f"WHERE m.report_id = x.report_id AND m.left_at IS NULL AND {own.sql} AND {event.sql}"
    )
    child = Child(source, "m.event_id", _NIL, own.values | event.values, lookups=3 if own.parts else 2)
    part, parts = sight.own_part()
    listing = Listing(_BY_REPORT, [scan], f"{_COLUMNS}, {part}", _JOINS, child, values=parts)
    return await listing.page(session, digest=digest, limit=limit, after=after)


_ONE = text(
    f"""
    WITH RECURSIVE found AS (
      SELECT event_id FROM event_report WHERE report_id = :id AND left_at IS NULL
    ), up(id, target) AS (
      SELECT e.id, e.merged_into FROM event e JOIN found f ON f.event_id = e.id
      UNION SELECT e.id, e.merged_into FROM event e JOIN up ON e.id = up.target
    )
    SELECT k.*, {_COLUMNS}, (SELECT id FROM up WHERE target IS NULL) AS answering_event
    FROM (SELECT event_id, CAST(:id AS uuid) AS report_id FROM found) k {_JOINS}
    """  # noqa: S608 - our own columns
)
_REPLIES = text("SELECT n, method, result, body, replied_at FROM reply WHERE report_id = :id ORDER BY n")
_CALLBACKS = text(
    "SELECT n, called_at, reached, contacted, resolved, satisfaction_level, satisfaction_scale, satisfied "
    "FROM callback WHERE report_id = :id ORDER BY n"
)


async def one_report(session: AsyncSession, report_id: UUID) -> Any:
    """The report's row, with the event that answers it (the target, when its own was merged). Raises ``NotFound``.

    Whether it is the asker's is decided by that event.
    """
    row = (await session.execute(_ONE, {"id": report_id})).one_or_none()
    if row is None:
        raise NotFound("没有这条诉求，或不在您的权限范围内。")
    return row


async def answers_to(session: AsyncSession, report_id: UUID) -> tuple[list[Any], list[Any]]:
    """Replies and callbacks of one report, in order."""
    replies = (await session.execute(_REPLIES, {"id": report_id})).all()
    callbacks = (await session.execute(_CALLBACKS, {"id": report_id})).all()
    return list(replies), list(callbacks)


_IDENTITIES = text("SELECT report_id, masked_name, masked_phone FROM report_identity WHERE report_id = ANY(:ids)")


async def masked_identities(session: AsyncSession, report_ids: list[UUID]) -> dict[UUID, Any]:
    """Masked names and phones by report; a report without an identity (anonymous, erased) is missing."""
    rows = await session.execute(_IDENTITIES, {"ids": report_ids})
    return {row.report_id: row for row in rows}
