"""Writes down what is asked and answered on the way through the principles, and makes the decision of it."""

from itertools import islice
from typing import Any, Final

from app.dispatch.routing.decision import Alternative, Decision, Tried
from app.dispatch.routing.guard import ACCUSED, Verdict
from app.dispatch.routing.matter import STREET
from app.dispatch.routing.rule_index import Rule
from app.dispatch.routing.sentences import STEP_TITLES, sentence, why_weaker
from app.dispatch.routing.steps import Proposal, Walk
from app.dispatch.rows import StepName

#: what a person reads; a catalogue may name hundreds of units for one matter
_MOST_TRIED: Final = 8
_MOST_ALTERNATIVES: Final = 4
_MOST_REFUSED: Final = 3
_MOST_LOOKED_AT: Final = 24
_WHY_A_PERSON: Final = {
    "place_unknown": "有按地点分派的规则，但地点不明",
    "level_raised": "已提级，而提级后的层级没有适用的派单规则",
    "no_rule": "没有适用的派单规则",
}


class Record:
    """What has been asked about one matter so far."""

    __slots__ = ("_crossing", "_refused", "_said", "_steps", "_walk")

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        #: the answer of each principle, the first that counts
        self._steps: dict[str, Tried] = {}
        #: sentences in order, each once
        self._said: dict[str, None] = {}
        self._refused: dict[str, Alternative] = {}
        self._crossing = False

    def passed(self, step: str, reason: str) -> None:
        """The principle named nobody, or nobody else."""
        self._steps.setdefault(step, Tried(step, "passed", reason))

    def refused(self, step: str, answer: Proposal, verdict: Verdict) -> None:
        """The guard said no."""
        self._crossing = self._crossing or verdict.crossing
        accused = verdict.reason == ACCUSED
        told = f"{_named(answer)}指向{ACCUSED if accused else f' {answer.unit}：{verdict.reason}'}"
        self._said.setdefault(told)
        self._refuse(answer.unit, answer.rule, verdict)
        self._steps.setdefault(step, Tried(step, "refused", told))

    def _refuse(self, unit: str, rule: Rule | None, verdict: Verdict) -> None:
        if verdict.reason != ACCUSED:
            self._refused.setdefault(unit, Alternative(unit, rule.row.rule_no if rule else "", verdict.reason))

    def person(self, triage: str) -> Decision:
        """The decision that a person must decide. ``triage``: place_unknown, level_raised or no_rule."""
        matter = self._walk.matter
        if triage == "place_unknown":
            for rule in islice(self._walk.city.catalogue.out_of_sight(matter), _MOST_TRIED):
                self._said.setdefault(f"规则 {rule.row.rule_no} 要看地点，而地点未知")
        why = _WHY_A_PERSON[triage]
        return Decision(
            unit=None,
            unit_id=None,
            supporting_ids=(),
            step="person",
            rule_no=None,
            tried=tuple(self._said)[:_MOST_TRIED],
            alternatives=self._alternatives(None, "", why),
            sentence=f"{why}，转人工研判。",
            triage=triage,
            steps=tuple(self._steps.values()),
            matter=matter,
            named=self._named_units(),
        )

    def decided(self, step: StepName, answer: Proposal, verdict: Verdict, lead: str) -> Decision:
        """The decision that ``lead`` leads: the unit that the step named, or the one that a clause names instead."""
        walk, rule = self._walk, answer.rule
        organizations = walk.city.units.organizations
        name_of = organizations.name_of
        chosen = f"{_named(answer)}命中" if rule else f"{answer.said}：{answer.unit}"
        if lead != answer.unit:
            chosen = f"{chosen}；{verdict.reason}"
        self._steps.pop(step, None)
        return Decision(
            unit=lead,
            unit_id=organizations.id_of(lead),
            supporting_ids=self._supporting(step, answer, lead),
            step=step,
            rule_no=rule.row.rule_no if rule else None,
            tried=(*tuple(self._said)[: _MOST_TRIED - 1], chosen),
            alternatives=self._alternatives(rule, lead, f"“{STEP_TITLES[step]}”在先"),
            sentence=sentence(step, walk.matter, verdict, name_of(lead), name_of(answer.unit), rule, answer.said),
            clause_no=verdict.clause.clause_no if verdict.clause else None,
            steps=(*self._steps.values(), Tried(step, "chosen", chosen)),
            matter=walk.matter,
            named=self._named_units(),
        )

    def _supporting(self, step: str, answer: Proposal, lead: str) -> tuple[int, ...]:
        """Who helps: as the rule says; the street that was spared the lead; each street that the place belongs to."""
        walk = self._walk
        codes = list(answer.rule.row.supporting_units) if answer.rule else []
        if lead != answer.unit:
            codes.append(answer.unit)
        if self._crossing or step == "level":
            for street in (walk.matter.area(STREET), *walk.matter.borders):
                codes.append(walk.city.units.office_of(street) or "")
        ids = (walk.guard.usable_id(code) for code in dict.fromkeys(codes) if code and code != lead)
        return tuple(unit for unit in ids if unit is not None)

    def _alternatives(self, chosen: Rule | None, lead: str, otherwise: str) -> tuple[Alternative, ...]:
        """Other units that rules name, the most specific first, then those that the guard refused.

        ``otherwise``: why not those that are not less specific than what was chosen.
        """
        found: dict[str, Alternative] = {}
        for rule in islice(self._walk.rules(), _MOST_LOOKED_AT):
            if rule is chosen:
                continue
            verdict = self._walk.guard.judge(rule.row.lead_unit)
            unit = verdict.lead
            if unit is None:
                self._refuse(rule.row.lead_unit, rule, verdict)
            elif unit != lead and unit not in found:
                # A rule of the night, say, need not be more specific: its principle was asked first.
                weaker = chosen is not None and chosen.weight >= rule.weight
                found[unit] = Alternative(
                    unit, rule.row.rule_no, why_weaker(chosen, rule) if chosen and weaker else otherwise
                )
                if len(found) == _MOST_ALTERNATIVES:
                    break
        refused = [other for unit, other in self._refused.items() if unit not in found and unit != lead]
        return (*found.values(), *refused[:_MOST_REFUSED])

    def _named_units(self) -> dict[str, Any]:
        """What the matter says by id, by code."""
        matter, code_of = self._walk.matter, self._walk.city.units.organizations.code_of
        named: dict[str, Any] = {}
        if matter.first_receiver is not None:
            named["first_receiver"] = code_of(matter.first_receiver)
        if matter.gave_back:
            named["gave_back"] = sorted(filter(None, map(code_of, matter.gave_back)))
        if matter.load and matter.on_duty:
            loads = {code_of(unit): n for unit, n in matter.load.items()}
            named["load"] = {code: loads[code] for code in matter.on_duty if code in loads}
        return named


def _named(answer: Proposal) -> str:
    return f"规则 {answer.rule.row.rule_no} " if answer.rule else answer.said
