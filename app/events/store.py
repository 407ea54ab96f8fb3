"""Loading events under their lock and writing them back: three statements whatever the act."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Keyring, seal
from app.core.database import Base, fetch
from app.core.set_writes import plain_row, read_row, write_rows
from app.core.tables import Delivery
from app.events.again import ReportMoved
from app.events.aggregate import EventAggregate, Part
from app.events.clock_tables import Clock, ClockDue, ClockRung, LimitRequest
from app.events.dispute_tables import ComponentCorrection, Dispute, DisputeParty
from app.events.holders import stand_by_holders
from app.events.report_tables import Callback, Debt, EventReport, Report
from app.events.tables import Event, Inspection, Participant, ReturnRequest, WorkOrder
from app.events.timeline import seal_chain
from app.events.timeline_tables import Timeline

#: what a delivery's body is tied to, before its report's id
DELIVERY_AAD = b"delivery"

# The lock stands in a statement of its own: in READ COMMITTED only a later statement sees what the holder wrote.
_LOCK = "SELECT id FROM event WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

_LOAD = """
    SELECT to_jsonb(e) AS event,
      (SELECT jsonb_agg(to_jsonb(o) ORDER BY o.n) FROM work_order o WHERE o.event_id = e.id) AS orders,
      (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.n) FROM return_request r WHERE r.event_id = e.id) AS returns,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.n) FROM dispute d WHERE d.event_id = e.id) AS disputes,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.n) FROM dispute_party d WHERE d.event_id = e.id) AS parties,
      (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.n) FROM component_correction m WHERE m.event_id = e.id)
        AS component_corrections,
      (SELECT jsonb_agg(to_jsonb(i) ORDER BY i.n) FROM inspection i WHERE i.event_id = e.id) AS inspections,
      (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.n) FROM clock c
        WHERE c.event_id = e.id AND c.state = 'running') AS clocks,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.clock_n, d.generation) FROM clock_due d JOIN clock c
        ON c.event_id = d.event_id AND c.n = d.clock_n WHERE d.event_id = e.id AND c.state = 'running') AS dues,
      (SELECT jsonb_agg(to_jsonb(g)) FROM clock_rung g JOIN clock c
        ON c.event_id = g.event_id AND c.n = g.clock_n WHERE g.event_id = e.id AND c.state = 'running') AS rungs,
      (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.n) FROM limit_request l WHERE l.event_id = e.id) AS limit_requests,
      (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.n) FROM event_participant p
        WHERE p.event_id = e.id AND p.until IS NULL) AS participants,
      (SELECT jsonb_agg(jsonb_build_object('id', s.id, 'event_no', s.event_no, 'state', s.state,
          'item_id', s.item_id, 'lead_unit_id', s.lead_unit_id) ORDER BY s.id)
        FROM event s WHERE s.split_from = e.id) AS parts_of_it,
      (SELECT jsonb_agg(DISTINCT h.id) FROM timeline t
        CROSS JOIN LATERAL (VALUES (t.actor_id), (t.data ->> 'deputy_for')) h(id)
        WHERE h.id IS NOT NULL AND t.event_id = e.id AND t.subject = 'work_order'
        AND t.actor_kind = 'user' AND t.actor_role IN ('unit_liaison', 'handler', 'grid_worker')) AS handlers,
      (SELECT to_jsonb(t) - 'xact_id' FROM timeline t WHERE t.event_id = e.id AND t.act_id = $2::uuid) AS repeated
    FROM event e WHERE e.id = ANY($1::uuid[]) ORDER BY e.id
    """

# Reports of events merged into this one are answered with it; their rows stay where they are.
_LOAD_REPORTS = text(
    """
    WITH RECURSIVE family(id) AS (
      SELECT CAST(:id AS uuid)
      UNION SELECT e.id FROM event e JOIN family f ON e.merged_into = f.id
    ), mine AS (
      SELECT r.* FROM event_report l JOIN report r ON r.id = l.report_id
      WHERE l.event_id IN (SELECT id FROM family) AND l.left_at IS NULL
        AND (CAST(:report_id AS uuid) IS NULL OR l.report_id = :report_id)
    )
    SELECT (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.id) FROM mine m) AS reports,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.report_id, d.n) FROM debt d JOIN mine m ON m.id = d.report_id
        WHERE d.paid_at IS NULL AND d.waived IS NULL) AS debts,
      (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.report_id, b.n) FROM callback b JOIN mine m ON m.id = b.report_id)
        AS callbacks,
      (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.event_id, c.n) FROM clock c JOIN mine m ON m.id = c.report_id
        WHERE c.state = 'running' AND c.event_id <> :id) AS clocks,
      (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.event_id, d.clock_n, d.generation) FROM clock_due d JOIN clock c
        ON c.event_id = d.event_id AND c.n = d.clock_n JOIN mine m ON m.id = c.report_id
        WHERE c.state = 'running' AND c.event_id <> :id) AS dues,
      (SELECT jsonb_agg(to_jsonb(l)) FROM event_report l JOIN mine m ON m.id = l.report_id WHERE l.left_at IS NULL)
        AS links,
      (SELECT jsonb_object_agg(k.report_id, k.wrapped) FROM report_key k JOIN mine m ON m.id = k.report_id) AS keys_
    """
)


# A report is answered for by the event that it is linked to, or the one that this was merged into, however often.
_EVENT_OF = text(
    """
    WITH RECURSIVE up(id, merged_into) AS (
      SELECT e.id, e.merged_into FROM event_report l JOIN event e ON e.id = l.event_id
      WHERE l.report_id = :id AND l.left_at IS NULL
      UNION ALL SELECT e.id, e.merged_into FROM event e JOIN up ON e.id = up.merged_into
    ) SELECT id FROM up WHERE merged_into IS NULL
    """
)


async def event_of_report(session: AsyncSession, report_id: UUID) -> UUID | None:
    """The event that answers for a report now; None for an unknown report. Without a lock it may change at once."""
    found: UUID | None = await session.scalar(_EVENT_OF, {"id": report_id})
    return found


async def last_of(session: AsyncSession, event_id: UUID, *acts: str) -> str | None:
    """Which of these acts was the event's last; None: none of them yet."""
    last = "SELECT act FROM timeline WHERE event_id = $1 AND act = ANY($2::text[]) ORDER BY n DESC LIMIT 1"
    rows = await fetch(session, last, event_id, list(acts))
    return rows[0]["act"] if rows else None


