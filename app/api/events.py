"""``/events``: what happened in the city, with everything it owns."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from app.api.dependencies import Reader, ReaderDep, RuntimeDep
from app.api.dispute_shapes import (
    DisputeShape,
    HoldShape,
    PrecedentShape,
    disputes_of,
    holds_of,
    precedent_shape,
)
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
from app.api.part_shapes import PartShape, part_values
from app.api.problems import RESPONSES
from app.api.report_shapes import ReportShape, report_values
from app.api.shapes import (
    Allowed,
    CityTime,
    PageShape,
    Shape,
    UnitShape,
    allowed_of,
    answer,
    etag,
    names_of,
    title_shown,
    unit_shape,
)
from app.api.suggested_units import SuggestedUnitShape, suggested_shapes
from app.core.timing import now
from app.dispatch.precedents import case_of, fitting
from app.dispatch.returns import gave_back
from app.events.aggregate import EventAggregate
from app.events.late_clocks import load_late_clocks
from app.events.store import load_events, load_reports
from app.events.visibility import Sight, Stand, accused_unknown, require_seen
from app.intake.duplicates import DuplicateRule
from app.masters import Masters
from app.masters.unit_history import circumstances
from app.runtime import Runtime
from app.supervision import (
    event_list,
    holders,
    order_parts,
    possible_duplicates,
    precedents,
    report_list,
    timeline_read,
)
from app.supervision.filters import EventQuery, filters_of

router = APIRouter(tags=["events 事件"], responses=RESPONSES)


class EventDetail(EventSummary):
    """An event with what it owns, as far as the asker may see it."""

    stand: str = Field(
        description="从哪里看到它：centre 中心、unit 承办、helper 下派、吹哨或会商的单位、collector 核查员"
    )
    work_orders: list[OrderShape] = Field(description="工单，含已结束的")
    parts: list[PartShape] = Field(description="拆分件，含已结束的")
    returns: list[ReturnShape] = Field(description="退单申请")
    disputes: list[DisputeShape] = Field(description="管辖争议，含已结束的")
    precedents: list[PrecedentShape] = Field(description="可参照的裁决先例；有争议、有待审退单或待派单时对中心给出")
    suggested: list[SuggestedUnitShape] = Field(
        description="以往这类事件由谁承办，最多三个；有争议、有待审退单或待派单时对中心给出，供人参考"
    )
    suggested_as_of: CityTime | None = Field(description="以往派单截至何时；空为尚未学习或不在上述情形")
    component_id: str | None = Field(description="部件标识码")
    first_receiver: UnitShape | None = Field(description="首接单位")
    holds: list[HoldShape] = Field(description="各主办单位先后持有的时间")
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
async def event(
    event_id: UUID, who: ReaderDep, runtime: RuntimeDep, request: Request, response: Response
) -> EventDetail:
    """One event with orders, inspections, running limits and reports; the ETag is its version."""
    aggregate, stand = await seen_event(who, event_id)
    await load_reports(who.session, aggregate)
    parts = await order_parts.read_parts(who.session, event_id, aggregate.orders)
    held = await holders.read_holders(who.session, aggregate.orders)
    own = Sight.of(who.asker, who.masters.organizations).units
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
            order_shape(
                masters,
                order,
                row.id,
                order.n,
                allowed.work_orders.get(order.n, []),
                parts.get(order.n) if stand != "helper" or order.unit_id in own else None,
                held.get(order.n) if stand == "centre" or order.unit_id in own else None,
            )
            for order in aggregate.orders
        ],
        parts=[PartShape(**part_values(masters, part)) for part in aggregate.parts],
        returns=[return_shape(masters, one) for one in aggregate.returns],
        disputes=disputes_of(masters, aggregate),
        precedents=await _offered(who, aggregate) if stand == "centre" else [],
        **_suggested(runtime, masters, aggregate, stand),
        component_id=row.component_id,
        first_receiver=unit_shape(masters, row.first_receiver_id),
        holds=holds_of(masters, aggregate, now()),
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


async def _offered(who: Reader, aggregate: EventAggregate) -> list[PrecedentShape]:
    """Earlier rulings that fit, where somebody may look for one: units argue, a unit gives it back, nobody leads."""
    if not _waits_for_unit(aggregate):
        return []
    case = case_of(aggregate.event, who.masters.jurisdiction_code)
    found = await precedents.of_item(who.session, who.asker.jurisdiction_id, case.item_id, case.areas)
    return [precedent_shape(who.masters, taught) for taught in fitting(found, case, who.masters.organizations)]


def _waits_for_unit(aggregate: EventAggregate) -> bool:
    asked = any(request.state == "requested" for request in aggregate.returns)
    return asked or aggregate.dispute is not None or aggregate.event.state == "analyzing"


def _suggested(runtime: Runtime, masters: Masters, aggregate: EventAggregate, stand: Stand) -> dict[str, Any]:
    """What history suggests, while somebody at the centre is to find the unit; nothing where the accused is unknown."""
    row = aggregate.event
    if stand != "centre" or not _waits_for_unit(aggregate) or accused_unknown(row):
        return {"suggested": [], "suggested_as_of": None}
    item = masters.items.item(masters.item_keys[row.item_id]) if row.item_id else None
    asked = circumstances(item, (row.street_code, row.community_code), row.channel, now())
    barred = frozenset(row.accused_org_ids) | gave_back(aggregate)
    found, as_of = runtime.history.suggested(masters, asked, barred=barred)
    return {"suggested": suggested_shapes(masters, found), "suggested_as_of": as_of}


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
    aggregate, stand = await seen_event(who, event_id)
    sight = Sight.of(who.asker, who.masters.organizations)
    rows = await timeline_read.read_timeline(who.session, aggregate, sight, stand, after=after)
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
