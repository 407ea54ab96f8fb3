"""Which item a citizen's text is about: the best five, and silence instead of a guess (DESIGN.md §5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from app.items.calibration import Calibration
from app.items.catalogue import Catalogue
from app.items.evidence import EvidenceModel
from app.items.ngrams import normalise_text
from app.items.phrases import competing_items, phrases_of

#: Held-out phrases used for calibrating; more change nothing and cost seconds.
_MAX_CALIBRATED = 1_500
#: Texts worked on at once, so that a batch of any size takes a bounded amount of memory.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible item; ``score`` compares only within one text, ``probability`` (0..1) across texts."""

    item_key: str
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The answer for one text. When ``abstained`` a person decides, with ``top`` as suggestions."""

    #: up to 5, best first; fewer when the list has fewer items
    top: tuple[Candidate, ...]
    abstained: bool
    #: chance that the first candidate is right, 0 when nothing in the text is known
    probability: float
    threshold: float
    #: names and synonyms of the first candidate that stand in the text, in reading order
    matched_words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Classifier:
    """Learned from one release's catalogue; immutable, picklable, shared by threads."""

    item_keys: tuple[str, ...]
    threshold: float
    _evidence: EvidenceModel | None
    _calibration: Calibration | None

    @classmethod
    def fit(cls, catalogue: Catalogue, *, min_precision: float = 0.85, seed: int = 0) -> Self:
        """Learn names, synonyms and examples; calibrate on the examples, each left out once.

        Synonyms teach but do not calibrate: a text without its item's own keyword is not what citizens write.
        ``min_precision`` (0..1) is the share of unaided answers that must be right. The same catalogue and
        seed give the same classifier; an empty catalogue gives one that always abstains. Raises ValueError
        (Chinese) for an item whose name is only punctuation.
        """
        items = competing_items(catalogue)
        phrases = phrases_of(catalogue, items)
        with_phrases = sorted({phrase.item for phrase in phrases})
        if len(with_phrases) < len(items):
            raise ValueError("事项名称不能只有标点")
        if not items:
            return cls((), min_precision, None, None)
        evidence, held_out = EvidenceModel.fit(phrases, len(items))
        rows = np.flatnonzero([phrases[number].origin == "example" for number in held_out.phrase_numbers])
        if len(rows) > _MAX_CALIBRATED:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_MAX_CALIBRATED])
        truth = np.array([phrases[number].item for number in held_out.phrase_numbers[rows]], dtype=np.intp)
        calibration = Calibration.fit(held_out.evidence[rows], truth, min_precision=min_precision)
        return cls(tuple(item.key for item in items), calibration.threshold, evidence, calibration)

    def classify_many(self, texts: Sequence[str]) -> list[Classification]:
        """One answer per text, in order; a text beyond 2,000 characters is read up to there."""
        found: list[Classification] = []
        for start in range(0, len(texts), _CHUNK):
            found.extend(self._classify_chunk(texts[start : start + _CHUNK]))
        return found

    def _classify_chunk(self, texts: Sequence[str]) -> list[Classification]:
        if self._evidence is None or self._calibration is None:
            return [Classification((), True, 0.0, self.threshold, ()) for _ in texts]
        evidence, hits = self._evidence.of([normalise_text(text) for text in texts])
        ranking = self._calibration.rank(evidence)
        found: list[Classification] = []
        for n, words in enumerate(hits):
            probability = float(ranking.probability[n])
            # What the first one leaves is shared out as the evidence shares it; none may overtake the first.
            left = (1.0 - probability) / max(1e-9, 1.0 - float(ranking.shares[n, 0]))
            top = tuple(
                Candidate(
                    self.item_keys[item],
                    float(score),
                    probability if place == 0 else min(probability, float(share) * left),
                )
                for place, (item, score, share) in enumerate(
                    zip(ranking.items[n], ranking.scores[n], ranking.shares[n], strict=True)
                )
            )
            first = int(ranking.items[n, 0])
            found.append(
                Classification(
                    top=top,
                    abstained=probability < self.threshold or probability <= 0,
                    probability=probability,
                    threshold=self.threshold,
                    matched_words=tuple(word for word, owners in words.items() if first in owners),
                )
            )
        return found
