"""What a draft would do to open clocks: how many would move, which way and by how much. Writes nothing."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import releases
from app.core.tables import Jurisdiction
from app.masters import Masters, MastersCache
from app.masters.consistency import Inconsistent
from app.masters.kinds import RE_DECIDED_KINDS
from app.recalculation.moves import Found, Move, move_of
from app.recalculation.scan import pages

EXAMPLES: Final = 20


@dataclass(frozen=True, slots=True)
class Example:
    """One clock that would move."""

    event_id: UUID
    event_no: str
    clock: str
    cause: str
    before_at: datetime
    after_at: datetime


@dataclass(slots=True)
class Preview:
    """Counts of open clocks. ``earlier``, ``later``: their due time moves; the rest of ``moved`` changes otherwise
    (whether it is assumed, a pause, a limit) and stays due when it is."""

    kinds: tuple[str, ...]
    open: int = 0
    moved: int = 0
    earlier: int = 0
    later: int = 0
    #: rests on a year without an official list, now and then
    assumed_before: int = 0
    assumed_after: int = 0
    #: the largest moves
    most_earlier: timedelta = timedelta()
    most_later: timedelta = timedelta()
    examples: list[Example] = field(default_factory=list)

    def count(self, found: Found, move: Move | None) -> None:
        """Takes one clock into account."""
        self.open += 1
        self.assumed_before += found.clock.assumed
        self.assumed_after += move.due.assumed if move else found.clock.assumed
        if move is None:
            return
        self.moved += 1
        by = move.due.due_at - found.clock.due_at
        if by < timedelta():
            self.earlier += 1
            self.most_earlier = max(self.most_earlier, -by)
        elif by:
            self.later += 1
            self.most_later = max(self.most_later, by)
        if len(self.examples) < EXAMPLES:
            clock = found.clock
            example = Example(clock.event_id, "", clock.kind, move.cause, clock.due_at, move.due.due_at)
            self.examples.append(example)


async def drafts(session: AsyncSession, jurisdiction_id: int, kinds: Collection[str] | None = None) -> dict[str, int]:
    """The drafts (kind → release) that open clocks would follow: of these kinds, or all there are."""
    found = {}
    for kind in sorted(RE_DECIDED_KINDS.intersection(kinds) if kinds is not None else RE_DECIDED_KINDS):
        draft = await releases.draft_of(session, jurisdiction_id, kind)
        if draft is not None:
            found[kind] = draft.id
    return found


async def masters_with(
    session: AsyncSession, cache: MastersCache, jurisdiction_id: int, drafts: Mapping[str, int]
) -> Masters:
    """The masters as they would be if these drafts were published now. Raises Inconsistent for unsound drafts."""
    jurisdiction = await session.get_one(Jurisdiction, jurisdiction_id)
    try:
        return await cache.at(session, jurisdiction_id, {**jurisdiction.release_vector, **drafts})
    except ValueError as error:
        raise Inconsistent([{"path": "/".join(drafts), "message": str(error)}]) from None


async def count_open(session: AsyncSession, jurisdiction_id: int) -> int:
    """How many clocks run: what there is to look at."""
    counted = text("SELECT count(*) FROM clock WHERE jurisdiction_id = :id AND state = 'running'")
    return int(await session.scalar(counted, {"id": jurisdiction_id}) or 0)


async def preview(
    session: AsyncSession,
    masters: Masters,
    drafts: Mapping[str, int],
    *,
    looked_at: Callable[[int], None] = lambda _: None,
) -> Preview:
    """Looks at every open clock under masters that hold ``drafts``; ``looked_at`` is told how many came on."""
    found = Preview(tuple(drafts))
    async for page in pages(session, masters.jurisdiction_id, found.kinds):
        for each in page:
            found.count(each, move_of(masters, found.kinds, each))
        looked_at(len(page))
        # other requests of the process come in between
        await asyncio.sleep(0)
    numbers = await session.execute(
        text("SELECT id, event_no FROM event WHERE id = ANY(:ids)"), {"ids": [e.event_id for e in found.examples]}
    )
    event_no = {id_: number for id_, number in numbers}
    found.examples = [
        Example(e.event_id, event_no[e.event_id], e.clock, e.cause, e.before_at, e.after_at) for e in found.examples
    ]
    return found
