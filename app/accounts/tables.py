"""Organizations, people, their seats, and the machine clients that send us reports."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.rows import ROLES
from app.core.database import Base


class Organization(Base):
    """The lasting identity of an organization; what it is called and does stands in the organizations release."""

    __tablename__ = "organization"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    code: Mapped[str]


class UserAccount(Base):
    """A person's account. ``token_version`` rises to end every token that was given out."""

    __tablename__ = "user_account"
    __table_args__ = (
        UniqueConstraint("jurisdiction_id", "username"),
        CheckConstraint("failures >= 0", name="failures"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    username: Mapped[str]
    display_name: Mapped[str]
    org_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    #: argon2id; null: no password set yet, no log-in
    password_hash: Mapped[str | None]
    token_version: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    #: closed for good, once nothing was held any more
    closed_at: Mapped[datetime | None]


class LoginIdentity(Base):
    """How somebody logs in, apart from who they are: (issuer, subject) of an identity provider."""

    __tablename__ = "login_identity"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"), index=True)


class Seat(Base):
    """A role within a scope: an area (centre seats) or an organization with what is under it (unit seats)."""

    __tablename__ = "seat"
    __table_args__ = (
        CheckConstraint("role IN (" + ", ".join(f"'{role}'" for role in ROLES) + ")", name="role"),
        CheckConstraint("until IS NULL OR until > since", name="period"),
        CheckConstraint("scope_area IS NULL OR scope_org_id IS NULL", name="one_scope"),
        Index(
            "uq_seat_current",
            "user_id",
            "role",
            text("coalesce(scope_area, '')"),
            text("coalesce(scope_org_id, 0)"),
            unique=True,
            postgresql_where=text("until IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    role: Mapped[str]
    scope_area: Mapped[str | None]
    scope_org_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class Deputy(Base):
    """代理: who acts for somebody who is away; while it lasts the deputy holds that person's seats too."""

    __tablename__ = "deputy"
    __table_args__ = (
        CheckConstraint("until_at > since_at", name="period"),
        CheckConstraint("user_id <> deputy_id", name="another"),
        Index("ix_deputy", "deputy_id", "until_at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    deputy_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    since_at: Mapped[datetime]
    #: moved to the present when it is ended before its time
    until_at: Mapped[datetime]
    given_at: Mapped[datetime]
    #: username of who arranged it
    given_by: Mapped[str]


class MachineClient(Base):
    """A system that sends reports through one channel and is told their receipt and result."""

    __tablename__ = "machine_client"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "code"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    code: Mapped[str]
    name: Mapped[str]
    channel: Mapped[str]
    secret_hash: Mapped[str]
    token_version: Mapped[int] = mapped_column(server_default="0")
    #: datum of its coordinates where its messages do not say (110)
    crs: Mapped[str | None]
    #: where receipts and results go; null: the Null receiver
    endpoint_url: Mapped[str | None]
    endpoint_secret_sealed: Mapped[bytes | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
