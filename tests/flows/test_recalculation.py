"""A calendar or a limit is published that open clocks follow: what moves, what stays, and what a crash leaves."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from app import background
from app.clocks.moving import extend_clock, pause_clock
from app.clocks.running import running
from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.events.aggregate import SYSTEM, Act
from app.events.store import lock_events, write_events
from app.events.tables import Event
from app.events.timeline import verify_chain
from app.events.timeline_tables import Timeline
from app.masters import Masters
from app.masters.publishing import publish
from app.recalculation import job
from app.recalculation.preview import drafts, masters_with, preview
from app.turn import Turn
from tests.flows.town import WAGES, Town

#: Friday and Monday after the town's morning, a Tuesday
HOLIDAY = {"cn/holiday/2026-03-13": {"row_type": "holiday", "first_on": "2026-03-13", "last_on": "2026-03-16"}}


def calendar_rows(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    empty = {"hours": [], "weekdays": [], "name": "临时放假", "source": "测试"}
    return {key: {"calendar_code": "cn"} | empty | row for key, row in rows.items()}


async def draft(town: Town, kind: str, rows: dict[str, dict[str, Any]]) -> None:
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=False, by="test")


async def published(town: Town, kind: str, rows: dict[str, dict[str, Any]], mode: Any = None) -> int:
    """The release's id."""
    await draft(town, kind, rows)
    async with transaction(town.runtime.sessions) as session:
        (release,) = await publish(
            session, town.city.jurisdiction_id, [kind], by="test", mode=mode, unreviewed_because="测试"
        )
    return release.release_id


async def work(town: Town) -> int:
    """All runs of the jobs that are due; how many there were."""
    runs = 0
    while count := await background.run_jobs(town.runtime, concurrency=1):
        runs += count
    return runs


async def clocks(town: Town, event_id: str) -> dict[str, Any]:
    found = await town.rows("SELECT * FROM clock WHERE event_id = :id ORDER BY n", id=UUID(event_id))
    first: dict[str, Any] = {}
    for row in found:  # the lead order's come before the supporting ones'
        first.setdefault(row.kind, row)
    return first


async def records(town: Town, event_id: str, kind: str) -> list[tuple[str, str]]:
    found = await town.rows(
        "SELECT d.cause, d.grounds FROM clock_due d JOIN clock c ON (c.event_id, c.n) = (d.event_id, d.clock_n) "
        "WHERE c.event_id = :id AND c.n = (SELECT min(n) FROM clock WHERE event_id = :id AND kind = :kind) "
        "ORDER BY d.generation",
        id=UUID(event_id),
        kind=kind,
    )
    return [tuple(row) for row in found]


async def moved(town: Town, event_id: str) -> list[str]:
    """The kinds of clock of the event's recalculations, in order."""
    found = await town.rows(
        "SELECT data->>'kind' AS kind FROM timeline WHERE event_id = :id AND act = 'clock_recalculated' ORDER BY n",
        id=UUID(event_id),
    )
    return [row.kind for row in found]


async def change_handling(town: Town, event_id: str, *, pause: bool, masters: Masters | None = None) -> None:
    """The event's handling clock is paused for two days, or extended by a unit of its limit."""
    async with transaction(town.runtime.sessions) as session:
        aggregate = (await lock_events(session, [UUID(event_id)]))[UUID(event_id)]
        masters = masters or await town.runtime.masters.get(session, town.city.jurisdiction_id)
        turn, at = Turn(masters, aggregate, Act(SYSTEM, now(), now())), now()
        n = aggregate.record(turn.act, "tested")
        clock, *_ = running(aggregate, "handling")
        if pause:
            until = at + timedelta(days=2)
            pause_clock(aggregate, clock, masters.clockwork, at, n, until=until, grounds="waiting")
        else:
            extend_clock(aggregate, clock, masters.clockwork, at, n, more=1, approval=[])
        turn.rest()
        await write_events(session, town.runtime.keyring, [aggregate])


async def test_a_new_holiday_moves_open_clocks_and_leaves_ended_ones(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sign_for")
    before = await clocks(town, event_id)
    assert before["signing"].state == "met"

    release = await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)

    after = await clocks(town, event_id)
    assert after["signing"] == before["signing"]
    changed = {kind for kind in after if after[kind].due_at != before[kind].due_at}
    assert {"handling", "citizen_total"} <= changed
    assert after["citizen_total"].due_at == before["citizen_total"].due_at + timedelta(days=2)
    assert (await records(town, event_id, "citizen_total"))[1:] == [("calendar", f"release:{release}")]
    (act,) = await town.rows(
        "SELECT data, actor_kind FROM timeline WHERE event_id = :id AND act = 'clock_recalculated' "
        "AND data->>'kind' = 'citizen_total'",
        id=UUID(event_id),
    )
    assert act.actor_kind == "system"
    assert act.data["before"] == before["citizen_total"].due_at.isoformat()
    assert act.data["after"] == after["citizen_total"].due_at.isoformat()
    assert act.data["release"] == release
    async with town.runtime.sessions() as session:
        event = await session.get_one(Event, UUID(event_id))
        rows = await session.scalars(select(Timeline).where(Timeline.event_id == event.id).order_by(Timeline.n))
        assert verify_chain(event, list(rows), [], town.runtime.keyring) == []


