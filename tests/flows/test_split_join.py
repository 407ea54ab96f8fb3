"""拆分 and 合并: parts with units and clocks of their own, one answer from the event that they were split from."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.commands.audit import verify_all
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.town import RUBBISH, WAGES, Town

#: street lamps: a district unit, inspection
LAMP = "GB/T 47678.5-2026/component/01037"
#: closure profile answer
HOTLINE = "BIHUAN-HOTLINE-2026/matter/H0201"


async def begun(town: Town, *parts: dict[str, Any], **fields: Any) -> tuple[str, str, list[str]]:
    """A rubbish event with its report, split into these parts: (event, report, the parts' ids)."""
    receipt = await town.send("hotline-12345", town.call(**fields))
    event_id = receipt["event_id"]
    wanted = list(parts or [{"item": LAMP}])
    done = await town.act("dispatcher1", f"events/{event_id}", "split", parts=wanted, anew=True)
    return event_id, receipt["report_id"], [part["event_id"] for part in done["parts"]]


async def row_of(town: Town, event_id: str, act: str) -> Any:
    """The one timeline row of this act."""
    (row,) = await town.rows(
        "SELECT t.n, t.data, b.body AS note, t.actor_role FROM timeline t "
        "LEFT JOIN timeline_note b ON b.event_id = t.event_id AND b.n = t.n "
        "WHERE t.event_id = :id AND t.act = :act AND t.subject = 'event'",
        id=UUID(event_id),
        act=act,
    )
    return row


async def finish(town: Town, part: str) -> None:
    """A part with an inspection, to its end."""
    order, unit = await town.lead(part)
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "start")
    await town.act(unit, order, "report_done", result="resolved", statement="已修好", without_parts="养护单位随后补报")
    if (await town.event(part)).state == "verifying":
        await town.inspect(part)
    await town.close(part)


async def test_parts_begin_with_units_and_clocks_of_their_own(town: Town, clock: MovableClock) -> None:
    receipt = await town.send("hotline-12345", town.call(address="珠江路口"))
    event_id = receipt["event_id"]
    before = await town.rows(
        "SELECT n, kind, state, due_at FROM clock WHERE event_id = :id ORDER BY n", id=UUID(event_id)
    )
    clock.advance(timedelta(minutes=30))
    done = await town.act(
        "dispatcher1",
        f"events/{event_id}",
        "split",
        parts=[{"item": LAMP, "note": "修路灯"}, {"item": HOTLINE, "unit": "D-URBAN"}],
    )
    lamp, other = done["parts"]
    parent = await town.event(event_id)
    said = await row_of(town, event_id, "split")
    assert said.data["parts"] == [
        {"event_no": lamp["event_no"], "event": lamp["event_id"], "item": LAMP},
        {"event_no": other["event_no"], "event": other["event_id"], "item": HOTLINE},
    ]
    for part, rule in ((lamp, "statutory_department"), (other, "person")):
        row = await town.event(part["event_id"])
        assert (str(row.split_from), row.state, row.report_count) == (event_id, "handling", 0)
        assert (row.lon, row.lat, row.community_code) == (parent.lon, parent.lat, parent.community_code)
        assert (row.demand_type, row.urgency, row.address) == (parent.demand_type, parent.urgency, "珠江路口")
        assert row.received_at == clock()
        assert (await town.acts(part["event_id"]))[:2] == ["split_off", "dispatch"]
        first = await row_of(town, part["event_id"], "split_off")
        assert (first.data["from"], first.data["event"]) == (parent.event_no, event_id)
        assert (await row_of(town, part["event_id"], "dispatch")).data["step"] == rule
        clocks = await town.rows("SELECT kind, started_at FROM clock WHERE event_id = :id", id=UUID(part["event_id"]))
        assert {one.kind for one in clocks} == {"signing", "handling"}, "nobody to call first, no citizen waits here"
        assert {one.started_at for one in clocks} == {clock()}
    assert (await row_of(town, lamp["event_id"], "split_off")).note == "修路灯"
    assert (await town.lead(lamp["event_id"]))[1] == "u-d-muni"
    assert (await town.lead(other["event_id"]))[1] == "u-d-urban"
    after = await town.rows(
        "SELECT n, kind, state, due_at FROM clock WHERE event_id = :id ORDER BY n", id=UUID(event_id)
    )
    assert after == before, "no clock of the event moves"
    shown = await town.get("dispatcher1", f"/events/{event_id}")
    assert [part["event_no"] for part in shown["parts"]] == [lamp["event_no"], other["event_no"]]
    assert (await town.get("dispatcher1", f"/events/{lamp['event_id']}"))["split_from"] == event_id
    listed = (await town.get("dispatcher1", "/events", item=LAMP))["items"]
    assert [(one["event_no"], one["split_from"], one["report_count"]) for one in listed] == [
        (lamp["event_no"], event_id, 0)
    ]


