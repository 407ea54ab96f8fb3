"""Two processes at the same instant: one wins, the other gets a clear answer, and the books stay whole.

Two runtimes with engines of their own stand for the two processes; what they meet at is the database alone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from app.commands.audit import verify_all
from app.core.database import make_engine, make_sessions
from app.core.timing import MovableClock
from app.main import create_app
from app.masters import MastersCache
from app.runtime import Runtime
from tests.conftest import City, client_token, make_runtime, user_token
from tests.flows.town import RUBBISH, WAGES, Town, _cells, point_in

ROUNDS = 20
Call = tuple[str, str, dict[str, Any]]


@dataclass(slots=True)
class Two:
    """Two API processes on one database, and a town to prepare what they race for."""

    town: Town
    apps: tuple[FastAPI, FastAPI]

    async def token(self, who: str) -> str:
        """A token of a user, or of a channel's client."""
        if who in self.town.city.clients:
            return client_token(self.town.runtime, self.town.city, who)
        return await user_token(self.town.runtime, who)

    async def at_once(self, *calls: Call, turn: int = 0) -> list[httpx.Response]:
        """Sends the calls at one instant, each to the other process than the one before.

        ``turn`` shifts which process gets which call, and by how many steps of the event loop one is ahead.
        """
        barrier = asyncio.Barrier(len(calls))
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self.apps[(n + turn) % 2], raise_app_exceptions=False),
                base_url="http://test/api/v1",
                headers={"Authorization": f"Bearer {await self.token(who)}"},
            )
            for n, (who, _, _) in enumerate(calls)
        ]

        async def send(n: int) -> httpx.Response:
            _, path, body = calls[n]
            await barrier.wait()
            for _ in range((turn // 2) % 7 if n == turn % 2 else 0):
                await asyncio.sleep(0)
            return await clients[n].post(path, json=body)

        answers = await asyncio.gather(*(send(n) for n in range(len(calls))))
        for client in clients:
            await client.aclose()
        for answer in answers:
            assert answer.status_code < 500, f"{answer.request.url.path}: {answer.status_code} {answer.text}"
            if answer.is_error:
                problem = answer.json()
                assert answer.headers["content-type"] == "application/problem+json"
                assert problem["detail"]
                assert problem["code"] != "not_allowed_now" or "allowed" in problem
        return answers

    async def report(self, classes: tuple[str, ...] = WAGES) -> tuple[str, str]:
        """An event of its own (located by text, so that nothing joins it): its id and its report's."""
        receipt = await self.town.send(
            "hotline-12345", self.town.call(classes, cell=None, address="大行宫社区", content="请尽快处理，谢谢")
        )
        return receipt["event_id"], receipt["report_id"]

    async def whole(self) -> None:
        """Every chain verifies, and no state is impossible."""
        found = await verify_all(self.town.runtime.sessions, self.town.runtime.keyring)
        assert found.events > 0
        assert found.faults == []
        doubles = await self.town.rows(
            "SELECT event_id FROM work_order WHERE role = 'lead' AND ended_at IS NULL GROUP BY 1 HAVING count(*) > 1"
        )
        assert doubles == []
        homeless = await self.town.rows(
            "SELECT id FROM report r WHERE (SELECT count(*) FROM event_report l "
            "WHERE l.report_id = r.id AND l.left_at IS NULL) <> 1"
        )
        assert homeless == []
        miscounted = await self.town.rows(
            """
            SELECT e.event_no FROM event e WHERE e.merged_into IS NULL AND e.report_count <> (
              WITH RECURSIVE family(id) AS (
                SELECT e.id UNION SELECT x.id FROM event x JOIN family f ON x.merged_into = f.id
              ) SELECT count(*) FROM event_report l JOIN family f ON l.event_id = f.id WHERE l.left_at IS NULL)
            """
        )
        assert miscounted == []


@pytest.fixture
async def two(
    committing_runtime: Runtime, masters_cache: MastersCache, city: City, clock: MovableClock
) -> AsyncIterator[Two]:
    """The second process has its own engine; masters are shared only because fitting a classifier takes a second."""
    first = committing_runtime
    async with first.sessions() as session:
        url = session.get_bind().engine.url
    engine = make_engine(url.render_as_string(hide_password=False), pool_size=8)
    second = make_runtime(first.settings, first.keyring, make_sessions(engine), masters_cache)
    pair = Two(Town(first, city), (create_app(runtime=first), create_app(runtime=second)))
    yield pair
    await pair.whole()
    await engine.dispose()


def codes(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


async def test_double_accept_has_one_winner(two: Two) -> None:
    for turn in range(ROUNDS):
        event_id, _ = await two.report()
        order, unit = await two.town.lead(event_id)
        answers = await two.at_once(*[(unit, f"/{order}/actions/sign_for", {})] * 2, turn=turn)
        assert codes(answers) == [200, 409]
        lost = next(answer.json() for answer in answers if answer.is_error)
        assert lost["code"] == "not_allowed_now"
        assert {"start", "first_contact"} <= set(lost["allowed"])
        assert (await two.town.acts(event_id)).count("sign_for") == 1


async def test_double_accept_with_one_act_id_is_answered_twice_and_done_once(two: Two) -> None:
    for turn in range(ROUNDS):
        event_id, _ = await two.report()
        order, unit = await two.town.lead(event_id)
        answers = await two.at_once(*[(unit, f"/{order}/actions/sign_for", {"act_id": str(uuid4())})] * 2, turn=turn)
        assert codes(answers) == [200, 200]
        assert sorted(answer.json()["repeated"] for answer in answers) == [False, True]
        first, second = (answer.json() for answer in answers)
        assert {**first, "repeated": None} == {**second, "repeated": None}
        assert (await two.town.acts(event_id)).count("sign_for") == 1


@pytest.mark.parametrize("act", ["sign_for", "withdraw_return"])
async def test_the_unit_s_act_against_the_approved_return(two: Two, act: str) -> None:
    seen: Counter[int] = Counter()
    for turn in range(ROUNDS):
        event_id, _ = await two.report()
        order, unit = await two.town.lead(event_id)
        await two.town.act(unit, order, "request_return", reason_code="not_our_duty", reason="不是我们的")
        mine, desk = await two.at_once(
            (unit, f"/{order}/actions/{act}", {}),
            ("dispatcher1", f"/{order}/actions/approve_return", {"unit": "D-URBAN"}),
            turn=turn,
        )
        seen[mine.status_code] += 1
        acts = await two.town.acts(event_id)
        if act == "withdraw_return":
            # decided once: either the unit has taken it back, or the desk has agreed and the order has left the unit
            assert codes([mine, desk]) in ([200, 409], [200, 404])
            assert (acts.count("withdraw_return"), acts.count("approve_return")) in ((1, 0), (0, 1))
        else:
            # signing does not stop a return (先办后议): both, in that order; or the order was gone before
            assert desk.status_code == 200
            assert mine.status_code in (200, 404, 409)
            assert acts.count("sign_for") == (mine.status_code == 200)
        state = (await two.town.rows("SELECT state FROM work_order WHERE event_id = :id ORDER BY n", id=event_id))[0]
        assert state.state == ("returned" if desk.status_code == 200 else "dispatched")
    assert len(seen) > 1, "the two never met in both orders"


async def closing(two: Two) -> str:
    """An event that only waits to be closed."""
    event_id, report_id = await two.report()
    order, unit = await two.town.lead(event_id)
    await two.town.act(unit, order, "sign_for")
    await two.town.act(unit, order, "report_done", result="resolved", statement="已处理")
    await two.town.answer(event_id, report_id)
    return event_id


@pytest.mark.parametrize("closed", ["source", "target"])
async def test_merge_against_close(two: Two, closed: str) -> None:
    close_body = {"standard_row_no": 1, "closing_condition_met": True}
    seen: Counter[str] = Counter()
    for turn in range(ROUNDS):
        ready = await closing(two)
        other, _ = await two.report()
        source, target = (ready, other) if closed == "source" else (other, ready)
        merge, close = await two.at_once(
            ("dispatcher1", f"/events/{source}/actions/merge", {"into": target}),
            ("dispatcher2", f"/events/{ready}/actions/close", close_body),
            turn=turn,
        )
        assert codes([merge, close]) == [200, 409]
        seen["merge" if merge.status_code == 200 else "close"] += 1
        assert (await two.town.event(ready)).state == (
            "closed" if close.status_code == 200 else "merged" if closed == "source" else "closing"
        )
        assert (await two.town.event(source)).merged_into == (UUID(target) if merge.status_code == 200 else None)
    assert len(seen) == 2, "the two never met in both orders"


async def test_merge_into_each_other_makes_no_ring(two: Two) -> None:
    for turn in range(ROUNDS):
        (a, _), (b, _) = await two.report(), await two.report()
        answers = await two.at_once(
            ("dispatcher1", f"/events/{a}/actions/merge", {"into": b}),
            ("dispatcher2", f"/events/{b}/actions/merge", {"into": a}),
            turn=turn,
        )
        assert codes(answers) == [200, 409]
        rows = [await two.town.event(one) for one in (a, b)]
        assert sorted(row.state for row in rows) == ["handling", "merged"]
        assert [row.merged_into for row in rows].count(None) == 1


async def test_two_first_reports_of_one_thing_make_one_event(two: Two) -> None:
    cells = sorted(_cells())
    for turn in range(ROUNDS):
        lon, lat = point_in(cells[turn * 9])
        calls = [("hotline-12345", "/intake/hotline-12345", two.town.call(RUBBISH, lon=lon, lat=lat)) for _ in range(2)]
        answers = await two.at_once(*calls, turn=turn)
        assert codes(answers) == [201, 201]
        receipts = [answer.json() for answer in answers]
        assert sorted(receipt["outcome"] for receipt in receipts) == ["created", "joined"]
        assert len({receipt["event_id"] for receipt in receipts}) == 1
        assert len({receipt["report_id"] for receipt in receipts}) == 2
        assert (await two.town.event(receipts[0]["event_id"])).report_count == 2
    assert len(await two.town.rows("SELECT 1 FROM event")) == ROUNDS


@pytest.mark.parametrize("copies", [2, 5])
async def test_retries_of_one_report_get_one_receipt(two: Two, copies: int) -> None:
    for turn in range(ROUNDS):
        call = ("hotline-12345", "/intake/hotline-12345", two.town.call(WAGES, cell=None, address="大行宫社区"))
        answers = await two.at_once(*[call] * copies, turn=turn)
        assert codes(answers) == [200] * (copies - 1) + [201]
        receipts = [answer.json() for answer in answers]
        assert [receipt.pop("repeated") for receipt in receipts].count(False) == 1
        assert all(receipt == receipts[0] for receipt in receipts)
    for table in ("inbox", "report", "event", "report_key"):
        assert len(await two.town.rows(f"SELECT 1 FROM {table}")) == ROUNDS  # noqa: S608 - names stand above


async def test_the_same_ref_with_two_bodies_is_one_report_and_one_refusal(two: Two) -> None:
    for turn in range(ROUNDS):
        message = two.town.call(WAGES, cell=None, address="大行宫社区")
        calls = [
            ("hotline-12345", "/intake/hotline-12345", message | {"content": words}) for words in ("工资没发", "欠薪")
        ]
        answers = await two.at_once(*calls, turn=turn)
        assert codes(answers) == [201, 409]
    assert len(await two.town.rows("SELECT 1 FROM inbox")) == ROUNDS
    assert len(await two.town.rows("SELECT 1 FROM inbox_refused")) == ROUNDS


@pytest.mark.parametrize("second", ["补充：人还在闹", "补充：又来了几个人"])
async def test_two_supplements_at_once_are_each_kept_once(two: Two, second: str) -> None:
    for turn in range(ROUNDS):
        message = two.town.police()
        first = await two.town.send("police-110", message)
        calls = [
            ("police-110", "/intake/police-110", message | {"BCJJNR": words}) for words in ("补充：人还在闹", second)
        ]
        answers = await two.at_once(*calls, turn=turn)
        different = second != "补充：人还在闹"
        assert codes(answers) == ([201, 201] if different else [200, 201])
        assert {answer.json()["report_id"] for answer in answers} == {first["report_id"]}
        kept = await two.town.rows(
            "SELECT revision FROM inbox WHERE source_ref = (SELECT source_ref FROM report WHERE id = :id) ORDER BY 1",
            id=UUID(first["report_id"]),
        )
        told = await two.town.rows(
            "SELECT 1 FROM timeline WHERE report_id = :id AND act = 'supplement'", id=UUID(first["report_id"])
        )
        assert (len(kept), len(told)) == ((3, 2) if different else (2, 1))


async def test_chase_against_withdraw(two: Two) -> None:
    for turn in range(ROUNDS):
        event_id, report_id = await two.report()
        chase, withdraw = await two.at_once(
            ("hotline-12345", f"/reports/{report_id}/actions/chase", {}),
            ("operator1", f"/reports/{report_id}/actions/withdraw", {"reason": "已自行解决"}),
            turn=turn,
        )
        assert withdraw.status_code == 200
        assert chase.status_code in (200, 409)
        (report,) = await two.town.rows("SELECT state, chase_count FROM report WHERE id = :id", id=UUID(report_id))
        assert tuple(report) == ("withdrawn", int(chase.status_code == 200))
        assert (await two.town.event(event_id)).state == "cancelled"


@pytest.mark.parametrize("level", [1, 5])
async def test_two_callbacks_at_once_are_one_callback(two: Two, level: int) -> None:
    body = {"reached": True, "contacted": True, "resolved": level < 4, "satisfaction_level": level}
    for turn in range(ROUNDS // 2):
        event_id, report_id = await two.report()
        order, unit = await two.town.lead(event_id)
        await two.town.act(unit, order, "sign_for")
        await two.town.act(unit, order, "report_done", result="resolved", statement="已处理")
        await two.town.act("callback1", f"events/{event_id}", "reply", body="已处理。")
        answers = await two.at_once(
            ("callback1", f"/reports/{report_id}/actions/callback", body),
            ("callback2", f"/reports/{report_id}/actions/callback", body),
            turn=turn,
        )
        assert codes(answers) == [200, 409]
        assert len(await two.town.rows("SELECT 1 FROM callback WHERE report_id = :id", id=UUID(report_id))) == 1
        assert (await two.town.event(event_id)).state == ("closing" if level == 1 else "handling")


async def test_an_act_on_a_report_follows_it_through_a_merge(two: Two) -> None:
    for turn in range(ROUNDS):
        (a, report_id), (b, _) = await two.report(), await two.report()
        merge, chase = await two.at_once(
            ("dispatcher1", f"/events/{a}/actions/merge", {"into": b}),
            ("operator1", f"/reports/{report_id}/actions/chase", {}),
            turn=turn,
        )
        assert codes([merge, chase]) == [200, 200]
        acts_a, acts_b = await two.town.acts(a), await two.town.acts(b)
        assert (acts_a + acts_b).count("chase") == 1
        if "chase" in acts_a:
            assert acts_a.index("chase") < acts_a.index("merge"), "nothing is done to a report where it no longer is"


async def test_an_act_on_a_report_follows_it_out_of_its_event(two: Two) -> None:
    cells = sorted(_cells())
    for turn in range(ROUNDS):
        lon, lat = point_in(cells[turn * 9])
        first, second = [
            await two.town.send("hotline-12345", two.town.call(RUBBISH, lon=lon, lat=lat)) for _ in range(2)
        ]
        assert second["event_id"] == first["event_id"]
        unlink, chase = await two.at_once(
            ("dispatcher1", f"/reports/{second['report_id']}/actions/unlink", {"reason": "不是同一处"}),
            ("operator1", f"/reports/{second['report_id']}/actions/chase", {}),
            turn=turn,
        )
        assert codes([unlink, chase]) == [200, 200]


async def test_a_supplement_after_unlinking_reaches_the_report_s_own_event(two: Two) -> None:
    first = await two.town.send("hotline-12345", two.town.call(RUBBISH))
    event = await two.town.event(first["event_id"])
    message = two.town.police(FXDWJD="", FXDWWD="")
    second = await two.town.send("police-110", message)
    await two.town.act("dispatcher1", f"events/{second['event_id']}", "merge", into=str(event.id))
    unlinked = await two.town.act("dispatcher1", f"reports/{second['report_id']}", "unlink", reason="不是同一处")
    again = await two.town.send("police-110", message | {"BCJJNR": "补充：人还在闹"})
    assert again["outcome"] == "supplemented"
    assert "supplement" in await two.town.acts(unlinked["new_event_id"])


async def test_more_reports_at_once_than_a_process_has_connections(two: Two) -> None:
    calls = [
        ("hotline-12345", "/intake/hotline-12345", two.town.call(WAGES, cell=None, address="大行宫社区"))
        for _ in range(60)
    ]
    answers = await asyncio.wait_for(two.at_once(*calls), 15)
    assert set(codes(answers)) == {201}
    assert len({answer.json()["event_no"] for answer in answers}) == 60


async def test_batches_that_overlap_in_other_orders(two: Two) -> None:
    for turn in range(5):
        reports = [two.town.call(WAGES, cell=None, address="大行宫社区") for _ in range(12)]
        answers = await two.at_once(
            ("hotline-12345", "/intake/hotline-12345/batch", {"reports": reports}),
            ("hotline-12345", "/intake/hotline-12345/batch", {"reports": reports[::-1]}),
            turn=turn,
        )
        results = [answer.json()["results"] for answer in answers]
        assert [one["report_id"] for one in results[0]] == [one["report_id"] for one in results[1][::-1]]
        assert sorted(one["status"] for one in results[0] + results[1]) == [200] * 12 + [201] * 12
