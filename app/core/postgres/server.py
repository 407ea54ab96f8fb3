"""Making, starting, adopting and stopping the server. ``Server`` is the supervisor's alone."""

import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from app.core.postgres import binaries
from app.core.postgres.configuration import command_line, write_configuration
from app.core.postgres.errors import no_space, other_version, refused_to_start
from app.core.postgres.folders import PORT, Folders
from app.core.postgres.processes import exists, is_postmaster, noted_pid, read_pid_file, server_processes

SUPERUSER = "bihuan"
APP_ROLE = "bihuan_app"
"""What the application may do; made by the migrations too, in any server. A group that nobody logs in as."""
APP_LOGIN = "bihuan_service"
"""As whom the application connects to the embedded server: a member of the group, and nothing else."""

_FREE_BYTES_FOR_A_NEW_CLUSTER = 256 * 1024 * 1024
_LOG_BYTES = 16 * 1024 * 1024
_TICK_SECONDS = 0.02
_FAST_SHUTDOWN_SECONDS = 120
_START_TRIES = 4

_log = logging.getLogger("bihuan.postgres")


class StopRequested(Exception):
    """Somebody wants the supervisor to end while the server is still starting."""


def answers(folders: Folders, bin_dir: Path) -> Path | None:
    """The socket folder of the running server if it accepts connections right now, else None."""
    note = read_pid_file(folders)
    if note is None or note.status != "ready":
        return None
    asked = binaries.run(
        bin_dir / "pg_isready", "-q", "-t", "5", "-h", str(note.socket_dir), "-p", str(PORT), "-U", SUPERUSER,
        "-d", "postgres",
    )  # fmt: skip
    return note.socket_dir if asked.returncode == 0 else None


def is_durable(folders: Folders) -> bool:
    """Whether the cluster was made with fsync on. A cluster without a marker is somebody's data: durable."""
    try:
        return folders.durability_marker.read_text().strip() != "fsync=off"
    except FileNotFoundError:
        return True


