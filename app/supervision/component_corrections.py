"""What units in the field say of the register of components, as far as nobody has decided it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.visibility import Sight

MOST = 500

_OPEN = """
    SELECT m.event_id, m.n, m.component_id, m.duty, m.unit_id, m.proposed_at, e.event_no,
           t.actor_org_id AS by_unit_id
    FROM component_correction m JOIN event e ON e.id = m.event_id
    LEFT JOIN timeline t ON t.event_id = m.event_id AND t.subject = 'component_correction' AND t.subject_n = m.n
      AND t.act = 'component_reported'
    WHERE m.jurisdiction_id = :sight_jurisdiction AND m.decided_at IS NULL AND {condition}
    ORDER BY m.event_id, m.n LIMIT :most
"""


async def open_corrections(session: AsyncSession, sight: Sight) -> Sequence[Any]:
    """Undecided ones of events that the asker sees, the oldest first, ``MOST`` at most."""
    condition, values = sight.condition()
    found = await session.execute(text(_OPEN.format(condition=condition)), values | {"most": MOST})
    return found.all()
