"""``bihuan drill workers``: several workers on one database, killed at random while rungs of the ladder fall due.

What must hold then: every rung that had to fire fired exactly once, with one act on the timeline, in order; every
notice reached its receiver at least once under one id; every timeline is unbroken.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from app.commands.audit import Verified, verify_all
from app.commands.city import City, set_up_city
from app.commands.db import upgrade_schema
from app.commands.drill.accounts import Deliveries, wait_for_background
from app.commands.drill.receiver import DeliveryReceiver, listening_receiver
from app.commands.drill.worker_books import Books, audit
from app.commands.drill.worker_city import APART, add_notice_client, publish, take_in_reports
from app.commands.harness.sample_messages import DEMO_CITY
from app.commands.harness.scratch_database import Scratch, scratch_database
from app.commands.stack import StackFailed
from app.core.deliveries import LEASE
from app.core.settings import Settings
from app.core.timing import now
from app.runtime import Runtime, open_runtime

_DATABASE: Final = "bihuan_drill_workers"
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[3]
#: between two deaths: about what a new worker needs to start, on two cores that the others work on as well
_BETWEEN_SECONDS: Final = 1.5
#: how long taking in one report may take
_REPORT_SECONDS: Final = 0.015
#: a worker's word that it works now
_STARTED: Final = b"worker.started"
_FAILED: Final = b"sweep.event_failed"
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
#: connections of each worker: eight workers must find room in one server
_POOL: Final = "6"

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(slots=True)
class _Worker:
    """One worker that is started again whenever it died."""

    log: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Starts it; it ends with this process, however that ends."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.cli", "worker", "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )

    @property
    def works(self) -> bool:
        """Whether it lives and has said that it works."""
        alive = self.process is not None and self.process.poll() is None
        return alive and self.log.read_bytes().count(_STARTED) >= self.starts

    def kill(self) -> bool:
        """SIGKILL; False when it had ended by itself before."""
        process = self._running()
        if process.poll() is not None:
            return False
        process.kill()
        process.wait()
        return True

    def stop(self) -> None:
        """Asks it to end by closing its standard input; kills it when it does not."""
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise StackFailed(f"{self.log.stem} 尚未启动")
        return self.process


@dataclass(slots=True)
class _Result:
    """What the drill came to."""

    books: Books
    deliveries: Deliveries
    verified: Verified
    kills: int
    #: ids that the receiver got, and how often it got one again
    received: int
    repeated: int
    faults: list[str]


def workers(
    kills: Annotated[int, typer.Option(min=1, max=1000, help="杀死的次数")] = 50,
    workers: Annotated[int, typer.Option(min=1, max=32, help="后台进程数")] = 8,
    reports: Annotated[int, typer.Option(min=10, max=100_000, help="上报件数，每件三到四个时限")] = 1600,
) -> None:
    """多个后台进程同时工作，随机杀死并重启，核对督办阶梯每一档恰好触发一次；有一处不符时退出码为 1。"""
    begun = time.monotonic()
    result = asyncio.run(_drill(kills, workers, reports))
    _show(result, time.monotonic() - begun)
    for fault in result.faults:
        _out.print(fault, markup=False)
    if result.faults:
        raise typer.Exit(1)
    _out.print("全部核对无误")


async def _drill(kills: int, count: int, reports: int) -> _Result:
    async with (
        scratch_database(Settings(demo=True), _DATABASE) as scratch,
        listening_receiver() as receiver,
        _prepared(scratch) as (runtime, city),
    ):
        await publish(runtime, city)
        client_id = await add_notice_client(runtime, city, receiver.url)
        begin = now() + timedelta(seconds=reports * _REPORT_SECONDS)
        end = begin + timedelta(seconds=kills * _BETWEEN_SECONDS)
        with _out.status(f"正在受理 {reports} 件上报"):
            await take_in_reports(runtime, city, reports, begin, end)
        team = _team(runtime.settings, scratch, count)
        try:
            killed = await _kill(team, kills)
            with _out.status("正在等待时限全部触发、死者的租约到期、通知送完"):
                await _until_fired(runtime, (end - now()).total_seconds() + _STOP_SECONDS)
                deliveries = await wait_for_background(runtime.sessions, LEASE.total_seconds() + 60)
        finally:
            await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in team))
        return await _look(runtime, receiver, client_id, team, begin, killed, deliveries)


@asynccontextmanager
async def _prepared(scratch: Scratch) -> AsyncIterator[tuple[Runtime, City]]:
    await asyncio.to_thread(upgrade_schema, scratch.owner_url)
    async with open_runtime(Settings(demo=True, database_url=scratch.url)) as runtime:
        yield runtime, await set_up_city(runtime.sessions, "320102", "演示区", DEMO_CITY)


def _team(settings: Settings, scratch: Scratch, count: int) -> list[_Worker]:
    logs = settings.data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        "BIHUAN_DEMO": "true",
        **scratch.environment,
        "BIHUAN_DATA_DIR": str(settings.data_dir),
        "BIHUAN_DB_POOL_SIZE": _POOL,
        "PYTHONPATH": os.pathsep.join([str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
    }
    team = [_Worker(logs / f"{_DATABASE}-{number}.log", env) for number in range(1, count + 1)]
    for worker in team:
        worker.log.unlink(missing_ok=True)
        worker.start()
    return team


async def _kill(team: list[_Worker], times: int) -> int:
    """Kills one after the other at random moments, only such as work, and starts each again; how many it killed."""
    pick = Random()  # noqa: S311 - whom and when, no secret
    killed = 0
    with _out.status("") as status:
        for number in range(1, times + 1):
            status.update(f"正在杀死后台进程：{number}/{times}")
            await asyncio.sleep(pick.uniform(0.3, 1.7) * _BETWEEN_SECONDS)
            worker = await _one_that_works(team, pick)
            killed += await asyncio.to_thread(worker.kill)
            worker.start()
    return killed


async def _one_that_works(team: list[_Worker], pick: Random) -> _Worker:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if working := [worker for worker in team if worker.works]:
            return pick.choice(working)
        await asyncio.sleep(0.1)
    raise StackFailed(f"后台进程在 {_READY_SECONDS:.0f} 秒内没有就绪，见日志 {team[0].log.parent}")


async def _until_fired(runtime: Runtime, seconds: float) -> None:
    """Waits until no clock is due, and the last moment of the drill has passed; or until the time is over."""
    from app.background import measure_backlog

    deadline = time.monotonic() + seconds
    quiet_from = deadline - _STOP_SECONDS
    while time.monotonic() < deadline:
        if time.monotonic() > quiet_from and not (await measure_backlog(runtime))["clocks_due"]:
            return
        await asyncio.sleep(0.5)


async def _look(
    runtime: Runtime,
    receiver: DeliveryReceiver,
    client_id: int,
    team: list[_Worker],
    begin: datetime,
    killed: int,
    deliveries: Deliveries,
) -> _Result:
    with _out.status("正在核对"):
        at = now()
        books = await audit(runtime.sessions, at, client_id, receiver.received)
        verified = await verify_all(runtime.sessions, runtime.keyring)
    failed = sum(worker.log.read_bytes().count(_FAILED) for worker in team)
    expected = (
        ("未完成的推送", deliveries.open, 0),
        ("停止的推送", deliveries.dead, 0),
        ("未收回的租约", deliveries.leases, 0),
        ("不符的时间线", len(verified.faults), 0),
        ("处理失败的事件", failed, 0),
    )
    faults = [
        *books.faults(),
        *(f"{what}：{found}，应为 {right}" for what, found, right in expected if found != right),
    ]
    if at > begin + APART:
        faults.append("演练用时过长，其间又有时限到期：请减少杀死的次数")
    return _Result(books, deliveries, verified, killed, len(receiver.received), receiver.repeated, faults)


def _show(result: _Result, seconds: float) -> None:
    books = result.books
    table = Table("时限", "档", "应触发", "已触发", "迟于时点而注明", title="督办阶梯")
    for kind, rung in sorted(books.expected.keys() | books.fired.keys()):
        one = (kind, rung)
        table.add_row(kind, rung, str(books.expected[one]), str(books.fired[one]), str(books.late[one]))
    table.add_row("合计", "", *(str(counts.total()) for counts in (books.expected, books.fired, books.late)))
    _out.print(table)
    _out.print(
        f"杀死后台进程 {result.kills} 次；通知应发 {books.notices_owed} 条，已写 {books.notices} 条，"
        f"送达 {result.deliveries.delivered} 条，接收方收到 {result.received} 个编号，另有重复 {result.repeated} 次\n"
        f"时间线 {result.verified.events} 条、{result.verified.rows} 行，不符 {len(result.verified.faults)} 处；"
        f"用时 {seconds:.0f} 秒"
    )
