"""Rulings as they are kept for the next time 裁决先例: those that may fit, one of them, those that one replaces."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import fetch
from app.core.set_writes import read_row
from app.dispatch.precedents import Taught
from app.events.dispute_tables import Precedent

#: no item has as many; a list of all shows the newest
MOST: Final = 200

_READ = "SELECT to_jsonb(p) AS row, e.event_no FROM precedent p JOIN event e ON e.id = p.event_id "
_OF_ITEM = _READ + (
    "WHERE p.jurisdiction_id = $1 AND p.item_id = $2 AND p.ended_at IS NULL AND p.area_code = ANY($3::text[]) "
    f"ORDER BY p.ruled_at DESC, p.id DESC LIMIT {MOST}"
)
_LIVE = _READ + (
    "WHERE p.jurisdiction_id = $1 AND p.ended_at IS NULL AND ($2::integer IS NULL OR p.item_id = $2) "
    "AND ($3::text[] IS NULL OR p.area_code = ANY($3::text[])) "
    f"ORDER BY p.ruled_at DESC, p.id DESC LIMIT {MOST}"
)
_ONE = _READ + "WHERE p.jurisdiction_id = $1 AND p.id = $2"
# Two rulings at the same moment, on two events, must not both stand for the same item and area: one after the other.
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(format('precedent/%s/%s/%s', $1::int, $2::int, $3::text), 0))"
_STANDING = (
    "SELECT to_jsonb(p) AS row FROM precedent p "
    "WHERE p.jurisdiction_id = $1 AND p.item_id = $2 AND p.area_code = $3 AND p.ended_at IS NULL"
)


def _taught(rows: Sequence[Any]) -> list[Taught]:
    return [Taught(read_row(Precedent, row["row"]), row["event_no"]) for row in rows]


async def of_item(
    session: AsyncSession, jurisdiction_id: int, item_id: int | None, areas: Sequence[str]
) -> list[Taught]:
    """Precedents in force of an item, for any of these areas, the newest first; none without an item."""
    if item_id is None:
        return []
    return _taught(await fetch(session, _OF_ITEM, jurisdiction_id, item_id, list(areas)))


async def live(
    session: AsyncSession, jurisdiction_id: int, *, item_id: int | None = None, areas: Sequence[str] | None = None
) -> list[Taught]:
    """The newest precedents in force, ``MOST`` at most; only of this item, only of these areas where they are given."""
    wanted = list(areas) if areas is not None else None
    return _taught(await fetch(session, _LIVE, jurisdiction_id, item_id, wanted))


async def one(session: AsyncSession, jurisdiction_id: int, precedent_id: int) -> Taught | None:
    """The precedent with this id, in force or not."""
    found = _taught(await fetch(session, _ONE, jurisdiction_id, precedent_id))
    return found[0] if found else None


async def standing(session: AsyncSession, jurisdiction_id: int, item_id: int, area_code: str) -> list[Precedent]:
    """Those in force of exactly this item and area. Until the transaction ends nobody else makes or reads them so."""
    await fetch(session, _ALONE, jurisdiction_id, item_id, area_code)
    found = await fetch(session, _STANDING, jurisdiction_id, item_id, area_code)
    return [read_row(Precedent, row["row"]) for row in found]
