"""All rows of one transaction in one statement: data-modifying CTEs fed by JSON, one parameter a table.

One round trip instead of one a row; measured 2.3 times as fast as a statement a table. Rows are plain transient
instances of the mapped classes: never attached to a session, written only here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, configure_mappers

from app.core.database import Base, fetch

RowT = TypeVar("RowT", bound=Base)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, UUID):
        return str(value)  # asyncpg has a UUID class of its own, which orjson does not know
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"cannot be written: {type(value)}")


def to_json(value: Any) -> str:
    """JSON as PostgreSQL's ``json_populate_recordset`` reads it (bytes as ``\\x…``)."""
    return orjson.dumps(value, default=_jsonable).decode()


@lru_cache
def columns_of(model: type[Base]) -> tuple[str, ...]:
    """Column names of a mapped class in table order (attribute and column names are the same here)."""
    mapper: Mapper[Any] = inspect(model)
    return tuple(str(column.key) for column in mapper.columns)


@lru_cache
def _keys_of(model: type[Base]) -> tuple[str, ...]:
    mapper: Mapper[Any] = inspect(model)
    return tuple(str(column.key) for column in mapper.primary_key)


@lru_cache(maxsize=512)
def _statement(
    inserts: tuple[tuple[type[Base], tuple[str, ...]], ...],
    updates: tuple[tuple[type[Base], tuple[str, ...]], ...],
) -> str:
    parts: list[str] = []
    for number, (model, columns) in enumerate(inserts):
        place = number + 1
        table, names = model.__tablename__, ", ".join(columns)
        parts.append(
            f"i{number} AS (INSERT INTO {table} ({names}) SELECT {names} FROM "  # noqa: S608 - our own names only
            f"json_populate_recordset(NULL::{table}, CAST(CAST(${place} AS text) AS json)))"
        )
    for number, (model, columns) in enumerate(updates):
        place = len(inserts) + number + 1
        table = model.__tablename__
        changes = ", ".join(f"{name} = s.{name}" for name in columns)
        match = " AND ".join(f"t.{name} = s.{name}" for name in _keys_of(model))
        parts.append(
            f"u{number} AS (UPDATE {table} t SET {changes} FROM "  # noqa: S608 - our own names only
            f"json_populate_recordset(NULL::{table}, CAST(CAST(${place} AS text) AS json)) s WHERE {match})"
        )
    return "WITH " + ",\n".join(parts) + "\nSELECT 1"


async def write_rows(
    session: AsyncSession,
    inserts: Iterable[Base] = (),
    updates: Iterable[tuple[Base, Iterable[str]]] = (),
) -> None:
    """Inserts and updates all of it in one statement.

    ``inserts``: each row sets the same columns as the other rows of its class; a column that no row sets gets its
    default. ``updates``: a row with the names of its changed columns. One row must not stand in both, nor twice in
    ``updates``: PostgreSQL would keep one of the writes without saying which.
    """
    new: defaultdict[type[Base], list[Mapping[str, Any]]] = defaultdict(list)
    for row in inserts:
        new[type(row)].append(_values(row))
    changed: defaultdict[tuple[type[Base], tuple[str, ...]], list[Mapping[str, Any]]] = defaultdict(list)
    for row, names in updates:
        columns = tuple(sorted(names))
        values = row.__dict__
        changed[type(row), columns].append({name: values[name] for name in (*_keys_of(type(row)), *columns)})
    if not new and not changed:
        return
    insert_shapes = tuple((model, tuple(rows[0])) for model, rows in new.items())
    documents = [to_json(rows) for rows in (*new.values(), *changed.values())]
    await fetch(session, _statement(insert_shapes, tuple(changed)), *documents)


def _values(row: Base) -> Mapping[str, Any]:
    values = row.__dict__
    if "_sa_instance_state" not in values:  # a plain row: nothing but its columns
        return values
    return {name: values[name] for name in columns_of(type(row)) if name in values}


_CONFIGURED: set[type[Base]] = set()


def plain_row(model: type[RowT], **values: Any) -> RowT:
    """A row of a mapped class as a mere carrier of values, outside any session.

    It has none of the ORM's bookkeeping, which costs more than all that is done with the row; so it is never added to
    a session, and is changed through ``set_values`` only.
    """
    if model not in _CONFIGURED:
        # The attributes of a class can be read only after this, which SQLAlchemy does at the first use of its own.
        configure_mappers()
        _CONFIGURED.add(model)
    row = model.__new__(model)
    row.__dict__.update(values)
    return row


def set_values(row: Base, **values: Any) -> None:
    """Changes a plain row."""
    row.__dict__.update(values)


def read_row(model: type[RowT], document: Mapping[str, Any]) -> RowT:
    """A transient row from ``to_jsonb(row)``: times, UUIDs and bytes are brought back to Python's types."""
    values = {name: document[name] for name in columns_of(model) if name in document}
    for name, convert in _converters(model):
        value = values.get(name)
        if value is not None:
            values[name] = convert(value)
    return plain_row(model, **values)


_CONVERT: dict[type[Any], Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    UUID: UUID,
    bytes: lambda value: bytes.fromhex(value[2:]),
}


@lru_cache
def _converters(model: type[Base]) -> Sequence[tuple[str, Callable[[str], Any]]]:
    mapper: Mapper[Any] = inspect(model)
    typed = ((column.key, getattr(column.type, "python_type", None)) for column in mapper.columns)
    return [(name, _CONVERT[kind]) for name, kind in typed if kind in _CONVERT]
