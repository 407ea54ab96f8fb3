"""The escalation ladder 督办阶梯 as data: what happens before a limit, at it and after it, and when (pure).

A rung is due at a share of the clock's budget (before the limit), at the limit, or so much working time after it. It
fires once in a generation of its clock; one that fired in an earlier generation fires again only when it re-arms and
its new time lies ahead of what moved the limit.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.clocks.arithmetic import due, moment_at_share
from app.clocks.calendar import Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import GivenBack, Pause

ClockKind = Literal[
    "acceptance",
    "filing",
    "dispatch",
    "signing",
    "first_contact",
    "handling",
    "return_review",
    # 会商, 裁决: until units agree, until it is ruled
    "negotiation",
    "ruling",
    # 二次派单, 报到: inside a unit, and of a unit that a street has called out
    "sub_handling",
    "appearance",
    "inspection",
    "callback",
    "citizen_total",
]
CLOCK_KINDS: Final[tuple[str, ...]] = get_args(ClockKind)

#: who may be told without being named: the clock's unit, the unit above it, the district's coordination desk
RELATIVE: Final = frozenset({"unit", "parent", "desk"})

_SHARE = re.compile(r"([1-9][0-9]?)%")
_AFTER = re.compile(r"\+(.+)")


def _listed(value: object) -> object:
    return tuple(part for part in value.split("|") if part) if isinstance(value, str) else value


class RungRow(BaseModel):
    """One line of the ladder. Empty conditions match anything; of lines with the same ``rung`` the narrowest holds.

    ``at``: ``80%`` of the budget, ``due``, or ``+4 work_hour`` after the limit. ``to``: who is told: ``unit``,
    ``parent`` (the unit above it), ``desk`` (the district's coordination desk), or an organization's code.
    ``none`` takes a rung away where its conditions hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    rung: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    clock: ClockKind
    standard_ref: str = Field(default="", max_length=100)
    kind: Literal["", "component", "matter"] = ""
    code: str = Field(default="", max_length=100)
    domain: str = Field(default="", max_length=100)
    level: Literal["", "grid", "street", "district", "city"] = ""
    urgency: Literal["", "normal", "urgent", "critical"] = ""
    at: str
    action: Literal["remind", "urge", "escalate", "none"]
    to: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    rearm: bool = False
    source: str = ""

    @property
    def key(self) -> str:
        """The rung and its conditions."""
        return "/".join((self.clock, self.rung, self.item_key, self.domain, self.level, self.urgency))

    @property
    def item_key(self) -> str:
        """``standard_ref/kind/code``, or empty for a line that names no item."""
        return f"{self.standard_ref}/{self.kind}/{self.code}" if self.code else ""

    @field_validator("at")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value == "due" or _SHARE.fullmatch(value):
            return value
        after = _AFTER.fullmatch(value)
        if after is None:
            raise ValueError(f"时点“{value}”写法不对，应为 80%（用去的份额）、due（到期）或 +4 work_hour（超期之后）")
        return f"+{Limit.parse(after[1])}"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({bool(self.standard_ref), bool(self.kind), bool(self.code)}) > 1:
            raise ValueError("standard_ref、kind、code 三项须同时填写或同时留空")
        if self.action != "none" and not self.to:
            raise ValueError("须写明通知谁（to）：unit、parent、desk 或机构代码，多个用 | 分隔")
        if self.rung == DUE.name:
            raise ValueError("due 是系统自带的到期记录，请换一个名称")
        return self


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder as it holds for a clock."""

    name: str
    at: str
    action: str
    to: tuple[str, ...] = ()
    rearm: bool = False


#: every clock has it: the limit has passed, and is written down
DUE: Final = Rung("due", "due", "due", rearm=True)


@dataclass(frozen=True, slots=True)
class Span:
    """The clock as its rungs see it: one generation of it. ``pauses`` are effective ones."""

    calendar: Calendar
    unit: LimitUnit
    started_at: datetime
    due_at: datetime
    pauses: Sequence[Pause] = ()
    given_back: GivenBack = "covered"

    def time_of(self, rung: Rung) -> datetime:
        """When the rung is due."""
        if rung.at == "due":
            return self.due_at
        if rung.at.startswith("+"):
            after = Limit.parse(rung.at[1:])
            return due(self.calendar, self.due_at, after, self.pauses, given_back=self.given_back).due_at
        share = int(rung.at[:-1]) / 100
        return moment_at_share(
            self.calendar,
            self.unit,
            self.started_at,
            self.due_at,
            share,
            self.pauses,
            given_back=self.given_back,
        )


class Ladder:
    """The published lines, ready to be asked. Immutable."""

    def __init__(self, rows: Iterable[RungRow] = (), item_ids: Mapping[str, int] | None = None) -> None:
        self._by_clock: dict[str, list[tuple[int, RungRow, int | None]]] = {}
        for row in rows:
            item_id = (item_ids or {}).get(row.item_key, -1) if row.item_key else None
            narrow = 8 * bool(row.item_key) + 4 * bool(row.domain) + 2 * bool(row.level) + bool(row.urgency)
            self._by_clock.setdefault(row.clock, []).append((narrow, row, item_id))
        for lines in self._by_clock.values():
            lines.sort(key=lambda line: line[0])
        self._known: dict[tuple[Any, ...], tuple[Rung, ...]] = {}

    def rungs(
        self, kind: str, *, item_id: int | None, domain: str | None, level: str | None, urgency: str | None
    ) -> tuple[Rung, ...]:
        """The rungs of a clock of this kind, ``DUE`` among them; the first comes first for a new clock."""
        lines = self._by_clock.get(kind)
        if not lines:
            return (DUE,)
        asked = (kind, item_id, domain, level, urgency)
        if asked not in self._known:
            chosen: dict[str, RungRow] = {}
            for _, row, wanted in lines:
                fits = (wanted is None or wanted == item_id) and row.domain in ("", domain)
                if fits and row.level in ("", level) and row.urgency in ("", urgency):
                    chosen[row.rung] = row
            rungs = [
                Rung(row.rung, row.at, row.action, row.to, row.rearm) for row in chosen.values() if row.action != "none"
            ]
            # Two digits and a percent sign: shares sort as texts. What comes after the limit needs no order here.
            before = sorted((rung for rung in rungs if rung.at.endswith("%")), key=lambda rung: rung.at.zfill(3))
            self._known[asked] = (*before, DUE, *(rung for rung in rungs if not rung.at.endswith("%")))
        return self._known[asked]


def pending(
    rungs: Iterable[Rung], span: Span, generation: int, changed_at: datetime, fired: Collection[tuple[int, str]]
) -> list[tuple[datetime, Rung]]:
    """The rungs still to fire in this generation, earliest first.

    ``changed_at``: when this generation began. ``fired``: (generation, rung) of all that fired before.
    """
    before = {name for earlier, name in fired if earlier < generation}
    waiting: list[tuple[datetime, Rung]] = []
    for rung in rungs:
        if (generation, rung.name) in fired:
            continue
        at = span.time_of(rung)
        if rung.name in before and (not rung.rearm or at <= changed_at):
            continue
        waiting.append((at, rung))
    # At one moment the reminder comes before the record of the limit, and that before what follows from it.
    waiting.sort(key=lambda one: (one[0], one[1].at.startswith("+"), one[1] is DUE, one[1].name))
    return waiting
