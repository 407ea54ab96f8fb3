"""``/work-orders``: each unit's duties. An order's id is ``<event id>.<n>``."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from app.api.clock_shapes import OrderClocksShape, clock_account_shape, without_grounds
from app.api.dependencies import ReaderDep
from app.api.event_shapes import (
    ClockShape,
    LimitRequestShape,
    OrderInList,
    OrderShape,
    ReturnShape,
    clock_shape,
    limit_request_values,
    order_in_list,
    order_shape,
    return_shape,
)
from app.api.problems import RESPONSES
from app.api.shapes import (
    ItemShape,
    PageShape,
    PlaceShape,
    allowed_of,
    answer,
    etag,
    item_shape,
    names_of,
    parse_order_id,
    place_shape,
    title_shown,
)
from app.clocks.running import running
from app.core.errors import NotFound
from app.core.timing import now
from app.events.late_clocks import load_late_clocks
from app.events.store import load_events
from app.events.visibility import Sight
from app.supervision import event_list, holders, order_list, order_parts
from app.supervision.clock_accounts import account_of
from app.supervision.clock_books import editions_of, read_books
from app.supervision.filters import OrderQuery, filters_of

router = APIRouter(tags=["work-orders 工单"], responses=RESPONSES)


class OrderDetail(OrderShape):
    """One order with what its unit needs of the event."""

    event_no: str = Field(description="事件编号")
    event_state: str = Field(description="事件状态")
    title: str = Field(description="事件标题")
    item: ItemShape | None = Field(description="治理事项")
    place: PlaceShape = Field(description="事发位置")
    component_id: str | None = Field(description="部件标识码")
    clocks: list[ClockShape] = Field(description="本工单正在计时的时限")
    returns: list[ReturnShape] = Field(description="本工单的退单申请")
    limit_requests: list[LimitRequestShape] = Field(
        description="本工单的延期、挂账、等待、申诉；本单位和中心可见，对其他单位为空"
    )
    event_visible: bool = Field(description="false：工单已离开您的单位，事件的其余内容不再对您显示")


@router.get("/work-orders", summary="工单列表", response_model=PageShape[OrderInList])
async def work_orders(who: ReaderDep, query: Annotated[OrderQuery, Query()]) -> Response:
    """The orders that the asker sees, those of the newest event first; a unit sees its own."""
    sight = Sight.of(who.asker, who.masters.organizations)
    filters = filters_of(query, names_of(who.masters))
    if query.holder is not None:
        filters = replace(filters, holder=await holders.holder_filter(who.session, who.asker, sight, query.holder))
    page = await order_list.list_orders(who.session, sight, filters, limit=query.limit, cursor=query.cursor)
    items = [order_in_list(who.masters, row, sight.list_stand(row), own=sight.units) for row in page.items]
    return answer({"items": items, "next": page.next})


@router.get("/work-orders/{order_id}", summary="一个工单")
async def work_order(
    order_id: Annotated[str, Path(description="工单标识：事件标识.序号")],
    who: ReaderDep,
    request: Request,
    response: Response,
) -> OrderDetail:
    """One order; the ETag is its event's version."""
    event_id, n = parse_order_id(order_id)
    sight = Sight.of(who.asker, who.masters.organizations)
    aggregate = (await load_events(who.session, [event_id])).get(event_id)
    order = aggregate.order(n) if aggregate else None
    if aggregate is None or order is None or not sight.sees_order(aggregate, order):
        raise NotFound("没有这个工单，或不在您的权限范围内。")
    masters, event = who.masters, aggregate.event
    parts = await order_parts.read_parts(who.session, event_id, [order])
    stand = sight.stand(aggregate)
    address_shown = stand == "centre" or not await event_list.is_address_kept(who.session, event_id)
    if event.state == "closed":
        await load_late_clocks(who.session, aggregate)  # whether lateness can be appealed against
    allowed = allowed_of(request, who.asker, masters, aggregate)
    # What a unit asked for is its own and the centre's, not of the others that take part.
    theirs = stand == "centre" or order.unit_id in sight.units
    held = (await holders.read_holders(who.session, [order])).get(n) if theirs else None
    response.headers["ETag"] = etag(event.seq)
    return OrderDetail(
        **order_shape(masters, order, event_id, n, allowed.work_orders.get(n, []), parts.get(n), held).__dict__,
        event_no=event.event_no,
        event_state=event.state,
        title=title_shown(masters, event, stand or "unit"),
        item=item_shape(masters, event.item_id),
        place=place_shape(masters, event, address_shown=address_shown),
        component_id=event.component_id,
        clocks=[clock_shape(clock) for clock in running(aggregate, order=order)],
        returns=[return_shape(masters, one) for one in aggregate.returns if one.order_n == n],
        limit_requests=[
            LimitRequestShape(**limit_request_values(one, one.n, now()))
            for one in aggregate.limit_requests
            if one.order_n == n and theirs
        ],
        event_visible=stand is not None,
    )


@router.get("/work-orders/{order_id}/clocks", summary="一个工单的时限：逐分钟说明")
async def work_order_clocks(
    order_id: Annotated[str, Path(description="工单标识：事件标识.序号")], who: ReaderDep
) -> OrderClocksShape:
    """Every clock of the order, running and ended: what it rests on, what moved it, and each minute that counted or
    not. Who sees the event also sees the clocks of its stages and of its reports; merged events' are the centre's.
    What moved an order's clocks, and who agreed, is told to its unit and the centre.
    """
    event_id, n = parse_order_id(order_id)
    sight = Sight.of(who.asker, who.masters.organizations)
    aggregate = (await load_events(who.session, [event_id])).get(event_id)
    order = aggregate.order(n) if aggregate else None
    if aggregate is None or order is None or not sight.sees_order(aggregate, order):
        raise NotFound("没有这个工单，或不在您的权限范围内。")
    stand, masters = sight.stand(aggregate), who.masters
    books = await read_books(
        who.session,
        event_id,
        n,
        late_mark=masters.policies.late_mark,
        own=stand is not None,
        merged=stand == "centre",
    )
    editions = await editions_of(who.session, books, masters.clockwork)
    at = now()
    shapes = [clock_account_shape(masters, account_of(book, editions, at)) for book in books]
    theirs = stand == "centre" or order.unit_id in sight.units
    mine = [book.clock.event_id == event_id and book.clock.order_n == n for book in books]
    return OrderClocksShape(
        order=[shape if theirs else without_grounds(shape) for shape, own in zip(shapes, mine, strict=True) if own],
        event=[shape for shape, own in zip(shapes, mine, strict=True) if not own],
    )
