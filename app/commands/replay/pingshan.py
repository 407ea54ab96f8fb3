"""The public records of Shenzhen's Pingshan district (2018) as this system's masters and messages.

The data stay where they are: a folder with ``pingshan_events_10000.csv``, ``pingshan_taxonomy.csv`` and
``pingshan_units.csv``. What a record lacks and a channel asks for is filled in; ``FILLED_IN`` says what.
"""

import csv
import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import copyfile
from typing import Any, Final

from pydantic import BaseModel

from app.accounts.rows import OrganizationRow, UserRow
from app.core.errors import Malformed
from app.dispatch.learning import Circumstances, PastDecision
from app.grid.rows import AreaRow
from app.items.rows import ItemRow

CODE: Final = "440310"
NAME: Final = "坪山区"
STANDARD_REF: Final = "PINGSHAN-2018"
#: who decides where the records say nobody, and where no rule applies
DESK: Final = "coordination-desk"
#: the account that reads the reports back over HTTP
CHECKER: Final = "pingshan-checker"

EVENTS: Final = "pingshan_events_10000.csv"
TAXONOMY: Final = "pingshan_taxonomy.csv"
UNITS: Final = "pingshan_units.csv"
_CLASS_COLUMNS: Final = ("type", "type_code", "main_type", "main_type_code", "sub_type", "sub_type_code")
_EVENT_COLUMNS: Final = (
    *("rec_id", "created_date", "source", "property", *_CLASS_COLUMNS, "dispose_unit", "dispose_unit_code"),
    *("street", "community", "street_code9", "community_code12"),
)
#: how the records write "not known"
UNKNOWN: Final = "-"

_SOURCE: Final = "坪山区 2018 年公开事件数据"
#: the record's source → the channel it comes in by
CHANNEL_OF: Final[Mapping[str, str]] = {
    "12345": "hotline-12345",
    "12319": "hotline-12345",
    "固话投诉": "hotline-12345",
    "政府信箱": "hotline-12345",
    "@坪山": "snapshot",
    "美丽深圳": "snapshot",
}
#: the record's property → 诉求性质 as the channels write it; the others are written the same
_DEMAND_TYPES: Final = {"其他": "求助"}
_KNOWN_PROPERTIES: Final = ("投诉", "咨询", "建议", "求决", "感谢", "其他")

