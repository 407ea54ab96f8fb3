"""Danger to life that is told of later: it raises the alarm as a first report's does, and nothing makes it less."""

from typing import Any

import pytest

from tests.conftest import client_token, http_for
from tests.flows.town import Town

HOTLINE = "hotline-12345"
POLICE = "police-110"
GAS = "现在楼道里一股很浓的煤气味，有人晕倒了，快来救人"
CALM = "垃圾还在那里，请尽快处理"


async def urgencies(town: Town, event_id: str) -> set[str]:
    """The urgency of an event and of its open orders."""
    found = await town.rows(
        "SELECT urgency FROM event WHERE id = :id "
        "UNION ALL SELECT urgency FROM work_order WHERE event_id = :id AND ended_at IS NULL",
        id=event_id,
    )
    assert len(found) > 1, "it has an order"
    return {row.urgency for row in found}


async def alarms(town: Town, event_id: str) -> list[tuple[bool, Any]]:
    """(sent, report id) of the alarms on the timeline; each that was sent has a message to 110."""
    raised = await town.rows(
        "SELECT data, report_id FROM timeline WHERE event_id = :id AND act = 'alarm_raised' ORDER BY n", id=event_id
    )
    told = await town.rows(
        "SELECT d.report_id FROM delivery d JOIN machine_client c ON c.id = d.destination_id "
        "WHERE d.lane_id = :id AND d.kind = 'alert' AND c.channel = 'police-110' ORDER BY d.n",
        id=event_id,
    )
    assert [row.report_id for row in told] == [row.report_id for row in raised if row.data["sent"]]
    return [(row.data["sent"], row.report_id) for row in raised]


async def last_of(town: Town, event_id: str, act: str) -> dict[str, Any]:
    """What the timeline says of the newest act of this name."""
    rows = await town.rows(
        "SELECT data FROM timeline WHERE event_id = :id AND act = :act ORDER BY n DESC LIMIT 1", id=event_id, act=act
    )
    found: dict[str, Any] = rows[0].data
    return found


async def test_a_revision_that_tells_of_danger_raises_the_alarm_once(town: Town) -> None:
    message = town.call()
    first = await town.send(HOTLINE, message)
    event_id = first["event_id"]
    assert "critical" not in await urgencies(town, event_id)
    amended = message | {"revision": 1, "content": GAS}
    assert (await town.send(HOTLINE, amended))["outcome"] == "supplemented"
    assert await urgencies(town, event_id) == {"critical"}
    assert [sent for sent, _ in await alarms(town, event_id)] == [True]
    said = await last_of(town, event_id, "supplement")
    assert (said["urgency"], said["danger"]["handover"]) == ("critical", "119")
    assert (await town.send(HOTLINE, amended, 200))["repeated"]
    await town.send(HOTLINE, message | {"revision": 2, "content": CALM})
    assert await urgencies(town, event_id) == {"critical"}, "nothing that is told later makes it less"
    assert len(await alarms(town, event_id)) == 1


async def test_what_110_itself_adds_makes_it_critical_and_is_not_told_back(town: Town) -> None:
    message = town.police()
    event_id = (await town.send(POLICE, message))["event_id"]
    await town.send(POLICE, message | {"BCJJNR": GAS})
    assert await urgencies(town, event_id) == {"critical"}
    assert await alarms(town, event_id) == []


@pytest.mark.parametrize("text", [CALM, "之前担心煤气泄漏，已经排除了"])
async def test_what_is_no_danger_raises_none(town: Town, text: str) -> None:
    message = town.call()
    event_id = (await town.send(HOTLINE, message))["event_id"]
    before = await urgencies(town, event_id)
    await town.send(HOTLINE, message | {"revision": 1, "content": text})
    assert await urgencies(town, event_id) == before
    assert await alarms(town, event_id) == []
    assert await last_of(town, event_id, "supplement") == {}


async def test_a_report_that_joins_with_danger_makes_the_event_critical(town: Town) -> None:
    event_id = (await town.send(HOTLINE, town.call()))["event_id"]
    joined = await town.send(HOTLINE, town.call(content=GAS))
    assert (joined["event_id"], joined["outcome"]) == (event_id, "joined")
    assert await urgencies(town, event_id) == {"critical"}
    assert [str(report_id) for _, report_id in await alarms(town, event_id)] == [joined["report_id"]]


async def test_danger_told_after_the_end_still_raises_the_alarm(town: Town) -> None:
    message = town.call()
    first = await town.send(HOTLINE, message)
    event_id = first["event_id"]
    await town.act("operator1", f"reports/{first['report_id']}", "withdraw", reason="不用了")
    ended_as = (await town.event(event_id)).urgency
    await town.send(HOTLINE, message | {"revision": 1, "content": GAS})
    assert [sent for sent, _ in await alarms(town, event_id)] == [True]
    assert (await town.event(event_id)).urgency == ended_as, "what has ended stays as it was"


@pytest.mark.parametrize("who", ["operator1", HOTLINE])
async def test_danger_in_a_supplement_by_a_person_or_a_system_raises_the_alarm(town: Town, who: str) -> None:
    first = await town.send(HOTLINE, town.call())
    event_id, report = first["event_id"], f"reports/{first['report_id']}"
    if who == HOTLINE:
        async with http_for(town.runtime, client_token(town.runtime, town.city, HOTLINE)) as http:
            assert (await http.post(f"/{report}/actions/supplement", json={"text": GAS})).status_code == 200
    else:
        await town.act(who, report, "supplement", text=GAS)
    assert await urgencies(town, event_id) == {"critical"}
    assert [str(report_id) for sent, report_id in await alarms(town, event_id) if sent] == [first["report_id"]]
    assert (await town.acts(event_id))[-2:] == ["supplement", "alarm_raised"]
