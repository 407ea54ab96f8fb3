"""The closed loop on one page: 发现 → 分析 → 处理 → 反馈, forward and every way back.

Each step is plain calls on one locked event in memory (``Turn``); the stages hold the rules, this page holds the
order in which they meet. Reading, locking and writing stand at the two ends: ``app.receiving`` for what comes in,
``app.acts`` for what people and systems do, ``app.background`` for clocks, deliveries and retries. Two side pages
belong to it: ``app.disputes``, when units do not agree whose job it is, and ``app.hands``, when several work on it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.accounts.access import Client
from app.clocks.ladder import DUE, Rung
from app.clocks.running import end_clocks, relocate, running, start_clock
from app.core.crypto import Keyring
from app.dispatch import callouts, disputes, escalations, event_parts, orders, returns, standstills, supporting
from app.dispatch.matters import named
from app.dispatch.routing import Decision
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock
from app.events.report_tables import EventReport, Report
from app.events.tables import WorkOrder
from app.events.visibility import accused_unknown
from app.feedback import answers, closing, debts, inspections
from app.grid.locating import Location
from app.intake import admission, amendments
from app.intake.analysis import Analysis
from app.intake.inbox import Arrival
from app.items.rows import ItemRow
from app.masters import limits, routing
from app.turn import Turn

# ── 发现 discover ────────────────────────────────────────────────────────────────────────────────────────────


def begin(turn: Turn, arrival: Arrival, analysis: Analysis, client: Client, keyring: Keyring) -> Report:
    """A first report: its event begins with it, is answered at the desk, refused, or dispatched at once."""
    report = join(turn, arrival, analysis, client, keyring, cause="first")
    event, source = turn.event.event, arrival.report
    if source.direct_answer:
        settle_at_desk(turn, kind="answered_directly", answer=source.direct_answer)
    elif source.refused_as:
        refuse(turn, treatment=source.refused_as, explanation=closing.TREATMENTS[source.refused_as], told=True)
    elif event.triage is None:
        dispatch(turn)
    else:
        ask_person(turn, event.triage)
    return report


def join(turn: Turn, arrival: Arrival, analysis: Analysis, client: Client, keyring: Keyring, *, cause: str) -> Report:
    """并单: the report joins the event and keeps its own life: its clock, its reply, its callback."""
    report = admission.admit_report(turn.event, arrival, client.id, turn.act, keyring, cause=cause, analysis=analysis)
    debts.owe_for_report(turn.event, report, turn.act.at)
    received_n = turn.event.timeline[-1].row.n
    total = limits.citizen_total(turn.masters, report, turn.event.event.urgency)
    start_clock(turn.event, "citizen_total", total, report.received_at, received_n, report_id=report.id)
    if report.channel == "police-110":
        closing.tell(turn.event, report, "receipt", turn.act.at)
    elif analysis.danger:
        raise_alarm(turn, report, analysis.danger.handover, client.police_client_id)
    return report


def raise_alarm(turn: Turn, report: Report, handover: str, police_client_id: int | None) -> None:
    """Danger to life goes to 110 / 119 / 120 at once, whoever's business it is; the rest of the loop goes on."""
    data = {"handover": handover, "sent": police_client_id is not None}
    turn.event.record(turn.act, "alarm_raised", report=report, data=data, note="")
    if police_client_id is not None:
        closing.tell(turn.event, report, "alert", turn.act.at, to=police_client_id, handover=handover)


# ── 分析 analyze: decide whose job it is, or ask a person ─────────────────────────────────────────────────────


