"""Learning in a process of its own: beside seconds of arithmetic in this one, requests would have to wait.

The child reads the history piece by piece from its standard input, and writes what it learned to its output.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from app.dispatch.learning import PastDecision
from app.dispatch.suggester import Suggester
from app.dispatch.unit_kinds import UnitKind

#: how much it gives way to others for the processor
_NICE: Final = 10
#: a moment's work
_FEW: Final = 500
_MODULE: Final = "app.dispatch.learning_process"

History = AsyncIterator[Sequence[PastDecision]]


async def fit_aside(history: History, kinds: Mapping[str, UnitKind], *, few: int = _FEW) -> Suggester:
    """``Suggester.fit`` in a process of its own, which ends with this task; not for so ``few`` decisions.

    Raises RuntimeError when the process fails.
    """
    held: list[PastDecision] = []
    async for some in history:
        held += some
        if len(held) > few:
            break
    else:
        return await asyncio.to_thread(Suggester.fit, held, kinds)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _MODULE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for who waits for it
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin is not None  # noqa: S101 - asked for
    assert process.stdout is not None  # noqa: S101 - asked for
    try:
        process.stdin.write(pickle.dumps(dict(kinds)) + pickle.dumps(held))
        async for some in history:
            process.stdin.write(pickle.dumps(list(some)))
            await process.stdin.drain()
        process.stdin.close()
        learned = await process.stdout.read()
        if code := await process.wait():
            raise RuntimeError(f"the learning process ended with {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found: Suggester = await asyncio.to_thread(pickle.loads, learned)
    return found


def main() -> None:
    """What the child does."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    given = sys.stdin.buffer
    kinds: dict[str, UnitKind] = pickle.load(given)  # noqa: S301 - from the process that started this one
    history: list[PastDecision] = []
    while True:
        try:
            history += pickle.load(given)  # noqa: S301 - as above
        except EOFError:
            break
    pickle.dump(Suggester.fit(history, kinds), sys.stdout.buffer)


if __name__ == "__main__":
    main()
