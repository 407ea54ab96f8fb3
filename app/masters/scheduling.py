"""Publication at a date 定时发布: reviewed drafts that come into force by themselves, checked now and checked then.

The release's row says all: ``publish_at`` is the moment, ``published_by`` who ordered it, ``mode`` how. The job only
wakes the worker; a draft that was changed, taken back or published meanwhile is not found by it any more. What is
scheduled for one moment comes into force together or not at all.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import jobs, releases, reviews
from app.core.database import Json
from app.core.errors import Conflict, Malformed, NotFound
from app.core.jobs import GiveUp
from app.core.releases import Mode
from app.core.tables import Release
from app.core.timing import now
from app.masters.kinds import KINDS
from app.masters.publishing import NotReviewed, check, publish

#: the job that publishes what was scheduled for a moment
PUBLISH_RELEASE: Final = "publish_release"
FARTHEST: Final = timedelta(days=366)
_FAULTS_TOLD: Final = 3

log = structlog.get_logger()


class NotScheduled(Conflict):
    """There is no moment to take back."""

    code = "not_scheduled"
    title = "没有定时发布"


async def schedule(
    session: AsyncSession,
    jurisdiction_id: int,
    kinds: Collection[str],
    at: datetime,
    *,
    by: str,
    mode: Mode | None = None,
) -> list[str]:
    """Publishes the reviewed drafts of ``kinds`` at ``at``, aware, in the future and within 366 days.

    They must pass all checks now, together with what is scheduled for that moment already. A moment that they waited
    for before is taken back: returns the other kinds that waited for it and now wait for none. Raises Malformed for
    the moment, NoDraft, NotReviewed (here any kind must be reviewed) and Inconsistent as publishing does.
    """
    begins = now()
    if at.tzinfo is None or not begins < at <= begins + FARTHEST:
        message = "应在将来，一年（366 天）之内，并带时区"
        raise Malformed("定时发布的时刻不可用", faults=[{"path": "publish_at", "message": message}])
    await releases.lock(session, jurisdiction_id)
    drafts = []
    for kind in sorted(set(kinds)):
        draft = await releases.draft_of(session, jurisdiction_id, kind)
        if draft is None:
            raise releases.NoDraft(f"{_title(kind)}没有草稿可发布", kinds=[kind])
        drafts.append(draft)
    if unreviewed := [draft for draft in drafts if draft.status != "reviewed"]:
        raise NotReviewed(unreviewed)
    others = await reviews.set_moment(session, drafts, at, by=by)
    for draft in drafts:
        draft.mode = mode or KINDS[draft.kind].mode
    await session.flush()
    together = await _waiting(session, jurisdiction_id, at)
    await check(session, jurisdiction_id, [draft.kind for draft in together])
    args = {
        "jurisdiction_id": jurisdiction_id,
        "publish_at": at.isoformat(),
        "releases": [draft.id for draft in together],
    }
    await jobs.enqueue(session, PUBLISH_RELEASE, f"{jurisdiction_id}/{at.timestamp():.6f}", args, at)
    return others


async def unschedule(session: AsyncSession, jurisdiction_id: int, kinds: Collection[str]) -> list[str]:
    """Takes the moments back that drafts of ``kinds`` wait for; drafts and reviews stay.

    Returns all kinds that wait no more: those that were to come with them as well. Raises NotScheduled for a kind
    that waits for nothing.
    """
    await releases.lock(session, jurisdiction_id)
    taken: set[str] = set()
    for kind in sorted(set(kinds)):
        draft = await releases.draft_of(session, jurisdiction_id, kind)
        if kind not in taken and (draft is None or draft.publish_at is None):
            raise NotScheduled(f"{_title(kind)}没有定时发布的草稿", kinds=[kind])
        if draft is not None:
            taken.update(await releases.take_back_moment(session, draft))
    return sorted(taken)


async def publish_scheduled(session: AsyncSession, args: Json) -> None:
    """The job: publishes what still waits for its moment, all of it or nothing.

    When the checks fail, the drafts stay reviewed and wait for nothing, and the job is dead with the reason (GiveUp).
    """
    jurisdiction_id, at = int(args["jurisdiction_id"]), datetime.fromisoformat(args["publish_at"])
    await releases.lock(session, jurisdiction_id)
    waiting = await _waiting(session, jurisdiction_id, at)
    if not waiting:
        log.info("release.nothing_scheduled", jurisdiction_id=jurisdiction_id, publish_at=args["publish_at"])
        return
    kinds = [draft.kind for draft in waiting]
    modes: dict[str, Mode] = {draft.kind: _mode(draft.mode) for draft in waiting}
    by = {draft.kind: draft.published_by or "" for draft in waiting}
    try:
        async with session.begin_nested():
            published = await publish(session, jurisdiction_id, kinds, by=by, mode=modes)
    except (Conflict, Malformed, NotFound) as error:
        await session.execute(
            update(Release)
            .where(Release.id.in_([draft.id for draft in waiting]))
            .values(publish_at=None, published_by=None)
            .execution_options(synchronize_session=False)
        )
        faults = [f"{fault['message']}" for fault in error.extra.get("faults", ())]
        more = "…" if len(faults) > _FAULTS_TOLD else ""
        log.error("release.not_published", jurisdiction_id=jurisdiction_id, kinds=kinds, code=error.code)
        raise GiveUp("：".join([error.detail, "；".join(faults[:_FAULTS_TOLD]) + more]).rstrip("：")) from None
    log.info("release.published", jurisdiction_id=jurisdiction_id, kinds=[release.kind for release in published])


async def faults(session: AsyncSession, jurisdiction_id: int) -> dict[int, str]:
    """Why drafts did not come into force at their moment, by release id; forgotten once they wait for another.

    Those among them that still wait for the moment that has gone by: what stopped the job was not foreseen. It is
    told as soon as it has failed once, though it will be tried again.
    """
    found = await session.execute(
        text(
            "SELECT r.id, j.last_error FROM job j "
            "CROSS JOIN LATERAL jsonb_array_elements_text(j.args->'releases') AS l(id) "
            "JOIN release r ON r.id = CAST(l.id AS bigint) "
            "WHERE j.kind = :kind AND j.last_error IS NOT NULL AND r.jurisdiction_id = :jurisdiction_id "
            "AND r.status = 'reviewed' AND (r.publish_at IS NULL AND j.state = 'dead' "
            "OR r.publish_at = CAST(j.args->>'publish_at' AS timestamptz)) ORDER BY j.id"
        ),
        {"kind": PUBLISH_RELEASE, "jurisdiction_id": jurisdiction_id},
    )
    return {id_: fault or "" for id_, fault in found}


async def _waiting(session: AsyncSession, jurisdiction_id: int, at: datetime) -> list[Release]:
    found = await session.scalars(
        select(Release)
        .where(Release.jurisdiction_id == jurisdiction_id, Release.status == "reviewed", Release.publish_at == at)
        .order_by(Release.kind)
        .execution_options(populate_existing=True)
    )
    return list(found)


def _mode(text: str) -> Mode:
    return "re_decide_open" if text == "re_decide_open" else "new_only"


def _title(kind: str) -> str:
    return KINDS[kind].title if kind in KINDS else kind
