"""Masters as immutable releases: a draft is loaded, reviewed, published, its predecessor retired (DESIGN.md §3).

Knows no kind of master: a row is a key and a JSON document. Nothing here commits. Writers take a lock on the
jurisdiction, under which one transaction after the other loads or publishes; readers do not wait for it, nor
does the city's daily work, whose foreign keys point at the jurisdiction.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Json
from app.core.errors import Conflict, NotFound
from app.core.set_writes import to_json
from app.core.tables import Jurisdiction, Release, ReleaseRow
from app.core.timing import now

#: Whether what is open already is decided anew, or only what comes after (DESIGN.md §3).
Mode = Literal["new_only", "re_decide_open"]

#: between those who changed a draft, in ``created_by``; no user name holds it
MAKERS_APART: Final = "|"
_DRAFTS: Final = ("draft", "reviewed")


class NoDraft(Conflict):
    """There is nothing to publish for a kind that was named."""

    code = "no_draft"
    title = "没有草稿"


@dataclass(frozen=True, slots=True)
class Lost:
    """What a draft had, and has no more because it was changed or thrown away."""

    #: whose review it was
    reviewed_by: str | None = None
    #: when it was to come into force
    publish_at: datetime | None = None
    #: other kinds that were to come into force with it, and will not now
    with_it: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """What loading came to, counted against the published release of the same kind."""

    #: None when nothing changed, and so no draft is left
    draft: Release | None
    added: int
    changed: int
    removed: int
    unchanged: int
    lost: Lost = Lost()

    @property
    def nothing_changed(self) -> bool:
        """The content is the published one."""
        return self.draft is None


@dataclass(frozen=True, slots=True)
class Published:
    """One release that has just come into force."""

    kind: str
    release_id: int
    number: int
    row_count: int
    mode: str
    #: the release it retired
    previous_id: int | None
    #: other kinds that were to come into force with it at a moment, and now wait for none
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowDiff:
    """One row that differs from the published one: ``before`` None if added, ``after`` None if removed."""

    key: str
    before: Json | None
    after: Json | None


def digest_of(rows: Mapping[str, Any]) -> bytes:
    """SHA-256 (32 bytes) over keys and documents, whatever the order of rows and of members."""
    found = hashlib.sha256()
    for key in sorted(rows):
        found.update(orjson.dumps([key, rows[key]], option=orjson.OPT_SORT_KEYS))
        found.update(b"\n")
    return found.digest()


def makers_of(release: Release) -> tuple[str, ...]:
    """Everybody who had a hand in a draft, in the order in which they came."""
    return tuple(release.created_by.split(MAKERS_APART))


async def draft_of(session: AsyncSession, jurisdiction_id: int, kind: str) -> Release | None:
    """The draft of a kind, reviewed or not; there is one at most."""
    return await _in_status(session, jurisdiction_id, kind, *_DRAFTS)


async def published_of(session: AsyncSession, jurisdiction_id: int, kind: str) -> Release | None:
    """The release of a kind that is in force."""
    return await _in_status(session, jurisdiction_id, kind, "published")


async def _in_status(session: AsyncSession, jurisdiction_id: int, kind: str, *statuses: str) -> Release | None:
    # What the session read before it held the lock may be out of date by now.
    return await session.scalar(
        select(Release)
        .where(Release.jurisdiction_id == jurisdiction_id, Release.kind == kind, Release.status.in_(statuses))
        .execution_options(populate_existing=True)
    )


async def release_of(session: AsyncSession, jurisdiction_id: int, release_id: int) -> Release:
    """A release of the jurisdiction by its id. Raises NotFound: a draft that is changed gets another id."""
    found = await session.scalar(
        select(Release)
        .where(Release.id == release_id, Release.jurisdiction_id == jurisdiction_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("没有这一版基础数据；草稿一经改动就换编号，请重新列出各版。")
    return found


async def rows_of(session: AsyncSession, release_id: int) -> dict[str, Json]:
    """All rows of a release by key; empty for a release that does not exist."""
    found = await session.execute(
        select(ReleaseRow.key, ReleaseRow.body).where(ReleaseRow.release_id == release_id).order_by(ReleaseRow.key)
    )
    return {key: body for key, body in found}


async def documents_of(session: AsyncSession, release_id: int) -> list[str]:
    """The rows' bodies as JSON texts, by key: for tens of thousands of rows that are parsed one by one."""
    found = await session.execute(
        text("SELECT body::text FROM release_row WHERE release_id = :release_id ORDER BY key"),
        {"release_id": release_id},
    )
    return list(found.scalars())


