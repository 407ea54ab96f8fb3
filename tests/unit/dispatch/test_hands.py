"""What one unit gives to others, in memory: how deep, and how it ends."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch import callouts, orders, sub_orders
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.tables import Event, Participant, WorkOrder

AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
ACT = Act(SYSTEM, AT, AT)


def given(*rows: tuple[str, str, int | None]) -> EventAggregate:
    """An event with orders numbered from 1: (role, state, number of the parent)."""
    event = Event(id=uuid4(), jurisdiction_id=1, seq=100, state="handling", district_code=None, accused_org_ids=[])
    found = EventAggregate(event=event)
    for n, (role, state, parent_n) in enumerate(rows, start=1):
        ended = AT if state in ("returned", "transferred", "completed", "cancelled") else None
        found.orders.append(
            WorkOrder(
                event_id=event.id, n=n, unit_id=n, role=role, state=state, parent_n=parent_n, round=1, ended_at=ended
            )
        )
    return found


def test_work_is_given_on_three_times_at_most() -> None:
    event = given(
        ("supporting", "handling", None), ("sub", "handling", 1), ("sub", "handling", 2), ("sub", "handling", 3)
    )
    assert [sub_orders.why_no_sub(event, order) is None for order in event.orders] == [True, True, True, False]
    assert sub_orders.why_no_sub(event, event.orders[3]) == "二次派单最多 3 级，不能再往下派。"


@pytest.mark.parametrize(
    ("parent", "child", "ends_as"),
    [
        ("completed", "reported_done", "completed"),
        ("completed", "handling", "cancelled"),
        ("transferred", "reported_done", "cancelled"),
        ("returned", "dispatched", "cancelled"),
        ("cancelled", "signed", "cancelled"),
        ("reported_done", "handling", "handling"),
        ("handling", "reported_done", "reported_done"),
    ],
)
@pytest.mark.parametrize("role", ["sub", "callout"])
def test_what_was_given_ends_with_the_order_that_gave_it(role: str, parent: str, child: str, ends_as: str) -> None:
    event = given(("lead", parent, None), (role, child, 1))
    orders.follow_parents(event, ACT)
    assert event.orders[1].state == ends_as
    assert [pending.row.data["cause"] for pending in event.timeline] == (
        [] if ends_as == child else [f"parent_{parent}"]
    )


def test_the_whole_line_ends_at_once() -> None:
    event = given(
        ("lead", "completed", None), ("sub", "reported_done", 1), ("sub", "reported_done", 2), ("callout", "signed", 1)
    )
    orders.follow_parents(event, ACT)
    assert [order.state for order in event.orders[1:]] == ["completed", "completed", "cancelled"]
    orders.follow_parents(event, ACT)
    assert len(event.timeline) == 3, "once"


def test_ending_all_leaves_what_was_given_to_its_parent() -> None:
    event = given(("lead", "handling", None), ("callout", "handling", 1), ("supporting", "signed", None))
    orders.end_open_orders(event, "complete", ACT, cause="handled")
    assert [order.state for order in event.orders] == ["completed", "handling", "completed"]


IDS = {"COUNTY": 1, "BUREAU": 2, "STREET": 3, "TEAM": 4, "CREW": 5}


def organizations() -> Organizations:
    def row(code: str, level: Any, parent: str | None = None) -> OrganizationRow:
        return OrganizationRow(
            code=code, name=code, level=level, org_type="department", parent_code=parent, area_code="320102"
        )

    return Organizations.build(
        [
            row("COUNTY", "district"),
            row("BUREAU", "district", "COUNTY"),
            row("STREET", "street", "COUNTY"),
            row("TEAM", "community", "STREET"),
            row("CREW", "district", "STREET"),
        ],
        IDS,
    )


@pytest.mark.parametrize(
    ("caller", "called", "may"),
    [
        ("STREET", "BUREAU", True),
        ("STREET", "COUNTY", True),
        ("TEAM", "BUREAU", True),
        ("STREET", "TEAM", False),
        ("STREET", "CREW", False),
        ("STREET", "STREET", False),
    ],
)
def test_a_street_calls_those_above_streets_and_none_of_its_own(caller: str, called: str, may: bool) -> None:
    event = given(("lead", "handling", None))
    event.orders[0].unit_id = IDS[caller]
    assert callouts.why_no_call(organizations(), event.orders[0]) is None
    why = callouts.why_not_called(event, organizations(), event.orders[0], IDS[called])
    assert (why is None) == may


def test_a_bureau_calls_nobody() -> None:
    event = given(("lead", "handling", None))
    event.orders[0].unit_id = IDS["BUREAU"]
    assert callouts.why_no_call(organizations(), event.orders[0]) == "只有街道、社区一级的单位可以吹哨。"


def test_a_unit_keeps_its_part_while_another_order_of_its_own_gives_it() -> None:
    event = given(("supporting", "handling", None), ("supporting", "handling", None))
    first, second = event.orders
    second.unit_id = first.unit_id
    part = Participant(event_id=event.event.id, n=9, org_id=first.unit_id, role="supporting", since=AT, until=None)
    event.participants.append(part)
    orders.end_order(event, first, "cancel", ACT, cause="centre")
    assert part.until is None
    orders.end_order(event, second, "cancel", ACT, cause="centre")
    assert part.until == AT
