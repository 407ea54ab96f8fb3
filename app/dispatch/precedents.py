"""裁决先例: when a ruling is offered for another event, and the rule of the catalogue that it would make. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.accounts.organizations import Organizations
from app.clocks.calendar import CHINA_TIME
from app.dispatch.disputes import decision, may_work
from app.dispatch.routing import Decision
from app.dispatch.rows import RoutingRuleRow
from app.events.aggregate import Act, EventAggregate
from app.events.dispute_tables import Dispute, Precedent
from app.events.tables import Event

_BASIS_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Taught:
    """A precedent with the number of the event that was ruled."""

    row: Precedent
    event_no: str


@dataclass(frozen=True, slots=True)
class Case:
    """What a precedent is looked for: the item, the areas from narrow to wide, and who may not lead."""

    item_id: int | None
    areas: tuple[str, ...]
    accused: frozenset[int] = frozenset()


def areas_of(street_code: str | None, district_code: str | None, city_code: str) -> tuple[str, ...]:
    """The division codes for which a precedent may have been made, the narrowest first."""
    return tuple(dict.fromkeys(code for code in (street_code, district_code, city_code) if code))


def case_of(event: Event, city_code: str) -> Case:
    """The event as precedents are looked for."""
    areas = areas_of(event.street_code, event.district_code, city_code)
    return Case(event.item_id, areas, frozenset(event.accused_org_ids or ()))


def why_unfit(taught: Taught, case: Case, organizations: Organizations) -> str | None:
    """Why the precedent does not fit, as a sentence; None: it does."""
    row = taught.row
    if row.ended_at is not None:
        return "该先例已停用。"
    if row.item_id != case.item_id:
        return "该先例的事项与本事件不同。"
    if row.area_code not in case.areas:
        return "该先例的区域与本事件不同。"
    if not may_work(row.unit_id, case.accused, organizations):
        return f"该先例的承办单位{organizations.name(row.unit_id)}已停用或为被举报单位。"
    return None


def fitting(found: Iterable[Taught], case: Case, organizations: Organizations) -> list[Taught]:
    """Those that fit, of the narrowest area for which there are any; the newest first."""
    fit = [taught for taught in found if why_unfit(taught, case, organizations) is None]
    for area in case.areas:
        here = [taught for taught in fit if taught.row.area_code == area]
        if here:
            return sorted(here, key=lambda taught: (taught.row.ruled_at, taught.row.id), reverse=True)
    return []


def followed(taught: Taught, case: Case, organizations: Organizations) -> Decision:
    """The decision to do as was ruled then; a unit that may not help any more is left out."""
    row = taught.row
    helping = [unit for unit in row.supporting_ids if may_work(unit, case.accused, organizations)]
    # Whose event it was that was ruled then is the centre's to know: units read this sentence.
    sentence = f"参照 {_ruled_on(taught)} 的裁决（先例 {row.id} 号），由{organizations.name(row.unit_id)}承办。"
    return decision("precedent", row.unit_id, helping, sentence, organizations)


def teach(
    aggregate: EventAggregate,
    act: Act,
    dispute: Dispute,
    decided: Decision,
    case: Case,
    overruled: Iterable[Precedent],
    *,
    summary: str,
    by: str,
) -> Precedent | None:
    """Keeps a ruling for the next time, in place of those before it.

    None: without an item it says nothing, and of an accusation nobody but who rules may learn.
    """
    if case.item_id is None or aggregate.event.demand_type == "accusation":
        return None
    for row in overruled:
        aggregate.change(row, ended_at=act.at, ended_by=by)
    return aggregate.new(
        Precedent,
        jurisdiction_id=aggregate.event.jurisdiction_id,
        item_id=case.item_id,
        area_code=case.areas[0],
        unit_id=decided.unit_id,
        supporting_ids=list(decided.supporting_ids),
        event_id=aggregate.event.id,
        dispute_n=dispute.n,
        summary=summary,
        ruled_at=act.at,
    )


def rule_of(taught: Taught, item_key: str, organizations: Organizations) -> RoutingRuleRow:
    """The precedent as a rule of the catalogue, to be reviewed by people like any other.

    Raises ValueError (Chinese) when its unit is not in use any more.
    """
    row = taught.row
    if not may_work(row.unit_id, (), organizations):
        raise ValueError(f"先例的承办单位{organizations.name(row.unit_id)}已停用，不能写入派单目录。")
    standard_ref, kind, code = _parts(item_key)
    return RoutingRuleRow.model_validate(
        {
            "rule_no": f"P{row.id}",
            "standard_ref": standard_ref,
            "kind": kind,
            "code": code,
            "area_code": row.area_code,
            "lead_unit": organizations.code_of(row.unit_id),
            "supporting_units": [
                organizations.code_of(unit) for unit in row.supporting_ids if may_work(unit, (), organizations)
            ],
            "step": "territorial",
            "basis": f"{_ruled_on(taught)} 的裁决（先例 {row.id} 号）：{row.summary}"[:_BASIS_MOST],
        }
    )


def _parts(item_key: str) -> Sequence[str]:
    # A standard's reference may have slashes of its own, as in GB/T 47678.5-2026.
    return item_key.rsplit("/", 2)


def _ruled_on(taught: Taught) -> str:
    return f"{taught.row.ruled_at.astimezone(CHINA_TIME):%Y-%m-%d}"
