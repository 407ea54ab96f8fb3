"""History against whoever holds the application's role: nothing of it is changed or removed, with any setting."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Keyring
from app.core.database import make_engine, make_sessions
from app.core.settings import Settings
from app.masters import MastersCache
from app.runtime import Runtime
from tests.conftest import City, Server, make_runtime
from tests.flows.town import Town

NOT_ALLOWED = "42501"
NOT_RECORDED = "23503"
NOT_FORWARD = "23001"
HISTORY = ("timeline", "clock_due", "clock_rung")

#: as the application writes it: the next record and the clock in one statement, which needs an act
MOVE = """
WITH act AS (
  INSERT INTO timeline (event_id, n, jurisdiction_id, act, subject, actor_kind, acted_at, recorded_at, data, mac)
  SELECT event_id, 9000, jurisdiction_id, 'test', 'clock', 'system', now(), now(), '{}', '' FROM clock
  WHERE generation = 2 AND :with_act RETURNING n
), record AS (
  INSERT INTO clock_due (event_id, clock_n, generation, due_at, cause, since_at, timeline_n, limit_value, limit_unit,
                         grounds)
  SELECT event_id, n, generation + :steps, due_at + interval '1 day', 'limit', now(),
         coalesce((SELECT n FROM act), :old_act), limit_value, limit_unit, '' FROM clock WHERE generation = 2
  RETURNING *
)
UPDATE clock c SET generation = r.generation, due_at = r.due_at
FROM record r WHERE r.event_id = c.event_id AND r.clock_n = c.n AND :in_force
"""
RECORDED: dict[str, Any] = {"with_act": True, "steps": 1, "old_act": None, "in_force": True}


@pytest.fixture(scope="module")
async def held(
    server: Server, template: tuple[str, City], settings: Settings, keyring: Keyring, masters_cache: MastersCache
) -> AsyncIterator[Runtime]:
    """A database with one event, whose handling clock has moved once, by an act that is committed."""
    name = f"history_{uuid4().hex[:8]}"
    await server.run(f'CREATE DATABASE "{name}" TEMPLATE "{template[0]}"')
    engine = make_engine(server.app_url(name), pool_size=2)
    runtime = make_runtime(settings, keyring, make_sessions(engine), masters_cache)
    town = Town(runtime, template[1])
    event_id = (await town.send("hotline-12345", town.call(callTime="2026-03-10 09:55:00")))["event_id"]
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不归我单位")
    assert len(await town.rows("SELECT n FROM clock WHERE generation = 2 AND state = 'running'")) == 1
    yield runtime
    await engine.dispose()
    await server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def session(held: Runtime) -> AsyncIterator[AsyncSession]:
    """A session of the application's role; whatever a test brings about is rolled back."""
    async with held.sessions() as session:
        yield session


async def refusal(session: AsyncSession, statement: str, values: dict[str, Any] | None = None) -> str:
    """The code with which PostgreSQL refuses the statement; fails when it does not."""
    try:
        await session.execute(text(statement), values or {})
    except DBAPIError as fault:
        return str(getattr(fault.orig, "sqlstate", None))
    raise AssertionError(f"was not refused: {statement}")


async def owner_of(session: AsyncSession) -> str:
    found = await session.scalar(text("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'timeline'::regclass"))
    return str(found)


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET event_id = event_id",
        "DELETE FROM {}",
        "WITH gone AS (DELETE FROM {} RETURNING 1) SELECT count(*) FROM gone",
        "TRUNCATE {}",
        "TRUNCATE {} CASCADE",
        "MERGE INTO {0} a USING {0} b ON false WHEN MATCHED THEN DELETE",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT ON CONSTRAINT pk_{0} DO UPDATE SET event_id = excluded.event_id",
        "SELECT FROM {} FOR UPDATE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "ALTER TABLE {} DROP COLUMN event_id",
        "ALTER TABLE {} OWNER TO CURRENT_USER",
        "DROP TRIGGER append_only ON {}",
        "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE mine AS ON INSERT TO {} DO INSTEAD NOTHING",
        "DROP TABLE {} CASCADE",
    ],
)
async def test_history_is_neither_changed_nor_removed(session: AsyncSession, statement: str, table: str) -> None:
    assert await refusal(session, statement.format(table)) == NOT_ALLOWED


@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",
        "SET LOCAL session_replication_role = replica",
        "SELECT set_config('session_replication_role', 'replica', true)",
        "SET ROLE {owner}",
        "SET SESSION AUTHORIZATION {owner}",
        "GRANT {owner} TO CURRENT_USER",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "CREATE ROLE mine SUPERUSER",
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "ALTER FUNCTION refuse_change() RENAME TO refused",
        "CREATE TABLE mine (n int)",
        "UPDATE timeline_note SET body = ''",
        "TRUNCATE event CASCADE",
        "TRUNCATE clock CASCADE",
        "DELETE FROM clock",
        "SELECT setval('event_no_block', 1)",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
async def test_no_setting_and_no_other_role_opens_it(session: AsyncSession, statement: str) -> None:
    assert await refusal(session, statement.format(owner=await owner_of(session))) == NOT_ALLOWED


