"""The open clocks of ``bihuan drill recalculate``: events in handling, two clocks each, some paused or extended.

Due times and the chains of the first acts are computed here, the rows are made inside the server from one table. Every
limit reaches so far that no rung of the ladder falls due while the drill lasts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.arithmetic import due
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import Pause, effective, whole_minute
from app.clocks.rows import CalendarRow
from app.commands.harness.scratch_database import libpq_url
from app.core import releases
from app.core.crypto import CHAIN_START, Keyring
from app.core.database import Json
from app.core.ids import uuid7
from app.core.set_writes import plain_row
from app.events.aggregate import EventAggregate, PendingTimeline
from app.events.tables import Event
from app.events.timeline import seal_chain
from app.events.timeline_tables import Timeline

#: numbers within each event
DISPATCH_N, ORDER_N, SIGNING_N, HANDLING_N, CHANGE_N = 1, 3, 4, 5, 6
CAP: Final = Limit(10, LimitUnit.work_day)
_CALENDAR: Final = "cn"
#: (unit, how many of it make a working day, share of the clocks)
_LIMITS: Final = (
    (LimitUnit.work_day, 1, 0.50),
    (LimitUnit.legal_work_day, 1, 0.20),
    (LimitUnit.work_hour, 8, 0.15),
    (LimitUnit.natural_day, 1.4, 0.05),
    (LimitUnit.urgent_hour, 33, 0.10),
)
#: working days of a limit: the shortest keep every rung ahead of a start 20 days ago
_WORKING_DAYS: Final = (50, 150)
_STARTED_DAYS: Final = 20
_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class OpenClock:
    """One clock as it is built; ``before``: its limit before an extension."""

    started_at: datetime
    limit: Limit
    before: Limit
    pause: Pause | None = None

    def due_at(self, calendar: Calendar) -> datetime:
        """When it is due by a calendar, with its pause."""
        pauses = effective(calendar, [self.pause], self.started_at, CAP) if self.pause else ()
        return due(calendar, self.started_at, self.limit, pauses).due_at


class Plan:
    """What is built, the same for the same seed; and the holiday that about ``share`` of it feels."""

    def __init__(self, clocks: int, share: float, rows: Sequence[CalendarRow], at: datetime, seed: int = 1) -> None:
        self.events = clocks // 2
        self._at, self._seed = at, seed
        self._rows = tuple(rows)
        self.calendar = Calendar.from_rows(rows, _CALENDAR)
        self.holiday_on = self._choose(share)
        self.changed = self._with(self.holiday_on)

    @property
    def holiday(self) -> dict[str, Json]:
        """The line that is added to the calendar, by key."""
        row = self._holiday(self.holiday_on)
        return {row.key: row.model_dump(mode="json")}

    def clocks(self) -> Iterator[tuple[OpenClock, OpenClock]]:
        """The signing and the handling clock of each event, in order."""
        pick = Random(self._seed)  # noqa: S311 - test data, not secrets
        for g in range(self.events):
            started_at = self._at - timedelta(seconds=pick.randrange(_STARTED_DAYS * 86_400))
            signing, limit = self._limit(pick), self._limit(pick)
            pause, before = None, limit
            if g % 10 == 3:
                begin = whole_minute(started_at) + timedelta(hours=pick.randrange(1, 48))
                pause = Pause(begin, begin + timedelta(hours=pick.randrange(8, 120)), "waiting")
            elif g % 10 == 7:
                limit = Limit(limit.value + pick.randrange(1, 9), limit.unit)
            yield OpenClock(started_at, signing, signing), OpenClock(started_at, limit, before, pause)

    @staticmethod
    def _limit(pick: Random) -> Limit:
        unit, per_day, _ = pick.choices(_LIMITS, [share for *_, share in _LIMITS])[0]
        return Limit(int(pick.randint(*_WORKING_DAYS) * per_day), unit)

    def _choose(self, share: float) -> date:
        """The working day whose loss moves about this share of the clocks: the later the day, the fewer they are."""
        count, self.events = self.events, min(self.events, 1_000)
        sample = [clock for pair in self.clocks() for clock in pair]
        self.events = count
        old = [clock.due_at(self.calendar) for clock in sample]
        today = self._at.astimezone(CHINA_TIME).date()
        days = [day for n in range(1, 300) if self.calendar.is_working_day(day := today + timedelta(days=n))]
        low, high = 0, len(days) - 1
        while low < high:
            middle = (low + high) // 2
            new = self._with(days[middle])
            moved = sum(clock.due_at(new) != at for clock, at in zip(sample, old, strict=True))
            low, high = (middle + 1, high) if moved > share * len(sample) else (low, middle)
        return days[low]

    def _with(self, on: date) -> Calendar:
        return Calendar.from_rows((*self._rows, self._holiday(on)), _CALENDAR)

    @staticmethod
    def _holiday(on: date) -> CalendarRow:
        return CalendarRow(
            calendar_code=_CALENDAR, row_type="holiday", first_on=on, last_on=on, name="演练放假", source="演练"
        )


def years(rows: Iterable[CalendarRow], today: date) -> dict[str, Json]:
    """Lines that say that the calendar is complete up to the end of the year after next."""
    last = max(row.first_on.year for row in rows if row.row_type == "year" and row.first_on)
    made = [
        CalendarRow(
            calendar_code=_CALENDAR, row_type="year", first_on=date(year, 1, 1), last_on=date(year, 12, 31), name="演练"
        )
        for year in range(last + 1, today.year + 3)
    ]
    return {row.key: row.model_dump(mode="json") for row in made}


async def calendar_rows(session: AsyncSession, jurisdiction_id: int) -> list[CalendarRow]:
    """The lines of the calendar in force."""
    release = await releases.published_of(session, jurisdiction_id, "calendar")
    rows = await releases.rows_of(session, release.id) if release else {}
    return [CalendarRow.model_validate(body) for body in rows.values()]


# ── building ─────────────────────────────────────────────────────────────────────────────────────────────────

_BASE: Final = """
CREATE UNLOGGED TABLE drill_base (g int, id uuid, unit_id int, started_at timestamptz, head bytea, head_n int,
  head_tag bytea, macs bytea[], signing_value int, signing_unit text, signing_due timestamptz, before_value int,
  value int, unit text, first_due timestamptz, due timestamptz, pause_from timestamptz, pause_until timestamptz)
