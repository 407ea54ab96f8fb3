"""Short Chinese texts as weighted characters and pairs of characters.

Word segmentation did not help (MEASURED.md), and three characters helped neither held-out examples nor whole
reports once phrases were short: top-1 0.69 without them against 0.67 with them.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

#: A report says what it is about in its first lines; the rest costs time and adds noise.
MAX_CHARS = 2_000
#: Longest gram, characters.
MAX_N = 2

_BREAKS = re.compile(r"[\W_]+")


def normalise_text(text: str) -> str:
    """The first ``MAX_CHARS`` characters in one form: NFKC, lower case, other signs as one space."""
    return _BREAKS.sub(" ", unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower()).strip()[:MAX_CHARS]


def grams_of(normalised: str) -> Counter[str]:
    """How often each gram of up to ``MAX_N`` characters occurs; none reaches across a space."""
    counts: Counter[str] = Counter()
    for run in normalised.split(" "):
        counts.update(run)
        for n in range(2, MAX_N + 1):
            counts.update([run[i : i + n] for i in range(len(run) - n + 1)])
    return counts


@dataclass(frozen=True, slots=True)
class NgramSpace:
    """Vocabulary and inverse document frequencies, learned from the phrases of a catalogue."""

    vocabulary: dict[str, int]
    idf: NDArray[np.float32]

    @classmethod
    def fit(cls, documents: Iterable[str], *, max_grams: int) -> Self:
        """Keep the ``max_grams`` grams found in most documents, ties in the order of first sight."""
        frequency: Counter[str] = Counter()
        count = 0
        for document in documents:
            frequency.update(grams_of(normalise_text(document)).keys())
            count += 1
        kept = frequency.most_common(max_grams)
        idf = np.array([1.0 + math.log((1 + count) / (1 + seen)) for _, seen in kept], dtype=np.float32)
        return cls({gram: column for column, (gram, _) in enumerate(kept)}, idf)

    def row(self, normalised: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The columns and values of one text's row in ``matrix``, without the sparse array around it."""
        find = self.vocabulary.get
        found = [(column, seen) for gram, seen in grams_of(normalised).items() if (column := find(gram)) is not None]
        columns = np.array([column for column, _ in found], dtype=np.int32)
        counts = np.array([seen for _, seen in found], dtype=np.float32)
        values = (1.0 + np.log(counts)) * self.idf[columns]
        norm = float(np.sqrt((values.astype(np.float64) ** 2).sum()))
        return columns, (values / max(norm, 1e-12)).astype(np.float32)

    def matrix(self, normalised: Sequence[str]) -> Any:
        """One row per text, of unit length or all zero where no gram is known: csr_array of float32.

        Takes texts that ``normalise_text`` has been through.
        """
        columns: list[int] = []
        counts: list[int] = []
        ends = [0]
        find = self.vocabulary.get
        for text in normalised:
            for gram, seen in grams_of(text).items():
                column = find(gram)
                if column is not None:
                    columns.append(column)
                    counts.append(seen)
            ends.append(len(columns))
        # scikit-learn's and scipy's compiled loops want 32-bit indices (MEASURED.md).
        indices = np.array(columns, dtype=np.int32)
        indptr = np.array(ends, dtype=np.int32)
        values = (1.0 + np.log(np.array(counts, dtype=np.float32))) * self.idf[indices]
        rows = np.repeat(np.arange(len(normalised)), np.diff(indptr))
        norms = np.sqrt(np.bincount(rows, weights=values.astype(np.float64) ** 2, minlength=len(normalised)))
        values = (values / np.maximum(norms[rows], 1e-12)).astype(np.float32)
        return csr_array((values, indices, indptr), shape=(len(normalised), len(self.idf)))
