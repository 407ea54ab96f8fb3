"""Started before its database is there, a process waits for it; and it outlives what comes later."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from app import background, runtime, worker
from app.core import jobs
from app.core.database import transaction
from app.core.settings import Settings
from app.core.timing import now
from app.main import create_app
from tests.concurrency.recovering import Recovering, recovering

SOON = 20  # seconds; only ever waited for in full when a test fails
SHORT = (timedelta(milliseconds=1),)


@pytest.fixture
async def front(database_url: str) -> AsyncIterator[Recovering]:
    async with recovering(database_url) as opened:
        yield opened


async def test_it_asks_until_the_database_answers(front: Recovering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_ASK_AGAIN", SHORT)
    async with asyncio.timeout(SOON):
        asking = asyncio.create_task(runtime.until_database_answers(front.url, asyncio.Event()))
        await front.until_refused(3)
        assert not asking.done()
        front.ready = True
        assert await asking


@pytest.mark.parametrize("nobody_listens", [False, True])
async def test_asked_to_stop_it_stops_at_once(front: Recovering, nobody_listens: bool) -> None:
    stop = asyncio.Event()
    url = make_url(front.url).set(port=1).render_as_string() if nobody_listens else front.url
    asking = asyncio.create_task(runtime.until_database_answers(url, stop))
    if not nobody_listens:
        await front.until_refused(1)
    stop.set()
    async with asyncio.timeout(0.4):  # less than the shortest pause between two attempts
        assert not await asking


async def test_what_waiting_does_not_mend_is_told(database_url: str) -> None:
    url = make_url(database_url).set(database="nobody_made_it").render_as_string(hide_password=False)
    async with asyncio.timeout(SOON):
        with pytest.raises(DBAPIError, match="does not exist"):
            await runtime.until_database_answers(url, asyncio.Event())


async def test_the_api_starts_without_it_and_says_when_it_is_ready(front: Recovering, settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"database_url": front.url}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as http:
        assert front.refused
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        front.ready = True
        assert (await http.get("/readyz")).status_code == 200
        front.fall()
        assert (await http.get("/readyz")).status_code == 503
        front.ready = True
        assert (await http.get("/readyz")).status_code == 200


async def test_the_worker_outlives_a_database_that_is_late_and_one_that_falls(
    front: Recovering, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Queue[str]()

    async def handler(_: object, args: dict[str, str]) -> None:
        done.put_nowait(args["word"])

    monkeypatch.setattr(background, "handlers", lambda _: {"note": handler})
    monkeypatch.setattr(worker, "IDLE_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(worker, "FAILED_SECONDS", (0.01, 0.05))

    async def ask(word: str) -> None:
        async with runtime.open_runtime(own) as other, transaction(other.sessions) as session:
            await jobs.enqueue(session, "note", word, {"word": word}, now())

    def failures() -> float:
        return sum(
            REGISTRY.get_sample_value("bihuan_worker_failures_total", {"step": step}) or 0.0
            for step in ("clocks", "deliveries", "jobs")
        )

    own = settings.model_copy(update={"database_url": front.url})
    stop = asyncio.Event()
    async with asyncio.timeout(SOON):
        working = asyncio.create_task(worker.run(own, stop=stop, handle_signals=False))
        await front.until_refused(4)
        front.ready = True
        await ask("late")
        assert await done.get() == "late"
        before, refused = failures(), front.refused
        front.fall()
        await front.until_refused(refused + 4)
        assert failures() > before
        assert not working.done()
        front.ready = True
        await ask("again")
        assert await done.get() == "again"
        stop.set()
        await working
