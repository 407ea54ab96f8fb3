"""Who and what the actions name: seats, an order's open states, the units that a body names."""

from typing import Final

from app.acts.action import Case
from app.core.errors import Malformed
from app.dispatch import pool

#: seats of the centre's desk
DESK: Final = ("dispatcher", "shift_leader")
#: states of an order in which its unit has work to do
OPEN_ORDER: Final = pool.OPEN


def unit_id(case: Case, code: str | None, field: str = "unit") -> int | None:
    """The id of a unit named in a body; None for none. Raises ``Malformed`` for one that is unknown or closed."""
    if code is None:
        return None
    row = case.organizations.by_code(code)
    if row is None or not row.active:
        message = f"没有代码为“{code}”的在用单位。"
        raise Malformed(message, faults=[{"path": field, "message": message}])
    return case.organizations.id_of(code)


def may_lead(case: Case, unit: int | None, field: str = "unit", *, ruled: bool = False) -> int | None:
    """The unit, if a person may name it as the lead.

    Raises ``Malformed`` for one that is accused, below the level to which the event was raised, or a street's where
    the duty list names a department. A ruling alone, and what follows one (``ruled``), goes past the duty list.
    """
    unit = not_accused(case, unit, field)
    if unit is None:
        return None
    if message := case.turn.why_too_low(unit) or (None if ruled else case.turn.why_spared(unit)):
        raise Malformed(message, faults=[{"path": field, "message": message}])
    return unit


def not_accused(case: Case, unit: int | None, field: str = "unit") -> int | None:
    """The unit, if it may have part in the event. Raises ``Malformed`` for one whom the report accuses, or under it."""
    accused = case.aggregate.event.accused_org_ids
    if unit is not None and any(unit in case.organizations.under(org) for org in accused):
        message = "不能把举报件派给被举报单位或其下属单位。"
        raise Malformed(message, faults=[{"path": field, "message": message}])
    return unit
