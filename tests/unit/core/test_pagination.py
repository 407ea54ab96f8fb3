"""Cursors: what comes out is what went in, and nothing else gets through."""

import base64
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import pytest

from app.core.errors import Malformed
from app.core.pagination import decode_cursor, digest_of, encode_cursor

KINDS = (datetime, UUID, int, str)


def test_a_cursor_gives_its_key_back() -> None:
    digest = digest_of("events", {"unit": "A"})
    key = (datetime(2026, 3, 10, 2, 0, 0, 123456, tzinfo=UTC), uuid4(), 7, "B/1")
    assert decode_cursor(encode_cursor(digest, key), digest, KINDS) == key


def test_without_a_cursor_reading_begins_at_the_beginning() -> None:
    assert decode_cursor(None, "x", KINDS) is None
    assert decode_cursor("", "x", KINDS) is None


def test_a_cursor_of_other_filters_is_refused_with_what_to_do() -> None:
    cursor = encode_cursor(digest_of("events", {"unit": "A"}), (1,))
    with pytest.raises(Malformed) as refused:
        decode_cursor(cursor, digest_of("events", {"unit": "B"}), (int,))
    assert "第一页" in refused.value.detail
    assert refused.value.extra["faults"][0]["path"] == "cursor"


def test_filters_that_are_not_set_make_no_difference_and_lists_do() -> None:
    assert digest_of("events", {"unit": None, "states": ()}) == digest_of("events", {})
    assert digest_of("events", {}) != digest_of("reports", {})
    assert digest_of("events", {"open": False}) != digest_of("events", {})


def _forged(*members: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(members)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("cursor", "kind"),
    [
        ("%%%", int),
        ("é", int),
        ("a", int),
        (_forged(), int),
        (_forged("d"), int),
        (_forged("d", 1, 2), int),
        (_forged("d", True), int),
        (_forged("d", "1"), int),
        (_forged("d", -5), int),
        (_forged("d", "not a uuid"), UUID),
        (_forged("d", 5), UUID),
        (_forged("d", "2026-03-10T02:00:00"), datetime),
        (_forged("d", "0001-01-01T00:00:00+00:00"), datetime),
        (_forged("d", "a\x00b"), str),
        (base64.urlsafe_b64encode(b"5").decode(), int),
        (base64.urlsafe_b64encode(b"{}").decode(), int),
    ],
)
def test_forged_cursors_are_refused(cursor: str, kind: type) -> None:
    with pytest.raises(Malformed):
        decode_cursor(cursor, "d", (kind,))
