"""What releases do to open clocks, on the screen: the preview of drafts, and how things stand after publishing."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.clocks.rows import CalendarRow
from app.commands.release_tables import local, title_of
from app.core import releases
from app.core.tables import Job, Release
from app.core.timing import now
from app.masters import MastersCache, scheduling
from app.masters.cache import calendars_of
from app.masters.horizon import days_left, too_short
from app.masters.kinds import KINDS
from app.masters.publishing import RECALCULATE
from app.recalculation import preview as open_clocks

_MODE: Final = {"new_only": "只管新的", "re_decide_open": "在办的重算"}
_CAUSE: Final = {"calendar": "日历", "limit": "时限", "emergency": "应急预案"}
_JOB: Final = {"waiting": "待续", "leased": "进行中", "dead": "已停止，见 bihuan jobs"}


async def show_open_clocks(
    session: AsyncSession, jurisdiction_id: int, kinds: Collection[str] | None, out: Console, err: Console
) -> None:
    """What the drafts of these kinds (None: all) would do to open clocks; nothing where there are none."""
    drafts = await open_clocks.drafts(session, jurisdiction_id, kinds)
    count = await open_clocks.count_open(session, jurisdiction_id) if drafts else 0
    if not count:
        return
    with err.status("正在读取基础数据"):
        masters = await open_clocks.masters_with(session, MastersCache(), jurisdiction_id, drafts)
    columns = (TextColumn("查看在办时限"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=count)
        found = await open_clocks.preview(session, masters, drafts, looked_at=lambda n: progress.advance(task, n))
    titles = "、".join(KINDS[kind].title for kind in found.kinds)
    out.print(
        Text(
            f"若按“在办的重算”发布{titles}：在办时限 {found.open} 个，变动 {found.moved} 个，"
            f"其中提前 {found.earlier} 个（最多 {_days(found.most_earlier)}），"
            f"推后 {found.later} 个（最多 {_days(found.most_later)}）；"
            f"按估算的由 {found.assumed_before} 个变为 {found.assumed_after} 个"
        )
    )
    if found.examples:
        table = Table("事件", "时限", "缘由", "现在到期", "发布后到期", title=f"前 {len(found.examples)} 个")
        for one in found.examples:
            times = (f"{at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}" for at in (one.before_at, one.after_at))
            table.add_row(one.event_no, one.clock, _CAUSE[one.cause], *times)
        out.print(table)


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):.1f} 天"


async def show_status(session: AsyncSession, jurisdiction_id: int, out: Console) -> bool:
    """Releases in force, drafts and what they wait for, calendars, recalculations; True when a calendar ends soon."""
    everything = await releases.all_releases(session, jurisdiction_id)
    found = [release for release in everything if release.status == "published"]
    jobs = await session.scalars(
        select(Job).where(Job.kind == RECALCULATE, Job.key.startswith(f"{jurisdiction_id}/"), Job.state != "done")
    )
    under_way = list(jobs)
    calendar = next((release for release in found if release.kind == "calendar"), None)
    rows = await releases.rows_of(session, calendar.id) if calendar else {}
    for release in found:
        title = KINDS[release.kind].title if release.kind in KINDS else release.kind
        out.print(Text(f"{title}：第 {release.number} 版，{release.row_count} 行，{_MODE[release.mode]}"))
    failed = await scheduling.faults(session, jurisdiction_id)
    for release in everything:
        if release.status in ("draft", "reviewed"):
            out.print(Text(_draft_words(release, failed.get(release.id)), "red" if release.id in failed else ""))
    for job in under_way:
        moved = job.args.get("moved", 0)
        out.print(Text(f"在办时限重算：{_JOB[job.state]}，已变动 {moved} 个，涉及{_titles(job.args['releases'])}"))
    calendars = calendars_of(map(CalendarRow.model_validate, rows.values()))
    today = now().astimezone(CHINA_TIME).date()
    short = too_short(calendars, today)
    for name, each in calendars.items():
        told = f"日历 {name}：官方安排到 {each.horizon or '（无）'}，还有 {days_left(each, today)} 天"
        out.print(Text(told + ("，请尽快载入下一年的安排" if name in short else ""), "red" if name in short else ""))
    return bool(short)


def _draft_words(draft: Release, fault: str | None) -> str:
    told = f"{title_of(draft.kind)}：草稿第 {draft.number} 版，由 {'、'.join(releases.makers_of(draft))} 改动"
    if draft.status == "draft":
        return told + ("，待复核" if draft.kind in KINDS and KINDS[draft.kind].reviewed else "")
    told += f"，{draft.reviewed_by} 已复核"
    if draft.publish_at is not None:
        return f"{told}，定于 {local(draft.publish_at)} 发布"
    return f"{told}；定时发布未成：{fault}" if fault is not None else told


def _titles(kinds: Iterable[str]) -> str:
    return "、".join(KINDS[kind].title for kind in kinds)
