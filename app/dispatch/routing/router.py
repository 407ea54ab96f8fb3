"""Whose job it is: the principles are asked in their order, the guard judges what they name, and why is kept.

Pure: the same release and the same matter always give the same decision (DESIGN.md §5, DOMAIN.md §4.4).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from app.accounts.organizations import Organizations
from app.dispatch.routing.decision import Decision
from app.dispatch.routing.guard import Guard, Units
from app.dispatch.routing.matter import Matter
from app.dispatch.routing.record import Record
from app.dispatch.routing.registers import Components, Duties
from app.dispatch.routing.rule_index import RuleIndex
from app.dispatch.routing.steps import ASK, City, Passed, Proposal, Walk
from app.dispatch.rows import (
    OFF_BY_DEFAULT,
    STEP_NAMES,
    ComponentRow,
    DutyRow,
    RoutingRuleRow,
    RoutingStepRow,
    StepName,
)

#: principles that go by the catalogue's rules for all hours
_CATALOGUE: Final[frozenset[str]] = frozenset({"statutory_department", "territorial", "coordination_desk"})


def steps_in_order(rows: Iterable[RoutingStepRow]) -> tuple[StepName, ...]:
    """The principles that are asked, in order; without a release all but those that are off by default."""
    rows = sorted(rows, key=lambda row: (row.position, STEP_NAMES.index(row.step)))
    if not rows:
        return tuple(name for name in STEP_NAMES if name not in OFF_BY_DEFAULT)
    return tuple(row.step for row in rows if row.enabled)


class Router:
    """The principles over one release. Never changed after it is built; safe for any thread."""

    def __init__(
        self,
        rules: Iterable[RoutingRuleRow],
        organizations: Organizations,
        *,
        components: Iterable[ComponentRow] = (),
        duties: Iterable[DutyRow] = (),
        steps: Sequence[StepName] = steps_in_order(()),
        finds_desk: bool = True,
    ) -> None:
        """``steps``: the principles that are asked, in order (``steps_in_order``)."""
        rows = tuple(rules)
        #: rules of the release, also those of principles that are not asked
        self.count = len(rows)
        self.steps = tuple(steps)
        heard = _CATALOGUE & set(self.steps)
        self._duties = Duties(duties)
        self._city = City(
            catalogue=RuleIndex(row for row in rows if row.step in heard),
            night=RuleIndex(row for row in rows if row.step == "night_duty"),
            critical=RuleIndex(row for row in rows if row.urgency == "critical"),
            components=Components(components),
            units=Units(organizations),
            finds_desk=finds_desk,
        )

    @property
    def components(self) -> Components:
        """The register of components of the release."""
        return self._city.components

    def decide(self, matter: Matter) -> Decision:
        """The unit that leads, with every reason; never raises for a valid matter."""
        guard = Guard(matter, self._city.units, self._duties, by_level="level" in self.steps)
        walk = Walk(matter, self._city, guard)
        record = Record(walk)
        for step in self.steps:
            for answer in ASK[step](walk):
                if isinstance(answer, Passed):
                    record.passed(step, answer.reason)
                    break
                verdict = guard.judge(answer.unit)
                if verdict.lead is None:
                    record.refused(step, answer, verdict)
                elif self._place_decides(walk, step, answer):
                    record.passed(step, f"{answer.unit} 之前有更具体的规则要看地点，而地点未知")
                    return record.person("place_unknown")
                else:
                    return record.decided(step, answer, verdict, verdict.lead)
        if next(self._city.catalogue.out_of_sight(matter), None):
            return record.person("place_unknown")
        return record.person("level_raised" if matter.at_least else "no_rule")

    def spared(self, matter: Matter, unit: str) -> DutyRow | None:
        """The clause by which a street's unit is not to lead the matter; None: the duty list does not say so."""
        clause = Guard(matter, self._city.units, self._duties, by_level=False).judge(unit).clause
        return clause if clause is not None and clause.duty != "basic" else None

    def _place_decides(self, walk: Walk, step: str, answer: Proposal) -> bool:
        """Whether a rule that only lacks the place names the matter more closely: then a person finds the place."""
        if step not in _CATALOGUE:
            return False
        closely = answer.rule.weight[0] if answer.rule else -1
        return next(self._city.catalogue.out_of_sight(walk.matter, closely), None) is not None


class Rules(Router):
    """A router that has nothing but the catalogue: no duty list, no register, no desk unless a rule names it."""

    def __init__(self, rows: Iterable[RoutingRuleRow], organizations: Organizations) -> None:
        super().__init__(
            rows,
            organizations,
            steps=("emergency_handover", "statutory_department", "territorial", "night_duty", "coordination_desk"),
            finds_desk=False,
        )
