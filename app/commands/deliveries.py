"""``bihuan deliveries …`` and ``bihuan jobs …``: what came to a stop after all its attempts, and setting it going."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import background
from app.commands.db import DatabaseOption
from app.commands.session import open_sessions
from app.core import jobs
from app.core.database import transaction
from app.core.errors import Conflict, NotFound
from app.core.settings import get_settings
from app.events.again import ReportMoved, until_alone
from app.events.aggregate import SYSTEM, Actor
from app.runtime import Runtime, open_runtime

deliveries_app = typer.Typer(no_args_is_help=True, help="推送给来源系统的消息：查看、重发、放弃。")
jobs_app = typer.Typer(no_args_is_help=True, help="后台任务：查看、重做。")

ReasonOption = Annotated[str, typer.Option(help="理由，记入事件的时间线")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="最多列出几条")]

_Step = Callable[[AsyncSession, Runtime, UUID, int, Actor, str], Awaitable[None]]

_DELIVERIES = """
    SELECT d.lane_id || '.' || d.n AS id, c.code, d.kind, d.attempts, d.created_at, d.last_error
    FROM delivery d JOIN machine_client c ON c.id = d.destination_id
    WHERE d.state = :state ORDER BY d.created_at DESC, d.lane_id, d.n LIMIT :limit
"""
_JOBS = """
    SELECT id::text, kind, key, attempts, run_at, last_error FROM job
    WHERE state = :state ORDER BY run_at DESC, id LIMIT :limit
"""


@deliveries_app.command("list")
def list_command(
    state: Annotated[str, typer.Option(help="waiting、leased、delivered、dead、skipped")] = "dead",
    limit: LimitOption = 50,
    database: DatabaseOption = "bihuan",
) -> None:
    """列出推送，缺省为多次失败后停止的。"""
    headers = ("标识", "推送到", "种类", "已试", "产生时间", "最近的错误")
    _show(headers, asyncio.run(_rows(_DELIVERIES, state, limit, database)))


@deliveries_app.command("send-again")
def send_again_command(
    delivery_id: Annotated[str, typer.Argument(help="推送标识：事件标识.序号")],
    reason: ReasonOption,
    database: DatabaseOption = "bihuan",
) -> None:
    """把停止的推送重新发出。"""
    asyncio.run(_decide(background.send_delivery_again, delivery_id, reason, database))
    typer.echo(f"已重新排队：{delivery_id}")


@deliveries_app.command("skip")
def skip_command(
    delivery_id: Annotated[str, typer.Argument(help="推送标识：事件标识.序号")],
    reason: ReasonOption,
    database: DatabaseOption = "bihuan",
) -> None:
    """放弃一条推送，让它后面的继续。"""
    asyncio.run(_decide(background.skip_delivery, delivery_id, reason, database))
    typer.echo(f"已放弃：{delivery_id}")


@jobs_app.command("list")
def list_jobs_command(
    state: Annotated[str, typer.Option(help="waiting、leased、done、dead")] = "dead",
    limit: LimitOption = 50,
    database: DatabaseOption = "bihuan",
) -> None:
    """列出后台任务，缺省为多次失败后停止的。"""
    headers = ("标识", "种类", "对象", "已试", "应办时间", "最近的错误")
    _show(headers, asyncio.run(_rows(_JOBS, state, limit, database)))


@jobs_app.command("revive")
def revive_command(
    job_id: Annotated[UUID, typer.Argument(help="任务标识")],
    database: DatabaseOption = "bihuan",
) -> None:
    """把停止的后台任务重新做一遍。"""
    if not asyncio.run(_revive(job_id, database)):
        raise Conflict("该任务不在停止状态，或同一对象已有新任务在等待。")
    typer.echo(f"已重新排队：{job_id}")


def _show(headers: tuple[str, ...], rows: list[Any]) -> None:
    table = Table(*headers)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)


async def _rows(query: str, state: str, limit: int, database: str) -> list[Any]:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        return list(await session.execute(text(query), {"state": state, "limit": limit}))


async def _revive(job_id: UUID, database: str) -> bool:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        return await jobs.revive(session, job_id)


async def _decide(step: _Step, delivery_id: str, reason: str, database: str) -> None:
    lane, _, n = delivery_id.partition(".")
    try:
        key = UUID(lane), int(n)
    except ValueError:
        raise NotFound("没有这条推送记录：标识应为“事件标识.序号”。") from None
    async with open_runtime(get_settings(), database=database) as runtime:

        async def once() -> None:
            async with transaction(runtime.sessions) as session:
                try:
                    await step(session, runtime, *key, SYSTEM, reason)
                except background.FamilyMoved:
                    raise ReportMoved from None

        await until_alone(once)
