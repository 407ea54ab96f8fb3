"""Builds the databases that ``bihuan bench clocks`` sweeps."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.commands.bench import clocks_data as data
from app.commands.city import City
from app.runtime import Runtime

#: told before each step: what it is, its number from 1, and how many there are
Tell = Callable[[str, int, int], None]


async def build(owner_url: str, runtime: Runtime, city: City, clocks: int, until: datetime, tell: Tell) -> None:
    """Fills a city's database with ``clocks`` open clocks. The groups fall due from ``until`` on, one a minute.

    Keys, foreign keys and indexes go before the rows come in, and are made and checked again afterwards; what is
    measured then is an ordinary database. Needs the right to switch triggers off (a superuser's).
    """
    async with runtime.sessions() as session:
        masters = await runtime.masters.get(session, city.jurisdiction_id)
    organizations = masters.organizations
    units = [row for row in organizations.rows if row.org_type == "department" and row.level == "district"]
    values: dict[str, Any] = {
        "until": until,
        "events": clocks // data.CLOCKS_AN_EVENT,
        "firing": data.GROUPS * data.DUE_AT_ONCE,
        "jurisdiction": city.jurisdiction_id,
        "district": city.code,
        "units": [organizations.id_of(row.code) for row in units],
        "items": sorted(masters.item_keys),
        "streets": [f"{city.code}{number:03d}" for number in range(1, 11)],
    }
    engine = create_async_engine(owner_url, isolation_level="AUTOCOMMIT", pool_size=1)
    try:
        async with engine.connect() as connection:
            await _fill(connection, values, tell)
    finally:
        await engine.dispose()


async def _fill(connection: AsyncConnection, values: dict[str, Any], tell: Tell) -> None:
    tables = {"tables": list(data.LOADED)}
    constraints = (await connection.execute(text(data.CONSTRAINTS), tables)).all()
    indexes = (await connection.execute(text(data.INDEXES), tables)).all()
    steps: list[tuple[str, str]] = [(what, data.statement(sql)) for what, sql in data.STEPS]
    steps += [(f"约束 {c.name}", f"ALTER TABLE {c.table_name} ADD CONSTRAINT {c.name} {c.definition}")
              for c in constraints if not c.definition.startswith("FOREIGN")]  # fmt: skip
    steps += [(f"索引 {index.name}", index.definition) for index in indexes]
    steps += [(f"核对 {c.name}", f"ALTER TABLE {c.table_name} ADD CONSTRAINT {c.name} {c.definition}")
              for c in constraints if c.definition.startswith("FOREIGN")]  # fmt: skip
    steps += [("清理", "DROP TABLE bench_base"), ("统计", "VACUUM (ANALYZE)"), ("检查点", "CHECKPOINT")]
    for setting in (
        "session_replication_role = replica",
        "synchronous_commit = off",
        "maintenance_work_mem = '512MB'",
        "work_mem = '256MB'",
    ):
        await connection.execute(text(f"SET {setting}"))
    await connection.execute(text("SELECT setseed(0.42)"))
    for constraint in reversed(constraints):
        await connection.execute(text(f"ALTER TABLE {constraint.table_name} DROP CONSTRAINT {constraint.name}"))
    for index in indexes:
        await connection.execute(text(f"DROP INDEX {index.name}"))
    for number, (what, sql) in enumerate(steps, start=1):
        tell(what, number, len(steps))
        given = {name: value for name, value in values.items() if f":{name}" in sql}
        await connection.execute(text(sql), given)
