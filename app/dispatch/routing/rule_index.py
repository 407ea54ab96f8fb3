"""The rules of one release, indexed by what × area, so that a decision looks at a handful of 20,000.

The most specific rule is heard first, a special one before a general one whichever principle it serves: item before
class before domain, then the narrower area, then level, channel, urgency, time. Equals go by rule number, the last
first, so that the same release always gives the same answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, NamedTuple

from app.dispatch.routing.matter import COMMUNITY, LOCAL, Matter
from app.dispatch.rows import RoutingRuleRow, minutes_of

#: item, class, domain, anything
ITEM: Final = 3
MAJOR: Final = 2
DOMAIN: Final = 1
ANYTHING: Final = 0

#: what, digits of the area, and whether there is a condition on level, channel, urgency, time
Weight = tuple[int, int, bool, bool, bool, bool]
#: what a weight's members are called, in order
WEIGHT_NAMES: Final = ("事项", "地域", "层级", "渠道", "紧急程度", "时段")


def weight_of(row: RoutingRuleRow) -> Weight:
    """How closely a rule names its matters."""
    what = ITEM if row.item_key else MAJOR if row.major_code else DOMAIN if row.domain else ANYTHING
    return what, len(row.area_code), bool(row.level), bool(row.channel), bool(row.urgency), bool(row.hours or row.days)


class Moment(NamedTuple):
    """The time of a decision as rules ask for it."""

    minute: int
    on: date
    workday: bool | None


class Rule:
    """One rule, its conditions made ready."""

    __slots__ = ("channel", "domain", "has_times", "level", "major_code", "row", "urgency", "weight", "windows")

    def __init__(self, row: RoutingRuleRow) -> None:
        self.row = row
        self.weight = weight_of(row)
        self.level, self.channel, self.urgency = row.level, row.channel, row.urgency
        # What the rule is found by need not be compared again.
        self.major_code = row.major_code if self.weight[0] > MAJOR else ""
        self.domain = row.domain if self.weight[0] > DOMAIN else ""
        self.windows = tuple(minutes_of(window) for window in row.hours)
        self.has_times = bool(row.hours or row.days or row.valid_from or row.valid_until)

    def holds(self, matter: Matter, level: str, moment: Moment | None) -> bool:
        """Whether every condition but the item and the area is met."""
        if self.level and self.level != level:
            return False
        if self.major_code and self.major_code != matter.major_code:
            return False
        if self.domain and self.domain != matter.domain:
            return False
        if self.channel and self.channel != matter.channel:
            return False
        if self.urgency and self.urgency != matter.urgency:
            return False
        return not self.has_times or (moment is not None and self._in_time(moment))

    def _in_time(self, moment: Moment) -> bool:
        row = self.row
        if (row.valid_from and moment.on < row.valid_from) or (row.valid_until and moment.on > row.valid_until):
            return False
        if row.days and moment.workday is not (row.days == "workday"):
            return False
        return not self.windows or any(
            start <= moment.minute < end if start < end else moment.minute >= start or moment.minute < end
            for start, end in self.windows
        )


def moment_of(matter: Matter) -> Moment | None:
    """The matter's time in China; None where it is not known."""
    if matter.at is None:
        return None
    at = matter.at.astimezone(LOCAL)
    return Moment(at.hour * 60 + at.minute, at.date(), matter.workday)


class RuleIndex:
    """Rules by what × area. Immutable."""

    __slots__ = ("_by_what", "_rules", "count")

    def __init__(self, rows: Iterable[RoutingRuleRow]) -> None:
        rules: dict[tuple[int, str, str], list[Rule]] = defaultdict(list)
        by_what: dict[tuple[int, str], list[Rule]] = defaultdict(list)
        self.count = 0
        for row in rows:
            rule = Rule(row)
            what = rule.weight[0]
            name = (row.domain, row.domain, row.major_code, row.item_key)[what] if what else ""
            rules[what, name, row.area_code].append(rule)
            if row.area_code:
                by_what[what, name].append(rule)
            self.count += 1
        self._rules = {key: tuple(sorted(found, key=_order, reverse=True)) for key, found in rules.items()}
        self._by_what = {key: tuple(sorted(found, key=_order, reverse=True)) for key, found in by_what.items()}

    def matching(self, matter: Matter, level: str | None = None) -> Iterator[Rule]:
        """Rules all of whose conditions hold, the most specific first. ``level``: in place of the matter's own."""
        level = level or matter.level
        moment = moment_of(matter)
        areas = (*reversed(matter.areas), "")
        rules = self._rules
        for what, name in _names(matter):
            for area in areas:
                for rule in rules.get((what, name, area), ()):
                    if rule.holds(matter, level, moment):
                        yield rule

    def out_of_sight(self, matter: Matter, above: int = -1) -> Iterator[Rule]:
        """Rules that lack nothing but a place that is known more closely, the most specific first.

        ``above``: only those that name the matter more closely than this, by ``ITEM`` … ``ANYTHING``.
        """
        known = matter.areas[-1] if matter.areas else ""
        if len(known) >= COMMUNITY:
            return
        moment = moment_of(matter)
        for what, name in _names(matter):
            if what <= above:
                return
            for rule in self._by_what.get((what, name), ()):
                area = rule.row.area_code
                if area not in matter.areas and area.startswith(known) and rule.holds(matter, matter.level, moment):
                    yield rule


def _names(matter: Matter) -> Iterator[tuple[int, str]]:
    if matter.item_key:
        yield ITEM, matter.item_key
    if matter.major_code:
        yield MAJOR, matter.major_code
    if matter.domain:
        yield DOMAIN, matter.domain
    yield ANYTHING, ""


def _order(rule: Rule) -> tuple[Weight, str]:
    return rule.weight, rule.row.rule_no
