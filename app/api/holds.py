"""``/supervision/holds``: how long units hold what they give back or lose, by unit over a period."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.dependencies import ReaderDep
from app.api.dispute_shapes import UnitHolds, unit_holds
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, Shape, names_of
from app.events.visibility import Sight
from app.supervision.filters import AreaQuery, filters_of
from app.supervision.holds import read_holds

router = APIRouter(prefix="/supervision", tags=["supervision 督办"], responses=RESPONSES)

_READERS: Final = ("supervisor", "shift_leader", "dispatcher", "adjudicator", "quality_reviewer")


class HoldsQuery(AreaQuery):
    """Period, place and unit of the figures."""

    since: datetime = Field(description="时段起（含）：事件受理时间，RFC 3339，须带时区")
    until: datetime = Field(description="时段止（不含），与起相距不超过 92 天")


class HoldsShape(Shape):
    """By unit; who gave back or lost most comes first."""

    since: CityTime
    until: CityTime
    items: list[UnitHolds]


@router.get("/holds", summary="各单位持有工单的时间")
async def holds(who: ReaderDep, query: Annotated[HoldsQuery, Query()]) -> HoldsShape:
    """Leads of events received in the period that the asker sees: how many each unit had, gave back, lost, after how
    long.
    """
    who.asker.require(*_READERS)
    masters = who.masters
    filters = filters_of(AreaQuery(**query.model_dump(include=set(AreaQuery.model_fields))), names_of(masters))
    sight = Sight.of(who.asker, masters.organizations)
    rows = await read_holds(who.session, sight, filters, since=query.since, until=query.until)
    return HoldsShape(since=query.since, until=query.until, items=[unit_holds(masters, row) for row in rows])
