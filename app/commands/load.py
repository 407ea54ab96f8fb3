"""``bihuan load``, ``bihuan release …`` and ``bihuan jurisdiction …``: masters from the command line.

The composition root mounts ``load`` as a command, ``release_app`` and ``jurisdiction_app`` as groups.
"""

import asyncio
import getpass
from collections.abc import Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.passwords import Passwords
from app.clocks.calendar import CHINA_TIME
from app.commands import release_effects
from app.commands import suggest as suggesting
from app.commands.db import DatabaseOption
from app.commands.session import open_sessions
from app.core import releases
from app.core.database import Json, transaction
from app.core.errors import BihuanError, Conflict, NotFound
from app.core.postgres import PostgresUnavailable
from app.core.releases import Mode, RowDiff
from app.core.settings import SettingsError
from app.core.tables import Jurisdiction
from app.masters.files import unreadable
from app.masters.kinds import KINDS, RELEASED_KINDS
from app.masters.presets import FOLDER as PRESETS
from app.masters.publishing import publish, put_file
from app.masters.users import put_users
from app.masters.validation import MasterFile, read_master

T = TypeVar("T")

release_app = typer.Typer(no_args_is_help=True, help="基础数据的版本：查看、预览、发布。")
jurisdiction_app = typer.Typer(no_args_is_help=True, help="本系统管辖的区划。")

JurisdictionOption = Annotated[
    str | None, typer.Option("--jurisdiction", help="区划代码，例如 320102；只有一个时可不写")
]
KindsArgument = Annotated[list[str] | None, typer.Argument(help="基础数据的种类；不写则为全部草稿")]

_STATUS = {"draft": "草稿", "published": "已发布", "retired": "已停用"}
_MODE = {"new_only": "只管新的", "re_decide_open": "在办的重算"}
_CELL_CHARS = 60

