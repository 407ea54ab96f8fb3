"""How the demo is shown: live in a terminal, as plain lines elsewhere."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from app.commands.demo.actors import Logins, Progress
from app.commands.demo.words import ACTS, SILENT, STATES, is_notable, who, why

_LINES: Final = 14
_POLL_SECONDS: Final = 0.7
_PLAIN_EVERY_SECONDS: Final = 2.0


class Screen:
    """The demo's progress. ``console`` decides whether it is drawn live or told in lines."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._lines: deque[Text] = deque(maxlen=_LINES)
        self._bars = Bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._sent = self._bars.add_task("上报", total=progress.planned)
        self._done = self._bars.add_task("办结", total=None)
        self._told_at = 0.0

    async def show(self, http: httpx.AsyncClient, logins: Logins, cursor: str | None) -> None:
        """Follows ``GET /changes`` as a shift leader would, from ``cursor`` on, until it is cancelled."""
        if not self._console.is_terminal:
            await self._follow(http, logins, cursor)
            return
        with Live(self._picture(), console=self._console, refresh_per_second=4, transient=True) as live:
            try:
                await self._follow(http, logins, cursor, live)
            finally:
                live.update(self._picture())

    async def _follow(
        self, http: httpx.AsyncClient, logins: Logins, cursor: str | None, live: Live | None = None
    ) -> None:
        while True:
            found = await read_changes(http, logins, cursor)
            if found is not None:
                cursor = found["next"]
                for row in found["items"]:
                    if row["act"] not in SILENT:
                        self._lines.append(self._line(row))
                    if is_notable(row["act"], row["data"]):
                        # What does not happen every day stays to be read, above what moves.
                        self._console.print(self._lines[-1], soft_wrap=True)
            if live is not None:
                live.update(self._picture())
            elif time.monotonic() - self._told_at >= _PLAIN_EVERY_SECONDS:
                self._told_at = time.monotonic()
                self._tell()
            if found is None or not found["more"]:
                await asyncio.sleep(_POLL_SECONDS)

    def _picture(self) -> Group:
        progress = self._progress
        self._bars.update(self._sent, completed=progress.sent)
        counts = Counter(progress.states.values())
        # A merged event is settled with the one that it was merged into.
        total = len(progress.states) - counts["merged"]
        self._bars.update(self._done, completed=len(progress.settled), total=total or None)
        phases = Table("阶段", "事件", title="事件所处阶段", title_justify="left")
        for state, name in STATES.items():
            if counts[state]:
                phases.add_row(name, str(counts[state]))
        newest = Text("\n").join(self._lines)
        return Group(
            self._bars, Text(f"上报回执：{self._receipts()}"), phases, Text("最新时间线", style="bold"), newest
        )

    def _receipts(self) -> str:
        names = {"created": "新立事件", "joined": "自动并单", "held": "暂存待重试"}
        told = [f"{name} {self._progress.outcomes[key]}" for key, name in names.items() if self._progress.outcomes[key]]
        return "，".join(told) or "尚无"

    def _tell(self) -> None:
        counts = Counter(self._progress.states.values())
        phases = "，".join(f"{name} {counts[state]}" for state, name in STATES.items() if counts[state])
        self._console.print(
            f"上报 {self._progress.sent}/{self._progress.planned}（{self._receipts()}）；"
            f"了结 {len(self._progress.settled)}；{phases}",
            soft_wrap=True,
        )
        if self._lines:
            self._console.print(Text("  ") + self._lines[-1], soft_wrap=True)

    def _line(self, row: Mapping[str, Any]) -> Text:
        at = datetime.fromisoformat(row["recorded_at"])
        title = self._progress.titles.get(row["event_id"], "")
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{at:%H:%M:%S} ", style="dim")
        line.append(f"{row['event_no']} {title[:12]} ", style="cyan")
        line.append(f"{ACTS.get(row['act'], row['act'])} ", style="bold")
        line.append(f"{who(row)} {why(row['data'], row['act'])}".strip())
        return line


async def read_changes(http: httpx.AsyncClient, logins: Logins, cursor: str | None) -> dict[str, Any] | None:
    """What is behind the cursor; None when it cannot be had just now: the screen must not end the demo."""
    try:
        answer = await http.get(
            "/changes",
            params={"limit": 200, **({"after": cursor} if cursor else {})},
            headers=await logins.header("leader1"),
        )
    except httpx.TransportError:
        return None
    found: dict[str, Any] | None = answer.json() if answer.is_success else None
    return found
