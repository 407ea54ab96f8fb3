"""The city of ``bihuan drill workers``: limits in continuous hours, a ladder for them, reports that lie a while back.

What must fire, and when, follows from ``STEPS`` by plain addition; the service gets the same ladder as published data
and works it out by its own arithmetic, so that the one checks the other.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, Final

import orjson
from sqlalchemy import text

from app import receiving
from app.accounts.tokens import ClientSubject
from app.clocks.ladder import DUE
from app.commands.city import City
from app.commands.harness.sample_messages import Samples
from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock, now, use_clock
from app.masters import publishing
from app.masters.kinds import KINDS, key_of
from app.runtime import Runtime

_CHANNEL: Final = "hotline-12345"
#: reports that arrive in one message, and so share their times
_TOGETHER: Final = 4

#: hours of each limit; continuous, so that the drill may be held at any time of the day
HOURS: Final = {
    "signing": 1,
    "first_contact": 1,
    "handling": 2,
    "citizen_total": 2,
    "acceptance": 1,
    "filing": 1,
    "dispatch": 1,
}
_POLICIES: Final = {
    "signing": ("sign_limit",),
    "first_contact": ("first_contact_limit",),
    "handling": tuple(f"handling_limit.{level}" for level in ("grid", "street", "district", "city")),
    "citizen_total": tuple(
        f"total_limit.{kind}"
        for kind in ("inquiry", "help", "complaint", "accusation", "suggestion", "praise", "finding")
    ),
    "acceptance": ("acceptance_limit",),
    "filing": ("filing_limit",),
    "dispatch": ("dispatch_limit",),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One rung as the drill sees it: so many minutes after the start of its clock."""

    minutes: int
    at: str
    action: str
    to: str


#: clock → rung → when it must fire
STEPS: Final[Mapping[str, Mapping[str, Step]]] = {
    "signing": {"half": Step(30, "50%", "remind", "unit")},
    "first_contact": {"near": Step(48, "80%", "remind", "unit")},
    "handling": {
        "near": Step(96, "80%", "remind", "unit"),
        "overdue": Step(120, "due", "urge", "unit|parent"),
        "overdue-1h": Step(180, "+1 urgent_hour", "escalate", "parent|desk"),
    },
    "citizen_total": {
        "near": Step(96, "80%", "remind", "unit|desk"),
        "overdue": Step(120, "due", "escalate", "parent|desk"),
    },
    "acceptance": {},
    "filing": {"overdue": Step(60, "due", "urge", "desk")},
    "dispatch": {"overdue": Step(60, "due", "urge", "desk")},
}
#: minutes after its start at which something of an event fires; twelve apart at least, which no drill lasts
_MOMENTS: Final = sorted(
    {step.minutes for steps in STEPS.values() for step in steps.values()} | {60 * hours for hours in HOURS.values()}
)
#: a drill must be over before the next moment of any event
APART: Final = timedelta(minutes=min(after - before for before, after in pairwise(_MOMENTS)))


def due_rungs(kind: str, started_at: datetime, until: datetime) -> dict[str, datetime]:
    """What of a clock of this kind must have fired by ``until``: rung → its time."""
    times = {rung: started_at + timedelta(minutes=step.minutes) for rung, step in STEPS[kind].items()}
    times[DUE.name] = started_at + timedelta(hours=HOURS[kind])
    return {rung: at for rung, at in times.items() if at <= until}


async def publish(runtime: Runtime, city: City) -> None:
    """The drill's limits and ladder instead of the demo city's."""
    limits = [{"key": key, "value": f"{HOURS[kind]} urgent_hour"} for kind, keys in _POLICIES.items() for key in keys]
    ladder: list[dict[str, Any]] = [
        {"rung": rung, "clock": kind, "at": step.at, "action": step.action, "to": step.to}
        for kind, steps in STEPS.items()
        for rung, step in steps.items()
    ]
    async with transaction(runtime.sessions) as session:
        # without standards of its own an item's limit is the city's
        for kind, lines in (("policies", limits), ("escalation-rungs", ladder), ("filing-standards", [])):
            rows = [KINDS[kind].model.model_validate(line) for line in lines]
            documents = {key_of(row): row.model_dump(mode="json") for row in rows}
            await releases.put_draft(
                session, city.jurisdiction_id, kind, documents, complete=kind != "policies", by="drill"
            )
        await publishing.publish(session, city.jurisdiction_id, by="drill", unreviewed_because="演练用的时限和阶梯")


async def add_notice_client(runtime: Runtime, city: City, url: str) -> int:
    """The client that carries notices; its id."""
    async with transaction(runtime.sessions) as session:
        client_id = await session.scalar(
            text(
                "INSERT INTO machine_client (jurisdiction_id, code, name, channel, secret_hash, endpoint_url) "
                "VALUES (:j, 'notices', '通知', 'notices', 'no log-in', :url) RETURNING id"
            ),
            {"j": city.jurisdiction_id, "url": url},
        )
    return int(client_id or 0)


async def take_in_reports(runtime: Runtime, city: City, count: int, begin: datetime, end: datetime) -> None:
    """Takes ``count`` reports in as if each had come at its time: for each one moment lies between begin and end."""
    pick = Random(f"{count}")  # noqa: S311 - times, no secret
    window = (end - begin).total_seconds()
    starts = sorted(
        begin + timedelta(seconds=pick.uniform(0, window)) - timedelta(minutes=pick.choice(_MOMENTS))
        for _ in range(-(-count // _TOGETHER))
    )
    async with runtime.sessions() as session:
        client_id = await session.scalar(
            text("SELECT id FROM machine_client WHERE jurisdiction_id = :j AND code = :code"),
            {"j": city.jurisdiction_id, "code": _CHANNEL},
        )
    token = runtime.tokens.verify(
        runtime.tokens.issue(ClientSubject(client_id), jurisdiction_id=city.jurisdiction_id, token_version=0)[0]
    )
    samples = Samples(f"W{int(now().timestamp()):x}", join_share=0)
    for started_at in starts:
        with use_clock(MovableClock(started_at)):
            bodies = [samples.next(_CHANNEL, started_at).body for _ in range(_TOGETHER)]
            arrivals = [receiving.read_message(_CHANNEL, body, orjson.dumps(body), runtime) for body in bodies]
            await receiving.take_in(runtime, token, _CHANNEL, arrivals)
        await asyncio.sleep(0)
