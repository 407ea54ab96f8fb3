"""``POST /dispatch/preview``: whose job something would be, for the operator with a caller on the line."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.dependencies import ReaderDep, RuntimeDep
from app.api.dispute_shapes import PrecedentShape, precedent_shape
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, ItemShape, PlaceShape, Shape, UnitShape
from app.api.suggested_units import SuggestedUnitShape, suggested_shapes
from app.core.errors import Malformed
from app.core.timing import now
from app.dispatch.loads import open_orders
from app.dispatch.precedents import Case, areas_of, fitting
from app.dispatch.routing import STEP_TITLES, Decision
from app.grid.datum import Crs
from app.grid.locating import Location
from app.intake.channels import CHANNELS
from app.masters import Masters, routing
from app.masters.unit_history import circumstances
from app.supervision import precedents

router = APIRouter(prefix="/dispatch", tags=["dispatch 派单"], responses=RESPONSES)

_ROLES: Final = ("operator", "dispatcher", "shift_leader")


class PointBody(BaseModel):
    """A point on a map, in its own datum."""

    model_config = ConfigDict(extra="forbid")

    lon: float = Field(ge=-180, le=180, allow_inf_nan=False, description="经度")
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False, description="纬度")
    crs: Crs = Field(description="坐标系：wgs84、gcj02、bd09、cgcs2000")


class PreviewBody(BaseModel):
    """What the caller has told so far; everything may be left out."""

    model_config = ConfigDict(extra="forbid")

    item: str | None = Field(None, max_length=200, description="事项键：标准/类别/编号")
    point: PointBody | None = Field(None, description="事发地坐标")
    address: str | None = Field(None, max_length=500, description="事发地址")
    area_code: str | None = Field(None, max_length=20, description="区划代码（6、9 或 12 位）")
    channel: str = Field("hotline-12345", description="来源渠道")
    urgency: Literal["normal", "urgent", "critical"] = Field("normal", description="紧急程度")
    level: Literal["grid", "street", "district", "city"] | None = Field(None, description="层级；缺省为事项的层级")
    at: AwareDatetime | None = Field(None, description="按什么时间派；缺省为现在")
    component_id: str | None = Field(None, max_length=64, description="部件标识码")
    first_receiver: str | None = Field(None, max_length=64, description="首接单位代码")
    accused: list[str] = Field(default=[], max_length=20, description="被举报单位代码")


class PreviewUnit(UnitShape):
    """A unit with the line on which it is reached at any hour."""

    duty_phone: str = Field(description="值班电话；没有登记为空")


class PreviewStep(Shape):
    """One principle that was asked."""

    step: str = Field(description="原则：emergency_handover、statutory_department、component…")
    title: str = Field(description="原则名称")
    outcome: str = Field(description="chosen 采用、refused 提出的单位都不能承办、passed 不适用")
    reason: str = Field(description="理由")


class PreviewAlternative(Shape):
    """Another unit, and why it was not chosen."""

    unit: PreviewUnit
    rule_no: str | None = Field(description="规则编号")
    why_not: str = Field(description="未采用的理由")


class PreviewShape(Shape):
    """The decision as it would be made now; nothing is written."""

    lead: PreviewUnit | None = Field(description="主办单位；空为须人工研判")
    supporting: list[PreviewUnit] = Field(description="协办单位")
    sentence: str = Field(description="一句话说明")
    step: str = Field(description="据以决定的原则；person 为须人工研判")
    rule_no: str | None = Field(description="规则编号")
    clause_no: str | None = Field(description="职责清单条目编号")
    triage: str | None = Field(description="须人工研判的原因：no_rule、place_unknown、level_raised")
    tried: list[str] = Field(description="考虑过的单位和规则")
    steps: list[PreviewStep] = Field(description="逐条问过的原则")
    alternatives: list[PreviewAlternative] = Field(description="其他可能的单位")
    item: ItemShape | None = Field(description="事项")
    place: PlaceShape = Field(description="定位结果")
    place_notes: list[str] = Field(description="定位说明")
    precedents: list[PrecedentShape] = Field(description="可参照的裁决先例：同一事项、同一街道（否则区、市）")
    suggested: list[SuggestedUnitShape] = Field([], description="以往这类事件由谁承办，最多三个；供人参考，不据以派单")
    suggested_as_of: CityTime | None = Field(None, description="以往派单截至何时；空为尚未学习")
    at: CityTime = Field(description="按什么时间派")
    releases: dict[str, int] = Field(description="所用基础数据的版本")


@router.post("/preview", summary="试派：不落库，说明派给谁、为什么")
async def preview(who: ReaderDep, runtime: RuntimeDep, body: PreviewBody) -> PreviewShape:
    """Decides as the dispatch would, by the masters in force, without an event and without writing anything."""
    who.asker.require(*_ROLES)
    masters = who.masters
    told = _told(masters, body)
    shared = routing.shared_duty(masters, told.place.cell_id, told.place.community_code)
    told = replace(told, load=await open_orders(who.session, shared))
    decision = routing.preview(masters, told)
    item_id = masters.item_ids.get(told.item.key) if told.item else None
    areas = areas_of(told.place.street_code, told.place.district_code, masters.jurisdiction_code)
    case = Case(item_id, areas, told.accused)
    found = await precedents.of_item(who.session, who.asker.jurisdiction_id, item_id, areas)
    offered = [precedent_shape(masters, taught) for taught in fitting(found, case, masters.organizations)]
    place = (told.place.street_code, told.place.community_code)
    asked = circumstances(told.item, place, told.channel, told.at)
    suggested, as_of = runtime.history.suggested(masters, asked, barred=told.accused)
    history = {"suggested": suggested_shapes(masters, suggested), "suggested_as_of": as_of}
    return _shape(masters, decision, told, offered).model_copy(update=history)


def _told(masters: Masters, body: PreviewBody) -> routing.Told:
    faults: list[dict[str, str]] = []
    item = masters.items.item(body.item) if body.item else None
    if body.item and item is None:
        faults.append({"path": "item", "message": f"没有事项 {body.item}"})
    if body.channel not in CHANNELS:
        faults.append({"path": "channel", "message": f"没有渠道 {body.channel}，可用：{'、'.join(CHANNELS)}"})
    units: dict[str, int] = {}
    for path, codes in (("first_receiver", [body.first_receiver]), ("accused", body.accused)):
        for code in filter(None, codes):
            unit = masters.organizations.id_of(code)
            if unit is None:
                faults.append({"path": path, "message": f"没有单位 {code}"})
            else:
                units[code] = unit
    if faults:
        raise Malformed("试派的内容有误", faults=faults)
    point = body.point
    points = [(point.lon, point.lat, point.crs, "scene")] if point else []
    return routing.Told(
        item=item,
        place=masters.places.locate(points, [body.address] if body.address else [], body.area_code),
        channel=body.channel,
        urgency=body.urgency,
        at=body.at or now(),
        level=body.level,
        component_id=body.component_id,
        first_receiver=units[body.first_receiver] if body.first_receiver else None,
        accused=frozenset(units[code] for code in body.accused),
    )


def _shape(masters: Masters, decision: Decision, told: routing.Told, offered: list[PrecedentShape]) -> PreviewShape:
    item, place = told.item, told.place
    titles: dict[str, str] = {name: title for name, title in STEP_TITLES.items()}
    return PreviewShape(
        lead=_unit(masters, decision.unit) if decision.unit else None,
        supporting=[_unit(masters, masters.organizations.code_of(unit) or "") for unit in decision.supporting_ids],
        sentence=decision.sentence,
        step=decision.step,
        rule_no=decision.rule_no,
        clause_no=decision.clause_no,
        triage=decision.triage,
        tried=list(decision.tried),
        steps=[
            PreviewStep(step=each.step, title=titles[each.step], outcome=each.outcome, reason=each.reason)
            for each in decision.steps
        ],
        alternatives=[
            PreviewAlternative(unit=_unit(masters, other.unit), rule_no=other.rule_no or None, why_not=other.why_not)
            for other in decision.alternatives
        ],
        item=ItemShape(key=item.key, name=item.name) if item else None,
        place=_place(masters, place),
        place_notes=list(place.notes),
        precedents=offered,
        at=told.at,
        releases=dict(masters.vector),
    )


def _unit(masters: Masters, code: str) -> PreviewUnit:
    row = masters.organizations.by_code(code)
    return PreviewUnit(code=code, name=row.name if row else code, duty_phone=row.duty_phone if row else "")


def _place(masters: Masters, place: Location) -> PlaceShape:
    codes: Sequence[str | None] = (place.district_code, place.street_code, place.community_code)
    areas = (masters.places.area(code) for code in codes if code)
    return PlaceShape(
        district_code=place.district_code,
        street_code=place.street_code,
        community_code=place.community_code,
        name="".join(area.name for area in areas if area),
        cell_id=place.cell_id,
        duty_grid_code=place.duty_grid_code,
        lon_lat=place.lon_lat_cgcs2000,
    )
