"""The worker's loops: they do the work, survive each other's failures, and stop when asked to."""

import asyncio
import os
import signal

import pytest
from prometheus_client import REGISTRY

from app import background, worker
from app.core import jobs
from app.core.database import transaction
from app.core.settings import Settings
from app.core.timing import now
from app.runtime import Runtime

SOON = 20  # seconds; only ever waited for in full when the test fails


async def test_it_works_though_one_kind_of_work_fails(
    committing_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def handler(*_: object) -> None:
        done.set()

    async def fails(*_: object, **__: object) -> int:
        raise OSError

    monkeypatch.setattr(background, "handlers", lambda _: {"note": handler})
    monkeypatch.setattr(background, "deliver", fails)
    labels = {"step": "deliveries"}
    failures = REGISTRY.get_sample_value("bihuan_worker_failures_total", labels) or 0.0
    async with transaction(committing_runtime.sessions) as session:
        await jobs.enqueue(session, "note", "a", {}, now())
    stop = asyncio.Event()
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        group.create_task(worker.work(committing_runtime, stop))
        await done.wait()
        stop.set()
    assert (REGISTRY.get_sample_value("bihuan_worker_failures_total", labels) or 0.0) > failures
    assert REGISTRY.get_sample_value("bihuan_worker_heartbeat_timestamp_seconds", {"step": "jobs"})
    assert REGISTRY.get_sample_value("bihuan_jobs_total", {"kind": "note", "outcome": "done"})


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_it_finishes_its_step_and_stops_when_the_system_asks(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    finished = False

    async def step(*_: object) -> int:
        nonlocal finished
        finished = False
        os.kill(os.getpid(), sign)
        await asyncio.sleep(0)
        finished = True
        return 1

    monkeypatch.setattr(background, "run_jobs", step)
    own = settings.model_copy(update={"database_url": database_url})
    stop = asyncio.Event()
    async with asyncio.timeout(SOON):
        await worker.run(own, stop=stop)
    assert stop.is_set()
    assert finished
