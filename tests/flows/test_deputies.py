"""代理: the deputy acts in the other's seats, in their own name, for a time; two names are no second pair of eyes."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.deputies import same_hands
from app.core.database import transaction
from app.core.timing import MovableClock
from tests.conftest import City
from tests.flows.leavers import LIAISON, SECTION, Held, colleagues, deputise, load, user_id
from tests.flows.limits_at_work import ENGINEERING, AtWork, seat
from tests.flows.town import Town

UNTIL = "2026-03-20 18:00"


@pytest.fixture
async def people(town: Town) -> None:
    """``first`` and ``second`` in the section, ``spare`` beside them without any seat."""
    await colleagues(town)
    await load(town, ("spare", SECTION, ""))


def later(town: Town, clock: MovableClock, moment: str) -> None:
    """Moves the time; a token lasts hours, not days."""
    clock.set(town.at(moment))
    town._tokens.clear()


async def rows_of(town: Town, event_id: str, act: str) -> list[Any]:
    return await town.rows(
        "SELECT actor_id, actor_role, actor_org_id, data FROM timeline WHERE event_id = :id AND act = :act ORDER BY n",
        id=UUID(event_id),
        act=act,
    )


async def test_a_deputy_acts_in_their_own_name_in_the_other_s_seat(
    town: Town, people: None, clock: MovableClock
) -> None:
    one = await Held.begin(town)
    await town.act("spare", one.order, "sign_for", 404)
    named = await deputise(town, "first", "spare", UNTIL)
    assert [(d["username"], d["until_at"]) for d in named["deputies"]] == [("spare", "2026-03-20T18:00:00+08:00")]
    me = await town.get("spare", "/me")
    assert me["seats"] == [{"role": "handler", "area": None, "organization": SECTION, "lent_by": "first"}]
    assert [d["username"] for d in me["stands_in_for"]] == ["first"]
    await town.act("spare", one.order, "sign_for")
    (row,) = await rows_of(town, one.event_id, "sign_for")
    assert (row.actor_id, row.actor_role) == (str(await user_id(town, "spare")), "handler")
    assert row.data["deputy_for"] == str(await user_id(town, "first"))
    # the last moment counts not: until then, not until it is over
    later(town, clock, UNTIL)
    await town.act("spare", one.order, "start", 404)
    assert (await town.get("spare", "/me"))["seats"] == []


async def test_no_mark_where_the_seat_is_their_own_too(town: Town, people: None) -> None:
    one = await Held.begin(town)
    await deputise(town, "first", "second", UNTIL)
    await town.act("second", one.order, "sign_for")
    (row,) = await rows_of(town, one.event_id, "sign_for")
    assert "deputy_for" not in row.data


async def test_a_deputy_named_for_later_begins_later_and_ends_when_it_is_ended(
    town: Town, people: None, clock: MovableClock
) -> None:
    one = await Held.begin(town)
    period = {"since_at": town.at("2026-03-11 09:00").isoformat(), "until_at": town.at(UNTIL).isoformat()}
    await town.act("first", "users/first", "name-deputy", deputy="spare", **period)
    await town.act("spare", one.order, "sign_for", 404)
    later(town, clock, "2026-03-11 09:00")
    await town.act("spare", one.order, "sign_for")
    ended = await town.act("first", "users/first", "end-deputy", deputy="spare")
    assert (ended["deputies"], ended["repeated"]) == ([], False)
    await town.act("spare", one.order, "start", 404)
    assert (await town.act("first", "users/first", "end-deputy", deputy="spare"))["repeated"]
    (row,) = await town.rows("SELECT since_at, until_at, given_by FROM deputy")
    assert (row.until_at, row.given_by) == (town.at("2026-03-11 09:00"), "first")


async def test_what_is_ended_before_it_begins_never_begins(town: Town, people: None, clock: MovableClock) -> None:
    one = await Held.begin(town)
    period = {"since_at": town.at("2026-03-11 09:00").isoformat(), "until_at": town.at(UNTIL).isoformat()}
    await town.act("first", "users/first", "name-deputy", deputy="spare", **period)
    await town.act("first", "users/first", "end-deputy", deputy="spare")
    later(town, clock, "2026-03-11 09:00")
    await town.act("spare", one.order, "sign_for", 404)


async def test_a_deputy_s_deputy_gets_nothing_of_it(town: Town, people: None) -> None:
    one = await Held.begin(town)
    await load(town, ("spare2", SECTION, ""))
    await deputise(town, LIAISON, "second", UNTIL)
    await deputise(town, "second", "spare", UNTIL)
    me = await town.get("spare", "/me")
    assert [(seat["role"], seat["lent_by"]) for seat in me["seats"]] == [("handler", "second")]
    body = {"deputy": "spare2", "until_at": town.at(UNTIL).isoformat()}
    # ``second`` sees the liaison's people, yet names nobody in the liaison's seat
    await town.act("second", "users/first", "name-deputy", 403, **body)
    await town.act("second", f"users/{LIAISON}", "name-deputy", 403, **body)
    # but hands over what a leaver holds, as the liaison would
    assert (await town.act("second", "users/first", "relieve", to="second"))["moved"] == 1
    (row,) = await rows_of(town, one.event_id, "reassigned")
    assert row.data["deputy_for"] == str(await user_id(town, LIAISON))


@pytest.mark.parametrize(
    ("username", "deputy", "until", "told"),
    [
        ("first", "first", UNTIL, "不能由本人代理本人。"),
        ("first", "u-d-market", UNTIL, "代理人须在同一单位，或其上级、下级单位。"),
        ("first", "second", "2026-06-20 10:00", "代理一次最长 90 天；离岗更久的请交接工单。"),
        ("first", "second", "2026-03-10 10:00", "代理的截止时间须晚于开始时间和现在。"),
        ("spare", "second", UNTIL, "spare 没有可以代理的席位（系统、安全、审计管理员的席位不能代理）。"),
        ("secadmin", "operator1", UNTIL, "secadmin 没有可以代理的席位（系统、安全、审计管理员的席位不能代理）。"),
        ("operator1", "sysadmin", UNTIL, "系统、安全、审计管理员不能代理业务席位。"),
    ],
)
async def test_who_cannot_be_a_deputy(
    town: Town, people: None, username: str, deputy: str, until: str, told: str
) -> None:
    refused = await deputise(town, username, deputy, until, 422)
    assert refused["detail"] == told


async def test_an_administrator_s_seat_is_not_lent_with_the_others(town: Town, people: None) -> None:
    await seat(town, "operator1", "system_administrator")
    await deputise(town, "operator1", "operator2", UNTIL)
    me = await town.get("operator2", "/me")
    assert [seat["role"] for seat in me["seats"] if seat["lent_by"]] == ["operator"]
    await town.get("operator2", "/clients", 403)


async def test_who_may_name_a_deputy(town: Town, people: None) -> None:
    body = {"deputy": "second", "until_at": town.at(UNTIL).isoformat()}
    await town.act("second", "users/first", "name-deputy", 404, **body)
    await town.act("u-d-market", "users/first", "name-deputy", 404, **body)
    first = await town.act(LIAISON, "users/first", "name-deputy", **body)
    assert (await town.act("sysadmin", "users/first", "name-deputy", **body)) == first | {"repeated": True}
    other = body | {"until_at": town.at("2026-03-25 18:00").isoformat()}
    await town.act(LIAISON, "users/first", "name-deputy", 409, **other)
    for wrong in ({"until_at": "2026-03-20T18:00:00"}, {"since_at": town.at("2026-03-01 09:00").isoformat()}):
        await town.act(LIAISON, "users/first", "name-deputy", 422, **body | wrong)


async def test_a_liaison_has_no_say_over_the_seats_at_the_desks(town: Town, people: None) -> None:
    body = {"until_at": town.at(UNTIL).isoformat()}
    above = "u-c-320100"
    for person, deputy in (("adjudicator1", above), ("adjudicator1", "operator1"), ("u-desk-320102", "operator1")):
        await town.act(above, f"users/{person}", "name-deputy", 403, deputy=deputy, **body)
    # nor over a seat in another unit, though the person is theirs
    await load(town, ("lent", SECTION, f"handler@{SECTION}|handler@D-MARKET"))
    await town.act(LIAISON, "users/lent", "name-deputy", 403, deputy="second", **body)
    await town.act("lent", "users/lent", "name-deputy", deputy="second", **body)
    await town.act(LIAISON, "users/lent", "end-deputy", 403, deputy="second")


async def test_a_shift_leader_arranges_for_the_desks_of_their_area(town: Town, people: None) -> None:
    body = {"until_at": town.at(UNTIL).isoformat()}
    named = await town.act("leader1", "users/operator1", "name-deputy", deputy="operator2", **body)
    assert [one["username"] for one in named["deputies"]] == ["operator2"]
    await town.act("leader1", "users/operator1", "end-deputy", deputy="operator2")
    # who has a seat in a unit besides is not theirs alone
    await town.act("leader1", "users/u-desk-320102", "name-deputy", 403, deputy="operator2", **body)
    await town.act("sysadmin", "users/u-desk-320102", "name-deputy", deputy="operator2", **body)


@pytest.mark.parametrize(("asker", "person"), [("leader1", "adjudicator1"), (LIAISON, "first")])
async def test_nobody_takes_another_s_seats_for_themselves(town: Town, people: None, asker: str, person: str) -> None:
    body = {"deputy": asker, "until_at": town.at(UNTIL).isoformat()}
    refused = await town.act(asker, f"users/{person}", "name-deputy", 403, **body)
    assert refused["detail"] == "不能指定自己代理他人；须由其本人或系统管理员指定。"
    await town.act(person, f"users/{person}", "name-deputy", **body)


async def test_nobody_inspects_what_the_one_they_stand_in_for_handled(town: Town, clock: MovableClock) -> None:
    # both in the inspection team, so that only who handled it stands in the way
    team = "INSPECT-320102"
    await load(town, ("walker", team, f"handler@{SECTION}"), ("looker", team, "collector@320102"))
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    order, _ = await town.lead(event_id)
    await town.act("walker", order, "sign_for")
    await town.act("walker", order, "start")
    await town.act("walker", order, "report_done", result="resolved", statement="已处置", without_parts="协办另行办理")
    await deputise(town, "walker", "looker", UNTIL)
    refused = await town.act("looker", f"events/{event_id}", "claim_inspection", 403)
    assert "被代理人" in refused["detail"]
    later(town, clock, UNTIL)
    await town.act("looker", f"events/{event_id}", "claim_inspection")
    # named once more after the claim: the decision is refused as the claim was
    await deputise(town, "walker", "looker", "2026-03-25 18:00")
    await town.act("looker", f"events/{event_id}", "pass_inspection", 403)
    await town.act("looker", f"events/{event_id}", "release_inspection")
    await town.act("collector1", f"events/{event_id}", "claim_inspection")


async def test_nobody_inspects_what_their_deputy_handled_for_them(town: Town) -> None:
    team = "INSPECT-320102"
    await load(
        town,
        ("walker", team, f"handler@{SECTION}|collector@320102"),
        ("spare", team, ""),
    )
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    await deputise(town, "walker", "spare", UNTIL)
    order, _ = await town.lead(event_id)
    await town.act("spare", order, "sign_for")
    await town.act("spare", order, "report_done", result="resolved", statement="已处置", without_parts="协办另行办理")
    await town.act("walker", f"events/{event_id}", "claim_inspection", 403)
    await town.act("collector1", f"events/{event_id}", "claim_inspection")


async def test_two_names_do_not_agree_twice(town: Town, clock: MovableClock) -> None:
    work = await AtWork.begin(town, clock)
    await work.by_unit("request_extension", more=4, **ENGINEERING)
    await deputise(town, "dispatcher1", "leader1", UNTIL)
    await work.by("leader1", "approve_extension")
    (granted,) = await rows_of(town, work.event_id, "extension_reviewed")
    assert granted.data["deputy_for"] == str(await user_id(town, "dispatcher1"))
    assert "approve_extension" not in await work.allowed("leader1")
    # the one for whom it was agreed is no second person either, whatever seat they have
    await seat(town, "dispatcher1", "shift_leader")
    refused = await work.by("dispatcher1", "approve_extension", 403)
    assert "须由另一人审批" in refused["detail"]
    await work.by("leader2", "approve_extension")


async def test_a_deputy_of_the_asking_unit_does_not_decide(town: Town, clock: MovableClock) -> None:
    work = await AtWork.begin(town, clock)
    await load(town, ("lent", "C-320102", f"handler@{SECTION}"))
    await work.by_unit("request_extension", more=2, **ENGINEERING)
    assert "approve_extension" in await work.allowed("dispatcher1")
    await deputise(town, "lent", "dispatcher1", UNTIL)
    assert "approve_extension" not in await work.allowed("dispatcher1")
    refused = await work.by("dispatcher1", "approve_extension", 403)
    assert "您属于提出申请的单位" in refused["detail"]


async def test_an_accused_unit_s_deputy_sees_no_more_than_it(town: Town, people: None) -> None:
    receipt = await town.send(
        "hotline-12345", town.call(orderType="举报", accusedUnit="玄武区城市管理局", content="举报城管局吃拿卡要")
    )
    await load(town, ("urban", "D-URBAN", "handler@D-URBAN"), ("sanit", "CT-SANIT", "collector@320102"))
    await deputise(town, "urban", "sanit", UNTIL)
    await town.get("sanit", f"/events/{receipt['event_id']}", 404)


async def test_one_pair_of_hands(town: Town, city: City, people: None, clock: MovableClock) -> None:
    async def hands(username: str) -> frozenset[str]:
        async with town.runtime.sessions() as session:
            return await same_hands(session, city.jurisdiction_id, username)

    assert await hands("first") == {"first"}
    await deputise(town, "first", "second", UNTIL)
    await deputise(town, "second", "spare", UNTIL)
    assert await hands("first") == {"first", "second"}
    assert await hands("second") == {"first", "second", "spare"}
    later(town, clock, UNTIL)
    assert await hands("second") == {"second"}


async def test_lent_seats_are_found_by_their_index(town: Town) -> None:
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text(
                "INSERT INTO deputy (user_id, deputy_id, since_at, until_at, given_at, given_by) "
                "SELECT a.id, b.id, '2026-01-01', '2026-02-01', '2026-01-01', 'x' FROM user_account a, user_account b "
                "WHERE a.id <> b.id"
            )
        )
        await session.execute(text("ANALYZE deputy"))
        plan = await session.scalars(
            text(
                "EXPLAIN SELECT user_id FROM deputy WHERE deputy_id = '01890000-0000-7000-8000-000000000000' "
                "AND until_at > '2026-03-10' AND since_at <= '2026-03-10'"
            )
        )
        assert "ix_deputy" in "\n".join(plan)
