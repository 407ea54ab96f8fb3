"""What can be asked, decided and ended about an order's limits: 延期, 挂账与销账, 等待诉求人, 超期申诉."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.access import CENTRE_ROLES
from app.acts.action import ActBody, Action, Case, Sha256, Words
from app.acts.naming import DESK
from app.acts.order_acts import Reason
from app.core.timing import now
from app.dispatch import extensions, lateness_appeals, limit_requests, standstills
from app.dispatch.limit_requests import NAMES_ZH, Asked, Kind
from app.dispatch.orders import OF_THE_CENTRE
from app.events.aggregate import EventAggregate
from app.events.tables import WorkOrder
from app.masters import Masters, limits

_UNIT = ("unit_liaison", "handler")
_AT_WORK = ("signed", "handling")


def _without_nul(text: str) -> str:
    # The check of ``ActBody`` sees its own members only.
    if "\x00" in text:
        raise ValueError("含有不能保存的字符（NUL）")
    return text


class Milestone(BaseModel):
    """挂账节点."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    on: date = Field(description="日期，在挂账期间内")
    text: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_without_nul)] = Field(
        description="到时完成什么"
    )


class RequestExtension(Reason):
    """延期申请."""

    reason_code: Literal["engineering", "coordination", "weather", "materials", "investigation", "other"] = Field(
        description="工程量大、多部门协调、天气等不可抗力、材料设备未到、调查取证、其他"
    )
    more: int = Field(ge=1, le=9999, description="延长多少，单位与该工单的处置时限相同")


class RequestDeferral(Reason):
    """挂账申请."""

    reason_code: Literal["season_bound", "condition_not_ready", "funding", "legal_procedure", "other"] = Field(
        description="受季节限制、条件不具备、资金未落实、须走法定程序、其他"
    )
    until: AwareDatetime = Field(description="挂账到何时，RFC 3339，须带时区")
    plan: Words = Field(description="解决方案")
    leader: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="责任单位或岗位（不填个人姓名）"
    )
    milestones: list[Milestone] = Field(min_length=1, max_length=50, description="分步节点")


class WaitForComplainant(Reason):
    """等待诉求人."""

    reason_code: Literal["unreachable", "materials_from_complainant", "appointment", "other"] = Field(
        description="联系不上、待补充材料、约定了时间、其他"
    )
    until: AwareDatetime = Field(description="最晚等到何时，RFC 3339，须带时区")
    report_id: UUID | None = Field(None, description="等待哪一件诉求的诉求人；事件只有一件未了诉求时可不填")


class AppealLateness(Reason):
    """超期申诉."""

    reason_code: Literal["force_majeure", "wrong_dispatch", "system_fault", "complainant_caused", "other"] = Field(
        description="不可抗力、派单有误、系统故障、诉求人原因、其他"
    )
    evidence: list[Sha256] = Field(default_factory=list, max_length=20, description="证明照片（附件 SHA-256）")


class Statement(ActBody):
    """销账申请."""

    statement: Words = Field(description="解决情况说明")


# --- asking -------------------------------------------------------------------------------------------------------


def _asked(body: Any) -> Asked:
    return Asked(body.reason_code, body.reason)


def _request_extension(case: Case, body: RequestExtension) -> None:
    rule = limits.extension(case.turn.masters)
    extensions.ask_extension(case.aggregate, case.order, case.turn.act, _asked(body), more=body.more, rule=rule)


def _request_deferral(case: Case, body: RequestDeferral) -> None:
    standstills.ask_deferral(
        case.aggregate,
        case.order,
        case.turn.act,
        _asked(body),
        until=body.until,
        plan=standstills.Plan(body.plan, body.leader, tuple((one.on, one.text) for one in body.milestones)),
        rule=limits.deferral(case.turn.masters),
    )


def _wait(case: Case, body: WaitForComplainant) -> None:
    standstills.ask_waiting(
        case.aggregate,
        case.order,
        case.turn.act,
        case.turn.masters.clockwork,
        _asked(body),
        until=body.until,
        report_id=body.report_id,
        rule=limits.waiting(case.turn.masters),
    )


def _appeal(case: Case, body: AppealLateness) -> None:
    reviewers = case.turn.masters.policies.appeal_reviewers
    lateness_appeals.ask(
        case.aggregate, case.order, case.turn.act, _asked(body), evidence=body.evidence, reviewers=reviewers
    )


# --- whether it is possible now ------------------------------------------------------------------------------------


