"""Doing a step again when another one got in between: whoever came second sees what the first one wrote."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from app.core.errors import Unavailable

T = TypeVar("T")

_TRIES: Final = 5
_DEADLOCK: Final = "40P01"


class ReportMoved(Exception):
    """A report changed its event (by merging or unlinking) between looking and locking."""


async def until_alone(step: Callable[[], Awaitable[T]]) -> T:
    """Runs ``step``, a whole transaction, again while a report moves under it or PostgreSQL ends it as a deadlock.

    Single events are locked in order and cannot deadlock; steps on several, found one after the other, can.
    Raises Unavailable after ``_TRIES``.
    """
    for _ in range(_TRIES):
        try:
            return await step()
        except ReportMoved:
            continue
        except DBAPIError as fault:
            if getattr(fault.orig, "sqlstate", None) != _DEADLOCK:
                raise
    raise Unavailable("该事件正被多人同时操作，本次未作任何改动，请稍后原样重试。")
