"""The item list 治理事项清单 of one release, ready to be asked."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from app.items.rows import FilingStandardRow, ItemRow

#: Faults told at once; a wholly wrong file would otherwise fill the screen.
_FAULTS_TOLD = 5


def faults(items: Iterable[ItemRow], standards: Iterable[FilingStandardRow]) -> list[str]:
    """What is wrong across the rows of a release, one Chinese sentence each; empty when nothing is."""
    found: list[str] = []
    items = tuple(items)
    standards = tuple(standards)
    item_counts = Counter(item.key for item in items)
    for key, count in item_counts.items():
        if count > 1:
            found.append(f"事项 {key} 出现了 {count} 次，编号在同一标准、同一类别内必须唯一")
    for key, count in Counter(row.key for row in standards).items():
        if count > 1:
            found.append(f"立案标准 {key} 出现了 {count} 次，同一事项下的行号必须唯一")
    for key in dict.fromkeys(row.item_key for row in standards):
        if key not in item_counts:
            found.append(f"立案标准所属的事项 {key} 不在事项清单中")
    return found


def normalise_name(name: str) -> str:
    """A class name for comparison: full and half width, letter case and spaces make no difference."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items and filing standards of one release; immutable, so every request may share it."""

    items: tuple[ItemRow, ...]
    _by_key: Mapping[str, ItemRow]
    _standards: Mapping[str, tuple[FilingStandardRow, ...]]
    _by_path: Mapping[tuple[str, ...], ItemRow | None]
    _by_label: Mapping[str, ItemRow | None]

    @classmethod
    def build(cls, items: Iterable[ItemRow], standards: Iterable[FilingStandardRow] = ()) -> Self:
        """Raises ValueError (Chinese) naming the first faults of the rows, see ``faults``."""
        items = tuple(items)
        standards = tuple(standards)
        if found := faults(items, standards):
            more = f"；另有 {len(found) - _FAULTS_TOLD} 处" if len(found) > _FAULTS_TOLD else ""
            raise ValueError("；".join(found[:_FAULTS_TOLD]) + more)
        grouped: defaultdict[str, list[FilingStandardRow]] = defaultdict(list)
        for row in sorted(standards, key=lambda row: row.row_no):
            grouped[row.item_key].append(row)
        by_path: dict[tuple[str, ...], ItemRow | None] = {}
        by_label: dict[str, ItemRow | None] = {}
        for item in items:
            if path := _normalise_path(item.path):
                by_path[path] = None if path in by_path else item
            for label in {normalise_name(item.key), normalise_name(item.code), normalise_name(item.name)}:
                by_label[label] = None if label in by_label else item
        return cls(
            items=items,
            _by_key={item.key: item for item in items},
            _standards={key: tuple(rows) for key, rows in grouped.items()},
            _by_path=by_path,
            _by_label=by_label,
        )

    def item(self, key: str) -> ItemRow | None:
        """The item of this key, or None when the release has none."""
        return self._by_key.get(key)

    def standards_of(self, key: str) -> tuple[FilingStandardRow, ...]:
        """Filing rows of an item by ascending ``row_no``; empty when it has none or is unknown."""
        return self._standards.get(key, ())

    def default_standard(self, key: str) -> FilingStandardRow | None:
        """The lowest filing row of an item: what counts until somebody picks a more exact one."""
        rows = self.standards_of(key)
        return rows[0] if rows else None

    def by_hint(self, hint: Sequence[str]) -> ItemRow | None:
        """The one item that a source's own class path names, or None when it names none or several.

        The whole path must equal one item's ``path``; failing that, the last must be the name, code or key
        of exactly one item. A wider class never stands for one of its members: that would be guessing.
        """
        path = _normalise_path(hint)
        if not path:
            return None
        if path in self._by_path:
            return self._by_path[path]
        return self._by_label.get(path[-1])


def _normalise_path(path: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for part in path if (name := normalise_name(part)))
