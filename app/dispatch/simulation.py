"""What-if 推演: past events decided twice, under what is in force and under drafts, and what that adds up to. Pure.

What stays in memory is bounded by units, items and streets, never by events.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from app.dispatch.routing import Decision
from app.dispatch.rows import RoutingRuleRow

#: event numbers told with each move
EXAMPLES: Final = 5

#: from whom to whom, by code; None: people decide 人工研判
Way = tuple[str | None, str | None]


class Verdict(NamedTuple):
    """A decision as far as two are compared. Units by code; ``unit`` None: people decide."""

    unit: str | None
    step: str
    rule_no: str | None
    clause_no: str | None
    supporting: tuple[str, ...]


#: what production leaves to people without asking the rules
LEFT_TO_PEOPLE: Final = Verdict(None, "person", None, None, ())


def verdict_of(decision: Decision, code_of: Callable[[int], str | None]) -> Verdict:
    """``code_of``: the code of a unit's id."""
    supporting = tuple(code_of(unit) or str(unit) for unit in decision.supporting_ids)
    return Verdict(decision.unit, decision.step, decision.rule_no, decision.clause_no, supporting)


class Replayed(NamedTuple):
    """One past event, decided twice for the same moment ``at`` (aware)."""

    event_no: str
    at: datetime
    item: str | None
    street: str | None
    before: Verdict
    after: Verdict


@dataclass(slots=True)
class Share:
    """Events of one item or one street, and how many of them would move. To and from people: of those that move."""

    events: int = 0
    moved: int = 0
    to_people: int = 0
    from_people: int = 0
    ways: Counter[Way] = field(default_factory=Counter)


@dataclass(slots=True)
class Move:
    """One way from a unit to another, with the numbers of the first events that would take it."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What a simulation found."""

    events: int = 0
    #: another unit would lead, or people instead of a unit, or a unit instead of people
    moved: int = 0
    to_people: int = 0
    from_people: int = 0
    people_before: int = 0
    people_after: int = 0
    #: the same unit by another principle, rule or clause
    same_unit: int = 0
    #: the same unit on the same grounds, with other supporting units
    other_support: int = 0
    ways: dict[Way, Move] = field(default_factory=dict)
    by_item: dict[str | None, Share] = field(default_factory=dict)
    by_street: dict[str | None, Share] = field(default_factory=dict)
    #: the first and last moment that was decided for
    first_at: datetime | None = None
    last_at: datetime | None = None
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def count(self, one: Replayed) -> None:
        """Takes one event into account. The digest depends on the order of events."""
        before, after = one.before, one.after
        self.events += 1
        self.first_at = min(self.first_at or one.at, one.at)
        self.last_at = max(self.last_at or one.at, one.at)
        self.people_before += before.unit is None
        self.people_after += after.unit is None
        self._digest.update(f"{one.event_no}\t{told(after)}\n".encode())
        shares = (
            self.by_item.setdefault(one.item, Share()),
            self.by_street.setdefault(one.street, Share()),
        )
        for share in shares:
            share.events += 1
        if before.unit == after.unit:
            if before[1:4] != after[1:4]:
                self.same_unit += 1
            elif before.supporting != after.supporting:
                self.other_support += 1
            return
        self.moved += 1
        self.to_people += after.unit is None
        self.from_people += before.unit is None
        way = (before.unit, after.unit)
        move = self.ways.setdefault(way, Move())
        move.count += 1
        if len(move.examples) < EXAMPLES:
            move.examples.append(one.event_no)
        for share in shares:
            share.moved += 1
            share.to_people += after.unit is None
            share.from_people += before.unit is None
            share.ways[way] += 1

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over each event's number and its decision under the drafts, in order."""
        return self._digest.hexdigest()

    def most_moved(self) -> list[tuple[Way, Move]]:
        """The ways, the most frequent first."""
        return sorted(self.ways.items(), key=lambda each: (-each[1].count, _readable(each[0])))


def most_moved(shares: dict[str | None, Share]) -> list[tuple[str | None, Share]]:
    """Items or streets of which some events would move, those with the most first."""
    moved = [(name, share) for name, share in shares.items() if share.moved]
    return sorted(moved, key=lambda each: (-each[1].moved, each[0] or ""))


def _readable(way: Way) -> tuple[str, str]:
    return way[0] or "", way[1] or ""


def told(verdict: Verdict) -> str:
    """The decision as one line: unit, step, rule, clause, supporting units, parted by tabs."""
    unit, step, rule_no, clause_no, supporting = verdict
    return "\t".join((unit or "", step, rule_no or "", clause_no or "", "|".join(supporting)))


def never_valid(rules: Iterable[RoutingRuleRow], first_at: datetime, last_at: datetime) -> list[str]:
    """Numbers of rules that hold on no day from ``first_at`` to ``last_at`` (both in the city's time)."""
    first_on, last_on = first_at.date(), last_at.date()
    return [
        rule.rule_no
        for rule in rules
        if (rule.valid_from and rule.valid_from > last_on) or (rule.valid_until and rule.valid_until < first_on)
    ]