async def test_the_applications_role_is_nothing_but_a_member(session: AsyncSession) -> None:
    row = (
        await session.execute(
            text(
                "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
                "ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid) AS groups "
                "FROM pg_roles r WHERE rolname = session_user"
            )
        )
    ).one()
    assert tuple(row) == (False, False, False, False, False, ["bihuan_app"])


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE clock SET due_at = due_at + interval '1 day'", NOT_RECORDED),
        ("UPDATE clock SET generation = generation + 1", NOT_RECORDED),
        ("UPDATE clock SET generation = generation + 1, due_at = due_at + interval '1 day'", NOT_RECORDED),
        ("UPDATE clock SET n = n + 100", NOT_RECORDED),
        ("UPDATE clock SET due_at = NULL", "23502"),
        (
            "UPDATE clock c SET generation = d.generation, due_at = d.due_at FROM clock_due d "
            "WHERE d.event_id = c.event_id AND d.clock_n = c.n AND d.generation = c.generation - 1",
            NOT_FORWARD,
        ),
        ("INSERT INTO clock SELECT * FROM clock ON CONFLICT (event_id, n) DO UPDATE SET generation = 0", NOT_FORWARD),
    ],
)
async def test_no_due_time_without_its_record(session: AsyncSession, statement: str, code: str) -> None:
    assert await refusal(session, statement) == code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"with_act": False}, "23502"),
        ({"with_act": False, "old_act": 8999}, NOT_RECORDED),
        ({"with_act": False, "old_act": 1}, NOT_FORWARD),  # the event's first act, long committed
        ({"steps": 2}, NOT_FORWARD),
        ({"steps": -2}, NOT_FORWARD),
        ({"in_force": False}, NOT_FORWARD),
    ],
)
async def test_no_due_record_without_an_act_of_its_own(session: AsyncSession, wrong: dict[str, Any], code: str) -> None:
    assert await refusal(session, MOVE, RECORDED | wrong) == code


async def test_a_temporary_table_does_not_answer_for_the_real_one(session: AsyncSession) -> None:
    await session.execute(text("CREATE TEMPORARY TABLE timeline AS SELECT * FROM public.timeline"))
    await session.execute(text("UPDATE pg_temp.timeline SET xact_id = pg_current_xact_id()"))
    move = MOVE.replace("INTO timeline", "INTO public.timeline")
    assert await refusal(session, move, RECORDED | {"with_act": False, "old_act": 1}) == NOT_FORWARD


async def test_a_first_record_needs_an_act_that_exists(session: AsyncSession) -> None:
    statement = (
        "WITH record AS (INSERT INTO clock_due (event_id, clock_n, generation, due_at, cause, since_at, timeline_n, "
        "limit_value, limit_unit, grounds) SELECT event_id, 9001, 1, due_at, 'started', now(), :act, limit_value, "
        "limit_unit, '' FROM clock WHERE generation = 2) "
        'INSERT INTO clock SELECT (json_populate_record(c, \'{"n": 9001, "generation": 1}\')).* '
        "FROM clock c WHERE generation = 2"
    )
    assert await refusal(session, statement, {"act": 8999}) == NOT_RECORDED


#: the round trip of an end: every clock of the event ends, in the way the application writes it
END = "UPDATE clock SET state = 'stopped', ended_at = now(), next_at = NULL WHERE state = 'running'"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clock SET started_at = started_at + interval '1 minute'",
        "UPDATE clock SET limit_value = limit_value + 1",
        "UPDATE clock SET limit_unit = 'natural_hour' WHERE limit_unit <> 'natural_hour'",
    ],
)
async def test_neither_start_nor_limit_changes_without_a_record(session: AsyncSession, statement: str) -> None:
    assert await refusal(session, statement) == NOT_FORWARD


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clock SET ended_at = ended_at - interval '1 hour'",
        "UPDATE clock SET state = 'running', ended_at = NULL",
        "UPDATE clock SET state = 'met'",
        "UPDATE clock SET next_at = now()",
        MOVE.replace(":with_act", "true").replace(":steps", "1").replace(":old_act", "0").replace(":in_force", "true"),
        "INSERT INTO clock SELECT * FROM clock ON CONFLICT (event_id, n) DO UPDATE SET ended_at = now() + '1 hour'",
    ],
)
async def test_an_ended_clock_stays_as_it_ended(session: AsyncSession, statement: str) -> None:
    await session.execute(text(END))
    assert await refusal(session, statement) == NOT_FORWARD


async def test_an_ended_clock_may_be_left_out_of_statistics(session: AsyncSession) -> None:
    await session.execute(text(END))
    await session.execute(text("UPDATE clock SET exempted_n = 1, counted_minutes = 5, elapsed_minutes = 6"))


async def test_what_the_application_does_is_allowed(session: AsyncSession) -> None:
    await session.execute(text(MOVE), RECORDED)
    assert await session.scalar(text("SELECT max(generation) FROM clock")) == 3
    await session.execute(text("DELETE FROM timeline_note"))
    await session.execute(
        text(
            "INSERT INTO clock_rung (event_id, clock_n, generation, rung, rung_at, fired_at, timeline_n) "
            "SELECT event_id, n, generation, 'test', now(), now(), 9000 FROM clock WHERE generation = 3"
        )
    )
    await session.execute(text("SELECT nextval('event_no_block')"))
