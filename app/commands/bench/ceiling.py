"""What one report costs the database: its statements, and how fast pgbench writes the same rows.

Both on a scratch database in the same server: the statements are counted in this process, around the API itself; the
rows are those that one of its reports wrote.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uvicorn.importer import import_from_string

from app.accounts.tokens import ClientSubject
from app.commands.bench.statements import StatementCount
from app.commands.city import City, set_up_city
from app.commands.db import upgrade_schema
from app.commands.harness.sample_messages import DEMO_CITY, Sample, Samples
from app.commands.harness.scratch_database import Scratch, libpq_url
from app.core import postgres
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.runtime import Runtime, open_runtime

#: reports of each kind whose statements are counted
_COUNTED: Final = 8
_MOST_TRIES: Final = 400

#: what one report writes, in the order of its foreign keys; the column by which its rows are found
_WRITTEN: Final = (
    ("inbox", "id"),
    ("report_key", "report_id"),
    ("event", "id"),
    ("report", "id"),
    ("event_report", "event_id"),
    ("report_identity", "report_id"),
    ("timeline", "event_id"),
    ("timeline_note", "event_id"),
    ("work_order", "event_id"),
    ("event_participant", "event_id"),
    ("clock", "event_id"),
    ("clock_due", "event_id"),
    ("debt", "report_id"),
    ("delivery", "lane_id"),
)


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL statements of one report, BEGIN and COMMIT among them; the most that were seen, and the rows of a new one."""

    new_event: int
    joining: int
    rows: int
    tables: int


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report with an event of its own, whose rows pgbench is to write."""

    report_id: UUID
    event_id: UUID
    event_no: str
    source_ref: str


@asynccontextmanager
async def prepared_city(settings: Settings, scratch: Scratch) -> AsyncIterator[tuple[Runtime, City]]:
    """A runtime on the scratch database with schema and demo city."""
    await asyncio.to_thread(upgrade_schema, scratch.owner_url)
    async with open_runtime(settings.model_copy(update={"database_url": scratch.url, "demo": True})) as runtime:
        city = await set_up_city(runtime.sessions, "320102", "演示区", DEMO_CITY)
        async with runtime.sessions() as session:
            await runtime.masters.get(session, city.jurisdiction_id)
        yield runtime, city


async def count_statements(runtime: Runtime, city: City) -> tuple[Statements, WrittenReport]:
    """Sends reports to the API in this process, one at a time, and counts. Raises Unavailable when none could join."""
    counted = StatementCount(runtime.sessions)
    samples = Samples("STMT", join_share=0)
    # by name, as the server loads it: the API stands above the commands
    app = import_from_string("app.main:create_app")(runtime=runtime)
    new: list[int] = []
    joining: list[int] = []
    written: WrittenReport | None = None
    headers = {"Authorization": f"Bearer {await _token(runtime, city)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as http:
        for _ in range(_MOST_TRIES):
            sample = samples.next("hotline-12345", datetime.now(UTC))
            before = counted.count
            answer = await _send(http, sample)
            spent = counted.count - before
            if answer["outcome"] != "created" or not await _is_dispatched(runtime, answer["event_id"]):
                continue
            new.append(spent)
            if len(joining) > _COUNTED:
                # nobody joins this one: its rows are those of one report
                written = WrittenReport(
                    UUID(answer["report_id"]), UUID(answer["event_id"]), answer["event_no"], sample.source_ref
                )
                break
            before = counted.count
            if (await _send(http, _again(sample)))["outcome"] == "joined":
                joining.append(counted.count - before)
    if written is None:
        raise Unavailable("没有一件上报得到派单或并入，无法计数。")
    async with runtime.sessions() as session:
        rows = [await _rows_of(session, table, column, written) for table, column in _WRITTEN]
    # The first of each kind is not typical: the driver asks once a connection for the types of a new statement, and a
    # process reserves a hundred event numbers at once.
    return Statements(
        new_event=max(new[1:]),
        joining=max(joining[1:]),
        rows=sum(map(len, rows)),
        tables=sum(bool(found) for found in rows),
    ), written


async def _token(runtime: Runtime, city: City) -> str:
    async with runtime.sessions() as session:
        client_id, version = (
            await session.execute(
                text(
                    "SELECT id, token_version FROM machine_client WHERE jurisdiction_id = :j AND code = 'hotline-12345'"
                ),
                {"j": city.jurisdiction_id},
            )
        ).one()
    token, _ = runtime.tokens.issue(
        ClientSubject(client_id), jurisdiction_id=city.jurisdiction_id, token_version=version
    )
    return token


async def _send(http: httpx.AsyncClient, sample: Sample) -> dict[str, Any]:
    answer = await http.post(f"/api/v1/intake/{sample.channel}", content=orjson.dumps(sample.body))
    if answer.status_code != 201:
        raise Unavailable(f"上报被拒绝：{answer.status_code} {answer.text[:300]}")
    body: dict[str, Any] = answer.json()
    return body


def _again(sample: Sample) -> Sample:
    number = f"{sample.source_ref}J"
    return Sample(sample.channel, number, {**sample.body, "orderNum": number})


async def _is_dispatched(runtime: Runtime, event_id: str) -> bool:
    async with runtime.sessions() as session:
        return bool(
            await session.scalar(text("SELECT lead_unit_id IS NOT NULL FROM event WHERE id = :id"), {"id": event_id})
        )


async def _rows_of(
    session: AsyncSession, table: str, column: str, written: WrittenReport
) -> list[dict[str, str | None]]:
    """The rows of ``table``, each column as PostgreSQL writes it."""
    key = written.event_id if column in ("event_id", "lane_id") or table == "event" else written.report_id
    names = await session.scalars(
        text(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 "
            "AND NOT attisdropped AND attname <> 'xact_id' ORDER BY attnum"
        ),
        {"table": table},
    )
    columns = ", ".join(f"CAST({name} AS text) AS {name}" for name in names)
    found = await session.execute(
        text(f"SELECT {columns} FROM {table} WHERE {column} = :key"),  # noqa: S608 - our own names only
        {"key": key},
    )
    return [dict(row) for row in found.mappings()]


# ── pgbench ──────────────────────────────────────────────────────────────────────────────────────────────────


async def same_rows_script(runtime: Runtime, written: WrittenReport) -> str:
    """A pgbench script that writes the rows of ``written`` again, under new ids, as one statement in a transaction.

    ``run`` is a number that differs between two runs on one database.
    """
    number = "CAST(:run AS bigint) * 281474976710656 + CAST(:i AS bigint) * 128 + CAST(:client_id AS bigint)"
    fresh_id = f"CAST(lpad(to_hex({number}), 32, '0') AS uuid)"
    fresh = {
        str(written.report_id): fresh_id,
        str(written.event_id): fresh_id,
        written.event_no: f"to_hex({number})",
        written.source_ref: f"to_hex({number})",
    }
    parts: list[str] = []
    async with runtime.sessions() as session:
        for table, column in _WRITTEN:
            rows = await _rows_of(session, table, column, written)
            if not rows:
                continue
            types = await _types(session, table)
            values = ",\n".join(
                "(" + ", ".join(_literal(value, types[name], fresh) for name, value in row.items()) + ")"
                for row in rows
            )
            names = ", ".join(rows[0])
            parts.append(f"w{len(parts)} AS (INSERT INTO {table} ({names}) VALUES {values})")  # noqa: S608 - our rows
    statement = "WITH " + ",\n".join(parts) + "\nSELECT 1;"
    return f"\\set i :i + 1\nBEGIN;\n{statement}\nCOMMIT;\n"


async def _types(session: AsyncSession, table: str) -> dict[str, str]:
    found = await session.execute(
        text(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped"
        ),
        {"table": table},
    )
    return {name: kind for name, kind in found}


def _literal(value: str | None, kind: str, fresh: dict[str, str]) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})"
    if value in fresh:
        return fresh[value]
    # pgbench takes a colon before a letter for one of its variables, and knows no quoting
    quoted = "'" + value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072") + "'"
    return f"CAST(E{quoted} AS {kind})"


async def pgbench(settings: Settings, url: str, script: str, *, clients: int, seconds: int, run: int) -> float:
    """Transactions a second of ``script`` with prepared statements. Raises Unavailable with pgbench's own words."""
    program = await asyncio.to_thread(_program, settings)
    with tempfile.TemporaryDirectory(prefix="bihuan-bench-") as folder:
        file = Path(folder) / "same-rows.sql"
        file.write_text(script, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            program, "-n", "-M", "prepared", "-f", str(file), "-D", "i=0", "-D", f"run={run}",
            "-c", str(clients), "-j", "2", "-T", str(seconds), libpq_url(url),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        told, errors = await process.communicate()
    found = re.search(rb"tps = ([0-9.]+)", told)
    if process.returncode != 0 or found is None:
        raise Unavailable(f"pgbench 未能运行：{errors.decode(errors='replace').strip()[-500:]}")
    return float(found[1])


def _program(settings: Settings) -> str:
    if not settings.database_url:
        return str(postgres.bin_dir(settings.data_dir) / "pgbench")
    found = shutil.which("pgbench")
    if found is None:
        raise Unavailable("没有找到 pgbench：请安装 PostgreSQL 的客户端程序。")
    return found
