"""Clocks, the due times they had, the rungs that fired, and what was asked for about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Json
from app.events.lifecycles import LIMIT_REQUEST, one_of


class Clock(Base):
    """One limit. Its ``due_at`` is a foreign key into ``clock_due``: no due time without a recorded cause."""

    __tablename__ = "clock"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('acceptance', 'filing', 'dispatch', 'signing', 'first_contact', 'handling', 'return_review', "
            "'negotiation', 'ruling', 'sub_handling', 'appearance', 'inspection', 'callback', 'citizen_total')",
            name="kind",
        ),
        CheckConstraint("state IN ('running', 'met', 'stopped')", name="state"),
        CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="ended_at"),
        CheckConstraint("state = 'running' OR next_at IS NULL", name="next_at"),
        CheckConstraint("limit_value > 0", name="limit_value"),
        CheckConstraint("given_back IN ('covered', 'touched')", name="given_back"),
        ForeignKeyConstraint(
            ["event_id", "n", "generation", "due_at"],
            ["clock_due.event_id", "clock_due.clock_n", "clock_due.generation", "clock_due.due_at"],
            name="fk_clock_due",
            use_alter=True,
        ),
        Index("ix_clock_sweep", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index(
            "ix_clock_due",
            "jurisdiction_id",
            "due_at",
            "event_id",
            "n",
            postgresql_where=text("state = 'running'"),
        ),
        Index(
            "ix_clock_unit",
            "unit_id",
            "due_at",
            "event_id",
            "n",
            postgresql_where=text("state = 'running' AND unit_id IS NOT NULL"),
        ),
        Index(
            "ix_clock_street",
            "street_code",
            "due_at",
            "event_id",
            "n",
            postgresql_where=text("state = 'running'"),
        ),
        # for the figures of a period: due times rise with the table, so block ranges do and writing costs nothing
        Index("ix_clock_period", "due_at", postgresql_using="brin", postgresql_with={"autosummarize": True}),
        Index("ix_clock_report", "report_id", postgresql_where=text("state = 'running'")),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    state: Mapped[str]
    #: the order whose clock it is, or the report (citizen_total)
    order_n: Mapped[int | None]
    report_id: Mapped[UUID | None]
    unit_id: Mapped[int | None]
    item_id: Mapped[int | None]
    district_code: Mapped[str | None]
    street_code: Mapped[str | None]
    community_code: Mapped[str | None]
    channel: Mapped[str]
    limit_value: Mapped[int]
    limit_unit: Mapped[str]
    calendar_code: Mapped[str]
    #: how much may stay uncounted, as ``10 work_day``; None: no limit of its own
    uncounted_cap: Mapped[str | None]
    #: which days a pause gives back to a limit counted in days: those it covers, or those it touches
    given_back: Mapped[str]
    #: which rule set this limit, in words
    rule: Mapped[str]
    started_at: Mapped[datetime]
    generation: Mapped[int]
    due_at: Mapped[datetime]
    #: the due time rests on a year whose official calendar was not there yet
    assumed: Mapped[bool]
    #: when the sweep must look at it: its next rung, the limit itself among them; None when nothing more will fire
    next_at: Mapped[datetime | None]
    #: when it was met or stopped
    ended_at: Mapped[datetime | None]
    #: minutes from start to end that count in its unit, and all of them; known when it has ended
    counted_minutes: Mapped[int | None]
    elapsed_minutes: Mapped[int | None]
    #: the decision by which its lateness is left out of statistics; the lateness itself stays
    exempted_n: Mapped[int | None]


class ClockDue(Base):
    """Insert-only: every due time that a clock ever had, what moved it, and by which act."""

    __tablename__ = "clock_due"
    __table_args__ = (
        UniqueConstraint("event_id", "clock_n", "generation", "due_at"),
        ForeignKeyConstraint(["event_id", "clock_n"], ["clock.event_id", "clock.n"]),
        ForeignKeyConstraint(["event_id", "timeline_n"], ["timeline.event_id", "timeline.n"]),
        CheckConstraint(
            "cause IN ('started', 'paused', 'resumed', 'taken_back', 'extended', 'calendar', 'limit')", name="cause"
        ),
        CheckConstraint("(generation = 1) = (cause = 'started')", name="generation"),
        CheckConstraint("(cause = 'paused') = (pause_from IS NOT NULL)", name="pause_from"),
        CheckConstraint("(cause IN ('paused', 'resumed')) = (pause_until IS NOT NULL)", name="pause_until"),
        CheckConstraint("(cause IN ('resumed', 'taken_back')) = (of_generation IS NOT NULL)", name="of_generation"),
        CheckConstraint("pause_until >= pause_from AND of_generation < generation", name="order"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    clock_n: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    cause: Mapped[str]
    #: from when on it held
    since_at: Mapped[datetime]
    timeline_n: Mapped[int]
    #: the limit in force from here on
    limit_value: Mapped[int]
    limit_unit: Mapped[str]
    #: a pause from here to there; ``resumed``: the pause of that generation ends at ``pause_until`` instead
    pause_from: Mapped[datetime | None]
    pause_until: Mapped[datetime | None]
    of_generation: Mapped[int | None]
    #: why, as a code: return_review, waiting, deferred, emergency, extension …
    grounds: Mapped[str]
    #: who agreed, in order: [{"role", "user_id", "at"}]; empty where a rule decides alone
    approval: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    #: the release of calendars by which it was computed
    calendar_release: Mapped[int | None]


class ClockRung(Base):
    """Insert-only: a rung of the escalation ladder that fired; the same rung fires once in a generation."""

    __tablename__ = "clock_rung"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "clock_n"], ["clock.event_id", "clock.n"]),
        ForeignKeyConstraint(["event_id", "timeline_n"], ["timeline.event_id", "timeline.n"]),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    clock_n: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    rung: Mapped[str] = mapped_column(primary_key=True)
    #: when it was due, and when it fired
    rung_at: Mapped[datetime]
    fired_at: Mapped[datetime]
    timeline_n: Mapped[int]


class LimitRequest(Base):
    """Something asked for about an order's limits: 延期, 挂账, 等待诉求人, 超期申诉; decided as its rule says."""

    __tablename__ = "limit_request"
    __table_args__ = (
        CheckConstraint("kind IN ('extension', 'deferral', 'waiting', 'lateness_appeal')", name="kind"),
        CheckConstraint(one_of("state", LIMIT_REQUEST.states), name="state"),
        ForeignKeyConstraint(["event_id", "order_n"], ["work_order.event_id", "work_order.n"]),
        Index(
            "uq_limit_request_open",
            "event_id",
            "order_n",
            "kind",
            unique=True,
            postgresql_where=text("state IN ('requested', 'reviewed')"),
        ),
        # 申诉 is allowed once
        Index(
            "uq_limit_request_appeal",
            "event_id",
            "order_n",
            unique=True,
            postgresql_where=text("kind = 'lateness_appeal'"),
        ),
        Index(
            "ix_limit_request_open",
            "jurisdiction_id",
            "requested_at",
            "event_id",
            "n",
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    order_n: Mapped[int]
    unit_id: Mapped[int]
    kind: Mapped[str]
    state: Mapped[str]
    reason_code: Mapped[str]
    #: what is asked: extension {more}, deferral {until, leader, plan, milestones}, waiting {until}
    terms: Mapped[Json]
    #: roles that must agree, in order, and who has: [{"role", "user_id", "at", "agreed"}]
    approvers: Mapped[list[Any]] = mapped_column(JSONB)
    decisions: Mapped[list[Any]] = mapped_column(JSONB)
    requested_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
