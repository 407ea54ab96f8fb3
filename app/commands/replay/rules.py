"""Routing rules learned from dispatches: whom a class went to in a community, a street, anywhere; then wider classes.

A narrower count is preferred but not blindly: the shares of the next wider one count as much as ``weight`` cases. With
the smallest weight that is the plain majority, ties decided by the wider count. Which weight to use is found out on the
training records alone. Pure; the same records give the same rules.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from app.commands.replay.pingshan import DESK, STANDARD_REF, Case, domain_of, major_of
from app.dispatch.rows import RoutingRuleRow

FOLDS: Final = 5
#: too small to outvote a case, enough to break a tie
TIES_ONLY: Final = 0.001
WEIGHTS: Final = (TIES_ONLY, 1.0, 2.0, 4.0, 8.0)

#: a count's place in the chain and what it counts by: from the narrowest to all records
_Key = tuple[str, ...]
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Chosen:
    """The unit a count decides for, and how many of its ``cases`` went there."""

    unit_code: str
    support: int
    cases: int


def fold_of(rec_id: str) -> int:
    """The fold of a record, 0 to 4: by its number's digest, so that it never depends on the others."""
    return int.from_bytes(sha256(rec_id.encode()).digest()[:8], "big") % FOLDS


def _chain(case: Case) -> tuple[_Key | None, ...]:
    """Community × sub_type, street × sub_type, sub_type, main_type, type, everything; None without a place."""
    kind, main, sub = case.codes
    return (
        ("community", sub, case.community_code) if case.community_code else None,
        ("street", sub, case.street_code) if case.street_code else None,
        ("item", sub),
        ("major", main),
        ("domain", kind),
        ("all",),
    )


class Dispatches:
    """Counts of really decided records at every step of the chain, and what they choose at one weight."""

    def __init__(self, cases: Iterable[Case], weight: float = TIES_ONLY) -> None:
        self.counts: dict[_Key, Counter[str]] = {}
        #: the next wider key of a key
        self._wider: dict[_Key, _Key | None] = {}
        self._weight = weight
        self._shares: dict[_Key, dict[str, float]] = {}
        for case in cases:
            chain = [key for key in _chain(case) if key is not None]
            for key, wider in zip(chain, [*chain[1:], None], strict=True):
                self._wider.setdefault(key, wider)
                if case.was_decided:
                    self.counts.setdefault(key, Counter())[case.unit_code] += 1

    def at(self, weight: float) -> "Dispatches":
        """The same counts with another weight."""
        other = Dispatches((), weight)
        other.counts, other._wider = self.counts, self._wider
        return other

    def choose(self, key: _Key) -> Chosen | None:
        """What the records of one key decide; equal shares go to the smaller code. None: there are none."""
        if key not in self.counts:
            return None
        shares, counts = self._shares_of(key), self.counts[key]
        unit = min(shares, key=lambda code: (-round(shares[code], _DIGITS), code))
        return Chosen(unit, counts[unit], counts.total())

    def unit_for(self, case: Case) -> str | None:
        """The unit that the rules name; None where nothing in the records is like it."""
        # The last step is everything: no ground to send anything anywhere.
        found = (self.choose(key) for key in _chain(case)[:-1] if key is not None)
        return next((chosen.unit_code for chosen in found if chosen is not None), None)

    def _shares_of(self, key: _Key) -> dict[str, float]:
        if key not in self._shares:
            counts, wider = self.counts[key], self._wider[key]
            if wider is None:
                shares = {unit: n / counts.total() for unit, n in counts.items()}
            else:
                before, whole = self._shares_of(wider), counts.total() + self._weight
                shares = {unit: (counts[unit] + self._weight * share) / whole for unit, share in before.items()}
            self._shares[key] = shares
        return self._shares[key]


def best_weight(training: Sequence[Case]) -> float:
    """The weight under which records of each inner fold are best foretold by the others; of equals the smallest."""
    right = dict.fromkeys(WEIGHTS, 0)
    for inner in sorted({fold_of(case.rec_id) for case in training}):
        held_out = [case for case in training if fold_of(case.rec_id) == inner]
        counted = Dispatches(case for case in training if fold_of(case.rec_id) != inner)
        for weight in WEIGHTS:
            learned = counted.at(weight)
            right[weight] += sum(learned.unit_for(case) == case.unit_code for case in held_out)
    return max(WEIGHTS, key=lambda weight: (right[weight], -weight))


def rules_from(training: Sequence[Case], weight: float, usable: Collection[str]) -> list[RoutingRuleRow]:
    """One rule for each community, street, sub_type, main_type and type that occurs, and the desk's own last.

    ``usable``: codes of the units in force; what went to another one is not learned. Each rule says how many records
    it rests on: it is a statistic, no duty clause.
    """
    cases = [case for case in training if case.unit_code in usable or not case.was_decided]
    learned = Dispatches(cases, weight)
    rules: dict[str, RoutingRuleRow] = {}
    for case in cases:
        for key in _chain(case)[:-1]:
            if key is not None and (chosen := learned.choose(key)) is not None:
                rule = _rule(key, case, chosen, weight)
                rules.setdefault(rule.rule_no, rule)
    desk = RoutingRuleRow(
        rule_no="DESK",
        lead_unit=DESK,
        step="coordination_desk",
        basis="样本中没有同类事件，由协调席研究确定承办单位",
    )
    return [*(rules[number] for number in sorted(rules)), desk]


def _rule(key: _Key, case: Case, chosen: Chosen, weight: float) -> RoutingRuleRow:
    step, code, *area = key
    kind, main, sub = case.classes
    what = {"major": f"中类“{main}”", "domain": f"大类“{kind}”"}.get(step, f"“{sub}”")
    where = {"community": f"{case.street}{case.community}", "street": f"{case.street}"}.get(step, "全区")
    basis = f"统计所得，不是职责条款：训练样本中{where}{what}共 {chosen.cases} 件，其中 {chosen.support} 件派给该单位"
    if chosen.support * 2 <= chosen.cases:
        basis += "（未过半）"
    if weight > TIES_ONLY and step != "domain":
        basis += f"；更大范围的占比按 {weight:g} 件计入"
    number = {"major": f"M{code}", "domain": f"T{code}"}.get(step, f"S{code}")
    named: Mapping[str, str] = {"major": {"major_code": major_of(code)}, "domain": {"domain": domain_of(code)}}.get(
        step, {"standard_ref": STANDARD_REF, "kind": "matter", "code": code}
    )
    return RoutingRuleRow.model_validate(
        {
            **named,
            "rule_no": f"{number}@{area[0]}" if area else number,
            "area_code": area[0] if area else "",
            "lead_unit": chosen.unit_code,
            "step": "territorial" if area else "statutory_department",
            "basis": basis,
        }
    )
