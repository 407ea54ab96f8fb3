"""``bihuan drill races``: two API processes get two requests about one thing at one instant, many times over.

What must hold: one wins and the other gets a clear answer (a 409 that names what is allowed, a 404 for what is not
theirs any more, or the receipt of the first), nobody a 5xx, and nothing is there twice.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

import httpx
import orjson
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import text

from app.clocks.calendar import CHINA_TIME
from app.commands.audit import verify_all
from app.commands.demo.actors import Logins
from app.commands.harness.keep_alive import Connection, NoAnswer, Target
from app.commands.harness.sample_messages import DEMO_CITY
from app.commands.harness.scratch_database import scratch_database
from app.commands.stack import Stack, StackFailed, running_stack, set_up_city
from app.core.crypto import Keyring
from app.core.database import Sessions
from app.core.settings import Settings

_DATABASE: Final = "bihuan_drill_races"
_PASSWORD: Final = "drill-races-only"  # noqa: S105 - of a database that is dropped when the drill ends
_HOTLINE: Final = "hotline-12345"
#: handled by a department and closed after an answer: the shortest way to an event that waits to be closed
_ANSWERED: Final = {"class1": "劳动与社会保障", "class2": "拖欠工资", "content": "工资一直没发，请帮忙处理"}
#: a matter with a place, which a second report of it joins
_PLACED: Final = {"class1": "市容环境类", "class2": "暴露垃圾", "content": "一大堆垃圾没有人清理"}
_PREPARED_AT_ONCE: Final = 8

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(frozen=True, slots=True)
class Call:
    """One of the two requests: who asks, where, with which body."""

    who: str
    path: str
    body: dict[str, Any]
    #: the version of the event that they have seen; None: they do not say
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """What two requests are about, ready to be raced for. ``subject``: the event or reference that is counted."""

    subject: str
    calls: tuple[Call, Call]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body; status 0 when none came."""

    status: int
    body: dict[str, Any]

    @property
    def won(self) -> bool:
        """It was done, and by this request."""
        return self.status in (200, 201) and not self.body.get("repeated")

    @property
    def clear(self) -> bool:
        """A refusal or a repetition that its sender can act on."""
        if self.status in (200, 201):
            return bool(self.body.get("repeated"))
        if self.body.get("code") == "not_allowed_now" and "allowed" not in self.body:
            return False
        return self.status in (404, 409, 412) and bool(self.body.get("code") and self.body.get("detail"))


@dataclass(slots=True)
class Tally:
    """What came of one kind of race. ``both``: two winners, where one after the other is right."""

    name: str
    rounds: int = 0
    one_won: int = 0
    both: int = 0
    clear: int = 0
    broken: int = 0
    doubles: int = 0
    first_process_won: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def faults(self) -> list[str]:
        """What must not be, in words."""
        lost = self.rounds - self.one_won - self.both
        unclear = self.one_won - self.clear
        counts = (("无人成功或两个都成功", lost), ("答复不明确", unclear), ("5xx 或无答复", self.broken))
        found = [f"{self.name}：{what} {count} 次" for what, count in (*counts, ("重复", self.doubles)) if count]
        return [*found, *([f"{self.name}：答复 {dict(self.statuses)}"] if found else [])]


@dataclass(frozen=True, slots=True)
class Race:
    """A kind of race. ``doubles`` counts, over all subjects, what is there twice or contradicts itself."""

    name: str
    prepare: Callable[["Arena", int], Awaitable[Meeting]]
    doubles: str
    #: both may win, one after the other, because the second is allowed in the state that the first leaves
    both_may_win: Callable[[Sequence[Answer]], bool] = lambda _: False


