"""Who had each event in the end, for learning: the dispatches that stood, and whether a person had chosen."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.dispatch.rows import STEP_NAMES

#: the newest this many; older ones say little about who is competent today
MOST: Final = 20_000
_AT_ONCE: Final = 100

# An event's last lead order counts, whatever act it was given by, and only if it was not given back. Events that accuse
# a unit went where they went for that reason; what was not accepted or cancelled was nobody's.
_READ = text(
    """
    SELECT e.event_no, e.item_id, e.domain, e.level, e.urgency, e.channel, e.district_code, e.street_code,
           e.community_code, e.cell_id, e.component_id, o.dispatched_at, u.code AS unit,
           coalesce((d.data ->> 'step') <> ALL(:principles), d.actor_kind = 'user') AS by_person
    FROM event e
    JOIN LATERAL (
      SELECT w.unit_id, w.state, w.decision_n, w.dispatched_at FROM work_order w
      WHERE w.event_id = e.id AND w.role = 'lead' ORDER BY w.n DESC LIMIT 1
    ) o ON true
    JOIN timeline d ON d.event_id = e.id AND d.n = o.decision_n
    JOIN organization u ON u.id = o.unit_id
    WHERE e.jurisdiction_id = :jurisdiction_id AND e.item_id IS NOT NULL AND e.accused_org_ids = '{}'
      AND e.state NOT IN ('not_accepted', 'handed_over', 'merged', 'cancelled')
      AND o.state NOT IN ('returned', 'transferred', 'cancelled')
      AND (CAST(:since_at AS timestamptz) IS NULL OR e.received_at >= :since_at)
    ORDER BY e.id DESC LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class PastDispatch:
    """One event's last dispatch; ids and codes as the database has them."""

    event_no: str
    item_id: int
    domain: str | None
    level: str
    urgency: str
    channel: str
    district_code: str | None
    street_code: str | None
    community_code: str | None
    cell_id: str | None
    component_id: str | None
    dispatched_at: datetime
    unit: str
    #: a person chose the unit; otherwise one of the principles did and nobody moved it
    by_person: bool


async def past_dispatches(
    session: AsyncSession, jurisdiction_id: int, *, since_at: datetime | None = None, most: int = MOST
) -> AsyncIterator[Sequence[PastDispatch]]:
    """Dispatches that stood, of events received since then, the newest first. No personal data is read.

    A few at a time, so that others get their turn in between.
    """
    values = {"jurisdiction_id": jurisdiction_id, "since_at": since_at, "most": most, "principles": list(STEP_NAMES)}
    rows = await session.stream(_READ, values)
    async for some in rows.mappings().partitions(_AT_ONCE):
        yield [PastDispatch(**row) for row in some]


async def read_past_dispatches(
    session: AsyncSession, jurisdiction_id: int, *, since_at: datetime | None = None, most: int = MOST
) -> Sequence[PastDispatch]:
    """The same all at once."""
    pieces = past_dispatches(session, jurisdiction_id, since_at=since_at, most=most)
    return [past async for some in pieces for past in some]
