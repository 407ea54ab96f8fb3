"""A release as a file that people edit in a spreadsheet or a map, and that loads again without a change."""

import asyncio
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import releases
from app.core.database import Json
from app.core.tables import Release
from app.masters.kinds import KINDS
from app.masters.spreadsheets import shield
from app.masters.validation import holds_date

#: the member that is a shape on the map; a kind that has it is written as GeoJSON
_SHAPE: Final = "polygon"
_BYTE_ORDER_MARK: Final = "\ufeff"
_CRS: Final = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file, complete: loading it makes the draft exactly these rows."""

    file_name: str
    media_type: str
    content: bytes


async def export(session: AsyncSession, release: Release) -> Exported:
    """All rows of a release as its kind's file, by key."""
    rows = await releases.rows_of(session, release.id)
    return await asyncio.to_thread(write, release.kind, rows)


def write(kind: str, rows: Mapping[str, Json]) -> Exported:
    """The same of rows at hand. Raises KeyError for a kind that is none."""
    if _SHAPE in KINDS[kind].model.model_fields:
        return Exported(f"{kind}.geojson", "application/geo+json", _geojson(kind, rows))
    return Exported(f"{kind}.csv", "text/csv; charset=utf-8", _csv(kind, rows))


def _csv(kind: str, rows: Mapping[str, Json]) -> bytes:
    fields = KINDS[kind].model.model_fields
    dates = {name for name, field in fields.items() if holds_date(field)}
    out = io.StringIO(newline="")
    # Without the mark Excel and WPS read Chinese as GBK.
    out.write(f"{_BYTE_ORDER_MARK}#bihuan {kind} complete\r\n")
    writer = csv.writer(out)
    writer.writerow(fields)
    writer.writerows([_cell(rows[key].get(name), name in dates) for name in fields] for key in sorted(rows))
    return out.getvalue().encode()


def _cell(value: Any, is_date: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return shield("|".join(str(each) for each in value))
    # a date is read again however the spreadsheet writes it
    return shield(value) if isinstance(value, str) and not is_date else str(value)


def _geojson(kind: str, rows: Mapping[str, Json]) -> bytes:
    """A feature a line, so that two editions can be compared line by line."""
    head = orjson.dumps({"bihuan": {"kind": kind, "mode": "complete"}, "type": "FeatureCollection", "crs": _CRS})
    features = (
        orjson.dumps(
            {
                "type": "Feature",
                "properties": {name: value for name, value in rows[key].items() if name != _SHAPE},
                "geometry": {"type": "Polygon", "coordinates": rows[key][_SHAPE]},
            },
            option=orjson.OPT_SORT_KEYS,
        )
        for key in sorted(rows)
    )
    return head[:-1] + b',"features":[\n' + b",\n".join(features) + b"\n]}\n"
