"""``GET /dispatch/disputes``: what units argue about now, waiting for an agreement or a ruling."""

from typing import Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page, decode_cursor, digest_of
from app.events.visibility import Sight
from app.supervision.event_scans import event_filters
from app.supervision.filters import AreaQuery, Names, filters_of
from app.supervision.scans import EVENT_ID, NUMBER, Listing, Scan, Where

_KEYS = (EVENT_ID, NUMBER)
_COLUMNS = (
    "e.event_no, e.title, e.state AS event_state, e.demand_type, e.accused_org_ids, e.nobody_accused, e.item_id, "
    "e.lead_unit_id, e.district_code, e.street_code, e.community_code, d.state, d.cause, d.order_n, d.acting_unit_id, "
    "d.opened_at, (SELECT jsonb_agg(jsonb_build_array(p.unit_id, p.stance) ORDER BY p.n) FROM dispute_party p "
    "WHERE p.event_id = d.event_id AND p.dispute_n = d.n) AS parties, "
    "(SELECT min(c.due_at) FROM clock c WHERE c.event_id = d.event_id AND c.state = 'running' "
    "AND c.kind IN ('negotiation', 'ruling')) AS due_at"
)
_JOINS = "LEFT JOIN dispute d ON d.event_id = k.event_id AND d.n = k.n LEFT JOIN event e ON e.id = k.event_id"


class DisputeQuery(AreaQuery):
    """Filters of open disputes; ``unit`` is one that leads, acts first, or is asked."""

    state: Literal["negotiating", "ruling"] | None = Field(
        None, description="negotiating 会商中、ruling 待裁决；缺省为全部"
    )


async def list_disputes(session: AsyncSession, sight: Sight, query: DisputeQuery, names: Names) -> Page[Any]:
    """Open disputes of the events that the asker sees, those of the newest event first.

    Raises ``Malformed`` for values that nothing can match.
    """
    filters = filters_of(AreaQuery(**query.model_dump(exclude={"state"})), names)
    own, event = Where(), event_filters(filters, "order").also(sight.condition())
    if query.state is not None:
        own.add("d.state = :state", state=query.state)
    if filters.unit_id is not None:
        own.add(
            "d.acting_unit_id = :unit_id OR EXISTS (SELECT FROM dispute_party p WHERE p.event_id = d.event_id "
            "AND p.dispute_n = d.n AND p.unit_id = :unit_id) OR EXISTS (SELECT FROM work_order o "
            "WHERE o.event_id = d.event_id AND o.n = d.order_n AND o.unit_id = :unit_id)",
            unit_id=filters.unit_id,
        )
    scan = Scan(
        0,
        "dispute d",
        "d.jurisdiction_id = :jurisdiction AND d.ended_at IS NULL",
        ("d.event_id", "d.n"),
        own.sql,
        event.sql,
        values=own.values | event.values | {"jurisdiction": sight.jurisdiction_id},
    )
    digest = digest_of("disputes", filters.as_dict() | {"state": query.state})
    after = decode_cursor(query.cursor, digest, [key.kind for key in _KEYS])
    return await Listing(_KEYS, [scan], _COLUMNS, _JOINS).page(session, digest=digest, limit=query.limit, after=after)
