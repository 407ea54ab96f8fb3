"""What a drill looks at afterwards: is every report there once, every delivery with its receiver, every chain whole?"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.exc import DBAPIError

from app.core.database import Sessions

_COUNTS: Final = text(
    """
    SELECT (SELECT count(*) FROM inbox WHERE state = 'accepted') AS accepted,
      (SELECT count(*) FROM inbox WHERE state = 'held') AS held,
      (SELECT count(*) FROM report) AS reports,
      (SELECT count(*) FROM report r WHERE NOT EXISTS (SELECT 1 FROM inbox i WHERE i.id = r.id)) AS unfounded,
      (SELECT count(*) FROM event_report WHERE left_at IS NULL) AS links,
      (SELECT count(*) FROM (SELECT 1 FROM inbox GROUP BY client_id, source_ref HAVING count(*) > 1) d) AS twice,
      (SELECT count(*) FROM event) AS events,
      (SELECT count(*) FROM event e WHERE NOT EXISTS (
        SELECT 1 FROM event_report l WHERE l.event_id = e.id)) AS without_report,
      (SELECT count(*) FROM event e WHERE e.report_count <> (
        SELECT count(*) FROM event_report l WHERE l.event_id = e.id AND l.left_at IS NULL)) AS miscounted
    """
)
_DELIVERIES: Final = text(
    """
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'delivered') AS delivered,
      count(*) FILTER (WHERE state IN ('waiting', 'leased')) AS open, count(*) FILTER (WHERE state = 'dead') AS dead,
      count(*) FILTER (WHERE lease_until IS NOT NULL) AS leases
    FROM delivery
    """
)
#: seconds between tries while the server is coming back
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """What stands in the database. All of it in reports, except ``events`` and what is said of them."""

    accepted: int
    held: int
    reports: int
    unfounded: int
    links: int
    twice: int
    events: int
    without_report: int
    miscounted: int

    def faults(self, sent: int) -> list[str]:
        """What is not as it must be when ``sent`` messages were answered."""
        expected = (
            ("收件箱", self.accepted + self.held, sent),
            ("上报件", self.reports + self.held, sent),
            ("上报件与事件的联系", self.links, self.reports),
            ("没有原始消息的上报件", self.unfounded, 0),
            ("收了两次的消息", self.twice, 0),
            ("没有上报件的事件", self.without_report, 0),
            ("上报件数不符的事件", self.miscounted, 0),
        )
        return [f"{what}：{found}，应为 {right}" for what, found, right in expected if found != right]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What is owed to other systems, by state."""

    total: int
    delivered: int
    open: int
    dead: int
    leases: int


async def counts_of(sessions: Sessions) -> Counts:
    """The counts of now."""
    (row,) = await _read(sessions, _COUNTS)
    return Counts(**row)


async def wait_for_background(sessions: Sessions, seconds: float) -> Deliveries:
    """The deliveries when nothing is open any more and nothing is held, or when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        (row,) = await _read(sessions, _DELIVERIES)
        found = Deliveries(**row)
        held = (await counts_of(sessions)).held
        if not (found.open or held) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(1)


async def undelivered(sessions: Sessions, received: Collection[str]) -> tuple[int, int]:
    """Deliveries that never reached the receiver, and ids that it got though nothing of the kind is owed."""
    owed = {row["id"] for row in await _read(sessions, text("SELECT lane_id || '.' || n AS id FROM delivery"))}
    return len(owed.difference(received)), len(set(received) - owed)


async def unfinished_jobs(sessions: Sessions) -> int:
    """Jobs that wait, are under a lease, or were given up."""
    (row,) = await _read(sessions, text("SELECT count(*) AS n FROM job WHERE state <> 'done'"))
    return int(row["n"])


async def _read(sessions: Sessions, query: TextClause) -> Sequence[RowMapping]:
    """All rows; asks again while the server is coming back. Raises what it said last."""
    for pause in (*_PAUSES, None):
        try:
            async with sessions() as session:
                return (await session.execute(query)).mappings().all()
        except (DBAPIError, OSError):
            if pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")
