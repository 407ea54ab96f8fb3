"""What the demo's screen says: words for states and acts, who did it, and why."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from app.commands.demo.reports import master_rows
from app.dispatch.routing import STEP_TITLES

STATES: Final = {
    "analyzing": "分析（人工研判）",
    "handling": "处理",
    "verifying": "核查",
    "answering": "答复回访",
    "closing": "待结案",
    "closed": "已结案",
    "not_accepted": "不予受理",
    "handed_over": "已移交",
    "merged": "已并案",
    "cancelled": "已撤销",
}
ACTS: Final = {
    "received": "收到上报",
    "analyzed": "自动研判",
    "alarm_raised": "危及人身安全，已报警",
    "dispatch": "派单",
    "undecided": "规则未能决定",
    "ask_person": "转人工研判",
    "correct": "更正",
    "sign_for": "签收",
    "first_contact": "先行联系",
    "start": "开始处置",
    "report_done": "处置完毕",
    "request_return": "申请退单",
    "approve_return": "同意退单",
    "reject_return": "驳回退单",
    "negotiation_opened": "提请会商",
    "state_position": "表明意见",
    "negotiation_agreed": "会商一致",
    "referred_to_ruling": "转裁决席",
    "act_first": "指定先行办理",
    "jurisdiction_ruled": "裁决",
    "dispute_dropped": "争议了结",
    "precedent_ended": "停用先例",
    "inspection_requested": "发起核查",
    "inspection_claimed": "领取核查",
    "inspection_released": "退回核查任务",
    "inspection_passed": "核查通过",
    "inspection_failed": "核查不通过",
    "send_back": "退回重办",
    "reply": "答复",
    "called_back": "回访",
    "rehandle": "重办",
    "chase": "催单",
    "withdraw": "撤单",
    "late_act_resolved": "迟到操作已处理",
    "delivery_skipped": "跳过推送",
    "delivery_sent_again": "重新推送",
    "component_reported": "报部件登记有误",
    "component_accepted": "采纳部件更正",
    "component_rejected": "驳回部件更正",
    "supporting_added": "增派协办",
    "parts_left_open": "协办未完先行报结",
    "sub_dispatch": "二次派单",
    "sub_declined": "退回下派",
    "sub_accepted": "验收下派",
    "street_callout": "吹哨",
    "answer_callout": "报到",
    "no_show": "未报到",
    "callout_confirmed": "确认报到",
    "split": "拆分",
    "split_off": "拆分而来",
    "joined": "拆分件并回",
    "part_ended": "拆分件办结",
    "part_reopened": "拆分件重办",
    "raise_level": "提级办理",
    "take": "认领",
    "assign": "指派",
    "put_back": "放回",
    "merge": "并案",
    "absorbed": "并入其他事件",
    "settle_at_desk": "直接答复",
    "refuse": "不予受理",
    "close": "结案",
    "settled": "了结",
    "clock_missed": "超期",
    "cancel": "撤销",
}
#: said by others in the same breath; on the screen they would only push the rest out
SILENT: Final = frozenset({"analyzed", "settle", "complete", "verify", "answer", "conclude", "approve"})
_ROLES: Final = {
    "operator": "话务员",
    "dispatcher": "派遣员",
    "shift_leader": "值班长",
    "callback_agent": "回访员",
    "collector": "采集员",
    "unit_liaison": "承办单位",
    "handler": "承办单位",
    "grid_worker": "网格员",
    "adjudicator": "裁决员",
    "supervisor": "督查员",
}
#: principles before a sentence, which would else be cut off
_MOST_ASKED: Final = 3
#: acts that do not happen every day, and how such decisions were made
_NOTABLE: Final = frozenset(
    {
        "referred_to_ruling",
        "act_first",
        "jurisdiction_ruled",
        "precedent",
        "negotiation_opened",
        "state_position",
        "negotiation_agreed",
        "supporting_added",
        "sub_dispatch",
        "sub_accepted",
        "street_callout",
        "answer_callout",
        "callout_confirmed",
        "split",
        "part_ended",
        "raise_level",
        "raised_level",
        "take",
        "component_reported",
        "component_accepted",
    }
)
#: how the data of such an act is told; unknown members are left out
_TOLD: Final = {
    "referred_to_ruling": "{returns}{why}",
    "act_first": "争议期间由{unit}先行办理",
    "jurisdiction_ruled": "由{unit}承办{supporting}",
    "negotiation_opened": "请{units}一起说清楚",
    "state_position": "{unit}：{stance}",
    "negotiation_agreed": "由{unit}承办{supporting}",
    "supporting_added": "{unit}协办；各部分办完，主办才能统一报结",
    "answer_callout": "{late}",
    "callout_confirmed": "评价 {rating} 分",
    "split": "拆出 {parts}",
    "part_ended": "{part} {end}，母事件可以报结",
    "raise_level": "由{from}提到{to}，原由{former}主办，转为协办",
    "component_reported": "部件 {component} 的{duty}登记为{registered}，现场报告应为{unit}",
    "component_accepted": "部件 {component} 的{duty}改为{unit}，写入草稿，待发布",
}
_VALUES: Final = {
    "ours": "属本单位",
    "not_ours": "不属本单位",
    "shared": "承担一部分",
    "no_agreement": "会商不成",
    "limit": "会商到期",
    "dispatcher": "中心提请",
    "grid": "网格级",
    "street": "街道级",
    "district": "区级",
    "city": "市级",
    "competent": "主管单位",
    "owner": "权属单位",
    "maintainer": "养护单位",
    "closed": "已办结",
    "merged": "已并回",
}


def is_notable(act: str, data: Mapping[str, Any]) -> bool:
    """Whether it is one of those that are to be read, not only seen passing."""
    return act in _NOTABLE or data.get("step") in _NOTABLE or data.get("reason_code") == "not_our_duty"


def who(row: Mapping[str, Any]) -> str:
    # What follows from a message by itself stands under the client that sent it.
    if row["actor_kind"] != "user":
        own_words = row["actor_kind"] == "client" and row["act"] not in ("dispatch", "undecided", "ask_person")
        return "来源系统" if own_words else "系统"
    unit = row["actor_unit"]["name"] if row["actor_unit"] else ""
    role = _ROLES.get(row["actor_role"] or "", row["actor_role"] or "")
    return unit if role == "承办单位" and unit else role


@cache
def _units() -> dict[str, str]:
    return {row["code"]: row["short_name"] or row["name"] for row in master_rows("organizations")}


@cache
def _items() -> dict[str, str]:
    return {f"{row['standard_ref']}/{row['kind']}/{row['code']}": row["name"] for row in master_rows("items")}


class _Told(dict[str, str]):
    """The members of an act's data in words; a missing or empty one is not said."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({name: _in_words(name, value) for name, value in data.items() if value is not None})

    def __missing__(self, name: str) -> str:
        return ""


