"""The races' own judgement: a drill that cannot find a fault proves nothing."""

import pytest

from app.commands.drill.races import RACES, Answer, Tally, _note

ACCEPT, RETURN, _, REPORT, _ = RACES
DONE = Answer(200, {"repeated": False, "action": "sign_for"})
REFUSED = Answer(409, {"code": "not_allowed_now", "detail": "现在不能签收", "allowed": ["start"]})
GONE = Answer(404, {"code": "not_found", "detail": "没有这个工单"})
AGAIN = Answer(200, {"repeated": True})


def tally(race: object, *answers: Answer) -> Tally:
    found = Tally("x")
    _note(found, race, answers, 0)  # type: ignore[arg-type] # one of RACES
    return found


@pytest.mark.parametrize("lost", [REFUSED, GONE, AGAIN])
def test_one_winner_and_a_clear_answer_is_no_fault(lost: Answer) -> None:
    assert tally(ACCEPT, DONE, lost).faults() == []
    assert tally(ACCEPT, lost, DONE).faults() == []


@pytest.mark.parametrize(
    "answers",
    [
        (DONE, DONE),
        (REFUSED, REFUSED),
        (DONE, Answer(500, {})),
        (DONE, Answer(503, {"code": "unavailable", "detail": "请稍后重试"})),
        (DONE, Answer(0, {})),
        (DONE, Answer(409, {})),
        (DONE, Answer(409, {"code": "not_allowed_now", "detail": "不能"})),
        (DONE, Answer(422, {"code": "malformed", "detail": "有误"})),
    ],
)
def test_anything_else_is_a_fault(answers: tuple[Answer, Answer]) -> None:
    assert tally(ACCEPT, *answers).faults()


def test_two_winners_are_right_only_where_the_second_is_allowed_after_the_first() -> None:
    assert tally(RETURN, DONE, Answer(200, {"action": "approve_return"})).faults()
    outdated = Answer(412, {"code": "precondition_failed", "detail": "已被他人更新"})
    assert tally(RETURN, DONE, outdated).faults() == []
    first, second = ({"outcome": outcome, "event_id": "e1"} for outcome in ("created", "joined"))
    assert tally(REPORT, Answer(201, first), Answer(201, second)).faults() == []
    assert tally(REPORT, Answer(201, first), Answer(201, second | {"event_id": "e2"})).faults()
    assert tally(REPORT, Answer(201, first), Answer(201, first)).faults()


def test_what_is_there_twice_is_a_fault_whatever_was_answered() -> None:
    found = tally(ACCEPT, DONE, REFUSED)
    found.doubles = 1
    assert found.faults()
