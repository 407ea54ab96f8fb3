"""``/events``: what happened in the city, with everything it owns."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from app.api.dependencies import Reader, ReaderDep
from app.api.event_shapes import (
    ClockShape,
    EventSummary,
    InspectionShape,
    OrderShape,
    ParticipantShape,
    ReturnShape,
    TimelineRow,
    clock_shape,
    event_values,
    inspection_values,
    order_shape,
    participants_of,
    return_shape,
    timeline_row,
)
from app.api.problems import RESPONSES
from app.api.report_shapes import ReportShape, report_values
from app.api.shapes import Allowed, CityTime, PageShape, Shape, allowed_of, answer, etag, names_of, title_shown
from app.events.aggregate import EventAggregate
from app.events.late_clocks import load_late_clocks
from app.events.store import load_events, load_reports
from app.events.visibility import Sight, Stand, require_seen
from app.intake.duplicates import DuplicateRule
from app.supervision import event_list, possible_duplicates, report_list, timeline_read
from app.supervision.filters import EventQuery, filters_of

router = APIRouter(tags=["events 事件"], responses=RESPONSES)


class EventDetail(EventSummary):
    """An event with what it owns, as far as the asker may see it."""

    stand: str = Field(description="您从哪里看到它：centre 中心、unit 承办单位、collector 核查员")
    work_orders: list[OrderShape] = Field(description="工单，含已结束的")
    returns: list[ReturnShape] = Field(description="退单申请")
    inspections: list[InspectionShape] = Field(description="核查任务")
    clocks: list[ClockShape] = Field(description="正在计时的时限")
    participants: list[ParticipantShape] = Field(description="现在参与的单位")
    reports: list[ReportShape] = Field(description="诉求，含并入事件的")
    release_vector: dict[str, int] = Field(description="据以作出决定的基础数据版本")
    foreign_system: str | None = Field(description="上级系统")
    foreign_ref: str | None = Field(description="上级系统中的编号")
    allowed_actions: Allowed = Field(description="您现在可以执行的操作")


class DuplicateShape(Shape):
    """Another event that may be the same thing."""

    event_id: UUID
    event_no: str
    title: str
    state: str
    received_at: CityTime
    report_count: int
    reason: str = Field(description="near 同事项且相近、same_community 同事项同社区、similar_text 无坐标但文字相近")
    distance_m: float | None = Field(description="相距多少米；没有坐标时为 null")
    likeness: float = Field(description="标题相似度，0 到 1")


async def seen_event(who: Reader, event_id: UUID) -> tuple[EventAggregate, Stand]:
    """The event when it is the asker's. Raises ``NotFound``."""
    sight = Sight.of(who.asker, who.masters.organizations)
    return require_seen(sight, await load_events(who.session, [event_id]), event_id)


@router.get("/events", summary="事件列表", response_model=PageShape[EventSummary])
async def events(who: ReaderDep, query: Annotated[EventQuery, Query()]) -> Response:
    """The events that the asker sees, newest first."""
    sight = Sight.of(who.asker, who.masters.organizations)
    filters = filters_of(query, names_of(who.masters))
    page = await event_list.list_events(who.session, sight, filters, limit=query.limit, cursor=query.cursor)
    items = [event_values(who.masters, row, row.event_id, sight.list_stand(row)) for row in page.items]
    return answer({"items": items, "next": page.next})


@router.get("/events/{event_id}", summary="一个事件")
async def event(event_id: UUID, who: ReaderDep, request: Request, response: Response) -> EventDetail:
    """One event with orders, inspections, running limits and reports; the ETag is its version."""
    aggregate, stand = await seen_event(who, event_id)
    await load_reports(who.session, aggregate)
    identities = await report_list.masked_identities(who.session, [report.id for report in aggregate.reports])
    masters, row = who.masters, aggregate.event
    address_shown = stand == "centre" or not await event_list.is_address_kept(who.session, event_id)
    if row.state == "closed":
        await load_late_clocks(who.session, aggregate)  # whether lateness can be appealed against
    allowed = allowed_of(request, who.asker, masters, aggregate)
    response.headers["ETag"] = etag(row.seq)
    reports = []
    for report in aggregate.reports:
        known = identities.get(report.id)
        values = report_values(
            report,
            report.id,
            stand,
            received_at=report.received_at,
            masked_name=known.masked_name if known else None,
            masked_phone=known.masked_phone if known else None,
            owes=[debt.kind for debt in aggregate.open_debts(report=report)],
            allowed=allowed.reports.get(str(report.id), []),
        )
        reports.append(ReportShape(**values))
    return EventDetail(
        **event_values(masters, row, row.id, stand, address_shown=address_shown),
        stand=stand,
        work_orders=[
            order_shape(masters, order, row.id, order.n, allowed.work_orders.get(order.n, []))
            for order in aggregate.orders
        ],
        returns=[return_shape(masters, one) for one in aggregate.returns],
        inspections=[InspectionShape(**inspection_values(one, row.id, one.n)) for one in aggregate.inspections],
        clocks=[
            clock_shape(clock)
            for clock in aggregate.clocks
            if clock.state == "running" and (clock.event_id == row.id or stand == "centre")
        ],
        participants=participants_of(masters, aggregate),
        reports=reports,
        release_vector=row.release_vector,
        foreign_system=row.foreign_system,
        foreign_ref=row.foreign_ref,
        allowed_actions=allowed,
    )


class TimelineShape(Shape):
    """An event's history, oldest first."""

    items: list[TimelineRow]
    next: int | None = Field(description="还有更多时，用作 after；null 表示已到最新")


@router.get("/events/{event_id}/timeline", summary="事件的全过程")
async def timeline(
    event_id: UUID,
    who: ReaderDep,
    after: Annotated[int, Query(ge=0, lt=2**31, description="只看此序号之后的")] = 0,
) -> TimelineShape:
    """Everything that happened, with the notes that the asker may read."""
    _, stand = await seen_event(who, event_id)
    rows = await timeline_read.read_timeline(who.session, event_id, stand, after=after)
    items = [timeline_row(who.masters, row) for row in rows]
    return TimelineShape(items=items, next=rows[-1].n if len(rows) == timeline_read.MAX_ROWS else None)


@router.get("/events/{event_id}/possible-duplicates", summary="可能重复的事件")
async def duplicates(event_id: UUID, who: ReaderDep) -> list[DuplicateShape]:
    """Events that may be the same thing: proposed for a person to join, never joined by themselves."""
    aggregate, _ = await seen_event(who, event_id)
    sight = Sight.of(who.asker, who.masters.organizations)
    policies = who.masters.policies
    rule = DuplicateRule(policies.duplicate_radius_m, policies.duplicate_window)
    found = await possible_duplicates.possible_duplicates(who.session, sight, aggregate.event, rule)
    return [
        DuplicateShape(
            event_id=one.event.id,
            event_no=one.event.event_no,
            title=title_shown(who.masters, one.event, sight.list_stand(one.event)),
            state=one.event.state,
            received_at=one.event.received_at,
            report_count=one.event.report_count,
            reason=one.reason,
            distance_m=one.distance_m,
            likeness=round(one.likeness, 3),
        )
        for one in found
    ]
