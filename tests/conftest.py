"""Real PostgreSQL always: one server, one migrated and loaded template; each test rolls back or runs on a clone."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from app import demo_city
from app.accounts.passwords import Passwords
from app.accounts.tokens import ClientSubject, TokenIssuer, UserSubject
from app.core import postgres
from app.core.application_role import admit
from app.core.crypto import Keyring
from app.core.database import make_engine, make_sessions, transaction
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.core.storage import Attachments
from app.core.timing import MovableClock, use_clock
from app.main import create_app
from app.masters import MastersCache
from app.masters.users import load_city
from app.runtime import EventNumbers, Runtime

ROOT = Path(__file__).parent.parent
DEMO_CITY = demo_city.FOLDER
#: a Tuesday morning, in working hours and in a year with an official calendar
MORNING = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings over a folder that is gone after the run."""
    folder = Path(tempfile.mkdtemp(prefix="bihuan-test-"))
    folder.chmod(0o755)  # as root the server runs as another user, who must be able to pass through
    made = Settings(demo=True, data_dir=folder, database_url="", log_level="error")
    configure_logging(made)
    yield made
    shutil.rmtree(folder, ignore_errors=True)


class Server:
    """The test server: clones databases from the template."""

    def __init__(self, admin_url: str, app_url: str) -> None:
        self._admin_url = admin_url
        self._app_url = app_url

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database of this server, for its owner."""
        return make_url(self._admin_url).set(database=database).render_as_string(hide_password=False)

    def app_url(self, database: str) -> str:
        """The same for the application, whose role may add to history and not change it."""
        return make_url(self._app_url).set(database=database).render_as_string(hide_password=False)

    async def run(self, statement: str) -> None:
        """Runs one statement outside any transaction."""
        engine = create_async_engine(self._admin_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()


@pytest.fixture(scope="session")
async def server(settings: Settings) -> AsyncIterator[Server]:
    """An embedded server without fsync, or the one that ``BIHUAN_TEST_DATABASE_URL`` names."""
    given = os.environ.get("BIHUAN_TEST_DATABASE_URL")
    if given:
        login = make_url(given).set(username=f"bihuan_test_{uuid4().hex[:8]}", password=uuid4().hex)
        yield Server(given, login.render_as_string(hide_password=False))
        await Server(given, given).run(f'DROP ROLE IF EXISTS "{login.username}"')
        return
    with postgres.lease(settings.data_dir, fsync=False) as lease:
        yield Server(lease.url("postgres"), lease.app_url("postgres"))
    postgres.stop(settings.data_dir)


@dataclass(frozen=True, slots=True)
class City:
    """The loaded demo city: its jurisdiction and its machine clients' ids by channel."""

    jurisdiction_id: int
    clients: dict[str, int]


@pytest.fixture(scope="session")
def keyring(settings: Settings) -> Keyring:
    return Keyring.from_settings(settings)


def migrate(url: str) -> None:
    """Brings a database to the newest schema, as ``bihuan db upgrade`` does."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")


@pytest.fixture(scope="session")
async def template(server: Server) -> tuple[str, City]:
    """A database with schema and demo city, from which every other one is cloned."""
    name = f"template_{uuid4().hex[:8]}"
    await server.run(f'CREATE DATABASE "{name}"')
    await asyncio.to_thread(migrate, server.url(name))
    await admit(server.url(name), server.app_url(name))
    engine = make_engine(server.app_url(name), pool_size=2)
    async with transaction(make_sessions(engine)) as session:
        jurisdiction_id = await session.scalar(
            text("INSERT INTO jurisdiction (code, name) VALUES ('320102', '玄武区') RETURNING id")
        )
        assert jurisdiction_id is not None
        with use_clock(MovableClock(MORNING)):
            await load_city(
                session, jurisdiction_id, DEMO_CITY, by="tests", passwords=Passwords(time_cost=1, memory_kib=8)
            )
        clients: dict[str, int] = {}
        for channel, crs in (("hotline-12345", None), ("police-110", "gcj02"), ("snapshot", None)):
            clients[channel] = await session.scalar(
                text(
                    "INSERT INTO machine_client (jurisdiction_id, code, name, channel, secret_hash, crs) "
                    "VALUES (:j, :channel, :channel, :channel, 'no log-in', :crs) RETURNING id"
                ),
                {"j": jurisdiction_id, "channel": channel, "crs": crs},
            )
    await engine.dispose()
    return name, City(jurisdiction_id, clients)


@pytest.fixture(scope="session")
def city(template: tuple[str, City]) -> City:
    return template[1]


@pytest.fixture(scope="session")
def masters_cache() -> MastersCache:
    """Shared by all tests: fitting the classifier takes a second, and releases never change under their id."""
    return MastersCache()


def make_runtime(
    settings: Settings, keyring: Keyring, sessions: async_sessionmaker[AsyncSession], cache: MastersCache
) -> Runtime:
    """A runtime over given sessions."""
    return Runtime(
        settings=settings,
        keyring=keyring,
        sessions=sessions,
        read_sessions=sessions,
        masters=cache,
        tokens=TokenIssuer.from_settings(settings, keyring),
        passwords=Passwords(time_cost=1, memory_kib=8),
        attachments=Attachments.from_settings(settings),
        numbers=EventNumbers(),
    )


@pytest.fixture(scope="session")
async def shared_database(server: Server, template: tuple[str, City]) -> AsyncIterator[str]:
    """One clone for all tests that roll back, as the application reaches it."""
    name = f"shared_{uuid4().hex[:8]}"
    await server.run(f'CREATE DATABASE "{name}" TEMPLATE "{template[0]}"')
    yield server.app_url(name)
    await server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def runtime(
    settings: Settings, keyring: Keyring, shared_database: str, masters_cache: MastersCache
) -> AsyncIterator[Runtime]:
    """A runtime whose every commit is a savepoint inside one outer transaction, rolled back after the test."""
    engine = make_engine(shared_database, pool_size=1)
    async with engine.connect() as connection:
        outer = await connection.begin()
        sessions = async_sessionmaker(
            connection, expire_on_commit=False, autoflush=False, join_transaction_mode="create_savepoint"
        )
        yield make_runtime(settings, keyring, sessions, masters_cache)
        await outer.rollback()
    await engine.dispose()


@pytest.fixture
async def session(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    """A session inside the test's outer transaction."""
    async with runtime.sessions() as session:
        yield session


