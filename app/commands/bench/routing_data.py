"""Past dispatches of a real district as learning sees them, and how they are parted for learning and testing.

The columns are those of the public records of Shenzhen's Pingshan district; ``USED`` are all that anything is learned
from or decided by. What was filled in later (``closure``) is not even read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.commands.replay.pingshan import CODE, STANDARD_REF, UNKNOWN, domain_of, major_of, read_rows, unit_rows
from app.core.errors import Malformed
from app.dispatch.learning import FOLDS, Circumstances, PastDecision, fold_of
from app.dispatch.routing import Matter
from app.grid.rows import AreaRow

#: known when an event is dispatched
USED: Final = (
    *("created_date", "source", "type", "type_code", "main_type", "main_type_code", "sub_type", "sub_type_code"),
    *("street", "community", "street_code9", "community_code12"),
)
#: what is to be foretold; read from the part that is learned from, and compared with at the end
LABELS: Final = ("dispose_unit", "dispose_unit_code")
#: names the record, and puts it in its fold; nothing is learned from it
KEY: Final = "rec_id"
#: days of each forward part that are learned from at least: the first this share of all records
_FIRST_LEARNED: Final = 0.5
_FORWARD_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One dispatch: what was known, and where it really went (code, and the name as the record writes it)."""

    past: PastDecision
    unit_name: str
    street: str
    community: str

    @property
    def seen(self) -> Circumstances:
        """What was known."""
        return self.past.seen


class Part(NamedTuple):
    """What is learned from and what is tested; no record is in both."""

    training: Sequence[Record]
    tested: Sequence[Record]


def read_records(path: Path) -> list[Record]:
    """All records, by number. Raises Malformed (Chinese) for a file that is not as it should be."""
    found: list[Record] = []
    faults: list[dict[str, str]] = []
    for line, row in enumerate(read_rows(path, (KEY, *USED, *LABELS)), start=2):
        try:
            found.append(_record(row))
        except ValueError:
            faults.append({"path": f"{path.name} 第 {line} 行", "message": f"日期“{row['created_date']}”看不懂"})
    if faults:
        raise Malformed(f"{path.name} 有 {len(faults)} 行看不懂", faults=faults)
    if len({each.past.ref for each in found}) < len(found):
        raise Malformed(f"{path.name} 的 {KEY} 有重复", faults=[])
    return sorted(found, key=lambda each: (len(each.past.ref), each.past.ref))


def _record(row: Mapping[str, str]) -> Record:
    areas = (row["street_code9"], row["community_code12"])
    seen = Circumstances(
        # A sub_type's code may stand under several main_types for different things.
        item_key=f"{STANDARD_REF}/matter/{row['main_type_code']}.{row['sub_type_code']}",
        major_code=major_of(row["main_type_code"]),
        domain=domain_of(row["type_code"]),
        areas=tuple(code for code in areas if code and code != UNKNOWN),
        channel=row["source"],
        on=date.fromisoformat(row["created_date"]),
        item_name=row["sub_type"],
        major_name=row["main_type"],
        domain_name=row["type"],
    )
    code = row["dispose_unit_code"]
    unit = None if code in ("", UNKNOWN) else code
    return Record(PastDecision(row[KEY], seen, unit), row["dispose_unit"], row["street"], row["community"])


def folds_of(records: Sequence[Record]) -> Iterator[Part]:
    """Five folds by the number's digest: each is tested once, learned from the other four."""
    for fold in range(FOLDS):
        yield Part(
            [each for each in records if fold_of(each.past.ref) != fold],
            [each for each in records if fold_of(each.past.ref) == fold],
        )


def forward_parts(records: Sequence[Record]) -> Iterator[Part]:
    """The later half in five parts by date, each learned from everything before its first day and nothing after."""
    ordered = sorted(records, key=lambda each: each.seen.on)
    step = (1 - _FIRST_LEARNED) / _FORWARD_PARTS
    cuts = [ordered[int(len(ordered) * (_FIRST_LEARNED + step * n))].seen.on for n in range(_FORWARD_PARTS)]
    for start, end in zip(cuts, [*cuts[1:], date.max], strict=True):
        training = [each for each in ordered if each.seen.on < start]
        tested = [each for each in ordered if start <= each.seen.on < end]
        if training and tested:
            yield Part(training, tested)


def apart(training: Sequence[Record], tested: Sequence[Record]) -> Part:
    """Another file's records against these; what is in both is only tested."""
    known = {each.past.ref for each in tested}
    return Part([each for each in training if each.past.ref not in known], tested)


# ── the district as the records show it ──────────────────────────────────────────────────────────────────────


def area_names(records: Iterable[Record]) -> dict[str, str]:
    """Division code → name, of the streets and communities that occur."""
    names: dict[str, str] = {}
    for each in records:
        names.update(zip(each.seen.areas, (each.street, each.community), strict=False))
    return names


def units_of(records: Iterable[Record], names: Mapping[str, str]) -> list[OrganizationRow]:
    """The units that occur, each with the area its name tells of; and the coordination desk."""
    areas = [AreaRow(code=CODE, name=CODE, level="district")]
    for code in sorted(names):
        level, parent = ("community", code[:9]) if len(code) == 12 else ("street", CODE)
        areas.append(AreaRow.model_validate({"code": code, "name": names[code], "level": level, "parent_code": parent}))
    spellings = {(each.unit_name, each.past.unit) for each in records if each.past.unit is not None}
    pairs = sorted((code, name) for name, code in spellings)
    return unit_rows([*((name, code) for code, name in pairs), ("-", UNKNOWN)], areas)


def organizations_of(rows: Sequence[OrganizationRow]) -> Organizations:
    """The units as routing asks for them."""
    return Organizations.build(rows, {row.code: number for number, row in enumerate(rows, start=1)})


def matter_of(seen: Circumstances) -> Matter:
    """What the production router is asked."""
    return Matter(
        item_key=seen.item_key,
        major_code=seen.major_code,
        domain=seen.domain,
        level="district",
        areas=(CODE, *seen.areas),
        channel=seen.channel,
        item_name=seen.item_name,
    )


class Spellings:
    """How the records write a unit's name at a time: 28 units changed theirs in the middle of the year."""

    def __init__(self, training: Iterable[Record]) -> None:
        self._written: dict[str, list[tuple[date, str]]] = defaultdict(list)
        for each in training:
            if each.past.unit is not None:
                self._written[each.past.unit].append((each.seen.on, each.unit_name))

    def name(self, unit: str, on: date) -> str:
        """The name as the record nearest in time has it."""
        written = self._written.get(unit)
        return min(written, key=lambda each: (abs((each[0] - on).days), each))[1] if written else unit
