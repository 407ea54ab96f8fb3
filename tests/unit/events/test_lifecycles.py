"""The whole state × trigger matrix of every lifecycle, written down a second time by hand.

Each line: a state, then what each trigger leads to. A trigger that is not on the line must be refused there.
"""

import pytest

from app.core.errors import NotAllowedNow
from app.events.lifecycles import (
    COMPONENT_CORRECTION,
    DISPUTE,
    EVENT,
    INSPECTION,
    LIMIT_REQUEST,
    REPORT,
    RETURN_REQUEST,
    WORK_ORDER,
    Lifecycle,
)

MATRIX = {
    EVENT: """
        analyzing: correct>analyzing dispatch>handling split>analyzing raise_level>analyzing settle_at_desk>closed refuse>not_accepted hand_over>handed_over merge>merged cancel>cancelled
        handling: correct>handling dispatch>handling split>handling raise_level>handling ask_person>analyzing verify>verifying answer>answering conclude>closing force_close>closed refuse>not_accepted hand_over>handed_over merge>merged cancel>cancelled
        verifying: answer>answering conclude>closing send_back>handling force_close>closed merge>merged cancel>cancelled
        answering: conclude>closing send_back>handling force_close>closed merge>merged cancel>cancelled
        closing: send_back>handling close>closed force_close>closed merge>merged cancel>cancelled
        closed: reopen>handling
        not_accepted:
        handed_over:
        merged:
        cancelled:
    """,
    WORK_ORDER: """
        dispatched: sign_for>signed take>dispatched assign>dispatched put_back>dispatched answer_callout>handling no_show>dispatched request_return>dispatched withdraw_return>dispatched reject_return>dispatched approve_return>returned transfer>transferred complete>completed cancel>cancelled
        signed: first_contact>signed start>handling take>signed assign>signed put_back>signed answer_callout>handling no_show>signed request_return>signed withdraw_return>signed reject_return>signed approve_return>returned transfer>transferred report_done>reported_done complete>completed cancel>cancelled
        handling: first_contact>handling take>handling assign>handling put_back>handling request_return>handling withdraw_return>handling reject_return>handling approve_return>returned transfer>transferred report_done>reported_done complete>completed cancel>cancelled
        reported_done: send_back>handling transfer>transferred complete>completed cancel>cancelled
        completed: reopen>handling
        returned:
        transferred:
        cancelled:
    """,
    RETURN_REQUEST: """
        requested: approve>approved reject>rejected withdraw>withdrawn
        approved:
        rejected:
        withdrawn:
    """,
    DISPUTE: """
        negotiating: state_position>negotiating act_first>negotiating agree>agreed refer>ruling rule>ruled drop>dropped
        ruling: act_first>ruling rule>ruled drop>dropped
        agreed:
        ruled:
        dropped:
    """,
    COMPONENT_CORRECTION: """
        proposed: accept>accepted reject>rejected
        accepted:
        rejected:
    """,
    LIMIT_REQUEST: """
        requested: review>reviewed grant>granted reject>rejected withdraw>withdrawn
        reviewed: review>reviewed grant>granted reject>rejected withdraw>withdrawn
        granted: claim_settled>settling end>ended
        settling: verify_settled>ended refuse_settled>granted end>ended
        rejected:
        withdrawn:
        ended:
    """,
    INSPECTION: """
        requested: claim>claimed cancel>cancelled
        claimed: release>requested pass>passed fail>failed cancel>cancelled
        passed:
        failed:
        cancelled:
    """,
    REPORT: """
        open: chase>open supplement>open reply>replied rehandle>open settle>settled withdraw>withdrawn
        replied: chase>replied supplement>replied reply>replied rehandle>open settle>settled withdraw>withdrawn
        settled: rehandle>open
        withdrawn:
    """,
}


def _read(table: str) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for line in table.strip().splitlines():
        state, _, moves = line.strip().partition(":")
        rows[state] = dict(move.split(">") for move in moves.split())
    return rows


CASES = [
    (lifecycle, state, trigger, moves.get(trigger))
    for lifecycle, table in MATRIX.items()
    for state, moves in _read(table).items()
    for trigger in lifecycle.triggers
]


@pytest.mark.parametrize(
    ("lifecycle", "state", "trigger", "target"), CASES, ids=[f"{c[0].name}-{c[1]}-{c[2]}" for c in CASES]
)
def test_every_state_and_trigger(lifecycle: Lifecycle, state: str, trigger: str, target: str | None) -> None:
    if target is None:
        with pytest.raises(NotAllowedNow) as refusal:
            lifecycle.fire(state, trigger)
        assert refusal.value.extra["allowed"] == sorted(_read(MATRIX[lifecycle])[state])
    else:
        assert lifecycle.fire(state, trigger) == target


@pytest.mark.parametrize("lifecycle", MATRIX, ids=lambda lifecycle: lifecycle.name)
def test_states_and_ends_are_those_of_the_table(lifecycle: Lifecycle) -> None:
    rows = _read(MATRIX[lifecycle])
    assert set(lifecycle.states) == set(rows)
    assert set(lifecycle.ends) <= set(rows)
    assert lifecycle.begin == next(iter(rows))


def test_an_unknown_trigger_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        EVENT.fire("analyzing", "explode")
