"""Filters that mean the same in every list. A value that nothing can match is refused, not answered with nothing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.accounts.organizations import Organizations
from app.clocks.ladder import CLOCK_KINDS
from app.core.errors import Malformed
from app.core.pagination import DEFAULT_LIMIT, MAX_LIMIT
from app.events.lifecycles import EVENT, REPORT, WORK_ORDER, Lifecycle
from app.events.tables import ORDER_ROLES
from app.intake.channels import CHANNELS

URGENCIES = ("normal", "urgent", "critical")
LEVELS = ("grid", "street", "district", "city")
DEMAND_TYPES = ("inquiry", "help", "complaint", "accusation", "suggestion", "praise")
DEBTS = ("reply", "callback", "result")
STAGES = CLOCK_KINDS


class PageQuery(BaseModel):
    """Where a page begins and how long it is."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=400, description="上一页返回的 next；首页不填")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="每页条数")

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """What PostgreSQL cannot hold can match nothing: a null character, a time without zone or out of range."""
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and "\x00" in one:
                raise ValueError("不能含有空字符")
            if isinstance(one, datetime) and (one.tzinfo is None or not 2000 <= one.year < 2100):
                raise ValueError("时间须带时区，年份在 2000 到 2099 之间，例如 2026-02-13T16:30:00+08:00")
        return value


class AreaQuery(PageQuery):
    """Filters of everything that lies somewhere and belongs to some unit."""

    unit: str | None = Field(None, description="承办单位代码（单位本身，不含下级）")
    area: str | None = Field(None, description="区划代码：6 位区县、9 位街道、12 位社区")
    item: str | None = Field(None, description="事项键：标准/类别/编号，如 GB/T 47678.5-2026/component/01001")
    channel: str | None = Field(None, description="来源渠道代码")


class EventQuery(AreaQuery):
    """Filters of events, and of whatever belongs to an event."""

    state: list[str] = Field([], description="状态，可重复给出多个")
    open: bool | None = Field(None, description="true 只看未完结，false 只看已完结")
    domain: str | None = Field(None, description="事项所属领域")
    urgency: str | None = Field(None, description="紧急程度：normal 一般、urgent 紧急、critical 特急")
    level: str | None = Field(None, description="处置层级：grid、street、district、city")
    demand_type: str | None = Field(
        None,
        description="诉求性质：inquiry 咨询、help 求助、complaint 投诉、accusation 举报、suggestion 建议、praise 表扬",
    )
    triage: str | None = Field(None, description="人工研判原因；any 表示所有待研判的事件")
    received_from: datetime | None = Field(None, description="受理时间不早于（RFC 3339，带时区）")
    received_to: datetime | None = Field(None, description="受理时间早于（RFC 3339，带时区）")


class OrderQuery(EventQuery):
    """Filters of work orders: ``state``, ``open`` and ``unit`` are the order's own."""

    role: str | None = Field(None, description="工单角色：lead 主办、supporting 协办、sub 下派、callout 吹哨")
    holder: str | None = Field(None, max_length=200, description="由谁认领：me 我、none 尚无人认领，或登录名")


class ReportQuery(EventQuery):
    """Filters of reports: ``state``, ``channel`` and ``demand_type`` are the report's own."""

    owes: str | None = Field(None, description="尚欠：reply 答复、callback 回访、result 来源结果")
    kind: str | None = Field(None, description="demand 诉求、finding 上报件")


class OverdueQuery(AreaQuery):
    """Filters of running limits."""

    stage: str | None = Field(
        None,
        description="时限种类：signing 签收、first_contact 先行联系、handling 处置、citizen_total 总时限",
    )
    late_by: int | None = Field(None, ge=0, le=1_000_000, description="至少已超期多少分钟；给出时不含将到期的")


