"""Which limit holds for what: the filing standard's own where there is one, else the city's policy; always named."""

from app.clocks.arithmetic import Limit
from app.clocks.running import LimitRule
from app.dispatch.orders import OrderLimits
from app.events.report_tables import Report
from app.events.tables import Event
from app.masters.masters import Masters


def _rule(masters: Masters, limit: str, rule: str) -> LimitRule:
    code = masters.policies.calendar
    return LimitRule(Limit.parse(limit), rule, code, masters.calendars[code])


def citizen_total(masters: Masters, report: Report) -> LimitRule:
    """The citizen's clock 总时限: by demand type; it starts at receipt and never pauses."""
    name = report.demand_type or "finding"
    return _rule(masters, masters.policies.total_limit(name), f"total_limit.{name}")


def rehandle_total(masters: Masters) -> LimitRule:
    """The citizen's clock after a dissatisfied callback 二次办理."""
    return _rule(masters, masters.policies.rehandle_limit, "rehandle_limit")


def order_limits(masters: Masters, event: Event) -> OrderLimits:
    """Signing, first contact (where an answer is owed) and handling of a new order or round."""
    policies = masters.policies
    handling = _rule(masters, policies.handling_limit(event.level), f"handling_limit.{event.level}")
    key = masters.item_keys.get(event.item_id) if event.item_id else None
    if key is not None:
        rows = masters.items.standards_of(key)
        chosen = next((row for row in rows if row.row_no == event.standard_row_no), rows[0] if rows else None)
        if chosen is not None:
            handling = _rule(masters, chosen.limit, f"{key}#{chosen.row_no}")
    answered = event.closure_profile in ("answer", "both")
    return OrderLimits(
        signing=_rule(masters, policies.sign_limit, "sign_limit"),
        handling=handling,
        first_contact=_rule(masters, policies.first_contact_limit, "first_contact_limit") if answered else None,
    )
