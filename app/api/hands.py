"""``/supervision/callouts``: how call-outs 吹哨报到 went, on both sides."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.api.dependencies import ReaderDep
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, Shape, UnitShape, unit_shape
from app.core.timing import now
from app.events.visibility import Sight
from app.masters import Masters
from app.supervision.callouts import count_callouts

router = APIRouter(prefix="/supervision", tags=["supervision 督办"], responses=RESPONSES)


class CalloutQuery(BaseModel):
    """The period."""

    model_config = ConfigDict(extra="forbid")

    since: datetime | None = Field(None, description="时段起（含），RFC 3339；缺省为 30 天前")
    until: datetime | None = Field(None, description="时段止（不含），RFC 3339；缺省为现在")

    @field_validator("*")
    @classmethod
    def _storable(cls, value: datetime | None) -> datetime | None:
        if value is not None and (value.tzinfo is None or not 2000 <= value.year < 2100):
            raise ValueError("时间须带时区，年份在 2000 到 2099 之间，例如 2026-02-13T16:30:00+08:00")
        return value


class CalloutCounts(Shape):
    """One unit's call-outs whose limit to appear fell due in the period."""

    unit: UnitShape | None = Field(description="单位")
    calls: int = Field(description="吹哨次数（每请一个单位计一次）")
    in_time: int = Field(description="按时报到")
    late: int = Field(description="迟到")
    no_shows: int = Field(description="到时未报到，至今也没有来")
    rated: int = Field(description="已评价")
    mean_rating: float | None = Field(description="平均评价，1 至 5；null 表示还没有评价")


class CalloutsShape(Shape):
    """The figures of one period."""

    since: CityTime
    until: CityTime
    called: list[CalloutCounts] = Field(description="按被吹哨的单位")
    callers: list[CalloutCounts] = Field(description="按吹哨的单位")


def _counts(masters: Masters, row: Any) -> CalloutCounts:
    values = dict(row._mapping)
    return CalloutCounts(unit=unit_shape(masters, values.pop("unit_id")), **values)


@router.get("/callouts", summary="吹哨报到")
async def callouts(who: ReaderDep, query: Annotated[CalloutQuery, Query()]) -> CalloutsShape:
    """Who was called out and came in time, late or not at all, and who called; at most 92 days."""
    at = now()
    until = query.until or at
    since = query.since or until - timedelta(days=30)
    sight = Sight.of(who.asker, who.masters.organizations)
    found = await count_callouts(who.session, sight, since=since, until=until, at=at)
    return CalloutsShape(
        since=since,
        until=until,
        called=[_counts(who.masters, row) for row in found.called],
        callers=[_counts(who.masters, row) for row in found.callers],
    )
