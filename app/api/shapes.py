"""Shapes that several resources answer with: city time, names beside codes, pages."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from app.accounts.access import Asker
from app.core.database import Json
from app.core.errors import NotFound
from app.events.aggregate import EventAggregate
from app.events.visibility import Stand
from app.masters import Masters
from app.supervision.filters import Names

_CITY = timezone(timedelta(hours=8))


def _city_time(at: datetime) -> str:
    return at.astimezone(_CITY).isoformat()


#: RFC 3339 with +08:00: the wall clock of whoever reads it
CityTime = Annotated[datetime, PlainSerializer(_city_time, return_type=str, when_used="json")]
T = TypeVar("T")


class Shape(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class PageShape(Shape, Generic[T]):
    """One page of a list."""

    items: list[T] = Field(description="本页内容，可能少于 limit，是否有下一页只看 next")
    next: str | None = Field(description="下一页游标；null 表示已到末尾")


def answer(content: Json) -> Response:
    """Plain values as they stand, for answers of many rows: the route names the shape that they have.

    They come from our own columns, and checking them against the shape once more takes longer than reading them.
    """
    body = orjson.dumps(content, default=_written, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return Response(body, media_type="application/json")


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return _city_time(value)
    if isinstance(value, UUID):  # the driver's own kind of it
        return str(value)
    raise TypeError(type(value).__name__)


class UnitShape(Shape):
    """A unit by code and name."""

    code: str = Field(description="单位代码")
    name: str = Field(description="单位名称")


class ItemShape(Shape):
    """An item by key and name."""

    key: str = Field(description="事项键：标准/类别/编号")
    name: str = Field(description="事项名称")


class PlaceShape(Shape):
    """Where an event is."""

    district_code: str | None = Field(description="区县代码")
    street_code: str | None = Field(description="街道代码")
    community_code: str | None = Field(description="社区代码")
    name: str = Field(description="区划名称，从宽到窄")
    address: str | None = Field(None, description="事发地址（已脱敏）")
    cell_id: str | None = Field(None, description="单元网格标识码")
    duty_grid_code: str | None = Field(None, description="责任网格代码")
    lon_lat: tuple[float, float] | None = Field(None, description="经度、纬度，CGCS2000")


class ListedEvent(Shape):
    """What every list tells of the event of a row."""

    event_no: str = Field(description="事件编号")
    title: str = Field(description="事件标题")
    item: ItemShape | None = Field(description="治理事项")
    place: PlaceShape = Field(description="事发位置")


def unit_values(masters: Masters, unit_id: int | None) -> Json | None:
    """The members of ``UnitShape``: the unit with its present name."""
    if unit_id is None:
        return None
    code = masters.organizations.code_of(unit_id)
    return {"code": code or str(unit_id), "name": masters.organizations.name(unit_id)}


def unit_shape(masters: Masters, unit_id: int | None) -> UnitShape | None:
    """The unit with its present name."""
    values = unit_values(masters, unit_id)
    return UnitShape(**values) if values else None


def item_values(masters: Masters, item_id: int | None) -> Json | None:
    """The members of ``ItemShape``: the item with its present name."""
    key = masters.item_keys.get(item_id) if item_id is not None else None
    if key is None:
        return None
    item = masters.items.item(key)
    return {"key": key, "name": item.name if item else key}


def item_shape(masters: Masters, item_id: int | None) -> ItemShape | None:
    """The item with its present name."""
    values = item_values(masters, item_id)
    return ItemShape(**values) if values else None


def place_values(masters: Masters, row: Any, *, address_shown: bool = True) -> Json:
    """The members of ``PlaceShape``, from an event's row, or a row of a list (which has only an address to show)."""
    codes = (row.district_code, row.street_code, row.community_code)
    areas = (masters.places.area(code) for code in codes if code)
    lon = getattr(row, "lon", None)
    return {
        "district_code": row.district_code,
        "street_code": row.street_code,
        "community_code": row.community_code,
        "name": "".join([area.name for area in areas if area]),
        "address": getattr(row, "address", None) if address_shown else None,
        "cell_id": getattr(row, "cell_id", None),
        "duty_grid_code": getattr(row, "duty_grid_code", None),
        "lon_lat": (lon, row.lat) if lon is not None else None,
    }


def place_shape(masters: Masters, row: Any, *, address_shown: bool = True) -> PlaceShape:
    """The place of an event's row."""
    return PlaceShape(**place_values(masters, row, address_shown=address_shown))


def title_shown(masters: Masters, row: Any, stand: Stand) -> str:
    """The title; for units and collectors an accusation's is its item, since the title may be the accuser's words."""
    if stand == "centre" or row.demand_type != "accusation":
        return str(row.title)
    item = item_values(masters, row.item_id)
    return f"举报件（{item['name'] if item else '事项待定'}，内容保密）"


def listed_values(masters: Masters, row: Any, stand: Stand) -> Json:
    """The members of ``ListedEvent``."""
    return {
        "event_no": row.event_no,
        "title": title_shown(masters, row, stand),
        "item": item_values(masters, row.item_id),
        "place": place_values(masters, row),
    }


def names_of(masters: Masters) -> Names:
    """What filter values are looked up in."""
    return Names(
        item_ids=masters.item_ids,
        organizations=masters.organizations,
        area_known=lambda code: masters.places.area(code) is not None,
        domain_known=lambda domain: any(item.domain == domain for item in masters.items.items),
        jurisdiction_code=masters.jurisdiction_code,
    )


def order_id(event_id: UUID, n: int) -> str:
    """The public id of an order."""
    return f"{event_id}.{n}"


def parse_order_id(given: str) -> tuple[UUID, int]:
    """``<event uuid>.<n>`` taken apart. Raises ``NotFound`` for anything else: such an order cannot exist."""
    event_id, _, n = given.partition(".")
    try:
        if not (n.isascii() and n.isdigit() and len(n) <= 9):
            raise ValueError(given)
        return UUID(event_id), int(n)
    except ValueError:
        raise NotFound("没有这个工单，或不在您的权限范围内。") from None


def etag(seq: int) -> str:
    """The ETag of an event and of all it owns."""
    return f'"{seq}"'


class Allowed(Shape):
    """What the asker may do now: triggers by subject."""

    event: list[str] = []
    work_orders: dict[int, list[str]] = {}
    reports: dict[str, list[str]] = {}


def allowed_of(request: Request, asker: Asker, masters: Masters, aggregate: EventAggregate) -> Allowed:
    """The actions allowed to the asker, as the write side says; none in a process that only reads."""
    ask = getattr(request.app.state, "allowed_actions", None)
    if ask is None:
        return Allowed()
    return Allowed.model_validate(ask(asker, masters, aggregate))
