"""The places of one release in memory: areas, unit cells, duty grids, names, and the one way to locate."""

from collections.abc import Iterable, Sequence
from typing import Self

from app.grid import locating
from app.grid.areas import AreaPath, AreaTree
from app.grid.datum import LonLat
from app.grid.locating import Ground, Location, Point
from app.grid.place_names import PlaceNames
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.grid.unit_cells import CellMap, DutyGrids


class PlaceIndex:
    """Immutable and safe for any number of threads; one per release, swapped as a whole.

    Faulty rows do not stop it (see ``faults``): a cell of an unknown community is still found.
    """

    __slots__ = ("_areas", "_cells", "_duty_grids", "_ground")

    def __init__(self, areas: AreaTree, cells: CellMap, duty_grids: DutyGrids) -> None:
        self._areas = areas
        self._cells = cells
        self._duty_grids = duty_grids
        communities = {community for _, community in cells}
        covered = frozenset(step for code in communities for step in areas.lineage(code))
        self._ground = Ground(areas, PlaceNames(areas), cells, duty_grids, covered)

    @classmethod
    def build(cls, areas: Iterable[AreaRow], cells: Iterable[CellRow], duty_grids: Iterable[DutyGridRow]) -> Self:
        """Index one release. Cells are read once, as a stream; there may be none."""
        cell_map = CellMap(cells)
        return cls(AreaTree(areas), cell_map, DutyGrids(duty_grids, cell_map))

    def area(self, code: str) -> AreaRow | None:
        """The area with this code."""
        return self._areas.area(code)

    def ancestors(self, code: str) -> AreaPath:
        """Codes of city, district, street and community that hold ``code``, itself included."""
        return self._areas.path(code)

    def children(self, code: str | None) -> tuple[AreaRow, ...]:
        """Areas directly below, by code; None gives the tops of the jurisdiction."""
        return self._areas.children(code)

    def cell(self, cell_id: str) -> CellRow | None:
        """The unit cell with its polygon, rebuilt on demand (tens of µs; not for bulk)."""
        return self._cells.cell(cell_id)

    def cell_at(self, lon: float, lat: float) -> str | None:
        """Id of the cell that holds a CGCS2000 point; on a shared border the smallest id."""
        found = self._cells.at(lon, lat)
        return found[0] if found else None

    def duty_grid(self, code: str) -> DutyGridRow | None:
        """The duty grid with this code."""
        return self._duty_grids.grid(code)

    def duty_grid_of(self, cell_id: str) -> DutyGridRow | None:
        """The duty grid that answers for a known cell."""
        return self._duty_grids.of_cell(cell_id) if cell_id in self._cells else None

    def duty_grid_of_community(self, community_code: str) -> DutyGridRow | None:
        """The duty grid of a community where no cell is known; None when several share it."""
        return self._duty_grids.of_community(community_code)

    def staffed_by(self, cell_id: str | None, community_code: str | None) -> tuple[str, ...]:
        """Codes of the units whose duty grids hold a place, each once: its cell's, else all in its community."""
        grid = self.duty_grid_of(cell_id) if cell_id else None
        if grid is not None:
            return (grid.org_code,)
        grids = self._duty_grids.all_of_community(community_code) if community_code else ()
        return tuple(dict.fromkeys(grid.org_code for grid in grids))

    def other_streets(self, cell_id: str, at: LonLat, within_m: float) -> tuple[str, ...]:
        """Streets to which a point belongs as well: their cells touch its own and are at most so many metres away."""
        touching = {self.ancestors(code).street for code in self._cells.touching(cell_id, at, within_m)}
        cell = self._cells.community_of(cell_id)
        return tuple(sorted(filter(None, touching - {self.ancestors(cell or "").street})))

    def in_cell(self, cell_id: str, at: LonLat | None = None) -> Location | None:
        """The location of something that is registered in a cell, ``at`` a CGCS2000 point where that is known too.

        None for a cell that the release does not have, and for a point that lies in another one.
        """
        community = self._cells.community_of(cell_id)
        if community is None or (at is not None and self.cell_at(*at) != cell_id):
            return None
        return locating.in_cell(self._ground, cell_id, community, at)

    def locate(self, points: Sequence[Point], addresses: Sequence[str], area_code: str | None) -> Location:
        """Where a report belongs (see ``locating.decide``); bad input becomes a note, never an error."""
        return locating.decide(self._ground, points, addresses, area_code)
