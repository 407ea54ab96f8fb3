"""What can be done to a work order."""

from typing import Literal

from pydantic import Field

from app import disputes, loop
from app.acts.action import ActBody, Action, Case, Sha256, Words
from app.core.errors import Conflict, Malformed
from app.dispatch import orders, returns
from app.events.aggregate import EventAggregate
from app.events.tables import WorkOrder

_UNIT = ("unit_liaison", "handler", "grid_worker")
_DESK = ("dispatcher", "shift_leader")
_OPEN = ("dispatched", "signed", "handling")


class FirstContact(ActBody):
    """先行联系."""

    reached: bool = Field(description="是否联系上诉求人")


class ReportDone(ActBody):
    """处置完毕."""

    result: Literal["resolved", "explained"] = Field(description="resolved 实际解决，explained 解释说明")
    statement: Words = Field(description="处理情况说明")
    evidence: list[Sha256] = Field(
        default_factory=list, max_length=20, description="处置后照片（已上传附件的 SHA-256）"
    )


class RequestReturn(ActBody):
    """退单申请."""

    reason_code: Literal["not_our_duty", "not_our_area", "wrong_item", "insufficient_information", "other"]
    reason: Words = Field(description="退单理由")
    suggested_unit: str | None = Field(None, description="建议承办单位代码")


class ApproveReturn(ActBody):
    """同意退单."""

    unit: str | None = Field(None, description="改派给哪个单位（代码）；不填则按规则重新派单")


class Reason(ActBody):
    """An act that needs a reason."""

    reason: Words = Field(description="理由")


class Transfer(Reason):
    """改派."""

    unit: str = Field(description="新的承办单位代码")


def unit_id(case: Case, code: str | None, field: str = "unit") -> int | None:
    """The id of a unit named in a body; None for none. Raises ``Malformed`` for one that is unknown or closed."""
    if code is None:
        return None
    row = case.organizations.by_code(code)
    if row is None or not row.active:
        message = f"没有代码为“{code}”的在用单位。"
        raise Malformed(message, faults=[{"path": field, "message": message}])
    return case.organizations.id_of(code)


def _not_accused(case: Case, unit: int | None) -> int | None:
    accused = case.aggregate.event.accused_org_ids
    if unit is not None and any(unit in case.organizations.under(org) for org in accused):
        message = "不能把举报件派给被举报单位或其下属单位。"
        raise Malformed(message, faults=[{"path": "unit", "message": message}])
    return unit


def _not_its_own(case: Case, unit: int | None, why: str) -> None:
    """The unit that has the order would get a full new limit by getting it again. Raises ``Conflict``."""
    if unit == case.order.unit_id:
        raise Conflict(f"该工单现在就由{case.organizations.name(case.order.unit_id)}承办，{why}")


def _report_done(case: Case, body: ReportDone) -> None:
    loop.report_done(case.turn, case.order, result=body.result, evidence=body.evidence, statement=body.statement)


def _request_return(case: Case, body: RequestReturn) -> None:
    suggested = unit_id(case, body.suggested_unit, "suggested_unit")
    disputes.request_return(case.turn, case.order, code=body.reason_code, reason=body.reason, suggested=suggested)


def _approve_return(case: Case, body: ApproveReturn) -> None:
    unit = _not_accused(case, unit_id(case, body.unit))
    _not_its_own(case, unit, "同意退单时不能再派回该单位；应由其继续办理的，请驳回退单。")
    disputes.approve_return(case.turn, case.order, unit_id=unit)


def _transfer(case: Case, body: Transfer) -> None:
    unit = _not_accused(case, unit_id(case, body.unit))
    assert unit is not None  # noqa: S101 - the body requires it
    _not_its_own(case, unit, "不能改派给同一单位。")
    loop.transfer(case.turn, case.order, unit_id=unit, reason=body.reason)


def _cancel(case: Case, body: Reason) -> None:
    loop.cancel_order(case.turn, case.order, reason=body.reason)


def _pending(aggregate: EventAggregate, order: WorkOrder) -> bool:
    return returns.open_request(aggregate, order) is not None


def _not_pending(aggregate: EventAggregate, order: WorkOrder) -> bool:
    return not _pending(aggregate, order)


ORDER_ACTIONS = (
    Action(
        "sign_for",
        "签收",
        lambda c, b: orders.sign_for(c.aggregate, c.order, c.turn.act),
        unit=_UNIT,
        states=("dispatched",),
        needs_reports=False,
    ),
    Action(
        "first_contact",
        "先行联系",
        lambda c, b: orders.first_contact(c.aggregate, c.order, c.turn.act, reached=b.reached),
        FirstContact,
        unit=_UNIT,
        states=("signed", "handling"),
        needs_reports=False,
    ),
    Action(
        "start",
        "开始处置",
        lambda c, b: orders.start(c.aggregate, c.order, c.turn.act),
        unit=_UNIT,
        states=("signed",),
        needs_reports=False,
    ),
    Action(
        "report_done",
        "处置完毕",
        _report_done,
        ReportDone,
        unit=_UNIT,
        states=("signed", "handling"),
        offered=_not_pending,
    ),
    Action(
        "request_return",
        "申请退单",
        _request_return,
        RequestReturn,
        unit=_UNIT,
        states=_OPEN,
        offered=_not_pending,
        needs_reports=False,
    ),
    Action(
        "withdraw_return",
        "撤回退单申请",
        lambda c, b: returns.withdraw(c.aggregate, c.order, c.turn.act, c.turn.masters.clockwork),
        unit=_UNIT,
        states=_OPEN,
        offered=_pending,
        needs_reports=False,
    ),
    Action(
        "approve_return",
        "同意退单",
        _approve_return,
        ApproveReturn,
        centre=_DESK,
        states=_OPEN,
        offered=_pending,
        needs_reports=False,
    ),
    Action(
        "reject_return",
        "驳回退单",
        lambda c, b: returns.reject(c.aggregate, c.order, c.turn.act, c.turn.masters.clockwork, reason=b.reason),
        Reason,
        centre=_DESK,
        states=_OPEN,
        offered=_pending,
        needs_reports=False,
    ),
    Action("transfer", "改派", _transfer, Transfer, centre=_DESK, states=_OPEN, needs_reports=False),
    Action("cancel", "撤销工单", _cancel, Reason, centre=_DESK, states=_OPEN, needs_reports=False),
)
