"""How much units have on their hands: the orders that have not ended, counted where a decision asks for it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_OPEN = text(
    """
    SELECT unit_id, count(*) FROM work_order
    WHERE unit_id = ANY(CAST(:units AS integer[])) AND ended_at IS NULL AND event_id <> ALL(CAST(:but AS uuid[]))
    GROUP BY unit_id
    """
)


async def open_orders(session: AsyncSession, units: Collection[int], but: Collection[UUID] = ()) -> dict[int, int]:
    """Open orders by unit id, those of the events ``but`` left out; units without any are missing.

    An event that is decided again must not count against the unit that has it. No unit: no statement.
    """
    if not units:
        return {}
    found = await session.execute(_OPEN, {"units": sorted(units), "but": list(but)})
    return {unit_id: number for unit_id, number in found}
