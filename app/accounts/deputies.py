"""代理: naming who stands in for somebody who is away, ending it before its time, and whose hands count as one pair."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import ADMINISTRATORS, Asker
from app.accounts.organizations import Organizations
from app.accounts.people import Account, administers, answers_for, find_account
from app.accounts.tables import Deputy
from app.core.errors import Conflict, Malformed
from app.core.timing import now

#: a deputy is for an absence: who has gone for longer hands over (DESIGN.md §6 keeps seats with persons)
MAX_DAYS = 90
#: how far in the past "from now on" may lie: a form that was filled in slowly
_LATE = timedelta(minutes=10)

_OVERLAPPING = text(
    """
    SELECT since_at, until_at FROM deputy WHERE user_id = :user_id AND deputy_id = :deputy_id
      AND until_at > :since_at AND since_at < :until_at ORDER BY since_at LIMIT 1
    """
)
# What has not begun yet is ended before it begins; the table knows no arrangement without a length.
_END = text(
    """
    UPDATE deputy SET since_at = least(since_at, :at - interval '1 microsecond'), until_at = :at
    WHERE user_id = :user_id AND deputy_id = :deputy_id AND until_at > :at
    """
)
_PAIRED = text(
    """
    SELECT o.username FROM user_account me
      JOIN deputy d ON me.id IN (d.user_id, d.deputy_id) AND d.since_at <= :at AND d.until_at > :at
      JOIN user_account o ON o.id IN (d.user_id, d.deputy_id)
    WHERE me.jurisdiction_id = :jurisdiction AND me.username = :username
    """
)


def may_arrange(asker: Asker, account: Account, organizations: Organizations) -> bool:
    """Whether the asker names deputies for this person: for themselves, for those they answer for, as administrator.

    Only in seats of their own: a deputy names no further deputy.
    """
    own = asker.for_themselves()
    return account.id == asker.user_id or administers(own) or answers_for(own, account, organizations)


def helps_themselves(asker: Asker, account: Account, deputy_name: str) -> bool:
    """Whether the asker takes another's seats for themselves, which nobody's rank allows."""
    return deputy_name == asker.username and account.id != asker.user_id and not administers(asker.for_themselves())


async def name_deputy(
    session: AsyncSession,
    organizations: Organizations,
    jurisdiction_id: int,
    username: str,
    deputy_name: str,
    *,
    since_at: datetime | None,
    until_at: datetime,
    given_by: str,
) -> tuple[Account, bool]:
    """指定代理 from ``since_at`` (None: now) until ``until_at``; (the person's account, whether it stood so before).

    Raises ``Malformed`` for a period that is over, longer than ``MAX_DAYS`` or not one, and for somebody who cannot be
    the deputy; ``Conflict`` when the two have an arrangement for a part of it, or an account is closed.
    """
    at = now()
    since_at = at if since_at is None else since_at
    _check_period(since_at, until_at, at)
    since_at = max(since_at, at)
    account, deputy = await _both(session, jurisdiction_id, username, deputy_name)
    if why := _why_not(account, deputy, organizations):
        raise _wrong("deputy", why)
    known = (
        await session.execute(
            _OVERLAPPING,
            {"user_id": account.id, "deputy_id": deputy.id, "since_at": since_at, "until_at": until_at},
        )
    ).one_or_none()
    if known is not None:
        if known.until_at == until_at and known.since_at <= since_at:
            return account, True
        raise Conflict(f"{deputy_name} 在此期间已是 {username} 的代理人；要改期限请先结束原代理，再重新指定。")
    session.add(
        Deputy(
            user_id=account.id,
            deputy_id=deputy.id,
            since_at=since_at,
            until_at=until_at,
            given_at=at,
            given_by=given_by,
        )
    )
    await session.flush()
    return await find_account(session, jurisdiction_id, username), False


async def end_deputy(
    session: AsyncSession, jurisdiction_id: int, username: str, deputy_name: str
) -> tuple[Account, bool]:
    """结束代理 now; (the person's account, whether there was nothing to end). Raises ``NotFound``."""
    account, deputy = await _both(session, jurisdiction_id, username, deputy_name)
    ended = await session.execute(_END, {"user_id": account.id, "deputy_id": deputy.id, "at": now()})
    nothing = getattr(ended, "rowcount", 0) == 0
    return await find_account(session, jurisdiction_id, username), nothing


async def same_hands(session: AsyncSession, jurisdiction_id: int, username: str) -> frozenset[str]:
    """The usernames that are no second pair of eyes beside this one: their own, and who is whose deputy with them now.

    An arrangement that has ended, or not begun, is none.
    """
    values = {"jurisdiction": jurisdiction_id, "username": username, "at": now()}
    return frozenset((username, *(await session.scalars(_PAIRED, values))))


async def _both(session: AsyncSession, jurisdiction_id: int, username: str, other: str) -> tuple[Account, Account]:
    """Both accounts, locked in one order whoever is whose deputy, so that neither is closed meanwhile."""
    names = sorted({username, other})
    found = {name: await find_account(session, jurisdiction_id, name, lock=True) for name in names}
    return found[username], found[other]


def _check_period(since_at: datetime, until_at: datetime, at: datetime) -> None:
    for field, moment in (("since_at", since_at), ("until_at", until_at)):
        if moment.tzinfo is None:
            raise _wrong(field, "时间须带时区。")
    if since_at < at - _LATE:
        raise _wrong("since_at", "代理不能从过去开始。")
    if until_at <= max(since_at, at):
        raise _wrong("until_at", "代理的截止时间须晚于开始时间和现在。")
    if until_at - since_at > timedelta(days=MAX_DAYS):
        raise _wrong("until_at", f"代理一次最长 {MAX_DAYS} 天；离岗更久的请交接工单。")


def _why_not(account: Account, deputy: Account, organizations: Organizations) -> str | None:
    if account.id == deputy.id:
        return "不能由本人代理本人。"
    for one in (account, deputy):
        if not one.active:
            return f"{one.username} 的账号已注销。"
    if not any(seat.role not in ADMINISTRATORS for seat in account.seats):
        return f"{account.username} 没有可以代理的席位（系统、安全、审计管理员的席位不能代理）。"
    if any(seat.role in ADMINISTRATORS for seat in deputy.seats):
        return "系统、安全、审计管理员不能代理业务席位。"
    related = organizations.under(account.org_id) | set(organizations.above(account.org_id))
    if deputy.org_id not in related:
        return "代理人须在同一单位，或其上级、下级单位。"
    return None


def _wrong(path: str, message: str) -> Malformed:
    return Malformed(message, faults=[{"path": path, "message": message}])
