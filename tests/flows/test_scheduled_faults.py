"""定时发布与回退, where something goes wrong: nothing vanishes or comes by halves, nothing old unexplained."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core import jobs
from app.core.database import transaction
from app.core.timing import MovableClock, now
from app.masters import scheduling
from app.masters.consistency import Inconsistent
from app.masters.kinds import KINDS
from app.masters.publishing import NotReviewed, ReasonNeeded, publish, roll_back
from tests.flows.test_release_review import (
    RULES,
    back,
    draft,
    in_force,
    limit,
    present,
    publishing,
    review,
    rule,
    scheduled,
    told,
    worker,
)
from tests.flows.town import Town


async def spoil(town: Town, kind: str, status: str) -> None:
    """A row of this release is none that the program can read."""
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text("UPDATE release_row SET body = body || '{\"of_a_later_edition\": 1}' WHERE (release_id, key) = "
                 "(SELECT r.id, min(w.key) FROM release r JOIN release_row w ON w.release_id = r.id "
                 "WHERE r.kind = :kind AND r.status = :status GROUP BY r.id)"),
            {"kind": kind, "status": status},
        )  # fmt: skip


async def test_rows_that_cannot_be_read_keep_a_scheduled_draft_back_with_its_fault(
    town: Town, clock: MovableClock
) -> None:
    await draft(town, RULES, rule())
    await review(town, RULES)
    await scheduled(town, RULES)
    await spoil(town, RULES, "reviewed")
    clock.advance(hours=1)
    await worker(town)
    left = await present(town, RULES)
    assert (left.status, left.publish_at, (await in_force(town, RULES)).number) == ("reviewed", None, 1)
    assert "没有这个字段" in await told(town)
    with pytest.raises(Inconsistent) as refused:
        await publishing(town, RULES)
    assert refused.value.extra["faults"][0]["path"].startswith(RULES)


async def test_a_job_that_died_of_something_unforeseen_is_told(
    town: Town, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise TimeoutError("nobody answered")

    await draft(town, RULES, rule())
    await review(town, RULES)
    await scheduled(town, RULES)
    monkeypatch.setattr(scheduling, "publish", broken)
    clock.advance(hours=1)
    await worker(town)
    assert "定时发布未成：TimeoutError" in await told(town), "already while it is tried again"
    for _ in range(jobs.MAX_ATTEMPTS):
        clock.advance(hours=2)
        await worker(town)
    [job] = await town.rows("SELECT state FROM job WHERE kind = 'publish_release'")
    assert job.state == "dead"
    assert (await present(town, RULES)).publish_at is not None
    assert "定时发布未成：TimeoutError" in await told(town)
    monkeypatch.undo()
    await scheduled(town, RULES)
    assert "TimeoutError" not in await told(town), "it waits for another moment"


async def test_what_was_to_come_together_does_not_come_one_by_one(town: Town, clock: MovableClock) -> None:
    for kind, rows in ((RULES, rule()), ("policies", limit("3 work_hour"))):
        await draft(town, kind, rows)
        await review(town, kind)
    await scheduled(town, RULES, "policies")
    async with transaction(town.runtime.sessions) as session:
        [done] = await publish(session, town.city.jurisdiction_id, [RULES], by="丙")
    assert done.left_behind == ("policies",)
    clock.advance(hours=2)
    await worker(town)
    left = await present(town, "policies")
    assert (left.status, left.publish_at, left.published_by) == ("reviewed", None, None)
    assert (await in_force(town, "policies")).number == 1


async def test_a_draft_that_waits_for_nothing_takes_nobodys_moment(town: Town) -> None:
    for kind, rows in ((RULES, rule()), ("policies", limit("3 work_hour"))):
        await draft(town, kind, rows)
        await review(town, kind)
    await scheduled(town, "policies")
    async with transaction(town.runtime.sessions) as session:
        [done] = await publish(session, town.city.jurisdiction_id, [RULES], by="丙")
    assert done.left_behind == ()
    assert (await present(town, "policies")).publish_at == now() + timedelta(hours=1)


async def test_an_edition_from_before_the_last_one_needs_a_reason(town: Town) -> None:
    for n in (1, 2, 3):
        await draft(town, RULES, rule(f"R900{n}"))
        await review(town, RULES)
        await publishing(town, RULES)
    for to in (1, 2):
        with pytest.raises(ReasonNeeded, match=f"第 {to} 版"):
            await back(town, RULES, to)
    async with transaction(town.runtime.sessions) as session:
        await roll_back(session, town.city.jurisdiction_id, RULES, 2, by="丙", because="第 3 版起有误")
    release = await in_force(town, RULES)
    assert (release.number, release.unreviewed_because) == (5, "第 3 版起有误")
    assert "恢复第 2 版：第 3 版起有误" in await told(town)
    assert await back(town, RULES) == (4, 6), "the one before is the one that was just replaced"


@pytest.mark.parametrize("place", [0, 1])
async def test_the_database_knows_all_who_had_a_hand_in_it(town: Town, place: int) -> None:
    await draft(town, RULES, rule())
    await draft(town, RULES, rule("R9002"), by="乙")
    with pytest.raises(IntegrityError, match="second_person"):
        async with transaction(town.runtime.sessions) as session:
            await session.execute(
                text("UPDATE release SET status = 'reviewed', reviewed_by = :by, reviewed_at = now() "
                     "WHERE status = 'draft'"), {"by": ("甲", "乙")[place]}
            )  # fmt: skip


@pytest.mark.parametrize("kind", ["components", "organizations", "items", "duty-grids"])
async def test_who_decides_by_way_of_another_register_needs_a_second_person_too(town: Town, kind: str) -> None:
    async with town.runtime.sessions() as session:
        found = await session.execute(
            text("SELECT w.key, w.body FROM release r JOIN release_row w ON w.release_id = r.id "
                 "WHERE r.kind = :kind AND r.status = 'published' ORDER BY w.key LIMIT 1"), {"kind": kind}
        )  # fmt: skip
        key, body = found.one()
    changed = "source" if "source" in body else "name"
    await draft(town, kind, {key: body | {changed: "改过"}})
    with pytest.raises(NotReviewed):
        await publishing(town, kind)
    await review(town, kind)
    assert await publishing(town, kind) == [2]


def test_what_cannot_wait_and_what_is_official_needs_none() -> None:
    assert {kind for kind, one in KINDS.items() if one.released and not one.reviewed} == {
        "areas",
        "cells",
        "calendar",
        "emergencies",
    }
