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

STATES: Final = {
    "analyzing": "分析（人工研判）",
    "handling": "处理",
    "verifying": "核查",
    "answering": "答复回访",
    "closing": "待结案",
    "closed": "已结案",
    "not_accepted": "不予受理",
    "handed_over": "已移交",
    "merged": "已并案",
    "cancelled": "已撤销",
}
_ACTS: Final = {
    "received": "收到上报",
    "analyzed": "自动研判",
    "alarm_raised": "危及人身安全，已报警",
    "dispatch": "派单",
    "undecided": "规则未能决定",
    "ask_person": "转人工研判",
    "correct": "更正",
    "sign_for": "签收",
    "first_contact": "先行联系",
    "start": "开始处置",
    "report_done": "处置完毕",
    "request_return": "申请退单",
    "approve_return": "同意退单",
    "reject_return": "驳回退单",
    "inspection_requested": "发起核查",
    "inspection_claimed": "领取核查",
    "inspection_released": "退回核查任务",
    "inspection_passed": "核查通过",
    "inspection_failed": "核查不通过",
    "send_back": "退回重办",
    "reply": "答复",
    "called_back": "回访",
    "rehandle": "重办",
    "chase": "催单",
    "withdraw": "撤单",
    "late_act_resolved": "迟到操作已处理",
    "delivery_skipped": "跳过推送",
    "delivery_sent_again": "重新推送",
    "supporting_added": "增派协办",
    "merge": "并案",
    "absorbed": "并入其他事件",
    "settle_at_desk": "直接答复",
    "refuse": "不予受理",
    "close": "结案",
    "settled": "了结",
    "clock_missed": "超期",
    "cancel": "撤销",
}
#: said by others in the same breath; on the screen they would only push the rest out
_SILENT: Final = frozenset({"analyzed", "settle", "complete", "verify", "answer", "conclude", "approve"})
_ROLES: Final = {
    "operator": "话务员",
    "dispatcher": "派遣员",
    "shift_leader": "值班长",
    "callback_agent": "回访员",
    "collector": "采集员",
    "unit_liaison": "承办单位",
    "handler": "承办单位",
}
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
                    if row["act"] not in _SILENT:
                        self._lines.append(self._line(row))
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
        line.append(f"{_ACTS.get(row['act'], row['act'])} ", style="bold")
        line.append(f"{_who(row)} {_why(row['data'])}".strip())
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


def _who(row: Mapping[str, Any]) -> str:
    # What follows from a message by itself stands under the client that sent it.
    if row["actor_kind"] != "user":
        own_words = row["actor_kind"] == "client" and row["act"] not in ("dispatch", "undecided", "ask_person")
        return "来源系统" if own_words else "系统"
    unit = row["actor_unit"]["name"] if row["actor_unit"] else ""
    role = _ROLES.get(row["actor_role"] or "", row["actor_role"] or "")
    return unit if role == "承办单位" and unit else role


def _why(data: Mapping[str, Any]) -> str:
    """The reason in a row's data, where it has one: the decision's sentence before all."""
    if sentence := data.get("sentence"):
        return str(sentence)
    if "level" in data and data.get("satisfied") is not None:
        return f"满意度 {data['level']}（{'满意' if data['satisfied'] else '不满意'}）"
    known = {
        "resolved": "实际解决",
        "explained": "解释说明",
        "inspection_failed": "核查不通过",
        "dissatisfied": "诉求人不满意",
        "not_our_duty": "不属于本单位职责",
        "not_our_area": "不在本单位辖区",
        "wrong_item": "事项分类有误",
        "item_uncertain": "事项拿不准",
        "place_unknown": "地点不明",
        "accused_unknown": "被举报单位不明",
        "no_rule": "没有适用规则",
        "same_place": "同事项同地点",
        "answered_directly": "直接答复",
        "handled": "处置完成",
        "statutory_route": "告知法定途径",
        "explanation_only": "说明理由",
        "disruption": "扰乱秩序",
        "withdrawn": "诉求人撤单",
    }
    said = (data.get(name) for name in ("result", "cause", "kind", "reason_code", "why"))
    return "，".join(dict.fromkeys(known[word] for word in said if word in known))
