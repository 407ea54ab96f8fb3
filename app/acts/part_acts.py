"""What changes who leads or what it is: raised levels, split events, who holds an order."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import hands
from app.accounts.access import UNIT_ROLES, Asker, Seat
from app.accounts.organizations import Organizations
from app.acts.action import ActBody, Action, Case, Storable, Words
from app.acts.loads import read_load, read_whole_load
from app.acts.naming import DESK, OPEN_ORDER, not_accused, unit_id
from app.acts.order_acts import Reason
from app.core.errors import Conflict, Malformed
from app.dispatch import disputes, event_parts, pool, raised_levels
from app.dispatch.routing import is_above, reaches
from app.events.aggregate import EventAggregate, Part
from app.events.tables import Event
from app.events.timeline_tables import Timeline
from app.masters import Masters
from app.supervision import event_list

_LIAISON = (pool.KEEPER,)
_AT_WORK = ("analyzing", "handling")


class PartOfEvent(Storable):
    """One part that is split off."""

    item: str = Field(description="该部分的事项键：标准号/类别/代码")
    unit: str | None = Field(None, description="承办单位代码；不填则按已发布规则决定")
    note: Words | None = Field(None, description="该部分要做什么")


class Split(ActBody):
    """拆分."""

    parts: list[PartOfEvent] = Field(min_length=1, max_length=event_parts.MOST, description="拆出的各部分")
    anew: bool = Field(False, description="同一事项、同一单位已有未办结的拆分件，或一次拆成两件的，填 true")


class Join(ActBody):
    """合并."""

    keep_unit: bool = Field(False, description="该拆分件的承办单位是否留下协办母事件")


class RaiseLevel(Reason):
    """提级办理."""

    level: Literal["district", "city"] = Field(description="提到哪一级，须高于现在的处置层级")
    unit: str | None = Field(None, description="由哪个单位主办（代码），其层级不得低于所提到的一级；不填则按规则")


class Assign(ActBody):
    """指派."""

    user: str = Field(max_length=200, description="本单位人员的登录名")


# ── parts of the event ───────────────────────────────────────────────────────────────────────────────────────


async def _read_kept(session: AsyncSession, case: Case, _: Split) -> None:
    case.fetched["address_kept"] = await event_list.is_address_kept(session, case.aggregate.event.id)
    await read_whole_load(session, case)


def _split(case: Case, body: Split) -> None:
    masters = case.turn.masters
    wanted: list[event_parts.Wanted] = []
    for position, part in enumerate(body.parts):
        item = masters.items.item(part.item)
        if item is None:
            message = f"已发布的事项清单中没有“{part.item}”。"
            raise Malformed(message, faults=[{"path": f"parts.{position}.item", "message": message}])
        field = f"parts.{position}.unit"
        unit = not_accused(case, unit_id(case, part.unit, field), field)
        wanted.append(event_parts.Wanted(item, masters.item_ids[item.key], unit, part.note))
    if not body.anew:
        event_parts.refuse_double(case.aggregate, wanted)
    begun = hands.split(case.turn, wanted, case.event_nos, kept=case.fetched["address_kept"])
    case.begun.extend(begun)
    case.answer["parts"] = [_told(part.event) for part in begun]


def _told(part: Event | Part) -> dict[str, str]:
    return {"event_id": str(part.id), "event_no": part.event_no, "state": part.state}


def _parts_again(aggregate: EventAggregate, done: Timeline) -> dict[str, Any]:
    """The parts that this act split off, as they stand now."""
    begun = [one["event"] for one in done.data["parts"]]
    return {"parts": [_told(part) for event_id in begun for part in aggregate.parts if str(part.id) == event_id]}


def _join(case: Case, body: Join) -> None:
    parent = case.other
    assert parent is not None  # noqa: S101 - it is offered for parts only
    event = parent.event.event
    if event.ended_at is not None:
        raise Conflict(f"母事件 {event.event_no} 已结束，不能再并回；请办结本件。", state=event.state)
    if body.keep_unit and case.aggregate.lead is None:
        raise Conflict("本件现在没有承办单位，没有可以留下协办的单位。")
    if body.keep_unit and event.state != "handling":
        raise Conflict(
            f"母事件 {event.event_no} 不在处置中，不能增加协办单位；请不保留本件的承办单位。", state=event.state
        )
    if body.keep_unit and case.aggregate.lead is not None:
        not_accused(replace(case, turn=parent), case.aggregate.lead.unit_id, "keep_unit")
    hands.join(case.turn, parent, keep_unit=body.keep_unit)


# ── 提级 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _raise_level(case: Case, body: RaiseLevel) -> None:
    event, organizations = case.aggregate.event, case.organizations
    if not is_above(body.level, event.level):
        message = f"本件现在是{raised_levels.LEVELS_ZH[event.level]}，只能提到更高的一级。"
        raise Malformed(message, faults=[{"path": "level", "message": message}])
    unit = not_accused(case, unit_id(case, body.unit))
    if unit is not None and not reaches(organizations, body.unit or "", body.level):
        message = f"{organizations.name(unit)}低于{raised_levels.LEVELS_ZH[body.level]}，不能主办提级后的事件。"
        raise Malformed(message, faults=[{"path": "unit", "message": message}])
    if unit is None and event.item_id is None:
        raise Conflict("事项尚未确定：请先更正事项，或直接指定主办单位。")
    hands.raise_level(case.turn, body.level, unit_id=unit, reason=body.reason)


def _why_not_raised(masters: Masters, aggregate: EventAggregate, event: Event) -> str | None:
    if event.level == "city":
        return "本件已是市级，不能再提级。"
    lead = aggregate.lead
    if lead is None:
        return disputes.why_not_dispatched(masters, aggregate, event)
    return disputes.why_not_moved(aggregate, lead, masters.organizations)


# ── 认领 ──────────────────────────────────────────────────────────────────────────────────────────────────────

_NAME = text("SELECT display_name FROM user_account WHERE id = :id")
_PERSON = text(
    """
    SELECT u.id, u.username, u.display_name, u.org_id,
           (SELECT jsonb_agg(jsonb_build_array(s.role, s.scope_area, s.scope_org_id) ORDER BY s.id) FROM seat s
             WHERE s.user_id = u.id AND s.until IS NULL) AS seats
    FROM user_account u
    WHERE u.username = :username AND u.jurisdiction_id = :jurisdiction AND u.active AND u.closed_at IS NULL
    """
)


async def _refuse_held(session: AsyncSession, case: Case, _: ActBody) -> None:
    order, asker = case.order, case.asker
    if order.holder_id is None or asker is None:
        return
    keeper = order.unit_id in asker.units(case.organizations, _LIAISON)
    holder = await session.scalar(_NAME, {"id": order.holder_id}) if keeper else None
    pool.refuse_held(order, asker.user_id, holder=holder)


def _take(case: Case, _: ActBody) -> None:
    pool.take(case.aggregate, case.order, case.turn.act, case.user_id)


async def _read_person(session: AsyncSession, case: Case, body: Assign) -> None:
    assert case.asker is not None  # noqa: S101 - only people assign
    found = await session.execute(_PERSON, {"username": body.user, "jurisdiction": case.asker.jurisdiction_id})
    row = found.one_or_none()
    if row is not None:
        seats = tuple(Seat(*seat) for seat in row.seats or ())
        case.fetched["person"] = replace(
            case.asker,
            user_id=row.id,
            username=row.username,
            display_name=row.display_name,
            org_id=row.org_id,
            seats=seats,
            principals=(),
        )


def _works_for(person: Asker, organizations: Organizations, unit: int) -> bool:
    return unit in person.units(organizations, UNIT_ROLES)


def _assign(case: Case, body: Assign) -> None:
    person: Asker | None = case.fetched.get("person")
    if person is None or not _works_for(person, case.organizations, case.order.unit_id):
        # One sentence for both: who is in another unit is none of this one's business.
        message = f"{case.organizations.name(case.order.unit_id)}没有登录名为“{body.user}”的在岗人员。"
        raise Malformed(message, faults=[{"path": "user", "message": message}])
    pool.assign(case.aggregate, case.order, case.turn.act, user_id=person.user_id, name=person.display_name)


def _put_back(case: Case, _: ActBody) -> None:
    pool.put_back(case.aggregate, case.order, case.turn.act, case.user_id)


#: on events
PART_EVENT_ACTIONS: tuple[Action, ...] = (
    Action(
        "split",
        "拆分",
        _split,
        Split,
        centre=DESK,
        states=_AT_WORK,
        offered=event_parts.may_split,
        begins=lambda body: len(body.parts),
        fetch=_read_kept,
        again=_parts_again,
    ),
    Action(
        "join",
        "并回母事件",
        _join,
        Join,
        centre=DESK,
        states=(*_AT_WORK, "verifying", "answering", "closing"),
        offered=event_parts.is_part,
        with_parent=True,
    ),
    Action(
        "raise_level",
        "提级办理",
        _raise_level,
        RaiseLevel,
        centre=(*DESK, "adjudicator"),
        states=_AT_WORK,
        refusal=_why_not_raised,
        fetch=read_load,
    ),
)
#: on work orders
PART_ORDER_ACTIONS: tuple[Action, ...] = (
    Action(
        "take",
        "认领",
        _take,
        unit=UNIT_ROLES,
        states=OPEN_ORDER,
        offered=pool.is_free,
        fetch=_refuse_held,
        needs_reports=False,
    ),
    Action(
        "assign", "指派", _assign, Assign, unit=_LIAISON, states=OPEN_ORDER, fetch=_read_person, needs_reports=False
    ),
    Action(
        "put_back", "放回", _put_back, unit=UNIT_ROLES, states=OPEN_ORDER, offered=pool.is_held, needs_reports=False
    ),
)
