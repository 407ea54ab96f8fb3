"""What can be done to a work order."""

from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app import disputes, loop
from app.accounts.access import UNIT_ROLES
from app.acts.action import ActBody, Action, Case, Sha256, Words
from app.acts.loads import read_load
from app.acts.naming import DESK, OPEN_ORDER, may_lead, not_accused, unit_id
from app.clocks.arithmetic import due
from app.core.errors import Conflict, Malformed
from app.core.timing import now
from app.dispatch import disputes as rules
from app.dispatch import orders, precedents, returns, supporting
from app.dispatch.orders import OF_THE_CENTRE
from app.events.aggregate import EventAggregate
from app.events.tables import WorkOrder
from app.masters import Masters, limits
from app.supervision import precedents as kept

#: instead of a unit
PrecedentId = Annotated[int | None, Field(ge=1, lt=2**63, description="参照哪个裁决先例（编号）；不与 unit 同填")]


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
    without_parts: Words | None = Field(None, description="协办、下派尚未办结而先行报结的理由")


class RequestReturn(ActBody):
    """退单申请."""

    reason_code: Literal["not_our_duty", "not_our_area", "wrong_item", "insufficient_information", "other"]
    reason: Words = Field(description="退单理由")
    suggested_unit: str | None = Field(None, description="建议承办单位代码")


class ApproveReturn(ActBody):
    """同意退单."""

    unit: str | None = Field(None, description="改派给哪个单位（代码）；不填则按规则重新派单")
    precedent: PrecedentId = None


class Reason(ActBody):
    """An act that needs a reason."""

    reason: Words = Field(description="理由")


class Transfer(Reason):
    """改派."""

    unit: str = Field(description="新的承办单位代码")


def _not_its_own(case: Case, unit: int | None, why: str) -> None:
    """The unit that has the order would get a full new limit by getting it again. Raises ``Conflict``."""
    if unit == case.order.unit_id:
        raise Conflict(f"该工单现在就由{case.organizations.name(case.order.unit_id)}承办，{why}")


def _next(case: Case, code: str | None) -> int | None:
    """The unit that a body names for the order; a lead has to reach the level to which the event was raised."""
    unit = unit_id(case, code)
    return may_lead(case, unit) if case.order.role == "lead" else not_accused(case, unit)


def _not_twice(case: Case, unit: int | None) -> None:
    """A unit leads an event or helps, once. Raises ``Conflict`` for a part that would go to one that does already."""
    if unit is not None and case.order.role == "supporting":
        supporting.refuse_twice(case.aggregate, unit, case.organizations)


def _report_done(case: Case, body: ReportDone) -> None:
    loop.report_done(
        case.turn,
        case.order,
        result=body.result,
        evidence=body.evidence,
        statement=body.statement,
        without_parts=body.without_parts,
    )


def _request_return(case: Case, body: RequestReturn) -> None:
    suggested = unit_id(case, body.suggested_unit, "suggested_unit")
    disputes.request_return(case.turn, case.order, code=body.reason_code, reason=body.reason, suggested=suggested)


async def _read_precedent(session: AsyncSession, case: Case, precedent_id: int) -> None:
    """The precedent that a body names. Raises ``Malformed`` for one that does not exist or does not fit the event."""
    masters, event = case.turn.masters, case.aggregate.event
    taught = await kept.one(session, event.jurisdiction_id, precedent_id)
    message: str | None = f"没有编号为 {precedent_id} 的裁决先例。"
    if taught is not None:
        where = precedents.case_of(event, masters.jurisdiction_code)
        message = precedents.why_unfit(taught, where, masters.organizations)
        case.fetched["precedent"] = taught
    if message is not None:
        raise Malformed(message, faults=[{"path": "precedent", "message": message}])


def refuse_both(unit: str | None, precedent: int | None) -> None:
    """A unit is named, or an earlier ruling is followed. Raises ``Malformed`` for both."""
    if unit is not None and precedent is not None:
        message = "unit 和 precedent 只能填一项。"
        raise Malformed(message, faults=[{"path": "precedent", "message": message}])


async def read_for_dispatch(session: AsyncSession, case: Case, body: Any) -> None:
    """What a dispatch needs: the precedent that it follows, else how busy the units are that the rules may find."""
    if body.precedent is not None:
        await _read_precedent(session, case, body.precedent)
    else:
        await read_load(session, case)


