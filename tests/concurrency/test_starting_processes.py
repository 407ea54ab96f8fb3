"""``bihuan worker`` and ``bihuan serve`` as processes, started before their database and ended by signals."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.concurrency.recovering import Recovering, recovering

LONG = 60  # seconds; only ever waited for in full when a test fails


@asynccontextmanager
async def started(front: Recovering, folder: Path, *words: str) -> AsyncIterator[Process]:
    """``bihuan`` with these words on the database behind ``front``; killed when it is still there at the end."""
    own = {"BIHUAN_DATABASE_URL": front.url, "BIHUAN_DATA_DIR": str(folder), "BIHUAN_DEMO": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", *words, env=os.environ | own, stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(LONG):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(process: Process, words: str) -> str:
    """The next line of its log with these words; fails when it ends first."""
    assert process.stderr is not None
    said = b""
    while line := await process.stderr.readline():
        if words.encode() in line:
            return line.decode()
        said += line
    raise AssertionError(f"never said {words}: {said.decode()}")


@pytest.mark.parametrize("command", ["worker", "serve"])
async def test_it_says_why_it_waits_and_stops_when_asked(database_url: str, tmp_path: Path, command: str) -> None:
    async with recovering(database_url) as front, started(front, tmp_path, command) as process:
        assert "starting up" in await says(process, "database.not_answering")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_the_worker_starts_when_its_database_has(database_url: str, tmp_path: Path) -> None:
    async with recovering(database_url) as front, started(front, tmp_path, "worker") as process:
        await says(process, "database.not_answering")
        front.ready = True
        await says(process, "worker.started")
        front.fall()
        await says(process, "worker.step_failed")
        process.send_signal(signal.SIGTERM)
        await says(process, "worker.stopped")
        assert await process.wait() == 0


async def test_the_api_starts_when_its_database_has(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("serve", "--port", str(port))
    async with recovering(database_url) as front, started(front, tmp_path, *words) as process:
        await says(process, "database.not_answering")
        front.ready = True
        await says(process, "Application startup complete")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/readyz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert await process.wait() in (0, -signal.SIGTERM)
