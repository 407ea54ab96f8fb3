"""Reading master files: which kind they are, and their rows as texts with the line each one stands on."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from app.core.errors import Malformed
from app.masters.spreadsheets import NotText, decode, rewritten, unshield

FileMode = Literal["complete", "patch"]

#: faults of one file that are told; who has more has the same one all over
MOST_FAULTS: Final = 200

_HEAD = re.compile(r"#\s*bihuan\s+(\S+)\s+(\S+)\s*", re.IGNORECASE)
_HEAD_EXAMPLE = "#bihuan items complete"
#: CGCS2000, and WGS 84, which differs from it by centimetres; GeoJSON without a name means the latter
_CRS = re.compile(r"(EPSG:{1,2}(4490|4326)|CRS:?:?84)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row before it is judged. ``place`` says where it stands, for a person: 第 7 行."""

    place: str
    cells: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file taken apart. ``header``: the columns it names, None where rows name their own members."""

    kind: str
    mode: FileMode
    header: tuple[str, ...] | None
    rows: tuple[RawRow, ...]


class Faults:
    """What is wrong with the rows of a file, ``MOST_FAULTS`` at most: of rubbish the answer is no longer."""

    def __init__(self) -> None:
        self._told: list[dict[str, str]] = []
        #: rows with a fault, of those that were looked at
        self.bad = 0

    def add(self, place: str, messages: Iterable[str]) -> None:
        """One row's, or nothing when there are none."""
        before = len(self._told)
        self._told += ({"path": place, "message": message} for message in messages)
        self.bad += len(self._told) > before

    @property
    def full(self) -> bool:
        """No more rows need be looked at."""
        return len(self._told) >= MOST_FAULTS

    def told(self, left: int) -> list[dict[str, str]]:
        """The faults, and how many rows behind them (``left``) nobody has looked at."""
        more = [{"path": "", "message": f"其后还有 {left} 行未检查，请先改正以上各行"}] if left else []
        return self._told + more


def unreadable(detail: str, path: str = "") -> Malformed:
    """The whole file cannot be read."""
    return Malformed(detail, faults=[{"path": path, "message": detail}])


def read_file(path: Path) -> RawFile:
    """Reads a CSV or GeoJSON master file. Raises Malformed (Chinese) when it is none, OSError as it comes."""
    return read_bytes(path.read_bytes())


def read_bytes(content: bytes, kind: str | None = None, mode: FileMode | None = None) -> RawFile:
    """The same from memory; a byte order mark, GBK and CRLF make no difference.

    ``kind`` and ``mode``: what the file must be, and what a CSV file without a first line of its own is.
    """
    try:
        text = decode(content)
    except NotText as error:
        told = f"第 {error.line} 行不是 UTF-8 编码，也不是 GBK 编码；在表格软件里请另存为“CSV UTF-8”"
        raise unreadable(told, f"第 {error.line} 行") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise unreadable(f"第 {line} 行有空字符（NUL），文件可能已损坏", f"第 {line} 行")
    file = _geojson(text) if text.lstrip()[:1] == "{" else _csv(text, kind, mode)
    if kind is not None and file.kind != kind:
        raise unreadable(f"文件的种类是 {file.kind}，不是 {kind}", "第 1 行")
    if mode is not None and file.mode != mode:
        raise unreadable(f"文件写的是 {file.mode}，不是 {mode}", "第 1 行")
    return file


def _mode(text: str) -> FileMode:
    if text == "complete":
        return "complete"
    if text == "patch":
        return "patch"
    raise unreadable(f"首行的“{text}”应为 complete（整份替换）或 patch（只增改）", "第 1 行")


