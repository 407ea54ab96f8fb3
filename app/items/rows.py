"""Rows of the item master: governance items and their filing standards, as they stand in a release."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

ItemKind = Literal["component", "matter"]
Level = Literal["grid", "street", "district", "city"]
ClosureProfile = Literal["inspection", "answer", "both"]

#: A whole number of one unit (DOMAIN.md §7.1). Only the shape is checked: what a unit means, clocks know.
LIMIT_PATTERN = r"^[1-9][0-9]{0,3} (?:urgent_hour|work_hour|work_day|legal_work_day|natural_hour|natural_day)$"


def _split_list(value: Any) -> Any:
    """A CSV cell holds a list as ``a|b|c``; anything else is left to the model."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split("|") if part.strip())
    return value


Text = Annotated[str, StringConstraints(min_length=1)]
TextList = Annotated[tuple[Text, ...], BeforeValidator(_split_list)]
#: ``#`` and ``|`` would be mistaken for separators of keys and lists; a reference may hold ``/`` (GB/T …).
StandardRef = Annotated[str, StringConstraints(pattern=r"^[^#|]+$", max_length=100)]
ItemCode = Annotated[str, StringConstraints(pattern=r"^[^/#|\s]{1,32}$")]


def item_key(standard_ref: str, kind: str, code: str) -> str:
    """``GB/T 47678.5-2026/component/01001``: the digits alone mean nothing (DOMAIN.md §3)."""
    return f"{standard_ref}/{kind}/{code}"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class ItemRow(_Row):
    """One governed class 治理事项: a component 部件 (a facility) or a matter 事项 (a kind of happening)."""

    standard_ref: StandardRef
    kind: ItemKind
    code: ItemCode
    name: Text
    #: code and name of the class above 大类
    major_code: str = ""
    major_name: str = ""
    domain: str = ""
    #: level that first handles it when nothing else decides
    default_level: Level
    #: what is owed before closing: inspection 核查, answer 答复 or both
    closure_profile: ClosureProfile
    #: words that citizens use for it
    synonyms: TextList = ()
    #: short sample texts that belong to it
    examples: TextList = ()
    #: the source's own class names from widest to narrowest; empty where the source has none
    path: TextList = ()
    source: str = ""

    @property
    def key(self) -> str:
        """Unique in the release."""
        return item_key(self.standard_ref, self.kind, self.code)


class FilingStandardRow(_Row):
    """One row of an item's filing table 立案标准: when to file, how long it may take, when to close."""

    standard_ref: StandardRef
    kind: ItemKind
    code: ItemCode
    #: from 1; the lowest one is the item's default row
    row_no: int = Field(ge=1)
    condition: str = ""
    #: ``<n> <unit>``, for instance ``2 urgent_hour``
    limit: str = Field(pattern=LIMIT_PATTERN)
    #: the limit as the source words it
    limit_text: str = ""
    closing_condition: str = ""
    responsible_party: str = ""
    #: pictures owed when reporting done
    photos_required: int = Field(default=0, ge=0)
    source: str = ""

    @property
    def item_key(self) -> str:
        """Key of the item it belongs to."""
        return item_key(self.standard_ref, self.kind, self.code)

    @property
    def key(self) -> str:
        """Unique in the release."""
        return f"{self.item_key}#{self.row_no}"

    @property
    def is_urgent(self) -> bool:
        """Whether the limit runs round the clock from the first minute 紧急工作时 (DOMAIN.md §7.1)."""
        return self.limit.endswith(" urgent_hour")
