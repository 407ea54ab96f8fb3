"""Log records are JSON and hold nothing personal."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import pytest
import structlog

from app.core.logging import configure_logging, is_personal, mask_numbers, without_personal_data
from app.core.settings import Settings

PHONE = "13812345678"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, out = root.handlers, root.level, io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    configure_logging(Settings(demo=True, log_level="info"))
    yield out
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def records(out: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(written: io.StringIO) -> None:
    event_id = UUID(int=7)
    structlog.get_logger("app.loop").info("event filed", event_id=event_id, seq=3, title="占道经营")
    (record,) = records(written)
    assert (record["event"], record["level"], record["logger"]) == ("event filed", "info", "app.loop")
    assert (record["event_id"], record["seq"], record["title"]) == (str(event_id), 3, "占道经营")
    assert record["at"].endswith("Z")


def test_the_libraries_records_go_the_same_way(written: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").info('%s "%s"', "10.0.0.1", f"GET /reports?phone={PHONE}")
    logging.getLogger("some.library").warning("sent", extra={"password": "open sesame", "attempt": 2})
    access, other = records(written)
    assert access["event"] == '10.0.0.1 "GET /reports?phone=138****5678"'
    assert other["attempt"] == 2
    assert "open sesame" not in written.getvalue()


def test_personal_fields_never_arrive(written: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(caller_phone=PHONE, request_id="r1")
    structlog.get_logger().warning(
        "held",
        phone=PHONE,
        content="正文",
        report={"reporter": {"name": "甲"}, "no": 1},
        Authorization="Bearer x",
    )
    (record,) = records(written)
    assert record["request_id"] == "r1"
    assert record["report"] == {"no": 1}
    assert not {"phone", "caller_phone", "content", "Authorization"} & record.keys()


def test_numbers_in_a_traceback_are_masked(written: io.StringIO) -> None:
    for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        try:
            raise RuntimeError(f"no such caller: {PHONE}")
        except RuntimeError:
            log.exception("failed")
    for record in records(written):
        assert "no such caller: 138****5678" in record["exception"]
    assert PHONE not in written.getvalue()


def test_the_level_holds(written: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("x").debug("detail")
    assert written.getvalue() == ""


def test_configuring_twice_writes_once(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", written)
    configure_logging(Settings(demo=True, log_level="info"))
    structlog.get_logger().info("once")
    assert len(records(written)) == 1


def test_lines_for_people_drop_the_same_fields(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", written)
    configure_logging(Settings(demo=True, log_json=False))
    structlog.get_logger().info("held", phone=PHONE, seq=1)
    assert "seq=1" in written.getvalue()
    assert PHONE not in written.getvalue()


@dataclass
class _Reporter:
    remark: str


def test_objects_and_bytes_are_named_and_not_shown() -> None:
    shown = without_personal_data(
        {"who": _Reporter("甲"), "sent": b"{}", "fault": ValueError(PHONE), "seen": [PHONE, 1, None]}
    )
    assert shown == {
        "who": "<_Reporter>",
        "sent": "<bytes>",
        "fault": "ValueError: 138****5678",
        "seen": ["138****5678", 1, None],
    }


@pytest.mark.parametrize("field", ["phone", "callback_phone", "X-Access-Token", "Name", "client_secret", "raw_body"])
def test_personal_names(field: str) -> None:
    assert is_personal(field)


@pytest.mark.parametrize("field", ["event", "logger", "filename", "item_key", "token_version", "content_type", "path"])
def test_harmless_names(field: str) -> None:
    assert not is_personal(field)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("来电13812345678请回复", "来电138****5678请回复"),
        ("证件11010519491231002X。", "证件110105************。"),
        ("tick 1791234567890", "tick 1791234567890"),
        ("sha a13812345678b", "sha a13812345678b"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked
