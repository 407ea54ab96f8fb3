"""One act on many work orders or events 批量: each is an act of its own, in a transaction of its own.

Nothing is all-or-nothing here: one that is refused keeps no other from being done, and the answer says which. Sent
again with the same ``act_id`` it does nothing twice, since each id's own act id follows from it.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID, uuid5

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.accounts.tokens import AccessToken
from app.acts import perform
from app.acts.performing import Request
from app.api.dependencies import RuntimeDep, TokenDep
from app.api.problems import RESPONSES
from app.api.shapes import Shape, parse_order_id
from app.core.database import Json
from app.core.errors import BihuanError, Malformed, NotFound, Unavailable
from app.runtime import Runtime

#: ids in one request, and how many of them are worked on at once
MOST: Final = 200
CONCURRENCY: Final = 4

#: what is done to many at once; anything else is looked at one by one
ORDER_ACTIONS: Final = ("take", "assign", "put_back", "sign_for", "transfer", "add_supporting")
EVENT_ACTIONS: Final = ("dispatch",)

#: what only a single act carries
_SINGLE: Final = ("act_id", "acted_at")

router = APIRouter(tags=["actions 办理"], responses=RESPONSES)
log = structlog.get_logger()


class Bulk(BaseModel):
    """Ids, what is done to each of them, and the key that makes a repetition harmless."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(max_length=60)]] = Field(
        min_length=1, max_length=MOST, description="工单标识或事件标识，最多 200 个；重复的只办一次"
    )
    body: dict[str, Any] = Field(default_factory=dict, description="该操作自己的字段和 note，对每个标识相同")
    act_id: UUID = Field(description="客户端生成的幂等编号（UUID）：同一编号重发，已办的不再办")


class ProblemShape(Shape):
    """Why one of them was refused."""

    status: int = Field(description="单独办理时的 HTTP 状态")
    code: str = Field(description="供程序判断的固定代码")
    detail: str = Field(description="中文说明")


class OneDone(Shape):
    """What came of one id."""

    id: str
    ok: bool = Field(description="是否已办（含此前已办）")
    state: str | None = Field(None, description="办后的状态")
    repeated: bool = Field(False, description="此前已用同一 act_id 办过")
    problem: ProblemShape | None = Field(None, description="未办成的原因")


class BulkShape(Shape):
    """What came of each id, in the order asked."""

    done: int = Field(description="已办数")
    refused: int = Field(description="未办成数")
    items: list[OneDone]


@router.post("/work-orders/actions/{action}", summary="对多个工单执行同一操作")
async def act_on_orders(action: str, bulk: Bulk, runtime: RuntimeDep, token: TokenDep) -> BulkShape:
    """Performs an action on up to 200 work orders, each for itself."""

    def request(given: str, body: Json) -> Request:
        event_id, n = parse_order_id(given)
        return Request("work_order", action, event_id, n=n, body=body)

    return await _all(runtime, token, action, ORDER_ACTIONS, bulk, request)


@router.post("/events/actions/{action}", summary="对多个事件执行同一操作")
async def act_on_events(action: str, bulk: Bulk, runtime: RuntimeDep, token: TokenDep) -> BulkShape:
    """Performs an action on up to 200 events, each for itself."""

    def request(given: str, body: Json) -> Request:
        try:
            return Request("event", action, UUID(given), body=body)
        except ValueError:
            raise NotFound("没有这个事件，或不在您的权限范围内。") from None

    return await _all(runtime, token, action, EVENT_ACTIONS, bulk, request)


async def _all(
    runtime: Runtime,
    token: AccessToken,
    action: str,
    allowed: tuple[str, ...],
    bulk: Bulk,
    request: Callable[[str, Json], Request],
) -> BulkShape:
    if action not in allowed:
        raise NotFound(f"“{action}”不能批量执行；可批量执行的操作：{'、'.join(allowed)}。")
    if single := [name for name in _SINGLE if name in bulk.body]:
        message = "批量办理时不在 body 中填写，幂等编号填在外层 act_id。"
        raise Malformed(message, faults=[{"path": f"body.{name}", "message": message} for name in single])
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(given: str) -> OneDone:
        async with gate:
            body = bulk.body | {"act_id": str(uuid5(bulk.act_id, given.lower()))}
            return await _one(runtime, token, given, lambda: request(given, body))

    items = await asyncio.gather(*(one(given) for given in dict.fromkeys(bulk.ids)))
    done = sum(item.ok for item in items)
    return BulkShape(done=done, refused=len(items) - done, items=items)


async def _one(runtime: Runtime, token: AccessToken, given: str, request: Callable[[], Request]) -> OneDone:
    refused: BihuanError
    try:
        answer = await perform(runtime, token, request())
    except BihuanError as fault:
        refused = fault
    except (DBAPIError, PoolTimeout, OSError) as fault:
        log.warning("bulk.database_unavailable", id=given, error=type(fault).__name__)
        refused = Unavailable("数据库正忙或暂时不可用，该件未作任何改动，请稍后用同一 act_id 原样重发。")
    else:
        return OneDone(id=given, ok=True, state=answer["state"], repeated=answer["repeated"])
    return OneDone(
        id=given, ok=False, problem=ProblemShape(status=refused.status, code=refused.code, detail=refused.detail)
    )
