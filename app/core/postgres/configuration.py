"""The embedded server's settings: two shared cores, one application, nothing over the network."""

from pathlib import Path

from app.core.postgres.folders import PORT, Folders

_SETTINGS = """\
# Written anew at every start. Change a setting with ALTER SYSTEM, or in {local} beside this file.
max_connections = 200
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 128MB
max_parallel_workers_per_gather = 1

synchronous_commit = on
wal_compression = on
min_wal_size = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, ymd'
lc_messages = 'C'

log_min_messages = warning
log_checkpoints = off
log_line_prefix = '%m [%p] %q%a '

include_if_exists '{local}'
"""

_ACCESS = """\
# Only the server's own user (and root) can enter the socket's folder: that folder is the password.
local all all trust
local replication all trust
"""

_LOCAL = "local.conf"


def write_configuration(folders: Folders) -> None:
    """Bring the generated files up to date. A full disk does not matter when they are so already."""
    for path, text in (
        (_settings_file(folders), _SETTINGS.format(local=_LOCAL)),
        (_access_file(folders), _ACCESS),
    ):
        if path.is_file() and path.read_text() == text:
            continue
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o644)
        fresh.replace(path)


def command_line(bin_dir: Path, folders: Folders, socket_dir: Path, *, fsync: bool) -> list[str]:
    """How ``postgres`` is started. What must hold whatever a file says is here: it outranks ALTER SYSTEM."""
    fixed = {
        "config_file": str(_settings_file(folders)),
        "hba_file": str(_access_file(folders)),
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": folders.short_name,
        "logging_collector": "off",
        "fsync": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
    }
    command = [str(bin_dir / "postgres"), "-D", str(folders.cluster)]
    for name, value in fixed.items():
        command += ["-c", f"{name}={value}"]
    return command


def _settings_file(folders: Folders) -> Path:
    return folders.root / "server.conf"


def _access_file(folders: Folders) -> Path:
    return folders.root / "access.conf"
