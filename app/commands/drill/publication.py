"""``bihuan drill publication``: a dispatch catalogue is published again and again while reports come in.

What must hold: no report is lost; each is decided by exactly one set of releases that was published together (rules
and limits); nobody who asks after a publication gets the old one; every process works by the new one within a second.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, islice, product
from typing import Annotated, Any, Final

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import text

from app.clocks.calendar import CHINA_TIME
from app.commands.audit import verify_all
from app.commands.demo.actors import Logins
from app.commands.harness.keep_alive import Connection, NoAnswer, Target
from app.commands.harness.sample_messages import DEMO_CITY
from app.commands.harness.scratch_database import scratch_database
from app.commands.stack import Stack, running_stack, set_up_city
from app.core.crypto import Keyring
from app.core.database import Sessions, transaction
from app.core.settings import Settings
from app.dispatch.rows import RoutingRuleRow
from app.masters import publishing
from app.masters.policies import PolicyRow
from app.masters.validation import MasterFile, read_master

_DATABASE: Final = "bihuan_drill_publication"
_PASSWORD: Final = "drill-publication-only"  # noqa: S105 - of a database that is dropped when the drill ends
_HOTLINE: Final = "hotline-12345"
_JURISDICTION: Final = "320102"
#: a class whose rule the drill changes with every release
_CLASS: Final = {"class1": "劳动与社会保障", "class2": "拖欠工资"}
_ITEM: Final = ("BIHUAN-HOTLINE-2026", "matter", "H0201")
#: the units that the releases send it to in turn
_UNITS: Final = ("D-URBAN", "D-WATERRES", "D-HOUSING")
#: how long after a publication every process must work by it
AIM_SECONDS: Final = 1.0
_SECONDS_BETWEEN: Final = 2.0

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(frozen=True, slots=True)
class _Release:
    """One publication: rules and limits that belong together. Times are those of the drill's own clock."""

    rules_id: int
    policies_id: int
    unit: str
    sign_hours: int
    asked_at: float
    committed_at: float


@dataclass(frozen=True, slots=True)
class _Sent:
    """One report that was accepted."""

    process: int
    ref: str
    event_id: str
    sent_at: float
    answered_at: float


