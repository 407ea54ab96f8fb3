"""Who may do what to which subject, and how an act is performed: looked up, checked, run through the loop, written."""

from app.acts.performing import allowed_actions, perform

__all__ = ["allowed_actions", "perform"]
