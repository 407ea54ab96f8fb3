"""Who sees what, seat by seat, on events in memory."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.access import Asker, Seat
from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.events.aggregate import EventAggregate
from app.events.report_tables import Report
from app.events.tables import Event, Inspection, Participant, WorkOrder
from app.events.visibility import Areas, Shown, Sight, Stand, visible_report

AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
#: the bureau with a section, another bureau, the centre
IDS = {"BUREAU": 1, "SECTION": 2, "OTHER": 3, "CENTRE": 4}


@pytest.fixture
def organizations() -> Organizations:
    def row(code: str, parent: str | None = None) -> OrganizationRow:
        return OrganizationRow(
            code=code, name=code, level="district", org_type="department", parent_code=parent, area_code="320102"
        )

    return Organizations.build([row("BUREAU"), row("SECTION", "BUREAU"), row("OTHER"), row("CENTRE")], IDS)


def asker(org: str, *seats: Seat) -> Asker:
    return Asker(uuid4(), "somebody", "某人", 1, "320102", IDS[org], seats, {})


def event(
    *,
    units: tuple[str, ...] = (),
    until: datetime | None = None,
    accused: tuple[str, ...] = (),
    jurisdiction: int = 1,
    demand_type: str | None = None,
    nobody_accused: bool = False,
) -> EventAggregate:
    """An event in community 320102002001, in which ``units`` take part."""
    row = Event(
        id=uuid4(),
        jurisdiction_id=jurisdiction,
        district_code="320102",
        street_code="320102002",
        community_code="320102002001",
        demand_type=demand_type,
        accused_org_ids=[IDS[code] for code in accused],
        nobody_accused=nobody_accused,
    )
    found = EventAggregate(event=row)
    for code in units:
        found.participants.append(
            Participant(event_id=row.id, n=1, org_id=IDS[code], role="lead", since=AT, until=until)
        )
        found.orders.append(WorkOrder(event_id=row.id, n=2, unit_id=IDS[code]))
    return found


@pytest.mark.parametrize(
    ("area", "sees"),
    [
        ("320102", True),
        ("320102002", True),
        ("320102002001", True),
        ("320102003", False),
        ("320102002002", False),
        ("320104", False),
    ],
)
def test_a_centre_seat_sees_its_area(organizations: Organizations, area: str, sees: bool) -> None:
    sight = Sight.of(asker("CENTRE", Seat("supervisor", area, None)), organizations)
    assert sight.sees(event()) is sees


@pytest.mark.parametrize(
    "role", ["system_administrator", "security_administrator", "audit_administrator", "knowledge_editor"]
)
def test_administrators_see_no_case(organizations: Organizations, role: str) -> None:
    sight = Sight.of(asker("CENTRE", Seat(role, "320102", None)), organizations)
    assert sight.nothing
    assert not sight.sees(event(units=("CENTRE",)))


def test_another_jurisdiction_is_another_world(organizations: Organizations) -> None:
    sight = Sight.of(asker("CENTRE", Seat("dispatcher", "320102", None)), organizations)
    assert not sight.sees(event(jurisdiction=2))


def test_a_unit_sees_what_it_and_what_is_under_it_take_part_in(organizations: Organizations) -> None:
    bureau = Sight.of(asker("BUREAU", Seat("unit_liaison", None, None)), organizations)
    section = Sight.of(asker("SECTION", Seat("handler", None, IDS["SECTION"])), organizations)
    assert bureau.sees(event(units=("SECTION",)))
    assert section.sees(event(units=("SECTION",)))
    assert not section.sees(event(units=("BUREAU",)))
    assert not bureau.sees(event(units=("OTHER",)))


def test_a_former_unit_keeps_its_order_and_loses_the_event(organizations: Organizations) -> None:
    sight = Sight.of(asker("BUREAU", Seat("handler", None, None)), organizations)
    former = event(units=("BUREAU",), until=AT)
    assert not sight.sees(former)
    assert sight.sees_order(former, former.orders[0])
    theirs = event(units=("OTHER",))
    assert not sight.sees_order(theirs, theirs.orders[0])


@pytest.mark.parametrize(
    ("roles", "stand"),
    [
        (("sub",), "helper"),
        (("callout",), "helper"),
        (("sub", "callout"), "helper"),
        (("supporting",), "unit"),
        (("callout", "supporting"), "unit"),
        (("supervising", "sub"), "unit"),
    ],
)
def test_who_was_asked_to_help_by_another_unit_learns_nothing_of_the_reporter(
    organizations: Organizations, roles: tuple[str, ...], stand: Stand
) -> None:
    sight = Sight.of(asker("SECTION", Seat("handler", None, IDS["SECTION"])), organizations)
    helped = event(units=("BUREAU",))
    for role in roles:
        part = Participant(event_id=helped.event.id, n=3, org_id=IDS["SECTION"], role=role, since=AT, until=None)
        helped.participants.append(part)
    assert sight.stand(helped) == stand
    shown = visible_report(stand, Report(demand_type="complaint", confidential=False))
    assert (shown.content, shown.identity) == (True, stand == "unit")


@pytest.mark.parametrize(("own_part", "stand"), [(True, "unit"), (False, "helper")])
def test_a_list_shows_a_helper_no_more_than_the_event_does(
    organizations: Organizations, own_part: bool, stand: Stand
) -> None:
    sight = Sight.of(asker("SECTION", Seat("handler", None, IDS["SECTION"])), organizations)
    row = SimpleNamespace(**vars(event().event), own_part=own_part, lead_unit_id=IDS["BUREAU"])
    assert sight.list_stand(row) == stand
    row.lead_unit_id = IDS["SECTION"]
    assert sight.list_stand(row) == "unit", "who leads is told"


@pytest.mark.parametrize(
    ("seat", "org"),
    [
        (Seat("unit_liaison", None, IDS["BUREAU"]), "BUREAU"),
        (Seat("handler", None, IDS["SECTION"]), "SECTION"),
        (Seat("collector", "320102", None), "SECTION"),
    ],
)
@pytest.mark.parametrize("until", [None, AT])
def test_the_accused_and_what_is_under_it_see_nothing(
    organizations: Organizations, seat: Seat, org: str, until: datetime | None
) -> None:
    accusation = event(units=(org,), until=until, accused=("BUREAU",))
    accusation.inspections.append(Inspection(event_id=accusation.event.id, n=9, ended_at=None))
    sight = Sight.of(asker(org, seat), organizations)
    assert not sight.sees(accusation)
    assert not sight.sees_order(accusation, accusation.orders[0])
    assert "accused_org_ids" in sight.condition()[0]


def test_a_centre_seat_does_not_open_its_own_unit_s_accusation(organizations: Organizations) -> None:
    both = asker("BUREAU", Seat("handler", None, None), Seat("dispatcher", "320102", None))
    assert not Sight.of(both, organizations).sees(event(accused=("BUREAU",)))


def test_an_accusation_of_the_centre_stays_visible_to_somebody(organizations: Organizations) -> None:
    sight = Sight.of(asker("CENTRE", Seat("shift_leader", "320102", None)), organizations)
    assert sight.sees(event(accused=("CENTRE",)))


@pytest.mark.parametrize(
    ("demand_type", "accused", "nobody_accused", "stand"),
    [
        ("accusation", (), False, None),
        ("accusation", (), True, "centre"),
        ("accusation", ("OTHER",), False, "centre"),
        ("accusation", ("BUREAU",), False, None),
        ("complaint", (), False, "centre"),
        (None, (), False, "centre"),
    ],
)
def test_an_accusation_is_hidden_from_whom_it_may_accuse_until_somebody_says_that_it_does_not(
    organizations: Organizations,
    demand_type: str | None,
    accused: tuple[str, ...],
    nobody_accused: bool,
    stand: str | None,
) -> None:
    both = asker("BUREAU", Seat("handler", None, None), Seat("dispatcher", "320102", None))
    found = event(demand_type=demand_type, accused=accused, nobody_accused=nobody_accused)
    assert Sight.of(both, organizations).stand(found) == stand


def test_a_unit_that_takes_part_without_an_order_sees_an_accusation_once_nobody_is_accused(
    organizations: Organizations,
) -> None:
    sight = Sight.of(asker("OTHER", Seat("unit_liaison", None, None)), organizations)
    for known in (False, True):
        found = event(units=("OTHER",), demand_type="accusation", nobody_accused=known)
        found.orders.clear()
        assert sight.stand(found) == ("unit" if known else None)


def test_a_collector_sees_what_waits_to_be_inspected_in_their_area(organizations: Organizations) -> None:
    sight = Sight.of(asker("OTHER", Seat("collector", "320102002", None)), organizations)
    waiting, done = event(), event()
    waiting.inspections.append(Inspection(event_id=waiting.event.id, n=9, ended_at=None))
    done.inspections.append(Inspection(event_id=done.event.id, n=9, ended_at=AT))
    assert sight.stand(waiting) == "collector"
    assert not sight.sees(done)
    assert not sight.sees(event())


def test_a_grid_worker_sees_what_their_own_team_was_given(organizations: Organizations) -> None:
    sight = Sight.of(asker("SECTION", Seat("grid_worker", "320102002001", None)), organizations)
    assert sight.sees(event(units=("SECTION",)))
    assert not sight.sees(event(units=("OTHER",)))


@pytest.mark.parametrize(
    ("stand", "demand_type", "confidential", "content", "identity"),
    [
        ("centre", "accusation", True, True, True),
        ("unit", "complaint", False, True, True),
        ("unit", "complaint", True, True, False),
        ("unit", "accusation", False, False, False),
        ("collector", "complaint", False, True, False),
        ("collector", "accusation", False, False, False),
        ("unit", None, False, True, True),
    ],
)
def test_how_much_of_a_report_is_shown(
    stand: Any, demand_type: str | None, confidential: bool, content: bool, identity: bool
) -> None:
    report = Report(demand_type=demand_type, confidential=confidential)
    assert visible_report(stand, report) == Shown(content, identity)


def test_areas_are_told_apart_by_their_length() -> None:
    areas = Areas.of(["320102002", "320102003001", "320104"], "320102")
    assert (areas.whole, areas.districts, areas.streets, areas.communities) == (
        False,
        ("320104",),
        ("320102002",),
        ("320102003001",),
    )
    assert Areas.of(["320102"], "320102").whole
    assert not Areas.of([], "320102")
