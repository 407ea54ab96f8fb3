"""The event with what it owns, in memory: rules read and change it here, without a database.

``store`` loads it under its lock and writes all changes back in one statement. ``advance`` is the one way to change a
state; ``record`` the one way to write history. Nothing else moves a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from app.core.database import Base, Json
from app.core.set_writes import plain_row, set_values
from app.events.clock_tables import Clock, ClockDue, ClockRung, LimitRequest
from app.events.dispute_tables import ComponentCorrection, Dispute, DisputeParty
from app.events.lifecycles import (
    COMPONENT_CORRECTION,
    DISPUTE,
    EVENT,
    INSPECTION,
    LIMIT_REQUEST,
    REPORT,
    RETURN_REQUEST,
    WORK_ORDER,
    Lifecycle,
)
from app.events.report_tables import Callback, Debt, EventReport, Report
from app.events.tables import Event, Inspection, Participant, ReturnRequest, WorkOrder
from app.events.timeline_tables import Timeline

Subject = Event | WorkOrder | ReturnRequest | Dispute | ComponentCorrection | LimitRequest | Inspection | Report
RowT = TypeVar("RowT", bound=Base)

_LIFECYCLES: dict[type[Base], Lifecycle] = {
    Event: EVENT,
    WorkOrder: WORK_ORDER,
    ReturnRequest: RETURN_REQUEST,
    Dispute: DISPUTE,
    ComponentCorrection: COMPONENT_CORRECTION,
    LimitRequest: LIMIT_REQUEST,
    Inspection: INSPECTION,
    Report: REPORT,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user in one of their roles, a machine client, or the system itself."""

    kind: Literal["user", "client", "system"]
    id: str | None = None
    role: str | None = None
    org_id: int | None = None
    #: the user as whose deputy 代理 they act; None: in a seat of their own
    deputy_for: str | None = None


SYSTEM = Actor("system")


@dataclass(frozen=True, slots=True)
class Act:
    """One act of one actor. ``at`` is our time, ``acted_at`` the actor's own, ``act_id`` the idempotency key."""

    actor: Actor
    at: datetime
    acted_at: datetime
    act_id: UUID | None = None
    note: str | None = None
    #: what was asked and of what, written beside ``act_id``: the same key for anything else is no repetition
    action: str | None = None


@dataclass(slots=True)
class PendingTimeline:
    """A timeline row without its MAC yet, and its note if it has one."""

    row: Timeline
    note: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message owed to the system that sent a report, sealed under the report's key when it is written; or a notice
    about no report, which names nobody."""

    report: Report | None
    kind: Literal["receipt", "result", "return", "alert", "notice"]
    body: Json
    at: datetime
    #: the client that is told; the report's own client when None
    destination_id: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An event that was split off 拆分 from the loaded one, as it stood when that was loaded."""

    id: UUID
    event_no: str
    state: str
    item_id: int | None
    lead_unit_id: int | None

    @classmethod
    def read(cls, document: Json) -> "Part":
        """From its columns as JSON."""
        return cls(**document | {"id": UUID(document["id"])})


