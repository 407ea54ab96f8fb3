"""Rows of the place masters: areas, unit cells and duty grids, as they stand in a release."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

from app.grid.datum import check_lon_lat

AreaLevel = Literal["city", "district", "street", "community"]

#: From widest to narrowest; a parent always stands further left.
AREA_LEVELS: tuple[AreaLevel, ...] = ("city", "district", "street", "community")

#: Digits of a division code at each level: 6 county, + 3 street, + 3 community (DOMAIN.md §2.3).
CODE_LENGTHS: dict[AreaLevel, int] = {"city": 6, "district": 6, "street": 9, "community": 12}


def _split_list(value: Any) -> Any:
    """A CSV cell holds a list as ``a|b|c``; anything else is left to the model."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split("|") if part.strip())
    return value


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


NameList = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(_split_list)]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}(?:[0-9]{3}){0,2}$")]
CommunityCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
CellId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{15}$")]
#: A cell id, or its beginning followed by ``*``.
CellPattern = Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-Z]{15}|[0-9A-Z]{1,14}\*)$")]

Ring = Annotated[tuple[tuple[float, float], ...], Field(min_length=4)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class AreaRow(_Row):
    """One administrative division 行政区划: city, district, street 街道/镇 or community 社区/村.

    Whether codes, levels and parents fit together shows in the whole release: see ``faults.area_faults``.
    """

    code: AreaCode
    name: Annotated[str, StringConstraints(min_length=1)]
    level: AreaLevel
    #: None for the top of the jurisdiction
    parent_code: Annotated[AreaCode | None, BeforeValidator(_empty_is_none)] = None
    #: other names of the same area
    aliases: NameList = ()
    #: roads, estates and landmarks inside it; one place may be listed under several areas
    places: NameList = ()

    @property
    def key(self) -> str:
        """Unique in the release."""
        return self.code


class CellRow(_Row):
    """One unit cell 单元网格, about 100 m × 100 m: the smallest place there is (DOMAIN.md §2.3)."""

    cell_id: CellId
    community_code: CommunityCode
    #: outer ring first, then holes; each ring closed, CGCS2000 longitude, latitude in degrees
    polygon: Annotated[tuple[Ring, ...], Field(min_length=1)]

    @property
    def key(self) -> str:
        """Unique in the release."""
        return self.cell_id

    @field_validator("polygon")
    @classmethod
    def _lon_lat_order(cls, polygon: tuple[Ring, ...]) -> tuple[Ring, ...]:
        # EPSG:4490 declares lat, lon, so whole files arrive swapped: one corner of each ring tells.
        for ring in polygon:
            check_lon_lat(*ring[0])
        return polygon


class DutyGridRow(_Row):
    """One duty grid 责任网格: the unit cells one team answers for, and the people who staff it."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Annotated[str, StringConstraints(min_length=1)]
    #: the unit that staffs it
    org_code: Annotated[str, StringConstraints(min_length=1)]
    #: cell ids; ``320102002001*`` stands for every cell whose id begins so, or for a community without cells
    cells: Annotated[tuple[CellPattern, ...], BeforeValidator(_split_list)] = ()
    #: user names
    people: NameList = ()

    @property
    def key(self) -> str:
        """Unique in the release."""
        return self.code
