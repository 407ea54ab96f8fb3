"""``bihuan drill crash``: processes are killed under load, and everything is counted afterwards.

Sources send and send again; the API dies at named points of the intake, the worker in the middle of deliveries, and
PostgreSQL wherever it is. What must hold then: each message once, each report on one event, each delivery with its
receiver at least once under the same id, every timeline unbroken.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from app.commands.audit import verify_all
from app.commands.city import set_up_city
from app.commands.drill.accounts import counts_of, undelivered, unfinished_jobs, wait_for_background
from app.commands.drill.load import Sources
from app.commands.drill.receiver import DeliveryReceiver, listening_receiver
from app.commands.harness.keep_alive import access_token
from app.commands.harness.sample_messages import DEMO_CITY, ChannelCode
from app.commands.stack import Stack, StackFailed, running_stack
from app.core import postgres
from app.core.crypto import Keyring
from app.core.database import Sessions, transaction
from app.core.deliveries import LEASE
from app.core.faults import VARIABLE
from app.core.postgres.folders import Folders
from app.core.postgres.processes import is_postmaster, noted_pid
from app.core.settings import Settings

_DATABASE: Final = "bihuan_drill"
_CHANNELS: Final[tuple[ChannelCode, ...]] = ("hotline-12345", "police-110", "snapshot")
_API_PROCESSES: Final = 2
#: chance to die at a point: high enough to come soon, low enough that some work is done before
_API_POINTS: Final = {"intake.after_inbox": 0.05, "intake.before_commit": 0.05, "intake.after_commit": 0.05}
_WORKER_POINTS: Final = {"delivery.leased": 0.7, "delivery.sent": 0.25, "delivery.recorded": 0.5}
_DEATH_SECONDS: Final = 60.0
#: of load between two deaths of PostgreSQL
_BETWEEN_SECONDS: Final = 1.0

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(slots=True)
class Round:
    """One point, and what came of it; ``sent`` counts messages that were made during it."""

    point: str
    deaths: int
    seconds: float
    sent: int
    sent_again: int
    repeated: int
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drill:
    """What runs while processes die."""

    stack: Stack
    sources: Sources
    receiver: DeliveryReceiver


def crash(times: Annotated[int, typer.Option(min=1, max=1000, help="每处杀死的次数")] = 10) -> None:
    """在负载下按名处杀死 API、后台进程和 PostgreSQL，重启、重发，然后逐件核对；有一处不符时退出码为 1。"""
    if not hasattr(os, "waitid"):
        raise StackFailed("演练需要 Linux 或 macOS。")
    faults = asyncio.run(_crash(times))
    for fault in faults:
        _out.print(fault, markup=False)
    if faults:
        raise typer.Exit(1)
    _out.print("全部核对无误")


async def _crash(times: int) -> list[str]:
    begun = time.monotonic()
    async with _running() as drill, _meanwhile(drill.sources.run()):
        # Workers and PostgreSQL first: while the API dies, the leases that they leave behind run out.
        rounds = [await _round(drill, "worker", point, times, _worker_dies) for point in _WORKER_POINTS]
        async with _meanwhile(_keep_worker(drill.stack)):
            rounds.append(await _round(drill, "postgres", "postmaster", times, _postmaster_dies))
            rounds += [await _round(drill, "api", point, times, _api_dies) for point in _API_POINTS]
            _show(rounds)
            left = await _final(drill, begun)
    return [*(fault for one in rounds for fault in one.faults), *left]


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs ``work`` beside the block, and ends it with the block. Raises what it raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _running() -> AsyncIterator[Drill]:
    async with _own_folder() as folder, listening_receiver() as receiver:
        secrets: dict[str, str] = {}

        async def prepare(sessions: Sessions, _: Keyring) -> None:
            city = await set_up_city(sessions, "320102", "演示区", DEMO_CITY)
            secrets.update(city.secrets)
            async with transaction(sessions) as session:
                await session.execute(text("UPDATE machine_client SET endpoint_url = :url"), {"url": receiver.url})

        env = {"BIHUAN_DEMO": "true", "BIHUAN_DATA_DIR": str(folder), "BIHUAN_DATABASE_URL": ""}
        async with running_stack(env, _DATABASE, _API_PROCESSES, worker=True, prepare=prepare) as stack:
            tokens = {channel: await access_token(stack.base_url, channel, secrets[channel]) for channel in _CHANNELS}
            yield Drill(stack, Sources(stack.base_url, tokens, f"D{int(time.time()):x}"), receiver)


@asynccontextmanager
async def _own_folder() -> AsyncIterator[Path]:
    """A data folder for a server of our own: killing it must not disturb whoever else uses the configured one."""
    configured = Settings(demo=True).data_dir
    folder = configured.with_name(f"{configured.name}-drill")
    if not await asyncio.to_thread(postgres.stop, folder):
        raise StackFailed(f"另一次演练正在使用 {folder}。")
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    try:
        yield folder
    finally:
        await asyncio.to_thread(postgres.stop, folder)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _round(
    drill: Drill, who: str, point: str, times: int, dies: Callable[[Drill, str, int], Awaitable[int]]
) -> Round:
    sources, begun = drill.sources, time.monotonic()
    made, again, repeated = sources.made, sources.sent_again, sources.repeated
    sources.go_on()
    with _out.status(f"正在杀死：{who} {point} × {times}"):
        deaths = await dies(drill, point, times)
        answered = await sources.all_answered()
    counts = await counts_of(drill.stack.sessions)
    faults = [] if answered else ["有消息一直没有得到答复"]
    if deaths < times:
        faults.append(f"只死了 {deaths} 次")
    faults += [*sources.faults, *counts.faults(sources.made)]
    sources.faults.clear()
    return Round(
        f"{who} {point}",
        deaths,
        time.monotonic() - begun,
        sources.made - made,
        sources.sent_again - again,
        sources.repeated - repeated,
        [f"{who} {point}：{fault}" for fault in faults],
    )


# ── who dies ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _api_dies(drill: Drill, point: str, times: int) -> int:
    """Each API process dies at ``point`` and comes back, in turns, ``times`` in all; at the end all are sound."""
    stack, env = drill.stack, {VARIABLE: f"{point}:{_API_POINTS[point]}"}
    left = times

    async def one(index: int) -> int:
        nonlocal left
        died = 0
        while left > 0:
            left -= 1
            await stack.restart_api(index, env)
            if not await _died(stack.api_pids[index]):
                break
            died += 1
        await stack.restart_api(index)
        return died

    return sum(await asyncio.gather(*(one(index) for index in range(_API_PROCESSES))))


async def _worker_dies(drill: Drill, point: str, times: int) -> int:
    stack, env = drill.stack, {VARIABLE: f"{point}:{_WORKER_POINTS[point]}"}
    died = 0
    for _ in range(times):
        await stack.restart_worker(env)
        died += await _died(stack.worker_pid or 0)
    await stack.restart_worker()
    return died


async def _postmaster_dies(drill: Drill, point: str, times: int) -> int:
    """The server's main process is killed wherever it is; its supervisor brings it back."""
    folders = Folders.of(drill.stack.settings.data_dir)
    died = 0
    for _ in range(times):
        pid = noted_pid(folders)
        if pid is None or not is_postmaster(folders, pid):
            break
        os.kill(pid, signal.SIGKILL)
        died += 1
        await drill.stack.wait_ready()
        # so that the next one dies under load again
        await drill.sources.one_answer()
        await asyncio.sleep(_BETWEEN_SECONDS)
    return died


