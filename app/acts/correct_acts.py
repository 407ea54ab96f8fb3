"""更正: a person names the item, the place, the component or whom it accuses, and the event is routed again."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from app import loop
from app.acts.action import ActBody, Case, covers
from app.acts.loads import read_load, read_load_at
from app.acts.naming import unit_id
from app.core.errors import Conflict, Forbidden, Malformed
from app.dispatch import disputes
from app.events.store import last_of
from app.grid.locating import Location
from app.intake import admission, components
from app.items.rows import ItemRow

#: who decides whose job an event is
_DECIDERS: Final = ("dispatcher", "shift_leader", "adjudicator")

#: whom an accusation accuses; empty: no unit, as a person has made sure; None: nothing is said about it
AccusedUnits = Annotated[
    list[str] | None,
    Field(max_length=20, description="举报件：被举报单位代码；确实没有单位被举报时填空数组"),
]


class Correct(ActBody):
    """更正事项、地点或部件."""

    item: str | None = Field(None, description="事项键：标准号/类别/代码")
    area_code: str | None = Field(None, description="区划代码（6、9、12 位）")
    lon: float | None = Field(None, description="经度")
    lat: float | None = Field(None, description="纬度")
    crs: Literal["wgs84", "gcj02", "bd09", "cgcs2000"] | None = Field(None, description="坐标系")
    component: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z._:\-]*$")] | None = Field(
        None, description="部件标识码；空串为不涉及部件。部件登记中有的，可据以补上尚缺的地点和事项"
    )
    accused_units: AccusedUnits = None
    redispatch: bool = Field(True, description="是否按更正后的事项、地点和部件重新派单")


def accused_of(case: Case, codes: AccusedUnits) -> list[int] | None:
    """Ids of the units that a body accuses; None where it says nothing. Raises ``Malformed`` for an unknown one.

    A part follows the event that it was split from, so that no other part is forgotten: ``Conflict``.
    """
    if codes is None:
        return None
    if case.aggregate.event.split_from is not None:
        raise Conflict("被举报单位请在母事件上更正，各拆分件随之更正。")
    return [org for code in codes if (org := unit_id(case, code, "accused_units")) is not None]


def correct(case: Case, body: Correct) -> None:
    """What the body names is set, and what the register knows of the component where nobody has said it."""
    masters = case.turn.masters
    item = masters.items.item(body.item) if body.item else None
    if body.item and item is None:
        _malformed("item", f"已发布的事项清单中没有“{body.item}”。")
    place = _place_of(case, body)
    accused = accused_of(case, body.accused_units)
    if item is None and place is None and accused is None and body.component is None:
        _malformed("item", "请至少更正事项、地点、部件、被举报单位之一。")
    known_place, known_item = _filled_in(case, body)
    place, item = place or known_place, item or known_item
    redispatch = body.redispatch and (item is not None or case.aggregate.event.item_id is not None)
    event, item_id = case.aggregate.event, masters.item_ids[item.key] if item else None
    level = case.turn.level_of(item)
    changes, _ = admission.correction(event, item, item_id, place, accused, body.component, level=level)
    same = event.release_vector == dict(masters.vector) and not admission.says_new(event, changes)
    if case.fetched["decided"] and event.state == "handling" and same:
        case.answer["unchanged"] = True  # said twice, decided once; by a new release it may be decided otherwise
        return
    _refuse_lifting(case, changes)
    loop.correct(
        case.turn,
        item=item,
        item_id=item_id,
        place=place,
        accused=accused,
        component=body.component,
        redispatch=redispatch,
    )


def _refuse_lifting(case: Case, changes: Mapping[str, Any]) -> None:
    """Other facts end a dispute and lift a ruling: not for whoever takes the calls, nor for a side of it.

    Raises ``Forbidden``.
    """
    event = case.aggregate.event
    facts = disputes.Facts(event, case.turn.masters.router.components)
    if not disputes.is_held(case.aggregate) or facts.hold(event, changes):
        return
    if case.asker and (
        why := disputes.why_partial(case.aggregate, case.aggregate.lead, case.asker, case.organizations)
    ):
        raise Forbidden(why, needs=list(_DECIDERS))
    for principal, seats in case.asker.capacities() if case.asker else ():
        role = next((role for role in _DECIDERS if covers(seats, (role,), event)), None)
        if role is not None:
            case.act_as(role, seats.org_id, principal)
            return
    raise Forbidden(
        "该事件的管辖正在会商、裁决或已经裁决，更正事项、地点、部件会使其终止，须由派遣员、值班长或裁决员更正。",
        needs=list(_DECIDERS),
    )


async def read_for_correcting(session: AsyncSession, case: Case, body: Correct) -> None:
    """Whether the event was routed by what it says now, and what routing it again will ask for."""
    last = await last_of(session, case.aggregate.event.id, "correct", "dispatch", "undecided", "raise_level")
    case.fetched["decided"] = last == "dispatch"
    await read_load_there(session, case, body)


async def read_load_there(session: AsyncSession, case: Case, body: Correct) -> None:
    """How busy the units are that share the duty at the place as it will be."""
    place = _place_of(case, body) or _filled_in(case, body)[0]
    if place is None:
        await read_load(session, case)
    else:
        await read_load_at(session, case, place.cell_id, place.community_code)


def _place_of(case: Case, body: Correct) -> Location | None:
    """The place that the body names. Raises ``Malformed`` for one that is none of the jurisdiction's."""
    masters = case.turn.masters
    place: Location | None = None
    if body.lon is not None and body.lat is not None:
        if body.crs is None:
            _malformed("crs", "给出坐标时必须注明坐标系。")
        try:
            place = masters.places.locate([(body.lon, body.lat, body.crs, "scene")], (), body.area_code)
        except ValueError as fault:
            _malformed("lon", str(fault))
    elif body.area_code:
        place = masters.places.locate((), (), body.area_code)
    if place is not None and place.how == "none":
        _malformed("area_code", "该地点不在本辖区内：" + "".join(place.notes))
    return place


def _filled_in(case: Case, body: Correct) -> tuple[Location | None, ItemRow | None]:
    """Place and item that the named component's entry adds where neither the body nor the event has them."""
    masters, event = case.turn.masters, case.aggregate.event
    component = masters.router.components.find(body.component)
    if component is None:
        return None, None
    area_code = event.community_code or event.street_code or event.district_code
    told = masters.places.locate((), (), area_code) if area_code else Location()
    own = components.place_of(component, masters.places)
    if components.at_odds(told, own):
        return None, None
    place = components.located(component, told, own) if event.cell_id is None else told
    item = None if event.item_id else components.item_of(component, masters.items)
    return place if place.how == "component" else None, item


def _malformed(field: str, message: str) -> NoReturn:
    raise Malformed(message, faults=[{"path": field, "message": message}])
