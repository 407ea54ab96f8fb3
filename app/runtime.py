"""What one process holds while it runs: settings, keys, database, masters. API processes keep no other state."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.passwords import Passwords
from app.accounts.tokens import TokenIssuer
from app.core import postgres
from app.core.crypto import Keyring
from app.core.database import Sessions, make_engine, make_sessions
from app.core.retries import delay_after, describe
from app.core.settings import Settings
from app.core.storage import Attachments
from app.masters import MastersCache
from app.masters.unit_history import UnitHistory

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_BLOCK = 100
#: between two attempts to reach a database that does not answer yet
_ASK_AGAIN: Final = tuple(timedelta(seconds=seconds) for seconds in (0.5, 1, 2, 5))
#: connection lost or refused, too many of them, the server starting up or shutting down
_NOT_NOW: Final = ("08", "53", "57P")

log = structlog.get_logger()


class EventNumbers:
    """Event numbers for people: the day, then a number from a block that this process reserved for itself.

    A sequence gives out the blocks: it never takes one back and lets nobody wait, whatever becomes of the transaction
    that asked. What a process does not use up is a gap.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._next = 0
        self._left = 0

    async def take(self, session: AsyncSession, count: int, at: datetime) -> list[str]:
        """``count`` fresh numbers like ``20261122-0000012300``.

        It asks over the caller's own connection: waiting for a second one while holding the first would let a full
        pool wait for itself.
        """
        numbers: list[int] = []
        async with self._lock:
            while len(numbers) < count:
                if not self._left:
                    block = await session.scalar(text("SELECT nextval('event_no_block')"))
                    self._next, self._left = int(block or 0) * _BLOCK, _BLOCK
                numbers.append(self._next)
                self._next, self._left = self._next + 1, self._left - 1
        day = at.astimezone(_CITY_TIME).strftime("%Y%m%d")
        return [f"{day}-{number:010d}" for number in numbers]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a process shares among its requests and background steps."""

    settings: Settings
    keyring: Keyring
    sessions: Sessions
    #: a replica where one is configured; the same database otherwise
    read_sessions: Sessions
    masters: MastersCache
    tokens: TokenIssuer
    passwords: Passwords
    attachments: Attachments
    numbers: EventNumbers
    #: what past dispatches suggest; learned aside
    history: UnitHistory = field(default_factory=UnitHistory)


@asynccontextmanager
async def open_runtime(settings: Settings, *, database: str = "bihuan") -> AsyncIterator[Runtime]:
    """Connects to the configured database, or holds a lease on the embedded one, until the block ends.

    ``database`` names the database inside the embedded server; its schema must be there (``bihuan db upgrade``).
    """
    lease = None
    url = settings.database_url
    if not url:
        lease = await asyncio.to_thread(postgres.lease, settings.data_dir)
        url = await asyncio.to_thread(lease.app_url, database)
    engine = make_engine(url, pool_size=settings.db_pool_size)
    read_engine = (
        make_engine(settings.read_database_url, pool_size=settings.db_pool_size)
        if settings.read_database_url
        else engine
    )
    keyring = Keyring.from_settings(settings)
    sessions = make_sessions(engine)
    try:
        yield Runtime(
            settings=settings,
            keyring=keyring,
            sessions=sessions,
            read_sessions=sessions if read_engine is engine else make_sessions(read_engine),
            masters=MastersCache(),
            tokens=TokenIssuer.from_settings(settings, keyring),
            passwords=Passwords(),
            attachments=Attachments.from_settings(settings),
            numbers=EventNumbers(),
        )
    finally:
        await engine.dispose()
        if read_engine is not engine:
            await read_engine.dispose()
        if lease is not None:
            await asyncio.to_thread(lease.close)


def is_not_answering(fault: Exception) -> bool:
    """True when the database cannot be reached or takes no connections now, which waiting may mend."""
    if isinstance(fault, DBAPIError):
        state = str(getattr(fault.orig, "sqlstate", None) or "")
        return fault.connection_invalidated or state.startswith(_NOT_NOW)
    return isinstance(fault, OSError)


async def until_database_answers(url: str, stop: asyncio.Event) -> bool:
    """Waits as long as it takes until the database takes connections; False when ``stop`` was set before.

    A service that is started together with its database must not give up because that one takes longer. What waiting
    does not mend is raised: a wrong password, a database that does not exist.
    """
    asking = asyncio.create_task(_ask_until_it_answers(url))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            asking.result()
        return asking.done()
    finally:
        asking.cancel()
        stopping.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)


async def _ask_until_it_answers(url: str) -> None:
    engine = make_engine(url, pool_size=1)
    try:
        for attempt in count(1):
            try:
                async with engine.connect():
                    return
            except (OSError, DBAPIError) as fault:
                if not is_not_answering(fault):
                    raise
                wait = delay_after(attempt, _ASK_AGAIN).total_seconds()
                log.warning("database.not_answering", reason=describe(fault), again_in_seconds=round(wait, 1))
            await asyncio.sleep(wait)
    finally:
        await engine.dispose()


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set ``stop`` until the block ends; a second one does what it always does."""
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []

    def asked(sign: signal.Signals) -> None:
        log.info("process.stopping", signal=sign.name)
        stop.set()
        loop.remove_signal_handler(sign)

    for sign in (signal.SIGTERM, signal.SIGINT):
        # not possible outside the main thread, nor on Windows: then ``stop`` is the only way
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(sign, asked, sign)
            taken.append(sign)
    try:
        yield
    finally:
        for sign in taken:
            loop.remove_signal_handler(sign)
