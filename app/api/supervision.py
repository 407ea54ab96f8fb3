"""``/supervision``: what is late or about to be, and the figures of a period."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.dependencies import ReaderDep
from app.api.problems import RESPONSES
from app.api.shapes import (
    CityTime,
    ItemShape,
    PageShape,
    PlaceShape,
    Shape,
    UnitShape,
    item_shape,
    names_of,
    order_id,
    place_shape,
    title_shown,
    unit_shape,
)
from app.core.timing import now
from app.events.visibility import Sight
from app.supervision import overdue as overdue_list
from app.supervision.filters import AreaQuery, OverdueQuery, filters_of
from app.supervision.indicators import RateWeights
from app.supervision.indicators import indicators as count_indicators

router = APIRouter(prefix="/supervision", tags=["supervision 督办"], responses=RESPONSES)


class OverdueShape(Shape):
    """One running limit that is past or near."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    title: str = Field(description="事件标题")
    event_state: str = Field(description="事件状态")
    stage: str = Field(description="signing 签收、first_contact 先行联系、handling 处置、citizen_total 总时限")
    work_order: str | None = Field(description="工单标识")
    report_id: UUID | None = Field(description="诉求标识（总时限）")
    unit: UnitShape | None = Field(description="承办单位")
    item: ItemShape | None = Field(description="治理事项")
    place: PlaceShape = Field(description="事发位置")
    channel: str = Field(description="来源渠道")
    limit: str = Field(description="时限，如 2 work_hour")
    rule: str = Field(description="时限依据")
    started_at: CityTime
    due_at: CityTime
    late_minutes: int = Field(description="已超期多少分钟（自然时间）；负数为还剩多少")
    share_used: float = Field(description="已用去时限的比例（自然时间），1 为到期")


class IndicatorQuery(AreaQuery):
    """Period, place and unit of the figures."""

    since: datetime | None = Field(None, description="时段起（含），RFC 3339；缺省为 30 天前")
    until: datetime | None = Field(None, description="时段止（不含），RFC 3339；缺省为现在")
    weight_contacted: float = Field(0.1, ge=0, le=1, description="综合分中响应率的权重")
    weight_resolved: float = Field(0.5, ge=0, le=1, description="综合分中解决率的权重")
    weight_satisfied: float = Field(0.4, ge=0, le=1, description="综合分中满意率的权重")
    barely_satisfied: float = Field(0.9, ge=0, le=1, description="一个基本满意折合几个满意")


class EventCounts(Shape):
    """Events received in the period."""

    received: int = Field(description="受理")
    answered_directly: int = Field(description="直接答复")
    dispatched: int = Field(description="派单")
    closed: int = Field(description="结案")
    resolved: int = Field(description="实际解决（与解释说明分列，不相加）")
    explained: int = Field(description="解释说明")
    not_accepted: int = Field(description="不予受理")
    handed_over: int = Field(description="移交")
    merged: int = Field(description="并案")
    cancelled: int = Field(description="撤销")
    open: int = Field(description="未结")
    reworked: int = Field(description="返工：办理超过一次")
    returned: int = Field(description="退单")
    hours_to_close: float | None = Field(description="派单事件从受理到结案的平均小时数（自然时间）")


class LimitCounts(Shape):
    """Limits of one kind due in the period."""

    kind: str = Field(description="signing、first_contact、handling、citizen_total")
    due: int = Field(description="应在时段内完成的")
    on_time: int = Field(description="按时完成")
    late: int = Field(description="超期完成")
    overdue: int = Field(description="已超期且仍未完成")


class CallbackCounts(Shape):
    """Callbacks of one raw level."""

    scale: str | None = Field(description="满意度量表；null 为未接通")
    level: int | None = Field(description="原始等级，不作换算")
    made: int
    reached: int
    contacted: int
    resolved: int
    satisfied: int


class RatesShape(Shape):
    """响应率, 解决率, 满意率."""

    valid: int = Field(description="有效回访数，三率的分母")
    contacted: float | None = Field(description="响应率")
    resolved: float | None = Field(description="解决率")
    satisfied: float | None = Field(description="满意率")
    score: float | None = Field(description="按权重的综合分")


class IndicatorShape(Shape):
    """The figures of one period."""

    since: CityTime
    until: CityTime
    events: EventCounts
    limits: list[LimitCounts]
    callbacks: list[CallbackCounts]
    rates: RatesShape


@router.get("/overdue", summary="超期与将到期")
async def overdue(who: ReaderDep, query: Annotated[OverdueQuery, Query()]) -> PageShape[OverdueShape]:
    """Running limits that have run out or are near it (policy ``near_limit_share``), the longest overdue first."""
    masters = who.masters
    sight = Sight.of(who.asker, masters.organizations)
    at = now()
    page = await overdue_list.list_overdue(
        who.session,
        sight,
        filters_of(query, names_of(masters)),
        at=at,
        near_share=masters.policies.near_limit_share,
        limit=query.limit,
        cursor=query.cursor,
    )
    items = [
        OverdueShape(
            event_id=row.event_id,
            event_no=row.event_no,
            title=title_shown(masters, row, sight.list_stand(row)),
            event_state=row.event_state,
            stage=row.kind,
            work_order=order_id(row.event_id, row.order_n) if row.order_n else None,
            report_id=row.report_id,
            unit=unit_shape(masters, row.unit_id),
            item=item_shape(masters, row.item_id),
            place=place_shape(masters, row),
            channel=row.channel,
            limit=f"{row.limit_value} {row.limit_unit}",
            rule=row.rule,
            started_at=row.started_at,
            due_at=row.due_at,
            late_minutes=int((at - row.due_at) / timedelta(minutes=1)),
            share_used=round((at - row.started_at) / max(row.due_at - row.started_at, timedelta(seconds=1)), 3),
        )
        for row in page.items
    ]
    return PageShape(items=items, next=page.next)


@router.get("/indicators", summary="时段指标")
async def indicators(who: ReaderDep, query: Annotated[IndicatorQuery, Query()]) -> IndicatorShape:
    """The figures of a period of at most 93 days, of the events that the asker sees."""
    at = now()
    until = query.until or at
    since = query.since or until - timedelta(days=30)
    found = await count_indicators(
        who.session,
        Sight.of(who.asker, who.masters.organizations),
        filters_of(AreaQuery(**query.model_dump(include=set(AreaQuery.model_fields))), names_of(who.masters)),
        since=since,
        until=until,
        at=at,
        weights=RateWeights(
            query.weight_contacted, query.weight_resolved, query.weight_satisfied, query.barely_satisfied
        ),
    )
    return IndicatorShape(
        since=since,
        until=until,
        events=EventCounts(**found.events._mapping),
        limits=[LimitCounts(**row._mapping) for row in found.limits],
        callbacks=[CallbackCounts(**row._mapping) for row in found.callbacks],
        rates=RatesShape(
            valid=found.rates.valid,
            contacted=found.rates.contacted,
            resolved=found.rates.resolved,
            satisfied=found.rates.satisfied,
            score=found.rates.score,
        ),
    )
