"""Settings, read from environment variables ``BIHUAN_*``. Unsafe ones are refused before anything starts.

Each of the four secrets is any text of at least 32 characters, for instance the base64 or hex form of 32
random bytes; ``crypto.Keyring`` derives the keys that are used from it. The defaults are public, so they
work in the demo only.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX: Final = "BIHUAN_"
SECRET_FIELDS: Final = ("secret_key", "sealing_key", "digest_key", "timeline_key")
MIN_SECRET_CHARS: Final = 32
#: a text with fewer different characters was typed, not drawn
MIN_DISTINCT_CHARS: Final = 8
#: marks a default secret; part of every one of them
DEMO_MARK: Final = "public-demo-value"
HOW_TO_MAKE_ONE: Final = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'

_ASYNCPG_SCHEME: Final = "postgresql+asyncpg://"


class SettingsError(Exception):
    """The environment does not describe a safe configuration; the message is for whoever starts us."""


def default_data_dir() -> Path:
    """Where data goes when ``BIHUAN_DATA_DIR`` is not set.

    For root a folder that other users can reach: PostgreSQL refuses to run as root and cannot work below
    ``/root``.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/bihuan")
    return Path.home() / ".local" / "share" / "bihuan"


def _demo_secret(field: str) -> SecretStr:
    return SecretStr(f"{DEMO_MARK}-of-{field}-never-use-it-elsewhere")


class Settings(BaseSettings):
    """All settings of one process. Raises SettingsError when they are unsafe."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        extra="forbid",
        # a rejected value may be a password
        hide_input_in_errors=True,
    )

    #: empty: embedded PostgreSQL below ``data_dir``
    database_url: str = Field(default="", repr=False)
    #: the same database for its owner, who alone migrates it; empty: whoever ``database_url`` names migrates too
    owner_database_url: str = Field(default="", repr=False)
    #: a replica for reads; empty: the same database
    read_database_url: str = Field(default="", repr=False)
    db_pool_size: int = Field(default=10, ge=1, le=200)
    data_dir: Path = Field(default_factory=default_data_dir)
    #: where attachments go, as an object store address (``file://…``, ``s3://…``); empty: below ``data_dir``
    storage_url: str = Field(default="", repr=False)
    max_body_bytes: int = Field(default=64 * 1024 * 1024, ge=64 * 1024)

    #: the demo city: default secrets are allowed, nothing in it is real
    demo: bool = False
    #: signs access tokens; a new value ends all of them
    secret_key: SecretStr = _demo_secret("secret_key")
    #: wraps the data keys of sealed personal data; move a replaced one to ``sealing_keys_retired``
    sealing_key: SecretStr = _demo_secret("sealing_key")
    #: former sealing keys, separated by commas, which still open what they sealed
    sealing_keys_retired: SecretStr = SecretStr("")
    #: keyed digests for search by phone number; a new value makes earlier digests unfindable
    digest_key: SecretStr = _demo_secret("digest_key")
    #: chains the timelines; a new value makes earlier timelines unverifiable
    timeline_key: SecretStr = _demo_secret("timeline_key")

    token_minutes: int = Field(default=480, ge=1, le=24 * 60)
    login_max_failures: int = Field(default=5, ge=1)
    login_lock_minutes: int = Field(default=15, ge=1)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = True

    @field_validator("database_url", "owner_database_url", "read_database_url")
    @classmethod
    def _name_the_driver(cls, url: str) -> str:
        """Accept the usual spellings of a PostgreSQL address; SQLAlchemy needs the driver in it."""
        url = url.strip()
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return _ASYNCPG_SCHEME + url.removeprefix(scheme)
        if url and not url.startswith(_ASYNCPG_SCHEME):
            raise ValueError(f"必须以 {_ASYNCPG_SCHEME} 开头 / must start with {_ASYNCPG_SCHEME}")
        return url

    @model_validator(mode="after")
    def _one_database(self) -> "Settings":
        if self.database_url and self.owner_database_url:
            used, owned = (urlsplit(url).path for url in (self.database_url, self.owner_database_url))
            if used != owned:
                raise SettingsError(
                    f"{ENV_PREFIX}DATABASE_URL 与 {ENV_PREFIX}OWNER_DATABASE_URL 不是同一个数据库"
                    " / do not name the same database"
                )
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @model_validator(mode="after")
    def _refuse_unsafe_secrets(self) -> "Settings":
        faults = []
        for field in SECRET_FIELDS:
            faults += self._secret_faults(field, getattr(self, field).get_secret_value())
        for retired in self.retired_sealing_keys:
            faults += self._secret_faults("sealing_keys_retired", retired.get_secret_value())
        if faults:
            raise SettingsError(
                "\n".join(
                    [
                        "密钥配置不安全，拒绝启动 / Refusing to start with unsafe secrets:",
                        *(f"  - {fault}" for fault in faults),
                        "生成一个密钥 / To make one:",
                        f"  {HOW_TO_MAKE_ONE}",
                        f"只看演示城市 / For the demo city only: {ENV_PREFIX}DEMO=true",
                    ]
                )
            )
        return self

    def _secret_faults(self, field: str, secret: str) -> list[str]:
        name = ENV_PREFIX + field.upper()
        if DEMO_MARK in secret:
            fault = f"{name}：未设置，或仍为公开的默认值 / is not set, or still the public default"
            return [] if self.demo else [fault]
        if len(secret) < MIN_SECRET_CHARS or len(set(secret)) < MIN_DISTINCT_CHARS:
            return [f"{name}：至少 {MIN_SECRET_CHARS} 个随机字符 / at least so many random characters"]
        return []

    @property
    def retired_sealing_keys(self) -> tuple[SecretStr, ...]:
        """``sealing_keys_retired``, taken apart."""
        parts = self.sealing_keys_retired.get_secret_value().split(",")
        return tuple(SecretStr(part.strip()) for part in parts if part.strip())

    @property
    def attachments_url(self) -> str:
        """``storage_url``, or a folder below ``data_dir``."""
        return self.storage_url or (self.data_dir / "attachments").as_uri()


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError naming the variable at fault."""
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            f"  - {ENV_PREFIX}{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(["环境变量有误 / Wrong environment variables:", *faults])) from None
