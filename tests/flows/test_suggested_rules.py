"""People's dispatches become a suggestion, an accepted one a draft, and only publishing changes what is decided."""

import io

import pytest
from rich.console import Console
from sqlalchemy import select

from app.commands import suggest
from app.core import releases
from app.core.errors import NotFound
from app.core.reviews import review
from app.core.tables import Jurisdiction
from app.core.timing import MovableClock
from app.dispatch.suggestions import Bar
from app.masters.publishing import NotReviewed, publish
from app.masters.suggested_rules import accept, find_suggestions
from app.runtime import Runtime
from app.supervision.past_dispatches import read_past_dispatches
from tests.flows.town import Town

KIND = "routing-rules"
LOW = Bar(cases=3, share=0.8, certain_share=0.3, gain=3)


async def moved_by_people(town: Town, clock: MovableClock, times: int = 4) -> str:
    """Rubbish that each time went to the section, was given back and then sent to the department; its event."""
    event_id = ""
    for _ in range(times):
        town = Town(town.runtime, town.city)  # logged in anew: three days outlast a token
        event_id = (await town.send("hotline-12345", town.call()))["event_id"]
        order, unit = await town.lead(event_id)
        await town.act(unit, order, "request_return", reason_code="not_our_duty", reason="该地块由市场方管理")
        await town.act("dispatcher1", order, "approve_return", unit="D-URBAN")
        clock.advance(days=3)
    return event_id


async def jurisdiction(runtime: Runtime) -> int:
    async with runtime.sessions() as session:
        found = await session.scalar(select(Jurisdiction.id))
    assert found is not None
    return found


async def test_from_people_s_dispatches_to_a_published_rule(town: Town, runtime: Runtime, clock: MovableClock) -> None:
    await moved_by_people(town, clock)
    jurisdiction_id = await jurisdiction(runtime)
    async with runtime.sessions() as session:
        masters = await runtime.masters.get(session, jurisdiction_id)
        past = await read_past_dispatches(session, jurisdiction_id)
        assert [(each.unit, each.by_person) for each in past] == [("D-URBAN", True)] * 4
        found, looked_at = await find_suggestions(session, masters, bar=LOW)
    assert looked_at == 4
    [one] = found
    assert (one.unit, one.support, one.cases, one.catalogue_right, one.right_with_it) == ("D-URBAN", 4, 4, 0, 4)
    assert one.catalogue_unit not in (None, "D-URBAN")
    assert set(one.examples) == {each.event_no for each in past}

    async with runtime.sessions() as session, session.begin():
        with pytest.raises(NotFound, match="L00000000"):
            await accept(session, jurisdiction_id, found, [one.number, "L00000000"], by="核对员")
        assert await releases.draft_of(session, jurisdiction_id, KIND) is None, "all of it or nothing"
        outcome = await accept(session, jurisdiction_id, found, [one.number], by="核对员")
    assert (outcome.added, outcome.changed, outcome.removed) == (1, 0, 0)
    before = (await town.send("hotline-12345", town.call()))["event_id"]
    assert (await town.lead(before))[1] != "u-d-urban", "a draft decides nothing"

    clock.advance(days=3)
    async with runtime.sessions() as session, session.begin():
        with pytest.raises(NotReviewed):
            await publish(session, jurisdiction_id, [KIND], by="核对员")
        await review(session, jurisdiction_id, KIND, by="复核员")
        await publish(session, jurisdiction_id, [KIND], by="核对员")
    after = (await town.send("hotline-12345", town.call()))["event_id"]
    assert (await town.lead(after))[1] == "u-d-urban"
    async with runtime.sessions() as session:
        masters = await runtime.masters.get(session, jurisdiction_id)
        assert (await find_suggestions(session, masters, bar=LOW))[0] == []


async def test_what_stood_as_the_rules_had_it_suggests_nothing(
    town: Town, runtime: Runtime, clock: MovableClock
) -> None:
    for _ in range(4):
        await town.send("hotline-12345", town.call())
        clock.advance(days=3)
    jurisdiction_id = await jurisdiction(runtime)
    async with runtime.sessions() as session:
        masters = await runtime.masters.get(session, jurisdiction_id)
        past = await read_past_dispatches(session, jurisdiction_id)
        assert [each.by_person for each in past] == [False] * 4
        assert await find_suggestions(session, masters, bar=LOW) == ([], 4)
        later = await read_past_dispatches(session, jurisdiction_id, since_at=past[1].dispatched_at)
        assert len(later) == 2


async def test_the_command_lists_and_only_when_asked_drafts(town: Town, runtime: Runtime, clock: MovableClock) -> None:
    await moved_by_people(town, clock, times=11)
    jurisdiction_id = await jurisdiction(runtime)
    told = io.StringIO()
    out = Console(file=told, width=200)
    async with runtime.sessions() as session, session.begin():
        await suggest.suggest(session, jurisdiction_id, since=None, numbers=[], by="核对员", out=out)
        assert await releases.draft_of(session, jurisdiction_id, KIND) is None
    listed = told.getvalue()
    assert "从 11 件派单得出的建议" in listed
    assert "11/11" in listed
    number = next(word for word in listed.split() if word.startswith("L") and len(word) == 9)
    async with runtime.sessions() as session, session.begin():
        await suggest.suggest(session, jurisdiction_id, since=None, numbers=[number], by="核对员", out=out)
        assert await releases.draft_of(session, jurisdiction_id, KIND) is not None
        await suggest.suggest(session, jurisdiction_id, since=None, numbers=[], by="核对员", out=out)
    assert "新增 1，修改 0" in told.getvalue()
    assert "草稿已有" in told.getvalue()


async def test_over_http_it_is_read_by_the_desk_and_accepted_by_its_leader(
    town: Town, clock: MovableClock, runtime: Runtime
) -> None:
    await moved_by_people(town, clock, times=11)
    town = Town(town.runtime, town.city)
    found = await town.get("dispatcher1", "/dispatch/suggestions")
    assert found["looked_at"] == 11
    [one] = found["items"]
    assert (one["unit"]["code"], one["support"], one["catalogue_right"]) == ("D-URBAN", 11, 0)
    assert one["right_with_it"] >= 8, "rules for days off may go on deciding about those"
    assert one["rule"]["lead_unit"] == "D-URBAN"
    later = await town.get("dispatcher1", "/dispatch/suggestions", received_from="2027-01-01T00:00:00+08:00")
    assert later == {"looked_at": 0, "items": []}

    path = f"/dispatch/suggestions/{one['id']}/accept"
    for username, status in (("operator1", 403), ("u-d-urban", 403), ("dispatcher1", 403), ("leader1", 200)):
        async with await town.as_user(username) as http:
            answer = await http.post(path)
        assert answer.status_code == status, answer.text
    assert (answer.json()["added"], answer.json()["changed"]) == (1, 0)
    await town.get("u-d-urban", "/dispatch/suggestions", 403)
    async with await town.as_user("leader1") as http:
        assert (await http.post("/dispatch/suggestions/L00000000/accept")).status_code == 404
        assert (await http.post("/dispatch/suggestions/nonsense/accept")).status_code == 422
    jurisdiction_id = await jurisdiction(runtime)
    async with runtime.sessions() as session:
        assert await releases.draft_of(session, jurisdiction_id, KIND) is not None
