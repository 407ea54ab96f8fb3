"""Which units an event could go to, with how likely each is: learned from past decisions, for the dispatcher's list.

Five views of the past, each a chain of counts from wide to narrow in which the wider shares count as ``_WEIGHT``
cases, are weighed against each other (a log-linear mixture). The weights are found on decisions that the views had not
seen, so that the mixture's probabilities are meant as such: of what it holds to be 80 % sure, about 80 % is right. No
randomness: the same history gives the same answers. The views:

- place: which units the place's classes went to;
- kind: which kind of unit (``unit_kinds``) the class went to, anywhere, and by which channel;
- street: which kind of unit the class went to in that street;
- lately: which units the channel's cases of the place went to, decisions near in time first;
- words: which kind of unit cases with such names of item and class went to.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB

from app.dispatch.learning import Circumstances, PastDecision, fold_of
from app.dispatch.routing import Decision
from app.dispatch.unit_kinds import UnitKind

VIEWS: Final = ("place", "kind", "street", "lately", "words")

Vector = NDArray[np.float64]
_Chain = Callable[[Circumstances], tuple[Hashable, ...]]

#: as many cases do the next wider shares count for
_WEIGHT: Final = 2.0
#: days after which a decision counts a third in the view "lately"; none counts less than ``_OLD``
_DAYS: Final = 10.0
_OLD: Final = 0.05
#: how likely, against a unit of the place, a unit of the same kind elsewhere is
_ELSEWHERE: Final = 0.02
#: no view may rule a unit out for good
_LEAST: Final = 1e-4
#: units that are weighed for one event; the others are as good as impossible
_CANDIDATES: Final = 40
_RIDGE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Ranked:
    """One possible unit and how likely it is the one (0..1)."""

    unit: str
    probability: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What rules and history say together; ``ranked`` best first."""

    ranked: tuple[Ranked, ...]
    #: a rule decided; otherwise a person is to, with ``ranked`` before their eyes
    decided: bool

    @property
    def confidence(self) -> float:
        """How likely the first unit is the right one (0..1)."""
        return self.ranked[0].probability if self.ranked else 0.0


def advise(decision: Decision, ranked: Sequence[Ranked]) -> Advice:
    """The unit that a rule names goes first with the probability that history gives it; the others keep their order.

    A decision for the coordination desk is none: people sit there.
    """
    if decision.unit is None or decision.step == "coordination_desk":
        return Advice(tuple(ranked), decided=False)
    known = {each.unit: each.probability for each in ranked}
    first = Ranked(decision.unit, known.get(decision.unit, 0.0))
    return Advice((first, *(each for each in ranked if each.unit != decision.unit)), decided=True)


class _Counts:
    """Counts along one chain from wide to narrow; of units, or of kinds of units."""

    def __init__(
        self, chain_of: _Chain, history: Iterable[tuple[Circumstances, int]], size: int, *, lately: bool = False
    ) -> None:
        self._chain, self._size, self._lately = chain_of, size, lately
        listed: dict[Hashable, tuple[list[int], list[int]]] = {}
        for seen, label in history:
            for key in chain_of(seen):
                labels, days = listed.setdefault(key, ([], []))
                labels.append(label)
                days.append(seen.on.toordinal())
        if not lately:
            counted = {key: Counter(labels) for key, (labels, _) in listed.items()}
            listed = {key: (sorted(found), [found[label] for label in sorted(found)]) for key, found in counted.items()}
        #: where the labels of a key stand in ``_labels``, and their days or numbers in ``_values``
        self._spans: dict[Hashable, tuple[int, int]] = {}
        begin = 0
        for key, (labels, _) in listed.items():
            self._spans[key] = (begin, begin + len(labels))
            begin += len(labels)
        self._labels = np.fromiter(chain.from_iterable(labels for labels, _ in listed.values()), np.int64, begin)
        self._values = np.fromiter(chain.from_iterable(values for _, values in listed.values()), np.int64, begin)

    def shares(self, seen: Circumstances) -> Vector:
        """The smoothed share of each label, of all 1."""
        found = np.full(self._size, 1 / self._size)
        for key in self._chain(seen):
            if key not in self._spans:
                continue
            begin, end = self._spans[key]
            labels, values = self._labels[begin:end], self._values[begin:end]
            found *= _WEIGHT
            if self._lately:
                age = np.abs(values - seen.on.toordinal())
                found += np.bincount(labels, np.exp(-age / _DAYS) + _OLD, self._size)
            else:
                found[labels] += values
            found /= found.sum()
        return found


