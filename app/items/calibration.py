"""From evidence to a probability that means what it says, and the point below which a person decides."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from app.items.evidence import KINDS, Floats

#: Fewer held-out phrases than this say nothing reliable: the defaults below stand.
_MIN_HELD_OUT = 60
#: A precision counts only when this many held-out answers support it.
_MIN_ANSWERED = 20
#: How each kind of evidence counts before anything is learned, in the order of ``KINDS``.
_DEFAULT_WEIGHTS = np.array([4.0, 3.0, 5.0, 2.0, 4.0, 6.0], dtype=np.float64)
#: A phantom item that matches every text weakly: without it a list of one would be certain of everything.
_PHANTOM = np.array([0.3, 0.25, 0.2, 0.05, 0.3, 0.1], dtype=np.float64)
#: Pull towards the default weights.
_PULL = 0.002


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best items of each text (texts x up to 5): positions, scores, shares of 1 (with the phantom)."""

    items: NDArray[np.intp]
    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    #: chance that the first one is right
    probability: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the kinds of evidence, the curve from share to probability, and the abstention threshold."""

    weights: NDArray[np.float64]
    #: intercept, slope on the log odds of the first share, slope on its lead; None: the share itself
    curve: tuple[float, float, float] | None
    threshold: float

    @classmethod
    def fit(cls, evidence: Floats, truth: NDArray[np.intp], *, min_precision: float) -> Self:
        """Learn from held-out evidence (phrases x items x kinds) and the positions of the true items.

        ``threshold`` is the smallest probability from which on at least ``min_precision`` of the held-out
        answers are right; above 1 (always abstain) when no probability reaches it.
        """
        if len(truth) < _MIN_HELD_OUT or evidence.shape[1] < 2:
            return cls(_DEFAULT_WEIGHTS, None, min_precision)
        weights = _fit_weights(evidence, truth)
        ranking = cls(weights, None, min_precision).rank(evidence)
        right = ranking.items[:, 0] == truth
        curve = _fit_curve(_curve_inputs(ranking.shares), right)
        probability = cls(weights, curve, 0.0).rank(evidence).probability
        return cls(weights, curve, _threshold(probability, right, min_precision))

    def rank(self, evidence: Floats) -> Ranking:
        """The best items of each text, best first; equal scores keep the order of the item list."""
        scores = np.einsum("nik,k->ni", evidence, self.weights)
        phantom = float(_PHANTOM @ self.weights)
        peak = np.maximum(scores.max(axis=1), phantom)[:, None]
        powers = np.exp(scores - peak)
        total = powers.sum(axis=1, keepdims=True) + np.exp(phantom - peak)
        items = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        shares = np.take_along_axis(powers / total, items, axis=1)
        if self.curve is None:
            probability = shares[:, 0]
        else:
            inputs = _curve_inputs(shares)
            log_odds = self.curve[0] + inputs @ np.array(self.curve[1:])
            probability = 1.0 / (1.0 + np.exp(-log_odds))
        probability = np.where(evidence.any(axis=(1, 2)), probability, 0.0)
        return Ranking(items, np.take_along_axis(scores, items, axis=1), shares, probability)


def _curve_inputs(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    first = np.clip(shares[:, 0], 1e-6, 1 - 1e-6)
    second = np.clip(shares[:, 1], 1e-6, 1.0) if shares.shape[1] > 1 else np.full_like(first, 1e-6)
    return np.stack([np.log(first / (1 - first)), np.log(first / second)], axis=1)


def _fit_weights(evidence: Floats, truth: NDArray[np.intp]) -> NDArray[np.float64]:
    """Conditional logit: the weights, none negative, under which the true items are most likely."""
    rows = np.arange(len(truth))
    true_evidence = evidence[rows, truth].astype(np.float64)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.einsum("nik,k->ni", evidence, weights)
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        total = powers.sum(axis=1)
        expected = np.einsum("ni,nik->nk", powers / total[:, None], evidence)
        pull = weights - _DEFAULT_WEIGHTS
        value = float(np.mean(np.log(total) - scores[rows, truth]) + _PULL * pull @ pull / len(KINDS))
        return value, (expected - true_evidence).mean(axis=0) + 2 * _PULL * pull / len(KINDS)

    found: Any = minimize(loss, _DEFAULT_WEIGHTS, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(KINDS))
    return np.asarray(found.x, dtype=np.float64)


def _fit_curve(inputs: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Logistic curve through (log odds, lead) → right or wrong; a slope against all sense is left out."""
    if right.all() or not right.any():
        return None
    for used in ([0, 1], [0], [1]):
        # Importing it takes a second, which only those should pay who fit a classifier.
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=10.0).fit(inputs[:, used], right)
        if (model.coef_[0] >= 0).all():
            slopes = [0.0, 0.0]
            for column, slope in zip(used, model.coef_[0], strict=True):
                slopes[column] = float(slope)
            return float(model.intercept_[0]), slopes[0], slopes[1]
    return None


def _threshold(probability: NDArray[np.float64], right: NDArray[np.bool_], min_precision: float) -> float:
    order = np.argsort(-probability, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision[_MIN_ANSWERED - 1 :] >= min_precision)
    if len(good) == 0:
        return 1.01
    return float(probability[order[good[-1] + _MIN_ANSWERED - 1]])
