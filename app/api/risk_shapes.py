"""How the list of risks looks to its reader."""

from datetime import timedelta
from uuid import UUID

from pydantic import Field

from app.api.shapes import (
    CityTime,
    ItemShape,
    PageShape,
    PlaceShape,
    Shape,
    UnitShape,
    item_shape,
    order_id,
    place_shape,
    title_shown,
    unit_shape,
)
from app.events.visibility import Sight
from app.masters import Masters
from app.supervision.risks import Candidate, Risks


class RiskShape(Shape):
    """An open order and how likely it misses its handling limit."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    title: str = Field(description="事件标题")
    work_order: str = Field(description="工单标识")
    unit: UnitShape | None = Field(description="承办单位")
    item: ItemShape | None = Field(description="治理事项")
    place: PlaceShape = Field(description="事发位置")
    channel: str = Field(description="来源渠道")
    limit: str = Field(description="处置时限，如 2 work_day")
    started_at: CityTime
    due_at: CityTime
    left_minutes: int = Field(description="距到期多少分钟（自然时间）")
    share_used: float = Field(description="计时部分已用去时限的比例，1 为到期")
    risk: float | None = Field(description="超期的可能，0 到 1；null 为没有可比的经验")
    compared: int | None = Field(description="与多少件同类工单相比")
    still_open: int | None = Field(description="其中用到这一比例时尚未办完的")
    late: int | None = Field(description="其中最终超期的")
    reason: str = Field(description="理由")


class RiskPageShape(PageShape[RiskShape]):
    """One page of risks, and how far the list looked."""

    at: CityTime = Field(description="按哪一时刻计算；翻页时不变")
    weighed: int = Field(description="比较了多少件在办工单")
    until_at: CityTime | None = Field(description="只比较了此时以前到期的；null 为全部")


def _risk_shape(masters: Masters, sight: Sight, risks: Risks, one: Candidate) -> RiskShape:
    row, outlook = one.row, one.outlook
    return RiskShape(
        event_id=row.event_id,
        event_no=row.event_no,
        title=title_shown(masters, row, sight.list_stand(row)),
        work_order=order_id(row.event_id, row.order_n),
        unit=unit_shape(masters, row.unit_id),
        item=item_shape(masters, row.item_id),
        place=place_shape(masters, row),
        channel=row.channel,
        limit=f"{row.limit_value} {row.limit_unit}",
        started_at=row.started_at,
        due_at=row.due_at,
        left_minutes=int((row.due_at - risks.at) / timedelta(minutes=1)),
        share_used=round(one.share, 3),
        risk=round(outlook.risk, 3) if outlook else None,
        compared=outlook.n if outlook else None,
        still_open=outlook.still_open if outlook else None,
        late=outlook.late_n if outlook else None,
        reason=outlook.reason if outlook else "没有足够的同类工单可比",
    )


def risk_page(masters: Masters, sight: Sight, risks: Risks) -> RiskPageShape:
    """From what was found."""
    return RiskPageShape(
        items=[_risk_shape(masters, sight, risks, one) for one in risks.items],
        next=risks.next,
        at=risks.at,
        weighed=risks.weighed,
        until_at=risks.until_at,
    )
