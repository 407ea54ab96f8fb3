"""延期: more time, asked for before the limit has run out, approved before it moves (DOMAIN.md §4.3)."""

from dataclasses import dataclass
from datetime import datetime

from app.clocks.limits import Limit, LimitUnit
from app.clocks.moving import extend_clock
from app.clocks.records import Clockwork, limit_of, records_of
from app.clocks.running import running
from app.core.errors import Conflict
from app.dispatch.limit_requests import (
    Asked,
    agree,
    approval,
    ask,
    city_time,
    granted,
    handling,
    pending,
    refuse,
    why_not_any,
)
from app.events.aggregate import Act, EventAggregate
from app.events.clock_tables import Clock
from app.events.tables import WorkOrder


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """How often an order is extended; by how much at most, as a share of its first limit; who must agree, in order."""

    times: int
    share: float
    approvers: tuple[str, ...]
    #: above this share of the first limit ``long_approvers`` must agree instead
    long_share: float
    long_approvers: tuple[str, ...]


def _first_limit(aggregate: EventAggregate, clock: Clock) -> int:
    """What the limit is without extensions, by the rule that was last applied to the clock."""
    first = before = more = 0
    for record in records_of(aggregate, clock):
        if record.cause == "extended":
            more += record.limit_value - before
        elif record.cause in ("started", "limit"):
            first = record.limit_value - more  # a rule that is applied to a running clock keeps its extensions
        before = record.limit_value
    return first


def most_more(aggregate: EventAggregate, clock: Clock, rule: ExtensionRule) -> int:
    """The longest extension of a clock, in its own units: a share of its limit without extensions (rounded down)."""
    return int(_first_limit(aggregate, clock) * rule.share + 1e-9)


def why_no_extension(aggregate: EventAggregate, order: WorkOrder, rule: ExtensionRule, at: datetime) -> str | None:
    """延期 is asked before the limit has run out, as often as the city allows."""
    if why := why_not_any(aggregate, order, "extension"):
        return why
    clock = handling(aggregate, order)
    if clock is not None and at >= clock.due_at:
        return f"处置时限已于 {city_time(clock.due_at)} 到期；延期须在到期前申请。"
    if (done := granted(aggregate, order, "extension")) >= rule.times:
        return f"该工单已延期 {done} 次，每个工单最多延期 {rule.times} 次。"
    if clock is not None and most_more(aggregate, clock, rule) < 1:
        return "该工单的处置时限太短，按规定不能延期。"
    return None


def ask_extension(
    aggregate: EventAggregate, order: WorkOrder, act: Act, asked: Asked, *, more: int, rule: ExtensionRule
) -> None:
    """申请延期 by ``more`` of the handling limit's own units. Raises ``Malformed`` for more than is allowed."""
    clock = handling(aggregate, order)
    if clock is None:
        raise Conflict("该工单没有正在计时的处置时限。")
    first, most = _first_limit(aggregate, clock), most_more(aggregate, clock, rule)
    unit = LimitUnit(clock.limit_unit)
    if more > most:
        refuse("more", f"原时限为 {Limit(first, unit).chinese}，一次最多延长 {Limit(most, unit).chinese}。")
    if clock.limit_value + more > 9999:
        refuse("more", "延长后的时限过长。")
    approvers = rule.long_approvers if more > first * rule.long_share else rule.approvers
    ask(aggregate, order, act, "extension", asked, terms={"more": str(Limit(more, unit))}, approvers=approvers)


def why_no_approval(aggregate: EventAggregate, order: WorkOrder) -> str | None:
    """What was asked in one unit cannot be granted in another: 4 working hours are not 4 working days."""
    request, clock = pending(aggregate, order, "extension"), handling(aggregate, order)
    if request is None or clock is None:
        return None
    more, limit = Limit.parse(request.terms["more"]), limit_of(clock)
    if more.unit is limit.unit:
        return None
    return (
        f"申请延长 {more.chinese}，而处置时限现已按新规定改为 {limit.chinese}，单位不同，不能批准；"
        "请驳回，由承办单位重新申请。"
    )


def approve(aggregate: EventAggregate, order: WorkOrder, act: Act, work: Clockwork) -> None:
    """同意: with the last who must agree the limit grows, and keeps who agreed."""
    request, n = agree(aggregate, order, act, "extension", done=True)
    if n is None:
        return
    more = Limit.parse(request.terms["more"]).value
    for clock in running(aggregate, "handling", order=order):
        extend_clock(aggregate, clock, work, act.at, n, more=more, approval=approval(request))
