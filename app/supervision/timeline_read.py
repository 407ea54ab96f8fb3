"""``GET /events/{id}/timeline``: everything that happened to an event, as far as the asker may read it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Json
from app.events.aggregate import EventAggregate
from app.events.visibility import Sight, Stand, visible_report

#: an event whose reports chase without end must not make one answer of megabytes
MAX_ROWS = 2_000

#: notes that say who: whom of the unit was given the order, whom the unit has called and under which number
_NAMES_PEOPLE: Final = ("assign", "take", "put_back", "first_contact", "first_contact_attempted")

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


@dataclass(frozen=True, slots=True)
class OwnOrders:
    """Numbers of a reader's own orders in one event, with those given under them, and of the rows that gave them."""

    orders: frozenset[int] = frozenset()
    given: frozenset[int] = frozenset()

    @classmethod
    def of(cls, aggregate: EventAggregate, sight: Sight) -> "OwnOrders":
        """Those of the reader's units."""
        own = [order for order in aggregate.orders if order.unit_id in sight.units]
        numbers = {order.n for order in own}
        for order in aggregate.orders:  # a parent's number is below those that it gave
            if order.parent_n in numbers:
                numbers.add(order.n)
        return cls(frozenset(numbers), frozenset(order.decision_n for order in own))

    def may_read(self, row: Any, stand: Stand) -> bool:
        """Whether a note is for them, whatever its report says.

        Who was asked by another unit to help reads what it was asked to do, and what was said about that. Who of a
        unit does the work, and whom it called, is for that unit and the centre.
        """
        own = row.subject == "work_order" and row.subject_n in self.orders
        if stand == "centre" or own:
            return True
        if stand == "helper":
            return row.n in self.given
        return row.act not in _NAMES_PEOPLE


async def read_timeline(
    session: AsyncSession,
    aggregate: EventAggregate,
    sight: Sight,
    stand: Stand,
    *,
    after: int = 0,
    most: int = MAX_ROWS,
) -> list[Happened]:
    """The event's rows by ``n``. Whether the event is the asker's is decided before."""
    rows = await session.execute(_READ, {"event_id": aggregate.event.id, "after": after, "most": most})
    own = OwnOrders.of(aggregate, sight)
    return [happened(row, stand, own) for row in rows]


def happened(row: Any, stand: Stand, own: OwnOrders) -> Happened:
    """What a reader at this stand, with these orders of their own, sees of a row.

    What a reporter said or was told (rows with a report) is withheld where the report itself is: an accusation's from
    everybody but the centre, and a confidential reporter's own words from units, since they may name the person. Other
    notes go by ``OwnOrders.may_read``. Whom an accusation accuses is the centre's alone: who was named by mistake may
    take part in it later.
    """
    shown = visible_report(stand, row) if row.report_id is not None else None
    silent = shown is not None and not (shown.content and (shown.identity or not row.confidential))
    withheld = silent or not own.may_read(row, stand)
    note_state = "none"
    if row.noted:
        note_state = "withheld" if withheld else "shown" if row.note is not None else "erased"
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
        note=None if withheld else row.note,
        note_state=note_state,
    )


def _data_shown(data: Json, stand: Stand) -> Json:
    # Whom it accuses, and whose order ended for that, is the centre's to know.
    return data if stand == "centre" else {name: said for name, said in data.items() if "accused" not in (name, said)}