def last_words(log: Path, lines: int = 12) -> str:
    """The end of a log file, for an error message."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 4096))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


class Server:
    """The one server of a data folder, as its supervisor sees it."""

    def __init__(self, folders: Folders, stop_requested: Callable[[], bool]) -> None:
        self._folders = folders
        self._stop_requested = stop_requested
        self._identity = folders.identity()
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._socket_dir: Path | None = None

    def bring_up(self, *, fsync_if_new: bool) -> None:
        """Return when the server accepts connections: a running one is adopted, a missing cluster created.

        Raises ``PostgresUnavailable``, ``OSError``, or ``StopRequested``.
        """
        folders = self._folders
        bin_dir = binaries.bin_folder(folders, verify=True)
        if not (folders.cluster / "PG_VERSION").is_file():
            self._create(bin_dir, fsync=fsync_if_new)
            self._identity = folders.identity()
        self._check_version(bin_dir)
        for attempt in range(_START_TRIES):
            self._pid = self._running_pid()
            if self._pid is None:
                if attempt:
                    time.sleep(0.3 * attempt)
                self._end_orphans()
                self._start(bin_dir)
            if self._settled(bin_dir):
                return
            # Gone: it was adopted while stopping, or an orphan of its predecessor still held the shared
            # memory.
        raise refused_to_start(folders.data_dir, log=folders.server_log, last_words=last_words(folders.server_log))

    def is_running(self) -> bool:
        """Whether the main process lives."""
        if self._pid is None:
            return False
        if self._child is not None:
            return self._child.poll() is None
        return is_postmaster(self._folders, self._pid)

    def has_socket(self) -> bool:
        """Whether the socket is still there: folders under /tmp do get swept."""
        return self._socket_dir is None or (self._socket_dir / f".s.PGSQL.{PORT}").exists()

    def stop(self, *, immediately: bool = False) -> None:
        """Fast shutdown: sessions are cut, a checkpoint written. ``immediately`` is for a lost folder."""
        signals = [(signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)]
        if not immediately:
            signals.insert(0, (signal.SIGINT, _FAST_SHUTDOWN_SECONDS))
        for number, seconds in signals:
            if not self.is_running() or self._pid is None:
                break
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                break
            deadline = time.monotonic() + seconds
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(_TICK_SECONDS)
        self._pid = self._child = None
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def rotate_log(self) -> None:
        """Keep the server's log and one before it, 16 MB each. The server appends, so truncating is safe."""
        log = self._folders.server_log
        try:
            if log.stat().st_size > _LOG_BYTES:
                try:
                    shutil.copyfile(log, log.with_suffix(".log.1"))
                finally:
                    os.truncate(log, 0)
        except OSError as error:
            _log.warning("the log could not be rotated: %s", error)

    def _create(self, bin_dir: Path, *, fsync: bool) -> None:
        """``initdb`` beside the final place, then one rename: a cluster exists completely or not at all."""
        folders = self._folders
        for leftover in folders.root.glob("cluster.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if shutil.disk_usage(folders.root).free < _FREE_BYTES_FOR_A_NEW_CLUSTER:
            raise no_space(folders.data_dir)
        fresh = folders.root / f"cluster.new-{os.getpid()}"
        fresh.mkdir(mode=0o700)
        if self._identity.switches_user:
            os.chown(fresh, self._identity.uid, self._identity.gid)
        _log.info("creating the cluster in %s as %s, fsync %s", folders.cluster, self._identity.name, fsync)
        command = [
            str(bin_dir / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--lc-messages=C",
            "--data-checksums", "--no-instructions",
        ]  # fmt: skip
        if not fsync:
            command.append("--no-sync")
        made = subprocess.run(  # noqa: S603 - our own binary, the arguments are ours
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=binaries.environment(),
            check=False,
            **self._identity.spawn_as,
        )
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise refused_to_start(
                folders.data_dir, log=folders.supervisor_log, last_words=(made.stdout + made.stderr)[-2000:]
            )
        marker = fresh / folders.durability_marker.name
        marker.write_text("fsync=on\n" if fsync else "fsync=off\n")
        if fsync:
            _sync(marker)
            _sync(fresh)
        fresh.rename(folders.cluster)
        if fsync:
            _sync(folders.root)

    def _check_version(self, bin_dir: Path) -> None:
        found = (self._folders.cluster / "PG_VERSION").read_text().strip()
        wanted = binaries.major_version(bin_dir)
        if found != wanted:
            raise other_version(self._folders.data_dir, found=found, wanted=wanted)

    def _running_pid(self) -> int | None:
        pid = noted_pid(self._folders)
        return pid if pid is not None and is_postmaster(self._folders, pid) else None

    def _end_orphans(self) -> None:
        """Let the children of a killed main process go; they notice within moments unless they are computing.

        Two servers on one cluster would destroy it. PostgreSQL guards against that by itself; we only make
        sure that its guard has nothing left to object to.
        """
        for number, seconds in ((0, 2.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)):
            orphans = server_processes(self._folders, self._identity.uid)
            for pid in orphans:
                if number:
                    _log.warning("ending the orphaned server process %d with signal %d", pid, number)
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue
            deadline = time.monotonic() + seconds
            while orphans and time.monotonic() < deadline:
                time.sleep(_TICK_SECONDS)
                orphans = server_processes(self._folders, self._identity.uid)
            if not orphans:
                break
        # After a restart of the machine the number in the file may be any other program's; PostgreSQL would
        # then refuse to start for ever. A number that is free is left to PostgreSQL, which knows to clear it
        # away.
        noted = noted_pid(self._folders)
        if noted is not None and exists(noted) and not is_postmaster(self._folders, noted):
            _log.warning("postmaster.pid names process %d, which is not (or no longer) this server", noted)
            (self._folders.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _start(self, bin_dir: Path) -> None:
        folders = self._folders
        write_configuration(folders)
        self._socket_dir = folders.socket_dir(self._identity)
        for leftover in self._socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)
        command = command_line(bin_dir, folders, self._socket_dir, fsync=is_durable(folders))
        log = os.open(folders.server_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own binary, the arguments are ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=binaries.environment(),
                start_new_session=True,
                **self._identity.spawn_as,
            )
        finally:
            os.close(log)
        self._pid = self._child.pid
        _log.info("started the server, process %d", self._pid)

    def _settled(self, bin_dir: Path) -> bool:
        """Wait until the server accepts connections (True) or has gone (False). Recovery may take minutes."""
        while self.is_running():
            if self._stop_requested():
                raise StopRequested
            socket_dir = answers(self._folders, bin_dir)
            if socket_dir is not None and self.is_running():
                self._socket_dir = socket_dir
                return True
            time.sleep(_TICK_SECONDS)
        return False


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
