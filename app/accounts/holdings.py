"""What an account still holds, and closing it once that is nothing: no work is left with somebody who has gone."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.people import Account, find_account
from app.core.database import Json, fetch
from app.core.errors import Conflict
from app.core.timing import now

_NAMES_ZH = {"work_order": "未办结工单", "inspection": "已领取的核查", "deputy": "正在为其代理"}
#: how many a sentence names
_NAMED = 5

# Ended orders are nobody's any more; an order that was reported done may still come back to who holds it.
_HELD = """
    SELECT o.holder_id AS user_id, 'work_order' AS kind, e.id AS event_id, o.n, e.event_no AS name, o.unit_id
    FROM work_order o JOIN event e ON e.id = o.event_id WHERE o.holder_id = ANY($1::uuid[]) AND o.ended_at IS NULL
    UNION ALL
    SELECT i.collector_id, 'inspection', e.id, i.n, e.event_no, NULL
    FROM inspection i JOIN event e ON e.id = i.event_id
    WHERE i.collector_id = ANY($1::uuid[]) AND i.state = 'claimed' AND i.ended_at IS NULL
      AND i.jurisdiction_id = (SELECT min(u.jurisdiction_id) FROM user_account u WHERE u.id = ANY($1::uuid[]))
    UNION ALL
    SELECT d.deputy_id, 'deputy', NULL, NULL, p.username, NULL FROM deputy d JOIN user_account p ON p.id = d.user_id
    WHERE d.deputy_id = ANY($1::uuid[]) AND d.until_at > $2
    ORDER BY 2 DESC, 5, 4
"""

_LOCK_ACTIVE = "SELECT id FROM user_account WHERE id = ANY($1::uuid[]) AND active ORDER BY id FOR KEY SHARE"

_CLOSE = text(
    """
    WITH account AS (
      UPDATE user_account SET active = false, closed_at = :at, token_version = token_version + 1 WHERE id = :id
    ), seats AS (
      UPDATE seat SET until = greatest(CAST(:at AS timestamptz), since + interval '1 microsecond')
      WHERE user_id = :id AND until IS NULL
    )
    UPDATE deputy SET since_at = least(since_at, :at - interval '1 microsecond'), until_at = :at
    WHERE user_id = :id AND until_at > :at
    """
)


class StillHolds(Conflict):
    """An account holds what nobody else would look after; ``faults`` names each thing."""

    code = "still_holds"
    title = "名下还有未了事项"


@dataclass(frozen=True, slots=True)
class Holding:
    """One thing that an account holds: an open order, a claimed inspection, or being somebody's deputy."""

    user_id: UUID
    kind: Literal["work_order", "inspection", "deputy"]
    event_id: UUID | None
    n: int | None
    #: the event's number, or the username of whom they stand in for
    name: str
    #: of an order
    unit_id: int | None = None

    def as_fault(self) -> Json:
        """The thing as a refusal names it."""
        fault: Json = {"path": self.name, "message": _NAMES_ZH[self.kind], "kind": self.kind}
        if self.kind == "work_order":
            fault["work_order_id"] = f"{self.event_id}.{self.n}"
        return fault


async def held_by(session: AsyncSession, user_ids: Collection[UUID]) -> list[Holding]:
    """Everything that these accounts of one jurisdiction hold: orders first, by event number."""
    if not user_ids:
        return []
    rows = await fetch(session, _HELD, list(user_ids), now())
    return [
        Holding(
            user_id=UUID(int=row["user_id"].int),
            kind=row["kind"],
            event_id=UUID(int=row["event_id"].int) if row["event_id"] else None,
            n=row["n"],
            name=row["name"],
            unit_id=row["unit_id"],
        )
        for row in rows
    ]


def in_words(holdings: Iterable[Holding]) -> str:
    """``未办结工单 2 件（…、…）；已领取的核查 1 件（…）``."""
    by_kind: dict[str, list[str]] = {}
    for one in holdings:
        by_kind.setdefault(one.kind, []).append(one.name)
    parts = []
    for kind, names in by_kind.items():
        more = " 等" if len(names) > _NAMED else ""
        parts.append(f"{_NAMES_ZH[kind]} {len(names)} 项（{'、'.join(names[:_NAMED])}{more}）")
    return "；".join(parts)


async def lock_active(session: AsyncSession, user_ids: Collection[str]) -> frozenset[str]:
    """Which of these accounts are open; they stay so until the transaction ends, since closing waits for it.

    After a wait for a closing the row is looked at again, so whoever was closed meanwhile is not among them.
    """
    rows = await fetch(session, _LOCK_ACTIVE, sorted(set(user_ids)))
    return frozenset(str(row["id"]) for row in rows)


async def lock_accounts(session: AsyncSession, user_ids: Collection[UUID]) -> None:
    """Waits for every transaction that gives these accounts work, and lets none begin until this one ends."""
    if user_ids:
        locking = "SELECT id FROM user_account WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
        await fetch(session, locking, sorted(user_ids))


async def close_account(session: AsyncSession, jurisdiction_id: int, username: str) -> tuple[Account, bool]:
    """注销: the account with its seats and tokens ends for good; (the account, whether it was closed before).

    Raises ``StillHolds`` naming everything that it holds, ``NotFound``.
    """
    account = await find_account(session, jurisdiction_id, username, lock=True)
    if account.closed_at is not None:
        return account, True
    # A statement after the lock: what was given while we waited for it is seen.
    holdings = await held_by(session, [account.id])
    if holdings:
        raise StillHolds(
            f"{username} 名下还有{in_words(holdings)}，不能注销；请先交接或了结。",
            faults=[one.as_fault() for one in holdings],
        )
    at = now()
    await session.execute(_CLOSE, {"id": account.id, "at": at})
    return await find_account(session, jurisdiction_id, username), False


async def refuse_bereft(
    session: AsyncSession,
    usernames: Mapping[UUID, str],
    units: Mapping[UUID, Collection[int]],
    inspecting: Collection[UUID],
) -> None:
    """Before seats end or people move: raises ``StillHolds`` when somebody would hold what is not theirs any more.

    ``units``: those for which each will have a seat; ``inspecting``: who will go on inspecting. The accounts are held
    until the transaction ends.
    """
    await lock_accounts(session, list(usernames))
    left = [
        one
        for one in await held_by(session, list(usernames))
        if (one.kind == "work_order" and one.unit_id not in units[one.user_id])
        or (one.kind == "inspection" and one.user_id not in inspecting)
    ]
    if left:
        raise StillHolds(
            f"有 {len({one.user_id for one in left})} 人名下还有未了事项，不能收回其席位，全部未载入；"
            "请先用 bihuan user relieve 交接。",
            faults=[one.as_fault() | {"path": f"{usernames[one.user_id]} {one.name}"} for one in left],
        )
