"""The event and everything it owns, keyed ``(event_id, n)`` with ``n`` from the event's own counter (DESIGN.md §3)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base, Json
from app.events.lifecycles import EVENT, INSPECTION, RETURN_REQUEST, WORK_ORDER, one_of

#: 主办, 协办, 二次派单 inside a unit, 吹哨 of a street
ORDER_ROLES = ("lead", "supporting", "sub", "callout")
#: each order's unit, and those who look on: ``party`` of a negotiation
PARTICIPANT_ROLES = (*ORDER_ROLES, "inspector", "desk", "supervising", "party")


class Event(Base):
    """What happened in the city, once 事件. Row lock, ETag (``seq``) and allocator of ``n`` for all it owns."""

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(one_of("state", EVENT.states), name="state"),
        CheckConstraint("(merged_into IS NOT NULL) = (state = 'merged')", name="merged_into"),
        CheckConstraint("(ended_at IS NOT NULL) = (" + one_of("state", EVENT.ends) + ")", name="ended_at"),
        CheckConstraint("settled_at IS NULL OR ended_at IS NOT NULL", name="settled_at"),
        CheckConstraint("level IN ('grid', 'street', 'district', 'city')", name="level"),
        CheckConstraint("urgency IN ('normal', 'urgent', 'critical')", name="urgency"),
        CheckConstraint("NOT nobody_accused OR accused_org_ids = '{}'", name="nobody_accused"),
        Index("ix_event_same_place", "item_id", "place_bucket", postgresql_where=text("ended_at IS NULL")),
        Index("ix_event_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        # One way in for each filter that lists are narrowed by, all in the order of the list (newest id first).
        # ``state`` stands in none of them: a change of state stays on its page and touches no index.
        Index("ix_event_list", "jurisdiction_id", "id"),
        Index("ix_event_received", "jurisdiction_id", "received_at", "id"),
        Index("ix_event_street", "street_code", "id"),
        Index("ix_event_community", "community_code", "id"),
        Index("ix_event_item", "item_id", "id"),
        Index("ix_event_lead", "lead_unit_id", "id"),
        Index("ix_event_open", "jurisdiction_id", "id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_event_open_street", "street_code", "id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_event_triage", "jurisdiction_id", "id", postgresql_where=text("triage IS NOT NULL")),
        Index("ix_event_split_from", "split_from", postgresql_where=text("split_from IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("jurisdiction.id"))
    event_no: Mapped[str] = mapped_column(unique=True)
    seq: Mapped[int]
    #: MAC of the newest timeline row, and a tag over (event, n, MAC): the chain cannot be cut at its end unseen
    head: Mapped[bytes]
    head_n: Mapped[int]
    head_tag: Mapped[bytes]
    state: Mapped[str]
    #: how it ended: closed(kind), not_accepted(treatment), handed_over(to), cancelled(why)
    end_kind: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    #: ended and nothing owed any more
    settled_at: Mapped[datetime | None]
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"))
    #: the event of which this is a part 拆分件; the reports stay with that one, and so does the answer
    split_from: Mapped[UUID | None] = mapped_column(ForeignKey("event.id"))
    #: why a person must decide (human queue); null: nobody is waited for
    triage: Mapped[str | None]
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    #: row number of the chosen filing standard 立案标准 of the item
    standard_row_no: Mapped[int | None]
    closure_profile: Mapped[str]
    demand_type: Mapped[str | None]
    domain: Mapped[str | None]
    level: Mapped[str]
    urgency: Mapped[str]
    channel: Mapped[str]
    district_code: Mapped[str | None]
    street_code: Mapped[str | None]
    community_code: Mapped[str | None]
    cell_id: Mapped[str | None]
    duty_grid_code: Mapped[str | None]
    #: CGCS2000 degrees
    lon: Mapped[float | None] = mapped_column(Double)
    lat: Mapped[float | None] = mapped_column(Double)
    #: a square of about 100 m, for duplicate search and its advisory lock
    place_bucket: Mapped[int | None] = mapped_column(BigInteger)
    address: Mapped[str]
    title: Mapped[str]
    #: the registered component 部件 that it is about, as the register of components names it
    component_id: Mapped[str | None]
    #: the unit that took it in 首接单位: said by its source, else the first that got the lead
    first_receiver_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    lead_unit_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    #: units accused in it 被举报单位: they see nothing of it
    accused_org_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    #: a person has said that it accuses no unit; until then an accusation without accused units may accuse any
    nobody_accused: Mapped[bool] = mapped_column(server_default=text("false"))
    report_count: Mapped[int]
    received_at: Mapped[datetime]
    #: the release of each kind that decided about it
    release_vector: Mapped[Json]
    foreign_system: Mapped[str | None]
    foreign_ref: Mapped[str | None]


class Participant(Base):
    """Who takes part, and so who may see: visibility is data."""

    __tablename__ = "event_participant"
    __table_args__ = (
        CheckConstraint(one_of("role", PARTICIPANT_ROLES), name="role"),
        CheckConstraint("until IS NULL OR until >= since", name="period"),
        Index("ix_participant_org", "org_id", "event_id", postgresql_where=text("until IS NULL")),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    role: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]


class WorkOrder(Base):
    """工单: one unit's duty in an event. Area, item and channel stand here too, so that a unit's list is one scan."""

    __tablename__ = "work_order"
    __table_args__ = (
        CheckConstraint(one_of("state", WORK_ORDER.states), name="state"),
        CheckConstraint(one_of("role", ORDER_ROLES), name="role"),
        CheckConstraint("(parent_n IS NOT NULL) = (role IN ('sub', 'callout'))", name="parent_n"),
        ForeignKeyConstraint(["event_id", "parent_n"], ["work_order.event_id", "work_order.n"]),
        CheckConstraint("result IN ('resolved', 'explained')", name="result"),
        CheckConstraint("(ended_at IS NOT NULL) = (" + one_of("state", WORK_ORDER.ends) + ")", name="ended_at"),
        Index(
            "uq_work_order_lead",
            "event_id",
            unique=True,
            postgresql_where=text("role = 'lead' AND ended_at IS NULL"),
        ),
        Index(
            "ix_work_order_holder",
            "holder_id",
            "event_id",
            "n",
            postgresql_where=text("holder_id IS NOT NULL AND ended_at IS NULL"),
        ),
        Index(
            "ix_work_order_unit_open",
            "unit_id",
            "event_id",
            "n",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_work_order_unit", "unit_id", "event_id", "n"),
        Index(
            "ix_work_order_open",
            "jurisdiction_id",
            "event_id",
            "n",
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    unit_id: Mapped[int] = mapped_column(ForeignKey("organization.id"))
    role: Mapped[str]
    #: of a sub-dispatch 二次派单 or a call-out 吹哨: the order of the unit that gave it
    parent_n: Mapped[int | None]
    #: the person who has taken it; null: it lies in the unit's pool
    holder_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    state: Mapped[str]
    #: how often it was handled: 1, then one more with each send-back
    round: Mapped[int]
    item_id: Mapped[int | None]
    district_code: Mapped[str | None]
    street_code: Mapped[str | None]
    community_code: Mapped[str | None]
    channel: Mapped[str]
    urgency: Mapped[str]
    #: the timeline row that says why this unit
    decision_n: Mapped[int]
    dispatched_at: Mapped[datetime]
    signed_at: Mapped[datetime | None]
    #: signed by the clock, not by a person
    signed_automatically: Mapped[bool]
    first_contact_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    reported_done_at: Mapped[datetime | None]
    result: Mapped[str | None]
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    ended_at: Mapped[datetime | None]


class ReturnRequest(Base):
    """退单: a unit says that an order is not its own. Needs a reason and a decision; handling goes on meanwhile."""

    __tablename__ = "return_request"
    __table_args__ = (
        CheckConstraint(one_of("state", RETURN_REQUEST.states), name="state"),
        Index("uq_return_open", "event_id", "order_n", unique=True, postgresql_where=text("state = 'requested'")),
        ForeignKeyConstraint(["event_id", "order_n"], ["work_order.event_id", "work_order.n"]),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    order_n: Mapped[int]
    state: Mapped[str]
    reason_code: Mapped[str]
    #: the unit that the asker thinks right
    suggested_unit_id: Mapped[int | None]
    requested_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class Inspection(Base):
    """核查: is it fixed? By a collector who neither handled it nor belongs to the handling unit."""

    __tablename__ = "inspection"
    __table_args__ = (
        CheckConstraint(one_of("state", INSPECTION.states), name="state"),
        ForeignKeyConstraint(["event_id", "order_n"], ["work_order.event_id", "work_order.n"]),
        Index("uq_inspection_open", "event_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_inspection_open", "jurisdiction_id", "event_id", postgresql_where=text("ended_at IS NULL")),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger)
    order_n: Mapped[int]
    round: Mapped[int]
    state: Mapped[str]
    collector_id: Mapped[UUID | None]
    evidence: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    requested_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
