"""What people's dispatches say against the catalogue: suggestions with their evidence, never changes.

A suggestion is made where the cases of an item (or major class) in an area went to one unit often enough, and the
catalogue in force would have sent them elsewhere or nowhere. What a rule decided is no evidence for another rule: it
counts only where today's catalogue says the same. Somebody reads a suggestion and accepts it; then it is a row of a
draft, which is reviewed and published like any other. Pure; the same history and catalogue give the same suggestions.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import sqrt
from typing import Final

from app.dispatch.learning import Key, PastDecision, chain_of, conditions_of, told
from app.dispatch.routing import Decision
from app.dispatch.rows import RoutingRuleRow

#: past decision → what the catalogue says about it; made from the rules of a catalogue
Decider = Callable[[PastDecision], Decision]
DeciderOf = Callable[[Sequence[RoutingRuleRow]], Decider]

_Z: Final = 1.645
_EXAMPLES: Final = 5
#: digits of a street's division code
_STREET: Final = 9
#: what a rule's conditions are; two rules with the same ones cannot stand side by side
_CONDITIONS: Final = (
    *("standard_ref", "kind", "code", "major_code", "domain", "level", "area_code", "channel"),
    *("urgency", "hours", "days", "valid_from", "valid_until"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """How much evidence a suggestion needs."""

    cases: int = 10
    #: of the cases that must have gone to the unit (0..1)
    share: float = 0.8
    #: of all such cases, with 95 % certainty, at least this share does (0..1)
    certain_share: float = 0.6
    #: cases that the rule would have sent right and the catalogue does not, less those it would have sent wrong
    gain: int = 5


_BAR: Final = Bar()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One proposed rule and what it rests on."""

    #: stays the same while the finding does: condition and unit
    number: str
    unit: str
    #: cases that went to the unit, and all of them
    support: int
    cases: int
    #: with 95 % certainty at least this share (0..1) of such cases goes to the unit
    certain_share: float
    #: references of some cases that went there, the newest first, and of some that did not
    examples: tuple[str, ...]
    counter_examples: tuple[str, ...]
    #: what the catalogue says about most of the cases now; None: a person is asked
    catalogue_unit: str | None
    catalogue_rule: str | None
    #: cases that the catalogue, as it is, would have sent to where they went
    catalogue_right: int
    #: the same with this rule in it
    right_with_it: int
    #: number of the rule that it takes the place of; None: it is a new one
    replaces: str | None
    sentence: str
    #: the draft's row
    row: RoutingRuleRow

    @property
    def confidence(self) -> float:
        """Share of the cases that went to the unit (0..1)."""
        return self.support / self.cases


@dataclass(frozen=True, slots=True)
class Names:
    """How sentences name units and areas: code → name."""

    units: Mapping[str, str]
    areas: Mapping[str, str]


def suggestions(
    history: Iterable[PastDecision],
    rules: Sequence[RoutingRuleRow],
    decider_of: DeciderOf,
    *,
    usable: Mapping[str, str],
    names: Names,
    bar: Bar = _BAR,
) -> list[Suggestion]:
    """What might be changed in ``rules``, the most useful first; nothing is changed.

    ``decider_of`` builds the router of a catalogue. ``usable``: the units that may be named, code → division code of
    the area they serve; what serves a street or community is never named beyond it. A wider rule is looked for first,
    but only where cases of several places (of a major class: several items) speak for it; a narrower one is suggested
    only for what the wider one leaves wrong.
    """
    decided = sorted((past for past in history if past.unit is not None), key=lambda past: past.ref)
    now = decider_of(rules)
    says = {past.ref: _unit_of(now(past)) for past in decided}
    evidence = [past for past in decided if past.by_person or says[past.ref] == past.unit]
    cases_of: dict[Key, list[PastDecision]] = defaultdict(list)
    for past in evidence:
        for key in chain_of(past.seen):
            if key.what in ("item", "major"):
                cases_of[key].append(past)
    found: list[Suggestion] = []
    drafted = _Catalogue(rules)
    for key in sorted(cases_of, key=lambda each: (each.what != "major", len(each.area), each)):
        cases = cases_of[key]
        unit, support = min(Counter(past.unit or "" for past in cases).items(), key=lambda each: (-each[1], each[0]))
        if not (_serves(usable.get(unit), key) and _enough(support, len(cases), bar) and _spread(key, unit, cases)):
            continue
        row = _drafted(key, unit, support, cases, drafted, names)
        near = drafted.about(cases)
        before, after = _right(decider_of(near), cases), _right(decider_of(_with(near, row)), cases)
        if after - before < bar.gain:
            continue
        found.append(_suggestion(key, unit, row, cases, now, drafted, names, after))
        drafted.put(row)
    return sorted(found, key=lambda each: (each.catalogue_right - each.right_with_it, each.number))


