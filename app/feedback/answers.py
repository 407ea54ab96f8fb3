"""答复 and 回访: what the reporter is told, and what they say to it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.core.errors import Conflict, Malformed
from app.events.aggregate import Act, EventAggregate
from app.events.report_tables import Callback, Reply, Report
from app.feedback.debts import owe, pay, waive

#: what an answer says came of it
Result = Literal["resolved", "explained", "not_accepted"]
#: raw satisfaction levels of each scale (DOMAIN.md §5): how many, and from which on the caller is dissatisfied
SCALES: dict[str, tuple[int, int]] = {"five": (5, 4), "three": (3, 3)}


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """What a callback brought. ``level`` is the raw level on ``scale``; None when nobody was reached."""

    reached: bool
    contacted: bool | None
    resolved: bool | None
    level: int | None
    scale: str


def reply(
    aggregate: EventAggregate,
    report: Report,
    act: Act,
    *,
    method: str,
    result: Result,
    body: str,
) -> None:
    """Answers one reporter and pays the reply that was owed."""
    aggregate.advance(report, "reply", act, data={"method": method, "result": result}, note="")
    aggregate.new(
        Reply,
        report_id=report.id,
        n=aggregate.next_report_n(report),
        method=method,
        result=result,
        body=body,
        replied_at=act.acted_at,
    )
    pay(aggregate, report, "reply", act.at)


def callback(
    aggregate: EventAggregate,
    report: Report,
    result: CallbackResult,
    act: Act,
    *,
    agent_id: UUID | None,
    max_attempts: int,
) -> bool:
    """Records a callback; True when the caller is dissatisfied and it must be done again.

    A call that reached nobody is kept as an attempt; after ``max_attempts`` the callback is waived as unreachable.
    Raises ``Conflict`` when no callback is owed or the reply has not been given yet.
    """
    if not aggregate.open_debts("callback", report=report):
        raise Conflict("该诉求没有待办的回访。")
    if aggregate.open_debts("reply", report=report):
        raise Conflict("该诉求尚未答复，先答复再回访。")
    levels, dissatisfied_from = _scale(result.scale)
    if result.reached and (result.level is None or not 1 <= result.level <= levels):
        raise Malformed(
            f"满意度须为 1 到 {levels}（{result.scale} 级量表）。",
            faults=[{"path": "satisfaction_level", "message": f"1 到 {levels}"}],
        )
    satisfied = result.level is not None and result.level < dissatisfied_from if result.reached else None
    aggregate.new(
        Callback,
        report_id=report.id,
        n=aggregate.next_report_n(report),
        event_id=aggregate.event.id,
        called_at=act.acted_at,
        agent_id=agent_id,
        reached=result.reached,
        contacted=result.contacted if result.reached else None,
        resolved=result.resolved if result.reached else None,
        satisfaction_level=result.level if result.reached else None,
        satisfaction_scale=result.scale if result.reached else None,
        satisfied=satisfied,
    )
    aggregate.record(
        act,
        "called_back" if result.reached else "callback_unreached",
        report=report,
        data={"level": result.level, "scale": result.scale, "satisfied": satisfied} if result.reached else {},
    )
    if result.reached:
        pay(aggregate, report, "callback", act.at)
        return not satisfied
    calls = [call.reached for call in aggregate.callbacks if call.report_id == report.id]
    attempts = calls[::-1].index(True) if True in calls else len(calls)  # since somebody was last reached
    if attempts >= max_attempts:
        waive(aggregate, report, "callback", "unreachable")
    return False


def rehandle(aggregate: EventAggregate, report: Report, act: Act) -> int:
    """重办: the reporter is owed a new reply and a new callback; returns the timeline row that says so."""
    n = aggregate.advance(report, "rehandle", act, note="")
    for kind in ("reply", "callback", "result"):
        owe(aggregate, report, kind, act.at)
    return n


def _scale(scale: str) -> tuple[int, int]:
    if scale not in SCALES:
        raise Malformed(
            f"没有“{scale}”这种满意度量表，可用：{'、'.join(SCALES)}。",
            faults=[{"path": "satisfaction_scale", "message": "未知量表"}],
        )
    return SCALES[scale]
