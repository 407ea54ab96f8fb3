"""``/dispatch/component-corrections``: wrong entries of the register of components, as the field reports them."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from app.accounts.access import Asker, user_of
from app.acts.action import Words
from app.acts.component_acts import Verdict, decide_correction
from app.api.dependencies import ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.problems import RESPONSES
from app.api.shapes import CityTime, Shape, UnitShape, order_id, parse_order_id, unit_shape
from app.core.errors import Forbidden
from app.dispatch.component_corrections import DUTIES_ZH
from app.events.visibility import Sight
from app.masters import Masters
from app.supervision.component_corrections import lost_corrections, open_corrections

router = APIRouter(prefix="/dispatch/component-corrections", tags=["dispatch 派单"], responses=RESPONSES)

_READERS: Final = ("shift_leader", "dispatcher", "adjudicator", "supervisor")
_DECIDING: Final = ("shift_leader", "adjudicator")


class CorrectionShape(Shape):
    """One entry that the field says is wrong."""

    id: str = Field(description="更正标识：事件标识.序号")
    event_id: UUID = Field(description="据以发现的事件")
    event_no: str = Field(description="事件编号")
    component_id: str = Field(description="部件标识码")
    duty: str = Field(description="哪一项：competent 主管、owner 权属、maintainer 养护")
    sentence: str = Field(description="一句话说明")
    registered: UnitShape | None = Field(description="现在登记的单位")
    unit: UnitShape | None = Field(description="应为哪个单位；空为不知道")
    not_in_force: bool = Field(description="已采纳，但既未生效也不在草稿中（草稿被丢弃、替换或已回退），可再次采纳")
    reported_by: UnitShape | None = Field(description="由哪个单位报告")
    proposed_at: CityTime = Field(description="何时报告")


class CorrectionsShape(Shape):
    """What nobody has decided yet, the oldest first; behind it what was accepted and has got lost since."""

    items: list[CorrectionShape]


class DecisionBody(BaseModel):
    """The desk's word."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    unit: str | None = Field(None, max_length=64, description="采纳时：应为哪个单位（代码）；缺省为报告所说的单位")
    note: Words | None = Field(None, description="说明")


class DecidedShape(Shape):
    """The correction's new state, and the draft that it was written into; it decides nothing until it is published."""

    id: str = Field(description="更正标识")
    state: str = Field(description="accepted 已采纳、rejected 已驳回")
    draft_number: int | None = Field(description="部件登记的草稿版次；空为没有写入草稿")
    changed: int = Field(description="草稿改动的行数")


@router.get("", summary="待核定的部件权责更正")
async def list_corrections(who: ReaderDep) -> CorrectionsShape:
    """Entries that units in the field reported wrong: not decided yet, or accepted and yet nowhere any more."""
    _role(who.asker, _READERS)
    sight, ids = Sight.of(who.asker, who.masters.organizations), who.masters.organizations.id_of
    found = [_shape(who.masters, row, row.unit_id) for row in await open_corrections(who.session, sight)]
    for row in await lost_corrections(who.session, sight):
        found.append(_shape(who.masters, row, ids(row.unit) if row.unit else None, not_in_force=True))
    return CorrectionsShape(items=found)


@router.post("/{id}/actions/{action}", summary="核定部件权责更正：采纳写入部件登记草稿")
async def decide(
    session: WriteSession,
    token: TokenDep,
    runtime: RuntimeDep,
    id: Annotated[str, Path(description="更正标识：事件标识.序号")],
    action: Literal["accept", "reject"],
    body: DecisionBody | None = None,
) -> DecidedShape:
    """Accepted, the corrected row is laid over the draft of the register; a release puts it in force.

    One that was accepted and got lost with its draft can be accepted once more.
    """
    asker = await user_of(session, token)
    role = _role(asker, _DECIDING)
    event_id, n = parse_order_id(id)
    told = body or DecisionBody()
    verdict = Verdict(action, told.unit, told.note)
    state, draft = await decide_correction(session, runtime, asker, role, event_id, n, verdict)
    release = draft.draft if draft else None
    changed = draft.changed if draft else 0
    return DecidedShape(id=id, state=state, draft_number=release.number if release else None, changed=changed)


def _role(asker: Asker, roles: tuple[str, ...]) -> str:
    """The role in which they may. The register is the whole jurisdiction's, so the seat must be too."""
    for role in roles:
        if asker.jurisdiction_code in asker.areas((role,)):
            return role
    raise Forbidden(
        "部件权责更正只对全辖区的值班长、派遣员、裁决员和督办员开放，核定须为值班长或裁决员。", needs=list(roles)
    )


def _shape(masters: Masters, row: Any, unit_id: int | None, *, not_in_force: bool = False) -> CorrectionShape:
    entry = masters.router.components.find(row.component_id)
    code = getattr(entry, row.duty) if entry else ""
    registered = unit_shape(masters, masters.organizations.id_of(code)) if code else None
    unit = unit_shape(masters, unit_id)
    title = DUTIES_ZH[row.duty]
    now_as = f"登记为{registered.name}" if registered else "没有登记"
    should = f"应为{unit.name}" if unit else "不是该单位"
    lost = "；已采纳，尚未生效，也不在草稿中" if not_in_force else ""
    return CorrectionShape(
        id=order_id(row.event_id, row.n),
        event_id=row.event_id,
        event_no=row.event_no,
        component_id=row.component_id,
        duty=row.duty,
        sentence=f"部件 {row.component_id} 的{title}{now_as}，现场报告{should}{lost}。",
        registered=registered,
        unit=unit,
        not_in_force=not_in_force,
        reported_by=unit_shape(masters, row.by_unit_id),
        proposed_at=row.proposed_at,
    )
