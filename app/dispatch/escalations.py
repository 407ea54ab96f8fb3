"""督办: a rung of the ladder fires: it is written down, the people it names see the event, and they are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.accounts.organizations import Organizations
from app.clocks.ladder import DUE, Rung
from app.clocks.records import records_of
from app.dispatch.orders import admit
from app.events.aggregate import Act, EventAggregate, Outgoing
from app.events.clock_tables import Clock, ClockRung
from app.events.visibility import accused_unknown


@dataclass(frozen=True, slots=True)
class About:
    """Who is who, and who carries notices."""

    organizations: Organizations
    #: firing later than this after its time is marked late: an outage delays rungs, it drops none
    late_mark: timedelta
    #: the machine clients that carry notices to phones and screens
    notify: Sequence[int] = ()


def fire(
    aggregate: EventAggregate,
    clock: Clock,
    rung: Rung,
    rung_at: datetime,
    act: Act,
    about: About,
    *,
    timeline_n: int | None = None,
) -> None:
    """Writes the rung down, once in its generation, with the act that it is.

    ``timeline_n``: the act that follows from the limit by itself (automatic signing) where that says it all.
    """
    organizations = about.organizations
    # What an act moved into the past could not fire before that act: nobody was late then.
    since_at = max(rung_at, *(record.since_at for record in records_of(aggregate, clock)))
    late = act.at - since_at > about.late_mark
    to = sorted(_told(aggregate, clock, rung, organizations))
    if timeline_n is None:
        data = {"kind": clock.kind, "rule": clock.rule, "due_at": clock.due_at.isoformat(), "late": late}
        if rung is not DUE:
            codes = [organizations.code_of(org_id) for org_id in to]
            data |= {"rung": rung.name, "at": rung.at, "action": rung.action, "to": codes}
        name = "clock_missed" if rung is DUE else "escalated"
        timeline_n = aggregate.record(act, name, subject=clock, data=data, note="")
    aggregate.new(
        ClockRung,
        event_id=clock.event_id,
        clock_n=clock.n,
        generation=clock.generation,
        rung=rung.name,
        rung_at=rung_at,
        fired_at=act.at,
        timeline_n=timeline_n,
    )
    if rung is DUE:
        return
    for org_id in to:
        if org_id != _unit_of(aggregate, clock):
            admit(aggregate, org_id, "supervising", act.at)
    for client_id in about.notify if to else ():
        aggregate.outgoing.append(
            Outgoing(None, "notice", _notice(aggregate, clock, rung, act, to, organizations), act.at, client_id)
        )


def _told(aggregate: EventAggregate, clock: Clock, rung: Rung, organizations: Organizations) -> set[int]:
    """The organizations that the rung names; one that does not exist is left out, an accused one always.

    While nobody knows whom an accusation accuses, only units with an order in it are told: nobody else sees it
    either (``events.visibility``).
    """
    unit_id = _unit_of(aggregate, clock)
    told: set[int] = set()
    for who in rung.to:
        if who == "unit" and unit_id is not None:
            told.add(unit_id)
        elif who == "parent" and unit_id is not None:
            told.update(organizations.above(unit_id)[:1])
        elif who == "desk" and aggregate.event.district_code:
            desks = organizations.of_area(aggregate.event.district_code, "coordination_desk")
            told.update(filter(None, (organizations.id_of(row.code) for row in desks)))
        elif (org_id := organizations.id_of(who)) is not None:
            told.add(org_id)
    if accused_unknown(aggregate.event):
        return told & {order.unit_id for order in aggregate.open_orders}
    accused = {org for accused in aggregate.event.accused_org_ids for org in organizations.under(accused)}
    return told - accused


def _unit_of(aggregate: EventAggregate, clock: Clock) -> int | None:
    """The unit whose time it is; for clocks of the centre and the citizen the unit that leads."""
    return clock.unit_id if clock.unit_id is not None else aggregate.event.lead_unit_id


def _notice(
    aggregate: EventAggregate, clock: Clock, rung: Rung, act: Act, to: Sequence[int], organizations: Organizations
) -> dict[str, object]:
    return {
        "type": "notice",
        "event_no": aggregate.event.event_no,
        "event_id": str(aggregate.event.id),
        "order_n": clock.order_n,
        "clock": clock.kind,
        "rung": rung.name,
        "action": rung.action,
        "due_at": clock.due_at.isoformat(),
        "to": [organizations.code_of(org_id) for org_id in to],
        "at": act.at.isoformat(),
    }
