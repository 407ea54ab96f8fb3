"""Keyset pages: a cursor is the sort key of the last row seen, tied to the filters under which it was seen.

Cursors are opaque to clients but not secret and not signed: they hold sort keys of rows that the client has just
read, and every list applies the asker's own sight again.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson

from app.core.errors import Malformed

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page, and the cursor of the next one; None: this was the last.

    A page may be shorter than asked for while ``next`` is there: with rare filters each request looks at a bounded
    number of rows, and the cursor goes on where it stopped.
    """

    items: Sequence[T]
    next: str | None


def digest_of(name: str, filters: Mapping[str, Any]) -> str:
    """A short digest (11 characters) of a list's name and its filters; empty ones make no difference."""
    given = {key: value for key, value in filters.items() if value not in (None, (), [], "")}
    text = orjson.dumps([name, given], option=orjson.OPT_SORT_KEYS, default=str)
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()[:8]).rstrip(b"=").decode()


def encode_cursor(digest: str, key: Sequence[Any]) -> str:
    """The cursor that stands behind the row with this sort key."""
    text = orjson.dumps([digest, *key], default=str)
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def belongs_to(cursor: str, digest: str) -> bool:
    """Whether the cursor was made under this digest: lists that know several orders go on in the one they began."""
    try:
        return bool(_members(cursor)[0] == digest)
    except (ValueError, TypeError, LookupError):
        return False


def decode_cursor(cursor: str | None, digest: str, types: Sequence[type]) -> tuple[Any, ...] | None:
    """The sort key in a cursor, as values of ``types``; None for the first page.

    Raises ``Malformed`` for a cursor that cannot be read, and for one of other filters.
    """
    if not cursor:
        return None
    try:
        given, *key = _members(cursor)
        if given == digest:
            return tuple(_read(value, kind) for value, kind in zip(key, types, strict=True))
    except (ValueError, TypeError, AttributeError):
        raise _wrong("翻页游标无法识别，请去掉 cursor 参数从第一页重新查询。") from None
    raise _wrong("翻页游标与当前筛选条件不符：条件变了请去掉 cursor 参数，从第一页重新查询。")


def _members(cursor: str) -> Any:
    return orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))


def _wrong(detail: str) -> Malformed:
    return Malformed(detail, faults=[{"path": "cursor", "message": "游标无效"}])


def _read(value: Any, kind: type) -> Any:
    if kind is UUID:
        return UUID(value)
    if kind is datetime and (at := datetime.fromisoformat(value)).tzinfo is not None and 2000 <= at.year < 2100:
        return at
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 2**63:
        return value
    if kind is str and isinstance(value, str) and "\x00" not in value:
        return value
    raise ValueError(f"not a {kind.__name__} that can be stored")
