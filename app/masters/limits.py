"""Which limit holds for what: the filing standard's own where there is one, else the city's policy; always named."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from app.clocks.emergencies import NO_EMERGENCIES, RULE_PREFIX
from app.clocks.limits import Limit
from app.clocks.running import LimitRule
from app.dispatch.extensions import ExtensionRule
from app.dispatch.orders import OrderLimits
from app.dispatch.standstills import DeferralRule, WaitingRule
from app.events.clock_tables import Clock
from app.events.report_tables import Report
from app.events.tables import Event
from app.masters.masters import Masters

#: the rule of the citizen's clock after a dissatisfied callback
REHANDLE: Final = "rehandle_limit"
#: the rule of the clock of a call-out whose street set no limit
APPEARANCE: Final = "appearance_limit"


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
        emergencies=masters.emergencies,
    )


def citizen_total(masters: Masters, report: Report, urgency: str) -> LimitRule:
    """The citizen's clock 总时限: by urgency or demand type; it starts at receipt and never pauses."""
    return _rule(masters, *masters.policies.total_limit(report.demand_type or "finding", urgency))


def rehandle_total(masters: Masters) -> LimitRule:
    """The citizen's clock after a dissatisfied callback 二次办理."""
    return _rule(masters, masters.policies.rehandle_limit, REHANDLE)


def citizen_total_again(masters: Masters, report: Report, urgency: str, clock: Clock) -> tuple[LimitRule, datetime]:
    """The citizen's clock of a report that moves to another event, and since when it counts.

    ``clock``: the one that it had; a second handling keeps its own limit and start.
    """
    if clock.rule == REHANDLE:
        return rehandle_total(masters), clock.started_at
    return citizen_total(masters, report, urgency), report.received_at


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
    # A part of an event has no reporter of its own to call.
    answered = event.closure_profile in ("answer", "both") and event.split_from is None
    contact = policies.first_contact_limit
    return OrderLimits(
        signing=_rule(masters, policies.sign_limit, "sign_limit", unit_id=unit_id),
        handling=handling(masters, event, unit_id),
        first_contact=_rule(masters, contact, "first_contact_limit", unit_id=unit_id) if answered else None,
    )


def inner(masters: Masters, unit_id: int, limit: Limit) -> LimitRule:
    """What a unit sets for a section or contractor of its own 二次派单; an emergency gives it no other limit."""
    return replace(_rule(masters, str(limit), "inner_limit", unit_id=unit_id), emergencies=NO_EMERGENCIES)


def appearance(masters: Masters, unit_id: int, limit: Limit | None = None) -> LimitRule:
    """Until a unit that was called out 吹哨 must appear: what the street says, else the city's policy."""
    if limit is not None:
        return replace(_rule(masters, str(limit), "set_by_caller", unit_id=unit_id), emergencies=NO_EMERGENCIES)
    return _rule(masters, masters.policies.stage_limit("appearance"), APPEARANCE, unit_id=unit_id)


def of_running(masters: Masters, clock: Clock, event: Event, report: Report | None) -> LimitRule | None:
    """The limit that a running clock would have if it started under these masters; None: it keeps its own.

    It keeps what an emergency gave it, and what no rule sets any more. ``report``: whose total it is.
    """
    if clock.rule.startswith(RULE_PREFIX):
        return None
    if clock.kind == "citizen_total":
        if clock.rule == REHANDLE:
            return rehandle_total(masters)
        return citizen_total(masters, report, event.urgency) if report is not None else None
    if clock.kind in ("sub_handling", "appearance"):
        if clock.rule != APPEARANCE or clock.unit_id is None:
            return None  # set by a person
        return appearance(masters, clock.unit_id)
    if clock.kind in ("signing", "first_contact", "handling"):
        if clock.unit_id is None:
            return None
        limits = order_limits(masters, event, clock.unit_id)
        rules = {"signing": limits.signing, "first_contact": limits.first_contact, "handling": limits.handling}
        return rules[clock.kind]
    return stage(masters, clock.kind)


def extension(masters: Masters) -> ExtensionRule:
    """How often, how far and by whose word an order is extended 延期."""
    policies = masters.policies
    return ExtensionRule(
        times=int(policies.number("extension_times")),
        share=policies.number("extension_share"),
        approvers=policies.approvers("extension"),
        long_share=policies.number("extension_long_share"),
        long_approvers=policies.approvers("extension_long"),
    )


def deferral(masters: Masters) -> DeferralRule:
    """How often, how long and by whose word an order is deferred 挂账."""
    policies = masters.policies
    times, days = int(policies.number("deferral_times")), int(policies.number("deferral_max_days"))
    return DeferralRule(times, days, policies.approvers("deferral"))


def waiting(masters: Masters) -> WaitingRule:
    """How long a unit may wait for the complainant, and by whose word."""
    return WaitingRule(Limit.parse(masters.policies.waiting_max), masters.policies.approvers("waiting"))


def appeal_window(masters: Masters, unit_id: int) -> LimitRule:
    """From closing, in which a unit may appeal against lateness; by its own calendar."""
    return _rule(masters, masters.policies.appeal_window, "appeal_window", unit_id=unit_id)


def return_window(masters: Masters, unit_id: int) -> LimitRule:
    """From dispatch, in which a unit may ask to give an order back; by its own calendar."""
    return _rule(masters, masters.policies.return_window, "return_window", unit_id=unit_id)