async def put_draft(
    session: AsyncSession,
    jurisdiction_id: int,
    kind: str,
    rows: Mapping[str, Json],
    *,
    complete: bool,
    by: str,
) -> DraftOutcome:
    """Makes ``rows`` the draft of ``kind``: all of it when ``complete``, else laid over what there is.

    A patch is laid over the draft if there is one, so that a second patch does not lose the first; otherwise
    over the published release. Patches remove nothing. Content equal to the published one leaves no draft;
    content equal to the draft's leaves it as it is. Any other change makes it a new draft, which nobody has
    reviewed and which waits for no date, made by all who had a hand in it.
    Raises NotFound for an unknown jurisdiction.
    """
    await lock(session, jurisdiction_id)
    draft = await draft_of(session, jurisdiction_id, kind)
    published = await published_of(session, jurisdiction_id, kind)
    base = draft or published
    if not complete and base is not None:
        rows = {**await rows_of(session, base.id), **rows}
    digest = digest_of(rows)
    in_force = published is not None and published.digest == digest
    if draft is not None and draft.digest == digest and not in_force:
        return await _outcome(session, draft, published)
    lost = Lost()
    if draft is not None:
        by = draft.created_by if by in makers_of(draft) else f"{draft.created_by}{MAKERS_APART}{by}"
        lost = await _throw_away(session, draft)
    if published is not None and in_force:
        return DraftOutcome(None, 0, 0, 0, published.row_count, lost)
    last = await session.scalar(
        select(func.max(Release.number)).where(Release.jurisdiction_id == jurisdiction_id, Release.kind == kind)
    )
    made = Release(
        jurisdiction_id=jurisdiction_id,
        kind=kind,
        number=(last or 0) + 1,
        status="draft",
        digest=digest,
        row_count=len(rows),
        created_at=now(),
        created_by=by,
    )
    session.add(made)
    await session.flush()
    await _write(session, made.id, rows)
    return await _outcome(session, made, published, lost)


async def _outcome(
    session: AsyncSession, draft: Release, published: Release | None, lost: Lost = Lost()
) -> DraftOutcome:
    added, changed, removed = await _counts(session, draft.id, published.id if published else None)
    return DraftOutcome(draft, added, changed, removed, draft.row_count - added - changed, lost)


async def discard_draft(session: AsyncSession, jurisdiction_id: int, kind: str) -> Lost:
    """Throws the draft of a kind away. Raises NoDraft when there is none."""
    await lock(session, jurisdiction_id)
    draft = await draft_of(session, jurisdiction_id, kind)
    if draft is None:
        raise NoDraft(f"{kind} 没有草稿", kinds=[kind])
    return await _throw_away(session, draft)


async def _throw_away(session: AsyncSession, draft: Release) -> Lost:
    at, others = draft.publish_at, await take_back_moment(session, draft)
    await session.delete(draft)
    await session.flush()
    return Lost(draft.reviewed_by, at, tuple(kind for kind in others if kind != draft.kind))


async def take_back_moment(session: AsyncSession, draft: Release) -> list[str]:
    """Unschedules all that was to come into force at one moment with ``draft``; the kinds, itself among them.

    What is scheduled for one moment was checked together: it comes into force together or not at all.
    """
    if draft.publish_at is None:
        return []
    taken = await session.scalars(
        update(Release)
        .where(
            Release.jurisdiction_id == draft.jurisdiction_id,
            Release.publish_at == draft.publish_at,
            Release.status == "reviewed",
        )
        .values(publish_at=None, published_by=None)
        .returning(Release.kind)
        .execution_options(synchronize_session="fetch")
    )
    return sorted(taken)


