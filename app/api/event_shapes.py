"""How an event, its orders, inspections, clocks and timeline look to their reader."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from app.api.part_shapes import HolderShape, holder_values
from app.api.shapes import (
    CityTime,
    ItemShape,
    ListedEvent,
    PlaceShape,
    Shape,
    UnitShape,
    item_values,
    listed_values,
    order_id,
    place_values,
    title_shown,
    unit_shape,
    unit_values,
)
from app.core.database import Json
from app.dispatch import limit_requests
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock, LimitRequest
from app.events.tables import Inspection, ReturnRequest, WorkOrder
from app.events.visibility import Stand
from app.masters import Masters
from app.supervision.clock_words import KINDS
from app.supervision.holders import Holder
from app.supervision.timeline_read import Happened


class EventSummary(Shape):
    """An event as lists tell it."""

    id: UUID = Field(description="事件标识")
    event_no: str = Field(description="事件编号")
    title: str = Field(description="标题（已脱敏；举报件对承办单位不显示原文）")
    state: str = Field(description="状态")
    end_kind: str | None = Field(description="结束方式，如 handled、explained、answered_directly、forced")
    triage: str | None = Field(description="待人工研判的原因；null 表示不需要")
    item: ItemShape | None = Field(description="治理事项")
    domain: str | None = Field(description="领域")
    demand_type: str | None = Field(description="诉求性质")
    level: str = Field(description="处置层级")
    urgency: str = Field(description="紧急程度")
    channel: str = Field(description="来源渠道")
    closure_profile: str = Field(description="办结方式：inspection 核查、answer 答复、both 两者")
    place: PlaceShape = Field(description="事发位置")
    lead_unit: UnitShape | None = Field(description="主办单位")
    report_count: int = Field(description="诉求数（含并单）")
    merged_into: UUID | None = Field(description="并入的事件")
    split_from: UUID | None = Field(description="母事件：本件是从它拆分出来的；诉求和答复都在母事件")
    received_at: CityTime = Field(description="受理时间")
    ended_at: CityTime | None = Field(description="结束时间")
    settled_at: CityTime | None = Field(description="全部答复、回访、反馈完毕的时间")
    seq: int = Field(description="版本，同 ETag")


def event_values(masters: Masters, row: Any, event_id: UUID, stand: Stand, *, address_shown: bool = True) -> Json:
    """The members of ``EventSummary``, from an event's row or a row of a list."""
    return {
        "id": event_id,
        "event_no": row.event_no,
        "title": title_shown(masters, row, stand),
        "state": row.state,
        "end_kind": row.end_kind,
        "triage": row.triage,
        "item": item_values(masters, row.item_id),
        "domain": row.domain,
        "demand_type": row.demand_type,
        "level": row.level,
        "urgency": row.urgency,
        "channel": row.channel,
        "closure_profile": row.closure_profile,
        "place": place_values(masters, row, address_shown=address_shown),
        "lead_unit": unit_values(masters, row.lead_unit_id),
        "report_count": row.report_count,
        "merged_into": row.merged_into,
        "split_from": row.split_from,
        "received_at": row.received_at,
        "ended_at": row.ended_at,
        "settled_at": row.settled_at,
        "seq": row.seq,
    }


class OrderShape(Shape):
    """One work order."""

    id: str = Field(description="工单标识：事件标识.序号")
    n: int = Field(description="在事件中的序号")
    event_id: UUID = Field(description="事件标识")
    unit: UnitShape | None = Field(description="承办单位")
    role: str = Field(description="lead 主办、supporting 协办、sub 下派、callout 吹哨")
    parent: str | None = Field(description="下派或吹哨所依据的工单标识；中心派的为 null")
    part: str | None = Field(None, description="所负责的部分或报到事由；列表中不给出")
    state: str = Field(description="状态")
    round: int = Field(description="第几次办理，1 为首次")
    urgency: str = Field(description="紧急程度")
    channel: str = Field(description="来源渠道")
    dispatched_at: CityTime = Field(description="派单时间")
    signed_at: CityTime | None = Field(description="签收时间")
    signed_automatically: bool = Field(description="是否到时自动签收")
    first_contact_at: CityTime | None = Field(description="先行联系时间")
    started_at: CityTime | None = Field(description="开始处置时间")
    reported_done_at: CityTime | None = Field(description="处置完毕时间")
    result: str | None = Field(description="resolved 实际解决、explained 解释说明")
    evidence: list[str] = Field(description="处置照片（内容摘要）")
    ended_at: CityTime | None = Field(description="工单结束时间")
    holder: HolderShape | None = Field(None, description="认领人；仅本单位和中心可见，null 为在池中或不对您显示")
    allowed_actions: list[str] | None = Field(None, description="您现在可以执行的操作；列表中不给出")


