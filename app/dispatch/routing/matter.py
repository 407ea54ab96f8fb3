"""What routing looks at: everything about an event that a rule, a clause or a principle may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, Final

#: China has one zone and no summer time
LOCAL: Final = timezone(timedelta(hours=8))
#: digits of a division code
DISTRICT: Final = 6
STREET: Final = 9
COMMUNITY: Final = 12
#: of matters and units, from the lowest; a community's units are the grid's
LEVELS: Final = ("grid", "street", "district", "city")
#: of a place where nobody asks how busy its units are
NO_LOAD: Final[Mapping[int, int]] = MappingProxyType({})


def is_above(level: str, other: str) -> bool:
    """Whether a level is higher than another."""
    return LEVELS.index(level) > LEVELS.index(other)


@dataclass(frozen=True, slots=True)
class Matter:
    """What routing looks at. ``areas``: division codes from the widest to the narrowest that is known."""

    item_key: str | None
    major_code: str
    domain: str
    level: str
    areas: tuple[str, ...]
    channel: str
    item_name: str = ""
    #: units it accuses 被举报单位, by id: they and what is under them never lead or help
    accused: frozenset[int] = frozenset()
    urgency: str = "normal"
    #: the moment of the decision, aware; None: rules for certain hours, days or dates do not apply
    at: datetime | None = None
    #: by the city's calendar; None: rules for certain days do not apply
    workday: bool | None = None
    #: no unit below this level leads: it was raised above its item's own 提级; empty: it was not
    at_least: str = ""
    #: the registered component 部件 it is about
    component_id: str | None = None
    cell_id: str | None = None
    #: other streets (division codes) that the place belongs to as well
    borders: tuple[str, ...] = ()
    #: units whose duty grids hold the place, by code
    on_duty: tuple[str, ...] = ()
    #: the unit that took it in 首接单位, by id
    first_receiver: int | None = None
    #: units that have just given it back, by id
    gave_back: frozenset[int] = frozenset()
    #: open orders by unit id; a unit that is not in it has none
    load: Mapping[int, int] = field(default_factory=dict)

    def area(self, digits: int) -> str:
        """The code of the known area with so many digits; empty when it is not known."""
        return next((code for code in self.areas if len(code) == digits), "")

    def as_data(self) -> dict[str, Any]:
        """What the decision rested on, for the timeline; accused units and ids stand in the event itself."""
        at = self.at.astimezone(LOCAL).isoformat() if self.at else None
        facts = {
            "item": self.item_key,
            "major_code": self.major_code,
            "domain": self.domain,
            "level": self.level,
            "at_least": self.at_least,
            "areas": list(self.areas),
            "channel": self.channel,
            "urgency": self.urgency,
            "at": at,
            "workday": self.workday,
            "component": self.component_id,
            "cell": self.cell_id,
            "borders": list(self.borders),
            "on_duty": list(self.on_duty),
        }
        return {name: value for name, value in facts.items() if value not in (None, "", [])}
