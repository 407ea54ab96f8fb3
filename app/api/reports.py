"""``/reports``: what people and sources told us; identities are masked here, always."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.api.dependencies import ReaderDep
from app.api.problems import RESPONSES
from app.api.report_shapes import CallbackShape, ReplyShape, ReportDetail, ReportInList, report_values
from app.api.shapes import PageShape, allowed_of, answer, etag, names_of
from app.core.errors import NotFound
from app.events.store import load_events, load_reports
from app.events.visibility import STANDS, Sight, Stand, visible_report
from app.supervision import report_list
from app.supervision.filters import ReportQuery, filters_of

router = APIRouter(tags=["reports 诉求"], responses=RESPONSES)


def _in_list(row: Any, stand: Stand, allowed: list[str] | None = None) -> dict[str, Any]:
    values = report_values(
        row,
        row.report_id,
        stand,
        received_at=row.report_received_at,
        masked_name=row.masked_name,
        masked_phone=row.masked_phone,
        owes=row.owes or [],
        allowed=allowed,
    )
    return values | {
        "event_id": row.event_id,
        "event_no": row.event_no,
        "event_state": row.event_state,
        "joined": row.cause,
    }


@router.get("/reports", summary="诉求列表", response_model=PageShape[ReportInList])
async def reports(who: ReaderDep, query: Annotated[ReportQuery, Query()]) -> Response:
    """Reports of the events that the asker sees; those of the newest event first, with those that joined it."""
    sight = Sight.of(who.asker, who.masters.organizations)
    filters = filters_of(query, names_of(who.masters))
    page = await report_list.list_reports(who.session, sight, filters, limit=query.limit, cursor=query.cursor)
    items = [_in_list(row, sight.list_stand(row)) for row in page.items]
    return answer({"items": items, "next": page.next})


@router.get("/reports/{report_id}", summary="一条诉求")
async def report(report_id: UUID, who: ReaderDep, request: Request, response: Response) -> ReportDetail:
    """One report with its replies and callbacks. It is seen by whoever sees the event that answers it."""
    sight = Sight.of(who.asker, who.masters.organizations)
    row = await report_list.one_report(who.session, report_id)
    found = await load_events(who.session, sorted({row.event_id, row.answering_event or row.event_id}))
    stands = [sight.stand(one) for one in found.values()]
    barred = any(sight.barred(one) for one in found.values())
    stand = next((one for one in STANDS if one in stands), None)
    if stand is None or barred:
        raise NotFound("没有这条诉求，或不在您的权限范围内。")
    aggregate = found[row.answering_event or row.event_id]
    await load_reports(who.session, aggregate, only=report_id)
    allowed = allowed_of(request, who.asker, who.masters, aggregate)
    replies, callbacks = await report_list.answers_to(who.session, report_id)
    shown = visible_report(stand, row)
    if not shown.content:
        replies, callbacks = [], []
    response.headers["ETag"] = etag(aggregate.event.seq)
    return ReportDetail(
        **_in_list(row, stand, allowed.reports.get(str(report_id), [])),
        replies=[ReplyShape(**one._mapping) for one in replies],
        callbacks=[CallbackShape(**one._mapping) for one in callbacks],
    )
