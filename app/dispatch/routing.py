"""Whose job it is: a pure function over one release of rules, which keeps why (DESIGN.md §5).

Order of steps: the most specific published rule wins: item before class before domain, then the narrower area, then
the level, then the channel; territorial rules are ordinary rules that name an area. What no rule answers goes to the
district's coordination desk (people), never to a street by default. An accused unit, and whatever is under it, is
never asked to handle its own accusation.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app.accounts.organizations import Organizations
from app.dispatch.rows import RoutingRuleRow


@dataclass(frozen=True, slots=True)
class Matter:
    """What routing looks at. ``areas``: division codes from the widest to the narrowest that is known."""

    item_key: str | None
    major_code: str
    domain: str
    level: str
    areas: tuple[str, ...]
    channel: str
    item_name: str = ""
    accused: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Alternative:
    """A unit that another rule would have named, and why it did not win."""

    unit: str
    rule_no: str
    why_not: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Lead unit, supporting units, and every reason. ``unit`` None: a person must decide (``triage`` says why)."""

    unit: str | None
    unit_id: int | None
    supporting_ids: tuple[int, ...]
    step: str
    rule_no: str | None
    tried: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    sentence: str
    triage: str | None = None

    def as_data(self) -> dict[str, Any]:
        """The decision as the timeline keeps it."""
        return {
            "unit": self.unit,
            "step": self.step,
            "rule_no": self.rule_no,
            "tried": list(self.tried),
            "alternatives": [
                {"unit": other.unit, "rule_no": other.rule_no, "why_not": other.why_not} for other in self.alternatives
            ],
            "sentence": self.sentence,
        }


_WHAT = ("", "领域", "大类", "事项")
_AREA = {0: "", 6: "区县", 9: "街道", 12: "社区"}
_LEVEL_ZH = {"grid": "网格", "street": "街道", "district": "区级", "city": "市级"}


def _weight(rule: RoutingRuleRow) -> tuple[int, int, int, int]:
    what = 3 if rule.item_key else 2 if rule.major_code else 1 if rule.domain else 0
    return what, len(rule.area_code), bool(rule.level), bool(rule.channel)


class Rules:
    """One release of rules, indexed by what they name; immutable."""

    def __init__(self, rows: Iterable[RoutingRuleRow], organizations: Organizations) -> None:
        self._organizations = organizations
        index: dict[tuple[str, str], list[RoutingRuleRow]] = defaultdict(list)
        self._desk: RoutingRuleRow | None = None
        for row in rows:
            if row.item_key:
                index["item", row.item_key].append(row)
            elif row.major_code:
                index["major", row.major_code].append(row)
            else:
                index["domain", row.domain].append(row)
        # Ties are broken by rule number, so that the same release always gives the same answer.
        self._index = {
            key: sorted(rules, key=lambda rule: (_weight(rule), rule.rule_no), reverse=True)
            for key, rules in index.items()
        }
        self.count = sum(len(rules) for rules in self._index.values())

    def _candidates(self, matter: Matter) -> Sequence[RoutingRuleRow]:
        found = list(self._index.get(("item", matter.item_key or ""), ()))
        found += self._index.get(("major", matter.major_code), ()) if matter.major_code else ()
        found += self._index.get(("domain", matter.domain), ()) if matter.domain else ()
        found += self._index.get(("domain", ""), ())
        return found

    def decide(self, matter: Matter) -> Decision:
        """The unit that leads, with the rule, the steps tried and the alternatives; never raises for a valid matter."""
        excluded = _with_descendants(matter.accused, self._organizations)
        tried: list[str] = []
        others: list[Alternative] = []
        winner: RoutingRuleRow | None = None
        blind = 0  # how closely a rule that only lacks the place names the matter
        for rule in self._candidates(matter):
            mismatch = _mismatch(rule, matter)
            if mismatch == "area_unknown" and winner is None:
                blind = max(blind, _weight(rule)[0])
                if rule.step != "coordination_desk":
                    tried.append(f"规则 {rule.rule_no} 要看地点，而地点未知")
                continue
            if mismatch:
                continue
            unit = self._organizations.by_code(rule.lead_unit)
            if unit is None or not unit.active:
                tried.append(f"规则 {rule.rule_no} 的承办单位 {rule.lead_unit} 已停用")
            elif self._organizations.id_of(rule.lead_unit) in excluded:
                tried.append(f"规则 {rule.rule_no} 指向被举报单位或其下属，回避")
            elif winner is None:
                winner = rule
                tried.append(f"规则 {rule.rule_no} 命中")
            elif rule.lead_unit != winner.lead_unit and len(others) < 4:
                others.append(Alternative(rule.lead_unit, rule.rule_no, _why_weaker(winner, rule)))
        tried = tried[:8]
        if winner is None or blind > _weight(winner)[0]:
            reason = "place_unknown" if blind else "no_rule"
            why = "有按地点分派的规则，但地点不明" if blind else "没有适用的派单规则"
            return Decision(None, None, (), "person", None, tuple(tried), tuple(others), f"{why}，转人工研判。", reason)
        return self._decided(winner, matter, tried, others, excluded)

    def _decided(
        self,
        rule: RoutingRuleRow,
        matter: Matter,
        tried: list[str],
        others: list[Alternative],
        excluded: Collection[int],
    ) -> Decision:
        organizations = self._organizations
        supporting = (organizations.id_of(code) for code in rule.supporting_units)
        return Decision(
            unit=rule.lead_unit,
            unit_id=organizations.id_of(rule.lead_unit),
            supporting_ids=tuple(unit for unit in supporting if unit is not None and unit not in excluded),
            step=rule.step,
            rule_no=rule.rule_no,
            tried=tuple(tried),
            alternatives=tuple(others),
            sentence=_sentence(rule, matter, organizations.name_of(rule.lead_unit)),
        )


def _with_descendants(units: Iterable[int], organizations: Organizations) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for unit in units:
        found |= organizations.under(unit)
    return found


def _mismatch(rule: RoutingRuleRow, matter: Matter) -> str | None:
    if rule.level and rule.level != matter.level:
        return "level"
    if rule.domain and rule.domain != matter.domain:
        return "domain"
    if rule.channel and rule.channel != matter.channel:
        return "channel"
    if rule.area_code and rule.area_code not in matter.areas:
        # Narrower than what we know, but inside it: a better place could make the rule match.
        known = matter.areas[-1] if matter.areas else ""
        return "area_unknown" if rule.area_code.startswith(known) else "area"
    return None


def _why_weaker(winner: RoutingRuleRow, rule: RoutingRuleRow) -> str:
    named = zip(("事项", "地域", "层级", "渠道"), _weight(winner), _weight(rule), strict=True)
    for what, strong, weak in named:
        if strong > weak:
            return f"{what}条件不如规则 {winner.rule_no} 具体"
    return f"与规则 {winner.rule_no} 同等具体，按规则编号取后者"


def _sentence(rule: RoutingRuleRow, matter: Matter, unit_name: str) -> str:
    what = matter.item_name or "该事项"
    if rule.step == "coordination_desk":
        return f"“{what}”没有更具体的派单规则，由{unit_name}协调确定承办单位（规则 {rule.rule_no}：{rule.basis}）。"
    named = _WHAT[_weight(rule)[0]]
    area = _AREA.get(len(rule.area_code), "")
    conditions = "、".join(part for part in (named, area and f"{area}属地", _LEVEL_ZH.get(rule.level, "")) if part)
    return f"“{what}”按{conditions or '通用'}规则 {rule.rule_no} 派给{unit_name}：{rule.basis}"
