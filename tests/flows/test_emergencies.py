"""应急预案: while an emergency lasts limits stand still or others hold; never retroactively, and it ends when said."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core import releases
from app.core.database import transaction
from app.core.timing import MovableClock
from app.masters.consistency import Inconsistent
from app.masters.kinds import KINDS, key_of
from app.masters.publishing import publish
from tests.flows.test_recalculation import clocks, records, work
from tests.flows.town import WAGES, Town

FROM, UNTIL = "2026-03-10T08:00:00+08:00", "2026-03-12T18:00:00+08:00"


def line(**members: Any) -> dict[str, Any]:
    base = {"code": "flood", "name": "防汛", "reason": "暴雨红色预警", "effect": "pause", "clocks": "handling"}
    return base | {"from_at": FROM, "until_at": UNTIL} | members


async def declare(town: Town, *lines: dict[str, Any]) -> int:
    """Publishes the lines as all there are, and lets the worker do what follows; the release."""
    rows = [KINDS["emergencies"].model.model_validate(each) for each in lines]
    documents = {key_of(row): row.model_dump(mode="json") for row in rows}
    async with transaction(town.runtime.sessions) as session:
        jurisdiction_id = town.city.jurisdiction_id
        await releases.put_draft(session, jurisdiction_id, "emergencies", documents, complete=True, by="test")
        (release,) = await publish(session, jurisdiction_id, ["emergencies"], by="test")
    await work(town)
    return release.release_id


async def report(town: Town) -> str:
    return str((await town.send("hotline-12345", town.call(WAGES, cell=None)))["event_id"])


async def pauses(town: Town, event_id: str) -> list[tuple[str, datetime | None, datetime | None]]:
    """What was written about the handling clock: (cause, from, until)."""
    found = await town.rows(
        "SELECT d.cause, d.pause_from, d.pause_until FROM clock_due d JOIN clock c "
        "ON (c.event_id, c.n) = (d.event_id, d.clock_n) WHERE c.event_id = :id AND c.kind = 'handling' "
        "ORDER BY d.generation",
        id=UUID(event_id),
    )
    return [tuple(row) for row in found]


def until(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_open_clocks_stand_still_from_the_publication_on(town: Town) -> None:
    event_id = await report(town)
    before = await clocks(town, event_id)
    await declare(town, line())
    after = await clocks(town, event_id)
    published_at = town.at("2026-03-10 10:00")
    assert (await pauses(town, event_id))[1:] == [("paused", published_at, until(UNTIL))], "not from 08:00"
    assert after["handling"].due_at == before["handling"].due_at + timedelta(days=2)
    assert after["citizen_total"] == before["citizen_total"]
    assert after["first_contact"] == before["first_contact"]
    assert (await records(town, event_id, "handling"))[-1] == ("paused", "emergency")


async def test_a_clock_that_starts_meanwhile_stands_still_at_once(town: Town, clock: MovableClock) -> None:
    await declare(town, line())
    clock.advance(hours=3)
    event_id = await report(town)
    assert (await pauses(town, event_id))[1:] == [("paused", town.at("2026-03-10 13:00"), until(UNTIL))]
    clock.set(town.at("2026-03-13 09:00"))
    later_id = await report(town)
    assert len(await pauses(town, later_id)) == 1, "it is over"


async def test_an_emergency_that_begins_later_pauses_from_then_on(town: Town) -> None:
    event_id = await report(town)
    await declare(town, line(from_at="2026-03-11T00:00:00+08:00"))
    begins = until("2026-03-11T00:00:00+08:00")
    assert (await pauses(town, event_id))[1:] == [("paused", begins, until(UNTIL))]
    assert (await pauses(town, await report(town)))[1:] == [("paused", begins, until(UNTIL))]


async def test_ending_early_resumes_then_and_taking_the_line_away_now(town: Town, clock: MovableClock) -> None:
    event_id = await report(town)
    before = (await clocks(town, event_id))["handling"].due_at
    await declare(town, line(), line(code="other", clocks="signing"))
    clock.advance(hours=1)
    early = "2026-03-11T18:00:00+08:00"
    await declare(town, line(until_at=early), line(code="other", clocks="signing"))
    assert (await pauses(town, event_id))[2:] == [("resumed", None, until(early))]
    assert (await clocks(town, event_id))["handling"].due_at == before + timedelta(days=1)
    clock.advance(hours=1)
    await declare(town, line(code="other", clocks="signing"))
    assert (await pauses(town, event_id))[3:] == [("resumed", None, town.at("2026-03-10 12:00"))]
    assert (await clocks(town, event_id))["handling"].due_at == before


async def test_an_end_in_the_past_ends_it_now_and_never_before(town: Town, clock: MovableClock) -> None:
    event_id = await report(town)
    await declare(town, line())
    clock.advance(hours=4)
    await declare(town, line(until_at="2026-03-10T11:00:00+08:00"))
    assert (await pauses(town, event_id))[-1] == ("resumed", None, town.at("2026-03-10 14:00"))


async def test_it_can_last_longer_and_the_same_again_changes_nothing(town: Town, clock: MovableClock) -> None:
    event_id = await report(town)
    await declare(town, line())
    clock.advance(hours=1)
    later = "2026-03-13T18:00:00+08:00"
    await declare(town, line(until_at=later))
    assert (await pauses(town, event_id))[2:] == [("paused", until(UNTIL), until(later))]
    clock.advance(hours=1)
    await declare(town, line(until_at=later, reason="暴雨橙色预警"))
    assert len(await pauses(town, event_id)) == 3


async def test_the_citizens_total_stands_still_only_when_it_is_named(town: Town) -> None:
    event_id = await report(town)
    before = (await clocks(town, event_id))["citizen_total"]
    await declare(town, line(clocks=""))
    assert (await clocks(town, event_id))["citizen_total"] == before
    await declare(town, line(clocks="citizen_total"))
    assert (await clocks(town, event_id))["citizen_total"].due_at > before.due_at
    assert (await pauses(town, event_id))[-1] == ("resumed", None, town.at("2026-03-10 10:00"))


async def test_another_limit_holds_for_clocks_that_start_meanwhile_only(town: Town, clock: MovableClock) -> None:
    open_id = await report(town)
    before = await clocks(town, open_id)
    await declare(town, line(effect="limit", limit="3 natural_hour"))
    assert await clocks(town, open_id) == before
    clock.advance(hours=1)
    event_id = await report(town)
    handling = (await clocks(town, event_id))["handling"]
    assert (handling.limit_value, handling.limit_unit, handling.rule) == (3, "natural_hour", "emergency.flood")
    assert handling.due_at == town.at("2026-03-10 14:00")
    clock.set(until(UNTIL))
    assert (await clocks(town, await report(town)))["handling"].rule == before["handling"].rule


async def test_areas_and_domains_must_exist(town: Town) -> None:
    with pytest.raises(Inconsistent, match="2 处") as refused:
        await declare(town, line(area_codes="999999", domains="nothing"))
    assert {fault["path"] for fault in refused.value.extra["faults"]} == {"emergencies/areas", "emergencies/items"}
