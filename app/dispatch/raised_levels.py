"""提级办理: a person raises an event above its item's level. From then on the routing's guard holds it there."""

from dataclasses import replace
from typing import Final

from app.accounts.organizations import Organizations
from app.dispatch.routing import Decision

LEVELS_ZH: Final = {"grid": "网格级", "street": "街道级", "district": "区级", "city": "市级"}
#: how it is decided when the person names the unit
STEP: Final = "raised_level"


def named_at(level: str, decision: Decision, organizations: Organizations) -> Decision:
    """The decision of a person who raises the level and names the unit."""
    unit = organizations.name(decision.unit_id) if decision.unit_id is not None else ""
    sentence = f"提级至{LEVELS_ZH[level]}办理，由中心指定{unit}主办。"
    return replace(decision, step=STEP, tried=(f"提级至{LEVELS_ZH[level]}，指定主办单位",), sentence=sentence)