@dataclass(slots=True)
class _Log:
    """What was published and what was sent."""

    releases: list[_Release] = field(default_factory=list)
    sent: list[_Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What the database has of one report's event."""

    rules_id: int
    policies_id: int
    unit: str
    sign_limit: str


def publication(
    times: Annotated[int, typer.Option(min=2, max=1_000, help="发布次数")] = 10,
    processes: Annotated[int, typer.Option(min=1, max=8, help="API 进程数")] = 3,
    clients: Annotated[int, typer.Option(min=1, max=64, help="每个进程同时上报的连接数")] = 2,
    rules: Annotated[int, typer.Option(min=100, max=100_000, help="派单规则条数")] = 20_000,
) -> None:
    """一边上报一边反复发布派单目录：不丢件，每件只按同一次发布的目录决定；有一处不符时退出码为 1。"""
    faults = asyncio.run(_drill(times, processes, clients, rules))
    for fault in faults:
        _out.print(fault, markup=False)
    if faults:
        raise typer.Exit(1)
    _out.print("全部核对无误")


async def _drill(times: int, processes: int, clients: int, rules: int) -> list[str]:
    log, catalogue = _Log(), _Catalogue(rules)
    async with _city(processes, log, catalogue) as (stacks, tokens):
        stop = asyncio.Event()
        reporters = [
            asyncio.create_task(_report(n, stack, tokens, log, stop))
            for n, stack in enumerate(stacks)
            for _ in range(clients)
        ]
        with Progress(console=_out, transient=True, disable=not _out.is_terminal) as progress:
            task = progress.add_task("发布", total=times)
            for _ in range(times):
                await asyncio.sleep(_SECONDS_BETWEEN)
                await _publish(stacks[0].sessions, catalogue, log)
                progress.advance(task)
        await asyncio.sleep(_SECONDS_BETWEEN)
        stop.set()
        await asyncio.gather(*reporters)
        decided = await _decisions(stacks[0].sessions)
        reports = await _count(stacks[0].sessions, "report")
        verified = await verify_all(stacks[0].sessions, stacks[0].keyring)
    faults = [*_faults(log, decided, reports), *(f"时间线不符：事件 {each.event_id}" for each in verified.faults)]
    return [*faults, *_show(log, decided, processes, rules)]


# ── the city and its releases ────────────────────────────────────────────────────────────────────────────────


class _Catalogue:
    """The demo city's catalogue, filled up to a number of rules, with one rule that changes each time."""

    def __init__(self, rules: int) -> None:
        own = [row for row in _rows("routing-rules") if isinstance(row, RoutingRuleRow)]
        named = {"standard_ref": _ITEM[0], "kind": _ITEM[1], "code": _ITEM[2]}
        self._rules = {row.key: row for row in own if (row.standard_ref, row.kind, row.code) != _ITEM}
        self._policies = {row.key: row for row in _rows("policies") if isinstance(row, PolicyRow)}
        self._named = named
        self._turn = count(1)
        # Narrower than any rule of the city, and about a channel by which no report of the drill comes.
        items = sorted({row.item_key for row in own if row.code})
        communities = [row.key for row in _rows("areas") if len(row.key) == 12]
        levels = ("grid", "street", "district", "city")
        wanted = max(0, rules - len(self._rules) - 1)
        for n, (item, area, level) in enumerate(islice(product(items, communities, levels), wanted)):
            standard, kind, code = item.rsplit("/", 2)
            self._add(
                f"X{n:06d}",
                standard_ref=standard,
                kind=kind,
                code=code,
                area_code=area,
                level=level,
                channel="snapshot",
            )

    def _add(self, number: str, unit: str = _UNITS[0], **conditions: str) -> None:
        row = {"rule_no": number, "lead_unit": unit, "step": "statutory_department", "basis": "演练", **conditions}
        self._rules[number] = RoutingRuleRow.model_validate(row)

    def next(self) -> tuple[str, int, MasterFile, MasterFile]:
        """The unit and the hours for signing of the next release, and its two files."""
        n = next(self._turn)
        unit, hours = _UNITS[n % len(_UNITS)], n % 90 + 1
        self._add("X-CHANGES", unit, **self._named)
        signing = PolicyRow(key="sign_limit", value=f"{hours} work_hour", source="演练")
        self._policies["sign_limit"] = signing
        rules, policies = dict(self._rules), dict(self._policies)
        return (
            unit,
            hours,
            MasterFile("routing-rules", "complete", dict(rules)),
            MasterFile("policies", "complete", dict(policies)),
        )


def _rows(kind: str) -> list[Any]:
    return list(read_master(DEMO_CITY / f"{kind}.csv").rows.values())


async def _publish(sessions: Sessions, catalogue: _Catalogue, log: _Log) -> None:
    unit, hours, rules, policies = catalogue.next()
    async with transaction(sessions) as session:
        jurisdiction_id = await session.scalar(
            text("SELECT id FROM jurisdiction WHERE code = :code"), {"code": _JURISDICTION}
        )
        for file in (rules, policies):
            await publishing.put_file(session, jurisdiction_id, file, by="演练")
    asked_at = time.monotonic()
    async with transaction(sessions) as session:
        kinds = ("routing-rules", "policies")
        published = await publishing.publish(
            session, jurisdiction_id, kinds, by="演练", mode="new_only", unreviewed_because="演练"
        )
    ids = {release.kind: release.release_id for release in published}
    log.releases.append(_Release(ids["routing-rules"], ids["policies"], unit, hours, asked_at, time.monotonic()))


@asynccontextmanager
async def _city(processes: int, log: _Log, catalogue: _Catalogue) -> AsyncIterator[tuple[list[Stack], "Logins"]]:
    async with scratch_database(Settings(demo=True), _DATABASE) as scratch:
        env = {"BIHUAN_DEMO": "true", **scratch.environment}
        secrets: dict[str, str] = {}

        async def prepare(sessions: Sessions, _: Keyring) -> None:
            city = await set_up_city(sessions, _JURISDICTION, "演示区", DEMO_CITY, password=_PASSWORD)
            secrets.update(city.secrets)
            await _publish(sessions, catalogue, log)

        async with AsyncExitStack() as held:
            stacks = [
                await held.enter_async_context(
                    running_stack(env, f"{_DATABASE}_{n}", worker=False, prepare=None if n else prepare)
                )
                for n in range(processes)
            ]
            base = f"{stacks[0].base_url}/api/v1"
            http = await held.enter_async_context(httpx.AsyncClient(base_url=base, timeout=60, trust_env=False))
            yield stacks, Logins(http, _PASSWORD, secrets)


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _report(process: int, stack: Stack, logins: Logins, log: _Log, stop: asyncio.Event) -> None:
    token = (await logins.header(_HOTLINE))["Authorization"].removeprefix("Bearer ")
    target = Target(stack.base_url, token)
    connection: Connection = target.connection()
    for n in count():
        if stop.is_set():
            break
        ref = f"V{process}{id(connection) % 10**9:09d}{n:06d}"
        message = {
            "orderNum": ref,
            "callTime": datetime.now(CHINA_TIME).isoformat(timespec="seconds"),
            "callerPhone": "13900000000",
            "orderType": "投诉",
            "content": "工资一直没发，请帮忙处理",
            "address": "大行宫社区",
            **_CLASS,
        }
        sent_at = time.monotonic()
        try:
            status, body = await connection.send(
                target.post_request(f"/api/v1/intake/{_HOTLINE}", orjson.dumps(message))
            )
        except NoAnswer:
            log.refused.append(f"{ref}：没有答复")
            continue
        answer = orjson.loads(body)
        if status not in (200, 201):
            log.refused.append(f"{ref}：{status} {answer.get('detail')}")
            continue
        log.sent.append(_Sent(process, ref, answer["event_id"], sent_at, time.monotonic()))
    connection.close()


# ── the books ────────────────────────────────────────────────────────────────────────────────────────────────

_DECISIONS: Final = text(
    """
    SELECT t.event_id, t.data -> 'releases' ->> 'routing-rules' AS rules_id,
           t.data -> 'releases' ->> 'policies' AS policies_id, t.data ->> 'unit' AS unit,
           c.limit_value || ' ' || c.limit_unit AS sign_limit
    FROM timeline t JOIN work_order o ON o.event_id = t.event_id AND o.decision_n = t.n
    JOIN clock c ON c.event_id = o.event_id AND c.order_n = o.n AND c.kind = 'signing' WHERE t.act = 'dispatch'
    """
)


async def _decisions(sessions: Sessions) -> dict[str, _Decided]:
    async with sessions() as session:
        return {
            str(row.event_id): _Decided(int(row.rules_id), int(row.policies_id), row.unit, row.sign_limit)
            for row in await session.execute(_DECISIONS)
        }


async def _count(sessions: Sessions, table: str) -> int:
    async with sessions() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - our own name


def _faults(log: _Log, decided: dict[str, _Decided], reports: int) -> list[str]:
    found = [f"未被受理：{each}" for each in log.refused[:10]]
    known = {release.rules_id: release for release in log.releases}
    if reports != len(log.sent) or len(decided) != reports:
        found.append(f"受理 {len(log.sent)} 件，库中诉求 {reports} 件，派单决定 {len(decided)} 个：应相等")
    for each in log.sent:
        made = decided.get(each.event_id)
        release = known.get(made.rules_id) if made else None
        if made is None or release is None:
            found.append(f"{each.ref}：没有派单决定，或所用目录从未发布")
        elif made != _Decided(release.rules_id, release.policies_id, release.unit, f"{release.sign_hours} work_hour"):
            found.append(f"{each.ref}：按半新半旧的目录决定 {made}，该版应为 {release}")
    return found[:20]


def _show(log: _Log, decided: dict[str, _Decided], processes: int, rules: int) -> list[str]:
    by_rules = {made.rules_id: n for n, made in enumerate(log.releases)}
    numbered = [(each, by_rules[decided[each.event_id].rules_id]) for each in log.sent if each.event_id in decided]
    late = [
        each.sent_at - log.releases[n + 1].committed_at
        for each, n in numbered
        if n + 1 < len(log.releases) and each.sent_at > log.releases[n + 1].committed_at
    ]
    taken: list[float] = []
    for n, release in enumerate(log.releases[1:], start=1):
        for process in range(processes):
            answers = [one.answered_at for one, m in numbered if m >= n and one.process == process]
            taken.append(min(answers, default=float("inf")) - release.committed_at)
    spans = [each.answered_at - each.sent_at for each in log.sent]
    near = [
        each.answered_at - each.sent_at
        for each in log.sent
        if any(release.committed_at - 0.1 < each.answered_at < release.committed_at + 2 for release in log.releases[1:])
    ]
    table = Table(
        "发布",
        "规则",
        "进程",
        "受理",
        "发布用时 ms",
        "全部进程改用新目录 ms",
        "发布后仍按旧目录",
        "受理 p50/p99 ms",
        "发布前后最慢 ms",
    )
    publishing_ms = statistics.median(1000 * (one.committed_at - one.asked_at) for one in log.releases[1:])
    table.add_row(
        str(len(log.releases) - 1),
        f"{rules:,}",
        str(processes),
        f"{len(log.sent):,}",
        f"{publishing_ms:.0f}（中位）",
        f"{1000 * statistics.median(taken):.0f}（中位）{1000 * max(taken):.0f}（最长）",
        str(len(late)),
        f"{_ms(spans, 50)}/{_ms(spans, 99)}",
        f"{1000 * max(near, default=0):.0f}",
    )
    _out.print(table)
    faults = []
    if late:
        faults.append(f"发布之后才送达、却仍按旧目录决定的有 {len(late)} 件，最晚在发布后 {max(late):.2f} 秒")
    if max(taken) > AIM_SECONDS:
        faults.append(f"有进程在发布后 {max(taken):.2f} 秒才按新目录答复，目标 {AIM_SECONDS:.0f} 秒")
    return faults


def _ms(seconds: Sequence[float], percent: int) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"{1000 * cuts[percent - 1]:.0f}"
