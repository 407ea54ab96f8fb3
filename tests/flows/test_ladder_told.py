"""督办阶梯: who is told of a rung, who sees the event from then on, and who never does."""

from uuid import UUID

from sqlalchemy import text

from app.core.database import transaction
from app.core.timing import MovableClock
from tests.flows.ladders import SECTION, STREET, begin, names, publish_ladder, sweep, told
from tests.flows.town import RUBBISH, Town

MARKET = "u-d-market"


async def test_who_is_told_of_an_escalation_sees_the_event_from_then_on(town: Town, clock: MovableClock) -> None:
    await publish_ladder(
        town, {"rung": "near", "at": "80%", "to": "unit|parent"}, {"rung": "up", "at": "due", "to": "D-MARKET"}
    )
    event_id = await begin(town)
    clock.set(town.at("2026-03-10 15:50"))
    await sweep(town)
    assert sorted((await told(town, event_id))[0][1]) == [STREET, SECTION]
    await town.get(MARKET, f"/events/{event_id}", 404)
    clock.set(town.at("2026-03-10 16:01"))
    await sweep(town)
    assert ("up", ["D-MARKET"]) in await told(town, event_id)
    assert (await town.get(MARKET, f"/events/{event_id}"))["stand"] == "unit"
    assert event_id in str(await town.get(MARKET, "/events"))
    order, _ = await town.lead(event_id)
    await town.act(MARKET, order, "first_contact", 403, reached=True)
    assert await parts(town, event_id, SECTION, STREET, "D-MARKET") == {
        (SECTION, "lead"),
        (STREET, "supervising"),
        ("D-MARKET", "supervising"),
    }


async def parts(town: Town, event_id: str, *codes: str) -> set[tuple[str, str]]:
    """(organization, role) of these organizations' parts in the event."""
    found = await town.rows(
        "SELECT g.code, p.role FROM event_participant p JOIN organization g ON g.id = p.org_id "
        "WHERE p.event_id = :id AND g.code = ANY(:codes)",
        id=UUID(event_id),
        codes=list(codes),
    )
    return {tuple(row) for row in found}


async def notice_client(town: Town) -> int:
    """A client that carries notices."""
    async with transaction(town.runtime.sessions) as session:
        client_id = await session.scalar(
            text(
                "INSERT INTO machine_client (jurisdiction_id, code, name, channel, secret_hash) "
                "VALUES (:j, 'notices', 'notices', 'notices', 'no log-in') RETURNING id"
            ),
            {"j": town.city.jurisdiction_id},
        )
    return int(client_id or 0)


async def test_an_accused_unit_is_told_of_nothing_and_admitted_to_nothing(town: Town, clock: MovableClock) -> None:
    await notice_client(town)
    await publish_ladder(
        town, {"rung": "up", "at": "due", "to": "D-URBAN|D-MARKET"}, {"rung": "alone", "at": "50%", "to": "D-URBAN"}
    )
    sent = town.call(RUBBISH, orderType="举报", accusedUnit="某某科室", content="举报有人偷倒垃圾")
    event_id = (await town.send("hotline-12345", sent))["event_id"]
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit=SECTION, accused_units=["D-URBAN"])
    clock.set(town.at("2026-03-20 16:00"))
    await sweep(town)
    assert ("alone", []) in await told(town, event_id)
    assert ("up", ["D-MARKET"]) in await told(town, event_id)
    assert await parts(town, event_id, "D-URBAN") == set()
    await town.get("u-d-urban", f"/events/{event_id}", 404)
    notices = [kind for kind, _ in await town.deliveries(event_id)].count("notice")
    assert notices == len([to for _, to in await told(town, event_id) if to]), "and none to nobody"


async def test_while_nobody_knows_whom_it_accuses_only_who_handles_it_is_told(town: Town, clock: MovableClock) -> None:
    await publish_ladder(
        town,
        {"rung": "wait", "clock": "acceptance", "at": "due", "to": "desk|D-URBAN"},
        {"rung": "up", "at": "due", "to": "unit|parent|desk|D-URBAN"},
    )
    sent = town.call(RUBBISH, orderType="举报", accusedUnit="某某科室", content="举报有人偷倒垃圾")
    event_id = (await town.send("hotline-12345", sent))["event_id"]
    clock.set(town.at("2026-03-10 16:00"))
    await sweep(town)
    assert await names(town, event_id, "acceptance") == ["wait", "due"]
    assert await parts(town, event_id, "D-URBAN", "DESK-320102") == set()
    await town.act("dispatcher1", f"events/{event_id}", "dispatch", unit=SECTION)
    assert (await town.event(event_id)).accused_org_ids == []
    clock.set(town.at("2026-03-20 16:00"))
    await sweep(town)
    assert {tuple(to) for _, to in await told(town, event_id)} == {(SECTION,)}
    assert await parts(town, event_id, STREET, "D-URBAN", "DESK-320102") == set()


async def test_notices_go_to_who_carries_them_once_for_each_rung(town: Town, clock: MovableClock) -> None:
    client_id = await notice_client(town)
    event_id = await begin(town)
    clock.set(town.at("2026-03-10 15:50"))
    await sweep(town)
    await town.deliver()
    found = await town.rows(
        "SELECT destination_id, report_id, state FROM delivery WHERE lane_id = :id AND kind = 'notice'",
        id=UUID(event_id),
    )
    assert len(found) == len(await told(town, event_id)) > 0
    assert {tuple(row) for row in found} == {(client_id, None, "delivered")}
