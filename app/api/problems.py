"""Errors as RFC 9457 problem details: a stable ``code`` for programs, a Chinese ``detail`` that a person can act on."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from app.core.errors import BihuanError, Malformed, NotFound, Unavailable
from app.core.set_writes import to_json
from app.intake.channels import MalformedMessage

log = structlog.get_logger()


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:bihuan:problem:not_found"])
    title: str
    status: int
    code: str = Field(description="供程序判断的固定代码", examples=["not_found"])
    detail: str = Field(description="供人阅读、可据以处理的中文说明")


#: documented on every router
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "未登录或登录已失效",
        403: "看得到但无权操作",
        404: "不存在，或不在您的权限范围内",
        409: "与现有状态冲突",
        422: "内容格式有误，列出全部错误",
        503: "暂不可用，可原样重试",
    }.items()
}


def problem_response(problem: BihuanError) -> Response:
    """An error as its answer."""
    return Response(
        to_json(problem.to_problem()),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=problem.headers(),
    )


#: what the web framework refuses by itself
_FRAMEWORK = {
    400: "请求体无法读取：须为 UTF-8 编码的 JSON 或表单，且嵌套不过深、大小不超限。",
    405: "该地址不支持这种请求方法，请核对接口文档。",
}
#: data, not the database, is at fault: out of range, or a character that it cannot hold
_NOT_STORABLE = frozenset({"22000", "22003", "22008", "22021", "22P02", "22P05"})
_RETRY = "数据库正忙或暂时不可用，本次未作任何改动，请稍后原样重试。"


def install(app: FastAPI) -> None:
    """Makes every error of the app answer in one form."""

    @app.exception_handler(BihuanError)
    async def _known(_: Request, fault: BihuanError) -> Response:
        return problem_response(fault)

    @app.exception_handler(MalformedMessage)
    async def _message(_: Request, fault: MalformedMessage) -> Response:
        return problem_response(fault.as_error())

    @app.exception_handler(RequestValidationError)
    async def _parameters(_: Request, fault: RequestValidationError) -> Response:
        faults = [
            {
                "path": ".".join(str(part) for part in error["loc"]),
                "message": error["msg"],
                "code": error["type"],
            }
            for error in fault.errors()
        ]
        return problem_response(Malformed("请求参数有误，请按提示逐项改正。", faults=faults))

    @app.exception_handler(HTTPException)
    async def _framework(_: Request, fault: HTTPException) -> Response:
        if fault.status_code == 404:
            return problem_response(NotFound("没有这个地址，请核对接口文档。"))
        detail = {
            "title": str(fault.detail),
            "status": fault.status_code,
            "code": "http",
            "detail": _FRAMEWORK.get(fault.status_code, f"请求无法处理（HTTP {fault.status_code}），请核对接口文档。"),
        }
        return Response(
            to_json({"type": "about:blank", **detail}),
            status_code=fault.status_code,
            media_type="application/problem+json",
            headers=fault.headers,
        )

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OSError)
    async def _database(request: Request, fault: Exception) -> Response:
        if isinstance(fault, DBAPIError) and getattr(fault.orig, "sqlstate", None) in _NOT_STORABLE:
            return problem_response(Malformed("请求中有不能识别的字符（NUL）或超出范围的数字，请改正后重发。"))
        log.warning("database_unavailable", path=request.url.path, error=type(fault).__name__, text=str(fault)[:300])
        return problem_response(Unavailable(_RETRY))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, fault: Exception) -> Response:
        log.error("unexpected", path=request.url.path, exc_info=fault)
        return problem_response(BihuanError("系统内部错误，已记录；请稍后重试或联系系统管理员。"))
