"""Releases, their cache and the loading of people, on a real database."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

import app
from app.accounts.passwords import Passwords
from app.accounts.rows import UserRow
from app.accounts.tables import Organization, Seat, UserAccount
from app.core import releases
from app.core.errors import Malformed, NotFound
from app.core.releases import NoDraft, digest_of
from app.core.tables import Jurisdiction, Release, ReleaseRow
from app.items.tables import Item
from app.masters import MastersCache
from app.masters.consistency import Inconsistent
from app.masters.publishing import publish, read_folder
from app.masters.users import NotPublishedYet, load_city, put_users

DEMO_CITY = Path(app.__file__).parent / "demo_city"
PASSWORDS = Passwords(time_cost=1, memory_kib=8, parallelism=1)
KIND = "things"

Rows = Mapping[str, dict[str, Any]]


async def put(
    session: AsyncSession, jurisdiction_id: int, rows: Rows, *, complete: bool = True
) -> releases.DraftOutcome:
    return await releases.put_draft(session, jurisdiction_id, KIND, rows, complete=complete, by="test")


async def vector(session: AsyncSession, jurisdiction_id: int) -> dict[str, int]:
    found = await session.scalar(select(Jurisdiction.release_vector).where(Jurisdiction.id == jurisdiction_id))
    assert found is not None
    return found


async def test_a_draft_is_seen_then_published_and_its_predecessor_retired(
    session: AsyncSession, jurisdiction_id: int
) -> None:
    first = await put(session, jurisdiction_id, {"a": {"v": 1}, "b": {"v": 1}})
    assert (first.added, first.changed, first.removed, first.unchanged) == (2, 0, 0, 0)
    (published,) = await releases.publish(session, jurisdiction_id, by="test")
    assert published.previous_id is None

    second = await put(session, jurisdiction_id, {"b": {"v": 2}, "c": {"v": 1}})
    assert (second.added, second.changed, second.removed, second.unchanged) == (1, 1, 1, 0)
    assert second.draft is not None
    assert [(d.key, d.before, d.after) for d in await releases.diff(session, second.draft)] == [
        ("a", {"v": 1}, None),
        ("b", {"v": 1}, {"v": 2}),
        ("c", None, {"v": 1}),
    ]
    assert (await vector(session, jurisdiction_id))[KIND] == published.release_id  # a draft decides nothing

    (replaced,) = await releases.publish(session, jurisdiction_id, [KIND], by="test", mode={KIND: "re_decide_open"})
    assert (replaced.previous_id, replaced.number, replaced.mode) == (
        published.release_id,
        2,
        "re_decide_open",
    )
    assert (await vector(session, jurisdiction_id))[KIND] == replaced.release_id
    statuses = await session.execute(
        select(Release.number, Release.status).where(Release.kind == KIND).order_by(Release.number)
    )
    assert [tuple(row) for row in statuses] == [(1, "retired"), (2, "published")]
    # the retired one is still there for decisions that were made under it
    assert await releases.rows_of(session, published.release_id) == {"a": {"v": 1}, "b": {"v": 1}}


async def test_a_patch_changes_what_it_names_and_a_second_one_keeps_the_first(
    session: AsyncSession, jurisdiction_id: int
) -> None:
    await put(session, jurisdiction_id, {"a": {"v": 1}, "b": {"v": 1}})
    await releases.publish(session, jurisdiction_id, by="test")
    await put(session, jurisdiction_id, {"a": {"v": 2}}, complete=False)
    outcome = await put(session, jurisdiction_id, {"c": {"v": 1}}, complete=False)
    assert (outcome.added, outcome.changed, outcome.removed, outcome.unchanged) == (1, 1, 0, 1)
    assert outcome.draft is not None
    assert outcome.draft.number == 2
    assert await releases.rows_of(session, outcome.draft.id) == {"a": {"v": 2}, "b": {"v": 1}, "c": {"v": 1}}


async def test_content_that_is_published_already_leaves_no_draft(session: AsyncSession, jurisdiction_id: int) -> None:
    rows = {"a": {"v": 1.5, "w": ["x"]}, "b": {"v": None}}
    await put(session, jurisdiction_id, rows)
    await releases.publish(session, jurisdiction_id, by="test")
    await put(session, jurisdiction_id, {"a": {"v": 9}}, complete=False)
    # back to what is in force: the draft before it goes too
    outcome = await put(session, jurisdiction_id, {"b": {"v": None}, "a": {"w": ["x"], "v": 1.5}})
    assert outcome.nothing_changed
    assert outcome.unchanged == 2
    assert await releases.draft_of(session, jurisdiction_id, KIND) is None
    # the same by way of a patch, whose other rows come back from the database
    assert (await put(session, jurisdiction_id, {"b": {"v": None}}, complete=False)).nothing_changed


async def test_earlier_content_is_recognised(session: AsyncSession, jurisdiction_id: int) -> None:
    for value in (1, 2):
        await put(session, jurisdiction_id, {"a": {"v": value}})
        await releases.publish(session, jurisdiction_id, by="test")
    found = await releases.ever_published(session, jurisdiction_id, KIND, digest_of({"a": {"v": 1}}))
    assert found is not None
    assert (found.number, found.status) == (1, "retired")
    assert await releases.ever_published(session, jurisdiction_id, KIND, digest_of({"a": {"v": 3}})) is None


async def test_what_is_not_there_cannot_be_published(session: AsyncSession, jurisdiction_id: int) -> None:
    with pytest.raises(NoDraft, match="items"):
        await publish(session, jurisdiction_id, ["items"], by="test")
    assert await publish(session, jurisdiction_id, by="test") == []
    with pytest.raises(NotFound):
        await put(session, 32_000, {"a": {}})


async def test_forty_thousand_rows_take_a_few_seconds(session: AsyncSession, jurisdiction_id: int) -> None:
    ring = [
        [118.7965344, 32.0507955],
        [118.7975919, 32.0507481],
        [118.7974314, 32.0517029],
        [118.7965344, 32.0507955],
    ]
    rows = {
        f"{n:015}": {"cell_id": f"{n:015}", "community_code": "320102002001", "polygon": [ring]} for n in range(40_000)
    }
    began = perf_counter()
    outcome = await put(session, jurisdiction_id, rows)
    assert outcome.draft is not None
    await releases.publish(session, jurisdiction_id, by="test")
    assert (await put(session, jurisdiction_id, {"x": {}}, complete=False)).unchanged == 40_000
    assert perf_counter() - began < 15
    count = select(func.count()).where(ReleaseRow.release_id == outcome.draft.id)
    assert await session.scalar(count) == 40_000


async def test_a_whole_city_is_loaded_once_and_again_without_effect(
    session: AsyncSession, jurisdiction_id: int
) -> None:
    files = read_folder(DEMO_CITY)
    first = await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    assert first is not None
    assert first.created == len(files["users"].rows)
    before = await vector(session, jurisdiction_id)
    assert before.keys() == files.keys() - {"users"}
    again = await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    assert again is not None
    assert (again.created, again.updated, again.seats_begun, again.seats_ended) == (0, 0, 0, 0)
    assert await vector(session, jurisdiction_id) == before
    assert await session.scalar(
        select(func.count()).select_from(Item).where(Item.jurisdiction_id == jurisdiction_id)
    ) == len(files["items"].rows)


async def test_masters_are_built_once_and_only_what_changed_is_built_anew(
    session: AsyncSession, jurisdiction_id: int
) -> None:
    await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    cache = MastersCache()
    masters = await cache.get(session, jurisdiction_id)
    key = masters.items.items[0].key
    assert masters.item_keys[masters.item_ids[key]] == key
    assert masters.router.count == len(read_folder(DEMO_CITY)["routing-rules"].rows)
    desk = next(row for row in masters.organizations.rows if row.org_type == "coordination_desk")
    assert masters.organizations.by_id(masters.organizations.id_of(desk.code) or 0) == desk

    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    connection = (await session.connection()).sync_connection
    event.listen(connection, "before_cursor_execute", note)
    assert await cache.get(session, jurisdiction_id) is masters
    event.remove(connection, "before_cursor_execute", note)
    assert len(statements) == 1

    row = {"key": "sign_limit", "value": "3 work_hour", "source": "test"}
    await releases.put_draft(session, jurisdiction_id, "policies", {"sign_limit": row}, complete=False, by="test")
    await publish(session, jurisdiction_id, by="test", unreviewed_because="测试")
    changed = await cache.get(session, jurisdiction_id)
    assert (masters.policies.sign_limit, changed.policies.sign_limit) == ("2 work_hour", "3 work_hour")
    assert changed.classifier is masters.classifier
    assert changed.places is masters.places
    # a request that began under the old vector still decides by it
    assert await cache.at(session, jurisdiction_id, masters.vector) is masters
    with pytest.raises(NotFound):
        await cache.at(session, jurisdiction_id, {**masters.vector, "items": 2**40})


async def test_masters_of_a_bare_jurisdiction_are_empty(session: AsyncSession, jurisdiction_id: int) -> None:
    masters = await MastersCache().get(session, jurisdiction_id)
    assert not masters.vector
    assert masters.policies.calendar == "cn"
    assert masters.classifier.classify_many(["路灯不亮"])[0].abstained


async def test_inconsistent_drafts_are_refused_whole(session: AsyncSession, jurisdiction_id: int) -> None:
    files = read_folder(DEMO_CITY)
    for kind in ("organizations", "routing-rules"):
        await releases.put_draft(session, jurisdiction_id, kind, files[kind].documents, complete=True, by="test")
    bad = {"rule_no": "X", "lead_unit": "NOBODY", "step": "territorial", "basis": "无"}
    await releases.put_draft(session, jurisdiction_id, "routing-rules", {"X": bad}, complete=False, by="test")
    with pytest.raises(Inconsistent) as caught:
        await publish(session, jurisdiction_id, by="test")
    assert "NOBODY" in caught.value.extra["faults"][0]["message"]
    assert await vector(session, jurisdiction_id) == {}
    organizations = select(func.count()).select_from(Organization)
    assert await session.scalar(organizations.where(Organization.jurisdiction_id == jurisdiction_id)) == 0


def user(seats: str, **members: Any) -> UserRow:
    row = {"username": "somebody", "display_name": "一号", "org_code": "DESK-320102", "seats": seats}
    return UserRow.model_validate(row | members)


async def test_people_need_published_units(session: AsyncSession, jurisdiction_id: int) -> None:
    with pytest.raises(NotPublishedYet):
        await put_users(session, jurisdiction_id, [user("")], passwords=PASSWORDS)


async def test_seats_are_ended_and_never_deleted(session: AsyncSession, jurisdiction_id: int) -> None:
    await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    seats = "dispatcher@320102|unit_liaison@DESK-320102|supervisor"
    await put_users(session, jurisdiction_id, [user(seats)], passwords=PASSWORDS)
    outcome = await put_users(
        session, jurisdiction_id, [user("dispatcher@320102", display_name="二号")], passwords=PASSWORDS
    )
    assert (outcome.created, outcome.updated, outcome.seats_begun, outcome.seats_ended) == (0, 1, 0, 2)
    person = select(UserAccount.id).where(UserAccount.username == "somebody").scalar_subquery()
    held = await session.execute(
        select(Seat.role, Seat.scope_area, Seat.scope_org_id.is_not(None), Seat.until.is_(None))
        .where(Seat.user_id == person)
        .order_by(Seat.role)
    )
    assert [tuple(row) for row in held] == [
        ("dispatcher", "320102", False, True),
        ("supervisor", None, False, False),
        ("unit_liaison", None, True, False),
    ]
    # coming back is a new seat beside the old one
    again = await put_users(session, jurisdiction_id, [user(seats, display_name="二号")], passwords=PASSWORDS)
    assert (again.updated, again.unchanged, again.seats_begun) == (0, 1, 2)


async def test_a_password_is_set_once_and_never_by_a_file_again(session: AsyncSession, jurisdiction_id: int) -> None:
    await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    stored = select(UserAccount.password_hash).where(UserAccount.username == "somebody")
    await put_users(session, jurisdiction_id, [user("")], passwords=PASSWORDS)
    assert await session.scalar(stored) is None
    given = [user("", password="first-of-all-42")]
    assert (await put_users(session, jurisdiction_id, given, passwords=PASSWORDS)).passwords_set == 1
    first = await session.scalar(stored)
    assert (await PASSWORDS.verify("first-of-all-42", first))[0]
    other = [user("", password="quite-another-42")]
    assert (await put_users(session, jurisdiction_id, other, passwords=PASSWORDS)).passwords_set == 0
    assert await session.scalar(stored) == first


async def test_one_wrong_person_keeps_all_out(session: AsyncSession, jurisdiction_id: int) -> None:
    await load_city(session, jurisdiction_id, DEMO_CITY, by="test", passwords=PASSWORDS)
    rows = [
        user("operator@320102"),
        user("operator@999999", username="two", org_code="NOBODY", password="short"),
    ]
    with pytest.raises(Malformed) as caught:
        await put_users(session, jurisdiction_id, rows, passwords=PASSWORDS)
    assert [fault["path"] for fault in caught.value.extra["faults"]] == ["two"] * 3
    assert await session.scalar(select(UserAccount.id).where(UserAccount.username == "somebody")) is None
