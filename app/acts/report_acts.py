"""What can be done to a report: what its sender asks, and what the centre does for it."""

from collections.abc import Callable

from pydantic import Field

from app import loop
from app.acts.action import ActBody, Action, Case, Words, lead_orders, own_orders
from app.acts.event_acts import Reply, result_of
from app.acts.loads import read_whole_load
from app.acts.order_acts import Reason
from app.core.errors import Forbidden
from app.events.aggregate import EventAggregate
from app.events.report_tables import Report
from app.feedback.answers import CallbackResult
from app.intake import admission
from app.intake.amendments import told

_FRONT = ("operator", "dispatcher", "shift_leader")
_LIVE = ("open", "replied")


class Supplement(ActBody):
    """补充."""

    text: Words = Field(description="补充内容")


class Called(ActBody):
    """回访."""

    reached: bool = Field(description="是否接通")
    contacted: bool | None = Field(None, description="承办单位是否联系过")
    resolved: bool | None = Field(None, description="诉求人认为是否解决")
    satisfaction_level: int | None = Field(None, ge=1, le=5, description="满意度原始等级，1 为最满意")
    satisfaction_scale: str | None = Field(None, description="量表；不填则用本市设置")


def _callback(case: Case, body: Called) -> None:
    scale = body.satisfaction_scale or case.turn.masters.policies.satisfaction_scale
    result = CallbackResult(body.reached, body.contacted, body.resolved, body.satisfaction_level, scale)
    loop.callback(case.turn, case.report, result, agent_id=case.user_id)


def _reply(case: Case, body: Reply) -> None:
    result = body.result or result_of(case.aggregate)
    loop.reply(case.turn, [case.report], method=body.method, result=result, body=body.body)


def _reveal(case: Case, body: Reason) -> None:
    report = case.report
    role = case.turn.act.actor.role
    if report.demand_type == "accusation" and role not in _FRONT:
        raise Forbidden("该诉求属于举报，只向受理和派遣席位公开举报人身份。")
    # who asked for secrecy must still be called back
    if report.confidential and role not in (*_FRONT, "callback_agent"):
        raise Forbidden("该诉求要求保密，不向承办单位公开诉求人身份。")
    case.aggregate.record(case.turn.act, "identity_revealed", report=report, note=body.reason)
    case.answer["reveal"] = report.id


def _unlink(case: Case, body: Reason) -> None:
    report = case.report
    link = next(link for link in case.aggregate.links if link.report_id == report.id)
    own = admission.split_event(case.aggregate.event, report, case.event_nos[0], case.turn.act.at)
    case.aggregate.record(case.turn.act, "unlink_ordered", report=report, note=body.reason)
    loop.unlink(case.turn, report, link, own)
    case.begun.append(own)
    case.answer["new_event_id"] = str(own.event.id)


def _shared(aggregate: EventAggregate, _: Report) -> bool:
    return aggregate.event.report_count > 1


def _owed(kind: str) -> Callable[[EventAggregate, Report], bool]:
    return lambda aggregate, report: bool(aggregate.open_debts(kind, report=report))


def _callback_due(aggregate: EventAggregate, report: Report) -> bool:
    return bool(aggregate.open_debts("callback", report=report)) and not aggregate.open_debts("reply", report=report)


def _named(_: EventAggregate, report: Report) -> bool:
    return not report.anonymous


REPORT_ACTIONS = (
    Action("chase", "催单", lambda c, b: loop.chase(c.turn, c.report), centre=_FRONT, client=True, states=_LIVE),
    Action(
        "supplement",
        "补充",
        lambda c, b: loop.supplement(c.turn, c.report, told(b.text), police_client_id=c.police_client_id),
        Supplement,
        centre=_FRONT,
        client=True,
    ),
    Action(
        "withdraw",
        "撤单",
        lambda c, b: loop.withdraw(c.turn, c.report, b.reason),
        Reason,
        centre=_FRONT,
        client=True,
        states=_LIVE,
    ),
    Action(
        "reply",
        "答复",
        _reply,
        Reply,
        centre=(*_FRONT, "callback_agent"),
        unit=("unit_liaison", "handler"),
        whose=lead_orders,
        states=_LIVE,
        offered=_owed("reply"),
    ),
    Action(
        "callback",
        "回访",
        _callback,
        Called,
        centre=("callback_agent", "shift_leader"),
        states=("open", "replied"),
        offered=_callback_due,
    ),
    Action(
        "reveal_identity",
        "查看身份",
        _reveal,
        Reason,
        centre=(*_FRONT, "callback_agent"),
        unit=("unit_liaison", "handler"),
        whose=own_orders,
        offered=_named,
    ),
    Action(
        "unlink",
        "拆单",
        _unlink,
        Reason,
        centre=("dispatcher", "shift_leader"),
        states=_LIVE,
        offered=_shared,
        begins=lambda body: 1,
        fetch=read_whole_load,
    ),
)
