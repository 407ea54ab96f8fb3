"""``bihuan demo``: the whole service and its city, at work before one's eyes."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import httpx
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.clocks.calendar import CHINA_TIME
from app.commands.audit import verify_all
from app.commands.city import City, set_up_city
from app.commands.demo.actors import Actors, DemoFailed, Logins, Progress
from app.commands.demo.reports import (
    CITY_CODE,
    CITY_FOLDER,
    CITY_NAME,
    Messages,
    choose,
    master_rows,
    read_reports,
)
from app.commands.demo.screen import Screen, read_changes
from app.commands.demo.staff import Staff
from app.commands.demo.words import STATES
from app.commands.stack import Stack, running_stack, settings_of
from app.core.crypto import Keyring
from app.core.database import Sessions
from app.core.settings import SettingsError

#: on the screen at the end of each demo, and for the demo only
PASSWORD: Final = "bihuan-demo-2026"  # noqa: S105 - public on purpose
_DATABASE: Final = "bihuan_demo"
_ENV: Final = {"BIHUAN_DEMO": "true"}
_MOST: Final = 486
_DRAIN_SECONDS: Final = 30.0

_LOG_INS: Final = (
    ("operator1", "话务员：受理、直接答复"),
    ("dispatcher1", "派遣员：人工研判、派单、结案"),
    ("callback1", "回访员：回访"),
    ("leader1", "值班长：并案、强制结案、全部可见"),
    ("collector1", "采集员：核查"),
    ("u-d-urban", "承办单位（区城管局）：签收、处置"),
    ("u-desk-320102", "区协调台：兜底协调"),
    ("adjudicator1", "裁决员：管辖争议"),
    ("grid-320102002005", "网格员：从池中认领、现场处置"),
    ("supervisor1", "督查员：超期、指标"),
    ("auditadmin", "审计管理员"),
)


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="演示完即退出，供脚本用；有任何一件丢失或失败时退出码为 1")
    ] = False,
    reports: Annotated[int, typer.Option(min=1, max=_MOST, help="上报件数")] = 120,
    speed: Annotated[float, typer.Option(min=0, help="每秒上报几件；0 为尽快")] = 8.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口；0 为任选")] = 8000,
) -> None:
    """演示：启动全套服务，载入演示城市，让上报件走完闭环；服务保持运行，按 Ctrl-C 结束。"""
    console = Console()
    try:
        failures = asyncio.run(_until_asked(_demo(console, once, reports, speed, port)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("演示结束")
        raise typer.Exit(130 if once else 0) from None
    if failures:
        raise typer.Exit(1)


async def _until_asked(work: Coroutine[Any, Any, int]) -> int:
    """Runs ``work``; Ctrl-C and SIGTERM cancel it, so that it ends every process that it has started."""
    running = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: asyncio.run does it for Ctrl-C
            loop.add_signal_handler(number, running.cancel)
    return await running


async def _demo(console: Console, once: bool, count: int, speed: float, port: int) -> int:
    began = time.monotonic()
    _refuse_other_databases()
    city: City | None = None

    async def prepare(sessions: Sessions, _: Keyring) -> None:
        nonlocal city
        console.print("载入演示城市……")
        city = await set_up_city(sessions, CITY_CODE, CITY_NAME, CITY_FOLDER, by="演示", password=PASSWORD)

    console.print("启动数据库……")
    async with running_stack(_ENV, _DATABASE, port=port, prepare=prepare) as stack:
        if city is None:
            raise DemoFailed("演示城市没有载入")
        console.print(f"服务已启动：{stack.base_url}（{time.monotonic() - began:.1f} 秒）")
        progress = Progress(planned=count)
        run = f"{datetime.now(CHINA_TIME):%y%m%d%H%M%S}"
        await _play(console, stack, city, progress, count, speed, run)
        faults = await _summary(console, stack, progress, time.monotonic() - began)
        if once:
            return faults
        _tell_where(console, stack)
        while True:
            await asyncio.sleep(1)
            stack.require_running()


def _refuse_other_databases() -> None:
    """The demo gives everybody a public password: never in a database that is not a demo's by its very name."""
    url = settings_of(_ENV).database_url
    if url and "demo" not in (make_url(url).database or ""):
        raise SettingsError(
            "BIHUAN_DATABASE_URL 指向的不是演示库：演示会给所有人设公开的密码。"
            "请去掉该变量（用内置数据库），或换用名称含 demo 的空库。"
        )


