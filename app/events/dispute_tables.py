"""Disputes about whose job an event is, what their rulings teach, and what the street says of the register."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.events.lifecycles import COMPONENT_CORRECTION, DISPUTE, one_of


class Dispute(Base):
    """管辖争议: units that do not agree whose job it is; settled among them 会商, or ruled 裁决."""

    __tablename__ = "dispute"
    __table_args__ = (
        CheckConstraint(one_of("state", DISPUTE.states), name="state"),
        CheckConstraint("cause IN ('second_return', 'dispatcher', 'no_agreement')", name="cause"),
        CheckConstraint("(ended_at IS NOT NULL) = (" + one_of("state", DISPUTE.ends) + ")", name="ended_at"),
        Index("uq_dispute_open", "event_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_dispute_open", "jurisdiction_id", "event_id", postgresql_where=text("ended_at IS NULL")),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str]
    cause: Mapped[str]
    #: the lead order that it is about; null: nobody had one
    order_n: Mapped[int | None]
    #: the unit that acts first 先办后议 while they argue
    acting_unit_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    #: whose job it is, once that is agreed or ruled
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DisputeParty(Base):
    """One unit asked in a negotiation, and what it says. Its grounds stand in the timeline's notes."""

    __tablename__ = "dispute_party"
    __table_args__ = (
        CheckConstraint("stance IN ('ours', 'not_ours', 'shared')", name="stance"),
        CheckConstraint("(stance IS NULL) = (stated_at IS NULL)", name="stated_at"),
        ForeignKeyConstraint(["event_id", "dispute_n"], ["dispute.event_id", "dispute.n"]),
        Index("uq_dispute_party", "event_id", "dispute_n", "unit_id", unique=True),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    dispute_n: Mapped[int]
    unit_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    invited_at: Mapped[datetime]
    stance: Mapped[str | None]
    #: whose job it is in the unit's opinion
    suggested_unit_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    stated_at: Mapped[datetime | None]


class Precedent(Base):
    """裁决先例: a ruling as it is offered for the same item in the same street or district; never applied by itself."""

    __tablename__ = "precedent"
    __table_args__ = (
        Index("ix_precedent_offered", "jurisdiction_id", "item_id", postgresql_where=text("ended_at IS NULL")),
        ForeignKeyConstraint(["event_id", "dispute_n"], ["dispute.event_id", "dispute.n"]),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    #: division code of the street, else the district, else the city
    area_code: Mapped[str]
    unit_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    supporting_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    event_id: Mapped[UUID]
    dispute_n: Mapped[int]
    #: the rule that it teaches, in words without any person in it
    summary: Mapped[str]
    ruled_at: Mapped[datetime]
    #: no longer offered: overruled, or written into the catalogue
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class ComponentCorrection(Base):
    """What a unit in the field says of a component's entry in the register; accepted, it becomes a draft row."""

    __tablename__ = "component_correction"
    __table_args__ = (
        CheckConstraint(one_of("state", COMPONENT_CORRECTION.states), name="state"),
        CheckConstraint("duty IN ('competent', 'owner', 'maintainer')", name="duty"),
        Index(
            "ix_component_correction_open", "jurisdiction_id", "event_id", postgresql_where=text("decided_at IS NULL")
        ),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str]
    component_id: Mapped[str]
    #: which entry is wrong: 主管, 权属 or 养护
    duty: Mapped[str]
    #: who it should be; null: not this one, and the unit does not know who
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    proposed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
