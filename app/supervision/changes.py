"""``GET /changes``: everything since X, exact. Screens, phones and subscribers ask again with the cursor they got.

A timeline row becomes visible when its transaction commits, and transactions commit in any order. So readers stop
below the oldest transaction still running (``pg_snapshot_xmin``): what is below can get no more rows, and a cursor at
``(xact_id, event_id, n)`` misses nothing and repeats nothing. Rows of one transaction come together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import decode_cursor, digest_of, encode_cursor
from app.events.visibility import Sight

#: rows looked at by one request, whosever they are
BUDGET = 2_500
_KINDS = (int, UUID, int)


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows that happened behind the cursor, and the cursor to ask with next, which is there always."""

    items: Sequence[Any]
    next: str
    #: there is more already: ask again at once
    more: bool


def _statement(condition: str, limit: int) -> str:
    return f"""
    WITH edge AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin),
    walk AS (
      SELECT t.xact_id, t.event_id, t.n, row_number() OVER (ORDER BY t.xact_id, t.event_id, t.n) = {BUDGET} AS stop
      FROM timeline t
      WHERE t.jurisdiction_id = :jurisdiction AND t.xact_id < (SELECT xmin FROM edge)
        AND (t.xact_id, t.event_id, t.n) > (CAST(CAST(:xact AS text) AS xid8), CAST(:event AS uuid), CAST(:n AS bigint))
      ORDER BY t.xact_id, t.event_id, t.n LIMIT {BUDGET}
    ), seen AS (
      SELECT w.xact_id, w.event_id, w.n, j.hit, w.stop FROM walk w CROSS JOIN LATERAL (
        SELECT coalesce({condition}, false) AS hit FROM event e WHERE e.id = w.event_id OFFSET 0) j
      WHERE j.hit OR w.stop
      ORDER BY w.xact_id, w.event_id, w.n LIMIT {limit + 1}
    )
    SELECT g.xmin::text AS edge, s.xact_id::text AS xact, s.hit, s.stop, s.event_id, s.n, e.event_no,
           e.seq AS event_seq, e.state AS event_state, e.district_code, e.street_code, e.community_code,
           e.accused_org_ids, e.nobody_accused, e.demand_type AS event_demand_type, e.lead_unit_id,
           t.act, t.subject, t.subject_n, t.report_id, t.from_state, t.to_state, t.actor_kind, t.actor_id,
           t.actor_role, t.actor_org_id, t.acted_at, t.recorded_at, t.data, NULL AS note,
           t.note_digest IS NOT NULL AS noted, r.demand_type, coalesce(r.confidential, false) AS confidential
    FROM edge g LEFT JOIN seen s ON true
    LEFT JOIN timeline t ON t.event_id = s.event_id AND t.n = s.n
    LEFT JOIN event e ON e.id = s.event_id
    LEFT JOIN report r ON r.id = t.report_id
    ORDER BY s.xact_id, s.event_id, s.n
    """  # noqa: S608 - the condition is our own SQL; values are parameters


async def read_changes(session: AsyncSession, sight: Sight, *, after: str | None, limit: int) -> Changes:
    """Rows of the timelines that the asker sees, in the order of their transactions.

    Without ``after`` reading begins at the beginning. Raises ``Malformed`` for a cursor that cannot be read.
    """
    digest = digest_of("changes", {})
    key = decode_cursor(after, digest, _KINDS) or (0, UUID(int=0), 0)
    condition, values = sight.condition()
    values |= {"jurisdiction": sight.jurisdiction_id, "xact": str(max(key[0], 0)), "event": key[1], "n": key[2]}
    rows = (await session.execute(text(_statement(condition, limit)), values)).all()
    found: list[Any] = []
    for row in rows:
        if row.event_id is None:
            break
        if len(found) == limit:
            last = found[-1]
            return Changes(found, encode_cursor(digest, (int(last.xact), last.event_id, last.n)), True)
        if row.hit:
            found.append(row)
        if row.stop:
            return Changes(found, encode_cursor(digest, (int(row.xact), row.event_id, row.n)), True)
    # Nothing more below the edge: go on from it, so that rows of others are not walked again.
    edge = (int(rows[0].edge), UUID(int=0), -1)
    return Changes(found, encode_cursor(digest, max(edge, key)), False)