def order_values(
    masters: Masters,
    row: WorkOrder | Any,
    event_id: UUID,
    n: int,
    allowed: list[str] | None = None,
    part: str | None = None,
    holder: Holder | None = None,
) -> Json:
    """The members of ``OrderShape``, from an order's row or a row of a list. ``part``: what it was given for.

    ``holder``: who has it, for a reader who may know.
    """
    return {
        "id": order_id(event_id, n),
        "n": n,
        "event_id": event_id,
        "unit": unit_values(masters, row.unit_id),
        "role": row.role,
        "parent": order_id(event_id, row.parent_n) if row.parent_n is not None else None,
        "part": part,
        "state": row.state,
        "round": row.round,
        "urgency": row.urgency,
        "channel": row.channel,
        "dispatched_at": row.dispatched_at,
        "signed_at": row.signed_at,
        "signed_automatically": row.signed_automatically,
        "first_contact_at": row.first_contact_at,
        "started_at": row.started_at,
        "reported_done_at": row.reported_done_at,
        "result": row.result,
        "evidence": row.evidence,
        "ended_at": row.ended_at,
        "holder": holder_values(holder),
        "allowed_actions": allowed,
    }


def order_shape(
    masters: Masters,
    row: WorkOrder,
    event_id: UUID,
    n: int,
    allowed: list[str] | None = None,
    part: str | None = None,
    holder: Holder | None = None,
) -> OrderShape:
    """From an order's row."""
    return OrderShape(**order_values(masters, row, event_id, n, allowed, part, holder))


class OrderInList(ListedEvent, OrderShape):
    """An order with what a list tells of its event."""

    received_at: CityTime = Field(description="事件受理时间")
    next_due_at: CityTime | None = Field(description="最近的到期时间")
    next_due_assumed: bool = Field(description="该到期时间落在尚未公布日历的年份，按周一至周五估算")


def order_in_list(masters: Masters, row: Any, stand: Stand, *, own: Collection[int]) -> Json:
    """The members of ``OrderInList``, from a row of the orders' list. ``own``: the asker's units."""
    told = row.holder_username is not None and (stand == "centre" or row.unit_id in own)
    holder = Holder(row.holder_username, row.holder_name) if told else None
    return order_values(masters, row, row.event_id, row.n, holder=holder) | {
        **listed_values(masters, row, stand),
        "received_at": row.received_at,
        "next_due_at": row.next_due_at,
        "next_due_assumed": bool(row.next_due_assumed),
    }


class ReturnShape(Shape):
    """A return request."""

    n: int
    order_n: int = Field(description="工单序号")
    state: str = Field(description="requested 待审核、approved 同意、rejected 驳回、withdrawn 撤回")
    reason_code: str = Field(description="退单理由代码")
    suggested_unit: UnitShape | None = Field(description="建议的承办单位")
    requested_at: CityTime
    decided_at: CityTime | None


def return_shape(masters: Masters, row: ReturnRequest) -> ReturnShape:
    """From the row."""
    return ReturnShape(
        n=row.n,
        order_n=row.order_n,
        state=row.state,
        reason_code=row.reason_code,
        suggested_unit=unit_shape(masters, row.suggested_unit_id),
        requested_at=row.requested_at,
        decided_at=row.decided_at,
    )


class DecisionShape(Shape):
    """One approver's word."""

    role: str = Field(description="席位")
    at: CityTime = Field(description="何时")
    agreed: bool = Field(description="是否同意")


class LimitRequestShape(Shape):
    """What a unit asked about an order's limits: 延期, 挂账, 等待诉求人, 超期申诉."""

    n: int
    order_n: int = Field(description="工单序号")
    kind: str = Field(description="extension 延期、deferral 挂账、waiting 等待诉求人、lateness_appeal 超期申诉")
    state: str = Field(
        description="requested 待审批、reviewed 已有人同意待下一步、granted 已同意、settling 申请销账中、"
        "rejected 驳回、withdrawn 撤回、ended 已结束（含到期自行结束）"
    )
    reason_code: str = Field(description="理由代码；文字理由见时间线")
    terms: Json = Field(
        description="申请内容：延期 more，挂账 until、plan、leader、milestones，等待 until，申诉 evidence"
    )
    approvers: list[str] = Field(description="须依次同意的席位；空为无须审批")
    decisions: list[DecisionShape] = Field(description="已作出的审批")
    waits_for: str | None = Field(description="现在轮到哪个席位审批")
    requested_at: CityTime
    ended_at: CityTime | None


