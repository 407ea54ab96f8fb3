"""What may be the same thing as an event: proposed to people, never joined by itself (并单 is a person's act)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.events.tables import Event
from app.events.visibility import Sight
from app.grid.datum import distance_m
from app.intake.duplicates import DuplicateRule, buckets_around

#: shared pairs of characters from which on two titles are proposed (Dice coefficient, 0..1); our own value
MIN_LIKENESS = 0.5
_MAX_PROPOSED = 20

_NEAR = """
    SELECT e.id, e.event_no, e.title, e.state, e.received_at, e.lon, e.lat, e.item_id, e.community_code,
           e.street_code, e.district_code, e.demand_type, e.report_count, e.accused_org_ids,
           e.nobody_accused
    FROM event e
    WHERE e.jurisdiction_id = :jurisdiction AND e.received_at BETWEEN :since AND :until AND e.id <> :id
      AND e.merged_into IS NULL AND e.state <> 'cancelled'
      AND ((e.item_id = :item AND (e.place_bucket = ANY(CAST(:buckets AS bigint[])) OR e.community_code = :community))
        OR (e.community_code = :community AND (e.lon IS NULL OR CAST(:pointless AS boolean)))
        OR (e.community_code IS NULL AND e.item_id = :item))
      AND {condition}
    ORDER BY e.received_at DESC LIMIT 300
"""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Another event that may be about the same thing, and what speaks for it."""

    event: Any
    reason: Literal["near", "same_community", "similar_text"]
    distance_m: float | None
    #: 0..1
    likeness: float


def likeness(first: str, second: str) -> float:
    """Dice coefficient (0..1) of the two texts' pairs of neighbouring characters, spaces left out."""
    pairs = [{text[i : i + 2] for i in range(len(text) - 1)} for text in ("".join(t.split()) for t in (first, second))]
    total = len(pairs[0]) + len(pairs[1])
    return 2 * len(pairs[0] & pairs[1]) / total if total else 0.0


async def possible_duplicates(
    session: AsyncSession, sight: Sight, event: Event, rule: DuplicateRule
) -> Sequence[Proposal]:
    """Events received within the rule's window that the asker sees, the likeliest first, 20 at most.

    ``near``: same item within the radius. ``same_community``: same item. ``similar_text``: one of the two has no
    point, so that only place names and words can tell.
    """
    point = (event.lon, event.lat) if event.lon is not None and event.lat is not None else None
    condition, values = sight.condition()
    values |= {
        "id": event.id,
        "jurisdiction": event.jurisdiction_id,
        "since": event.received_at - rule.window,
        "until": event.received_at + rule.window + timedelta(seconds=1),
        "item": event.item_id,
        "community": event.community_code,
        "pointless": point is None,
        "buckets": buckets_around(point, rule.radius_m) if point else [],
    }
    rows = await session.execute(text(_NEAR.format(condition=condition)), values)
    proposals = [found for row in rows if (found := _proposal(event, row, rule, point))]
    order = {"near": 0, "same_community": 1, "similar_text": 2}
    proposals.sort(key=lambda p: (order[p.reason], -p.likeness, p.event.id))
    return proposals[:_MAX_PROPOSED]


def _proposal(event: Event, row: Any, rule: DuplicateRule, point: tuple[float, float] | None) -> Proposal | None:
    alike = likeness(event.title, row.title)
    metres = distance_m(point, (row.lon, row.lat)) if point and row.lon is not None else None
    same_item = event.item_id is not None and row.item_id == event.item_id
    if same_item and metres is not None and metres <= rule.radius_m:
        return Proposal(row, "near", metres, alike)
    if same_item and row.community_code and row.community_code == event.community_code:
        return Proposal(row, "same_community", metres, alike)
    if metres is None and alike >= MIN_LIKENESS:
        return Proposal(row, "similar_text", None, alike)
    return None
