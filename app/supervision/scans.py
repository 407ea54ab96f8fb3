"""Keyset lists over a million rows: ordered index scans, merged, each looking at a bounded number of rows.

One statement a page. Every scan walks one index in the list's order and stops when the page is full or its budget is
spent; a spent budget leaves a ``stop`` row, behind which the next page goes on. So the longest request is as bounded
as the shortest, whatever the filters, and nothing is missed or shown twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Page, encode_cursor

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One column of a sort key."""

    name: str
    kind: type
    sql_type: str


EVENT_ID = Key("event_id", UUID, "uuid")
NUMBER = Key("n", int, "integer")
REPORT_ID = Key("report_id", UUID, "uuid")
RECEIVED_AT = Key("order_at", datetime, "timestamptz")


@dataclass(slots=True)
class Where:
    """Conditions joined by AND, with their parameters."""

    parts: list[str] = field(default_factory=list)
    values: Values = field(default_factory=dict)

    def add(self, sql: str, **values: Any) -> "Where":
        """One more condition."""
        self.parts.append(sql)
        self.values |= values
        return self

    def also(self, condition: tuple[str, Values]) -> "Where":
        """A condition that brings its own parameters."""
        return self.add(condition[0], **condition[1])

    @property
    def sql(self) -> str:
        """The condition; ``true`` when there is none."""
        return " AND ".join(f"({part})" for part in self.parts if part != "true") or "true"


@dataclass(frozen=True, slots=True)
class Scan:
    """One ordered walk through an index, once for each value of ``over`` when that is given."""

    #: an estimate of the rows it walks at most
    rows: float
    source: str
    where: str
    #: expressions of the list's leading sort columns
    keys: tuple[str, ...]
    #: the condition on the source's own row
    hit: str = "true"
    #: the condition on the event ``e``, looked up for each row; empty: the source is the event
    event: str = ""
    #: ``unnest(…) AS s(v)``: a scan for each value
    over: str = ""
    #: rows looked at, at most, for each value
    budget: int = 20_000
    #: the source can have several rows of one key
    repeats: bool = False
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Child:
    """What belongs to each event of a scan: its orders, reports, inspections; the last sort column is its own."""

    #: FROM and WHERE; the event is ``x.event_id``
    source: str
    key: str
    #: below every real key: the place of a stop row
    least: str
    values: Values = field(default_factory=dict)


def narrowest(*ways: list[Scan]) -> list[Scan]:
    """The way with the fewest rows to walk; the first of equals."""
    return min((way for way in ways if way), key=lambda way: sum(scan.rows for scan in way))


def _ordered(names: Sequence[str], direction: str) -> str:
    return ", ".join(f"{name} {direction}" for name in names)


def _behind(expressions: Sequence[str], keys: Sequence[Key], sign: str) -> str:
    marks = ", ".join(f"CAST(:key_{key.name} AS {key.sql_type})" for key in keys)
    return f"({', '.join(expressions)}) {sign} ({marks})"


