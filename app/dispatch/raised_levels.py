"""提级办理: a person raises an event above its item's level. From then on the routing's guard holds it there."""

from dataclasses import replace
from typing import Final

from app.accounts.organizations import Organizations
from app.dispatch.routing import Decision, is_above, reaches
from app.items.rows import ItemRow

LEVELS_ZH: Final = {"grid": "网格级", "street": "街道级", "district": "区级", "city": "市级"}
#: the level of an event whose item is not known
NO_ITEM: Final = "district"
#: how it is decided when the person names the unit
STEP: Final = "raised_level"


def why_too_low(level: str, item: ItemRow | None, unit_id: int, organizations: Organizations) -> str | None:
    """Why a person cannot name this unit as the lead of a raised event, as a sentence; None: they can.

    ``level``: the event's. Only whoever leads has to reach it, who helps may be of any level.
    """
    own = item.default_level if item is not None else NO_ITEM
    if not is_above(level, own) or reaches(organizations, organizations.code_of(unit_id) or "", level):
        return None
    name, least = organizations.name(unit_id), LEVELS_ZH[level]
    return f"本件按{least}办理，{name}低于这一级，不能主办；请指定{least}或以上的单位。"


def named_at(level: str, decision: Decision, organizations: Organizations) -> Decision:
    """The decision of a person who raises the level and names the unit."""
    unit = organizations.name(decision.unit_id) if decision.unit_id is not None else ""
    sentence = f"提级至{LEVELS_ZH[level]}办理，由中心指定{unit}主办。"
    return replace(decision, step=STEP, tried=(f"提级至{LEVELS_ZH[level]}，指定主办单位",), sentence=sentence)
