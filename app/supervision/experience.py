"""How orders like this one have gone: what ended clocks used of their limits, kept as histograms, and what that says.

An open clock that has used a share of its budget is compared with those that were still open at that share: what part
of them ended late is its risk. Late ones were all still open at any share up to the whole.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

#: steps of the share of a budget
BINS: Final = 50
#: fewer cases than this say nothing
FEWEST: Final = 20
#: what is longer ago is forgotten
REMEMBERED: Final = timedelta(days=365)
#: a refresh younger than this is not made again, however many workers there are
FRESH: Final = timedelta(minutes=30)
#: the kind of clock that is looked at
KIND: Final = "handling"

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('clock_experience', :jurisdiction))")
_AGE = text(
    "SELECT max(refreshed_at) FROM clock_experience WHERE jurisdiction_id = :jurisdiction AND refreshed_at <= :at"
)
_FORGET = text("DELETE FROM clock_experience WHERE jurisdiction_id = :jurisdiction AND kind = :kind")
# The clocks are counted into (unit, item, domain, level, step) first, so that the three kinds of groups are made of
# few rows. Step 50 holds those that ended late; a limit in days that ended in time may have used more than it.
_LEARN = text(
    f"""
    INSERT INTO clock_experience
      (jurisdiction_id, kind, item_id, unit_id, domain, level, n, late_n, bins, counts, refreshed_at)
    WITH cell AS (
      SELECT c.item_id, c.unit_id, e.domain, e.level,
        CASE WHEN c.ended_at > c.due_at THEN {BINS}
          ELSE least({BINS} - 1, c.counted_minutes * {BINS} / (c.limit_value * CASE c.limit_unit
            WHEN 'natural_day' THEN 1440
            WHEN 'work_day' THEN coalesce(CAST(s.minutes AS integer), 480)
            WHEN 'legal_work_day' THEN coalesce(CAST(s.minutes AS integer), 480)
            ELSE 60 END)) END AS bin,
        count(*) AS cases
      FROM clock c JOIN event e ON e.id = c.event_id
        LEFT JOIN jsonb_each_text(CAST(CAST(:standard AS text) AS jsonb)) AS s(code, minutes)
          ON s.code = c.calendar_code
      WHERE c.jurisdiction_id = :jurisdiction AND c.kind = :kind AND c.state = 'met' AND c.due_at >= :since
        AND c.counted_minutes IS NOT NULL AND c.exempted_n IS NULL
      GROUP BY 1, 2, 3, 4, 5
    ), grouped AS (
      SELECT item_id, unit_id, domain, level, bin, CAST(sum(cases) AS integer) AS cases FROM cell
      GROUP BY GROUPING SETS ((item_id, unit_id, bin), (item_id, bin), (domain, level, bin))
      HAVING (grouping(item_id) = 1 OR item_id IS NOT NULL) AND (grouping(unit_id) = 1 OR unit_id IS NOT NULL)
        AND (grouping(domain) = 1 OR domain IS NOT NULL)
    )
    SELECT CAST(:jurisdiction AS smallint), CAST(:kind AS text), item_id, unit_id, domain, level, sum(cases),
      coalesce(sum(cases) FILTER (WHERE bin = {BINS}), 0),
      coalesce(array_agg(CAST(bin AS smallint) ORDER BY bin) FILTER (WHERE bin < {BINS}), '{{}}'),
      coalesce(array_agg(cases ORDER BY bin) FILTER (WHERE bin < {BINS}), '{{}}'), CAST(:at AS timestamptz)
    FROM grouped GROUP BY item_id, unit_id, domain, level HAVING sum(cases) >= {FEWEST}
    """  # noqa: S608 - numbers of our own
)
_READ = text(
    """
    SELECT item_id, unit_id, domain, level, n, late_n, bins, counts FROM clock_experience
    WHERE jurisdiction_id = :jurisdiction AND kind = :kind AND (
      item_id = ANY(CAST(:items AS integer[])) AND (unit_id IS NULL OR unit_id = ANY(CAST(:units AS integer[])))
      OR item_id IS NULL)
    """
)


async def refresh(
    session: AsyncSession, jurisdiction_id: int, at: datetime, standard_minutes: Mapping[str, int]
) -> bool:
    """Learns anew from all clocks of the last year; False when somebody else has just done so, or is about to.

    ``standard_minutes``: of a standard day by calendar code. Readers see the old experience until the commit.
    """
    if not await session.scalar(_LOCK, {"jurisdiction": jurisdiction_id}):
        return False
    last = await session.scalar(_AGE, {"jurisdiction": jurisdiction_id, "at": at})
    if last is not None and at - last < FRESH:
        return False
    await session.execute(_FORGET, {"jurisdiction": jurisdiction_id, "kind": KIND})
    asked = {
        "jurisdiction": jurisdiction_id,
        "kind": KIND,
        "since": at - REMEMBERED,
        "at": at,
        "standard": orjson.dumps(dict(standard_minutes)).decode(),
    }
    await session.execute(_LEARN, asked)
    return True


@dataclass(frozen=True, slots=True)
class Histogram:
    """Ended clocks of one group: how many, how many late, and in which steps of their budget the others ended."""

    n: int
    late_n: int
    bins: Sequence[int]
    counts: Sequence[int]

    def still_open(self, step: int) -> int:
        """How many were not done before this step (0 to ``BINS``)."""
        return self.late_n + sum(count for bin_, count in zip(self.bins, self.counts, strict=True) if bin_ >= step)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a group says about a clock that has used a share of its budget."""

    #: Chinese: 同单位同类工单, 同类工单, 同领域同层级工单
    scope: str
    n: int
    #: of these, still open when they had used ``percent`` % of their budgets
    still_open: int
    late_n: int
    percent: int

    @property
    def risk(self) -> float:
        """The share of the still open ones that ended late, 0 to 1; half a case is added to either side (Jeffreys), so
        that few cases never make a certainty."""
        return (self.late_n + 0.5) / (self.still_open + 1)

    @property
    def reason(self) -> str:
        """The same as a sentence (Chinese)."""
        return (
            f"{self.scope} {self.n} 件中，有 {self.still_open} 件用时超过本单目前已用的 {self.percent}%，"
            f"其中 {self.late_n} 件超期"
        )


