"""``GET /events/{id}/timeline``: everything that happened to an event, as far as the asker may read it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Json
from app.events.visibility import Stand, visible_report

#: an event whose reports chase without end must not make one answer of megabytes
MAX_ROWS = 2_000

_READ = text(
    """
    SELECT t.n, t.act, t.subject, t.subject_n, t.report_id, t.from_state, t.to_state, t.actor_kind, t.actor_id,
           t.actor_role, t.actor_org_id, t.acted_at, t.recorded_at, t.data, b.body AS note,
           t.note_digest IS NOT NULL AS noted, r.demand_type, coalesce(r.confidential, false) AS confidential
    FROM timeline t
    LEFT JOIN timeline_note b ON b.event_id = t.event_id AND b.n = t.n
    LEFT JOIN report r ON r.id = t.report_id
    WHERE t.event_id = :event_id AND t.n > :after
    ORDER BY t.n LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Happened:
    """One row of the timeline as somebody may read it."""

    n: int
    act: str
    subject: str
    subject_n: int | None
    report_id: UUID | None
    from_state: str | None
    to_state: str | None
    actor_kind: str
    actor_id: str | None
    actor_role: str | None
    actor_org_id: int | None
    acted_at: datetime
    recorded_at: datetime
    data: Json
    note: str | None
    #: erased: there was a note, and a person's right to be forgotten removed it; withheld: not for this reader
    note_state: str


async def read_timeline(
    session: AsyncSession, event_id: UUID, stand: Stand, *, after: int = 0, most: int = MAX_ROWS
) -> list[Happened]:
    """The event's rows by ``n``. Whether the event is the asker's is decided before."""
    rows = await session.execute(_READ, {"event_id": event_id, "after": after, "most": most})
    return [happened(row, stand) for row in rows]


def happened(row: Any, stand: Stand) -> Happened:
    """What a reader at this stand sees of a row.

    What a reporter said or was told (rows with a report) is withheld where the report itself is: an accusation's from
    everybody but the centre, and a confidential reporter's own words from units, since they may name the person. Whom
    an accusation accuses is the centre's alone: who was named by mistake may take part in it later.
    """
    shown = visible_report(stand, row) if row.report_id is not None else None
    silent = shown is not None and not (shown.content and (shown.identity or not row.confidential))
    note_state = "none"
    if row.noted:
        note_state = "withheld" if silent else "shown" if row.note is not None else "erased"
    return Happened(
        n=row.n,
        act=row.act,
        subject=row.subject,
        subject_n=row.subject_n,
        report_id=row.report_id,
        from_state=row.from_state,
        to_state=row.to_state,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_role=row.actor_role,
        actor_org_id=row.actor_org_id,
        acted_at=row.acted_at,
        recorded_at=row.recorded_at,
        data={} if silent else _data_shown(row.data, stand),
        note=None if silent else row.note,
        note_state=note_state,
    )


def _data_shown(data: Json, stand: Stand) -> Json:
    return data if stand == "centre" else {name: value for name, value in data.items() if name != "accused"}
