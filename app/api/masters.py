"""Masters: the releases, and what is in them: items, areas, organizations, routing rules, calendars, emergencies."""

import asyncio
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from pydantic import Field

from app.accounts.rows import OrganizationRow
from app.api.dependencies import Reader, ReaderDep, RuntimeDep
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, PageShape, Shape
from app.clocks.emergencies import EmergencyRow
from app.clocks.rows import CalendarRow
from app.core import releases as release_store
from app.core.errors import NotFound, TooMany
from app.dispatch.rows import RoutingRuleRow
from app.grid.rows import AreaRow
from app.items.rows import FilingStandardRow, ItemRow
from app.masters.kinds import KINDS, RE_DECIDED_KINDS
from app.recalculation import preview as open_clocks
from app.supervision.filters import PageQuery
from app.supervision.master_rows import list_master_rows

router = APIRouter(tags=["masters 基础数据"], responses=RESPONSES)
T = TypeVar("T")

#: seats that prepare releases or answer for what they do to the city's limits
_PREVIEW_ROLES = ("system_administrator", "shift_leader", "supervisor")
#: looking at all open clocks takes its time: one at a time in a process
_previewing = asyncio.Lock()


class ReleaseShape(Shape):
    """One immutable edition of one kind of master."""

    id: int
    kind: str = Field(description="种类：items、areas、organizations…")
    number: int = Field(description="第几版")
    status: str = Field(description="draft 草稿、published 生效、retired 已替换")
    mode: str = Field(description="new_only 只对新事件、re_decide_open 在办的也重新计算")
    row_count: int
    digest: str = Field(description="内容摘要（SHA-256）")
    created_at: CityTime
    published_at: CityTime | None
    retired_at: CityTime | None


