"""What keeps a unit's clock standing for a time: 挂账 and 等待诉求人 (DOMAIN.md §4.3).

Only the handling clock stands; the citizen's goes on. Its pause has an end from the beginning, so it counts again by
itself; ``limit_requests.follow`` writes that down with the next act.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from app.clocks.arithmetic import due
from app.clocks.calendar import CHINA_TIME
from app.clocks.limits import Limit
from app.clocks.moving import pause_clock, resume_clock
from app.clocks.pauses import Pause, effective, whole_minute
from app.clocks.records import Clockwork, recorded_pauses, records_of
from app.clocks.running import running
from app.core.errors import Conflict
from app.dispatch.limit_requests import (
    NAMES_ZH,
    Asked,
    agree,
    approval,
    ask,
    city_time,
    granted,
    handling,
    in_force,
    pending,
    refuse,
    until_of,
    why_not_any,
)
from app.events.aggregate import Act, EventAggregate
from app.events.clock_tables import Clock, LimitRequest
from app.events.report_tables import Report
from app.events.tables import WorkOrder

Standstill = Literal["deferral", "waiting"]

#: the grounds of their pauses
_GROUNDS: Final = {"deferral": "deferred", "waiting": "waiting"}


@dataclass(frozen=True, slots=True)
class DeferralRule:
    """How often, how long, and who must agree."""

    times: int
    max_days: int
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WaitingRule:
    """How long at most, and who must agree; nobody: it holds at once."""

    longest: Limit
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """挂账: what will be done, who answers for it, and what will be reached when."""

    plan: str
    leader: str
    milestones: tuple[tuple[date, str], ...]


def why_no_deferral(aggregate: EventAggregate, order: WorkOrder, rule: DeferralRule, at: datetime) -> str | None:
    """挂账 holds once at a time, as often as the city allows."""
    if why := why_not_any(aggregate, order, "deferral"):
        return why
    if in_force(aggregate, order, "deferral", at):
        return "该工单正在挂账。"
    if (done := granted(aggregate, order, "deferral")) >= rule.times:
        return f"该工单已挂账 {done} 次，每个工单最多挂账 {rule.times} 次。"
    return None


def why_no_waiting(aggregate: EventAggregate, order: WorkOrder, work: Clockwork, at: datetime) -> str | None:
    """等待诉求人 makes sense while the clock counts, and while the cap leaves time that may stay uncounted."""
    if why := why_not_any(aggregate, order, "waiting"):
        return why
    if in_force(aggregate, order, "deferral", at):
        return "该工单正在挂账，处置时限已暂停。"
    if in_force(aggregate, order, "waiting", at):
        return "该工单已在等待诉求人。"
    clock = handling(aggregate, order)
    if clock is not None and clock.uncounted_cap and not _cap_leaves(aggregate, clock, work, at):
        cap = Limit.parse(clock.uncounted_cap).chinese
        return f"该工单不计时的时间已达上限（{cap}），不能再暂停计时。"
    return None


def _cap_leaves(aggregate: EventAggregate, clock: Clock, work: Clockwork, at: datetime) -> bool:
    """Whether anything of a pause that began now would count."""
    begin = whole_minute(at)
    pauses = [*recorded_pauses(records_of(aggregate, clock)).values(), Pause(begin, begin + timedelta(days=31))]
    calendar, cap = work.calendar(clock.calendar_code), Limit.parse(clock.uncounted_cap or "")
    return any(
        pause.until_at > begin and not pause.uncapped for pause in effective(calendar, pauses, clock.started_at, cap)
    )


def ask_deferral(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    asked: Asked,
    *,
    until: datetime,
    plan: Plan,
    rule: DeferralRule,
) -> None:
    """申请挂账. Raises ``Malformed`` for a date too far away, and for milestones outside its time."""
    _refuse_past(act.at, until)
    if until > act.at + timedelta(days=rule.max_days):
        refuse("until", f"挂账最长 {rule.max_days} 天。")
    first_on, last_on = act.at.astimezone(CHINA_TIME).date(), until.astimezone(CHINA_TIME).date()
    for position, (on, _) in enumerate(plan.milestones):
        if not first_on <= on <= last_on:
            refuse(f"milestones.{position}.on", f"节点日期 {on} 不在挂账期间（{first_on} 至 {last_on}）。")
    terms = {
        "until": whole_minute(until).isoformat(),
        "plan": plan.plan,
        "leader": plan.leader,
        "milestones": [{"on": on.isoformat(), "text": text} for on, text in sorted(plan.milestones)],
    }
    ask(aggregate, order, act, "deferral", asked, terms=terms, approvers=rule.approvers)


def ask_waiting(
    aggregate: EventAggregate,
    order: WorkOrder,
    act: Act,
    work: Clockwork,
    asked: Asked,
    *,
    until: datetime,
    report_id: UUID | None,
    rule: WaitingRule,
) -> None:
    """等待诉求人, at once where nobody must agree; load the reports first.

    ``report_id``: whose reporter the unit waits for; needed where several reports are open. Raises ``Malformed`` for a
    moment too far away, and when it is not clear who is waited for.
    """
    clock = handling(aggregate, order)
    if clock is None:
        raise Conflict("该工单没有正在计时的处置时限。")
    _refuse_past(act.at, until)
    last_at = due(work.calendar(clock.calendar_code), act.at, rule.longest).due_at
    if until > last_at:
        refuse("until", f"等待诉求人最长 {rule.longest.chinese}，现在申请最晚到 {city_time(last_at)}。")
    terms = {"until": whole_minute(until).isoformat()}
    if awaited := _awaited(aggregate, report_id):
        terms["report_id"] = str(awaited)
    request = ask(aggregate, order, act, "waiting", asked, terms=terms, approvers=rule.approvers)
    if not rule.approvers:
        n = aggregate.advance(request, "grant", act, name="waiting_granted", data={"order_n": order.n}, note="")
        _hold(aggregate, order, request, act, work, n)


def _awaited(aggregate: EventAggregate, report_id: UUID | None) -> UUID | None:
    """The report whose reporter is waited for; None when no report is open any more."""
    live = [report.id for report in aggregate.live_reports]
    if report_id is None and len(live) > 1:
        refuse("report_id", f"该事件有 {len(live)} 件未了诉求，请注明等待哪一件诉求的诉求人。")
    if report_id is not None and report_id not in live:
        refuse("report_id", "该事件没有这件未了诉求。")
    return report_id or next(iter(live), None)


def _refuse_past(at: datetime, until: datetime) -> None:
    if whole_minute(until) <= whole_minute(at):
        refuse("until", "截止时间必须晚于现在。")


def why_no_approval(aggregate: EventAggregate, order: WorkOrder, kind: Standstill, at: datetime) -> str | None:
    """What was asked until a moment that has passed cannot be granted any more."""
    request = pending(aggregate, order, kind)
    until = until_of(request) if request else None
    if until is not None and until <= at:
        return f"申请的截止时间 {city_time(until)} 已过，不能再批准；请驳回。"
    return None


def approve(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork, kind: Standstill) -> None:
    """同意: with the last who must agree the handling clock stands, and keeps who agreed."""
    request, n = agree(aggregate, order, act, kind, done=False)
    if n is not None:
        _hold(aggregate, order, request, act, work, n)


def _hold(
    aggregate: EventAggregate, order: WorkOrder, request: LimitRequest, act: Act, work: Clockwork, n: int
) -> None:
    until = until_of(request)
    assert until is not None  # noqa: S101 - whoever asks for a time says until when
    grounds, agreed = _GROUNDS[request.kind], approval(request)
    for clock in running(aggregate, "handling", order=order):
        pause_clock(aggregate, clock, work, act.at, n, until=until, grounds=grounds, approval=agreed)


def _holding(aggregate: EventAggregate, order: WorkOrder, kind: Standstill, at: datetime) -> LimitRequest:
    found = in_force(aggregate, order, kind, at)
    if found is None:
        raise Conflict(f"该工单现在没有{NAMES_ZH[kind]}。", state=order.state)
    return found


def claim_clearance(aggregate: EventAggregate, order: WorkOrder, act: Act, *, statement: str) -> None:
    """申请销账: the unit's word that what was deferred is settled; the pause goes on until it is verified."""
    request = _holding(aggregate, order, "deferral", act.at)
    data = {"order_n": order.n}
    aggregate.advance(request, "claim_settled", act, name="clearance_claimed", data=data, note=statement)