def limit_request_values(row: LimitRequest | Any, n: int, at: datetime) -> Json:
    """The members of ``LimitRequestShape`` at a moment: what was granted until then shows as ended."""
    state, ended_at = limit_requests.state_at(row, at)
    return {
        "n": n,
        "order_n": row.order_n,
        "kind": row.kind,
        "state": state,
        "reason_code": row.reason_code,
        "terms": row.terms,
        "approvers": row.approvers,
        "decisions": [
            {"role": one["role"], "at": datetime.fromisoformat(one["at"]), "agreed": one["agreed"]}
            for one in row.decisions
        ],
        "waits_for": limit_requests.waits_for(row),
        "requested_at": row.requested_at,
        "ended_at": ended_at,
    }


class InspectionShape(Shape):
    """An inspection task."""

    id: str = Field(description="核查任务标识：事件标识.序号")
    n: int
    event_id: UUID
    order_n: int = Field(description="所核查的工单序号")
    round: int = Field(description="所核查的是第几次办理")
    state: str = Field(description="requested 待领取、claimed 已领取、passed 通过、failed 不通过、cancelled 取消")
    collector_id: UUID | None = Field(description="领取的核查员")
    evidence: list[str] = Field(description="核查照片（内容摘要）")
    requested_at: CityTime
    ended_at: CityTime | None


def inspection_values(row: Inspection | Any, event_id: UUID, n: int) -> Json:
    """The members of ``InspectionShape``."""
    return {
        "id": order_id(event_id, n),
        "n": n,
        "event_id": event_id,
        "order_n": row.order_n,
        "round": row.round,
        "state": row.state,
        "collector_id": row.collector_id,
        "evidence": row.evidence,
        "requested_at": row.requested_at,
        "ended_at": row.ended_at,
    }


class ClockShape(Shape):
    """A running limit."""

    n: int
    kind: str = Field(description="、".join(f"{kind} {name}" for kind, name in KINDS.items()))
    order_n: int | None = Field(description="工单序号")
    report_id: UUID | None = Field(description="诉求标识（总时限）")
    limit: str = Field(description="时限，如 2 work_hour")
    rule: str = Field(description="时限依据")
    started_at: CityTime
    due_at: CityTime
    assumed: bool = Field(description="到期时间落在尚未公布日历的年份，按周一至周五估算")


def clock_shape(row: Clock) -> ClockShape:
    """From the row."""
    return ClockShape(
        n=row.n,
        kind=row.kind,
        order_n=row.order_n,
        report_id=row.report_id,
        limit=f"{row.limit_value} {row.limit_unit}",
        rule=row.rule,
        started_at=row.started_at,
        due_at=row.due_at,
        assumed=row.assumed,
    )


class ParticipantShape(Shape):
    """A unit that takes part."""

    unit: UnitShape | None
    role: str = Field(
        description="lead 主办、supporting 协办、sub 二次派单、callout 吹哨报到、party 会商、inspector 核查、desk 协调"
        "、supervising 督办"
    )
    since: CityTime


def participants_of(masters: Masters, aggregate: EventAggregate) -> list[ParticipantShape]:
    """Those who take part now."""
    return [
        ParticipantShape(unit=unit_shape(masters, row.org_id), role=row.role, since=row.since)
        for row in aggregate.participants
    ]


class TimelineRow(Shape):
    """One act of an event's history."""

    n: int = Field(description="在事件中的序号")
    act: str = Field(description="做了什么")
    subject: str = Field(
        description="对什么做的：event、work_order、report、inspection、return_request、dispute、component_correction、"
        "limit_request、clock"
    )
    subject_n: int | None
    report_id: UUID | None
    from_state: str | None
    to_state: str | None
    actor_kind: str = Field(description="user 人员、client 来源系统、system 系统")
    actor_id: str | None
    actor_role: str | None = Field(description="办理时的席位")
    actor_unit: UnitShape | None = Field(description="办理时的单位")
    acted_at: CityTime = Field(description="办理人自己的时间（离线补传时早于记录时间）")
    recorded_at: CityTime = Field(description="系统记录时间")
    data: Json
    note: str | None = Field(description="文字说明")
    note_state: str = Field(description="none 没有、shown 已显示、withheld 对您不显示、erased 已依法删除")


def timeline_row(masters: Masters, row: Happened) -> TimelineRow:
    """From a row as its reader may see it."""
    return TimelineRow(**timeline_values(masters, row))


def timeline_values(masters: Masters, row: Happened) -> Json:
    """The members of ``TimelineRow``."""
    return {
        "n": row.n,
        "act": row.act,
        "subject": row.subject,
        "subject_n": row.subject_n,
        "report_id": row.report_id,
        "from_state": row.from_state,
        "to_state": row.to_state,
        "actor_kind": row.actor_kind,
        "actor_id": row.actor_id,
        "actor_role": row.actor_role,
        "actor_unit": unit_values(masters, row.actor_org_id),
        "acted_at": row.acted_at,
        "recorded_at": row.recorded_at,
        "data": row.data,
        "note": row.note,
        "note_state": row.note_state,
    }
