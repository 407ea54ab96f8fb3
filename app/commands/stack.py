"""A whole stack of our own as processes: for the demo, replays, measurements and drills. Loopback only.

The parent holds the embedded server's lease and the listening socket; the children are ``bihuan serve`` on that socket
and ``bihuan worker``. Each child's standard input is a pipe from the parent, so that they end with it however it ends,
``kill -9`` included. They are in a session of their own: Ctrl-C reaches only the parent, which ends them in order.
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from pydantic import ValidationError

from app.commands.city import City, set_up_city
from app.commands.db import upgrade_schema
from app.core import postgres
from app.core.crypto import Keyring
from app.core.database import Sessions, make_engine, make_sessions
from app.core.errors import BihuanError
from app.core.settings import ENV_PREFIX, Settings, SettingsError

__all__ = ["City", "Stack", "StackFailed", "running_stack", "set_up_city"]

_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]
_READY_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 20.0
_BACKLOG: Final = 2048

#: loads what the stack is to work with, on the migrated database, while the processes start
Prepare = Callable[[Sessions, Keyring], Awaitable[None]]


class StackFailed(BihuanError):
    """A process of the stack did not start, or ended by itself; the text holds the end of its log."""

    status = 503
    code = "stack_failed"
    title = "服务进程未能运行"


class _Child:
    """One process of ours, which can be killed and started again."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._arguments = [sys.executable, "-P", "-m", "app.cli", *arguments, "--until-stdin-closes"]
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs, or ran last."""
        if self._process is None:
            raise StackFailed(f"{self.name} 尚未启动")
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def start(self, extra: Sequence[str], pass_fds: Sequence[int], env: Mapping[str, str]) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [*self._arguments, *extra],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**self._env, **env},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def stop(self) -> None:
        """Asks it to end (SIGTERM), and kills it when it does not within ``_STOP_SECONDS``."""
        if not self.ended:
            self._signal(signal.SIGTERM)
            if not await self._ends_within(_STOP_SECONDS):
                await self.kill()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def kill(self) -> None:
        """SIGKILL, and its end."""
        self._signal(signal.SIGKILL)
        await self._ends_within(_STOP_SECONDS)

    async def _ends_within(self, seconds: float) -> bool:
        # Polled: the wait for a child must not occupy a thread that outlives a cancelled task.
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:  # noqa: ASYNC110 - a child's end sets no event here
            await asyncio.sleep(0.02)
        return self.ended

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def failed(self) -> StackFailed:
        """Why it is not there, with the end of its log."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
            return StackFailed("\n".join([f"{self.name} 没有运行，日志 {self.log} 的末尾：", *lines]))
        return StackFailed(f"{self.name} 没有运行，也没有日志 {self.log}")


