"""The registry of all actions, and who may do which of them now."""

from typing import Any

from app.accounts.access import Asker
from app.acts.action import Action, Resource, covers, unit_of
from app.acts.event_acts import EVENT_ACTIONS
from app.acts.order_acts import ORDER_ACTIONS
from app.acts.report_acts import REPORT_ACTIONS
from app.events.aggregate import EventAggregate
from app.events.report_tables import Report
from app.events.tables import Event, WorkOrder
from app.feedback import inspections
from app.masters import Masters

ACTIONS: dict[Resource, dict[str, Action]] = {
    "event": {action.name: action for action in EVENT_ACTIONS},
    "work_order": {action.name: action for action in ORDER_ACTIONS},
    "report": {action.name: action for action in REPORT_ACTIONS},
}


def grant(
    asker: Asker,
    masters: Masters,
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
    action: Action,
) -> tuple[str, int] | None:
    """The role and organization in which the asker may do this, or None."""
    event = aggregate.event
    # A seat counts only where it is: a dispatcher of one street acts in the next only in the seat that they have there.
    role = next((role for role in action.centre if covers(asker, (role,), event)), None)
    if role is not None:
        return role, asker.org_id
    others = action.claimant and inspections.claimed_by_other(aggregate, asker.user_id)
    if action.collector and not others and covers(asker, ("collector",), event):
        return "collector", asker.org_id
    if action.unit:
        orders = [subject] if isinstance(subject, WorkOrder) else aggregate.orders
        unit = unit_of(asker, action.unit, masters.organizations, orders)
        if unit is not None:
            held = (role for role in action.unit if unit in asker.units(masters.organizations, (role,)))
            return next(held), unit
    return None


def _offered(
    resource: Resource,
    asker: Asker | None,
    masters: Masters,
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
) -> list[Action]:
    return [
        action
        for action in ACTIONS[resource].values()
        if (not action.states or subject.state in action.states)
        and (action.offered is None or action.offered(aggregate, subject))
        and (asker is None or grant(asker, masters, aggregate, subject, action) is not None)
    ]


def offered_names(
    resource: Resource,
    asker: Asker | None,
    masters: Masters,
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
) -> list[str]:
    """Names of the actions that are possible now and the asker's to do (any possible one for a machine client)."""
    return [action.name for action in _offered(resource, asker, masters, aggregate, subject)]


def allowed_actions(asker: Asker, masters: Masters, aggregate: EventAggregate) -> dict[str, Any]:
    """The actions that the asker may do now: on the event, on each of its orders, on each loaded report."""
    return {
        "event": offered_names("event", asker, masters, aggregate, aggregate.event),
        "work_orders": {
            order.n: offered_names("work_order", asker, masters, aggregate, order) for order in aggregate.orders
        },
        "reports": {
            str(report.id): offered_names("report", asker, masters, aggregate, report) for report in aggregate.reports
        },
    }
