"""Learned in another process, the same is suggested; and nothing is left behind when nobody waits any more."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from app.dispatch.learning import PastDecision
from app.dispatch.learning_process import fit_aside
from app.dispatch.unit_kinds import kinds_of
from tests.unit.dispatch.histories import AREAS, EAST, WEST, seen, unit_rows, went

KINDS = kinds_of(unit_rows(), AREAS)


HISTORY = (went("EAST-TEAM", 12, community=f"{EAST}001"), went("WEST-TEAM", 9, community=f"{WEST}001"), [])


async def pieces() -> AsyncIterator[Sequence[PastDecision]]:
    for some in HISTORY:
        yield some


async def test_it_learns_the_same_as_here() -> None:
    aside, here = await fit_aside(pieces(), KINDS, few=5), await fit_aside(pieces(), KINDS)
    for community in (f"{EAST}002", f"{WEST}001", ""):
        asked = seen(community=community)
        assert [(one.unit, pytest.approx(one.probability)) for one in here.rank(asked)] == [
            (one.unit, one.probability) for one in aside.rank(asked)
        ]


async def test_it_ends_with_who_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def watched(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*words, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)

    async def endless() -> AsyncIterator[Sequence[PastDecision]]:
        yield HISTORY[0]
        begun.set()  # only a process that is there asks for more
        await asyncio.Event().wait()

    task = asyncio.create_task(fit_aside(endless(), KINDS, few=0))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [process] = started
    assert process.returncode is not None, "it has ended, and somebody has taken note"


async def test_what_it_cannot_learn_from_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def nonsense() -> AsyncIterator[Sequence[PastDecision]]:
        yield ["no decision"]  # type: ignore[list-item] # that is the point

    with pytest.raises(RuntimeError, match="ended with 1"):
        await fit_aside(nonsense(), KINDS, few=0)
    assert "AttributeError" in capfd.readouterr().err
