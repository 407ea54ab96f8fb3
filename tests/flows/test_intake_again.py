"""Messages that come again: done over, amended, supplemented, held and derived later; never a second report."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import receiving
from app.core.timing import MovableClock
from app.events.again import ReportMoved
from app.events.store import write_events
from app.intake import inbox
from tests.conftest import client_token, http_for
from tests.flows.town import Town

HOTLINE = "hotline-12345"
POLICE = "police-110"


async def notes(town: Town, event_id: str) -> list[str]:
    """What the timeline says of the event's supplements, in order."""
    found = await town.rows(
        "SELECT o.body FROM timeline t JOIN timeline_note o USING (event_id, n) "
        "WHERE t.event_id = :id AND t.act LIKE 'supplement%' ORDER BY n",
        id=event_id,
    )
    return [row.body for row in found]


async def kept(town: Town) -> list[tuple[int, str]]:
    """(revision, state) of everything in the inbox."""
    return [tuple(row) for row in await town.rows("SELECT revision, state FROM inbox ORDER BY source_ref, revision")]


async def count(town: Town, table: str) -> int:
    """How many rows a table has."""
    ((found,),) = await town.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name that this file gives
    return int(found)


async def batch(town: Town, channel: str, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Sends a batch and gives its results."""
    async with http_for(town.runtime, client_token(town.runtime, town.city, channel)) as http:
        answer = await http.post(f"/intake/{channel}/batch", json={"reports": messages})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def configure(town: Town, channel: str, crs: str) -> None:
    """The datum that the integration agreed for a channel's client."""
    async with town.runtime.sessions() as session:
        await session.execute(
            text("UPDATE machine_client SET crs = :crs WHERE channel = :c"), {"crs": crs, "c": channel}
        )
        await session.commit()


# ── the same step done again ──────────────────────────────────────────────────────────────────────────────────


async def test_a_supplement_whose_step_is_done_again_stays_a_supplement(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = town.police()
    first = await town.send(POLICE, message)
    written = []

    async def moved_once(*args: Any) -> None:
        await write_events(*args)
        written.append(1)
        if len(written) == 1:
            raise ReportMoved

    monkeypatch.setattr(receiving, "write_events", moved_once)
    second = await town.send(POLICE, message | {"BCJJNR": "人还在闹"})
    assert len(written) == 2
    assert (second["outcome"], second["report_id"]) == ("supplemented", first["report_id"])
    assert (await count(town, "report"), await count(town, "event")) == (1, 1)
    assert await kept(town) == [(0, "accepted"), (1, "supplement")]


async def test_a_supplement_in_a_batch_that_falls_apart_stays_a_supplement(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = town.police()
    first = await town.send(POLICE, message)
    written = []

    async def fails_late(*args: Any) -> None:
        written.append(1)
        if len(written) == 2:
            raise RuntimeError("after the new one, at the supplement")
        await write_events(*args)

    monkeypatch.setattr(receiving, "write_events", fails_late)
    results = await batch(town, POLICE, town.police(), message | {"BCJJNR": "人还在闹"})
    assert [one["outcome"] for one in results] == ["joined", "supplemented"]
    assert results[1]["report_id"] == first["report_id"]
    assert await count(town, "report") == 2


# ── amendments ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_higher_revision_is_recorded_on_the_open_report(town: Town) -> None:
    message = town.call()
    first = await town.send(HOTLINE, message)
    amended = message | {"revision": 3, "content": "又堆了一车，请打 13800001234 联系"}
    second = await town.send(HOTLINE, amended)
    assert (second["outcome"], second["report_id"], second["event_id"]) == (
        "supplemented",
        first["report_id"],
        first["event_id"],
    )
    again = await town.send(HOTLINE, amended, 200)
    assert again == second | {"repeated": True}
    assert (await count(town, "report"), await count(town, "event")) == (1, 1)
    assert await kept(town) == [(0, "accepted"), (3, "supplement")]
    (said,) = await notes(town, first["event_id"])
    assert "又堆了一车" in said
    assert "138****1234" in said
    assert "13800001234" not in said


async def test_an_older_revision_that_comes_late_is_refused_and_kept(town: Town) -> None:
    message = town.call()
    await town.send(HOTLINE, message | {"revision": 2})
    for revision, content in ((2, "别的内容"), (1, "较早的内容"), (0, "最早的内容")):
        refused = await town.send(HOTLINE, message | {"revision": revision, "content": content}, 409)
        assert refused["code"] == "changed_message"
    assert (await count(town, "report"), await count(town, "inbox_refused")) == (1, 3)


async def test_an_unknown_ref_with_a_revision_is_a_first_report(town: Town) -> None:
    receipt = await town.send(HOTLINE, town.call(revision=4))
    assert receipt["outcome"] == "created"
    assert await kept(town) == [(4, "accepted")]


async def test_revisions_in_one_batch_are_one_report_in_whatever_order(town: Town) -> None:
    message = town.call()
    results = await batch(town, HOTLINE, *({**message, "revision": n, "content": f"第 {n} 版"} for n in (2, 0, 1)))
    assert [one["outcome"] for one in results] == ["supplemented", "created", "supplemented"]
    assert (await count(town, "report"), await count(town, "event")) == (1, 1)
    said = await notes(town, results[0]["event_id"])
    assert ["第 1 版" in said[0], "第 2 版" in said[1]] == [True, True]


async def test_an_amendment_after_the_end_is_kept_and_a_long_one_is_told_in_full(town: Town) -> None:
    message = town.call(answeredDirectly=True, answerText="已告知")
    first = await town.send(HOTLINE, message)
    await town.send(HOTLINE, message | {"revision": 1, "content": "长" * 5000})
    assert "".join(await notes(town, first["event_id"])).count("长") == 5000


async def test_an_amended_police_record_is_a_supplement_too(town: Town) -> None:
    message = town.police()
    first = await town.send(POLICE, message)
    await town.send(POLICE, message | {"BCJJNR": "人还在闹"})
    second = await town.send(POLICE, message | {"revision": 1, "BJNR": "换了地方闹"})
    assert (second["outcome"], second["report_id"]) == ("supplemented", first["report_id"])
    assert await kept(town) == [(0, "accepted"), (1, "supplement"), (2, "supplement")]


async def test_an_amendment_of_a_held_report_is_asked_for_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    message = town.call()
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "_analyse", _fails)
        held = await town.send(HOTLINE, message, 202)
    refused = await town.send(HOTLINE, message | {"revision": 1}, 503)
    assert refused["code"] == "unavailable"
    await receiving.retry_held(town.runtime, UUID(held["report_id"]))
    assert (await town.send(HOTLINE, message | {"revision": 1}))["outcome"] == "supplemented"
    assert await count(town, "report") == 1


async def test_a_fresh_message_is_kept_without_looking_for_earlier_ones(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked(*_: object) -> None:
        raise AssertionError("one statement more on the hot path")

    monkeypatch.setattr(inbox, "earlier", looked)
    assert (await town.send(HOTLINE, town.call()))["outcome"] == "created"
    assert (await town.send(HOTLINE, town.call(revision=1, cell=None)))["outcome"] == "created"


# ── held, and derived later ───────────────────────────────────────────────────────────────────────────────────


async def _fails(*_: object) -> None:
    raise RuntimeError("deriving fails")


async def test_a_held_message_counts_from_its_receipt_and_still_raises_the_alarm(
    town: Town, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(receiving, "_analyse", _fails)
        held = await town.send(HOTLINE, town.call(content="楼道着火了，有人被困在里面"), 202)
    clock.advance(hours=3)
    await receiving.retry_held(town.runtime, UUID(held["report_id"]))
    (row,) = await town.rows(
        "SELECT e.id, e.received_at, r.received_at AS reported_at, c.started_at, i.received_at AS came_at "
        "FROM report r JOIN inbox i ON i.id = r.id JOIN event_report l ON l.report_id = r.id "
        "JOIN event e ON e.id = l.event_id JOIN clock c ON c.event_id = e.id AND c.kind = 'citizen_total'"
    )
    assert {row.received_at, row.reported_at, row.started_at} == {row.came_at}
    alarms = await town.rows("SELECT data FROM timeline WHERE act = 'alarm_raised'")
    assert [alarm.data["sent"] for alarm in alarms] == [True]
    told = await town.rows(
        "SELECT c.channel FROM delivery d JOIN machine_client c ON c.id = d.destination_id WHERE d.kind = 'alert'"
    )
    assert [row.channel for row in told] == [POLICE]


# ── limits, datum, the caller's address ───────────────────────────────────────────────────────────────────────


async def test_the_longest_answer_on_the_line_fits_the_reply(town: Town) -> None:
    receipt = await town.send(HOTLINE, town.call(answeredDirectly=True, answerText="答" * 4000))
    assert receipt["outcome"] == "created"
    refused = await town.send(HOTLINE, town.call(answeredDirectly=True, answerText="答" * 4001), 422)
    assert refused["faults"][0]["path"] == "answerText"


async def test_the_datum_agreed_with_the_client_lets_bare_coordinates_through(town: Town) -> None:
    bare = {name: value for name, value in town.call().items() if name != "crs"}
    refused = await town.send(HOTLINE, bare, 422)
    assert [(fault["path"], fault["code"]) for fault in refused["faults"]] == [("crs", "missing")]
    good, bad = await batch(town, HOTLINE, town.call(), bare)
    assert (good["status"], bad["status"]) == (201, 422)
    assert await count(town, "inbox") == 1
    await configure(town, HOTLINE, "cgcs2000")
    receipt = await town.send(HOTLINE, bare)
    (row,) = await town.rows("SELECT source_crs FROM report WHERE id = :id", id=receipt["report_id"])
    assert row.source_crs == "cgcs2000"


async def test_the_caller_s_own_address_is_never_the_event_s(town: Town) -> None:
    message = town.police(JQDZ="", FXDWJD="", FXDWWD="")
    receipt = await town.send(POLICE, message)
    (row,) = await town.rows(
        "SELECT e.address, r.address AS reported FROM event e JOIN report r ON r.id = :id WHERE e.id = :event",
        id=receipt["report_id"],
        event=receipt["event_id"],
    )
    assert (row.address, row.reported) == ("", "")