async def test_new_only_moves_nothing(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    before = await clocks(town, event_id)
    await published(town, "calendar", calendar_rows(HOLIDAY), mode="new_only")
    assert await work(town) == 0
    assert await clocks(town, event_id) == before


@pytest.mark.parametrize("pause", [True, False])
async def test_pauses_and_extensions_are_kept(town: Town, pause: bool) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    plain_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    await change_handling(town, event_id, pause=pause)
    limit = (await clocks(town, event_id))["handling"].limit_value
    await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)
    mine, plain = (await clocks(town, event_id))["handling"], (await clocks(town, plain_id))["handling"]
    assert mine.due_at > plain.due_at
    assert mine.limit_value == limit
    causes = [cause for cause, _ in await records(town, event_id, "handling")]
    assert causes == ["started", "paused" if pause else "extended", "calendar"]


async def test_a_second_run_of_the_same_release_moves_nothing(town: Town, clock: MovableClock) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    release = await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)
    first, acts = await clocks(town, event_id), await moved(town, event_id)
    async with transaction(town.runtime.sessions) as session:
        args = {"jurisdiction_id": town.city.jurisdiction_id, "releases": {"calendar": release}}
        await job.run(session, args | {"published_at": now().isoformat()}, town.runtime)
    clock.advance(minutes=2)
    assert await work(town) >= 1, "those who read the old release until the new one came are looked at once more"
    assert await clocks(town, event_id) == first
    assert await moved(town, event_id) == acts
    assert await town.rows("SELECT 1 FROM job WHERE state <> 'done'") == []


async def test_what_was_written_by_the_old_release_meanwhile_is_moved_in_the_end(
    town: Town, clock: MovableClock
) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    async with town.runtime.sessions() as session:
        old = await town.runtime.masters.get(session, town.city.jurisdiction_id)
    await published(town, "calendar", calendar_rows(HOLIDAY))
    await work(town)
    moved_at = (await clocks(town, event_id))["handling"].due_at
    # an act that had read the old calendar
    await change_handling(town, event_id, pause=True, masters=old)
    assert (await clocks(town, event_id))["handling"].due_at < moved_at
    clock.advance(minutes=2)
    await work(town)
    assert [cause for cause, _ in await records(town, event_id, "handling")][-2:] == ["paused", "calendar"]
    assert (await clocks(town, event_id))["handling"].due_at > moved_at


async def test_an_assumed_due_time_is_confirmed_when_its_year_arrives(town: Town, clock: MovableClock) -> None:
    clock.set(town.at("2026-12-29 10:00"))
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    before = (await clocks(town, event_id))["citizen_total"]
    assert before.assumed
    year = {"cn/year/2027-01-01": {"row_type": "year", "first_on": "2027-01-01", "last_on": "2027-12-31"}}
    await published(town, "calendar", calendar_rows(year))
    await work(town)
    after = (await clocks(town, event_id))["citizen_total"]
    assert not after.assumed
    assert after.generation == 2
    assert "citizen_total" in await moved(town, event_id)


async def standard(town: Town, key: str) -> dict[str, Any]:
    """The filing standard in force with this key."""
    (row,) = await town.rows(
        "SELECT r.body FROM release_row r JOIN release l ON l.id = r.release_id "
        "WHERE l.kind = 'filing-standards' AND l.status = 'published' AND r.key = :key",
        key=key,
    )
    return dict(row.body)


