"""``/dispatch/disputes`` and ``/dispatch/precedents``: what units argue about, and what earlier rulings teach."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.accounts.access import user_of
from app.acts import precedent_acts
from app.acts.action import Words
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.dispute_shapes import PrecedentShape, precedent_shape
from app.api.events import seen_event
from app.api.problems import RESPONSES
from app.api.shapes import (
    CityTime,
    ListedEvent,
    PageShape,
    Shape,
    UnitShape,
    answer,
    listed_values,
    names_of,
    unit_values,
)
from app.core.errors import Malformed
from app.dispatch.precedents import areas_of, case_of, fitting
from app.events.visibility import Sight
from app.supervision import disputes_list, precedents
from app.supervision.disputes_list import DisputeQuery

router = APIRouter(prefix="/dispatch", tags=["dispatch 派单"], responses=RESPONSES)

_READERS: Final = ("shift_leader", "dispatcher", "adjudicator", "supervisor", "quality_reviewer", "knowledge_editor")


class StanceShape(Shape):
    """One unit of a negotiation and what it says."""

    unit: UnitShape | None
    stance: str | None = Field(description="ours、not_ours、shared；空为尚未表态")


class DisputeInList(ListedEvent):
    """An open dispute with what a list tells of its event."""

    event_id: UUID
    event_state: str = Field(description="事件状态")
    lead_unit: UnitShape | None = Field(description="现在的主办单位")
    n: int = Field(description="争议在事件中的序号")
    state: str = Field(description="negotiating 会商中、ruling 待裁决")
    cause: str = Field(description="second_return 多次退单、dispatcher 由中心提请")
    acting_unit: UnitShape | None = Field(description="先行办理的单位")
    parties: list[StanceShape] = Field(description="参加会商的单位")
    opened_at: CityTime = Field(description="何时提出")
    due_at: CityTime | None = Field(description="会商或裁决的期限")


@router.get("/disputes", summary="未决的管辖争议", response_model=PageShape[DisputeInList])
async def list_disputes(who: ReaderDep, query: Annotated[DisputeQuery, Query()]) -> Response:
    """Open disputes of the events that the asker sees, those of the newest event first."""
    masters = who.masters
    sight = Sight.of(who.asker, masters.organizations)
    page = await disputes_list.list_disputes(who.session, sight, query, names_of(masters))
    items = [
        listed_values(masters, row, sight.list_stand(row))
        | {
            "event_id": row.event_id,
            "event_state": row.event_state,
            "lead_unit": unit_values(masters, row.lead_unit_id),
            "n": row.n,
            "state": row.state,
            "cause": row.cause,
            "acting_unit": unit_values(masters, row.acting_unit_id),
            "parties": [{"unit": unit_values(masters, unit), "stance": stance} for unit, stance in row.parties or ()],
            "opened_at": row.opened_at,
            "due_at": row.due_at,
        }
        for row in page.items
    ]
    return answer({"items": items, "next": page.next})


@router.get("/precedents", summary="裁决先例")
async def list_precedents(
    who: ReaderDep,
    item: Annotated[str | None, Query(max_length=200, description="事项键：标准/类别/编号")] = None,
    area_code: Annotated[
        str | None, Query(pattern=r"^(?:[0-9]{6}|[0-9]{9}|[0-9]{12})$", description="区划代码（6、9 或 12 位）")
    ] = None,
    event_id: Annotated[UUID | None, Query(description="按这一事件的事项和地点；不与另两项同填")] = None,
) -> list[PrecedentShape]:
    """Precedents in force, the newest first: all of them, of an item, of an area with what it lies in.

    For an event, or an item and an area: those that fit it, of the narrowest area for which there are any.
    """
    who.asker.require(*_READERS)
    session, masters = who.session, who.masters
    jurisdiction_id, organizations = who.asker.jurisdiction_id, masters.organizations
    if event_id is not None:
        if item is not None or area_code is not None:
            message = "event_id 不与 item、area_code 同填。"
            raise Malformed(message, faults=[{"path": "event_id", "message": message}])
        aggregate, _ = await seen_event(who, event_id)
        case = case_of(aggregate.event, masters.jurisdiction_code)
        found = fitting(
            await precedents.of_item(session, jurisdiction_id, case.item_id, case.areas), case, organizations
        )
        return [precedent_shape(masters, taught) for taught in found]
    if item is not None and item not in masters.item_ids:
        message = f"没有事项 {item}。"
        raise Malformed(message, faults=[{"path": "item", "message": message}])
    areas = None
    if area_code is not None:
        street = area_code[:9] if len(area_code) >= 9 else None
        areas = areas_of(street, area_code[:6], masters.jurisdiction_code)
    item_id = masters.item_ids[item] if item is not None else None
    found = await precedents.live(session, jurisdiction_id, item_id=item_id, areas=areas)
    return [precedent_shape(masters, taught) for taught in found]


PrecedentId = Annotated[int, Path(ge=1, lt=2**63, description="先例编号")]


class DraftedShape(Shape):
    """The draft that the precedent was written into; it decides nothing until it is published."""

    id: int = Field(description="先例编号")
    draft_number: int | None = Field(description="草稿版次；空为派单目录已是如此")
    added: int = Field(description="草稿比生效的版多出的规则")
    changed: int = Field(description="草稿改动的规则")


@router.post("/precedents/{id}/actions/draft-rule", summary="把先例写入派单目录草稿")
async def draft_rule(session: WriteSession, token: TokenDep, runtime: RuntimeDep, id: PrecedentId) -> DraftedShape:
    """Lays the precedent as a rule over the draft of the catalogue; a second person reviews and publishes it."""
    asker = await user_of(session, token)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    outcome = await precedent_acts.draft_rule(session, asker, masters, id)
    number = outcome.draft.number if outcome.draft else None
    return DraftedShape(id=id, draft_number=number, added=outcome.added, changed=outcome.changed)


class EndPrecedent(BaseModel):
    """Why a precedent is offered no longer."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(description="停用的理由，记入所裁决事件的时间线")


@router.post("/precedents/{id}/actions/end", summary="停用先例")
async def end_precedent(
    session: WriteSession, token: TokenDep, runtime: RuntimeDep, id: PrecedentId, body: EndPrecedent
) -> PrecedentShape:
    """It is offered no longer; what was decided by it stays as it is."""
    asker = await user_of(session, token)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    taught = await precedent_acts.end(session, runtime.keyring, asker, masters, id, reason=body.reason)
    return precedent_shape(masters, taught)
