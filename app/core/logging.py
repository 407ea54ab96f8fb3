"""Logging: one line of JSON per record, ours and the libraries' alike, with nothing personal in it.

Personal fields are dropped by name wherever they stand, and numbers that look like a mobile phone or an
identity card are masked in every text, tracebacks and request lines included. That is a net below the rule,
which is not to log such data at all (DOMAIN.md §10).
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.settings import Settings

_PERSONAL: Final = frozenset(
    {
        *(
            "name",
            "display_name",
            "full_name",
            "person_name",
            "reporter",
            "reporter_name",
            "caller",
            "caller_name",
        ),
        *(
            "address",
            "addresses",
            "content",
            "note",
            "body",
            "raw",
            "raw_body",
            "text",
            "external_id",
            "id_card",
        ),
        *("lon_lat", "points", "params", "parameters", "secret_key", "data_key", "api_key"),
    }
)
#: last word of a field's name, so ``caller_phone`` and ``X-Access-Token`` go too
_PERSONAL_ENDINGS: Final = frozenset(
    {"phone", "phones", "mobile", "password", "passwd", "token", "secret", "authorization", "cookie"}
)
#: what may stand in a record as it is; anything else could carry personal data in its attributes
_PLAIN: Final = (bool, int, float, datetime, date, UUID, type(None))

_ID_CARD: Final = re.compile(r"(?<![0-9A-Za-z])(\d{6})(?:19|20)\d{9}[\dXx](?![0-9A-Za-z])")
_MOBILE: Final = re.compile(r"(?<![0-9A-Za-z])(1[3-9]\d)\d{4}(\d{4})(?![0-9A-Za-z])")


def is_personal(field: str) -> bool:
    """True when a field of this name must not be logged."""
    name = field.lower().replace("-", "_")
    return name in _PERSONAL or name.rpartition("_")[2] in _PERSONAL_ENDINGS


def mask_numbers(text: str) -> str:
    """``text`` with the middle of phone and identity card numbers starred out."""
    return _MOBILE.sub(r"\1****\2", _ID_CARD.sub(r"\1************", text))


def without_personal_data(value: Any) -> Any:
    """``value`` without personal fields at any depth, numbers masked, objects named by type only."""
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, Mapping):
        return {field: without_personal_data(inner) for field, inner in value.items() if not is_personal(str(field))}
    if isinstance(value, list | tuple | set | frozenset):
        return [without_personal_data(inner) for inner in value]
    if isinstance(value, BaseException):
        return mask_numbers(f"{type(value).__name__}: {value}")
    return value if isinstance(value, _PLAIN) else f"<{type(value).__name__}>"


def drop_personal_data(_logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
    """The structlog processor; comes after the one that renders tracebacks."""
    kept: EventDict = without_personal_data(record)
    return kept


def _to_json(record: EventDict, **_options: Any) -> str:
    return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(settings: Settings) -> None:
    """Send everything to standard error, as JSON or (``log_json`` off) for people. May be called again."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ExtraAdder(),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:-1],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                drop_personal_data,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        # uvicorn brings handlers of its own; its records go the same way as ours
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # httpx logs each request at info, with its whole address
    logging.getLogger("httpx").setLevel(logging.WARNING)
