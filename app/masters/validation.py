"""Judging the rows of one file: every bad row is named with its reason, and then nothing is taken."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from app.core.database import Json
from app.core.errors import Malformed
from app.masters.files import Faults, FileMode, RawFile, RawRow, read_file, unreadable
from app.masters.kinds import KINDS, key_of

#: pydantic's error type → our sentence; ``{…}`` are members of the error's context
_SENTENCES: Final = {
    "missing": "必填",
    "string_too_short": "必填",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "“{input}”写法不对，应符合 {pattern}",
    "string_type": "应为文字",
    "literal_error": "“{input}”不在可用的值之内：{expected}",
    "int_parsing": "“{input}”应为整数",
    "int_from_float": "“{input}”应为整数",
    "int_type": "应为整数",
    "float_parsing": "“{input}”应为数字",
    "float_type": "应为数字",
    "bool_parsing": "“{input}”应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "greater_than_equal": "“{input}”不能小于 {ge}",
    "less_than_equal": "“{input}”不能大于 {le}",
    "greater_than": "“{input}”应大于 {gt}",
    "too_short": "至少要有 {min_length} 个",
    "too_long": "最多 {max_length} 个，点坐标只能是经度、纬度两个数",
    "tuple_type": "应为列表",
    "extra_forbidden": "没有这个字段",
}
_INPUT_SHOWN: Final = 40
#: what a spreadsheet in China makes of 2026-10-01 when it saves
_SHEET_DATE: Final = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")


@dataclass(frozen=True, slots=True)
class MasterFile:
    """A file whose rows all are sound, each with its key."""

    kind: str
    mode: FileMode
    rows: dict[str, BaseModel]
    #: members that a row names, by key; a row that is not in it names all of them
    named: Mapping[str, Collection[str]] = field(default_factory=dict)
    #: columns that a whole file leaves out, and that therefore are empty in all of its rows
    left_out: tuple[str, ...] = ()

    @property
    def documents(self) -> dict[str, Json]:
        """The rows as a release keeps them."""
        return {key: row.model_dump(mode="json") for key, row in self.rows.items()}


def read_master(path: Path, kind: str | None = None) -> MasterFile:
    """A sound file. Raises Malformed with all its faults; also when it is of another kind than ``kind``."""
    raw = read_file(path)
    if kind is not None and raw.kind != kind:
        raise unreadable(f"文件的种类是 {raw.kind}，不是 {kind}", "第 1 行")
    return validate(raw)


def validate(raw: RawFile) -> MasterFile:
    """Judges every row. Raises Malformed with a fault for each bad cell, unknown column or repeated key.

    Of very many it names the first (``files.MOST_FAULTS``) and how many rows it has not looked at.
    """
    kind = KINDS.get(raw.kind)
    if kind is None:
        raise unreadable(f"没有“{raw.kind}”这种基础数据，可用：{'、'.join(KINDS)}", "第 1 行")
    fields = kind.model.model_fields
    if raw.header is not None:
        _check_header(raw.header, fields)
    rows: dict[str, BaseModel] = {}
    places: dict[str, str] = {}
    named: dict[str, Collection[str]] = {}
    faults = Faults()
    looked_at = 0
    for row in raw.rows:
        looked_at += 1
        try:
            made = kind.model.model_validate(_filled(row, fields))
        except ValidationError as error:
            faults.add(row.place, messages_of(error))
        else:
            key = key_of(made)
            if key in places:
                faults.add(row.place, [f"{key} 与{places[key]}重复"])
            places.setdefault(key, row.place)
            rows[key] = made
            named[key] = row.cells.keys()
        if faults.full:
            break
    if faults.bad:
        told = faults.told(len(raw.rows) - looked_at)
        raise Malformed(f"{kind.title}共 {len(raw.rows)} 行，{faults.bad} 行有误，整个文件未载入", faults=told)
    if not rows and raw.mode == "complete":
        raise unreadable(f"{kind.title}没有数据行；整份替换为空不予接受")
    header = raw.header if raw.mode == "complete" else None
    left_out = tuple(name for name in fields if name not in header) if header is not None else ()
    return MasterFile(raw.kind, raw.mode, rows, named, left_out)


def _check_header(header: Iterable[str], fields: dict[str, FieldInfo]) -> None:
    columns = set(header)
    faults = [f"没有“{name}”这一列，可用的列：{'、'.join(fields)}" for name in sorted(columns - fields.keys())]
    faults += [f"缺少“{name}”列" for name, field in fields.items() if field.is_required() and name not in columns]
    if faults:
        raise Malformed("列名有误，整个文件未载入", faults=[{"path": "第 2 行", "message": fault} for fault in faults])


def _filled(row: RawRow, fields: dict[str, FieldInfo]) -> dict[str, Any]:
    """An empty cell means the default of its field, where there is one; dates as spreadsheets write them are read."""
    return {
        name: _iso(value) if isinstance(value, str) and name in fields and holds_date(fields[name]) else value
        for name, value in row.cells.items()
        if not (isinstance(value, str) and not value.strip() and name in fields and not fields[name].is_required())
    }


def holds_date(field: FieldInfo) -> bool:
    """Whether a member is a day, which is read however a spreadsheet writes it."""
    return field.annotation is date or date in get_args(field.annotation)


def _iso(text: str) -> str:
    found = _SHEET_DATE.fullmatch(text.strip())
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else text


def messages_of(error: ValidationError) -> Iterable[str]:
    """What is wrong with one row, a sentence (Chinese) for each bad member."""
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        context = dict(fault.get("ctx", {}))
        if fault["type"] == "value_error":
            # Our own validators already speak Chinese.
            sentence = str(context.get("error", fault["msg"]))
        elif template := _SENTENCES.get(fault["type"]):
            shown = "" if field == "password" else str(fault["input"])[:_INPUT_SHOWN]
            context["expected"] = (
                str(context.get("expected", ""))
                .replace(" or ", "、")
                .replace("''", "（留空）")
                .replace("'", "")
                .replace(", ", "、")
            )
            sentence = template.format(**{**context, "input": shown})
        else:
            sentence = fault["msg"]
        yield f"{field}：{sentence}" if field else sentence
