"""部件权责更正: what a unit in the field says of a component's entry in the register, and what became of that.

Nothing here changes the register: an accepted one becomes a draft of it, which a release puts in force.
"""

from dataclasses import dataclass
from typing import Final, Literal

from app.core.errors import Conflict, Malformed
from app.dispatch.rows import ComponentRow
from app.events.aggregate import Act, EventAggregate
from app.events.dispute_tables import ComponentCorrection

Duty = Literal["competent", "owner", "maintainer"]
#: the act of accepting, on the timeline
ACCEPTED: Final = "component_accepted"
DUTIES_ZH: Final[dict[str, str]] = {"competent": "主管单位", "owner": "权属单位", "maintainer": "养护单位"}


@dataclass(frozen=True, slots=True)
class Reported:
    """What the unit says. ``unit_id`` None: it is not the registered one, and they do not know whose it is."""

    entry: ComponentRow
    duty: Duty
    unit_id: int | None
    #: code of that unit
    unit: str | None


def report(aggregate: EventAggregate, order_n: int, reported: Reported, act: Act, *, reason: str) -> None:
    """报部件登记有误: kept for the desk; the order itself goes on. Raises Malformed, or Conflict for a second one."""
    entry, duty = reported.entry, reported.duty
    registered = getattr(entry, duty)
    title = DUTIES_ZH[duty]
    if reported.unit == registered or (reported.unit is None and not registered):
        message = f"部件 {entry.component_id} 登记的{title}就是如此，没有需要更正的。"
        raise Malformed(message, faults=[{"path": "unit", "message": message}])
    for other in aggregate.component_corrections:
        if (other.component_id, other.duty, other.state) == (entry.component_id, duty, "proposed"):
            raise Conflict(f"部件 {entry.component_id} 的{title}已报过有误，正待核定。")
    row = aggregate.new(
        ComponentCorrection,
        event_id=aggregate.event.id,
        n=aggregate.next_n(),
        jurisdiction_id=aggregate.event.jurisdiction_id,
        state="proposed",
        component_id=entry.component_id,
        duty=duty,
        unit_id=reported.unit_id,
        proposed_at=act.at,
        decided_at=None,
    )
    data = {
        "component": entry.component_id,
        "duty": duty,
        "registered": registered or None,
        "unit": reported.unit,
        "order": order_n,
    }
    aggregate.record(act, "component_reported", subject=row, to_state=row.state, data=data, note=reason)


def accept_again(
    aggregate: EventAggregate, correction: ComponentCorrection, act: Act, *, unit: str | None, note: str | None
) -> None:
    """再次采纳: an accepted one whose draft is gone is to be written into another; its state is what it was."""
    data = {"component": correction.component_id, "duty": correction.duty, "unit": unit}
    aggregate.record(
        act,
        ACCEPTED,
        subject=correction,
        from_state=correction.state,
        to_state=correction.state,
        data=data,
        note=note or "",
    )


def decide(
    aggregate: EventAggregate,
    correction: ComponentCorrection,
    trigger: Literal["accept", "reject"],
    act: Act,
    *,
    unit: str | None,
    note: str | None,
) -> None:
    """核定: accepted or rejected, once. ``unit``: code of who it is to be. Raises ``NotAllowedNow`` the second time."""
    name = ACCEPTED if trigger == "accept" else "component_rejected"
    data = {"component": correction.component_id, "duty": correction.duty, "unit": unit}
    aggregate.advance(correction, trigger, act, name=name, data=data, note=note or "", decided_at=act.at)
