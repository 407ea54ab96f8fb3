"""``bihuan bench clocks``: the arithmetic of due times, and what a sweep costs among millions of open clocks."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import text

from app.background import SWEEP_CONCURRENCY, SWEEP_LIMIT, Sweeper
from app.clocks.calendar import Calendar
from app.clocks.sweep import DUE_QUERY, due_clocks
from app.commands.bench import clocks_data as data
from app.commands.bench.ceiling import pgbench, prepared_city
from app.commands.bench.clocks_arithmetic import Speed, speeds
from app.commands.bench.clocks_load import build
from app.commands.harness.scratch_database import Scratch, scratch_database
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.core.timing import MovableClock, now, use_clock
from app.runtime import Runtime

_DATABASE: Final = "bihuan_bench_clocks"
#: open clocks of the database that the large one is held against
_FEW: Final = 50_000
_DUE_MICROSECONDS: Final = 3.0
_RATIO: Final = 1.5
_QUERIES: Final = 30
_PGBENCH_SECONDS: Final = 4

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(slots=True)
class Side:
    """One of the two databases, and its times: milliseconds of the query, seconds of whole sweeps."""

    clocks: int
    scratch: Scratch
    runtime: Runtime
    calendar: Calendar
    query_ms: list[float] = field(default_factory=list)
    sweep_s: list[float] = field(default_factory=list)
    fired: list[int] = field(default_factory=list)
    pgbench_tps: list[float] = field(default_factory=list)


def clocks(
    count: Annotated[int, typer.Option("--clocks", min=data.MIN_CLOCKS, help="大库里未完时限的个数")] = 5_000_000,
    strict: Annotated[bool, typer.Option("--strict", help="有一项不达标时退出码为 1")] = False,
) -> None:
    """测量时限：每秒能算多少个到期时间；大库和小库各有 2,000 个到期时，一次巡查各用多久。"""
    met = asyncio.run(_measure(count))
    if strict and not met:
        raise typer.Exit(1)


async def _measure(count: int) -> bool:
    settings = Settings(demo=True)
    server = "BIHUAN_DATABASE_URL 的 PostgreSQL" if settings.database_url else "内置 PostgreSQL，fsync 开"
    _out.print(f"{os.cpu_count()} 核；{server}；一个后台进程，同时处理 {SWEEP_CONCURRENCY} 个事件")
    until = now() + timedelta(minutes=5)
    async with _side(settings, _FEW, until) as few:
        fast = _show_speeds(speeds(few.calendar))
        async with _side(settings, count, until) as many:
            with _out.status("") as status:
                for group in range(data.GROUPS):
                    status.update(f"巡查：第 {group} 轮，共 {data.GROUPS - 1} 轮" if group else "巡查：预热")
                    await _round(settings, (few, many) if group % 2 else (many, few), until, group)
            return _show_sweeps(few, many) and fast


@asynccontextmanager
async def _side(settings: Settings, count: int, until: datetime) -> AsyncIterator[Side]:
    async with (
        scratch_database(settings, f"{_DATABASE}_{count}") as scratch,
        prepared_city(settings, scratch) as (runtime, city),
    ):
        begun = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
            task = progress.add_task("建库")

            def tell(what: str, number: int, of: int) -> None:
                progress.update(task, description=f"建库 {count:,}：{what}", completed=number - 1, total=of)

            await build(scratch.owner_url, runtime, city, count, until, tell)
        size = await _size(runtime)
        _out.print(f"{count:,} 个未完时限建成，{size}，{time.monotonic() - begun:.0f} 秒")
        async with runtime.sessions() as session:
            masters = await runtime.masters.get(session, city.jurisdiction_id)
        yield Side(count, scratch, runtime, masters.clockwork.calendars[masters.policies.calendar])


async def _size(runtime: Runtime) -> str:
    async with runtime.sessions() as session:
        found = await session.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
    return str(found)


async def _round(settings: Settings, sides: tuple[Side, Side], until: datetime, group: int) -> None:
    """One group falls due in both: the query alone, in turns, then whole sweeps. The first round only warms up."""
    at = until + timedelta(seconds=data.APART_SECONDS * (group + 1))
    query: dict[int, list[float]] = {side.clocks: [] for side in sides}
    for _ in range(_QUERIES):
        for side in sides:
            async with side.runtime.sessions() as session:
                await session.connection()  # the pool's own look at the connection is not the query's
                begun = time.perf_counter()
                due = await due_clocks(session, at, SWEEP_LIMIT)
                query[side.clocks].append((time.perf_counter() - begun) * 1000)
            if len(due) != SWEEP_LIMIT:
                raise Unavailable(f"到期的事件有 {len(due)} 个，应为 {SWEEP_LIMIT}：测量无效。")
    for side in sides:
        if group == 0:
            tps = await pgbench(
                settings, side.scratch.owner_url, _script(at), clients=1, seconds=_PGBENCH_SECONDS, run=group
            )
            side.pgbench_tps.append(tps)
    swept = await _sweep(sides, at)
    for side, (seconds, fired) in zip(sides, swept, strict=True):
        if group:
            side.query_ms.append(median(query[side.clocks]))
            side.sweep_s.append(seconds)
            side.fired.append(fired)


async def _sweep(sides: tuple[Side, Side], at: datetime) -> list[tuple[float, int]]:
    """Sweeps both until nothing is due any more: seconds, and rungs that fired, of each.

    The two take turns, sweep by sweep: what else the machine does meanwhile falls on both alike. Raises Unavailable
    when something is left.
    """
    sweepers = [Sweeper(side.runtime) for side in sides]
    seconds, fired = [0.0, 0.0], [0, 0]
    with use_clock(MovableClock(at)):
        done = False
        while not done:
            done = True
            for n, sweeper in enumerate(sweepers):
                begun = time.perf_counter()
                found = await sweeper.sweep()
                seconds[n] += time.perf_counter() - begun
                fired[n] += found
                done = done and not found
    for side, total in zip(sides, fired, strict=True):
        async with side.runtime.sessions() as session:
            left = await session.scalar(text("SELECT count(*) FROM clock WHERE next_at <= :at"), {"at": at})
        if left or total < data.DUE_AT_ONCE:
            raise Unavailable(f"触发 {total} 档，还剩 {left} 个时限：测量无效，原因见上面的日志。")
    return list(zip(seconds, fired, strict=True))


def _script(at: datetime) -> str:
    values = {":at": f"timestamptz '{at.isoformat()}'", ":without": "CAST('{}' AS uuid[])", ":limit": str(SWEEP_LIMIT)}
    script = " ".join(str(DUE_QUERY).split())
    for name, value in values.items():
        script = script.replace(name, value)
    return f"{script};\n"


def _show_speeds(found: list[Speed]) -> bool:
    table = Table(title="时限运算（每次微秒，取最快一轮；括号内为每秒次数）", caption="“停”：带三段暂停")
    for column in ("时限", "到期", "到期（停）", "已计分钟", "已计分钟（停）", "80% 时点", "80% 时点（停）"):
        table.add_column(column, justify="left" if column == "时限" else "right")
    for speed in found:
        times = (*speed.due, *speed.counted, *speed.share)
        table.add_row(str(speed.limit), *(f"{each:.2f} ({1e6 / each:,.0f})" for each in times))
    _out.print(table)
    slowest = max(speed.due[0] for speed in found)
    met = slowest < _DUE_MICROSECONDS
    _out.print(f"无暂停的到期时间最慢 {slowest:.2f} 微秒，目标 < {_DUE_MICROSECONDS:.0f}：{_word(met)}")
    return met


def _show_sweeps(few: Side, many: Side) -> bool:
    table = Table(title=f"巡查：{data.DUE_AT_ONCE:,} 个时限到期，{data.GROUPS - 1} 轮交替，中位数")
    for column in ("", f"{few.clocks:,} 个未完", f"{many.clocks:,} 个未完", "倍数"):
        table.add_column(column, justify="right" if column else "left")
    rows = (
        ("查询（毫秒）", median(few.query_ms), median(many.query_ms)),
        ("整次巡查（秒）", median(few.sweep_s), median(many.sweep_s)),
        ("pgbench 同一查询（毫秒）", 1000 / median(few.pgbench_tps), 1000 / median(many.pgbench_tps)),
    )
    for name, small, large in rows:
        table.add_row(name, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f}")
    table.add_row("各轮整次巡查（秒）", *("  ".join(f"{s:.1f}" for s in side.sweep_s) for side in (few, many)), "")
    table.add_row("每轮触发", *("  ".join(map(str, side.fired)) for side in (few, many)), "")
    _out.print(table)
    ratios = [large / small for _, small, large in rows[:2]]
    met = max(ratios) < _RATIO and few.fired == many.fired
    _out.print(f"倍数最大 {max(ratios):.2f}，目标 < {_RATIO}，两边触发数相同：{_word(met)}")
    return met


def _word(met: bool) -> str:
    return "达标" if met else "未达标"