def verify_clearance(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork) -> None:
    """核实销账: the deferral is over, the clock counts from this moment."""
    request = _holding(aggregate, order, "deferral", act.at)
    n = aggregate.advance(request, "verify_settled", act, name="clearance_verified", data={"order_n": order.n})
    _go_on(aggregate, order, act, work, n, "deferred")


def refuse_clearance(aggregate: EventAggregate, order: WorkOrder, act: Act, *, reason: str) -> None:
    """不予销账: it stays on the ledger."""
    request = _holding(aggregate, order, "deferral", act.at)
    data = {"order_n": order.n}
    aggregate.advance(request, "refuse_settled", act, name="clearance_refused", data=data, note=reason)


def resume(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork) -> None:
    """恢复计时: the unit waits for the complainant no longer."""
    request = _holding(aggregate, order, "waiting", act.at)
    data = {"order_n": order.n, "cause": "unit"}
    n = aggregate.advance(request, "end", act, name="waiting_ended", data=data)
    _go_on(aggregate, order, act, work, n, "waiting")


def _go_on(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork, n: int, grounds: str) -> None:
    for clock in running(aggregate, "handling", order=order):
        resume_clock(aggregate, clock, work, act.at, n, grounds=grounds)


def _waits_for(request: LimitRequest, report: Report) -> bool:
    return request.terms.get("report_id") in (None, str(report.id))


def heard(
    aggregate: EventAggregate, report: Report, act: Act, work: Clockwork, *, cause: Literal["chase", "supplement"]
) -> None:
    """A complainant has said something: nobody waits for them any more. Another one's word ends no waiting."""
    for order in aggregate.open_orders:
        data = {"order_n": order.n, "cause": cause}
        asked, request = pending(aggregate, order, "waiting"), in_force(aggregate, order, "waiting", act.at)
        if asked is not None and _waits_for(asked, report):
            aggregate.advance(asked, "withdraw", act, name="waiting_withdrawn", data=data, note="")
        if request is not None and _waits_for(request, report):
            n = aggregate.advance(request, "end", act, name="waiting_ended", data=data, note="")
            _go_on(aggregate, order, act, work, n, "waiting")
