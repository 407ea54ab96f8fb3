"""Reports, who sent them, which event they belong to, and what is still owed to each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.events.lifecycles import REPORT


class Report(Base):
    """诉求/上报件: what one person or one source told us. Never dissolves into its event.

    ``content`` has phone and identity numbers masked; the message as it came is sealed in the inbox under the same id.
    """

    __tablename__ = "report"
    __table_args__ = (
        CheckConstraint("state IN (" + ", ".join(f"'{state}'" for state in REPORT.states) + ")", name="state"),
        CheckConstraint("kind IN ('demand', 'finding')", name="kind"),
        Index("ix_report_list", "jurisdiction_id", "id"),
        Index("ix_report_client", "client_id", "source_ref"),
        Index("ix_report_linked", "client_id", "linked_ref", postgresql_where=text("linked_ref IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("jurisdiction.id"))
    client_id: Mapped[int] = mapped_column(ForeignKey("machine_client.id"))
    channel: Mapped[str]
    source_ref: Mapped[str]
    linked_ref: Mapped[str | None]
    kind: Mapped[str]
    demand_type: Mapped[str | None]
    state: Mapped[str]
    #: counter of what is keyed (report_id, n)
    seq: Mapped[int]
    title: Mapped[str]
    content: Mapped[str]
    address: Mapped[str]
    #: the pair as the source gave it, with its datum
    source_lon_lat: Mapped[str | None]
    source_crs: Mapped[str | None]
    pictures: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    anonymous: Mapped[bool]
    confidential: Mapped[bool]
    reply_wanted: Mapped[bool]
    chase_count: Mapped[int] = mapped_column(server_default="0")
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]


class EventReport(Base):
    """Which event a report belongs to, since when and why; at most one link is current."""

    __tablename__ = "event_report"
    __table_args__ = (
        CheckConstraint("cause IN ('first', 'same_place', 'linked_by_person', 'unlinked')", name="cause"),
        Index("uq_event_report_current", "report_id", unique=True, postgresql_where=text("left_at IS NULL")),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    cause: Mapped[str]


class ReportKey(Base):
    """The data key of one report, wrapped; deleting the row erases the person."""

    __tablename__ = "report_key"

    report_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapped: Mapped[bytes]


class ReportIdentity(Base):
    """Name, phones and the like, sealed; phones findable by keyed digest only."""

    __tablename__ = "report_identity"
    __table_args__ = (Index("ix_report_identity_phones", "phone_digests", postgresql_using="gin"),)

    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    sealed: Mapped[bytes]
    #: 张**, 138****5678: what may be shown without an audited act
    masked_name: Mapped[str]
    masked_phone: Mapped[str]
    phone_digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary), server_default="{}")


class Debt(Base):
    """What is still owed for a report: a reply, a callback, the result to its source."""

    __tablename__ = "debt"
    __table_args__ = (
        CheckConstraint("kind IN ('reply', 'callback', 'result')", name="kind"),
        CheckConstraint("paid_at IS NULL OR waived IS NULL", name="paid_or_waived"),
        Index(
            "uq_debt_open",
            "report_id",
            "kind",
            unique=True,
            postgresql_where=text("paid_at IS NULL AND waived IS NULL"),
        ),
        Index(
            "ix_debt_open",
            "kind",
            "report_id",
            postgresql_where=text("paid_at IS NULL AND waived IS NULL"),
        ),
    )

    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owed_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    #: why it is not owed any more though it was never paid (withdrawn, unreachable, anonymous …)
    waived: Mapped[str | None]


class Reply(Base):
    """答复: what the reporter was told, by whom, and how."""

    __tablename__ = "reply"
    __table_args__ = (CheckConstraint("length(body) BETWEEN 1 AND 4000", name="body"),)

    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    method: Mapped[str]
    result: Mapped[str]
    body: Mapped[str]
    replied_at: Mapped[datetime]


class Callback(Base):
    """回访: by the centre, never by the unit. The raw level is kept with its scale; neither is ever converted."""

    __tablename__ = "callback"
    __table_args__ = (
        CheckConstraint("reached = (satisfaction_level IS NOT NULL)", name="reached"),
        CheckConstraint("satisfaction_level BETWEEN 1 AND 5", name="satisfaction_level"),
        Index("ix_callback_called", "called_at", postgresql_using="brin", postgresql_with={"autosummarize": True}),
    )

    report_id: Mapped[UUID] = mapped_column(ForeignKey("report.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), index=True)
    called_at: Mapped[datetime]
    agent_id: Mapped[UUID | None]
    reached: Mapped[bool]
    contacted: Mapped[bool | None]
    resolved: Mapped[bool | None]
    satisfaction_level: Mapped[int | None] = mapped_column(SmallInteger)
    satisfaction_scale: Mapped[str | None]
    satisfied: Mapped[bool | None]
