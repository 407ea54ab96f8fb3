"""结案: the centre's act. What an event still lacks, and how each end is told to the sources."""

from datetime import datetime
from typing import Any, Literal

from app.core.errors import Conflict
from app.events.aggregate import EventAggregate, Outgoing
from app.events.report_tables import Report


class StillOwed(Conflict):
    """The event cannot be closed while replies or callbacks are owed."""

    code = "still_owed"


def next_phase(aggregate: EventAggregate) -> Literal["verify", "answer", "conclude"]:
    """What comes after the lead unit's word, by the closure profile and what is still owed to the reporters."""
    lead = aggregate.lead
    inspected = any(
        inspection.state == "passed"
        and lead is not None
        and inspection.order_n == lead.n
        and inspection.round == lead.round
        for inspection in aggregate.inspections
    )
    if aggregate.event.closure_profile in ("inspection", "both") and not inspected:
        return "verify"
    return "answer" if aggregate.open_debts("reply", "callback") else "conclude"


def refuse_if_owed(aggregate: EventAggregate) -> None:
    """Raises ``StillOwed`` naming how many replies and callbacks are missing."""
    owed = aggregate.open_debts("reply", "callback")
    if owed:
        kinds = {"reply": "答复", "callback": "回访"}
        missing = "、".join(f"{sum(d.kind == kind for d in owed)} 个{name}" for kind, name in kinds.items())
        raise StillOwed(f"尚欠{missing}，不能结案。", owed=len(owed))


#: 不予受理: what a caller who was refused on the line has been told, by treatment
TREATMENTS = {
    "emergency_transfer": "情况紧急，已转 110、119 或 120 先行处置。",
    "statutory_route": "该事项应通过信访、行政复议、诉讼或仲裁等法定途径提出，已告知来电人。",
    "explanation_only": "该事项不属于受理范围，已向来电人说明理由。",
    "disruption": "重复或扰乱秩序的来电，已按规定告知。",
}


def tell_all(aggregate: EventAggregate, at: datetime, **facts: Any) -> None:
    """Owes each report's source the result, once."""
    for report in aggregate.live_reports:
        if aggregate.open_debts("result", report=report):
            tell(aggregate, report, "result", at, **facts)


def tell(
    aggregate: EventAggregate,
    report: Report,
    kind: Literal["receipt", "result", "return", "alert"],
    at: datetime,
    *,
    to: int | None = None,
    **facts: Any,
) -> None:
    """Owes the report's source (or another client) a message; it never names the reporter."""
    event = aggregate.event
    aggregate.outgoing.append(
        Outgoing(
            report,
            kind,
            {
                "type": kind,
                "source_ref": report.source_ref,
                "report_id": str(report.id),
                "event_no": event.event_no,
                "event_id": str(event.id),
                "state": event.state,
                "end_kind": event.end_kind,
                "at": at.isoformat(),
                **facts,
            },
            at,
            to,
        )
    )
