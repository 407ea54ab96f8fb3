"""Rows of published masters, by key: what a decision was made by can be read again, whatever was published since."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.core.pagination import Page, decode_cursor, digest_of, encode_cursor

_OWN = text(
    "SELECT 1 FROM release WHERE id = :id AND jurisdiction_id = :jurisdiction AND kind = :kind "
    "AND status IN ('published', 'retired')"
)
_ROWS = text(
    "SELECT key, body FROM release_row WHERE release_id = :id AND (CAST(:after AS text) IS NULL OR key > :after) "
    "AND (CAST(:parts AS jsonb) IS NULL OR body @> CAST(:parts AS jsonb)) ORDER BY key LIMIT :most"
)


async def list_master_rows(
    session: AsyncSession,
    jurisdiction_id: int,
    vector: Mapping[str, int],
    kind: str,
    *,
    release: int | None,
    parts: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Any]:
    """Rows (``key``, ``body``) of the release in force, or of an earlier one. ``parts``: JSON that bodies contain.

    Raises ``NotFound`` for a release that the jurisdiction does not have, ``Malformed`` for a cursor of other filters.
    """
    release_id = release or vector.get(kind)
    if release is not None:
        wanted = {"id": release, "jurisdiction": jurisdiction_id, "kind": kind}
        if (await session.execute(_OWN, wanted)).one_or_none() is None:
            raise NotFound("没有这一版基础数据。")
    digest = digest_of(f"masters/{kind}", {"release": release_id, "parts": parts})
    after = decode_cursor(cursor, digest, [str])
    if release_id is None:
        return Page((), None)
    values = {"id": release_id, "after": after[0] if after else None, "parts": parts, "most": limit + 1}
    rows = (await session.execute(_ROWS, values)).all()
    more = len(rows) > limit
    return Page(rows[:limit], encode_cursor(digest, [rows[limit - 1].key]) if more else None)
