"""The append-only timeline, its erasable notes, and the acts that came too late."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from app.core.database import Base, Json


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Timeline(Base):
    """One row per act, chained by HMAC; carries no personal text. Of people it keeps who acted, by the ids of accounts:
    ``actor_id``, and in ``data`` under ``deputy_for`` the one in whose seat they did. Other names go into the note.

    ``xact_id`` makes "everything since X" exact: readers stop below the oldest transaction still running.
    """

    __tablename__ = "timeline"
    __table_args__ = (
        CheckConstraint("actor_kind IN ('user', 'client', 'system')", name="actor_kind"),
        Index("ix_timeline_changes", "jurisdiction_id", "xact_id", "event_id", "n"),
        Index("uq_timeline_act", "event_id", "act_id", unique=True, postgresql_where=text("act_id IS NOT NULL")),
        Index("ix_timeline_report", "report_id", "n", postgresql_where=text("report_id IS NOT NULL")),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    xact_id: Mapped[int] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))
    act: Mapped[str]
    #: what it happened to: event, work_order, report, inspection, return_request, clock
    subject: Mapped[str]
    subject_n: Mapped[int | None]
    report_id: Mapped[UUID | None]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    actor_kind: Mapped[str]
    #: user or client id; the role and organization in which they acted
    actor_id: Mapped[str | None]
    actor_role: Mapped[str | None]
    actor_org_id: Mapped[int | None]
    #: the client's idempotency key
    act_id: Mapped[UUID | None]
    #: the actor's own time (a phone that was offline); ours stands beside it
    acted_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    data: Mapped[Json]
    note_digest: Mapped[bytes | None]
    mac: Mapped[bytes]


class TimelineNote(Base):
    """Free text of an act: may name people, so it can be erased; the chain keeps its salted digest only."""

    __tablename__ = "timeline_note"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "n"], ["timeline.event_id", "timeline.n"]),
        CheckConstraint("length(body) <= 4000", name="body"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    salt: Mapped[bytes]
    body: Mapped[str]


class LateAct(Base):
    """An act from an offline phone that was no longer allowed when it arrived: kept for a person to resolve."""

    __tablename__ = "late_act"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    act_id: Mapped[UUID] = mapped_column(primary_key=True)
    resource: Mapped[str]
    subject_n: Mapped[int | None]
    action: Mapped[str]
    body: Mapped[Json]
    actor_id: Mapped[str]
    acted_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    refused_because: Mapped[str]
    resolved_at: Mapped[datetime | None]