async def test_a_limit_replaces_the_old_one_and_keeps_the_extension(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    await change_handling(town, event_id, pause=False)
    before = await clocks(town, event_id)
    unit, key, base = before["handling"].limit_unit, before["handling"].rule, before["handling"].limit_value - 1
    row = await standard(town, key)
    await published(town, "filing-standards", {key: row | {"limit": f"{base + 7} {unit}"}})
    assert await work(town) == 0, "limits are for what comes after, unless the publisher says otherwise"
    changed = {key: row | {"limit": f"{base + 5} {unit}"}}
    release = await published(town, "filing-standards", changed, mode="re_decide_open")
    await work(town)
    after = await clocks(town, event_id)
    assert after["handling"].limit_value == base + 5 + 1
    assert after["handling"].due_at > before["handling"].due_at
    assert after["citizen_total"] == before["citizen_total"]
    assert (await records(town, event_id, "handling"))[-1] == ("limit", f"release:{release}")


async def test_an_extended_clock_keeps_a_limit_whose_unit_was_changed(town: Town) -> None:
    extended_id, plain_id = await many(town, 2)
    await change_handling(town, extended_id, pause=False)
    before = (await clocks(town, extended_id))["handling"]
    row = await standard(town, before.rule)
    await published(town, "filing-standards", {before.rule: row | {"limit": "48 natural_hour"}}, mode="re_decide_open")
    await work(town)
    assert (await clocks(town, extended_id))["handling"] == before
    assert (await clocks(town, plain_id))["handling"].due_at == town.at("2026-03-12 10:00")


async def test_the_citys_own_limits_move_the_citizens_clock_by_what_is_demanded(town: Town) -> None:
    (event_id,) = await many(town, 1)
    before = await clocks(town, event_id)
    policies = {
        f"total_limit.{kind}": {"key": f"total_limit.{kind}", "value": value, "source": "测试"}
        for kind, value in (("complaint", "7 legal_work_day"), ("inquiry", "9 legal_work_day"))
    }
    await published(town, "policies", policies, mode="re_decide_open")
    await work(town)
    after = await clocks(town, event_id)
    assert before["citizen_total"].rule == "total_limit.complaint"
    assert (after["citizen_total"].limit_value, after["citizen_total"].generation) == (7, 2)
    assert after["citizen_total"].due_at == before["citizen_total"].due_at + timedelta(days=2)
    assert {kind for kind in after if after[kind] != before[kind]} == {"citizen_total"}


async def many(town: Town, count: int) -> list[str]:
    return [(await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"] for _ in range(count)]


async def test_killed_between_two_commits_it_goes_on_where_it_was(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "EVENTS_A_COMMIT", 1)
    events = await many(town, 3)
    await published(town, "calendar", calendar_rows(HOLIDAY))
    assert await background.run_jobs(town.runtime) == 1
    assert len([e for e in events if await moved(town, e)]) == 1
    await work(town)
    acts = [await moved(town, event_id) for event_id in events]
    assert all(acts)
    twice = "SELECT 1 FROM clock_due WHERE cause = 'calendar' GROUP BY event_id, clock_n HAVING count(*) > 1"
    assert await town.rows(twice) == []


async def test_killed_before_a_commit_nothing_of_it_is_there_and_all_of_it_comes(
    town: Town, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = await many(town, 2)

    async def die(*_: object) -> None:
        raise ConnectionError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(job.jobs, "enqueue", die)
        await draft(town, "calendar", calendar_rows(HOLIDAY))
        patched.undo()
        async with transaction(town.runtime.sessions) as session:
            await publish(session, town.city.jurisdiction_id, ["calendar"], by="test")
        patched.setattr(job.jobs, "enqueue", die)
        assert await background.run_jobs(town.runtime) == 1
    assert [await moved(town, event_id) for event_id in events] == [[], []]
    clock.advance(minutes=3)
    await work(town)
    assert all([await moved(town, event_id) for event_id in events])


async def test_a_replaced_release_leaves_open_clocks_to_its_successor(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    before = await clocks(town, event_id)
    await published(town, "calendar", calendar_rows(HOLIDAY))
    await published(town, "calendar", calendar_rows({"cn/holiday/2026-03-17": {
        "row_type": "holiday", "first_on": "2026-03-17", "last_on": "2026-03-17"}}), mode="new_only")  # fmt: skip
    await work(town)
    assert await clocks(town, event_id) == before


async def test_the_preview_says_what_the_release_then_does(town: Town) -> None:
    events = await many(town, 3)
    events.append((await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"])
    await change_handling(town, events[-1], pause=True)
    jurisdiction_id = town.city.jurisdiction_id
    await draft(town, "calendar", calendar_rows(HOLIDAY))
    async with transaction(town.runtime.sessions) as session:
        found = await drafts(session, jurisdiction_id)
        masters = await masters_with(session, town.runtime.masters, jurisdiction_id, found)
        told = await preview(session, masters, found)
        assert await session.scalar(text("SELECT count(*) FROM timeline WHERE act = 'clock_recalculated'")) == 0
        await publish(session, jurisdiction_id, ["calendar"], by="test")
    assert told.open == len(await town.rows("SELECT 1 FROM clock WHERE state = 'running'"))
    await work(town)
    acts = [len(await moved(town, event_id)) for event_id in events]
    assert told.moved == told.later == sum(acts) > 0
    assert told.most_later >= timedelta(days=2)
    first = told.examples[0]
    rows = await town.rows(
        "SELECT due_at FROM clock WHERE event_id = :id AND kind = :kind", id=first.event_id, kind=first.clock
    )
    assert first.after_at in [row.due_at for row in rows]
