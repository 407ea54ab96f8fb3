"""Masters: what is in the releases: items, areas, organizations, the dispatch catalogue, calendars, emergencies."""

from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import APIRouter, Query
from pydantic import Field

from app.accounts.rows import OrganizationRow
from app.api.dependencies import Reader, ReaderDep
from app.api.problems import RESPONSES
from app.api.shapes import PageShape, Shape
from app.clocks.emergencies import EmergencyRow
from app.clocks.rows import CalendarRow
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow
from app.grid.rows import AreaRow
from app.items.rows import FilingStandardRow, ItemRow
from app.supervision.filters import PageQuery
from app.supervision.master_rows import list_master_rows

router = APIRouter(tags=["masters 基础数据"], responses=RESPONSES)
T = TypeVar("T")


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


class DutyQuery(MasterQuery):
    """Clauses by whose duty it is, department or domain."""

    duty: str | None = Field(None, description="basic 基本、assisting 配合、taken_back 收回")
    department: str | None = Field(None, description="牵头部门代码")
    domain: str | None = Field(None, description="领域")


class ComponentQuery(MasterQuery):
    """Components by class, cell or who answers for them."""

    code: str | None = Field(None, description="部件小类代码")
    cell_id: str | None = Field(None, description="单元网格")
    competent: str | None = Field(None, description="主管单位代码")
    owner: str | None = Field(None, description="权属单位代码")
    maintainer: str | None = Field(None, description="养护单位代码")


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


@router.get("/routing-steps", summary="派单原则次序")
async def routing_steps(who: ReaderDep, query: Annotated[MasterQuery, Query()]) -> PageShape[MasterRow[RoutingStepRow]]:
    """The principles of routing with their positions, by name."""
    rows, following = await _page(who, "routing-steps", query)
    return PageShape(items=[MasterRow(key=key, row=RoutingStepRow(**body)) for key, body in rows], next=following)


@router.get("/duty-list", summary="基层职责清单")
async def duty_list(who: ReaderDep, query: Annotated[DutyQuery, Query()]) -> PageShape[MasterRow[DutyRow]]:
    """Clauses that say what a street leads, helps with, or does no more, by number."""
    rows, following = await _page(who, "duty-list", query)
    return PageShape(items=[MasterRow(key=key, row=DutyRow(**body)) for key, body in rows], next=following)


@router.get("/components", summary="部件登记")
async def components(who: ReaderDep, query: Annotated[ComponentQuery, Query()]) -> PageShape[MasterRow[ComponentRow]]:
    """Registered facilities with who answers for them, by id."""
    rows, following = await _page(who, "components", query)
    return PageShape(items=[MasterRow(key=key, row=ComponentRow(**body)) for key, body in rows], next=following)


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
