"""``/users`` and ``/clients``: who has an account, who stands in for whom, and how somebody leaves."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.accounts.access import Asker, user_of
from app.accounts.deputies import end_deputy, helps_themselves, may_arrange, name_deputy
from app.accounts.holdings import close_account
from app.accounts.people import Account, administers, find_account, list_accounts, may_read, unknown
from app.acts.handover import relieve
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, PageShape, Shape, UnitShape, unit_shape
from app.core.errors import Conflict, Forbidden, Malformed
from app.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, digest_of, encode_cursor
from app.masters import Masters

router = APIRouter(tags=["people 人员"], responses=RESPONSES)

_CLIENTS = text(
    """
    SELECT code, name, channel, active, endpoint_url IS NOT NULL AS endpoint_set FROM machine_client
    WHERE jurisdiction_id = :jurisdiction AND code > :after ORDER BY code LIMIT :most
    """
)

Username = Annotated[str, Path(description="用户名", max_length=64)]
Cursor = Annotated[str | None, Query(description="上一页的 next")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="每页条数")]


class SeatShape(Shape):
    """A seat of somebody's own."""

    role: str = Field(description="席位")
    area: str | None = Field(description="区划代码")
    organization: str | None = Field(description="单位代码；与区划都为空则为本人单位")


class ArrangementShape(Shape):
    """One who stands in for another."""

    username: str = Field(description="对方用户名")
    display_name: str = Field(description="对方姓名")
    since_at: CityTime
    until_at: CityTime


class UserShape(Shape):
    """An account; never a password, nor anything of a case."""

    username: str = Field(description="用户名")
    display_name: str = Field(description="姓名")
    organization: UnitShape | None = Field(description="所在单位")
    seats: list[SeatShape] = Field(description="本人现有席位，不含代理的")
    active: bool = Field(description="在用")
    closed_at: CityTime | None = Field(description="注销时间")
    deputies: list[ArrangementShape] = Field(description="谁在（或将）代理他")
    stands_in_for: list[ArrangementShape] = Field(description="他在（或将）代理谁")
    held_orders: int = Field(description="名下未办结工单数")


class UserAnswer(UserShape):
    """The account after an action."""

    repeated: bool = Field(description="此前已是如此，这次没有改动")


class LeftShape(Shape):
    """Why some things stayed with the leaver."""

    why: str = Field(description="未交接的原因")
    count: int = Field(description="件数")
    event_nos: list[str] = Field(description="事件编号；看不到案件的席位为空")


class RelievedShape(Shape):
    """What became of everything that somebody held."""

    moved: int = Field(description="已交接的工单数")
    released: int = Field(description="已退回的核查任务数")
    left: list[LeftShape] = Field(description="未能交接的")


class ClientShape(Shape):
    """A source system; never its secret or its address."""

    code: str = Field(description="代码，登录时的 client_id")
    name: str = Field(description="名称")
    channel: str = Field(description="渠道")
    active: bool = Field(description="在用")
    endpoint_set: bool = Field(description="是否登记了推送地址")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class NameDeputy(_Body):
    """指定代理."""

    deputy: str = Field(max_length=64, description="代理人用户名")
    since_at: datetime | None = Field(None, description="开始时间，缺省为现在，须带时区")
    until_at: datetime = Field(description="截止时间，最长 90 天，须带时区")


class EndDeputy(_Body):
    """结束代理."""

    deputy: str = Field(max_length=64, description="代理人用户名")


class Relieve(_Body):
    """交接名下事项."""

    to: str | None = Field(None, max_length=64, description="接手工单的人；不填则只退回核查任务")


def _values(masters: Masters, account: Account) -> dict[str, Any]:
    organizations = masters.organizations
    return {
        "username": account.username,
        "display_name": account.display_name,
        "organization": unit_shape(masters, account.org_id),
        "seats": [
            SeatShape(
                role=seat.role,
                area=seat.area,
                organization=organizations.code_of(seat.org_id) if seat.org_id else None,
            )
            for seat in account.seats
        ],
        "active": account.active,
        "closed_at": account.closed_at,
        "deputies": [ArrangementShape(**one) for one in account.deputies],
        "stands_in_for": [ArrangementShape(**one) for one in account.stands_in_for],
        "held_orders": account.held_orders,
    }