def _in_words(name: str, value: Any) -> str:
    if name == "returns":
        return f"第 {value} 次申请退单，自动转裁决席"
    if name == "late":
        return "迟到" if value else "按时"
    if name == "parts":
        return "、".join(f"{part['event_no']}（{_items().get(part['item'], part['item'])}）" for part in value)
    if isinstance(value, list):
        told = "、".join(_units().get(str(one), str(one)) for one in value)
        return f"，{told}协办" if name == "supporting" and told else told
    return _VALUES.get(str(value)) or _units().get(str(value), str(value))


def _asked(data: Mapping[str, Any]) -> str:
    """The last principles asked, the one that decided behind them: ``［紧急先行→部件权责］``; empty for a person."""
    titles: dict[str, str] = {name: title for name, title in STEP_TITLES.items()}  # by any word, not only known ones
    asked = [titles[step["step"]] for step in data.get("steps", ()) if step["step"] in titles]
    shown = asked if len(asked) <= _MOST_ASKED else ["…", *asked[-_MOST_ASKED:]]
    return f"［{'→'.join(shown)}］" if asked else ""


def why(data: Mapping[str, Any], act: str = "") -> str:
    """The reason in a row's data, where it has one: the decision's sentence before all."""
    if form := _TOLD.get(act):
        return form.format_map(_Told(data))
    if sentence := data.get("sentence"):
        return f"{_asked(data)}{sentence}"
    if "level" in data and data.get("satisfied") is not None:
        return f"满意度 {data['level']}（{'满意' if data['satisfied'] else '不满意'}）"
    known = {
        "resolved": "实际解决",
        "explained": "解释说明",
        "inspection_failed": "核查不通过",
        "dissatisfied": "诉求人不满意",
        "not_our_duty": "不属于本单位职责",
        "not_our_area": "不在本单位辖区",
        "wrong_item": "事项分类有误",
        "item_uncertain": "事项拿不准",
        "place_unknown": "地点不明",
        "accused_unknown": "被举报单位不明",
        "no_rule": "没有适用规则",
        "same_place": "同事项同地点",
        "answered_directly": "直接答复",
        "handled": "处置完成",
        "statutory_route": "告知法定途径",
        "explanation_only": "说明理由",
        "disruption": "扰乱秩序",
        "withdrawn": "诉求人撤单",
    }
    said = (data.get(name) for name in ("result", "cause", "kind", "reason_code", "why"))
    return "，".join(dict.fromkeys(known[word] for word in said if word in known))
