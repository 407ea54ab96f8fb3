"""``/releases``: the editions of masters: drafts, their review by a second person, publication, roll-back, files."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker, user_of
from app.accounts.deputies import same_hands
from app.accounts.tokens import AccessToken
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.problems import RESPONSES
from app.api.release_seats import DRAFTING, PUBLISHING, READING, REVIEWING, require_everywhere
from app.api.release_shapes import (
    DraftsBody,
    DraftShape,
    LostShape,
    MovedClock,
    PublishBody,
    ReleasePreviewShape,
    ReleaseShape,
    RollBackBody,
    RowDiffShape,
    ScheduleBody,
    ScheduledShape,
)
from app.api.shapes import PageShape
from app.core import releases as store
from app.core import reviews
from app.core.errors import NotFound, TooLarge, TooMany
from app.core.pagination import decode_cursor, digest_of, encode_cursor
from app.masters import publishing, scheduling
from app.masters.export import export
from app.masters.files import FileMode, read_bytes
from app.masters.kinds import KINDS, RE_DECIDED_KINDS, RELEASED_KINDS
from app.masters.validation import MasterFile, validate
from app.recalculation import preview as open_clocks
from app.supervision.filters import PageQuery

router = APIRouter(prefix="/releases", tags=["releases 基础数据的各版"], responses=RESPONSES)

#: seats that prepare releases or answer for what they do to the city's limits
_PREVIEW_ROLES: Final = ("system_administrator", "shift_leader", "supervisor")
_UNREVIEWED: Final = ("system_administrator",)
_MAX_FILE_BYTES: Final = 10 * 1024 * 1024
#: looking at all open clocks takes its time: one at a time in a process
_previewing = asyncio.Lock()

ReleasePath = Annotated[int, Path(ge=1, lt=2**63, description="版的编号（id，不是第几版）")]
KindPath = Annotated[str, Path(description="种类：routing-rules、duty-list…")]


async def _asker(session: AsyncSession, token: AccessToken, roles: Sequence[str], told: str) -> Asker:
    asker = await user_of(session, token)
    require_everywhere(asker, roles, told)
    return asker


def _released(kind: str) -> str:
    if kind not in RELEASED_KINDS:
        raise NotFound(f"没有“{kind}”这种分版发布的基础数据，可用：{'、'.join(RELEASED_KINDS)}")
    return kind


@router.get("", summary="基础数据的各版")
async def releases(who: ReaderDep) -> list[ReleaseShape]:
    """Every release of the jurisdiction, by kind, the latest first."""
    found = await store.all_releases(who.session, who.asker.jurisdiction_id)
    faults = await scheduling.faults(who.session, who.asker.jurisdiction_id)
    return [ReleaseShape.of(one, faults.get(one.id)) for one in found]


@router.get("/preview", summary="草稿对在办时限的影响")
async def preview_release(
    who: ReaderDep,
    runtime: RuntimeDep,
    kind: Annotated[list[str] | None, Query(description="草稿种类，可多个；缺省为全部影响时限的草稿")] = None,
) -> ReleasePreviewShape:
    """Looks at every open clock and writes nothing. Drafts of calendars, policies, filing standards, emergencies."""
    who.asker.require(*_PREVIEW_ROLES)
    drafts = await open_clocks.drafts(who.session, who.asker.jurisdiction_id, kind)
    if not drafts:
        titles = "、".join(KINDS[name].title for name in sorted(RE_DECIDED_KINDS))
        raise NotFound(f"没有影响在办时限的草稿（{titles}）。")
    if _previewing.locked():
        raise TooMany("正在计算另一份草稿的影响，请稍后再试。", retry_after_seconds=30)
    async with _previewing:
        masters = await open_clocks.masters_with(who.session, runtime.masters, who.asker.jurisdiction_id, drafts)
        found = await open_clocks.preview(who.session, masters, drafts)
    same = "open moved earlier later assumed_before assumed_after"
    return ReleasePreviewShape(
        kinds=list(found.kinds),
        **{name: getattr(found, name) for name in same.split()},
        most_earlier_minutes=int(found.most_earlier.total_seconds() // 60),
        most_later_minutes=int(found.most_later.total_seconds() // 60),
        examples=[
            MovedClock(**{name: getattr(example, name) for name in MovedClock.model_fields})
            for example in found.examples
        ],
    )


@router.get("/{id}/diff", summary="一版与现行版的不同")
async def diff(who: ReaderDep, id: ReleasePath, query: Annotated[PageQuery, Query()]) -> PageShape[RowDiffShape]:
    """Rows that are not what is in force, by key; of the release in force itself there are none."""
    require_everywhere(who.asker, READING, "查看草稿须为参与起草、复核或发布的席位")
    release = await store.release_of(who.session, who.asker.jurisdiction_id, id)
    published = await store.published_of(who.session, who.asker.jurisdiction_id, release.kind)
    digest = digest_of("releases/diff", {"release": id, "published": published.id if published else None})
    after = decode_cursor(query.cursor, digest, [str])
    rows = await store.diff(who.session, release, limit=query.limit + 1, after=after[0] if after else None)
    page = rows[: query.limit]
    return PageShape(
        items=[RowDiffShape(key=row.key, before=row.before, after=row.after) for row in page],
        next=encode_cursor(digest, [page[-1].key]) if len(rows) > query.limit else None,
    )


@router.get(
    "/{id}/export",
    summary="导出一版为表格文件",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {}, "application/geo+json": {}}, "description": "CSV；单元网格为 GeoJSON"}
    },
)
async def export_release(who: ReaderDep, id: ReleasePath) -> Response:
    """A file that Excel and WPS open, and that loads again without a change."""
    require_everywhere(who.asker, READING, "导出须为参与起草、复核或发布的席位")
    release = await store.release_of(who.session, who.asker.jurisdiction_id, id)
    _released(release.kind)
    made = await export(who.session, release)
    name = made.file_name.replace(".", f"-{release.number}.", 1)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(made.content, media_type=made.media_type, headers=headers)


@router.post(
    "/{kind}/draft",
    summary="导入表格文件为草稿",
    openapi_extra={"requestBody": {"content": {"text/csv": {}, "application/geo+json": {}}, "required": True}},
)
async def import_draft(
    request: Request,
    session: WriteSession,
    token: TokenDep,
    kind: KindPath,
    mode: Annotated[
        FileMode | None, Query(description="complete 整份替换、patch 只增改；文件首行已写明的可不填")
    ] = None,
) -> DraftShape:
    """Takes a CSV or GeoJSON file of at most 10 MB, UTF-8 or GBK; with one bad row it takes none and names them all."""
    asker = await _asker(session, token, DRAFTING, "起草须为知识库编辑、值班长、裁决员或系统管理员")
    content = await _file(request)
    file = await asyncio.to_thread(_read, content, _released(kind), mode)
    outcome = await publishing.put_file(session, asker.jurisdiction_id, file, by=asker.username)
    return DraftShape.of(outcome, file.left_out)


async def _file(request: Request) -> bytes:
    content = await request.body()
    if len(content) > _MAX_FILE_BYTES:
        raise TooLarge(f"文件过大：最多 {_MAX_FILE_BYTES // 1024 // 1024} MB；更大的请用 bihuan load 载入。")
    return content


def _read(content: bytes, kind: str, mode: FileMode | None) -> MasterFile:
    return validate(read_bytes(content, kind, mode))


@router.delete("/{id}", summary="丢弃草稿")
async def discard(session: WriteSession, token: TokenDep, id: ReleasePath) -> LostShape:
    """Throws a draft away. 404 once it was changed, 409 once it is in force."""
    asker = await _asker(session, token, DRAFTING, "丢弃草稿须为知识库编辑、值班长、裁决员或系统管理员")
    (draft,) = await reviews.drafts_seen(session, asker.jurisdiction_id, [id])
    return LostShape.of(await store.discard_draft(session, asker.jurisdiction_id, draft.kind))


@router.post("/{id}/review", summary="复核草稿")
async def review(session: WriteSession, token: TokenDep, id: ReleasePath) -> ReleaseShape:
    """A second person vouches for the draft as it stands. 404 once it was changed, 409 for who had a hand in it.

    A deputy and whom they stand in for are one pair of hands as long as that lasts.
    """
    asker = await _asker(session, token, REVIEWING, "复核须为值班长、督查员、裁决员或知识库编辑")
    (draft,) = await reviews.drafts_seen(session, asker.jurisdiction_id, [id])
    hands = await same_hands(session, asker.jurisdiction_id, asker.username)
    reviewed = await reviews.review(session, asker.jurisdiction_id, draft.kind, by=asker.username, same_hands=hands)
    return ReleaseShape.of(reviewed)


@router.delete("/{id}/review", summary="撤回自己的复核")
async def take_back_review(session: WriteSession, token: TokenDep, id: ReleasePath) -> ScheduledShape:
    """The draft is unreviewed again; it waits for no moment any more, and neither does what was to come with it."""
    asker = await _asker(session, token, REVIEWING, "复核须为值班长、督查员、裁决员或知识库编辑")
    (draft,) = await reviews.drafts_seen(session, asker.jurisdiction_id, [id])
    taken = await reviews.take_back_review(session, draft, by=asker.username)
    others = [kind for kind in taken if kind != draft.kind]
    return ScheduledShape(releases=[ReleaseShape.of(draft)], unscheduled=others)


@router.post("/publish", summary="发布草稿")
async def publish(session: WriteSession, token: TokenDep, body: PublishBody) -> ScheduledShape:
    """Checks the drafts against each other and what is in force; all come into force at once or none does.

    What was to come with one of them at a moment waits for it no more, and is named.
    """
    asker = await _asker(session, token, PUBLISHING, "发布须为值班长或系统管理员")
    if body.unreviewed_because is not None:
        require_everywhere(asker, _UNREVIEWED, "未经复核即发布只限系统管理员")
    drafts = await reviews.drafts_seen(session, asker.jurisdiction_id, body.releases)
    published = await publishing.publish(
        session,
        asker.jurisdiction_id,
        [draft.kind for draft in drafts],
        by=asker.username,
        mode=body.mode,
        unreviewed_because=body.unreviewed_because,
    )
    left = sorted({kind for release in published for kind in release.left_behind})
    return ScheduledShape(releases=[ReleaseShape.of(draft) for draft in drafts], unscheduled=left)


@router.post("/schedule", summary="定时发布")
async def schedule(session: WriteSession, token: TokenDep, body: ScheduleBody) -> ScheduledShape:
    """Reviewed drafts come into force together at a moment, after the same checks; what fails them does not."""
    asker = await _asker(session, token, PUBLISHING, "发布须为值班长或系统管理员")
    drafts = await reviews.drafts_seen(session, asker.jurisdiction_id, body.releases)
    kinds = [draft.kind for draft in drafts]
    others = await scheduling.schedule(
        session, asker.jurisdiction_id, kinds, body.publish_at, by=asker.username, mode=body.mode
    )
    return ScheduledShape(releases=[ReleaseShape.of(draft) for draft in drafts], unscheduled=others)


@router.post("/unschedule", summary="取消定时发布")
async def unschedule(session: WriteSession, token: TokenDep, body: DraftsBody) -> list[ReleaseShape]:
    """Drafts and reviews stay; what was to come into force with them waits no more either."""
    asker = await _asker(session, token, PUBLISHING, "发布须为值班长或系统管理员")
    drafts = await reviews.drafts_seen(session, asker.jurisdiction_id, body.releases)
    taken = await scheduling.unschedule(session, asker.jurisdiction_id, [draft.kind for draft in drafts])
    found = [await store.draft_of(session, asker.jurisdiction_id, kind) for kind in taken]
    return [ReleaseShape.of(draft) for draft in found if draft is not None]


@router.post("/{kind}/roll-back", summary="回退到曾生效的一版")
async def roll_back(
    session: WriteSession, token: TokenDep, kind: KindPath, body: Annotated[RollBackBody, Body()]
) -> ReleaseShape:
    """Publishes an earlier content as a new release, at once; 409 while there is a draft.

    The edition before the present one needs no review; an older one of a kind that is reviewed needs ``because``.
    """
    asker = await _asker(session, token, PUBLISHING, "回退须为值班长或系统管理员")
    _, published = await publishing.roll_back(
        session,
        asker.jurisdiction_id,
        _released(kind),
        body.to,
        by=asker.username,
        mode=body.mode,
        because=body.because,
    )
    return ReleaseShape.of(await store.release_of(session, asker.jurisdiction_id, published.release_id))
