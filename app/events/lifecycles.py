"""The lifecycles: one readable table each (trigger, from, to). Run by one shared machine each, never one per row.

``=`` as target leaves the state as it is: the act is allowed there and changes nothing but its own record.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from transitions import Machine, MachineError

from app.core.errors import NotAllowedNow


@dataclass(slots=True)
class _Holder:
    """What the machine moves, in place of a row."""

    state: str


Row = tuple[str, str, str]


def one_of(column: str, values: Iterable[str]) -> str:
    """The SQL condition that a column has one of these values."""
    return f"{column} IN (" + ", ".join(f"'{value}'" for value in values) + ")"


class Lifecycle:
    """States and triggers of one kind of subject, as data; the first state listed is where it begins."""

    def __init__(self, name: str, name_zh: str, rows: Iterable[Row], *, ends: str = "") -> None:
        self.name = name
        self.name_zh = name_zh
        self.ends = tuple(ends.split())
        transitions: list[dict[str, object]] = []
        states: dict[str, None] = {}
        self._allowed: dict[str, list[str]] = {}
        for trigger, sources, dest in rows:
            for source in sources.split():
                states.setdefault(source)
                if trigger in self._allowed.setdefault(source, []):
                    raise ValueError(f"{name}: {trigger} from {source} is listed twice")
                self._allowed[source].append(trigger)
                transitions.append({"trigger": trigger, "source": source, "dest": dest})
            if dest != "=":
                states.setdefault(dest)
        self.states = tuple(states)
        self.begin = self.states[0]
        self.triggers = tuple(dict.fromkeys(str(row["trigger"]) for row in transitions))
        self._machine = Machine(
            model=None,
            states=list(states),
            transitions=transitions,
            initial=self.begin,
            auto_transitions=False,
        )

    def allowed(self, state: str) -> tuple[str, ...]:
        """The triggers that ``state`` allows, in the table's order."""
        return tuple(self._allowed.get(state, ()))

    def fire(self, state: str, trigger: str) -> str:
        """The state after ``trigger``. Raises ``NotAllowedNow`` (409) naming what is allowed instead."""
        if trigger not in self.triggers:
            raise KeyError(f"{self.name} has no trigger {trigger}")
        holder = _Holder(state)
        try:
            self._machine.events[trigger].trigger(holder)
        except MachineError as fault:
            raise NotAllowedNow(
                f"{self.name_zh}当前状态为 {state}，不能执行 {trigger}；请刷新后按允许的操作办理。",
                allowed=list(self.allowed(state)),
                state=state,
            ) from fault
        return holder.state


_OPEN_EVENT = "analyzing handling verifying answering closing"

EVENT = Lifecycle(
    "event",
    "事件",
    [
        # 分析: item, place and unit are decided, by the rules or by a person of the human queue
        ("correct", "analyzing handling", "="),
        ("dispatch", "analyzing handling", "handling"),
        # 拆分: another event takes a part of the work · 提级: a higher level leads
        ("split", "analyzing handling", "="),
        ("raise_level", "analyzing handling", "="),
        ("ask_person", "handling", "analyzing"),
        # 处理 → 反馈: the lead unit has reported done; what the closure profile owes comes next
        ("verify", "handling", "verifying"),
        ("answer", "handling verifying", "answering"),
        ("conclude", "handling verifying answering", "closing"),
        # every way back to the unit: failed inspection, dissatisfied caller, the centre's own no
        ("send_back", "verifying answering closing", "handling"),
        ("reopen", "closed", "handling"),
        # the five ends
        ("close", "closing", "closed"),
        ("settle_at_desk", "analyzing", "closed"),
        ("force_close", "handling verifying answering closing", "closed"),
        ("refuse", "analyzing handling", "not_accepted"),
        ("hand_over", "analyzing handling", "handed_over"),
        ("merge", _OPEN_EVENT, "merged"),
        ("cancel", _OPEN_EVENT, "cancelled"),
    ],
    ends="closed not_accepted handed_over merged cancelled",
)

