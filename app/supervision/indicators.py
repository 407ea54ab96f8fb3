"""``GET /supervision/indicators``: the first figures, each with what it counts (DOMAIN.md §3.2).

Three populations, never mixed: events *received* in the period; limits *due* in the period (what should have been done
by then, whenever it came in); callbacks *made* in the period. ``resolved`` and ``explained`` are never summed into one
number. Shares are left to the reader as numerator and denominator wherever a zero could hide. Lateness that a decision
exempts is in no figure but its own. Events are reworked 返工 or given back 退单 by what became of their lead order: a
supporting unit's part that is done again is not the event done again. Limits that units set each other (二次派单,
吹哨报到) are in none: they are nobody's lateness towards the city. A part that was split off from an event 拆分件 was
received from nobody: it is in no figure of events; its units' limits are limits like all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.visibility import Sight
from app.supervision.event_scans import event_filters
from app.supervision.filters import Filters, check_period
from app.supervision.scans import Where

#: longer periods belong to exports, not to a request
MAX_PERIOD = timedelta(days=93)


@dataclass(frozen=True, slots=True)
class RateWeights:
    """How the three rates of 接诉即办 make one score: Beijing's published figures unless the asker says otherwise."""

    contacted: float = 0.1
    resolved: float = 0.5
    satisfied: float = 0.4
    #: what a 基本满意 counts beside a 满意
    barely_satisfied: float = 0.9


#: raw levels of each scale: satisfied up to the first, barely satisfied up to the second (DOMAIN.md §5)
_LEVELS = {"five": (2, 3), "three": (1, 2)}

_EVENTS = """
    WITH cohort AS MATERIALIZED (
      SELECT e.id, e.state, e.end_kind, e.received_at, e.ended_at FROM event e
      WHERE e.jurisdiction_id = :jurisdiction AND e.received_at >= :since AND e.received_at < :until
        AND e.split_from IS NULL AND {where}
    ), orders AS (
      SELECT o.event_id, max(o.round) FILTER (WHERE o.role = 'lead') AS rounds,
             bool_or(o.state = 'returned') FILTER (WHERE o.role = 'lead') AS returned,
             max(o.result) FILTER (WHERE o.role = 'lead' AND o.state = 'completed') AS result
      FROM work_order o WHERE o.event_id IN (SELECT id FROM cohort) AND o.parent_n IS NULL GROUP BY o.event_id
    )
    SELECT count(*) AS received,
      count(*) FILTER (WHERE c.end_kind = 'answered_directly') AS answered_directly,
      count(*) FILTER (WHERE o.event_id IS NOT NULL) AS dispatched,
      count(*) FILTER (WHERE c.state = 'closed') AS closed,
      count(*) FILTER (WHERE c.state = 'closed' AND o.result = 'resolved') AS resolved,
      count(*) FILTER (WHERE c.state = 'closed' AND o.result = 'explained') AS explained,
      count(*) FILTER (WHERE c.state = 'not_accepted') AS not_accepted,
      count(*) FILTER (WHERE c.state = 'handed_over') AS handed_over,
      count(*) FILTER (WHERE c.state = 'merged') AS merged,
      count(*) FILTER (WHERE c.state = 'cancelled') AS cancelled,
      count(*) FILTER (WHERE c.ended_at IS NULL) AS open,
      count(*) FILTER (WHERE o.rounds > 1) AS reworked,
      count(*) FILTER (WHERE o.returned) AS returned,
      CAST(avg(extract(epoch FROM c.ended_at - c.received_at)) FILTER (
        WHERE c.state = 'closed' AND o.event_id IS NOT NULL) / 3600 AS float8) AS hours_to_close
    FROM cohort c LEFT JOIN orders o ON o.event_id = c.id
"""

