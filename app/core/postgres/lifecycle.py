"""Holding the embedded server: a lease per process, a supervisor started when there is none."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from app.core.postgres import binaries, errors, server
from app.core.postgres.errors import PostgresUnavailable, os_errors_explained
from app.core.postgres.folders import PORT, Folders
from app.core.postgres.locks import FileLock, is_held
from app.core.postgres.processes import command_of, is_postmaster, noted_pid

_POLL_SECONDS = 0.03
_SILENT_SUPERVISORS = 5
_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
#: another process may be faster by a moment
_MAKE_APP_LOGIN = " ".join(
    f"""DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"""
    for role in (f"{server.APP_ROLE} NOLOGIN", f"{server.APP_LOGIN} LOGIN IN ROLE {server.APP_ROLE}")
)
_SUPERVISOR_LOG_BYTES = 1024 * 1024
_SUPERVISOR = "app.core.postgres.supervisor"
_PACKAGE_PARENT = Path(__file__).resolve().parents[3]


class Lease:
    """While it is open the server runs. Closing it, or the process ending in any way, gives it back.

    A lease that is merely forgotten stays in force until the process ends. Several in one process do not
    interfere.
    """

    def __init__(self, folders: Folders, held: FileLock, bin_dir: Path, socket_dir: Path) -> None:
        self._folders = folders
        self._held: FileLock | None = held
        self._bin_dir = bin_dir
        self.socket_dir = socket_dir
        self.port = PORT
        self.user = server.SUPERUSER

    @property
    def data_dir(self) -> Path:
        return self._folders.data_dir

    @property
    def bin_dir(self) -> Path:
        """``psql``, ``pgbench``, ``pg_dump`` and the others; see ``libpq_environment``."""
        return self._bin_dir

    @property
    def libpq_environment(self) -> dict[str, str]:
        """What makes a client program find this server."""
        return {"PGHOST": str(self.socket_dir), "PGPORT": str(self.port), "PGUSER": self.user}

    def url(self, database: str = "bihuan") -> str:
        """SQLAlchemy's asyncpg URL of ``database`` for its owner, who migrates it; see ``app_url`` for the application.

        The database is created if missing: UTF-8, code point order.

        Blocks for some 20 ms; usable inside a running event loop and outside. ``database`` is a plain
        lower-case identifier, else ``ValueError``. Raises ``PostgresUnavailable`` when the server does not
        answer.
        """
        if not _DATABASE_NAME.fullmatch(database):
            raise ValueError(f"not a plain database name: {database!r}")
        self._create_if_missing(database)
        return self._address(self.user, database)

    def app_url(self, database: str = "bihuan") -> str:
        """As ``url``, for the application: a role that the migrations allow to work and to add to history, no more."""
        self.url(database)
        self._psql(_MAKE_APP_LOGIN)
        return self._address(server.APP_LOGIN, database)

    def close(self) -> None:
        """Give the lease back; three seconds after the last one the server stops. May be called twice."""
        if self._held is None:
            return
        self._held.close()
        self._held = None
        # Without a supervisor (killed) nobody would ever stop the server.
        folders = self._folders
        if not is_held(folders.supervisor_lock) and _server_pid(folders) is not None:
            _spawn_supervisor(folders, fsync=True).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _address(self, user: str, database: str) -> str:
        return f"postgresql+asyncpg://{user}@/{database}?host={quote(str(self.socket_dir))}&port={self.port}"

    def _create_if_missing(self, database: str) -> None:
        if self._psql(f"SELECT 'there' FROM pg_database WHERE datname = '{database}'").strip() == "there":  # noqa: S608 - a checked identifier
            return
        try:
            self._psql(
                f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin "
                "BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
            )
        except PostgresUnavailable as error:
            # Another process was faster by a moment: 42P04 duplicate_database, or 23505 on the catalog's
            # index.
            if "already exists" not in str(error) and "pg_database_datname_index" not in str(error):
                raise

    def _psql(self, statement: str) -> str:
        if self._held is None:
            raise ValueError("the lease is closed")
        done = binaries.run(
            self._bin_dir / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-h", str(self.socket_dir), "-p", str(self.port), "-U", self.user,
            "-d", "postgres", "-c", statement,
        )  # fmt: skip
        if done.returncode != 0:
            raise errors.refused_to_start(self.data_dir, log=self._folders.server_log, last_words=done.stderr.strip())
        return done.stdout


def lease(data_dir: Path | None = None, *, fsync: bool = True, timeout_seconds: float = 60.0) -> Lease:
    """Hold the server of ``data_dir`` (or ``default_data_dir()``), started if need be; wait for it.

    ``fsync=False`` is for tests: the folder is then marked, and is refused to anyone who wants a real
    database. Raises ``PostgresUnavailable`` with a sentence that says what to do.
    """
    folders = Folders.of(data_dir)
    deadline = time.monotonic() + timeout_seconds
    with os_errors_explained(folders.data_dir, folders.identity()):
        folders.prepare()
        held = FileLock(folders.lease_lock)
        try:
            # First of all: while this is held the supervisor cannot begin to stop the server.
            if not held.wait_lock(deadline, shared=True):
                raise _too_late(folders, timeout_seconds)
            _check_durability(folders, fsync=fsync)
            bin_dir = binaries.bin_folder(folders) if _is_served(folders) else None
            socket_dir = server.answers(folders, bin_dir) if bin_dir else None
            if bin_dir is None or socket_dir is None:
                with FileLock(folders.gate_lock) as gate:
                    if not gate.wait_lock(deadline):
                        raise _too_late(folders, timeout_seconds)
                    bin_dir, socket_dir = _bring_up(folders, fsync, deadline, timeout_seconds)
                _check_durability(folders, fsync=fsync)
            return Lease(folders, held, bin_dir, socket_dir)
        except BaseException:
            held.close()
            raise


def stop(data_dir: Path | None = None, *, timeout_seconds: float = 60.0) -> bool:
    """Stop the server now, not in three seconds, and wait for its end: for whoever deletes the folder next.

    False, and nothing happens, while any process holds a lease.
    """
    folders = Folders.of(data_dir)
    if not folders.root.is_dir():
        return True
    deadline = time.monotonic() + timeout_seconds
    with FileLock(folders.lease_lock) as leases, FileLock(folders.supervisor_lock) as supervisor:
        # The supervisor itself probes this lock for moments, hence the patience.
        if not leases.wait_lock(min(deadline, time.monotonic() + 0.3)):
            return False
        if not is_held(folders.supervisor_lock) and _server_pid(folders) is not None:
            _spawn_supervisor(folders, fsync=True).wait(deadline)
        while not supervisor.try_lock():
            # The number may be a predecessor's for a moment, so the process is asked for its name first.
            written = supervisor.read()
            if written.isdigit() and f"{_SUPERVISOR} {folders.data_dir} " in (command_of(int(written)) or ""):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(written), signal.SIGTERM)
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
    return True


def bin_dir(data_dir: Path | None = None) -> Path:
    """PostgreSQL's programs as the server of ``data_dir`` uses them. Raises ``PostgresUnavailable``."""
    folders = Folders.of(data_dir)
    with os_errors_explained(folders.data_dir, folders.identity()):
        folders.prepare()
        return binaries.bin_folder(folders)


