"""When to try again, and what to keep of a failure."""

from collections.abc import Sequence
from datetime import timedelta
from random import SystemRandom
from typing import Final

from app.core.logging import mask_numbers

#: share by which a delay is made longer or shorter at random, so that what failed together does not come back together
JITTER: Final = 0.2
MAX_FAULT_CHARS: Final = 300

_uniform = SystemRandom().uniform


def jittered(delay: timedelta) -> timedelta:
    """``delay``, up to a fifth longer or shorter."""
    return delay * _uniform(1 - JITTER, 1 + JITTER)


def delay_after(attempts: int, steps: Sequence[timedelta]) -> timedelta:
    """How long to wait after the attempt of this number (from 1); the last step repeats."""
    return jittered(steps[min(max(attempts, 1), len(steps)) - 1])


def describe(error: BaseException) -> str:
    """What is stored about a failure: its kind and its first line only, because the lines after it quote data."""
    lines = str(error).splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return mask_numbers(text)[:MAX_FAULT_CHARS]
