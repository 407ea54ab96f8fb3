"""``bihuan replay pingshan DIR``: a real district's year through the loop, by the HTTP channels it came by."""

import asyncio
import io
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text
from sqlalchemy import func, select

from app import demo_city
from app.accounts.rows import OrganizationRow
from app.commands.replay import pingshan
from app.commands.replay import results as pingshan_results
from app.commands.replay.pingshan import CHECKER, CODE, NAME, Case
from app.commands.replay.results import FoldRun, SourceKey, key_of
from app.commands.replay.rules import rules_of
from app.commands.session import open_sessions
from app.commands.stack import City, running_stack, set_up_city
from app.core import releases
from app.core.database import Sessions, transaction
from app.core.errors import Unavailable
from app.core.tables import Jurisdiction, Release
from app.dispatch.learning import FOLDS, Dispatches, best_weight, fold_of
from app.dispatch.rows import RoutingRuleRow
from app.masters.publishing import publish, put_file
from app.masters.validation import MasterFile

app = typer.Typer(no_args_is_help=True)

DATABASE: Final = "bihuan_pingshan"
_CALENDAR: Final = demo_city.FOLDER / "calendar.csv"
_BY: Final = "bihuan replay pingshan"
_BATCH: Final = 100
_CONNECTIONS: Final = 2
#: sending again is harmless: every message is known by its own reference
_TRIES: Final = 6
_PAGE: Final = 200

_out = Console()


@app.callback()
def _group() -> None:
    """用公开的真实数据重放一遍闭环。"""  # without a callback a lone command would take the place of the group


@app.command("pingshan")
def pingshan_command(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="数据文件夹，内有 pingshan_*.csv")],
    url: Annotated[
        str | None,
        typer.Option(
            help="已在运行的服务，例如 http://127.0.0.1:8000；载入数据还要能连上它的数据库。不写则自行启动一套"
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help=f"内置 PostgreSQL 里的数据库名；自行启动时默认 {DATABASE}，用 --url 时默认 bihuan"),
    ] = None,
) -> None:
    """重放深圳市坪山区 2018 年的 5,048 件真实事件，五折检验派单；可重复执行。"""
    if not asyncio.run(_pingshan(folder, url, database)):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Service:
    """A running service and the district in its database."""

    base_url: str
    sessions: Sessions
    city: City
    checker_password: str
    #: releases of the district that had been published before this run
    published_before: int


async def _pingshan(folder: Path, url: str | None, database: str | None) -> bool:
    cases = await asyncio.to_thread(pingshan.read_cases, folder)
    units = {row.code: row for row in pingshan.organization_rows(folder, pingshan.area_rows(cases))}
    _out.print(f"{folder} 里有 {len(cases)} 件事件、{len(units)} 个单位，载入并启动服务……", soft_wrap=True)
    async with _service(folder, cases, url, database) as service:
        try:
            return await _replay(service, cases, units)
        except httpx.TransportError as fault:
            raise Unavailable(
                f"{service.base_url} 没有应答（{type(fault).__name__}），可以再执行一次接着重放。"
            ) from None


@asynccontextmanager
async def _service(
    folder: Path, cases: Sequence[Case], url: str | None, database: str | None
) -> AsyncIterator[_Service]:
    """The service at ``url``, else one of our own; with the district's masters, clients and checker in it."""
    password = secrets.token_urlsafe(24)
    ready: list[City] = []
    before: list[int] = []

    async def prepare(sessions: Sessions, _: object) -> None:
        before.append(await _published_count(sessions))
        with tempfile.TemporaryDirectory(prefix="bihuan-pingshan-") as name:
            await asyncio.to_thread(pingshan.write_masters, folder, Path(name), cases, _CALENDAR)
            ready.append(await set_up_city(sessions, CODE, NAME, Path(name), by=_BY, password=password))

    if url is not None:
        async with open_sessions(database=database or "bihuan") as opened:
            await prepare(opened.sessions, None)
            yield _Service(url.rstrip("/"), opened.sessions, ready[0], password, before[0])
        return
    # Public data in a database of its own: without secrets of ours the demo's will do.
    demo = {} if os.environ.keys() & {"BIHUAN_DEMO", "BIHUAN_SECRET_KEY"} else {"BIHUAN_DEMO": "true"}
    async with running_stack(demo, database or DATABASE, prepare=prepare) as stack:
        yield _Service(stack.base_url, stack.sessions, ready[0], password, before[0])


