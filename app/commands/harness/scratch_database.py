"""A database of our own beside the configured one, made anew for a measurement or a drill and dropped after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import asyncpg
from sqlalchemy.engine import make_url

from app.core import postgres
from app.core.settings import Settings


def libpq_url(url: str) -> str:
    """``url`` as PostgreSQL's own programs and asyncpg take it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


@asynccontextmanager
async def scratch_database(settings: Settings, name: str, *, keep: bool = False) -> AsyncIterator[str]:
    """The URL of an empty database ``name`` in the configured or embedded server; dropped when the block ends.

    An earlier one of that name is dropped first, with whatever is connected to it. ``keep``: it stays. Raises
    PostgresUnavailable and asyncpg's errors, among them that of a role that may not create databases.
    """
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    with ExitStack() as held:
        if settings.database_url:
            admin = settings.database_url
            await _run(admin, drop, f'CREATE DATABASE "{name}" TEMPLATE template0')
            url = make_url(admin).set(database=name).render_as_string(hide_password=False)
        else:
            lease = held.enter_context(await asyncio.to_thread(postgres.lease, settings.data_dir))
            admin = await asyncio.to_thread(lease.url, "postgres")
            await _run(admin, drop)
            url = await asyncio.to_thread(lease.url, name)
        try:
            yield url
        finally:
            if not keep:
                await _run(admin, drop)


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(libpq_url(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