@dataclass(slots=True)
class EventAggregate:
    """One locked event. Lists hold what is loaded or added; ``reports`` only when loaded with them."""

    event: Event
    is_new: bool = False
    orders: list[WorkOrder] = field(default_factory=list)
    returns: list[ReturnRequest] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    parties: list[DisputeParty] = field(default_factory=list)
    component_corrections: list[ComponentCorrection] = field(default_factory=list)
    inspections: list[Inspection] = field(default_factory=list)
    limit_requests: list[LimitRequest] = field(default_factory=list)
    #: the running clocks, and those that ended in this act
    clocks: list[Clock] = field(default_factory=list)
    #: the due times that the event's clocks had, and their rungs that fired; in order
    clock_dues: list[ClockDue] = field(default_factory=list)
    clock_rungs: list[ClockRung] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    debts: list[Debt] = field(default_factory=list)
    callbacks: list[Callback] = field(default_factory=list)
    #: current links of the loaded reports
    links: list[EventReport] = field(default_factory=list)
    #: ids of the people who have acted on its work orders
    handlers: frozenset[str] = frozenset()
    #: the timeline row of this act id when it was done before
    repeated: Timeline | None = None
    timeline: list[PendingTimeline] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    #: wrapped data keys of the reports; a missing one was erased
    data_keys: dict[UUID, bytes] = field(default_factory=dict)
    inserts: list[Base] = field(default_factory=list)
    _new: set[int] = field(default_factory=set)
    _changed: dict[int, tuple[Base, set[str]]] = field(default_factory=dict)

    # --- rows -------------------------------------------------------------------------------------------------

    def next_n(self) -> int:
        """The next number for something that the event owns."""
        set_values(self.event, seq=self.event.seq + 1)
        return self.event.seq

    def next_report_n(self, report: Report) -> int:
        """The next number for something that is owed to or done for the report."""
        self.change(report, seq=report.seq + 1)
        return report.seq

    def new(self, model: type[RowT], **values: Any) -> RowT:
        """A new row; it is inserted when the aggregate is written. All rows of a class set the same columns."""
        row = plain_row(model, **values)
        self.inserts.append(row)
        self._new.add(id(row))
        holder = self._holder(type(row))
        if holder is not None:
            holder.append(row)
        return row

    def change(self, row: Base, **values: Any) -> None:
        """Sets columns of a row; written as one update of exactly these columns."""
        set_values(row, **values)
        if id(row) not in self._new and not (self.is_new and row is self.event):
            self._changed.setdefault(id(row), (row, set()))[1].update(values)

    def changes(self) -> Iterable[tuple[Base, set[str]]]:
        """Rows that were loaded and changed, with the names of the changed columns."""
        return self._changed.values()

    def _holder(self, model: type[Base]) -> list[Any] | None:
        holders: dict[type[Base], list[Any]] = {
            WorkOrder: self.orders,
            ReturnRequest: self.returns,
            Dispute: self.disputes,
            DisputeParty: self.parties,
            ComponentCorrection: self.component_corrections,
            Inspection: self.inspections,
            Clock: self.clocks,
            ClockDue: self.clock_dues,
            ClockRung: self.clock_rungs,
            LimitRequest: self.limit_requests,
            Participant: self.participants,
            Report: self.reports,
            Debt: self.debts,
            Callback: self.callbacks,
        }
        return holders.get(model)

    # --- the one write path -----------------------------------------------------------------------------------

    def advance(
        self,
        subject: Subject,
        trigger: str,
        act: Act,
        *,
        name: str | None = None,
        data: Json | None = None,
        note: str | None = None,
        **changes: Any,
    ) -> int:
        """Asks the lifecycle, moves the subject, writes the timeline row; returns its ``n``.

        Raises ``NotAllowedNow`` naming the triggers that the state allows. ``name`` is the act's name on the timeline
        when it says more than the trigger does.
        """
        lifecycle = _LIFECYCLES[type(subject)]
        before = subject.state
        after = lifecycle.fire(before, trigger)
        if after in lifecycle.ends and before != after and hasattr(subject, "ended_at"):
            changes.setdefault("ended_at", act.at)
        elif before in lifecycle.ends and before != after and hasattr(subject, "ended_at"):
            changes |= {"ended_at": None}
        self.change(subject, state=after, **changes)
        return self.record(
            act,
            name or trigger,
            subject=subject,
            from_state=before,
            to_state=after,
            data=data,
            note=note,
        )

    def record(
        self,
        act: Act,
        name: str,
        *,
        subject: Subject | Clock | None = None,
        report: Report | None = None,
        from_state: str | None = None,
        to_state: str | None = None,
        data: Json | None = None,
        note: str | None = None,
    ) -> int:
        """Appends one timeline row and returns its ``n``.

        The first row of an act carries its idempotency key; the first that has no words of its own carries its note.
        ``data`` holds no ids of people, but for ``deputy_for``: like the row's ``actor_id`` it says who acted.
        """
        first = act.act_id is not None and all(pending.row.act_id != act.act_id for pending in self.timeline)
        if note is None and all(pending.note != act.note for pending in self.timeline):
            note = act.note
        if isinstance(subject, Report):
            report = subject
        if first and act.action is not None:
            data = (data or {}) | {"action": act.action}
        if act.actor.deputy_for is not None:
            data = (data or {}) | {"deputy_for": act.actor.deputy_for}
        row = plain_row(
            Timeline,
            event_id=self.event.id,
            n=self.next_n(),
            jurisdiction_id=self.event.jurisdiction_id,
            act=name,
            subject=(subject or self.event).__tablename__,
            subject_n=getattr(subject, "n", None),
            report_id=report.id if report else None,
            from_state=from_state,
            to_state=to_state,
            actor_kind=act.actor.kind,
            actor_id=act.actor.id,
            actor_role=act.actor.role,
            actor_org_id=act.actor.org_id,
            act_id=act.act_id if first else None,
            acted_at=act.acted_at,
            recorded_at=act.at,
            data=data or {},
            note_digest=None,
            mac=b"",
        )
        self.timeline.append(PendingTimeline(row, note))
        return row.n

    # --- questions that several stages ask ---------------------------------------------------------------------

    @property
    def lead(self) -> WorkOrder | None:
        """The lead order 主办 that is still open or reported done, if any."""
        return next((order for order in self.orders if order.role == "lead" and order.ended_at is None), None)

    @property
    def open_orders(self) -> list[WorkOrder]:
        """Orders that have not ended."""
        return [order for order in self.orders if order.ended_at is None]

    @property
    def open_parts(self) -> list[Part]:
        """What was split off from it and has not ended."""
        return [part for part in self.parts if part.state not in EVENT.ends]

    @property
    def dispute(self) -> Dispute | None:
        """The dispute about whose job it is that has not ended, if any."""
        return next((dispute for dispute in self.disputes if dispute.ended_at is None), None)

    @property
    def live_reports(self) -> list[Report]:
        """The loaded reports that still wait for something: neither settled nor withdrawn."""
        return [report for report in self.reports if report.state in ("open", "replied")]

    def order(self, n: int) -> WorkOrder | None:
        """The order numbered ``n``."""
        return next((order for order in self.orders if order.n == n), None)

    def open_debts(self, *kinds: str, report: Report | None = None) -> list[Debt]:
        """What is still owed, of these kinds (all when none is named), to this report (all when none is given)."""
        return [
            debt
            for debt in self.debts
            if debt.paid_at is None
            and debt.waived is None
            and (not kinds or debt.kind in kinds)
            and (report is None or debt.report_id == report.id)
        ]
