"""The detached process that owns the server: ``python -m app.core.postgres.supervisor DATA_DIR``.

It starts the server, restarts it when it dies while somebody holds a lease, and stops it three seconds after
the last lease has gone, however it went. It holds one lock for its whole life: that lock is what "the
supervisor runs" means. Killed with ``kill -9`` it leaves the server running; the next lease starts a new
supervisor, which adopts the server.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from app.core.postgres.errors import PostgresUnavailable, os_errors_explained
from app.core.postgres.folders import Folders
from app.core.postgres.locks import FileLock
from app.core.postgres.server import Server, StopRequested

IDLE_SECONDS = 3.0

_TICK_SECONDS = 0.25
_LOCK_WAIT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 15.0
_ROTATE_EVERY_SECONDS = 60.0

_log = logging.getLogger("bihuan.postgres")


class Supervisor:
    """Watches leases and server; ``run`` returns when there is nothing left to watch."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._stopping = False
        self._leases = FileLock(folders.lease_lock)
        self._server = Server(folders, lambda: self._stopping)

    def request_stop(self) -> None:
        self._stopping = True

    def start(self, *, fsync_if_new: bool) -> None:
        """Bring the server up. Raises ``PostgresUnavailable``, or ``StopRequested`` if told to end."""
        with os_errors_explained(self._folders.data_dir, self._folders.identity()):
            self._server.bring_up(fsync_if_new=fsync_if_new)

    def stop(self) -> None:
        self._server.stop()

    def run(self) -> None:
        idle_since: float | None = None
        retry_at, pause = 0.0, 1.0
        rotate_at = time.monotonic() + _ROTATE_EVERY_SECONDS
        self._server.rotate_log()
        while not self._stopping:
            time.sleep(_TICK_SECONDS)
            now = time.monotonic()
            if not self._leases.in_place():
                _log.info("the data folder is gone")
                self._server.stop(immediately=True)
                return
            if self._leases.try_lock():
                idle_since = now if idle_since is None else idle_since
                if now - idle_since >= IDLE_SECONDS:
                    # The lock is kept until we exit: a new lease waits for the server's end and then starts
                    # it anew.
                    _log.info("no lease is held")
                    break
                self._leases.unlock()
                continue
            idle_since = None
            if now >= rotate_at:
                self._server.rotate_log()
                rotate_at = now + _ROTATE_EVERY_SECONDS
            if now >= retry_at and not self._is_well():
                try:
                    self.start(fsync_if_new=True)
                    pause = 1.0
                except PostgresUnavailable as error:
                    # A full disk may be emptied while the holders of leases keep trying: so do we.
                    _log.error("restart failed, next try in %.0f s: %s", pause, error)
                    retry_at, pause = now + pause, min(pause * 2, _LONGEST_PAUSE_SECONDS)
        self._server.stop()

    def _is_well(self) -> bool:
        if not self._server.is_running():
            _log.warning("the server has died while leases are held")
            return False
        if not self._server.has_socket():
            _log.warning("the socket was removed; restarting the server")
            self._server.stop()
            return False
        return True


def main(arguments: list[str] | None = None) -> int:
    """Detach, take the supervisor's lock, report once, supervise. Status 1 when the server did not start."""
    parser = argparse.ArgumentParser(prog="python -m app.core.postgres.supervisor")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--fsync", choices=("on", "off"), default="on", help="for a cluster yet to be made")
    parser.add_argument("--report-fd", type=int, help="where to say how the start went (one JSON line)")
    chosen = parser.parse_args(arguments)
    # A second fork hands us to the system's first process, so that no parent has to collect us.
    if os.fork():
        os._exit(0)
    if chosen.report_fd is not None:
        os.set_inheritable(chosen.report_fd, False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s [%(process)d] %(message)s", stream=sys.stderr)

    folders = Folders.of(chosen.data_dir)
    lock = FileLock(folders.supervisor_lock)
    if not lock.wait_lock(time.monotonic() + _LOCK_WAIT_SECONDS):
        _report(chosen.report_fd, "busy")
        return 0
    supervisor = Supervisor(folders)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.request_stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with os_errors_explained(folders.data_dir, folders.identity()):
            lock.write(str(os.getpid()))
        supervisor.start(fsync_if_new=chosen.fsync == "on")
    except PostgresUnavailable as error:
        _log.error("%s", error)
        supervisor.stop()
        _report(chosen.report_fd, "failed", str(error))
        return 1
    except StopRequested:
        supervisor.stop()
        return 0
    _report(chosen.report_fd, "ready")
    try:
        supervisor.run()
    except StopRequested:
        supervisor.stop()
    except Exception:
        # The server is left running: whoever leases next starts a supervisor that adopts it.
        _log.exception("the supervisor failed")
        return 1
    return 0


def _report(fd: int | None, state: str, message: str = "") -> None:
    if fd is None:
        return
    try:
        os.write(fd, json.dumps({"state": state, "message": message}).encode() + b"\n")
    except BrokenPipeError:
        pass  # whoever started us was killed meanwhile
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
