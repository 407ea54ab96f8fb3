"""Whole-file ``flock`` locks: the kernel drops them when the holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_RETRY_SECONDS = 0.02
_CONTENT_BYTES = 24


class FileLock:
    """One open lock file. Opening takes no lock; ``try_lock`` and ``wait_lock`` do; ``close`` gives it back.

    ``close`` never unlocks explicitly: a forked child shares the open file, and its closing must not take the
    lock away from the parent.
    """

    def __init__(self, path: Path) -> None:
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._path = path

    @property
    def fd(self) -> int:
        if self._fd is None:
            raise ValueError(f"{self._path} is closed")
        return self._fd

    def try_lock(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free right now."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_lock(self, deadline: float, *, shared: bool = False) -> bool:
        """Take the lock before ``deadline`` (``time.monotonic`` seconds); False when it stays taken.

        A lock file replaced or deleted meanwhile would guard nothing, so it is opened anew.
        """
        while True:
            if self.try_lock(shared=shared):
                if self.in_place():
                    return True
                self.close()
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                continue
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)

    def unlock(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def in_place(self) -> bool:
        """Whether the path still names the file that we hold open."""
        try:
            named = os.stat(self._path)
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self.fd))

    def write(self, text: str) -> None:
        """Replace the file's short content, which is for people and for ``read``; the lock is independent of it."""
        # Padded rather than truncated: on a full disk the block that is given back is lost.
        os.pwrite(self.fd, text.ljust(_CONTENT_BYTES).encode(), 0)

    def read(self) -> str:
        return os.pread(self.fd, _CONTENT_BYTES, 0).decode(errors="replace").strip()

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether some process holds ``path`` exclusively. Nothing is created."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
