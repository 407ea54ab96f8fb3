"""From a text address to an area: the names of areas and of the places in them, and nothing else.

A name is taken only as far as it carries. Where it fits several areas, the narrowest area that holds them all
is the answer and they are its candidates; nothing is guessed.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.grid.areas import AreaTree
from app.grid.rows import AREA_LEVELS, AreaRow

MAX_CANDIDATES = 5
_SHORTEST_NAME = 2
#: 新村村委会 must not make a community of every 新村 in a text.
_SHORTEST_DERIVED = 3

#: Official endings and what people write instead. Only endings that keep a mark of the level are listed:
#: 珠江路社区居委会 is also 珠江路社区, but never 珠江路, which is a road.
_ENDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("社区居民委员会", ("社区", "社区居委会", "社区居委")),
    ("社区居委会", ("社区", "社区居民委员会", "社区居委")),
    ("居民委员会", ("社区", "居委会", "居委")),
    ("居委会", ("社区", "居民委员会", "居委")),
    ("村村民委员会", ("村", "村村委会", "村委会", "村村委")),
    ("村民委员会", ("村", "村委会", "村委")),
    ("村村委会", ("村", "村委会", "村民委员会", "村村委")),
    ("村委会", ("村", "村民委员会", "村委")),
    ("街道办事处", ("街道", "街道办")),
)


class Hit(NamedTuple):
    """A known name found in a text: the areas that bear it and the areas that have a place of this name."""

    name: str
    named: tuple[str, ...]
    placed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextPlace:
    """What a text says about the place. ``area_code`` None: no name of this jurisdiction in it."""

    area_code: str | None = None
    #: (area code, why) when several areas fit; ``area_code`` is then their common ancestor
    candidates: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Full width to half width, letters to one case, blanks removed."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _written_forms(area: AreaRow) -> Iterable[str]:
    for name in (area.name, *area.aliases):
        yield name
        for ending, others in _ENDINGS:
            stem = name.removesuffix(ending)
            if stem != name and len(stem) > 1:
                yield from (stem + other for other in others if len(stem + other) >= _SHORTEST_DERIVED)
                break


class PlaceNames:
    """The names of one release, looked up by first character. Never changed after it is built."""

    __slots__ = ("_areas", "_by_first", "_names")

    def __init__(self, areas: AreaTree) -> None:
        self._areas = areas
        named: dict[str, set[str]] = {}
        placed: dict[str, set[str]] = {}
        for row in areas:
            for name in map(normalise, _written_forms(row)):
                named.setdefault(name, set()).add(row.code)
            for name in map(normalise, row.places):
                placed.setdefault(name, set()).add(row.code)
        self._names = {
            name: Hit(name, tuple(sorted(named.get(name, ()))), tuple(sorted(placed.get(name, ()))))
            for name in named.keys() | placed.keys()
            if len(name) >= _SHORTEST_NAME
        }
        lengths: dict[str, set[int]] = {}
        for name in self._names:
            lengths.setdefault(name[0], set()).add(len(name))
        self._by_first = {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}

    def find(self, text: str) -> list[Hit]:
        """Names in a normalised text, longest first; a name inside or across a longer one does not count."""
        spans: list[tuple[int, int]] = []
        for start, first in enumerate(text):
            for length in self._by_first.get(first, ()):
                if text[start : start + length] in self._names:
                    spans.append((start, start + length))
        spans.sort(key=lambda span: (span[0] - span[1], span[0]))
        taken: list[tuple[int, int]] = []
        for start, end in spans:
            if all(end <= other_start or other_end <= start for other_start, other_end in taken):
                taken.append((start, end))
        return list(dict.fromkeys(self._names[text[start:end]] for start, end in taken))

    def resolve(self, text: str, within: str | None = None) -> TextPlace:
        """The area a text address means.

        ``within`` is an area known from elsewhere: it decides between equal names, but a text that plainly
        names another area still gets that one, so that the caller can see the conflict.
        """
        hits = self.find(normalise(text))
        if not hits:
            return TextPlace()
        # A name both of an area and of places elsewhere (a road and the community named after it) proves
        # no more than a place does.
        named = [hit for hit in hits if hit.named and not hit.placed]
        named.sort(key=lambda hit: min(map(self._depth, hit.named)))
        search = _Search(self._areas)
        for hit in named:
            search.narrow(self._preferring(within, hit.named), f"文中写明“{hit.name}”")
        # Roads run through many areas, so the place with the fewest speaks first.
        placed = [(hit, tuple({*hit.named, *hit.placed})) for hit in hits if hit.placed]
        placed.sort(key=lambda pair: len(pair[1]))
        places, notes = _Search(self._areas), []
        for hit, codes in placed:
            fitting = search.fitting(self._preferring(within, codes))
            if fitting:
                places.narrow(fitting, f"文中地名“{hit.name}”")
            elif not search.agrees(codes):
                where = "、".join(map(self._areas.name, sorted(codes)[:3]))
                notes.append(f"地名“{hit.name}”登记在{where}，与文中写明的区划不一致，以写明的区划为准。")
        return (places if places.reasons else search).outcome(notes)

    def _depth(self, code: str) -> int:
        row = self._areas.area(code)
        return AREA_LEVELS.index(row.level) if row else len(AREA_LEVELS)

    def _preferring(self, within: str | None, codes: tuple[str, ...]) -> tuple[str, ...]:
        if within is None:
            return codes
        return tuple(code for code in codes if self._areas.related(code, within)) or codes


class _Search:
    """The areas still possible, each with the words that brought it in. Lives for one text only."""

    __slots__ = ("_areas", "reasons")

    def __init__(self, areas: AreaTree) -> None:
        self._areas = areas
        self.reasons: dict[str, str] = {}

    def fitting(self, codes: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``codes`` that lie in what is still possible; all of them before anything is known."""
        if not self.reasons:
            return codes
        return tuple(code for code in codes if any(self._areas.within(code, at) for at in self.reasons))

    def agrees(self, codes: tuple[str, ...]) -> bool:
        """Whether something still possible lies in one of ``codes``, which then say nothing new."""
        return any(self._areas.within(at, code) for at in self.reasons for code in codes)

    def narrow(self, codes: tuple[str, ...], reason: str) -> None:
        """Take in one more name; a name that contradicts the others makes all of them candidates."""
        if fitting := self.fitting(codes):
            self.reasons = {code: self.reasons.get(code, reason) for code in fitting}
        elif self.agrees(codes):
            self.reasons = {
                at: why for at, why in self.reasons.items() if any(self._areas.within(at, code) for code in codes)
            }
        else:
            self.reasons.update({code: reason for code in codes})

    def outcome(self, notes: list[str]) -> TextPlace:
        if len(self.reasons) == 1:
            return TextPlace(next(iter(self.reasons)), (), tuple(notes))
        common = self._areas.common(self.reasons)
        candidates = tuple((code, why) for code, why in sorted(self.reasons.items()) if code != common)
        if candidates:
            why = "、".join(dict.fromkeys(reason for _, reason in candidates[:MAX_CANDIDATES]))
            level = f"只定到“{self._areas.name(common)}”" if common else "未能定位"
            notes.append(f"{why}对应 {len(candidates)} 个区域，{level}，请人工选择。")
        return TextPlace(common, candidates[:MAX_CANDIDATES], tuple(notes))
