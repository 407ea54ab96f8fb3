"""Which processes belong to the server: a number in a file is not enough, numbers are used again.

Processes are recognised by owner and command line. ``/proc/<pid>/cwd`` would be exact, but root in a
container is usually not allowed to read it for another user's process.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.core.postgres.folders import Folders

_PROC = Path("/proc")


@dataclass(frozen=True)
class PidFile:
    """``postmaster.pid``: who runs, in which socket folder, and ``starting``, ``ready`` or ``stopping``."""

    pid: int
    socket_dir: Path
    status: str


def read_pid_file(folders: Folders) -> PidFile | None:
    """The server's own note, None while there is none or it is half written."""
    try:
        lines = (folders.cluster / "postmaster.pid").read_text().splitlines()
        return PidFile(int(lines[0]), Path(lines[4].strip()), lines[7].strip())
    except (OSError, ValueError, IndexError):
        return None


def noted_pid(folders: Folders) -> int | None:
    """The first line alone, which is there from the first moment of a start."""
    try:
        return abs(int((folders.cluster / "postmaster.pid").read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def is_postmaster(folders: Folders, pid: int) -> bool:
    """Whether ``pid`` is, now, the main process of this server. A zombie is not."""
    if not exists(pid):
        return False
    command = command_of(pid)
    return command is not None and _is_main(folders, command)


def server_processes(folders: Folders, uid: int) -> list[int]:
    """Every process of this server owned by ``uid``: the main one and its children, orphans included."""
    title = f"postgres: {folders.short_name}:"
    return [
        pid
        for pid, owner, command in _all_commands()
        if owner == uid and (command.startswith(title) or _is_main(folders, command))
    ]


def _is_main(folders: Folders, command: str) -> bool:
    return f" -D {folders.cluster} " in command and f"cluster_name={folders.short_name}" in command


def exists(pid: int) -> bool:
    """Whether the number is in use, by whomever; a zombie counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_of(pid: int) -> str | None:
    """Its command line, words separated by spaces; None when it has gone, empty for a zombie."""
    if _PROC.joinpath("self").exists():
        return _proc_command(pid)
    return next((command for found, _, command in _all_commands() if found == pid), None)


def _proc_command(pid: int) -> str | None:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return os.fsdecode(raw.replace(b"\0", b" "))


def _all_commands() -> Iterator[tuple[int, int, str]]:
    """(pid, owner, command line) of every process that can be seen."""
    if _PROC.joinpath("self").exists():
        for entry in os.scandir(_PROC):
            if not entry.name.isdigit():
                continue
            command = _proc_command(int(entry.name))
            if command:
                try:
                    yield int(entry.name), entry.stat().st_uid, command
                except OSError:
                    continue
        return
    listing = subprocess.run(["/bin/ps", "-axwwo", "pid=,uid=,command="], capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3:
            yield int(words[0]), int(words[1]), words[2] + " "
