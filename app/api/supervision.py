"""``/supervision``: what is late or about to be, and the figures of a period."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.accounts.access import user_of
from app.acts import late_acts
from app.acts.action import Words
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.event_shapes import LimitRequestShape, limit_request_values
from app.api.problems import RESPONSES
from app.api.risk_shapes import RiskPageShape, risk_page
from app.api.shapes import (
    CityTime,
    ListedEvent,
    PageShape,
    Shape,
    UnitShape,
    answer,
    listed_values,
    names_of,
    order_id,
    unit_values,
)
from app.core.timing import now
from app.events.visibility import Sight
from app.supervision import limit_request_list
from app.supervision import overdue as overdue_list
from app.supervision.clock_words import KINDS
from app.supervision.filters import AreaQuery, OverdueQuery, filters_of
from app.supervision.indicators import RateWeights
from app.supervision.indicators import indicators as count_indicators
from app.supervision.limit_request_list import LimitRequestQuery
from app.supervision.risks import RiskQuery, list_risks

router = APIRouter(prefix="/supervision", tags=["supervision 督办"], responses=RESPONSES)


class OverdueShape(ListedEvent):
    """One running limit that is past or near."""

    event_id: UUID
    event_state: str = Field(description="事件状态")
    stage: str = Field(description="、".join(f"{kind} {name}" for kind, name in KINDS.items()))
    work_order: str | None = Field(description="工单标识")
    report_id: UUID | None = Field(description="诉求标识（总时限）")
    unit: UnitShape | None = Field(description="承办单位")
    channel: str = Field(description="来源渠道")
    limit: str = Field(description="时限，如 2 work_hour")
    rule: str = Field(description="时限依据")
    started_at: CityTime
    due_at: CityTime
    assumed: bool = Field(description="到期时间落在尚未公布日历的年份，按周一至周五估算")
    late_minutes: int = Field(description="已超期多少分钟（自然时间）；负数为还剩多少")
    share_used: float = Field(description="已用去时限的比例（自然时间），1 为到期")
    exempted: bool = Field(description="超期已决定不计入统计；超期的事实仍在")


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

    kind: str = Field(description="时限种类，如 signing 签收、handling 处置、citizen_total 总时限")
    due: int = Field(description="应在时段内完成的，不含已豁免的超期")
    on_time: int = Field(description="按时完成")
    late: int = Field(description="超期完成，不含已豁免的")
    overdue: int = Field(description="已超期且仍未完成，不含已豁免的")
    exempted: int = Field(description="超期但已决定不计入统计的，不在前四项之中")


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


class LateActShape(Shape):
    """An act of an offline phone that was refused when it arrived."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    act_id: UUID = Field(description="操作编号")
    resource: str = Field(description="event 事件、work_order 工单、report 诉求")
    work_order: str | None = Field(description="工单标识")
    action: str = Field(description="操作")
    body: dict[str, Any] = Field(description="操作内容；对诉求的操作含 report_id")
    actor_id: str = Field(description="操作人")
    actor_name: str | None = Field(description="操作人姓名；来源系统为空")
    acted_at: CityTime = Field(description="操作人填报的实际操作时间")
    recorded_at: CityTime = Field(description="到达时间")
    refused_because: str = Field(description="当时未执行的原因")
    resolved_at: CityTime | None = Field(description="处理时间；null 为待处理")


class Resolve(BaseModel):
    """How a late act was resolved."""

    model_config = ConfigDict(extra="forbid")

    note: Words = Field(description="如何处理的，记入时间线")


def _late_shape(row: Any) -> LateActShape:
    values = dict(row._mapping)
    n = values.pop("subject_n")
    return LateActShape(**values, work_order=order_id(row.event_id, n) if n is not None else None)


@router.get("/late-acts", summary="迟到的离线操作")
async def list_late_acts(who: ReaderDep) -> PageShape[LateActShape]:
    """Unresolved ones first, then the newest; 200 at most, of the area of the asker's centre seats."""
    rows = await late_acts.find(who.session, who.asker, who.masters)
    return PageShape(items=[_late_shape(row) for row in rows], next=None)


@router.post("/late-acts/{event_id}/{act_id}/resolve", summary="处理迟到的离线操作")
async def resolve_late_act(
    event_id: UUID, act_id: UUID, body: Resolve, session: WriteSession, runtime: RuntimeDep, token: TokenDep
) -> LateActShape:
    """Marks it resolved and writes the note on the event's timeline; what it asked for is done by an act of its own."""
    asker = await user_of(session, token)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    return _late_shape(await late_acts.resolve(session, runtime.keyring, asker, masters, event_id, act_id, body.note))


@router.get("/overdue", summary="超期与将到期", response_model=PageShape[OverdueShape])
async def overdue(who: ReaderDep, query: Annotated[OverdueQuery, Query()]) -> Response:
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
        listed_values(masters, row, sight.list_stand(row))
        | {
            "event_id": row.event_id,
            "event_state": row.event_state,
            "stage": row.kind,
            "work_order": order_id(row.event_id, row.order_n) if row.order_n else None,
            "report_id": row.report_id,
            "unit": unit_values(masters, row.unit_id),
            "channel": row.channel,
            "limit": f"{row.limit_value} {row.limit_unit}",
            "rule": row.rule,
            "started_at": row.started_at,
            "due_at": row.due_at,
            "assumed": row.assumed,
            "late_minutes": int((at - row.due_at) / timedelta(minutes=1)),
            "share_used": round((at - row.started_at) / max(row.due_at - row.started_at, timedelta(seconds=1)), 3),
            "exempted": row.exempted,
        }
        for row in page.items
    ]
    return answer({"items": items, "next": page.next})


class LimitRequestInList(ListedEvent, LimitRequestShape):
    """A request with what a list tells of its event."""

    event_id: UUID
    event_state: str = Field(description="事件状态")
    work_order: str = Field(description="工单标识；审批操作对工单执行")
    unit: UnitShape | None = Field(description="提出申请的单位")


@router.get("/limit-requests", summary="延期、挂账、等待、申诉", response_model=PageShape[LimitRequestInList])
async def limit_requests(who: ReaderDep, query: Annotated[LimitRequestQuery, Query()]) -> Response:
    """What waits for a decision or is in force, in the area of the asker's centre seats, the oldest first."""
    masters = who.masters
    sight = Sight.of(who.asker, masters.organizations)
    at = now()
    page = await limit_request_list.list_limit_requests(who.session, who.asker, sight, query, names_of(masters), at=at)
    items = [
        limit_request_values(row, row.n, at)
        | listed_values(masters, row, sight.list_stand(row))
        | {
            "event_id": row.event_id,
            "event_state": row.event_state,
            "work_order": order_id(row.event_id, row.order_n),
            "unit": unit_values(masters, row.unit_id),
        }
        for row in page.items
    ]
    return answer({"items": items, "next": page.next})


@router.get("/risks", summary="很可能超期的工单")
async def risks(who: ReaderDep, query: Annotated[RiskQuery, Query()]) -> RiskPageShape:
    """Open orders that will likely miss their handling limit, from how such orders went before, with the reason."""
    masters = who.masters
    sight = Sight.of(who.asker, masters.organizations)
    found = await list_risks(
        who.session,
        sight,
        filters_of(AreaQuery(**query.model_dump(include=set(AreaQuery.model_fields))), names_of(masters)),
        masters.clockwork,
        at=now(),
        min_risk=query.min_risk,
        limit=query.limit,
        cursor=query.cursor,
    )
    return risk_page(masters, sight, found)


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
