"""The kinds of master, each with the model of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from app.accounts.rows import OrganizationRow, UserRow
from app.clocks.emergencies import EmergencyRow
from app.clocks.ladder import RungRow
from app.clocks.rows import CalendarRow
from app.core.releases import Mode
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import FilingStandardRow, ItemRow
from app.masters.policies import PolicyRow


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of master file."""

    #: for people
    title: str
    model: type[BaseModel]
    #: how it comes into force unless the publisher says otherwise (DESIGN.md §3)
    mode: Mode = "new_only"
    #: False: loaded straight into tables, no release
    released: bool = True
    #: its drafts come into force only after a second person's review: who decides and how long it may take
    reviewed: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "items": Kind("事项清单", ItemRow, reviewed=True),
    "filing-standards": Kind("立案标准", FilingStandardRow, reviewed=True),
    # Areas, cells and calendars are official data, and an emergency cannot wait for a second person.
    "areas": Kind("区划", AreaRow),
    "cells": Kind("单元网格", CellRow),
    "duty-grids": Kind("责任网格", DutyGridRow, reviewed=True),
    "organizations": Kind("组织机构", OrganizationRow, reviewed=True),
    "routing-rules": Kind("派单规则", RoutingRuleRow, reviewed=True),
    "routing-steps": Kind("派单原则次序", RoutingStepRow, reviewed=True),
    "duty-list": Kind("基层职责清单", DutyRow, reviewed=True),
    "components": Kind("部件登记", ComponentRow, reviewed=True),
    # A holiday that was moved moves the limits that are running.
    "calendar": Kind("工作日历", CalendarRow, mode="re_decide_open"),
    # A rung that is new or comes earlier holds for what is open: it is only told, no limit moves.
    "escalation-rungs": Kind("督办阶梯", RungRow, mode="re_decide_open", reviewed=True),
    "policies": Kind("策略", PolicyRow, reviewed=True),
    # An emergency that begins or ends concerns what is open, from that moment on.
    "emergencies": Kind("应急预案", EmergencyRow, mode="re_decide_open"),
    "users": Kind("人员账号", UserRow, released=False),
}
RELEASED_KINDS: Final = tuple(name for name, kind in KINDS.items() if kind.released)
#: kinds that set limits, of those below
LIMIT_KINDS: Final = frozenset({"policies", "filing-standards", "organizations"})
#: kinds that move due times of open clocks when they are published with ``re_decide_open``
RE_DECIDED_KINDS: Final = LIMIT_KINDS | {"calendar", "emergencies"}
#: the kind that moves only when the sweep looks at them
LADDER_KIND: Final = "escalation-rungs"
FOLLOWED_KINDS: Final = RE_DECIDED_KINDS | {LADDER_KIND}


def key_of(row: BaseModel) -> str:
    """The key of a row of any kind: each model in ``KINDS`` has one, their common base knows of none."""
    keyed: Any = row
    return str(keyed.key)
