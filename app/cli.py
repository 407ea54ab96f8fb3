"""``bihuan``: the command line. Thin: each command lives in ``app.commands`` and is imported only when it is called.

Whatever a command refuses is told in one clear message on standard error, with exit code 1; a traceback means a fault
of the program itself.
"""

import importlib
import importlib.util
import sys
from typing import Any, Final, NamedTuple

import typer


class _Entry(NamedTuple):
    """A command or group: where it lives as ``module:attribute``, and its line in the help."""

    place: str
    help: str


_COMMANDS: Final = {
    "demo": _Entry("app.commands.demo.command:demo", "演示：启动全套服务，载入演示城市，让上报件走完闭环。"),
    "serve": _Entry("app.commands.serve:serve", "启动 HTTP 服务。"),
    "worker": _Entry("app.commands.serve:worker", "启动后台进程：时限、推送、重试。"),
    "db": _Entry("app.commands.db:db_app", "数据库结构：升级、检查。"),
    "jurisdiction": _Entry("app.commands.load:jurisdiction_app", "本系统管辖的区划。"),
    "load": _Entry("app.commands.load:load", "载入一份基础数据文件为草稿。"),
    "release": _Entry("app.commands.releases:release_app", "基础数据的版本：查看、预览、发布；派单目录的修改建议。"),
    "user": _Entry("app.commands.people:user_app", "人员账号。"),
    "client": _Entry("app.commands.people:client_app", "来源系统（各渠道的接入方）。"),
    "deliveries": _Entry("app.commands.deliveries:deliveries_app", "推送给来源系统的消息：查看、重发、放弃。"),
    "jobs": _Entry("app.commands.deliveries:jobs_app", "后台任务：查看、重做。"),
    "clock": _Entry("app.commands.clock:clock_app", "时限：逐分钟说明一个工单的时限。"),
    "audit": _Entry("app.commands.audit:audit_app", "审计：核验时间线是否被改动。"),
    "replay": _Entry("app.commands.replay.command:app", "用公开的真实数据重放一遍闭环。"),
    "bench": _Entry("app.commands.bench.command:app", "测量：受理、列表、时限的速度，派单准不准。"),
    "drill": _Entry("app.commands.drill.command:app", "演练：杀死进程、同时争抢、边上报边发布、督办、重算，逐件核对。"),
}


def build(chosen: str | None) -> typer.Typer:
    """The command line with ``chosen`` in full and all others as lines of the help."""
    cli = typer.Typer(
        name="bihuan",
        help="Bihuan 闭环：一网统管的闭环，发现、分析、处理、反馈。",
        no_args_is_help=True,
        add_completion=False,
        # The three kinds of error that are for the user are told below; anything else is a plain traceback.
        pretty_exceptions_enable=False,
    )
    for name, entry in _COMMANDS.items():
        if importlib.util.find_spec(entry.place.partition(":")[0]) is None:
            continue
        found = _find(entry.place) if name == chosen else _not_loaded
        if isinstance(found, typer.Typer):
            cli.add_typer(found, name=name, help=entry.help)
        else:
            cli.command(name, help=entry.help if found is _not_loaded else None)(found)
    return cli


def _not_loaded() -> None:
    """Stands in the help for a command that this run does not call."""


def _find(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _told(error: Exception) -> list[str] | None:
    """What the user is told about an error, line by line; None: it is a fault of the program."""
    from sqlalchemy.exc import DBAPIError

    from app.core.errors import BihuanError
    from app.core.postgres import PostgresUnavailable
    from app.core.settings import SettingsError

    if isinstance(error, BihuanError):
        faults = error.extra.get("faults", ())
        return [error.detail, *(f"  {fault.get('path') or ''} {fault['message']}" for fault in faults)]
    if isinstance(error, SettingsError | PostgresUnavailable):
        return [str(error)]
    if isinstance(error, DBAPIError):
        # only the server's own words: the statement and its values are nobody's business here
        return [
            f"数据库出错：{str(error.orig).splitlines()[0]}",
            "请检查 BIHUAN_DATABASE_URL，结构未建时先执行 bihuan db upgrade。",
        ]
    if isinstance(error, OSError):
        return [f"{error}"]
    return None


def main() -> None:
    """Runs the command line."""
    chosen = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build(chosen)()
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        typer.secho(told[0], err=True, fg="red", bold=True)
        for line in told[1:]:
            typer.echo(line, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
