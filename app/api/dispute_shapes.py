"""How disputes about whose job it is, their precedents, and the time that units held an event look to their reader."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field

from app.api.shapes import CityTime, ItemShape, Shape, UnitShape, item_shape, unit_shape
from app.dispatch.disputes import parties_of
from app.dispatch.precedents import Taught
from app.events.aggregate import EventAggregate
from app.events.dispute_tables import Dispute
from app.masters import Masters


class PartyShape(Shape):
    """One unit of a negotiation, and what it says."""

    unit: UnitShape | None = Field(description="单位")
    stance: str | None = Field(description="ours 属本单位、not_ours 不属本单位、shared 承担一部分；空为尚未表态")
    suggested_unit: UnitShape | None = Field(description="认为应由哪个单位承办")
    invited_at: CityTime = Field(description="何时邀请")
    stated_at: CityTime | None = Field(description="何时表态")


class DisputeShape(Shape):
    """管辖争议: whose job it is."""

    n: int = Field(description="在事件中的序号")
    state: str = Field(description="negotiating 会商中、ruling 待裁决、agreed 会商一致、ruled 已裁决、dropped 已无争议")
    cause: str = Field(description="second_return 多次退单、dispatcher 由中心提请")
    order_n: int | None = Field(
        description="争议所涉主办工单的序号；已裁决的，为裁决所派的工单，事项或地点更正后为空（不再约束）"
    )
    acting_unit: UnitShape | None = Field(description="争议期间先行办理的单位")
    unit: UnitShape | None = Field(description="会商或裁决确定的单位")
    opened_at: CityTime = Field(description="何时提出")
    ended_at: CityTime | None = Field(description="何时结束")
    due_at: CityTime | None = Field(description="会商或裁决的期限；已结束的为空")
    parties: list[PartyShape] = Field(description="参加会商的单位")


def disputes_of(masters: Masters, aggregate: EventAggregate) -> list[DisputeShape]:
    """All disputes of an event, in order."""
    return [_dispute(masters, aggregate, dispute) for dispute in aggregate.disputes]


def _dispute(masters: Masters, aggregate: EventAggregate, dispute: Dispute) -> DisputeShape:
    kinds = ("negotiation", "ruling")
    due = [clock.due_at for clock in aggregate.clocks if clock.kind in kinds and clock.state == "running"]
    return DisputeShape(
        n=dispute.n,
        state=dispute.state,
        cause=dispute.cause,
        order_n=dispute.order_n,
        acting_unit=unit_shape(masters, dispute.acting_unit_id),
        unit=unit_shape(masters, dispute.unit_id),
        opened_at=dispute.opened_at,
        ended_at=dispute.ended_at,
        due_at=min(due) if due and dispute.ended_at is None else None,
        parties=[
            PartyShape(
                unit=unit_shape(masters, party.unit_id),
                stance=party.stance,
                suggested_unit=unit_shape(masters, party.suggested_unit_id),
                invited_at=party.invited_at,
                stated_at=party.stated_at,
            )
            for party in parties_of(aggregate, dispute)
        ],
    )


class PrecedentShape(Shape):
    """裁决先例: an earlier ruling of a like case; it is offered, never applied by itself."""

    id: int = Field(description="先例编号")
    item: ItemShape | None = Field(description="事项")
    area_code: str = Field(description="区划代码：街道，否则区，否则市")
    area: str = Field(description="区划名称")
    unit: UnitShape | None = Field(description="裁决的主办单位")
    supporting: list[UnitShape] = Field(description="裁决的协办单位")
    summary: str = Field(description="这次裁决说明的规则")
    event_id: UUID = Field(description="裁决的事件")
    event_no: str = Field(description="裁决的事件编号")
    ruled_at: CityTime = Field(description="何时裁决")


def precedent_shape(masters: Masters, taught: Taught) -> PrecedentShape:
    """From the row, with present names."""
    row = taught.row
    area = masters.places.area(row.area_code)
    helping = (unit_shape(masters, unit) for unit in row.supporting_ids)
    return PrecedentShape(
        id=row.id,
        item=item_shape(masters, row.item_id),
        area_code=row.area_code,
        area=area.name if area else row.area_code,
        unit=unit_shape(masters, row.unit_id),
        supporting=[unit for unit in helping if unit is not None],
        summary=row.summary,
        event_id=row.event_id,
        event_no=taught.event_no,
        ruled_at=row.ruled_at,
    )


class HoldShape(Shape):
    """How long a unit had the lead."""

    order_n: int = Field(description="工单序号")
    unit: UnitShape | None = Field(description="主办单位")
    from_at: CityTime = Field(serialization_alias="from", description="自何时起主办")
    until_at: CityTime | None = Field(serialization_alias="until", description="到何时止；空为现在仍由其主办")
    minutes: int = Field(description="主办了多少分钟（自然时间，含夜间和休息日）")
    ended: str | None = Field(description="怎样结束：returned 退单、transferred 改派、cancelled 撤销、completed 办结")


def holds_of(masters: Masters, aggregate: EventAggregate, at: datetime) -> list[HoldShape]:
    """Each unit's time in the lead, in order; of the one that has it now, up to ``at``."""
    return [
        HoldShape(
            order_n=order.n,
            unit=unit_shape(masters, order.unit_id),
            from_at=order.dispatched_at,
            until_at=order.ended_at,
            minutes=max(0, ((order.ended_at or at) - order.dispatched_at) // timedelta(minutes=1)),
            ended=order.state if order.ended_at is not None else None,
        )
        for order in aggregate.orders
        if order.role == "lead"
    ]


class UnitHolds(Shape):
    """How one unit dealt with the leads that it was given in a period."""

    unit: UnitShape | None = Field(description="单位")
    led: int = Field(description="时段内派给它主办的工单")
    gave_back: int = Field(description="其中退单获同意的")
    moved: int = Field(description="其中由中心改派（含裁决他属、先办后议）的")
    median_hours: float | None = Field(description="退回、改派的工单在其手中的小时数，中位数（自然时间）；没有为空")
    p90_hours: float | None = Field(description="同上，九成不超过的小时数；没有为空")


def unit_holds(masters: Masters, row: Any) -> UnitHolds:
    """From a row of the figures."""
    return UnitHolds(
        unit=unit_shape(masters, row.unit_id),
        led=row.led,
        gave_back=row.gave_back,
        moved=row.moved,
        median_hours=round(row.median_hours, 2) if row.median_hours is not None else None,
        p90_hours=round(row.p90_hours, 2) if row.p90_hours is not None else None,
    )
