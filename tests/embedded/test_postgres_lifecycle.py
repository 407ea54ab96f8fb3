"""The embedded server's promises, against real servers: back after any kill, gone when unused."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core import postgres
from app.core.postgres import PostgresUnavailable, server
from app.core.postgres.folders import Folders
from app.core.postgres.locks import is_held
from app.core.postgres.processes import is_postmaster, noted_pid, server_processes

HOLDER = """
import pathlib, sys, time
from app.core import postgres
held = postgres.lease(pathlib.Path(sys.argv[1]), fsync=False)
print(held.url(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def fresh_dir() -> Iterator[Path]:
    # Not tmp_path: for root it lies below a folder that the server's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="bihuan-test-"))
    yield folder
    postgres.stop(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bihuan-test-"))
    with postgres.lease(folder, fsync=False) as held:
        held.url()
        query(held, "CREATE TABLE kept (n int)")
    yield folder
    postgres.stop(folder)
    shutil.rmtree(folder)


def query(held: postgres.Lease, statement: str) -> str:
    return subprocess.run(  # noqa: S603 - our own binary
        [held.bin_dir / "psql", "-XAtq", "-d", "bihuan", "-c", statement],
        env=os.environ | held.libpq_environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def eventually(happened: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def supervisor_pid(folder: Path) -> int:
    return int(Folders.of(folder).supervisor_lock.read_text())


def hold_elsewhere(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - this interpreter, the script above
        [sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True
    )


async def test_url_works_in_a_running_loop_and_creates_the_database(shared_dir: Path) -> None:
    with postgres.lease(shared_dir, fsync=False) as held:
        engine = create_async_engine(held.url("made_here"))
        async with engine.connect() as connection:
            row = (
                await connection.execute(
                    text(
                        "SELECT pg_encoding_to_char(encoding), datlocale, datctype,"
                        " current_setting('timezone'),"
                        " current_setting('listen_addresses'), current_setting('max_connections')"
                        " FROM pg_database WHERE datname = current_database()"
                    )
                )
            ).one()
            await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
            likeness = await connection.scalar(text("SELECT similarity('路灯不亮', '路灯损坏')"))
        await engine.dispose()
    assert tuple(row) == ("UTF8", "C.UTF-8", "C.UTF-8", "UTC", "", "200")
    assert likeness is not None
    assert 0 < likeness < 1


def test_url_refuses_what_is_not_a_plain_name_and_a_closed_lease(shared_dir: Path) -> None:
    held = postgres.lease(shared_dir, fsync=False)
    with held, pytest.raises(ValueError, match="plain database name"):
        held.url("a; DROP DATABASE bihuan")
    with pytest.raises(ValueError, match="closed"):
        held.url()


def test_a_killed_server_is_restarted_while_leased_and_keeps_what_was_committed(shared_dir: Path) -> None:
    with postgres.lease(shared_dir, fsync=False) as held:
        query(held, "INSERT INTO kept VALUES (1)")
        before = query(held, "SELECT count(*) FROM kept")
        main_process = noted_pid(Folders.of(shared_dir))
        assert main_process is not None
        os.kill(main_process, signal.SIGKILL)
        eventually(lambda: query(held, "SELECT count(*) FROM kept") == before)
        assert noted_pid(Folders.of(shared_dir)) != main_process


def test_a_killed_supervisor_is_replaced_and_the_running_server_adopted(shared_dir: Path) -> None:
    folders = Folders.of(shared_dir)
    with postgres.lease(shared_dir, fsync=False) as held:
        server_pid, first = noted_pid(folders), supervisor_pid(shared_dir)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not is_held(folders.supervisor_lock))
        assert query(held, "SELECT 1") == "1"
        with postgres.lease(shared_dir, fsync=False):
            assert supervisor_pid(shared_dir) != first
            assert noted_pid(folders) == server_pid


def test_closing_the_last_lease_stops_the_server_even_without_a_supervisor(
    shared_dir: Path,
) -> None:
    folders = Folders.of(shared_dir)
    held = postgres.lease(shared_dir, fsync=False)
    os.kill(supervisor_pid(shared_dir), signal.SIGKILL)
    eventually(lambda: not is_held(folders.supervisor_lock))
    held.close()
    eventually(lambda: not server_processes(folders, folders.identity().uid))


def test_a_killed_holder_gives_its_lease_back(shared_dir: Path) -> None:
    folders = Folders.of(shared_dir)
    holder = hold_elsewhere(shared_dir)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith("postgresql+asyncpg://")
        assert postgres.stop(shared_dir) is False, "a lease is held"
        server_pid = noted_pid(folders)
        assert server_pid is not None
        holder.kill()
    eventually(lambda: not is_held(folders.supervisor_lock))
    assert not is_postmaster(folders, server_pid)
    assert not server_processes(folders, folders.identity().uid)


def test_three_simultaneous_first_starts_make_one_cluster(fresh_dir: Path) -> None:
    holders = [hold_elsewhere(fresh_dir) for _ in range(3)]
    try:
        urls = {holder.stdout.readline() for holder in holders if holder.stdout is not None}
    finally:
        for holder in holders:
            with holder:
                holder.kill()
    assert len(urls) == 1
    assert urls.pop().startswith("postgresql+asyncpg://")
    folders = Folders.of(fresh_dir)
    log = folders.supervisor_log.read_text()
    assert log.count("creating the cluster") == 1
    assert log.count("started the server") == 1
    assert not list(folders.root.glob("cluster.new-*"))


def test_a_process_number_used_again_does_not_block_the_start_in_a_long_folder(
    fresh_dir: Path,
) -> None:
    fresh_dir.chmod(0o711)
    data_dir = fresh_dir / ("long name 长 " * 9)
    held = postgres.lease(data_dir, fsync=False)
    assert len(str(held.socket_dir / ".s.PGSQL.5432.lock")) < 107
    held.close()
    assert postgres.stop(data_dir)
    pid_file = Folders.of(data_dir).cluster / "postmaster.pid"
    programs = held.bin_dir.stat().st_ino
    pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n0\n5432\n/nowhere\n\n\nready   \n")
    with postgres.lease(data_dir, fsync=False) as again:
        assert again.url()
        assert again.bin_dir.stat().st_ino == programs, "a complete copy is not made again"
    assert postgres.stop(data_dir)


def test_a_folder_made_for_tests_never_holds_real_data_nor_the_reverse(fresh_dir: Path, shared_dir: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="是为测试建立的"):
        postgres.lease(shared_dir)
    with postgres.lease(fresh_dir) as held:
        held.url()
        query(held, "ALTER SYSTEM SET fsync = off")
        query(held, "SELECT pg_reload_conf()")
        assert query(held, "SHOW fsync") == "on"
        with pytest.raises(PostgresUnavailable, match="里是正式数据库"):
            postgres.lease(fresh_dir, fsync=False)


def test_a_folder_that_cannot_be_written_is_named(fresh_dir: Path) -> None:
    (fresh_dir / "file").write_text("")
    with pytest.raises(PostgresUnavailable, match="无权写入") as refused:
        postgres.lease(fresh_dir / "file" / "data", fsync=False)
    assert str(fresh_dir) in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_root_is_told_which_folder_the_server_cannot_enter(fresh_dir: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="进不了目录") as refused:
        postgres.lease(fresh_dir / "data", fsync=False)
    assert f"进不了目录 {fresh_dir}。" in str(refused.value)


def test_a_full_disk_is_said_before_anything_is_written(fresh_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders.of(fresh_dir)
    folders.prepare()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(PostgresUnavailable, match="磁盘空间不足"):
        server.Server(folders, lambda: False).bring_up(fsync_if_new=False)
    assert not folders.cluster.exists()
