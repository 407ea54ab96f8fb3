"""What an act that may dispatch reads first: how busy the units are that share the duty at the event's place."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.acts.action import Case
from app.dispatch.loads import open_orders
from app.masters import routing


async def read_load(session: AsyncSession, case: Case, _: Any = None) -> None:
    """Before the event is routed again. Its own orders do not count: they are what is decided about."""
    event = case.aggregate.event
    await read_load_at(session, case, event.cell_id, event.community_code)


async def read_load_at(session: AsyncSession, case: Case, cell_id: str | None, community_code: str | None) -> None:
    """The same for the place that the act puts the event at."""
    units = routing.shared_duty(case.turn.masters, cell_id, community_code)
    case.turn.load = await open_orders(session, units, but=[case.aggregate.event.id])


async def read_whole_load(session: AsyncSession, case: Case, _: Any = None) -> None:
    """Before another event is begun at the same place: the orders of this one count like any other's."""
    event = case.aggregate.event
    case.turn.load = await open_orders(
        session, routing.shared_duty(case.turn.masters, event.cell_id, event.community_code)
    )
