"""One part learned and tested: the majority, the learned rules through the production router, rules and suggestions."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.commands.bench.routing_data import (
    Part,
    Spellings,
    area_names,
    matter_of,
    organizations_of,
    units_of,
)
from app.commands.replay.pingshan import DESK
from app.dispatch.learning import Dispatches, Drafting, best_weight, least_share, rules_from
from app.dispatch.routing import Rules
from app.dispatch.suggester import Suggester, advise
from app.dispatch.unit_kinds import kinds_of

#: rules decide by themselves what they are right about this often, found out on the learned side alone
PRECISION: Final = 0.88
TOP: Final = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said about one record, against where it really went; codes, and names as records write them."""

    domain: str
    real: str | None
    real_name: str
    majority: str | None
    #: the majority when each spelling of a name is taken for a unit of its own
    majority_name: str | None
    #: what the plain chain of rules says that decides everything
    by_rules: str | None
    #: a rule decided; otherwise it is left to people, with the list before them
    decided: bool
    top: tuple[str, ...]
    top_names: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One part's answers and what learning took."""

    answers: Sequence[Answer]
    training: int
    rules: int
    weight: float
    #: of its cases that a rule needs to decide (0..1)
    share: float
    learned_s: float
    decided_per_s: float


def run(part: Part) -> Trial:
    """Learns from the one side, then asks about the other, whose units nothing sees before they are compared."""
    started = time.perf_counter()
    names = area_names(part.training)
    units = units_of(part.training, names)
    organizations = organizations_of(units)
    history = [each.past for each in part.training]
    usable = {row.code for row in units if row.active} - {DESK}
    weight = best_weight(history, channels=True)
    share = least_share(history, weight, precision=PRECISION, channels=True)
    drafting = Drafting(desk=DESK, weight=weight, channels=True, min_share=share, area_names=names)
    confident = rules_from(history, usable, drafting)
    rules = Rules(confident, organizations)
    chain = Rules(rules_from(history, usable, replace(drafting, min_share=0.0)), organizations)
    suggester = Suggester.fit(history, kinds_of(units, names))
    learned_s = time.perf_counter() - started

    majority = Dispatches(history)
    by_name = Dispatches(replace(each.past, unit=each.unit_name) for each in part.training)
    spellings = Spellings(part.training)
    answers = []
    started = time.perf_counter()
    asked = [rules.decide(matter_of(each.seen)) for each in part.tested]
    decided_per_s = len(asked) / (time.perf_counter() - started)
    for each, decision in zip(part.tested, asked, strict=True):
        advice = advise(decision, suggester.rank(each.seen))
        top = tuple(ranked.unit for ranked in advice.ranked[:TOP])
        answers.append(
            Answer(
                domain=each.seen.domain_name,
                real=each.past.unit,
                real_name=each.unit_name,
                majority=majority.unit_for(each.seen),
                majority_name=by_name.unit_for(each.seen),
                by_rules=chain.decide(matter_of(each.seen)).unit,
                decided=advice.decided,
                top=top,
                top_names=tuple(spellings.name(unit, each.seen.on) for unit in top),
                confidence=advice.confidence,
            )
        )
    return Trial(answers, len(history), len(confident), weight, share, learned_s, decided_per_s)


@dataclass(frozen=True, slots=True)
class Score:
    """Shares (0..1) over some answers; what no unit is recorded for counts as wrong."""

    asked: int
    majority: float
    by_rules: float
    top_1: float
    top_3: float
    #: of the half with the highest confidence, and how sure it was on average
    half: float
    half_confidence: float
    #: over all answers
    confidence: float
    #: left to people
    people: float
    #: of those that a rule decided, the share that was right
    decided_right: float


def score(answers: Sequence[Answer], *, by_name: bool = False) -> Score:
    """Compared by the unit's code, or by its name letter by letter."""
    ordered = sorted(answers, key=lambda each: -each.confidence)
    half = ordered[: len(ordered) // 2]
    decided = [each for each in answers if each.decided]
    return Score(
        asked=len(answers),
        majority=_share(
            (each.majority_name == each.real_name if by_name else each.majority == each.real) for each in answers
        ),
        by_rules=_share(each.by_rules == each.real for each in answers),
        top_1=_share(_right(each, 1, by_name) for each in answers),
        top_3=_share(_right(each, TOP, by_name) for each in answers),
        half=_share(_right(each, 1, by_name) for each in half),
        half_confidence=sum(each.confidence for each in half) / max(1, len(half)),
        confidence=sum(each.confidence for each in answers) / max(1, len(answers)),
        people=_share(not each.decided for each in answers),
        decided_right=_share(_right(each, 1, by_name) for each in decided),
    )


def _right(answer: Answer, places: int, by_name: bool) -> bool:
    if answer.real is None:
        return False
    return answer.real_name in answer.top_names[:places] if by_name else answer.real in answer.top[:places]


def _share(flags: Iterable[bool]) -> float:
    found = list(flags)
    return sum(found) / len(found) if found else 0.0
