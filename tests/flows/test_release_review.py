"""派单目录的发布: two people answer for a release, it may wait for a date, and an earlier one can be brought back."""

import io
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import background
from app.commands.release_effects import show_status
from app.commands.release_tables import list_table
from app.core import releases, reviews
from app.core.database import transaction
from app.core.errors import Malformed, NotFound
from app.core.releases import DraftOutcome, NoDraft, makers_of
from app.core.reviews import DraftChanged, DraftExists, OwnDraft, SameContent
from app.core.tables import Release
from app.core.timing import MovableClock, now
from app.masters import scheduling
from app.masters.consistency import Inconsistent
from app.masters.kinds import KINDS
from app.masters.publishing import NotReviewed, publish, roll_back
from app.masters.scheduling import NotScheduled, schedule, unschedule
from tests.flows.town import Town

RULES, DUTIES = "routing-rules", "duty-list"
BASE = {"major_code": "", "lead_unit": "D-URBAN", "step": "territorial", "basis": "试点"}


def rule(number: str = "R9001", **members: Any) -> dict[str, dict[str, Any]]:
    row = KINDS[RULES].model.model_validate(BASE | {"rule_no": number, "area_code": "320102002"} | members)
    return {number: row.model_dump(mode="json")}


def limit(value: str) -> dict[str, dict[str, Any]]:
    return {"sign_limit": {"key": "sign_limit", "value": value, "source": "本区"}}


async def draft(town: Town, kind: str, rows: dict[str, Any], by: str = "甲", *, complete: bool = False) -> DraftOutcome:
    async with transaction(town.runtime.sessions) as session:
        return await releases.put_draft(session, town.city.jurisdiction_id, kind, rows, complete=complete, by=by)


async def review(town: Town, kind: str, by: str = "乙", **options: Any) -> Release:
    async with transaction(town.runtime.sessions) as session:
        return await reviews.review(session, town.city.jurisdiction_id, kind, by=by, **options)


async def publishing(town: Town, *kinds: str, **options: Any) -> list[int]:
    async with transaction(town.runtime.sessions) as session:
        done = await publish(session, town.city.jurisdiction_id, kinds or None, by="丙", **options)
    return [release.number for release in done]


async def in_force(town: Town, kind: str) -> Release:
    async with town.runtime.sessions() as session:
        found = await releases.published_of(session, town.city.jurisdiction_id, kind)
    assert found is not None
    return found


async def present(town: Town, kind: str) -> Release:
    """The draft as it stands."""
    async with town.runtime.sessions() as session:
        found = await releases.draft_of(session, town.city.jurisdiction_id, kind)
    assert found is not None
    return found


async def scheduled(town: Town, *kinds: str, minutes: int = 60, **options: Any) -> list[str]:
    at = options.pop("at", None) or now() + timedelta(minutes=minutes)
    async with transaction(town.runtime.sessions) as session:
        return await schedule(session, town.city.jurisdiction_id, kinds, at, by="丙", **options)


async def worker(town: Town) -> int:
    """Runs the jobs that are due, once."""
    return await background.run_jobs(town.runtime, concurrency=1)


async def told(town: Town) -> str:
    out = io.StringIO()
    async with town.runtime.sessions() as session:
        await show_status(session, town.city.jurisdiction_id, Console(file=out, width=200))
        found = await releases.all_releases(session, town.city.jurisdiction_id)
        faults = await scheduling.faults(session, town.city.jurisdiction_id)
    Console(file=out, width=400).print(list_table(found, faults))
    return out.getvalue()


# ── two people ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_catalogue_comes_into_force_only_by_two_people(town: Town) -> None:
    await draft(town, RULES, rule())
    with pytest.raises(NotReviewed) as refused:
        await publishing(town, RULES)
    assert refused.value.extra["makers"] == {RULES: ["甲"]}
    assert "值班长" in refused.value.detail
    with pytest.raises(OwnDraft, match="甲"):
        await review(town, RULES, "甲")
    assert (await review(town, RULES, "乙")).status == "reviewed"
    assert (await review(town, RULES, "丙")).reviewed_by == "乙", "the first review stands"
    assert await publishing(town) == [2]
    release = await in_force(town, RULES)
    assert (release.created_by, release.reviewed_by, release.published_by) == ("甲", "乙", "丙")
    assert release.unreviewed_because is None


