"""What an action is: its body, who may do it, in which states, and the loop's step that it runs."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.accounts.access import Asker
from app.accounts.organizations import Organizations
from app.dispatch.limit_requests import Kind
from app.events.aggregate import EventAggregate
from app.events.report_tables import Report
from app.events.tables import Event, WorkOrder
from app.masters import Masters
from app.turn import Turn

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ActBody(BaseModel):
    """What every act may carry. An act without a body is fine."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    act_id: UUID | None = Field(None, description="客户端生成的幂等编号（UUID）：同一编号重发只执行一次，返回同样结果")
    acted_at: datetime | None = Field(None, description="实际操作时间（手机离线时填写），RFC 3339，须带时区")
    note: Words | None = Field(None, description="备注")

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        # PostgreSQL's text and jsonb hold every character but this one.
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("含有不能保存的字符（NUL）")
        return value


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
    #: a fresh event number, for the action that begins another event
    event_no: str = ""
    #: further events that the action began, to be written with this one
    begun: list[EventAggregate] = field(default_factory=list)
    #: what an action answers besides the new state
    answer: dict[str, Any] = field(default_factory=dict)

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
    #: states in which it is offered; empty: whenever ``offered`` says so
    states: Collection[str] = ()
    #: anything more that must hold for it to be offered
    offered: Callable[[EventAggregate, Any], bool] | None = None
    #: a sentence why the city's own rules do not let it be done now; None: they do
    refusal: Callable[[Masters, EventAggregate, Any], str | None] | None = None
    #: it decides a request of this kind: of the ``centre`` roles only the one whose turn it is, nobody of the unit
    decides: Kind | None = None
    #: it looks at the order's clocks that ended late
    late_clocks: bool = False
    needs_reports: bool = True
    #: another event named in the body that must be locked with this one
    other_event: Callable[[Any], UUID] | None = None
    #: it begins another event and needs a number for it
    begins_event: bool = False


def covers(asker: Asker, roles: Collection[str], event: Event) -> bool:
    """True when they hold one of these roles over the event's area; unlocated events are the whole jurisdiction's."""
    areas = asker.areas(roles)
    if asker.jurisdiction_code in areas:
        return True
    return bool(areas & {event.district_code, event.street_code, event.community_code})


def unit_of(
    asker: Asker, roles: Collection[str], organizations: Organizations, orders: Collection[WorkOrder]
) -> int | None:
    """The unit of one of these orders for which they may act, if any; leads first."""
    mine = asker.units(organizations, roles)
    found = [order for order in orders if order.unit_id in mine]
    return min(found, key=lambda order: order.role).unit_id if found else None
