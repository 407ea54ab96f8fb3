"""An event that was merged is final with the one that answers for it, and says so on its own timeline."""

from tests.flows.town import Town


async def test_a_person_s_last_act_settles_the_merged_events_visibly(town: Town) -> None:
    sent = [await town.send("hotline-12345", town.call(cell=None, address="大行宫社区")) for _ in range(3)]
    kept, near, far = (receipt["event_id"] for receipt in sent)
    await town.act("dispatcher1", f"events/{far}", "merge", into=near)
    await town.act("dispatcher1", f"events/{near}", "merge", into=kept)
    await town.act("leader1", f"events/{kept}", "force_close", reason="转专题研究")
    await town.deliver()
    await town.act("callback1", f"events/{kept}", "reply", body="已列入专题研究。")
    for receipt in sent:
        assert "settled" not in await town.acts(far)
        await town.call_back(receipt["report_id"], level=2)
    at = (await town.event(kept)).settled_at
    assert at is not None
    for merged in (near, far):
        assert (await town.event(merged)).settled_at == at
        (row,) = await town.rows(
            "SELECT data, actor_kind, actor_role FROM timeline WHERE event_id = :id AND act = 'settled'", id=merged
        )
        assert row.data["with"] == kept
        assert (row.actor_kind, row.actor_role) == ("user", "callback_agent")
        assert (await town.acts(merged))[-1] == "settled"