async def test_the_event_waits_for_its_parts_and_answers_once(town: Town) -> None:
    event_id, report_id, (part,) = await begun(town)
    number = (await town.event(part)).event_no
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sign_for")
    refused = await town.act(unit, order, "report_done", 409, result="resolved", statement="已清运")
    assert (refused["code"], refused["parts"]) == ("parts_of_event_open", [number])
    assert number in refused["detail"]
    for action, body in (
        ("hand_over", {"to": "城管执法系统"}),
        ("refuse", {"treatment": "explanation_only", "explanation": "不属受理范围", "told": True}),
    ):
        refused = await town.act("dispatcher1", f"events/{event_id}", action, 409, **body)
        assert refused["code"] == "parts_of_event_open"
    assert (await town.act("leader1", f"events/{event_id}", "cancel", 409, reason="误报"))["parts"] == [number]
    into = (await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"]
    assert (await town.act("dispatcher1", f"events/{event_id}", "merge", 409, into=into))["parts"] == [number]
    assert "reported_done" not in {row.state for row in await town.rows("SELECT state FROM work_order")}

    await finish(town, part)
    ended = await town.event(part)
    assert ended.settled_at == ended.ended_at, "nobody is owed anything for a part"
    said = await row_of(town, event_id, "part_ended")
    assert said.data == {"part": number, "event": part, "end": "closed", "kind": "handled", "result": "resolved"}
    assert said.actor_role == "dispatcher"
    assert (await town.event(event_id)).state == "handling"
    await town.act(unit, order, "report_done", result="resolved", statement="已清运", without_parts="保洁随后补报")
    await town.inspect(event_id)
    await town.answer(event_id, report_id)
    await town.close(event_id)
    await town.deliver()
    replies = await town.rows("SELECT report_id FROM reply")
    assert [str(row.report_id) for row in replies] == [report_id], "one answer"
    assert (await town.event(event_id)).settled_at is not None
    assert await town.deliveries(part) == []


async def test_a_part_whose_item_is_only_answered_concludes_without_any_reporter(town: Town) -> None:
    _, _, (part,) = await begun(town, {"item": HOTLINE, "unit": "D-URBAN"})
    order, unit = await town.lead(part)
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "report_done", result="explained", statement="已说明")
    assert (await town.event(part)).state == "closing"
    await town.close(part)
    assert (await town.event(part)).end_kind == "explained"


async def test_a_part_is_not_split_again(town: Town) -> None:
    event_id, _, (part,) = await begun(town)
    refused = await town.act("dispatcher1", f"events/{part}", "split", 409, parts=[{"item": LAMP}])
    assert "split" not in refused["allowed"]
    assert "join" in refused["allowed"]
    assert "join" not in (await town.get("dispatcher1", f"/events/{event_id}"))["allowed_actions"]["event"]


async def test_the_same_part_is_not_split_off_twice(town: Town) -> None:
    event_id, _, (part,) = await begun(town)
    path, number = f"events/{event_id}", (await town.event(part)).event_no
    for again in ({"item": LAMP}, {"item": LAMP, "unit": "D-MUNI"}):  # it went to D-MUNI by the rules
        refused = await town.act("dispatcher2", path, "split", 409, parts=[again])
        assert (refused["code"], refused["parts"]) == ("part_open", [number])
    twice = [{"item": HOTLINE, "unit": "D-URBAN"}] * 2
    assert "写了两次" in (await town.act("dispatcher1", path, "split", 409, parts=twice))["detail"]
    await town.act("dispatcher1", path, "split", parts=[{"item": LAMP, "unit": "D-URBAN"}])
    await town.act("dispatcher1", path, "split", parts=twice, anew=True)
    await finish(town, part)
    await town.act("dispatcher1", path, "split", parts=[{"item": LAMP, "unit": "D-MUNI"}])
    assert (await town.rows("SELECT count(*) AS n FROM event WHERE split_from IS NOT NULL"))[0].n == 5


