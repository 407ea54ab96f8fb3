"""Past events as routing would have met them, page by page, for deciding them again under other masters.

No personal data is read, and no row is locked.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch
from app.core.set_writes import plain_row
from app.events.tables import Event
from app.events.visibility import accused_unknown

_PAGE: Final = 2_000

_EVENT: Final = (
    *("id", "event_no", "jurisdiction_id", "state", "item_id", "demand_type", "domain", "level", "urgency", "channel"),
    *("district_code", "street_code", "community_code", "cell_id", "duty_grid_code", "lon", "lat", "component_id"),
    *("accused_org_ids", "nobody_accused", "received_at"),
)

# An event's first lead order says when it was decided. What ended without one never came to that: it was answered at
# the desk, refused, handed over, merged or withdrawn before.
_FROM: Final = """
    FROM event e
    LEFT JOIN LATERAL (
      SELECT w.unit_id, w.decision_n, w.dispatched_at FROM work_order w
      WHERE w.event_id = e.id AND w.role = 'lead' ORDER BY w.n LIMIT 1
    ) o ON true
"""
_WHERE: Final = """
    WHERE e.jurisdiction_id = $1 AND e.received_at < $2 AND (e.received_at, e.id) > ($3, $4::uuid)
      AND (o.dispatched_at IS NOT NULL OR e.ended_at IS NULL)
"""
# Two facts are not the event's own: how busy the units on duty were stands in the decision; and who took it in is
# either said by its source, and then the decision knew it, or is who got the lead first, and then it did not.
# A level is the person's own only while it is the one that they raised it to: another item brings its own again.
_FACTS: Final = """
    t.data -> 'facts' ->> 'load' AS load,
    CASE WHEN CASE WHEN t.data ? 'facts' THEN t.data -> 'facts' ? 'first_receiver'
                   ELSE e.first_receiver_id IS DISTINCT FROM o.unit_id END
         THEN e.first_receiver_id END AS first_receiver_id,
    EXISTS (SELECT FROM timeline r WHERE r.event_id = e.id AND r.act = 'raise_level' AND r.data ->> 'to' = e.level)
      AS raised
"""
_READ: Final = (
    f"SELECT {', '.join(f'e.{name}' for name in _EVENT)}, o.dispatched_at, {_FACTS}"
    f"{_FROM} LEFT JOIN timeline t ON t.event_id = e.id AND t.n = o.decision_n"
    f"{_WHERE} ORDER BY e.received_at, e.id LIMIT {_PAGE}"
)
_COUNT: Final = f"SELECT count(*) {_FROM} {_WHERE}"
_NOBODY: Final = UUID(int=0)
_NO_LOAD: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PastMatter:
    """One event with what routing asks for (no other columns), as it is known today."""

    event: Event
    #: when it was first dispatched; when it came in, where it never was
    at: datetime
    #: open orders, then, of the units on duty there, by code; only where there were several
    load: Mapping[str, int]
    #: the rules were not asked: nobody knows whom it accuses, or what it is about
    left_to_people: bool
    #: a person raised it to the level that it has 提级; where nobody did, its level follows from item and urgency
    raised: bool = False


async def count_past_matters(
    session: AsyncSession, jurisdiction_id: int, since_at: datetime, until_at: datetime
) -> int:
    """How many there are of events received from ``since_at`` on and before ``until_at`` (aware)."""
    [row] = await fetch(session, _COUNT, jurisdiction_id, until_at, since_at, _NOBODY)
    return int(row["count"])


async def past_matters(
    session: AsyncSession, jurisdiction_id: int, since_at: datetime, until_at: datetime
) -> AsyncIterator[list[PastMatter]]:
    """The same, in pages, by time of receipt; a page at a time is in memory."""
    after: tuple[datetime, UUID] = (since_at, _NOBODY)
    while rows := await fetch(session, _READ, jurisdiction_id, until_at, *after):
        yield [_past(row) for row in rows]
        if len(rows) < _PAGE:
            return
        after = (rows[-1]["received_at"], rows[-1]["id"])


def _past(row: Any) -> PastMatter:
    values = dict(row)
    dispatched_at, load, raised = values.pop("dispatched_at"), values.pop("load"), values.pop("raised")
    event = plain_row(Event, **values)
    unknown = event.item_id is None and dispatched_at is None
    return PastMatter(
        event,
        dispatched_at or event.received_at,
        orjson.loads(load) if load else _NO_LOAD,
        unknown or accused_unknown(event),
        raised,
    )
