"""``/inspections``: what collectors go and look at."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.api.dependencies import ReaderDep
from app.api.event_shapes import InspectionShape, inspection_values
from app.api.problems import RESPONSES
from app.api.shapes import (
    CityTime,
    ListedEvent,
    PageShape,
    UnitShape,
    answer,
    listed_values,
    names_of,
    unit_values,
)
from app.events.lifecycles import INSPECTION
from app.events.visibility import Sight
from app.supervision import inspection_list
from app.supervision.filters import EventQuery, filters_of

router = APIRouter(tags=["inspections 核查"], responses=RESPONSES)


class InspectionInList(ListedEvent, InspectionShape):
    """A task with what the collector needs of the event."""

    lead_unit: UnitShape | None = Field(description="处置单位")
    urgency: str = Field(description="紧急程度")
    received_at: CityTime = Field(description="事件受理时间")


@router.get("/inspections", summary="核查任务列表", response_model=PageShape[InspectionInList])
async def inspections(who: ReaderDep, query: Annotated[EventQuery, Query()]) -> Response:
    """Tasks of the events that the asker sees, newest event first; ``state`` and ``open`` are the task's own."""
    sight = Sight.of(who.asker, who.masters.organizations)
    filters = filters_of(query, names_of(who.masters), lifecycle=INSPECTION)
    page = await inspection_list.list_inspections(who.session, sight, filters, limit=query.limit, cursor=query.cursor)
    masters = who.masters
    items = [
        inspection_values(row, row.event_id, row.n)
        | listed_values(masters, row, sight.list_stand(row))
        | {
            "lead_unit": unit_values(masters, row.lead_unit_id),
            "urgency": row.urgency,
            "received_at": row.received_at,
        }
        for row in page.items
    ]
    return answer({"items": items, "next": page.next})
