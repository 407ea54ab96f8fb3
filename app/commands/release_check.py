"""``bihuan release check``: what is wrong with the dispatch catalogue, a table for each kind of fault."""

import asyncio
from collections.abc import Collection
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from app.commands.db import DatabaseOption
from app.commands.load import JurisdictionOption, find_jurisdiction, run
from app.commands.session import open_sessions
from app.core.database import transaction
from app.masters.catalogue.check import ADVICE, SHOWN, TITLES, by_kind, check
from app.masters.catalogue.reading import READ, read_city
from app.masters.files import unreadable

_SEVERITY = {"error": Text("错误", style="bold red"), "warning": Text("提醒", style="yellow")}

_out = Console()
_err = Console(stderr=True)


def check_command(
    kinds: Annotated[
        list[str] | None, typer.Argument(help="用这些种类的草稿代替已发布的来检查；不写则看 --draft")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="用全部草稿代替已发布的来检查")] = False,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """检查派单目录：无人承办、相互矛盾、永不生效、派给街道的部门职责等；有错误时退出码为 1。"""
    if run(_check(kinds or (None if draft else ()), jurisdiction, database)):
        raise typer.Exit(1)


async def _check(drafts: Collection[str] | None, code: str | None, database: str) -> int:
    for kind in drafts or ():
        if kind not in READ:
            raise unreadable(f"派单目录的检查不看“{kind}”，可用：{'、'.join(READ)}")
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        return await show_check(session, await find_jurisdiction(session, code), drafts, _out, _err)


async def show_check(
    session: AsyncSession, jurisdiction_id: int, drafts: Collection[str] | None, out: Console, err: Console
) -> int:
    """Prints what the checker finds; how many errors there are. ``drafts``: as of ``read_city``."""
    with err.status("正在读取基础数据"):
        city = await read_city(session, jurisdiction_id, drafts=drafts)
    columns = (TextColumn("检查派单目录"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=None)
        found = await asyncio.to_thread(
            check, city, lambda done, total: progress.update(task, completed=done, total=total)
        )
    for kind, findings in by_kind(found).items():
        table = Table("", "对象", "问题", title=f"{TITLES[kind]}：{len(findings)} 处", title_justify="left")
        table.caption, table.caption_justify = f"办法：{ADVICE[kind]}", "left"
        for finding in findings[:SHOWN]:
            table.add_row(_SEVERITY[finding.severity], Text(finding.subject), Text(finding.sentence))
        if len(findings) > SHOWN:
            table.add_row("", "", f"另有 {len(findings) - SHOWN} 处未列出")
        out.print(table)
    errors = sum(finding.severity == "error" for finding in found)
    rules, items = len(city.routing_rules), len(city.items)
    told = f"派单规则 {rules} 条、事项 {items} 个：错误 {errors} 处，提醒 {len(found) - errors} 处"
    out.print(Text(told, style="bold red" if errors else ""))
    return errors
