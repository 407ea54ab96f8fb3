"""核查: a collector, who neither handled it nor belongs to the handling unit, looks whether it is fixed."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.core.errors import Forbidden, NotFound
from app.events.aggregate import Act, EventAggregate
from app.events.tables import Inspection, WorkOrder


def request(aggregate: EventAggregate, order: WorkOrder, act: Act) -> Inspection:
    """Asks for an inspection of what the lead unit has reported done."""
    inspection = aggregate.new(
        Inspection,
        event_id=order.event_id,
        n=aggregate.next_n(),
        jurisdiction_id=order.jurisdiction_id,
        order_n=order.n,
        round=order.round,
        state="requested",
        collector_id=None,
        evidence=[],
        requested_at=act.at,
        ended_at=None,
    )
    aggregate.record(act, "inspection_requested", subject=inspection, to_state="requested", note="")
    return inspection


def current(aggregate: EventAggregate) -> Inspection:
    """The inspection that is open. Raises ``NotFound``."""
    for inspection in aggregate.inspections:
        if inspection.ended_at is None:
            return inspection
    raise NotFound("该事件没有待办的核查任务。")


def refuse_interested(aggregate: EventAggregate, persons: Collection[str], orgs: Collection[int]) -> None:
    """Raises ``Forbidden`` when the collector's organization has an order in the event, or they acted in its handling.

    ``persons``: ids of the collector and of those for whom they stand in; ``orgs``: the organizations of all these
    with everything above and under them.
    """
    units = {order.unit_id for order in aggregate.orders}
    if units & set(orgs) or not aggregate.handlers.isdisjoint(persons):
        raise Forbidden("核查员不得核查本单位、本人或被代理人处置的事件，请由其他核查员办理。")


def claim(aggregate: EventAggregate, inspection: Inspection, collector_id: UUID, act: Act) -> None:
    """领取核查任务."""
    aggregate.advance(inspection, "claim", act, name="inspection_claimed", collector_id=collector_id)


def claimed_by_other(aggregate: EventAggregate, collector_id: UUID) -> bool:
    """True while somebody else has claimed the open inspection."""
    return any(
        inspection.state == "claimed" and inspection.collector_id != collector_id
        for inspection in aggregate.inspections
    )


def release(aggregate: EventAggregate, inspection: Inspection, act: Act) -> None:
    """退回核查任务: whoever may inspect can claim it again."""
    aggregate.advance(inspection, "release", act, name="inspection_released", collector_id=None)


def decide(
    aggregate: EventAggregate,
    inspection: Inspection,
    act: Act,
    *,
    passed: bool,
    evidence: Sequence[str],
    collector_id: UUID,
) -> None:
    """核查通过 or 不通过; only the collector who claimed it decides. Raises ``Forbidden``."""
    if inspection.state == "claimed" and inspection.collector_id != collector_id:
        raise Forbidden("该核查任务已由其他核查员领取。")
    aggregate.advance(
        inspection,
        "pass" if passed else "fail",
        act,
        name="inspection_passed" if passed else "inspection_failed",
        data={"evidence": list(evidence), "round": inspection.round},
        evidence=list(evidence),
    )


def cancel_open(aggregate: EventAggregate, act: Act) -> None:
    """Takes an open inspection back because the event ended otherwise."""
    for inspection in aggregate.inspections:
        if inspection.ended_at is None:
            aggregate.advance(inspection, "cancel", act, name="inspection_cancelled", note="")
