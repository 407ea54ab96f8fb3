"""Which limit holds for what: the filing standard's own where there is one, else the city's policy; always named."""

from app.clocks.limits import Limit
from app.clocks.running import LimitRule
from app.dispatch.orders import OrderLimits
from app.events.report_tables import Report
from app.events.tables import Event
from app.masters.masters import Masters


def _rule(masters: Masters, limit: str, rule: str, *, unit_id: int | None = None, cap: str | None = None) -> LimitRule:
    """A unit's clock runs by its own calendar; what is the centre's, or the citizen's, by the city's."""
    policies = masters.policies
    own = masters.organizations.calendar_code(unit_id) if unit_id is not None else None
    return LimitRule(
        Limit.parse(limit),
        rule,
        own or policies.calendar,
        masters.clockwork,
        cap=Limit.parse(cap) if cap else None,
        given_back=policies.pause_gives_back,
    )


def citizen_total(masters: Masters, report: Report, urgency: str) -> LimitRule:
    """The citizen's clock 总时限: by urgency or demand type; it starts at receipt and never pauses."""
    return _rule(masters, *masters.policies.total_limit(report.demand_type or "finding", urgency))


def rehandle_total(masters: Masters) -> LimitRule:
    """The citizen's clock after a dissatisfied callback 二次办理."""
    return _rule(masters, masters.policies.rehandle_limit, "rehandle_limit")


def stage(masters: Masters, name: str) -> LimitRule:
    """A stage that is the centre's own: filing, dispatch, return_review, inspection, callback, acceptance."""
    return _rule(masters, masters.policies.stage_limit(name), f"{name}_limit")


def handling(masters: Masters, event: Event, unit_id: int) -> LimitRule:
    """The unit's own clock: by the filing standard of the event's item, else by the level."""
    policies = masters.policies
    limit, rule = policies.handling_limit(event.level), f"handling_limit.{event.level}"
    key = masters.item_keys.get(event.item_id) if event.item_id else None
    if key is not None:
        rows = masters.items.standards_of(key)
        chosen = next((row for row in rows if row.row_no == event.standard_row_no), rows[0] if rows else None)
        if chosen is not None:
            limit, rule = chosen.limit, f"{key}#{chosen.row_no}"
    return _rule(masters, limit, rule, unit_id=unit_id, cap=policies.uncounted_cap)


def order_limits(masters: Masters, event: Event, unit_id: int) -> OrderLimits:
    """Signing, first contact (where an answer is owed) and handling of a unit's new order or round."""
    policies = masters.policies
    answered = event.closure_profile in ("answer", "both")
    contact = policies.first_contact_limit
    return OrderLimits(
        signing=_rule(masters, policies.sign_limit, "sign_limit", unit_id=unit_id),
        handling=handling(masters, event, unit_id),
        first_contact=_rule(masters, contact, "first_contact_limit", unit_id=unit_id) if answered else None,
    )
