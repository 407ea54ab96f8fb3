"""``bihuan user …`` and ``bihuan client …``: passwords of people, and systems that send reports or carry notices."""

import asyncio
import secrets
import sys
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.deputies import MAX_DAYS, end_deputy, name_deputy
from app.accounts.endpoints import seal_endpoint_secret
from app.accounts.holdings import close_account
from app.accounts.passwords import Passwords, check_new_password
from app.accounts.tables import MachineClient, UserAccount
from app.acts.handover import Relieved, relieve_from_command
from app.clocks.calendar import CHINA_TIME
from app.commands.db import DatabaseOption
from app.commands.load import JurisdictionOption, find_jurisdiction, operator_name
from app.commands.session import open_sessions
from app.core.database import transaction
from app.core.errors import Conflict, Malformed, NotFound
from app.core.settings import get_settings
from app.core.tables import Jurisdiction
from app.intake.channels import CHANNELS
from app.runtime import open_runtime

user_app = typer.Typer(no_args_is_help=True, help="人员账号。")
client_app = typer.Typer(no_args_is_help=True, help="来源系统（各渠道的接入方）。")

_CRS = ("wgs84", "gcj02", "bd09", "cgcs2000")
#: of a system that sends no reports but carries notices to people's phones and screens
_NOTICES = "notices"
_MOMENTS = ["%Y-%m-%d %H:%M", "%Y-%m-%d"]


@user_app.command("password")
def password_command(
    username: Annotated[str, typer.Argument(help="用户名")],
    stdin: Annotated[bool, typer.Option("--stdin", help="从标准输入读取密码（供脚本用）")] = False,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """设置一个人的密码，并使其已有的登录全部失效。"""
    password = (
        sys.stdin.readline().rstrip("\r\n")
        if stdin
        else typer.prompt("新密码", hide_input=True, confirmation_prompt="再输一遍")
    )
    check_new_password(password)
    asyncio.run(_set_password(username, password, jurisdiction, database))
    typer.echo(f"已设置 {username} 的密码")


async def _set_password(username: str, password: str, code: str | None, database: str) -> None:
    hashed = await Passwords().hash(password)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        changed = await session.scalar(
            update(UserAccount)
            .where(UserAccount.jurisdiction_id == jurisdiction_id, UserAccount.username == username)
            .values(password_hash=hashed, token_version=UserAccount.token_version + 1, failures=0, locked_until=None)
            .returning(UserAccount.id)
        )
        if changed is None:
            raise NotFound(f"没有用户 {username}：请先用 bihuan load users 载入人员账号。")


@user_app.command("deputy")
def deputy_command(
    username: Annotated[str, typer.Argument(help="被代理人用户名")],
    deputy: Annotated[str, typer.Argument(help="代理人用户名")],
    until: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help=f"截止时间（北京时间），最长 {MAX_DAYS} 天")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="开始时间（北京时间），缺省为现在")] = None,
    end: Annotated[bool, typer.Option("--end", help="结束这一代理")] = False,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """指定代理人，期间代理人同时拥有其席位；或用 --end 提前结束。"""
    if end == (until is not None):
        raise Malformed("请写明 --until 截止时间，或用 --end 结束代理（二者只写其一）。")
    repeated = asyncio.run(_deputy(username, deputy, _china(since), _china(until), jurisdiction, database))
    done = "已结束代理" if end else "已指定代理"
    typer.echo(f"{'此前已是如此：' if repeated else ''}{done}：{deputy} 代理 {username}")


def _china(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=CHINA_TIME) if moment else None


async def _deputy(
    username: str, deputy: str, since: datetime | None, until: datetime | None, code: str | None, database: str
) -> bool:
    async with open_runtime(get_settings(), database=database) as runtime, transaction(runtime.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, code)
        if until is None:
            return (await end_deputy(session, jurisdiction_id, username, deputy))[1]
        _, repeated = await name_deputy(
            session,
            (await runtime.masters.get(session, jurisdiction_id)).organizations,
            jurisdiction_id,
            username,
            deputy,
            since_at=since,
            until_at=until,
            given_by=operator_name(),
        )
        return repeated


