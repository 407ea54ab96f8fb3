"""One clock for each stage that is the centre's own: the stage in which an event rests has one running.

A stage that is passed in the same act takes no time and gets no clock. Clocks of units and citizens start where their
duty begins (``app.dispatch.orders``, ``app.loop``); these follow from the state in which an act leaves the event.
"""

from collections.abc import Callable
from typing import Final, Literal
from uuid import UUID

from app.clocks.ladder import ClockKind
from app.clocks.running import LimitRule, end_clocks, running, start_clock
from app.events.aggregate import Act, EventAggregate
from app.events.clock_tables import Clock

#: what waits for a person of the human queue: is it ours and what is it, before whose job it is
_STAGE_OF_TRIAGE: Final[dict[str, ClockKind]] = {
    "accused_unknown": "acceptance",
    "item_uncertain": "filing",
    "place_unknown": "filing",
}


_KINDS: Final[tuple[ClockKind, ...]] = (
    "acceptance",
    "filing",
    "dispatch",
    "return_review",
    "negotiation",
    "ruling",
    "inspection",
    "callback",
)
_STAGE_OF_DISPUTE: Final[dict[str, ClockKind]] = {"negotiating": "negotiation", "ruling": "ruling"}

#: a stage, and the order (its number) or the report that it is about
_Stage = tuple[ClockKind, int | UUID | None]


def _resting(aggregate: EventAggregate) -> list[_Stage]:
    """The stages in which the event rests, in order."""
    stages: list[_Stage] = []
    event = aggregate.event
    if event.state == "analyzing":
        stages.append((_STAGE_OF_TRIAGE.get(event.triage or "", "dispatch"), None))
    dispute = aggregate.dispute
    leads = {order.n for order in aggregate.orders if order.role == "lead"} if dispute is not None else frozenset()
    if dispute is not None:
        stages.append((_STAGE_OF_DISPUTE[dispute.state], None))
    # Whose the lead is has left the dispatcher's review while units argue about it: its return is decided with that.
    asked = [request.order_n for request in aggregate.returns if request.state == "requested"]
    stages += [("return_review", order_n) for order_n in asked if order_n not in leads]
    if any(inspection.ended_at is None for inspection in aggregate.inspections):
        stages.append(("inspection", None))
    for report in aggregate.reports:
        owed = {debt.kind for debt in aggregate.open_debts(report=report)}
        if "callback" in owed and "reply" not in owed and report.state == "replied":
            stages.append(("callback", report.id))
    return stages


def _outcome(aggregate: EventAggregate, clock: Clock) -> Literal["met", "stopped"]:
    """How the act left the clock's stage: ``met`` when what it is for was done, ``stopped`` when that fell away."""
    if aggregate.event.state in ("cancelled", "merged"):
        return "stopped"
    done = True
    if clock.kind == "return_review":
        states = [request.state for request in aggregate.returns if request.order_n == clock.order_n]
        done = states[-1:] != ["withdrawn"]
    elif clock.kind in ("negotiation", "ruling"):
        done = [dispute.state for dispute in aggregate.disputes][-1:] != ["dropped"]
    elif clock.kind == "inspection":
        done = [inspection.state for inspection in aggregate.inspections][-1:] != ["cancelled"]
    elif clock.kind == "callback":
        # Of the debts only what was open before the act is known. Who was called as often as the city asks was called.
        debts = [debt for debt in aggregate.debts if (debt.report_id, debt.kind) == (clock.report_id, "callback")]
        done = any(debt.paid_at is not None or debt.waived == "unreachable" for debt in debts)
    return "met" if done else "stopped"


def follow(aggregate: EventAggregate, limit: Callable[[str], LimitRule], act: Act) -> None:
    """Ends the clocks of stages that the act has left and starts those of the stages in which it leaves the event.

    ``limit``: stage → its limit. Callbacks are looked at only when the event was loaded with its reports.
    """
    if not aggregate.timeline:
        return
    resting = _resting(aggregate)
    going_on: set[tuple[str, int | UUID | None]] = set()
    loaded = {report.id for report in aggregate.reports}
    for clock in running(aggregate, *_KINDS):
        if clock.kind == "callback" and clock.report_id not in loaded:
            continue
        stage = (clock.kind, clock.report_id or clock.order_n)
        if stage in resting:
            going_on.add(stage)
        else:
            end_clocks(aggregate, [clock], _outcome(aggregate, clock), act.at)
    for kind, whose in resting:
        if (kind, whose) in going_on:
            continue
        start_clock(
            aggregate,
            kind,
            limit(kind),
            act.at,
            aggregate.timeline[-1].row.n,
            order_n=whose if isinstance(whose, int) else None,
            report_id=whose if isinstance(whose, UUID) else None,
        )
