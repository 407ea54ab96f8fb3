"""更正被举报单位: whoever is accused while the work goes on goes on with nothing, in whichever role."""

from typing import Any
from uuid import UUID

import pytest

from tests.flows.quarrels import TEACHES, user
from tests.flows.town import ALONE, Town

SECTION = "S-320102002-C"
#: street lamps: a district unit
LAMP = "GB/T 47678.5-2026/component/01037"
DONE: dict[str, Any] = {"result": "resolved", "statement": "已处置", "without_parts": ALONE}


async def begun(town: Town, lead: str = SECTION) -> str:
    """The path of an accusation of no unit so far, with this lead, who has signed."""
    receipt = await town.send("hotline-12345", town.call(orderType="举报"))
    path = f"events/{receipt['event_id']}"
    await town.act("dispatcher1", path, "dispatch", accused_units=[], unit=lead)
    order, unit = await town.lead(receipt["event_id"])
    await town.act(unit, order, "sign_for")
    return path


async def accuse(town: Town, path: str, *units: str, **body: Any) -> None:
    """A dispatcher says whom it accuses."""
    await town.act("dispatcher1", path, "correct", accused_units=list(units), **body)


async def order_of(town: Town, path: str, unit: str) -> Any:
    """A unit's newest order: state, cause of its end, its running clocks, whether it still has a part."""
    (row, *_) = await town.rows(
        "SELECT o.n, o.role, o.state, "
        "(SELECT t.data->>'cause' FROM timeline t WHERE t.event_id = o.event_id AND t.subject = 'work_order' "
        " AND t.subject_n = o.n ORDER BY t.n DESC LIMIT 1) AS cause, "
        "(SELECT count(*) FROM clock c WHERE c.event_id = o.event_id AND c.order_n = o.n AND c.state = 'running') "
        " AS running, "
        "(SELECT count(*) FROM event_participant p WHERE p.event_id = o.event_id AND p.org_id = o.unit_id "
        " AND p.role = o.role AND p.until IS NULL) AS parts "
        "FROM work_order o JOIN organization g ON g.id = o.unit_id WHERE o.event_id = :id AND g.code = :unit "
        "ORDER BY o.n DESC",
        id=UUID(path.removeprefix("events/")),
        unit=unit,
    )
    return row


async def is_out(town: Town, path: str, unit: str) -> None:
    """It has ended for them, and nothing of theirs runs on."""
    row = await order_of(town, path, unit)
    assert (row.state, row.cause, row.running, row.parts) == ("transferred", "accused", 0, 0), unit


async def test_helpers_of_every_role_go_while_the_lead_stays(town: Town) -> None:
    path = await begun(town)
    order, unit = await town.lead(path.removeprefix("events/"))
    await town.act("dispatcher1", order, "add_supporting", unit="D-MARKET", part="查处占道商户")
    await town.act(unit, order, "street_callout", units=["D-URBAN"], kind="key_task", words="明早到现场")
    before = await order_of(town, path, SECTION)
    await accuse(town, path, "D-MARKET", "D-URBAN")
    for accused in ("D-MARKET", "D-URBAN"):
        await is_out(town, path, accused)
    after = await order_of(town, path, SECTION)
    assert (after.n, after.state, after.running) == (before.n, "signed", before.running)
    shown = str(await town.get(unit, f"/{path}/timeline"))
    assert "accused" not in shown, "the lead does not learn whom it accuses"
    assert "'cause': 'accused'" in str(await town.get("dispatcher1", f"/{path}/timeline"))


async def test_an_accused_contractor_goes_from_under_its_unit(town: Town) -> None:
    path = await begun(town, "D-MUNI")
    event_id = path.removeprefix("events/")
    order, unit = await town.lead(event_id)
    await town.act(unit, order, "sub_dispatch", unit="CT-ROAD", limit="1 work_hour", part="修补路面")
    await accuse(town, path, "CT-ROAD", redispatch=False)
    await is_out(town, path, "CT-ROAD")
    assert (await town.lead(event_id))[1] == unit


