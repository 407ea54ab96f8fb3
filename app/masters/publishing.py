"""From a sound file to a release in force: drafts, the checks across kinds, lasting identities."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.tables import UserAccount
from app.clocks.calendar import CHINA_TIME
from app.core import jobs, releases, reviews
from app.core.database import Json
from app.core.errors import Conflict, Malformed
from app.core.releases import DraftOutcome, Mode, Published
from app.core.tables import Release
from app.core.timing import now
from app.intake.channels import CHANNELS
from app.masters import consistency
from app.masters.consistency import Inconsistent, Proposal
from app.masters.files import Faults
from app.masters.kinds import FOLLOWED_KINDS, KINDS, RELEASED_KINDS
from app.masters.validation import MasterFile, messages_of, read_master

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


class NotReviewed(Conflict):
    """Kinds that a second person must review first; ``kinds``, and in ``makers`` who may not."""

    code = "not_reviewed"
    title = "尚未复核"

    def __init__(self, drafts: Iterable[Release]) -> None:
        found = list(drafts)
        makers = {draft.kind: list(releases.makers_of(draft)) for draft in found}
        told = "；".join(f"{KINDS[kind].title}（由 {'、'.join(names)} 改动）" for kind, names in makers.items())
        super().__init__(
            f"须先由没有改动过草稿的第二人复核：{told}。"
            "值班长、督查员、裁决员或知识库编辑可以复核（bihuan release review），复核后再发布",
            kinds=list(makers),
            makers=makers,
        )


class ReasonNeeded(Conflict):
    """An edition from long ago would come back with nobody's review of it as things are now."""

    code = "reason_needed"
    title = "须写明理由"


async def put_file(session: AsyncSession, jurisdiction_id: int, file: MasterFile, *, by: str) -> DraftOutcome:
    """Makes a sound file the draft of its kind; a patch leaves alone what it has no columns for.

    Raises NotFound for an unknown jurisdiction, Malformed for a row that is not sound with what it leaves alone.
    """
    documents, complete = file.documents, file.mode == "complete"
    if not complete:
        await releases.lock(session, jurisdiction_id)
        documents = await _laid_over(session, jurisdiction_id, file)
    return await releases.put_draft(session, jurisdiction_id, file.kind, documents, complete=complete, by=by)


async def _laid_over(session: AsyncSession, jurisdiction_id: int, file: MasterFile) -> dict[str, Json]:
    """The rows of a patch; of one that is there already, members that the patch does not name stay what they are."""
    documents = file.documents
    members = KINDS[file.kind].model.model_fields.keys()
    partial = [key for key, named in file.named.items() if not members <= set(named)]
    base = await releases.draft_of(session, jurisdiction_id, file.kind)
    base = base or await releases.published_of(session, jurisdiction_id, file.kind)
    if base is None or not partial:
        return documents
    found = await session.execute(
        text("SELECT key, body FROM release_row WHERE release_id = :release_id AND key = ANY(CAST(:keys AS text[]))"),
        {"release_id": base.id, "keys": partial},
    )
    for key, body in found.all():
        row = documents[key]
        documents[key] = {
            name: row[name] if name in file.named[key] or name not in body else body[name] for name in row
        }
    if faults := await asyncio.to_thread(_unreadable, file.kind, {key: documents[key] for key in partial}):
        raise Malformed(f"{len(faults)} 处与文件没有写的各列的原值不符，整个文件未载入", faults=faults)
    return documents


async def publish(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str] | None = None,
    *,
    by: str | Mapping[str, str],
    mode: Mode | Mapping[str, Mode] | None = None,
    usernames: Iterable[str] = (),
    unreviewed_because: str | None = None,
) -> list[Published]:
    """Checks the drafts of ``kinds`` against each other and what is in force, and publishes them.

    ``kinds`` None: all there are, but those that wait for a date. What open clocks follow is written as a job in the
    same transaction. ``mode`` None: the default of each kind; a mapping names those of some. ``usernames``: accounts
    that the same transaction is yet to make. ``unreviewed_because``: why kinds that need a review do without, which
    their releases keep. What was to come at a moment with a draft that is published here waits for it no more.
    Raises NotReviewed without a review or a reason, Inconsistent with every fault (rows that this edition of the
    program cannot read among them), NoDraft when a named kind has no draft, NotFound for an unknown jurisdiction.
    """
    await releases.lock(session, jurisdiction_id)
    current = await _current(session, jurisdiction_id)
    drafts = {release.kind: release for release in current if release.status in ("draft", "reviewed")}
    standing = {release.kind: release for release in current if release.status == "published"}
    wanted = {kind for kind in drafts if drafts[kind].publish_at is None} if kinds is None else set(kinds)
    left: dict[str, tuple[str, ...]] = {}
    if wanted <= drafts.keys():
        going = [drafts[kind] for kind in sorted(wanted)]
        _require_review(going, standing, unreviewed_because)
        await session.flush()
        await _check(session, jurisdiction_id, drafts, standing, wanted, usernames)
        left = await reviews.leave_behind(session, going)
        for kind in sorted(wanted & _IDENTITIES.keys()):
            await session.execute(
                text(_IDENTITIES[kind]), {"jurisdiction_id": jurisdiction_id, "release_id": drafts[kind].id}
            )
    given: Mapping[str, Mode] = {} if mode is None else dict.fromkeys(wanted, mode) if isinstance(mode, str) else mode
    modes = {kind: given.get(kind, KINDS[kind].mode) for kind in wanted if kind in KINDS}
    published = await releases.publish(session, jurisdiction_id, wanted, by=by, mode=modes)
    await _re_decide_open(session, jurisdiction_id, published)
    return [replace(release, left_behind=left.get(release.kind, ())) for release in published]


