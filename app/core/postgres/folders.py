"""Where everything of the embedded server lies, and who may enter."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from app.core.postgres.errors import no_socket_folder, other_owner
from app.core.postgres.identity import ServerIdentity, server_identity

PORT = 5432
"""Only part of the socket's file name: the server listens on no network address."""


def default_data_dir() -> Path:
    """``BIHUAN_DATA_DIR``, else ``/var/lib/bihuan`` for root, else ``~/.local/share/bihuan``."""
    named = os.environ.get("BIHUAN_DATA_DIR")
    if named:
        return Path(named)
    return Path("/var/lib/bihuan") if os.geteuid() == 0 else Path.home() / ".local/share/bihuan"


@dataclass(frozen=True)
class Folders:
    """The paths of one data folder. ``data_dir`` is absolute and free of symbolic links."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path | None) -> "Folders":
        """``data_dir`` or the default, resolved: locks and socket agree however the folder is spelled."""
        return cls((data_dir or default_data_dir()).expanduser().resolve())

    @property
    def root(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def durability_marker(self) -> Path:
        """Inside the cluster, so that the two can neither be created nor copied apart."""
        return self.cluster / "bihuan-durability"

    @property
    def binaries(self) -> Path:
        return self.root / "binaries"

    @property
    def lease_lock(self) -> Path:
        return self.root / "lease.lock"

    @property
    def gate_lock(self) -> Path:
        return self.root / "gate.lock"

    @property
    def supervisor_lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def server_log(self) -> Path:
        return self.root / "server.log"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def short_name(self) -> str:
        """Names the socket folder and, through ``cluster_name``, every process of this server."""
        return "bihuan-" + hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]

    def identity(self) -> ServerIdentity:
        return server_identity(self.cluster)

    def prepare(self) -> None:
        """Create the folders. For root the server's group may enter them, nobody else.

        Raises ``OSError``, and ``PostgresUnavailable`` when the cluster is another user's.
        """
        identity = self.identity()
        if not self.data_dir.is_dir():
            # Parents get ordinary modes: /var/lib or ~/.local/share must stay as other programs expect them.
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            self.data_dir.mkdir(mode=0o700, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        if identity.switches_user:
            _let_group_enter(self.data_dir, identity)
            _let_group_enter(self.root, identity)
        elif self.cluster.exists() and self.cluster.stat().st_uid != identity.uid:
            raise other_owner(self.cluster, identity)

    def socket_dir(self, identity: ServerIdentity) -> Path:
        """A short folder of the server's user alone: Unix sockets allow 107 bytes, data paths do not care.

        ``/tmp`` belongs to everybody, so a folder of that name made by someone else is passed over.
        ``TMPDIR`` and ``XDG_RUNTIME_DIR`` are not used: they differ between the sessions that must find the
        same server.
        """
        bases = [Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - ownership and mode are checked below
        if identity.switches_user:
            bases.insert(0, Path("/run"))
        for base in bases:
            folder = base / self.short_name
            if _own_privately(folder, identity):
                return folder
        raise no_socket_folder(", ".join(map(str, bases)))


def _let_group_enter(folder: Path, identity: ServerIdentity) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_IXOTH:
        return
    if found.st_gid == identity.gid and found.st_mode & stat.S_IXGRP:
        return
    if stat.S_IMODE(found.st_mode) & stat.S_IRWXG and found.st_gid != identity.gid:
        return  # the group already means something; a failing start names this folder if it is in the way
    os.chown(folder, -1, identity.gid)
    folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXGRP)


def _own_privately(folder: Path, identity: ServerIdentity) -> bool:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (identity.uid, os.geteuid()):
            return False
        if found.st_uid != identity.uid or found.st_gid != identity.gid:
            os.chown(folder, identity.uid, identity.gid)
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError:
        return False
    return True
