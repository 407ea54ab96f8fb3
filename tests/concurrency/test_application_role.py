"""What the application's role is given: by table, to later tables, and to the login that works as it."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from app.commands.db import is_current
from app.core.application_role import HISTORY, admit, may_rewrite_history, warn_of_a_powerful_role
from app.core.errors import Unavailable
from tests.conftest import ROOT, Server

ORDINARY = {"SELECT", "INSERT", "UPDATE", "DELETE"}
GROWS = {"SELECT", "INSERT"}
#: tables with less than the ordinary; one that is in neither must have all of that
INTENDED = dict.fromkeys(HISTORY, GROWS) | {
    "timeline_note": GROWS | {"DELETE"},
    "clock": ORDINARY - {"DELETE"},
    "alembic_version": {"SELECT"},
}
PRIVILEGES = text(
    """
    SELECT c.relname, ARRAY(
      SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
      WHERE has_table_privilege('bihuan_app', c.oid, p)
         OR p IN ('UPDATE', 'REFERENCES') AND has_any_column_privilege('bihuan_app', c.oid, p)) AS held,
      EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
              WHERE t.tgrelid = c.oid AND f.proname = 'refuse_change' AND t.tgtype & 16 > 0) AS never_updated
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
    """
)


@pytest.fixture
async def owner(owner_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(owner_database_url, poolclass=NullPool)
    yield engine
    await engine.dispose()


async def test_every_table_has_the_privileges_that_are_meant(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        found = (await connection.execute(PRIVILEGES)).all()
    assert {row.relname: set(row.held) for row in found} == {
        row.relname: INTENDED.get(row.relname, ORDINARY) for row in found
    }
    assert {row.relname for row in found} >= set(INTENDED)
    # a table of history that a migration adds has the trigger, and must be listed above
    assert {row.relname for row in found if row.never_updated} == {*HISTORY, "timeline_note"}


async def test_nothing_of_history_goes_with_what_it_refers_to(owner: AsyncEngine) -> None:
    """What a foreign key does, it does as the table's owner."""
    async with owner.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT conname FROM pg_constraint WHERE contype = 'f' AND (confdeltype <> 'a' OR confupdtype <> 'a') "
                "AND conrelid = ANY(CAST(CAST(:tables AS text[]) AS regclass[]))"
            ),
            {"tables": [*HISTORY, "clock", "timeline_note"]},
        )
        assert found.all() == []


async def test_what_later_migrations_make_is_covered(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        await connection.execute(text("CREATE TABLE later (n int GENERATED ALWAYS AS IDENTITY)"))
        await connection.execute(text("CREATE SEQUENCE later_numbers"))
        held = {row.relname: set(row.held) for row in await connection.execute(PRIVILEGES)}
        assert held["later"] == ORDINARY
        assert await connection.scalar(text("SELECT has_sequence_privilege('bihuan_app', 'later_numbers', 'USAGE')"))


async def test_a_role_that_could_rewrite_history_is_warned_of(database_url: str, owner_database_url: str) -> None:
    assert await may_rewrite_history(owner_database_url)
    assert not await may_rewrite_history(database_url)
    with capture_logs() as said:
        await warn_of_a_powerful_role(database_url)
        await warn_of_a_powerful_role(owner_database_url)
    assert [(line["event"], line["role"]) for line in said] == [
        ("database.role_may_rewrite_history", make_url(owner_database_url).username)
    ]


async def test_granting_it_one_table_back_is_noticed(database_url: str, owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("GRANT DELETE ON clock_rung TO bihuan_app"))
    assert await may_rewrite_history(database_url)


async def test_the_application_sees_the_schema_version(database_url: str, owner: AsyncEngine) -> None:
    assert await asyncio.to_thread(is_current, database_url)
    async with owner.begin() as connection:
        await connection.execute(text("REVOKE ALL ON alembic_version FROM bihuan_app"))
    assert not await asyncio.to_thread(is_current, database_url)


@pytest.fixture
async def login(server: Server) -> AsyncIterator[str]:
    """The name of a role that is gone after the test."""
    name = f"test_{uuid4().hex[:8]}"
    yield name
    await server.run(f'DROP ROLE IF EXISTS "{name}"')


def as_login(url: str, login: str) -> str:
    return make_url(url).set(username=login, password="it's drawn").render_as_string(hide_password=False)


async def works(url: str) -> bool:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT FROM timeline"))
            return True
    except DBAPIError:
        return False
    finally:
        await engine.dispose()


async def test_a_login_is_made_and_admitted(owner_database_url: str, login: str) -> None:
    url = as_login(owner_database_url, login)
    assert not await works(url)
    for _ in range(2):
        await admit(owner_database_url, url)
        assert await works(url)
    assert not await may_rewrite_history(url)


async def test_a_login_that_is_there_is_admitted(server: Server, owner_database_url: str, login: str) -> None:
    await server.run(f"CREATE ROLE {login} LOGIN PASSWORD 'it''s drawn'")
    url = as_login(owner_database_url, login)
    assert not await works(url)
    await admit(owner_database_url, url)
    assert await works(url)


async def test_an_owner_who_may_not_admit_says_what_to_run(database_url: str, login: str, server: Server) -> None:
    with pytest.raises(Unavailable, match=f"CREATE ROLE {login} LOGIN PASSWORD '…' IN ROLE bihuan_app;"):
        await admit(database_url, as_login(database_url, login))
    await server.run(f"CREATE ROLE {login} LOGIN")
    with pytest.raises(Unavailable, match=f"GRANT bihuan_app TO {login};"):
        await admit(database_url, as_login(database_url, login))


async def test_a_migrating_role_that_may_not_make_it_says_what_to_run(owner: AsyncEngine, login: str) -> None:
    place = ROOT / "migrations" / "versions" / "0006_application_role.py"
    spec = importlib.util.spec_from_file_location("application_role_migration", place)
    assert spec is not None
    assert spec.loader is not None
    migration: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)

    def make(connection: Connection) -> None:
        migration._make_the_role(connection)

    async with owner.connect() as connection:  # never committed
        await connection.run_sync(make)
        await connection.execute(text(f"CREATE ROLE {login} LOGIN"))
        await connection.execute(text(f"ALTER ROLE bihuan_app RENAME TO {login}_app"))
        await connection.execute(text(f"SET ROLE {login}"))
        with pytest.raises(Unavailable, match="CREATE ROLE bihuan_app NOLOGIN;"):
            await connection.run_sync(make)