_LIMITS = """
    SELECT c.kind, count(*) FILTER (WHERE NOT x.exempted) AS due,
      count(*) FILTER (WHERE c.state = 'met' AND c.ended_at <= c.due_at) AS on_time,
      count(*) FILTER (WHERE c.state = 'met' AND c.ended_at > c.due_at AND NOT x.exempted) AS late,
      count(*) FILTER (WHERE c.state = 'running' AND c.due_at <= :at AND NOT x.exempted) AS overdue,
      count(*) FILTER (WHERE x.exempted) AS exempted
    FROM clock c JOIN event e ON e.id = c.event_id
      CROSS JOIN LATERAL (SELECT c.exempted_n IS NOT NULL AND coalesce(c.ended_at, :at) > c.due_at AS exempted) x
    WHERE c.jurisdiction_id = :jurisdiction AND c.due_at >= :since AND c.due_at < :until AND c.state <> 'stopped'
      AND c.kind NOT IN ('sub_handling', 'appearance') AND {where}
    GROUP BY c.kind ORDER BY c.kind
"""

_CALLBACKS = """
    SELECT b.satisfaction_scale AS scale, b.satisfaction_level AS level, count(*) AS made,
      count(*) FILTER (WHERE b.reached) AS reached,
      count(*) FILTER (WHERE b.contacted) AS contacted,
      count(*) FILTER (WHERE b.resolved) AS resolved,
      count(*) FILTER (WHERE b.satisfied) AS satisfied
    FROM callback b JOIN event e ON e.id = b.event_id
    WHERE b.called_at >= :since AND b.called_at < :until AND {where}
    GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class ThreeRates:
    """响应率, 解决率, 满意率 and their weighted sum; None where nobody was reached."""

    valid: int
    contacted: float | None
    resolved: float | None
    satisfied: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Indicators:
    """The figures of one period, area and unit."""

    events: Any
    limits: Sequence[Any]
    callbacks: Sequence[Any]
    rates: ThreeRates


def _where(sight: Sight, filters: Filters, unit_column: str) -> Where:
    where = event_filters(filters, "order").also(sight.condition())
    if filters.unit_id is not None:
        where.add(f"{unit_column} = :unit_id", unit_id=filters.unit_id)
    return where


def three_rates(callbacks: Sequence[Any], weights: RateWeights) -> ThreeRates:
    """The rates over callbacks that reached somebody (有效回访)."""
    reached = [row for row in callbacks if row.reached]
    valid = sum(row.reached for row in reached)
    if not valid:
        return ThreeRates(0, None, None, None, None)
    contacted = sum(row.contacted for row in reached) / valid
    resolved = sum(row.resolved for row in reached) / valid
    points = 0.0
    for row in reached:
        full, barely = _LEVELS.get(row.scale, (0, 0))
        points += row.reached * (1.0 if row.level <= full else weights.barely_satisfied if row.level <= barely else 0.0)
    satisfied = points / valid
    score = weights.contacted * contacted + weights.resolved * resolved + weights.satisfied * satisfied
    return ThreeRates(valid, contacted, resolved, satisfied, score)


async def indicators(
    session: AsyncSession,
    sight: Sight,
    filters: Filters,
    *,
    since: datetime,
    until: datetime,
    at: datetime,
    weights: RateWeights,
) -> Indicators:
    """The figures of ``since`` ≤ t < ``until`` as far as the asker sees events.

    Raises ``Malformed`` for an empty period or one longer than ``MAX_PERIOD``.
    """
    check_period(since, until, MAX_PERIOD)
    bounds = {"since": since, "until": until, "jurisdiction": sight.jurisdiction_id}
    of_event = _where(sight, filters, "e.lead_unit_id")
    of_clock = _where(sight, filters, "coalesce(c.unit_id, e.lead_unit_id)")
    events = await session.execute(text(_EVENTS.format(where=of_event.sql)), bounds | of_event.values)
    limits = await session.execute(text(_LIMITS.format(where=of_clock.sql)), bounds | of_clock.values | {"at": at})
    callbacks = await session.execute(text(_CALLBACKS.format(where=of_event.sql)), bounds | of_event.values)
    made = callbacks.all()
    return Indicators(events.one(), limits.all(), made, three_rates(made, weights))
