"""How strongly a text speaks for each item: keywords, nearest phrases and a linear model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.items.ngrams import NgramSpace
from app.items.phrases import KeywordFinder, Phrase

Floats = NDArray[np.float32]

#: The kinds of evidence, in the order of the last axis of every evidence array.
KINDS = ("keyword", "keywords", "nearest", "second", "coverage", "linear")

#: Phrases that teach the linear model; beyond this its closed form would take minutes instead of a second.
MAX_TAUGHT = 4_000
#: Bytes that the linear model's dense weights may take.
_MAX_WEIGHT_BYTES = 48_000_000
_MAX_GRAMS = 60_000
#: Ridge penalty: how much one phrase is trusted against all others.
_PENALTY = 1.0
_FULL_KEYWORD_CHARS = 6.0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Evidence about phrases, each as if its own item had never been taught it."""

    phrase_numbers: NDArray[np.intp]
    evidence: Floats


@dataclass(frozen=True, slots=True)
class EvidenceModel:
    """Immutable after ``fit``; every array is only read, so threads may share it."""

    space: NgramSpace
    finder: KeywordFinder
    phrases: tuple[Phrase, ...]
    item_count: int
    #: first phrase of each item; phrases are grouped by item and every item has at least its name
    _starts: NDArray[np.intp]
    #: grams x phrases, sparse
    _phrase_grams: Any
    #: grams x phrases, sparse: the share of the phrase that each gram makes up
    _phrase_shares: Any
    #: grams x items, dense
    _weights: Floats

    @classmethod
    def fit(cls, phrases: Sequence[Phrase], item_count: int) -> tuple[Self, HeldOut]:
        """Learn from phrases grouped by item; needs at least one phrase for every item."""
        texts = [phrase.text for phrase in phrases]
        max_grams = min(_MAX_GRAMS, max(2_000, _MAX_WEIGHT_BYTES // (4 * item_count)))
        space = NgramSpace.fit(texts, max_grams=max_grams)
        rows = space.matrix(texts)
        item_of = np.array([phrase.item for phrase in phrases], dtype=np.intp)
        starts = np.searchsorted(item_of, np.arange(item_count)).astype(np.intp)
        taught = _taught(item_of, starts)
        with threadpool_limits(1):
            weights, held_out_linear = _ridge(rows[taught], item_of[taught], item_count)
        shares = rows.copy()
        shares.data = shares.data**2
        model = cls(
            space=space,
            finder=KeywordFinder.of(phrases),
            phrases=tuple(phrases),
            item_count=item_count,
            _starts=starts,
            _phrase_grams=rows.T.tocsr(),
            _phrase_shares=shares.T.tocsr(),
            _weights=weights,
        )
        return model, model._held_out(taught, held_out_linear)

    def of(self, normalised: Sequence[str]) -> tuple[Floats, list[dict[str, tuple[int, ...]]]]:
        """Evidence (texts x items x ``KINDS``) and the keywords found in each text."""
        hits = [self.finder.hits(text) for text in normalised]
        if len(normalised) == 1:
            return self._of_one(normalised[0], hits), hits
        rows = self.space.matrix(normalised)
        return self._stack(hits, rows @ self._weights, *self._near(rows)), hits

    def _of_one(self, normalised: str, hits: Sequence[dict[str, tuple[int, ...]]]) -> Floats:
        """The same for one text: what scipy does around each product costs several times the product."""
        columns, values = self.space.row(normalised)
        grams, shares = self._phrase_grams, self._phrase_shares
        begins = grams.indptr[columns]
        lengths = grams.indptr[columns + 1] - begins
        ends = np.cumsum(lengths)
        # positions of all entries of these grams: each gram's own run, one after the other
        positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - ends + lengths, lengths)
        phrases, count = grams.indices[positions], len(self.phrases)
        near = np.bincount(phrases, grams.data[positions] * np.repeat(values, lengths), count)
        # both matrices have the same entries in the same places
        cover = np.bincount(phrases, shares.data[positions], count)
        linear = values @ self._weights[columns]
        return self._stack(hits, linear[None], near[None].astype(np.float32), cover[None].astype(np.float32))

    def _near(self, rows: Any) -> tuple[Floats, Floats]:
        """How near each phrase is to each text, and how much of the phrase the text covers."""
        present = rows.copy()
        present.data = np.ones_like(present.data)
        return (rows @ self._phrase_grams).toarray(), (present @ self._phrase_shares).toarray()

    def _held_out(self, taught: NDArray[np.intp], linear: Floats) -> HeldOut:
        wanted = [n for n, index in enumerate(taught) if self.phrases[index].origin in ("example", "synonym")]
        numbers = taught[wanted]
        hits = []
        for number in numbers:
            own = self.phrases[number]
            found = self.finder.hits(own.text)
            found[own.text] = tuple(item for item in found.get(own.text, ()) if item != own.item)
            hits.append(found)
        rows = self.space.matrix([self.phrases[number].text for number in numbers])
        near, cover = self._near(rows)
        near[np.arange(len(numbers)), numbers] = 0.0
        cover[np.arange(len(numbers)), numbers] = 0.0
        return HeldOut(numbers, self._stack(hits, linear[wanted], near, cover))

    def _stack(self, hits: Sequence[dict[str, tuple[int, ...]]], linear: Floats, near: Floats, cover: Floats) -> Floats:
        count = len(hits)
        out = np.zeros((count, self.item_count, len(KINDS)), dtype=np.float32)
        for n, found in enumerate(hits):
            for word, items in found.items():
                strength = min(1.0, len(word) / _FULL_KEYWORD_CHARS) / max(1, len(items)) ** 0.5
                for item in items:
                    out[n, item, 0] = max(out[n, item, 0], strength)
                    out[n, item, 1] += strength
        out[:, :, 1] = np.log1p(out[:, :, 1])
        out[:, :, 2] = np.maximum.reduceat(near, self._starts, axis=1)
        out[:, :, 3] = np.log1p(np.add.reduceat(near**2, self._starts, axis=1))
        out[:, :, 4] = np.maximum.reduceat(cover, self._starts, axis=1)
        out[:, :, 5] = linear
        return out


def _taught(item_of: NDArray[np.intp], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Numbers of the phrases that teach the linear model; of too many, the first few of every item."""
    rank = np.arange(len(item_of)) - starts[item_of]
    order = np.argsort(rank, kind="stable")[:MAX_TAUGHT]
    return np.sort(order)


def _ridge(rows: Any, item_of: NDArray[np.intp], item_count: int) -> tuple[Floats, Floats]:
    """Weights (grams x items) of one ridge regression per item, and each phrase's score when left out.

    Leaving one phrase out of a ridge regression has a closed form, so that calibrating costs no second fit.
    """
    kernel = (rows @ rows.T).toarray().astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += _PENALTY
    inverse = np.linalg.inv(kernel)
    targets = np.zeros((len(item_of), item_count))
    targets[np.arange(len(item_of)), item_of] = 1.0
    dual = inverse @ targets
    held_out = targets - dual / np.diag(inverse)[:, None]
    return (rows.T @ dual.astype(np.float32)).astype(np.float32), held_out.astype(np.float32)
