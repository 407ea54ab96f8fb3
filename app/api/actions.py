"""Acts on events, work orders and reports: one route each, the registry in ``app.acts`` says what there is."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path

from app.acts import perform
from app.acts.performing import Request
from app.api.dependencies import RuntimeDep, TokenDep
from app.api.problems import RESPONSES
from app.api.shapes import parse_order_id
from app.core.errors import Malformed

router = APIRouter(tags=["actions 办理"], responses=RESPONSES)

ActBody = Annotated[dict[str, Any], Body(default_factory=dict, description="act_id、acted_at、note 及该操作自己的字段")]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="看到的版本（ETag），不符则 412")]

#: what a version can be: ``isdigit`` takes ², and 5,000 nines are no number to ``int``
_NUMBER = re.compile(r"[0-9]{1,18}")


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    digits = if_match.strip().removeprefix("W/").strip('"')
    if not _NUMBER.fullmatch(digits):
        raise Malformed("If-Match 须为读取时返回的 ETag。", faults=[{"path": "If-Match", "message": "不是 ETag"}])
    return int(digits)


@router.post("/events/{event_id}/actions/{action}", summary="对事件执行操作")
async def act_on_event(
    event_id: UUID, action: str, runtime: RuntimeDep, token: TokenDep, body: ActBody, if_match: IfMatch = None
) -> dict[str, Any]:
    """Performs an action on an event."""
    request = Request("event", action, event_id, body=body, if_match=_version(if_match))
    return await perform(runtime, token, request)


@router.post("/work-orders/{order_id}/actions/{action}", summary="对工单执行操作")
async def act_on_order(
    order_id: Annotated[str, Path(description="工单号：事件标识.序号")],
    action: str,
    runtime: RuntimeDep,
    token: TokenDep,
    body: ActBody,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Performs an action on a work order."""
    event_id, n = parse_order_id(order_id)
    request = Request("work_order", action, event_id, n=n, body=body, if_match=_version(if_match))
    return await perform(runtime, token, request)


@router.post("/reports/{report_id}/actions/{action}", summary="对诉求执行操作")
async def act_on_report(
    report_id: UUID,
    action: str,
    runtime: RuntimeDep,
    token: TokenDep,
    body: ActBody,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Performs an action on a report."""
    request = Request("report", action, None, report_id=report_id, body=body, if_match=_version(if_match))
    return await perform(runtime, token, request)
