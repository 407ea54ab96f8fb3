"""Whose job it is, when units do not agree: return 退单, negotiation 会商, ruling 裁决, and who acts first meanwhile.

A side page of ``app.loop``. Handling never waits for the quarrel, and the citizen's clock never pauses for it.
"""

from app import loop
from app.clocks.arithmetic import due
from app.dispatch import returns
from app.events.tables import WorkOrder
from app.masters import limits
from app.turn import Turn


def request_return(turn: Turn, order: WorkOrder, *, code: str, reason: str, suggested: int | None) -> None:
    """退单: a reason and a review; the unit goes on handling meanwhile (先办后议), its clock waits for the review."""
    review = limits.stage(turn.masters, "return_review")
    until = due(review.calendar, turn.act.at, review.limit).due_at
    asked = returns.Asked(code, reason, suggested, until)
    returns.request(turn.event, order, turn.act, turn.masters.clockwork, asked)


def approve_return(turn: Turn, order: WorkOrder, *, unit_id: int | None) -> None:
    """The order goes back; another unit gets it at once, named by the dispatcher or found by the rules."""
    returns.approve(turn.event, order, turn.act)
    gave_back = frozenset(other.unit_id for other in turn.event.orders if other.state == "returned")
    loop.pass_on(turn, order, unit_id, avoid=gave_back)
