"""When a negotiation has an outcome, what a ruling binds, which precedent fits: rules without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.core.errors import Conflict
from app.core.set_writes import plain_row
from app.dispatch import disputes, precedents
from app.dispatch.disputes import Facts, Outcome
from app.dispatch.precedents import Case, Taught
from app.dispatch.routing.registers import Components
from app.dispatch.rows import ComponentRow
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.events.dispute_tables import Dispute, DisputeParty, Precedent
from app.events.tables import Event, ReturnRequest, WorkOrder

EVENT = UUID(int=1)
AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
ACT = Act(SYSTEM, AT, AT)
A, B, C, SUB, CLOSED = 1, 2, 3, 4, 5
REGISTER = Components([ComponentRow(component_id="K1", standard_ref="GB/T 47678.5-2026", code="01037", owner="A")])


@pytest.fixture
def organizations() -> Organizations:
    def row(code: str, parent: str | None = None, *, active: bool = True) -> OrganizationRow:
        return OrganizationRow.model_validate(
            {
                "code": code,
                "name": f"{code}单位",
                "level": "district",
                "org_type": "department",
                "parent_code": parent,
                "area_code": "320102",
                "active": active,
            }
        )

    rows = [row("A"), row("B"), row("C"), row("SUB", "A"), row("CLOSED", active=False)]
    return Organizations.build(rows, {"A": A, "B": B, "C": C, "SUB": SUB, "CLOSED": CLOSED})


def event(**values: Any) -> Event:
    place = {"district_code": "320102", "street_code": "320102002", "community_code": None, "cell_id": None}
    return plain_row(
        Event,
        **{"id": EVENT, "seq": 100, "jurisdiction_id": 1, "state": "handling", "item_id": 7, "component_id": None}
        | place
        | {"accused_org_ids": []}
        | values,
    )


def lead(unit_id: int = A, n: int = 5, *, ended: bool = False) -> WorkOrder:
    return plain_row(
        WorkOrder,
        event_id=EVENT,
        n=n,
        role="lead",
        unit_id=unit_id,
        state="returned" if ended else "handling",
        decision_n=4,
        ended_at=AT if ended else None,
    )


def negotiation(*stances: str | None) -> EventAggregate:
    """Units A, B, C … with what each has said."""
    dispute = plain_row(
        Dispute, event_id=EVENT, n=9, state="negotiating", ended_at=None, order_n=5, acting_unit_id=None
    )
    parties = [
        plain_row(DisputeParty, event_id=EVENT, n=10 + i, dispute_n=9, unit_id=i, stance=stance)
        for i, stance in enumerate(stances, start=A)
    ]
    return EventAggregate(event(), orders=[lead()], disputes=[dispute], parties=parties)


@pytest.mark.parametrize(
    ("stances", "expected"),
    [
        (("ours", None), None),
        ((None, None), None),
        (("ours", "not_ours"), Outcome(A)),
        (("not_ours", "ours"), Outcome(B)),
        (("ours", "shared", "not_ours"), Outcome(A, (B,))),
        (("shared", "ours", "shared"), Outcome(B, (A, C))),
        (("ours", "ours"), Outcome(None)),
        (("not_ours", "not_ours"), Outcome(None)),
        (("shared", "shared"), Outcome(None)),
    ],
)
def test_agreed_is_what_one_unit_alone_says_is_its_own(
    stances: tuple[str | None, ...], expected: Outcome | None
) -> None:
    found = negotiation(*stances)
    assert disputes.outcome(found, disputes.current(found)) == expected


def test_what_parties_of_another_dispute_said_does_not_count() -> None:
    found = negotiation("ours", "not_ours")
    found.parties.append(plain_row(DisputeParty, event_id=EVENT, n=3, dispute_n=2, unit_id=C, stance=None))
    assert disputes.outcome(found, disputes.current(found)) == Outcome(A)


def test_only_returns_of_leads_count_and_none_that_was_withdrawn() -> None:
    helper = plain_row(WorkOrder, event_id=EVENT, n=6, role="supporting", unit_id=B, ended_at=None)
    states = [(5, "rejected"), (5, "withdrawn"), (6, "requested"), (5, "requested")]
    asked = [
        plain_row(ReturnRequest, event_id=EVENT, n=10 + i, order_n=order_n, state=state)
        for i, (order_n, state) in enumerate(states)
    ]
    assert disputes.returns_counted(EventAggregate(event(), orders=[lead(), helper], returns=asked)) == 2


def ruled(order_n: int | None, unit_id: int = A, n: int = 9, state: str = "ruled") -> Dispute:
    return plain_row(Dispute, event_id=EVENT, n=n, state=state, order_n=order_n, unit_id=unit_id, ended_at=AT)


def test_a_ruling_binds_the_order_that_it_gave_and_the_newest_one_holds(organizations: Organizations) -> None:
    def bound(*held: Dispute, order: WorkOrder) -> bool:
        return disputes.binding(EventAggregate(event(), orders=[order], disputes=list(held)), order) is not None

    assert bound(ruled(5), order=lead())
    assert not bound(ruled(None), order=lead()), "item or place was corrected"
    assert not bound(ruled(5, unit_id=B), order=lead())
    assert not bound(ruled(5), order=lead(n=8))
    assert not bound(ruled(5), order=lead(ended=True))
    assert not bound(ruled(5, state="agreed"), order=lead())
    assert not bound(ruled(5), ruled(8, unit_id=B, n=12), order=lead())
    aggregate = EventAggregate(event(), orders=[lead()], disputes=[ruled(5)])
    why = disputes.why_bound(aggregate, aggregate.orders[0], organizations)
    assert why is not None
    assert why.startswith("该事件已于 2026-03-10 裁决由A单位承办（时间线第 4 条）")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, False),
        ({"item_id": 8}, True),
        ({"street_code": "320102003"}, True),
        ({"cell_id": "320102002002003"}, False),
        ({"component_id": "K1"}, True),
        ({"component_id": "NOT-REGISTERED"}, False),
        ({"accused_org_ids": [B]}, False),
    ],
)
def test_only_another_item_area_or_registered_component_lets_it_be_routed_again(
    organizations: Organizations, change: dict[str, Any], again: bool
) -> None:
    aggregate = EventAggregate(event(), orders=[lead()], disputes=[ruled(5)])
    before = Facts(aggregate.event, REGISTER)
    assert before.hold(aggregate.event, change) is not again
    aggregate.change(aggregate.event, **change)
    assert disputes.corrected(aggregate, ACT, before, organizations) is again
    assert (disputes.binding(aggregate, aggregate.orders[0]) is None) is again


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        ({}, False),
        ({"component_id": "NOT-REGISTERED"}, False),
        ({"accused_org_ids": [C]}, False),
        ({"accused_org_ids": [B]}, True),
        ({"item_id": 8}, True),
    ],
)
def test_an_argument_ends_with_its_facts_or_when_one_who_argues_is_accused(
    organizations: Organizations, change: dict[str, Any], dropped: bool
) -> None:
    found = negotiation("ours", None)
    before = Facts(found.event, REGISTER)
    found.change(found.event, **change)
    assert disputes.corrected(found, ACT, before, organizations) is dropped
    assert (found.dispute is None) is dropped


def test_the_window_of_a_return_includes_its_last_moment(organizations: Organizations) -> None:
    aggregate = EventAggregate(event(), orders=[lead()])
    order = aggregate.orders[0]
    assert disputes.why_no_return(aggregate, order, organizations, AT, AT) is None
    why = disputes.why_no_return(aggregate, order, organizations, AT, AT + timedelta(seconds=1))
    assert why is not None
    assert "2026-03-10 10:00" in why


def test_nobody_speaks_without_being_asked(organizations: Organizations) -> None:
    found = negotiation(None, None)
    with pytest.raises(Conflict, match="未被邀请"):
        disputes.state_position(found, ACT, C, organizations, stance="ours", suggested_unit_id=None, reason="x")
    with pytest.raises(Conflict):
        disputes.open_ruling(found, ACT, "second_return")


# --- precedents ---------------------------------------------------------------------------------------------------


def taught(area: str = "320102002", *, unit: int = B, at: datetime = AT, n: int = 1, **values: Any) -> Taught:
    row = {"id": n, "item_id": 7, "area_code": area, "unit_id": unit, "supporting_ids": [], "ruled_at": at}
    return Taught(plain_row(Precedent, **row | {"ended_at": None, "summary": "由城管局清运"} | values), "20260310-1")


HERE = Case(7, ("320102002", "320102", "320100"))


@pytest.mark.parametrize(
    "unfit",
    [
        taught(item_id=8),
        taught("320102003"),
        taught(unit=CLOSED),
        taught(unit=99),
        taught(ended_at=AT),
    ],
)
def test_what_does_not_fit_is_not_offered(organizations: Organizations, unfit: Taught) -> None:
    assert precedents.why_unfit(unfit, HERE, organizations)
    assert [one.row.id for one in precedents.fitting([unfit, taught(n=2)], HERE, organizations)] == [2]


def test_who_is_accused_is_not_offered_nor_what_is_under_it(organizations: Organizations) -> None:
    case = Case(7, HERE.areas, frozenset({A}))
    assert precedents.fitting([taught(unit=A), taught(unit=SUB)], case, organizations) == []
    assert precedents.fitting([taught(unit=A), taught(unit=SUB)], Case(None, HERE.areas), organizations) == []


def test_the_narrowest_area_speaks_and_of_it_the_newest_first(organizations: Organizations) -> None:
    found = [
        taught("320100", n=1, at=AT + timedelta(days=9)),
        taught("320102", n=2),
        taught("320102", n=3, at=AT + timedelta(days=1)),
    ]
    assert [one.row.id for one in precedents.fitting(found, HERE, organizations)] == [3, 2]
    found.append(taught(n=4, at=AT - timedelta(days=9)))
    assert [one.row.id for one in precedents.fitting(found, HERE, organizations)] == [4]


def test_following_leaves_out_who_may_not_help_and_says_so_in_a_sentence(organizations: Organizations) -> None:
    decided = precedents.followed(taught(supporting_ids=[C, CLOSED, B, SUB]), HERE, organizations)
    assert (decided.unit, decided.unit_id, decided.supporting_ids, decided.step) == ("B", B, (C, SUB), "precedent")
    assert decided.sentence == "参照 2026-03-10 的裁决（先例 1 号），由B单位承办。C单位、SUB单位协办。"


def test_as_a_rule_it_keeps_item_area_units_and_its_basis(organizations: Organizations) -> None:
    row = precedents.rule_of(taught(supporting_ids=[C, CLOSED]), "GB/T 47678.5-2026/matter/06010", organizations)
    assert (row.rule_no, row.item_key, row.area_code) == ("P1", "GB/T 47678.5-2026/matter/06010", "320102002")
    assert (row.lead_unit, row.supporting_units, row.step) == ("B", ("C",), "territorial")
    assert row.basis == "2026-03-10 的裁决（先例 1 号）：由城管局清运"
    with pytest.raises(ValueError, match="已停用"):
        precedents.rule_of(taught(unit=CLOSED), "GB/T 47678.5-2026/matter/06010", organizations)


def test_areas_go_from_narrow_to_wide_without_repeating() -> None:
    assert precedents.areas_of("320102002", "320102", "320102") == ("320102002", "320102")
    assert precedents.areas_of(None, None, "320100") == ("320100",)


def test_a_ruling_of_an_accusation_or_without_an_item_teaches_nothing(organizations: Organizations) -> None:
    decided = disputes.decision("ruling", B, (), "经裁决，由B单位承办。", organizations)

    def kept(case: Case, demand_type: str) -> bool:
        aggregate = EventAggregate(event(demand_type=demand_type))
        row = precedents.teach(aggregate, ACT, ruled(5), decided, case, (), summary="由B单位清运", by="adjudicator1")
        return row is not None

    assert kept(HERE, "complaint")
    assert not kept(HERE, "accusation")
    assert not kept(Case(None, HERE.areas), "complaint")
