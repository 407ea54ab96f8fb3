"""Unit cells on the ground, and the duty grids they roll up into."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import shapely

from app.grid.datum import LonLat, distance_m, metres_per_degree
from app.grid.rows import CellRow, DutyGridRow, Ring

_COMMUNITY_DIGITS = 12
#: a tenth of a metre: surveyed neighbours seldom share every digit of a corner
_TOUCHING_DEGREES = 1e-6


def polygons_of(rings_by_cell: Iterable[tuple[Ring, ...]]) -> Any:
    """Cell polygons as an array of shapely polygons, built in one call (object array, same order)."""
    ring_ends, polygon_ends = [0], [0]

    def closed_rings() -> Iterator[Iterable[LonLat]]:
        for rings in rings_by_cell:
            for ring in rings:
                closed = ring if ring[0] == ring[-1] else (*ring, ring[0])
                ring_ends.append(ring_ends[-1] + len(closed))
                yield closed
            polygon_ends.append(len(ring_ends) - 1)

    numbers = chain.from_iterable(chain.from_iterable(closed_rings()))
    coordinates = np.fromiter(numbers, dtype=np.float64).reshape(-1, 2)
    if len(polygon_ends) == 1:
        return np.empty(0, dtype=object)
    offsets = (np.asarray(ring_ends), np.asarray(polygon_ends))
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, coordinates, offsets)


class CellMap:
    """Finds the unit cell of a point. Never changed after it is built; safe for any number of threads.

    Rows are not kept: 40,000 polygons as Python floats take some 200 MB, as shapely polygons a tenth of it.
    """

    __slots__ = ("_by_id", "_communities", "_ids", "_neighbours", "_polygons", "_tree")

    def __init__(self, cells: Iterable[CellRow]) -> None:
        ids: list[str] = []
        communities: list[str] = []

        def noted() -> Iterator[tuple[Ring, ...]]:
            for cell in cells:
                ids.append(cell.cell_id)
                communities.append(cell.community_code)
                yield cell.polygon

        polygons = polygons_of(noted())
        # In order of id the smallest index is the smallest id, which settles a point on a shared border.
        order = sorted(range(len(ids)), key=ids.__getitem__)
        self._ids = [ids[n] for n in order]
        self._communities = [communities[n] for n in order]
        self._polygons = polygons[order]
        self._by_id = {cell_id: n for n, cell_id in enumerate(self._ids)}
        self._tree = shapely.STRtree(self._polygons)
        self._neighbours: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Pairs of cell id and community code, by cell id."""
        return zip(self._ids, self._communities, strict=True)

    def __contains__(self, cell_id: str) -> bool:
        return cell_id in self._by_id

    def community_of(self, cell_id: str) -> str | None:
        """Code of the community that a known cell lies in."""
        n = self._by_id.get(cell_id)
        return None if n is None else self._communities[n]

    def cell(self, cell_id: str) -> CellRow | None:
        """The row of a cell, put together again from its polygon."""
        n = self._by_id.get(cell_id)
        if n is None:
            return None
        polygon = self._polygons[n]
        rings = tuple(
            tuple((float(lon), float(lat)) for lon, lat in ring.coords)
            for ring in (polygon.exterior, *polygon.interiors)
        )
        return CellRow.model_construct(cell_id=cell_id, community_code=self._communities[n], polygon=rings)

    def at(self, lon: float, lat: float) -> tuple[str, str] | None:
        """Cell id and community code of the cell that holds a CGCS2000 point, borders included."""
        found = self._tree.query(shapely.points(lon, lat), predicate="intersects")
        if not len(found):
            return None
        n = int(found[0] if len(found) == 1 else found.min())
        return self._ids[n], self._communities[n]

    def metres_to_nearest(self, lon: float, lat: float) -> float | None:
        """Metres from a CGCS2000 point to the nearest cell; None when there are no cells."""
        point = shapely.points(lon, lat)
        n = self._tree.nearest(point)
        if n is None:
            return None
        line = shapely.shortest_line(point, self._polygons[n])
        start, end = line.coords
        return distance_m((start[0], start[1]), (end[0], end[1]))

    def touching(self, cell_id: str, at: LonLat, within_m: float) -> frozenset[str]:
        """Community codes of the cells that touch a cell and lie within so many metres of a point in it.

        Empty for an unknown cell.
        """
        own = self._by_id.get(cell_id)
        if own is None:
            return frozenset()
        found = {self._communities[own]}
        others = self._touching(own)
        if len(others):
            point = shapely.points(*at)
            # Most points lie well inside their cell: a distance that is never too short is asked first.
            reach = 1.02 * within_m / min(metres_per_degree(at[1]))
            for n in others[shapely.dwithin(point, self._polygons[others], reach)]:
                start, end = shapely.shortest_line(point, self._polygons[n]).coords
                if distance_m((start[0], start[1]), (end[0], end[1])) <= within_m:
                    found.add(self._communities[n])
        return frozenset(found)

    def _touching(self, own: int) -> Any:
        """Numbers of the cells of other communities that touch a cell, found when first asked for."""
        known = self._neighbours.get(own)
        if known is None:
            near = self._tree.query(self._polygons[own], predicate="dwithin", distance=_TOUCHING_DEGREES)
            others = [n for n in near if self._communities[n] != self._communities[own]]
            known = self._neighbours[own] = np.array(others, dtype=np.intp)
        return known


