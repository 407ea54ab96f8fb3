"""Deliveries on a database with real commits: lanes, order, dead letters, fences, and a worker killed half-way."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import deliveries
from app.core.database import Sessions, make_engine, make_sessions, transaction
from app.core.deliveries import Key, Leased, Outcome
from app.core.errors import Conflict, NotFound
from app.core.receivers import Answer, Message, Receiver
from app.core.timing import MovableClock, now

DELIVERED, RETRY, GONE = Answer("delivered"), Answer("retry", "HTTP 500"), Answer("dead", "HTTP 410")
SOON = timedelta(seconds=37)  # the first retry step with its jitter has passed


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = make_engine(database_url, pool_size=8)
    yield make_sessions(engine)
    await engine.dispose()


async def put(sessions: Sessions, lane: UUID, *numbers: int, destination: int = 1) -> None:
    async with transaction(sessions) as session:
        for n in numbers:
            await session.execute(
                text(
                    "INSERT INTO delivery (lane_id, n, destination_id, kind, sealed, created_at, next_at) "
                    "VALUES (:lane, :n, :destination, 'result', :sealed, :at, :at)"
                ),
                {"lane": lane, "n": n, "destination": destination, "sealed": b"%d" % n, "at": now()},
            )


async def states(sessions: Sessions, lane: UUID) -> list[str]:
    async with sessions() as session:
        found = await session.scalars(text("SELECT state FROM delivery WHERE lane_id = :l ORDER BY n"), {"l": lane})
        return list(found)


async def one(sessions: Sessions, lane: UUID, n: int) -> Any:
    async with sessions() as session:
        return (
            await session.execute(text("SELECT * FROM delivery WHERE lane_id = :l AND n = :n"), {"l": lane, "n": n})
        ).one()


class Recorder:
    """A receiver that keeps what it was sent, gives the answers it was told, and notices two of one lane at once."""

    def __init__(self, *answers: Answer, pause: float = 0) -> None:
        self.sent: list[str] = []
        self._answers = list(answers)
        self._pause = pause
        self._busy: Counter[str] = Counter()
        self.overlaps = 0

    async def send(self, message: Message) -> Answer:
        lane = message.delivery_id.rpartition(".")[0]
        self._busy[lane] += 1
        self.overlaps += self._busy[lane] > 1
        self.sent.append(message.delivery_id)
        await asyncio.sleep(self._pause)
        self._busy[lane] -= 1
        return self._answers.pop(0) if self._answers else DELIVERED


class Office:
    """The callables that a caller of ``deliver_due`` passes, as simple as can be."""

    def __init__(self, sessions: Sessions, receivers: Mapping[int, Receiver]) -> None:
        self._sessions = sessions
        self._receivers = receivers
        self.left: list[tuple[int, str]] = []
        self.erased: set[Key] = set()
        self.fail_for: set[int] = set()

    async def _open(self, _: AsyncSession, leased: Sequence[Leased]) -> dict[Key, bytes | None]:
        return {d.key: None if d.key in self.erased else d.sealed for d in leased}

    async def _find(self, _: AsyncSession, destination_ids: Collection[int]) -> Mapping[int, Receiver]:
        return self._receivers

    async def _left(self, session: AsyncSession, outcomes: Sequence[Outcome]) -> None:
        if any(o.leased.n in self.fail_for for o in outcomes):
            raise RuntimeError("what follows cannot be written")
        self.left += [(o.leased.n, o.state) for o in outcomes]

    async def round(self, **options: Any) -> int:
        return await deliveries.deliver_due(
            self._sessions,
            open_bodies=self._open,
            find_receivers=self._find,
            on_delivered=self._left,
            **options,
        )

    async def all(self, **options: Any) -> None:
        while await self.round(**options):
            pass


async def test_workers_keep_the_order_of_each_lane_and_never_send_two_of_it_at_once(
    sessions: Sessions, clock: MovableClock
) -> None:
    lanes = [uuid4() for _ in range(12)]
    for lane in lanes:
        await put(sessions, lane, 3, 5, 8)
    receiver = Recorder(pause=0.002)
    workers = [Office(sessions, {1: receiver}) for _ in range(4)]
    # One worker's empty round says nothing about what the others hold: ask until all is out.
    while len(receiver.sent) < 36:
        await asyncio.gather(*(worker.round(limit=5, concurrency=3) for worker in workers))
    assert receiver.overlaps == 0
    assert len(receiver.sent) == 36
    for lane in lanes:
        assert [sent for sent in receiver.sent if sent.startswith(str(lane))] == [f"{lane}.{n}" for n in (3, 5, 8)]
        assert await states(sessions, lane) == ["delivered"] * 3
    assert Counter(left for worker in workers for left in worker.left) == {(n, "delivered"): 12 for n in (3, 5, 8)}


async def test_lanes_of_different_destinations_do_not_wait_for_each_other(
    sessions: Sessions, clock: MovableClock
) -> None:
    lane = uuid4()
    await put(sessions, lane, 1, destination=1)
    await put(sessions, lane, 2, destination=2)
    office = Office(sessions, {1: Recorder(RETRY), 2: Recorder()})
    await office.all()
    assert await states(sessions, lane) == ["waiting", "delivered"]


async def test_a_failed_one_is_tried_again_before_what_stands_behind_it(
    sessions: Sessions, clock: MovableClock
) -> None:
    lane = uuid4()
    await put(sessions, lane, 1, 2)
    receiver = Recorder(RETRY, RETRY)
    office = Office(sessions, {1: receiver})
    await office.all()
    assert receiver.sent == [f"{lane}.1"]
    assert await office.round() == 0, "it waits for its time"
    head = await one(sessions, lane, 1)
    assert (head.state, head.attempts, head.last_error) == ("waiting", 1, "HTTP 500")
    assert timedelta(seconds=24) <= head.next_at - now() <= timedelta(seconds=36)
    clock.advance(SOON)
    await office.all()
    assert timedelta(seconds=96) <= (await one(sessions, lane, 1)).next_at - now() <= timedelta(seconds=144)
    clock.advance(minutes=3)
    await office.all()
    assert receiver.sent == [f"{lane}.1"] * 3 + [f"{lane}.2"]


async def test_a_dead_one_stops_its_lane_until_a_person_skips_it(sessions: Sessions, clock: MovableClock) -> None:
    lane, other = uuid4(), uuid4()
    await put(sessions, lane, 1, 2)
    receiver = Recorder(GONE)
    office = Office(sessions, {1: receiver})
    await office.all()
    clock.advance(days=30)
    await put(sessions, lane, 3)
    await put(sessions, other, 1)
    await office.all()
    assert await states(sessions, lane) == ["dead", "waiting", "waiting"]
    assert await states(sessions, other) == ["delivered"]

    async with transaction(sessions) as session:
        outcome = await deliveries.skip(session, lane, 1, "已电话告知")
    assert (outcome.leased.n, outcome.state, outcome.fault) == (1, "skipped", "已电话告知")
    await office.all()
    assert await states(sessions, lane) == ["skipped", "delivered", "delivered"]


async def test_a_dead_one_can_be_sent_again_under_its_id(sessions: Sessions, clock: MovableClock) -> None:
    lane = uuid4()
    await put(sessions, lane, 1, 2)
    receiver = Recorder(RETRY, RETRY)
    office = Office(sessions, {1: receiver})
    await office.all(max_attempts=2)
    clock.advance(SOON)
    await office.all(max_attempts=2)
    assert await states(sessions, lane) == ["dead", "waiting"], "after the last attempt"
    async with transaction(sessions) as session:
        with pytest.raises(Conflict):
            await deliveries.send_again(session, lane, 2)
        with pytest.raises(NotFound):
            await deliveries.skip(session, lane, 9, "-")
        await deliveries.send_again(session, lane, 1)
    await office.all()
    assert receiver.sent == [f"{lane}.1"] * 3 + [f"{lane}.2"]
    assert (await one(sessions, lane, 1)).attempts == 1
    async with transaction(sessions) as session:
        with pytest.raises(Conflict):
            await deliveries.skip(session, lane, 1, "-")


async def test_who_lost_the_lease_cannot_record(sessions: Sessions, clock: MovableClock) -> None:
    lane = uuid4()
    await put(sessions, lane, 1)

    class Slow:
        async def send(self, message: Message) -> Answer:
            began.set()
            await go_on.wait()
            return GONE

    began, go_on = asyncio.Event(), asyncio.Event()
    first, second = Office(sessions, {1: Slow()}), Office(sessions, {1: Recorder()})
    task = asyncio.create_task(first.round())
    await began.wait()
    assert await second.round() == 0, "the lease still holds"
    clock.advance(deliveries.LEASE)
    assert await second.round() == 1
    go_on.set()
    await task
    row = await one(sessions, lane, 1)
    assert (row.state, row.fence, row.attempts) == ("delivered", 2, 2)
    assert (first.left, second.left) == ([], [(1, "delivered")])


async def test_a_receiver_that_is_down_costs_one_attempt_and_holds_up_no_other(
    sessions: Sessions, clock: MovableClock
) -> None:
    lanes = [uuid4() for _ in range(10)]
    for lane in lanes:
        await put(sessions, lane, 1, destination=1)
    fine = uuid4()
    await put(sessions, fine, 1, destination=2)
    dead_line = Recorder(*[Answer("retry", "no answer in time", down=True)] * 10)
    office = Office(sessions, {1: dead_line, 2: Recorder()})
    assert await office.round(concurrency=1) == 11
    assert len(dead_line.sent) == 1
    assert await states(sessions, fine) == ["delivered"]
    attempts = [(await one(sessions, lane, 1)).attempts for lane in lanes]
    assert sorted(attempts) == [0] * 9 + [1]
    assert await office.round() == 0, "the others come back later"
    clock.advance(SOON)
    assert await office.round(concurrency=1) == 10


async def test_nothing_new_is_sent_once_the_worker_is_to_stop(sessions: Sessions, clock: MovableClock) -> None:
    lane = uuid4()
    await put(sessions, lane, 1)
    receiver, stop = Recorder(), asyncio.Event()
    stop.set()
    await Office(sessions, {1: receiver}).round(stop=stop)
    assert receiver.sent == []
    row = await one(sessions, lane, 1)
    assert (row.state, row.attempts, row.next_at) == ("waiting", 0, now())


async def test_what_is_erased_never_leaves(sessions: Sessions, clock: MovableClock) -> None:
    lane = uuid4()
    await put(sessions, lane, 1, 2)
    receiver = Recorder()
    office = Office(sessions, {1: receiver})
    office.erased = {(lane, 1)}
    await office.all()
    assert receiver.sent == [f"{lane}.2"]
    assert office.left == [(1, "skipped"), (2, "delivered")]


async def test_no_receiver_is_a_failure_and_a_raising_one_too(sessions: Sessions, clock: MovableClock) -> None:
    class Raises:
        async def send(self, message: Message) -> Answer:
            raise OSError("https://user:password@example.invalid")

    lanes = [uuid4(), uuid4()]
    await put(sessions, lanes[0], 1, destination=1)
    await put(sessions, lanes[1], 1, destination=2)
    await Office(sessions, {2: Raises()}).all()
    assert [(await one(sessions, lane, 1)).last_error for lane in lanes] == ["the destination is not active", "OSError"]


async def test_one_whose_consequences_cannot_be_written_is_sent_again_and_holds_back_no_other(
    sessions: Sessions, clock: MovableClock
) -> None:
    lanes = [uuid4() for _ in range(3)]
    for n, lane in enumerate(lanes, 1):
        await put(sessions, lane, n)
    receiver = Recorder()
    office = Office(sessions, {1: receiver})
    office.fail_for = {2}
    await office.round()
    assert [await states(sessions, lane) for lane in lanes] == [["delivered"], ["waiting"], ["delivered"]]
    assert "what follows cannot be written" in (await one(sessions, lanes[1], 2)).last_error
    office.fail_for = set()
    clock.advance(SOON)
    await office.round()
    assert receiver.sent.count(f"{lanes[1]}.2") == 2
    assert sorted(office.left) == [(1, "delivered"), (2, "delivered"), (3, "delivered")]


WORKER = """
import asyncio, sys
from app.core import deliveries
from app.core.database import make_engine, make_sessions
from app.core.receivers import Answer

