"""认领: an order lies in its unit's pool until somebody takes it or is given it; who holds it looks after it.

Holding is soft: others of the unit may still act, and the timeline shows who did.
"""

from typing import Final
from uuid import UUID

from app.core.errors import Conflict, Forbidden
from app.events.aggregate import Act, EventAggregate
from app.events.tables import WorkOrder

OPEN: Final = ("dispatched", "signed", "handling")
#: who looks after the unit's pool: sees who holds what, gives orders to people and takes them back
KEEPER: Final = "unit_liaison"


class Held(Conflict):
    """Somebody else of the unit holds the order."""

    code = "held_by_other"


def is_held(_: EventAggregate, order: WorkOrder) -> bool:
    """Whether somebody has it."""
    return order.holder_id is not None


def is_free(_: EventAggregate, order: WorkOrder) -> bool:
    """Whether it lies in the pool."""
    return order.holder_id is None


def refuse_held(order: WorkOrder, user_id: UUID, *, holder: str | None) -> None:
    """Nobody takes what somebody else holds. ``holder``: their name, for who may know it. Raises ``Held``."""
    if order.holder_id is None:
        return
    if order.holder_id == user_id:
        raise Conflict("该工单已由您认领。")
    if holder is not None:
        raise Held(f"该工单已由{holder}认领；需要换人时请用“指派”。", holder=holder)
    raise Held("该工单已被本单位其他人员认领；需要换人时请联系本单位联络员。")


def take(aggregate: EventAggregate, order: WorkOrder, act: Act, user_id: UUID) -> None:
    """认领."""
    aggregate.advance(order, "take", act, holder_id=user_id)


def assign(aggregate: EventAggregate, order: WorkOrder, act: Act, *, user_id: UUID, name: str) -> None:
    """指派: whose name it is given stands in the erasable note, never in the row."""
    note = f"指派给{name}" + (f"：{act.note}" if act.note else "")
    data = {"again": order.holder_id is not None}
    aggregate.advance(order, "assign", act, data=data, note=note, holder_id=user_id)


def put_back(aggregate: EventAggregate, order: WorkOrder, act: Act, user_id: UUID) -> None:
    """放回: by who holds it, or by the unit's liaison. Raises ``Forbidden`` for others."""
    if order.holder_id != user_id and act.actor.role != KEEPER:
        raise Forbidden("该工单不是您认领的，只有认领人或本单位联络员可以放回。", needs=[KEEPER])
    aggregate.advance(order, "put_back", act, holder_id=None)


def follow(aggregate: EventAggregate) -> None:
    """The end of every act: nobody holds an order that has ended or was sent on."""
    for order in aggregate.orders:
        if order.holder_id is not None and order.ended_at is not None:
            aggregate.change(order, holder_id=None)
