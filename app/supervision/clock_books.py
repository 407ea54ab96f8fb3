"""What is written about the clocks of an order and of its event, and the calendars by which it was computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import Calendar
from app.clocks.records import Clockwork
from app.clocks.rows import CalendarRow
from app.core import releases
from app.core.set_writes import read_row
from app.events.clock_tables import Clock, ClockDue, ClockRung

# Clocks of events that were merged into this one stay where they are; its reports are answered for here.
_READ = text(
    """
    WITH RECURSIVE family(id) AS (
      SELECT CAST(:event_id AS uuid)
      UNION SELECT e.id FROM event e JOIN family f ON e.merged_into = f.id
    ), reported AS (
      SELECT l.event_id, l.report_id FROM event_report l WHERE l.event_id IN (SELECT id FROM family)
        AND l.left_at IS NULL AND (:merged OR l.event_id = :event_id)
    ), wanted AS (
      SELECT c.event_id, c.n FROM clock c WHERE c.event_id = :event_id
        AND (c.order_n = :order_n OR (:own AND c.order_n IS NULL AND c.report_id IS NULL))
      UNION ALL
      SELECT c.event_id, c.n FROM reported l JOIN clock c ON c.event_id = l.event_id AND c.report_id = l.report_id
      WHERE :own
    )
    SELECT to_jsonb(c) AS clock, CAST(e.release_vector ->> 'calendar' AS bigint) AS event_release,
      (SELECT r.id FROM release r WHERE r.jurisdiction_id = c.jurisdiction_id AND r.kind = 'calendar'
        AND r.published_at <= c.ended_at AND (r.retired_at IS NULL OR r.retired_at > c.ended_at)
        ORDER BY r.number DESC LIMIT 1) AS end_release,
      (SELECT jsonb_agg(jsonb_build_object('due', to_jsonb(d), 'act', a.act) ORDER BY d.generation)
        FROM clock_due d, LATERAL ({act} WHERE t.event_id = d.event_id AND t.n = d.timeline_n) a
        WHERE d.event_id = c.event_id AND d.clock_n = c.n) AS records,
      (SELECT jsonb_agg(jsonb_build_object('rung', to_jsonb(g), 'act', a.act) ORDER BY g.rung_at, g.fired_at, g.rung)
        FROM clock_rung g, LATERAL ({act} WHERE t.event_id = g.event_id AND t.n = g.timeline_n) a
        WHERE g.event_id = c.event_id AND g.clock_n = c.n) AS rungs
    FROM wanted w JOIN clock c ON c.event_id = w.event_id AND c.n = w.n JOIN event e ON e.id = c.event_id
    ORDER BY c.started_at, c.event_id, c.n
    """.replace(
        "{act}",
        "SELECT (to_jsonb(t) - 'xact_id' - 'mac') || jsonb_build_object('actor_name', u.display_name) AS act "
        "FROM timeline t LEFT JOIN user_account u ON t.actor_kind = 'user' AND u.id::text = t.actor_id",
    )
)


@dataclass(frozen=True, slots=True)
class Act:
    """Who did what, as the timeline has it; nothing of what was said."""

    n: int
    act: str
    actor_kind: str
    actor_id: str | None
    actor_name: str | None
    actor_role: str | None
    actor_org_id: int | None
    acted_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Written:
    """One due time of a clock, and the act that moved it."""

    due: ClockDue
    act: Act


@dataclass(frozen=True, slots=True)
class Fired:
    """A rung that fired. ``action``: remind, urge, escalate, or due for the limit itself."""

    rung: ClockRung
    act: Act
    action: str
    #: codes of the organizations that were told
    to: Sequence[str]
    late: bool


@dataclass(frozen=True, slots=True)
class Book:
    """A clock with all that was written about it."""

    clock: Clock
    records: Sequence[Written]
    rungs: Sequence[Fired]
    #: the release of calendars under which its event was last decided
    event_release: int | None
    #: the one that was in force when it ended, by which its minutes were counted
    end_release: int | None = None


@dataclass(frozen=True, slots=True)
class Edition:
    """The calendars of one release. ``number``: as people count releases; None: of no release."""

    release_id: int | None
    number: int | None
    calendars: Mapping[str, Calendar]


async def read_books(
    session: AsyncSession,
    event_id: UUID,
    order_n: int,
    *,
    late_mark: timedelta,
    own: bool = True,
    merged: bool = True,
) -> list[Book]:
    """The clocks of an order, running and ended, in the order in which they started. Whether they are the asker's is
    decided before.

    ``own``: the event's own too, and its reports'; ``merged``: those of reports that came with a merged event as well.
    ``late_mark``: a rung fired late if by more than this, where its act does not say (signing that signs itself).
    """
    asked = {"event_id": event_id, "order_n": order_n, "own": own, "merged": merged}
    return [_book(row, late_mark) for row in await session.execute(_READ, asked)]


def _book(row: Any, late_mark: timedelta) -> Book:
    return Book(
        clock=read_row(Clock, row.clock),
        records=[Written(read_row(ClockDue, one["due"]), _act(one["act"])) for one in row.records],
        rungs=[_fired(one["rung"], one["act"], late_mark) for one in row.rungs or ()],
        event_release=row.event_release,
        end_release=row.end_release,
    )


def _fired(rung: Mapping[str, Any], told: Mapping[str, Any], late_mark: timedelta) -> Fired:
    fired, data = read_row(ClockRung, rung), told["data"]
    late = data.get("late", fired.fired_at - fired.rung_at > late_mark)
    return Fired(fired, _act(told), data.get("action", "due"), data.get("to", ()), late)


def _act(told: Mapping[str, Any]) -> Act:
    return Act(
        n=told["n"],
        act=told["act"],
        actor_kind=told["actor_kind"],
        actor_id=told["actor_id"],
        actor_name=told["actor_name"],
        actor_role=told["actor_role"],
        actor_org_id=told["actor_org_id"],
        acted_at=datetime.fromisoformat(told["acted_at"]),
        recorded_at=datetime.fromisoformat(told["recorded_at"]),
    )


async def editions_of(
    session: AsyncSession, books: Sequence[Book], current: Clockwork | None = None, *, in_force: int | None = None
) -> dict[int | None, Edition]:
    """The releases of calendars that these clocks were computed by, by id, and the one in force.

    That one is given as ``current`` by who has the masters, else by its id. Releases never change, so what was
    computed once can be computed again.
    """
    known = current.calendar_release if current else in_force
    named = {one.due.calendar_release for book in books for one in book.records[-1:]} | {known}
    named |= {release for book in books for release in (book.event_release, book.end_release)}
    ids = {id_ for id_ in named if id_ is not None}
    found_numbers = await session.execute(
        text("SELECT id, number FROM release WHERE id = ANY(:ids)"), {"ids": list(ids)}
    )
    number_of = {id_: number for id_, number in found_numbers}
    found: dict[int | None, Edition] = {}
    if current is not None:
        found[known] = Edition(known, number_of.get(known), current.calendars)
    for id_ in sorted(ids - found.keys()):
        documents = await releases.documents_of(session, id_)
        rows = [CalendarRow.model_validate_json(document) for document in documents]
        codes = dict.fromkeys(row.calendar_code for row in rows)
        calendars = {code: Calendar.from_rows(rows, code) for code in codes}
        found[id_] = Edition(id_, number_of.get(id_), calendars)
    return found
