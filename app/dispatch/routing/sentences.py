"""The decision in words that both sides can check: one Chinese sentence, and why the others were not chosen."""

from collections.abc import Mapping
from typing import Final

from app.dispatch.routing.guard import Verdict
from app.dispatch.routing.matter import Matter
from app.dispatch.routing.rule_index import WEIGHT_NAMES, Rule
from app.dispatch.rows import StepName

STEP_TITLES: Final[Mapping[StepName, str]] = {
    "emergency_handover": "紧急先行",
    "statutory_department": "法定部门",
    "component": "部件权责",
    "level": "层级与跨界",
    "first_receiver": "首接负责",
    "territorial": "属地",
    "nearest_on_duty": "就近值守",
    "night_duty": "夜间值班",
    "coordination_desk": "协调席",
}
LEVEL_TITLES: Final = {"grid": "网格", "street": "街道", "district": "区级", "city": "市级"}
_WHAT: Final = ("", "领域", "大类", "事项")
_AREA: Final = {6: "区县", 9: "街道", 12: "社区"}
#: said before the rule by principles that go by a rule which others would not have heard
_PREFIX: Final[Mapping[str, str]] = {
    "emergency_handover": "情况特急，",
    "level": "事发地跨界，提级办理，",
    "night_duty": "值班时段，",
}


def sentence(
    step: str, matter: Matter, verdict: Verdict, lead: str, proposed: str, rule: Rule | None, said: str
) -> str:
    """Why ``lead`` leads. Both units by name; ``said``: what the step says of its proposal where no rule speaks."""
    what = f"“{matter.item_name or '该事项'}”"
    clause = verdict.clause
    if clause is not None and clause.duty != "basic":
        by = f"按规则 {rule.row.rule_no} " if rule else said
        return f"{what}{by}指向{proposed}；{verdict.reason}，{proposed}配合：{clause.clause}"
    if rule is None:
        task = "协调确定承办单位" if step == "coordination_desk" else "承办"
        told = f"{what}{said}，由{lead}{task}。"
    elif rule.row.step == "coordination_desk":
        told = f"{what}没有更具体的派单规则，由{lead}协调确定承办单位（规则 {rule.row.rule_no}：{rule.row.basis}）。"
    else:
        told = f"{_PREFIX.get(step, '')}{what}按{_conditions(rule)}规则 {rule.row.rule_no} 派给{lead}：{rule.row.basis}"
    if clause is not None:
        told = f"{told.rstrip('。')}。职责清单 {clause.clause_no} 列为基本履职事项：{clause.clause}"
    return told


def _conditions(rule: Rule) -> str:
    row, area = rule.row, _AREA.get(len(rule.row.area_code), "")
    parts = (
        _WHAT[rule.weight[0]],
        area and f"{area}属地",
        LEVEL_TITLES.get(row.level, ""),
        "|".join(row.hours),
        {"workday": "工作日", "day_off": "休息日"}.get(row.days, ""),
    )
    return "、".join(part for part in parts if part) or "通用"


def why_weaker(winner: Rule, rule: Rule) -> str:
    """Why the winner was heard before another rule."""
    for what, strong, weak in zip(WEIGHT_NAMES, winner.weight, rule.weight, strict=True):
        if strong > weak:
            return f"{what}条件不如规则 {winner.row.rule_no} 具体"
    return f"与规则 {winner.row.rule_no} 同等具体，按规则编号取后者"
