"""What a simulation adds up to, and what it cannot say."""

from datetime import UTC, datetime, timedelta

from app.dispatch.simulation import EXAMPLES, LEFT_TO_PEOPLE, Replayed, Tally, Verdict, most_moved, never_valid
from tests.unit.dispatch.city import rule

AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
WATER = Verdict("WATER", "statutory_department", "R1", None, ())
ROADS = Verdict("ROADS", "statutory_department", "R2", None, ())


def tally_of(*pairs: tuple[Verdict, Verdict], item: str = "leak", street: str = "east") -> Tally:
    tally = Tally()
    for n, (before, after) in enumerate(pairs):
        tally.count(Replayed(f"E{n}", AT + timedelta(hours=n), item, street, before, after))
    return tally


def test_who_would_lose_what_to_whom() -> None:
    tally = tally_of((WATER, WATER), (WATER, ROADS), (WATER, LEFT_TO_PEOPLE), (LEFT_TO_PEOPLE, ROADS), (WATER, ROADS))
    assert (tally.events, tally.moved, tally.to_people, tally.from_people) == (5, 4, 1, 1)
    assert (tally.people_before, tally.people_after) == (1, 1)
    assert [(way, move.count, move.examples) for way, move in tally.most_moved()] == [
        (("WATER", "ROADS"), 2, ["E1", "E4"]),
        ((None, "ROADS"), 1, ["E3"]),
        (("WATER", None), 1, ["E2"]),
    ]
    [(item, share)] = most_moved(tally.by_item)
    assert (item, share.events, share.moved, share.to_people, share.from_people) == ("leak", 5, 4, 1, 1)
    assert (tally.first_at, tally.last_at) == (AT, AT + timedelta(hours=4))


def test_the_same_unit_by_another_rule_or_with_other_help_has_not_moved() -> None:
    tally = tally_of((WATER, WATER._replace(rule_no="R9")), (WATER, WATER._replace(supporting=("ROADS",))))
    assert (tally.moved, tally.same_unit, tally.other_support) == (0, 1, 1)
    assert most_moved(tally.by_street) == []


def test_examples_do_not_grow_with_the_events() -> None:
    tally = tally_of(*[(WATER, ROADS)] * 50)
    [(_, move)] = tally.most_moved()
    assert (move.count, len(move.examples)) == (50, EXAMPLES)


def test_the_digest_tells_any_other_decision_of_the_draft_and_nothing_else() -> None:
    told = tally_of((WATER, ROADS)).digest
    assert told == tally_of((LEFT_TO_PEOPLE, ROADS)).digest
    for other in (WATER, ROADS._replace(rule_no="R3"), ROADS._replace(clause_no="A1"), LEFT_TO_PEOPLE):
        assert told != tally_of((WATER, other)).digest


def test_rules_that_the_period_cannot_show() -> None:
    rules = [
        rule("ALWAYS", "WATER"),
        rule("LATER", "WATER", valid_from="2026-03-13"),
        rule("LAST-DAY", "WATER", valid_from="2026-03-12"),
        rule("OVER", "WATER", valid_until="2026-03-09"),
        rule("FIRST-DAY", "WATER", valid_until="2026-03-10"),
    ]
    assert never_valid(rules, AT, AT + timedelta(days=2)) == ["LATER", "OVER"]
