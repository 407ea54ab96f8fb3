"""The routing rule as it is loaded: item × level × area × channel → lead unit, with the duty clause it rests on."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Step = Literal["statutory_department", "territorial", "coordination_desk"]


def _listed(value: object) -> object:
    return tuple(part for part in value.split("|") if part) if isinstance(value, str) else value


class RoutingRuleRow(BaseModel):
    """One rule of the dispatch catalogue 派单目录. An empty condition matches anything."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    rule_no: str = Field(min_length=1)
    standard_ref: str = ""
    kind: Literal["", "component", "matter"] = ""
    code: str = ""
    major_code: str = ""
    domain: str = ""
    level: Literal["", "grid", "street", "district", "city"] = ""
    #: division code; the rule holds in everything under it
    area_code: str = ""
    channel: str = ""
    lead_unit: str = Field(min_length=1)
    supporting_units: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    step: Step
    basis: str = Field(min_length=1, max_length=500)

    @property
    def key(self) -> str:
        """The rule's number."""
        return self.rule_no

    @property
    def item_key(self) -> str:
        """``standard_ref/kind/code``, or empty for a rule that names no item."""
        return f"{self.standard_ref}/{self.kind}/{self.code}" if self.code else ""

    @model_validator(mode="after")
    def _item_whole(self) -> Self:
        if len({bool(self.standard_ref), bool(self.kind), bool(self.code)}) > 1:
            raise ValueError("standard_ref、kind、code 三项须同时填写或同时留空")
        return self
