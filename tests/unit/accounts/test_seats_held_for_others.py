"""Whose seats a deputy holds, and what counts as one's own."""

from uuid import UUID

import pytest

from app.accounts.access import Asker, Principal, Seat
from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.events.visibility import Sight

ME, THEM, OTHER = (UUID(int=number) for number in (1, 2, 3))
IDS = {"OFFICE": 10, "SECTION": 11, "TEAM": 12}


@pytest.fixture
def organizations() -> Organizations:
    """An office with a section and a team under it."""
    rows = [
        OrganizationRow(
            code=code, name=code, level="street", org_type="section", parent_code=parent, area_code="320102002"
        )
        for code, parent in (("OFFICE", None), ("SECTION", "OFFICE"), ("TEAM", "OFFICE"))
    ]
    return Organizations.build(rows, IDS)


def asker(*seats: Seat, principals: tuple[Principal, ...] = (), home: int = 11) -> Asker:
    return Asker(ME, "me", "me", 1, "320102", home, seats, {}, principals=principals)


def test_a_seat_without_a_scope_is_its_owner_s_unit_s(organizations: Organizations) -> None:
    lent = Seat("handler", None, None, THEM, 12)
    assert asker(Seat("handler", None, None)).units(organizations) == {11}
    assert asker(lent).units(organizations) == {12}
    assert asker(Seat("handler", None, None), lent).units(organizations) == {11, 12}


def test_a_lent_seat_over_an_area_shows_what_its_owner_s_team_was_given(organizations: Organizations) -> None:
    sight = Sight.of(
        asker(Seat("grid_worker", "320102002001", None, THEM, 12), principals=(Principal(THEM, 12),)), organizations
    )
    assert sight.units == {12}
    assert sight.own == {10, 11, 12}, "what accuses either of them is neither's to see"


def test_capacities_are_their_own_first_and_then_one_principal_at_a_time() -> None:
    own = Seat("dispatcher", "320102", None)
    theirs, others = Seat("handler", None, None, THEM, 12), Seat("shift_leader", "320102", None, OTHER, 10)
    principals = (Principal(THEM, 12), Principal(OTHER, 10))
    found = list(asker(own, theirs, others, principals=principals).capacities())
    assert [(whose, one.seats, one.org_id) for whose, one in found] == [
        (None, (own,), 11),
        (THEM, (theirs,), 12),
        (OTHER, (others,), 10),
    ]
    assert all(one.persons == {str(ME), str(THEM), str(OTHER)} for _, one in found), "whoever they stand in for"
    assert all(one.user_id == ME for _, one in found)


def test_nobody_s_deputy_is_only_themselves() -> None:
    alone = asker(Seat("dispatcher", "320102", None))
    assert list(alone.capacities()) == [(None, alone)]
    assert (alone.persons, alone.homes) == ({str(ME)}, {11})
