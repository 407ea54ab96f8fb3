"""Engines, sessions and the declarative base. One request or background step is one transaction.

Application code never commits: ``transaction`` does, before the answer goes out.
"""

import re
from collections import namedtuple
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import DateTime, LargeBinary, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

Json = dict[str, Any]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table. Times are timestamptz, free documents jsonb, texts text (a length is a CHECK where it matters)."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        datetime: DateTime(timezone=True),
        str: Text(),
        bytes: LargeBinary(),
        UUID: Uuid(),
        Json: JSONB(),
    }


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def make_engine(url: str, *, pool_size: int = 10, application_name: str = "bihuan") -> AsyncEngine:
    """An engine for ``url`` (``postgresql+asyncpg://…``), with UTC sessions and a bounded wait for locks.

    A request that waits more than ten seconds for one event's lock is answered with an error that can be retried:
    holding a pool connection longer would take the whole process down with one hot event.
    """
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=20,
        pool_pre_ping=False,
        # parameters can be personal data; an error's text must not carry them into a log
        hide_parameters=True,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                "lock_timeout": "10s",
                "idle_in_transaction_session_timeout": "60s",
                # plans for a fixed parameter set are the right ones here, and planning is a fifth of a small statement
                "jit": "off",
            }
        },
    )


Sessions = async_sessionmaker[AsyncSession]


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions over ``engine``; objects stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)


async def fetch(session: AsyncSession, sql: str, *values: Any) -> list[Any]:
    """Runs one statement (``$1`` …) through the driver itself, inside the session's transaction.

    For the few statements that every report and every act needs: it takes half of what a statement costs by way of
    SQLAlchemy. Errors are SQLAlchemy's, so that nobody above has to know. Rows are asyncpg records.
    """
    current = session.sync_session.get_transaction()
    driver: Any
    known, driver = session.info.get("driver", (None, None))
    if driver is None or known is not current:
        connection = await session.connection()
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        if not driver.is_in_transaction():
            # SQLAlchemy begins with its own first statement; if ours is the first, it would commit by itself. The
            # adapter's own way to begin is private, and saves a statement of SQLAlchemy's on every request.
            adapter: Any = raw.dbapi_connection
            await adapter._start_transaction()
        session.info["driver"] = (session.sync_session.get_transaction(), driver)
    try:
        found: list[Any] = await driver.fetch(sql, *values)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        gone = isinstance(fault, asyncpg.InterfaceError | asyncpg.PostgresConnectionError)
        raise DBAPIError(sql[:200], None, fault, connection_invalidated=gone) from fault
    return found


#: ``:name``, but no cast ``::type`` and no slice
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@lru_cache(maxsize=2_000)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The statement with ``$1`` … for its ``:name``s, and the names in that order. Finding them takes its time."""
    names: dict[str, int] = {}
    text = _PARAMETER.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", sql)
    return text, tuple(names)


@lru_cache(maxsize=500)
def _row_type(names: tuple[str, ...]) -> type[Any]:
    return namedtuple("Row", names, rename=True)


async def fetch_named(session: AsyncSession, sql: str, values: Mapping[str, Any]) -> list[Any]:
    """``fetch`` for a statement with ``:name`` parameters; those that it does not name are left out. Rows are tuples
    with the columns as attributes.
    """
    text, names = _numbered(sql)
    records = await fetch(session, text, *[values[name] for name in names])
    if not records:
        return []
    return list(map(_row_type(tuple(records[0].keys()))._make, records))


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    async with sessions() as session, session.begin():
        yield session
