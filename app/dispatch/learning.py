"""What people's dispatches teach: counted from the narrowest circumstances to the widest, and written as rules.

The chain of counts is item × community, item × street, item, major class, domain (each with the channel before it,
when asked for). A narrower count is preferred but not blindly: the shares of the next wider one count as much as
``weight`` cases. With the smallest weight that is the plain majority, ties decided by the wider count. Which weight to
use is found out on the training decisions alone. Pure; the same decisions give the same rules.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from app.dispatch.rows import RoutingRuleRow

FOLDS: Final = 5
#: too small to outvote a case, enough to break a tie
TIES_ONLY: Final = 0.001
WEIGHTS: Final = (TIES_ONLY, 1.0, 2.0, 4.0, 8.0)
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of an event when it is dispatched, and nothing that came afterwards."""

    #: ``standard_ref/kind/code``; empty where the item is not known
    item_key: str
    major_code: str
    domain: str
    #: division codes that learning tells apart, from the widest to the narrowest that is known
    areas: tuple[str, ...]
    channel: str
    #: the local day of the dispatch
    on: date
    #: names of item and classes; never a citizen's words, so that nothing personal is learned
    item_name: str = ""
    major_name: str = ""
    domain_name: str = ""

    @property
    def text(self) -> str:
        """What the names say, for learning from words."""
        return f"{self.major_name} {self.item_name}"


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One dispatch as it turned out in the end."""

    #: what it is found again by: an event's number, a record's
    ref: str
    seen: Circumstances
    #: code of the unit that had it in the end; None: nobody was named
    unit: str | None
    #: a person chose the unit; otherwise a rule did and nobody moved it
    by_person: bool = True


class Key(NamedTuple):
    """What a count goes by; an empty member means any."""

    what: Literal["item", "major", "domain", "any"]
    code: str
    area: str = ""
    channel: str = ""


_EVERYTHING: Final = Key("any", "")


class Chosen(NamedTuple):
    """The unit that a count decides for, how many of its ``cases`` went there, and its share after smoothing (0..1)."""

    unit: str
    support: int
    cases: int
    share: float


def fold_of(ref: str) -> int:
    """The fold of a decision, 0 to 4: by its reference's digest, so that it never depends on the others."""
    return int.from_bytes(sha256(ref.encode()).digest()[:8], "big") % FOLDS


def chain_of(seen: Circumstances, *, channels: bool = False) -> tuple[Key, ...]:
    """The counts that speak about it, narrowest first, in the order in which routing prefers rules; all of it last."""
    ways = (seen.channel, "") if channels and seen.channel else ("",)
    keys: list[Key] = []
    if seen.item_key:
        keys += (Key("item", seen.item_key, area, way) for area in (*reversed(seen.areas), "") for way in ways)
    if seen.major_code:
        keys.append(Key("major", seen.major_code))
    if seen.domain:
        keys.append(Key("domain", seen.domain))
    return (*keys, _EVERYTHING)


class Dispatches:
    """Counts of past decisions at every step of the chain, and what they choose at one weight."""

    def __init__(self, history: Iterable[PastDecision], weight: float = TIES_ONLY, *, channels: bool = False) -> None:
        self.counts: dict[Key, Counter[str]] = {}
        #: the next wider key of a key
        self._wider: dict[Key, Key | None] = {}
        self._weight = weight
        self._channels = channels
        self._shares: dict[Key, dict[str, float]] = {}
        for past in history:
            chain = self.chain(past.seen)
            for key, wider in zip(chain, [*chain[1:], None], strict=True):
                self._wider.setdefault(key, wider)
                if past.unit is not None:
                    self.counts.setdefault(key, Counter())[past.unit] += 1

    def chain(self, seen: Circumstances) -> tuple[Key, ...]:
        """The keys by which these counts look at it."""
        return chain_of(seen, channels=self._channels)

    def at(self, weight: float) -> "Dispatches":
        """The same counts with another weight."""
        other = Dispatches((), weight, channels=self._channels)
        other.counts, other._wider = self.counts, self._wider
        return other

    def choose(self, key: Key) -> Chosen | None:
        """What the decisions of one key come to; equal shares go to the smaller code. None: there are none."""
        if key not in self.counts:
            return None
        shares, counts = self._shares_of(key), self.counts[key]
        unit = min(shares, key=lambda code: (-round(shares[code], _DIGITS), code))
        return Chosen(unit, counts[unit], counts.total(), shares[unit])

    def chosen_for(self, seen: Circumstances) -> Chosen | None:
        """What the narrowest count that speaks about it comes to; None where nothing in the decisions is like it."""
        # The last step is everything: no ground to send anything anywhere.
        found = (self.choose(key) for key in self.chain(seen)[:-1])
        return next((chosen for chosen in found if chosen is not None), None)

    def unit_for(self, seen: Circumstances) -> str | None:
        """The unit that the rules name; None where nothing in the decisions is like it."""
        chosen = self.chosen_for(seen)
        return chosen.unit if chosen else None

    def _shares_of(self, key: Key) -> dict[str, float]:
        if key not in self._shares:
            counts, wider = self.counts[key], self._wider[key]
            if wider is None:
                shares = {unit: n / counts.total() for unit, n in counts.items()}
            else:
                before, whole = self._shares_of(wider), counts.total() + self._weight
                shares = {unit: (counts[unit] + self._weight * share) / whole for unit, share in before.items()}
            self._shares[key] = shares
        return self._shares[key]


