"""What a draft goes through before it is in force: a second person's review, a date; or an earlier edition comes back.

Nothing here knows which kinds of master must be reviewed (``app.masters.publishing``), and nothing commits. All of it
happens under the jurisdiction's lock, so that a review and a change of the draft come one after the other.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Conflict, NotFound
from app.core.releases import NoDraft, draft_of, lock, makers_of, published_of, release_of, take_back_moment
from app.core.tables import Release
from app.core.timing import now


class OwnDraft(Conflict):
    """Who had a hand in a draft cannot review it."""

    code = "own_draft"
    title = "不能复核自己参与的草稿"


class DraftChanged(Conflict):
    """The draft is not the one that was looked at any more."""

    code = "draft_changed"
    title = "草稿已改动"


class DraftExists(Conflict):
    """A draft stands in the way."""

    code = "draft_exists"
    title = "已有草稿"


class SameContent(Conflict):
    """The edition to bring back says the same as the one in force."""

    code = "same_content"
    title = "内容相同"


class NotYourReview(Conflict):
    """Only who reviewed takes a review back."""

    code = "not_your_review"
    title = "不是您的复核"


async def drafts_seen(session: AsyncSession, jurisdiction_id: int, release_ids: Collection[int]) -> list[Release]:
    """The drafts with these ids, locked until the transaction ends: what somebody looked at is what they act on.

    Raises NotFound for an id that is none (any more), DraftChanged for a release that is no draft any more.
    """
    await lock(session, jurisdiction_id)
    found = [await release_of(session, jurisdiction_id, release_id) for release_id in sorted(set(release_ids))]
    if gone := [release for release in found if release.status not in ("draft", "reviewed")]:
        told = "、".join(f"{release.kind} 第 {release.number} 版" for release in gone)
        raise DraftChanged(f"{told}已不是草稿，请重新列出各版", kinds=[release.kind for release in gone])
    return found


async def review(
    session: AsyncSession,
    jurisdiction_id: int,
    kind: str,
    *,
    by: str,
    same_hands: Collection[str] = (),
    digest: str | None = None,
) -> Release:
    """A second person vouches for the draft as it stands. ``digest``: how what they looked at begins (hexadecimal).

    ``same_hands``: who besides ``by`` is no other person than they: their deputies, and whose deputy they are.
    A second review changes nothing: the first one stands. Raises NoDraft without one, OwnDraft for whoever changed
    it, DraftChanged when its content is not what ``digest`` says.
    """
    await lock(session, jurisdiction_id)
    draft = await draft_of(session, jurisdiction_id, kind)
    if draft is None:
        raise NoDraft(f"{kind} 没有草稿可复核", kinds=[kind])
    if digest is not None and not draft.digest.hex().startswith(digest.lower()):
        raise DraftChanged(f"草稿的摘要现在是 {draft.digest.hex()[:12]}，与看过的不同，请重新查看后再复核")
    makers = makers_of(draft)
    if own := [maker for maker in makers if maker == by or maker in same_hands]:
        told = "须由其他人复核" if by in own else f"您与 {'、'.join(own)} 现有代理关系，须由与其无代理关系的人复核"
        raise OwnDraft(f"这份草稿由 {'、'.join(makers)} 改动过，{told}", makers=list(makers))
    if draft.status == "draft":
        draft.status, draft.reviewed_at, draft.reviewed_by = "reviewed", now(), by
        await session.flush()
    return draft


async def take_back_review(session: AsyncSession, draft: Release, *, by: str) -> list[str]:
    """Who has vouched for a draft does so no more; with it goes its moment. The kinds that wait for it no more.

    Raises NotYourReview for anybody else's, and where there is none.
    """
    if draft.reviewed_by != by:
        whose = f"由 {draft.reviewed_by} 复核" if draft.reviewed_by else "还没有复核"
        raise NotYourReview(f"这份草稿{whose}，只有复核人本人可以撤回")
    taken = await take_back_moment(session, draft)
    draft.status, draft.reviewed_at, draft.reviewed_by = "draft", None, None
    await session.flush()
    return taken


async def set_moment(session: AsyncSession, drafts: Collection[Release], at: datetime, *, by: str) -> list[str]:
    """Reviewed drafts wait for a moment, on the order of ``by``; moments they waited for before are taken back.

    Returns the other kinds that waited for the same moments and now wait for none.
    """
    others: set[str] = set()
    for draft in drafts:
        others.update(await take_back_moment(session, draft))
    for draft in drafts:
        draft.publish_at, draft.published_by = at, by
    await session.flush()
    return sorted(others - {draft.kind for draft in drafts})


async def leave_behind(session: AsyncSession, drafts: Collection[Release]) -> dict[str, tuple[str, ...]]:
    """Drafts that are published by themselves: what was to come with them waits no more, kinds by their kind.

    What is scheduled for one moment was checked together: it comes into force together or not at all.
    """
    going = {draft.kind for draft in drafts}
    left: dict[str, tuple[str, ...]] = {}
    for draft in (draft for draft in drafts if draft.publish_at is not None):
        others = await session.scalars(
            update(Release)
            .where(
                Release.jurisdiction_id == draft.jurisdiction_id,
                Release.publish_at == draft.publish_at,
                Release.status == "reviewed",
                Release.kind.not_in(going),
            )
            .values(publish_at=None, published_by=None)
            .returning(Release.kind)
            .execution_options(synchronize_session="fetch")
        )
        if found := tuple(sorted(others)):
            left[draft.kind] = found
    return left


async def edition_before(session: AsyncSession, jurisdiction_id: int, kind: str) -> int | None:
    """Id of the release of a kind that the present one replaced: drafts are published in the order of their numbers."""
    return await session.scalar(
        select(Release.id)
        .where(Release.jurisdiction_id == jurisdiction_id, Release.kind == kind, Release.status == "retired")
        .order_by(Release.number.desc())
        .limit(1)
    )


async def earlier_release(session: AsyncSession, jurisdiction_id: int, kind: str, number: int | None) -> Release:
    """The release ``number`` of a kind that was in force before; None: the one in force last.

    Raises NotFound when there is none, SameContent when it says what the present one says.
    """
    query = select(Release).where(
        Release.jurisdiction_id == jurisdiction_id, Release.kind == kind, Release.status == "retired"
    )
    if number is not None:
        query = query.where(Release.number == number)
    found = await session.scalar(query.order_by(Release.retired_at.desc(), Release.number.desc()).limit(1))
    if found is None:
        raise NotFound(f"{kind} 没有{'更早' if number is None else f'第 {number} 版这样'}的曾生效的版本可以恢复")
    present = await published_of(session, jurisdiction_id, kind)
    if present is not None and present.digest == found.digest:
        raise SameContent(f"第 {found.number} 版与现行的第 {present.number} 版内容相同")
    return found


async def copy_as_draft(session: AsyncSession, earlier: Release, *, by: str) -> Release:
    """A draft with the rows of an earlier release, to be published in the same transaction 回退.

    Raises DraftExists when there is a draft already.
    """
    await lock(session, earlier.jurisdiction_id)
    draft = await draft_of(session, earlier.jurisdiction_id, earlier.kind)
    if draft is not None:
        raise DraftExists(f"{earlier.kind} 有草稿第 {draft.number} 版，请先丢弃或发布再回退", release_id=draft.id)
    last = await session.scalar(
        select(func.max(Release.number)).where(
            Release.jurisdiction_id == earlier.jurisdiction_id, Release.kind == earlier.kind
        )
    )
    made = Release(
        jurisdiction_id=earlier.jurisdiction_id,
        kind=earlier.kind,
        number=(last or 0) + 1,
        status="draft",
        digest=earlier.digest,
        row_count=earlier.row_count,
        created_at=now(),
        created_by=by,
        brings_back_id=earlier.id,
    )
    session.add(made)
    await session.flush()
    await session.execute(
        text(
            "INSERT INTO release_row (release_id, key, body, valid_from, valid_to) "
            "SELECT :made, key, body, valid_from, valid_to FROM release_row WHERE release_id = :earlier"
        ),
        {"made": made.id, "earlier": earlier.id},
    )
    return made
