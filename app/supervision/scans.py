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

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch_named
from app.core.pagination import Page, encode_cursor

Values = dict[str, Any]

#: What one request looks at, at most, shared by its scans: rows walked past that lie side by side (an index in the
#: order of the table), rows walked past that lie scattered, and rows looked up elsewhere. Each is some 5 ms of work.
DENSE_BUDGET, SPARSE_BUDGET, LOOKUP_BUDGET = 6_000, 2_000, 320
#: what each of many scans has at least
MIN_WALK, MIN_LOOKUPS = 500, 60

_LEAST = {"uuid": f"CAST('{UUID(int=0)}' AS uuid)", "bigint": "-1", "timestamptz": "CAST('-infinity' AS timestamptz)"}
_MOST = {
    "uuid": f"CAST('{UUID(int=2**128 - 1)}' AS uuid)",
    "bigint": "2147483647",
    "timestamptz": "CAST('infinity' AS timestamptz)",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One column of a sort key."""

    name: str
    kind: type
    sql_type: str


EVENT_ID = Key("event_id", UUID, "uuid")
#: compared as bigint, so that no forged cursor overflows it
NUMBER = Key("n", int, "bigint")
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
    #: the index's first column and the value that it has in this walk, when ``where`` does not say it
    within: tuple[str, str] | None = None
    #: its rows lie in the table in nearly the order of the walk
    dense: bool = False
    #: the source can have several rows of one key
    repeats: bool = False
    values: Values = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """Rows, those that need a look-up counting for more."""
        if not self.event:
            return self.rows
        return self.rows * (6 if self.hit == "true" else 2)

    @property
    def branches(self) -> int:
        """How many walks it is."""
        return max((len(value) for name, value in self.values.items() if f":{name} " in self.over), default=1)


@dataclass(frozen=True, slots=True)
class Child:
    """What belongs to each event of a scan: its orders, reports, inspections; the last sort column is its own."""

    #: FROM and WHERE; the event is ``x.event_id``
    source: str
    key: str
    #: below every real key: the place of a stop row
    least: str
    values: Values = field(default_factory=dict)
    #: rows of other tables read for each event
    lookups: int = 1


def narrowest(*ways: list[Scan]) -> list[Scan]:
    """The cheapest way to the end of its walk; the first of equals."""
    return min((way for way in ways if way), key=lambda way: sum(scan.cost for scan in way))


def _ordered(names: Sequence[str], direction: str) -> str:
    return ", ".join(f"{name} {direction}" for name in names)


def _behind(expressions: Sequence[str], keys: Sequence[Key], sign: str) -> str:
    marks = ", ".join(f"CAST(:key_{key.name} AS {key.sql_type})" for key in keys)
    return f"({', '.join(expressions)}) {sign} ({marks})"


def _walk(scan: Scan, keys: Sequence[Key], after: str, order: tuple[str, str], rows: int) -> str:
    """The walk itself: the keys, whether the source's own row fits, and a stop at the end of the budget.

    ``after``: the comparison with the cursor's key; empty on the first page.
    """
    direction, sign = order
    exprs = [f"{expr} AS {key.name}" for expr, key in zip(scan.keys, keys, strict=True)]
    columns = list(scan.keys)
    where = scan.where
    if not scan.within:
        where += f" AND {_behind(scan.keys, keys, after)}" if after else ""
    else:
        # Rows of one value as a range of (value, key): the only index in whose order that can be read is the one
        # meant here. With an equality the planner may take the primary key instead, and walk all the others' rows.
        column, value = scan.within
        columns.insert(0, column)
        ends = {"<": (_MOST, "<="), ">": (_LEAST, ">=")}
        begin, loose = ends.pop(sign)
        ((end, far),) = ends.values()
        first = [f"CAST(:key_{key.name} AS {key.sql_type})" if after else begin[key.sql_type] for key in keys]
        last = [end[key.sql_type] for key in keys]
        row = f"({', '.join(columns)})"
        where += (
            f" AND {row} {after or loose} ({', '.join([value, *first])}) AND {row} {far} ({', '.join([value, *last])})"
        )
        exprs.append(f"{column} AS within")
    by = _ordered(columns, direction)
    hit = scan.hit
    if scan.repeats:
        hit = f"({hit}) AND lag({scan.keys[0]}) OVER (ORDER BY {by}) IS DISTINCT FROM {scan.keys[0]}"
    return (
        f"SELECT {', '.join(exprs)}, coalesce({hit}, false) AS hit, row_number() OVER (ORDER BY {by}) = {rows} AS stop "  # noqa: S608 - names and numbers of our own; values are parameters
        f"FROM {scan.source} WHERE {where} ORDER BY {by} LIMIT {rows}"
    )


def _branch(
    scan: Scan, keys: Sequence[Key], child: Child | None, take: int, after: bool, order: tuple[str, str], parts: int
) -> str:
    direction, sign = order
    leading = keys[: len(scan.keys)]
    names = [key.name for key in leading]
    sorting = ["within", *names] if scan.within else names
    compare = (sign + ("=" if child else "")) if after else ""
    budget = DENSE_BUDGET if scan.dense else SPARSE_BUDGET
    walk = _walk(scan, leading, compare, order, max(budget // parts, MIN_WALK))
    columns = ", ".join(f"w.{name}" for name in sorting)
    if scan.event or child:
        # Looking a row up elsewhere costs ten times as much as walking past it, and has a budget of its own.
        each = bool(scan.event) + (child.lookups if child else 0)
        most = max(LOOKUP_BUDGET // parts // each, MIN_LOOKUPS)
        by = _ordered(sorting, direction)
        walk = (
            f"SELECT {', '.join(sorting)}, hit, stop OR row_number() OVER (ORDER BY {by}) = {most} AS stop "  # noqa: S608
            f"FROM ({walk}) y WHERE hit OR stop ORDER BY {by} LIMIT {most}"
        )
    if scan.event:
        # A lateral look-up, never a hash join: the walk must stop when the page is full.
        walk = (
            f"SELECT {columns}, coalesce(j.hit, false) AS hit, w.stop FROM ({walk}) w LEFT JOIN LATERAL "  # noqa: S608
            f"(SELECT {scan.event} AS hit FROM event e WHERE e.id = w.event_id AND w.hit OFFSET 0) j ON true"
        )
    if child:
        own = keys[-1].name
        below = ""
        if after:
            below = " AND " + _behind([*(f"x.{name}" for name in names), child.key], keys, sign)
        by = _ordered([*(f"x.{name}" for name in sorting), f"c.{own}"], direction)
        found = (
            f"SELECT {', '.join(f'x.{name}' for name in names)}, c.{own}, c.hit, c.stop FROM ({walk}) x CROSS JOIN "  # noqa: S608
            f"LATERAL (SELECT {child.key} AS {own}, true AS hit, false AS stop FROM {child.source} AND x.hit{below} "
            f"UNION ALL SELECT {child.least}, false, true WHERE x.stop) c WHERE x.hit OR x.stop "
            f"ORDER BY {by} LIMIT {take}"
        )
    else:
        found = (
            f"SELECT {', '.join(names)}, hit, stop FROM ({walk}) x WHERE hit OR stop "  # noqa: S608
            f"ORDER BY {_ordered(sorting, direction)} LIMIT {take}"
        )
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
        parts = max(sum(scan.branches for scan in self.scans), 1)
        branches = [_branch(scan, self.keys, self.child, take, after, self.order, parts) for scan in self.scans]
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
        rows = await fetch_named(session, self.statement(limit, after is not None), values)
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