class Prints:
    async def send(self, message):
        print(message.delivery_id, flush=True)
        return Answer("delivered")

async def bodies(session, leased): return {d.key: d.sealed for d in leased}
async def receivers(session, ids): return {1: Prints()}
async def left(session, outcomes): pass

async def main():
    sessions = make_sessions(make_engine(sys.argv[1], pool_size=2))
    await deliveries.deliver_due(sessions, open_bodies=bodies, find_receivers=receivers, on_delivered=left)

asyncio.run(main())
"""


@pytest.mark.parametrize(("point", "sent"), [("delivery.leased", 0), ("delivery.sent", 1), ("delivery.recorded", 1)])
async def test_a_worker_killed_half_way_loses_nothing(
    sessions: Sessions, database_url: str, point: str, sent: int
) -> None:
    lane = uuid4()
    await put(sessions, lane, 1, 2)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        database_url,
        env=os.environ | {"BIHUAN_DEMO": "true", "BIHUAN_FAULT_POINTS": f"{point}:1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert out.decode().split() == [f"{lane}.1"] * sent
    assert await states(sessions, lane) == ["leased", "waiting"]

    receiver = Recorder()
    office = Office(sessions, {1: receiver})
    await office.all()
    assert receiver.sent == [], "the lease of the killed worker still holds"
    async with transaction(sessions) as session:  # as if its time had passed
        await session.execute(text("UPDATE delivery SET lease_until = now(), next_at = now() WHERE state = 'leased'"))
    await office.all()
    assert receiver.sent == [f"{lane}.1", f"{lane}.2"], "again, under the same id, and in order"
    assert await states(sessions, lane) == ["delivered", "delivered"]
