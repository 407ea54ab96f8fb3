"""Two people decide the same request at the same moment: one decision, never two."""

import asyncio

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.limits_at_work import ENGINEERING, AtWork
from tests.flows.town import Town


async def test_two_dispatchers_agree_at_once_and_the_clock_is_extended_once(
    committing_runtime: Runtime, city: City, clock: MovableClock
) -> None:
    town = Town(committing_runtime, city)
    work = await AtWork.begin(town, clock)
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    clients = [await town.as_user(name) for name in ("dispatcher1", "dispatcher2")]
    path = f"/{work.order}/actions/approve_extension"
    answers = await asyncio.gather(*(client.post(path, json={}) for client in clients))
    for client in clients:
        await client.aclose()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await work.due() == "2026-03-10 18:00"
    assert [one.cause for one in await work.records()] == ["extended"]
    assert len((await work.shown(work.unit))[0]["decisions"]) == 1


async def test_two_requests_at_once_are_one(committing_runtime: Runtime, city: City, clock: MovableClock) -> None:
    town = Town(committing_runtime, city)
    work = await AtWork.begin(town, clock)
    clients = [await town.as_user(work.unit) for _ in range(2)]
    path = f"/{work.order}/actions/request_extension"
    answers = await asyncio.gather(*(client.post(path, json={"more": 2} | ENGINEERING) for client in clients))
    for client in clients:
        await client.aclose()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await work.shown(work.unit)) == 1
