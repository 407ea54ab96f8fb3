"""The demo city on a standing clock, with a dispatcher logged in."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import Town


@pytest.fixture
def town(runtime: Runtime, city: City, clock: MovableClock) -> Town:
    """The demo city on a working morning."""
    return Town(runtime, city)


@pytest.fixture
async def dispatcher(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the desk."""
    async with await town.as_user("dispatcher1") as http:
        yield http


@pytest.fixture
async def jurisdiction_id(session: AsyncSession) -> int:
    """A jurisdiction without any masters."""
    number = await session.scalar(
        text("INSERT INTO jurisdiction (code, name) VALUES ('330106', '西湖区') RETURNING id")
    )
    assert number is not None
    return int(number)
