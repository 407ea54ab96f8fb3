"""Reads what the checker of the dispatch catalogue looks at: masters in force or with drafts, and who sits where."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import UNIT_ROLES
from app.clocks.calendar import CHINA_TIME
from app.core import releases
from app.core.releases import NoDraft
from app.core.tables import Release
from app.core.timing import now
from app.intake.channels import CHANNELS
from app.masters.catalogue.rows import CityRows
from app.masters.consistency import Proposal, city_of, rows_member
from app.masters.kinds import KINDS

#: kinds that the checker reads
READ: Final = (
    "items",
    "areas",
    "cells",
    "duty-grids",
    "organizations",
    "routing-rules",
    "routing-steps",
    "duty-list",
    "components",
    "calendar",
    "policies",
    "escalation-rungs",
)

#: units where somebody sits who may sign for its orders (``app.accounts.access.Asker.units``)
_STAFFED: Final = text(
    """
    SELECT DISTINCT o.code FROM seat s
    JOIN user_account u ON u.id = s.user_id AND u.active AND u.closed_at IS NULL
    JOIN organization o ON o.id = coalesce(s.scope_org_id, u.org_id)
    WHERE u.jurisdiction_id = :jurisdiction_id AND s.until IS NULL AND s.scope_area IS NULL AND s.role = ANY(:roles)
    """
)


async def read_city(session: AsyncSession, jurisdiction_id: int, *, drafts: Collection[str] | None = ()) -> CityRows:
    """The masters in force, with the drafts of these kinds in place of them (None: all drafts there are).

    Raises NoDraft when a named kind has none.
    """
    found = await session.scalars(
        select(Release).where(
            Release.jurisdiction_id == jurisdiction_id,
            Release.kind.in_(READ),
            Release.status.in_(("draft", "reviewed", "published")),
        )
    )
    standing: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for release in found:
        (standing if release.status == "published" else waiting)[release.kind] = release.id
    if missing := sorted(set(drafts or ()) & set(READ) - waiting.keys()):
        raise NoDraft(f"没有草稿可检查：{'、'.join(KINDS[kind].title for kind in missing)}", kinds=missing)
    standing |= {kind: id_ for kind, id_ in waiting.items() if drafts is None or kind in drafts}
    staffed = await session.scalars(_STAFFED, {"jurisdiction_id": jurisdiction_id, "roles": list(UNIT_ROLES)})
    documents = {kind: await releases.documents_of(session, id_) for kind, id_ in standing.items()}
    return await asyncio.to_thread(_city, documents, frozenset(staffed))


def _city(documents: Mapping[str, list[str]], staffed: frozenset[str]) -> CityRows:
    rows: dict[str, Any] = {
        rows_member(kind): tuple(KINDS[kind].model.model_validate_json(each) for each in texts)
        for kind, texts in documents.items()
    }
    today = now().astimezone(CHINA_TIME).date()
    return city_of(Proposal(**rows, channels=frozenset(CHANNELS), today=today), staffed)
