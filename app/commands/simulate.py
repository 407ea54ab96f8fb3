"""``bihuan release simulate``: who would get past events under the drafts, before anyone publishes."""

import csv
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.core.errors import Malformed
from app.core.timing import now
from app.dispatch.simulation import Replayed, Share, Tally, Way, most_moved
from app.masters import Masters, MastersCache
from app.masters.kinds import KINDS
from app.masters.simulation import WhatIf, simulate, what_if
from app.supervision.past_matters import count_past_matters

#: lines of each table
_MOST: Final = 20
_PEOPLE: Final = "人工研判"
_COLUMNS: Final = (
    *("event_no", "decided_at", "item", "street", "moved", "unit_before", "unit_after", "rule_before", "rule_after"),
    *("step_before", "step_after", "clause_after", "supporting_after"),
)

_Sink = Callable[[Sequence[Replayed]], None]


async def run_simulation(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str] | None,
    since: datetime,
    until: datetime | None,
    file: Path | None,
    out: Console,
    err: Console,
) -> Tally:
    """Simulates and tells; ``since`` and ``until`` are local days, the second one included. Raises NotFound, Malformed.

    ``file``: where each event goes as CSV.
    """
    since_at, until_at = period(since, until)
    with err.status("正在读取基础数据"):
        asked = await what_if(session, MastersCache(), jurisdiction_id, kinds)
    count = await count_past_matters(session, jurisdiction_id, since_at, until_at)
    begun = perf_counter()
    with decisions_file(file) as write, _progress(err, count) as looked_at:

        def each(page: Sequence[Replayed]) -> None:
            write(page)
            looked_at(len(page))

        tally = await simulate(session, asked, since_at, until_at, each=each)
    show(out, asked, tally, perf_counter() - begun)
    if file is not None:
        out.print(Text(f"逐件的结果在 {file}"), soft_wrap=True)
    return tally


async def read_only(session: AsyncSession) -> None:
    """Makes the transaction, which must just have begun, one look at the database that cannot write."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))


def period(since: datetime, until: datetime | None) -> tuple[datetime, datetime]:
    """From the beginning of a local day to the end of another, or to now. Raises Malformed (Chinese)."""
    since_at = since.replace(tzinfo=CHINA_TIME)
    until_at = now() if until is None else until.replace(hour=23, minute=59, second=59, microsecond=999_999)
    until_at = until_at if until_at.tzinfo else until_at.replace(tzinfo=CHINA_TIME)
    if until_at <= since_at:
        message = "--since 须早于 --until，也须早于现在"
        raise Malformed(message, faults=[{"path": "since", "message": message}])
    return since_at, until_at


@contextmanager
def _progress(err: Console, count: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("推演"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=count)
        yield lambda n: progress.advance(task, n)


@contextmanager
def decisions_file(path: Path | None) -> Iterator[_Sink]:
    """Writes each event with both decisions as CSV; the file is there only when all of it is. None: nothing."""
    if path is None:
        yield lambda _: None
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(_COLUMNS)
            yield lambda page: writer.writerows(map(_line, page))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _line(one: Replayed) -> tuple[str | int | None, ...]:
    before, after = one.before, one.after
    return (
        *(one.event_no, one.at.astimezone(CHINA_TIME).isoformat(), one.item, one.street),
        *(int(before.unit != after.unit), before.unit, after.unit, before.rule_no, after.rule_no),
        *(before.step, after.step, after.clause_no, "|".join(after.supporting)),
    )


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────


def show(out: Console, asked: WhatIf, tally: Tally, seconds: float) -> None:
    """The figures, who would lose what to whom, and where."""
    drafts = "、".join(f"{KINDS[kind].title}草稿第 {number} 版" for kind, number in asked.numbers.items())
    out.print(
        Text(
            f"按{drafts}重派 {tally.events} 件：{tally.moved} 件会换承办单位"
            f"（其中转人工研判 {tally.to_people} 件，不再需要人工 {tally.from_people} 件），"
            f"单位不变而依据改变 {tally.same_unit} 件，仅协办改变 {tally.other_support} 件；"
            f"须人工研判由 {tally.people_before} 件变为 {tally.people_after} 件。"
            f"用时 {seconds:.1f} 秒，每秒 {tally.events / max(seconds, 1e-9):.0f} 件，没有写入任何数据"
        ),
        soft_wrap=True,
        highlight=False,
    )
    if never := asked.never_valid(tally):
        out.print(
            Text(
                f"注意：草稿中有 {len(never)} 条规则在这段时间里从未生效，推演看不出它们的作用："
                f"{'、'.join(never[:8])}{' 等' if len(never) > 8 else ''}",
                "yellow",
            ),
            soft_wrap=True,
            highlight=False,
        )
    if tally.moved:
        out.print(_ways(asked, tally))
        out.print(_shares("按事项", "事项", tally.by_item, asked.item_name, asked))
        out.print(_shares("按街道", "街道", tally.by_street, asked.area_name, asked))
    out.print(Text(f"逐件结果摘要 {tally.digest}", "dim"), soft_wrap=True)


def _ways(asked: WhatIf, tally: Tally) -> Table:
    ways = tally.most_moved()
    table = Table("现由", "改由", "件数", "例", title=f"从谁到谁（{len(ways)} 种，列前 {min(len(ways), _MOST)} 种）")
    for (before, after), move in ways[:_MOST]:
        names = (_unit(asked.before, before), _unit(asked.after, after))
        table.add_row(*names, str(move.count), Text("、".join(move.examples)))
    return table


def _shares(
    title: str,
    column: str,
    shares: dict[str | None, Share],
    name: Callable[[str | None], str],
    asked: WhatIf,
) -> Table:
    found = most_moved(shares)
    table = Table(column, "件数", "会换", "转人工", "不再人工", "最多的去向", title=f"{title}（{len(found)} 个有变动）")
    for key, share in found[:_MOST]:
        [(way, count)] = share.ways.most_common(1)
        numbers = (str(n) for n in (share.events, share.moved, share.to_people, share.from_people))
        table.add_row(Text(name(key) or "未定"), *numbers, Text(f"{_way(asked, way)} {count}"))
    return table


def _way(asked: WhatIf, way: Way) -> str:
    return f"{_unit(asked.before, way[0])} → {_unit(asked.after, way[1])}"


def _unit(masters: Masters, code: str | None) -> str:
    return masters.organizations.name_of(code) if code else _PEOPLE
