"""Whose job it is: pure rules over one release, which keep why. ``router`` is the way in."""

from app.dispatch.routing.decision import Alternative, Decision, Tried
from app.dispatch.routing.guard import reaches
from app.dispatch.routing.matter import LEVELS, NO_LOAD, Matter, is_above
from app.dispatch.routing.router import Router, Rules, steps_in_order
from app.dispatch.routing.sentences import STEP_TITLES

__all__ = [
    "LEVELS",
    "NO_LOAD",
    "STEP_TITLES",
    "Alternative",
    "Decision",
    "Matter",
    "Router",
    "Rules",
    "Tried",
    "is_above",
    "reaches",
    "steps_in_order",
]
