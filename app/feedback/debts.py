"""What is owed to each reporter and each source, and when it is paid. An end is final only when nothing is owed."""

from datetime import datetime
from typing import Literal

from app.clocks.running import end_clocks, running
from app.events.aggregate import Act, EventAggregate
from app.events.report_tables import Debt, Report

DebtKind = Literal["reply", "callback", "result"]


def owe(aggregate: EventAggregate, report: Report, kind: DebtKind, at: datetime) -> None:
    """Records a debt; one of a kind is open at most."""
    if aggregate.open_debts(kind, report=report):
        return
    aggregate.new(
        Debt,
        report_id=report.id,
        n=aggregate.next_report_n(report),
        kind=kind,
        owed_at=at,
        paid_at=None,
        waived=None,
    )


def owe_for_report(aggregate: EventAggregate, report: Report, at: datetime) -> None:
    """The debts of a report by the event's closure profile 办结方式: the result to its source always."""
    owe(aggregate, report, "result", at)
    answer = (
        aggregate.event.closure_profile in ("answer", "both")
        and report.kind == "demand"
        and report.reply_wanted
        and not report.anonymous
    )
    for kind in ("reply", "callback"):
        if answer and report.state == "replied":
            continue  # answered since it was last opened: what is still owed of it stands already
        if answer:
            owe(aggregate, report, kind, at)
        else:
            waive(aggregate, report, kind, "not_owed")


def pay(aggregate: EventAggregate, report: Report, kind: DebtKind, at: datetime) -> None:
    """Pays the open debt of this kind, if there is one; a reply ends the citizen's clock."""
    for debt in aggregate.open_debts(kind, report=report):
        aggregate.change(debt, paid_at=at)
    if kind == "reply":
        end_clocks(aggregate, running(aggregate, "citizen_total", report_id=report.id), "met", at)


def waive(aggregate: EventAggregate, report: Report, kind: DebtKind, why: str) -> None:
    """Records that a debt is not owed any more, and why."""
    for debt in aggregate.open_debts(kind, report=report):
        aggregate.change(debt, waived=why)


def settle(aggregate: EventAggregate, act: Act) -> bool:
    """Settles the reports to which nothing is owed, and the event when all are; True when the event is final."""
    event = aggregate.event
    if event.ended_at is None or event.settled_at is not None:
        return event.settled_at is not None
    for report in aggregate.reports:
        if report.state in ("open", "replied") and not aggregate.open_debts(report=report):
            end_clocks(aggregate, running(aggregate, "citizen_total", report_id=report.id), "met", act.at)
            aggregate.advance(report, "settle", act, note="")
    if aggregate.open_debts():
        return False
    aggregate.change(event, settled_at=act.at)
    aggregate.record(act, "settled", note="")
    return True
