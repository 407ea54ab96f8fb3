"""Fault points: places where a crash drill may kill the process, so that what survives can be counted.

``BIHUAN_FAULT_POINTS="delivery.sent:0.2,intake.after_inbox:0.01"`` names points with the probability of dying there.
They work in the demo only (``BIHUAN_DEMO``); elsewhere the variable is ignored and every point does nothing.
"""

import os
import signal
from collections.abc import Mapping
from functools import lru_cache
from random import SystemRandom
from typing import Final

from app.core.settings import ENV_PREFIX, SettingsError

VARIABLE: Final = ENV_PREFIX + "FAULT_POINTS"
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})

_chance = SystemRandom().random


def fault_point(name: str) -> None:
    """Dies here by SIGKILL, with the probability that this point was given; otherwise nothing.

    Raises SettingsError at the first point of a process whose variable cannot be read.
    """
    points = _points()
    if points and _chance() < points.get(name, 0.0):
        os.write(2, f"fault point {name}: killed\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


@lru_cache(maxsize=1)
def _points() -> Mapping[str, float]:
    # The environment is read here and not through the settings: a fault point must never be what refuses to start.
    demo = os.environ.get(ENV_PREFIX + "DEMO", "").strip().lower() in _TRUE
    return parse(os.environ.get(VARIABLE, "")) if demo else {}


def parse(spec: str) -> dict[str, float]:
    """``name:probability`` pairs, separated by commas. Raises SettingsError."""
    points: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in spec.split(","))):
        name, _, probability = part.partition(":")
        try:
            points[name.strip()] = float(probability)
        except ValueError:
            points[name.strip()] = -1.0
        if not name.strip() or not 0.0 <= points[name.strip()] <= 1.0:
            raise SettingsError(f"{VARIABLE}：应写作 名称:概率 / expected name:probability, got {part!r}")
    return points