def _approve_return(case: Case, body: ApproveReturn) -> None:
    refuse_both(body.unit, body.precedent)
    taught: precedents.Taught | None = case.fetched.get("precedent")
    if taught is not None:
        if case.order.role != "lead":
            message = "裁决先例只用于主办工单。"
            raise Malformed(message, faults=[{"path": "precedent", "message": message}])
        may_lead(case, taught.row.unit_id, "precedent", ruled=True)
        _not_its_own(case, taught.row.unit_id, "该先例即由其承办；应由其继续办理的，请驳回退单。")
        disputes.approve_return_by_precedent(case.turn, case.order, taught)
        return
    unit = _next(case, body.unit)
    _not_its_own(case, unit, "同意退单时不能再派回该单位；应由其继续办理的，请驳回退单。")
    _not_twice(case, unit)
    disputes.approve_return(case.turn, case.order, unit_id=unit)


def _transfer(case: Case, body: Transfer) -> None:
    unit = _next(case, body.unit)
    assert unit is not None  # noqa: S101 - the body requires it
    _not_its_own(case, unit, "不能改派给同一单位。")
    _not_twice(case, unit)
    loop.transfer(case.turn, case.order, unit_id=unit, reason=body.reason)


def _cancel(case: Case, body: Reason) -> None:
    loop.cancel_order(case.turn, case.order, reason=body.reason)


def _pending(aggregate: EventAggregate, order: WorkOrder) -> bool:
    return returns.open_request(aggregate, order) is not None


def _not_pending(aggregate: EventAggregate, order: WorkOrder) -> bool:
    return not _pending(aggregate, order)


def _no_return(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    window = limits.return_window(masters, order.unit_id)
    until = due(window.calendar, order.dispatched_at, window.limit).due_at
    return rules.why_no_return(aggregate, order, masters.organizations, until, now())


def _undecided(_: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return rules.why_undecided(aggregate, order)


def _not_moved(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return rules.why_not_moved(aggregate, order, masters.organizations)


def _may_report(aggregate: EventAggregate, order: WorkOrder) -> bool:
    # Work that is done ends the quarrel about it. Who was called out and has not appeared has done nothing there.
    free = _not_pending(aggregate, order) or rules.about(aggregate, order) is not None
    return free and (order.role != "callout" or order.state == "handling")


ORDER_ACTIONS = (
    Action(
        "sign_for",
        "签收",
        lambda c, b: orders.sign_for(c.aggregate, c.order, c.turn.act),
        unit=UNIT_ROLES,
        states=("dispatched",),
        needs_reports=False,
    ),
    Action(
        "first_contact",
        "先行联系",
        lambda c, b: orders.first_contact(c.aggregate, c.order, c.turn.act, reached=b.reached),
        FirstContact,
        unit=UNIT_ROLES,
        roles=OF_THE_CENTRE,
        states=("signed", "handling"),
        needs_reports=False,
    ),
    Action(
        "start",
        "开始处置",
        lambda c, b: orders.start(c.aggregate, c.order, c.turn.act),
        unit=UNIT_ROLES,
        roles=(*OF_THE_CENTRE, "sub"),
        states=("signed",),
        needs_reports=False,
    ),
    Action(
        "report_done",
        "处置完毕",
        _report_done,
        ReportDone,
        unit=UNIT_ROLES,
        states=("signed", "handling"),
        offered=_may_report,
    ),
    Action(
        "request_return",
        "申请退单",
        _request_return,
        RequestReturn,
        unit=UNIT_ROLES,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        offered=_not_pending,
        refusal=_no_return,
        needs_reports=False,
    ),
    Action(
        "withdraw_return",
        "撤回退单申请",
        lambda c, b: disputes.withdraw_return(c.turn, c.order),
        unit=UNIT_ROLES,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        offered=_pending,
        needs_reports=False,
    ),
    Action(
        "approve_return",
        "同意退单",
        _approve_return,
        ApproveReturn,
        centre=DESK,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        offered=_pending,
        refusal=_undecided,
        impartial=True,
        needs_reports=False,
        fetch=read_for_dispatch,
    ),
    Action(
        "reject_return",
        "驳回退单",
        lambda c, b: returns.reject(c.aggregate, c.order, c.turn.act, c.turn.masters.clockwork, reason=b.reason),
        Reason,
        centre=DESK,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        offered=_pending,
        refusal=_undecided,
        impartial=True,
        needs_reports=False,
    ),
    Action(
        "transfer",
        "改派",
        _transfer,
        Transfer,
        centre=DESK,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        refusal=_not_moved,
        needs_reports=False,
    ),
    Action(
        "cancel", "撤销工单", _cancel, Reason, centre=DESK, states=OPEN_ORDER, refusal=_not_moved, needs_reports=False
    ),
)
