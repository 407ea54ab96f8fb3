"""An event that was merged is final with the one that answers for it, and says so on its own timeline."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.clocks.moving import extend_clock
from app.clocks.running import running
from app.core.database import transaction
from app.core.timing import now
from app.events.aggregate import SYSTEM, Act
from app.events.store import lock_events, write_events
from app.turn import Turn
from tests.flows.town import RUBBISH, WAGES, Town


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


async def test_a_clock_that_ended_with_the_answering_event_is_not_moved_by_who_had_read_it_running(town: Town) -> None:
    merged, into = [(await town.send("hotline-12345", town.call(classes))) for classes in (RUBBISH, WAGES)]
    event_id = UUID(merged["event_id"])
    await town.act("dispatcher1", f"events/{event_id}", "merge", into=into["event_id"])
    async with town.runtime.sessions() as session:
        # the recalculation has the merged event's lock, and has read its clock as running
        held = (await lock_events(session, [event_id]))[event_id]
        (clock,) = running(held, "citizen_total")
        async with transaction(town.runtime.sessions) as other:
            # the answering event's lock is another one, and the clock ends under it
            await other.execute(
                text("UPDATE clock SET state = 'stopped', ended_at = now(), next_at = NULL WHERE report_id = :id"),
                {"id": UUID(merged["report_id"])},
            )
        masters = await town.runtime.masters.get(session, town.city.jurisdiction_id)
        turn = Turn(masters, held, Act(SYSTEM, now(), now()))
        n = held.record(turn.act, "tested")
        extend_clock(held, clock, masters.clockwork, now(), n, more=1, approval=[])
        with pytest.raises(DBAPIError, match="has ended"):
            await write_events(session, town.runtime.keyring, [held])