def dispatch(
    turn: Turn, decision: Decision | None = None, *, unit_id: int | None = None, avoid: frozenset[int] = frozenset()
) -> WorkOrder | None:
    """派单 by the published rules, or as a person has decided; without an answer a person decides."""
    if unit_id is not None:
        decision = named(unit_id, turn.masters.organizations)
    elif decision is None and accused_unknown(turn.event.event):
        ask_person(turn, "accused_unknown")  # the rules might send an accusation to whom it accuses
        return None
    decision = decision or decide(turn, avoid)
    if decision.unit_id is None:
        data = {**decision.as_data(), "releases": dict(turn.masters.vector)}
        turn.event.record(turn.act, "undecided", data=data, note="")
        ask_person(turn, decision.triage or "no_rule")
        return None
    return orders.dispatch(turn.event, decision, turn.order_limits, turn.act, turn.masters.vector)


def decide(turn: Turn, avoid: frozenset[int] = frozenset()) -> Decision:
    """By the rules, never to a unit that gave it back."""
    gave_back = avoid | returns.gave_back(turn.event)
    return routing.decide(turn.masters, turn.event.event, turn.act.at, gave_back=gave_back, load=turn.load)


def ask_person(turn: Turn, why: str) -> None:
    """人工研判: the event waits in the human queue with the reason; nothing is lost, nothing is guessed."""
    event = turn.event.event
    turn.event.change(event, triage=why, lead_unit_id=None)
    if event.state == "handling":
        turn.event.advance(event, "ask_person", turn.act, data={"why": why})


def correct(
    turn: Turn,
    *,
    item: ItemRow | None,
    item_id: int | None,
    place: Location | None,
    accused: Sequence[int] | None = None,
    component: str | None = None,
    redispatch: bool = True,
) -> None:
    """A person names item, place, component or accused: it is routed again; a unit whose it stays keeps its order.

    Whoever is accused now goes on with nothing, whether it is routed again or not.
    """
    event, before = turn.event.event, disputes.Facts(turn.event.event, turn.masters.router.components)
    triage = admission.triage_of_correction(event, item, accused, redispatch=redispatch and not turn.event.dispute)
    changes, data = admission.correction(event, item, item_id, place, accused, component, level=turn.level_of(item))
    if accused is not None:
        data["accused"] = [turn.masters.organizations.code_of(org) for org in accused]
    turn.event.advance(event, "correct", turn.act, data=data, triage=triage, **changes)
    relocate(turn.event, turn.masters.clockwork)
    for report in turn.event.live_reports:
        debts.owe_for_report(turn.event, report, turn.act.at)
    ended = orders.end_accused(turn.event, turn.act, turn.masters.organizations)
    if disputes.corrected(turn.event, turn.act, before, turn.masters.organizations) and redispatch:
        decision = None if accused_unknown(event) else decide(turn)
        orders.end_open_orders(turn.event, "transfer", turn.act, cause="corrected", but=decision)
        dispatch(turn)
    elif ended is not None:
        ask_person(turn, "waits_for_dispatch")


# ── 处理 handle: the unit's acts, and the ways back from them ─────────────────────────────────────────────────


def transfer(turn: Turn, order: WorkOrder, *, unit_id: int, reason: str) -> None:
    """改派: the centre moves the order to another unit."""
    orders.end_order(turn.event, order, "transfer", turn.act, cause="transferred", reason=reason)
    pass_on(turn, order, unit_id)


def pass_on(turn: Turn, order: WorkOrder, unit_id: int | None, *, avoid: frozenset[int] = frozenset()) -> None:
    """The lead goes to the named unit or where the rules say; a supporting part to the named unit, or nowhere."""
    if order.role == "lead":
        dispatch(turn, unit_id=unit_id, avoid=avoid)
    elif unit_id is not None:
        decision = named(unit_id, turn.masters.organizations)
        orders.add_supporting(turn.event, decision, turn.order_limits, turn.act, instead_of=order)


def cancel_order(turn: Turn, order: WorkOrder, *, reason: str) -> None:
    """撤销工单: without its lead the event goes back to people."""
    orders.end_order(turn.event, order, "cancel", turn.act, cause="centre", reason=reason)
    if order.role == "lead":
        ask_person(turn, "order_cancelled")


