"""``GET /supervision/limit-requests``: what units asked about their limits, waiting to be decided or in force."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import CENTRE_ROLES, Asker
from app.core.pagination import Page, decode_cursor, digest_of
from app.events.visibility import Sight
from app.supervision.event_scans import event_filters
from app.supervision.filters import AreaQuery, Names, filters_of
from app.supervision.scans import EVENT_ID, NUMBER, Key, Listing, Scan, Where

_KEYS = (Key("requested_key", datetime, "timestamptz"), EVENT_ID, NUMBER)
_COLUMNS = (
    "e.event_no, e.title, e.state AS event_state, e.demand_type, e.accused_org_ids, e.nobody_accused, e.item_id, "
    "e.lead_unit_id, e.district_code, e.street_code, e.community_code, l.order_n, l.unit_id, l.kind, l.state, "
    "l.reason_code, l.terms, l.approvers, l.decisions, l.requested_at, l.ended_at"
)
_JOINS = "LEFT JOIN limit_request l ON l.event_id = k.event_id AND l.n = k.n LEFT JOIN event e ON e.id = k.event_id"


class LimitRequestQuery(AreaQuery):
    """Filters of open requests; ``unit`` is the one that asks."""

    kind: Literal["extension", "deferral", "waiting", "lateness_appeal"] | None = Field(
        None, description="extension 延期、deferral 挂账、waiting 等待诉求人、lateness_appeal 超期申诉"
    )
    state: Literal["requested", "reviewed", "granted", "settling"] | None = Field(
        None, description="requested 待审批、reviewed 待下一步审批、granted 生效中、settling 待核实销账；缺省为全部"
    )
    waits_for: str | None = Field(None, max_length=40, description="只看轮到这一席位审批的，如 dispatcher")


async def list_limit_requests(
    session: AsyncSession, asker: Asker, sight: Sight, query: LimitRequestQuery, names: Names, *, at: datetime
) -> Page[Any]:
    """Open requests by when they were asked for; what was granted until a moment before ``at`` is over and left out.

    Raises ``Forbidden`` for whoever has no centre seat, ``Malformed`` for values that nothing can match.
    """
    asker.require(*CENTRE_ROLES)
    shared = {"kind", "state", "waits_for"}
    filters = filters_of(AreaQuery(**query.model_dump(exclude=shared)), names)
    # What is not decided yet waits for a person, even if the time that it asks for has passed.
    own = Where().add("l.state IN ('requested', 'reviewed') OR CAST(l.terms ->> 'until' AS timestamptz) > :at", at=at)
    for name in ("kind", "state"):
        value = getattr(query, name)
        if value is not None:
            own.add(f"l.{name} = :{name}", **{name: value})
    if query.waits_for is not None:
        own.add(
            "l.state IN ('requested', 'reviewed') "
            "AND l.approvers ->> jsonb_array_length(l.decisions) = CAST(:waits_for AS text)",
            waits_for=query.waits_for,
        )
    if filters.unit_id is not None:
        own.add("l.unit_id = :unit_id", unit_id=filters.unit_id)
    event = event_filters(filters, "order").also(sight.areas.condition("e", "request_area")).also(sight.unbarred())
    scan = Scan(
        0,
        "limit_request l",
        "l.jurisdiction_id = :jurisdiction AND l.ended_at IS NULL",
        ("l.requested_at", "l.event_id", "l.n"),
        own.sql,
        event.sql,
        values=own.values | event.values | {"jurisdiction": sight.jurisdiction_id},
    )
    digest = digest_of("limit-requests", filters.as_dict() | {name: getattr(query, name) for name in sorted(shared)})
    after = decode_cursor(query.cursor, digest, [key.kind for key in _KEYS])
    listing = Listing(_KEYS, [scan], _COLUMNS, _JOINS, order=("ASC", ">"))
    return await listing.page(session, digest=digest, limit=query.limit, after=after)
