"""Closing an account against somebody who gives it work at that instant: whoever is first, nothing is left with it."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.deputies import name_deputy
from app.accounts.holdings import StillHolds, close_account
from app.core.database import transaction
from app.core.errors import Conflict, Malformed
from app.core.timing import MovableClock
from app.events.aggregate import SYSTEM, Act
from app.events.store import lock_events, write_events
from app.feedback import inspections
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.leavers import colleagues, give, load, user_id
from tests.flows.town import Town

#: looks at the server before a wait counts as one that never begins
LOOKS = 2_000
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
async def town(committing_runtime: Runtime, city: City, clock: MovableClock) -> Town:
    town = Town(committing_runtime, city)
    await colleagues(town)
    return town


async def begun(town: Town, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """The work as a task that has come to wait for somebody's lock."""
    task = asyncio.create_task(work)
    for _ in range(LOOKS):
        async with town.runtime.sessions() as session:
            if await session.scalar(WAITING):
                return task
        assert not task.done(), "it did not wait"
    raise AssertionError("it never came to wait")


async def closing(town: Town, username: str = "first") -> None:
    async with transaction(town.runtime.sessions) as session:
        await close_account(session, town.city.jurisdiction_id, username)


async def giving(town: Town, order: str, holder: UUID) -> None:
    async with transaction(town.runtime.sessions) as session:
        await give(session, town.runtime, order, holder)


async def claiming(town: Town, event_id: UUID, collector: UUID) -> None:
    async with transaction(town.runtime.sessions) as session:
        aggregate = (await lock_events(session, [event_id]))[event_id]
        at = town.at("2026-03-10 10:00")
        inspections.claim(aggregate, inspections.current(aggregate), collector, Act(SYSTEM, at, at))
        await write_events(session, town.runtime.keyring, [aggregate])


async def an_order(town: Town) -> str:
    receipt = await town.send("hotline-12345", town.call())
    return (await town.lead(receipt["event_id"]))[0]


async def test_an_account_that_is_being_given_an_order_is_not_closed(town: Town) -> None:
    order, first = await an_order(town), await user_id(town, "first")
    async with transaction(town.runtime.sessions) as session:
        await give(session, town.runtime, order, first)
        task = await begun(town, closing(town))
    with pytest.raises(StillHolds):
        await task
    assert [row.active for row in await town.rows("SELECT active FROM user_account WHERE id = :id", id=first)] == [True]


async def test_an_account_that_is_being_closed_is_given_nothing(town: Town) -> None:
    order, first = await an_order(town), await user_id(town, "first")
    async with transaction(town.runtime.sessions) as session:
        await close_account(session, town.city.jurisdiction_id, "first")
        task = await begun(town, giving(town, order, first))
    with pytest.raises(Conflict, match="账号已注销"):
        await task
    assert await town.rows("SELECT 1 FROM work_order WHERE holder_id IS NOT NULL") == []


async def test_the_same_holds_for_an_inspection_which_no_foreign_key_guards(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.handle(receipt["event_id"])
    event_id = UUID(receipt["event_id"])
    one, other = await user_id(town, "collector1"), await user_id(town, "collector2")
    async with transaction(town.runtime.sessions) as session:
        await close_account(session, town.city.jurisdiction_id, "collector1")
        task = await begun(town, claiming(town, event_id, one))
    with pytest.raises(Conflict, match="账号已注销"):
        await task
    async with transaction(town.runtime.sessions) as session:
        aggregate = (await lock_events(session, [event_id]))[event_id]
        at = town.at("2026-03-10 10:00")
        inspections.claim(aggregate, inspections.current(aggregate), other, Act(SYSTEM, at, at))
        await write_events(session, town.runtime.keyring, [aggregate])
        task = await begun(town, closing(town, "collector2"))
    with pytest.raises(StillHolds):
        await task


async def test_a_seat_does_not_end_while_its_order_is_being_given(town: Town) -> None:
    order, first = await an_order(town), await user_id(town, "first")
    async with transaction(town.runtime.sessions) as session:
        await give(session, town.runtime, order, first)
        task = await begun(town, load(town, ("first", "S-320102002-C", "")))
    with pytest.raises(StillHolds):
        await task


async def test_nobody_becomes_the_deputy_of_one_who_is_being_closed(town: Town) -> None:
    async def naming(username: str, deputy: str) -> None:
        async with transaction(town.runtime.sessions) as session:
            masters = await town.runtime.masters.get(session, town.city.jurisdiction_id)
            await name_deputy(
                session,
                masters.organizations,
                town.city.jurisdiction_id,
                username,
                deputy,
                since_at=None,
                until_at=town.at("2026-03-20 18:00"),
                given_by="tests",
            )

    async with transaction(town.runtime.sessions) as session:
        await close_account(session, town.city.jurisdiction_id, "first")
        task = await begun(town, naming("second", "first"))
    with pytest.raises(Malformed, match="账号已注销"):
        await task
    assert await town.rows("SELECT 1 FROM deputy") == []


async def test_two_who_close_it_at_once_close_it_once(town: Town) -> None:
    await asyncio.gather(closing(town), closing(town))
    ((version, seats),) = await town.rows(
        "SELECT token_version, (SELECT count(*) FROM seat s WHERE s.user_id = u.id AND s.until IS NULL) "
        "FROM user_account u WHERE username = 'first'"
    )
    assert (version, seats) == (1, 0)