async def test_a_split_that_is_sent_again_is_answered_with_the_same_parts(town: Town) -> None:
    path = f"events/{(await town.send('hotline-12345', town.call()))['event_id']}"
    body = {"parts": [{"item": LAMP}, {"item": HOTLINE, "unit": "D-URBAN"}], "act_id": str(uuid4())}
    first = await town.act("dispatcher1", path, "split", **body)
    await town.act("dispatcher1", path, "split", parts=[{"item": LAMP}], anew=True)
    again = await town.act("dispatcher1", path, "split", **body)
    assert (again["repeated"], again["parts"]) == (True, first["parts"])


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ([], "parts"),
        ([{"item": LAMP}] * 6, "parts"),
        ([{"item": "没有/这个/事项"}], "parts.0.item"),
        ([{"item": LAMP}, {"item": LAMP, "unit": "NOBODY"}], "parts.1.unit"),
        ([{"item": LAMP, "note": "修\x00灯"}], "parts.0.note"),
    ],
)
async def test_what_cannot_be_split_off_is_named(town: Town, parts: list[dict[str, Any]], path: str) -> None:
    event_id = (await town.send("hotline-12345", town.call()))["event_id"]
    refused = await town.act("dispatcher1", f"events/{event_id}", "split", 422, parts=parts)
    assert [fault["path"] for fault in refused["faults"]] == [path]
    assert (await town.rows("SELECT id FROM event WHERE split_from IS NOT NULL")) == []


async def test_a_forced_end_leaves_the_parts_going_and_their_end_is_still_told(town: Town) -> None:
    event_id, _, (part,) = await begun(town)
    await town.act("leader1", f"events/{event_id}", "force_close", reason="专项整治统一办理")
    number = (await town.event(part)).event_no
    assert (await row_of(town, event_id, "force_close")).data["parts_open"] == [number]
    assert (await town.event(part)).state == "handling"
    refused = await town.act("dispatcher1", f"events/{part}", "join", 409)
    assert "已结束" in refused["detail"]
    await town.act("leader1", f"events/{part}", "cancel", reason="已由专项整治解决")
    assert (await row_of(town, event_id, "part_ended")).data["end"] == "cancelled"


async def test_a_citizen_may_withdraw_whatever_was_split_off(town: Town) -> None:
    event_id, report_id, (part,) = await begun(town)
    await town.act("operator1", f"reports/{report_id}", "withdraw", reason="不再反映")
    assert (await town.event(event_id)).state == "cancelled"
    assert (await row_of(town, event_id, "cancel")).data["parts_open"] == [(await town.event(part)).event_no]
    assert (await town.event(part)).state == "handling"


async def test_a_part_is_joined_again_and_its_unit_stays_to_help(town: Town) -> None:
    event_id, _, (part,) = await begun(town)
    numbers = (await town.event(event_id)).event_no, (await town.event(part)).event_no
    await town.act("dispatcher1", f"events/{part}", "join", keep_unit=True, note="负责照明部分")
    joined = await town.event(part)
    assert (joined.state, str(joined.merged_into)) == ("merged", event_id)
    assert set((await town.clocks(part)).values()) == {"stopped"}
    mine, theirs = await row_of(town, event_id, "joined"), await row_of(town, part, "joined")
    assert mine.data == {"part": numbers[1], "event": part, "kept_unit": "D-MUNI"}
    assert {name: theirs.data[name] for name in ("into", "event", "kept_unit")} == {
        "into": numbers[0],
        "event": event_id,
        "kept_unit": "D-MUNI",
    }
    assert "part_ended" not in await town.acts(event_id), "said by the row of the joining already"
    added = await row_of(town, event_id, "supporting_added")
    assert (added.data["unit"], added.note) == ("D-MUNI", "负责照明部分")
    (helper,) = await town.rows(
        "SELECT o.n, o.state FROM work_order o JOIN organization g ON g.id = o.unit_id "
        "WHERE o.event_id = :id AND o.role = 'supporting' AND g.code = 'D-MUNI'",
        id=UUID(event_id),
    )
    kinds = await town.rows(
        "SELECT kind FROM clock WHERE event_id = :id AND order_n = :n AND state = 'running'",
        id=UUID(event_id),
        n=helper.n,
    )
    assert {row.kind for row in kinds} == {"signing", "handling"}
    assert (await town.event(event_id)).report_count == 1


async def test_a_part_is_joined_again_without_its_unit(town: Town) -> None:
    event_id, _, (part,) = await begun(town)
    await town.act("dispatcher1", f"events/{part}", "join")
    assert (await row_of(town, event_id, "joined")).data["kept_unit"] is None
    assert "supporting_added" not in await town.acts(event_id)
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "report_done", result="resolved", statement="已清运", without_parts="保洁随后补报")


