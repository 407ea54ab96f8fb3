"""``GET /supervision/risks``: open orders that will likely miss their handling limit, the likeliest first.

Bounded work: the candidates are the soonest due, as many as ``CANDIDATES``, found by the scans of the overdue list and
weighed here; pages are cut from them. The cursor keeps the moment of the first page, so that the weights stay.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.arithmetic import counted_minutes
from app.clocks.calendar import Calendar
from app.clocks.limits import LimitUnit
from app.clocks.records import Clockwork, effective_pauses, given_back_of
from app.core.pagination import decode_cursor, digest_of, encode_cursor
from app.core.set_writes import read_row
from app.events.clock_tables import ClockDue
from app.events.visibility import Sight
from app.supervision.experience import KIND, Experience, Outlook
from app.supervision.filters import AreaQuery, Filters
from app.supervision.overdue import COLUMNS, DUE_KEYS, JOINS, clock_filters, clock_scans
from app.supervision.scans import Listing
from app.supervision.shares import shares_of

CANDIDATES: Final = 2_000
#: each look walks a bounded number of running clocks, of which handling is one kind
LOOKS: Final = 6

_LAST_KEY: Final = (UUID(int=2**128 - 1), 2**31 - 1)
_CURSOR: Final = (datetime, int, datetime, UUID, int)
#: what a clock that nothing is known about is written as in a cursor: below every risk
_UNKNOWN: Final = -1
_MORE = (
    ", e.domain, e.level, c.generation, c.calendar_code, c.uncounted_cap, c.given_back, "
    "CASE WHEN c.generation > 1 THEN (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.generation) FROM clock_due d "
    "WHERE d.event_id = c.event_id AND d.clock_n = c.n) END AS records"
)


class RiskQuery(AreaQuery):
    """Filters of the list of risks."""

    min_risk: float = Field(0.5, ge=0, le=1, description="风险不低于；0 时也列出没有足够经验可比的")


class Candidate(NamedTuple):
    """A running clock, weighed."""

    #: parts in a million; ``_UNKNOWN``: nothing is known
    ppm: int
    row: Any
    #: of the time that counts between start and due, how much is gone, 0 to 1
    share: float
    outlook: Outlook | None

    @property
    def key(self) -> tuple[int, datetime, UUID, int]:
        """The order of the list: the likeliest first, then the soonest due."""
        return -self.ppm, self.row.due_at, UUID(str(self.row.event_id)), self.row.n


@dataclass(frozen=True, slots=True)
class Risks:
    """One page, and how far it looked."""

    at: datetime
    items: Sequence[Candidate]
    next: str | None
    #: running clocks that were weighed
    weighed: int
    #: all that are due up to here were; None: all there are
    until_at: datetime | None


async def list_risks(
    session: AsyncSession,
    sight: Sight,
    filters: Filters,
    work: Clockwork,
    *,
    at: datetime,
    min_risk: float,
    limit: int,
    cursor: str | None,
) -> Risks:
    """Running handling clocks that are not overdue, by risk. Raises ``Malformed`` for a cursor of other filters."""
    digest = digest_of("risks", filters.as_dict() | {"min_risk": min_risk})
    key = decode_cursor(cursor, digest, _CURSOR)
    if key:
        at = key[0]
    rows, until_at = await _soonest(session, sight, filters, at)
    experience = await Experience.read(
        session,
        sight.jurisdiction_id,
        {row.item_id for row in rows if row.item_id is not None},
        {row.unit_id for row in rows if row.unit_id is not None},
    )
    # Some 40 ms of arithmetic for 2,000: not in the way of other requests.
    weighed = await asyncio.to_thread(_weigh, rows, experience, work, at)
    least = round(min_risk * 1_000_000) or _UNKNOWN
    behind = (-key[1], *key[2:]) if key else None
    found = [one for one in weighed if one.ppm >= least and (behind is None or one.key > behind)]
    items = found[:limit]
    more = None
    if len(found) > limit:
        last = items[-1]
        more = encode_cursor(digest, (at, last.ppm, last.row.due_at, last.row.event_id, last.row.n))
    return Risks(at, items, more, len(rows), until_at)


async def _soonest(
    session: AsyncSession, sight: Sight, filters: Filters, at: datetime
) -> tuple[list[Any], datetime | None]:
    """The asker's running handling clocks that fall due next, and up to when they are all."""
    own = clock_filters(filters).add("c.kind = :kind", kind=KIND)
    scans = clock_scans(sight, filters, own, await shares_of(session), at)
    listing = Listing(DUE_KEYS, scans, COLUMNS + _MORE, JOINS, order=("ASC", ">"))
    after: tuple[Any, ...] = (at, *_LAST_KEY)
    rows: list[Any] = []
    for _ in range(LOOKS):
        page = await listing.page(session, digest="", limit=CANDIDATES - len(rows), after=after)
        rows += page.items
        if page.next is None:
            return rows, None
        after = decode_cursor(page.next, "", [key.kind for key in DUE_KEYS]) or after
        if len(rows) >= CANDIDATES:
            break
    return rows, after[0]


def _weigh(rows: Sequence[Any], experience: Experience, work: Clockwork, at: datetime) -> list[Candidate]:
    return sorted((_weighed(row, experience, work, at) for row in rows), key=lambda one: one.key)


def _weighed(row: Any, experience: Experience, work: Clockwork, at: datetime) -> Candidate:
    calendar = work.calendars.get(row.calendar_code)
    share = _share_used(row, calendar, at) if calendar else _plain_share(row, at)
    outlook = experience.outlook(share, item_id=row.item_id, unit_id=row.unit_id, domain=row.domain, level=row.level)
    return Candidate(round(outlook.risk * 1_000_000) if outlook else _UNKNOWN, row, share, outlook)


def _share_used(row: Any, calendar: Calendar, at: datetime) -> float:
    unit, back = LimitUnit(row.limit_unit), given_back_of(row)
    records = [read_row(ClockDue, document) for document in row.records or ()]
    pauses = effective_pauses(row, records, calendar)
    gone_at = min(max(at, row.started_at), row.due_at)
    whole = counted_minutes(calendar, unit, row.started_at, row.due_at, pauses, given_back=back)
    gone = counted_minutes(calendar, unit, row.started_at, gone_at, pauses, given_back=back)
    return gone / whole if whole else 1.0


def _plain_share(row: Any, at: datetime) -> float:
    """For a calendar that is in no release any more."""
    started_at, due_at = row.started_at, row.due_at
    return min(max(float((at - started_at) / (due_at - started_at)), 0.0), 1.0) if started_at < due_at else 1.0