def _branch(
    scan: Scan, keys: Sequence[Key], child: Child | None, take: int, after: bool, order: tuple[str, str]
) -> str:
    direction, sign = order
    leading = keys[: len(scan.keys)]
    names = [key.name for key in leading]
    exprs = ", ".join(f"{expr} AS {name}" for expr, name in zip(scan.keys, names, strict=True))
    by = _ordered(scan.keys, direction)
    where = scan.where
    if after:
        loose = "=" if child else ""
        where += f" AND {_behind(scan.keys, leading, sign + loose)}"
    hit = scan.hit
    if scan.repeats:
        hit = f"({hit}) AND lag({scan.keys[0]}) OVER (ORDER BY {by}) IS DISTINCT FROM {scan.keys[0]}"
    walk = (
        f"SELECT {exprs}, coalesce({hit}, false) AS hit, row_number() OVER (ORDER BY {by}) = {scan.budget} AS stop "  # noqa: S608 - names and numbers of our own; values are parameters
        f"FROM {scan.source} WHERE {where} ORDER BY {by} LIMIT {scan.budget}"
    )
    columns = ", ".join(f"w.{name}" for name in names)
    if scan.event:
        # A lateral look-up, never a hash join: the walk must stop when the page is full.
        walk = (
            f"SELECT {columns}, w.hit AND j.hit AS hit, w.stop FROM ({walk}) w CROSS JOIN LATERAL "  # noqa: S608
            f"(SELECT coalesce({scan.event}, false) AS hit FROM event e WHERE e.id = w.event_id OFFSET 0) j"
        )
    if child:
        own = keys[-1].name
        below = ""
        if after:
            below = " AND " + _behind([*(f"x.{name}" for name in names), child.key], keys, sign)
        found = (
            f"SELECT {', '.join(f'x.{name}' for name in names)}, c.{own}, c.hit, c.stop FROM ({walk}) x CROSS JOIN "  # noqa: S608
            f"LATERAL (SELECT {child.key} AS {own}, true AS hit, false AS stop FROM {child.source} AND x.hit{below} "
            f"UNION ALL SELECT {child.least}, false, true WHERE x.stop) c WHERE x.hit OR x.stop "
            f"ORDER BY {_ordered([*(f'x.{name}' for name in names), f'c.{own}'], direction)} LIMIT {take}"
        )
    else:
        found = f"SELECT * FROM ({walk}) x WHERE hit OR stop ORDER BY {_ordered(names, direction)} LIMIT {take}"  # noqa: S608
    if not scan.over:
        return f"({found})"
    return f"(SELECT f.* FROM {scan.over} CROSS JOIN LATERAL ({found}) f)"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: how its keys are found, and what is then read of each row."""

    keys: tuple[Key, ...]
    scans: Sequence[Scan]
    #: columns and joins over the page ``k``
    columns: str
    joins: str
    child: Child | None = None
    #: (direction, sign): newest first unless it says otherwise
    order: tuple[str, str] = ("DESC", "<")
    values: Values = field(default_factory=dict)

    def statement(self, limit: int, after: bool) -> str:
        """The whole page in one statement."""
        take = limit + 1
        names = [key.name for key in self.keys]
        branches = [_branch(scan, self.keys, self.child, take, after, self.order) for scan in self.scans]
        by = _ordered(names, self.order[0])
        merged = " UNION ALL ".join(branches)
        keys = (
            f"SELECT {', '.join(names)}, bool_or(hit) AS hit, bool_or(stop) AS stop FROM ({merged}) u "  # noqa: S608
            f"GROUP BY {', '.join(names)} ORDER BY {by} LIMIT {take}"
        )
        return (
            f"SELECT {', '.join(f'k.{name}' for name in names)}, k.hit, k.stop, {self.columns} "  # noqa: S608
            f"FROM ({keys}) k {self.joins} ORDER BY {_ordered([f'k.{name}' for name in names], self.order[0])}"
        )

    async def page(self, session: AsyncSession, *, digest: str, limit: int, after: Sequence[Any] | None) -> Page[Any]:
        """The rows behind ``after``, at most ``limit``, and where to go on."""
        if not self.scans:
            return Page((), None)
        values = dict(self.values)
        for scan in self.scans:
            values |= scan.values
        if self.child:
            values |= self.child.values
        if after is not None:
            values |= {f"key_{key.name}": value for key, value in zip(self.keys, after, strict=True)}
        rows = (await session.execute(text(self.statement(limit, after is not None)), values)).all()
        found: list[Any] = []
        for row in rows:
            if len(found) == limit:
                return Page(found, self._cursor(digest, found[-1]))
            if row.hit:
                found.append(row)
            if row.stop:
                return Page(found, self._cursor(digest, row))
        return Page(found, None)

    def _cursor(self, digest: str, row: Any) -> str:
        return encode_cursor(digest, [getattr(row, key.name) for key in self.keys])