async def test_a_part_that_answers_for_a_merged_event_opens_again_with_its_caller(town: Town) -> None:
    event_id, _, (part,) = await begun(town, {"item": HOTLINE, "unit": "D-URBAN"})
    second = await town.send("hotline-12345", town.call(WAGES, cell=None))
    await town.act("dispatcher1", f"events/{second['event_id']}", "merge", into=part)
    await town.act("leader1", f"events/{part}", "force_close", reason="转专题研究")
    assert (await row_of(town, event_id, "part_ended")).data["kind"] == "forced"
    await town.answer(part, second["report_id"], level=5)
    assert (await town.event(part)).state == "handling"
    said = await row_of(town, event_id, "part_reopened")
    assert said.data == {"part": (await town.event(part)).event_no, "event": part}
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sign_for")
    refused = await town.act(unit, order, "report_done", 409, result="resolved", statement="已清运")
    assert refused["code"] == "parts_of_event_open"


async def test_no_caller_joins_a_part_by_itself(town: Town) -> None:
    event_id, _, (part,) = await begun(town, {"item": (await rubbish_key(town)), "unit": "D-URBAN"})
    again = await town.send("hotline-12345", town.call(RUBBISH))
    assert again["event_id"] == event_id
    assert (await town.event(part)).report_count == 0


async def rubbish_key(town: Town) -> str:
    """The key of the item that rubbish is recognised as."""
    event_id = (await town.send("hotline-12345", town.call(cell="320102002002002")))["event_id"]
    key: str = (await town.get("dispatcher1", f"/events/{event_id}"))["item"]["key"]
    return key


async def test_parts_are_in_no_figure_of_received_events(town: Town) -> None:
    await begun(town)
    figures = await town.get(
        "leader1", "/supervision/indicators", since="2026-03-10T00:00:00+08:00", until="2026-03-12T00:00:00+08:00"
    )
    assert figures["events"]["received"] == 1
    limits = {row["kind"]: row["due"] for row in figures["limits"]}
    assert limits["signing"] >= 2, "their units' limits count like all others"


@pytest.mark.parametrize("told", [{"confidential": "1"}, {"orderType": "举报"}])
async def test_a_part_shows_no_address_that_its_event_keeps(town: Town, told: dict[str, str]) -> None:
    fields = {"address": "珠江路 1 号", "title": "珠江路 1 号王某某家门口堆垃圾"} | told
    receipt = await town.send("hotline-12345", town.call(**fields))
    event_id = receipt["event_id"]
    if (await town.event(event_id)).state == "analyzing":
        await town.act("dispatcher1", f"events/{event_id}", "dispatch", accused_units=[], unit="S-320102002-C")
    done = await town.act("dispatcher1", f"events/{event_id}", "split", parts=[{"item": LAMP, "unit": "D-MUNI"}])
    part = done["parts"][0]["event_id"]
    row = await town.event(part)
    assert (row.address, row.title) == ("", "路灯")
    seen = await town.get("u-d-muni", f"/events/{part}")
    assert "珠江路" not in str(seen)


async def test_whom_an_event_accuses_its_parts_accuse_too(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(orderType="举报"))
    event_id = receipt["event_id"]
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", accused_units=[], unit="S-320102002-C")
    done = await town.act("dispatcher1", f"events/{event_id}", "split", parts=[{"item": LAMP, "unit": "D-MUNI"}])
    part = done["parts"][0]["event_id"]
    assert (await town.event(part)).nobody_accused
    await town.get("u-d-muni", f"/events/{part}")
    refused = await town.act("dispatcher1", f"events/{part}", "correct", 409, accused_units=["D-MUNI"])
    assert refused["detail"] == "被举报单位请在母事件上更正，各拆分件随之更正。"
    await town.act("dispatcher1", f"events/{event_id}", "correct", accused_units=["D-MUNI"])
    assert (await town.event(part)).accused_org_ids == (await town.event(event_id)).accused_org_ids != []
    await town.get("u-d-muni", f"/events/{part}", expect=404)
    assert (await town.lead(part))[1] != "u-d-muni"
    assert "correct" in await town.acts(part)


async def test_parts_that_end_at_once_are_all_told(
    committing_runtime: Runtime, city: City, clock: MovableClock
) -> None:
    town = Town(committing_runtime, city)
    event_id, _, parts = await begun(town, *[{"item": LAMP}] * 4)
    await town.as_user("leader1")
    joined, *ended = parts
    await asyncio.gather(
        *(town.act("leader1", f"events/{part}", "cancel", reason="无此情况") for part in ended),
        town.act("leader1", f"events/{joined}", "join", keep_unit=True),
        town.act("leader1", f"events/{event_id}", "raise_level", level="district", unit="D-URBAN", reason="统筹"),
    )
    acts = await town.acts(event_id)
    assert (acts.count("part_ended"), acts.count("joined"), acts.count("raise_level")) == (3, 1, 1)
    assert (await verify_all(town.runtime.sessions, town.runtime.keyring)).faults == []
    assert not (await town.get("leader1", f"/events/{event_id}"))["allowed_actions"]["event"].count("join")
