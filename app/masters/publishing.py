"""From a sound file to a release in force: drafts, the checks across kinds, lasting identities."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.tables import UserAccount
from app.clocks.calendar import CHINA_TIME
from app.core import jobs, releases
from app.core.errors import Malformed
from app.core.releases import DraftOutcome, Mode, Published
from app.core.tables import Release
from app.core.timing import now
from app.intake.channels import CHANNELS
from app.masters import consistency
from app.masters.consistency import Inconsistent, Proposal
from app.masters.kinds import FOLLOWED_KINDS, KINDS, RELEASED_KINDS
from app.masters.validation import MasterFile, read_master

#: the job that moves open clocks after a release that they follow (``app.recalculation``)
RECALCULATE: Final = "recalculate"

#: kinds whose rows have a lasting identity, which events and orders point at → the table's insert
_IDENTITIES: Final = {
    "items": (
        "INSERT INTO item (jurisdiction_id, key) SELECT :jurisdiction_id, r.key FROM release_row r "
        "WHERE r.release_id = :release_id AND NOT EXISTS (SELECT FROM item i "
        "WHERE i.jurisdiction_id = :jurisdiction_id AND i.key = r.key) ORDER BY r.key"
    ),
    "organizations": (
        "INSERT INTO organization (jurisdiction_id, code) SELECT :jurisdiction_id, r.key FROM release_row r "
        "WHERE r.release_id = :release_id AND NOT EXISTS (SELECT FROM organization o "
        "WHERE o.jurisdiction_id = :jurisdiction_id AND o.code = r.key) ORDER BY r.key"
    ),
}


#: clocks that run by calendars which one release has and the other has not; none dropped: no clock is looked at
_ORPHANS: Final = text(
    """
    WITH dropped AS MATERIALIZED (
      SELECT body->>'calendar_code' AS code FROM release_row WHERE release_id = :before_id
      EXCEPT SELECT body->>'calendar_code' FROM release_row WHERE release_id = :after_id
    )
    SELECT c.calendar_code, count(*) FROM dropped d
    JOIN clock c ON c.calendar_code = d.code AND c.jurisdiction_id = :jurisdiction_id AND c.state = 'running'
    GROUP BY c.calendar_code ORDER BY c.calendar_code
    """
)


async def put_file(session: AsyncSession, jurisdiction_id: int, file: MasterFile, *, by: str) -> DraftOutcome:
    """Makes a sound file the draft of its kind. Raises NotFound for an unknown jurisdiction."""
    return await releases.put_draft(
        session, jurisdiction_id, file.kind, file.documents, complete=file.mode == "complete", by=by
    )


async def publish(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str] | None = None,
    *,
    by: str,
    mode: Mode | None = None,
    usernames: Iterable[str] = (),
) -> list[Published]:
    """Checks the drafts of ``kinds`` (None: all) against each other and what is in force, and publishes them.

    What open clocks follow is written as a job in the same transaction. ``mode`` None: the default of each kind.
    ``usernames``: accounts that the same transaction is yet to make.
    Raises Inconsistent with every fault, NoDraft when a named kind has no draft, NotFound for an unknown
    jurisdiction.
    """
    await releases.lock(session, jurisdiction_id)
    current = await _current(session, jurisdiction_id)
    drafts = {release.kind: release for release in current if release.status == "draft"}
    wanted = set(drafts) if kinds is None else set(kinds)
    if wanted <= drafts.keys():
        standing = {release.kind: release for release in current if release.status == "published"}
        orphans = (
            await _orphans(session, jurisdiction_id, standing.get("calendar"), drafts) if "calendar" in wanted else {}
        )
        standing |= {kind: drafts[kind] for kind in wanted}
        accounts = await session.scalars(
            select(UserAccount.username).where(UserAccount.jurisdiction_id == jurisdiction_id)
        )
        documents = {
            kind: await releases.documents_of(session, standing[kind].id)
            for kind in consistency.kinds_looked_at(wanted)
            if kind in standing
        }
        known = frozenset([*accounts, *usernames])
        if faults := await asyncio.to_thread(_faults, documents, wanted, known, orphans):
            raise Inconsistent(faults)
        for kind in sorted(wanted & _IDENTITIES.keys()):
            await session.execute(
                text(_IDENTITIES[kind]), {"jurisdiction_id": jurisdiction_id, "release_id": drafts[kind].id}
            )
    modes = {kind: mode or KINDS[kind].mode for kind in wanted if kind in KINDS}
    published = await releases.publish(session, jurisdiction_id, wanted, by=by, mode=modes)
    await _re_decide_open(session, jurisdiction_id, published)
    return published


async def _re_decide_open(session: AsyncSession, jurisdiction_id: int, published: Collection[Published]) -> None:
    followed = {
        release.kind: release.release_id
        for release in published
        if release.kind in FOLLOWED_KINDS and release.mode == "re_decide_open"
    }
    # before the first calendar no clock can have been started
    first = any(release.kind == "calendar" and release.previous_id is None for release in published)
    if followed and not first:
        at = now()
        args = {"jurisdiction_id": jurisdiction_id, "releases": followed, "published_at": at.isoformat()}
        await jobs.enqueue(session, RECALCULATE, f"{jurisdiction_id}/{max(followed.values())}", args, at)


async def _orphans(
    session: AsyncSession, jurisdiction_id: int, before: Release | None, drafts: Mapping[str, Release]
) -> dict[str, int]:
    """Running clocks by the code of their calendar, of calendars that the draft drops."""
    if before is None:
        return {}
    ids = {"jurisdiction_id": jurisdiction_id, "before_id": before.id, "after_id": drafts["calendar"].id}
    return {code: count for code, count in await session.execute(_ORPHANS, ids)}


async def _current(session: AsyncSession, jurisdiction_id: int) -> list[Release]:
    found = await session.scalars(
        select(Release).where(
            Release.jurisdiction_id == jurisdiction_id,
            Release.kind.in_(RELEASED_KINDS),
            Release.status.in_(("draft", "published")),
        )
    )
    return list(found)


def _faults(
    documents: Mapping[str, list[str]],
    publishing: Collection[str],
    usernames: frozenset[str],
    orphans: Mapping[str, int],
) -> list[dict[str, str]]:
    rows: dict[str, Any] = {
        consistency.rows_member(kind): tuple(KINDS[kind].model.model_validate_json(each) for each in texts)
        for kind, texts in documents.items()
    }
    proposal = Proposal(
        **rows,
        usernames=usernames,
        channels=frozenset(CHANNELS),
        today=now().astimezone(CHINA_TIME).date(),
        orphaned_clocks=orphans,
    )
    return consistency.faults(proposal, publishing)


def read_folder(folder: Path) -> dict[str, MasterFile]:
    """All master files of a folder by kind. Raises Malformed with all their faults, each with its file."""
    files: dict[str, MasterFile] = {}
    faults: list[dict[str, str]] = []
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*.geojson")]):
        try:
            file = read_master(path)
        except Malformed as error:
            faults += ({**fault, "path": f"{path.name} {fault['path']}".rstrip()} for fault in error.extra["faults"])
            continue
        if file.kind in files:
            faults.append({"path": path.name, "message": f"{KINDS[file.kind].title}在这个文件夹里不止一份"})
        files[file.kind] = file
    if not files and not faults:
        raise Malformed(f"{folder} 里没有基础数据文件（*.csv、*.geojson）")
    if faults:
        raise Malformed(f"基础数据有 {len(faults)} 处错误，全部未载入", faults=faults)
    return files