async def _play(
    console: Console, stack: Stack, city: City, progress: Progress, count: int, speed: float, run: str
) -> None:
    staff = Staff.of(master_rows("users"), master_rows("organizations"), master_rows("filing-standards"))
    chosen = choose(read_reports(), count)
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(
        base_url=f"{stack.base_url}/api/v1", timeout=30, limits=limits, trust_env=False
    ) as http:
        logins = Logins(http, PASSWORD, city.secrets)
        actors = Actors(http, logins, staff, Messages(run), progress)
        screen = asyncio.create_task(Screen(console, progress).show(http, logins, await _newest(http, logins)))
        try:
            await actors.run(chosen, speed, lambda: datetime.now(CHINA_TIME))
        finally:
            screen.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await screen


async def _newest(http: httpx.AsyncClient, logins: Logins) -> str | None:
    """The cursor behind all that earlier demos have left."""
    cursor: str | None = None
    while (found := await read_changes(http, logins, cursor)) is not None:
        cursor = found["next"]
        if not found["more"]:
            break
    return cursor


_FIGURES = text(
    """
    SELECT
      (SELECT count(*) FROM report WHERE id = ANY(:ids)) AS kept,
      (SELECT count(*) FROM report WHERE id = ANY(:ids) AND state IN ('settled', 'withdrawn')) AS done,
      (SELECT count(*) FROM debt WHERE report_id = ANY(:ids) AND paid_at IS NULL AND waived IS NULL) AS debts,
      (SELECT count(*) FROM delivery WHERE report_id = ANY(:ids) AND state = 'delivered') AS delivered,
      (SELECT count(*) FROM delivery WHERE report_id = ANY(:ids) AND state IN ('waiting', 'leased')) AS waiting,
      (SELECT count(*) FROM delivery WHERE report_id = ANY(:ids) AND state = 'dead') AS dead,
      (SELECT count(*) FROM inbox WHERE state = 'held') AS held
    """
)
_ENDS = text(
    """
    SELECT e.state, coalesce(e.end_kind, '') AS kind, count(*) AS n FROM event e
    WHERE e.id IN (SELECT event_id FROM event_report WHERE report_id = ANY(:ids) AND left_at IS NULL)
    GROUP BY 1, 2 ORDER BY 3 DESC
    """
)
#: of the reports' events and of what was split off from them: what was done, and what is still open
_HANDS: Final = text(
    """
    WITH mine AS MATERIALIZED (
      SELECT event_id AS id FROM event_report WHERE report_id = ANY(:ids) AND left_at IS NULL
      UNION SELECT p.id FROM event p JOIN event_report r ON r.event_id = p.split_from
      WHERE r.report_id = ANY(:ids) AND r.left_at IS NULL)
    SELECT
      (SELECT count(*) FROM event WHERE id IN (SELECT id FROM mine) AND ended_at IS NULL) AS events,
      (SELECT count(*) FROM work_order WHERE event_id IN (SELECT id FROM mine) AND ended_at IS NULL) AS orders,
      (SELECT count(*) FROM dispute WHERE event_id IN (SELECT id FROM mine) AND ended_at IS NULL) AS disputes,
      (SELECT jsonb_object_agg(act, n) FROM (
        SELECT CASE WHEN data->>'step' = 'precedent' THEN 'precedent' ELSE act END AS act, count(*) AS n
        FROM timeline WHERE event_id IN (SELECT id FROM mine) GROUP BY 1) counted) AS acts
    """
)
_COUNTED: Final = {
    "jurisdiction_ruled": "裁决",
    "precedent": "参照先例",
    "negotiation_agreed": "会商",
    "supporting_added": "增派协办",
    "sub_dispatch": "二次派单",
    "street_callout": "吹哨",
    "answer_callout": "报到",
    "split": "拆分",
    "raise_level": "提级",
    "take": "网格员认领",
}
_KINDS: Final = {
    "handled": "处置完成",
    "explained": "解释说明",
    "answered_directly": "直接答复",
    "found_and_fixed": "自采自处",
    "forced": "强制结案",
    "withdrawn": "诉求人撤单",
    "void": "作废",
    "statutory_route": "告知法定途径",
    "explanation_only": "说明理由",
    "disruption": "扰乱秩序",
    "emergency_transfer": "紧急转接",
}


