"""``bihuan release …`` as somebody types it, on a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.core.settings import get_settings

LIMITS = "#bihuan policies patch\nkey,value,source\nsign_limit,3 work_hour,本区\n"


class Shell:
    """A command line and who sits at it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, words: str, *more: str, code: int = 0, who: str = "a") -> str:
        self._patch.setattr("getpass.getuser", lambda: who)
        arguments = [*words.split(), *more]
        told = CliRunner().invoke(cli.build(arguments[0]), arguments)
        assert told.exit_code == code, told.output
        return told.output


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.setenv("BIHUAN_DATABASE_URL", database_url)
    monkeypatch.setenv("BIHUAN_DEMO", "true")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield Shell(monkeypatch)
    get_settings.cache_clear()


def test_from_a_file_to_force_and_back(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(LIMITS.encode("gb18030"))
    assert "草稿第 2 版" in shell("load policies p.csv")
    assert "须由其他人复核" in shell("release review policies", code=1)
    assert "bihuan release review" in shell("release publish", code=1)
    assert "摘要" in shell("release preview policies")
    assert "命令行 b 已复核" in shell("release review policies", who="b")
    assert "将于 " in shell("release schedule policies", "--at", "2026-12-31 08:00")
    assert "定于 2026-12-31 08:00" in shell("release list")
    assert "已取消定时发布：策略" in shell("release unschedule policies")
    assert "已发布策略第 2 版" in shell("release publish policies")
    assert "发布为第 3 版" in shell("release roll-back policies")
    assert "没有变化" not in shell("load policies p.csv")
    shell("release publish --unreviewed 试运行")
    assert "未复核：试运行" in shell("release list")


def test_what_is_exported_loads_without_a_change(shell: Shell, tmp_path: Path) -> None:
    for kind, suffix in (("routing-rules", "csv"), ("cells", "geojson")):
        shell(f"release export {kind}")
        assert "没有变化" in shell(f"load {kind} {kind}.{suffix}")
    assert "没有草稿" in shell("release export policies --draft", code=1)
    (tmp_path / "p.csv").write_text(LIMITS)
    shell("load policies p.csv")
    shell("release export policies --draft -o draft.csv")
    shell("release export policies --release 1 -o first.csv")
    assert "3 work_hour" in (tmp_path / "draft.csv").read_text("utf-8-sig")
    assert "3 work_hour" not in (tmp_path / "first.csv").read_text("utf-8-sig")
    assert "修改 1" in shell("load policies draft.csv")
    assert "没有变化" in shell("load policies first.csv")
    assert "只能写一个" in shell("release export policies --draft --release 1", code=1)
    assert "没有第 9 版" in shell("release export policies --release 9", code=1)
