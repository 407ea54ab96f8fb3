"""What the checker reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from app.accounts.rows import OrganizationRow
from app.clocks.ladder import RungRow
from app.dispatch.rows import ComponentRow, DutyRow, RoutingRuleRow, RoutingStepRow
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import ItemRow


@dataclass(frozen=True, slots=True)
class CityRows:
    """The masters that the check reads, as they would stand. Organizations must form a tree."""

    items: tuple[ItemRow, ...] = ()
    areas: tuple[AreaRow, ...] = ()
    organizations: tuple[OrganizationRow, ...] = ()
    routing_rules: tuple[RoutingRuleRow, ...] = ()
    #: none: the order without a release
    routing_steps: tuple[RoutingStepRow, ...] = ()
    duty_list: tuple[DutyRow, ...] = ()
    components: tuple[ComponentRow, ...] = ()
    cells: tuple[CellRow, ...] = ()
    duty_grids: tuple[DutyGridRow, ...] = ()
    escalation_rungs: tuple[RungRow, ...] = ()
    #: codes that reports come in by; empty: those that rules name, and another one
    channels: frozenset[str] = frozenset()
    #: the present date in China
    today: date = date.max
    #: by the city's calendar; None: there is none
    is_working_day: Callable[[date], bool] | None = None
    #: units where somebody sits who may sign for orders, theirs and of those under them; None: not looked at
    staffed: frozenset[str] | None = None
    #: the lowest level of a matter by its urgency, where the city asks for one (``Policies.least_level``)
    least_levels: Mapping[str, str] = field(default_factory=dict)
