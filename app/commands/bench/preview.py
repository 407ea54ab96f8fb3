"""``bihuan bench preview``: how long an operator waits for the preview of a dispatch 试派, over HTTP, one at a time.

Before each, on the same connection, a request that does nothing: what is left is the preview's own.
"""

import asyncio
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from time import perf_counter
from typing import Annotated, Any, Final

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from app.commands.demo.actors import Logins
from app.commands.harness.keep_alive import Connection, NoAnswer, Target
from app.commands.harness.sample_messages import DEMO_CITY
from app.commands.harness.scratch_database import scratch_database
from app.commands.stack import Stack, running_stack, set_up_city
from app.core.crypto import Keyring
from app.core.database import Sessions
from app.core.settings import Settings
from app.dispatch.routing import STEP_TITLES
from app.masters.publishing import read_folder

_DATABASE: Final = "bihuan_bench_preview"
_JURISDICTION: Final = "320102"
_PASSWORD: Final = "bench-preview-only"  # noqa: S105 - of a database that is dropped when the measurement ends
_OPERATOR: Final = "operator1"
#: milliseconds, 99 of a hundred
AIM: Final = 20.0
#: not measured: a process's first requests load what later ones have
_WARM_UP: Final = 20

_out = Console()


def preview(count: Annotated[int, typer.Option(min=100, max=100_000, help="试派次数")] = 500) -> None:
    """试派要等多久：演示城市、真的服务进程、一条连接上逐个请求；p99 超过 20 毫秒时退出码为 1。"""
    if asyncio.run(_run(count)) > AIM:
        raise typer.Exit(1)


async def _run(count: int) -> float:
    """The 99th percentile in milliseconds."""
    settings = Settings(demo=True)
    asked = bodies(count + _WARM_UP)
    async with scratch_database(settings, _DATABASE) as scratch:

        async def prepare(sessions: Sessions, _: Keyring) -> None:
            await set_up_city(sessions, _JURISDICTION, "演示区", DEMO_CITY, password=_PASSWORD)

        env = {"BIHUAN_DEMO": "true", **scratch.environment}
        async with running_stack(env, _DATABASE, worker=False, prepare=prepare) as stack:
            empty, found, steps = await _measure(stack, asked)
    return _show(empty, found, steps)


def bodies(count: int) -> list[dict[str, Any]]:
    """What callers tell: every kind of item, most of them with a point, all over the demo city."""
    pick = Random(1)  # noqa: S311 - test data, not secrets
    files = read_folder(DEMO_CITY)
    items, cells = sorted(files["items"].documents), sorted(files["cells"].documents.items())
    made = []
    for n in range(count):
        cell_id, cell = pick.choice(cells)
        urgency = pick.choices(("normal", "urgent", "critical"), (85, 11, 4))[0]
        place = {"area_code": cell_id[:12]} if n % 10 == 0 else {"point": _inside(cell)}
        made.append({"item": pick.choice(items), "urgency": urgency, **place})
    return made


def _inside(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The middle of its corners."""
    lons, lats = zip(*cell["polygon"][0][:-1], strict=True)
    return {"lon": statistics.fmean(lons), "lat": statistics.fmean(lats), "crs": "cgcs2000"}


async def _measure(stack: Stack, asked: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float], Counter[str]]:
    """Seconds of the empty requests and of the previews, and by which principle each was decided."""
    async with httpx.AsyncClient(base_url=f"{stack.base_url}/api/v1", timeout=60, trust_env=False) as http:
        token = (await Logins(http, _PASSWORD, {}).header(_OPERATOR))["Authorization"].removeprefix("Bearer ")
    target = Target(stack.base_url, token)
    requests = [target.post_request("/api/v1/dispatch/preview", orjson.dumps(body)) for body in asked]
    nothing = target.get_request("/healthz")
    empty: list[float] = []
    found: list[float] = []
    steps: Counter[str] = Counter()
    connection = target.connection()
    columns = (TextColumn("试派"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
            for n, request in enumerate(progress.track(requests)):
                none_seconds, _ = await _timed(connection, nothing)
                seconds, body = await _timed(connection, request)
                if n >= _WARM_UP:
                    empty.append(none_seconds)
                    found.append(seconds)
                    steps[orjson.loads(body)["step"]] += 1
    finally:
        connection.close()
    return empty, found, steps


async def _timed(connection: Connection, request: bytes) -> tuple[float, bytes]:
    begun = perf_counter()
    status, body = await connection.send(request)
    seconds = perf_counter() - begun
    if status != 200:
        raise NoAnswer(f"{status}: {body[:300].decode(errors='replace')}")
    return seconds, body


def _show(empty: Sequence[float], found: Sequence[float], steps: Mapping[str, int]) -> float:
    load = "、".join(f"{each:.1f}" for each in os.getloadavg())
    _out.print(
        f"{os.cpu_count()} 核，近 1、5、15 分钟的平均负载 {load}；演示城市，1 个服务进程，1 条连接，逐个请求",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("请求", "次数", "p50 ms", "p99 ms", "最长 ms")
    for what, seconds in (("POST /dispatch/preview 试派", found), ("对照：GET /healthz 空请求", empty)):
        numbers = (statistics.median(seconds), _p99(seconds), max(seconds))
        table.add_row(what, str(len(seconds)), *(f"{each * 1e3:.2f}" for each in numbers))
    _out.print(table)
    titles = {str(step): title for step, title in STEP_TITLES.items()} | {"person": "转人工"}
    shares = "，".join(f"{titles[step]} {n}" for step, n in sorted(steps.items(), key=lambda each: -each[1]))
    _out.print(f"据以决定的原则：{shares}", highlight=False, soft_wrap=True)
    p99 = _p99(found) * 1e3
    _out.print(f"{'达到' if p99 <= AIM else '没有达到'} p99 不超过 {AIM:.0f} 毫秒的目标", highlight=False)
    return p99


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]