async def test_who_had_a_hand_in_a_draft_is_no_second_person(town: Town) -> None:
    await draft(town, RULES, rule())
    outcome = await draft(town, RULES, rule("R9002"), by="乙")
    assert outcome.draft is not None
    assert makers_of(outcome.draft) == ("甲", "乙")
    await draft(town, RULES, rule("R9003"), by="甲")
    for name in ("甲", "乙"):
        with pytest.raises(OwnDraft):
            await review(town, RULES, name)
    assert (await review(town, RULES, "丙")).created_by == "甲|乙"


async def test_the_database_refuses_a_second_person_who_is_the_first(town: Town) -> None:
    await draft(town, RULES, rule())
    with pytest.raises(IntegrityError, match="second_person"):
        async with transaction(town.runtime.sessions) as session:
            await session.execute(
                text("UPDATE release SET status = 'reviewed', reviewed_by = created_by, reviewed_at = now() "
                     "WHERE status = 'draft'")
            )  # fmt: skip


async def test_any_change_takes_the_review_back_and_says_so(town: Town) -> None:
    await draft(town, RULES, rule())
    reviewed = await review(town, RULES)
    same = await draft(town, RULES, rule(), by="丁")
    assert same.draft is not None
    assert (same.draft.id, same.draft.status, same.lost.reviewed_by) == (reviewed.id, "reviewed", None)
    changed = await draft(town, RULES, rule(basis="改过的试点"), by="甲")
    assert changed.lost.reviewed_by == "乙"
    assert changed.draft is not None
    assert (changed.draft.status, changed.draft.reviewed_by) == ("draft", None)
    with pytest.raises(NotReviewed):
        await publishing(town, RULES)
    with pytest.raises(DraftChanged):
        await review(town, RULES, digest=reviewed.digest.hex()[:12])
    await review(town, RULES, digest=changed.draft.digest.hex()[:12].upper())


async def test_a_city_that_is_set_up_needs_no_review_and_a_reason_is_kept(town: Town) -> None:
    async with transaction(town.runtime.sessions) as session:
        new = int(
            await session.scalar(text("INSERT INTO jurisdiction (code, name) VALUES ('330106', '西湖区') RETURNING id"))
            or 0
        )
        await releases.put_draft(session, new, "policies", limit("3 work_hour"), complete=True, by="甲")
        (first,) = await publish(session, new, by="甲")
        assert (await releases.release_of(session, new, first.release_id)).unreviewed_because is None
        await releases.put_draft(session, new, "policies", limit("4 work_hour"), complete=True, by="甲")
        with pytest.raises(NotReviewed):
            await publish(session, new, by="甲")
    await draft(town, RULES, rule())
    with pytest.raises(NotReviewed):
        await publishing(town, RULES, unreviewed_because="  ")
    assert await publishing(town, RULES, unreviewed_because="凌晨暴雨，主管领导电话同意") == [2]
    assert (await in_force(town, RULES)).unreviewed_because == "凌晨暴雨，主管领导电话同意"
    assert "未复核：凌晨暴雨" in await told(town)
    await draft(town, RULES, rule("R9002"))
    await review(town, RULES)
    await publishing(town, RULES, unreviewed_because="其实复核过")
    assert (await in_force(town, RULES)).unreviewed_because is None


async def test_what_one_kind_lacks_keeps_all_back(town: Town) -> None:
    await draft(town, RULES, rule())
    await draft(town, "policies", limit("3 work_hour"))
    await review(town, RULES)
    with pytest.raises(NotReviewed) as refused:
        await publishing(town)
    assert refused.value.extra["kinds"] == ["policies"]
    assert (await in_force(town, RULES)).number == 1