async def parent_of(session: AsyncSession, event_id: UUID) -> UUID | None:
    """The event of which this one is a part 拆分件, once and for all; None for an event that is none."""
    rows = await fetch(session, "SELECT split_from FROM event WHERE id = $1", event_id)
    return rows[0]["split_from"] if rows else None


def still_there(aggregate: EventAggregate, report_id: UUID) -> None:
    """Raises ``ReportMoved`` unless the locked event, with its reports loaded, answers for this report."""
    if aggregate.event.merged_into is not None or all(report.id != report_id for report in aggregate.reports):
        raise ReportMoved


def _rows(model: type[Any], documents: Sequence[dict[str, Any]] | None) -> list[Any]:
    return [read_row(model, document) for document in documents or ()]


async def lock_events(
    session: AsyncSession, ids: Iterable[UUID], *, act_id: UUID | None = None
) -> dict[UUID, EventAggregate]:
    """Locks the events in ascending id and loads what they own. Unknown ids are missing from the answer."""
    wanted = sorted(set(ids))
    await fetch(session, _LOCK, wanted)
    return await load_events(session, wanted, act_id=act_id)


async def load_events(
    session: AsyncSession, ids: Sequence[UUID], *, act_id: UUID | None = None
) -> dict[UUID, EventAggregate]:
    """Loads events with what they own, without a lock: to read, never to write."""
    found = await fetch(session, _LOAD, list(ids), act_id)
    aggregates: dict[UUID, EventAggregate] = {}
    for row in found:
        event = read_row(Event, row["event"])
        aggregates[event.id] = EventAggregate(
            event=event,
            orders=_rows(WorkOrder, row["orders"]),
            returns=_rows(ReturnRequest, row["returns"]),
            disputes=_rows(Dispute, row["disputes"]),
            parties=_rows(DisputeParty, row["parties"]),
            component_corrections=_rows(ComponentCorrection, row["component_corrections"]),
            inspections=_rows(Inspection, row["inspections"]),
            limit_requests=_rows(LimitRequest, row["limit_requests"]),
            clocks=_rows(Clock, row["clocks"]),
            clock_dues=_rows(ClockDue, row["dues"]),
            clock_rungs=_rows(ClockRung, row["rungs"]),
            participants=_rows(Participant, row["participants"]),
            parts=[Part.read(part) for part in row["parts_of_it"] or ()],
            handlers=frozenset(row["handlers"] or ()),
            repeated=read_row(Timeline, row["repeated"]) if row["repeated"] else None,
        )
    return aggregates


