"""Who may do what to which subject, and how an act is performed: looked up, checked, run through the loop, written."""

from app.acts.performing import perform
from app.acts.permissions import allowed_actions

__all__ = ["allowed_actions", "perform"]
