"""What one process holds while it runs: settings, keys, database, masters. API processes keep no other state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.passwords import Passwords
from app.accounts.tokens import TokenIssuer
from app.core import postgres
from app.core.crypto import Keyring
from app.core.database import Sessions, make_engine, make_sessions
from app.core.settings import Settings
from app.core.storage import Attachments
from app.masters import MastersCache

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_BLOCK = 100


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


@asynccontextmanager
async def open_runtime(settings: Settings, *, database: str = "bihuan") -> AsyncIterator[Runtime]:
    """Connects to the configured database, or holds a lease on the embedded one, until the block ends.

    ``database`` names the database inside the embedded server; its schema must be there (``bihuan db upgrade``).
    """
    lease = None
    url = settings.database_url
    if not url:
        lease = await asyncio.to_thread(postgres.lease, settings.data_dir)
        url = await asyncio.to_thread(lease.url, database)
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
