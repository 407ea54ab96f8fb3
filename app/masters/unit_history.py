"""What history suggests: to which units such events went in the end, shown to the person who decides, never applied.

It is learned aside, in a process of its own, from the newest dispatches that stood, once in a while and when what
routing rests on has changed. Nobody waits for it: until it is there, nothing is suggested.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select

from app.clocks.calendar import CHINA_TIME
from app.core.database import Sessions
from app.core.tables import Jurisdiction
from app.core.timing import now
from app.dispatch.learning import Circumstances, PastDecision
from app.dispatch.learning_process import fit_aside
from app.dispatch.suggester import Suggester
from app.dispatch.unit_kinds import kinds_of
from app.items.rows import ItemRow
from app.masters.cache import MastersCache
from app.masters.masters import Masters
from app.supervision.past_dispatches import past_dispatches

#: how many units are shown
SHOWN: Final = 3
#: the newest this many dispatches: as many as it was measured with, and some seconds of arithmetic
LEARNED_FROM: Final = 8_000
#: how long what was learned is good for
LEARN_EVERY: Final = timedelta(hours=1)
#: how often it is looked whether it still is
_LOOK_EVERY_SECONDS: Final = 60.0
#: when one of these has a new release, it is learned anew
_RESTS_ON: Final = ("routing-rules", "routing-steps", "duty-list", "components", "organizations", "items", "areas")
#: a chance smaller than this says nothing
_LEAST_SHARE: Final = 0.005

log = structlog.get_logger()


#: (item key, division code or empty) → how many went to each unit
_Counts = defaultdict[tuple[str, str], Counter[str]]


@dataclass(frozen=True, slots=True)
class Suggested:
    """One unit that such events went to. ``share``: how likely it is the one (0..1), by all that was learned.

    ``support`` of the ``cases`` of the same item, in the narrowest area where it has had one, were its.
    """

    unit: str
    share: float
    support: int
    cases: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _Learned:
    as_of: datetime
    built_from: tuple[int | None, ...]
    suggester: Suggester
    counts: _Counts


class UnitHistory:
    """What was learned, by jurisdiction; one per process."""

    def __init__(self) -> None:
        self._learned: dict[int, _Learned] = {}

    def suggested(
        self, masters: Masters, asked: Circumstances | None, *, barred: frozenset[int] = frozenset()
    ) -> tuple[tuple[Suggested, ...], datetime | None]:
        """The likeliest units that work, ``SHOWN`` at most, and when this was learned: None until it was.

        ``asked`` None: too little is known of the event. ``barred``: ids of units that are not to be named, with all
        that is under them. Some milliseconds; no database.
        """
        known = self._learned.get(masters.jurisdiction_id)
        if known is None or asked is None:
            return (), known.as_of if known else None
        organizations = masters.organizations
        without = frozenset[int]().union(*(organizations.under(unit) for unit in barred))
        found: list[Suggested] = []
        for ranked in known.suggester.rank(asked):
            row = organizations.by_code(ranked.unit)
            if row is None or not row.active or organizations.id_of(ranked.unit) in without:
                continue
            if ranked.probability < _LEAST_SHARE or len(found) == SHOWN:
                break
            found.append(_told(known, masters, asked, ranked.unit, ranked.probability))
        return tuple(found), known.as_of

    def is_due(self, masters: Masters, at: datetime) -> bool:
        """Whether it is to be learned anew."""
        known = self._learned.get(masters.jurisdiction_id)
        return known is None or known.built_from != _built_from(masters) or at - known.as_of >= LEARN_EVERY

    async def learn(self, sessions: Sessions, masters: Masters, at: datetime) -> int:
        """Learns from the newest dispatches; returns how many. Some seconds."""
        counts: _Counts = defaultdict(Counter)
        areas = ((row.area_code, masters.places.area(row.area_code)) for row in masters.organizations.rows)
        kinds = kinds_of(masters.organizations.rows, {code: area.name for code, area in areas if area is not None})
        async with aclosing(_decisions(sessions, masters, counts)) as history:
            suggester = await fit_aside(history, kinds)
        self._learned[masters.jurisdiction_id] = _Learned(at, _built_from(masters), suggester, counts)
        return sum(counted.total() for (_, area), counted in counts.items() if not area)

    async def learn_due(self, sessions: Sessions, cache: MastersCache) -> None:
        """Learns where it is due, one jurisdiction after the other."""
        async with sessions() as session:
            ids = await session.scalars(select(Jurisdiction.id).where(Jurisdiction.release_vector != {}))
            found = [await cache.get(session, jurisdiction_id) for jurisdiction_id in ids.all()]
        for masters in found:
            if self.is_due(masters, now()):
                count = await self.learn(sessions, masters, now())
                log.info("history.learned", jurisdiction=masters.jurisdiction_code, dispatches=count)

    async def keep_learning(self, sessions: Sessions, cache: MastersCache) -> None:
        """Looks every minute whether something is to be learned, until it is cancelled."""
        while True:
            try:
                await self.learn_due(sessions, cache)
            except Exception as fault:  # what is only shown must not end the process
                log.warning("history.not_learned", reason=f"{type(fault).__name__}: {fault}"[:300])
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


def circumstances(
    item: ItemRow | None, areas: Sequence[str | None], channel: str, at: datetime
) -> Circumstances | None:
    """An event as the history is asked about it; None without an item. ``areas``: codes of street and community."""
    if item is None:
        return None
    return Circumstances(
        item_key=item.key,
        major_code=item.major_code,
        domain=item.domain,
        areas=tuple(code for code in areas if code),
        channel=channel,
        on=at.astimezone(CHINA_TIME).date(),
        item_name=item.name,
        major_name=item.major_name,
        domain_name=item.domain,
    )


def _built_from(masters: Masters) -> tuple[int | None, ...]:
    return tuple(masters.vector.get(kind) for kind in _RESTS_ON)


async def _decisions(
    sessions: Sessions, masters: Masters, counts: _Counts
) -> AsyncGenerator[Sequence[PastDecision], None]:
    """What can be learned from, counted on the way; nothing of items that today's list does not have any more."""
    async with sessions() as session:
        async for some in past_dispatches(session, masters.jurisdiction_id, most=LEARNED_FROM):
            found = []
            for each in some:
                item = masters.items.item(masters.item_keys.get(each.item_id, ""))
                seen = circumstances(item, (each.street_code, each.community_code), each.channel, each.dispatched_at)
                if seen is None:
                    continue
                found.append(PastDecision(each.event_no, seen, each.unit, each.by_person))
                for area in ("", *seen.areas):
                    counts[seen.item_key, area][each.unit] += 1
            yield found


def _told(known: _Learned, masters: Masters, asked: Circumstances, unit: str, share: float) -> Suggested:
    name = masters.organizations.name_of(unit)
    for code in (*reversed(asked.areas), ""):
        counted = known.counts.get((asked.item_key, code), Counter())
        if support := counted.get(unit, 0):
            cases, area = sum(counted.values()), masters.places.area(code) if code else None
            where = f"在{area.name}" if area else "在全辖区" if not code else f"在 {code} "
            sentence = f"“{asked.item_name}”{where}的 {cases} 件中，由{name}承办的有 {support} 件。"
            return Suggested(unit, share, support, cases, sentence)
    return Suggested(unit, share, 0, 0, f"“{asked.item_name}”还没有由{name}承办过，依相近事项和地点推断。")
