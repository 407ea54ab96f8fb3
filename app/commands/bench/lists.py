"""``bihuan bench lists``: every list, scope and pair of filters over a million events, against its targets."""

import asyncio
import gc
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from statistics import median
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import make_url, text

from app.accounts.tokens import UserSubject
from app.commands.bench import lists_data as data
from app.commands.bench import lists_load as loader
from app.commands.bench.statements import StatementCount
from app.commands.db import upgrade_schema
from app.commands.harness.keep_alive import Connections, Target
from app.core import postgres
from app.core.database import make_engine, make_sessions
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.core.timing import now
from app.main import create_app
from app.runtime import Runtime, open_runtime

DATABASE = "bihuan_bench"
#: milliseconds
TARGET_P50, TARGET_P99 = 15.0, 60.0
MAX_STATEMENTS = 3
_PAGE_1000_AT = 50_000


@dataclass(slots=True)
class Case:
    """One request that is measured many times; times in milliseconds."""

    scope: str
    path: str
    name: str
    params: dict[str, Any]
    times: list[float] = field(default_factory=list)
    statements: int = 0
    rows: int = 0

    @property
    def p99(self) -> float:
        """The slowest but one in a hundred; the slowest of fewer."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    @property
    def passed(self) -> bool:
        """Whether it meets the targets."""
        return median(self.times) < TARGET_P50 and self.p99 < TARGET_P99 and self.statements <= MAX_STATEMENTS


def filters_by_list() -> dict[str, dict[str, dict[str, Any]]]:
    """The single filters of each list, some frequent and some rare."""
    month = now() - timedelta(days=200)
    received = {"received_from": month.isoformat(), "received_to": (month + timedelta(days=30)).isoformat()}
    place = {
        "area": {"area": data.street_code(1)},
        "community": {"area": data.community_code(3, 9)},
        "item": {"item": data.item_key(0)},
        "rare_item": {"item": data.item_key(250)},
        "unit": {"unit": data.unit_code(2)},
        "channel": {"channel": "police-110"},
    }
    events = place | {
        "open": {"open": "true"},
        "urgency": {"urgency": "critical"},
        "level": {"level": "grid"},
        "domain": {"domain": "domain_5"},
        "demand_type": {"demand_type": "praise"},
        "received": received,
    }
    return {
        "/events": events | {"state": {"state": "cancelled"}, "triage": {"triage": "no_rule"}},
        "/work-orders": events | {"state": {"state": "handling"}, "role": {"role": "supporting"}},
        "/reports": events | {"state": {"state": "open"}, "owes": {"owes": "callback"}},
        "/inspections": place | {"open": {"open": "true"}, "received": received},
        "/supervision/overdue": place | {"stage": {"stage": "handling"}, "late_by": {"late_by": 600}},
    }


def cases_of(scopes: Iterable[str]) -> list[Case]:
    """Each list in each scope: without filters, with each, with each pair."""
    cases: list[Case] = []
    for scope in scopes:
        for path, filters in filters_by_list().items():
            cases.append(Case(scope, path, "", {}))
            cases += [Case(scope, path, name, params) for name, params in filters.items()]
            for (one, first), (other, second) in combinations(filters.items(), 2):
                if not set(first) & set(second):
                    cases.append(Case(scope, path, f"{one} {other}", first | second))
        cases.append(Case(scope, "/changes", "", {}))
    return cases


def lists(
    count: Annotated[int, typer.Option(min=1000, help="事件数")] = 1_000_000,
    repeat: Annotated[int, typer.Option(min=2, help="每个查询测多少次")] = 20,
    url: Annotated[str, typer.Option(help="已在运行的接口地址（须接着测量库）；不写则自行启动一个")] = "",
    fresh: Annotated[bool, typer.Option(help="重建测量库")] = False,
) -> None:
    """一百万件事件上的列表：各列表、各范围、各筛选两两组合，经 HTTP 测量。"""
    settings = Settings(demo=True)
    console = Console()
    with _database(settings) as (database_url, owner_url, tools, environment):
        bench = settings.model_copy(
            update={"database_url": database_url, "owner_database_url": owner_url, "read_database_url": ""}
        )
        failed = asyncio.run(_run(bench, console, count, repeat, url, fresh))
        _pgbench(console, database_url, tools, environment)
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """URLs of the measured database (application, owner), folder of the client programs, and their environment."""
    if not settings.database_url:
        with postgres.lease(settings.data_dir) as lease:
            yield lease.app_url(DATABASE), lease.url(DATABASE), str(lease.bin_dir), lease.libpq_environment
        return
    given = make_url(settings.database_url)
    environment = {"PGHOST": given.host or "", "PGPORT": str(given.port or 5432), "PGUSER": given.username or ""}
    if given.password:
        environment["PGPASSWORD"] = str(given.password)
    owner = make_url(settings.owner_database_url or settings.database_url)
    yield (
        given.set(database=DATABASE).render_as_string(hide_password=False),
        owner.set(database=DATABASE).render_as_string(hide_password=False),
        str(postgres.bin_dir(settings.data_dir)),
        {name: value for name, value in environment.items() if value},
    )


async def _run(settings: Settings, console: Console, count: int, repeat: int, url: str, fresh: bool) -> bool:
    await _prepare(settings, console, count, fresh)
    async with open_runtime(settings) as runtime:
        jurisdiction, users = await loader.user_ids(runtime.sessions)
        tokens = {
            name: runtime.tokens.issue(UserSubject(id_), jurisdiction_id=jurisdiction, token_version=0)[0]
            for name, id_ in users.items()
        }
        cases = cases_of(tokens)
        await _count_statements(settings, runtime, tokens, cases)
    if url:
        await _measure(url, tokens, cases, repeat)
    else:
        async with _api(settings) as own:
            await _measure(own, tokens, cases, repeat)
    return _tell(console, cases)


async def _prepare(settings: Settings, console: Console, count: int, fresh: bool) -> None:
    admin = make_engine(
        str(make_url(settings.owner_database_url).set(database="postgres").render_as_string(False)), pool_size=1
    )
    async with admin.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if fresh:
            await connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
        there = await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE})
        if not there:
            await connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    await admin.dispose()
    engine = make_engine(settings.owner_database_url, pool_size=1)
    sessions = make_sessions(engine)
    try:
        await asyncio.to_thread(upgrade_schema, settings.owner_database_url)
        if await loader.is_built(sessions, count):
            return
        async with sessions() as session:
            if await session.scalar(text("SELECT 1 FROM jurisdiction LIMIT 1")):
                raise typer.BadParameter("测量库里是另一种规模或未建完的数据，请加 --fresh 重建。")
        started = time.monotonic()
        with console.status("建立测量库") as status:
            await loader.build(
                settings.owner_database_url, sessions, count, lambda what: status.update(f"建立测量库：{what}")
            )
        console.print(f"测量库建成：{count:,} 件事件，{time.monotonic() - started:.0f} 秒")
    finally:
        await engine.dispose()


async def _count_statements(settings: Settings, runtime: Runtime, tokens: dict[str, str], cases: list[Case]) -> None:
    """Each request once in this process, where its statements can be counted; adds far pages, warms the database."""
    seen = StatementCount(runtime.read_sessions)
    transport = httpx.ASGITransport(app=create_app(settings, runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench/api/v1", timeout=60) as client:
        for token in tokens.values():  # masters and statistics are read once per process
            await client.get("/events", headers={"Authorization": f"Bearer {token}"})
        for scope, token in tokens.items():
            for path in ("/events", "/work-orders", "/reports", "/supervision/overdue"):
                if cursor := await _far(client, token, path):
                    cases.append(Case(scope, path, "page 1000", {"cursor": cursor}))
        for case in track(cases, "逐个核对语句数", transient=True):
            seen.reset()
            answer = await client.get(
                case.path, params=case.params, headers={"Authorization": f"Bearer {tokens[case.scope]}"}
            )
            answer.raise_for_status()
            case.statements, case.rows = seen.queries, len(answer.json()["items"])
    seen.close()


@asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator[str]:
    """One API process of our own on a free loopback port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own program; it lives as long as the block
        [*command, "--no-access-log", "--log-level", "warning"],
        env={**os.environ, "BIHUAN_DEMO": "true", "BIHUAN_DATABASE_URL": settings.database_url, "OMP_NUM_THREADS": "1"},
    )
    try:
        async with httpx.AsyncClient() as client:
            for _ in range(900):
                if process.poll() is not None:
                    raise typer.BadParameter("接口进程未能启动，原因见上面的日志。")
                await asyncio.sleep(0.1)
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    continue
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def _measure(url: str, tokens: dict[str, str], cases: list[Case], repeat: int) -> None:
    targets = {scope: Target(f"{url}/api/v1", token) for scope, token in tokens.items()}
    async with Connections(next(iter(targets.values())), 1) as connections:
        connection = connections.all[0]
        # The collector need not walk through what is left of the counting in the middle of a request.
        gc.collect()
        gc.freeze()
        # Round by round, each in another order, so that a disturbance of the machine does not fall on a few cases.
        chance = random.Random(1)  # noqa: S311 - an order, no secret
        for round_number in track(range(repeat + 1), "测量", transient=True, refresh_per_second=0.2):
            for case in chance.sample(cases, len(cases)):
                request = targets[case.scope].get_request(case.path, case.params)
                started = time.perf_counter()
                status, body = await connection.send(request)
                taken = (time.perf_counter() - started) * 1000
                if status != 200:
                    raise Unavailable(f"{case.path} {case.scope} {case.name}：{status} {body.decode()[:300]}")
                if round_number:
                    case.times.append(taken)


