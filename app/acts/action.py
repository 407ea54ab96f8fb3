"""What an action is: its body, who may do it, in which states, and the loop's step that it runs."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker
from app.accounts.organizations import Organizations
from app.dispatch.limit_requests import Kind
from app.dispatch.orders import OF_THE_CENTRE
from app.events.aggregate import EventAggregate
from app.events.report_tables import Report
from app.events.tables import ORDER_ROLES, Event, WorkOrder
from app.events.timeline_tables import Timeline
from app.masters import Masters
from app.turn import Turn

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Storable(BaseModel):
    """A body, or something in it, with nothing but what can be kept."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        # PostgreSQL's text and jsonb hold every character but this one.
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("含有不能保存的字符（NUL）")
        return value


class ActBody(Storable):
    """What every act may carry. An act without a body is fine."""

    act_id: UUID | None = Field(None, description="客户端生成的幂等编号（UUID）：同一编号重发只执行一次，返回同样结果")
    acted_at: datetime | None = Field(None, description="实际操作时间（手机离线时填写），RFC 3339，须带时区")
    note: Words | None = Field(None, description="备注")


@dataclass(frozen=True, slots=True)
class Case:
    """An action's surroundings: the locked turn, its subject, and who asks (None: the reports' own machine client)."""

    turn: Turn
    subject: Event | WorkOrder | Report
    asker: Asker | None
    #: what an action that needs another event got locked with it
    other: Turn | None = None
    #: the client that is told of danger to life; None: there is none
    police_client_id: int | None = None
    #: fresh event numbers, for the action that begins other events
    event_nos: Sequence[str] = ()
    #: further events that the action began, to be written with this one
    begun: list[EventAggregate] = field(default_factory=list)
    #: what an action answers besides the new state
    answer: dict[str, Any] = field(default_factory=dict)
    #: what ``Action.fetch`` has read for the step, by name
    fetched: dict[str, Any] = field(default_factory=dict)

    @property
    def aggregate(self) -> EventAggregate:
        """The event."""
        return self.turn.event

    @property
    def organizations(self) -> Organizations:
        """Organizations of the published release."""
        return self.turn.masters.organizations

    @property
    def order(self) -> WorkOrder:
        """The subject of a work order's action."""
        assert isinstance(self.subject, WorkOrder)  # noqa: S101 - the registry pairs actions with their subjects
        return self.subject

    @property
    def report(self) -> Report:
        """The subject of a report's action."""
        assert isinstance(self.subject, Report)  # noqa: S101 - as above
        return self.subject

    def act_as(self, role: str, org_id: int, principal: UUID | None) -> None:
        """The act is done in this seat: the person's own, or as deputy of ``principal``."""
        deputy_for = str(principal) if principal is not None else None
        actor = replace(self.turn.act.actor, role=role, org_id=org_id, deputy_for=deputy_for)
        self.turn.act = replace(self.turn.act, actor=actor)

    @property
    def user_id(self) -> UUID:
        """Who acts, for acts that only people do."""
        assert self.asker is not None  # noqa: S101 - only actions with ``client`` set are open to machines
        return self.asker.user_id


Resource = Literal["event", "work_order", "report"]


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the registry. ``centre`` roles act within their area, ``unit`` roles for an order of their unit."""

    name: str
    name_zh: str
    run: Callable[[Case, Any], object]
    body: type[ActBody] = ActBody
    centre: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    #: open to collectors within their area
    collector: bool = False
    #: of the collectors, not for one while another has claimed the inspection
    claimant: bool = False
    #: open to the machine client that sent the report
    client: bool = False
    #: of which orders' units the ``unit`` roles are; None: the subject's own, of an event or report all its orders'
    whose: Callable[[EventAggregate, Any], Collection[WorkOrder]] | None = None
    #: open to the ``unit`` roles of the units that are asked in a negotiation, whether or not they have an order
    of_party: bool = False
    #: roles of the orders for which it is there; empty: any
    roles: Collection[str] = ()
    #: states in which it is offered; empty: whenever ``offered`` says so
    states: Collection[str] = ()
    #: anything more that must hold for it to be offered
    offered: Callable[[EventAggregate, Any], bool] | None = None
    #: a sentence why the city's own rules do not let it be done now; None: they do
    refusal: Callable[[Masters, EventAggregate, Any], str | None] | None = None
    #: it decides a request of this kind: of the ``centre`` roles only the one whose turn it is, nobody of the unit
    decides: Kind | None = None
    #: it decides between units: nobody who belongs to one of them, or acted for one, does it
    impartial: bool = False
    #: it looks at the order's clocks that ended late
    late_clocks: bool = False
    needs_reports: bool = True
    #: another event named in the body that must be locked with this one
    other_event: Callable[[Any], UUID] | None = None
    #: for an action on a part of an event: the event that it is part of is locked with it
    with_parent: bool = False
    #: what it answered besides the new state, from the timeline row that it wrote (``repeated``); for its repetition
    again: Callable[[EventAggregate, Timeline], dict[str, Any]] | None = None
    #: how many other events it begins, each with a number of its own
    begins: Callable[[Any], int] | None = None
    #: reads what the step needs and the event does not hold into ``Case.fetched``; under the lock, after the right to
    #: act was checked, before ``refused_now``. It may refuse too
    fetch: Callable[[AsyncSession, Case, Any], Awaitable[None]] | None = None


def covers(asker: Asker, roles: Collection[str], event: Event) -> bool:
    """True when they hold one of these roles over the event's area; unlocated events are the whole jurisdiction's."""
    areas = asker.areas(roles)
    if asker.jurisdiction_code in areas:
        return True
    return bool(areas & {event.district_code, event.street_code, event.community_code})


def own_orders(aggregate: EventAggregate, _: Any) -> Collection[WorkOrder]:
    """Orders of the units that take part by themselves: not of whom another unit asked to help, nor of who has left."""
    left = ("returned", "transferred", "cancelled")
    return [order for order in aggregate.orders if order.role in OF_THE_CENTRE and order.state not in left]


def lead_orders(aggregate: EventAggregate, _: Any) -> Collection[WorkOrder]:
    """Whose word goes out: the unit's that leads. One event has one answer, whoever helps."""
    return [order for order in own_orders(aggregate, None) if order.role == "lead"]


def unit_of(
    asker: Asker, roles: Collection[str], organizations: Organizations, orders: Collection[WorkOrder]
) -> int | None:
    """The unit of one of these orders for which they may act, if any; leads first."""
    mine = asker.units(organizations, roles)
    found = [order for order in orders if order.unit_id in mine]
    return min(found, key=lambda order: ORDER_ROLES.index(order.role)).unit_id if found else None
