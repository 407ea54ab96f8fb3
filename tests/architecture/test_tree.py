"""What a newcomer relies on in the tree itself."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],  # noqa: S607 - git is a prerequisite
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
#: lines that a person can hold in the head
LONGEST = 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    if path.match("migrations/versions/0001_*.py"):
        pytest.skip("the first migration lists every table")
    assert len(path.read_text().splitlines()) <= LONGEST


def test_there_are_no_drawers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in SOURCES if drawers & {*path.parts, path.stem}] == []


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.is_relative_to(ROOT / "app")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_module_says_what_it_is(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text().strip():
        return
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_application_code_never_commits() -> None:
    committing = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.is_relative_to(ROOT / "app") and ".commit()" in path.read_text()
    }
    assert committing == set()
