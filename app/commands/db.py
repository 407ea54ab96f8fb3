"""``bihuan db upgrade`` and ``bihuan db check``: alembic in this process, on the database of the settings."""

import asyncio
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core import postgres
from app.core.errors import Unavailable
from app.core.settings import SettingsError, get_settings

db_app = typer.Typer(no_args_is_help=True, help="数据库结构：升级、检查。")

DatabaseOption = Annotated[
    str, typer.Option(help="内置 PostgreSQL 里的数据库名；配置了 BIHUAN_DATABASE_URL 时不起作用")
]

#: beside the package, in a working tree as in an installed wheel
_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config(url: str) -> Config:
    if not (_MIGRATIONS / "env.py").is_file():
        raise SettingsError(f"找不到迁移脚本目录 {_MIGRATIONS}：安装不完整，请重新安装。")
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade_schema(url: str) -> None:
    """Brings the database to the newest schema. Blocks, and runs an event loop of its own: call it from a thread."""
    command.upgrade(_config(url), "head")


def is_current(url: str) -> bool:
    """Whether the database has exactly our schema version. Blocks, with an event loop of its own."""
    heads = set(ScriptDirectory.from_config(_config(url)).get_heads())
    return asyncio.run(_versions(url)) == heads


async def _versions(url: str) -> set[str]:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_read_versions)
    finally:
        await engine.dispose()


def _read_versions(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


@contextmanager
def database_url(database: str = "bihuan") -> Iterator[str]:
    """The URL of the settings' database; the embedded server runs until the block ends."""
    settings = get_settings()
    if settings.database_url:
        yield settings.database_url
        return
    with postgres.lease(settings.data_dir) as lease:
        yield lease.url(database)


@contextmanager
def _scratch_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bihuan-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root the server runs as another user, who must be able to pass through
        try:
            with postgres.lease(folder, fsync=False) as lease:
                yield lease.url("scratch")
        finally:
            postgres.stop(folder)


@db_app.command("upgrade")
def upgrade_command(database: DatabaseOption = "bihuan") -> None:
    """把数据库结构升级到最新版本；可以重复执行。"""
    with database_url(database) as url:
        upgrade_schema(url)
    typer.echo("数据库结构已是最新版本")


@db_app.command("check")
def check_command(
    database: DatabaseOption = "bihuan",
    scratch: Annotated[
        bool, typer.Option("--scratch", help="在临时建立的空库上检查（供开发用，不需要任何配置）")
    ] = False,
) -> None:
    """检查迁移脚本与程序中的表定义是否一致；不一致时逐项列出。"""
    with _scratch_url() if scratch else database_url(database) as url:
        if scratch:
            upgrade_schema(url)
        try:
            command.check(_config(url))
        except CommandError as difference:
            raise Unavailable(f"数据库结构与程序不一致：{difference}") from None
    typer.echo("迁移脚本与表定义一致")
