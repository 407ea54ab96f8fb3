"""What an act means for the events around its own: an event and what was split off from it hear of each other.

Everything here is written in the act's own transaction, under the other events' locks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import hands
from app.acts.action import Case
from app.core.crypto import Keyring
from app.events.aggregate import EventAggregate
from app.events.store import load_reports, lock_events, write_events
from app.turn import Turn


@dataclass(frozen=True, slots=True)
class Before:
    """How the locked events stood before the act."""

    ended: frozenset[UUID]
    #: whom each accuses, and whether a person has said that it accuses nobody
    accused: dict[UUID, tuple[tuple[int, ...], bool]]

    @classmethod
    def of(cls, aggregates: Iterable[EventAggregate]) -> "Before":
        """Taken before the step runs."""
        events = [aggregate.event for aggregate in aggregates]
        return cls(
            frozenset(event.id for event in events if event.ended_at is not None),
            {event.id: (tuple(event.accused_org_ids), event.nobody_accused) for event in events},
        )


async def tell(session: AsyncSession, keyring: Keyring, case: Case, before: Before) -> None:
    """After the act was written: a part's end or reopening to its parent, whom an event accuses to its parts."""
    for aggregate in [case.aggregate] + ([case.other.event] if case.other else []):
        event = aggregate.event
        if event.split_from is not None and (event.id in before.ended) != (event.ended_at is not None):
            await _tell_parent(session, keyring, case, aggregate, event.split_from)
        if aggregate.parts and before.accused[event.id] != (tuple(event.accused_org_ids), event.nobody_accused):
            await _tell_parts(session, keyring, case, aggregate)


async def _tell_parent(
    session: AsyncSession, keyring: Keyring, case: Case, part: EventAggregate, parent_id: UUID
) -> None:
    if any(pending.row.act == "joined" for pending in part.timeline):
        return  # the parent was there and has it on its own timeline
    parent = (await lock_events(session, [parent_id]))[parent_id]
    turn = Turn(case.turn.masters, parent, case.turn.act)
    if part.event.ended_at is not None:
        hands.part_ended(turn, part)
    else:
        hands.part_reopened(turn, part)
    await write_events(session, keyring, [parent])


async def _tell_parts(session: AsyncSession, keyring: Keyring, case: Case, parent: EventAggregate) -> None:
    parts = await lock_events(session, [part.id for part in parent.parts])
    for part in parts.values():
        await load_reports(session, part)
        turn = Turn(case.turn.masters, part, case.turn.act)
        hands.follow_accused(turn, parent)
        turn.rest()
    await write_events(session, keyring, parts.values())