def _no_extension(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return extensions.why_no_extension(aggregate, order, limits.extension(masters), now())


def _no_deferral(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return standstills.why_no_deferral(aggregate, order, limits.deferral(masters), now())


def _no_waiting(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return standstills.why_no_waiting(aggregate, order, masters.clockwork, now())


def _no_appeal(masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
    return lateness_appeals.why_no_appeal(aggregate, order, limits.appeal_window(masters, order.unit_id), now())


def _pending(kind: Kind) -> Callable[[EventAggregate, WorkOrder], bool]:
    return lambda aggregate, order: limit_requests.pending(aggregate, order, kind) is not None


def _deferred(state: str) -> Callable[[EventAggregate, WorkOrder], bool]:
    def offered(aggregate: EventAggregate, order: WorkOrder) -> bool:
        found = limit_requests.in_force(aggregate, order, "deferral", now())
        return found is not None and found.state == state

    return offered


def _waiting(aggregate: EventAggregate, order: WorkOrder) -> bool:
    return limit_requests.in_force(aggregate, order, "waiting", now()) is not None


# --- the registry -------------------------------------------------------------------------------------------------


def _approving(kind: Kind) -> Callable[[Case, ActBody], None]:
    def run(case: Case, _: ActBody) -> None:
        aggregate, order, act, work = case.aggregate, case.order, case.turn.act, case.turn.masters.clockwork
        if kind == "extension":
            extensions.approve(aggregate, order, act, work)
        elif kind == "lateness_appeal":
            lateness_appeals.approve(aggregate, order, act)
        else:
            standstills.approve(aggregate, order, act, work, kind)

    return run


def _no_approval(kind: Kind) -> Callable[[Masters, EventAggregate, WorkOrder], str | None] | None:
    if kind == "extension":
        return lambda _, aggregate, order: extensions.why_no_approval(aggregate, order)
    if kind == "lateness_appeal":
        return None
    return lambda _, aggregate, order: standstills.why_no_approval(aggregate, order, kind, now())


def _decisions(kind: Kind, name: str) -> tuple[Action, ...]:
    """Approving, rejecting, withdrawing one kind of request."""
    name_zh, pending = NAMES_ZH[kind], _pending(kind)
    return (
        Action(
            f"approve_{name}",
            f"同意{name_zh}",
            _approving(kind),
            centre=CENTRE_ROLES,
            offered=pending,
            refusal=_no_approval(kind),
            decides=kind,
            late_clocks=kind == "lateness_appeal",
            needs_reports=False,
        ),
        Action(
            f"reject_{name}",
            f"驳回{name_zh}",
            lambda c, b: limit_requests.reject(c.aggregate, c.order, c.turn.act, kind, reason=b.reason),
            Reason,
            centre=CENTRE_ROLES,
            offered=pending,
            decides=kind,
            needs_reports=False,
        ),
        Action(
            f"withdraw_{name}",
            f"撤回{name_zh}申请",
            lambda c, b: limit_requests.withdraw(c.aggregate, c.order, c.turn.act, kind),
            unit=_UNIT,
            offered=pending,
            needs_reports=False,
        ),
    )


_LIMIT_ACTIONS = (
    Action(
        "request_extension",
        "申请延期",
        _request_extension,
        RequestExtension,
        unit=_UNIT,
        states=_AT_WORK,
        refusal=_no_extension,
        needs_reports=False,
    ),
    *_decisions("extension", "extension"),
    Action(
        "request_deferral",
        "申请挂账",
        _request_deferral,
        RequestDeferral,
        unit=_UNIT,
        states=_AT_WORK,
        refusal=_no_deferral,
        needs_reports=False,
    ),
    *_decisions("deferral", "deferral"),
    Action(
        "claim_clearance",
        "申请销账",
        lambda c, b: standstills.claim_clearance(c.aggregate, c.order, c.turn.act, statement=b.statement),
        Statement,
        unit=_UNIT,
        states=_AT_WORK,
        offered=_deferred("granted"),
        needs_reports=False,
    ),
    Action(
        "verify_clearance",
        "核实销账",
        lambda c, b: standstills.verify_clearance(c.aggregate, c.order, c.turn.act, c.turn.masters.clockwork),
        centre=DESK,
        states=_AT_WORK,
        offered=_deferred("settling"),
        decides="deferral",
        needs_reports=False,
    ),
    Action(
        "refuse_clearance",
        "不予销账",
        lambda c, b: standstills.refuse_clearance(c.aggregate, c.order, c.turn.act, reason=b.reason),
        Reason,
        centre=DESK,
        states=_AT_WORK,
        offered=_deferred("settling"),
        decides="deferral",
        needs_reports=False,
    ),
    Action(
        "wait_for_complainant",
        "等待诉求人",
        _wait,
        WaitForComplainant,
        unit=_UNIT,
        states=_AT_WORK,
        refusal=_no_waiting,
    ),
    *_decisions("waiting", "waiting"),
    Action(
        "resume",
        "恢复计时",
        lambda c, b: standstills.resume(c.aggregate, c.order, c.turn.act, c.turn.masters.clockwork),
        unit=_UNIT,
        states=_AT_WORK,
        offered=_waiting,
        needs_reports=False,
    ),
    Action(
        "appeal_lateness",
        "申诉超期",
        _appeal,
        AppealLateness,
        unit=_UNIT,
        states=("completed",),
        refusal=_no_appeal,
        late_clocks=True,
        needs_reports=False,
    ),
    *_decisions("lateness_appeal", "lateness_appeal"),
)
#: what a unit gave to others has a limit of that unit's own, about which the centre decides nothing
LIMIT_ACTIONS = tuple(replace(action, roles=OF_THE_CENTRE) for action in _LIMIT_ACTIONS)
