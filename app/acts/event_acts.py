"""What can be done to an event: by the desk, by collectors, by the centre."""

from collections.abc import Callable
from typing import Literal
from uuid import UUID

from pydantic import Field

from app import disputes, loop
from app.acts.action import ActBody, Action, Case, Sha256, Words, lead_orders
from app.acts.correct_acts import AccusedUnits, Correct, accused_of, correct, read_for_correcting
from app.acts.naming import DESK, may_lead, unit_id
from app.acts.order_acts import PrecedentId, Reason, read_for_dispatch, refuse_both
from app.core.errors import Conflict, Malformed
from app.dispatch import disputes as rules
from app.events.aggregate import EventAggregate
from app.events.lifecycles import EVENT
from app.events.tables import Event
from app.feedback import inspections

_FRONT = ("operator", "dispatcher", "shift_leader")
_CLOSERS = ("dispatcher", "shift_leader", "quality_reviewer")
_OPEN = tuple(state for state in EVENT.states if state not in EVENT.ends)


class Dispatch(ActBody):
    """派单."""

    unit: str | None = Field(None, description="承办单位代码；不填则按已发布规则决定")
    precedent: PrecedentId = None
    accused_units: AccusedUnits = None


class SettleAtDesk(ActBody):
    """直接答复."""

    answer: Words = Field(description="答复内容")
    kind: Literal["answered_directly", "found_and_fixed"] = "answered_directly"


class Refuse(ActBody):
    """不予受理."""

    treatment: Literal["emergency_transfer", "statutory_route", "explanation_only", "disruption"]
    explanation: Words = Field(description="告知内容：不予受理的理由和法定途径")
    told: bool = Field(description="是否已当场告知诉求人；未告知则欠一次答复")


class HandOver(ActBody):
    """移交."""

    to: Words = Field(description="移交给哪个系统或单位")


class Inspected(ActBody):
    """核查结果."""

    evidence: list[Sha256] = Field(default_factory=list, max_length=20, description="核查照片（附件 SHA-256）")


class Reply(ActBody):
    """答复."""

    body: Words = Field(description="答复内容")
    method: Literal["phone", "sms", "app", "letter", "visit"] = Field("phone", description="答复方式")
    result: Literal["resolved", "explained", "not_accepted"] | None = Field(
        None, description="不填则取主办工单的处理结果"
    )


class Close(ActBody):
    """结案."""

    standard_row_no: int | None = Field(None, description="立案标准行号；该事项有立案标准时必填")
    closing_condition_met: bool = Field(description="已核对达到该立案标准的结案条件")


class Merge(ActBody):
    """并案."""

    into: UUID = Field(description="并入哪个事件")


def _dispatch(case: Case, body: Dispatch) -> None:
    refuse_both(body.unit, body.precedent)
    accused = accused_of(case, body.accused_units)
    if accused is not None:
        loop.correct(case.turn, item=None, item_id=None, place=None, accused=accused, redispatch=False)
    if (taught := case.fetched.get("precedent")) is not None:
        may_lead(case, taught.row.unit_id, "precedent", ruled=True)
        disputes.dispatch_by_precedent(case.turn, taught)
        return
    unit = may_lead(case, unit_id(case, body.unit))
    if unit is None and case.aggregate.event.item_id is None:
        raise Conflict("事项尚未确定：请先更正事项，或直接指定承办单位。")
    if loop.dispatch(case.turn, unit_id=unit) is None:
        case.answer["undecided"] = True


def _malformed(field: str, message: str) -> None:
    raise Malformed(message, faults=[{"path": field, "message": message}])


def _decide_inspection(case: Case, body: Inspected, *, passed: bool) -> None:
    _refuse_interested(case)
    loop.inspect(case.turn, passed=passed, evidence=body.evidence, collector_id=case.user_id)


def _refuse_interested(case: Case) -> None:
    assert case.asker is not None  # noqa: S101 - collectors are people
    related: set[int] = set()
    for home in case.asker.homes:
        related |= {home, *case.organizations.under(home), *case.organizations.above(home)}
    inspections.refuse_interested(case.aggregate, case.asker.persons, related)


def _claim(case: Case, _: ActBody) -> None:
    inspection = inspections.current(case.aggregate)
    _refuse_interested(case)
    inspections.claim(case.aggregate, inspection, case.user_id, case.turn.act)


def _release(case: Case, _: ActBody) -> None:
    inspections.release(case.aggregate, inspections.current(case.aggregate), case.turn.act)


def _reply(case: Case, body: Reply) -> None:
    owed = {debt.report_id for debt in case.aggregate.open_debts("reply")}
    reports = [report for report in case.aggregate.reports if report.id in owed]
    if not reports:
        raise Conflict("该事件没有待答复的诉求。")
    loop.reply(
        case.turn,
        reports,
        method=body.method,
        result=body.result or result_of(case.aggregate),
        body=body.body,
    )


def result_of(aggregate: EventAggregate) -> Literal["resolved", "explained", "not_accepted"]:
    """What the lead unit said came of it; the answer to a refused report says so."""
    if aggregate.event.state == "not_accepted":
        return "not_accepted"
    done = [order for order in aggregate.orders if order.role == "lead" and order.result]
    return "resolved" if done and done[-1].result == "resolved" else "explained"


