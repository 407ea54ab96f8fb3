"""One clock for the whole process."""

from datetime import UTC, datetime, timedelta, timezone
from threading import Thread

import pytest

from app.core import timing
from app.core.timing import MovableClock, use_clock

NOON = datetime(2026, 5, 6, 12, 0, tzinfo=timezone(timedelta(hours=8)))


def test_now_is_aware_utc_and_true() -> None:
    assert timing.now().utcoffset() == timedelta(0)
    assert abs(timing.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_moved_clock_holds_in_other_threads_and_ends_with_the_block() -> None:
    seen: list[datetime] = []
    with use_clock(MovableClock(NOON)):
        thread = Thread(target=lambda: seen.append(timing.now()))
        thread.start()
        thread.join()
    assert seen == [NOON]
    assert timing.now() != NOON


def test_clocks_nest_and_come_back_after_an_error() -> None:
    with use_clock(MovableClock(NOON)):
        with pytest.raises(RuntimeError), use_clock(MovableClock(NOON + timedelta(days=1))):
            raise RuntimeError
        assert timing.now() == NOON


def test_movable_clock_moves_both_ways() -> None:
    clock = MovableClock(NOON)
    assert clock.advance(hours=2, minutes=5) == NOON + timedelta(hours=2, minutes=5)
    assert clock.advance(timedelta(minutes=-5)) == NOON + timedelta(hours=2)
    clock.set(NOON)
    assert clock() == NOON
    assert clock().tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        MovableClock(datetime(2026, 5, 6))
