"""Who acts in the demo: who sits where, who acts for which unit, who walks which area; and what one act is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One act: who does it, on what, with which body. ``evidence``: a picture is uploaded first and named in it."""

    #: user name, or ``client`` for the report's own machine client
    who: str
    path: str
    action: str
    body: dict[str, Any] = field(default_factory=dict)
    evidence: bool = False
    channel: str = ""
    #: done in the same breath, whether or not this one was refused
    then: "Step | None" = None


@dataclass(frozen=True, slots=True)
class Staff:
    """Who sits where, and the first filing standard row of each item; read from the demo city's files."""

    by_unit: Mapping[str, str]
    parents: Mapping[str, str]
    by_role: Mapping[str, Sequence[str]]
    standard_rows: Mapping[str, int]
    #: grid workers by team, then by the community that they walk
    workers: Mapping[str, Mapping[str, str]]
    #: levels and names of units
    levels: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, users: Sequence[Json], organizations: Sequence[Json], standards: Sequence[Json]) -> "Staff":
        """From the rows of the three files. Who also sits in a unit acts for it alone: an accusation may be of it."""
        by_unit: dict[str, str] = {}
        by_role: dict[str, list[str]] = {}
        workers: dict[str, dict[str, str]] = {}
        for user in users:
            seats = [seat.partition("@") for seat in str(user["seats"]).split("|")]
            units = [scope for role, _, scope in seats if role in ("unit_liaison", "handler")]
            for unit in units:
                by_unit.setdefault(unit, user["username"])
            for role, _, scope in () if units else seats:
                by_role.setdefault(role, []).append(user["username"])
                if role == "grid_worker":
                    workers.setdefault(user["org_code"], {})[scope] = user["username"]
        rows: dict[str, int] = {}
        for row in standards:
            key = f"{row['standard_ref']}/{row['kind']}/{row['code']}"
            rows[key] = min(rows.get(key, 999), int(row["row_no"]))
        parents = {row["code"]: row["parent_code"] for row in organizations}
        levels = {row["code"]: row["level"] for row in organizations}
        names = {row["code"]: row["name"] for row in organizations}
        return cls(by_unit, parents, by_role, rows, workers, levels, names)

    def unit_user(self, unit: str) -> str:
        """Who acts for a unit: its own liaison, else that of the unit above."""
        code = unit
        while code and code not in self.by_unit:
            code = self.parents.get(code, "")
        if not code:
            raise KeyError(f"nobody acts for {unit}")
        return self.by_unit[code]

    def holder(self, event: Json, order: Json) -> str:
        """Who handles an order: the grid worker who walks there, in a grid's team; else the unit's liaison."""
        if order["holder"] is not None:
            return str(order["holder"]["username"])
        team = self.workers.get(order["unit"]["code"])
        if team is None:
            return self.unit_user(order["unit"]["code"])
        return team.get(event["place"]["community_code"]) or team[min(team)]

    def is_under(self, unit: str, above: str) -> bool:
        """Whether a unit is a section, a team or a contractor of another one."""
        code = self.parents.get(unit, "")
        while code and code != above:
            code = self.parents.get(code, "")
        return bool(code)

    def seat(self, role: str, event_id: str) -> str:
        """One of those in a role; always the same for one event."""
        people = self.by_role[role]
        return people[UUID(event_id).int % len(people)]