def _csv(text: str, kind: str | None, mode: FileMode | None) -> RawFile:
    first, _, _ = text.partition("\n")
    # Spreadsheets pad the first line to the width of the table, and may quote it.
    match = _HEAD.fullmatch(first.strip().rstrip(",").strip('"'))
    records = _records(text)
    if match is not None:
        kind, mode = match[1].lower(), _mode(match[2])
        next(records)
    elif kind is None or mode is None or first.lstrip().startswith("#"):
        raise unreadable(f"首行应写明种类和方式，例如 {_HEAD_EXAMPLE}", "第 1 行")
    line, header = next(records, (0, []))
    columns = tuple(name.strip() for name in header)
    if not columns:
        raise unreadable(f"{'第二行' if match else '首行'}应为列名", "第 2 行" if match else "第 1 行")
    if repeated := sorted({name for name in columns if columns.count(name) > 1}):
        raise unreadable(f"列名重复：{'、'.join(repeated) or '空'}", f"第 {line} 行")
    rows = []
    faults = Faults()
    for line, record in records:
        faults.add(f"第 {line} 行", _misshapen(columns, record))
        if faults.full:
            break
        if not faults.bad:
            rows.append(RawRow(f"第 {line} 行", dict(zip(columns, map(unshield, record), strict=True))))
    if faults.bad:
        told = faults.told(sum(1 for _ in records))
        raise Malformed(f"{faults.bad} 行的列数不对或数字被改写，整个文件未载入", faults=told)
    return RawFile(kind, mode, columns, tuple(rows))


def _misshapen(columns: tuple[str, ...], record: list[str]) -> Iterator[str]:
    if len(record) != len(columns):
        yield f"有 {len(record)} 列，列名有 {len(columns)} 个（单元格内的逗号要用双引号括起）"
    for name, cell in zip(columns, record, strict=False):
        if rewritten(cell):
            yield f"{name}：“{cell}”是表格软件改写过的长数字，位数已丢失；请把该列设为文本，重填原来的数字"


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line it begins on (quoted cells may hold line breaks)."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    before = 0
    try:
        for record in reader:
            line, before = before + 1, reader.line_num
            if any(cell.strip() for cell in record):
                yield line, record
    except csv.Error:
        raise unreadable(f"第 {before + 1} 行起引号不成对，无法分列", f"第 {before + 1} 行") from None


def _geojson(text: str) -> RawFile:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise unreadable(f"不是合法的 JSON：第 {error.lineno} 行第 {error.colno} 列", f"第 {error.lineno} 行") from None
    head = document.get("bihuan")
    if not isinstance(head, dict) or not {"kind", "mode"} <= head.keys():
        raise unreadable('GeoJSON 顶层应有 "bihuan": {"kind": "cells", "mode": "complete"}', "bihuan")
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise unreadable("应为 GeoJSON 的 FeatureCollection", "features")
    _check_crs(document.get("crs"))
    rows = []
    faults = Faults()
    for n, feature in enumerate(features, start=1):
        row = _feature(feature)
        if isinstance(row, str):
            faults.add(f"第 {n} 个要素", [row])
            if faults.full:
                break
        else:
            rows.append(RawRow(f"第 {n} 个要素", row))
    if faults.bad:
        raise Malformed(f"{faults.bad} 个要素有误，整个文件未载入", faults=faults.told(len(features) - n))
    return RawFile(str(head["kind"]), _mode(str(head["mode"])), None, tuple(rows))


def _check_crs(crs: Any) -> None:
    """A file that says its datum must say the right one: a shift of 500 m is not seen on the map at first."""
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    if not _CRS.search(name):
        raise unreadable(f"坐标系应为 CGCS2000（EPSG:4490），文件写的是“{name}”", "crs")


def _feature(feature: Any) -> dict[str, Any] | str:
    """Members of a cell's row, or what is wrong with the feature."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(geometry, dict) or not isinstance(properties, dict):
        return "要素应有 geometry 和 properties"
    if geometry.get("type") != "Polygon":
        return f"几何类型应为 Polygon，不能是 {geometry.get('type')}；一个单元网格是一整块"
    return {**properties, "polygon": geometry.get("coordinates")}