def best_weight(training: Sequence[PastDecision], *, channels: bool = False) -> float:
    """The weight under which decisions of each inner fold are best foretold by the others; of equals the smallest."""
    right = dict.fromkeys(WEIGHTS, 0)
    for inner in sorted({fold_of(past.ref) for past in training}):
        held_out = [past for past in training if fold_of(past.ref) == inner]
        counted = Dispatches((past for past in training if fold_of(past.ref) != inner), channels=channels)
        for weight in WEIGHTS:
            learned = counted.at(weight)
            right[weight] += sum(learned.unit_for(past.seen) == past.unit for past in held_out)
    return max(WEIGHTS, key=lambda weight: (right[weight], -weight))


def least_share(training: Sequence[PastDecision], weight: float, *, precision: float, channels: bool = False) -> float:
    """The smallest share at which a rule may decide, so that it is right about unseen decisions often enough.

    ``precision`` (0..1): the share of what is decided that must be right, counted over the inner folds. The answer is
    above 1 where no share does.
    """
    found: list[tuple[float, bool]] = []
    for inner in sorted({fold_of(past.ref) for past in training}):
        others = (past for past in training if fold_of(past.ref) != inner)
        learned = Dispatches(others, weight, channels=channels)
        for past in training:
            if fold_of(past.ref) == inner and (chosen := learned.chosen_for(past.seen)) is not None:
                found.append((chosen.share, chosen.unit == past.unit))
    for hundredths in range(50, 100):
        right = [is_right for share, is_right in found if share >= hundredths / 100]
        if right and sum(right) >= precision * len(right):
            return hundredths / 100
    return 1.01


@dataclass(frozen=True, slots=True)
class Drafting:
    """How learned rules are written."""

    #: code of the coordination desk, which takes what no rule answers
    desk: str
    weight: float = TIES_ONLY
    #: rules of one channel before those of all
    channels: bool = False
    #: below this share (0..1, after smoothing) the rule leaves the decision to the desk
    min_share: float = 0.0
    #: division code → how a sentence names it
    area_names: Mapping[str, str] = field(default_factory=dict)


def rules_from(training: Sequence[PastDecision], usable: Collection[str], drafting: Drafting) -> list[RoutingRuleRow]:
    """One rule for each step of the chain that occurs, and the desk's own last.

    ``usable``: codes of the units in force; what went to another one is not learned. Each rule says how many decisions
    it rests on: it is a statistic, no duty clause. Where the decisions of a narrower place contradict each other, the
    desk's rule stands there, so that a wider one does not decide over their heads.
    """
    history = [past for past in training if past.unit in usable or past.unit is None]
    learned = Dispatches(history, drafting.weight, channels=drafting.channels)
    rules: dict[str, RoutingRuleRow] = {}
    for past in history:
        for key in learned.chain(past.seen)[:-1]:
            if number_of(key) not in rules and (chosen := learned.choose(key)) is not None:
                rules[number_of(key)] = _rule(key, past.seen, chosen, drafting)
    desk = RoutingRuleRow(
        rule_no="DESK",
        lead_unit=drafting.desk,
        step="coordination_desk",
        basis="样本中没有同类事件，由协调席研究确定承办单位",
    )
    return [*(rules[number] for number in sorted(rules)), desk]


def number_of(key: Key) -> str:
    """The number of the rule that a key becomes; unique among the items of one standard."""
    letter = {"item": "S", "major": "M", "domain": "T", "any": "A"}[key.what]
    area = f"@{key.area}" if key.area else ""
    return f"{letter}{key.code.rpartition('/')[2]}{area}{f'#{key.channel}' if key.channel else ''}"


def conditions_of(key: Key) -> dict[str, str]:
    """The conditions of a rule that holds for exactly what the key counts, by the names of the rule's columns."""
    named: dict[str, str] = {"area_code": key.area, "channel": key.channel}
    if key.what == "item":
        # a standard's own reference may have strokes in it: GB/T 47678.5
        standard_ref, kind, code = key.code.rsplit("/", 2)
        named |= {"standard_ref": standard_ref, "kind": kind, "code": code}
    elif key.what == "major":
        named["major_code"] = key.code
    elif key.what == "domain":
        named["domain"] = key.code
    return named


def told(key: Key, seen: Circumstances, area_names: Mapping[str, str]) -> str:
    """What the key counts, in words: 六联社区“下水井盖”."""
    what = {
        "major": f"中类“{seen.major_name or key.code}”",
        "domain": f"大类“{seen.domain_name or key.code}”",
    }.get(key.what, f"“{seen.item_name or key.code}”")
    where = area_names.get(key.area, key.area) if key.area else "各处"
    return f"{where}{f'经 {key.channel} 渠道来的' if key.channel else ''}{what}"


def _rule(key: Key, seen: Circumstances, chosen: Chosen, drafting: Drafting) -> RoutingRuleRow:
    decides = chosen.share >= drafting.min_share
    basis = (
        f"统计所得，不是职责条款：训练样本中{told(key, seen, drafting.area_names)}共 {chosen.cases} 件，"
        f"其中 {chosen.support} 件派给{'该单位' if decides else '同一单位，分歧较大，由协调席确定'}"
    )
    if decides and chosen.support * 2 <= chosen.cases:
        basis += "（未过半）"
    if drafting.weight > TIES_ONLY and key.what != "domain":
        basis += f"；更大范围的占比按 {drafting.weight:g} 件计入"
    return RoutingRuleRow.model_validate(
        {
            **conditions_of(key),
            "rule_no": number_of(key),
            "lead_unit": chosen.unit if decides else drafting.desk,
            "step": ("territorial" if key.area else "statutory_department") if decides else "coordination_desk",
            "basis": basis,
        }
    )
