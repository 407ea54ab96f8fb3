"""As whom the server runs. PostgreSQL refuses root, so root starts it as ``postgres``, else ``nobody``."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class SpawnAs(TypedDict, total=False):
    """Keyword arguments for ``subprocess`` that make a child run as the server's user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class ServerIdentity:
    """The server's user, and whether it differs from ours."""

    uid: int
    gid: int
    switches_user: bool

    @property
    def name(self) -> str:
        return _name_of(self.uid)

    @property
    def caller_name(self) -> str:
        return _name_of(os.geteuid())

    @property
    def spawn_as(self) -> SpawnAs:
        if not self.switches_user:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_identity(cluster: Path) -> ServerIdentity:
    """Ourselves, or for root whoever owns the cluster already, else ``postgres``, else ``nobody``.

    The owner comes first because installing Debian's PostgreSQL later creates a user ``postgres``, which must
    not lock ``nobody``'s cluster out.
    """
    if os.geteuid() != 0:
        return ServerIdentity(os.geteuid(), os.getegid(), switches_user=False)
    try:
        owner = cluster.stat()
    except OSError:
        owner = None
    if owner is not None and owner.st_uid != 0:
        return ServerIdentity(owner.st_uid, owner.st_gid, switches_user=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerIdentity(entry.pw_uid, entry.pw_gid, switches_user=True)
    return ServerIdentity(65534, 65534, switches_user=True)


def unreachable_folder(path: Path, identity: ServerIdentity) -> Path | None:
    """The first folder on the way to ``path`` that the server's user cannot enter, by mode bits (no ACLs)."""
    for folder in (*reversed(path.parents), path):
        try:
            found = folder.stat()
        except OSError:
            return None
        if not stat.S_ISDIR(found.st_mode):
            return None
        if found.st_uid == identity.uid:
            enters = found.st_mode & stat.S_IXUSR
        elif found.st_gid == identity.gid:
            enters = found.st_mode & stat.S_IXGRP
        else:
            enters = found.st_mode & stat.S_IXOTH
        if not enters:
            return folder
    return None


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
