"""Where reports come in: one message or up to a thousand, each by its channel's own fields."""

from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app import receiving
from app.accounts.tokens import AccessToken
from app.api.dependencies import RuntimeDep, TokenDep
from app.api.problems import RESPONSES
from app.core.errors import BihuanError, Malformed, NotFound
from app.core.set_writes import to_json
from app.intake.channels import CHANNELS, MalformedMessage
from app.intake.inbox import Arrival
from app.runtime import Runtime

router = APIRouter(prefix="/intake", tags=["intake 上报"], responses=RESPONSES)

MAX_BATCH = 1000
#: messages that share one transaction: enough to pay for its round trips, few enough to hold locks only briefly
_CHUNK = 100


@router.get("/channels", summary="各渠道的字段说明与 JSON Schema")
async def channels() -> list[dict[str, Any]]:
    """Every channel with the JSON schema of its own message."""
    return [
        {
            "code": channel.code,
            "name": channel.name_zh,
            "description": channel.description,
            "supplements": channel.supplements,
            "schema": channel.json_schema(),
        }
        for channel in CHANNELS.values()
    ]


async def _json(request: Request) -> tuple[Any, bytes]:
    raw = await request.body()
    try:
        return orjson.loads(raw), raw
    except orjson.JSONDecodeError as fault:
        raise Malformed(
            f"请求体不是合法的 JSON：第 {fault.lineno} 行第 {fault.colno} 列附近有误。",
            faults=[{"path": "", "message": "不是合法的 JSON"}],
        ) from None


def _known(channel: str) -> None:
    if channel not in CHANNELS:
        raise NotFound(f"没有“{channel}”这个渠道；可用：{'、'.join(CHANNELS)}。")


def _status(receipt: receiving.Receipt) -> int:
    if receipt.outcome == "held":
        return 202
    return 200 if receipt.repeated else 201


async def _store_pictures(runtime: Runtime, arrivals: list[Arrival]) -> None:
    # Before the transaction, and named by content: what a failed request leaves behind is found again by its retry.
    for arrival in arrivals:
        for picture in arrival.report.pictures:
            if picture.data is not None:
                await runtime.attachments.put(picture.data)


@router.post(
    "/{channel}",
    summary="上报一件",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def post_report(channel: str, request: Request, runtime: RuntimeDep, token: TokenDep) -> Response:
    """One message by the channel's own fields; the receipt is the same for every retry."""
    _known(channel)
    body, raw = await _json(request)
    arrival = receiving.read_message(channel, body, raw, runtime)
    await _store_pictures(runtime, [arrival])
    (receipt,) = await receiving.take_in(runtime, token, channel, [arrival])
    if isinstance(receipt, BihuanError):
        raise receipt
    return Response(to_json(receipt.as_body()), status_code=_status(receipt), media_type="application/json")


@router.post(
    "/{channel}/batch",
    summary="批量上报（最多 1000 件，逐件答复）",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["reports"],
                        "properties": {
                            "reports": {"type": "array", "maxItems": MAX_BATCH, "items": {"type": "object"}}
                        },
                    }
                }
            },
        }
    },
)
async def post_batch(channel: str, request: Request, runtime: RuntimeDep, token: TokenDep) -> Response:
    """Up to 1,000 messages, each answered by itself in the same order; one bad message never refuses the others."""
    _known(channel)
    body, _ = await _json(request)
    reports = body.get("reports") if isinstance(body, dict) else None
    if not isinstance(reports, list) or not 1 <= len(reports) <= MAX_BATCH:
        raise Malformed(
            f"reports 须为 1 到 {MAX_BATCH} 件上报组成的数组。",
            faults=[{"path": "reports", "message": f"1 到 {MAX_BATCH} 件"}],
        )
    answers: list[dict[str, Any]] = [{} for _ in reports]
    arrivals: list[tuple[int, Arrival]] = []
    for index, message in enumerate(reports):
        try:
            arrivals.append((index, receiving.read_message(channel, message, None, runtime)))
        except MalformedMessage as fault:
            answers[index] = _refused(fault.as_error())
    await _store_pictures(runtime, [arrival for _, arrival in arrivals])
    for start in range(0, len(arrivals), _CHUNK):
        await _take_chunk(runtime, token, channel, arrivals[start : start + _CHUNK], answers)
    return Response(to_json({"results": answers}), media_type="application/json")


async def _take_chunk(
    runtime: Runtime,
    token: AccessToken,
    channel: str,
    chunk: list[tuple[int, Arrival]],
    answers: list[dict[str, Any]],
) -> None:
    receipts = await receiving.take_in(runtime, token, channel, [arrival for _, arrival in chunk])
    for (index, _), receipt in zip(chunk, receipts, strict=True):
        if isinstance(receipt, BihuanError):
            answers[index] = _refused(receipt)
        else:
            answers[index] = {"status": _status(receipt), **receipt.as_body()}


def _refused(fault: BihuanError) -> dict[str, Any]:
    return {"status": fault.status, "problem": fault.to_problem()}