class _Start:
    """A supervisor on its way, and the pipe on which it says once how the start went."""

    def __init__(self, reading_fd: int) -> None:
        self._fd = reading_fd

    def wait(self, deadline: float) -> tuple[str, str] | None:
        """(state, message), or None when nothing was said: killed, or still at it when the time is up."""
        heard = b""
        with os.fdopen(self._fd, "rb", buffering=0) as pipe:
            while not heard.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([pipe], [], [], left)[0]:
                    return None
                part = pipe.read(65536)
                if not part:
                    return None
                heard += part
        said = json.loads(heard)
        return said["state"], said["message"]

    def close(self) -> None:
        os.close(self._fd)


def _bring_up(folders: Folders, fsync: bool, deadline: float, timeout_seconds: float) -> tuple[Path, Path]:
    bin_dir: Path | None = None
    silent = 0
    while time.monotonic() < deadline:
        if not is_held(folders.supervisor_lock):
            said = _spawn_supervisor(folders, fsync=fsync).wait(deadline)
            if said is not None and said[0] == "failed":
                raise PostgresUnavailable(said[1])
            silent += said is None
            if silent == _SILENT_SUPERVISORS and time.monotonic() < deadline:
                raise errors.refused_to_start(
                    folders.data_dir,
                    log=folders.supervisor_log,
                    last_words=server.last_words(folders.supervisor_log),
                )
        elif (folders.cluster / "PG_VERSION").is_file():
            bin_dir = bin_dir or binaries.bin_folder(folders)
            socket_dir = server.answers(folders, bin_dir)
            if socket_dir is not None:
                return bin_dir, socket_dir
        time.sleep(_POLL_SECONDS)
    raise _too_late(folders, timeout_seconds)


def _spawn_supervisor(folders: Folders, *, fsync: bool) -> _Start:
    """Start one without waiting for the server. A second one finds the lock taken and leaves."""
    try:
        if folders.supervisor_log.stat().st_size > _SUPERVISOR_LOG_BYTES:
            os.truncate(folders.supervisor_log, 0)
    except FileNotFoundError:
        pass
    search = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    reading, writing = os.pipe()
    try:
        log = os.open(folders.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            launcher = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [
                    sys.executable, "-m", _SUPERVISOR, str(folders.data_dir),
                    "--fsync", "on" if fsync else "off", "--report-fd", str(writing),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=os.environ | {"PYTHONPATH": os.pathsep.join(search)},
                start_new_session=True,
                pass_fds=(writing,),
            )  # fmt: skip
        finally:
            os.close(log)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    launcher.wait()  # it forks and leaves at once
    return _Start(reading)


def _is_served(folders: Folders) -> bool:
    return is_held(folders.supervisor_lock) and (folders.cluster / "PG_VERSION").is_file()


def _server_pid(folders: Folders) -> int | None:
    pid = noted_pid(folders)
    return pid if pid is not None and is_postmaster(folders, pid) else None


def _check_durability(folders: Folders, *, fsync: bool) -> None:
    if (folders.cluster / "PG_VERSION").is_file() and server.is_durable(folders) != fsync:
        raise errors.wrong_durability(folders.data_dir, made_durable=not fsync)


def _too_late(folders: Folders, seconds: float) -> PostgresUnavailable:
    last_words = server.last_words(folders.server_log)
    return errors.not_in_time(folders.data_dir, seconds=seconds, log=folders.server_log, last_words=last_words)
