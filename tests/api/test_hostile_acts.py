"""Acts with bodies that make no sense: every fault is named, nothing is done."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.refusals import SQLISH
from tests.flows.town import ALONE, Town


@pytest.mark.parametrize(
    ("action", "body", "path"),
    [
        ("supplement", {"text": "字" * 4001}, "text"),
        ("supplement", {"text": "  "}, "text"),
        ("supplement", {"text": "有\x00字"}, "text"),
        ("supplement", {"text": 5}, "text"),
        ("chase", {"note": "字" * 4001}, "note"),
        ("chase", {"note": "有\x00字"}, "note"),
        ("chase", {"note": "\x00"}, "note"),
        ("chase", {"nots": "多了一个字段"}, "nots"),
        ("chase", {"act_id": "1"}, "act_id"),
        ("chase", {"acted_at": "2026-03-10T10:30:00+08:00"}, "acted_at"),
        ("chase", {"acted_at": "2026-03-10T10:00:00"}, "acted_at"),
        ("chase", {"acted_at": "昨天"}, "acted_at"),
        ("chase", {"acted_at": 1e300}, "acted_at"),
        ("callback", {"reached": "也许"}, "reached"),
        ("callback", {"reached": True, "satisfaction_level": 9}, "satisfaction_level"),
        ("callback", {"reached": True, "satisfaction_level": 10**30}, "satisfaction_level"),
    ],
)
async def test_faults_of_an_act_s_body_are_named(town: Town, action: str, body: dict[str, Any], path: str) -> None:
    receipt = await town.send("hotline-12345", town.call())
    user = "callback1" if action == "callback" else "operator1"
    before = await town.acts(receipt["event_id"])
    problem = await town.act(user, f"reports/{receipt['report_id']}", action, 422, **body)
    assert problem["code"] == "malformed"
    assert path in {fault["path"] for fault in problem["faults"]}
    assert await town.acts(receipt["event_id"]) == before


async def test_a_note_of_4000_characters_is_taken_whole(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.act("operator1", f"reports/{receipt['report_id']}", "chase", note="𠮷" * 4000)
    (note,) = await town.rows("SELECT body FROM timeline_note WHERE body LIKE '𠮷%'")
    assert note.body == "𠮷" * 4000


async def test_an_act_dated_before_its_event_counts_from_the_event(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    for moment in ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-03-10T10:04:00+08:00"):
        await town.act("operator1", f"reports/{receipt['report_id']}", "chase", acted_at=moment)
    rows = await town.rows(
        "SELECT acted_at, recorded_at FROM timeline WHERE act = 'chase' AND event_id = :id",
        id=UUID(receipt["event_id"]),
    )
    assert [row.acted_at for row in rows] == [town.at("2026-03-10 10:00")] * 3


@pytest.mark.parametrize(
    "body",
    [
        {"lon": 1e308, "lat": 32, "crs": "wgs84"},
        {"lon": 118.8, "lat": 91, "crs": "gcj02"},
        {"lon": 0, "lat": 0, "crs": "bd09"},
        {"lon": 118.8, "lat": 32.05},
        {"lon": 118.8},
        {"area_code": "\x00"},
        {"area_code": SQLISH},
        {"area_code": "110101"},
        {"item": "没有/matter/0"},
        {"item": "a\x00b"},
        {"redispatch": "也许"},
        {},
    ],
)
async def test_corrections_that_make_no_sense(town: Town, body: dict[str, Any]) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.act("dispatcher1", f"events/{receipt['event_id']}", "correct", 422, **body)


async def test_evidence_must_have_been_uploaded(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    await town.act(unit, order, "sign_for")
    done: dict[str, Any] = {"result": "resolved", "statement": "已清理", "without_parts": ALONE}
    for evidence in (["f" * 64], ["F" * 64], ["../x"], [""], ["0" * 64] * 21, "f" * 64, [None]):
        problem = await town.act(unit, order, "report_done", 422, **done, evidence=evidence)
        assert problem["code"] == "malformed"
        assert problem["faults"][0]["path"].startswith("evidence")
    await town.act(unit, order, "report_done", **done)
    await town.act("collector1", f"events/{receipt['event_id']}", "claim_inspection")
    for action in ("pass_inspection", "fail_inspection"):
        await town.act("collector1", f"events/{receipt['event_id']}", action, 422, evidence=["f" * 64])


async def test_a_late_act_with_strange_contents_is_refused_like_any_other(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    late: dict[str, Any] = {"act_id": str(uuid4()), "acted_at": "2026-03-10T09:59:00+08:00"}
    kept = await town.act(unit, order, "start", 409, **late, note=SQLISH)
    assert kept["kept"] is True
    await town.act(unit, order, "start", 422, **late, note="a\x00b")
    await town.act(unit, order, "request_return", 422, **late, reason_code="other", reason="x", suggested_unit="\x00")
