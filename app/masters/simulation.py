"""What-if 推演: past events through the drafts, by the router that decides in production. Writes nothing.

Both sides are decided with what was told of the event, at the moment of its own first dispatch. What the masters make
of that (domain and level by the item and the urgency, areas and cell by the point) each side derives anew.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.core import releases
from app.core.errors import NotFound
from app.core.tables import Jurisdiction
from app.dispatch.matters import Site, matter_of, site_of
from app.dispatch.routing import Matter, is_above
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.simulation import LEFT_TO_PEOPLE, Replayed, Tally, Verdict, never_valid, verdict_of
from app.masters.cache import MastersCache
from app.masters.consistency import Inconsistent
from app.masters.kinds import KINDS
from app.masters.masters import Masters
from app.masters.routing import level_of, workday
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


def decide_again(masters: Masters, past: PastMatter, site: Site | None = None) -> Verdict:
    """What the masters say of a past event, at the moment at which it was first dispatched.

    ``site``: its place by these masters, where that is known already (see ``site_again``).
    """
    event = past.event
    gone = event.item_id is not None and masters.items.item(masters.item_keys[event.item_id]) is None
    if past.left_to_people or gone:  # no report can be about an item that the masters do not have
        return LEFT_TO_PEOPLE
    return verdict_of(masters.router.decide(matter_again(masters, past, site)), masters.organizations.code_of)


def matter_again(masters: Masters, past: PastMatter, site: Site | None = None) -> Matter:
    """A past event as these masters would have made it of what was told. ``site`` as above."""
    event, units = past.event, masters.organizations
    item = masters.items.item(masters.item_keys[event.item_id]) if event.item_id is not None else None
    load = {unit: count for code, count in past.load.items() if (unit := units.id_of(code)) is not None}
    level = level_of(masters, item, event.urgency)
    if past.raised and is_above(event.level, level):
        level = event.level
    return replace(
        matter_of(
            event,
            item,
            site or site_again(masters, past),
            at=past.at,
            workday=workday(masters, past.at),
            load=load,
        ),
        level=level,
        at_least=level if item is not None and is_above(level, item.default_level) else "",
        domain=item.domain if item is not None else event.domain or "",
    )


def site_again(masters: Masters, past: PastMatter) -> Site:
    """Where a past event is by these masters: its point located anew.

    Without a point in a cell the place stays what it was found to be, as far as these masters have it.
    """
    event, places = past.event, masters.places
    point = (event.lon, event.lat) if event.lon is not None and event.lat is not None else None
    cell_id = places.cell_at(*point) if point else None
    found = places.in_cell(cell_id) if cell_id else None
    within_m = masters.policies.border_within_m
    if found is not None:
        areas = (found.district_code, found.street_code, found.community_code)
        return site_of(places, areas, cell_id, point, border_within_m=within_m)
    told = (event.district_code, event.street_code, event.community_code)
    known = [code if code and places.area(code) else None for code in told]
    return site_of(places, known, None if point else event.cell_id, point, border_within_m=within_m)


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
    keys, found = asked.before.item_keys, []
    # Finding the place, its borders above all, takes as long as the rest of a decision.
    same_places = asked.before.places is asked.after.places
    same_site = same_places and asked.before.policies.border_within_m == asked.after.policies.border_within_m
    for past in page:
        event = past.event
        item = keys.get(event.item_id) if event.item_id is not None else None
        site = site_again(asked.before, past)
        before = decide_again(asked.before, past, site)
        after = decide_again(asked.after, past, site if same_site else None)
        found.append(Replayed(event.event_no, past.at, item, event.street_code, before, after))
    return found
