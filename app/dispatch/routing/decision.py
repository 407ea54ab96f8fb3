"""What routing answers: the unit, and every reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.dispatch.routing.matter import Matter

Outcome = Literal["chosen", "refused", "passed"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A unit that might have been named, and why it was not. ``rule_no`` is empty where no rule names it."""

    unit: str
    rule_no: str
    why_not: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One principle that was asked, and its answer. ``outcome`` is refused where the guard said no to all it named."""

    step: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Lead unit, supporting units, and every reason. ``unit`` None: a person must decide (``triage`` says why)."""

    unit: str | None
    unit_id: int | None
    supporting_ids: tuple[int, ...]
    #: the principle that decided; "person" where none did
    step: str
    rule_no: str | None
    #: what was considered, as sentences, in order
    tried: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    sentence: str
    triage: str | None = None
    #: number of the clause of the duty list 职责清单 that the lead rests on
    clause_no: str | None = None
    #: every principle asked, up to the one that decided
    steps: tuple[Tried, ...] = ()
    #: what was decided on; None for a person's decision
    matter: Matter | None = None
    #: units by code that only the matter's ids name: first receiver, units that gave it back, load
    named: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """The decision as the timeline keeps it: with the releases, enough to decide it again."""
        data: dict[str, Any] = {
            "unit": self.unit,
            "step": self.step,
            "rule_no": self.rule_no,
            "clause_no": self.clause_no,
            "tried": list(self.tried),
            "alternatives": [
                {"unit": other.unit, "rule_no": other.rule_no, "why_not": other.why_not} for other in self.alternatives
            ],
            "sentence": self.sentence,
        }
        if self.steps:
            data["steps"] = [{"step": each.step, "outcome": each.outcome, "reason": each.reason} for each in self.steps]
        if self.matter is not None:
            data["facts"] = self.matter.as_data() | dict(self.named)
        return data