def report_done(
    turn: Turn,
    order: WorkOrder,
    *,
    result: Literal["resolved", "explained"],
    evidence: Sequence[str],
    statement: str,
    without_parts: str | None = None,
) -> None:
    """处置完毕 is the unit's word, once all parts are done or with a reason; the lead's moves the event on."""
    disputes.overtake(turn.event, order, turn.act, turn.masters.clockwork)
    event_parts.refuse_done(turn.event, order)
    orders.report_done(turn.event, order, turn.act, result=result, evidence=evidence, statement=statement)
    supporting.leave_open(turn.event, order, turn.act, turn.masters.organizations, reason=without_parts)
    if order.role == "lead":
        disputes.drop(turn.event, turn.act, cause="done")
        go_on(turn)


def send_back(turn: Turn, *, cause: str, note: str | None = None) -> None:
    """Every way back to the unit, or past one that is accused by now: failed inspection, dissatisfied caller, a no."""
    lead = turn.event.lead or max((o for o in turn.event.orders if o.role == "lead"), key=lambda o: o.n)
    inspections.cancel_open(turn.event, turn.act)
    trigger = "reopen" if turn.event.event.state == "closed" else "send_back"
    changes = {"end_kind": None, "settled_at": None} if trigger == "reopen" else {}
    turn.event.advance(turn.event.event, trigger, turn.act, data={"cause": cause}, note="", **changes)
    if orders.is_accused(turn.event.event, lead.unit_id, turn.masters.organizations):
        orders.end_accused(turn.event, turn.act, turn.masters.organizations)
        ask_person(turn, "waits_for_dispatch")
    else:
        orders.send_back(turn.event, lead, turn.order_limits, turn.act, cause=cause, note=note)


# ── 反馈 feedback: inspect, answer, call back, close ──────────────────────────────────────────────────────────


def go_on(turn: Turn) -> None:
    """Moves the event to what comes next: inspection, answers, or ready to be closed by the centre."""
    event, phase = turn.event.event, closing.next_phase(turn.event)
    if (phase, event.state) in (("verify", "verifying"), ("answer", "answering"), ("conclude", "closing")):
        return
    turn.event.advance(event, phase, turn.act, note="")
    if phase == "verify" and turn.event.lead:
        inspections.request(turn.event, turn.event.lead, turn.act)


def inspect(turn: Turn, *, passed: bool, evidence: Sequence[str], collector_id: UUID) -> None:
    """核查: passed goes on, failed goes back to the unit."""
    inspection = inspections.current(turn.event)
    inspections.decide(turn.event, inspection, turn.act, passed=passed, evidence=evidence, collector_id=collector_id)
    if passed:
        go_on(turn)
    else:
        send_back(turn, cause="inspection_failed")


def reply(turn: Turn, reports: Sequence[Report], *, method: str, result: answers.Result, body: str) -> None:
    """答复: an answer to each reporter; when the last one is paid the event goes on, or its end becomes final."""
    for report in reports:
        answers.reply(turn.event, report, turn.act, method=method, result=result, body=body)
    _after_feedback(turn)


def callback(turn: Turn, report: Report, result: answers.CallbackResult, *, agent_id: UUID) -> None:
    """回访 by the centre; dissatisfied means 重办: a new round for the unit, a new reply and callback owed."""
    attempts = turn.masters.policies.callback_attempts
    if answers.callback(turn.event, report, result, turn.act, agent_id=agent_id, max_attempts=attempts):
        n = answers.rehandle(turn.event, report, turn.act)
        total = limits.rehandle_total(turn.masters)
        start_clock(turn.event, "citizen_total", total, turn.act.at, n, report_id=report.id)
        if turn.event.event.state in ("verifying", "answering", "closing", "closed"):
            send_back(turn, cause="dissatisfied")
    else:
        _after_feedback(turn)


def _after_feedback(turn: Turn) -> None:
    if turn.event.event.ended_at is not None:
        debts.settle(turn.event, turn.act)
    elif turn.event.event.state == "answering":
        go_on(turn)


