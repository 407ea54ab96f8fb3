"""Reports like past events, really sent again after a draft was published: what was foretold against what is stored.

They go through the whole API into the database, the clock moved on by whole weeks: the same weekday, the same time of
day. The simulation's word is that of masters that were built from the draft, before anyone published it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import text
from uvicorn.importer import import_from_string

from app.accounts.tokens import ClientSubject
from app.commands.city import City
from app.core.errors import Unavailable
from app.core.timing import MovableClock, use_clock
from app.masters import Masters
from app.masters.simulation import decide_again
from app.runtime import Runtime
from app.supervision.past_matters import PastMatter

#: how many are compared
SAMPLE: Final = 200
_CHANNEL: Final = "hotline-12345"
_URGENCY: Final = {"normal": "一般", "urgent": "紧急", "critical": "特急"}
_WEEK: Final = timedelta(weeks=1)
_FACTS: Final = ("item", "level", "areas", "channel", "urgency", "cell")

_CLIENT: Final = text("SELECT id, token_version FROM machine_client WHERE jurisdiction_id = :j AND code = :code")
_STORED: Final = text(
    "SELECT data FROM timeline WHERE event_id = :id AND act IN ('dispatch', 'undecided') ORDER BY n LIMIT 1"
)


@dataclass(slots=True)
class SentAgain:
    """What came of it. ``joined``: reports that joined another one's event; ``other_facts``: understood otherwise."""

    compared: int = 0
    moved: int = 0
    joined: int = 0
    other_facts: int = 0
    others: list[str] = field(default_factory=list)


def can_be_sent(past: PastMatter) -> bool:
    """Whether a call on the hotline can tell all that routing knew of it."""
    event = past.event
    placed = event.lon is not None or (event.component_id is None and event.district_code is not None)
    told = event.channel == _CHANNEL and event.item_id is not None and not event.accused_org_ids
    return told and placed and not (past.left_to_people or past.raised or event.demand_type == "accusation")


async def send_again(
    runtime: Runtime,
    city: City,
    draft: Masters,
    sample: Sequence[tuple[PastMatter, bool]],
    until_at: datetime,
    tell: Callable[[int], None],
) -> SentAgain:
    """``sample``: past events, each with whether it was foretold to move. ``draft``: the masters that foretold it."""
    found = SentAgain()
    app = import_from_string("app.main:create_app")(runtime=runtime)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench/api/v1")
    moments = [(past.at + _WEEK * math.ceil((until_at - past.at) / _WEEK), past, moved) for past, moved in sample]
    clock = MovableClock(until_at)
    async with http:
        with use_clock(clock):
            for n, (at, past, moved) in enumerate(sorted(moments, key=lambda each: each[0])):
                if found.compared == SAMPLE:
                    break
                clock.set(at)
                token = await _token(runtime, city)  # days go by: no token lasts
                answer = await http.post(
                    f"/intake/{_CHANNEL}",
                    json=_message(draft, past, n, until_at),
                    headers={"Authorization": f"Bearer {token}"},
                )
                if answer.status_code != 201:
                    raise Unavailable(f"重报被拒绝：{answer.status_code} {answer.text[:400]}")
                await _compare(runtime, draft, replace(past, at=at), answer.json(), found, moved=moved)
                tell(1)
    return found


def _message(masters: Masters, past: PastMatter, n: int, told_at: datetime) -> dict[str, Any]:
    event = past.event
    told: dict[str, Any] = {
        "orderNum": f"AGAIN{n:06d}",
        "callTime": told_at.isoformat(),
        "orderType": "求助",
        "title": "测量",
        "content": "测量",
        "class1": masters.item_keys[event.item_id] if event.item_id is not None else None,
        "urgency": _URGENCY[event.urgency],
        "componentId": event.component_id,
    }
    if event.lon is not None:
        told |= {"lon": event.lon, "lat": event.lat, "crs": "cgcs2000"}
    else:
        told["areaCode"] = event.community_code or event.street_code or event.district_code
    return {name: value for name, value in told.items() if value is not None}


async def _compare(
    runtime: Runtime, draft: Masters, past: PastMatter, answer: Mapping[str, Any], found: SentAgain, *, moved: bool
) -> None:
    if answer["outcome"] != "created":
        found.joined += 1
        return
    async with runtime.sessions() as session:
        real = await session.scalar(_STORED, {"id": UUID(answer["event_id"])})
    if real is None or not _same_facts(draft, past, real["facts"]):
        found.other_facts += 1
        return
    said = decide_again(draft, replace(past, load=real["facts"].get("load", {})))
    found.compared += 1
    found.moved += moved
    if (real["unit"], real["step"], real["rule_no"], real["clause_no"]) != said[:4]:
        found.others.append(f"{past.event.event_no}：推演 {said[:4]}，真实重报 {real['unit']}、{real['rule_no']}")


def _same_facts(masters: Masters, past: PastMatter, facts: Mapping[str, Any]) -> bool:
    """Whether the intake understood it as the past event stands: only then is it a report like it."""
    event = past.event
    areas = [code for code in (event.district_code, event.street_code, event.community_code) if code]
    item = masters.item_keys[event.item_id] if event.item_id is not None else None
    told = (item, event.level, areas or None, event.channel, event.urgency, event.cell_id)
    return tuple(facts.get(name) for name in _FACTS) == told


async def _token(runtime: Runtime, city: City) -> str:
    async with runtime.sessions() as session:
        row = (await session.execute(_CLIENT, {"j": city.jurisdiction_id, "code": _CHANNEL})).one()
    token, _ = runtime.tokens.issue(
        ClientSubject(row.id), jurisdiction_id=city.jurisdiction_id, token_version=row.token_version
    )
    return token