def certain_share(support: int, cases: int) -> float:
    """The lower end of Wilson's interval: one-sided, 95 %."""
    if not cases:
        return 0.0
    share, z = support / cases, _Z
    middle = share + z * z / (2 * cases)
    spread = z * sqrt((share * (1 - share) + z * z / (4 * cases)) / cases)
    return (middle - spread) / (1 + z * z / cases)


def _enough(support: int, cases: int, bar: Bar) -> bool:
    return cases >= bar.cases and support >= bar.share * cases and certain_share(support, cases) >= bar.certain_share


def _serves(area_code: str | None, key: Key) -> bool:
    """Whether a unit of this area may be named for all that the key counts; None: it may not be named at all."""
    if area_code is None:
        return False
    return len(area_code) < _STREET or key.area.startswith(area_code)


def _spread(key: Key, unit: str, cases: Iterable[PastDecision]) -> bool:
    """Whether what went to the unit speaks for all of the key: one place says nothing about the others."""
    there = [past.seen for past in cases if past.unit == unit]
    places = {seen.areas[-1] if seen.areas else "" for seen in there}
    if key.what == "major" and len({seen.item_key for seen in there}) < 2:
        return False
    return len(places) > 1 or places == {key.area}


def _unit_of(decision: Decision) -> str | None:
    """The unit; None where people are asked, the coordination desk included."""
    return None if decision.step == "coordination_desk" else decision.unit


def _right(decide: Decider, cases: Iterable[PastDecision]) -> int:
    return sum(_unit_of(decide(past)) == past.unit for past in cases)


class _Catalogue:
    """The rules with what has been found so far, looked up by what they are about."""

    def __init__(self, rules: Iterable[RoutingRuleRow]) -> None:
        self._rows: dict[str, RoutingRuleRow] = {}
        self._by_conditions: dict[tuple[object, ...], RoutingRuleRow] = {}
        #: item, or major class, or neither → numbers
        self._about: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for rule in rules:
            self.put(rule)

    def __contains__(self, rule_no: str) -> bool:
        return rule_no in self._rows

    def put(self, rule: RoutingRuleRow) -> None:
        """Adds a rule, or one in place of another with the same number and conditions."""
        self._rows[rule.rule_no] = rule
        self._by_conditions[_conditions(rule)] = rule
        self._about[_subject(rule)][rule.rule_no] = None

    def same_conditions(self, rule: RoutingRuleRow) -> RoutingRuleRow | None:
        """The rule that holds for exactly the same."""
        return self._by_conditions.get(_conditions(rule))

    def about(self, cases: Iterable[PastDecision]) -> list[RoutingRuleRow]:
        """The rules that could say anything about the cases: the others need not be built into a router."""
        subjects = {("", "")}
        for past in cases:
            subjects |= {("item", past.seen.item_key), ("major", past.seen.major_code)}
        return [self._rows[number] for subject in sorted(subjects) for number in self._about.get(subject, ())]


def _conditions(rule: RoutingRuleRow) -> tuple[object, ...]:
    return tuple(getattr(rule, name) for name in _CONDITIONS)