def close(turn: Turn, *, standard_row_no: int | None, forced: bool = False, reason: str | None = None) -> None:
    """结案 is the centre's act, against the filing standard's closing condition; forced leaves its debts standing."""
    result = turn.event.lead.result if turn.event.lead else None
    if not forced:
        closing.refuse_if_owed(turn.event)
    kind = "forced" if forced else "handled" if result == "resolved" else "explained"
    chosen: dict[str, Any] = {} if standard_row_no is None else {"standard_row_no": standard_row_no}
    _end(turn, "force_close" if forced else "close", kind, orders_end="complete", note=reason, **chosen)
    _tell_sources(turn, result=result)


def settle_at_desk(turn: Turn, *, kind: Literal["answered_directly", "found_and_fixed"], answer: str) -> None:
    """直接答复: the desk answers on the line; the reply is paid, nobody needs to be called back."""
    _end(turn, "settle_at_desk", kind, no_callback="answered_on_the_line")
    for report in turn.event.live_reports:
        answers.reply(turn.event, report, turn.act, method="on_the_line", result="explained", body=answer)
    _tell_sources(turn, result="explained")


def refuse(turn: Turn, *, treatment: str, explanation: str, told: bool) -> None:
    """不予受理 with the treatment told: the reporter is owed the way to go, and gets it now or as a reply."""
    _end(turn, "refuse", treatment, note=explanation, no_callback="not_accepted")
    for report in turn.event.live_reports:
        if told:
            answers.reply(turn.event, report, turn.act, method="on_the_line", result="not_accepted", body=explanation)
        elif report.kind == "demand" and not report.anonymous:
            debts.owe(turn.event, report, "reply", turn.act.at)
    _tell_sources(turn, treatment=treatment)


def hand_over(turn: Turn, *, to: str) -> None:
    """移交: another system leads from here; its sources are told to whom."""
    _end(turn, "hand_over", to, no_callback="handed_over")
    _tell_sources(turn, handed_to=to)


def cancel_event(turn: Turn, *, why: str) -> None:
    """作废: nothing to handle after all; who reported it is still owed a word."""
    _end(turn, "cancel", "void", note=why, no_callback="cancelled")
    _tell_sources(turn)


def merge(turn: Turn, target: Turn) -> None:
    """并案: this event ends in the target, which answers its reports from now on; no row moves."""
    merged, into = turn.event, target.event.event
    event_parts.refuse_while_open(merged, "并入其他事件")
    inspections.cancel_open(merged, turn.act)
    merged.advance(merged.event, "merge", turn.act, data={"into": str(into.id)}, merged_into=into.id, triage=None)
    disputes.drop(merged, turn.act, cause="merged")
    orders.end_open_orders(merged, "cancel", turn.act, cause="merged")
    merged.change(merged.event, lead_unit_id=into.lead_unit_id)  # whose time its reports' clocks are from now on
    target.event.record(target.act, "absorbed", data={"event": str(merged.event.id)})
    target.event.change(into, report_count=into.report_count + merged.event.report_count)


def unlink(turn: Turn, report: Report, link: EventReport, own: EventAggregate) -> None:
    """拆单: the link ends and the report gets an event of its own, clocked from its receipt, routed by the rules."""
    totals = running(turn.event, "citizen_total", report_id=report.id)
    end_clocks(turn.event, totals, "stopped", turn.act.at)
    n = admission.move_report(turn.event, own, report, link, turn.act)
    for clock in totals[-1:]:  # none of one who was answered already
        total, begun = limits.citizen_total_again(turn.masters, report, turn.event.event.urgency, clock)
        start_clock(own, "citizen_total", total, begun, n, report_id=report.id)
    dispatch(Turn(turn.masters, own, turn.act, turn.load))
    _after_feedback(turn)


# ── what the citizen does to an open report ───────────────────────────────────────────────────────────────────


