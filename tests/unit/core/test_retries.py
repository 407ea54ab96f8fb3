"""Back-off and what is kept of a failure."""

from datetime import timedelta

from app.core.retries import delay_after, describe

STEPS = (timedelta(seconds=10), timedelta(seconds=100))


def test_delays_grow_with_the_attempts_and_the_last_one_repeats() -> None:
    for attempt, seconds in ((1, 10), (2, 100), (9, 100), (0, 10)):
        delays = {delay_after(attempt, STEPS) for _ in range(50)}
        assert min(delays) >= timedelta(seconds=seconds * 0.8)
        assert max(delays) <= timedelta(seconds=seconds * 1.2)
        assert len(delays) > 1, "what failed together must not come back together"


def test_a_fault_is_kept_without_the_data_that_it_quotes() -> None:
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("no 13800001234\nDETAIL: Key (name)=(somebody)")) == "ValueError: no 138****1234"
    assert len(describe(ValueError("x" * 5000))) == 300
