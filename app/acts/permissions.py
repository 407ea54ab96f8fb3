"""The registry of all actions, and who may do which of them now."""

from collections.abc import Collection
from typing import Any

from app.accounts.access import Asker
from app.acts.action import Action, Resource, covers, unit_of
from app.acts.component_acts import COMPONENT_ORDER_ACTIONS
from app.acts.dispute_acts import DISPUTE_EVENT_ACTIONS
from app.acts.event_acts import EVENT_ACTIONS
from app.acts.hand_acts import HAND_ORDER_ACTIONS
from app.acts.limit_acts import LIMIT_ACTIONS
from app.acts.order_acts import ORDER_ACTIONS
from app.acts.part_acts import PART_EVENT_ACTIONS, PART_ORDER_ACTIONS
from app.acts.report_acts import REPORT_ACTIONS
from app.core.errors import Forbidden
from app.dispatch import disputes, limit_requests
from app.events.aggregate import EventAggregate
from app.events.clock_tables import LimitRequest
from app.events.report_tables import Report
from app.events.tables import Event, WorkOrder
from app.feedback import inspections
from app.masters import Masters


def _by_name(*groups: tuple[Action, ...]) -> dict[str, Action]:
    return {action.name: action for group in groups for action in group}


ACTIONS: dict[Resource, dict[str, Action]] = {
    "event": _by_name(EVENT_ACTIONS, DISPUTE_EVENT_ACTIONS, PART_EVENT_ACTIONS),
    "work_order": _by_name(
        *(ORDER_ACTIONS, HAND_ORDER_ACTIONS, PART_ORDER_ACTIONS, LIMIT_ACTIONS),
        COMPONENT_ORDER_ACTIONS,
    ),
    "report": _by_name(REPORT_ACTIONS),
}


def grant(
    asker: Asker,
    masters: Masters,
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
    action: Action,
) -> tuple[str, int] | None:
    """The role and organization in which the asker may do this, or None."""
    event, centre = aggregate.event, action.centre
    if (request := _to_decide(aggregate, subject, action)) is not None:
        if limit_requests.why_not_theirs(request, asker, masters.organizations):
            return None
        turn = limit_requests.waits_for(request)
        centre = action.centre if turn is None else (turn,)
    if _why_partial(asker, masters, aggregate, subject, action):
        return None
    # A seat counts only where it is: a dispatcher of one street acts in the next only in the seat that they have there.
    role = next((role for role in centre if covers(asker, (role,), event)), None)
    if role is not None:
        return role, asker.org_id
    others = action.claimant and inspections.claimed_by_other(aggregate, asker.user_id)
    if action.collector and not others and covers(asker, ("collector",), event):
        return "collector", asker.org_id
    if action.of_party:
        asked = disputes.party_units(aggregate)
        mine = [unit for unit in asked if unit in asker.units(masters.organizations, action.unit)]
        return (action.unit[0], asker.org_id if asker.org_id in mine else mine[0]) if mine else None
    if action.unit:
        orders: Collection[WorkOrder] = [subject] if isinstance(subject, WorkOrder) else aggregate.orders
        if action.whose is not None:
            orders = action.whose(aggregate, subject)
        unit = unit_of(asker, action.unit, masters.organizations, orders)
        if unit is not None:
            held = (role for role in action.unit if unit in asker.units(masters.organizations, (role,)))
            return next(held), unit
    return None


def _to_decide(aggregate: EventAggregate, subject: Event | WorkOrder | Report, action: Action) -> LimitRequest | None:
    if action.decides is None or not isinstance(subject, WorkOrder):
        return None
    return limit_requests.undecided(aggregate, subject, action.decides)


def _why_partial(
    asker: Asker, masters: Masters, aggregate: EventAggregate, subject: Event | WorkOrder | Report, action: Action
) -> str | None:
    if not action.impartial:
        return None
    order = subject if isinstance(subject, WorkOrder) else aggregate.lead
    return disputes.why_partial(aggregate, order, asker, masters.organizations)


def forbidden(
    asker: Asker, masters: Masters, aggregate: EventAggregate, subject: Event | WorkOrder | Report, action: Action
) -> Forbidden:
    """The refusal for somebody whose the event is but not this action, and which seats it needs."""
    collector = ("collector",) if action.collector else ()
    needs = [*action.centre, *action.unit, *collector]
    why = f"您的席位不能执行“{action.name_zh}”。"
    if (request := _to_decide(aggregate, subject, action)) is not None:
        turn = limit_requests.waits_for(request)
        if turn is not None:
            needs = [turn]
            why = f"这份申请现在须由{limit_requests.ROLES_ZH[turn]}审批，您在该区域没有这一席位。"
        why = limit_requests.why_not_theirs(request, asker, masters.organizations) or why
    partial = _why_partial(asker, masters, aggregate, subject, action)
    if partial is not None and covers(asker, action.centre, aggregate.event):
        others = "、".join(limit_requests.ROLES_ZH[role] for role in action.centre)
        why = f"{partial}“{action.name_zh}”请由与各当事单位无关的{others}办理。"
    return Forbidden(why, needs=needs)


def refused_now(
    masters: Masters, aggregate: EventAggregate, subject: Event | WorkOrder | Report, action: Action
) -> str | None:
    """Why the action is not possible now, whoever asks; None: it is."""
    if not _fits(aggregate, subject, action):
        return f"当前状态不能执行“{action.name_zh}”；请刷新后按允许的操作办理。"
    return action.refusal(masters, aggregate, subject) if action.refusal is not None else None


def _fits(aggregate: EventAggregate, subject: Event | WorkOrder | Report, action: Action) -> bool:
    if action.roles and isinstance(subject, WorkOrder) and subject.role not in action.roles:
        return False
    return (not action.states or subject.state in action.states) and (
        action.offered is None or action.offered(aggregate, subject)
    )


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
        if _fits(aggregate, subject, action)
        and (asker is None or grant(asker, masters, aggregate, subject, action) is not None)
        and (action.refusal is None or action.refusal(masters, aggregate, subject) is None)
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
