"""The demo's people and systems at work over HTTP: they log in, send, look, and act, as real clients would."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import httpx

from app.commands.demo.reports import Messages, Planned, picture
from app.commands.demo.staff import Staff, Step
from app.commands.demo.steps import CLIENT, next_step
from app.commands.demo.ways import part_of

#: events that are handled at the same time; people think, our cores do not
_AT_ONCE: Final = 8
_RETRIES: Final = 5
#: who accepts corrections of the register of components
_KEEPER: Final = "leader1"
#: more acts than the longest way needs: something goes round in circles
_MOST_ACTS: Final = 120
_PAUSE_SECONDS: Final = 0.4
#: how long an ended event may wait for its last delivery
_SETTLE_SECONDS: Final = 60.0


class DemoFailed(Exception):
    """An answer of the API that the demo did not expect; the text is for the screen."""


@dataclass(slots=True)
class Progress:
    """What has happened so far; the screen shows it."""

    planned: int
    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    #: report id by index of the plan, and its event
    report_ids: dict[int, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    #: reports that the classifier decided by itself, and rightly
    classified: int = 0
    classified_right: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    merged: int = 0
    #: entries of the register of components that were corrected, and the draft in which they wait to be published
    corrected: int = 0
    draft_number: int | None = None
    failures: list[str] = field(default_factory=list)


class Logins:
    """Access tokens by user name or channel, each taken once."""

    def __init__(self, http: httpx.AsyncClient, password: str, secrets: Mapping[str, str]) -> None:
        self._http = http
        self._password = password
        self._secrets = secrets
        self._tokens: dict[str, asyncio.Task[str]] = {}

    async def header(self, who: str) -> dict[str, str]:
        """The authorization header of a user, or of a channel's client."""
        if who not in self._tokens:
            self._tokens[who] = asyncio.create_task(self._log_in(who))
        return {"Authorization": f"Bearer {await self._tokens[who]}"}

    async def _log_in(self, who: str) -> str:
        form = (
            {"grant_type": "client_credentials", "client_id": who, "client_secret": self._secrets[who]}
            if who in self._secrets
            else {"grant_type": "password", "username": who, "password": self._password}
        )
        answer = await self._http.post("/auth/token", data=form)
        if answer.is_error:
            raise DemoFailed(f"{who} 登录失败：{problem_of(answer)}")
        token: str = answer.json()["access_token"]
        return token


