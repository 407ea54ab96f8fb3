"""What units in the field say of the register of components: not decided yet, or accepted and then lost."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

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

# Accepted, and yet the component's row says something else: the draft that it was written into was thrown away or
# replaced, or a roll-back took it back. What was in force once and was changed by a later release is not lost, and
# neither is what a later correction of the same entry says otherwise.
_LOST = """
    SELECT m.event_id, m.n, m.component_id, m.duty, m.proposed_at, e.event_no, t.actor_org_id AS by_unit_id,
           a.data->>'unit' AS unit
    FROM component_correction m JOIN event e ON e.id = m.event_id
    LEFT JOIN timeline t ON t.event_id = m.event_id AND t.subject = 'component_correction' AND t.subject_n = m.n
      AND t.act = 'component_reported'
    CROSS JOIN LATERAL (
      SELECT x.data FROM timeline x WHERE x.event_id = m.event_id AND x.subject = 'component_correction'
        AND x.subject_n = m.n AND x.act = 'component_accepted' ORDER BY x.n DESC LIMIT 1
    ) a
    JOIN release p ON p.jurisdiction_id = m.jurisdiction_id AND p.kind = 'components' AND p.status = 'published'
    JOIN release_row s ON s.release_id = p.id AND s.key = m.component_id
    WHERE m.jurisdiction_id = :sight_jurisdiction AND m.state = 'accepted' AND {condition}
      AND (CAST(:event_id AS uuid) IS NULL OR (m.event_id = :event_id AND m.n = :n))
      AND NOT EXISTS (
        SELECT FROM release r JOIN release_row w ON w.release_id = r.id AND w.key = m.component_id
        WHERE r.jurisdiction_id = m.jurisdiction_id AND r.kind = 'components'
          AND (r.status <> 'retired' OR (r.retired_at >= m.decided_at AND p.brings_back_id IS NULL))
          AND coalesce(w.body->>m.duty, '') = coalesce(a.data->>'unit', ''))
      AND NOT EXISTS (
        SELECT FROM component_correction o
        WHERE o.jurisdiction_id = m.jurisdiction_id AND o.state = 'accepted'
          AND (o.component_id, o.duty) = (m.component_id, m.duty)
          AND (o.decided_at, o.event_id, o.n) > (m.decided_at, m.event_id, m.n))
    ORDER BY m.event_id, m.n LIMIT :most
"""


async def lost_corrections(
    session: AsyncSession, sight: Sight, *, event_id: UUID | None = None, n: int | None = None
) -> Sequence[Any]:
    """Accepted ones whose value is neither in force nor in the draft; ``unit``: the code that was accepted, or None.

    ``event_id`` and ``n``: this one alone. ``MOST`` at most.
    """
    condition, values = sight.condition()
    values |= {"most": MOST, "event_id": event_id, "n": n}
    found = await session.execute(text(_LOST.format(condition=condition)), values)
    return found.all()


async def open_corrections(session: AsyncSession, sight: Sight) -> Sequence[Any]:
    """Undecided ones of events that the asker sees, the oldest first, ``MOST`` at most."""
    condition, values = sight.condition()
    found = await session.execute(text(_OPEN.format(condition=condition)), values | {"most": MOST})
    return found.all()
