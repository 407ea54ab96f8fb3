"""``GET /supervision/holds``: how long units held what turned out not to be theirs, or was taken from them."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.visibility import Sight
from app.supervision.event_scans import event_filters
from app.supervision.filters import Filters, check_period
from app.supervision.scans import Where

#: longer periods belong to exports, not to a request
MAX_PERIOD: Final = timedelta(days=92)

# The events of the period by ix_event_received, their orders by primary key; nothing else is walked.
_HOLDS = """
    WITH cohort AS MATERIALIZED (
      SELECT e.id FROM event e
      WHERE e.jurisdiction_id = :jurisdiction AND e.received_at >= :since AND e.received_at < :until AND {where}
    ), leads AS (
      SELECT o.unit_id, o.state, extract(epoch FROM o.ended_at - o.dispatched_at) / 3600 AS hours
      FROM work_order o WHERE o.event_id IN (SELECT id FROM cohort) AND o.role = 'lead' AND {order}
    )
    SELECT unit_id, count(*) AS led,
      count(*) FILTER (WHERE state = 'returned') AS gave_back,
      count(*) FILTER (WHERE state = 'transferred') AS moved,
      CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY hours)
        FILTER (WHERE state IN ('returned', 'transferred')) AS float8) AS median_hours,
      CAST(percentile_cont(0.9) WITHIN GROUP (ORDER BY hours)
        FILTER (WHERE state IN ('returned', 'transferred')) AS float8) AS p90_hours
    FROM leads GROUP BY unit_id
    ORDER BY count(*) FILTER (WHERE state IN ('returned', 'transferred')) DESC, count(*) DESC, unit_id
    """


async def read_holds(
    session: AsyncSession, sight: Sight, filters: Filters, *, since: datetime, until: datetime
) -> list[Any]:
    """By unit: leads of events received in ``since`` ≤ t < ``until`` that the asker sees; who gave back most first.

    ``filters.unit_id``: only this unit's. Raises ``Malformed`` for an empty period or one over ``MAX_PERIOD``.
    """
    check_period(since, until, MAX_PERIOD)
    where, order = event_filters(filters, "order").also(sight.condition()), Where()
    if filters.unit_id is not None:
        order.add("o.unit_id = :unit_id", unit_id=filters.unit_id)
    bounds = {"since": since, "until": until, "jurisdiction": sight.jurisdiction_id}
    statement = text(_HOLDS.format(where=where.sql, order=order.sql))
    return list((await session.execute(statement, bounds | where.values | order.values)).all())
