"""What-if 推演: past events through the drafts, by the function that decides in production. Writes nothing.

Both sides are decided with the same facts, at the moment of the event's own first dispatch.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.core import releases
from app.core.errors import NotFound
from app.core.tables import Jurisdiction
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.simulation import LEFT_TO_PEOPLE, Replayed, Tally, Verdict, never_valid, verdict_of
from app.masters.cache import MastersCache
from app.masters.consistency import Inconsistent
from app.masters.kinds import KINDS
from app.masters.masters import Masters
from app.masters.routing import decide
from app.supervision.past_matters import PastMatter, past_matters

#: kinds that a decision rests on, in one way or another
ROUTING_KINDS: Final = (
    *("routing-rules", "routing-steps", "duty-list", "components", "organizations"),
    *("items", "areas", "cells", "duty-grids", "policies", "calendar"),
)

_DRAFTS: Final = text(
    "SELECT kind, id, number FROM release WHERE jurisdiction_id = :jurisdiction_id AND kind = ANY(:kinds) "
    "AND status IN ('draft', 'reviewed') ORDER BY kind"
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The masters in force, and as they would be with the drafts; neither follows what is loaded later."""

    before: Masters
    after: Masters
    #: kind → which edition the draft would be
    numbers: Mapping[str, int]
    rules: Sequence[RoutingRuleRow]

    def never_valid(self, tally: Tally) -> list[str]:
        """Numbers of the draft's rules that were valid at no moment that was decided for: nothing is said of them."""
        if tally.first_at is None or tally.last_at is None:
            return []
        return never_valid(self.rules, tally.first_at.astimezone(CHINA_TIME), tally.last_at.astimezone(CHINA_TIME))

    def item_name(self, key: str | None) -> str:
        """The item's name, of the draft where it has one; empty for no item."""
        item = (self.after.items.item(key) or self.before.items.item(key)) if key else None
        return item.name if item else key or ""

    def area_name(self, code: str | None) -> str:
        """The area's name likewise."""
        area = (self.after.places.area(code) or self.before.places.area(code)) if code else None
        return area.name if area else code or ""


async def what_if(
    session: AsyncSession, cache: MastersCache, jurisdiction_id: int, kinds: Collection[str] | None = None
) -> WhatIf:
    """Reads the drafts of these kinds (None: of all that routing reads), as if they were published together now.

    Raises NotFound without any draft or without one of those named, Inconsistent for unsound ones.
    """
    wanted = sorted(set(ROUTING_KINDS if kinds is None else kinds))
    if others := [kind for kind in wanted if kind not in ROUTING_KINDS]:
        raise NotFound(f"{'、'.join(others)} 不影响派单，可推演：{'、'.join(ROUTING_KINDS)}")
    rows = (await session.execute(_DRAFTS, {"jurisdiction_id": jurisdiction_id, "kinds": wanted})).all()
    drafts = {row.kind: row.id for row in rows}
    if missing := [KINDS[kind].title for kind in wanted if kind not in drafts]:
        if not drafts:
            raise NotFound("没有可推演的草稿：请先用 bihuan load 载入派单规则、职责清单等的草稿。")
        if kinds is not None:
            raise NotFound(f"{'、'.join(missing)}没有草稿。")
    before = await cache.get(session, jurisdiction_id)
    jurisdiction = await session.get_one(Jurisdiction, jurisdiction_id)
    try:
        after = await cache.at(session, jurisdiction_id, {**jurisdiction.release_vector, **drafts})
    except ValueError as error:
        raise Inconsistent([{"path": "/".join(drafts), "message": str(error)}]) from None
    texts = await releases.documents_of(session, drafts["routing-rules"]) if "routing-rules" in drafts else []
    rules = [RoutingRuleRow.model_validate_json(each) for each in texts]
    return WhatIf(before, after, {row.kind: row.number for row in rows}, rules)


def decide_again(masters: Masters, past: PastMatter) -> Verdict:
    """What the masters say of a past event, at the moment at which it was first dispatched."""
    if past.left_to_people:
        return LEFT_TO_PEOPLE
    units = masters.organizations
    load = {unit: count for code, count in past.load.items() if (unit := units.id_of(code)) is not None}
    return verdict_of(decide(masters, past.event, past.at, load=load), units.code_of)


async def simulate(
    session: AsyncSession,
    asked: WhatIf,
    since_at: datetime,
    until_at: datetime,
    *,
    each: Callable[[Sequence[Replayed]], None] = lambda _: None,
) -> Tally:
    """Decides every event received from ``since_at`` on and before ``until_at`` twice.

    ``each`` is given the events page by page. Decisions are made in a thread: other requests of the process come in
    between.
    """
    tally = Tally()
    async for page in past_matters(session, asked.before.jurisdiction_id, since_at, until_at):
        replayed = await asyncio.to_thread(_replay, asked, page)
        for one in replayed:
            tally.count(one)
        each(replayed)
    return tally


def _replay(asked: WhatIf, page: Sequence[PastMatter]) -> list[Replayed]:
    keys = asked.before.item_keys
    found = []
    for past in page:
        event = past.event
        item = keys.get(event.item_id) if event.item_id is not None else None
        before, after = decide_again(asked.before, past), decide_again(asked.after, past)
        found.append(Replayed(event.event_no, past.at, item, event.street_code, before, after))
    return found
