"""``bihuan drill recalculate``: a new holiday moves the open clocks while units act and the worker is killed.

What must hold then: exactly the clocks that the holiday affects have moved, each once and to the time that its records
give; no act is lost or waits long; every chain is unbroken.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.commands.demo.actors import Logins
from app.commands.drill import recalculate_books, recalculate_city
from app.commands.drill.recalculate_books import Books
from app.commands.drill.recalculate_city import ORDER_N, Built, Plan
from app.commands.harness.sample_messages import DEMO_CITY
from app.commands.harness.scratch_database import scratch_database
from app.commands.stack import Stack, StackFailed, running_stack, set_up_city
from app.core import releases
from app.core.crypto import Keyring
from app.core.database import Sessions, transaction
from app.core.settings import Settings
from app.core.timing import now
from app.masters.publishing import RECALCULATE, publish
from app.recalculation.job import CLOCKS_A_COMMIT

_DATABASE: Final = "bihuan_drill_recalculate"
_PASSWORD: Final = "drill-recalculate-only"  # noqa: S105 - of a database that is dropped when the drill ends
_ACTS_A_SECOND: Final = 5.0
#: of acts before anything is published, to compare with
_QUIET_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.5
#: no move for so long: it has stopped
_STALLED_SECONDS: Final = 300.0
_VERIFIED: Final = 500

_out = Console()
if not _out.is_terminal:
    _out = Console(width=140)


@dataclass(slots=True)
class Acts:
    """What units do meanwhile. Latencies in milliseconds."""

    latencies: list[float] = field(default_factory=list)
    answered: list[UUID] = field(default_factory=list)
    events: list[UUID] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def told(self) -> str:
        """How many, and how long they took."""
        if len(self.latencies) < 2:
            return f"{len(self.latencies)} 次"
        cuts = quantiles(self.latencies, n=100, method="inclusive")
        return f"{len(self.latencies)} 次，p50 {cuts[49]:.0f} 毫秒，p99 {cuts[98]:.0f} 毫秒"


@dataclass(slots=True)
class Course:
    """How the recalculation went. Seconds."""

    total: float = 0.0
    #: from the death of the worker until the next clock moved
    stood_still: float = 0.0
    kills: int = 0


def recalculate(
    clocks: Annotated[int, typer.Option(min=1_000, max=5_000_000, help="在办时限数")] = 1_000_000,
    affected: Annotated[float, typer.Option(min=0.01, max=0.9, help="受新假日影响的比例（约）")] = 0.2,
) -> None:
    """发布一个新假日，边重算在办时限边办件，中途杀死后台进程，然后逐个核对；有一处不符时退出码为 1。"""
    faults = asyncio.run(_drill(clocks, affected))
    for fault in faults:
        _out.print(fault, markup=False)
    if faults:
        raise typer.Exit(1)
    _out.print("全部核对无误")


async def _drill(clocks: int, share: float) -> list[str]:
    async with _city(clocks, share) as (stack, plan, built, http, logins):
        quiet, busy = Acts(), Acts()
        pick = Random(7)  # noqa: S311 - which events, no secret
        targets = list(built.samples)
        pick.shuffle(targets)
        with _out.status("先看没有重算时办件的快慢"):
            await _act_for(http, logins, targets, quiet, _QUIET_SECONDS)
        acting = asyncio.create_task(_act_for(http, logins, targets, busy, float("inf")))
        try:
            course = await _publish_and_wait(stack, plan, built)
        finally:
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
        _out.print(f"办件：平时 {quiet.told()}；重算时 {busy.told()}")
        return await _check(stack, plan, built, course, (quiet, busy), pick)


@asynccontextmanager
async def _city(clocks: int, share: float) -> AsyncIterator[tuple[Stack, Plan, Built, httpx.AsyncClient, Logins]]:
    async with scratch_database(Settings(demo=True), _DATABASE) as scratch:
        env = {"BIHUAN_DEMO": "true", **scratch.environment}
        made: dict[str, Any] = {}

        async def prepare(sessions: Sessions, keyring: Keyring) -> None:
            city = await set_up_city(sessions, "320102", "演示区", DEMO_CITY, password=_PASSWORD)
            async with transaction(sessions) as session:
                known = await recalculate_city.calendar_rows(session, city.jurisdiction_id)
                more = recalculate_city.years(known, now().date())
                await releases.put_draft(session, city.jurisdiction_id, "calendar", more, complete=False, by="drill")
                (release,) = await publish(session, city.jurisdiction_id, ["calendar"], by="drill", mode="new_only")
                rows = await recalculate_city.calendar_rows(session, city.jurisdiction_id)
                units = await recalculate_city.units_with_people(session, city.jurisdiction_id)
            plan = Plan(clocks, share, rows, now())
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
                task = progress.add_task("建立在办事件", total=plan.events)
                built = await recalculate_city.build(
                    scratch.owner_url,
                    keyring,
                    plan,
                    city.jurisdiction_id,
                    release.release_id,
                    units,
                    lambda what, count: progress.update(task, description=what, advance=count),
                )
            made.update(plan=plan, built=built, secrets=city.secrets)

        begun = time.monotonic()
        async with (
            running_stack(env, _DATABASE, worker=True, prepare=prepare) as stack,
            httpx.AsyncClient(base_url=f"{stack.base_url}/api/v1", timeout=60, trust_env=False) as http,
        ):
            plan, built = made["plan"], made["built"]
            _out.print(
                f"已建立事件 {plan.events} 个、在办时限 {plan.events * 2} 个，用时 {time.monotonic() - begun:.0f} 秒；"
                f"新假日 {plan.holiday_on} 影响 {built.affected} 个"
            )
            yield stack, plan, built, http, Logins(http, _PASSWORD, made["secrets"])


# ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────


async def _act_for(
    http: httpx.AsyncClient, logins: Logins, targets: list[tuple[UUID, str]], acts: Acts, seconds: float
) -> None:
    """Units sign for orders and start them, so many a second whatever the answers take, until it is cancelled."""
    loop = asyncio.get_running_loop()
    begun, n = loop.time(), 0
    async with asyncio.TaskGroup() as group:
        while targets and loop.time() - begun < seconds:
            event_id, code = targets.pop()
            # logging in takes a tenth of a second, which is not what is measured
            header = await logins.header(f"u-{code.lower()}")
            group.create_task(_act(http, header, event_id, acts))
            n += 2
            await asyncio.sleep(max(0.0, begun + n / _ACTS_A_SECOND - loop.time()))


async def _act(http: httpx.AsyncClient, header: dict[str, str], event_id: UUID, acts: Acts) -> None:
    for action in ("sign_for", "start"):
        act_id, begun = uuid4(), time.perf_counter()
        try:
            answer = await http.post(
                f"/work-orders/{event_id}.{ORDER_N}/actions/{action}", json={"act_id": str(act_id)}, headers=header
            )
        except httpx.HTTPError as fault:
            acts.faults.append(f"{event_id} {action}：没有答复 {type(fault).__name__}")
            return
        acts.latencies.append((time.perf_counter() - begun) * 1000)
        if answer.is_error:
            acts.faults.append(f"{event_id} {action}：{answer.status_code} {answer.text[:200]}")
            return
        acts.answered.append(act_id)
        acts.events.append(event_id)


_JOB: Final = text(
    "SELECT state, coalesce((args->>'moved')::int, 0) AS moved, coalesce((args->>'again')::bool, false) AS again "
    "FROM job WHERE kind = :kind ORDER BY id DESC LIMIT 1"
)


async def _publish_and_wait(stack: Stack, plan: Plan, built: Built) -> Course:
    """Publishes the holiday and kills the worker when half of the clocks have moved."""
    course = Course()
    async with transaction(stack.sessions) as session:
        jurisdiction_id = await session.scalar(text("SELECT id FROM jurisdiction"))
        await releases.put_draft(session, jurisdiction_id, "calendar", plan.holiday, complete=False, by="drill")
        await publish(session, jurisdiction_id, ["calendar"], by="drill")
    begun = changed = time.monotonic()
    killed_at, before = 0.0, 0
    columns = (TextColumn("重算"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
        task = progress.add_task("", total=built.affected)
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                async with stack.sessions() as session:
                    job = (await session.execute(_JOB, {"kind": RECALCULATE})).one()
            except (DBAPIError, OSError):
                continue
            at = time.monotonic()
            progress.update(task, completed=job.moved)
            if job.moved > before:
                before, changed = job.moved, at
                if killed_at and not course.stood_still:
                    course.stood_still = at - killed_at
            if job.again and not course.total:
                course.total = changed - begun
            if job.state in ("done", "dead"):
                break
            if at - changed > _STALLED_SECONDS:
                raise StackFailed(f"重算停在 {job.moved} 个，{_STALLED_SECONDS:.0f} 秒没有进展")
            if not course.kills and job.moved >= built.affected // 2:
                killed_at = at
                await stack.kill_worker()
                await stack.restart_worker()
                course.kills += 1
    return course


# ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────


async def _check(
    stack: Stack, plan: Plan, built: Built, course: Course, acts: tuple[Acts, Acts], pick: Random
) -> list[str]:
    answered = [act_id for each in acts for act_id in each.answered]
    acted = [event_id for each in acts for event_id in each.events]
    columns = (TextColumn("核对时限"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with stack.sessions() as session:
        with Progress(*columns, console=_out, transient=True, disable=not _out.is_terminal) as progress:
            task = progress.add_task("", total=plan.events * 2)
            books = await recalculate_books.look_at_all(session, plan.changed, lambda n: progress.advance(task, n))
        count, largest = await recalculate_books.commits(session)
        lost = await recalculate_books.lost_acts(session, answered)
        sample = {*pick.sample([e for e, _ in built.samples], min(_VERIFIED, len(built.samples))), *acted[-_VERIFIED:]}
        broken = await recalculate_books.verify(session, stack.keyring, sorted(sample)[: 2 * _VERIFIED])
        state = await session.scalar(
            text("SELECT state FROM job WHERE kind = :kind ORDER BY id DESC"), {"kind": RECALCULATE}
        )
    _show(books, course, count, largest, len(sample))
    expected = (
        ("时限", books.clocks, plan.events * 2),
        ("受影响的时限", books.affected, built.affected),
        ("变动的时限", books.moved, built.affected - books.ended_unmoved),
        ("到期不符的时限", len(books.wrong), 0),
        ("丢失的办件", lost, 0),
        ("不成功的办件", sum(len(each.faults) for each in acts), 0),
        ("断裂的时间线", len(broken), 0),
        ("杀死的次数", course.kills, 1),
        ("重算任务的状态", state, "done"),
    )
    faults = [f"{what}：{found}，应为 {right}" for what, found, right in expected if found != right]
    if largest > CLOCKS_A_COMMIT:
        faults.append(f"一次提交变动 {largest} 个时限，最多 {CLOCKS_A_COMMIT} 个")
    return [*faults, *books.wrong[:5], *(fault for each in acts for fault in each.faults[:5])]


def _show(books: Books, course: Course, commits: int, largest: int, verified: int) -> None:
    speed = books.moved / max(course.total - course.stood_still, 0.001)
    _out.print(
        f"时限 {books.clocks} 个，仍在办 {books.running}；受影响 {books.affected}，变动 {books.moved}，"
        f"变动前已结束 {books.ended_unmoved}\n"
        f"重算用时 {course.total:.0f} 秒，其中后台进程被杀后停顿 {course.stood_still:.0f} 秒；"
        f"其余时间每秒变动 {speed:.0f} 个；提交 {commits} 次，最大一次 {largest} 个\n"
        f"抽查时间线 {verified} 条"
    )
