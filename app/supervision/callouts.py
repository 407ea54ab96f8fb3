"""``GET /supervision/callouts``: how those who were called out 吹哨 came, and how streets call: both sides are scored
(DOMAIN.md §4.4).

Counted are call-outs whose limit to appear fell due in the period. Who told us too late that they had come in time did
so if the unit that called says it. The centre sees those of its area, a unit those that it made or was called to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.visibility import Sight
from app.supervision.filters import check_period
from app.supervision.scans import Where

MAX_PERIOD: Final = timedelta(days=92)

# Four outcomes that exclude each other: in time, late, never (its time has passed), and not called upon any more or not
# due yet. Limits fall due as the table grows, so the period is found by block ranges.
_COUNT: Final = """
    WITH called AS MATERIALIZED (
      SELECT o.unit_id, p.unit_id AS caller_id,
        c.state = 'met' AND (c.ended_at <= c.due_at OR vouched.so) AS in_time,
        c.state = 'met' AND c.ended_at > c.due_at AND NOT vouched.so AS late,
        c.state <> 'met' AND coalesce(c.ended_at, :at) > c.due_at AS no_show,
        said.rating
      FROM clock c JOIN work_order o ON o.event_id = c.event_id AND o.n = c.order_n
        JOIN work_order p ON p.event_id = o.event_id AND p.n = o.parent_n
        JOIN event e ON e.id = c.event_id
        LEFT JOIN LATERAL (
          SELECT CAST(t.data->>'rating' AS integer) AS rating, CAST(t.data->>'in_time' AS boolean) AS in_time
          FROM timeline t WHERE t.event_id = o.event_id AND t.act = 'callout_confirmed' AND t.subject_n = o.n
        ) said ON true
        CROSS JOIN LATERAL (SELECT coalesce(said.in_time AND o.started_at <= c.due_at, false) AS so) vouched
      WHERE c.jurisdiction_id = :jurisdiction AND c.due_at >= :since AND c.due_at < :until
        AND c.kind = 'appearance' AND o.role = 'callout' AND {where}
    )
    SELECT {by} AS unit_id, count(*) AS calls, count(*) FILTER (WHERE in_time) AS in_time,
      count(*) FILTER (WHERE late) AS late, count(*) FILTER (WHERE no_show) AS no_shows,
      count(rating) AS rated, CAST(avg(rating) AS float8) AS mean_rating
    FROM called GROUP BY 1 ORDER BY calls DESC, 1
"""


@dataclass(frozen=True, slots=True)
class Callouts:
    """Counts by the unit that was called, and by the unit that called."""

    called: Sequence[Any]
    callers: Sequence[Any]


def _where(sight: Sight) -> Where:
    where = Where().also(sight.unbarred())
    ways: list[str] = []
    values: dict[str, Any] = {}
    if sight.areas:
        way, values = sight.areas.condition("e", "callout_area")
        ways.append(way)
    if sight.units:
        ways.append("o.unit_id = ANY(CAST(:own_units AS bigint[])) OR p.unit_id = ANY(CAST(:own_units AS bigint[]))")
        values = values | {"own_units": sorted(sight.units)}
    return where.add("(" + (" OR ".join(ways) or "false") + ")", **values)


async def count_callouts(
    session: AsyncSession, sight: Sight, *, since: datetime, until: datetime, at: datetime
) -> Callouts:
    """The figures of ``since`` ≤ limit < ``until`` as they stand at ``at``.

    Raises ``Malformed`` for an empty period or one longer than ``MAX_PERIOD``.
    """
    check_period(since, until, MAX_PERIOD)
    where = _where(sight)
    values = where.values | {"since": since, "until": until, "at": at, "jurisdiction": sight.jurisdiction_id}
    called, callers = [
        (await session.execute(text(_COUNT.format(where=where.sql, by=by)), values)).all()
        for by in ("unit_id", "caller_id")
    ]
    return Callouts(called, callers)
