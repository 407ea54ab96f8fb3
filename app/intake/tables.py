"""The inbox: every message as it came, sealed, before anything is derived from it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class InboxMessage(Base):
    """One message of one client. ``id`` is also the id of the report that it becomes."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("client_id", "source_ref", "revision"),
        CheckConstraint("state IN ('accepted', 'held', 'supplement')", name="state"),
        CheckConstraint("(state = 'held') = (fault IS NOT NULL)", name="fault"),
        # what first came under a ref becomes its report; whatever comes after it only adds to that
        Index(
            "uq_inbox_first",
            "client_id",
            "source_ref",
            unique=True,
            postgresql_where=text("state <> 'supplement'"),
        ),
        Index("ix_inbox_held", "received_at", postgresql_where=text("state = 'held'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("machine_client.id"))
    source_ref: Mapped[str]
    revision: Mapped[int]
    received_at: Mapped[datetime]
    #: keyed digest of the body, so that a retry is told from a changed message without opening it
    digest: Mapped[bytes]
    sealed: Mapped[bytes]
    state: Mapped[str]
    fault: Mapped[str | None]


class RefusedMessage(Base):
    """A message under a ref and revision that another body already has: refused with 409, and kept."""

    __tablename__ = "inbox_refused"
    __table_args__ = (UniqueConstraint("inbox_id", "digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    inbox_id: Mapped[UUID] = mapped_column(ForeignKey("inbox.id"))
    received_at: Mapped[datetime]
    digest: Mapped[bytes]
    sealed: Mapped[bytes]