def _close(case: Case, body: Close) -> None:
    event, masters = case.aggregate.event, case.turn.masters
    standards = masters.items.standards_of(masters.item_keys[event.item_id]) if event.item_id else ()
    rows = {row.row_no for row in standards}
    if not body.closing_condition_met:
        _malformed("closing_condition_met", "未达到结案条件不能结案；请退回重办。")
    if rows and body.standard_row_no not in rows:
        _malformed("standard_row_no", f"请选择该事项的立案标准行：{'、'.join(map(str, sorted(rows)))}。")
    loop.close(case.turn, standard_row_no=body.standard_row_no if rows else None)


def _merge(case: Case, body: Merge) -> None:
    target = case.other
    event = case.aggregate.event
    if target is None or target.event.event.id == event.id:
        raise Conflict("不能把事件并入自身。")
    if target.event.event.ended_at is not None:
        raise Conflict(f"目标事件 {target.event.event.event_no} 已结束，不能再并入。", state=target.event.event.state)
    if "accusation" in (event.demand_type, target.event.event.demand_type):
        raise Conflict("举报件不得与其他事件并案，以免泄露举报内容。")
    loop.merge(case.turn, target)


def _waits_inspection(state: str) -> Callable[[EventAggregate, Event], bool]:
    return lambda aggregate, _: any(inspection.state == state for inspection in aggregate.inspections)


def _owes_reply(aggregate: EventAggregate, _: Event) -> bool:
    # Without the reports loaded nobody knows; then it is offered in the states where it is usual.
    return bool(aggregate.open_debts("reply")) or not aggregate.reports


EVENT_ACTIONS = (
    Action(
        "dispatch",
        "派单",
        _dispatch,
        Dispatch,
        centre=DESK,
        states=("analyzing",),
        refusal=rules.why_not_dispatched,
        fetch=read_for_dispatch,
    ),
    Action(
        "correct",
        "更正事项、地点或部件",
        correct,
        Correct,
        centre=(*_FRONT, "adjudicator"),
        states=("analyzing", "handling"),
        fetch=read_for_correcting,
    ),
    Action(
        "settle_at_desk",
        "直接答复",
        lambda c, b: loop.settle_at_desk(c.turn, kind=b.kind, answer=b.answer),
        SettleAtDesk,
        centre=_FRONT,
        states=("analyzing",),
    ),
    Action(
        "refuse",
        "不予受理",
        lambda c, b: loop.refuse(c.turn, treatment=b.treatment, explanation=b.explanation, told=b.told),
        Refuse,
        centre=_FRONT,
        states=("analyzing", "handling"),
    ),
    Action(
        "hand_over",
        "移交",
        lambda c, b: loop.hand_over(c.turn, to=b.to),
        HandOver,
        centre=DESK,
        states=("analyzing", "handling"),
    ),
    Action(
        "claim_inspection",
        "领取核查",
        _claim,
        collector=True,
        states=("verifying",),
        offered=_waits_inspection("requested"),
        needs_reports=False,
    ),
    Action(
        "release_inspection",
        "退回核查任务",
        _release,
        centre=DESK,
        collector=True,
        claimant=True,
        states=("verifying",),
        offered=_waits_inspection("claimed"),
        needs_reports=False,
    ),
    Action(
        "pass_inspection",
        "核查通过",
        lambda c, b: _decide_inspection(c, b, passed=True),
        Inspected,
        collector=True,
        claimant=True,
        states=("verifying",),
        offered=_waits_inspection("claimed"),
    ),
    Action(
        "fail_inspection",
        "核查不通过",
        lambda c, b: _decide_inspection(c, b, passed=False),
        Inspected,
        collector=True,
        claimant=True,
        states=("verifying",),
        offered=_waits_inspection("claimed"),
    ),
    Action(
        "send_back",
        "退回重办",
        lambda c, b: loop.send_back(c.turn, cause="centre", note=b.reason),
        Reason,
        centre=_CLOSERS,
        states=("verifying", "answering", "closing"),
    ),
    Action(
        "reply",
        "答复",
        _reply,
        Reply,
        centre=(*_FRONT, "callback_agent"),
        unit=("unit_liaison", "handler"),
        whose=lead_orders,
        offered=_owes_reply,
        states=("handling", "verifying", "answering", "closing", "closed", "not_accepted", "handed_over"),
    ),
    Action("close", "结案", _close, Close, centre=_CLOSERS, states=("closing",)),
    Action(
        "force_close",
        "强制结案",
        lambda c, b: loop.close(c.turn, standard_row_no=None, forced=True, reason=b.reason),
        Reason,
        centre=("shift_leader",),
        states=("handling", "verifying", "answering", "closing"),
    ),
    Action(
        "merge",
        "并案",
        _merge,
        Merge,
        centre=DESK,
        states=_OPEN,
        needs_reports=False,
        other_event=lambda body: body.into,
    ),
    Action(
        "cancel",
        "作废",
        lambda c, b: loop.cancel_event(c.turn, why=b.reason),
        Reason,
        centre=("shift_leader",),
        states=_OPEN,
    ),
)
