"""How many rows an index scan would walk, by the database's own statistics, so that each list takes the narrowest."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_KEPT_SECONDS = 600.0

_READ = text(
    """
    SELECT 'column' AS what, tablename || '.' || attname AS name, n_distinct::float8 AS number,
           most_common_vals::text::text[] AS common, most_common_freqs::float8[] AS shares,
           CASE WHEN attname = 'received_at' THEN histogram_bounds::text::text[] END AS bounds
    FROM pg_stats
    WHERE schemaname = current_schema() AND (tablename, attname) IN (
      ('event', 'jurisdiction_id'), ('event', 'item_id'), ('event', 'lead_unit_id'), ('event', 'street_code'),
      ('event', 'community_code'), ('event', 'received_at'), ('event_participant', 'org_id'),
      ('work_order', 'unit_id'), ('work_order', 'jurisdiction_id'), ('clock', 'unit_id'), ('clock', 'street_code'))
    UNION ALL
    SELECT 'relation', relname, reltuples::float8, NULL, NULL, NULL FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i') AND relname IN (
      'event', 'event_participant', 'work_order', 'clock', 'inspection', 'debt', 'ix_event_open',
      'ix_event_open_street', 'ix_event_triage', 'ix_work_order_open', 'ix_work_order_unit_open',
      'ix_inspection_open', 'ix_clock_due', 'ix_debt_open')
    """
)


@dataclass(slots=True)
class _Column:
    distinct: float
    common: dict[str, float]


@dataclass(slots=True)
class Shares:
    """Estimates only: they choose between ways that all give the same answer."""

    relations: dict[str, float] = field(default_factory=dict)
    columns: dict[str, _Column] = field(default_factory=dict)
    received: tuple[datetime, datetime] | None = None

    def relation(self, name: str) -> float:
        """Rows of a table, or of a partial index."""
        return max(self.relations.get(name, 0.0), 1.0)

    def share(self, column: str, values: Iterable[Any]) -> float:
        """The share of its table's rows in which ``table.column`` has one of ``values``."""
        known = self.columns.get(column)
        values = list(values)
        if known is None:
            return min(0.01 * len(values), 1.0)
        # negative: a share of the table's rows, as PostgreSQL writes it
        table_rows = self.relation(column.split(".")[0])
        distinct = known.distinct if known.distinct > 0 else max(-known.distinct * table_rows, 1.0)
        rest = max(1.0 - sum(known.common.values()), 0.0)
        rare = rest / max(distinct - len(known.common), 1.0)
        return min(sum(known.common.get(str(value), rare) for value in values), 1.0)

    def rows(self, column: str, values: Iterable[Any], *, among: str | None = None) -> float:
        """Rows with one of ``values``, of the whole table or of a partial index on it."""
        return self.share(column, values) * self.relation(among or column.split(".")[0])

    def received_rows(self, since: datetime | None, until: datetime | None) -> float:
        """Events received in a range."""
        if self.received is None:
            return self.relation("event") * 0.1
        first, last = self.received
        whole = max(last - first, timedelta(seconds=1))
        part = min(until or last, last) - max(since or first, first)
        return max(part / whole, 0.0) * self.relation("event")


_kept: WeakKeyDictionary[Any, tuple[float, Shares]] = WeakKeyDictionary()


async def shares_of(session: AsyncSession) -> Shares:
    """The statistics, read again every ten minutes: one statement that nearly no request pays."""
    owner: Any = session.bind
    known = _kept.get(owner)
    if known is not None and monotonic() - known[0] < _KEPT_SECONDS:
        return known[1]
    shares = Shares()
    for row in await session.execute(_READ):
        if row.what == "relation":
            shares.relations[row.name] = row.number
            continue
        if row.bounds:
            shares.received = (datetime.fromisoformat(row.bounds[0]), datetime.fromisoformat(row.bounds[-1]))
        common = dict(zip(row.common or (), row.shares or (), strict=True))
        shares.columns[row.name] = _Column(row.number, common)
    _kept[owner] = (monotonic(), shares)
    return shares
