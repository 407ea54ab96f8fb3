"""Messages under one source ref at the same instant: one becomes the report, the other is what it would be later."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import receiving
from app.core.database import transaction
from app.core.errors import BihuanError
from app.core.timing import MovableClock, now
from app.intake import inbox
from app.receiving import Receipt
from app.runtime import Runtime
from tests.conftest import City, client_token
from tests.flows.town import WAGES, Town

HOTLINE = "hotline-12345"
REVISIONS = [(0, 1), (1, 0)]


@pytest.fixture
def town(committing_runtime: Runtime, city: City, clock: MovableClock) -> Town:
    """The demo city, over several connections that really commit."""
    return Town(committing_runtime, city)


def revisions(town: Town, *numbers: int) -> list[dict[str, Any]]:
    """Messages of one order with these revisions, each with words of its own."""
    message = town.call(WAGES, cell=None, address="大行宫社区")
    return [message | {"revision": number, "content": f"第{number}次说：工资没发"} for number in numbers]


def arrival(town: Town, message: dict[str, Any]) -> inbox.Arrival:
    return receiving.read_message(HOTLINE, message, orjson.dumps(message), town.runtime)


async def take_in(town: Town, message: dict[str, Any]) -> Receipt | BihuanError:
    token = town.runtime.tokens.verify(client_token(town.runtime, town.city, HOTLINE))
    [receipt] = await receiving.take_in(town.runtime, token, HOTLINE, [arrival(town, message)])
    return receipt


async def until_it_waits(session: AsyncSession) -> None:
    """Returns when another connection to this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        # the statistics are a picture taken once a transaction, unless it is thrown away
        while not await session.scalar(waiting):
            await session.execute(text("SELECT pg_stat_clear_snapshot()"))


async def keep(town: Town, message: inbox.Arrival) -> set[UUID]:
    """Keeps a message in a transaction of its own."""
    async with transaction(town.runtime.sessions) as session:
        return await inbox.keep(session, town.city.clients[HOTLINE], [message], now())


@pytest.mark.parametrize(("first", "second"), REVISIONS)
@pytest.mark.parametrize("undone", [False, True])
async def test_the_second_waits_until_it_is_known_what_became_of_the_first(
    town: Town, first: int, second: int, undone: bool
) -> None:
    one, other = (arrival(town, message) for message in revisions(town, first, second))
    async with town.runtime.sessions() as session, transaction(town.runtime.sessions) as watching:
        assert await inbox.keep(session, town.city.clients[HOTLINE], [one], now()) == {one.id}
        late = asyncio.create_task(keep(town, other))
        seen = asyncio.create_task(until_it_waits(watching))
        await asyncio.wait({late, seen}, return_when=asyncio.FIRST_COMPLETED)
        seen.cancel()
        assert not late.done(), "both were kept"
        await (session.rollback() if undone else session.commit())
    assert await late == ({other.id} if undone else set())


@pytest.mark.parametrize("order", REVISIONS)
async def test_two_revisions_at_once_are_one_report_and_what_follows_it(town: Town, order: tuple[int, int]) -> None:
    for turn in range(10):
        messages = revisions(town, *order)
        answers = await asyncio.gather(*(take_in(town, message) for message in messages))
        by_revision = dict(zip(order, answers, strict=True))
        started, amended = by_revision[0], by_revision[1]
        assert isinstance(amended, Receipt)
        if isinstance(started, Receipt):
            assert (started.outcome, amended.outcome) == ("created", "supplemented")
            assert amended.report_id == started.report_id
        else:  # the higher revision was first, and the lower one has nothing new to say
            assert (started.code, amended.outcome) == ("changed_message", "created")
        assert await _count(town, "report") == await _count(town, "event") == turn + 1
        again = [await take_in(town, message) for message in messages]
        assert await _count(town, "report") == turn + 1, "sent again, they are what they were"
        assert all(answer.repeated for answer in again if isinstance(answer, Receipt))


async def _count(town: Town, table: str) -> int:
    ((found,),) = await town.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - names stand above
    return int(found)
