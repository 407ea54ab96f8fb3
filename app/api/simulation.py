"""``GET /releases/simulation``: who would get past events under the drafts, before anyone publishes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from app.api.dependencies import ReaderDep, RuntimeDep
from app.api.problems import RESPONSES
from app.api.release_seats import READING, require_everywhere
from app.api.shapes import CityTime, Shape, UnitShape
from app.core.errors import Malformed, TooMany
from app.core.timing import now
from app.dispatch.simulation import Share, Tally, most_moved
from app.masters import Masters
from app.masters.simulation import WhatIf, simulate, what_if
from app.supervision.past_matters import count_past_matters

router = APIRouter(tags=["masters 基础数据"], responses=RESPONSES)

#: more belong to the command, which shows how far it is
MOST_EVENTS: Final = 200_000
_MOST_LINES: Final = 50
#: far before any event, and far from the moments that no database can hold; likewise nothing is said beyond tomorrow
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
#: deciding takes the processor: one at a time in a process
_simulating = asyncio.Lock()


class SimulatedMove(Shape):
    """From whom to whom; no unit: people decide."""

    before: UnitShape | None = Field(description="现由谁承办；空为人工研判")
    after: UnitShape | None = Field(description="改由谁承办；空为人工研判")
    count: int
    examples: list[str] = Field(description="事件编号，前几件")


class SimulatedShare(Shape):
    """What would move of one item or of one street."""

    code: str | None = Field(description="事项键或街道代码；空为未定")
    name: str
    events: int
    moved: int
    to_people: int = Field(description="转人工研判的")
    from_people: int = Field(description="不再需要人工研判的")


class SimulationShape(Shape):
    """What would move if the drafts were published, measured by past events."""

    drafts: dict[str, int] = Field(description="参与推演的草稿：种类 → 第几版")
    since: CityTime
    until: CityTime
    events: int = Field(description="重派了多少件以往的事件")
    moved: int = Field(description="会换承办单位的，含转入、转出人工研判的")
    to_people: int
    from_people: int
    people_before: int = Field(description="现在须人工研判的")
    people_after: int = Field(description="按草稿须人工研判的")
    same_unit: int = Field(description="单位不变而依据改变的")
    other_support: int = Field(description="仅协办单位改变的")
    moves: list[SimulatedMove] = Field(description="从谁到谁，件数多的在前，最多 50 种")
    items: list[SimulatedShare] = Field(description="有变动的事项，最多 50 个")
    streets: list[SimulatedShare] = Field(description="有变动的街道，最多 50 个")
    rules_never_valid: list[str] = Field(description="草稿中在这段时间里从未生效的规则：推演看不出它们的作用")
    digest: str = Field(description="逐件结果的摘要（SHA-256）")


@router.get("/releases/simulation", summary="推演：按草稿重派以往的事件")
async def simulate_release(
    who: ReaderDep,
    runtime: RuntimeDep,
    since: Annotated[AwareDatetime, Query(description="从这一刻起收到的事件")],
    until: Annotated[AwareDatetime | None, Query(description="到这一刻为止；缺省为现在")] = None,
    kind: Annotated[list[str] | None, Query(description="草稿种类，可多个；缺省为全部影响派单的草稿")] = None,
) -> SimulationShape:
    """Decides past events twice, under what is in force and under the drafts, and writes nothing."""
    require_everywhere(who.asker, READING, "推演须为参与起草、复核或发布的席位")
    if since < _EARLIEST:
        raise Malformed("起始过早。", faults=[{"path": "since", "message": f"须不早于 {_EARLIEST.year} 年"}])
    until_at = min(until or now(), now() + timedelta(days=1))
    if until_at <= since:
        raise Malformed("起始须早于截止，也须早于现在。", faults=[{"path": "since", "message": "时段无效"}])
    if _simulating.locked():
        raise TooMany("正在推演另一份草稿，请稍后再试。", retry_after_seconds=30)
    async with _simulating:
        jurisdiction_id = who.asker.jurisdiction_id
        asked = await what_if(who.session, runtime.masters, jurisdiction_id, kind)
        count = await count_past_matters(who.session, jurisdiction_id, since, until_at)
        if count > MOST_EVENTS:
            message = f"这段时间有 {count} 件，一次最多推演 {MOST_EVENTS} 件；请缩短时段，或用 bihuan release simulate"
            raise Malformed(message, faults=[{"path": "since", "message": message}])
        tally = await simulate(who.session, asked, since, until_at)
    return _shape(asked, tally, since, until_at)


def _shape(asked: WhatIf, tally: Tally, since_at: datetime, until_at: datetime) -> SimulationShape:
    same = "events moved to_people from_people people_before people_after same_unit other_support digest"
    return SimulationShape(
        **{name: getattr(tally, name) for name in same.split()},
        drafts=dict(asked.numbers),
        since=since_at,
        until=until_at,
        moves=[
            SimulatedMove(
                before=_unit(asked.before, before),
                after=_unit(asked.after, after),
                count=move.count,
                examples=move.examples,
            )
            for (before, after), move in tally.most_moved()[:_MOST_LINES]
        ],
        items=[_share(key, share, asked.item_name(key)) for key, share in most_moved(tally.by_item)[:_MOST_LINES]],
        streets=[
            _share(code, share, asked.area_name(code)) for code, share in most_moved(tally.by_street)[:_MOST_LINES]
        ],
        rules_never_valid=asked.never_valid(tally),
    )


def _unit(masters: Masters, code: str | None) -> UnitShape | None:
    return UnitShape(code=code, name=masters.organizations.name_of(code)) if code else None


def _share(code: str | None, share: Share, name: str) -> SimulatedShare:
    numbers = {each: getattr(share, each) for each in ("events", "moved", "to_people", "from_people")}
    return SimulatedShare(code=code, name=name, **numbers)
