"""What several hands do: parts, sub-dispatch, call-outs."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app import hands
from app.accounts.access import UNIT_ROLES
from app.acts.action import ActBody, Action, Case, Words
from app.acts.naming import DESK, OPEN_ORDER, not_accused, unit_id
from app.acts.order_acts import Reason
from app.clocks.limits import Limit
from app.core.errors import Conflict, Malformed
from app.dispatch import callouts, sub_orders, supporting
from app.dispatch.orders import OF_THE_CENTRE
from app.events.aggregate import EventAggregate
from app.events.late_clocks import load_inner_clocks
from app.events.tables import WorkOrder
from app.events.timeline_tables import Timeline
from app.events.visibility import accused_unknown
from app.masters import Masters

_LIAISON = ("unit_liaison",)

InnerLimit = Annotated[str, AfterValidator(lambda text: str(Limit.parse(text)))]


class AddSupporting(ActBody):
    """增派协办."""

    unit: str = Field(description="协办单位代码")
    part: Words = Field(description="该单位负责的部分")


class SubDispatch(ActBody):
    """二次派单."""

    unit: str = Field(description="本单位下属的科室或作业单位代码")
    limit: InnerLimit = Field(description="内部时限，如 4 work_hour；不得晚于本单位的处置时限")
    part: Words = Field(description="下派的工作内容")


class SendBackSub(Reason):
    """下派退回重做."""

    limit: InnerLimit | None = Field(None, description="新的内部时限；不填则与上次相同")


class StreetCallout(ActBody):
    """吹哨."""

    units: list[str] = Field(min_length=1, max_length=10, description="请哪些单位报到（代码）")
    kind: callouts.Kind = Field(
        description="comprehensive_enforcement 综合执法、key_task 重点工作、emergency_response 应急处置"
    )
    words: Words = Field(description="何时到何地、做什么")
    by: InnerLimit | None = Field(None, description="多久内报到，如 2 work_hour；不填则按本市规定")


class ConfirmCallout(ActBody):
    """确认报到."""

    rating: int = Field(ge=1, le=5, description="评价：1 差至 5 好")
    words: Words | None = Field(None, description="评语")
    in_time: bool = Field(False, description="true：证明其按时到场，只是登记晚了（仅用于事后补报的报到）")


# --- whose act it is --------------------------------------------------------------------------------------


def _givers(aggregate: EventAggregate, order: WorkOrder) -> Collection[WorkOrder]:
    """The order of the unit that gave this one."""
    return [parent for parent in aggregate.orders if parent.n == order.parent_n]


def _lead(aggregate: EventAggregate, _: WorkOrder) -> Collection[WorkOrder]:
    return [aggregate.lead] if aggregate.lead else []


# --- whether it is possible now ----------------------------------------------------------------------------


def _no_sub(_: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return _not_while_unknown(aggregate) or sub_orders.why_no_sub(aggregate, order)


def _no_call(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return callouts.why_no_call(masters.organizations, order) or _not_while_unknown(aggregate)


def _no_part_again(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return supporting.why_not_again(aggregate, order, masters.organizations)


def _not_while_unknown(aggregate: EventAggregate) -> str | None:
    # Until somebody has said whom it accuses, it may be anybody who would be let in.
    return "尚未确认被举报单位，不能请其他单位参与。" if accused_unknown(aggregate.event) else None


# --- what is done -----------------------------------------------------------------------------------------


def _unit(case: Case, code: str, field: str = "unit") -> int:
    unit = not_accused(case, unit_id(case, code, field))
    assert unit is not None  # noqa: S101 - the body requires it
    return unit


def _refuse(path: str, message: str) -> None:
    raise Malformed(message, faults=[{"path": path, "message": message}])


def _add_supporting(case: Case, body: AddSupporting) -> None:
    unit = _unit(case, body.unit)
    supporting.refuse_twice(case.aggregate, unit, case.organizations)
    hands.add_supporting(case.turn, unit, part=body.part)


def _sub_dispatch(case: Case, body: SubDispatch) -> None:
    unit, own = _unit(case, body.unit), case.order.unit_id
    if unit == own or unit not in case.organizations.under(own):
        _refuse("unit", f"只能下派给{case.organizations.name(own)}下属的科室或作业单位。")
    if any(order.unit_id == unit and order.role == "sub" for order in case.aggregate.open_orders):
        raise Conflict(f"已下派{case.organizations.name(unit)}，尚未结束。")
    given = hands.sub_dispatch(case.turn, case.order, unit, limit=Limit.parse(body.limit), part=body.part)
    case.answer["given"] = [f"{case.aggregate.event.id}.{given.n}"]


def _send_back_sub(case: Case, body: SendBackSub) -> None:
    limit = Limit.parse(body.limit) if body.limit else None
    hands.send_back_sub(case.turn, case.order, limit=limit, reason=body.reason)


async def _fetch_inner(session: AsyncSession, case: Case, _: Any) -> None:
    await load_inner_clocks(session, case.aggregate)


def _street_callout(case: Case, body: StreetCallout) -> None:
    units = [_unit(case, code, f"units.{position}") for position, code in enumerate(body.units)]
    for position, unit in enumerate(units):
        path = f"units.{position}"
        if unit in units[:position]:
            _refuse(path, f"{case.organizations.name(unit)}写了两次。")
        if why := callouts.why_not_called(case.aggregate, case.organizations, case.order, unit):
            _refuse(path, why)
    by = Limit.parse(body.by) if body.by else None
    given = hands.street_callout(case.turn, case.order, units, kind=body.kind, by=by, note=body.words)
    case.answer["given"] = [f"{case.aggregate.event.id}.{order.n}" for order in given]


def _given_again(aggregate: EventAggregate, done: Timeline) -> dict[str, Any]:
    """The orders that this act gave: its row is their decision."""
    return {"given": [f"{aggregate.event.id}.{order.n}" for order in aggregate.orders if order.decision_n == done.n]}


HAND_ORDER_ACTIONS: tuple[Action, ...] = (
    Action(
        "add_supporting",
        "增派协办",
        _add_supporting,
        AddSupporting,
        centre=DESK,
        roles=("lead",),
        states=OPEN_ORDER,
        needs_reports=False,
    ),
    Action(
        "send_back_part",
        "退回协办部分",
        lambda c, b: hands.send_back_part(c.turn, c.order, reason=b.reason),
        Reason,
        centre=DESK,
        unit=_LIAISON,
        whose=_lead,
        roles=("supporting",),
        states=("reported_done", "completed"),
        offered=supporting.may_send_back,
        refusal=_no_part_again,
        needs_reports=False,
    ),
    Action(
        "sub_dispatch",
        "二次派单",
        _sub_dispatch,
        SubDispatch,
        unit=_LIAISON,
        roles=(*OF_THE_CENTRE, "sub"),
        states=OPEN_ORDER,
        refusal=_no_sub,
        again=_given_again,
        needs_reports=False,
    ),
    Action(
        "decline_sub",
        "退回下派",
        lambda c, b: hands.decline_sub(c.turn, c.order, reason=b.reason),
        Reason,
        unit=("unit_liaison", "handler"),
        roles=("sub",),
        states=OPEN_ORDER,
        needs_reports=False,
    ),
    Action(
        "accept_sub",
        "验收下派",
        lambda c, b: hands.accept_sub(c.turn, c.order),
        unit=_LIAISON,
        whose=_givers,
        roles=("sub",),
        states=("reported_done",),
        needs_reports=False,
    ),
    Action(
        "send_back_sub",
        "下派退回重做",
        _send_back_sub,
        SendBackSub,
        unit=_LIAISON,
        whose=_givers,
        roles=("sub",),
        states=("reported_done",),
        offered=sub_orders.parent_at_work,
        fetch=_fetch_inner,
        needs_reports=False,
    ),
    Action(
        "recall_sub",
        "收回下派",
        lambda c, b: hands.recall_sub(c.turn, c.order, reason=b.reason),
        Reason,
        unit=_LIAISON,
        whose=_givers,
        roles=("sub",),
        states=OPEN_ORDER,
        needs_reports=False,
    ),
    Action(
        "street_callout",
        "吹哨",
        _street_callout,
        StreetCallout,
        unit=_LIAISON,
        roles=OF_THE_CENTRE,
        states=OPEN_ORDER,
        refusal=_no_call,
        again=_given_again,
        needs_reports=False,
    ),
    Action(
        "answer_callout",
        "报到",
        lambda c, b: hands.answer_callout(c.turn, c.order),
        unit=UNIT_ROLES,
        roles=("callout",),
        states=("dispatched", "signed"),
        needs_reports=False,
    ),
    Action(
        "confirm_callout",
        "确认报到",
        lambda c, b: hands.confirm_callout(c.turn, c.order, rating=b.rating, words=b.words, in_time=b.in_time),
        ConfirmCallout,
        unit=_LIAISON,
        whose=_givers,
        roles=("callout",),
        states=("reported_done",),
        needs_reports=False,
    ),
    Action(
        "dismiss_callout",
        "撤哨",
        lambda c, b: hands.dismiss_callout(c.turn, c.order, reason=b.reason),
        Reason,
        unit=_LIAISON,
        whose=_givers,
        roles=("callout",),
        states=(*OPEN_ORDER, "reported_done"),
        needs_reports=False,
    ),
)
