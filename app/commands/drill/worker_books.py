"""The books of ``bihuan drill workers``: what had to fire against what fired, each with its act and its notice."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID

from sqlalchemy import text

from app.commands.drill.worker_city import due_rungs
from app.core.database import Sessions

_CLOCKS: Final = text("SELECT event_id, n, kind, generation, started_at FROM clock")
_RUNGS: Final = text(
    """
    SELECT r.event_id, r.clock_n, r.generation, r.rung, r.rung_at, r.fired_at, r.timeline_n, c.kind, t.act,
      t.data ->> 'late' AS late, coalesce(jsonb_array_length(t.data -> 'to'), 0) AS told
    FROM clock_rung r
    JOIN clock c ON c.event_id = r.event_id AND c.n = r.clock_n
    LEFT JOIN timeline t ON t.event_id = r.event_id AND t.n = r.timeline_n
    ORDER BY r.event_id, r.timeline_n
    """
)
#: acts that only the sweep writes
_ACTS: Final = text(
    "SELECT count(*) FROM timeline WHERE act IN ('clock_missed', 'escalated') "
    "OR (act = 'sign_for' AND data ->> 'automatically' = 'true')"
)
_NOTICES: Final = text(
    "SELECT lane_id || '.' || n AS id, state FROM delivery WHERE kind = 'notice' AND destination_id = :client"
)


@dataclass(frozen=True, slots=True)
class Fired:
    """A rung that fired, with the act that it points at; ``act`` None: there is none."""

    event_id: UUID
    clock_n: int
    generation: int
    rung: str
    rung_at: datetime
    fired_at: datetime
    timeline_n: int
    kind: str
    act: str | None
    late: str | None
    #: organizations that were told
    told: int

    @property
    def key(self) -> tuple[UUID, int, int, str]:
        """What may be there only once."""
        return self.event_id, self.clock_n, self.generation, self.rung

    @property
    def right_act(self) -> str:
        """The act that the rung must be."""
        if self.rung != "due":
            return "escalated"
        return "sign_for" if self.kind == "signing" else "clock_missed"


@dataclass(slots=True)
class Books:
    """What was found. Counts are of rungs unless they say otherwise."""

    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: int = 0
    unexpected: int = 0
    wrong_time: int = 0
    wrong_act: int = 0
    #: rungs that share an act with another, or acts without a rung
    acts_apart: int = 0
    out_of_order: int = 0
    #: notices that are owed by what was told, and those that are there
    notices_owed: int = 0
    notices: int = 0
    #: notices that the receiver never got, and what it got that nobody owed
    not_received: int = 0
    unknown_received: int = 0

    def faults(self) -> list[str]:
        """What is not as it must be."""
        expected = (
            ("该触发而没有触发", self.missing, 0),
            ("不该触发而触发", self.unexpected, 0),
            ("触发时点不符", self.wrong_time, 0),
            ("时间线上不是相应的记录", self.wrong_act, 0),
            ("与时间线记录不能一一对应", self.acts_apart, 0),
            ("同一事件内先后颠倒", self.out_of_order, 0),
            ("通知", self.notices, self.notices_owed),
            ("接收方没有收到的通知", self.not_received, 0),
            ("无人发出而收到的通知", self.unknown_received, 0),
        )
        return [f"{what}：{found}，应为 {right}" for what, found, right in expected if found != right]


async def expected_rungs(sessions: Sessions, until: datetime) -> dict[tuple[UUID, int, int, str], tuple[str, datetime]]:
    """What had to fire by ``until``, worked out from the clocks' starts alone: key → (kind, time)."""
    async with sessions() as session:
        clocks = (await session.execute(_CLOCKS)).all()
    return {
        (clock.event_id, clock.n, clock.generation, rung): (clock.kind, at)
        for clock in clocks
        for rung, at in due_rungs(clock.kind, clock.started_at, until).items()
    }


async def audit(sessions: Sessions, until: datetime, client_id: int, received: Collection[str]) -> Books:
    """Compares everything. ``received``: the ids that the receiver of the notices got."""
    expected = await expected_rungs(sessions, until)
    async with sessions() as session:
        fired = [Fired(*row) for row in await session.execute(_RUNGS)]
        acts = int(await session.scalar(_ACTS) or 0)
        notices = {row.id for row in await session.execute(_NOTICES, {"client": client_id})}
    return compare(expected, fired, acts, notices, received)


def compare(
    expected: dict[tuple[UUID, int, int, str], tuple[str, datetime]],
    fired: list[Fired],
    acts: int,
    notices: Collection[str],
    received: Collection[str],
) -> Books:
    """The books of what had to be and what is. ``fired`` is in the order of its acts, event by event."""
    books = Books(
        expected=Counter((kind, key[3]) for key, (kind, _) in expected.items()),
        fired=Counter((one.kind, one.rung) for one in fired),
        late=Counter((one.kind, one.rung) for one in fired if one.late == "true"),
    )
    found = {one.key for one in fired}
    books.missing = len(expected.keys() - found)
    books.unexpected = len(found - expected.keys()) + len(fired) - len(found)
    books.wrong_time = sum(one.key in expected and expected[one.key][1] != one.rung_at for one in fired)
    books.wrong_act = sum(one.act != one.right_act for one in fired)
    own_acts = len({(one.event_id, one.timeline_n) for one in fired})
    books.acts_apart = abs(acts - own_acts) + len(fired) - own_acts
    books.out_of_order = sum(
        before.event_id == after.event_id and before.rung_at > after.rung_at for before, after in pairwise(fired)
    )
    books.notices_owed = sum(one.told > 0 for one in fired)
    books.notices = len(notices)
    books.not_received = len(set(notices).difference(received))
    books.unknown_received = len(set(received).difference(notices))
    return books
