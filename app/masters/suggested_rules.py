"""From people's dispatches to suggested routing rules, and from accepted ones to a draft, never further."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.core import releases
from app.core.errors import NotFound
from app.core.releases import DraftOutcome
from app.dispatch.learning import Circumstances, PastDecision
from app.dispatch.routing import Decision, Matter, Router, steps_in_order
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.suggestions import Bar, Decider, Names, Suggestion, suggestions
from app.masters.kinds import KINDS
from app.masters.masters import Masters
from app.masters.publishing import put_file
from app.masters.routing import workday
from app.masters.validation import MasterFile
from app.supervision.past_dispatches import PastDispatch, read_past_dispatches

_KINDS = ("routing-rules", "routing-steps", "duty-list", "components")


async def find_suggestions(
    session: AsyncSession, masters: Masters, *, since_at: datetime | None = None, bar: Bar | None = None
) -> tuple[list[Suggestion], int]:
    """Suggestions against the catalogue in force, and how many dispatches they were looked for in.

    ``since_at``: only events received since then; None: all that are read at most. Changes nothing.
    """
    past = await read_past_dispatches(session, masters.jurisdiction_id, since_at=since_at)
    documents = {
        kind: await releases.documents_of(session, masters.vector[kind]) if kind in masters.vector else []
        for kind in _KINDS
    }
    return await asyncio.to_thread(_suggest, past, documents, masters, bar or Bar()), len(past)


async def accept(
    session: AsyncSession, jurisdiction_id: int, found: Sequence[Suggestion], numbers: Collection[str], *, by: str
) -> DraftOutcome:
    """Lays the suggestions with these numbers over the draft of the catalogue, or begins one.

    Raises NotFound (Chinese) for a number that is not among ``found``; then nothing is written.
    """
    by_number = {each.number: each for each in found}
    if unknown := sorted(set(numbers) - by_number.keys()):
        raise NotFound(f"没有编号为 {'、'.join(unknown)} 的派单规则建议，可能依据已有变化，请重新列出")
    rows: dict[str, BaseModel] = {by_number[number].row.key: by_number[number].row for number in sorted(numbers)}
    return await put_file(session, jurisdiction_id, MasterFile("routing-rules", "patch", rows), by=by)


def _suggest(
    past: Sequence[PastDispatch], documents: Mapping[str, Sequence[str]], masters: Masters, bar: Bar
) -> list[Suggestion]:
    rows: dict[str, list[Any]] = {
        kind: [KINDS[kind].model.model_validate_json(each) for each in texts] for kind, texts in documents.items()
    }
    steps = steps_in_order(rows["routing-steps"])
    matters: dict[str, Matter] = {}
    history: list[PastDecision] = []
    for each in past:
        known = past_of(each, masters)
        if known is not None:
            history.append(known)
            matters[each.event_no] = _matter_of(each, known.seen, masters)

    def decider_of(rules: Sequence[RoutingRuleRow]) -> Decider:
        router = Router(
            rules, masters.organizations, components=rows["components"], duties=rows["duty-list"], steps=steps
        )

        def decide(asked: PastDecision) -> Decision:
            return router.decide(matters[asked.ref])

        return decide

    return suggestions(
        history,
        rows["routing-rules"],
        decider_of,
        usable={
            row.code: row.area_code
            for row in masters.organizations.rows
            if row.active and row.org_type != "coordination_desk"
        },
        names=Names(
            units={row.code: row.name for row in masters.organizations.rows},
            areas={code: _area_name(masters, code) for known in history for code in known.seen.areas},
        ),
        bar=bar,
    )


def _area_name(masters: Masters, code: str) -> str:
    area = masters.places.area(code)
    return area.name if area else code


def past_of(past: PastDispatch, masters: Masters) -> PastDecision | None:
    """What can be learned from; None for an item that today's list does not have any more."""
    item = masters.items.item(masters.item_keys.get(past.item_id, ""))
    if item is None:
        return None
    seen = Circumstances(
        item_key=item.key,
        major_code=item.major_code,
        domain=past.domain or "",
        areas=tuple(code for code in (past.district_code, past.street_code, past.community_code) if code),
        channel=past.channel,
        on=past.dispatched_at.astimezone(CHINA_TIME).date(),
        item_name=item.name,
        major_name=item.major_name,
        domain_name=past.domain or "",
    )
    return PastDecision(past.event_no, seen, past.unit, past.by_person)


def _matter_of(past: PastDispatch, seen: Circumstances, masters: Masters) -> Matter:
    return Matter(
        item_key=seen.item_key,
        major_code=seen.major_code,
        domain=seen.domain,
        level=past.level,
        areas=seen.areas,
        channel=seen.channel,
        item_name=seen.item_name,
        urgency=past.urgency,
        at=past.dispatched_at,
        workday=workday(masters, past.dispatched_at),
        component_id=past.component_id,
        cell_id=past.cell_id,
        on_duty=masters.places.staffed_by(past.cell_id, past.community_code),
    )
