"""The database for commands: that of the settings, else the embedded server while the command runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

from app.core import postgres
from app.core.crypto import Keyring
from app.core.database import Sessions, make_engine, make_sessions
from app.core.settings import Settings, get_settings


class Opened(NamedTuple):
    """What a command works with."""

    sessions: Sessions
    settings: Settings
    keyring: Keyring


@asynccontextmanager
async def open_sessions(settings: Settings | None = None, *, database: str = "bihuan") -> AsyncIterator[Opened]:
    """Sessions on the database of ``settings`` (default: of the environment), closed when the block ends.

    ``database`` names the database inside the embedded server. Raises SettingsError and PostgresUnavailable, whose
    texts are for whoever runs the command.
    """
    settings = settings or get_settings()
    with ExitStack() as held:
        url = settings.database_url
        if not url:
            lease = held.enter_context(await asyncio.to_thread(postgres.lease, settings.data_dir))
            url = await asyncio.to_thread(lease.app_url, database)
        engine = make_engine(url, pool_size=min(4, settings.db_pool_size), application_name="bihuan-command")
        try:
            yield Opened(make_sessions(engine), settings, Keyring.from_settings(settings))
        finally:
            await engine.dispose()
