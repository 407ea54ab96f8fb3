"""不向基层转嫁: nobody but the adjudicator gives a street what the duty list gives to a department."""

from tests.flows.town import Town

#: 油烟污染, taken back by clause C004
FUMES = ("市容环境类", "油烟污染")
SECTION = "S-320102002-E"


async def test_a_person_cannot_push_a_department_s_duty_down(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call(FUMES))
    event_id = sent["event_id"]
    event = await town.event(event_id)
    order, _ = await town.lead(event_id)
    total = await town.rows("SELECT due_at FROM clock WHERE kind = 'citizen_total' AND event_id = :id", id=event.id)
    said = await town.act("dispatcher1", order, "transfer", 422, unit=SECTION, reason="请街道先办")
    assert "C004" in said["detail"]
    assert "提请裁决" in said["detail"]
    acts = await town.acts(event_id)
    assert "transfer" not in acts
    # The adjudicator's word goes past the list, with grounds that are kept.
    await town.act(
        "adjudicator1",
        f"events/{event_id}",
        "rule_jurisdiction",
        unit=SECTION,
        grounds="现场由街道综合执法队查处更合适",
        summary="此类油烟由街道综合执法队查处",
    )
    ruled, user = await town.lead(event_id)
    assert user == f"u-{SECTION.lower()}"
    assert ruled != order
    assert "jurisdiction_ruled" in await town.acts(event_id)
    assert total == await town.rows(
        "SELECT due_at FROM clock WHERE kind = 'citizen_total' AND event_id = :id", id=event.id
    )


async def test_what_the_list_leaves_to_the_street_may_be_given_to_it(town: Town) -> None:
    sent = await town.send("hotline-12345", town.call())
    order, _ = await town.lead(sent["event_id"])
    await town.act("dispatcher1", order, "transfer", unit="S-320102002-E", reason="由执法队办理")
    assert (await town.lead(sent["event_id"]))[1] == "u-s-320102002-e"
