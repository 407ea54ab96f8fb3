"""The one clock. Everything asks ``now()``, so that tests and simulations can move the time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def _system_clock() -> datetime:
    return datetime.now(UTC)


# A plain module variable, not a context variable: requests and background steps run in tasks and threads of
# their own, and all of them have to see a clock that was moved after they started.
_clock: Clock = _system_clock


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _clock()


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Let the whole process take the time from ``clock`` until the block ends; blocks may be nested."""
    global _clock
    before = _clock
    _clock = clock
    try:
        yield clock
    finally:
        _clock = before


class MovableClock:
    """A clock that stands still until it is moved.

    Raises ValueError for a naive datetime.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self.set(at)

    def __call__(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        """Move to ``at``, forward or back."""
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._at = at.astimezone(UTC)

    def advance(self, by: timedelta | None = None, **units: float) -> datetime:
        """Move by ``by`` plus the units of ``timedelta`` (``hours=2``); the new time."""
        self._at += (by or timedelta()) + timedelta(**units)
        return self._at
