"""Nobody is given work after their account was closed, whoever is faster: the last look before an event is written."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.holdings import lock_active
from app.core.errors import Conflict
from app.events.aggregate import EventAggregate
from app.events.tables import Inspection, WorkOrder


async def stand_by_holders(session: AsyncSession, aggregates: Iterable[EventAggregate]) -> None:
    """Holds the accounts that get an order or an inspection until the transaction ends: closing waits for that.

    Raises ``Conflict`` when one of them was closed meanwhile.
    """
    given: set[str] = set()
    for aggregate in aggregates:
        for row, names in aggregate.changes():
            if isinstance(row, WorkOrder) and "holder_id" in names and row.holder_id is not None:
                given.add(str(row.holder_id))
            elif isinstance(row, Inspection) and "collector_id" in names and row.collector_id is not None:
                given.add(str(row.collector_id))
        for new in aggregate.inserts:
            if isinstance(new, WorkOrder) and new.holder_id is not None:
                given.add(str(new.holder_id))
    if given and not given <= await lock_active(session, given):
        raise Conflict("该人员的账号已注销，不能再承办工单或领取核查；请另选他人。")
