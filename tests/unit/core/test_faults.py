"""Fault points do nothing unless a drill asks for them in the demo."""

import os
from collections.abc import Iterator

import pytest

from app.core import faults
from app.core.settings import SettingsError


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What would have been killed."""
    pids: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: pids.append(pid))
    faults._points.cache_clear()
    yield pids
    faults._points.cache_clear()


@pytest.mark.parametrize(
    ("demo", "points", "dies"),
    [
        ("true", "a.b:1", True),
        ("1", "x:0.5, a.b:1.0", True),
        ("true", "a.b:0", False),
        ("true", "other:1", False),
        ("true", "", False),
        ("false", "a.b:1", False),
        ("", "a.b:1", False),
    ],
)
def test_a_point_kills_only_where_a_drill_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, killed: list[int], demo: str, points: str, dies: bool
) -> None:
    monkeypatch.setenv("BIHUAN_DEMO", demo)
    monkeypatch.setenv("BIHUAN_FAULT_POINTS", points)
    faults.fault_point("a.b")
    assert killed == ([os.getpid()] if dies else [])


def test_a_probability_is_one(monkeypatch: pytest.MonkeyPatch, killed: list[int]) -> None:
    monkeypatch.setenv("BIHUAN_DEMO", "true")
    monkeypatch.setenv("BIHUAN_FAULT_POINTS", "a:0.5")
    for _ in range(400):
        faults.fault_point("a")
    assert 120 < len(killed) < 280  # eight standard deviations


@pytest.mark.parametrize("spec", ["a", "a:", "a:x", "a:1.5", "a:-1", ":1", "a:nan"])
def test_what_cannot_be_read_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError):
        faults.parse(spec)
