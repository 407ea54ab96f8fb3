"""The checker of the dispatch catalogue over the API and on the screen, in force and with drafts."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import text

from app.commands.release_check import show_check
from app.core import releases
from app.core.database import transaction
from app.core.releases import NoDraft
from app.masters.consistency import Inconsistent
from app.masters.publishing import publish
from tests.flows.conftest import town as town
from tests.flows.town import Town

#: says of a thing that has a rule already who should have it instead
AGAIN = {"rule_no": "R9001", "lead_unit": "D-POLICE", "step": "statutory_department", "basis": "试验"}
WATER_COVER = {"standard_ref": "GB/T 47678.5-2026", "kind": "component", "code": "01001"}


async def lay_over(town: Town, kind: str, rows: dict[str, Any]) -> None:
    async with transaction(town.runtime.sessions) as session:
        await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=False, by="test")


async def looked_at(town: Town, expect: int = 200, **query: Any) -> Any:
    return await town.get("leader1", "/releases/check", expect, **query)


def kinds(told: Any) -> dict[str, Any]:
    return {kind["kind"]: kind for kind in told["kinds"]}


async def test_the_demo_city_has_no_errors(town: Town) -> None:
    told = await looked_at(town)
    assert told["errors"] == 0
    assert told["warnings"] == sum(kind["total"] for kind in told["kinds"])
    found = kinds(told)
    assert not found.keys() & {"gap", "closed_unit", "unknown", "unit_without_people", "cell_without_duty_grid"}
    assert all(len(kind["findings"]) <= 20 and kind["advice"] for kind in told["kinds"])


async def test_a_draft_is_checked_and_one_that_contradicts_itself_is_not_published(town: Town) -> None:
    await lay_over(town, "routing-rules", {"R9001": AGAIN | WATER_COVER})
    assert (await looked_at(town))["errors"] == 0
    told = await looked_at(town, draft=True)
    (finding,) = (each for each in kinds(told)["contradiction"]["findings"] if each["severity"] == "error")
    assert (finding["subject"], finding["others"]) == ("R9001", ["R0001"])
    assert told["errors"] == 1
    assert (await looked_at(town, draft=True, kind="routing-rules"))["errors"] == 1
    with pytest.raises(Inconsistent) as refused:
        async with transaction(town.runtime.sessions) as session:
            await publish(session, town.city.jurisdiction_id, by="test", unreviewed_because="试验")
    assert any("R9001" in fault["message"] for fault in refused.value.extra["faults"])


async def test_who_may_ask_and_what_for(town: Town) -> None:
    await town.get("callback1", "/releases/check", 403)
    assert (await looked_at(town, 422, draft=True, kind="emergencies"))["faults"][0]["path"] == "kind"
    assert "draft=true" in (await looked_at(town, 422, kind="routing-rules"))["detail"]
    assert (await looked_at(town, 409, draft=True, kind="routing-rules"))["code"] == "no_draft"


async def test_units_whose_people_have_gone_are_named(town: Town) -> None:
    async with transaction(town.runtime.sessions) as session:
        await session.execute(text("UPDATE user_account SET active = false WHERE username = 'u-city-water'"))
    (finding,) = kinds(await looked_at(town))["unit_without_people"]["findings"]
    assert finding["subject"] == "CITY-WATER"


async def test_the_screen_shows_a_table_for_each_kind_with_what_to_do(town: Town) -> None:
    out, err = Console(file=StringIO(), width=200), Console(file=StringIO())
    async with transaction(town.runtime.sessions) as session:
        assert await show_check(session, town.city.jurisdiction_id, (), out, err) == 0
        with pytest.raises(NoDraft):
            await show_check(session, town.city.jurisdiction_id, ["routing-rules"], out, err)
    await lay_over(town, "routing-rules", {"R9001": AGAIN | WATER_COVER})
    async with transaction(town.runtime.sessions) as session:
        assert await show_check(session, town.city.jurisdiction_id, None, out, err) == 1
    told = out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "规则相互矛盾" in told
    assert "办法：删去其中一条" in told
    assert "错误 1 处" in told