def chase(turn: Turn, report: Report) -> None:
    """催单: counted on the report and seen by the unit; never a new event."""
    turn.event.advance(report, "chase", turn.act, chase_count=report.chase_count + 1)
    standstills.heard(turn.event, report, turn.act, turn.masters.clockwork, cause="chase")


def supplement(turn: Turn, report: Report, told: amendments.Addition, *, police_client_id: int | None) -> None:
    """补充: new facts on the timeline, also after the end; danger to life raises the alarm as in a first report."""
    amendments.write_down(turn.event, report, told, turn.act)
    standstills.heard(turn.event, report, turn.act, turn.masters.clockwork, cause="supplement")
    if told.danger and report.channel != "police-110":
        raise_alarm(turn, report, told.danger.handover, police_client_id)


def withdraw(turn: Turn, report: Report, reason: str | None = None) -> None:
    """撤单: the report ends; its event ends with it unless others reported it too."""
    event = turn.event.event
    turn.event.advance(report, "withdraw", turn.act, note=reason)
    for kind in ("reply", "callback"):
        debts.waive(turn.event, report, kind, "withdrawn")
    end_clocks(turn.event, running(turn.event, "citizen_total", report_id=report.id), "stopped", turn.act.at)
    closing.tell(turn.event, report, "result", turn.act.at, end="withdrawn")
    if event.ended_at is None and all(other.state == "withdrawn" for other in turn.event.reports):
        _end(turn, "cancel", "withdrawn")
    else:
        _after_feedback(turn)


# ── what the system does by itself ────────────────────────────────────────────────────────────────────────────


def rung_due(turn: Turn, clock: Clock, rung: Rung, rung_at: datetime, notify: Sequence[int] = ()) -> None:
    """A rung of the ladder 督办阶梯: signing signs itself, who was called out is a no-show, 会商 goes to the ruling."""
    order = turn.event.order(clock.order_n) if clock.order_n else None
    n: int | None = None
    if rung is DUE and clock.kind == "signing" and order is not None and order.state == "dispatched":
        n = orders.sign_for(turn.event, order, turn.act, automatically=True)
    elif rung is DUE and clock.kind == "appearance" and order is not None:
        n = callouts.no_show(turn.event, order, turn.act, turn.masters.organizations)
    elif rung is DUE and clock.kind == "negotiation":
        n = disputes.refer(turn.event, turn.act, why="limit")
    about = escalations.About(turn.masters.organizations, turn.masters.policies.late_mark, notify)
    escalations.fire(turn.event, clock, rung, rung_at, turn.act, about, timeline_n=n)


def delivered(turn: Turn, report: Report, kind: str) -> None:
    """The source has its answer: the debt is paid, and the end becomes final when it was the last one."""
    if kind == "result":
        debts.pay(turn.event, report, "result", turn.act.at)
        debts.settle(turn.event, turn.act)


# ── shared by several steps ───────────────────────────────────────────────────────────────────────────────────


def _end(
    turn: Turn,
    trigger: str,
    kind: str,
    *,
    orders_end: Literal["complete", "cancel"] = "cancel",
    no_callback: str = "",
    note: str | None = None,
    **changes: Any,
) -> None:
    """Every end: what is open ends with the event; a callback that makes no sense any more is waived."""
    data = {"kind": kind} | event_parts.left_open(turn.event, trigger, kind)
    inspections.cancel_open(turn.event, turn.act)
    changes |= {"end_kind": kind, "triage": None}
    turn.event.advance(turn.event.event, trigger, turn.act, data=data, note=note, **changes)
    disputes.drop(turn.event, turn.act, cause=kind)
    orders.end_open_orders(turn.event, orders_end, turn.act, cause=kind)
    for report in turn.event.reports if no_callback else ():
        debts.waive(turn.event, report, "callback", no_callback)


def _tell_sources(turn: Turn, **facts: Any) -> None:
    """The result to each report's source; the debt is paid when the message is delivered, the end final after it."""
    closing.tell_all(turn.event, turn.act.at, **facts)
    debts.settle(turn.event, turn.act)