"""
_COLUMNS: Final = (
    *("g", "id", "unit_id", "started_at", "head", "head_n", "head_tag", "macs", "signing_value", "signing_unit"),
    *("signing_due", "before_value", "value", "unit", "first_due", "due", "pause_from", "pause_until"),
)
_CLOCK: Final = (
    "INSERT INTO clock (event_id, n, jurisdiction_id, kind, state, order_n, unit_id, channel, limit_value, limit_unit, "
    "calendar_code, uncounted_cap, given_back, rule, started_at, generation, due_at, assumed, next_at) SELECT "
)
_DUE: Final = (
    "INSERT INTO clock_due (event_id, clock_n, generation, due_at, cause, since_at, timeline_n, limit_value, "
    "limit_unit, pause_from, pause_until, grounds, calendar_release) SELECT "
)
#: (what, statement); {j}: the jurisdiction, {release}: of its calendar
_STEPS: Final = (
    (
        "事件",
        "INSERT INTO event (id, jurisdiction_id, event_no, seq, head, head_n, head_tag, state, closure_profile, "
        "domain, level, urgency, channel, address, title, lead_unit_id, report_count, received_at, release_vector) "
        "SELECT id, {j}, 'D-' || lpad(g::text, 10, '0'), 6, head, head_n, head_tag, 'handling', 'both', 'drill', "
        "'district', 'normal', 'hotline-12345', '演练', '演练', unit_id, 0, started_at, '{{}}' "
        "FROM drill_base ORDER BY g",
    ),
    (
        "时间线",
        "INSERT INTO timeline (event_id, n, jurisdiction_id, act, subject, subject_n, from_state, to_state, "
        "actor_kind, acted_at, recorded_at, data, mac) SELECT id, k.n, {j}, k.act, 'event', NULL, k.was, k.becomes, "
        "'system', started_at, started_at, '{{}}', macs[k.i] FROM drill_base, "
        "(VALUES (1, 1, 'dispatch', 'analyzing', 'handling'), (2, 6, 'drill_changed', NULL, NULL)) "
        "AS k(i, n, act, was, becomes) WHERE macs[k.i] IS NOT NULL ORDER BY g, k.n",
    ),
    (
        "工单",
        "INSERT INTO work_order (event_id, n, jurisdiction_id, unit_id, role, state, round, channel, urgency, "
        "decision_n, dispatched_at, signed_automatically) SELECT id, 3, {j}, unit_id, 'lead', 'dispatched', 1, "
        "'hotline-12345', 'normal', 1, started_at, false FROM drill_base ORDER BY g",
    ),
    (
        "参与单位",
        "INSERT INTO event_participant (event_id, n, org_id, role, since) "
        "SELECT id, 2, unit_id, 'lead', started_at FROM drill_base ORDER BY g",
    ),
    (
        "签收时限",
        _CLOCK + "id, 4, {j}, 'signing', 'running', 3, unit_id, 'hotline-12345', signing_value, signing_unit, 'cn', "
        "NULL, 'covered', 'drill', started_at, 1, signing_due, false, signing_due FROM drill_base ORDER BY g",
    ),
    (
        "处置时限",
        _CLOCK + "id, 5, {j}, 'handling', 'running', 3, unit_id, 'hotline-12345', value, unit, 'cn', '10 work_day', "
        "'covered', 'drill', started_at, CASE WHEN macs[2] IS NULL THEN 1 ELSE 2 END, due, false, due "
        "FROM drill_base ORDER BY g",
    ),
    (
        "到期记录",
        _DUE
        + "id, 4, 1, signing_due, 'started', started_at, 1, signing_value, signing_unit, NULL, NULL, '', {release} "
        "FROM drill_base ORDER BY g",
    ),
    (
        "到期记录",
        _DUE + "id, 5, 1, first_due, 'started', started_at, 1, before_value, unit, NULL, NULL, '', {release} "
        "FROM drill_base ORDER BY g",
    ),
    (
        "暂停与延期",
        _DUE + "id, 5, 2, due, CASE WHEN pause_from IS NULL THEN 'extended' ELSE 'paused' END, started_at, 6, value, "
        "unit, pause_from, pause_until, CASE WHEN pause_from IS NULL THEN 'extension' ELSE 'waiting' END, {release} "
        "FROM drill_base WHERE macs[2] IS NOT NULL ORDER BY g",
    ),
)


@dataclass(slots=True)
class Built:
    """What stands there: how many clocks the holiday moves, and some events that can be acted on."""

    affected: int
    #: (event, code of its unit)
    samples: list[tuple[UUID, str]]


async def build(
    owner_url: str,
    keyring: Keyring,
    plan: Plan,
    jurisdiction_id: int,
    release_id: int,
    units: Mapping[str, int],
    tell: Callable[[str, int], None],
) -> Built:
    """Fills the database. ``units``: code → id of those that handle the events; ``tell``: what was done, how much."""
    connection = await asyncpg.connect(libpq_url(owner_url), server_settings={"timezone": "UTC"})
    built = Built(0, [])
    try:
        # Foreign keys and triggers are the service's own; here they would take most of the time.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await connection.execute(_BASE)
        rows = _base_rows(plan, keyring, jurisdiction_id, sorted(units.items()), built)
        batch: list[tuple[Any, ...]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                await connection.copy_records_to_table("drill_base", records=batch, columns=_COLUMNS)
                tell("底稿", len(batch))
                batch.clear()
        await connection.copy_records_to_table("drill_base", records=batch, columns=_COLUMNS)
        tell("底稿", len(batch))
        for what, sql in _STEPS:
            await connection.execute(sql.format(j=jurisdiction_id, release=release_id))
            tell(what, 0)
        await connection.execute("DROP TABLE drill_base")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return built


def _base_rows(
    plan: Plan, keyring: Keyring, jurisdiction_id: int, units: Sequence[tuple[str, int]], built: Built
) -> Iterator[tuple[Any, ...]]:
    every = max(1, plan.events // 20_000)
    for g, (signing, handling) in enumerate(plan.clocks()):
        event_id = uuid7()
        code, unit_id = units[g % len(units)]
        changed = handling.pause is not None or handling.limit != handling.before
        head, macs = _chain(keyring, event_id, jurisdiction_id, handling.started_at, changed)
        dues = [clock.due_at(plan.calendar) for clock in (signing, handling)]
        first = OpenClock(handling.started_at, handling.before, handling.before).due_at(plan.calendar)
        for clock, at in zip((signing, handling), dues, strict=True):
            built.affected += clock.due_at(plan.changed) != at
        if g % every == 0:
            built.samples.append((event_id, code))
        pause = (handling.pause.from_at, handling.pause.until_at) if handling.pause else (None, None)
        yield (
            *(g, event_id, unit_id, handling.started_at, head.head, head.head_n, head.head_tag, macs),
            *(signing.limit.value, signing.limit.unit.value, dues[0], handling.before.value, handling.limit.value),
            *(handling.limit.unit.value, first, dues[1], *pause),
        )


def _chain(
    keyring: Keyring, event_id: UUID, jurisdiction_id: int, at: datetime, changed: bool
) -> tuple[Event, list[bytes]]:
    """The event's head and the MACs of its acts, sealed as the service seals them."""
    event = plain_row(Event, id=event_id, head=CHAIN_START, head_n=0, head_tag=b"")
    acts: list[tuple[int, str, str | None, str | None]] = [(DISPATCH_N, "dispatch", "analyzing", "handling")]
    if changed:
        acts.append((CHANGE_N, "drill_changed", None, None))
    rows = [
        plain_row(
            Timeline,
            event_id=event_id, n=n, jurisdiction_id=jurisdiction_id, act=act, subject="event", subject_n=None,
            report_id=None, from_state=was, to_state=becomes, actor_kind="system", actor_id=None, actor_role=None,
            actor_org_id=None, act_id=None, acted_at=at.astimezone(UTC), recorded_at=at.astimezone(UTC), data={},
            note_digest=None, mac=b"",
        )
        for n, act, was, becomes in acts
    ]  # fmt: skip
    aggregate = EventAggregate(event=event, timeline=[PendingTimeline(row, None) for row in rows])
    seal_chain(aggregate, keyring)
    return event, [row.mac for row in rows]


async def units_with_people(session: AsyncSession, jurisdiction_id: int) -> dict[str, int]:
    """Departments of the district (code → id) each of which has a user of its own."""
    found = await session.execute(
        text(
            "SELECT g.code, g.id FROM organization g JOIN user_account u ON u.jurisdiction_id = g.jurisdiction_id "
            "AND u.username = 'u-' || lower(g.code) WHERE g.jurisdiction_id = :j AND g.code LIKE 'D-%' ORDER BY g.code"
        ),
        {"j": jurisdiction_id},
    )
    return {code: id_ for code, id_ in found}
