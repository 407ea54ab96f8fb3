"""What units say of the register of components 部件登记, and what the desk makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import UNIT_ROLES, Asker
from app.acts.action import Action, Case
from app.acts.naming import unit_id
from app.acts.order_acts import Reason
from app.core.errors import Malformed, NotFound
from app.core.releases import DraftOutcome
from app.core.timing import now
from app.dispatch import component_corrections
from app.dispatch.component_corrections import Duty, Reported
from app.events.aggregate import Act, Actor
from app.events.store import lock_events, write_events
from app.events.visibility import Sight
from app.masters.component_drafts import correct_component
from app.runtime import Runtime
from app.supervision.component_corrections import lost_corrections
from app.turn import Turn


class ReportComponent(Reason):
    """报部件登记有误."""

    component: str | None = Field(None, max_length=64, description="部件标识码；不填则为事件所涉部件")
    duty: Duty = Field(description="哪一项有误：competent 主管、owner 权属、maintainer 养护")
    unit: str | None = Field(None, description="应为哪个单位（代码）；不填为不知道应是谁")


def _report(case: Case, body: ReportComponent) -> None:
    component_id = body.component or case.aggregate.event.component_id
    entry = case.turn.masters.router.components.find(component_id)
    if entry is None:
        message = f"部件 {component_id} 没有登记。" if component_id else "该事件没有部件标识码，请填写是哪个部件。"
        raise Malformed(message, faults=[{"path": "component", "message": message}])
    reported = Reported(entry, body.duty, unit_id(case, body.unit), body.unit)
    component_corrections.report(case.aggregate, case.order.n, reported, case.turn.act, reason=body.reason)


COMPONENT_ORDER_ACTIONS = (
    Action(
        "report_component",
        "报部件登记有误",
        _report,
        ReportComponent,
        unit=UNIT_ROLES,
        states=("dispatched", "signed", "handling", "reported_done"),
        needs_reports=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the desk makes of a correction. ``unit``: who it is, by code; None: whom the field named."""

    trigger: Literal["accept", "reject"]
    unit: str | None = None
    note: str | None = None


async def decide_correction(
    session: AsyncSession, runtime: Runtime, asker: Asker, role: str, event_id: UUID, n: int, verdict: Verdict
) -> tuple[str, DraftOutcome | None]:
    """Accepts or rejects a correction; returns its new state, and the draft that an accepted one was laid over.

    An accepted one that is neither in force nor in the draft is accepted again. Raises NotFound for one that is not
    the asker's to see, NotAllowedNow the second time, Malformed for an unknown
    unit, Conflict where it cannot become a row.
    """
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    aggregate = (await lock_events(session, [event_id])).get(event_id)
    seen = aggregate if aggregate and Sight.of(asker, masters.organizations).sees(aggregate) else None
    correction = next((each for each in seen.component_corrections if each.n == n), None) if seen else None
    if seen is None or correction is None:
        raise NotFound("没有这份部件权责更正，或不在您的权限范围内。")
    at = now()
    turn = Turn(masters, seen, Act(Actor("user", str(asker.user_id), role, asker.org_id), at, at))
    case = Case(turn=turn, subject=seen.event, asker=asker)
    unit_id(case, verdict.unit)
    named = masters.organizations.code_of(correction.unit_id) if correction.unit_id is not None else None
    unit = (verdict.unit or named) if verdict.trigger == "accept" else named
    lost: Sequence[Any] = ()
    if correction.state == "accepted" and verdict.trigger == "accept":
        lost = await lost_corrections(session, Sight.of(asker, masters.organizations), event_id=event_id, n=n)
    if lost:
        unit = verdict.unit or lost[0].unit
        component_corrections.accept_again(seen, correction, turn.act, unit=unit, note=verdict.note)
    else:
        component_corrections.decide(seen, correction, verdict.trigger, turn.act, unit=unit, note=verdict.note)
    draft: DraftOutcome | None = None
    if verdict.trigger == "accept":
        component_id, duty = correction.component_id, correction.duty
        draft = await correct_component(session, asker.jurisdiction_id, component_id, duty, unit, by=asker.username)
    turn.rest()
    await write_events(session, runtime.keyring, [seen])
    return correction.state, draft