@user_app.command("relieve")
def relieve_command(
    username: Annotated[str, typer.Argument(help="离岗人员用户名")],
    to: Annotated[str | None, typer.Option(help="接手工单的人；不写则只退回其领取的核查任务")] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """把一个人名下的工单交接给同事；中断后再执行一次即可接着办。"""
    done = asyncio.run(_relieve(username, to, jurisdiction, database))
    typer.echo(f"已交接工单 {done.moved} 件，退回核查任务 {done.released} 件")
    for why, numbers in done.left.items():
        named = "、".join(number for number in numbers if number)
        typer.echo(f"未交接 {len(numbers)} 件：{why}{f'（{named}）' if named else ''}")
    if done.left:
        raise typer.Exit(1)


async def _relieve(username: str, to: str | None, code: str | None, database: str) -> Relieved:
    async with open_runtime(get_settings(), database=database) as runtime:
        async with transaction(runtime.sessions) as session:
            jurisdiction_id = await find_jurisdiction(session, code)
            found = await session.get_one(Jurisdiction, jurisdiction_id)
            jurisdiction_code = found.code
        return await relieve_from_command(runtime, jurisdiction_id, jurisdiction_code, username, to)


@user_app.command("close")
def close_command(
    username: Annotated[str, typer.Argument(help="用户名")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """注销一个账号；名下还有未办结工单、核查任务或代理时不能注销。"""
    repeated = asyncio.run(_close(username, jurisdiction, database))
    typer.echo(f"{username} 此前已注销" if repeated else f"已注销 {username}")


async def _close(username: str, code: str | None, database: str) -> bool:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        return (await close_account(session, await find_jurisdiction(session, code), username))[1]


@client_app.command("add")
def add_command(
    code: Annotated[str, typer.Argument(help="来源系统代码，登录时用作 client_id")],
    channel: Annotated[str, typer.Option(help=f"渠道：{'、'.join(CHANNELS)}；{_NOTICES} 只接收提醒和督办通知")],
    name: Annotated[str, typer.Option(help="名称")] = "",
    crs: Annotated[str | None, typer.Option(help=f"报文不注明时的坐标系：{'、'.join(_CRS)}")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help=f"回执和结果推送到的地址；不写则不推送，{_NOTICES} 必须写")
    ] = None,
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """登记一个来源系统，或一个只接收通知的系统；密钥只显示这一次。"""
    if channel not in (*CHANNELS, _NOTICES):
        raise _wrong("channel", f"没有“{channel}”这个渠道，可用：{'、'.join((*CHANNELS, _NOTICES))}")
    if crs is not None and crs not in _CRS:
        raise _wrong("crs", f"没有“{crs}”这种坐标系，可用：{'、'.join(_CRS)}")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise _wrong("endpoint", "推送地址须以 http:// 或 https:// 开头")
    if channel == _NOTICES and endpoint is None:
        raise _wrong("endpoint", "只接收通知的系统须写明推送地址")
    if channel == _NOTICES and crs is not None:
        raise _wrong("crs", "只接收通知的系统不发送坐标，请去掉这一项")
    asyncio.run(_add(code, channel, name or code, crs, endpoint, jurisdiction, database))


def _wrong(path: str, message: str) -> Malformed:
    return Malformed("登记内容有误：", faults=[{"path": path, "message": message}])


async def _add(
    code: str, channel: str, name: str, crs: str | None, endpoint: str | None, jurisdiction: str | None, database: str
) -> None:
    secret, hashed = await _new_secret()
    signing = secrets.token_urlsafe(32)
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, jurisdiction)
        if await _client(session, jurisdiction_id, code) is not None:
            raise Conflict(f"来源系统 {code} 已登记；要换密钥请用 bihuan client rotate {code}")
        client = MachineClient(
            jurisdiction_id=jurisdiction_id,
            code=code,
            name=name,
            channel=channel,
            secret_hash=hashed,
            crs=crs,
            endpoint_url=endpoint,
        )
        session.add(client)
        await session.flush()
        if endpoint is not None:
            client.endpoint_secret_sealed = seal_endpoint_secret(opened.keyring, client.id, signing)
    if channel != _NOTICES:  # who only receives never logs in
        _show(code, secret)
    if endpoint is not None:
        typer.echo(f"推送签名密钥 signing_secret（验签用，只显示这一次）：{signing}")


@client_app.command("rotate")
def rotate_command(
    code: Annotated[str, typer.Argument(help="来源系统代码")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """给来源系统换一个登录密钥，旧密钥和已有登录立即失效。"""
    asyncio.run(_rotate(code, jurisdiction, database))


async def _rotate(code: str, jurisdiction: str | None, database: str) -> None:
    secret, hashed = await _new_secret()
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        client = await _client(session, await find_jurisdiction(session, jurisdiction), code)
        if client is None:
            raise NotFound(f"没有来源系统 {code}")
        if client.channel == _NOTICES:
            raise Conflict(f"{code} 只接收通知，没有登录密钥")
        client.secret_hash = hashed
        client.token_version += 1
    _show(code, secret)


@client_app.command("list")
def list_command(jurisdiction: JurisdictionOption = None, database: DatabaseOption = "bihuan") -> None:
    """列出已登记的来源系统。"""
    asyncio.run(_list(jurisdiction, database))


async def _list(jurisdiction: str | None, database: str) -> None:
    async with open_sessions(database=database) as opened, transaction(opened.sessions) as session:
        jurisdiction_id = await find_jurisdiction(session, jurisdiction)
        found = await session.scalars(
            select(MachineClient).where(MachineClient.jurisdiction_id == jurisdiction_id).order_by(MachineClient.code)
        )
        for client in found:
            told = client.endpoint_url or "不推送"
            crs = "只接收" if client.channel == _NOTICES else client.crs or "报文注明"
            typer.echo(f"{client.code}\t{client.channel}\t{crs}\t{told}\t{client.name}")


async def _client(session: AsyncSession, jurisdiction_id: int, code: str) -> MachineClient | None:
    found: MachineClient | None = await session.scalar(
        select(MachineClient).where(MachineClient.jurisdiction_id == jurisdiction_id, MachineClient.code == code)
    )
    return found


async def _new_secret() -> tuple[str, str]:
    secret = secrets.token_urlsafe(32)
    return secret, await Passwords().hash(secret)


def _show(code: str, secret: str) -> None:
    typer.echo(f"client_id：{code}\nclient_secret（只显示这一次，请妥善保存）：{secret}")