FILLED_IN: Final = (
    "时间：数据只有日期，来电时间和提交时间一律写当日 09:00（+08:00）；时钟从系统收到时起算。",
    "内容：数据没有正文，写成“反映<小类>（<大类>／<中类>）”加街道、社区。",
    "编号：工单编号和请求标识都用数据里的 rec_id；数据没有用户，随手拍的用户标识写 unknown-<rec_id>。",
    "照片：随手拍要求至少一张，全部引用同一张生成的灰色占位图（只上传一次），不含任何内容。",
    "性质：求决按求助、感谢按表扬；“其他”没有对应的诉求性质，按求助。",
    "渠道：12345、12319、固话投诉、政府信箱走 hotline-12345，@坪山、美丽深圳走 snapshot。",
    "地点：只用街道、社区的文字，不写坐标，也不用数据里的区划代码；街道为“-”的不写地址，"
    "其中随手拍必须有地址，只写“坪山区”。",
    "诉求人：数据没有姓名和电话，也不编造，热线件因此都是匿名件。",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One record: what was reported and which unit it was really dispatched to."""

    rec_id: str
    #: ``YYYY-MM-DD``
    created_on: str
    source: str
    demand: str
    #: class names and codes from widest to narrowest: type, main_type, sub_type; the last code is the item's
    classes: tuple[str, str, str]
    codes: tuple[str, str, str]
    unit_name: str
    unit_code: str
    #: names and division codes; all None where the record has no place
    street: str | None
    street_code: str | None
    community: str | None
    community_code: str | None

    @property
    def channel(self) -> str:
        """The channel it comes in by."""
        return CHANNEL_OF[self.source]

    @property
    def source_ref(self) -> str:
        """Its key at the source, as the channel builds it."""
        return self.rec_id if self.channel == "hotline-12345" else f"{_user(self.rec_id)}/{self.rec_id}"

    @property
    def item_key(self) -> str:
        """Key of its item."""
        return f"{STANDARD_REF}/matter/{self.codes[2]}"

    @property
    def was_decided(self) -> bool:
        """Whether the record names a unit at all."""
        return self.unit_code != UNKNOWN

    @property
    def decision(self) -> PastDecision:
        """What learning sees of it: what was known at the dispatch, and the unit."""
        kind, main, sub = self.classes
        return PastDecision(
            ref=self.rec_id,
            seen=Circumstances(
                item_key=self.item_key,
                major_code=major_of(self.codes[1]),
                domain=domain_of(self.codes[0]),
                areas=tuple(code for code in (self.street_code, self.community_code) if code),
                channel=self.channel,
                on=date.fromisoformat(self.created_on),
                item_name=sub,
                major_name=main,
                domain_name=kind,
            ),
            unit=self.unit_code if self.was_decided else None,
        )


def _user(rec_id: str) -> str:
    return f"unknown-{rec_id}"


def domain_of(type_code: str) -> str:
    """The domain that stands for one of the records' 17 types."""
    return f"pingshan-{type_code}"


def major_of(main_type_code: str) -> str:
    """The major class that stands for a main_type."""
    return f"pingshan-{main_type_code}"


def read_cases(folder: Path) -> tuple[Case, ...]:
    """All records, by rec_id. Raises Malformed (Chinese) for a file that is not there or not as it should be."""
    items = {row.path: row.code for row in item_rows(folder)}
    cases = []
    faults: list[dict[str, str]] = []
    for line, row in enumerate(read_rows(folder / EVENTS, _EVENT_COLUMNS), start=2):
        told = ""
        if row["source"] not in CHANNEL_OF or row["property"] not in _KNOWN_PROPERTIES:
            told = f"来源“{row['source']}”或性质“{row['property']}”没有对应的渠道写法"
        elif (row["type"], row["main_type"], row["sub_type"]) not in items:
            told = f"分类“{row['type']}／{row['main_type']}／{row['sub_type']}”不在 {TAXONOMY} 中"
        if told:
            faults.append({"path": f"{EVENTS} 第 {line} 行", "message": told})
        else:
            cases.append(_case(row, items))
    if faults:
        raise Malformed(f"{EVENTS} 有 {len(faults)} 行无法重放", faults=faults)
    if len({case.rec_id for case in cases}) < len(cases):
        raise Malformed(f"{EVENTS} 的 rec_id 有重复", faults=[])
    return tuple(sorted(cases, key=lambda case: (len(case.rec_id), case.rec_id)))


def _case(row: Mapping[str, str], items: Mapping[tuple[str, ...], str]) -> Case:
    placed = bool(row["community_code12"])
    classes = (row["type"], row["main_type"], row["sub_type"])
    return Case(
        rec_id=row["rec_id"],
        created_on=row["created_date"],
        source=row["source"],
        demand=_DEMAND_TYPES.get(row["property"], row["property"]),
        classes=classes,
        codes=(row["type_code"], row["main_type_code"], items[classes]),
        unit_name=row["dispose_unit"],
        unit_code=row["dispose_unit_code"],
        street=row["street"] if placed else None,
        street_code=row["street_code9"] if placed else None,
        community=row["community"] if placed else None,
        community_code=row["community_code12"] if placed else None,
    )


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The named columns of a CSV file. Raises Malformed (Chinese) when it is not there, empty, or lacks one."""
    if not path.is_file():
        told = f"文件夹 {path.parent} 里没有 {path.name}"
        raise Malformed(told, faults=[{"path": path.name, "message": told}])
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        told = f"{path.name} 没有数据或缺少列：{'、'.join(missing)}"
        raise Malformed(told, faults=[{"path": path.name, "message": told}])
    # Some names were exported as HTML: &#40; for a bracket.
    return [{name: html.unescape(row[name] or "").strip() for name in columns} for row in rows]


# ── masters ──────────────────────────────────────────────────────────────────────────────────────────────────


def item_rows(folder: Path) -> list[ItemRow]:
    """The district's classes as matters. It published no filing standards, so there are none.

    A class that is listed twice counts once. A code that stands for two classes (602, 615) is left to the first; the
    second gets ``-2`` behind it.
    """
    rows: dict[tuple[str, ...], ItemRow] = {}
    times: Counter[str] = Counter()
    for row in read_rows(folder / TAXONOMY, _CLASS_COLUMNS):
        path, code = (row["type"], row["main_type"], row["sub_type"]), row["sub_type_code"]
        if path in rows:
            continue
        times[code] += 1
        rows[path] = ItemRow(
            standard_ref=STANDARD_REF,
            kind="matter",
            code=code if times[code] == 1 else f"{code}-{times[code]}",
            name=row["sub_type"],
            major_code=major_of(row["main_type_code"]),
            major_name=row["main_type"],
            domain=domain_of(row["type_code"]),
            default_level="district",
            closure_profile="answer",
            path=path,
            source=_SOURCE,
        )
    return list(rows.values())


def area_rows(cases: Iterable[Case]) -> list[AreaRow]:
    """The district with the streets and communities that occur in the records."""
    rows = {CODE: AreaRow(code=CODE, name=NAME, level="district")}
    for case in cases:
        if case.street and case.street_code and case.community and case.community_code:
            rows[case.street_code] = AreaRow(code=case.street_code, name=case.street, level="street", parent_code=CODE)
            rows[case.community_code] = AreaRow(
                code=case.community_code, name=case.community, level="community", parent_code=case.street_code
            )
    return [rows[code] for code in sorted(rows)]


def organization_rows(folder: Path, areas: Sequence[AreaRow]) -> list[OrganizationRow]:
    """The 156 rows of the unit list; the row "-" stands for the coordination desk."""
    rows = read_rows(folder / UNITS, ["unit", "unit_code"])
    return unit_rows(((row["unit"], row["unit_code"]) for row in rows), areas)


def unit_rows(units: Iterable[tuple[str, str]], areas: Sequence[AreaRow]) -> list[OrganizationRow]:
    """Units from pairs of name and code; the code "-" stands for the coordination desk.

    One unit code may have several names there (坪山街道综合执法队, also with the office's name behind it): the first
    is the unit, the others are inactive rows below it, so that no unit is split in two.
    """
    names: dict[str, list[str]] = {}
    for name, code in units:
        names.setdefault(code, []).append(name)
    rows = []
    for code, spellings in names.items():
        if code == UNKNOWN:
            rows.append(
                OrganizationRow(
                    code=DESK, name="坪山区协调席", level="district", org_type="coordination_desk", area_code=CODE
                )
            )
            continue
        area = _area_of(spellings, areas)
        for n, name in enumerate(spellings):
            rows.append(
                OrganizationRow(
                    code=f"{code}-{n + 1}" if n else code,
                    name=name,
                    level=area.level,
                    org_type=_type_of(name, area),
                    parent_code=code if n else None,
                    area_code=area.code,
                    active=n == 0,
                )
            )
    return rows


def _area_of(spellings: Iterable[str], areas: Sequence[AreaRow]) -> AreaRow:
    """The area a unit serves, told by its names alone: a community, a street, else the district."""
    top = next(area for area in areas if area.level == "district")
    whole = " ".join(spellings)
    if _is_company(whole):
        return top
    heads = {name.partition("（")[0].removesuffix("工作站") for name in spellings}
    for area in areas:
        if area.level == "community" and area.name in heads:
            return area
    for area in areas:
        stem = area.name.removesuffix("街道")
        marks = (area.name, f"{stem}办事处", f"（{stem}）", f"（{stem}办）")
        if area.level == "street" and any(mark in whole for mark in marks):
            return area
    return top


def _is_company(name: str) -> bool:
    return any(mark in name for mark in ("公司", "营业中心", "供电局"))


def _type_of(name: str, area: AreaRow) -> Any:
    if _is_company(name):
        return "contractor"
    if area.level != "district":
        return "section"
    return "centre" if name.startswith("区指挥中心") else "department"


def checker_row() -> UserRow:
    """The account that reads everything of the district and may change nothing."""
    return UserRow(username=CHECKER, display_name="重放核对员", org_code=DESK, seats=(f"supervisor@{CODE}",))


def write_masters(folder: Path, to: Path, cases: Sequence[Case], calendar: Path) -> None:
    """Writes the district's master files but the rules into the folder ``to``. ``calendar``: the one to work by."""
    areas = area_rows(cases)
    _write(to, "items", item_rows(folder))
    _write(to, "areas", areas)
    _write(to, "organizations", organization_rows(folder, areas))
    _write(to, "users", [checker_row()])
    copyfile(calendar, to / "calendar.csv")


def _write(folder: Path, kind: str, rows: Sequence[BaseModel]) -> None:
    """A complete master file: lists joined by ``|``."""
    columns = list(type(rows[0]).model_fields)
    with (folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(f"#bihuan {kind} complete\n")
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(getattr(row, name)) for name in columns] for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "|".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────


def message_of(case: Case, picture_sha256: str) -> dict[str, Any]:
    """The record as its channel's own message (see ``FILLED_IN``); the same every time."""
    kind, main, sub = case.classes
    address = f"{case.street}{case.community}" if case.street and case.community else ""
    told_at = f"{case.created_on}T09:00:00+08:00"
    content = f"反映{sub}（{kind}／{main}）" + (f"，地点：{address}。" if address else "。")
    if case.channel == "hotline-12345":
        message = {
            "orderNum": case.rec_id,
            "callTime": told_at,
            "orderType": case.demand,
            "content": content,
            "class1": kind,
            "class2": main,
            "class3": sub,
        }
        return message | ({"address": address} if address else {})
    return {
        "user_id": _user(case.rec_id),
        "request_id": case.rec_id,
        "category": list(case.classes),
        "description": content,
        "pictures": [{"sha256": picture_sha256}],
        "submitted_at": told_at,
        "address": address or NAME,
        "demand_type": case.demand,
    }
