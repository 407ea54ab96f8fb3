"""What tests of the ladder share: publishing one, sweeping, moving limits, and looking at what fired."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from app import background
from app.clocks.ladder import RungRow
from app.clocks.moving import extend_clock
from app.clocks.records import Clockwork
from app.clocks.running import running
from app.core import releases
from app.core.database import transaction
from app.core.timing import now
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.store import lock_events, write_events
from app.masters.publishing import publish
from app.turn import Turn
from tests.flows.town import Town

#: the section that handles rubbish there, and the street office above it
SECTION, STREET = "S-320102002-C", "S-320102002"


async def sweep(town: Town) -> int:
    """Sweeps one after the other until nothing is due; how many rungs fired."""
    fired = 0
    while found := await background.sweep(town.runtime, concurrency=1):
        fired += found
    return fired


async def begin(town: Town, *classes: str, **fields: Any) -> str:
    """A call that is dispatched at once; its event."""
    called = now().astimezone(Town.at("2026-01-01 00:00").tzinfo).isoformat(timespec="seconds")
    message = town.call(*([classes] if classes else []), callTime=called, **fields)
    event_id: str = (await town.send("hotline-12345", message))["event_id"]
    assert (await town.event(event_id)).state == "handling"
    return event_id


async def rungs(town: Town, event_id: str, kind: str = "handling") -> list[tuple[int, str, datetime]]:
    """(generation, rung, its time) of the lead order's clock of this kind, in the order in which they fired."""
    found = await town.rows(
        "SELECT r.generation, r.rung, r.rung_at FROM clock_rung r JOIN clock c ON (c.event_id, c.n) = "
        "(r.event_id, r.clock_n) WHERE r.event_id = :id AND c.n = (SELECT min(n) FROM clock WHERE event_id = :id "
        "AND kind = :kind) ORDER BY r.timeline_n",
        id=UUID(event_id),
        kind=kind,
    )
    return [tuple(row) for row in found]


async def names(town: Town, event_id: str, kind: str = "handling") -> list[str]:
    return [rung for _, rung, _ in await rungs(town, event_id, kind)]


async def told(town: Town, event_id: str) -> list[tuple[str, list[str]]]:
    """(rung, who was told) of the handling rungs on the timeline, in order."""
    found = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = 'escalated' AND data->>'kind' = 'handling' "
        "ORDER BY n",
        id=UUID(event_id),
    )
    return [(row.data["rung"], row.data["to"]) for row in found]


async def publish_ladder(town: Town, *lines: dict[str, str]) -> None:
    """Instead of the demo city's."""
    base = {"clock": "handling", "action": "urge", "to": "unit"}
    rows = [RungRow.model_validate(base | line) for line in lines]
    documents = {row.key: row.model_dump(mode="json") for row in rows}
    jurisdiction = town.city.jurisdiction_id
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, jurisdiction, "escalation-rungs", documents, complete=True, by="test")
        await publish(session, jurisdiction, ["escalation-rungs"], by="test", unreviewed_because="测试")


async def move_handling(
    town: Town, event_id: str, move: Callable[[EventAggregate, Clock, Clockwork, int], None]
) -> None:
    """Moves the due times of the event's handling clocks by an act of now."""
    async with transaction(town.runtime.sessions) as session:
        aggregate = (await lock_events(session, [UUID(event_id)]))[UUID(event_id)]
        masters = await town.runtime.masters.get(session, town.city.jurisdiction_id)
        turn = Turn(masters, aggregate, Act(SYSTEM, now(), now()))
        n = aggregate.record(turn.act, "tested")
        for clock in running(aggregate, "handling"):
            move(aggregate, clock, masters.clockwork, n)
        turn.rest()
        await write_events(session, town.runtime.keyring, [aggregate])


async def extend_handling(town: Town, event_id: str, more: int) -> None:
    """The handling clocks of the event get so many units more."""
    await move_handling(
        town, event_id, lambda event, clock, work, n: extend_clock(event, clock, work, now(), n, more=more, approval=[])
    )
