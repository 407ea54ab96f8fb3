"""应急预案: while an emergency lasts, limits stand still or other ones hold; what is published says which (pure).

Never retroactive (docs/glossary.md): a profile holds from its own beginning or from its publication, whichever is
later, so a pause never covers time in which nobody knew of it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from app.clocks.ladder import ClockKind
from app.clocks.limits import Limit
from app.clocks.pauses import Pause, union, whole_minute

#: of every pause that an emergency causes
GROUNDS: Final = "emergency"
#: what the rule of a clock begins with whose limit is an emergency's
RULE_PREFIX: Final = "emergency."
#: the citizen's clock: affected only where a line names it
_CITIZENS: Final = "citizen_total"


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split("|") if part.strip()) if isinstance(value, str) else value


_Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class EmergencyRow(BaseModel):
    """One line. ``from_at``, ``until_at``: ISO times with offset; the second is not included any more.

    ``clocks``: kinds of clock; empty: all but the citizen's total. ``domains``, ``levels``, ``urgencies`` and
    ``area_codes`` (district, street, community) narrow it by the event; empty: any. ``effect`` ``pause``: clocks stand
    still; ``limit``: clocks that start meanwhile have ``limit``. An earlier ``until_at`` ends it early.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    code: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    name: str = Field(min_length=1)
    from_at: datetime
    until_at: datetime
    clocks: Annotated[tuple[ClockKind, ...], BeforeValidator(_listed)] = ()
    domains: _Texts = ()
    levels: Annotated[tuple[Literal["grid", "street", "district", "city"], ...], BeforeValidator(_listed)] = ()
    urgencies: Annotated[tuple[Literal["normal", "urgent", "critical"], ...], BeforeValidator(_listed)] = ()
    area_codes: _Texts = ()
    effect: Literal["pause", "limit"]
    limit: str = ""
    reason: str = Field(min_length=1)
    source: str = ""

    @property
    def key(self) -> str:
        """Its code."""
        return self.code

    @property
    def rule(self) -> str:
        """The rule of a clock whose limit it sets."""
        return RULE_PREFIX + self.code

    @field_validator("from_at", "until_at", mode="before")
    @classmethod
    def _read_time(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            at = datetime.fromisoformat(value.strip())
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise ValueError(f"时间“{value}”写法不对，应带时区，例如 2026-07-20T08:00:00+08:00")
        return at

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.from_at >= self.until_at:
            raise ValueError("until_at 必须晚于 from_at")
        if (self.effect == "limit") != bool(self.limit):
            raise ValueError("effect 为 limit 时必须写明 limit（例如 8 natural_hour），为 pause 时不写")
        if self.limit:
            Limit.parse(self.limit)
        return self


class Subject(NamedTuple):
    """A clock's kind and what of its event a line may ask for; ``areas``: its codes of all levels."""

    kind: str
    domain: str | None
    level: str
    urgency: str
    areas: Collection[str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """What makes the pauses that are held those that are wanted: end them at ``cut_at``, then add ``pauses``."""

    cut_at: datetime | None = None
    pauses: tuple[Pause, ...] = ()

    def __bool__(self) -> bool:
        return self.cut_at is not None or bool(self.pauses)


class Emergencies:
    """The lines of one release. Immutable. ``since_at``: when it was published; nothing holds before."""

    __slots__ = ("_rows", "since_at")

    def __init__(self, rows: Iterable[EmergencyRow] = (), since_at: datetime | None = None) -> None:
        self._rows = tuple(rows)
        self.since_at = since_at
        if self._rows and since_at is None:
            raise ValueError("a published line has a moment of publication")

    def __len__(self) -> int:
        return len(self._rows)

    def pauses(self, subject: Subject, since_at: datetime) -> tuple[Pause, ...]:
        """When a clock stands still from ``since_at`` on: ascending, disjoint, in whole minutes."""
        if self.since_at is None:
            return ()
        rows = (row for row in self._rows if row.effect == "pause" and _concerns(row, subject))
        return _clipped((Pause(row.from_at, whole_minute(row.until_at)) for row in rows), max(since_at, self.since_at))

    def limit(self, subject: Subject, at: datetime) -> EmergencyRow | None:
        """The line whose limit a clock that starts at ``at`` has: of several the narrowest; None: its own limit."""
        if self.since_at is None or at < self.since_at:
            return None
        found = [
            row
            for row in self._rows
            if row.effect == "limit" and row.from_at <= at < row.until_at and _concerns(row, subject)
        ]
        return max(found, key=lambda row: (_narrowness(row), row.code), default=None)


#: where nothing was ever published
NO_EMERGENCIES: Final = Emergencies()


def _concerns(row: EmergencyRow, subject: Subject) -> bool:
    return (
        (subject.kind in row.clocks if row.clocks else subject.kind != _CITIZENS)
        and (not row.domains or subject.domain in row.domains)
        and (not row.levels or subject.level in row.levels)
        and (not row.urgencies or subject.urgency in row.urgencies)
        and (not row.area_codes or any(area in row.area_codes for area in subject.areas))
    )


def _narrowness(row: EmergencyRow) -> int:
    return sum(map(bool, (row.clocks, row.domains, row.levels, row.urgencies, row.area_codes)))


def _clipped(pauses: Iterable[Pause], since_at: datetime) -> tuple[Pause, ...]:
    begins = whole_minute(since_at)
    return union(
        replace(p, from_at=whole_minute(max(p.from_at, begins)), cause=GROUNDS, uncapped=False)
        for p in pauses
        if p.until_at > begins
    )


def reconcile(held: Iterable[Pause], wanted: Sequence[Pause], since_at: datetime) -> Change:
    """How the pauses that are recorded become the wanted ones; what lies before ``since_at`` is left alone.

    Both agree up to some moment: what is held beyond it ends there, and what is wanted beyond it is added.
    """
    have, want = _clipped(held, since_at), _clipped(wanted, since_at)
    if have == want:
        return Change()
    edges = sorted({edge for p in (*have, *want) for edge in (p.from_at, p.until_at)})
    parting = next(start for start, end in pairwise(edges) if _covers(have, start) != _covers(want, start))
    cut_at = parting if any(p.until_at > parting for p in have) else None
    return Change(cut_at, tuple(replace(p, from_at=max(p.from_at, parting)) for p in want if p.until_at > parting))


def _covers(pauses: Iterable[Pause], at: datetime) -> bool:
    return any(p.from_at <= at < p.until_at for p in pauses)
