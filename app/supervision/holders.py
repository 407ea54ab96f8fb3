"""Who holds an order 认领: names for those who may know them, and the filter of the orders' list."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker
from app.core.errors import Forbidden, Malformed
from app.events.tables import WorkOrder
from app.events.visibility import Sight

#: values of the filter that are nobody's name: the asker's own, and those that lie in the pool
MINE: Final = "me"
NOBODY: Final = "none"

_NAMES = text("SELECT id, username, display_name FROM user_account WHERE id = ANY(:ids)")
_FIND = text("SELECT id FROM user_account WHERE username = :username AND jurisdiction_id = :jurisdiction")


@dataclass(frozen=True, slots=True)
class Holder:
    """A person who has taken an order, or was given it."""

    username: str
    display_name: str


async def read_holders(session: AsyncSession, orders: Iterable[WorkOrder]) -> Mapping[int, Holder]:
    """Who holds these orders of one event, by the order's number; an order of the pool is missing."""
    held = {order.n: order.holder_id for order in orders if order.holder_id is not None}
    if not held:
        return {}
    rows = await session.execute(_NAMES, {"ids": list(set(held.values()))})
    people = {row.id: Holder(row.username, row.display_name) for row in rows}
    return {n: people[holder_id] for n, holder_id in held.items() if holder_id in people}


async def holder_filter(session: AsyncSession, asker: Asker, sight: Sight, given: str) -> str:
    """What the list looks for: ``NOBODY``, or a user's id as text.

    Raises ``Forbidden`` for who may not know who holds what, ``Malformed`` for a name that nobody has.
    """
    if not (sight.areas or sight.units):
        raise Forbidden("由谁认领只对承办单位和中心公开。")
    if given == NOBODY:
        return NOBODY
    if given == MINE:
        return str(asker.user_id)
    user_id: UUID | None = await session.scalar(_FIND, {"username": given, "jurisdiction": asker.jurisdiction_id})
    if user_id is None:
        message = f"没有登录名为“{given}”的人员"
        raise Malformed(f"筛选条件有误：{message}。", faults=[{"path": "holder", "message": message}])
    return str(user_id)
