"""What a catalogue teaches about its items, as phrases, and which of its words stand in a text."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from app.items.catalogue import Catalogue
from app.items.ngrams import normalise_text
from app.items.rows import ItemRow

PhraseOrigin = Literal["name", "piece", "synonym", "example"]

#: Endings that say only that something is wrong; a citizen names the thing, not the ending.
_EMPTY_ENDINGS = ("异常", "问题", "乱象", "现象", "管理问题")
_JOINTS = re.compile(r"[（(][^）)]*[）)]|[、，/与及和或]")
_MIN_KEYWORD = 2


@dataclass(frozen=True, slots=True)
class Phrase:
    """One normalised phrase of the item at position ``item`` in the list of competing items."""

    item: int
    text: str
    origin: PhraseOrigin


def competing_items(catalogue: Catalogue) -> tuple[ItemRow, ...]:
    """Items that a text may be classified as: matters; components only where the list has nothing else.

    A citizen reports what happened: in GB/T 47678.5 each component has a matter of the same code.
    """
    matters = tuple(item for item in catalogue.items if item.kind == "matter")
    return matters or catalogue.items


def phrases_of(catalogue: Catalogue, items: Sequence[ItemRow]) -> tuple[Phrase, ...]:
    """All phrases of ``items``, grouped by item in their order, each text once per item.

    A matter also learns the words of the component with its standard and code ("路灯异常" those of "路灯").
    """
    component_of = {(item.standard_ref, item.code): item for item in catalogue.items if item.kind == "component"}
    found: list[Phrase] = []
    for position, item in enumerate(items):
        taught = [item]
        if item.kind == "matter" and (component := component_of.get((item.standard_ref, item.code))):
            taught.append(component)
        seen: set[str] = set()
        for teacher in taught:
            for text, origin in _phrases_of_one(teacher):
                normalised = normalise_text(text)
                if normalised and normalised not in seen:
                    seen.add(normalised)
                    found.append(Phrase(position, normalised, origin))
    return tuple(found)


def _phrases_of_one(item: ItemRow) -> Iterator[tuple[str, PhraseOrigin]]:
    yield item.name, "name"
    for synonym in item.synonyms:
        yield synonym, "synonym"
    for example in item.examples:
        yield example, "example"
    pieces = [piece for piece in _JOINTS.split(item.name) if len(piece) >= _MIN_KEYWORD]
    for piece in pieces:
        yield piece, "piece"
        for ending in _EMPTY_ENDINGS:
            if piece.endswith(ending) and len(piece) - len(ending) >= _MIN_KEYWORD:
                yield piece.removesuffix(ending), "piece"


@dataclass(frozen=True, slots=True)
class KeywordFinder:
    """Finds the names, name pieces and synonyms that stand in a text, all in one pass."""

    #: first two characters of a keyword → (keyword, positions of its items), longest keyword first
    _by_start: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]]

    @classmethod
    def of(cls, phrases: Sequence[Phrase]) -> Self:
        """Examples are no keywords: nobody repeats one word for word."""
        owners: defaultdict[str, dict[int, None]] = defaultdict(dict)
        for phrase in phrases:
            if phrase.origin != "example" and len(phrase.text) >= _MIN_KEYWORD:
                owners[phrase.text][phrase.item] = None
        by_start: defaultdict[str, list[tuple[str, tuple[int, ...]]]] = defaultdict(list)
        for word in sorted(owners, key=lambda word: (-len(word), word)):
            by_start[word[:2]].append((word, tuple(owners[word])))
        return cls({start: tuple(words) for start, words in by_start.items()})

    def hits(self, normalised: str) -> dict[str, tuple[int, ...]]:
        """Keywords in the text, in the order in which they first occur, with the items that own them."""
        found: dict[str, tuple[int, ...]] = {}
        for start in range(len(normalised) - 1):
            for word, items in self._by_start.get(normalised[start : start + 2], ()):
                if word not in found and normalised.startswith(word, start):
                    found[word] = items
        return found
