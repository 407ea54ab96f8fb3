"""Releases under several hands at once: a review is of what is there, and a moment comes once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import background
from app.core import releases, reviews
from app.core.database import transaction
from app.core.errors import BihuanError
from app.core.timing import MovableClock, now
from app.masters.publishing import publish, roll_back
from app.masters.scheduling import schedule
from app.runtime import Runtime
from tests.conftest import City

KIND = "policies"


def limit(value: str) -> dict[str, dict[str, Any]]:
    return {"sign_limit": {"key": "sign_limit", "value": value, "source": "本区"}}


async def draft(runtime: Runtime, city: City, value: str, by: str = "甲") -> int | None:
    async with transaction(runtime.sessions) as session:
        outcome = await releases.put_draft(session, city.jurisdiction_id, KIND, limit(value), complete=False, by=by)
        return outcome.draft.id if outcome.draft else None


async def review(runtime: Runtime, city: City, seen: int) -> str:
    try:
        async with transaction(runtime.sessions) as session:
            (one,) = await reviews.drafts_seen(session, city.jurisdiction_id, [seen])
            await reviews.review(session, city.jurisdiction_id, one.kind, by="乙")
    except BihuanError as error:
        return error.code
    return "reviewed"


async def rows(runtime: Runtime, statement: str) -> list[Any]:
    async with runtime.sessions() as session:
        return list((await session.execute(text(statement))).all())


async def editions(runtime: Runtime) -> list[tuple[int, str]]:
    found = await rows(runtime, "SELECT number, status FROM release WHERE kind = 'policies' ORDER BY number")
    return [tuple(row) for row in found]


async def drafts(runtime: Runtime) -> list[Any]:
    return await rows(
        runtime,
        "SELECT id, status, reviewed_by FROM release WHERE kind = 'policies' AND status IN ('draft', 'reviewed')",
    )


async def test_a_review_never_covers_a_change_that_came_at_the_same_time(
    committing_runtime: Runtime, city: City
) -> None:
    runtime = committing_runtime
    answers = set()
    for n in range(1, 13):
        seen = await draft(runtime, city, f"{n + 10} work_hour")
        assert seen is not None
        steps = [review(runtime, city, seen), draft(runtime, city, f"{n + 40} work_hour", by="丁")]
        # which of them is first at the lock is left to chance, from both sides
        first, second = await asyncio.gather(*(steps[:: 1 if n % 2 else -1]))
        answer, changed = (first, second) if n % 2 else (second, first)
        answers.add(answer)
        (left,) = await drafts(runtime)
        assert (left.id, left.status, left.reviewed_by) == (changed, "draft", None)
    assert answers <= {"reviewed", "not_found"}


async def test_a_moment_comes_once_with_two_workers(
    committing_runtime: Runtime, city: City, clock: MovableClock
) -> None:
    runtime = committing_runtime
    seen = await draft(runtime, city, "3 work_hour")
    assert seen is not None
    await review(runtime, city, seen)
    async with transaction(runtime.sessions) as session:
        await schedule(session, city.jurisdiction_id, [KIND], now() + timedelta(hours=1), by="丙")
    clock.advance(hours=1)
    ran = await asyncio.gather(*(background.run_jobs(runtime) for _ in range(3)))
    assert sum(ran) == 1
    assert await editions(runtime) == [(1, "retired"), (2, "published")]
    (jurisdiction,) = await rows(runtime, "SELECT release_vector FROM jurisdiction")
    assert jurisdiction.release_vector[KIND] == seen


@pytest.mark.parametrize("turn", range(4))
async def test_publishing_by_hand_and_by_the_clock_at_once_publishes_once(
    committing_runtime: Runtime, city: City, clock: MovableClock, turn: int
) -> None:
    runtime = committing_runtime
    seen = await draft(runtime, city, "3 work_hour")
    assert seen is not None
    await review(runtime, city, seen)
    async with transaction(runtime.sessions) as session:
        await schedule(session, city.jurisdiction_id, [KIND], now() + timedelta(hours=1), by="丙")
    clock.advance(hours=1)

    async def by_hand() -> str:
        try:
            async with transaction(runtime.sessions) as session:
                await publish(session, city.jurisdiction_id, [KIND], by="丁")
        except BihuanError as error:
            return error.code
        return "published"

    await asyncio.gather(*([by_hand(), background.run_jobs(runtime)][:: 1 if turn % 2 else -1]))
    assert await editions(runtime) == [(1, "retired"), (2, "published")]
    assert await rows(runtime, "SELECT 1 FROM job WHERE kind = 'publish_release' AND state <> 'done'") == []


async def test_two_who_roll_back_at_once_do_it_one_after_the_other(committing_runtime: Runtime, city: City) -> None:
    runtime = committing_runtime
    await draft(runtime, city, "3 work_hour")
    async with transaction(runtime.sessions) as session:
        await publish(session, city.jurisdiction_id, [KIND], by="丙", unreviewed_because="测试")

    async def back() -> str:
        try:
            async with transaction(runtime.sessions) as session:
                await roll_back(session, city.jurisdiction_id, KIND, 1, by="丙")
        except BihuanError as error:
            return error.code
        return "done"

    assert sorted(await asyncio.gather(back(), back())) == ["done", "same_content"]
