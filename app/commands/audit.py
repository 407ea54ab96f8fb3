"""``bihuan audit verify``: walks every event's timeline and checks its chain of MACs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import func, select

from app.commands.db import DatabaseOption
from app.commands.session import open_sessions
from app.core.crypto import Keyring
from app.core.database import Sessions
from app.events.tables import Event
from app.events.timeline import ChainFault, verify_chain
from app.events.timeline_tables import Timeline, TimelineNote

audit_app = typer.Typer(no_args_is_help=True, help="审计：核验时间线是否被改动。")

#: events read together
_BATCH: Final = 200
_SHOWN_FAULTS: Final = 50
_WHAT: Final = {
    "row changed, removed before it, or inserted": "本条或其前的记录被改动、删除或插入",
    "the newest rows are not the ones that the event's head tags": "最新的记录与事件上的封签不符",
    "note changed": "备注被改动",
}


@dataclass(slots=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    events: int = 0
    rows: int = 0
    faults: list[ChainFault] = field(default_factory=list)


async def verify_all(
    sessions: Sessions, keyring: Keyring, looked_at: Callable[[int], None] = lambda _: None
) -> Verified:
    """Checks the chain of every event, ``_BATCH`` at a time; ``looked_at`` is told how many came on."""
    done = Verified()
    last: UUID | None = None
    while True:
        # One snapshot a batch: rows that are written meanwhile must not look like rows without their head.
        async with sessions() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            query = select(Event).order_by(Event.id).limit(_BATCH)
            events = list(await session.scalars(query.where(Event.id > last) if last else query))
            if not events:
                return done
            ids = [event.id for event in events]
            rows = await session.scalars(
                select(Timeline).where(Timeline.event_id.in_(ids)).order_by(Timeline.event_id, Timeline.n)
            )
            notes = await session.scalars(
                select(TimelineNote).where(TimelineNote.event_id.in_(ids)).order_by(TimelineNote.event_id)
            )
            rows_of = {event_id: list(group) for event_id, group in groupby(rows, lambda row: row.event_id)}
            notes_of = {event_id: list(group) for event_id, group in groupby(notes, lambda note: note.event_id)}
        for event in events:
            own = rows_of.get(event.id, [])
            done.faults += verify_chain(event, own, notes_of.get(event.id, []), keyring)
            done.rows += len(own)
        done.events += len(events)
        last = ids[-1]
        looked_at(len(events))


@audit_app.command("verify")
def verify_command(database: DatabaseOption = "bihuan") -> None:
    """核验全部事件的时间线；有一处不符时退出码为 1。"""
    done = asyncio.run(_verify(database))
    for fault in done.faults[:_SHOWN_FAULTS]:
        where = f"第 {fault.n} 条" if fault.n is not None else "末尾"
        typer.echo(f"事件 {fault.event_id} {where}：{_WHAT.get(fault.what, fault.what)}", err=True)
    if len(done.faults) > _SHOWN_FAULTS:
        typer.echo(f"…… 共 {len(done.faults)} 处", err=True)
    typer.echo(f"核验事件 {done.events} 个、时间线 {done.rows} 条，不符 {len(done.faults)} 处")
    if done.faults:
        raise typer.Exit(1)


@audit_app.callback()
def _audit_group() -> None:
    """审计：核验时间线是否被改动。"""


async def _verify(database: str) -> Verified:
    columns = (TextColumn("核验时间线"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_sessions(database=database) as opened:
        async with opened.sessions() as session:
            total = await session.scalar(select(func.count()).select_from(Event))
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=total)
            return await verify_all(opened.sessions, opened.keyring, lambda n: progress.advance(task, n))