class Actors:
    """Sends the reports and lets people handle each event to its end."""

    def __init__(
        self, http: httpx.AsyncClient, logins: Logins, staff: Staff, messages: Messages, progress: Progress
    ) -> None:
        self._http = http
        self._logins = logins
        self._staff = staff
        self._messages = messages
        self._progress = progress
        self._plans: dict[str, Planned] = {}
        self._event_of: dict[int, str] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._watched: set[str] = set()

    async def run(self, reports: list[Planned], per_second: float, now: Any) -> None:
        """Sends all reports, ``per_second`` of them (0: as fast as it goes), and handles what becomes of them.

        A report that others repeat waits for them, so that they find its event open. ``now`` is called for the time.
        """
        waiting: dict[int, int] = Counter(report.of for report in reports if report.of is not None)
        repeats: dict[int, list[Planned]] = {}
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for n, report in enumerate(reports):
                if per_second > 0:
                    await asyncio.sleep(max(0.0, began + n / per_second - loop.time()))
                await self._send(report, now())
                if report.of is not None:
                    waiting[report.of] -= 1
                    repeats.setdefault(report.of, []).append(report)
                head = report.index if report.of is None else report.of
                if not waiting.get(head):
                    group.create_task(self._family(head, repeats.get(head, [])))

    async def _send(self, report: Planned, at: datetime) -> None:
        progress = self._progress
        message = self._messages.of(report, at)
        try:
            answer = await self._request("POST", f"/intake/{report.channel}", report.channel, json=message)
        except DemoFailed as fault:
            progress.failures.append(f"第 {report.index} 件上报：{fault}")
            return
        progress.sent += 1
        progress.outcomes[answer["outcome"]] += 1
        progress.report_ids[report.index] = answer["report_id"]
        self._plans[answer["report_id"]] = report
        if answer["event_id"] is not None:
            self._event_of[report.index] = answer["event_id"]
            progress.states.setdefault(answer["event_id"], "analyzing")
            progress.titles.setdefault(answer["event_id"], report.title)

    async def _family(self, head: int, repeats: list[Planned]) -> None:
        first = self._event_of.get(head)
        for repeat in repeats:
            other = self._event_of.get(repeat.index)
            if first is not None and other is not None and other != first:
                await self._merge(other, first)
        for event_id in {first, *(self._event_of.get(repeat.index) for repeat in repeats)} - {None}:
            # Reports that the system joined by itself belong to an event that somebody handles already.
            if event_id is not None and event_id not in self._watched:
                self._watched.add(event_id)
                await self._handle(event_id)

    async def _merge(self, event_id: str, into: str) -> None:
        """并案 by a person of what had no point to be joined by; where it may not be, each is handled for itself."""
        seat = self._staff.seat("dispatcher", event_id)
        answer = await self._post(f"/events/{event_id}/actions/merge", seat, {"into": into})
        if answer.is_success:
            self._progress.merged += 1
            self._progress.acts["merge"] += 1
        elif answer.status_code != httpx.codes.CONFLICT:
            self._progress.failures.append(f"并案：{problem_of(answer)}")

    async def _handle(self, event_id: str) -> None:
        try:
            seen = await self._to_the_end(event_id)
            if seen["merged_into"] is None:
                await self._until_settled(event_id)
        except DemoFailed as fault:
            self._progress.failures.append(f"{self._progress.titles.get(event_id, '')}：{fault}")

    async def _to_the_end(self, event_id: str) -> dict[str, Any]:
        seat = self._staff.seat("dispatcher", event_id)
        refused: str | None = None
        for looks in range(_MOST_ACTS):
            async with self._gate:
                seen = await self._request("GET", f"/events/{event_id}", seat)
                if looks == 0:
                    self._judge(seen)
                self._note(seen)
                step = next_step(seen, self._plans, self._staff)
                gone = not seen["reports"] and seen["split_from"] is None
                if step is None and (seen["ended_at"] is not None or gone):
                    return seen
                if step is not None:
                    refused = await self._do(step)
            await self._parts(seen)
            if step is None or refused:
                await asyncio.sleep(_PAUSE_SECONDS)
        raise DemoFailed(f"办不下去，停在 {seen['state']}：{refused or seen['triage'] or '不知道下一步'}")

    async def _parts(self, seen: Mapping[str, Any]) -> None:
        """What was split off is handled to its end while the event waits for it."""
        for part in seen["parts"]:
            plan = next((self._plans[r["id"]] for r in seen["reports"] if r["id"] in self._plans), None)
            if plan is not None and part["event_id"] not in self._watched:
                self._watched.add(part["event_id"])
                self._plans[part["event_id"]] = part_of(plan)
                await self._to_the_end(part["event_id"])
                self._progress.settled.add(part["event_id"])

    async def _correct(self, event_id: str) -> None:
        """A component's entry that a unit says is wrong: the shift leader accepts it into a draft."""
        found = await self._request("GET", "/dispatch/component-corrections", _KEEPER)
        for row in found["items"]:
            if row["event_id"] == event_id:
                path = f"/dispatch/component-corrections/{row['id']}/actions/accept"
                decided = await self._request("POST", path, _KEEPER, json={})
                self._progress.corrected += 1
                self._progress.draft_number = decided["draft_number"] or self._progress.draft_number

    async def _until_settled(self, event_id: str) -> None:
        """The result still has to reach the source; and a caller's late word may open something again."""
        seat = self._staff.seat("dispatcher", event_id)
        deadline = asyncio.get_running_loop().time() + _SETTLE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            seen = await self._request("GET", f"/events/{event_id}", seat)
            self._note(seen)
            if seen["settled_at"] is not None:
                self._progress.settled.add(event_id)
                return
            step = next_step(seen, self._plans, self._staff)
            if step is not None:
                await self._do(step)
            else:
                await asyncio.sleep(_PAUSE_SECONDS)
        raise DemoFailed(f"{_SETTLE_SECONDS:.0f} 秒内未了结，停在 {seen['state']}")

    async def _do(self, step: Step) -> str | None:
        """Performs the act; what the API said when somebody was faster (the next look shows what there is to do)."""
        who = step.channel if step.who == CLIENT else step.who
        body = {**step.body, "act_id": str(uuid4())}
        if step.evidence:
            body["evidence"] = [await self._upload(who)]
        answer = await self._post(f"{step.path}/actions/{step.action}", who, body)
        if answer.is_success:
            self._progress.acts[step.action] += 1
            if step.action == "report_component":
                await self._correct(step.path.rpartition("/")[2].partition(".")[0])
            return await self._do(step.then) if step.then is not None else None
        refused = f"{who} 执行 {step.action}：{problem_of(answer)}"
        if answer.status_code not in (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED):
            raise DemoFailed(refused)
        return refused

    async def _upload(self, who: str) -> str:
        number = sum(self._progress.acts.values())
        stored = await self._request("POST", "/attachments", who, content=picture(number))
        sha256: str = stored["sha256"]
        return sha256

    async def _post(self, path: str, who: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self._send_request("POST", path, who, json=body)

    async def _request(self, method: str, path: str, who: str, **content: Any) -> dict[str, Any]:
        answer = await self._send_request(method, path, who, **content)
        if answer.is_error:
            raise DemoFailed(problem_of(answer))
        body: dict[str, Any] = answer.json()
        return body

    async def _send_request(self, method: str, path: str, who: str, **content: Any) -> httpx.Response:
        """With retries for what may be repeated as it is: messages by their reference, acts by their act id."""
        headers = await self._logins.header(who)
        for attempt in range(1, _RETRIES + 1):
            try:
                answer = await self._http.request(method, path, headers=headers, **content)
            except httpx.TransportError as fault:
                if attempt == _RETRIES:
                    raise DemoFailed(f"连接失败：{type(fault).__name__}") from None
            else:
                if answer.status_code not in (429, 503) or attempt == _RETRIES:
                    return answer
            await asyncio.sleep(0.3 * attempt)
        raise AssertionError("unreachable")

    def _note(self, seen: Mapping[str, Any]) -> None:
        self._progress.states[seen["id"]] = seen["state"]
        self._progress.titles[seen["id"]] = seen["title"]

    def _judge(self, seen: Mapping[str, Any]) -> None:
        """Whether the classifier decided by itself, and as the demo's author would have."""
        plan = next((self._plans[r["id"]] for r in seen["reports"] if r["id"] in self._plans), None)
        if plan is not None and seen["item"] is not None:
            self._progress.classified += 1
            self._progress.classified_right += seen["item"]["key"] == plan.item


def problem_of(answer: httpx.Response) -> str:
    """What an error answer says."""
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    faults = "；".join(f"{fault.get('path')} {fault.get('message')}" for fault in body.get("faults", ()))
    return f"HTTP {answer.status_code} {body.get('detail', '')}{'（' + faults + '）' if faults else ''}"
