"""The load generator of ``bihuan bench intake``, a process of its own: ``python -m app.commands.bench.intake_load``.

Reads one ``Plan`` as JSON from standard input, prints what it measured as one JSON document. Messages are made while
it waits for answers; what it costs in processor time is part of its answer, since it shares the cores.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from app.commands.harness.keep_alive import Connection, Connections, NoAnswer, Target
from app.commands.harness.sample_messages import ChannelCode, Samples


class Plan(BaseModel):
    """What to send. ``rate`` (reports a second) is for ``open``, ``batch_size`` for ``batch``."""

    mode: Literal["closed", "open", "batch"]
    url: str
    tokens: dict[ChannelCode, str]
    run: str
    seed: int
    clients: int
    seconds: float
    join_share: float
    rate: float = 0
    batch_size: int = 0


class Measured(BaseModel):
    """Latencies in milliseconds, a request each; ``accepted``: references of reports that were answered 200 to 202."""

    seconds: float
    cpu_seconds: float
    latencies_ms: list[float]
    reports: int
    statuses: dict[int, int]
    outcomes: dict[str, int]
    accepted: list[str]
    unanswered: int
    first_fault: str = ""


@dataclass(slots=True)
class _Tally:
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    unanswered: int = 0
    first_fault: str = ""

    def answer(self, status: int, answer: dict[str, Any]) -> None:
        self.statuses[status] += 1
        if 200 <= status < 300:
            self.outcomes[answer["outcome"]] += 1
            self.accepted.append(answer["source_ref"])
        elif not self.first_fault:
            self.first_fault = f"{status} {answer.get('detail') or answer}"[:300]


class Generator:
    """Sends by a plan and counts what comes back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._targets = {channel: Target(plan.url, token) for channel, token in plan.tokens.items()}
        self._samples = Samples(plan.run, seed=plan.seed, join_share=plan.join_share)
        self._tally = _Tally()
        self._sent = 0

    async def run(self) -> Measured:
        """The whole plan; ends after its ``seconds``, when the requests under way then are answered."""
        target = next(iter(self._targets.values()))
        modes = {"closed": self._closed, "open": self._open, "batch": self._batches}
        async with Connections(target, self._plan.clients) as connections:
            await _open_in_turn(connections.all, target)
            begun, cpu = time.perf_counter(), time.process_time()
            await modes[self._plan.mode](connections.all, begun)
            seconds, used = time.perf_counter() - begun, time.process_time() - cpu
        tally = self._tally
        return Measured(
            seconds=seconds,
            cpu_seconds=used,
            latencies_ms=tally.latencies_ms,
            reports=len(tally.accepted),
            statuses=dict(tally.statuses),
            outcomes=dict(tally.outcomes),
            accepted=tally.accepted,
            unanswered=tally.unanswered,
            first_fault=tally.first_fault,
        )

    async def _closed(self, connections: list[Connection], begun: float) -> None:
        """Each client sends its next report when the last one is answered."""

        async def client(connection: Connection) -> None:
            while time.perf_counter() - begun < self._plan.seconds:
                await self._one(connection, self._request(), time.perf_counter())

        await asyncio.gather(*(client(connection) for connection in connections))

    async def _open(self, connections: list[Connection], begun: float) -> None:
        """Reports come by the clock, whether the earlier ones are answered or not; so do their latencies."""
        free: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in connections:
            free.put_nowait(connection)

        async def one(scheduled: float) -> None:
            connection = await free.get()
            await self._one(connection, self._request(), scheduled)
            free.put_nowait(connection)

        async with asyncio.TaskGroup() as group:
            for number in range(int(self._plan.rate * self._plan.seconds)):
                scheduled = begun + number / self._plan.rate
                await asyncio.sleep(max(scheduled - time.perf_counter(), 0))
                group.create_task(one(scheduled))

    async def _batches(self, connections: list[Connection], begun: float) -> None:
        """Each client sends its next batch when the last one is answered."""

        async def client(connection: Connection) -> None:
            while time.perf_counter() - begun < self._plan.seconds:
                at = datetime.now(UTC)
                bodies = [self._samples.next("hotline-12345", at).body for _ in range(self._plan.batch_size)]
                request = self._targets["hotline-12345"].post_request(
                    "/api/v1/intake/hotline-12345/batch", orjson.dumps({"reports": bodies})
                )
                await self._batch(connection, request)

        await asyncio.gather(*(client(connection) for connection in connections))

    def _request(self) -> bytes:
        """The next single report: two of the hotline, then one picture report."""
        self._sent += 1
        channel: ChannelCode = "snapshot" if self._sent % 3 == 0 else "hotline-12345"
        sample = self._samples.next(channel, datetime.now(UTC))
        return self._targets[channel].post_request(f"/api/v1/intake/{channel}", orjson.dumps(sample.body))

    async def _one(self, connection: Connection, request: bytes, since: float) -> None:
        try:
            status, body = await connection.send(request)
        except NoAnswer as fault:
            self._lost(fault)
            return
        self._tally.latencies_ms.append((time.perf_counter() - since) * 1000)
        self._tally.answer(status, orjson.loads(body))

    async def _batch(self, connection: Connection, request: bytes) -> None:
        since = time.perf_counter()
        try:
            status, body = await connection.send(request)
        except NoAnswer as fault:
            self._lost(fault)
            return
        self._tally.latencies_ms.append((time.perf_counter() - since) * 1000)
        answer = orjson.loads(body)
        for result in answer.get("results", ()):
            self._tally.answer(result["status"], result.get("problem", result))
        if status != 200:
            self._tally.answer(status, answer)

    def _lost(self, fault: NoAnswer) -> None:
        self._tally.unanswered += 1
        self._tally.first_fault = self._tally.first_fault or str(fault)


async def _open_in_turn(connections: list[Connection], target: Target) -> None:
    """Opens each while the one before keeps its process busy, so that two processes behind one socket take turns.

    Whichever process wakes first accepts; left to chance, all of a few connections often end up with one.
    """
    busy = f"GET /api/v1/intake/channels HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n\r\n".encode()
    for connection, following in zip(connections, [*connections[1:], None], strict=True):
        await connection.open()
        answer = asyncio.create_task(connection.send(busy))
        await asyncio.sleep(0)
        if following is not None:
            await following.open()
        await answer


def main() -> None:
    """Runs the plan on standard input."""
    plan = Plan.model_validate_json(sys.stdin.buffer.read())
    loop_factory = None
    if os.name == "posix":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        measured = runner.run(Generator(plan).run())
    sys.stdout.write(measured.model_dump_json())


if __name__ == "__main__":
    main()
