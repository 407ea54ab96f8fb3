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
from app.masters.kinds import KINDS, RE_DECIDED_KINDS, RELEASED_KINDS
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
        if faults := await asyncio.to_thread(_faults, documents, wanted, known):
            raise Inconsistent(faults)
        for kind in sorted(wanted & _IDENTITIES.keys()):
            await session.execute(
                text(_IDENTITIES[kind]), {"jurisdiction_id": jurisdiction_id, "release_id": drafts[kind].id}
            )
    modes = {kind: mode or KINDS[kind].mode for kind in wanted if kind in KINDS}
    published = await releases.publish(session, jurisdiction_id, wanted, by=by, mode=modes)
    await _re_decide_open(session, jurisdiction_id, published)
    return published


async def _re_decide_open(session: AsyncSession, jurisdiction_id: int, published: Iterable[Published]) -> None:
    followed = {
        release.kind: release.release_id
        for release in published
        if release.kind in RE_DECIDED_KINDS
        and release.mode == "re_decide_open"
        # before the first calendar no clock can have been started
        and (release.previous_id is not None or release.kind != "calendar")
    }
    if followed:
        at = now()
        args = {"jurisdiction_id": jurisdiction_id, "releases": followed, "published_at": at.isoformat()}
        await jobs.enqueue(session, RECALCULATE, f"{jurisdiction_id}/{max(followed.values())}", args, at)


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
    documents: Mapping[str, list[str]], publishing: Collection[str], usernames: frozenset[str]
) -> list[dict[str, str]]:
    rows: dict[str, Any] = {
        consistency.rows_member(kind): tuple(KINDS[kind].model.model_validate_json(each) for each in texts)
        for kind, texts in documents.items()
    }
    proposal = Proposal(
        **rows, usernames=usernames, channels=frozenset(CHANNELS), today=now().astimezone(CHINA_TIME).date()
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