# ── at a date ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_scheduled_draft_comes_into_force_once_and_in_time(town: Town, clock: MovableClock) -> None:
    for kind, rows in ((RULES, rule()), ("policies", limit("3 work_hour"))):
        await draft(town, kind, rows)
        with pytest.raises(NotReviewed):
            await scheduled(town, kind)
        await review(town, kind)
    await scheduled(town, RULES, "policies", mode="re_decide_open")
    assert "定于 2026-03-10 11:00 发布" in await told(town)
    assert await publishing(town) == [], "what waits is not published by the way"
    clock.advance(minutes=59)
    assert await worker(town) == 0
    clock.advance(minutes=1)
    assert await worker(town) >= 1
    for kind in (RULES, "policies"):
        release = await in_force(town, kind)
        assert (release.number, release.published_at, release.published_by) == (2, clock(), "丙")
        assert (release.mode, release.publish_at) == ("re_decide_open", clock())
    clock.advance(hours=1)
    await worker(town)
    assert (await in_force(town, RULES)).number == 2
    sent = (await town.send("hotline-12345", town.call()))["event_id"]
    assert (await town.event(sent)).release_vector[RULES] == (await in_force(town, RULES)).id


async def test_what_is_changed_meanwhile_does_not_come_and_neither_does_what_was_to_come_with_it(
    town: Town, clock: MovableClock
) -> None:
    for kind, rows in ((RULES, rule()), ("policies", limit("3 work_hour"))):
        await draft(town, kind, rows)
        await review(town, kind)
    await scheduled(town, RULES, "policies")
    outcome = await draft(town, RULES, rule("R9002"))
    assert (outcome.lost.publish_at, outcome.lost.with_it) == (now() + timedelta(hours=1), ("policies",))
    clock.advance(hours=2)
    await worker(town)
    assert [(await in_force(town, kind)).number for kind in (RULES, "policies")] == [1, 1]
    policies = await present(town, "policies")
    assert (policies.status, policies.publish_at, policies.published_by) == ("reviewed", None, None)
    assert "定时发布未成" not in await told(town)


async def test_another_moment_replaces_the_first(town: Town, clock: MovableClock) -> None:
    await draft(town, RULES, rule())
    await review(town, RULES)
    await scheduled(town, RULES)
    await scheduled(town, RULES, minutes=180)
    clock.advance(minutes=61)
    await worker(town)
    assert (await in_force(town, RULES)).number == 1
    clock.advance(minutes=120)
    await worker(town)
    assert (await in_force(town, RULES)).number == 2


async def test_it_can_be_taken_back_and_the_review_stays(town: Town, clock: MovableClock) -> None:
    await draft(town, RULES, rule())
    await review(town, RULES)
    await scheduled(town, RULES)
    async with transaction(town.runtime.sessions) as session:
        assert await unschedule(session, town.city.jurisdiction_id, [RULES]) == [RULES]
    with pytest.raises(NotScheduled):
        async with transaction(town.runtime.sessions) as session:
            await unschedule(session, town.city.jurisdiction_id, [RULES])
    clock.advance(hours=2)
    await worker(town)
    assert (await in_force(town, RULES)).number == 1
    assert await publishing(town, RULES) == [2]


async def test_a_moment_lies_ahead_and_within_a_year(town: Town) -> None:
    await draft(town, RULES, rule())
    await review(town, RULES)
    at = now()
    for moment in (at, at - timedelta(days=1), at + timedelta(days=367), (at + timedelta(days=1)).replace(tzinfo=None)):
        with pytest.raises(Malformed):
            await scheduled(town, RULES, at=moment)
    with pytest.raises(NoDraft):
        await scheduled(town, DUTIES)