_OPEN_ORDER = "dispatched signed handling"

WORK_ORDER = Lifecycle(
    "work_order",
    "工单",
    [
        ("sign_for", "dispatched", "signed"),
        ("first_contact", "signed handling", "="),
        ("start", "signed", "handling"),
        # 认领: a person takes it out of the unit's pool, is given it, or puts it back
        ("take", "dispatched signed handling", "="),
        ("assign", "dispatched signed handling", "="),
        ("put_back", "dispatched signed handling", "="),
        # 报到: a unit that was called out appears, or its time has passed without
        ("answer_callout", "dispatched signed", "handling"),
        ("no_show", "dispatched signed", "="),
        # an order that is argued about goes on being handled; only the decision moves it
        ("request_return", _OPEN_ORDER, "="),
        ("withdraw_return", _OPEN_ORDER, "="),
        ("reject_return", _OPEN_ORDER, "="),
        ("approve_return", _OPEN_ORDER, "returned"),
        ("transfer", "dispatched signed handling reported_done", "transferred"),
        ("report_done", "signed handling", "reported_done"),
        ("send_back", "reported_done", "handling"),
        ("complete", "reported_done dispatched signed handling", "completed"),
        ("reopen", "completed", "handling"),
        ("cancel", "dispatched signed handling reported_done", "cancelled"),
    ],
    ends="returned transferred completed cancelled",
)

RETURN_REQUEST = Lifecycle(
    "return_request",
    "退单申请",
    [
        ("approve", "requested", "approved"),
        ("reject", "requested", "rejected"),
        ("withdraw", "requested", "withdrawn"),
    ],
    ends="approved rejected withdrawn",
)

# 会商 and 裁决: agreed among the units, ruled over them, or dropped when there is nothing left to argue about
DISPUTE = Lifecycle(
    "dispute",
    "管辖争议",
    [
        ("state_position", "negotiating", "="),
        ("act_first", "negotiating ruling", "="),
        ("agree", "negotiating", "agreed"),
        ("refer", "negotiating", "ruling"),
        ("rule", "negotiating ruling", "ruled"),
        ("drop", "negotiating ruling", "dropped"),
    ],
    ends="agreed ruled dropped",
)

COMPONENT_CORRECTION = Lifecycle(
    "component_correction",
    "部件权责更正",
    [("accept", "proposed", "accepted"), ("reject", "proposed", "rejected")],
    ends="accepted rejected",
)

INSPECTION = Lifecycle(
    "inspection",
    "核查任务",
    [
        ("claim", "requested", "claimed"),
        ("release", "claimed", "requested"),
        ("pass", "claimed", "passed"),
        ("fail", "claimed", "failed"),
        ("cancel", "requested claimed", "cancelled"),
    ],
    ends="passed failed cancelled",
)

# 延期, 挂账, 等待诉求人, 超期申诉. Of several approvers each but the last moves it to ``reviewed``. What was agreed for
# a time (挂账, 等待) holds until it is over: settled by the unit (销账) and verified, or ended by its own date.
LIMIT_REQUEST = Lifecycle(
    "limit_request",
    "时限申请",
    [
        ("review", "requested reviewed", "reviewed"),
        ("grant", "requested reviewed", "granted"),
        ("reject", "requested reviewed", "rejected"),
        ("withdraw", "requested reviewed", "withdrawn"),
        ("claim_settled", "granted", "settling"),
        ("verify_settled", "settling", "ended"),
        ("refuse_settled", "settling", "granted"),
        ("end", "granted settling", "ended"),
    ],
    ends="rejected withdrawn ended",
)

# A report is settled when its event has ended and nothing is owed to its reporter any more, whatever the end was.
REPORT = Lifecycle(
    "report",
    "诉求",
    [
        ("chase", "open replied", "="),
        ("supplement", "open replied", "="),
        ("reply", "open replied", "replied"),
        ("rehandle", "open replied settled", "open"),
        ("settle", "open replied", "settled"),
        ("withdraw", "open replied", "withdrawn"),
    ],
    ends="settled withdrawn",
)
