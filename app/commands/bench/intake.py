"""``bihuan bench intake``: how many reports a second the whole pipeline takes in through HTTP, and how soon."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from app.commands.audit import verify_all
from app.commands.bench.ceiling import count_statements, pgbench, prepared_city, same_rows_script
from app.commands.bench.intake_load import Measured, Plan
from app.commands.city import set_up_city
from app.commands.harness.keep_alive import access_token
from app.commands.harness.sample_messages import DEMO_CITY, ChannelCode
from app.commands.harness.scratch_database import scratch_database
from app.commands.stack import running_stack
from app.core.crypto import Keyring
from app.core.database import Sessions, make_engine, make_sessions
from app.core.errors import Unavailable
from app.core.settings import Settings, get_settings

_DATABASE: Final = "bihuan_bench_intake"
_CEILING_DATABASE: Final = "bihuan_bench_ceiling"
_CHANNELS: Final[tuple[ChannelCode, ...]] = ("hotline-12345", "snapshot")
_CEILING_SECONDS: Final = 5
#: cores beside the API that the numbers leave to PostgreSQL and the load generator
_OPEN_RATE: Final = 60.0
_OPEN_CLIENTS: Final = 64
_BATCHES: Final = ((100, 4), (1000, 2))

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the measurement, with what came of it."""

    name: str
    plan: Plan
    measured: Measured
    #: share of a core that each API process used; empty where that cannot be seen
    api_cores: Sequence[float]

    @property
    def reports_per_second(self) -> float:
        return self.measured.reports / self.measured.seconds

    def latency_ms(self, share: float) -> float:
        """The latency below which ``share`` of the requests stayed."""
        ordered = sorted(self.measured.latencies_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")

    @property
    def errors(self) -> int:
        """Reports or requests that were not answered by a receipt."""
        refused = sum(count for status, count in self.measured.statuses.items() if not 200 <= status < 300)
        return refused + self.measured.unanswered


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised, and what was measured."""

    name: str
    promised: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True)
class Measuring:
    """The stack that is measured, and the way into its database."""

    url: str
    tokens: dict[ChannelCode, str]
    sessions: Sessions
    keyring: Keyring
    api_pids: Sequence[int]


def intake(
    seconds: Annotated[float, typer.Option(min=1, help="每个并发档位的秒数")] = 15.0,
    processes: Annotated[int, typer.Option(min=1, max=16, help="API 进程数")] = 2,
    join_share: Annotated[float, typer.Option(min=0, max=0.9, help="重复反映同一处的上报所占比例")] = 0.1,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="同时运行后台进程")] = False,
    ceiling: Annotated[bool, typer.Option("--ceiling/--no-ceiling", help="用 pgbench 测同样几行的上限")] = True,
    url: Annotated[str | None, typer.Option(help="测量已在运行的服务，例如 http://127.0.0.1:8000")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="与 --url 同用：渠道=密钥，每渠道一次")] = None,
    database: Annotated[str, typer.Option(help="与 --url 同用：该服务在内置 PostgreSQL 里的数据库名")] = "bihuan",
    strict: Annotated[bool, typer.Option("--strict", help="有一项不达标时退出码为 1")] = False,
) -> None:
    """测量受理：分类、查重、派单、封存、认证全程，经 HTTP，提交后才算。"""
    missed = asyncio.run(_measure(seconds, processes, join_share, worker, ceiling, url, secret or [], database))
    if missed and strict:
        raise typer.Exit(1)


async def _measure(
    seconds: float,
    processes: int,
    join_share: float,
    worker: bool,
    ceiling: bool,
    url: str | None,
    secrets: Sequence[str],
    database: str,
) -> bool:
    settings = get_settings() if url else Settings(demo=True)
    stack = _running(settings, url, secrets, database) if url else _own_stack(settings, processes, worker)
    _say_where(settings, processes, worker, url)
    run = f"B{int(time.time()):x}"
    async with stack as measuring:
        phases = await _phases(measuring, run, seconds, join_share)
        _show_phases(phases)
        sound = await _account(measuring, run, phases)
    targets = _speed_targets({phase.name: phase for phase in phases})
    targets += await _statements_and_ceiling(settings, phases, ceiling)
    targets.append(sound)
    _show_targets(targets)
    return not all(target.met for target in targets)


def _say_where(settings: Settings, processes: int, worker: bool, url: str | None) -> None:
    server = "BIHUAN_DATABASE_URL 的 PostgreSQL" if settings.database_url else "内置 PostgreSQL，fsync 开"
    stack = f"运行中的 {url}" if url else f"{processes} 个 API 进程，后台进程{'开' if worker else '关'}"
    _out.print(f"{os.cpu_count()} 核；{stack}；{server}；发送端为另一进程，同用这些核；2/3 热线、1/3 随手拍，都经分类")


@asynccontextmanager
async def _own_stack(settings: Settings, processes: int, worker: bool) -> AsyncIterator[Measuring]:
    async with scratch_database(settings, _DATABASE) as scratch:
        env = {"BIHUAN_DEMO": "true", **scratch.environment}
        secrets: dict[str, str] = {}

        async def prepare(sessions: Sessions, _: Keyring) -> None:
            city = await set_up_city(sessions, "320102", "演示区", DEMO_CITY)
            secrets.update(city.secrets)

        async with running_stack(env, _DATABASE, processes, worker=worker, prepare=prepare) as stack:
            tokens = {channel: await access_token(stack.base_url, channel, secrets[channel]) for channel in _CHANNELS}
            yield Measuring(stack.base_url, tokens, stack.sessions, stack.keyring, stack.api_pids)


@asynccontextmanager
async def _running(settings: Settings, url: str, secrets: Sequence[str], database: str) -> AsyncIterator[Measuring]:
    from app.commands.db import database_url

    given = dict(pair.split("=", 1) for pair in secrets if "=" in pair)
    if missing := [channel for channel in _CHANNELS if channel not in given]:
        raise Unavailable(f"请用 --secret 渠道=密钥 给出 {'、'.join(missing)} 的密钥。")
    tokens = {channel: await access_token(url, channel, given[channel]) for channel in _CHANNELS}
    with database_url(database) as address:
        engine = make_engine(address, pool_size=4, application_name="bihuan-bench")
        try:
            yield Measuring(url, tokens, make_sessions(engine), Keyring.from_settings(settings), ())
        finally:
            await engine.dispose()


async def _phases(measuring: Measuring, run: str, seconds: float, join_share: float) -> list[Phase]:
    def plan(seed: int, **how: object) -> Plan:
        base = {"url": measuring.url, "tokens": measuring.tokens, "run": run, "join_share": join_share}
        return Plan.model_validate({**base, "seed": seed, "mode": "closed", "seconds": seconds, "rate": 0, **how})

    phases: list[Phase] = []
    await _phase(measuring, "预热", plan(0, clients=8, seconds=min(5.0, seconds)))
    plans = {
        "1 个客户端": plan(1, clients=1),
        "8 个客户端": plan(2, clients=8),
        "32 个客户端": plan(3, clients=32),
        f"每秒 {_OPEN_RATE:.0f} 件": plan(4, mode="open", clients=_OPEN_CLIENTS, rate=_OPEN_RATE, seconds=20),
    }
    for number, (size, clients) in enumerate(_BATCHES):
        plans[f"批量 {size} 件 × {clients}"] = plan(
            5 + number, mode="batch", clients=clients, batch_size=size, seconds=max(seconds / 2, 1)
        )
    for name, one in plans.items():
        with _out.status(f"正在测量：{name}"):
            phases.append(await _phase(measuring, name, one))
    return phases


async def _phase(measuring: Measuring, name: str, plan: Plan) -> Phase:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.commands.bench.intake_load",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    before = _cpu_seconds(measuring.api_pids)
    told, _ = await process.communicate(plan.model_dump_json().encode())
    after = _cpu_seconds(measuring.api_pids)
    if process.returncode != 0:
        raise Unavailable("发送端进程没有完成。")
    measured = Measured.model_validate_json(told)
    return Phase(name, plan, measured, [(b - a) / measured.seconds for a, b in zip(before, after, strict=False)])


def _cpu_seconds(pids: Sequence[int]) -> list[float]:
    """Processor time that each process has used, where the system shows it."""
    used: list[float] = []
    with contextlib.suppress(OSError):
        for pid in pids:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
            used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return used


async def _account(measuring: Measuring, run: str, phases: Sequence[Phase]) -> Target:
    """Every accepted report is in the database once, and every chain verifies."""
    accepted = [ref for phase in phases for ref in phase.measured.accepted]
    with _out.status("正在核对"):
        async with measuring.sessions() as session:
            row = (
                await session.execute(
                    text(
                        """
                        SELECT count(*) AS found,
                          count(*) FILTER (WHERE n.messages = 1 AND n.reports = 1 AND n.links = 1) AS once
                        FROM unnest(CAST(:refs AS text[])) AS a(ref)
                        JOIN LATERAL (
                          SELECT count(DISTINCT i.id) AS messages, count(DISTINCT r.id) AS reports,
                                 count(l.event_id) AS links
                          FROM machine_client c JOIN inbox i ON i.client_id = c.id AND i.source_ref = a.ref
                          LEFT JOIN report r ON r.id = i.id
                          LEFT JOIN event_report l ON l.report_id = r.id AND l.left_at IS NULL
                          WHERE c.channel = ANY(:channels)
                        ) n ON n.messages > 0
                        """
                    ),
                    {"refs": accepted, "channels": list(_CHANNELS)},
                )
            ).one()
        verified = await verify_all(measuring.sessions, measuring.keyring)
    told = f"{row.once} / {len(accepted)} 件恰好一次；{verified.events} 条时间线，{len(verified.faults)} 处不符"
    met = row.once == len(accepted) and not verified.faults
    return Target("核对", "每件恰好一次，时间线无误", told, met)


def _speed_targets(phases: dict[str, Phase]) -> list[Target]:
    eight, many = phases["8 个客户端"], phases["32 个客户端"]
    steady = phases[f"每秒 {_OPEN_RATE:.0f} 件"]
    best_batch = max((p.reports_per_second for p in phases.values() if p.plan.mode == "batch"), default=0.0)
    faults = sum(phase.errors for phase in phases.values())
    return [
        Target(
            "8 个客户端",
            "≥ 300 件/秒，p99 < 100 毫秒",
            f"{eight.reports_per_second:.0f} 件/秒，p99 {eight.latency_ms(0.99):.0f} 毫秒",
            eight.reports_per_second >= 300 and eight.latency_ms(0.99) < 100,
        ),
        Target(
            "32 个客户端",
            "比 8 个时至多少 25 %，p99 < 400 毫秒",
            f"{many.reports_per_second:.0f} 件/秒（{many.reports_per_second / eight.reports_per_second - 1:+.0%}），"
            f"p99 {many.latency_ms(0.99):.0f} 毫秒",
            many.reports_per_second >= 0.75 * eight.reports_per_second and many.latency_ms(0.99) < 400,
        ),
        Target(
            steady.name,
            "p99 < 50 毫秒",
            f"p99 {steady.latency_ms(0.99):.0f} 毫秒",
            steady.latency_ms(0.99) < 50,
        ),
        Target("批量", "≥ 1000 件/秒", f"{best_batch:.0f} 件/秒", best_batch >= 1000),
        Target("出错", "0", str(faults), faults == 0),
    ]


async def _statements_and_ceiling(settings: Settings, phases: Sequence[Phase], ceiling: bool) -> list[Target]:
    async with (
        scratch_database(settings, _CEILING_DATABASE) as scratch,
        prepared_city(settings, scratch) as (runtime, city),
    ):
        with _out.status("正在数 SQL 语句"):
            counted, written = await count_statements(runtime, city)
        if ceiling:
            script = await same_rows_script(runtime, written)
            for number, clients in enumerate((8, 32), start=1):
                with _out.status(f"正在运行 pgbench：{clients} 个连接"):
                    tps = await pgbench(
                        settings, scratch.url, script, clients=clients, seconds=_CEILING_SECONDS, run=number
                    )
                ours = next(p.reports_per_second for p in phases if p.plan.clients == clients)
                _out.print(
                    f"上限：pgbench {clients} 个连接，同样的 {counted.rows} 行（{counted.tables} 张表），"
                    f"一条预备语句、一次提交：{tps:.0f} 件/秒；本系统为其 {ours / tps:.0%}"
                )
    return [
        Target("新事件的 SQL 语句", "≤ 8（含 BEGIN、COMMIT）", str(counted.new_event), counted.new_event <= 8),
        Target("并入的 SQL 语句", "≤ 10（含 BEGIN、COMMIT）", str(counted.joining), counted.joining <= 10),
    ]


def _show_phases(phases: Sequence[Phase]) -> None:
    table = Table("阶段", "件", "件/秒", "p50 毫秒", "p95", "p99", "最长", "出错", "并入", "API 用核", "发送端")
    for phase in phases:
        measured = phase.measured
        joined = measured.outcomes.get("joined", 0) / max(measured.reports, 1)
        table.add_row(
            phase.name,
            str(measured.reports),
            f"{phase.reports_per_second:.0f}",
            *(f"{phase.latency_ms(share):.1f}" for share in (0.5, 0.95, 0.99, 1.0)),
            str(phase.errors),
            f"{joined:.0%}",
            " + ".join(f"{cores:.2f}" for cores in phase.api_cores) or "–",
            f"{measured.cpu_seconds / measured.seconds:.2f}",
        )
    _out.print(table)
    for phase in phases:
        if phase.measured.first_fault:
            _out.print(f"{phase.name} 的第一个错误：{phase.measured.first_fault}", markup=False)


def _show_targets(targets: Sequence[Target]) -> None:
    table = Table("目标", "要求", "实测", "")
    for target in targets:
        table.add_row(target.name, target.promised, target.measured, "达标" if target.met else "未达标")
    _out.print(table)
