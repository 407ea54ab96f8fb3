"""How what was split off from an event, and who holds an order, look to their reader."""

from uuid import UUID

from pydantic import Field

from app.api.shapes import ItemShape, Shape, UnitShape, item_values, unit_values
from app.core.database import Json
from app.events.aggregate import Part
from app.masters import Masters
from app.supervision.holders import Holder


class HolderShape(Shape):
    """Who has taken an order out of its unit's pool."""

    username: str = Field(description="登录名")
    display_name: str = Field(description="姓名或岗位名")


def holder_values(holder: Holder | None) -> Json | None:
    """The members of ``HolderShape``; None for an order of the pool, or a reader who may not know."""
    return {"username": holder.username, "display_name": holder.display_name} if holder else None


class PartShape(Shape):
    """An event that was split off."""

    event_id: UUID = Field(description="拆分件标识")
    event_no: str = Field(description="拆分件编号")
    state: str = Field(description="状态")
    item: ItemShape | None = Field(description="治理事项")
    lead_unit: UnitShape | None = Field(description="主办单位")


def part_values(masters: Masters, part: Part) -> Json:
    """The members of ``PartShape``."""
    return {
        "event_id": part.id,
        "event_no": part.event_no,
        "state": part.state,
        "item": item_values(masters, part.item_id),
        "lead_unit": unit_values(masters, part.lead_unit_id),
    }
