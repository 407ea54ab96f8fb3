"""``bihuan bench simulate``: a draft tried on past events, then published; reports like them are then really sent.

Beside it, in the same run, what merely reading the same events takes, and deciding each of them once by masters that
were loaded anew (which only says that a publication changes nothing of what was tried).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from time import perf_counter
from typing import Annotated, Final, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.commands.bench import simulate_data as data
from app.commands.bench.ceiling import prepared_city
from app.commands.bench.simulate_again import SAMPLE, SentAgain, can_be_sent, send_again
from app.commands.city import City
from app.commands.harness.scratch_database import scratch_database
from app.commands.simulate import read_only, show
from app.core import releases
from app.core.database import transaction
from app.core.settings import Settings
from app.core.timing import now
from app.dispatch.simulation import Replayed, Tally, Verdict
from app.masters import Masters, MastersCache
from app.masters.publishing import publish
from app.masters.simulation import decide_again, simulate, what_if
from app.runtime import Runtime
from app.supervision.past_matters import PastMatter, past_matters

_DATABASE: Final = "bihuan_bench_simulate"
#: seconds for all of them
AIM: Final = 60.0
_KINDS: Final = ("routing-rules", "duty-list")
_TOLD: Final = 10
_PERIOD: Final = timedelta(days=data.DAYS + 1)

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


class Foretold(NamedTuple):
    """What the simulation said, and how long it took."""

    tally: Tally
    verdicts: dict[str, Verdict]
    seconds: float
    #: numbers of the events that would get another unit
    moved: frozenset[str]


def simulate_command(
    events: Annotated[int, typer.Option(min=1_000, max=2_000_000, help="以往事件的件数")] = 100_000,
) -> None:
    """推演一份改动很大的草稿，再发布它，把 200 件同样的诉求真的重报一遍，核对落库的派单是否与推演一致。"""
    if asyncio.run(_run(events)):
        raise typer.Exit(1)


async def _run(count: int) -> int:
    """How many events were decided otherwise than foretold; one more when it took longer than is aimed at."""
    settings = Settings(demo=True)
    server = "BIHUAN_DATABASE_URL 的 PostgreSQL" if settings.database_url else "内置 PostgreSQL"
    _out.print(f"{os.cpu_count()} 核；{server}；演示城市，{count:,} 件以往的事件")
    async with (
        scratch_database(settings, _DATABASE) as scratch,
        prepared_city(settings, scratch) as (runtime, city),
    ):
        until_at = now()
        ground = await _ground(runtime, city)
        begun = perf_counter()
        with _bar("建库", count) as tell:
            await data.build(scratch.owner_url, ground, count, until_at, tell)
        _out.print(f"{len(ground.places):,} 处地点，{len(ground.items)} 个事项；建库 {perf_counter() - begun:.0f} 秒")
        await _load_draft(runtime, city)
        bare = await _read_once(runtime, city, until_at, count)
        foretold, draft = await _simulate(runtime, city, until_at, count)
        async with transaction(runtime.sessions) as session:
            await publish(session, city.jurisdiction_id, _KINDS, by="bench", unreviewed_because="测量用的草稿")
        once, others, sample = await _decide_again(runtime, city, until_at, foretold)
        with _bar("真实重报", SAMPLE) as tell:
            again = await send_again(runtime, city, draft, sample, until_at, tell)
    _show(foretold, bare, once, others)
    _show_again(again)
    return len(others) + len(again.others) + max(0, SAMPLE - again.compared) + (foretold.seconds > AIM)


@contextmanager
def _bar(what: str, count: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
        task = progress.add_task("", total=count)
        yield lambda n: progress.advance(task, n)


@asynccontextmanager
async def _looking(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    """A transaction that cannot write, as the command has it."""
    async with transaction(runtime.sessions) as session:
        await read_only(session)
        yield session


async def _ground(runtime: Runtime, city: City) -> data.Ground:
    async with runtime.sessions() as session:
        masters = await runtime.masters.get(session, city.jurisdiction_id)
        kinds = ("items", "cells", "components", "organizations")
        documents = {kind: await releases.documents_of(session, masters.vector[kind]) for kind in kinds}
    return await asyncio.to_thread(data.ground_of, masters, documents)


async def _load_draft(runtime: Runtime, city: City) -> None:
    async with transaction(runtime.sessions) as session:
        vector = (await runtime.masters.get(session, city.jurisdiction_id)).vector
        rules, duties, areas = [await releases.rows_of(session, vector[kind]) for kind in (*_KINDS, "areas")]
        streets = sorted(code for code, row in areas.items() if row["level"] == "street")
        made = data.changes(rules, duties, streets)
        for kind, rows in zip(_KINDS, (made.rules, made.duties), strict=True):
            await releases.put_draft(session, city.jurisdiction_id, kind, rows, complete=True, by="bench")
    _out.print(
        f"草稿：派单规则 {len(rules)} 条，改 {made.changed}、删 {made.removed}、增 {made.added}；"
        f"职责清单 {len(duties)} 条，收回 {made.clauses}"
    )


async def _read_once(runtime: Runtime, city: City, until_at: datetime, count: int) -> float:
    """Seconds of reading the events and doing nothing with them."""
    begun = perf_counter()
    async with _looking(runtime) as session:
        with _bar("只读", count) as tell:
            async for page in past_matters(session, city.jurisdiction_id, until_at - _PERIOD, until_at):
                tell(len(page))
    return perf_counter() - begun


async def _simulate(runtime: Runtime, city: City, until_at: datetime, count: int) -> tuple[Foretold, Masters]:
    """What it said, and the masters with the draft, as they were before anyone published it."""
    verdicts: dict[str, Verdict] = {}
    moved: set[str] = set()
    begun = perf_counter()
    async with _looking(runtime) as session:
        asked = await what_if(session, MastersCache(), city.jurisdiction_id, _KINDS)
        built = perf_counter()
        with _bar("推演", count) as tell:

            def each(page: Sequence[Replayed]) -> None:
                verdicts.update({one.event_no: one.after for one in page})
                moved.update(one.event_no for one in page if one.before.unit != one.after.unit)
                tell(len(page))

            tally = await simulate(session, asked, until_at - _PERIOD, until_at, each=each)
    ended = perf_counter()
    show(_out, asked, tally, ended - built)
    return Foretold(tally, verdicts, ended - begun, frozenset(moved)), asked.after


async def _decide_again(
    runtime: Runtime, city: City, until_at: datetime, foretold: Foretold
) -> tuple[float, list[str], list[tuple[PastMatter, bool]]]:
    """Seconds, and what was decided otherwise: by masters loaded anew, after the draft was published.

    Also events to be sent again, those first that were foretold to move (three of four).
    """
    others: list[str] = []
    picked: dict[bool, list[tuple[PastMatter, bool]]] = {True: [], False: []}
    every = max(1, foretold.tally.events // (20 * SAMPLE))
    seen = 0
    async with _looking(runtime) as session:
        masters = await MastersCache().get(session, city.jurisdiction_id)
        begun = perf_counter()
        with _bar("发布后重派", foretold.tally.events) as tell:
            async for page in past_matters(session, city.jurisdiction_id, until_at - _PERIOD, until_at):
                for past in page:
                    verdict, said = decide_again(masters, past), foretold.verdicts.get(past.event.event_no)
                    if verdict != said:
                        others.append(f"{past.event.event_no}：推演 {said}，发布后 {verdict}")
                for past in page[::every]:
                    if can_be_sent(past):
                        moves = past.event.event_no in foretold.moved
                        picked[moves].append((past, moves))
                seen += len(page)
                tell(len(page))
    if seen != len(foretold.verdicts):
        others.append(f"推演了 {len(foretold.verdicts)} 件，发布后读到 {seen} 件")
    sample = [*_spread(picked[True], SAMPLE), *_spread(picked[False], SAMPLE // 4)]
    return perf_counter() - begun, others, sample


def _spread(found: Sequence[tuple[PastMatter, bool]], count: int) -> Sequence[tuple[PastMatter, bool]]:
    return found[:: max(1, len(found) // count)][:count]


def _show(foretold: Foretold, bare: float, once: float, others: Sequence[str]) -> None:
    tally = foretold.tally
    table = Table("", "用时", "每秒", title=f"{tally.events:,} 件")
    for what, seconds in (
        (f"推演：每件派两遍，含读取基础数据和草稿（目标 {AIM:.0f} 秒以内）", foretold.seconds),
        ("对照：只读取这些事件", bare),
        ("对照：每件派一遍（发布后的核对）", once),
    ):
        table.add_row(what, f"{seconds:.1f} 秒", f"{tally.events / seconds:,.0f}")
    _out.print(table)
    for each in others[:_TOLD]:
        _out.print(each, style="red", highlight=False)
    if others:
        _out.print(f"有 {len(others)} 件与推演不一致", style="bold red")
    else:
        _out.print(
            f"同一个派单函数、发布后重新载入的基础数据，逐件重派：{tally.events:,} 件全部与推演一致"
            "（单位、原则、规则、条目、协办；只说明发布没有改变草稿）",
            soft_wrap=True,
        )


def _show_again(again: SentAgain) -> None:
    for each in again.others[:_TOLD]:
        _out.print(each, style="red", highlight=False)
    _out.print(
        f"真实重报：发布后经热线接口重报 {again.compared} 件与以往相同的诉求（同事项、地点、紧急程度、星期和时刻，"
        f"其中推演说会换单位的 {again.moved} 件），落库的派单与发布前草稿的推演比对单位、原则、规则、条目："
        f"{again.compared - len(again.others)} 件一致，{len(again.others)} 件不一致；"
        f"另有 {again.joined} 件并入、{again.other_facts} 件受理的事实与以往不同，未比对",
        style="red" if again.others or again.compared < SAMPLE else "",
        soft_wrap=True,
        highlight=False,
    )