async def check(session: AsyncSession, jurisdiction_id: int, kinds: Collection[str]) -> None:
    """Whether these drafts could be published together now. Raises NotReviewed, NoDraft or Inconsistent if not."""
    await releases.lock(session, jurisdiction_id)
    current = await _current(session, jurisdiction_id)
    drafts = {release.kind: release for release in current if release.status in ("draft", "reviewed")}
    standing = {release.kind: release for release in current if release.status == "published"}
    if missing := sorted(set(kinds) - drafts.keys()):
        raise releases.NoDraft(f"没有草稿可发布：{'、'.join(missing)}", kinds=missing)
    _require_review([drafts[kind] for kind in sorted(kinds)], standing, None)
    await _check(session, jurisdiction_id, drafts, standing, set(kinds), ())


def _require_review(drafts: Iterable[Release], standing: Mapping[str, Release], because: str | None) -> None:
    """The first release of a kind needs none: a city is being set up. Of what comes back see ``roll_back``."""
    missing = [
        draft
        for draft in drafts
        if KINDS[draft.kind].reviewed
        and draft.status == "draft"
        and draft.kind in standing
        and draft.brings_back_id is None
    ]
    if missing and not (because and because.strip()):
        raise NotReviewed(missing)
    for draft in missing:
        draft.unreviewed_because = because


async def roll_back(
    session: AsyncSession,
    jurisdiction_id: int,
    kind: str,
    to: int | None = None,
    *,
    by: str,
    mode: Mode | None = None,
    because: str | None = None,
) -> tuple[Release, Published]:
    """Publishes the content of release ``to`` (None: the one in force before this one) once more 回退, at once.

    Nobody need review the one in force just before: that takes a publication back. Any other, of a kind that needs a
    review, asks for a reason, which the new release keeps: what stood around it then may be gone. All other checks
    are made. Returns the earlier and the new release. Raises ReasonNeeded, Inconsistent, and NotFound, SameContent
    and DraftExists as ``app.core.reviews`` does.
    """
    await releases.lock(session, jurisdiction_id)
    earlier = await reviews.earlier_release(session, jurisdiction_id, kind, to)
    draft = await reviews.copy_as_draft(session, earlier, by=by)
    if KINDS[kind].reviewed and earlier.id != await reviews.edition_before(session, jurisdiction_id, kind):
        if not (because and because.strip()):
            raise ReasonNeeded(
                f"第 {earlier.number} 版不是现行版的上一版，未经复核恢复更早的内容须写明理由；"
                "也可以导出这一版，改好后载入为草稿，复核后发布"
            )
        draft.unreviewed_because = because
        await session.flush()
    (published,) = await publish(session, jurisdiction_id, [kind], by=by, mode=mode)
    return earlier, published


def _unreadable(kind: str, rows: Mapping[str, Any]) -> list[dict[str, str]]:
    faults = Faults()
    for n, (key, body) in enumerate(rows.items(), start=1):
        try:
            KINDS[kind].model.model_validate(body)
        except ValidationError as error:
            faults.add(f"{kind} {key}", messages_of(error))
            if faults.full:
                return faults.told(len(rows) - n)
    return faults.told(0)


async def _check(
    session: AsyncSession,
    jurisdiction_id: int,
    drafts: Mapping[str, Release],
    standing: Mapping[str, Release],
    wanted: Collection[str],
    usernames: Iterable[str],
) -> None:
    orphans = {}
    if "calendar" in wanted:
        orphans = await _orphans(session, jurisdiction_id, standing.get("calendar"), drafts)
    then = {**standing, **{kind: drafts[kind] for kind in wanted}}
    accounts = await session.scalars(select(UserAccount.username).where(UserAccount.jurisdiction_id == jurisdiction_id))
    documents = {
        kind: await releases.documents_of(session, then[kind].id)
        for kind in consistency.kinds_looked_at(wanted)
        if kind in then
    }
    known = frozenset([*accounts, *usernames])
    try:
        faults = await asyncio.to_thread(_faults, documents, wanted, known, orphans)
    except ValidationError:
        faults = []
        for kind in documents:
            faults += await asyncio.to_thread(_unreadable, kind, await releases.rows_of(session, then[kind].id))
    if faults:
        raise Inconsistent(faults)


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
        select(Release)
        .where(
            Release.jurisdiction_id == jurisdiction_id,
            Release.kind.in_(RELEASED_KINDS),
            Release.status.in_(("draft", "reviewed", "published")),
        )
        .execution_options(populate_existing=True)
    )
    return list(found)


def _faults(
    documents: Mapping[str, list[str]],
    publishing: Collection[str],
    usernames: frozenset[str],
    orphans: Mapping[str, int],
) -> list[dict[str, str]]:
    """Raises ValidationError for a row that is none of its kind any more."""
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
