"""Two adjudicators at one instant, and a ruling against the negotiation that agrees: decided once."""

from collections import Counter

from tests.concurrency.test_races import Two, codes, two
from tests.flows.town import RUBBISH

__all__ = ["two"]

RULING = {"grounds": "按职责清单", "summary": "道路两侧的暴露垃圾由其清运"}
ROUNDS = 8


async def test_two_adjudicators_rule_and_one_wins(two: Two) -> None:
    won: Counter[str] = Counter()
    for turn in range(ROUNDS):
        event_id, _ = await two.report(RUBBISH)
        await two.town.act("dispatcher1", f"events/{event_id}", "open_negotiation", units=["D-URBAN", "D-GREEN"])
        await two.town.act("dispatcher1", f"events/{event_id}", "refer_to_ruling", reason="分歧大")
        path = f"/events/{event_id}/actions/rule_jurisdiction"
        answers = await two.at_once(
            ("adjudicator1", path, {"unit": "D-URBAN"} | RULING),
            ("adjudicator2", path, {"unit": "D-GREEN"} | RULING),
            turn=turn,
        )
        assert codes(answers) == [200, 409]
        winner = "u-d-urban" if answers[0].status_code == 200 else "u-d-green"
        won[winner] += 1
        lost = next(answer.json() for answer in answers if answer.is_error)
        assert "裁决由" in lost["detail"]
        assert (await two.town.lead(event_id))[1] == winner
        assert (await two.town.acts(event_id)).count("jurisdiction_ruled") == 1
    assert len(won) == 2, "the two never met in both orders"
    live = await two.town.rows("SELECT 1 FROM precedent WHERE ended_at IS NULL")
    assert len(live) == 1, "of the same item and area one precedent holds"


async def test_rulings_on_two_events_at_once_leave_one_precedent(two: Two) -> None:
    for turn in range(ROUNDS):
        events = [(await two.report(RUBBISH))[0] for _ in range(2)]
        answers = await two.at_once(
            *[
                (who, f"/events/{event_id}/actions/rule_jurisdiction", {"unit": unit} | RULING)
                for who, event_id, unit in zip(
                    ("adjudicator1", "adjudicator2"), events, ("D-URBAN", "D-GREEN"), strict=True
                )
            ],
            turn=turn,
        )
        assert codes(answers) == [200, 200]
        assert len(await two.town.rows("SELECT 1 FROM precedent WHERE ended_at IS NULL")) == 1


async def test_the_last_position_against_a_ruling(two: Two) -> None:
    seen: Counter[int] = Counter()
    for turn in range(ROUNDS):
        event_id, _ = await two.report(RUBBISH)
        await two.town.act("dispatcher1", f"events/{event_id}", "open_negotiation", units=["D-URBAN", "D-GREEN"])
        said = {"stance": "not_ours", "reason": "非本单位职责"}
        lead = (await two.town.lead(event_id))[1]
        for unit in (lead, "u-d-green"):
            await two.town.act(unit, f"events/{event_id}", "state_position", **said)
        position, ruling = await two.at_once(
            ("u-d-urban", f"/events/{event_id}/actions/state_position", {"stance": "ours", "reason": "属本单位"}),
            ("adjudicator1", f"/events/{event_id}/actions/rule_jurisdiction", {"unit": "D-GREEN"} | RULING),
            turn=turn,
        )
        seen[position.status_code] += 1
        acts = Counter(await two.town.acts(event_id))
        # agreed and then ruled anew by who did not know, or ruled first: then nobody is asked any more
        assert position.status_code in (200, 403, 404, 409)
        assert ruling.status_code == 200
        assert acts["negotiation_agreed"] == (position.status_code == 200)
        assert acts["jurisdiction_ruled"] == 1
        assert (await two.town.lead(event_id))[1] == "u-d-green"
    assert len(seen) > 1, "the two never met in both orders"
