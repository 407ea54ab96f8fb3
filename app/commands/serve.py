"""``bihuan serve`` and ``bihuan worker``: the two processes of the service."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import typer
import uvicorn

from app.commands.db import DatabaseOption, database_url, is_current
from app.core.application_role import warn_of_a_powerful_role
from app.core.errors import Unavailable
from app.core.settings import get_settings

_APP = "app.main:create_app"
#: how long requests that are under way may take when the process is asked to end
_GRACE_SECONDS = 15

UntilStdinCloses = Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)]


def serve(
    host: Annotated[str, typer.Option(help="监听地址；容器内用 0.0.0.0")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="监听端口")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="进程数，一般与 CPU 核数相同")] = 1,
    database: DatabaseOption = "bihuan",
    fd: Annotated[int, typer.Option(hidden=True)] = -1,
    ready_fd: Annotated[int, typer.Option(hidden=True)] = -1,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """启动 HTTP 服务。数据库结构须已是最新（bihuan db upgrade）。"""
    # Models are small: threads inside one matrix product would only take the cores from other requests (MEASURED.md).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if until_stdin_closes:
        end_with_stdin()
    if fd >= 0:
        _serve_socket(socket.socket(fileno=fd), ready_fd)
        return
    with ExitStack() as held:
        held.enter_context(_current_database(database))
        if workers > 1:
            # Processes count for themselves; this is where they meet when /metrics is asked. Fresh, because counts of
            # processes that are long gone would be added to ours.
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="bihuan-metrics-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        # The default of 5 s would kill a process that is still building the city's masters on a busy machine.
        uvicorn.run(_APP, host=host, port=port, workers=workers, timeout_worker_healthcheck=60, **_options())


def worker(
    database: DatabaseOption = "bihuan",
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Prometheus 指标端口；不写则不开")] = None,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """启动后台进程：到期的时限、待推送的消息、待重试的任务。可以同时启动多个。"""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if until_stdin_closes:
        end_with_stdin()
    with _current_database(database) as url:
        asyncio.run(_work(url, metrics_port))


async def _work(url: str, metrics_port: int | None) -> None:
    from app import worker as background
    from app.core.logging import configure_logging

    settings = get_settings().model_copy(update={"database_url": url})
    configure_logging(settings)
    await background.run(settings, stop=asyncio.Event(), metrics_port=metrics_port)


def end_with_stdin() -> None:
    """Ends this process (SIGTERM to itself) when its standard input closes: whoever started it is gone, however."""

    def wait() -> None:
        # Not through sys.stdin: a thread that holds its lock would upset the interpreter's end.
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _options() -> dict[str, Any]:
    return {
        "factory": True,
        "lifespan": "on",
        # our own logging is set up when the app starts; one line a request would say less than the metrics do
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
    }


@contextmanager
def _current_database(database: str) -> Iterator[str]:
    """Waits for the database, holds it and names it to the processes started from here.

    Raises Unavailable for an old schema, and ``typer.Exit`` when it was asked to stop while it waited.
    """
    with database_url(database) as url:
        asyncio.run(_until_it_answers(url))
        if not is_current(url):
            raise Unavailable("数据库结构不是本版本的：请先执行 bihuan db upgrade。")
        if not get_settings().demo:
            asyncio.run(warn_of_a_powerful_role(url))
        os.environ["BIHUAN_DATABASE_URL"] = url
        get_settings.cache_clear()
        yield url


async def _until_it_answers(url: str) -> None:
    from app.core.logging import configure_logging
    from app.runtime import stop_on_signals, until_database_answers

    configure_logging(get_settings())
    stop = asyncio.Event()
    with stop_on_signals(stop):
        if not await until_database_answers(url, stop):
            raise typer.Exit


class _AnnouncingServer(uvicorn.Server):
    """Says on a pipe when it accepts requests: with a socket shared by several processes nobody else could tell."""

    def __init__(self, config: uvicorn.Config, ready_fd: int) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready_fd >= 0:
            os.write(self._ready_fd, b"ready\n")
            os.close(self._ready_fd)


def _serve_socket(listening: socket.socket, ready_fd: int) -> None:
    """One process on a socket that its parent opened, on the database that its parent holds (``stack.py``)."""
    get_settings()
    server = _AnnouncingServer(uvicorn.Config(_APP, **_options()), ready_fd)
    server.run(sockets=[listening])
    if not server.started:
        sys.exit(3)
