"""Tables of the parts that know no city: jurisdictions, releases, jobs, deliveries."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Json


class Jurisdiction(Base):
    """One city or district that runs its own masters. ``release_vector``: kind → id of the published release."""

    __tablename__ = "jurisdiction"

    id: Mapped[int] = mapped_column(SmallInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    release_vector: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))


class Release(Base):
    """One immutable edition of one master kind (DESIGN.md §3). Only a draft may still change."""

    __tablename__ = "release"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'reviewed', 'published', 'retired')", name="status"),
        CheckConstraint("(reviewed_at IS NULL) = (reviewed_by IS NULL)", name="reviewed"),
        CheckConstraint(
            "NOT (reviewed_by = ANY (string_to_array(created_by, '|')))",  # ``releases.MAKERS_APART``
            name="second_person",
        ),
        CheckConstraint("publish_at IS NULL OR status IN ('reviewed', 'published', 'retired')", name="publish_at"),
        CheckConstraint("mode IN ('new_only', 're_decide_open')", name="mode"),
        Index("uq_release_number", "jurisdiction_id", "kind", "number", unique=True),
        Index(
            "uq_release_draft",
            "jurisdiction_id",
            "kind",
            unique=True,
            postgresql_where=text("status IN ('draft', 'reviewed')"),
        ),
        Index(
            "uq_release_published",
            "jurisdiction_id",
            "kind",
            unique=True,
            postgresql_where=text("status = 'published'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    kind: Mapped[str]
    number: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="draft")
    mode: Mapped[str] = mapped_column(server_default="new_only")
    digest: Mapped[bytes]
    row_count: Mapped[int]
    created_at: Mapped[datetime]
    #: all who had a hand in the draft, joined by ``releases.MAKERS_APART``
    created_by: Mapped[str]
    #: by a second person, who did not make the draft
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None]
    #: a reviewed draft comes into force by itself at this moment
    publish_at: Mapped[datetime | None]
    #: why it came into force without a second person's review, which a city may need while it is set up
    unreviewed_because: Mapped[str | None]
    #: the earlier release whose content it brings back 回退
    brings_back_id: Mapped[int | None] = mapped_column(ForeignKey("release.id"))
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class ReleaseRow(Base):
    """One master row of a release; ``body`` has the shape of the kind's row model."""

    __tablename__ = "release_row"

    release_id: Mapped[int] = mapped_column(ForeignKey("release.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[Json]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class Job(Base):
    """Background work written in the transaction that made it necessary; done at least once, under a lease."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name="state"),
        Index("ix_job_waiting", "run_at", postgresql_where=text("state IN ('waiting', 'leased')")),
        Index("uq_job_key", "kind", "key", unique=True, postgresql_where=text("state IN ('waiting', 'leased')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    #: at most one waiting job per (kind, key)
    key: Mapped[str]
    args: Mapped[Json]
    state: Mapped[str] = mapped_column(server_default="waiting")
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    lease_until: Mapped[datetime | None]
    #: rises with each lease; a worker whose lease ran out cannot record an outcome any more
    fence: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]


class Delivery(Base):
    """One message that we owe another system. A lane is (destination, lane_id); within it they go in order of ``n``."""

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'leased', 'delivered', 'dead', 'skipped')", name="state"),
        Index(
            "ix_delivery_open",
            "next_at",
            postgresql_where=text("state IN ('waiting', 'leased')"),
        ),
        Index(
            "ix_delivery_lane",
            "destination_id",
            "lane_id",
            "n",
            postgresql_where=text("state IN ('waiting', 'leased', 'dead')"),
        ),
        Index("ix_delivery_report", "report_id"),
    )

    lane_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    #: the machine client that is told
    destination_id: Mapped[int]
    report_id: Mapped[UUID | None]
    #: receipt, result, return, alert: what the message is to its reader
    kind: Mapped[str]
    sealed: Mapped[bytes]
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(server_default="0")
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
