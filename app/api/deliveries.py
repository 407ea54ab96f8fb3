"""``/supervision/deliveries``: what could not be told to the systems that reports came from, and what becomes of it."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app import background
from app.accounts.access import Asker, user_of
from app.acts.action import Words
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, PageShape, Shape
from app.core.database import transaction
from app.core.errors import Forbidden, NotFound
from app.events.again import ReportMoved, until_alone
from app.events.aggregate import Actor

router = APIRouter(prefix="/supervision/deliveries", tags=["supervision 督办"], responses=RESPONSES)

State = Literal["waiting", "leased", "delivered", "dead", "skipped"]

_LIST = text(
    """
    SELECT d.lane_id, d.n, e.event_no, c.code AS destination, d.kind, d.report_id, d.state, d.attempts,
           d.created_at, d.next_at, d.last_error
    FROM delivery d JOIN machine_client c ON c.id = d.destination_id LEFT JOIN event e ON e.id = d.lane_id
    WHERE c.jurisdiction_id = :jurisdiction AND d.state = :state
    ORDER BY d.created_at DESC, d.lane_id, d.n LIMIT :limit
    """
)
_ONE = text(
    "SELECT d.state FROM delivery d JOIN machine_client c ON c.id = d.destination_id "
    "WHERE d.lane_id = :lane_id AND d.n = :n AND c.jurisdiction_id = :jurisdiction"
)


class DeliveryShape(Shape):
    """One message to a source system; never its content."""

    id: str = Field(description="推送标识：事件标识.序号")
    event_id: UUID = Field(description="事件标识")
    event_no: str | None = Field(description="事件编号")
    destination: str = Field(description="推送到的来源系统")
    kind: str = Field(description="receipt 回执、result 结果、return 退回、alert 告警")
    report_id: UUID | None = Field(description="诉求标识")
    state: State = Field(description="dead 为多次失败后停止，其后的推送都在等它")
    attempts: int = Field(description="已试次数")
    created_at: CityTime
    next_at: CityTime
    last_error: str | None = Field(description="最近一次失败的原因；skipped 为放弃的理由")


class DeliveryDecision(BaseModel):
    """Why a person decides on a delivery."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(description="理由，记入时间线")


class Decided(Shape):
    """The delivery after the decision."""

    id: str = Field(description="推送标识")
    state: State


def _require_leader(asker: Asker) -> None:
    if asker.jurisdiction_code not in asker.areas(("shift_leader",)):
        raise Forbidden("只有全辖区的值班长可以处理推送。", needs=["shift_leader"])


@router.get("", summary="推送情况")
async def list_deliveries(
    who: ReaderDep,
    state: Annotated[State, Query(description="推送状态")] = "dead",
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
) -> PageShape[DeliveryShape]:
    """Deliveries in one state, the newest first."""
    _require_leader(who.asker)
    found = await who.session.execute(
        _LIST, {"jurisdiction": who.asker.jurisdiction_id, "state": state, "limit": limit}
    )
    items = [
        DeliveryShape(
            id=f"{row.lane_id}.{row.n}",
            event_id=row.lane_id,
            event_no=row.event_no,
            destination=row.destination,
            kind=row.kind,
            report_id=row.report_id,
            state=row.state,
            attempts=row.attempts,
            created_at=row.created_at,
            next_at=row.next_at,
            last_error=row.last_error,
        )
        for row in found
    ]
    return PageShape(items=items, next=None)


@router.post("/{delivery_id}/actions/{action}", summary="重发或放弃推送")
async def decide_delivery(
    delivery_id: Annotated[str, Path(description="推送标识：事件标识.序号")],
    action: Literal["skip", "send_again"],
    body: DeliveryDecision,
    runtime: RuntimeDep,
    token: TokenDep,
) -> Decided:
    """``send_again`` for a dead one, with all its attempts; ``skip`` gives it up, and the ones behind it go on."""
    lane_id, n = _parse(delivery_id)

    async def once() -> Decided:
        async with transaction(runtime.sessions) as session:
            asker = await user_of(session, token)
            _require_leader(asker)
            key = {"lane_id": lane_id, "n": n, "jurisdiction": asker.jurisdiction_id}
            if await session.scalar(_ONE, key) is None:
                raise _unknown()
            actor = Actor("user", str(asker.user_id), "shift_leader", asker.org_id)
            decide = background.skip_delivery if action == "skip" else background.send_delivery_again
            try:
                await decide(session, runtime, lane_id, n, actor, body.reason)
            except background.FamilyMoved:
                raise ReportMoved from None
            return Decided(id=f"{lane_id}.{n}", state=await session.scalar(_ONE, key))

    return await until_alone(once)


def _parse(delivery_id: str) -> tuple[UUID, int]:
    lane, _, n = delivery_id.partition(".")
    if not (n.isascii() and n.isdigit() and len(n) <= 9):
        raise _unknown()
    try:
        return UUID(lane), int(n)
    except ValueError:
        raise _unknown() from None


def _unknown() -> NotFound:
    return NotFound("没有这条推送记录。")
