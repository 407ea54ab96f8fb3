"""What each order of an event was given for, in words: the part of a supporting unit, a sub-dispatch, a call-out."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.tables import WorkOrder

_ACTS: Final = ("supporting_added", "sub_dispatch", "street_callout")
# A part that was moved to another unit has its words where it was given first.
_READ = text(
    """
    WITH RECURSIVE said(decided_n, n) AS (
      SELECT d, d FROM unnest(CAST(:decided AS integer[])) AS d
      UNION SELECT s.decided_n, CAST(t.data->>'part_n' AS integer)
      FROM said s JOIN timeline t ON t.event_id = :event_id AND t.n = s.n WHERE t.data->>'part_n' IS NOT NULL
    )
    SELECT s.decided_n, b.body FROM said s JOIN timeline t ON t.event_id = :event_id AND t.n = s.n
      JOIN timeline_note b ON b.event_id = t.event_id AND b.n = t.n
    WHERE t.act = ANY(:acts) AND b.body <> ''
    """
)


async def read_parts(session: AsyncSession, event_id: UUID, orders: Iterable[WorkOrder]) -> dict[int, str]:
    """By the order's number; an order that the rules gave, or whose words were erased, is missing.

    Whether the event is the asker's is decided before.
    """
    orders = list(orders)
    asked = {"event_id": event_id, "decided": sorted({order.decision_n for order in orders}), "acts": list(_ACTS)}
    words = {row.decided_n: row.body for row in await session.execute(_READ, asked)}
    return {order.n: words[order.decision_n] for order in orders if words.get(order.decision_n)}