async def lock(session: AsyncSession, jurisdiction_id: int) -> Jurisdiction:
    """The jurisdiction, locked until the transaction ends. The lock is the one that foreign keys get past."""
    found = await session.scalar(
        select(Jurisdiction)
        .where(Jurisdiction.id == jurisdiction_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("没有这个区划")
    return found


async def _write(session: AsyncSession, release_id: int, rows: Mapping[str, Json]) -> None:
    if not rows:
        return
    await session.execute(
        text(
            "INSERT INTO release_row (release_id, key, body) SELECT :release_id, s.key, s.body FROM "
            "json_to_recordset(CAST(CAST(:rows AS text) AS json)) AS s(key text, body jsonb)"
        ),
        {
            "release_id": release_id,
            "rows": to_json([{"key": key, "body": body} for key, body in rows.items()]),
        },
    )


_SIDES = (
    "(SELECT key, body FROM release_row WHERE release_id = :before_id) b FULL JOIN "
    "(SELECT key, body FROM release_row WHERE release_id = :after_id) a USING (key)"
)


async def _counts(session: AsyncSession, after_id: int, before_id: int | None) -> tuple[int, int, int]:
    counted = await session.execute(
        text(
            "SELECT count(*) FILTER (WHERE b.body IS NULL), "  # noqa: S608 - a constant
            "count(*) FILTER (WHERE b.body <> a.body), count(*) FILTER (WHERE a.body IS NULL) "
            f"FROM {_SIDES}"
        ),
        {"before_id": before_id, "after_id": after_id},
    )
    added, changed, removed = counted.one()
    return added, changed, removed


async def diff(
    session: AsyncSession, draft: Release, *, limit: int | None = None, after: str | None = None
) -> list[RowDiff]:
    """Rows by which ``draft`` differs from the published release, by key; ``limit`` rows at most, behind ``after``."""
    published = await published_of(session, draft.jurisdiction_id, draft.kind)
    found = await session.execute(
        text(
            f"SELECT key, b.body::text AS before, a.body::text AS after FROM {_SIDES} "  # noqa: S608 - a constant
            "WHERE a.body IS DISTINCT FROM b.body AND (CAST(:after AS text) IS NULL OR key > :after) "
            "ORDER BY key LIMIT :most"
        ),
        {"before_id": published.id if published else None, "after_id": draft.id, "most": limit, "after": after},
    )
    return [
        RowDiff(key, orjson.loads(before) if before else None, orjson.loads(after) if after else None)
        for key, before, after in found
    ]


async def publish(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str] | None = None,
    *,
    by: str | Mapping[str, str],
    mode: Mode | Mapping[str, Mode] = "new_only",
) -> list[Published]:
    """Puts the drafts of ``kinds`` into force at once, and retires what they replace.

    ``kinds`` None: all there are, but those that wait for a date of their own. ``mode`` and ``by`` may differ by
    kind; a kind that the mode's mapping does not name is ``new_only``. Whether somebody had to review them is not
    asked here. Of two publishers one waits and then sees the other's work. Raises NoDraft when a named kind has
    none, NotFound for an unknown jurisdiction.
    """
    jurisdiction = await lock(session, jurisdiction_id)
    drafts = {
        draft.kind: draft
        for draft in await session.scalars(
            select(Release)
            .where(Release.jurisdiction_id == jurisdiction_id, Release.status.in_(_DRAFTS))
            .order_by(Release.kind)
            .execution_options(populate_existing=True)
        )
    }
    waiting = {kind for kind, draft in drafts.items() if draft.publish_at is not None}
    wanted = sorted(drafts.keys() - waiting) if kinds is None else sorted(set(kinds))
    if missing := [kind for kind in wanted if kind not in drafts]:
        raise NoDraft(f"没有草稿可发布：{'、'.join(missing)}", kinds=missing)
    at = now()
    published: list[Published] = []
    for kind in wanted:
        draft = drafts[kind]
        how = mode if isinstance(mode, str) else mode.get(kind, "new_only")
        retired = await session.scalar(
            update(Release)
            .where(
                Release.jurisdiction_id == jurisdiction_id,
                Release.kind == kind,
                Release.status == "published",
            )
            .values(status="retired", retired_at=at)
            .returning(Release.id)
        )
        draft.status, draft.mode, draft.published_at = "published", how, at
        draft.published_by = by if isinstance(by, str) else by[kind]
        if draft.publish_at is not None and draft.publish_at > at:
            draft.publish_at = None  # somebody did not wait for it
        await session.flush()
        published.append(Published(kind, draft.id, draft.number, draft.row_count, how, retired))
    if published:
        jurisdiction.release_vector = {
            **jurisdiction.release_vector,
            **{release.kind: release.release_id for release in published},
        }
        await session.flush()
    return published


async def ever_published(session: AsyncSession, jurisdiction_id: int, kind: str, digest: bytes) -> Release | None:
    """The latest release of a kind with this content that is or was in force."""
    return await session.scalar(
        select(Release)
        .where(
            Release.jurisdiction_id == jurisdiction_id,
            Release.kind == kind,
            Release.digest == digest,
            Release.status.not_in(_DRAFTS),
        )
        .order_by(Release.number.desc())
        .limit(1)
    )


async def all_releases(session: AsyncSession, jurisdiction_id: int) -> list[Release]:
    """Every release of a jurisdiction, by kind, the latest first."""
    found = await session.scalars(
        select(Release).where(Release.jurisdiction_id == jurisdiction_id).order_by(Release.kind, Release.number.desc())
    )
    return list(found)