class MovedClock(Shape):
    """One open clock that a draft would move."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    clock: str = Field(description="时限种类：handling、citizen_total…")
    cause: str = Field(description="calendar 日历、limit 时限、emergency 应急预案")
    before_at: CityTime = Field(description="现在的到期时间")
    after_at: CityTime = Field(description="发布后的到期时间")


class ReleasePreviewShape(Shape):
    """What drafts would do to open clocks if they were published now with re_decide_open."""

    kinds: list[str] = Field(description="参与计算的草稿种类")
    open: int = Field(description="在办的时限")
    moved: int = Field(description="会变动的")
    earlier: int = Field(description="到期提前的")
    later: int = Field(description="到期推后的")
    most_earlier_minutes: int = Field(description="最多提前多少分钟（自然时间）")
    most_later_minutes: int = Field(description="最多推后多少分钟（自然时间）")
    assumed_before: int = Field(description="现在按估算的（日历未到）")
    assumed_after: int = Field(description="发布后仍按估算的")
    examples: list[MovedClock] = Field(description="前 20 个")


class MasterRow(Shape, Generic[T]):
    """One row of a release."""

    key: str = Field(description="在该版中唯一的键")
    row: T


class ItemMaster(MasterRow[ItemRow]):
    """One item with its filing standards."""

    filing_standards: list[FilingStandardRow] = Field(description="立案标准（取自现行版），首行为缺省")


class MasterQuery(PageQuery):
    """Which release, which page."""

    release: int | None = Field(None, ge=1, lt=2**63, description="读某一版（编号见 /releases）；缺省为现行版")


class ItemQuery(MasterQuery):
    """Items by domain or kind."""

    domain: str | None = Field(None, description="领域")
    kind: str | None = Field(None, description="component 部件、matter 事项")


class AreaRowQuery(MasterQuery):
    """Areas by level or parent."""

    level: str | None = Field(None, description="city、district、street、community")
    parent_code: str | None = Field(None, description="上级区划代码")


class OrganizationQuery(MasterQuery):
    """Units by type, parent or area."""

    org_type: str | None = Field(None, description="单位类型")
    parent_code: str | None = Field(None, description="上级单位代码")
    area_code: str | None = Field(None, description="服务的区划代码")


class RuleQuery(MasterQuery):
    """Rules by the unit that they name."""

    lead_unit: str | None = Field(None, description="主办单位代码")
    domain: str | None = Field(None, description="领域")
    area_code: str | None = Field(None, description="限定的区划代码")


async def _page(who: Reader, kind: str, query: MasterQuery) -> tuple[list[Any], str | None]:
    parts = query.model_dump(exclude={"cursor", "limit", "release"}, exclude_none=True)
    page = await list_master_rows(
        who.session,
        who.asker.jurisdiction_id,
        who.masters.vector,
        kind,
        release=query.release,
        parts=orjson.dumps(parts).decode() if parts else None,
        limit=query.limit,
        cursor=query.cursor,
    )
    return list(page.items), page.next


@router.get("/releases", summary="基础数据的各版")
async def releases(who: ReaderDep) -> list[ReleaseShape]:
    """Every release of the jurisdiction, by kind, the latest first."""
    found = await release_store.all_releases(who.session, who.asker.jurisdiction_id)
    same = "id kind number status mode row_count created_at published_at retired_at"
    return [
        ReleaseShape(digest=one.digest.hex(), **{name: getattr(one, name) for name in same.split()}) for one in found
    ]


@router.get("/releases/preview", summary="草稿对在办时限的影响")
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


@router.get("/items", summary="治理事项清单")
async def items(who: ReaderDep, query: Annotated[ItemQuery, Query()]) -> PageShape[ItemMaster]:
    """Items with their filing standards, by key."""
    rows, following = await _page(who, "items", query)
    found = [
        ItemMaster(key=key, row=ItemRow(**body), filing_standards=list(who.masters.items.standards_of(key)))
        for key, body in rows
    ]
    return PageShape(items=found, next=following)


@router.get("/areas", summary="区划")
async def areas(who: ReaderDep, query: Annotated[AreaRowQuery, Query()]) -> PageShape[MasterRow[AreaRow]]:
    """Areas, by code."""
    rows, following = await _page(who, "areas", query)
    return PageShape(items=[MasterRow(key=key, row=AreaRow(**body)) for key, body in rows], next=following)


@router.get("/organizations", summary="组织机构")
async def organizations(
    who: ReaderDep, query: Annotated[OrganizationQuery, Query()]
) -> PageShape[MasterRow[OrganizationRow]]:
    """Units, by code."""
    rows, following = await _page(who, "organizations", query)
    return PageShape(items=[MasterRow(key=key, row=OrganizationRow(**body)) for key, body in rows], next=following)


@router.get("/routing-rules", summary="派单规则")
async def routing_rules(who: ReaderDep, query: Annotated[RuleQuery, Query()]) -> PageShape[MasterRow[RoutingRuleRow]]:
    """Rules with the duty clause that each rests on, by number."""
    rows, following = await _page(who, "routing-rules", query)
    return PageShape(items=[MasterRow(key=key, row=RoutingRuleRow(**body)) for key, body in rows], next=following)


@router.get("/calendars", summary="工作日历")
async def calendars(who: ReaderDep, query: Annotated[MasterQuery, Query()]) -> PageShape[MasterRow[CalendarRow]]:
    """Working hours, holidays and make-up days, by calendar and date."""
    rows, following = await _page(who, "calendar", query)
    return PageShape(items=[MasterRow(key=key, row=CalendarRow(**body)) for key, body in rows], next=following)


@router.get("/emergencies", summary="应急预案")
async def emergencies(who: ReaderDep, query: Annotated[MasterQuery, Query()]) -> PageShape[MasterRow[EmergencyRow]]:
    """What stands still or has other limits while an emergency lasts, by code."""
    rows, following = await _page(who, "emergencies", query)
    return PageShape(items=[MasterRow(key=key, row=EmergencyRow(**body)) for key, body in rows], next=following)
