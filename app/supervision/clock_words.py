"""What is written about clocks as codes, in the words of those who read it (Chinese). Pure."""

from typing import Final

from app.clocks.emergencies import RULE_PREFIX

KINDS: Final = {
    "acceptance": "受理",
    "filing": "立案",
    "dispatch": "派单",
    "signing": "签收",
    "first_contact": "先行联系",
    "handling": "处置",
    "return_review": "退单审核",
    "negotiation": "会商",
    "ruling": "裁决",
    "sub_handling": "二次派单处置",
    "appearance": "报到",
    "inspection": "核查",
    "callback": "回访",
    "citizen_total": "总时限",
}
STATES: Final = {"running": "计时中", "met": "已完成", "stopped": "已终止（义务消失，不计完成）"}
CAUSES: Final = {
    "started": "开始计时",
    "paused": "暂停计时",
    "resumed": "提前恢复计时",
    "taken_back": "撤销暂停（视同未暂停）",
    "extended": "延长时限",
    "calendar": "日历更新后重算",
    "limit": "时限规定更新后重算",
}
GROUNDS: Final = {
    "return_review": "退单审核中",
    "waiting": "等待诉求人",
    "deferred": "挂账",
    "emergency": "应急",
    "extension": "延期",
}
#: limits that units set each other
_SET_BY_UNITS: Final = {"inner_limit": "承办单位下派时所定", "set_by_caller": "吹哨单位所定"}
ACTIONS: Final = {"due": "到期", "remind": "提醒", "urge": "催办", "escalate": "升级督办"}
ROLES: Final = {
    "operator": "话务员",
    "dispatcher": "派遣员",
    "callback_agent": "回访员",
    "shift_leader": "值班长",
    "collector": "采集员",
    "grid_worker": "网格员",
    "unit_liaison": "单位联络员",
    "handler": "处置人员",
    "quality_reviewer": "质检员",
    "adjudicator": "裁定员",
    "supervisor": "督查员",
}


def grounds_in_words(code: str) -> str:
    """Why a due time moved; a code that nobody has given words to stays as it is. ``release:7``: by that release."""
    name, mark, release = code.partition(":")
    if mark and name == "release":
        return f"新发布的基础数据（版本内部编号 {release}）"
    return GROUNDS.get(code, code)


def rule_in_words(rule: str) -> str:
    """The rule that sets a limit: a row of a filing standard (``key#row``), an emergency, a unit, or a policy of the
    city.
    """
    if rule in _SET_BY_UNITS:
        return _SET_BY_UNITS[rule]
    if rule.startswith(RULE_PREFIX):
        return f"应急预案 {rule.removeprefix(RULE_PREFIX)}"
    key, mark, row = rule.rpartition("#")
    return f"立案标准 {key} 第 {row} 行" if mark else f"本市时限规定 {rule}"


def minutes_in_words(minutes: int) -> str:
    """``1 小时 30 分``; below an hour ``30 分``."""
    hours, rest = divmod(abs(minutes), 60)
    text = f"{hours:,} 小时 {rest} 分" if hours else f"{rest} 分"
    return f"-{text}" if minutes < 0 else text