async def _keep_worker(stack: Stack) -> None:
    """Starts the worker again when it ended, as a service manager does: it may start while PostgreSQL is away."""
    while True:
        await asyncio.sleep(1)
        if stack.worker_pid is not None and _ended_by_kill(stack.worker_pid) is not None:
            await stack.restart_worker()


async def _died(pid: int) -> bool:
    """Waits until the process has died by SIGKILL; False when it did not, or ended in another way."""
    deadline = time.monotonic() + _DEATH_SECONDS
    while time.monotonic() < deadline:
        if (killed := _ended_by_kill(pid)) is not None:
            return killed
        await asyncio.sleep(0.02)
    return False


def _ended_by_kill(pid: int) -> bool | None:
    """Whether our child died by SIGKILL; None while it lives. WNOWAIT: the stack, which started it, collects it."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_code == os.CLD_KILLED and ended.si_status == signal.SIGKILL


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────


async def _final(drill: Drill, begun: float) -> list[str]:
    """Waits for what the dead have left under a lease, then looks at everything."""
    sessions, receiver, sources = drill.stack.sessions, drill.receiver, drill.sources
    with _out.status("正在等待死者的租约到期、推送送完"):
        deliveries = await wait_for_background(sessions, LEASE.total_seconds() + 60)
    with _out.status("正在核对"):
        counts = await counts_of(sessions)
        missing, unknown = await undelivered(sessions, receiver.received)
        jobs = await unfinished_jobs(sessions)
        verified = await verify_all(sessions, drill.stack.keyring)
    _out.print(
        f"上报 {sources.made} 件，发送 {sources.tries} 次；收件箱 {counts.accepted}，上报件 {counts.reports}，"
        f"事件 {counts.events}，并入 {counts.reports - counts.events}\n"
        f"推送 {deliveries.total} 条，送达 {deliveries.delivered}；接收方收到 {len(receiver.received)} 条，"
        f"另有重复 {receiver.repeated} 次（按编号可去重）\n"
        f"时间线 {verified.events} 条、{verified.rows} 行，不符 {len(verified.faults)} 处；"
        f"用时 {time.monotonic() - begun:.0f} 秒"
    )
    expected = (
        ("未送达的推送", missing, 0),
        ("无人欠下的推送", unknown, 0),
        ("未完成的推送", deliveries.open, 0),
        ("停止的推送", deliveries.dead, 0),
        ("未收回的租约", deliveries.leases, 0),
        ("仍被搁置的消息", counts.held, 0),
        ("未完成的后台任务", jobs, 0),
        ("不符的时间线", len(verified.faults), 0),
    )
    return [
        *counts.faults(sources.made),
        *(f"{what}：{found}，应为 {right}" for what, found, right in expected if found != right),
    ]


def _show(rounds: list[Round]) -> None:
    table = Table("在何处", "死亡", "秒", "上报", "重发", "答复为重复", "核对")
    for one in rounds:
        table.add_row(
            one.point,
            str(one.deaths),
            f"{one.seconds:.0f}",
            str(one.sent),
            str(one.sent_again),
            str(one.repeated),
            "无误" if not one.faults else f"{len(one.faults)} 处不符",
        )
    _out.print(table)