async def test_what_does_not_fit_is_told_when_it_is_scheduled_and_again_at_its_time(
    town: Town, clock: MovableClock
) -> None:
    await draft(town, RULES, rule(lead_unit="NEW-UNIT"))
    await review(town, RULES)
    with pytest.raises(Inconsistent):
        await scheduled(town, RULES)
    async with town.runtime.sessions() as session:
        units = await releases.rows_of(session, (await in_force(town, "organizations")).id)
    await draft(town, "organizations", units | {"NEW-UNIT": units["D-URBAN"] | {"code": "NEW-UNIT"}}, complete=True)
    await publishing(town, "organizations", unreviewed_because="测试")
    await scheduled(town, RULES)
    await draft(town, "organizations", units, complete=True)
    await publishing(town, "organizations", unreviewed_because="测试")
    clock.advance(hours=1)
    await worker(town)
    assert (await in_force(town, RULES)).number == 1
    left = await present(town, RULES)
    assert (left.status, left.reviewed_by, left.publish_at) == ("reviewed", "乙", None)
    (job,) = await town.rows("SELECT state, last_error FROM job WHERE kind = 'publish_release'")
    assert job.state == "dead"
    assert "NEW-UNIT" in job.last_error
    assert (await told(town)).count("NEW-UNIT") == 2, "in the status and in the list"
    clock.advance(hours=1)
    assert await worker(town) == 0
    await draft(town, RULES, rule())
    assert "NEW-UNIT" not in await told(town)


# ── back ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def back(town: Town, kind: str, to: int | None = None) -> tuple[int, int]:
    """(number brought back, its new number)."""
    async with transaction(town.runtime.sessions) as session:
        earlier, release = await roll_back(session, town.city.jurisdiction_id, kind, to, by="丙")
    return earlier.number, release.number


async def test_rolling_back_brings_the_same_content_and_decisions(town: Town, clock: MovableClock) -> None:
    first = await in_force(town, RULES)
    unit = (await town.lead((await town.send("hotline-12345", town.call()))["event_id"]))[1]
    clock.advance(days=3)
    town = Town(town.runtime, town.city)
    await draft(town, RULES, rule(lead_unit="D-MUNI", **await item_of(town)))
    await review(town, RULES)
    await publishing(town, RULES)
    other = (await town.lead((await town.send("hotline-12345", town.call()))["event_id"]))[1]
    assert other != unit
    clock.advance(days=3)
    town = Town(town.runtime, town.city)
    assert await back(town, RULES) == (1, 3)
    release = await in_force(town, RULES)
    assert (release.digest, release.row_count, release.brings_back_id) == (first.digest, first.row_count, first.id)
    assert (release.reviewed_by, release.unreviewed_because, release.created_by) == (None, None, "丙")
    assert (await town.lead((await town.send("hotline-12345", town.call()))["event_id"]))[1] == unit
    assert "恢复第 1 版" in await told(town)
    assert await back(town, RULES, 2) == (2, 4)


async def item_of(town: Town) -> dict[str, str]:
    """The item of the events so far, as a rule names it."""
    (row,) = await town.rows("SELECT DISTINCT i.key FROM event e JOIN item i ON i.id = e.item_id")
    return dict(zip(("standard_ref", "kind", "code"), row.key.rsplit("/", 2), strict=True))


async def test_a_draft_stands_in_the_way_of_rolling_back(town: Town) -> None:
    with pytest.raises(NotFound):
        await back(town, RULES)
    await draft(town, RULES, rule())
    await publishing(town, RULES, unreviewed_because="测试")
    await draft(town, RULES, rule("R9002"))
    with pytest.raises(DraftExists, match="先丢弃"):
        await back(town, RULES)
    async with transaction(town.runtime.sessions) as session:
        await releases.discard_draft(session, town.city.jurisdiction_id, RULES)
    with pytest.raises(NotFound):
        await back(town, RULES, 7)
    assert await back(town, RULES) == (1, 3)
    with pytest.raises(SameContent):
        await back(town, RULES, 1)


async def test_an_edition_that_fits_no_more_is_not_brought_back(town: Town) -> None:
    await draft(town, "policies", limit("3 work_hour"))
    await review(town, "policies")
    await publishing(town, "policies")
    async with transaction(town.runtime.sessions) as session:
        await session.execute(
            text("UPDATE release_row SET body = body || '{\"value\": \"sometime\"}' WHERE key = 'sign_limit' "
                 "AND release_id = (SELECT id FROM release WHERE kind = 'policies' AND number = 1)")
        )  # fmt: skip
    with pytest.raises(Inconsistent) as refused:
        await back(town, "policies")
    assert "sign_limit" in refused.value.extra["faults"][0]["path"]
    assert (await in_force(town, "policies")).number == 2
    assert await town.rows("SELECT 1 FROM release WHERE number = 3") == [], "nothing is left behind"
