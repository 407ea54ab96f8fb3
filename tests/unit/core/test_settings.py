"""Unsafe settings never start."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.settings import SECRET_FIELDS, Settings, SettingsError, get_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.upper().startswith("BIHUAN_"):
            monkeypatch.delenv(name)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def safe(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    keys = {field: secrets.token_urlsafe(32) for field in SECRET_FIELDS}
    for field, key in keys.items():
        monkeypatch.setenv(f"BIHUAN_{field.upper()}", key)
    return keys


def test_default_secrets_are_refused_naming_each_variable_and_the_remedy() -> None:
    with pytest.raises(SettingsError) as refusal:
        get_settings()
    message = str(refusal.value)
    for field in SECRET_FIELDS:
        assert f"BIHUAN_{field.upper()}" in message
    assert "拒绝启动" in message
    assert "Refusing" in message
    assert 'python -c "import secrets' in message


def test_default_secrets_serve_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_DEMO", "true")
    assert get_settings().demo


def test_only_the_missing_secret_is_named(safe: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIHUAN_DIGEST_KEY")
    with pytest.raises(SettingsError) as refusal:
        get_settings()
    assert "BIHUAN_DIGEST_KEY" in str(refusal.value)
    assert "BIHUAN_SECRET_KEY" not in str(refusal.value)


def test_a_copied_demo_secret_is_refused(safe: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Settings(demo=True, secret_key=Settings.model_fields["secret_key"].default)
    monkeypatch.setenv("BIHUAN_TIMELINE_KEY", demo.secret_key.get_secret_value())
    with pytest.raises(SettingsError, match="BIHUAN_TIMELINE_KEY"):
        get_settings()


@pytest.mark.parametrize("weak", ["short", "a" * 64, "0123456" * 9])
@pytest.mark.parametrize("demo", ["true", "false"])
def test_weak_secrets_are_refused_even_in_the_demo(
    weak: str, demo: str, safe: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIHUAN_DEMO", demo)
    monkeypatch.setenv("BIHUAN_SEALING_KEY", weak)
    with pytest.raises(SettingsError, match="BIHUAN_SEALING_KEY") as refusal:
        get_settings()
    assert weak not in str(refusal.value).replace("BIHUAN_SEALING_KEY", "")


def test_good_secrets_start_in_hex_and_in_base64(safe: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_SECRET_KEY", secrets.token_hex(32))
    settings = get_settings()
    assert settings.sealing_key.get_secret_value() == safe["sealing_key"]
    assert get_settings() is settings


def test_nothing_secret_shows(safe: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_DATABASE_URL", "postgresql://bihuan:hidden-word@db/bihuan")
    shown = repr(get_settings()) + str(get_settings())
    assert "hidden-word" not in shown
    assert not any(key in shown for key in safe.values())


def test_retired_sealing_keys_are_taken_apart_and_checked(
    safe: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, older = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    monkeypatch.setenv("BIHUAN_SEALING_KEYS_RETIRED", f"{old}, {older},")
    assert [key.get_secret_value() for key in get_settings().retired_sealing_keys] == [old, older]
    get_settings.cache_clear()
    monkeypatch.setenv("BIHUAN_SEALING_KEYS_RETIRED", f"{old},short")
    with pytest.raises(SettingsError, match="BIHUAN_SEALING_KEYS_RETIRED"):
        get_settings()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_driver_is_named_in_the_database_url(scheme: str) -> None:
    settings = Settings(demo=True, database_url=f"{scheme}://u:p@h/d")
    assert settings.database_url == "postgresql+asyncpg://u:p@h/d"


def test_the_owner_migrates_the_database_that_the_application_uses() -> None:
    settings = Settings(demo=True, database_url="postgres://app@h/d", owner_database_url="postgres://owner@h/d?ssl=on")
    assert settings.owner_database_url == "postgresql+asyncpg://owner@h/d?ssl=on"
    assert "owner@h" not in repr(settings)
    with pytest.raises(SettingsError, match="BIHUAN_OWNER_DATABASE_URL"):
        Settings(demo=True, database_url="postgres://app@h/d", owner_database_url="postgres://owner@h/other")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BIHUAN_DATABASE_URL", "mysql://user:hidden-word@host/db"),
        ("BIHUAN_OWNER_DATABASE_URL", "mysql://user:hidden-word@host/db"),
        ("BIHUAN_DB_POOL_SIZE", "hidden-word"),
        ("BIHUAN_TOKEN_MINUTES", "0"),
        ("BIHUAN_LOG_LEVEL", "hidden-word"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(
    variable: str, value: str, safe: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as refusal:
        get_settings()
    assert "hidden-word" not in str(refusal.value)


def test_attachments_go_below_the_data_folder_unless_told(tmp_path: Path) -> None:
    settings = Settings(demo=True, data_dir=tmp_path)
    assert settings.attachments_url == f"file://{tmp_path}/attachments"
    assert Settings(demo=True, storage_url="s3://bucket").attachments_url == "s3://bucket"


def test_log_level_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIHUAN_LOG_LEVEL", "WARNING")
    assert Settings(demo=True).log_level == "warning"