def _by_place(seen: Circumstances) -> tuple[Hashable, ...]:
    narrow = seen.areas[-1:]
    return (
        (),
        *(("place", area) for area in seen.areas),
        ("domain", seen.domain, *narrow),
        ("major", seen.major_code, *narrow),
        ("item", seen.item_key, *narrow),
    )


def _by_kind(seen: Circumstances) -> tuple[Hashable, ...]:
    return (
        *((), ("domain", seen.domain), ("major", seen.major_code), ("item", seen.item_key)),
        ("item", seen.item_key, seen.channel),
    )


def _by_street(seen: Circumstances) -> tuple[Hashable, ...]:
    street = seen.areas[:1]
    return (
        *((), ("street", *street), ("domain", seen.domain, *street)),
        *(("major", seen.major_code, *street), ("item", seen.item_key, *street)),
    )


def _by_channel(seen: Circumstances) -> tuple[Hashable, ...]:
    channel, narrow = seen.channel, seen.areas[-1:]
    return (
        *((), ("channel", channel), *(("place", channel, area) for area in seen.areas)),
        *(("domain", channel, seen.domain, *narrow), ("major", channel, seen.major_code, *narrow)),
        ("item", channel, seen.item_key, *narrow),
    )


class _Words:
    """Naive Bayes over the characters of the names of item and class."""

    def __init__(self, history: Sequence[tuple[Circumstances, int]], size: int) -> None:
        self._size = size
        self._terms = TfidfVectorizer(analyzer="char", ngram_range=(1, 2))
        counted = self._terms.fit_transform([seen.text for seen, _ in history])
        self._bayes = MultinomialNB(alpha=0.1).fit(counted, [label for _, label in history])
        texts = list(dict.fromkeys(seen.text for seen, _ in history))
        #: of the texts that occur: most of what is asked about
        self._known: dict[str, Vector] = dict(zip(texts, self._of(texts), strict=True))

    def shares(self, text: str) -> Vector:
        """The share of each label, of all 1."""
        found = self._known.get(text)
        if found is None:
            found = self._of([text])[0]
        return found

    def _of(self, texts: Sequence[str]) -> Vector:
        found: Vector = np.zeros((len(texts), self._size))
        found[:, self._bayes.classes_] = self._bayes.predict_proba(self._terms.transform(texts))
        return found


class _Views:
    """The five views of one history."""

    def __init__(self, history: Sequence[PastDecision], units: Sequence[str], kinds: Mapping[str, UnitKind]) -> None:
        of_units = {unit: n for n, unit in enumerate(units)}
        named = [kinds.get(unit, UnitKind(f"={unit}", None)) for unit in units]
        of_kinds = {kind: n for n, kind in enumerate(sorted({each.kind for each in named}))}
        self._kind_of_unit = np.array([of_kinds[each.kind] for each in named])
        self._areas = [each.area_code for each in named]
        self._kinds = len(of_kinds)
        decided = [(past.seen, of_units[past.unit]) for past in history if past.unit is not None]
        by_kind = [(seen, int(self._kind_of_unit[unit])) for seen, unit in decided]
        self._place = _Counts(_by_place, decided, len(units))
        self._kind = _Counts(_by_kind, by_kind, self._kinds)
        self._street = _Counts(_by_street, by_kind, self._kinds)
        self._channel = _Counts(_by_channel, decided, len(units), lately=True)
        self._words = _Words(by_kind, self._kinds)
        self._here: dict[tuple[str, ...], Vector] = {}

    def of(self, seen: Circumstances) -> Vector:
        """Logarithm of each view's share for each unit: views × units."""
        here = self._shares_here(seen.areas)
        views = (
            self._place.shares(seen),
            self._kind.shares(seen)[self._kind_of_unit] * here,
            self._street.shares(seen)[self._kind_of_unit] * here,
            self._channel.shares(seen),
            self._words.shares(seen.text)[self._kind_of_unit] * here,
        )
        return np.log(np.array(views) + _LEAST)

    def _shares_here(self, areas: tuple[str, ...]) -> Vector:
        """How the units of one kind share its cases in this place."""
        if areas not in self._here:
            fits = np.array([1.0 if area is None or area in areas else _ELSEWHERE for area in self._areas])
            self._here[areas] = fits / np.bincount(self._kind_of_unit, fits, self._kinds)[self._kind_of_unit]
        return self._here[areas]


