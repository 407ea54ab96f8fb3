"""Rows of organizations, as they stand in a release, and of users, which go straight into accounts."""

from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

OrgLevel = Literal["city", "district", "street", "community"]
OrgType = Literal[
    "centre",
    "coordination_desk",
    "department",
    "street_office",
    "section",
    "contractor",
    "grid_team",
    "inspection_team",
]
#: The seats of DESIGN.md §6.
Role = Literal[
    "operator",
    "dispatcher",
    "callback_agent",
    "shift_leader",
    "collector",
    "grid_worker",
    "unit_liaison",
    "handler",
    "quality_reviewer",
    "adjudicator",
    "supervisor",
    "knowledge_editor",
    "system_administrator",
    "security_administrator",
    "audit_administrator",
]
ROLES: tuple[str, ...] = get_args(Role)


def _split_list(value: Any) -> Any:
    """A CSV cell holds a list as ``a|b|c``; anything else is left to the model."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split("|") if part.strip())
    return value


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, StringConstraints(min_length=1)]
#: ``@`` and ``|`` would be mistaken for the separators of seats and lists.
OrgCode = Annotated[str, StringConstraints(pattern=r"^[^\s|@]{1,64}$")]
#: as the rows of calendars have it
CalendarCode = Annotated[str, StringConstraints(pattern=r"^[^/\s]+$", max_length=100)]
Username = Annotated[str, StringConstraints(pattern=r"^[^\s|@]{1,64}$")]


class Seating(NamedTuple):
    """One seat as the file writes it: ``role@scope``. ``scope`` is an area code, a unit's code or empty."""

    role: str
    scope: str

    def __str__(self) -> str:
        return f"{self.role}@{self.scope}" if self.scope else self.role


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class OrganizationRow(_Row):
    """One unit 单位: a centre, desk, department, street office, section, contractor or team."""

    code: OrgCode
    name: Text
    #: for lists and screens; empty: the name
    short_name: str = ""
    level: OrgLevel
    org_type: OrgType
    #: None for a top
    parent_code: Annotated[OrgCode | None, BeforeValidator(_empty_is_none)] = None
    #: the area it serves
    area_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}(?:[0-9]{3}){0,2}$")]
    #: domains of items that it answers for
    domains: Annotated[tuple[Text, ...], BeforeValidator(_split_list)] = ()
    duty_phone: str = ""
    #: the calendar its limits are counted in; None: that of the unit above it
    calendar_code: Annotated[CalendarCode | None, BeforeValidator(_empty_is_none)] = None
    #: False: it keeps what it did but gets nothing new
    active: bool = True

    @property
    def key(self) -> str:
        """Unique in the release."""
        return self.code


class UserRow(_Row):
    """One person's account with its seats. The whole list counts: seats not listed any more are ended."""

    username: Username
    display_name: Text
    org_code: OrgCode
    seats: Annotated[tuple[Text, ...], BeforeValidator(_split_list)] = ()
    #: a first password; empty: none is set here
    password: str = Field(default="", repr=False)

    @property
    def key(self) -> str:
        """Unique in the file."""
        return self.username

    @property
    def seatings(self) -> tuple[Seating, ...]:
        """``seats`` taken apart, in order, each once."""
        parts = (seat.partition("@") for seat in self.seats)
        return tuple(dict.fromkeys(Seating(role.strip(), scope.strip()) for role, _, scope in parts))

    @model_validator(mode="after")
    def _known_roles(self) -> Self:
        for seating in self.seatings:
            if seating.role not in ROLES:
                raise ValueError(f"没有“{seating.role}”这种席位，可用：{'、'.join(ROLES)}")
        return self
