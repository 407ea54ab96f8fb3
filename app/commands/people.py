"""``bihuan user …`` and ``bihuan client …``: passwords of people, and systems that send reports or carry notices."""

import asyncio
import secrets
import sys
from typing import Annotated

import typer
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.endpoints import seal_endpoint_secret
from app.accounts.passwords import Passwords, check_new_password
from app.accounts.tables import MachineClient, UserAccount
from app.commands.db import DatabaseOption
from app.commands.load import JurisdictionOption, find_jurisdiction
from app.commands.session import open_sessions
from app.core.database import transaction
from app.core.errors import Conflict, Malformed, NotFound
from app.intake.channels import CHANNELS

user_app = typer.Typer(no_args_is_help=True, help="人员账号。")
client_app = typer.Typer(no_args_is_help=True, help="来源系统（各渠道的接入方）。")

_CRS = ("wgs84", "gcj02", "bd09", "cgcs2000")
#: of a system that sends no reports but carries notices to people's phones and screens
_NOTICES = "notices"


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


@user_app.callback()
def _user_group() -> None:
    """人员账号。"""


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
