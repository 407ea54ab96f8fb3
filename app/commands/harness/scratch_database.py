"""A database of our own beside the configured one, made anew for a measurement or a drill and dropped after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

import asyncpg
from sqlalchemy.engine import make_url

from app.core import postgres
from app.core.settings import Settings


class Scratch(NamedTuple):
    """Addresses of a scratch database: the application's, and its owner's, who migrates it."""

    url: str
    owner_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which processes find it."""
        return {"BIHUAN_DATABASE_URL": self.url, "BIHUAN_OWNER_DATABASE_URL": self.owner_url}


def libpq_url(url: str) -> str:
    """``url`` as PostgreSQL's own programs and asyncpg take it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


@asynccontextmanager
async def scratch_database(settings: Settings, name: str, *, keep: bool = False) -> AsyncIterator[Scratch]:
    """An empty database ``name`` in the configured or embedded server; dropped when the block ends.

    An earlier one of that name is dropped first, with whatever is connected to it. ``keep``: it stays. Raises
    PostgresUnavailable and asyncpg's errors, among them that of a role that may not create databases.
    """
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    with ExitStack() as held:
        if settings.database_url:
            admin = settings.owner_database_url or settings.database_url
            await _run(admin, drop, f'CREATE DATABASE "{name}" TEMPLATE template0')
            scratch = Scratch(_named(settings.database_url, name), _named(admin, name))
        else:
            lease = held.enter_context(await asyncio.to_thread(postgres.lease, settings.data_dir))
            admin = await asyncio.to_thread(lease.url, "postgres")
            await _run(admin, drop)
            owner_url = await asyncio.to_thread(lease.url, name)
            scratch = Scratch(await asyncio.to_thread(lease.app_url, name), owner_url)
        try:
            yield scratch
        finally:
            if not keep:
                await _run(admin, drop)


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(libpq_url(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