async def _replay(service: _Service, cases: Sequence[Case], units: dict[str, OrganizationRow]) -> bool:
    """All folds in order, then the account; False when anything is lost or doubled."""
    usable = {code for code, row in units.items() if row.active}
    cases_of = [[case for case in cases if fold_of(case.rec_id) == number] for number in range(FOLDS)]
    folds: list[FoldRun] = []
    async with httpx.AsyncClient(base_url=service.base_url, timeout=120, trust_env=False) as http:
        senders = await _senders(http, service)
        picture = await _placeholder(http, senders)
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_out
        ) as progress:
            tasks = [
                progress.add_task(f"第 {n + 1} 折", total=len(each), start=False) for n, each in enumerate(cases_of)
            ]
            for number, (mine, task) in enumerate(zip(cases_of, tasks, strict=True)):
                progress.start_task(task)
                training = [case for case in cases if fold_of(case.rec_id) != number]
                fold = await _prepare_fold(service, number, mine, training, usable)
                fold.answers = await _send_all(http, senders, mine, picture, progress, task)
                folds.append(fold)
        over_http = await _read_back(http, service)
    async with service.sessions() as session:
        books = await pingshan_results.read_books(session, service.city.jurisdiction_id)
    found = pingshan_results.account(cases, books, over_http)
    pingshan_results.show(_out, cases, folds, cases_of, books.reports, units, found)
    for line in pingshan_results.filled_in_lines():
        _out.print(line, soft_wrap=True)
    new = sum(fold.answers["created"] + fold.answers["joined"] for fold in folds)
    published = await _published_count(service.sessions) - service.published_before
    _out.print(
        Text(
            f"本次：新收 {new} 件，发布 {published} 版（其中规则 {sum(fold.published for fold in folds)} 版）；"
            f"发送用批量接口，每批 {_BATCH} 件，同时 {_CONNECTIONS} 批。再执行一次应为新收 0 件、发布 0 版。"
        ),
        soft_wrap=True,
    )
    return found.sound


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────


async def _prepare_fold(
    service: _Service, number: int, mine: Sequence[Case], training: Sequence[Case], usable: set[str]
) -> FoldRun:
    """Learns the fold's rules and puts them into force, unless all of its reports are there already."""
    weight, rules, majority_right = await asyncio.to_thread(_learn, mine, training, usable)
    file = MasterFile("routing-rules", "complete", {rule.key: rule for rule in rules})
    digest = releases.digest_of(file.documents)
    jurisdiction_id, published = service.city.jurisdiction_id, False
    async with transaction(service.sessions) as session:
        known = await pingshan_results.received(session, jurisdiction_id)
        in_force = await releases.published_of(session, jurisdiction_id, "routing-rules")
        # A run that was broken off may have left reports of this fold behind, with later rules in force by now.
        if any(key_of(case) not in known for case in mine) and (in_force is None or in_force.digest != digest):
            await put_file(session, jurisdiction_id, file, by=_BY)
            await publish(session, jurisdiction_id, ["routing-rules"], by=_BY, unreviewed_because="重放各折学到的规则")
            published = True
        release = await releases.ever_published(session, jurisdiction_id, "routing-rules", digest)
    return FoldRun(
        number=number,
        training=len(training),
        weight=weight,
        rules=len(rules),
        release_number=release.number if release else None,
        published=published,
        majority_right=majority_right,
    )


def _learn(mine: Sequence[Case], training: Sequence[Case], usable: set[str]) -> tuple[float, list[RoutingRuleRow], int]:
    history = [case.decision for case in training]
    weight, majority = best_weight(history), Dispatches(history)
    right = sum(majority.unit_for(case.decision.seen) == case.unit_code for case in mine)
    return weight, rules_of(training, weight, usable), right


