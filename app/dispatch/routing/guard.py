"""Who may lead at all: asked after every proposal, whichever principle made it.

A unit of a street or below leads only its basic duties 基本履职事项, where the city has published a duty list: what is
taken back or only assisted goes to the department that the clause names, what no clause covers is refused. Refused too
are closed units, accused units and units that have just given it back, with all that is under them, and whoever is
below the level to which the matter was raised.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.routing.matter import DISTRICT, STREET, Matter, is_above
from app.dispatch.routing.registers import Duties
from app.dispatch.rows import DutyRow

#: why an accused unit does not lead; what is written down names the unit nowhere beside it
ACCUSED: Final = "被举报单位或其下属，回避"

_GRASSROOTS_LEVELS: Final = ("street", "community")
_GRASSROOTS_TYPES: Final = ("street_office", "section", "grid_team")
_ABOVE_STREETS: Final = {"district": "区级", "city": "市级"}
_UP_TO: Final = {"street": "街道级", **_ABOVE_STREETS}
#: a unit's level → a matter's
_OF_UNITS: Final = {"community": "grid"}


class Verdict(NamedTuple):
    """``lead``: who leads, perhaps another than was proposed; None: refused. ``reason``: of a refusal or a change."""

    lead: str | None
    reason: str = ""
    clause: DutyRow | None = None
    #: refused because the place belongs to several streets
    crossing: bool = False


class Units:
    """Which units are of a street or below, and of which street."""

    __slots__ = ("_active", "_offices", "_streets", "organizations")

    def __init__(self, organizations: Organizations) -> None:
        self.organizations = organizations
        self._active = {row.code: organizations.id_of(row.code) for row in organizations.rows if row.active}
        self._streets: dict[str, str] = {}
        self._offices: dict[str, str] = {}
        for row in organizations.rows:
            if row.org_type == "street_office" and row.active:
                self._offices.setdefault(row.area_code, row.code)
            if self._is_grassroots(row):
                self._streets[row.code] = row.area_code[:STREET] if len(row.area_code) >= STREET else ""

    def _is_grassroots(self, row: OrganizationRow) -> bool:
        if row.level in _GRASSROOTS_LEVELS or row.org_type == "street_office":
            return True
        return row.org_type in _GRASSROOTS_TYPES and any(
            above is not None and (above.level == "street" or above.org_type == "street_office")
            for above in map(
                self.organizations.by_id, self.organizations.above(self.organizations.id_of(row.code) or 0)
            )
        )

    def active_id(self, code: str) -> int | None:
        """Id of a unit that works."""
        return self._active.get(code)

    def street_of(self, code: str) -> str | None:
        """The street (division code, empty where its area is none) of a unit at its level; None: it is above."""
        return self._streets.get(code)

    def office_of(self, street: str) -> str | None:
        """The active street office 街道办 of a street."""
        return self._offices.get(street)


def reaches(organizations: Organizations, code: str, level: str) -> bool:
    """Whether a unit of the release is of a matter's level or a higher one."""
    row = organizations.by_code(code)
    return row is not None and not is_above(level, _OF_UNITS.get(row.level, row.level))


class Barred:
    """Units that must have nothing to do with a matter, by id: accused ones, and those that gave it back."""

    __slots__ = ("_accused", "_gave_back")

    def __init__(self, matter: Matter, organizations: Organizations) -> None:
        self._accused = _with_all_under(matter.accused, organizations)
        self._gave_back = _with_all_under(matter.gave_back, organizations)

    def why(self, unit_id: int) -> str:
        """Why not this unit; empty: nothing against it."""
        if unit_id in self._accused:
            return ACCUSED
        return "刚退回此件，或是退回单位的下属" if unit_id in self._gave_back else ""


def _with_all_under(units: Iterable[int], organizations: Organizations) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for unit in units:
        found |= organizations.under(unit)
    return found


class Guard:
    """Judges proposals about one matter; a unit is judged once."""

    __slots__ = ("_barred", "_by_level", "_duties", "_matter", "_units", "_verdicts")

    def __init__(self, matter: Matter, units: Units, duties: Duties, *, by_level: bool) -> None:
        self._matter = matter
        self._units = units
        self._duties = duties
        self._by_level = by_level
        self._barred = Barred(matter, units.organizations) if matter.accused or matter.gave_back else None
        self._verdicts: dict[str, Verdict] = {}

    def judge(self, code: str) -> Verdict:
        """Whether the unit may lead."""
        found = self._verdicts.get(code)
        if found is None:
            found = self._verdicts[code] = self._judged(code)
        return found

    def usable_id(self, code: str) -> int | None:
        """Id of a unit that may at least help: it exists, works, and is not barred."""
        return None if self._why_not_at_all(code) else self._units.active_id(code)

    def _why_not_at_all(self, code: str) -> str:
        unit = self._units.active_id(code)
        if unit is None:
            return "不存在或已停用"
        return self._barred.why(unit) if self._barred else ""

    def _why_not_lead(self, code: str) -> str:
        """Why it cannot lead, whatever the duty list says."""
        least = self._matter.at_least
        if why := self._why_not_at_all(code):
            return why
        return f"低于提级后的{_UP_TO[least]}" if least and not reaches(self._units.organizations, code, least) else ""

    def _judged(self, code: str) -> Verdict:
        if why := self._why_not_lead(code):
            return Verdict(None, why)
        street = self._units.street_of(code)
        if street is None:
            return Verdict(code)
        clause: DutyRow | None = None
        if self._duties:
            clause = self._duties.clause(self._matter, street or self._matter.area(STREET))
            if clause is None:
                return Verdict(None, "属街道及以下，职责清单未列此项")
            if clause.duty != "basic":
                return self._handed_up(clause)
            if self._by_level and self._matter.level in _ABOVE_STREETS:
                return Verdict(None, f"属街道及以下，不单独承办{_ABOVE_STREETS[self._matter.level]}事项", clause)
        if self._by_level and self._matter.borders:
            return Verdict(None, "事发地跨街道，不由单个街道承办", clause, crossing=True)
        return Verdict(code, clause=clause)

    def _handed_up(self, clause: DutyRow) -> Verdict:
        said = f"职责清单 {clause.clause_no} 列为{'收回' if clause.duty == 'taken_back' else '配合'}事项"
        why = self._why_not_lead(clause.department)
        if not why and self._units.street_of(clause.department) is not None:
            why = "也属街道"
        if why == ACCUSED:
            return Verdict(None, f"{said}，而牵头部门是{ACCUSED}", clause)
        if why:
            return Verdict(None, f"{said}，而牵头部门 {clause.department} {why}", clause)
        name = self._units.organizations.name_of(clause.department)
        return Verdict(clause.department, f"{said}，由{name}牵头", clause)


def crosses_district(matter: Matter) -> bool:
    """Whether one of the streets that the place also belongs to lies in another district."""
    own = matter.area(DISTRICT) or matter.area(STREET)[:DISTRICT]
    return any(code[:DISTRICT] != own for code in matter.borders)
