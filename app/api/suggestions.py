"""``/dispatch/suggestions``: what people's dispatches say against the catalogue, and taking some of it into a draft."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field

from app.accounts.access import Asker, user_of
from app.api.dependencies import Reader, ReaderDep, RuntimeDep, TokenDep, WriteSession
from app.api.problems import RESPONSES
from app.api.release_shapes import LostShape
from app.api.shapes import Shape, UnitShape
from app.core.errors import Forbidden, TooMany
from app.dispatch.rows import RoutingRuleRow
from app.dispatch.suggestions import Suggestion
from app.masters.suggested_rules import accept, find_suggestions

router = APIRouter(prefix="/dispatch/suggestions", tags=["dispatch 派单"], responses=RESPONSES)

_READERS: Final = ("shift_leader", "dispatcher", "adjudicator", "supervisor")
_ACCEPTING: Final = ("shift_leader", "adjudicator")
#: going through 20,000 dispatches takes seconds: one at a time in a process
_looking = asyncio.Lock()

ReceivedFrom = Annotated[AwareDatetime | None, Query(description="只看这一时刻起收到的事件；缺省为最近 20,000 件")]


class SuggestionShape(Shape):
    """One proposed rule with its evidence; nothing is in force by it."""

    id: str = Field(description="建议编号：条件和单位不变则不变")
    sentence: str = Field(description="建议的依据，一句话")
    unit: UnitShape = Field(description="建议的主办单位")
    support: int = Field(description="由该单位承办的件数")
    cases: int = Field(description="同类件数")
    confidence: float = Field(description="由该单位承办的占比，0–1")
    certain_share: float = Field(description="该占比的下限，95% 把握")
    examples: list[str] = Field(description="由该单位承办的事件编号，最多五个")
    counter_examples: list[str] = Field(description="由其他单位承办的事件编号，最多五个")
    catalogue_unit: UnitShape | None = Field(description="派单目录现在派给谁；空为交人决定")
    catalogue_rule: str | None = Field(description="派单目录现在的规则编号")
    catalogue_right: int = Field(description="同类中派单目录现在派得对的件数")
    right_with_it: int = Field(description="采纳后派得对的件数")
    replaces: str | None = Field(description="代替的规则编号；空为新增")
    rule: RoutingRuleRow = Field(description="采纳后写入草稿的规则")


class SuggestionsShape(Shape):
    """What was found, the most useful first."""

    looked_at: int = Field(description="看过的派单件数")
    items: list[SuggestionShape]


class AcceptedShape(Shape):
    """The draft that the suggestion was written into; it decides nothing until it is published."""

    id: str = Field(description="建议编号")
    draft_number: int | None = Field(description="草稿版次；空为派单目录已是如此")
    added: int = Field(description="草稿比生效的版多出的规则")
    changed: int = Field(description="草稿改动的规则")
    lost: LostShape = Field(description="原有草稿因此失去的复核和定时")


def _require(asker: Asker, roles: tuple[str, ...]) -> None:
    """Suggestions speak of events everywhere, so the seat must be for all of the jurisdiction."""
    if asker.jurisdiction_code not in asker.areas(roles):
        raise Forbidden(
            "派单规则建议只对全辖区的值班长、派遣员、裁决员和督办员开放，采纳须为值班长或裁决员。", needs=list(roles)
        )


async def _found(who: Reader, received_from: AwareDatetime | None) -> tuple[list[Suggestion], int]:
    if _looking.locked():
        raise TooMany("正在比对派单与目录，请稍后再试。", retry_after_seconds=10)
    async with _looking:
        return await find_suggestions(who.session, who.masters, since_at=received_from)


@router.get("", summary="派单规则建议")
async def list_suggestions(who: ReaderDep, received_from: ReceivedFrom = None) -> SuggestionsShape:
    """What people did otherwise than the catalogue says, often enough; with examples. Writes nothing."""
    _require(who.asker, _READERS)
    found, looked_at = await _found(who, received_from)
    return SuggestionsShape(looked_at=looked_at, items=[_shape(each, who) for each in found])


@router.post("/{id}/accept", summary="采纳建议，写入派单目录草稿")
async def accept_suggestion(
    session: WriteSession,
    token: TokenDep,
    runtime: RuntimeDep,
    id: Annotated[str, Path(pattern=r"^L[0-9a-f]{8}$", description="建议编号")],
    received_from: ReceivedFrom = None,
) -> AcceptedShape:
    """Lays the rule over the draft of the catalogue; a second person reviews and publishes it. 404 once it is stale."""
    asker = await user_of(session, token)
    _require(asker, _ACCEPTING)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    found, _ = await _found(Reader(session, asker, masters), received_from)
    outcome = await accept(session, asker.jurisdiction_id, found, [id], by=asker.username)
    number = outcome.draft.number if outcome.draft else None
    return AcceptedShape(
        id=id,
        draft_number=number,
        added=outcome.added,
        changed=outcome.changed,
        lost=LostShape.of(outcome.lost),
    )


def _shape(found: Suggestion, who: Reader) -> SuggestionShape:
    def unit(code: str) -> UnitShape:
        return UnitShape(code=code, name=who.masters.organizations.name_of(code))

    same = (
        *("sentence", "support", "cases", "confidence", "certain_share", "examples", "counter_examples"),
        *("catalogue_rule", "catalogue_right", "right_with_it", "replaces"),
    )
    return SuggestionShape.model_validate(
        {
            **{name: getattr(found, name) for name in same},
            "id": found.number,
            "unit": unit(found.unit),
            "catalogue_unit": unit(found.catalogue_unit) if found.catalogue_unit else None,
            "rule": found.row,
        }
    )
