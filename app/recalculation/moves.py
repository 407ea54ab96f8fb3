"""What a release makes of one running clock. Computed from its row and its records alone, wherever it is asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from app.clocks.arithmetic import Due
from app.clocks.emergencies import GROUNDS, Change, reconcile
from app.clocks.limits import Limit
from app.clocks.moving import pause_clock, recalculate_clock, resume_clock
from app.clocks.pauses import GivenBack
from app.clocks.records import cap_of, due_with, given_back_of, limit_of, next_rung_at, pause_of, recorded_pauses
from app.clocks.running import LimitRule, subject_of
from app.events.aggregate import EventAggregate
from app.events.clock_tables import Clock, ClockDue, ClockRung
from app.events.report_tables import Report
from app.events.tables import Event
from app.masters import Masters, limits
from app.masters.kinds import LADDER_KIND, LIMIT_KINDS, RE_DECIDED_KINDS
from app.turn import Turn

NO_CHANGE: Final = Change()


@dataclass(frozen=True, slots=True)
class Found:
    """A running clock with all that its due time is computed from. ``event`` and ``report``: the columns read.

    ``rungs``: those that fired, where a ladder was published.
    """

    clock: Clock
    event: Event
    report: Report | None
    records: Sequence[ClockDue] = ()
    rungs: Sequence[ClockRung] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of one clock: a new rule with its limit (extensions included), other pauses, a new due time."""

    due: Due
    limit: Limit
    rule: LimitRule | None = None
    pauses: Change = NO_CHANGE

    @property
    def cause(self) -> str:
        """Which part of what was published moves it."""
        return "limit" if self.rule else "emergency" if self.pauses else "calendar"


def move_of(masters: Masters, kinds: Collection[str], found: Found) -> Move | None:
    """What the releases of ``kinds`` make of a clock; None: it stays as it is.

    A clock whose calendar does not exist any more stays, too: nothing says when it would be due.
    """
    if not RE_DECIDED_KINDS.intersection(kinds):
        return None
    clock = found.clock
    rule, limit = _limit(masters, found) if LIMIT_KINDS.intersection(kinds) else (None, limit_of(clock))
    calendar_code = rule.calendar_code if rule else clock.calendar_code
    calendar = masters.clockwork.calendars.get(calendar_code)
    if calendar is None:
        return None
    given_back: GivenBack = rule.given_back if rule else given_back_of(clock)
    change = NO_CHANGE
    pauses = list(recorded_pauses(found.records).values())
    if "emergencies" in kinds and (since_at := masters.emergencies.since_at) is not None:
        wanted = masters.emergencies.pauses(subject_of(found.event, clock.kind), since_at)
        change = reconcile([p for p in pauses if p.cause == GROUNDS], wanted, since_at)
        if (cut_at := change.cut_at) is not None:
            pauses = [
                replace(p, until_at=max(cut_at, p.from_at)) if p.cause == GROUNDS and p.until_at > cut_at else p
                for p in pauses
            ]
        pauses += [pause_of(p.from_at, p.until_at, GROUNDS) for p in change.pauses]
    cap = rule.cap if rule else cap_of(clock)
    end = due_with(calendar, clock.started_at, limit, pauses, cap=cap, given_back=given_back)
    # by another calendar it is another clock, even where today both say the same
    before = (clock.due_at, clock.assumed, limit_of(clock), clock.calendar_code)
    same = (end.due_at, end.assumed, limit, calendar_code) == before
    if change or (not same and (rule is not None or "calendar" in kinds)):
        return Move(end, limit, None if same else rule, change)
    return None


def waits_otherwise(masters: Masters, kinds: Collection[str], found: Found) -> bool:
    """Whether the clock waits for another moment by the ladder of ``masters``, where a ladder is among ``kinds``."""
    if LADDER_KIND not in kinds:
        return False
    event = EventAggregate(found.event, clock_dues=list(found.records), clock_rungs=list(found.rungs))
    return next_rung_at(event, found.clock, masters.clockwork) != found.clock.next_at


def wait_anew(event: EventAggregate, masters: Masters) -> bool:
    """Sets the event's running clocks to the rung that comes next now; False: they all waited for it already.

    Nothing but ``next_at`` is written, no generation and no act: no limit moves, and what fires says so itself. A
    rung whose moment has passed already fires with the next sweep, marked late.
    """
    changed = False
    for clock in event.clocks:
        if clock.state == "running" and (at := next_rung_at(event, clock, masters.clockwork)) != clock.next_at:
            event.change(clock, next_at=at)
            changed = True
    return changed


def _limit(masters: Masters, found: Found) -> tuple[LimitRule | None, Limit]:
    """The rule that holds now, if it says anything else, and its limit with what the clock was extended by.

    Extensions are granted in the unit of the limit: where the unit is another one now, the clock keeps what it has.
    """
    clock = found.clock
    old = limit_of(clock)
    rule = limits.of_running(masters, clock, found.event, found.report)
    if rule is None:
        return None, old
    before, more = 0, 0
    for record in found.records:
        if record.cause == "extended":
            more += record.limit_value - before
        before = record.limit_value
    if more and rule.limit.unit is not old.unit:
        return None, old
    limit = replace(rule.limit, value=rule.limit.value + more)
    cap = str(rule.cap) if rule.cap else None
    now = (limit, rule.calendar_code, cap, rule.given_back)
    if now == (old, clock.calendar_code, clock.uncounted_cap, clock.given_back):
        return None, old
    return rule, limit


def apply(turn: Turn, clock: Clock, move: Move, releases: Mapping[str, int]) -> None:
    """Moves a clock of the turn's event, with an act of its own that names the release (kind → id)."""
    release = releases[_kind_of(move, releases)]
    data = {
        "kind": clock.kind,
        "cause": move.cause,
        "before": clock.due_at.isoformat(),
        "after": move.due.due_at.isoformat(),
        "assumed": move.due.assumed,
        "limit": str(move.limit),
        "release": release,
    }
    event, work, at = turn.event, turn.masters.clockwork, turn.act.at
    n = event.record(turn.act, "clock_recalculated", subject=clock, data=data, note="")
    if (rule := move.rule) is not None:
        event.change(
            clock,
            limit_value=move.limit.value,
            limit_unit=move.limit.unit.value,
            rule=rule.rule,
            calendar_code=rule.calendar_code,
            uncounted_cap=str(rule.cap) if rule.cap else None,
            given_back=rule.given_back,
        )
    if rule is not None or not move.pauses:
        cause: Literal["limit", "calendar"] = "limit" if rule else "calendar"
        recalculate_clock(event, clock, work, at, n, cause=cause, grounds=grounds_of(release))
    if move.pauses.cut_at is not None:
        resume_clock(event, clock, work, at, n, grounds=GROUNDS, end=move.pauses.cut_at)
    for pause in move.pauses.pauses:
        pause_clock(event, clock, work, at, n, since=pause.from_at, until=pause.until_at, grounds=GROUNDS)


def grounds_of(release: int) -> str:
    """The grounds of a due time that this release moved."""
    return f"release:{release}"


def _kind_of(move: Move, releases: Mapping[str, int]) -> str:
    """The kind whose release moves it."""
    if move.cause == "calendar":
        return "calendar"
    if move.rule is None:
        return "emergencies"
    by_standard = "#" in move.rule.rule and "filing-standards" in releases
    return "filing-standards" if by_standard else next(kind for kind in sorted(LIMIT_KINDS) if kind in releases)
