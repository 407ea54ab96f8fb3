"""The rows that routing rests on: dispatch catalogue, duty list, component register, order of the principles."""

import re
from datetime import date
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

#: the principles that a rule of the catalogue may serve
RuleStep = Literal["statutory_department", "territorial", "night_duty", "coordination_desk"]
#: all principles, in the order in which they are asked unless a release says otherwise (DOMAIN.md §4.4)
StepName = Literal[
    "emergency_handover",
    "statutory_department",
    "component",
    "level",
    "first_receiver",
    "territorial",
    "nearest_on_duty",
    "night_duty",
    "coordination_desk",
]
STEP_NAMES: Final[tuple[StepName, ...]] = get_args(StepName)
#: off until a release switches them on: a city must want them
OFF_BY_DEFAULT: Final[frozenset[StepName]] = frozenset({"first_receiver"})

ItemKind = Literal["component", "matter"]
Text = Annotated[str, StringConstraints(min_length=1)]
#: a key, or a part of one: the index that finds it takes no page of text
KeyText = Annotated[str, StringConstraints(min_length=1, max_length=100)]
#: the same where it may be left out
KeyPart = Annotated[str, StringConstraints(max_length=100)]

_WINDOW: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split("|") if part.strip()) if isinstance(value, str) else value


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalDate = Annotated[date | None, BeforeValidator(_empty_is_none)]


def minutes_of(window: str) -> tuple[int, int]:
    """``"18:00-08:00"`` → minutes after local midnight (1080, 480); the end is not included.

    An end at or before the start lies on the next day. Raises ValueError (Chinese).
    """
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise ValueError(f"时段“{window}”应写成 18:00-08:00")
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in window.split("-"))
    return start, end


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class _Named(_Row):
    """Says what it is about: an item, a major class, a domain, or (all empty) anything."""

    standard_ref: KeyPart = ""
    kind: Literal["", "component", "matter"] = ""
    code: KeyPart = ""
    major_code: KeyPart = ""
    domain: KeyPart = ""

    @property
    def item_key(self) -> str:
        """``standard_ref/kind/code``, or empty for a row that names no item."""
        return f"{self.standard_ref}/{self.kind}/{self.code}" if self.code else ""

    @model_validator(mode="after")
    def _item_whole(self) -> Self:
        if len({bool(self.standard_ref), bool(self.kind), bool(self.code)}) > 1:
            raise ValueError("standard_ref、kind、code 三项须同时填写或同时留空")
        return self


class RoutingRuleRow(_Named):
    """One rule of the dispatch catalogue 派单目录. An empty condition matches anything."""

    rule_no: KeyText
    level: Literal["", "grid", "street", "district", "city"] = ""
    #: division code; the rule holds in everything under it
    area_code: str = ""
    channel: str = ""
    urgency: Literal["", "normal", "urgent", "critical"] = ""
    #: local times of day as ``18:00-08:00``, which goes past midnight
    hours: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    #: by the city's calendar, make-up days and holidays included
    days: Literal["", "workday", "day_off"] = ""
    #: both days included
    valid_from: OptionalDate = None
    valid_until: OptionalDate = None
    lead_unit: str = Field(min_length=1)
    supporting_units: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    step: RuleStep
    basis: str = Field(min_length=1, max_length=500)

    @property
    def key(self) -> str:
        """The rule's number."""
        return self.rule_no

    @field_validator("hours")
    @classmethod
    def _readable_hours(cls, hours: tuple[str, ...]) -> tuple[str, ...]:
        for window in hours:
            minutes_of(window)
        return hours

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until 不能早于 valid_from")
        return self


class ComponentRow(_Row):
    """One registered facility 部件: where it is and who answers for it (DOMAIN.md §2.4)."""

    component_id: KeyText
    standard_ref: KeyText
    #: of an item of the kind ``component``
    code: KeyText
    cell_id: str = ""
    #: CGCS2000 degrees
    lon: Annotated[float | None, BeforeValidator(_empty_is_none)] = None
    lat: Annotated[float | None, BeforeValidator(_empty_is_none)] = None
    #: 主管, 权属 and 养护: codes of units, empty where the register does not say
    competent: str = ""
    owner: str = ""
    maintainer: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """Unique in the release."""
        return self.component_id

    @property
    def item_key(self) -> str:
        """Key of its item."""
        return f"{self.standard_ref}/component/{self.code}"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not (self.competent or self.owner or self.maintainer):
            raise ValueError("competent、owner、maintainer 至少填写一项")
        if (self.lon is None) != (self.lat is None):
            raise ValueError("lon、lat 须同时填写或同时留空")
        return self


class DutyRow(_Named):
    """One clause of the township duty list 基层职责清单: whose duty something is, seen from the street."""

    clause_no: KeyText
    #: a street; empty: all streets
    area_code: Annotated[str, StringConstraints(pattern=r"^(?:[0-9]{9})?$")] = ""
    #: basic: the street leads · assisting: a department leads, the street helps · taken_back: the department's again
    duty: Literal["basic", "assisting", "taken_back"]
    #: the department that leads; empty for a basic duty
    department: str = ""
    clause: Text
    source: Text

    @property
    def key(self) -> str:
        """The clause's number."""
        return self.clause_no

    @model_validator(mode="after")
    def _sound(self) -> Self:
        named = [bool(self.code), bool(self.major_code), bool(self.domain)]
        if sum(named) != 1:
            raise ValueError("事项（standard_ref、kind、code）、major_code、domain 须填且只填一种")
        if (self.duty == "basic") == bool(self.department):
            raise ValueError("basic 不填 department；assisting 和 taken_back 须填牵头部门 department")
        return self


class RoutingStepRow(_Row):
    """One principle: whether it is asked, and when. What a release does not name is not asked."""

    step: StepName
    #: ascending from 1
    position: int = Field(ge=1)
    enabled: bool = True

    @property
    def key(self) -> str:
        """The principle's name."""
        return self.step
