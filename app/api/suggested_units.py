"""What history suggests, as it is shown beside a decision that a person is to make."""

from collections.abc import Sequence

from pydantic import Field

from app.api.shapes import Shape, UnitShape
from app.masters import Masters
from app.masters.unit_history import Suggested


class SuggestedUnitShape(Shape):
    """One unit that such events went to in the end; a person decides."""

    unit: UnitShape = Field(description="单位")
    share: float = Field(description="据以往派单，该由它承办的可能性，0–1")
    support: int = Field(description="同事项中由它承办的件数（取它承办过的最小范围）")
    cases: int = Field(description="该范围内同事项的件数")
    sentence: str = Field(description="一句话说明")


def suggested_shapes(masters: Masters, found: Sequence[Suggested]) -> list[SuggestedUnitShape]:
    """As the API answers it."""
    return [
        SuggestedUnitShape(
            unit=UnitShape(code=each.unit, name=masters.organizations.name_of(each.unit)),
            share=round(each.share, 3),
            support=each.support,
            cases=each.cases,
            sentence=each.sentence,
        )
        for each in found
    ]
