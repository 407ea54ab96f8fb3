"""The background process: clocks, deliveries and jobs for ever, any number of it against one database."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from prometheus_client import start_http_server
from sqlalchemy import text

from app import background
from app.core.database import transaction
from app.core.metrics import WORKER_FAILURES, WORKER_HEARTBEAT
from app.core.receivers import open_http
from app.core.settings import Settings
from app.core.timing import now
from app.runtime import Runtime, open_runtime, stop_on_signals
from app.supervision import experience

#: while there is nothing to do, polls grow from the first to the second of these many seconds apart
IDLE_SECONDS: Final = (0.2, 1.0)
#: the same after failures
FAILED_SECONDS: Final = (1.0, 30.0)
BACKLOG_EVERY: Final = timedelta(seconds=30)
FORGET_EVERY: Final = timedelta(hours=1)
LEARN_EVERY: Final = timedelta(hours=1)

#: one step; says how much it found to do
Step = Callable[[], Awaitable[int]]

_JURISDICTIONS = text("SELECT id FROM jurisdiction WHERE release_vector <> '{}'")

log = structlog.get_logger()


async def run(
    settings: Settings,
    *,
    stop: asyncio.Event,
    database: str = "bihuan",
    handle_signals: bool = True,
    metrics_port: int | None = None,
) -> None:
    """Works until ``stop`` is set or, with ``handle_signals``, SIGTERM or SIGINT comes; finishes what it has begun.

    ``metrics_port``: where Prometheus may ask, on all interfaces; None: nowhere.
    """
    with stop_on_signals(stop) if handle_signals else contextlib.nullcontext():
        async with open_runtime(settings, database=database) as runtime:
            if metrics_port is not None:
                start_http_server(metrics_port)
            log.info("worker.started")
            await work(runtime, stop)
            log.info("worker.stopped")


async def work(runtime: Runtime, stop: asyncio.Event) -> None:
    """The loops over a runtime that is there already, until ``stop`` is set."""
    async with open_http(background.SEND_CONCURRENCY) as http, asyncio.TaskGroup() as group:
        steps: dict[str, Step] = {
            "clocks": background.Sweeper(runtime).sweep,
            "deliveries": partial(background.deliver, runtime, http, stop=stop),
            "jobs": partial(background.run_jobs, runtime),
        }
        group.create_task(_warm(runtime))
        for name, step in steps.items():
            group.create_task(_for_ever(name, step, stop))
        group.create_task(_now_and_then("backlog", partial(background.measure_backlog, runtime), BACKLOG_EVERY, stop))
        group.create_task(_now_and_then("forget", partial(background.forget, runtime), FORGET_EVERY, stop))
        group.create_task(_now_and_then("experience", partial(learn, runtime), LEARN_EVERY, stop))


async def _warm(runtime: Runtime) -> None:
    """Builds the masters before the first step needs them under an event's lock: it can take seconds."""
    try:
        async with transaction(runtime.sessions) as session:
            for jurisdiction_id in (await session.scalars(_JURISDICTIONS)).all():
                await runtime.masters.get(session, jurisdiction_id)
    except Exception:
        log.exception("worker.warm_failed")


async def learn(runtime: Runtime) -> None:
    """Learns anew how ended clocks went: what the list of risks rests on."""
    async with transaction(runtime.sessions) as session:
        ids = (await session.scalars(_JURISDICTIONS)).all()
    for jurisdiction_id in ids:
        async with transaction(runtime.sessions) as session:
            calendars = (await runtime.masters.get(session, jurisdiction_id)).clockwork.calendars
            standard = {code: calendar.standard_day_minutes for code, calendar in calendars.items()}
            await experience.refresh(session, jurisdiction_id, now(), standard)


async def _for_ever(name: str, step: Step, stop: asyncio.Event) -> None:
    """Repeats a step: at once while there is work, ever more slowly while there is none or it fails."""
    wait = 0.0
    while not stop.is_set():
        WORKER_HEARTBEAT.labels(name).set(time.time())
        try:
            wait = 0.0 if await step() else _longer(wait, IDLE_SECONDS)
        except Exception:
            WORKER_FAILURES.labels(name).inc()
            wait = _longer(wait, FAILED_SECONDS)
            log.exception("worker.step_failed", step=name, again_in_seconds=wait)
        await _sleep(wait, stop)


async def _now_and_then(
    name: str, step: Callable[[], Awaitable[object]], every: timedelta, stop: asyncio.Event
) -> None:
    while not stop.is_set():
        try:
            await step()
        except Exception:
            WORKER_FAILURES.labels(name).inc()
            log.exception("worker.step_failed", step=name)
        await _sleep(every.total_seconds(), stop)


def _longer(wait: float, bounds: tuple[float, float]) -> float:
    shortest, longest = bounds
    return min(max(wait * 2, shortest), longest)


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