class Arena:
    """Two API processes on one database, and the people and systems who send to them."""

    def __init__(self, stacks: Sequence[Stack], http: httpx.AsyncClient, logins: Logins) -> None:
        self.sessions = stacks[0].sessions
        self.keyring = stacks[0].keyring
        self._urls = [stack.base_url for stack in stacks]
        self._connections: list[Connection] = [Target(url).connection() for url in self._urls]
        self._http = http
        self._logins = logins
        self._made = 0

    def message(self, fields: dict[str, Any], place: tuple[float, float] | None = None) -> dict[str, Any]:
        """A hotline order with a number of its own."""
        self._made += 1
        where = {"lon": place[0], "lat": place[1], "crs": "cgcs2000"} if place else {"address": "大行宫社区"}
        called = datetime.now(CHINA_TIME).isoformat(timespec="seconds")
        caller = {"callTime": called, "callerPhone": "13900000000", "orderType": "投诉"}
        return {"orderNum": f"R{self._made:08d}", **caller, **fields, **where}

    async def act(self, who: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request of the preparation, which must succeed."""
        answer = await self._http.post(path, json=body, headers=await self._logins.header(who))
        if answer.is_error:
            raise StackFailed(f"{who} {path}：{answer.status_code} {answer.json().get('detail')}")
        found: dict[str, Any] = answer.json()
        return found

    async def event(self) -> tuple[str, str]:
        """An event of its own, with its department: its id and its report's."""
        receipt = await self.act(_HOTLINE, f"/intake/{_HOTLINE}", self.message(_ANSWERED))
        return receipt["event_id"], receipt["report_id"]

    async def order(self, event_id: str) -> tuple[str, str]:
        """The path of the event's lead order, and its unit's user."""
        headers = await self._logins.header("dispatcher1")
        found = (await self._http.get(f"/events/{event_id}", headers=headers)).raise_for_status().json()
        lead = next(order for order in found["work_orders"] if order["role"] == "lead")
        return f"/work-orders/{lead['id']}/actions", f"u-{lead['unit']['code'].lower()}"

    async def version(self, event_id: str) -> int:
        """The event's version, as its ETag tells it."""
        headers = await self._logins.header("dispatcher1")
        answer = (await self._http.get(f"/events/{event_id}", headers=headers)).raise_for_status()
        return int(answer.headers["etag"].strip('W/"'))

    async def meet(self, meeting: Meeting, turn: int) -> list[Answer]:
        """Sends both at one instant, each to its own process, which take turns."""
        ready = []
        for n, call in enumerate(meeting.calls):
            token = (await self._logins.header(call.who))["Authorization"].removeprefix("Bearer ")
            process = (n + turn) % 2
            request = Target(self._urls[process], token).post_request(
                f"/api/v1{call.path}", orjson.dumps(call.body), if_match=call.seen
            )
            ready.append((self._connections[process], request))
        sending = [_send(connection, request) for connection, request in ready]
        return list(await asyncio.gather(*sending))

    async def count(self, query: str, subjects: Sequence[str]) -> int:
        """A number of the database over these subjects."""
        async with self.sessions() as session:
            return int(await session.scalar(text(query), {"subjects": list(subjects)}) or 0)


async def _send(connection: Connection, request: bytes) -> Answer:
    try:
        status, body = await connection.send(request)
        return Answer(status, orjson.loads(body))
    except (NoAnswer, orjson.JSONDecodeError):
        return Answer(0, {})


# ── the races ────────────────────────────────────────────────────────────────────────────────────────────────


async def _accept_twice(arena: Arena, turn: int) -> Meeting:
    event_id, _ = await arena.event()
    order, unit = await arena.order(event_id)
    call = Call(unit, f"{order}/sign_for", {})
    return Meeting(event_id, (call, call))


async def _accept_or_return(arena: Arena, turn: int) -> Meeting:
    event_id, _ = await arena.event()
    order, unit = await arena.order(event_id)
    await arena.act(unit, f"{order}/request_return", {"reason_code": "not_our_duty", "reason": "不属于我单位职责"})
    # Both act on the version that both have seen: whoever comes second is told that it is not the newest any more.
    seen = await arena.version(event_id)
    agree = Call("dispatcher1", f"{order}/approve_return", {"unit": "D-URBAN"}, seen)
    return Meeting(event_id, (Call(unit, f"{order}/sign_for", {}, seen), agree))


async def _merge_or_close(arena: Arena, turn: int) -> Meeting:
    ready, report_id = await arena.event()
    other, _ = await arena.event()
    order, unit = await arena.order(ready)
    await arena.act(unit, f"{order}/sign_for", {})
    await arena.act(unit, f"{order}/report_done", {"result": "resolved", "statement": "已处理"})
    await arena.act("callback1", f"/events/{ready}/actions/reply", {"body": "已处理，请您知悉。"})
    said = {"reached": True, "contacted": True, "resolved": True, "satisfaction_level": 1}
    await arena.act("callback1", f"/reports/{report_id}/actions/callback", said)
    close = {"standard_row_no": 1, "closing_condition_met": True}
    return Meeting(
        ready,
        (
            Call("dispatcher1", f"/events/{ready}/actions/merge", {"into": other}),
            Call("dispatcher2", f"/events/{ready}/actions/close", close),
        ),
    )


async def _report_one_thing(arena: Arena, turn: int) -> Meeting:
    features = orjson.loads((DEMO_CITY / "cells.geojson").read_bytes())["features"]
    ring = features[turn % len(features)]["geometry"]["coordinates"][0]
    # The middle of a corner and the one opposite lies inside; a step aside for each time that all cells were used.
    step = turn // len(features) * 0.001
    place = ((ring[0][0] + ring[2][0]) / 2 + step, (ring[0][1] + ring[2][1]) / 2)
    first, second = arena.message(_PLACED, place), arena.message(_PLACED, place)
    path = f"/intake/{_HOTLINE}"
    return Meeting(
        first["orderNum"] + " " + second["orderNum"], (Call(_HOTLINE, path, first), Call(_HOTLINE, path, second))
    )


async def _report_again(arena: Arena, turn: int) -> Meeting:
    message = arena.message(_ANSWERED)
    call = Call(_HOTLINE, f"/intake/{_HOTLINE}", message)
    return Meeting(message["orderNum"], (call, call))


def _one_event(answers: Sequence[Answer]) -> bool:
    outcomes = sorted(str(answer.body.get("outcome")) for answer in answers)
    return outcomes == ["created", "joined"] and len({answer.body.get("event_id") for answer in answers}) == 1


RACES: Final = (
    Race(
        "两次签收",
        _accept_twice,
        "SELECT count(*) FROM (SELECT 1 FROM timeline WHERE event_id = ANY(CAST(:subjects AS uuid[])) "
        "AND act = 'sign_for' GROUP BY event_id, subject_n HAVING count(*) <> 1) d",
    ),
    Race(
        "签收对同意退单",
        _accept_or_return,
        "SELECT count(*) FROM unnest(CAST(:subjects AS uuid[])) AS e(id) WHERE "
        "(SELECT count(*) FROM work_order o WHERE o.event_id = e.id AND o.role = 'lead' AND o.ended_at IS NULL) <> 1 "
        "OR (SELECT count(*) FROM timeline t WHERE t.event_id = e.id "
        "AND t.act IN ('approve_return', 'sign_for')) <> 1",
    ),
    Race(
        "并案对结案",
        _merge_or_close,
        "SELECT count(*) FROM unnest(CAST(:subjects AS uuid[])) AS e(id) WHERE (SELECT count(*) FROM timeline t "
        "WHERE t.event_id = e.id AND t.act IN ('merge', 'close')) <> 1",
    ),
    Race(
        "同一事两件首报",
        _report_one_thing,
        "SELECT count(*) FROM unnest(CAST(:subjects AS text[])) AS p(refs) WHERE (SELECT count(DISTINCT l.event_id) "
        "FROM report r JOIN event_report l ON l.report_id = r.id "
        "WHERE r.source_ref = ANY(string_to_array(p.refs, ' '))) <> 1",
        _one_event,
    ),
    Race(
        "同一件重发",
        _report_again,
        "SELECT count(*) FROM unnest(CAST(:subjects AS text[])) AS s(ref) WHERE "
        "(SELECT count(*) FROM inbox i WHERE i.source_ref = s.ref) <> 1 "
        "OR (SELECT count(*) FROM report r WHERE r.source_ref = s.ref) <> 1",
    ),
)


def races(times: Annotated[int, typer.Option(min=1, max=100_000, help="每种竞争的次数")] = 200) -> None:
    """两个 API 进程同时收到关于同一件事的两个请求：只有一个成功，另一个得到明确答复；有一处不符时退出码为 1。"""
    faults = asyncio.run(_race(times))
    for fault in faults:
        _out.print(fault, markup=False)
    if faults:
        raise typer.Exit(1)
    _out.print("全部核对无误")


async def _race(times: int) -> list[str]:
    async with _arena() as arena:
        tallies = [await _run(arena, race, times) for race in RACES]
        verified = await verify_all(arena.sessions, arena.keyring)
    _show(tallies)
    _out.print(f"时间线 {verified.events} 条、{verified.rows} 行，不符 {len(verified.faults)} 处")
    broken = [f"时间线不符：事件 {fault.event_id}" for fault in verified.faults]
    return [*(fault for tally in tallies for fault in tally.faults()), *broken]


@asynccontextmanager
async def _arena() -> AsyncIterator[Arena]:
    async with scratch_database(Settings(demo=True), _DATABASE) as scratch:
        env = {"BIHUAN_DEMO": "true", **scratch.environment}
        secrets: dict[str, str] = {}

        async def prepare(sessions: Sessions, _: Keyring) -> None:
            city = await set_up_city(sessions, "320102", "演示区", DEMO_CITY, password=_PASSWORD)
            secrets.update(city.secrets)

        async with (
            running_stack(env, f"{_DATABASE}_1", worker=False, prepare=prepare) as first,
            running_stack(env, f"{_DATABASE}_2", worker=False) as second,
            httpx.AsyncClient(base_url=f"{first.base_url}/api/v1", timeout=60, trust_env=False) as http,
        ):
            yield Arena((first, second), http, Logins(http, _PASSWORD, secrets))


async def _run(arena: Arena, race: Race, times: int) -> Tally:
    tally, subjects, begun = Tally(race.name), [], time.monotonic()
    for start in track(
        range(0, times, _PREPARED_AT_ONCE), race.name, console=_out, transient=True, disable=not _out.is_terminal
    ):
        turns = range(start, min(start + _PREPARED_AT_ONCE, times))
        meetings = await asyncio.gather(*(race.prepare(arena, turn) for turn in turns))
        for turn, meeting in zip(turns, meetings, strict=True):
            subjects.append(meeting.subject)
            _note(tally, race, await arena.meet(meeting, turn), turn)
    tally.doubles = await arena.count(race.doubles, subjects)
    tally.seconds = time.monotonic() - begun
    return tally


def _note(tally: Tally, race: Race, answers: Sequence[Answer], turn: int) -> None:
    tally.rounds += 1
    tally.statuses[" + ".join(str(answer.status) for answer in answers)] += 1
    tally.broken += any(answer.status == 0 or answer.status >= 500 for answer in answers)
    winners = [n for n, answer in enumerate(answers) if answer.won]
    if len(winners) == 1:
        tally.one_won += 1
        tally.clear += answers[1 - winners[0]].clear
        tally.first_process_won += (winners[0] + turn) % 2 == 0
    elif len(winners) == 2 and race.both_may_win(answers):
        tally.both += 1


def _show(tallies: Sequence[Tally]) -> None:
    table = Table("竞争", "次数", "一个成功", "另一个明确答复", "先后都成", "5xx 或无答复", "重复", "进程一先", "秒")
    for tally in tallies:
        counts = (tally.rounds, tally.one_won, tally.clear, tally.both, tally.broken, tally.doubles)
        table.add_row(
            tally.name, *map(str, counts), str(tally.first_process_won) if tally.one_won else "", f"{tally.seconds:.0f}"
        )
    _out.print(table)
    _out.print("先后都成：两件首报各有回执，同归一个事件。", style="dim")
