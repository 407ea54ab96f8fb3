"""Sources that never give up: each message is sent again, unchanged, until it is answered."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson

from app.commands.harness.keep_alive import Connection, NoAnswer, Target
from app.commands.harness.sample_messages import ChannelCode, Sample, Samples

#: between two messages of one source, seconds: a steady load that leaves room for restarts
_PAUSE_SECONDS: Final = 0.04
_AGAIN_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 15.0
#: asks to send the same again: in progress, too many, out of service
_ASKS_AGAIN: Final = frozenset({409, 429, 500, 502, 503, 504})


class Sources:
    """Several sources of all channels at once. All counts are of messages, except ``tries``."""

    def __init__(self, url: str, tokens: Mapping[ChannelCode, str], run: str, *, count: int = 8) -> None:
        self._targets = {channel: Target(url, token) for channel, token in tokens.items()}
        self._samples = Samples(run, join_share=0.15)
        self._random = Random(run)  # noqa: S311 - test data, not secrets
        self._count = count
        self._waiting: deque[Sample] = deque()
        self._under_way = 0
        self._paused = False
        self.made = 0
        self.tries = 0
        self.sent_again = 0
        #: receipts that said: you sent this before
        self.repeated = 0
        self.outcomes: Counter[str] = Counter()
        #: reference → report, as answered
        self.report_ids: dict[str, str] = {}
        self.faults: list[str] = []
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._source())

    async def all_answered(self, seconds: float = 90.0) -> bool:
        """Makes no new message and waits until every one is answered; False when the time is over."""
        self._paused = True
        deadline = asyncio.get_running_loop().time() + seconds
        while self._waiting or self._under_way:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def one_answer(self) -> None:
        """Waits until one more message is answered."""
        self._answered.clear()
        await self._answered.wait()

    def go_on(self) -> None:
        """New messages again."""
        self._paused = False

    async def _source(self) -> None:
        connections: dict[ChannelCode, Connection] = {}
        try:
            while True:
                sample = self._next()
                if sample is None:
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                self._under_way += 1
                try:
                    target = self._targets[sample.channel]
                    connection = connections.setdefault(sample.channel, target.connection())
                    answered = await self._send(target, connection, sample)
                finally:
                    self._under_way -= 1
                if not answered:
                    self.sent_again += 1
                    self._waiting.append(sample)
                await asyncio.sleep(_PAUSE_SECONDS if answered else _AGAIN_SECONDS)
        finally:
            for connection in connections.values():
                connection.close()

    def _next(self) -> Sample | None:
        if self._waiting:
            return self._waiting.popleft()
        if self._paused:
            return None
        self.made += 1
        at, kind = datetime.now(UTC), self._random.random()
        # receipts are owed to the police at once, and the result of what the desk has answered to the hotline
        if kind < 0.15:
            return self._samples.next("police-110", at)
        if kind < 0.30:
            return self._samples.answered(at)
        return self._samples.next("snapshot" if kind < 0.5 else "hotline-12345", at)

    async def _send(self, target: Target, connection: Connection, sample: Sample) -> bool:
        request = target.post_request(f"/api/v1/intake/{sample.channel}", orjson.dumps(sample.body))
        self.tries += 1
        try:
            status, body = await connection.send(request, timeout_seconds=_ANSWER_SECONDS)
        except NoAnswer:
            return False
        if status in _ASKS_AGAIN:
            return False
        self._note(sample, status, orjson.loads(body))
        return True

    def _note(self, sample: Sample, status: int, answer: dict[str, Any]) -> None:
        self._answered.set()
        if not 200 <= status < 300:
            self.faults.append(f"{sample.source_ref}：{status} {answer.get('detail')}")
            return
        self.repeated += bool(answer["repeated"])
        self.outcomes[answer["outcome"]] += 1
        known = self.report_ids.setdefault(sample.source_ref, answer["report_id"])
        if known != answer["report_id"]:
            self.faults.append(f"{sample.source_ref}：两次答复的上报件不同")
