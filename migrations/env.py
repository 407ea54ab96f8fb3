"""Alembic's entry: migrations are the only way in which the schema comes to be."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.events.timeline_tables import Xid8
from app.schema import metadata

# SQLAlchemy does not know the type by itself, and would warn at each comparison.
ischema_names["xid8"] = Xid8


def _migrate(connection: Connection) -> None:
    # Two processes that start at once must not migrate at once: the second waits, then finds nothing to do.
    connection.exec_driver_sql("SELECT pg_advisory_lock(20221112)")
    connection.commit()
    try:
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.exec_driver_sql("SELECT pg_advisory_unlock(20221112)")
        connection.commit()


async def _run(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    _migrate(given)
else:
    url = context.config.get_main_option("sqlalchemy.url") or os.environ.get("BIHUAN_OWNER_DATABASE_URL")
    url = url or os.environ["BIHUAN_DATABASE_URL"]
    asyncio.run(_run(url))
