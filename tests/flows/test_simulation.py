"""Drafts tried on past events before anyone publishes; what was foretold is then what is decided."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from os import listdir
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import text

from app.commands import simulate as command
from app.core import releases
from app.core.database import transaction
from app.core.errors import Malformed, NotFound
from app.core.timing import MovableClock, now
from app.dispatch.simulation import LEFT_TO_PEOPLE, Replayed, Tally
from app.masters import MastersCache
from app.masters.publishing import publish
from app.masters.simulation import decide_again, simulate, what_if
from app.supervision.past_matters import past_matters
from tests.flows.test_decisions_reread import changed_rules, sender_of
from tests.flows.town import RUBBISH, WAGES, Town, point_in

PATH = "/releases/simulation"
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
STREET = "320102002"


async def rows_of(town: Town, kind: str) -> dict[str, Any]:
    async with town.runtime.sessions() as session:
        release = await releases.published_of(session, town.city.jurisdiction_id, kind)
        assert release is not None
        return await releases.rows_of(session, release.id)


async def draft(town: Town, kind: str, rows: dict[str, Any], *, complete: bool = False) -> None:
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=complete, by="test")


async def published(town: Town, *kinds: str) -> None:
    async with transaction(town.runtime.sessions) as session:
        await publish(session, town.city.jurisdiction_id, kinds, by="test", unreviewed_because="测试")


async def simulated(town: Town, *kinds: str) -> tuple[Tally, list[Replayed]]:
    """The tally, and each event."""
    found: list[Replayed] = []
    async with town.runtime.sessions() as session:
        asked = await what_if(session, MastersCache(), town.city.jurisdiction_id, kinds or None)
        until_at = now() + timedelta(seconds=1)
        return await simulate(session, asked, SINCE, until_at, each=found.extend), found


async def rule_of(town: Town, event_id: str) -> dict[str, Any]:
    """The rule that the event was dispatched by."""
    [row] = await town.rows("SELECT data FROM timeline WHERE event_id = :id AND act = 'dispatch'", id=event_id)
    return (await rows_of(town, "routing-rules"))[row.data["rule_no"]]


async def decided(town: Town, event_id: str) -> tuple[str | None, str | None, str]:
    [row] = await town.rows("SELECT data FROM timeline WHERE event_id = :id AND act = 'dispatch'", id=event_id)
    return row.data["unit"], row.data["rule_no"], row.data["step"]


async def test_what_was_foretold_is_what_a_report_like_it_gets(town: Town, clock: MovableClock) -> None:
    wages, rubbish = town.call(WAGES), town.call(RUBBISH)
    first = (await town.send("hotline-12345", wages))["event_id"]
    other = (await town.send("hotline-12345", rubbish))["event_id"]
    rule = await rule_of(town, first)
    await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-URBAN"}})

    tally, [moved, stays] = await simulated(town)
    assert (tally.events, tally.moved, tally.to_people, tally.from_people) == (2, 1, 0, 0)
    assert (moved.before.unit, moved.after.unit, moved.after.rule_no) == (rule["lead_unit"], "D-URBAN", rule["rule_no"])
    assert stays.before == stays.after
    assert (await decided(town, other))[0] == stays.after.unit

    await published(town, "routing-rules")
    clock.advance(seconds=1)
    for one, message in ((moved, wages), (stays, rubbish)):
        lon, lat = point_in("320102002002002")  # not at the place of the first, or it would join it
        again = await town.send("hotline-12345", message | {"orderNum": f"X{one.event_no}", "lon": lon, "lat": lat})
        assert (again["outcome"], again["event_id"] in (first, other)) == ("created", False)
        assert await decided(town, again["event_id"]) == (one.after.unit, one.after.rule_no, one.after.step)


async def test_whatever_is_published_every_event_is_then_decided_as_foretold(town: Town, clock: MovableClock) -> None:
    """Reports of all sorts, a catalogue of which much is changed, and masters loaded anew."""
    pick = Random(7)  # noqa: S311 - test data, not secrets
    await (await sender_of(town, clock, pick)).send(40)
    clock.advance(seconds=1)
    areas = await rows_of(town, "areas")
    streets, communities = ([code for code in sorted(areas) if len(code) == digits] for digits in (9, 12))
    rules = changed_rules(pick, await rows_of(town, "routing-rules"), streets, communities)
    await draft(town, "routing-rules", rules, complete=True)
    tally, foretold = await simulated(town)
    assert tally.events > 30
    assert tally.moved > 0

    async def differing() -> list[str]:
        """Numbers of the events that masters loaded now decide otherwise than foretold."""
        async with town.runtime.sessions() as session:
            masters = await MastersCache().get(session, town.city.jurisdiction_id)
            found = [
                past async for page in past_matters(session, masters.jurisdiction_id, SINCE, now()) for past in page
            ]
        assert [past.event.event_no for past in found] == [one.event_no for one in foretold]
        pairs = zip(found, foretold, strict=True)
        return [one.event_no for past, one in pairs if decide_again(masters, past) != one.after]

    assert len(await differing()) == tally.moved + tally.same_unit + tally.other_support
    await published(town, "routing-rules")
    assert await differing() == []


async def test_a_unit_that_only_the_draft_knows_can_get_events(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES)))["event_id"]
    rule, units = await rule_of(town, event_id), await rows_of(town, "organizations")
    new = units["D-URBAN"] | {"code": "D-NEW", "name": "新组建的局", "short_name": ""}
    await draft(town, "organizations", {"D-NEW": new})
    await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-NEW"}})
    tally, [one] = await simulated(town)
    assert (tally.moved, one.after.unit) == (1, "D-NEW")
    await published(town, "organizations", "routing-rules")
    async with town.runtime.sessions() as session:
        masters = await MastersCache().get(session, town.city.jurisdiction_id)
    assert (masters.organizations.id_of("D-NEW") or 0) > 0


async def test_to_people_and_from_people(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    rule = await rule_of(town, event_id)
    placed = rule | {"area_code": f"{STREET}001", "rule_no": "X1"}
    rules = await rows_of(town, "routing-rules") | {"X1": placed}
    del rules[rule["rule_no"]]
    await draft(town, "routing-rules", rules, complete=True)
    tally, [one] = await simulated(town)
    assert (tally.to_people, tally.from_people, tally.people_after) == (1, 0, 1), one
    assert one.after.unit is None
    await published(town, "routing-rules")
    await draft(town, "routing-rules", {"X1": placed | {"area_code": ""}})
    tally, [one] = await simulated(town)
    assert (tally.to_people, tally.from_people, tally.people_before) == (0, 1, 1), one


async def test_who_took_it_in_is_known_only_where_the_decision_knew_it(town: Town, clock: MovableClock) -> None:
    said = await town.send("hotline-12345", town.call(WAGES, firstReceiver="D-URBAN"))
    await town.send("hotline-12345", town.call(RUBBISH))
    assert {row.first_receiver_id is None for row in await town.rows("SELECT first_receiver_id FROM event")} == {False}
    steps = await rows_of(town, "routing-steps")
    await draft(town, "routing-steps", {"first_receiver": steps["first_receiver"] | {"enabled": True, "position": 1}})
    first = steps["emergency_handover"] | {"position": 10}
    await draft(town, "routing-steps", {"emergency_handover": first})
    tally, found = await simulated(town)
    [one] = [one for one in found if one.after.step == "first_receiver"]
    assert (one.event_no, one.after.unit) == ((await town.event(said["event_id"])).event_no, "D-URBAN")
    assert (tally.events, tally.moved) == (2, 1)


async def test_what_never_came_to_routing_is_not_counted_and_what_people_decide_stays_theirs(town: Town) -> None:
    desk = await town.send("hotline-12345", town.call(WAGES, answeredDirectly=True, answerText="已在电话中答复"))
    await town.send("hotline-12345", town.call(WAGES, orderType="举报", accusedUnit="某某科室"))
    steps = await rows_of(town, "routing-steps")
    await draft(town, "routing-steps", {"night_duty": steps["night_duty"] | {"enabled": False}})
    _, found = await simulated(town)
    [waits] = found
    assert waits.event_no != (await town.event(desk["event_id"])).event_no
    assert waits.before == waits.after == LEFT_TO_PEOPLE


async def test_the_command_tells_what_would_move_and_writes_only_its_file(
    town: Town, clock: MovableClock, tmp_path: Path
) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES)))["event_id"]
    rule = await rule_of(town, event_id)
    late = rule | {"rule_no": "LATE", "lead_unit": "D-URBAN", "valid_from": "2027-01-01", "area_code": STREET}
    await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-URBAN"}, "LATE": late})
    counted = "SELECT (SELECT count(*) FROM timeline), (SELECT count(*) FROM release_row), max(seq) FROM event"
    before = await town.rows(counted)
    clock.advance(seconds=1)
    out, err, file = Console(file=StringIO(), width=180), Console(file=StringIO()), tmp_path / "moves.csv"
    async with town.runtime.sessions() as session:
        tally = await command.run_simulation(
            session, town.city.jurisdiction_id, ["routing-rules"], SINCE.replace(tzinfo=None), None, file, out, err
        )
    assert await town.rows(counted) == before
    told = out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    event_no = (await town.event(event_id)).event_no
    assert "重派 1 件：1 件会换承办单位" in told
    assert "1 条规则在这段时间里从未生效" in told
    assert "LATE" in told
    assert event_no in told
    assert tally.digest in told
    with file.open(encoding="utf-8-sig", newline="") as opened:
        [line] = csv.DictReader(opened)
    assert (line["event_no"], line["moved"], line["unit_after"]) == (event_no, "1", "D-URBAN")
    assert listdir(tmp_path) == [file.name]


def test_an_interrupted_run_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), command.decisions_file(tmp_path / "moves.csv"):
        raise KeyboardInterrupt
    assert listdir(tmp_path) == []


def test_a_period_has_a_beginning_before_its_end() -> None:
    with pytest.raises(Malformed):
        command.period(datetime(2026, 3, 11), datetime(2026, 3, 10))
    since_at, until_at = command.period(datetime(2026, 3, 10), datetime(2026, 3, 10))
    assert until_at - since_at > timedelta(hours=23, minutes=59)


async def test_over_http_it_is_for_those_who_prepare_releases(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES)))["event_id"]
    since = SINCE.isoformat()
    assert (await town.get("leader1", PATH, 404, since=since))["code"] == "not_found"
    rule = await rule_of(town, event_id)
    await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-URBAN"}})
    for username in ("operator1", "dispatcher1", "u-d-urban"):
        await town.get(username, PATH, 403, since=since)
    told = await town.get("leader1", PATH, since=since, until="2026-04-01T00:00:00+08:00", kind="routing-rules")
    [move] = told["moves"]
    assert (move["before"]["code"], move["after"]["code"], move["count"]) == (rule["lead_unit"], "D-URBAN", 1)
    assert move["examples"] == [(await town.event(event_id)).event_no]
    assert (told["events"], told["moved"], len(told["digest"])) == (1, 1, 64)
    [item], [street] = told["items"], told["streets"]
    assert (item["moved"], street["code"], street["moved"]) == (1, STREET, 1)
    assert item["name"]
    assert street["name"]
    await town.get("leader1", PATH, 422, since=since, until=since)
    await town.get("leader1", PATH, 422)
    # moments that only some calendars can hold: what lies ahead has no events, what lies too far back is refused
    endless = await town.get("leader1", PATH, since=since, until="9999-12-31T23:00:00-08:00")
    assert (endless["moved"], endless["until"]) == (1, town.at("2026-03-11 10:00").isoformat())
    refused = await town.get("leader1", PATH, 422, since="0001-01-01T00:00:00+14:00")
    assert [fault["path"] for fault in refused["faults"]] == ["since"]
    assert "不影响派单" in (await town.get("leader1", PATH, 404, since=since, kind="escalation-rungs"))["detail"]
    assert "没有可推演的草稿" in (await town.get("leader1", PATH, 404, since=since, kind="duty-list"))["detail"]
    # a seat for part of the city sees no draft, whichever way it asks
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text("UPDATE seat SET scope_area = :street WHERE scope_area = '320102'"), {"street": STREET}
        )
    for path in (PATH, "/releases/check"):
        assert "全辖区" in (await town.get("leader1", path, 403, since=since))["detail"]


async def test_a_draft_that_is_replaced_meanwhile_changes_nothing(town: Town) -> None:
    event_id = (await town.send("hotline-12345", town.call(WAGES)))["event_id"]
    rule = await rule_of(town, event_id)
    await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-URBAN"}})
    async with town.runtime.sessions() as session:
        asked = await what_if(session, MastersCache(), town.city.jurisdiction_id)
        await draft(town, "routing-rules", {rule["rule_no"]: rule | {"lead_unit": "D-ENV"}})
        tally = await simulate(session, asked, SINCE, now() + timedelta(seconds=1))
        assert list(tally.ways) == [(rule["lead_unit"], "D-URBAN")]
        with pytest.raises(NotFound):
            await what_if(session, MastersCache(), town.city.jurisdiction_id, ["duty-list"])
