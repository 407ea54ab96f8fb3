"""``bihuan release …``: drafts, their review and publication, rolling back, and what they would change."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.commands import release_effects
from app.commands import simulate as simulating
from app.commands import suggest as suggesting
from app.commands.db import DatabaseOption
from app.commands.load import JurisdictionOption, find_jurisdiction, operator_name, run
from app.commands.release_check import check_command
from app.commands.release_review import review_command
from app.commands.release_tables import MODE, diff_table, list_table, local, lost_words, title_of
from app.commands.session import open_sessions
from app.core import releases
from app.core.database import transaction
from app.core.errors import NotFound
from app.core.releases import Mode, NoDraft
from app.core.tables import Release
from app.masters import scheduling
from app.masters.export import export
from app.masters.files import unreadable
from app.masters.kinds import KINDS, RELEASED_KINDS
from app.masters.publishing import publish, roll_back

release_app = typer.Typer(no_args_is_help=True, help="基础数据的版本：查看、复核、发布、回退、导出。")

KindArgument = Annotated[str, typer.Argument(help="基础数据的种类")]
KindsArgument = Annotated[list[str] | None, typer.Argument(help="基础数据的种类；不写则为全部草稿")]
ModeOption = Annotated[
    Mode | None, typer.Option(help="new_only 只管新的，re_decide_open 在办的也重算；不写则按种类的默认")
]

_out = Console()
_err = Console(stderr=True)


release_app.command("check")(check_command)


release_app.command("review")(review_command)


@release_app.command("schedule")
def schedule_command(
    kinds: Annotated[list[str], typer.Argument(help="基础数据的种类，可多个；同一时刻的一起检查、一起生效")],
    at: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d %H:%M", "%Y-%m-%d"], help="生效时刻（北京时间），一年之内")
    ],
    mode: ModeOption = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """定时发布已复核的草稿：到时由后台检查并发布，有不一致就不发布。"""
    run(_schedule(kinds, at.replace(tzinfo=CHINA_TIME), mode, jurisdiction, database))


async def _schedule(kinds: list[str], at: datetime, mode: Mode | None, code: str | None, database: str) -> None:
    _check_kinds(kinds)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status("正在检查"):
            others = await scheduling.schedule(session, jurisdiction_id, kinds, at, by=operator_name(), mode=mode)
    _out.print(Text(f"{'、'.join(map(title_of, kinds))}将于 {local(at)} 发布"))
    _tell_left(others)


@release_app.command("unschedule")
def unschedule_command(
    kinds: Annotated[list[str], typer.Argument(help="基础数据的种类，可多个；与其同一时刻的一并取消")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """取消定时发布；草稿和复核都保留。"""
    run(_unschedule(kinds, jurisdiction, database))


async def _unschedule(kinds: list[str], code: str | None, database: str) -> None:
    _check_kinds(kinds)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        taken = await scheduling.unschedule(session, await find_jurisdiction(session, code), kinds)
    _out.print(Text(f"已取消定时发布：{'、'.join(map(title_of, taken))}"))


@release_app.command("roll-back")
def roll_back_command(
    kind: KindArgument,
    to: Annotated[int | None, typer.Option(min=1, help="恢复第几版的内容；不写则为上一版")] = None,
    because: Annotated[str | None, typer.Option(metavar="理由", help="恢复比上一版更早的内容时须写，记入该版")] = None,
    mode: ModeOption = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """回退：以曾生效的一版的内容立即发布新的一版。"""
    run(_roll_back(kind, to, because, mode, jurisdiction, database))


async def _roll_back(
    kind: str, to: int | None, because: str | None, mode: Mode | None, code: str | None, database: str
) -> None:
    _check_kinds([kind])
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status("正在检查并发布"):
            earlier, release = await roll_back(
                session, jurisdiction_id, kind, to, by=operator_name(), mode=mode, because=because
            )
    _out.print(
        Text(
            f"已恢复{title_of(kind)}第 {earlier.number} 版的内容，发布为第 {release.number} 版，"
            f"{release.row_count} 行，{MODE[release.mode]}"
        )
    )


@release_app.command("export")
def export_command(
    kind: KindArgument,
    number: Annotated[int | None, typer.Option("--release", min=1, help="第几版；不写则为现行版")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="导出草稿")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="写入的文件；不写则用种类名")] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """导出一版为表格软件能打开的 CSV（单元网格为 GeoJSON），改过可用 bihuan load 原样载入。"""
    run(_export(kind, number, draft, output, jurisdiction, database))


async def _export(
    kind: str, number: int | None, draft: bool, output: Path | None, code: str | None, database: str
) -> None:
    _check_kinds([kind])
    if draft and number is not None:
        raise unreadable("--release 与 --draft 只能写一个")
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        release = await _one(session, await find_jurisdiction(session, code), kind, number, draft)
        made = await export(session, release)
    path = output or Path(made.file_name)
    await asyncio.to_thread(path.write_bytes, made.content)
    _out.print(Text(f"{title_of(kind)}第 {release.number} 版 {release.row_count} 行已写入 {path}"), soft_wrap=True)


async def _one(session: AsyncSession, jurisdiction_id: int, kind: str, number: int | None, draft: bool) -> Release:
    if draft:
        found = await releases.draft_of(session, jurisdiction_id, kind)
        if found is None:
            raise NoDraft(f"{title_of(kind)}没有草稿", kinds=[kind])
        return found
    for release in await releases.all_releases(session, jurisdiction_id):
        if release.kind == kind and (release.status == "published" if number is None else release.number == number):
            return release
    raise NotFound(f"{title_of(kind)}没有{'现行版' if number is None else f'第 {number} 版'}")


@release_app.command("publish")
def publish_command(
    kinds: KindsArgument = None,
    mode: ModeOption = None,
    unreviewed: Annotated[str | None, typer.Option(metavar="理由", help="未经复核也发布，理由记入该版")] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """检查并发布草稿；几种一起发布时同时生效，有一处不一致就都不发布。派单规则等须先复核。"""
    run(_publish(kinds, mode, unreviewed, jurisdiction, database))


async def _publish(
    kinds: list[str] | None, mode: Mode | None, unreviewed: str | None, code: str | None, database: str
) -> None:
    _check_kinds(kinds)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status("正在检查并发布"):
            published = await publish(
                session, jurisdiction_id, kinds or None, by=operator_name(), mode=mode, unreviewed_because=unreviewed
            )
    if not published:
        _out.print("没有草稿可发布")
    for release in published:
        _out.print(
            Text(
                f"已发布{KINDS[release.kind].title}第 {release.number} 版，{release.row_count} 行，{MODE[release.mode]}"
            )
        )
    _tell_left(sorted({kind for release in published for kind in release.left_behind}))


def _tell_left(kinds: list[str]) -> None:
    if kinds:
        _out.print(Text(f"原与其同时发布的{'、'.join(map(title_of, kinds))}已取消定时，请另行安排"))


@release_app.command("list")
def list_command(jurisdiction: JurisdictionOption = None, database: DatabaseOption = "bihuan") -> None:
    """列出各种基础数据的所有版本。"""
    run(_list(jurisdiction, database))


async def _list(code: str | None, database: str) -> None:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        found = await releases.all_releases(session, jurisdiction_id)
        table = list_table(found, await scheduling.faults(session, jurisdiction_id))
    _out.print(table)


@release_app.command("preview")
def preview_command(
    kinds: KindsArgument = None,
    limit: Annotated[int, typer.Option(min=1, help="每种最多列出的行数")] = 50,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """逐行列出草稿与已发布版本的不同，以及对在办时限的影响。"""
    run(_preview(kinds, limit, jurisdiction, database))


async def _preview(kinds: list[str] | None, limit: int, code: str | None, database: str) -> None:
    _check_kinds(kinds)
    shown = False
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        for kind in kinds or RELEASED_KINDS:
            draft = await releases.draft_of(session, jurisdiction_id, kind)
            if draft is None:
                continue
            shown = True
            found = await releases.diff(session, draft, limit=limit + 1)
            title = f"{KINDS[kind].title}草稿第 {draft.number} 版，摘要 {draft.digest.hex()[:12]}"
            _out.print(diff_table(title, found[:limit]))
            if len(found) > limit:
                _out.print(f"只列出前 {limit} 行，用 --limit 看更多")
        await release_effects.show_open_clocks(session, jurisdiction_id, kinds or None, _out, _err)
    if not shown:
        _out.print("没有草稿")


@release_app.command("status")
def status_command(jurisdiction: JurisdictionOption = None, database: DatabaseOption = "bihuan") -> None:
    """生效的各版、日历还能用多久、在办时限的重算进度；有日历不足 60 天时退出码为 1。"""
    if run(_status(jurisdiction, database)):
        raise typer.Exit(1)


async def _status(code: str | None, database: str) -> bool:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        return await release_effects.show_status(session, await find_jurisdiction(session, code), _out)


@release_app.command("suggest")
def suggest_command(
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="只看这一天起收到的事件")] = None,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="编号", help="采纳这一条，写入派单目录的草稿；可写多次")
    ] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """从人工派单中找出派单目录可改之处；只列出，采纳的写入草稿，仍须复核、发布。"""
    run(_suggest(since, accept or [], jurisdiction, database))


async def _suggest(since: datetime | None, numbers: list[str], code: str | None, database: str) -> None:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status("正在比对派单与目录"):
            await suggesting.suggest(
                session, jurisdiction_id, since=since, numbers=numbers, by=operator_name(), out=_out
            )


@release_app.command("simulate")
def simulate_command(
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="这一天起收到的事件")],
    kinds: KindsArgument = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="到这一天为止；不写则到现在")] = None,
    csv: Annotated[Path | None, typer.Option(help="把逐件的结果写入这个 CSV 文件")] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """推演：按草稿重派以往的事件，看哪些会换承办单位；不写入任何数据。"""
    run(_simulate(kinds, since, until, csv, jurisdiction, database))


async def _simulate(
    kinds: list[str] | None, since: datetime, until: datetime | None, file: Path | None, code: str | None, database: str
) -> None:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        await simulating.read_only(session)
        jurisdiction_id = await find_jurisdiction(session, code)
        await simulating.run_simulation(session, jurisdiction_id, kinds or None, since, until, file, _out, _err)


@release_app.command("discard")
def discard_command(
    kind: Annotated[str, typer.Argument(help="基础数据的种类")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """丢弃一种基础数据的草稿。"""
    run(_discard(kind, jurisdiction, database))


async def _discard(kind: str, code: str | None, database: str) -> None:
    _check_kinds([kind])
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        lost = await releases.discard_draft(session, await find_jurisdiction(session, code), kind)
    _out.print(Text(f"已丢弃{KINDS[kind].title}的草稿{lost_words(lost)}"))


def _check_kinds(kinds: list[str] | None) -> None:
    for kind in kinds or ():
        if kind not in RELEASED_KINDS:
            raise unreadable(f"没有“{kind}”这种可发布的基础数据，可用：{'、'.join(RELEASED_KINDS)}")
