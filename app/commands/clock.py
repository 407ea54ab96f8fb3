"""``bihuan clock explain``: every minute of an order's limits, on paper as it were, so that anybody can check it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.clocks.limits import Limit, LimitUnit
from app.commands.db import DatabaseOption
from app.commands.session import open_sessions
from app.core.errors import NotFound
from app.core.timing import now
from app.masters.policies import KNOWN, Policies, PolicyRow
from app.supervision.clock_accounts import Account, Move, account_of
from app.supervision.clock_books import Act, editions_of, read_books
from app.supervision.clock_words import (
    ACTIONS,
    CAUSES,
    KINDS,
    ROLES,
    STATES,
    grounds_in_words,
    minutes_in_words,
    rule_in_words,
)

clock_app = typer.Typer(no_args_is_help=True, help="时限：逐分钟说明。")

_PHASES: Final = {"within": "", "over": "超期", "ahead": "尚未到来"}
_WEEKDAYS: Final = "一二三四五六日"

_ORDER = text(
    """
    SELECT e.id, e.event_no, o.unit_id, j.release_vector AS in_force,
      CASE WHEN e.demand_type IS NOT DISTINCT FROM 'accusation' THEN '举报件（内容保密）' ELSE e.title END AS title
    FROM event e JOIN jurisdiction j ON j.id = e.jurisdiction_id JOIN work_order o ON o.event_id = e.id AND o.n = :n
    WHERE (CAST(:id AS uuid) IS NOT NULL AND e.id = CAST(:id AS uuid)) OR e.event_no = :event_no
    """
)
_NAMES = text(
    """
    SELECT o.id, coalesce(r.body ->> 'name', '') || ' ' || o.code AS name FROM organization o
    LEFT JOIN release_row r ON r.release_id = :release_id AND r.key = o.code
    WHERE o.id = ANY(:ids)
    """
)
_POLICY = text("SELECT body FROM release_row WHERE release_id = :release_id")


@dataclass(frozen=True, slots=True)
class Explained:
    """The clocks of one order, with the names of the organizations in them."""

    event_no: str
    title: str
    order_n: int
    unit: str
    order: Sequence[Account]
    event: Sequence[Account]
    names: dict[int, str]


@clock_app.command("explain")
def explain_command(
    order: Annotated[str, typer.Argument(help="工单：事件标识.序号 或 事件编号.序号")],
    database: DatabaseOption = "bihuan",
) -> None:
    """逐分钟说明一个工单的全部时限；有一处与保存的不符时退出码为 1。"""
    explained = asyncio.run(_explain(order, database))
    show(explained, Console(width=max(Console().width, 100)))
    if not all(account.adds_up for account in (*explained.order, *explained.event)):
        raise typer.Exit(1)


@clock_app.callback()
def _clock_group() -> None:
    """时限：逐分钟说明。"""


async def _explain(order: str, database: str) -> Explained:
    async with open_sessions(database=database) as opened, opened.sessions() as session:
        return await explain_order(session, order, now())


async def explain_order(session: AsyncSession, order: str, at: datetime) -> Explained:
    """The accounts of ``<event id>.<n>`` or ``<event number>.<n>`` as they stand at ``at``. Raises NotFound."""
    event, _, n = order.rpartition(".")
    if not (event and n.isascii() and n.isdigit() and len(n) <= 9):
        raise NotFound("没有这个工单：应写作“事件标识.序号”或“事件编号.序号”。")
    event_id: UUID | None = None
    with contextlib.suppress(ValueError):
        event_id = UUID(event)
    row = (await session.execute(_ORDER, {"id": event_id, "event_no": event, "n": int(n)})).one_or_none()
    if row is None:
        raise NotFound("没有这个工单。")
    books = await read_books(session, row.id, int(n), late_mark=await _late_mark(session, row.in_force))
    editions = await editions_of(session, books, in_force=row.in_force.get("calendar"))
    accounts = [account_of(book, editions, at) for book in books]
    mine = [account for account in accounts if (account.clock.event_id, account.clock.order_n) == (row.id, int(n))]
    ids = {row.unit_id} | {account.clock.unit_id for account in accounts}
    ids |= {move.written.act.actor_org_id for account in accounts for move in account.moves}
    named = await session.execute(
        _NAMES, {"release_id": row.in_force.get("organizations"), "ids": [id_ for id_ in ids if id_ is not None]}
    )
    names = {id_: name.strip() for id_, name in named}
    return Explained(
        event_no=row.event_no,
        title=row.title,
        order_n=int(n),
        unit=names.get(row.unit_id, str(row.unit_id)),
        order=mine,
        event=[account for account in accounts if account not in mine],
        names=names,
    )


async def _late_mark(session: AsyncSession, in_force: dict[str, int]) -> timedelta:
    rows = (await session.scalars(_POLICY, {"release_id": in_force.get("policies")})).all()
    return Policies.build(PolicyRow.model_validate(body) for body in rows if body.get("key") in KNOWN).late_mark


def show(explained: Explained, out: Console) -> None:
    """Prints it: the order's clocks, then the event's own."""
    out.print(Text(f"事件 {explained.event_no}  {explained.title}", style="bold"))
    out.print(f"工单 {explained.order_n}，承办单位 {explained.unit}")
    for title, accounts in (("本工单的时限", explained.order), ("事件自身的时限", explained.event)):
        if accounts:
            out.rule(title)
        for account in accounts:
            _show_account(account, explained.names, out)


def _show_account(account: Account, names: dict[int, str], out: Console) -> None:
    clock = account.clock
    limit = Limit(clock.limit_value, LimitUnit(clock.limit_unit))
    number = f"第 {account.edition.number} 版" if account.edition.number is not None else ""
    out.print()
    kind = KINDS[clock.kind].removesuffix("时限")
    out.print(Text(f"{kind}时限（第 {clock.n} 号）：{STATES[clock.state]}", style="bold cyan"))
    facts = [
        ("单位", names.get(clock.unit_id, "") if clock.unit_id is not None else ""),
        ("时限", f"{limit.chinese}，依据 {rule_in_words(clock.rule)}"),
        ("日历", f"{clock.calendar_code} {number}"),
        ("开始", _at(clock.started_at)),
        ("到期", _at(clock.due_at) + ("（估算）" if clock.assumed else "")),
        ("结束" if clock.ended_at else "算到", _at(account.until_at)),
        ("已计时", f"{_minutes(account.counted)}，全部已过去 {_minutes(account.elapsed)}"),
        ("超期", _minutes(account.late_minutes) + "（自然时间）" if account.late_minutes else ""),
    ]
    if account.uncounted:
        cap = account.uncounted
        facts.append(
            ("不计时上限", f"{cap.cap.chinese}（{_minutes(cap.cap_minutes)}），已占用 {_minutes(cap.used_minutes)}")
        )
    for name, value in facts:
        if value:
            out.print(f"  {name}：{value}", highlight=False)
    _print(
        out,
        "到期时间的由来",
        ("次", "缘由", "依据的操作", "此前到期", "此后到期", "审批"),
        account.moves,
        _move_of(names),
    )
    _print(out, "督办阶梯", ("阶梯", "动作", "应触发", "实际触发", "迟否"), account.rungs, _rung)
    _print(
        out,
        "逐段说明",
        ("起", "止", "分钟", "是否计时", "原因", "阶段"),
        account.stretches,
        lambda one: (
            _at(one.interval.from_at),
            _at(one.interval.until_at),
            str(one.interval.minutes),
            "计" if one.interval.counted else "不计",
            one.interval.cause,
            _PHASES[one.phase],
        ),
    )
    out.print(f"  {_sum(account)}", highlight=False)
    for note in account.notes:
        out.print(Text(f"  注：{note}", style="yellow"))
    if not account.adds_up:
        out.print(Text("  与保存的不符，请核对。", style="bold red"))


def _sum(account: Account) -> str:
    """The sums by which a reader checks the stretches."""
    gone = [one.interval for one in account.stretches if one.phase != "ahead"]
    counted = sum(one.minutes for one in gone if one.counted)
    rest = sum(one.minutes for one in gone if not one.counted)
    told = f"合计：计 {counted} + 不计 {rest} = {counted + rest} 分钟"
    if account.limit_minutes is None:
        return f"{told}。按日计的时限：起算日不计，第 {account.clock.limit_value} 日下班时到期"
    return f"{told}；从开始到到期计 {account.counted_to_due} 分钟，时限折合 {account.limit_minutes} 分钟"


def _move_of(names: dict[int, str]) -> Callable[[Move], tuple[str, ...]]:
    def row(move: Move) -> tuple[str, ...]:
        due = move.written.due
        why = CAUSES[due.cause] + (f"：{grounds_in_words(due.grounds)}" if due.grounds else "")
        if due.pause_from and due.pause_until:
            why += f"（{_at(due.pause_from)} 至 {_at(due.pause_until)}）"
        elif due.pause_until:
            why += f"（第 {due.of_generation} 次的暂停止于 {_at(due.pause_until)}）"
        elif due.of_generation:
            why += f"（第 {due.of_generation} 次）"
        if due.cause in ("started", "extended", "limit"):
            why += f"，时限 {Limit(due.limit_value, LimitUnit(due.limit_unit)).chinese}"
        agreed = "；".join(_approval(step) for step in due.approval)
        before = _at(move.before_at) if move.before_at else ""
        return str(due.generation), why, _by(move.written.act, names), before, _at(due.due_at), agreed or "按规则"

    return row


def _by(act: Act, names: dict[int, str]) -> str:
    who = {"system": "系统", "client": "来源系统"}.get(act.actor_kind, act.actor_name or act.actor_id or "")
    if act.actor_role:
        who = f"{ROLES.get(act.actor_role, act.actor_role)} {who}"
    if act.actor_org_id is not None:
        who = f"{names.get(act.actor_org_id, '')} {who}".strip()
    return f"第 {act.n} 条 {act.act}\n{who}\n{_at(act.recorded_at)}"


def _approval(step: Any) -> str:
    at = step.get("at")
    when = f" {_at(datetime.fromisoformat(at))}" if at else ""
    return f"{ROLES.get(str(step.get('role')), step.get('role') or '')} {step.get('user_id') or ''}{when}".strip()


def _rung(fired: Any) -> tuple[str, ...]:
    action = ACTIONS.get(fired.action, fired.action) + (f"（{'、'.join(fired.to)}）" if fired.to else "")
    late = "迟" if fired.late else "准时"
    return fired.rung.rung, action, _at(fired.rung.rung_at), _at(fired.rung.fired_at), late


def _print(
    out: Console, title: str, headers: Sequence[str], rows: Sequence[Any], cells: Callable[[Any], Sequence[str]]
) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")  # nothing is cut off: it may be evidence
    for row in rows:
        table.add_row(*(Text(cell) for cell in cells(row)))
    out.print(table)


def _minutes(minutes: int) -> str:
    return f"{minutes} 分钟（{minutes_in_words(minutes)}）" if abs(minutes) >= 60 else f"{minutes} 分钟"


def _at(at: datetime) -> str:
    """In the city's time, seconds only where there are some."""
    local = at.astimezone(CHINA_TIME)
    clock = f"{local:%H:%M:%S}" if local.second or local.microsecond else f"{local:%H:%M}"
    return f"{local:%Y-%m-%d}（{_WEEKDAYS[local.weekday()]}）{clock}"
