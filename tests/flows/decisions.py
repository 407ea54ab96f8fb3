"""What was decided about an event, and releases that decide otherwise, for tests about routing."""

from typing import Any
from uuid import UUID

from app.core import releases
from app.core.database import transaction
from app.dispatch.rows import STEP_NAMES
from app.masters.publishing import publish
from tests.flows.town import Town

#: a lamp of the register: in ``LAMP_CELL``, maintained by CT-LIGHT
LAMP, LAMP_CELL = "32010201037000001", "320102002001001"
LAMP_OUT = "GB/T 47678.5-2026/matter/01037"
#: words that no classifier knows what to do with
VAGUE = {"title": "反映情况", "content": "这里有点情况，麻烦来看一下"}


async def put_in_force(
    town: Town, kind: str, rows: dict[str, dict[str, Any]] | None = None, *, complete: bool = False
) -> None:
    """Publishes rows of a kind by key, laid over what is in force; without rows the draft that is there."""
    async with transaction(town.runtime.sessions) as session:
        if rows is not None:
            await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=complete, by="tests")
        await publish(session, town.city.jurisdiction_id, [kind], by="tests", unreviewed_because="测试")


async def ask_in_this_order(town: Town, *first: str) -> None:
    """Publishes the principles: these first, then the others as ever."""
    order = [*first, *(step for step in STEP_NAMES if step not in first)]
    rows = {
        step: {"step": step, "position": n, "enabled": step in first or step != "first_receiver"}
        for n, step in enumerate(order, start=1)
    }
    await put_in_force(town, "routing-steps", rows, complete=True)


async def rows_of(town: Town, event_id: str, *acts: str) -> list[Any]:
    """The timeline rows of these acts, in order."""
    return await town.rows(
        "SELECT n, act, data, actor_role, subject, subject_n FROM timeline "
        "WHERE event_id = :id AND act = ANY(:acts) ORDER BY n",
        id=UUID(event_id),
        acts=list(acts),
    )


async def decision(town: Town, event_id: str) -> dict[str, Any]:
    """The data of the newest dispatch."""
    found: dict[str, Any] = (await rows_of(town, event_id, "dispatch"))[-1].data
    return found


async def clocks_of(town: Town, event_id: str, kind: str) -> list[tuple[str, str, Any]]:
    """(unit or report, state, due) of the clocks of a kind, the oldest first."""
    found = await town.rows(
        "SELECT coalesce(g.code, 'report') AS whose, c.state, c.due_at FROM clock c "
        "LEFT JOIN organization g ON g.id = c.unit_id WHERE c.event_id = :id AND c.kind = :kind ORDER BY c.n",
        id=UUID(event_id),
        kind=kind,
    )
    return [(row.whose, row.state, row.due_at) for row in found]
