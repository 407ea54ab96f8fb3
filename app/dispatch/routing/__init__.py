"""Whose job it is: pure rules over one release, which keep why. ``router`` is the way in."""

from app.dispatch.routing.decision import Alternative, Decision, Tried
from app.dispatch.routing.matter import Matter
from app.dispatch.routing.router import Router, Rules, steps_in_order
from app.dispatch.routing.sentences import STEP_TITLES

__all__ = ["STEP_TITLES", "Alternative", "Decision", "Matter", "Router", "Rules", "Tried", "steps_in_order"]
