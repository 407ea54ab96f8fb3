"""``/changes``: everything since X, exact."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.api.dependencies import ReaderDep
from app.api.event_shapes import TimelineRow, timeline_values
from app.api.problems import RESPONSES
from app.api.shapes import Shape, answer
from app.core.pagination import DEFAULT_LIMIT, MAX_LIMIT
from app.events.visibility import Sight
from app.supervision.changes import read_changes
from app.supervision.timeline_read import OwnOrders, happened

router = APIRouter(tags=["changes 变化"], responses=RESPONSES)

#: whose the orders are is told by no row of a list; it carries no notes to withhold
_NO_ORDERS = OwnOrders()


class ChangeShape(TimelineRow):
    """One act on one event. Notes are not in it: read them with the event's timeline."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    event_seq: int = Field(description="事件现在的版本")
    event_state: str = Field(description="事件现在的状态")


class ChangesShape(Shape):
    """What happened behind the cursor."""

    items: list[ChangeShape]
    next: str = Field(description="下次请求的 after，总会给出")
    more: bool = Field(description="true：还有，请立即再取；false：已到最新，稍后再取")


@router.get("/changes", summary="某处之后的全部变化", response_model=ChangesShape)
async def changes(
    who: ReaderDep,
    after: Annotated[str | None, Query(max_length=400, description="上次返回的 next；首次不填，从头开始")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="最多条数")] = DEFAULT_LIMIT,
) -> Response:
    """Timeline rows of all events that the asker sees: nothing missed, nothing twice."""
    sight = Sight.of(who.asker, who.masters.organizations)
    found = await read_changes(who.session, sight, after=after, limit=limit)
    items = [
        timeline_values(who.masters, happened(row, sight.list_stand(row), _NO_ORDERS))
        | {
            "event_id": row.event_id,
            "event_no": row.event_no,
            "event_seq": row.event_seq,
            "event_state": row.event_state,
        }
        for row in found.items
    ]
    return answer({"items": items, "next": found.next, "more": found.more})
