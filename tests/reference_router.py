"""Routing once more, plainly: from the exported rows of a release and what a decision says it rested on.

It imports nothing of the application and looks for nothing fast: every rule is compared with every matter. Where the
two agree about thousands of matters, the stored reasons are enough to check a decision by.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Release = Mapping[str, Sequence[Row]]

DEFAULT_ORDER = (
    "emergency_handover",
    "statutory_department",
    "component",
    "level",
    "territorial",
    "nearest_on_duty",
    "night_duty",
    "coordination_desk",
)
BY_RULES = ("statutory_department", "territorial", "coordination_desk")


LISTS = ("hours", "supporting_units")
LEVELS = ("grid", "street", "district", "city")


def read_export(path: Path) -> list[Row]:
    """The rows of an exported file: a line that names the kind, a line of columns, then a line a row."""
    with path.open(encoding="utf-8-sig", newline="") as opened:
        assert opened.readline().startswith("#bihuan ")
        return [{name: _value(name, cell) for name, cell in row.items()} for row in csv.DictReader(opened)]


def _value(name: str, cell: str) -> Any:
    cell = cell.removeprefix("'")  # stands before what a spreadsheet would rewrite
    if name in LISTS:
        return [part for part in cell.split("|") if part]
    return {"true": True, "false": False}.get(cell, int(cell) if name == "position" else cell)


def facts_of(event: Row, decision: Row, tables: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """What the decision rests on, from the event itself and the exports of its releases.

    ``tables``: rows of items, calendar, duty-grids, and cells (their ids and communities). Believed as they are stored
    are what neither tells: the moment, how busy units were then (load), who had given it back, who took it in (the
    event also names whoever led first), and the streets nearby (borders), for which the cells have to be measured.
    """
    believed = ("at", "load", "gave_back", "first_receiver", "borders")
    facts = {name: value for name, value in decision["facts"].items() if name in believed}
    key = event["item"]["key"] if event["item"] else None
    [row] = [row for row in tables["items"] if item_key(row) == key] or [{"major_code": "", "domain": ""}]
    place, level = event["place"], event["level"]
    codes = [place["district_code"], place["street_code"], place["community_code"]]
    own = row.get("default_level", level)
    told = {
        "item": key,
        "major_code": row["major_code"],
        "domain": row["domain"],
        "level": level,
        "at_least": level if LEVELS.index(level) > LEVELS.index(own) else "",
        "areas": [code for code in codes if code],
        "channel": event["channel"],
        "urgency": event["urgency"],
        "workday": workday(tables["calendar"], datetime.fromisoformat(facts["at"]).date().isoformat()),
        "component": event["component_id"],
        "cell": place["cell_id"],
        "on_duty": on_duty(tables, place["cell_id"], place["community_code"]),
    }
    return facts | {name: value for name, value in told.items() if value not in (None, "", [])}


def workday(calendar: Sequence[Row], day: str) -> bool:
    """Whether the city works on a day: what is said of the day itself goes before the weekday."""
    assert {row["row_type"] for row in calendar} <= {"hours", "year", "holiday", "workday"}
    said = [row["row_type"] for row in calendar if row["first_on"] <= day <= (row["last_on"] or row["first_on"])]
    if "holiday" in said or "workday" in said:
        return "workday" in said
    return datetime.fromisoformat(day).isoweekday() <= 5


def on_duty(tables: Mapping[str, Sequence[Row]], cell: str | None, community: str | None) -> list[str]:
    """Units whose duty grid holds the cell; where none does, those of all grids with cells in the community."""
    patterns = [(pattern, row) for row in tables["duty-grids"] for pattern in row["cells"].split("|")]

    def grid_of(cell_id: str) -> Row | None:
        whole = [(len(pattern), row) for pattern, row in patterns if pattern == cell_id]
        start = [
            (len(pattern), row) for pattern, row in patterns if pattern[-1] == "*" and cell_id.startswith(pattern[:-1])
        ]
        return max(whole or start, key=lambda each: each[0], default=(0, None))[1]

    own = grid_of(cell) if cell else None
    if own is not None:
        return [own["org_code"]]
    here = [grid_of(row["cell_id"]) for row in tables["cells"] if row["community_code"] == community]
    grids = {row["code"]: row["org_code"] for row in here if row is not None}
    return list(dict.fromkeys(grids[code] for code in sorted(grids)))


def item_key(row: Row) -> str:
    return f"{row['standard_ref']}/{row['kind']}/{row['code']}" if row["code"] else ""


def narrowness(rule: Row) -> tuple[Any, ...]:
    what = 3 if item_key(rule) else 2 if rule["major_code"] else 1 if rule["domain"] else 0
    timed = bool(rule["hours"] or rule["days"])
    return what, len(rule["area_code"]), bool(rule["level"]), bool(rule["channel"]), bool(rule["urgency"]), timed


class ReferenceRouter:
    """``facts``: as the decision stores them. ``accused``: codes of the event's accused units."""

    def __init__(self, release: Release, facts: Mapping[str, Any], accused: Sequence[str] = ()) -> None:
        self.facts = facts
        self.units = {row["code"]: row for row in release["organizations"]}
        self.rules = release.get("routing-rules", ())
        self.duties = release.get("duty-list", ())
        self.components = {row["component_id"]: row for row in release.get("components", ())}
        steps = release.get("routing-steps", ())
        enabled = sorted((row["position"], row["step"]) for row in steps if row["enabled"])
        self.order = tuple(step for _, step in enabled) if steps else DEFAULT_ORDER
        self.areas = tuple(facts.get("areas", ()))
        self.barred = self._below(accused) | self._below(facts.get("gave_back", ()))
        self.refused_for_border = False
        #: (principle, chosen, refused or passed), in the order in which they were asked
        self.account: list[tuple[str, str]] = []

    def _fact(self, name: str) -> Any:
        return self.facts.get(name) or ""

    def _above(self, code: str) -> list[str]:
        found, at = [], self.units[code]["parent_code"]
        while at:
            found.append(at)
            at = self.units[at]["parent_code"]
        return found

    def _below(self, codes: Sequence[str]) -> set[str]:
        return {code for code in self.units if {code, *self._above(code)} & set(codes)} | set(codes)

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

    def _in_time(self, rule: Row) -> bool:
        if not (rule["hours"] or rule["days"] or rule["valid_from"] or rule["valid_until"]):
            return True
        if not self._fact("at"):
            return False
        at = datetime.fromisoformat(self.facts["at"])
        clock, today = at.strftime("%H:%M"), at.date().isoformat()
        if not (rule["valid_from"] or today) <= today <= (rule["valid_until"] or today):
            return False
        if rule["days"] and self.facts.get("workday") is not (rule["days"] == "workday"):
            return False
        windows = [window.split("-") for window in rule["hours"]]
        return not windows or any(
            start <= clock < end if start < end else clock >= start or clock < end for start, end in windows
        )

    def _holds(self, rule: Row, level: str) -> bool:
        """Every condition but the area."""
        wanted = (
            (item_key(rule), self._fact("item")),
            (rule["major_code"], self._fact("major_code")),
            (rule["domain"], self._fact("domain")),
            (rule["level"], level),
            (rule["channel"], self._fact("channel")),
            (rule["urgency"], self._fact("urgency")),
        )
        return all(not want or want == have for want, have in wanted) and self._in_time(rule)

    def _matching(self, steps: Sequence[str], level: str = "") -> list[Row]:
        found = [
            rule
            for rule in self.rules
            if rule["step"] in steps
            and (not rule["area_code"] or rule["area_code"] in self.areas)
            and self._holds(rule, level or self._fact("level"))
        ]
        return sorted(found, key=lambda rule: (narrowness(rule), rule["rule_no"]), reverse=True)

    def _catalogue(self, level: str = "") -> list[Row]:
        return self._matching([step for step in BY_RULES if step in self.order], level)

    def _place_needed(self, more_than: int) -> bool:
        """Whether a rule that names the matter more closely only lacks a place that is known more closely."""
        known = self.areas[-1] if self.areas else ""
        return len(known) < 12 and any(
            rule["step"] in self.order
            and rule["step"] in BY_RULES
            and rule["area_code"]
            and rule["area_code"] not in self.areas
            and rule["area_code"].startswith(known)
            and narrowness(rule)[0] > more_than
            and self._holds(rule, self._fact("level"))
            for rule in self.rules
        )

    # ── who may lead ─────────────────────────────────────────────────────────────────────────────────────────

    def _usable(self, code: str) -> bool:
        return code in self.units and self.units[code]["active"] and code not in self.barred

    def _may_lead(self, code: str) -> bool:
        """Usable, and not below the level to which the matter was raised."""
        least = LEVELS.index(self._fact("at_least") or "grid")
        return self._usable(code) and LEVELS.index(self.units[code]["level"].replace("community", "grid")) >= least

    def _is_grassroots(self, code: str) -> bool:
        unit = self.units[code]
        if unit["level"] in ("street", "community") or unit["org_type"] == "street_office":
            return True
        above = [self.units[each] for each in self._above(code)]
        return unit["org_type"] in ("section", "grid_team") and any(
            each["level"] == "street" or each["org_type"] == "street_office" for each in above
        )

    def _clause(self, street: str) -> Row | None:
        strict = ("taken_back", "assisting", "basic")
        for what in ("item", "major_code", "domain"):
            for area in (street, ""):
                found = [
                    row
                    for row in self.duties
                    if row["area_code"] == area
                    and (item_key(row) if what == "item" else row[what]) == self._fact(what) != ""
                ]
                if found:
                    return min(found, key=lambda row: (strict.index(row["duty"]), row["clause_no"]))
        return None

    def _judge(self, code: str) -> tuple[str | None, str | None]:
        """Who leads instead of, or as, the unit (None: nobody), and the number of the clause."""
        if not self._may_lead(code):
            return None, None
        if not self._is_grassroots(code):
            return code, None
        number = None
        leveled = "level" in self.order
        if self.duties:
            own = self.units[code]["area_code"]
            here = next((area for area in self.areas if len(area) == 9), "")
            clause = self._clause(own[:9] if len(own) >= 9 else here)
            if clause is None:
                return None, None
            number = clause["clause_no"]
            if clause["duty"] != "basic":
                department = clause["department"]
                ok = self._may_lead(department) and not self._is_grassroots(department)
                return (department if ok else None), number
            if leveled and self._fact("level") in ("district", "city"):
                return None, number
        if leveled and self.facts.get("borders"):
            self.refused_for_border = True
            return None, number
        return code, number

    # ── principles ───────────────────────────────────────────────────────────────────────────────────────────

    def _raised(self) -> str:
        borders = self.facts.get("borders", ())
        if not borders:
            return ""
        own = next((area for area in self.areas if len(area) == 6), "") or next(
            (area[:6] for area in self.areas if len(area) == 9), ""
        )
        raised = "city" if any(code[:6] != own for code in borders) else "district"
        return "" if self._fact("level") in (raised, "city") else raised

    def _proposals(self, step: str) -> list[tuple[str, Row | None]]:
        """Units with the rule that names them, best first. A rule of another principle that goes first ends them."""
        if step in BY_RULES:
            found: list[tuple[str, Row | None]] = []
            for rule in self._catalogue():
                if rule["step"] == step:
                    found.append((rule["lead_unit"], rule))
                else:
                    before = self.refused_for_border
                    lead, _ = self._judge(rule["lead_unit"])
                    self.refused_for_border = before
                    if lead is not None:
                        return found
            if step == "coordination_desk":
                district = next((area for area in self.areas if len(area) == 6), "") or next(
                    (area[:6] for area in self.areas if len(area) == 9), ""
                )
                found += [
                    (code, None)
                    for code, unit in sorted(self.units.items())
                    if (unit["org_type"], unit["area_code"], unit["active"]) == (step, district, True)
                ]
            return found
        if step == "night_duty":
            return [(rule["lead_unit"], rule) for rule in self._matching([step])]
        if step == "emergency_handover":
            every = (*BY_RULES, "night_duty")
            critical = [rule for rule in self._matching(every) if rule["urgency"] == "critical"]
            return [(rule["lead_unit"], rule) for rule in critical]
        if step == "component":
            row = self.components.get(self._fact("component"))
            return [(row[role], None) for role in ("maintainer", "owner", "competent") if row[role]] if row else []
        if step == "level":
            raised = self._raised()
            rules = [rule for rule in self._catalogue(raised) if rule["level"] == raised] if raised else []
            return [
                (rule["lead_unit"], rule)
                for rule in rules
                if rule["lead_unit"] not in self.units or not self._is_grassroots(rule["lead_unit"])
            ]
        if step == "first_receiver":
            return [(self.facts["first_receiver"], None)] if self._fact("first_receiver") else []
        assert step == "nearest_on_duty"
        load = self.facts.get("load", {})
        near = self.facts.get("on_duty", ()) if self._fact("level") == "grid" else ()
        return [(code, None) for code in sorted(near, key=lambda code: (load.get(code, 0), code))]

    def decide(self) -> dict[str, Any]:
        """``unit`` (None: a person decides), ``step``, ``rule_no``, ``clause_no``, ``supporting`` as codes."""
        person: dict[str, Any] = {"unit": None, "step": "person", "rule_no": None, "clause_no": None, "supporting": []}
        for step in self.order:
            outcome = "passed"
            for code, rule in self._proposals(step):
                lead, clause = self._judge(code)
                if lead is None:
                    outcome = "refused"
                    continue
                if step in BY_RULES and self._place_needed(narrowness(rule)[0] if rule else -1):
                    self.account.append((step, outcome))
                    return person
                self.account.append((step, "chosen"))
                return {
                    "unit": lead,
                    "step": step,
                    "rule_no": rule["rule_no"] if rule else None,
                    "clause_no": clause,
                    "supporting": self._supporting(step, code, lead, rule),
                }
            self.account.append((step, outcome))
        return person

    def _supporting(self, step: str, proposed: str, lead: str, rule: Row | None) -> list[str]:
        codes = [*(rule["supporting_units"] if rule else ()), *([proposed] if proposed != lead else ())]
        if step == "level" or self.refused_for_border:
            here = [area for area in self.areas if len(area) == 9]
            for street in [*here[:1], *self.facts.get("borders", ())]:
                offices = [
                    code
                    for code, unit in sorted(self.units.items())
                    if (unit["org_type"], unit["area_code"], unit["active"]) == ("street_office", street, True)
                ]
                codes += offices[:1]
        return [code for code in dict.fromkeys(codes) if code != lead and self._usable(code)]