async def _published_count(sessions: Sessions) -> int:
    async with sessions() as session:
        found = await session.scalar(
            select(func.count())
            .select_from(Release)
            .join(Jurisdiction, Jurisdiction.id == Release.jurisdiction_id)
            .where(Jurisdiction.code == CODE, Release.published_at.is_not(None))
        )
    return found or 0


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _senders(http: httpx.AsyncClient, service: _Service) -> dict[str, dict[str, str]]:
    """The head that each channel's own client sends its messages with."""
    return {
        channel: await _log_in(
            http, grant_type="client_credentials", client_id=channel, client_secret=service.city.secrets[channel]
        )
        for channel in sorted(set(pingshan.CHANNEL_OF.values()))
    }


async def _log_in(http: httpx.AsyncClient, **form: str) -> dict[str, str]:
    answer = await http.post("/api/v1/auth/token", data={**form, "jurisdiction": CODE})
    if not answer.is_success:
        raise Unavailable(f"登录失败（{answer.status_code}）：{_detail(answer)}")
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


async def _placeholder(http: httpx.AsyncClient, senders: dict[str, dict[str, str]]) -> str:
    """Uploads the one picture that stands for all that are not there, and returns its name (SHA-256)."""
    drawn = io.BytesIO()
    Image.new("RGB", (64, 48), (160, 160, 160)).save(drawn, "PNG")
    answer = await http.post("/api/v1/attachments", content=drawn.getvalue(), headers=senders["snapshot"])
    if not answer.is_success:
        raise Unavailable(f"占位图上传失败（{answer.status_code}）：{_detail(answer)}")
    return str(answer.json()["sha256"])


async def _send_all(
    http: httpx.AsyncClient,
    senders: dict[str, dict[str, str]],
    cases: Sequence[Case],
    picture: str,
    progress: Progress,
    task: TaskID,
) -> Counter[str]:
    """Sends the records by their channels, a few batches at a time; how they were answered, by outcome."""
    batches: list[tuple[str, list[dict[str, Any]]]] = []
    for channel in senders:
        messages = [pingshan.message_of(case, picture) for case in cases if case.channel == channel]
        batches += [(channel, messages[n : n + _BATCH]) for n in range(0, len(messages), _BATCH)]
    answers: Counter[str] = Counter()
    slots = asyncio.Semaphore(_CONNECTIONS)

    async def send(channel: str, messages: list[dict[str, Any]]) -> None:
        async with slots:
            answers.update(await _send_batch(http, channel, senders[channel], messages))
            progress.advance(task, len(messages))

    await asyncio.gather(*(send(channel, messages) for channel, messages in batches))
    return answers


async def _send_batch(
    http: httpx.AsyncClient, channel: str, head: dict[str, str], messages: list[dict[str, Any]]
) -> Counter[str]:
    """One batch, sent again while the service cannot answer; what stays unanswered is counted as that."""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(min(10.0, 0.5 * 2**attempt))
        try:
            answer = await http.post(f"/api/v1/intake/{channel}/batch", json={"reports": messages}, headers=head)
        except httpx.TransportError:
            continue
        if answer.is_success:
            return Counter(_outcome(result) for result in answer.json()["results"])
        if answer.status_code < 500 and answer.status_code != 429:
            raise Unavailable(f"{channel} 批量上报被拒（{answer.status_code}）：{_detail(answer)}")
    return Counter({"unanswered": len(messages)})


def _outcome(result: dict[str, Any]) -> str:
    if "problem" in result:
        return "refused"
    return "repeated" if result["repeated"] else str(result["outcome"])


async def _read_back(http: httpx.AsyncClient, service: _Service) -> Counter[SourceKey]:
    """How often each source reference stands in ``GET /reports``, read page by page as a supervisor."""
    head = await _log_in(http, username=CHECKER, password=service.checker_password)
    found: Counter[SourceKey] = Counter()
    cursor: str | None = None
    while True:
        given = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
        answer = await http.get("/api/v1/reports", params=given, headers=head)
        if not answer.is_success:
            raise Unavailable(f"读回诉求失败（{answer.status_code}）：{_detail(answer)}")
        page = answer.json()
        found.update((report["channel"], report["source_ref"]) for report in page["items"])
        cursor = page["next"]
        if cursor is None:
            return found