async def load_reports(session: AsyncSession, aggregate: EventAggregate, *, only: UUID | None = None) -> None:
    """Adds the event's current reports (and those of events merged into it), or only one, with what is owed."""
    found = await session.execute(_LOAD_REPORTS, {"id": aggregate.event.id, "report_id": only})
    row = found.one()
    aggregate.reports = _rows(Report, row.reports)
    aggregate.debts = _rows(Debt, row.debts)
    aggregate.callbacks = _rows(Callback, row.callbacks)
    aggregate.links = _rows(EventReport, row.links)
    aggregate.clocks += _rows(Clock, row.clocks)
    aggregate.clock_dues += _rows(ClockDue, row.dues)
    aggregate.data_keys = {UUID(key): bytes.fromhex(value[2:]) for key, value in (row.keys_ or {}).items()}


async def write_events(
    session: AsyncSession, keyring: Keyring, aggregates: Iterable[EventAggregate], extra: Iterable[Base] = ()
) -> None:
    """Writes all changes of all aggregates, and ``extra`` new rows, in one statement.

    Raises ``Conflict`` when an account that was closed meanwhile is given an order or an inspection.
    """
    aggregates = list(aggregates)
    await stand_by_holders(session, aggregates)
    inserts: list[Base] = []
    updates: list[tuple[Base, Iterable[str]]] = []
    for aggregate in aggregates:
        history = seal_chain(aggregate, keyring)
        inserts += _deliveries(aggregate, keyring)
        if aggregate.is_new:
            inserts.append(aggregate.event)
        else:
            aggregate.change(aggregate.event, seq=aggregate.event.seq)
        inserts += [*aggregate.inserts, *history]
        updates += aggregate.changes()
    await write_rows(session, [*inserts, *extra], updates)


def _deliveries(aggregate: EventAggregate, keyring: Keyring) -> list[Delivery]:
    rows: list[Delivery] = []
    for message in aggregate.outgoing:
        report, body = message.report, orjson.dumps(message.body)
        wrapped = aggregate.data_keys.get(report.id) if report else None
        if report is None:
            sealed = keyring.seal_alone(body, DELIVERY_AAD)
        elif wrapped is None:
            # The person was erased: nothing about them may leave any more, and nothing is owed to their source.
            for debt in aggregate.open_debts("result", report=report):
                aggregate.change(debt, waived="erased")
            continue
        else:
            sealed = seal(keyring.unwrap(wrapped), body, DELIVERY_AAD + report.id.bytes)
        rows.append(
            plain_row(
                Delivery,
                lane_id=aggregate.event.id,
                n=aggregate.next_n(),
                destination_id=message.destination_id or (report.client_id if report else None),
                report_id=report.id if report else None,
                kind=message.kind,
                sealed=sealed,
                state="waiting",
                created_at=message.at,
                next_at=message.at,
            )
        )
    return rows
