"""``bihuan load`` and ``bihuan jurisdiction …``: masters from files, and what commands about them share.

The composition root mounts ``load`` as a command and ``jurisdiction_app`` as a group.
"""

import asyncio
import getpass
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.passwords import Passwords
from app.commands.db import DatabaseOption
from app.commands.release_tables import lost_words
from app.commands.session import open_sessions
from app.core import releases
from app.core.database import transaction
from app.core.errors import BihuanError, Conflict, NotFound
from app.core.postgres import PostgresUnavailable
from app.core.settings import SettingsError
from app.core.tables import Jurisdiction
from app.masters.files import unreadable
from app.masters.kinds import KINDS
from app.masters.presets import FOLDER as PRESETS
from app.masters.publishing import put_file
from app.masters.users import put_users
from app.masters.validation import MasterFile, read_master

T = TypeVar("T")

jurisdiction_app = typer.Typer(no_args_is_help=True, help="本系统管辖的区划。")

JurisdictionOption = Annotated[
    str | None, typer.Option("--jurisdiction", help="区划代码，例如 320102；只有一个时可不写")
]


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
    """Who is recorded as having loaded or published from here: the account of the operating system."""
    return f"命令行 {_system_account()}".replace(releases.MAKERS_APART, "/")


def _system_account() -> str:
    # What the environment says (LOGNAME, USER) is whatever somebody at the keyboard wants it to say.
    if os.name != "posix":
        return getpass.getuser()
    import pwd  # there is none elsewhere

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number without a name
        return str(os.getuid())


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
    empty = f"；文件没有 {'、'.join(file.left_out)} 列，各行均按空值载入" if file.left_out else ""
    if outcome.draft is None:
        return f"{title}：与已发布的内容相同，没有变化（{outcome.unchanged} 行）{lost_words(outcome.lost)}{empty}"
    told = (
        f"{title}草稿第 {outcome.draft.number} 版：新增 {outcome.added}，修改 {outcome.changed}，"
        f"删除 {outcome.removed}，不变 {outcome.unchanged}{lost_words(outcome.lost)}{empty}"
    )
    earlier = await releases.ever_published(session, jurisdiction_id, file.kind, outcome.draft.digest)
    return f"{told}；内容与曾发布的第 {earlier.number} 版相同" if earlier else told


async def _put_users(session: AsyncSession, jurisdiction_id: int, file: MasterFile) -> str:
    outcome = await put_users(session, jurisdiction_id, file.rows.values(), passwords=Passwords())
    return (
        f"人员账号：新建 {outcome.created}，修改 {outcome.updated}，不变 {outcome.unchanged}；"
        f"席位开始 {outcome.seats_begun}，结束 {outcome.seats_ended}；设初始密码 {outcome.passwords_set}"
    )


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