class Stack:
    """A running stack. ``sessions`` and ``keyring`` reach its database from here, beside the processes."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        sessions: Sessions,
        listening: socket.socket,
        apis: Sequence[_Child],
        worker: _Child | None,
    ) -> None:
        self.settings = settings
        self.database_url = url
        self.sessions = sessions
        self.keyring = Keyring.from_settings(settings)
        self._listening = listening
        self._apis = tuple(apis)
        self._worker = worker

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:port``; the API itself is below ``/api/v1``."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def api_pids(self) -> list[int]:
        """Process ids of the API processes, in order."""
        return [api.pid for api in self._apis]

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker; None: there is none."""
        return self._worker.pid if self._worker else None

    def require_running(self) -> None:
        """Raises StackFailed when a process has ended by itself."""
        for child in self._children():
            if child.ended:
                raise child.failed()

    async def start(self) -> None:
        """Starts every process and waits until each API process accepts requests. Raises StackFailed.

        The worker comes last: on two cores its start would only hold up the API's, and nothing waits for it.
        """
        await asyncio.gather(*(self._start_api(api, {}) for api in self._apis))
        if self._worker is not None:
            self._worker.start((), (), {})
        await self.wait_ready()

    async def stop(self) -> None:
        """Ends every process."""
        await asyncio.gather(*(child.stop() for child in self._children()))

    async def kill_api(self, index: int = 0) -> None:
        """``kill -9`` of one API process."""
        await self._apis[index].kill()

    async def restart_api(self, index: int = 0, env: Mapping[str, str] | None = None) -> None:
        """Kills an API process if it still runs, starts it again (with ``env`` besides), waits until it is ready."""
        await self._apis[index].kill()
        await self._start_api(self._apis[index], env or {})

    async def kill_worker(self) -> None:
        """``kill -9`` of the worker."""
        if self._worker is not None:
            await self._worker.kill()

    async def restart_worker(self, env: Mapping[str, str] | None = None) -> None:
        """Kills the worker if it still runs and starts it again (with ``env`` besides)."""
        if self._worker is not None:
            await self._worker.kill()
            self._worker.start((), (), env or {})

    async def wait_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Waits until ``/readyz`` answers 200, database included. Raises StackFailed."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=self.base_url, timeout=5, trust_env=False) as http:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get("/readyz")).is_success:
                        return
                await asyncio.sleep(0.1)
        raise StackFailed(f"{self.base_url}/readyz 在 {seconds:.0f} 秒内没有就绪")

    async def _start_api(self, api: _Child, env: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        try:
            socket_fd = self._listening.fileno()
            api.start(["--fd", str(socket_fd), "--ready-fd", str(writing)], (socket_fd, writing), env)
        finally:
            os.close(writing)
        try:
            deadline = time.monotonic() + _READY_SECONDS
            # The pipe closes when the process ends, so an unready child is noticed at once.
            while not select.select([reading], [], [], 0)[0]:
                if time.monotonic() > deadline:
                    raise StackFailed(f"{api.name} 在 {_READY_SECONDS:.0f} 秒内没有就绪，见日志 {api.log}")
                await asyncio.sleep(0.02)
            if not os.read(reading, 16):
                raise api.failed()
        finally:
            os.close(reading)

    def _children(self) -> list[_Child]:
        return [*self._apis, *([self._worker] if self._worker else ())]


@asynccontextmanager
async def running_stack(
    settings_env: Mapping[str, str],
    database: str = "bihuan",
    api_processes: int = 1,
    port: int = 0,
    worker: bool = True,
    *,
    prepare: Prepare | None = None,
) -> AsyncIterator[Stack]:
    """Migrates the database, starts everything while ``prepare`` runs; ends every process when the block ends.

    ``settings_env``: variables ``BIHUAN_*`` on top of the environment's. ``database``: its name inside the embedded
    server (``BIHUAN_DATABASE_URL`` goes before it). ``port`` 0: a free one. Logs go to ``logs`` below the data folder.
    Raises SettingsError, PostgresUnavailable, StackFailed, and OSError for a port that is taken.
    """
    settings = settings_of(settings_env)
    with ExitStack() as held:
        listening = held.enter_context(_listen(port))
        url = settings.database_url
        owner_url = settings.owner_database_url or url
        if not url:
            lease = held.enter_context(await asyncio.to_thread(postgres.lease, settings.data_dir))
            owner_url = await asyncio.to_thread(lease.url, database)
            url = await asyncio.to_thread(lease.app_url, database)
        await asyncio.to_thread(upgrade_schema, owner_url)
        engine = make_engine(url, pool_size=4, application_name="bihuan-stack")
        try:
            env = _child_env(settings_env, settings, url)
            if api_processes > 1:
                env["PROMETHEUS_MULTIPROC_DIR"] = held.enter_context(
                    tempfile.TemporaryDirectory(prefix="bihuan-metrics-")
                )
            logs = _log_folder(settings)
            apis = [
                _Child(f"api-{n}", ["serve"], env, _fresh(logs / f"{database}-api-{n}.log"))
                for n in range(1, api_processes + 1)
            ]
            # Its counts stay its own: the folder is for the processes behind one /metrics.
            own = {name: value for name, value in env.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
            background = _Child("worker", ["worker"], own, _fresh(logs / f"{database}-worker.log")) if worker else None
            stack = Stack(settings, url, make_sessions(engine), listening, apis, background)
            starting = asyncio.create_task(stack.start())
            try:
                if prepare is not None:
                    await prepare(stack.sessions, stack.keyring)
                await starting
                yield stack
            finally:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                await stack.stop()
        finally:
            await engine.dispose()


def settings_of(settings_env: Mapping[str, str]) -> Settings:
    """The settings that a process with this environment on top of ours would have. Raises SettingsError."""
    given = {name.removeprefix(ENV_PREFIX).lower(): value for name, value in settings_env.items()}
    known = {name: value for name, value in given.items() if name in Settings.model_fields}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        faults = [f"{fault['loc']}: {fault['msg']}" for fault in error.errors(include_url=False, include_input=False)]
        raise SettingsError("\n".join(["环境变量有误 / Wrong environment variables:", *faults])) from None


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise OSError(f"端口 {port} 已被占用，请用 --port 换一个") from None
    listening.listen(_BACKLOG)
    return listening


def _child_env(settings_env: Mapping[str, str], settings: Settings, url: str) -> dict[str, str]:
    search = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **settings_env,
        "BIHUAN_DATABASE_URL": url,
        "BIHUAN_OWNER_DATABASE_URL": "",
        "BIHUAN_DATA_DIR": str(settings.data_dir),
        "PYTHONPATH": os.pathsep.join(search),
        "PYTHONUNBUFFERED": "1",
    }


def _log_folder(settings: Settings) -> Path:
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fresh(log: Path) -> Path:
    log.unlink(missing_ok=True)
    return log
