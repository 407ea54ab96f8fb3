"""拆分: part of an event's work becomes an event of its own, with its own unit and clocks.

The reporters stay with the event that it was split from, and get one answer from it: so that event cannot be reported
done or closed while a part is open. What was split off is not split again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.core.database import Json
from app.core.errors import Conflict
from app.events.aggregate import EventAggregate
from app.events.tables import Event, WorkOrder
from app.items.rows import ItemRow

#: parts that one act may split off
MOST: Final = 5
#: ends of an event, with their kinds, after which its parts go on and tell of their own ends
_LEAVES_PARTS: Final = (("force_close", "forced"), ("cancel", "withdrawn"))


class PartsOfEventOpen(Conflict):
    """Parts of the event have not ended."""

    code = "parts_of_event_open"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part as a person asks for it. Without a unit the rules find one."""

    item: ItemRow
    item_id: int
    unit_id: int | None
    words: str | None


class PartOpen(Conflict):
    """The same part is open already, or is asked for twice."""

    code = "part_open"


def refuse_double(aggregate: EventAggregate, wanted: Sequence[Wanted]) -> None:
    """A part of the same item for the same unit is not split off twice. Raises ``PartOpen`` naming the open ones.

    Without a unit any part of the item is the same: the rules would find its unit again.
    """
    for position, one in enumerate(wanted):
        same = [
            part.event_no
            for part in aggregate.open_parts
            if part.item_id == one.item_id and one.unit_id in (None, part.lead_unit_id)
        ]
        if same:
            raise PartOpen(
                f"“{one.item.name}”已有拆分件 {'、'.join(same)} 尚未办结；确须再拆一件的，请将 anew 填为 true。",
                parts=same,
            )
        if any((other.item_id, other.unit_id) == (one.item_id, one.unit_id) for other in wanted[:position]):
            raise PartOpen(f"“{one.item.name}”在本次拆分中写了两次；确须拆成两件的，请将 anew 填为 true。", parts=[])


def open_numbers(aggregate: EventAggregate) -> list[str]:
    """Event numbers of the parts that have not ended."""
    return [part.event_no for part in aggregate.open_parts]


def refuse_while_open(aggregate: EventAggregate, what: str) -> None:
    """``what`` cannot be done, in Chinese, before every part has ended. Raises ``PartsOfEventOpen`` naming them."""
    numbers = open_numbers(aggregate)
    if numbers:
        raise PartsOfEventOpen(
            f"拆分件 {'、'.join(numbers)} 尚未办结，不能{what}；请等待其办结，或先将其并回。", parts=numbers
        )


def refuse_done(aggregate: EventAggregate, order: WorkOrder) -> None:
    """The lead's word ends the handling of the whole. Raises ``PartsOfEventOpen``."""
    if order.role == "lead":
        refuse_while_open(aggregate, "报结")


def left_open(aggregate: EventAggregate, trigger: str, kind: str) -> Json:
    """What an end of the event leaves open, for the timeline. Most ends wait for the parts: ``PartsOfEventOpen``."""
    if (trigger, kind) not in _LEAVES_PARTS:
        refuse_while_open(aggregate, "结束事件")
    numbers = open_numbers(aggregate)
    return {"parts_open": numbers} if numbers else {}


def may_split(aggregate: EventAggregate, _: Event) -> bool:
    """One level only: a part is not split again."""
    return aggregate.event.split_from is None


def is_part(aggregate: EventAggregate, _: Event) -> bool:
    """Whether the event was split off from another one."""
    return aggregate.event.split_from is not None


def as_data(parts: Sequence[EventAggregate], items: Sequence[ItemRow]) -> Json:
    """What the parent's timeline says of what was split off from it."""
    return {
        "parts": [
            {"event_no": part.event.event_no, "event": str(part.event.id), "item": item.key}
            for part, item in zip(parts, items, strict=True)
        ]
    }


def end_data(part: EventAggregate) -> Json:
    """How a part ended: its number, its end, and what its unit said came of it."""
    event = part.event
    done = [order.result for order in part.orders if order.role == "lead" and order.result]
    return {
        "part": event.event_no,
        "event": str(event.id),
        "end": event.state,
        "kind": event.end_kind,
        "result": done[-1] if done else None,
    }
