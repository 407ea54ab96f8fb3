"""The principles 派单原则, each a small function: it names units, best first, or says why it names none.

A name is only a proposal: the guard has the last word about each (``guard``), and the next one is asked.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.dispatch.routing.guard import Guard, Units, crosses_district
from app.dispatch.routing.matter import DISTRICT, STREET, Matter
from app.dispatch.routing.registers import Components
from app.dispatch.routing.rule_index import Rule, RuleIndex
from app.dispatch.routing.sentences import LEVEL_TITLES, STEP_TITLES
from app.dispatch.rows import RuleStep, StepName


@dataclass(frozen=True, slots=True)
class City:
    """The masters of one release as the principles ask them."""

    #: rules of the principles that are switched on, but those of the night
    catalogue: RuleIndex
    night: RuleIndex
    #: those among all rules that are for what is critical
    critical: RuleIndex
    components: Components
    units: Units
    #: whether what nobody answers for goes to the district's desk even where no rule says so
    finds_desk: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A unit, by code, that may lead. ``said``: on what it rests where that is no rule."""

    unit: str
    rule: Rule | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """The principle has nothing to say about this matter."""

    reason: str


class Walk:
    """One matter on its way through the principles."""

    __slots__ = ("_more", "_rules", "city", "guard", "matter")

    def __init__(self, matter: Matter, city: City, guard: Guard) -> None:
        self.matter = matter
        self.city = city
        self.guard = guard
        self._rules: list[Rule] = []
        self._more = city.catalogue.matching(matter)

    def rules(self) -> Iterator[Rule]:
        """Rules of the catalogue whose conditions hold, the most specific first; looked up as far as they are read."""
        yield from self._rules
        for rule in self._more:
            self._rules.append(rule)
            yield rule


Answers = Iterator[Proposal | Passed]

_NO_RULE: Final = "没有适用的规则"


def _by_catalogue(walk: Walk, step: RuleStep) -> Answers:
    """The catalogue speaks with its most specific rule whose unit may lead; the rule's own principle says when.

    So a special rule goes before a general one, whichever principles they serve.
    """
    for rule in walk.rules():
        if rule.row.step == step:
            yield Proposal(rule.row.lead_unit, rule)
        elif walk.guard.judge(rule.row.lead_unit).lead is not None:
            yield Passed(f"派单目录中最具体的是规则 {rule.row.rule_no}（{STEP_TITLES[rule.row.step]}）")
            return


def _else(answers: Answers, reason: str) -> Answers:
    """The answers, or why there are none."""
    none = True
    for answer in answers:
        none = False
        yield answer
    if none:
        yield Passed(reason)


def emergency_handover(walk: Walk) -> Answers:
    """紧急先行: rules for what is critical. That 110, 119 and 120 are told of danger to life is done elsewhere."""
    if walk.matter.urgency != "critical":
        yield Passed("不是特急")
        return
    named = (Proposal(rule.row.lead_unit, rule) for rule in walk.city.critical.matching(walk.matter))
    yield from _else(named, "没有适用的特急规则")


def statutory_department(walk: Walk) -> Answers:
    """法定部门: the department that the catalogue names for the item."""
    yield from _else(_by_catalogue(walk, "statutory_department"), _NO_RULE)


def component(walk: Walk) -> Answers:
    """部件权责: who maintains the registered component, else who owns it, else who is competent for it."""
    found = walk.city.components.find(walk.matter.component_id)
    if found is None:
        known = walk.matter.component_id
        yield Passed(f"部件 {known} 没有登记" if known else "不涉及已知的部件")
        return
    for title, unit in (("养护", found.maintainer), ("权属", found.owner), ("主管", found.competent)):
        if unit:
            yield Proposal(unit, said=f"按部件 {found.component_id} 登记的{title}单位")


def level(walk: Walk) -> Answers:
    """层级与跨界: what belongs to several streets goes up one level; the streets help (``router``)."""
    matter = walk.matter
    if not matter.borders:
        yield Passed("不跨界")
        return
    raised = "city" if crosses_district(matter) else "district"
    if matter.level in (raised, "city"):
        yield Passed(f"已是{LEVEL_TITLES[matter.level]}事项")
        return
    named = (
        Proposal(rule.row.lead_unit, rule)
        for rule in walk.city.catalogue.matching(matter, raised)
        if rule.level == raised and walk.city.units.street_of(rule.row.lead_unit) is None
    )
    yield from _else(named, f"事发地跨界，而没有适用的{LEVEL_TITLES[raised]}规则")


def first_receiver(walk: Walk) -> Answers:
    """首接负责: the unit that took it in leads until a ruling says otherwise."""
    unit = walk.matter.first_receiver
    code = walk.city.units.organizations.code_of(unit) if unit is not None else None
    yield Proposal(code, said="按首接负责") if code else Passed("没有首接单位")


def territorial(walk: Walk) -> Answers:
    """属地: the unit that the catalogue names for the place."""
    yield from _else(_by_catalogue(walk, "territorial"), _NO_RULE)


def nearest_on_duty(walk: Walk) -> Answers:
    """就近值守: of the units whose duty grids hold the place the one with the fewest open orders."""
    matter = walk.matter
    if matter.level != "grid":
        yield Passed("不是网格级事项")
        return
    if not matter.on_duty:
        yield Passed("没有责任网格")
        return
    id_of = walk.city.units.organizations.id_of

    def busy(code: str) -> tuple[int, str]:
        return matter.load.get(id_of(code) or 0, 0), code

    for code in sorted(matter.on_duty, key=busy):
        yield Proposal(code, said="按就近原则")


def night_duty(walk: Walk) -> Answers:
    """夜间值班: rules for hours and days in which the others are not there."""
    named = (Proposal(rule.row.lead_unit, rule) for rule in walk.city.night.matching(walk.matter))
    yield from _else(named, "没有适用的值班规则")


def coordination_desk(walk: Walk) -> Answers:
    """协调席: people of the district decide; never a street by default."""
    for answer in _by_catalogue(walk, "coordination_desk"):
        yield answer
        if isinstance(answer, Passed):
            return
    district = walk.matter.area(DISTRICT) or walk.matter.area(STREET)[:DISTRICT]
    desks = walk.city.units.organizations.of_area(district, "coordination_desk") if walk.city.finds_desk else ()
    yield from _else((Proposal(desk.code, said="没有单位可直接承办") for desk in desks), _NO_RULE)


ASK: Final[Mapping[StepName, Callable[[Walk], Answers]]] = {
    "emergency_handover": emergency_handover,
    "statutory_department": statutory_department,
    "component": component,
    "level": level,
    "first_receiver": first_receiver,
    "territorial": territorial,
    "nearest_on_duty": nearest_on_duty,
    "night_duty": night_duty,
    "coordination_desk": coordination_desk,
}
