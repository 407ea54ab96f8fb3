"""``bihuan release …`` as somebody types it, on a database of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.commands.load import operator_name
from app.core.settings import get_settings

LIMITS = "#bihuan policies patch\nkey,value,source\nsign_limit,3 work_hour,本区\n"
PASSWORD = "only-for-tests-42"


class Shell:
    """A command line and who sits at it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        #: what they type when they are asked for it
        self.password = PASSWORD

    def __call__(self, words: str, *more: str, code: int = 0, who: str = "a") -> str:
        self._patch.setattr("app.commands.load._system_account", lambda: who)
        arguments = [*words.split(), *more]
        told = CliRunner().invoke(cli.build(arguments[0]), arguments, input=f"{self.password}\n")
        assert told.exit_code == code, told.output
        return told.output


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.setenv("BIHUAN_DATABASE_URL", database_url)
    monkeypatch.setenv("BIHUAN_DEMO", "true")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    there = Shell(monkeypatch)
    for username in ("supervisor1", "leader1", "dispatcher1"):
        there(f"user password {username} --stdin")
    yield there
    get_settings.cache_clear()


def test_from_a_file_to_force_and_back(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(LIMITS.encode("gb18030"))
    assert "草稿第 2 版" in shell("load policies p.csv")
    assert "bihuan release review" in shell("release publish", code=1)
    digest = digest_of(shell("release preview policies"))
    assert "supervisor1 已复核" in shell(f"release review policies --as supervisor1 --digest {digest}")
    assert "将于 " in shell("release schedule policies", "--at", "2026-12-31 08:00")
    assert "定于 2026-12-31 08:00" in shell("release list")
    assert "已取消定时发布：策略" in shell("release unschedule policies")
    assert "已发布策略第 2 版" in shell("release publish policies")
    assert "发布为第 3 版" in shell("release roll-back policies")
    assert "没有变化" not in shell("load policies p.csv")
    shell("release publish --unreviewed 试运行")
    assert "未复核：试运行" in shell("release list")


def digest_of(told: str) -> str:
    return re.findall("摘要 ([0-9a-f]{12})", told)[-1]


def test_a_review_takes_an_account_its_password_a_seat_and_what_was_looked_at(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.csv").write_text(LIMITS)
    shell("load policies p.csv")
    digest = digest_of(shell("release preview policies"))
    review = "release review policies"
    shell(f"{review} --digest {digest}", code=2)
    shell(f"{review} --as supervisor1", code=2)
    assert "摘要" in shell(f"{review} --as supervisor1 --digest {digest[:3]}", code=1)
    assert "与看过的不同" in shell(f"{review} --as supervisor1 --digest {'0' * 12}", code=1)
    assert "席位须为全辖区" in shell(f"{review} --as dispatcher1 --digest {digest}", code=1)
    shell.password = "not-the-right-one"
    for _ in range(get_settings().login_max_failures):
        assert "密码不正确" in shell(f"{review} --as supervisor1 --digest {digest}", code=1)
    shell.password = PASSWORD
    assert "已暂时锁定" in shell(f"{review} --as supervisor1 --digest {digest}", code=1)
    assert "密码不正确" in shell(f"{review} --as nobody --digest {digest}", code=1)
    monkeypatch.setenv("BIHUAN_REVIEWER_PASSWORD", PASSWORD)
    shell.password = "nobody types anything"
    assert "leader1 已复核" in shell(f"{review} --as leader1 --digest {digest}")


def test_who_sits_at_the_machine_is_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert "somebody-else" not in operator_name()


def test_a_whole_file_tells_which_columns_it_lacks(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("#bihuan policies complete\nkey,value\nsign_limit,3 work_hour\n")
    assert "文件没有 source 列，各行均按空值载入" in shell("load policies p.csv")


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