_out = Console()
_err = Console(stderr=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work; what it refuses is told with all its faults, and the exit code is 1."""
    try:
        return asyncio.run(work)
    except BihuanError as error:
        _err.print(Text(error.detail, style="bold red"))
        for fault in error.extra.get("faults", ()):
            place = f"{fault['path']}：" if fault["path"] else ""
            # One line a fault, however narrow the terminal: people search and count them.
            _err.print(Text(f"  {place}{fault['message']}"), soft_wrap=True)
    except (PostgresUnavailable, SettingsError, OSError) as error:
        _err.print(Text(str(error), style="bold red"))
    raise typer.Exit(1)


def operator_name() -> str:
    """Who is recorded as having loaded or published from here."""
    return f"命令行 {getpass.getuser()}"


async def find_jurisdiction(session: AsyncSession, code: str | None) -> int:
    """Id of the jurisdiction ``code``, or of the only one there is. Raises NotFound or Conflict (Chinese)."""
    known = {row.code: row.id for row in await session.scalars(select(Jurisdiction))}
    if code is not None:
        if code not in known:
            raise NotFound(f"没有区划 {code}，请先执行 bihuan jurisdiction add {code} 名称")
        return known[code]
    if not known:
        raise NotFound("还没有区划，请先执行 bihuan jurisdiction add 代码 名称")
    if len(known) > 1:
        raise Conflict(f"有多个区划，请用 --jurisdiction 指明：{'、'.join(sorted(known))}")
    return next(iter(known.values()))


def load(
    kind: Annotated[str, typer.Argument(help=f"种类：{'、'.join(KINDS)}")],
    file: Annotated[Path, typer.Argument(help="CSV 或 GeoJSON 文件；policies 也可写预置方案 shanghai、beijing")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """把一份基础数据文件载入为草稿（users 直接生效）；有一行错误就整份不载入。"""
    run(_load(kind, file, jurisdiction, database))


async def _load(kind: str, path: Path, code: str | None, database: str) -> None:
    if kind not in KINDS:
        raise unreadable(f"没有“{kind}”这种基础数据，可用：{'、'.join(KINDS)}")
    path = _file_or_preset(kind, path)
    with _out.status(f"正在读取 {path.name}"):
        file = await asyncio.to_thread(read_master, path, kind)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status(f"正在载入{KINDS[kind].title} {len(file.rows)} 行"):
            told = await (_put_release if KINDS[kind].released else _put_users)(session, jurisdiction_id, file)
    _out.print(Text(told))


def _file_or_preset(kind: str, path: Path) -> Path:
    if path.is_file():
        return path
    preset = PRESETS / f"{path}.csv"
    if kind == "policies" and preset.is_file():
        return preset
    told = f"没有 {path} 这个文件"
    if kind == "policies":
        names = "、".join(sorted(known.stem for known in PRESETS.glob("*.csv")))
        told += f"，也没有这个名称的预置方案（有：{names}）"
    raise unreadable(told)


async def _put_release(session: AsyncSession, jurisdiction_id: int, file: MasterFile) -> str:
    outcome = await put_file(session, jurisdiction_id, file, by=operator_name())
    title = KINDS[file.kind].title
    if outcome.draft is None:
        return f"{title}：与已发布的内容相同，没有变化（{outcome.unchanged} 行）"
    told = (
        f"{title}草稿第 {outcome.draft.number} 版：新增 {outcome.added}，修改 {outcome.changed}，"
        f"删除 {outcome.removed}，不变 {outcome.unchanged}"
    )
    earlier = await releases.ever_published(session, jurisdiction_id, file.kind, outcome.draft.digest)
    return f"{told}；内容与曾发布的第 {earlier.number} 版相同" if earlier else told


async def _put_users(session: AsyncSession, jurisdiction_id: int, file: MasterFile) -> str:
    outcome = await put_users(session, jurisdiction_id, file.rows.values(), passwords=Passwords())
    return (
        f"人员账号：新建 {outcome.created}，修改 {outcome.updated}，不变 {outcome.unchanged}；"
        f"席位开始 {outcome.seats_begun}，结束 {outcome.seats_ended}；设初始密码 {outcome.passwords_set}"
    )


@release_app.command("publish")
def publish_command(
    kinds: KindsArgument = None,
    mode: Annotated[
        Mode | None, typer.Option(help="new_only 只管新的，re_decide_open 在办的也重算；不写则按种类的默认")
    ] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """检查并发布草稿；几种一起发布时同时生效，有一处不一致就都不发布。"""
    run(_publish(kinds, mode, jurisdiction, database))


async def _publish(kinds: list[str] | None, mode: Mode | None, code: str | None, database: str) -> None:
    _check_kinds(kinds)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        with _out.status("正在检查并发布"):
            published = await publish(session, jurisdiction_id, kinds or None, by=operator_name(), mode=mode)
    if not published:
        _out.print("没有草稿可发布")
    for release in published:
        _out.print(
            Text(
                f"已发布{KINDS[release.kind].title}第 {release.number} 版，{release.row_count} 行，"
                f"{_MODE[release.mode]}"
            )
        )


@release_app.command("list")
def list_command(jurisdiction: JurisdictionOption = None, database: DatabaseOption = "bihuan") -> None:
    """列出各种基础数据的所有版本。"""
    run(_list(jurisdiction, database))


async def _list(code: str | None, database: str) -> None:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        found = await releases.all_releases(session, await find_jurisdiction(session, code))
    table = Table("种类", "版", "状态", "行数", "载入", "发布", "方式")
    for release in found:
        published_at = release.published_at.astimezone(CHINA_TIME) if release.published_at else None
        table.add_row(
            f"{release.kind} {KINDS[release.kind].title}" if release.kind in KINDS else release.kind,
            str(release.number),
            _STATUS[release.status],
            str(release.row_count),
            f"{release.created_at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M} {release.created_by}",
            f"{published_at:%Y-%m-%d %H:%M} {release.published_by}" if published_at else "",
            _MODE[release.mode] if published_at else "",
        )
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
            _out.print(_diff_table(f"{KINDS[kind].title}草稿第 {draft.number} 版", found[:limit]))
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


def _diff_table(title: str, diffs: list[RowDiff]) -> Table:
    table = Table("", "键", "字段", "原值", "新值", title=title)
    for diff in diffs:
        if diff.before is None:
            table.add_row("新增", Text(diff.key), "", "", Text(_short(diff.after)))
        elif diff.after is None:
            table.add_row("删除", Text(diff.key), "", Text(_short(diff.before)), "")
        else:
            for n, (field, before, after) in enumerate(_changed_fields(diff.before, diff.after)):
                table.add_row(
                    *(("", "") if n else ("修改", Text(diff.key))),
                    field,
                    Text(_short(before)),
                    Text(_short(after)),
                )
    return table


def _changed_fields(before: Json, after: Json) -> list[tuple[str, Any, Any]]:
    return [
        (field, before.get(field), after.get(field))
        for field in dict.fromkeys([*before, *after])
        if before.get(field) != after.get(field)
    ]


def _short(value: Any) -> str:
    """A value for a narrow column; of a whole row only the members that say something."""
    if isinstance(value, Mapping):
        text = "，".join(f"{name} {_short(member)}" for name, member in value.items() if member not in ("", None, []))
    elif value is None or isinstance(value, str):
        text = value or ""
    else:
        text = orjson.dumps(value).decode()
    return text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + "…"


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
        await releases.discard_draft(session, await find_jurisdiction(session, code), kind)
    _out.print(f"已丢弃{KINDS[kind].title}的草稿")


def _check_kinds(kinds: list[str] | None) -> None:
    for kind in kinds or ():
        if kind not in RELEASED_KINDS:
            raise unreadable(f"没有“{kind}”这种可发布的基础数据，可用：{'、'.join(RELEASED_KINDS)}")


@jurisdiction_app.command("add")
def add_command(
    code: Annotated[str, typer.Argument(help="区划代码，例如 320102")],
    name: Annotated[str, typer.Argument(help="名称")],
    database: DatabaseOption = "bihuan",
) -> None:
    """登记一个由本系统管辖的区划；已登记的改用新名称。"""
    run(_add(code, name, database))


async def _add(code: str, name: str, database: str) -> None:
    if not (code.isascii() and code.isdigit() and len(code) in (6, 9, 12)) or not name.strip():
        raise unreadable("区划代码应为 6、9 或 12 位数字，名称不能为空")
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        known = await session.scalar(select(Jurisdiction).where(Jurisdiction.code == code))
        if known is None:
            session.add(Jurisdiction(code=code, name=name.strip()))
        else:
            known.name = name.strip()
    _out.print(f"区划 {code} {name.strip()} 已登记")


@jurisdiction_app.callback()
def _jurisdiction_group() -> None:
    """本系统管辖的区划。"""  # without a callback a lone command would take the place of the group