async def _figures(stack: Stack, progress: Progress) -> tuple[dict[str, int], list[tuple[str, str, int]]]:
    """The last messages go out within a second or so after the last act; then nothing changes any more."""
    ids = {"ids": [UUID(report_id) for report_id in progress.report_ids.values()]}
    deadline = time.monotonic() + _DRAIN_SECONDS
    while True:
        async with stack.sessions() as session:
            row = (await session.execute(_FIGURES, ids)).one()
            figures = {str(name): int(value) for name, value in row._mapping.items()}
            ends = [(row.state, row.kind, row.n) for row in await session.execute(_ENDS, ids)]
        settled = figures["done"] == progress.planned and not figures["waiting"]
        if settled or progress.failures or time.monotonic() > deadline:
            return figures, ends
        await asyncio.sleep(0.3)


async def _summary(console: Console, stack: Stack, progress: Progress, seconds: float) -> int:
    figures, ends = await _figures(stack, progress)
    verified = await verify_all(stack.sessions, stack.keyring)
    table = Table("结果", "类别", "事件", title="事件的去向", title_justify="left")
    for state, kind, n in ends:
        table.add_row(STATES.get(state, state), _KINDS.get(kind, kind), str(n))
    console.print(table)
    lost = progress.planned - figures["kept"]
    open_ = figures["kept"] - figures["done"]
    receipts = progress.outcomes
    console.print(
        f"上报 {progress.planned} 件：新立事件 {receipts['created']}，自动并单 {receipts['joined']}，"
        f"人工并案 {progress.merged}，丢失 {lost}，未了结 {open_}，用时 {seconds:.0f} 秒"
    )
    console.print(
        f"自动定事项 {progress.classified} 件，其中正确 {progress.classified_right} 件，其余转人工研判；"
        f"办理动作 {sum(progress.acts.values())} 次"
    )
    console.print(
        f"尚欠答复、回访、反馈 {figures['debts']} 笔；推送已送达 {figures['delivered']}，"
        f"待送 {figures['waiting']}，失败 {figures['dead']}；暂存未解析 {figures['held']}"
    )
    console.print(f"时间线核验：事件 {verified.events} 个、记录 {verified.rows} 条，不符 {len(verified.faults)} 处")
    left = await _tell_hands(console, stack, progress)
    for failure in progress.failures[:20]:
        console.print(f"失败：{failure}", style="red", markup=False)
    wrong = [lost, open_, figures["debts"], figures["waiting"], figures["dead"], figures["held"], left]
    return sum(bool(n) for n in wrong) + len(verified.faults) + len(progress.failures)


async def _tell_hands(console: Console, stack: Stack, progress: Progress) -> int:
    """What was argued about and done by several hands; returns how much of it has not come to its end."""
    ids = {"ids": [UUID(report_id) for report_id in progress.report_ids.values()]}
    async with stack.sessions() as session:
        row = (await session.execute(_HANDS, ids)).one()
    acts = row.acts or {}
    counted = "，".join(f"{name} {acts.get(act, 0)}" for act, name in _COUNTED.items())
    console.print(f"{counted}；未办结事件 {row.events}，未完工单 {row.orders}，未决争议 {row.disputes}", soft_wrap=True)
    if progress.corrected:
        draft = f"写入部件登记草稿第 {progress.draft_number} 版，待发布"
        console.print(f"部件登记更正 {progress.corrected} 件已采纳，{draft}", soft_wrap=True)
    return int(row.events + row.orders + row.disputes)


def _tell_where(console: Console, stack: Stack) -> None:
    base = stack.base_url
    table = Table("用户名", "席位", title=f"演示账号，密码都是 {PASSWORD}", title_justify="left")
    for username, seat in _LOG_INS:
        table.add_row(username, seat)
    console.print(table)
    console.print(f"接口文档 {base}/docs  健康检查 {base}/healthz {base}/readyz  指标 {base}/metrics", soft_wrap=True)
    console.print(f"日志目录 {stack.settings.data_dir / 'logs'}", soft_wrap=True)
    console.print(
        f"TOKEN=$(curl -s {base}/api/v1/auth/token -d username=leader1 -d password={PASSWORD}"
        " | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])')\n"
        f'curl -s -H "Authorization: Bearer $TOKEN" "{base}/api/v1/events?limit=3"\n'
        f'curl -s -H "Authorization: Bearer $TOKEN" "{base}/api/v1/supervision/indicators"',
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print("服务保持运行，按 Ctrl-C 结束")