@router.get("/users", summary="人员账号")
async def list_users(
    who: ReaderDep,
    org: Annotated[str | None, Query(description="单位代码，含下级", max_length=64)] = None,
    active: Annotated[bool | None, Query(description="只看在用或已注销的")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageShape[UserShape]:
    """By username: a system administrator's whole jurisdiction, a liaison's unit, a shift leader's centre people."""
    organizations = who.masters.organizations
    org_ids = None
    if org is not None:
        org_id = organizations.id_of(org)
        if org_id is None:
            message = f"没有代码为“{org}”的单位。"
            raise Malformed(message, faults=[{"path": "org", "message": message}])
        org_ids = organizations.under(org_id)
    page = await list_accounts(
        who.session, who.asker, organizations, org_ids=org_ids, active=active, limit=limit, cursor=cursor
    )
    return PageShape(items=[UserShape(**_values(who.masters, one)) for one in page.items], next=page.next)


@router.get("/users/{username}", summary="一个人员账号")
async def read_user(username: Username, who: ReaderDep) -> UserShape:
    """One account: one's own, or of somebody whom one looks after."""
    account = await find_account(who.session, who.asker.jurisdiction_id, username)
    if not may_read(who.asker, account, who.masters.organizations):
        raise unknown(username)
    return UserShape(**_values(who.masters, account))


async def _theirs(
    session: WriteSession, runtime: RuntimeDep, token: TokenDep, username: str
) -> tuple[Asker, Masters, Account]:
    """Who asks, and the account if they may know of it."""
    asker = await user_of(session, token)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    account = await find_account(session, asker.jurisdiction_id, username)
    if not may_read(asker, account, masters.organizations):
        raise unknown(username)
    return asker, masters, account


def _require_arranging(asker: Asker, account: Account, masters: Masters) -> None:
    if not may_arrange(asker, account, masters.organizations):
        needs = ["unit_liaison", "shift_leader", "system_administrator"]
        raise Forbidden(
            "代理由本人或系统管理员指定和结束；席位全在本单位的，联络员也可以；席位全在中心本辖区的，值班长也可以。"
            "代理人不能再转给别人。",
            needs=needs,
        )


@router.post("/users/{username}/actions/name-deputy", summary="指定代理")
async def act_name_deputy(
    username: Username, body: NameDeputy, session: WriteSession, runtime: RuntimeDep, token: TokenDep
) -> UserAnswer:
    """The deputy holds the person's seats too while it lasts; those of the three administrators are never lent."""
    asker, masters, account = await _theirs(session, runtime, token, username)
    _require_arranging(asker, account, masters)
    if helps_themselves(asker, account, body.deputy):
        raise Forbidden("不能指定自己代理他人；须由其本人或系统管理员指定。", needs=["system_administrator"])
    account, repeated = await name_deputy(
        session,
        masters.organizations,
        asker.jurisdiction_id,
        username,
        body.deputy,
        since_at=body.since_at,
        until_at=body.until_at,
        given_by=asker.username,
    )
    return UserAnswer(**_values(masters, account), repeated=repeated)


@router.post("/users/{username}/actions/end-deputy", summary="结束代理")
async def act_end_deputy(
    username: Username, body: EndDeputy, session: WriteSession, runtime: RuntimeDep, token: TokenDep
) -> UserAnswer:
    """From now on the deputy has only their own seats; an arrangement still to come falls away too."""
    asker, masters, account = await _theirs(session, runtime, token, username)
    _require_arranging(asker, account, masters)
    account, repeated = await end_deputy(session, asker.jurisdiction_id, username, body.deputy)
    return UserAnswer(**_values(masters, account), repeated=repeated)


@router.post("/users/{username}/actions/relieve", summary="交接名下事项")
async def act_relieve(username: Username, body: Relieve, runtime: RuntimeDep, token: TokenDep) -> RelievedShape:
    """Everything they hold goes to a colleague, event by event; interrupted, it is simply asked for again."""
    done = await relieve(runtime, token, username, body.to)
    left = [
        LeftShape(why=why, count=len(numbers), event_nos=[number for number in numbers if number is not None])
        for why, numbers in done.left.items()
    ]
    return RelievedShape(moved=done.moved, released=done.released, left=left)


@router.post("/users/{username}/actions/close", summary="注销账号")
async def act_close(username: Username, session: WriteSession, runtime: RuntimeDep, token: TokenDep) -> UserAnswer:
    """For good, with its seats and log-ins; refused (409) with a list while it holds anything."""
    asker, masters, account = await _theirs(session, runtime, token, username)
    if not administers(asker):
        raise Forbidden("只有系统管理员可以注销账号。", needs=["system_administrator"])
    if account.id == asker.user_id:
        raise Conflict("不能注销自己的账号，请由另一名系统管理员办理。")
    account, repeated = await close_account(session, asker.jurisdiction_id, username)
    return UserAnswer(**_values(masters, account), repeated=repeated)


@router.get("/clients", summary="来源系统")
async def list_clients(who: ReaderDep, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> PageShape[ClientShape]:
    """The machine clients of the jurisdiction by code."""
    if not administers(who.asker):
        raise Forbidden("只有系统管理员可以查看来源系统。", needs=["system_administrator"])
    digest = digest_of("clients", {})
    after = decode_cursor(cursor, digest, (str,))
    values = {"jurisdiction": who.asker.jurisdiction_id, "after": after[0] if after else "", "most": limit + 1}
    rows = (await who.session.execute(_CLIENTS, values)).all()
    items = [ClientShape.model_validate(row._asdict()) for row in rows[:limit]]
    return PageShape(items=items, next=encode_cursor(digest, (items[-1].code,)) if len(rows) > limit else None)