class DutyGrids:
    """Which duty grid answers for a cell, and for a community where no cell is known."""

    __slots__ = ("_by_community", "_exact", "_lengths", "_patterns_within", "_prefixes", "_rows")

    def __init__(self, duty_grids: Iterable[DutyGridRow], cells: Iterable[tuple[str, str]]) -> None:
        self._rows = {row.code: row for row in duty_grids}
        self._exact: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._patterns_within: dict[str, set[str]] = {}
        # By code, first come stays: two grids claiming one cell is a fault, but never a matter of chance.
        for code in sorted(self._rows):
            for pattern in self._rows[code].cells:
                start = pattern.removesuffix("*")
                (self._prefixes if pattern.endswith("*") else self._exact).setdefault(start, code)
                if len(start) >= _COMMUNITY_DIGITS:
                    self._patterns_within.setdefault(start[:_COMMUNITY_DIGITS], set()).add(code)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)
        self._by_community: dict[str, set[str]] = {}
        for cell_id, community_code in cells:
            grid = self.of_cell(cell_id)
            self._by_community.setdefault(community_code, set()).update([grid.code] if grid else [])

    def _longest_prefix(self, text: str) -> str | None:
        for length in self._lengths:
            if code := self._prefixes.get(text[:length]):
                return code
        return None

    def grid(self, code: str) -> DutyGridRow | None:
        """The duty grid with this code."""
        return self._rows.get(code)

    def of_cell(self, cell_id: str) -> DutyGridRow | None:
        """The duty grid that lists the cell, by its full id or else by the longest prefix."""
        code = self._exact.get(cell_id) or self._longest_prefix(cell_id)
        return self._rows[code] if code else None

    def of_community(self, community_code: str) -> DutyGridRow | None:
        """The one duty grid that has cells in a community; None when there are several, or none.

        A community without known cells is judged by the patterns themselves.
        """
        found = self.all_of_community(community_code)
        return found[0] if len(found) == 1 else None

    def all_of_community(self, community_code: str) -> tuple[DutyGridRow, ...]:
        """Every duty grid that has cells in a community, by code, judged in the same way."""
        codes = self._by_community.get(community_code)
        if codes is None:
            codes = set(self._patterns_within.get(community_code, ()))
            if whole := self._longest_prefix(community_code):
                codes.add(whole)
        return tuple(self._rows[code] for code in sorted(codes))