async def _far(client: httpx.AsyncClient, token: str, path: str) -> str | None:
    """The cursor of page 1,000 (of 50), reached by walking in pages of 200; None when the list is shorter."""
    cursor: str | None = None
    for _ in range(_PAGE_1000_AT // 200):
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(path, params=params, headers={"Authorization": f"Bearer {token}"})).json()
        cursor = page["next"]
        if cursor is None:
            return None
    return cursor


def _tell(console: Console, cases: list[Case]) -> bool:
    table = Table(title=f"列表（毫秒；目标 p50 < {TARGET_P50:.0f}，p99 < {TARGET_P99:.0f}，语句 ≤ {MAX_STATEMENTS}）")
    for column in (
        "列表",
        "范围",
        "查询数",
        "首页 p50",
        "p95",
        "p99",
        "第 1000 页 p50",
        "最慢组合 p50",
        "p99",
        "语句",
        "达标",
    ):
        table.add_column(column, justify="left" if column in ("列表", "范围") else "right")
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.path, case.scope), []).append(case)
    for (path, scope), group in groups.items():
        plain = next(case for case in group if not case.name)
        far = next((case for case in group if case.name == "page 1000"), None)
        ordered = sorted(plain.times)
        good = sum(case.passed for case in group)
        table.add_row(
            path,
            scope,
            str(len(group)),
            f"{median(plain.times):.1f}",
            f"{ordered[int(len(ordered) * 0.95)]:.1f}",
            f"{plain.p99:.1f}",
            f"{median(far.times):.1f}" if far else "",
            f"{max(median(case.times) for case in group):.1f}",
            f"{max(case.p99 for case in group):.1f}",
            str(max(case.statements for case in group)),
            "是" if good == len(group) else f"{good}/{len(group)}",
            style="" if good == len(group) else "red",
        )
    console.print(table)
    missed = sorted((case for case in cases if not case.passed), key=lambda case: -median(case.times))
    for case in missed[:30]:
        console.print(
            f"[red]未达标[/red] {case.path} {case.scope} {case.name or '无筛选'}：p50 {median(case.times):.1f} p99 "
            f"{case.p99:.1f} 毫秒，语句 {case.statements}，{case.rows} 行"
        )
    return bool(missed)


def _pgbench(console: Console, url: str, tools: str, environment: dict[str, str]) -> None:
    """The same keyed look-up without our code, for comparison."""
    script = (
        "\\set day random(1, 390)\n"
        "SELECT id, event_no, title, state, received_at FROM event WHERE jurisdiction_id = 1 AND id < "
        "(lpad(to_hex((extract(epoch FROM now() - :day * interval '1 day') * 1000)::bigint), 12, '0') || "
        "'70008000000000000000')::uuid ORDER BY id DESC LIMIT 50;\n"
    )
    done = subprocess.run(  # noqa: S603 - the server's own program
        [
            f"{tools}/pgbench",
            "-n",
            "-M",
            "prepared",
            "-T",
            "5",
            "-c",
            "1",
            "-f",
            "/dev/stdin",
            str(make_url(url).database),
        ],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("latency average", "tps"))]
    console.print("pgbench，同一查询、随机日期、单连接：" + "；".join(lines or [done.stderr.strip()[:200]]))
