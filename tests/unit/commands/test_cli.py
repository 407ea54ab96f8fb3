"""The command line: quick to ask for help, and errors told in one message without a traceback."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli

ROOT = Path(__file__).resolve().parents[3]


def test_help_lists_every_command_that_is_there_and_imports_none() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys; from app.cli import build\n"
         "try: build(None)(['--help'])\n"
         "finally: print('HEAVY', sorted({'sqlalchemy', 'fastapi', 'alembic', 'sklearn'} & sys.modules.keys()))"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    for command in ("serve", "worker", "db", "load", "release", "user", "client", "demo", "audit"):
        assert f" {command} " in told.stdout
    assert "HEAVY []" in told.stdout


@pytest.mark.parametrize("group", ["db", "user", "client", "audit", "release", "jurisdiction"])
def test_groups_show_their_own_help(group: str) -> None:
    told = CliRunner().invoke(cli.build(group), [group, "--help"])
    assert told.exit_code == 0
    assert "Commands" in told.output


def test_unsafe_secrets_are_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.core.settings import get_settings

    get_settings.cache_clear()
    for name in ("DEMO", "SECRET_KEY", "SEALING_KEY", "DIGEST_KEY", "TIMELINE_KEY"):
        monkeypatch.delenv(f"BIHUAN_{name}", raising=False)
    monkeypatch.setattr(sys, "argv", ["bihuan", "db", "upgrade"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    get_settings.cache_clear()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "BIHUAN_SECRET_KEY" in told
    assert "Traceback" not in told


def test_a_password_that_is_too_short_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bihuan", "user", "password", "somebody", "--stdin"])
    monkeypatch.setattr(sys, "stdin", StringIO("short\n"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "至少" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--channel", "fax"], "notices"),
        (["--channel", "notices"], "推送地址"),
        (["--channel", "notices", "--endpoint", "ftp://x"], "http"),
        (["--channel", "notices", "--endpoint", "https://x", "--crs", "gcj02"], "坐标"),
    ],
)
def test_a_client_that_cannot_be_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], word: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["bihuan", "client", "add", "phones", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert word in told
    assert "Traceback" not in told