@dataclass(frozen=True, slots=True)
class Names:
    """What filter values are looked up in: the masters in force."""

    item_ids: Mapping[str, int]
    organizations: Organizations
    #: whether a division code belongs to the jurisdiction
    area_known: Callable[[str], bool]
    domain_known: Callable[[str], bool]
    #: as an area filter: everything
    jurisdiction_code: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters after looking up: ids instead of codes. ``None`` and ``()`` mean: not filtered by it."""

    states: tuple[str, ...] = ()
    open: bool | None = None
    unit_id: int | None = None
    area: str | None = None
    item_id: int | None = None
    domain: str | None = None
    channel: str | None = None
    urgency: str | None = None
    level: str | None = None
    demand_type: str | None = None
    triage: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    role: str | None = None
    #: of an order: "none", or the id of who holds it
    holder: str | None = None
    owes: str | None = None
    kind: str | None = None
    stage: str | None = None
    late_by: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the cursor's digest."""
        return {name: getattr(self, name) for name in _FIELDS}

    @property
    def area_level(self) -> str | None:
        """district, street or community, by the length of ``area``."""
        return {6: "district", 9: "street", 12: "community"}.get(len(self.area)) if self.area else None


_FIELDS = tuple(field.name for field in fields(Filters))
_LIFECYCLES: dict[type[PageQuery], Lifecycle] = {
    EventQuery: EVENT,
    OrderQuery: WORK_ORDER,
    ReportQuery: REPORT,
}
_SETS: dict[str, Collection[str]] = {
    "urgency": URGENCIES,
    "level": LEVELS,
    "demand_type": DEMAND_TYPES,
    "role": ORDER_ROLES,
    "owes": DEBTS,
    "kind": ("demand", "finding"),
    "stage": STAGES,
    "channel": tuple(CHANNELS),
}


def filters_of(query: PageQuery, names: Names, *, lifecycle: Lifecycle | None = None) -> Filters:
    """Looks a query's values up. Raises ``Malformed`` naming every value that nothing can match."""
    given = query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    faults: list[dict[str, str]] = []

    def refuse(path: str, message: str) -> None:
        faults.append({"path": path, "message": message})

    for name, known in _SETS.items():
        if name in given and given[name] not in known:
            refuse(name, f"没有“{given[name]}”，可用：{'、'.join(known)}")
    states = tuple(dict.fromkeys(given.pop("state", ())))
    lifecycle = lifecycle or _LIFECYCLES.get(type(query), EVENT)
    for state in states:
        if state not in lifecycle.states:
            refuse("state", f"没有“{state}”这种状态，可用：{'、'.join(lifecycle.states)}")
    if "domain" in given and not names.domain_known(given["domain"]):
        refuse("domain", f"事项清单里没有“{given['domain']}”这个领域")
    unit_id = names.organizations.id_of(given["unit"]) if "unit" in given else None
    if "unit" in given and unit_id is None:
        refuse("unit", f"没有代码为“{given['unit']}”的单位")
    item_id = names.item_ids.get(given["item"]) if "item" in given else None
    if "item" in given and item_id is None:
        refuse("item", f"没有键为“{given['item']}”的事项")
    if given.get("area") == names.jurisdiction_code:
        del given["area"]
    if "area" in given and not names.area_known(given["area"]):
        refuse("area", f"没有代码为“{given['area']}”的区划")
    if faults:
        raise Malformed("筛选条件有误：" + "；".join(fault["message"] for fault in faults) + "。", faults=faults)
    kept = {key: value for key, value in given.items() if key not in ("unit", "item")}
    return Filters(states=states, unit_id=unit_id, item_id=item_id, **kept)


def check_period(since: datetime, until: datetime, longest: timedelta) -> None:
    """Raises ``Malformed`` for a period that is empty or longer than ``longest``."""
    if not timedelta() < until - since <= longest:
        message = f"统计时段须为 1 秒至 {longest.days} 天，起始在前。"
        raise Malformed(message, faults=[{"path": "until", "message": "时段无效"}])
