"""Looking through all running clocks of a jurisdiction, page by page, without a lock."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch
from app.core.set_writes import plain_row
from app.events.clock_tables import Clock, ClockDue, ClockRung
from app.events.report_tables import Report
from app.events.tables import Event
from app.masters.kinds import LADDER_KIND, LIMIT_KINDS
from app.recalculation.moves import Found

_PAGE: Final = 500
_CLOCK: Final = (
    *("event_id", "n", "kind", "report_id", "unit_id", "limit_value", "limit_unit", "calendar_code", "uncounted_cap"),
    *("given_back", "rule", "started_at", "generation", "due_at", "assumed", "next_at"),
)
_EVENT: Final = (
    *("item_id", "standard_row_no", "closure_profile", "domain", "level", "urgency"),
    *("district_code", "street_code", "community_code", "split_from"),
)
_FROM: Final = "SELECT {columns} FROM clock c{joins} WHERE c.jurisdiction_id = $1 AND c.state = 'running' "
_JOINS: Final = " JOIN event e ON e.id = c.event_id LEFT JOIN report r ON r.id = c.report_id"
_WHOLE: Final = ", ".join([*(f"c.{name}" for name in _CLOCK), *(f"e.{name} AS e_{name}" for name in _EVENT)])
#: whose due time was written down since $4, but not by the releases themselves; a clock may start before it is written
_RECENT: Final = (
    "AND EXISTS (SELECT FROM clock_due d JOIN timeline t ON t.event_id = d.event_id AND t.n = d.timeline_n "
    "WHERE d.event_id = c.event_id AND d.clock_n = c.n AND d.generation = c.generation AND t.recorded_at >= $4 "
    "AND d.grounds <> ALL($5::text[])) "
)
# The limit stands in the text: a plan for any number of rows would sort all running clocks for every page.
_ORDER: Final = f"AND (c.event_id, c.n) > ($2::uuid, $3::int) ORDER BY c.event_id, c.n LIMIT {_PAGE}"
_RECORDS: Final = """
    SELECT d.* FROM unnest($1::uuid[], $2::int[]) AS k(event_id, n)
    JOIN clock_due d ON d.event_id = k.event_id AND d.clock_n = k.n ORDER BY d.event_id, d.clock_n, d.generation
    """
_RUNGS: Final = """
    SELECT g.* FROM unnest($1::uuid[], $2::int[]) AS k(event_id, n)
    JOIN clock_rung g ON g.event_id = k.event_id AND g.clock_n = k.n
    """
#: before the first clock
BEGINNING: Final = (UUID(int=0), 0)
_NO_EVENT: Final = plain_row(Event)


def _query(kinds: Collection[str], recent: bool) -> str:
    whole = bool((LIMIT_KINDS | {"emergencies", LADDER_KIND}).intersection(kinds))
    columns = f"{_WHOLE}, r.demand_type" if whole else ", ".join(f"c.{name}" for name in _CLOCK)
    return _FROM.format(columns=columns, joins=_JOINS if whole else "") + (_RECENT if recent else "") + _ORDER


async def pages(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str],
    *,
    after: tuple[UUID, int] = BEGINNING,
    since_at: datetime | None = None,
    grounds: Collection[str] = (),
) -> AsyncIterator[list[Found]]:
    """The running clocks after (event, n), page by page, with what ``kinds`` need; locks nothing.

    ``since_at``: only those whose due time was written down since then, on other grounds than ``grounds``. For a
    ladder it is all of them: what a clock waits for may change without a record.
    """
    recent = [since_at, list(grounds)] if since_at and LADDER_KIND not in kinds else []
    query = _query(kinds, bool(recent))
    while True:
        rows = await fetch(session, query, jurisdiction_id, *after, *recent)
        if not rows:
            return
        clocks = [plain_row(Clock, **{name: row[name] for name in _CLOCK}) for row in rows]
        moved = [clock for clock in clocks if clock.generation > 1]
        records: dict[tuple[UUID, int], list[ClockDue]] = {}
        if moved:
            found = await fetch(session, _RECORDS, [c.event_id for c in moved], [c.n for c in moved])
            for record in found:
                records.setdefault((record["event_id"], record["clock_n"]), []).append(plain_row(ClockDue, **record))
        rungs = await _fired(session, clocks) if LADDER_KIND in kinds else {}
        yield [
            Found(
                clock,
                plain_row(Event, **{name: row[f"e_{name}"] for name in _EVENT}) if "e_level" in row else _NO_EVENT,
                plain_row(Report, demand_type=row["demand_type"]) if clock.report_id and "e_level" in row else None,
                records.get((clock.event_id, clock.n), ()),
                rungs.get((clock.event_id, clock.n), ()),
            )
            for clock, row in zip(clocks, rows, strict=True)
        ]
        if len(rows) < _PAGE:
            return
        after = (clocks[-1].event_id, clocks[-1].n)


async def _fired(session: AsyncSession, clocks: Collection[Clock]) -> Mapping[tuple[UUID, int], list[ClockRung]]:
    rungs: dict[tuple[UUID, int], list[ClockRung]] = {}
    for row in await fetch(session, _RUNGS, [c.event_id for c in clocks], [c.n for c in clocks]):
        rungs.setdefault((row["event_id"], row["clock_n"]), []).append(plain_row(ClockRung, **row))
    return rungs