@pytest.mark.parametrize("redispatch", [True, False])
async def test_a_ruling_does_not_keep_an_accused_helper(town: Town, redispatch: bool) -> None:
    path = await begun(town)
    await town.act("adjudicator1", path, "rule_jurisdiction", unit=SECTION, supporting=["D-MARKET"], **TEACHES)
    await accuse(town, path, "D-MARKET", redispatch=redispatch)
    await is_out(town, path, "D-MARKET")
    assert (await order_of(town, path, SECTION)).state == "signed", "the ruling binds as before"


@pytest.mark.parametrize("ruled", [True, False])
async def test_an_accused_lead_goes_also_when_nothing_is_routed_again(town: Town, ruled: bool) -> None:
    path = await begun(town, "D-GREEN")
    if ruled:
        await town.act("adjudicator1", path, "rule_jurisdiction", unit="D-GREEN", **TEACHES)
    await accuse(town, path, "D-GREEN", redispatch=False)
    await is_out(town, path, "D-GREEN")
    event = await town.event(path.removeprefix("events/"))
    assert (event.state, event.triage, event.lead_unit_id) == ("analyzing", "waits_for_dispatch", None)
    await town.act("dispatcher1", path, "dispatch")
    assert (await town.lead(path.removeprefix("events/")))[1] != user("D-GREEN")


async def test_who_leads_and_is_accused_is_followed_by_whom_the_rules_find(town: Town) -> None:
    path = await begun(town, "D-GREEN")
    await town.act("adjudicator1", path, "rule_jurisdiction", unit="D-GREEN", **TEACHES)
    await accuse(town, path, "D-GREEN")
    await is_out(town, path, "D-GREEN")
    assert (await town.lead(path.removeprefix("events/")))[1] == user(SECTION)


async def accused_part(town: Town) -> tuple[str, str]:
    """(event, part): the lead of the part has reported done, and is then accused on the event."""
    path = await begun(town)
    done = await town.act("dispatcher1", path, "split", parts=[{"item": LAMP, "unit": "D-MUNI"}])
    part = done["parts"][0]["event_id"]
    order, unit = await town.lead(part)
    await town.act("dispatcher1", order, "add_supporting", unit="D-MARKET", part="查处占道商户")
    await town.act(unit, order, "sign_for")
    await town.act(unit, order, "report_done", **DONE)
    assert (await town.event(part)).state == "verifying"
    await accuse(town, path, "D-MUNI", "D-MARKET")
    return path, f"events/{part}"


async def test_what_is_to_be_done_again_goes_to_a_person_not_to_the_accused(town: Town) -> None:
    _, part = await accused_part(town)
    assert (await order_of(town, part, "D-MUNI")).state == "reported_done", "what is done is done"
    await is_out(town, part, "D-MARKET")
    await town.act("dispatcher1", part, "send_back", reason="照明仍未恢复")
    await is_out(town, part, "D-MUNI")
    event = await town.event(part.removeprefix("events/"))
    assert (event.state, event.triage) == ("analyzing", "waits_for_dispatch")
    await town.act("dispatcher1", part, "dispatch", unit="D-URBAN")
    assert (await town.lead(part.removeprefix("events/")))[1] == "u-d-urban"


async def test_a_part_is_not_asked_of_an_accused_unit_again(town: Town) -> None:
    path = await begun(town)
    done = await town.act("dispatcher1", path, "split", parts=[{"item": LAMP, "unit": "D-MUNI"}])
    part = done["parts"][0]["event_id"]
    lead, muni = await town.lead(part)
    await town.act("dispatcher1", lead, "add_supporting", unit="D-MARKET", part="查处占道商户")
    helper = f"work-orders/{part}.{(await order_of(town, f'events/{part}', 'D-MARKET')).n}"
    await town.act("u-d-market", helper, "sign_for")
    await town.act("u-d-market", helper, "report_done", result="resolved", statement="已查处")
    await town.act(muni, lead, "sign_for")
    await town.act(muni, lead, "report_done", **DONE)
    await accuse(town, path, "D-MARKET")
    await town.act("dispatcher1", f"events/{part}", "send_back", reason="照明仍未恢复")
    assert (await town.lead(part))[1] == muni
    refused = await town.act("dispatcher1", helper, "send_back_part", 409, reason="商户又占道了")
    assert "被举报单位" in refused["detail"]
    assert "send_back_part" not in (await town.get("dispatcher1", f"/{helper}"))["allowed_actions"]
    assert (await order_of(town, f"events/{part}", "D-MARKET")).state == "reported_done"