#: (item id, unit id, domain, level), as a group is named
_Key = tuple[int | None, int | None, str | None, str | None]


class Experience:
    """The groups that a list needs."""

    def __init__(self, groups: Mapping[_Key, Histogram]) -> None:
        self._groups = groups

    @classmethod
    async def read(
        cls, session: AsyncSession, jurisdiction_id: int, items: Collection[int], units: Collection[int]
    ) -> "Experience":
        """The groups of these items and units, and all of domains and levels."""
        asked = {"jurisdiction": jurisdiction_id, "kind": KIND, "items": list(items), "units": list(units)}
        return cls(
            {
                (row.item_id, row.unit_id, row.domain, row.level): Histogram(row.n, row.late_n, row.bins, row.counts)
                for row in await session.execute(_READ, asked)
            }
        )

    def outlook(
        self, share: float, *, item_id: int | None, unit_id: int | None, domain: str | None, level: str | None
    ) -> Outlook | None:
        """What the narrowest group says of which enough were still open at ``share`` (0 to 1) of their budget.

        Where none has enough of them, the one that has the most; None where nothing is known.
        """
        step = min(int(share * BINS), BINS)
        keys: list[tuple[str, _Key]] = [("同领域同层级工单", (None, None, domain, level))]
        if item_id is not None:
            keys = [
                ("同单位同类工单", (item_id, unit_id, None, None)),
                ("同类工单", (item_id, None, None, None)),
                *keys,
            ]
        best: Outlook | None = None
        for scope, key in keys:
            group = self._groups.get(key)
            if group is None:
                continue
            outlook = Outlook(scope, group.n, group.still_open(step), group.late_n, step * 100 // BINS)
            if outlook.still_open >= FEWEST:
                return outlook
            if best is None or outlook.still_open > best.still_open:
                best = outlook
        return best