@pytest.fixture
async def database_url(server: Server, template: tuple[str, City]) -> AsyncIterator[str]:
    """A clone of its own, for what depends on real commits, as the application reaches it."""
    name = f"clone_{uuid4().hex[:8]}"
    await server.run(f'CREATE DATABASE "{name}" TEMPLATE "{template[0]}"')
    yield server.app_url(name)
    await server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def owner_database_url(server: Server, database_url: str) -> str:
    """The same clone, as its owner reaches it."""
    return server.url(str(make_url(database_url).database))


@pytest.fixture
async def committing_runtime(
    settings: Settings, keyring: Keyring, database_url: str, masters_cache: MastersCache
) -> AsyncIterator[Runtime]:
    """A runtime that really commits, on a clone of its own, with several connections."""
    engine = make_engine(database_url, pool_size=8)
    yield make_runtime(settings, keyring, make_sessions(engine), masters_cache)
    await engine.dispose()


@pytest.fixture
def clock() -> Iterator[MovableClock]:
    """The time, standing still on a working morning until the test moves it."""
    movable = MovableClock(MORNING)
    with use_clock(movable):
        yield movable


Http = httpx.AsyncClient
LogIn = Callable[[str], Awaitable[Http]]


_app_of: list[tuple[Runtime, FastAPI]] = []


def http_for(runtime: Runtime, token: str | None = None) -> Http:
    """An HTTP client on the app over ``runtime``; building an app's routes takes longer than most tests do."""
    if not _app_of or _app_of[0][0] is not runtime:
        _app_of[:] = [(runtime, create_app(runtime=runtime))]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=_app_of[0][1], raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test/api/v1", headers=headers)


async def user_token(runtime: Runtime, username: str) -> str:
    """An access token of a demo user, without the tenth of a second that a password takes."""
    async with runtime.sessions() as session:
        row = (
            await session.execute(
                text("SELECT id, jurisdiction_id, token_version FROM user_account WHERE username = :name"),
                {"name": username},
            )
        ).one()
    return runtime.tokens.issue(
        UserSubject(row.id), jurisdiction_id=row.jurisdiction_id, token_version=row.token_version
    )[0]


def client_token(runtime: Runtime, city: City, channel: str) -> str:
    """An access token of the channel's machine client."""
    subject = ClientSubject(city.clients[channel])
    return runtime.tokens.issue(subject, jurisdiction_id=city.jurisdiction_id, token_version=0)[0]


@pytest.fixture
async def http(runtime: Runtime) -> AsyncIterator[Http]:
    """An HTTP client without a log-in."""
    async with http_for(runtime) as client:
        yield client


@pytest.fixture
async def log_in(runtime: Runtime) -> AsyncIterator[LogIn]:
    """Gives HTTP clients logged in as a demo user."""
    opened: list[Http] = []

    async def _log_in(username: str) -> Http:
        client = http_for(runtime, await user_token(runtime, username))
        opened.append(client)
        return client

    yield _log_in
    for client in opened:
        await client.aclose()


@pytest.fixture
async def channel(runtime: Runtime, city: City) -> AsyncIterator[Callable[[str], Http]]:
    """Gives HTTP clients logged in as a channel's machine client."""
    opened: list[Http] = []

    def _channel(code: str) -> Http:
        client = http_for(runtime, client_token(runtime, city, code))
        opened.append(client)
        return client

    yield _channel
    for client in opened:
        await client.aclose()
