"""What can be done about whose job it is: negotiation 会商, position, ruling 裁决, who acts first."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app import disputes
from app.acts.action import ActBody, Action, Case, Words
from app.acts.naming import DESK, may_lead, not_accused, unit_id
from app.acts.order_acts import Reason
from app.core.errors import Conflict, Malformed
from app.dispatch import disputes as rules
from app.dispatch import precedents
from app.events.aggregate import EventAggregate
from app.events.tables import Event
from app.events.visibility import accused_unknown
from app.masters import Masters
from app.supervision import precedents as kept

#: who speaks for a unit
_SPEAKERS = ("unit_liaison",)
#: states in which somebody can be given the lead
_UNSETTLED = ("analyzing", "handling")

# Without the one character that PostgreSQL does not store: the check of ``ActBody`` does not look into lists.
UnitCode = Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,64}$")]


class OpenNegotiation(ActBody):
    """提请会商."""

    units: list[UnitCode] = Field(
        min_length=2, max_length=10, description="参加会商的单位代码；现在的主办单位总是参加，可不列出"
    )
    acting_unit: UnitCode | None = Field(None, description="会商期间先行办理的单位代码；不填则维持现状")
    reason: Words | None = Field(None, description="提请会商的理由")


class StatePosition(Reason):
    """表明意见."""

    stance: Literal["ours", "not_ours", "shared"] = Field(
        description="ours 属本单位、not_ours 不属本单位、shared 本单位承担一部分"
    )
    suggested_unit: UnitCode | None = Field(None, description="认为应由哪个单位承办（代码）")
    unit: UnitCode | None = Field(None, description="代表哪个单位（代码）；您可代表几个参加单位时填写")


class ActFirst(Reason):
    """先行办理."""

    unit: UnitCode = Field(description="争议期间先行办理的单位代码")


class RuleJurisdiction(ActBody):
    """裁决."""

    unit: UnitCode = Field(description="主办单位代码")
    supporting: list[UnitCode] = Field(default_factory=list, max_length=10, description="协办单位代码")
    grounds: Words = Field(description="裁决理由")
    precedent: bool | None = Field(
        None,
        description="是否作为先例，供同一事项、同一区域以后派单时参照；不填为是；事项未定的、举报件的裁决不作先例",
    )
    summary: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None,
        description="作为先例时必填：这次裁决说明的规则；只写事项、地点和单位的职责，不得写入任何人的姓名和联系方式",
    )
    anew: bool = Field(False, description="该事件已有裁决、现在重新裁决时填 true")


# --- who is named -------------------------------------------------------------------------------------------------


def _units(case: Case, codes: list[str], field: str) -> list[int]:
    found = [not_accused(case, unit_id(case, code, field), field) for code in dict.fromkeys(codes)]
    return [unit for unit in found if unit is not None]


def _unit(case: Case, code: str, field: str = "unit") -> int:
    return _units(case, [code], field)[0]


def _open_negotiation(case: Case, body: OpenNegotiation) -> None:
    units = _units(case, body.units, "units")
    lead = case.aggregate.lead
    if len({*units, *([lead.unit_id] if lead else [])}) < 2:
        message = "会商至少须有两个单位参加。"
        raise Malformed(message, faults=[{"path": "units", "message": message}])
    acting = _unit(case, body.acting_unit, "acting_unit") if body.acting_unit is not None else None
    disputes.open_negotiation(case.turn, units, acting=acting, reason=body.reason)


def _state_position(case: Case, body: StatePosition) -> None:
    suggested = unit_id(case, body.suggested_unit, "suggested_unit")
    unit = _spoken_for(case, body.unit)
    _speak_as(case, unit)
    disputes.state_position(case.turn, unit, body.stance, suggested=suggested, reason=body.reason)


def _spoken_for(case: Case, code: str | None) -> int:
    """The unit for which somebody speaks: the one that they name, else their own, else the only one."""
    assert case.asker is not None  # noqa: S101 - only people take part in a negotiation
    theirs = case.asker.units(case.organizations, _SPEAKERS)
    mine = [unit for unit in rules.party_units(case.aggregate) if unit in theirs]
    if code is not None:
        mine = [unit for unit in mine if unit == unit_id(case, code)]
    elif case.asker.org_id in mine:
        mine = [case.asker.org_id]
    if len(mine) != 1:
        message = "请填写您代表的、参加会商的单位代码 unit。"
        raise Malformed(message, faults=[{"path": "unit", "message": message}])
    return mine[0]


def _speak_as(case: Case, unit: int) -> None:
    """Who speaks for several units acts for the one that they speak for, in the seat by which they may."""
    assert case.asker is not None  # noqa: S101 - as above
    for principal, seats in case.asker.capacities():
        role = next((role for role in _SPEAKERS if unit in seats.units(case.organizations, (role,))), None)
        if role is not None:
            case.act_as(role, unit, principal)
            return


def _refer(case: Case, body: Reason) -> None:
    disputes.refer_to_ruling(case.turn, reason=body.reason)


def _act_first(case: Case, body: ActFirst) -> None:
    disputes.act_first(case.turn, _unit(case, body.unit), reason=body.reason)


# --- the ruling ---------------------------------------------------------------------------------------------------


async def _read_standing(session: AsyncSession, case: Case, body: RuleJurisdiction) -> None:
    """The precedents that the ruling would replace."""
    event = case.aggregate.event
    if event.item_id is not None and _teaches(event, body):
        area = precedents.case_of(event, case.turn.masters.jurisdiction_code).areas[0]
        case.fetched["overruled"] = await kept.standing(session, event.jurisdiction_id, event.item_id, area)


def _teaches(event: Event, body: RuleJurisdiction) -> bool:
    """Whether it is kept for the next time. Raises ``Malformed`` where it must not be: precedents are widely read."""
    if event.demand_type == "accusation" and body.precedent:
        message = "举报件的裁决不作先例：先例可供查阅，会使被举报单位知悉；请将 precedent 填为 false，或不填。"
        raise Malformed(message, faults=[{"path": "precedent", "message": message}])
    return body.precedent is not False and event.demand_type != "accusation"


def _rule(case: Case, body: RuleJurisdiction) -> None:
    assert case.asker is not None  # noqa: S101 - only people rule
    aggregate, lead = case.aggregate, case.aggregate.lead
    teaches = _teaches(aggregate.event, body)
    if teaches and body.summary is None and aggregate.event.item_id is not None:
        message = "作为先例的裁决须写明其规则 summary；不作先例的，请将 precedent 填为 false。"
        raise Malformed(message, faults=[{"path": "summary", "message": message}])
    ruled = rules.why_bound(aggregate, lead, case.organizations) if lead is not None else None
    if aggregate.dispute is None and ruled is not None and not body.anew:
        # Two adjudicators at the same moment: the second one must know that it has been ruled.
        raise Conflict(f"{ruled}确要重新裁决的，请将 anew 填为 true。", state=aggregate.event.state)
    leads = _unit(case, body.unit)
    may_lead(case, leads, ruled=True)
    ruling = disputes.Ruling(
        unit_id=leads,
        supporting_ids=_units(case, body.supporting, "supporting"),
        grounds=body.grounds,
        summary=body.summary if teaches else None,
        by=case.asker.username,
    )
    disputes.rule(case.turn, ruling, case.fetched.get("overruled", ()))


# --- whether it is possible now ------------------------------------------------------------------------------------


def _disputed(*states: str) -> Callable[[EventAggregate, Event], bool]:
    return lambda aggregate, _: aggregate.dispute is not None and aggregate.dispute.state in states


def _undisputed(aggregate: EventAggregate, _: Event) -> bool:
    return aggregate.dispute is None


def _no_negotiation(masters: Masters, aggregate: EventAggregate, _: Event) -> str | None:
    if accused_unknown(aggregate.event):
        return "举报件尚未确定被举报单位，不能让其他单位知悉；请先更正被举报单位，或请裁决员直接裁决。"
    lead = aggregate.lead
    return rules.why_bound(aggregate, lead, masters.organizations) if lead is not None else None


DISPUTE_EVENT_ACTIONS: tuple[Action, ...] = (
    Action(
        "open_negotiation",
        "提请会商",
        _open_negotiation,
        OpenNegotiation,
        centre=DESK,
        states=_UNSETTLED,
        offered=_undisputed,
        refusal=_no_negotiation,
        needs_reports=False,
    ),
    Action(
        "state_position",
        "表明意见",
        _state_position,
        StatePosition,
        unit=_SPEAKERS,
        of_party=True,
        states=_UNSETTLED,
        offered=_disputed("negotiating"),
        needs_reports=False,
    ),
    Action(
        "refer_to_ruling",
        "提请裁决",
        _refer,
        Reason,
        centre=DESK,
        states=_UNSETTLED,
        offered=_disputed("negotiating"),
        needs_reports=False,
    ),
    Action(
        "act_first",
        "指定先行办理",
        _act_first,
        ActFirst,
        centre=(*DESK, "adjudicator"),
        states=_UNSETTLED,
        offered=_disputed("negotiating", "ruling"),
        needs_reports=False,
    ),
    Action(
        "rule_jurisdiction",
        "裁决",
        _rule,
        RuleJurisdiction,
        centre=("adjudicator",),
        states=_UNSETTLED,
        impartial=True,
        fetch=_read_standing,
        needs_reports=False,
    ),
)