@dataclass(frozen=True, slots=True)
class Suggester:
    """Learned from one history; answers are pure functions of what is asked."""

    units: tuple[str, ...]
    #: weight of each of ``VIEWS``, none negative
    weights: tuple[float, ...]
    #: share of unseen decisions whose unit was among the candidates at all (0..1)
    reach: float
    _views: _Views | None

    @classmethod
    def fit(cls, history: Sequence[PastDecision], kinds: Mapping[str, UnitKind]) -> Self:
        """Learns from what was decided; some seconds for 10,000 decisions. ``kinds``: see ``unit_kinds.kinds_of``.

        An empty history gives one that suggests nothing.
        """
        decided = [past for past in history if past.unit is not None]
        units = tuple(sorted({past.unit for past in decided if past.unit is not None}))
        if not decided:
            return cls((), (), 0.0, None)
        weights, reach = _weigh(decided, units, kinds)
        return cls(units, tuple(map(float, weights)), reach, _Views(decided, units, kinds))

    def rank(self, seen: Circumstances, limit: int = _CANDIDATES) -> tuple[Ranked, ...]:
        """The likeliest units, best first; equal ones by code. At most ``limit``, fewer when fewer are known."""
        if self._views is None:
            return ()
        logs = self._views.of(seen)
        chosen = _candidates(logs)
        probability = _softmax(np.array(self.weights) @ logs[:, chosen]) * self.reach
        order = np.lexsort((chosen, -probability))[:limit]
        return tuple(Ranked(self.units[chosen[n]], float(probability[n])) for n in order)


def _candidates(logs: Vector) -> NDArray[np.intp]:
    """The units that the views together find likeliest, by number."""
    return np.sort(np.argsort(-logs.sum(axis=0), kind="stable")[:_CANDIDATES])


def _softmax(scores: Vector) -> Vector:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    whole: Vector = raised / raised.sum(axis=-1, keepdims=True)
    return whole


def _weigh(
    decided: Sequence[PastDecision], units: Sequence[str], kinds: Mapping[str, UnitKind]
) -> tuple[Vector, float]:
    """The weights under which decisions of each fold are likeliest to the others' views; and how many were reached."""
    equal = np.full(len(VIEWS), 1 / len(VIEWS))
    numbers = {unit: n for n, unit in enumerate(units)}
    rows: list[Vector] = []
    truths: list[int] = []
    folds = sorted({fold_of(past.ref) for past in decided})
    for fold in folds if len(folds) > 1 else ():
        views = _Views([past for past in decided if fold_of(past.ref) != fold], units, kinds)
        for past in decided:
            if fold_of(past.ref) != fold or past.unit is None:
                continue
            logs = views.of(past.seen)
            chosen = _candidates(logs)
            rows.append(logs[:, chosen])
            truth = np.flatnonzero(chosen == numbers[past.unit])
            truths.append(int(truth[0]) if len(truth) else -1)
    truth_of = np.array(truths, dtype=np.intp)
    reached = np.flatnonzero(truth_of >= 0)
    if not len(reached):
        return equal, 1.0
    return _fitted(np.array(rows)[reached], truth_of[reached], equal), len(reached) / len(truths)


def _fitted(rows: Vector, truths: NDArray[np.intp], start: Vector) -> Vector:
    """The likeliest weights, none negative. ``rows``: decisions × views × candidates."""
    of_truth = rows[np.arange(len(rows)), :, truths]

    def loss(weights: Vector) -> tuple[float, Vector]:
        shares = _softmax(np.einsum("v,nvu->nu", weights, rows))
        likelihood = np.log(shares[np.arange(len(rows)), truths]).mean()
        slope = (of_truth - np.einsum("nu,nvu->nv", shares, rows)).mean(axis=0)
        return float(_RIDGE * weights @ weights - likelihood), 2 * _RIDGE * weights - slope

    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start))
    best: Vector = found.x
    return best
