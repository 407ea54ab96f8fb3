"""Builds the database that ``bihuan bench lists`` measures; kept between runs, since building takes minutes."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.commands.bench import lists_data as data
from app.core import releases
from app.core.database import Sessions, transaction
from app.core.timing import now

#: one row of it says that the city is complete
_DONE = "bench_city"
_TOLD = Callable[[str], None]


async def is_built(sessions: Sessions, count: int) -> bool:
    """Whether the database holds a complete city of this many events."""
    async with sessions() as session:
        if await session.scalar(text(f"SELECT to_regclass('{_DONE}')")) is None:
            return False
        return bool(await session.scalar(text(f"SELECT count = :count FROM {_DONE}"), {"count": count}))  # noqa: S608


async def build(url: str, sessions: Sessions, count: int, tell: _TOLD) -> None:
    """Fills an empty, migrated database. Indexes are dropped while rows go in and built again at the end."""
    async with transaction(sessions) as session:
        jurisdiction = await session.scalar(
            text("INSERT INTO jurisdiction (code, name) VALUES (:code, '测量区') RETURNING id"),
            {"code": data.JURISDICTION},
        )
        ids: dict[str, dict[str, int]] = {}
        masters = data.masters()
        for kind, table, column in (("organizations", "organization", "code"), ("items", "item", "key")):
            found = await session.execute(
                text(
                    f"INSERT INTO {table} (jurisdiction_id, {column}) "  # noqa: S608 - names of our own
                    f"SELECT :j, k FROM unnest(CAST(:keys AS text[])) AS k RETURNING {column}, id"
                ),
                {"j": jurisdiction, "keys": list(masters[kind])},
            )
            ids[kind] = {key: id_ for key, id_ in found}
        for kind, rows in masters.items():
            await releases.put_draft(session, jurisdiction, kind, rows, complete=True, by="bench")
        await releases.publish(session, jurisdiction, by="bench")
        client = await session.scalar(
            text(
                "INSERT INTO machine_client (jurisdiction_id, code, name, channel, secret_hash) "
                "VALUES (:j, 'bench', 'bench', 'hotline-12345', 'no log-in') RETURNING id"
            ),
            {"j": jurisdiction},
        )
        for seating in data.SEATINGS:
            await session.execute(text(data.USER), data.user_values(seating, jurisdiction, ids["organizations"]))
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
    try:
        async with engine.connect() as connection:
            units = [ids["organizations"][data.unit_code(n)] for n in range(data.UNITS)]
            items = [ids["items"][data.item_key(n)] for n in range(data.ITEMS)]
            values = {"jurisdiction": jurisdiction, "client": client, "count": count, "until": now()}
            await _fill(connection, values, {"bench_units": units, "bench_items": items}, tell)
    finally:
        await engine.dispose()


async def _fill(connection: AsyncConnection, values: dict[str, Any], ranks: dict[str, list[int]], tell: _TOLD) -> None:
    async def run(sql: str, given: dict[str, Any] | None = None) -> None:
        await connection.execute(text(sql), given or {})

    # Triggers and foreign keys are checked by the code that writes; here they would take most of the time.
    for setting in ("session_replication_role = replica", "synchronous_commit = off", "maintenance_work_mem = '512MB'"):
        await run(f"SET {setting}")
    indexes = await connection.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename IN "
            "('event', 'report', 'event_report', 'debt', 'work_order', 'event_participant', 'inspection', 'clock', "
            "'timeline', 'callback', 'report_identity') AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
    )
    dropped = [(name, definition) for name, definition in indexes]
    for name, _ in dropped:
        await run(f'DROP INDEX "{name}"')
    for table, ids in ranks.items():
        await run(f"CREATE TABLE {table} AS SELECT CAST(:ids AS int[]) AS ids", {"ids": ids})
    for statement in data.PREPARE:
        await run(statement)
    for what, sql in data.STEPS:
        tell(what)
        sql = data.statement(sql)
        await run(sql, {name: value for name, value in values.items() if f":{name}" in sql})
    for name, definition in dropped:
        tell(f"索引 {name}")
        await run(definition)
    for table in (*ranks, "bench_base"):
        await run(f"DROP TABLE {table}")
    tell("清理与统计")
    await run("VACUUM ANALYZE")
    await run("CHECKPOINT")
    await run(f"CREATE TABLE {_DONE} AS SELECT CAST(:count AS int) AS count", {"count": values["count"]})


async def user_ids(sessions: Sessions) -> tuple[int, dict[str, UUID]]:
    """The jurisdiction and the accounts of the measurement, by the name of their scope."""
    async with sessions() as session:
        rows = (
            await session.execute(
                text("SELECT jurisdiction_id, username, id FROM user_account WHERE username LIKE 'bench-%'")
            )
        ).all()
    return rows[0].jurisdiction_id, {row.username.removeprefix("bench-"): row.id for row in rows}
