"""Identifiers keep their order whatever the clock does."""

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest

from app.core import ids
from app.core.ids import uuid7


@pytest.fixture(autouse=True)
def _own_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last_tick", 0)


def test_is_an_ordinary_uuid_of_version_7() -> None:
    made = uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made == UUID(str(made))
    assert hash(made) == hash(UUID(str(made)))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made  # noqa: S301 - made in this line


def test_starts_with_the_unix_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid7().int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000 + 1


def test_fraction_of_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_500_000)
    made = uuid7()
    assert made.int >> 80 == 1_700_000_000_123
    assert made.int >> 64 & 0xFFF == 2048


def test_each_is_greater_than_the_one_before() -> None:
    made = [uuid7() for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_order_survives_a_clock_that_stands_still_and_one_that_steps_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1_700_000_000_000_000_000
    readings = iter([moment] * 5000 + [moment - 3600 * 10**9] * 5000 + [moment + 10**9])
    monkeypatch.setattr(time, "time_ns", lambda: next(readings))
    made = [uuid7() for _ in range(10_001)]
    assert made == sorted(made)
    assert {one.version for one in made} == {7}
    assert made[-1].int >> 80 == moment // 10**6 + 1000, "back to the clock as soon as it is ahead again"


def test_threads_never_get_the_same() -> None:
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: [uuid7() for _ in range(1000)], range(4)))
    assert all(batch == sorted(batch) for batch in batches)
    assert len({one.int >> 64 for batch in batches for one in batch}) == 4000