def _subject(rule: RoutingRuleRow) -> tuple[str, str]:
    if rule.item_key:
        return "item", rule.item_key
    return ("major", rule.major_code) if rule.major_code else ("", "")


def _with(rules: Iterable[RoutingRuleRow], row: RoutingRuleRow) -> list[RoutingRuleRow]:
    return [*(each for each in rules if each.rule_no != row.rule_no), row]


def _drafted(
    key: Key, unit: str, support: int, cases: Sequence[PastDecision], drafted: "_Catalogue", names: Names
) -> RoutingRuleRow:
    """The rule as it would stand; in place of one with the same conditions, whose supporting units stay."""
    days = sorted(past.seen.on for past in cases)
    row = RoutingRuleRow.model_validate(
        {
            **conditions_of(key),
            "rule_no": f"L{sha256('|'.join((*key, unit)).encode()).hexdigest()[:8]}",
            "lead_unit": unit,
            "step": "territorial" if key.area else "statutory_department",
            "basis": (
                f"统计所得，职责依据待核：{days[0]} 至 {days[-1]} {told(key, cases[0].seen, names.areas)}"
                f"共 {len(cases)} 件，其中 {support} 件最终由该单位承办"
            )[:500],
        }
    )
    standing = drafted.same_conditions(row)
    if standing is None:
        return row
    helping = tuple(code for code in standing.supporting_units if code != unit)
    return row.model_copy(update={"rule_no": standing.rule_no, "supporting_units": helping})


def _suggestion(
    key: Key,
    unit: str,
    row: RoutingRuleRow,
    cases: Sequence[PastDecision],
    now: Decider,
    drafted: "_Catalogue",
    names: Names,
    right_with_it: int,
) -> Suggestion:
    answers = [now(past) for past in cases]
    said = Counter((_unit_of(answer), answer.rule_no) for answer in answers)
    (catalogue_unit, catalogue_rule), often = min(said.items(), key=lambda each: (-each[1], str(each[0])))
    newest = sorted(cases, key=lambda past: (-past.seen.on.toordinal(), past.ref))
    support = sum(past.unit == unit for past in cases)
    return Suggestion(
        number=f"L{sha256('|'.join((*key, unit)).encode()).hexdigest()[:8]}",
        unit=unit,
        support=support,
        cases=len(cases),
        certain_share=certain_share(support, len(cases)),
        examples=tuple(past.ref for past in newest if past.unit == unit)[:_EXAMPLES],
        counter_examples=tuple(past.ref for past in newest if past.unit != unit)[:_EXAMPLES],
        catalogue_unit=catalogue_unit,
        catalogue_rule=catalogue_rule,
        catalogue_right=sum(_unit_of(answer) == past.unit for answer, past in zip(answers, cases, strict=True)),
        right_with_it=right_with_it,
        replaces=row.rule_no if row.rule_no in drafted else None,
        sentence=_sentence(key, cases, unit, (catalogue_unit, catalogue_rule, often), names),
        row=row,
    )


def _sentence(
    key: Key, cases: Sequence[PastDecision], unit: str, catalogue: tuple[str | None, str | None, int], names: Names
) -> str:
    """``大行宫社区“暴露垃圾”共 140 件，其中 129 件（92%）由……承办；派单目录现在派给……（规则 R12，118 件如此）。``"""
    now, rule, often = catalogue
    support = sum(past.unit == unit for past in cases)
    found = (
        f"{told(key, cases[0].seen, names.areas)}共 {len(cases)} 件，"
        f"其中 {support} 件（{support / len(cases):.0%}）由{names.units.get(unit, unit)}承办"
    )
    if now is None:
        return f"{found}；派单目录现在交人决定（{often} 件如此）。"
    by = f"规则 {rule}，" if rule else ""
    return f"{found}；派单目录现在派给{names.units.get(now, now)}（{by}{often} 件如此）。"
