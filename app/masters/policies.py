"""The city's own numbers: each has a default with its source, and a release may say otherwise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.accounts.access import CENTRE_ROLES
from app.clocks.limits import Limit
from app.clocks.pauses import GivenBack
from app.dispatch.routing import LEVELS
from app.feedback.answers import SCALES


def _limit(text: str) -> str:
    return str(Limit.parse(text))


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1_000_000:
        raise ValueError("应为大于 0 的数")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("应为 0 到 1 之间的数")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise ValueError("应为 1 到 100 的整数")
    return value


def _code(text: str) -> str:
    if not text or "/" in text:
        raise ValueError("应为日历代码")
    return text


def _maybe_limit(text: str) -> str:
    return _limit(text) if text else ""


def _maybe_level(text: str) -> str:
    if text and text not in LEVELS:
        raise ValueError(f"应为 {'、'.join(LEVELS)} 之一，或留空")
    return text


def _multiple(text: str) -> float:
    value = float(text)
    if not 0 < value <= 10:
        raise ValueError("应为大于 0、不超过 10 的倍数")
    return value


def _days(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 3660:
        raise ValueError("应为 1 到 3660 的整数")
    return value


def _approvers(text: str) -> tuple[str, ...]:
    roles = tuple(part.strip() for part in text.split("|"))
    if unknown := [role for role in roles if role not in CENTRE_ROLES]:
        raise ValueError(f"没有“{'、'.join(unknown)}”这种审批席位，可用：{'、'.join(CENTRE_ROLES)}，按先后用 | 隔开")
    return roles


def _approvers_or_none(text: str) -> tuple[str, ...]:
    return () if text == "none" else _approvers(text)


def _given_back(text: str) -> str:
    if text not in ("covered", "touched"):
        raise ValueError("应为 covered（整日在暂停内才退还）或 touched（沾到暂停即退还）")
    return text


def _scale(text: str) -> str:
    if text not in SCALES:
        raise ValueError(f"应为 {'、'.join(SCALES)} 之一")
    return text


@dataclass(frozen=True, slots=True)
class Known:
    """One policy: how its text is read, what holds when no release names it, and where that comes from."""

    read: Callable[[str], Any]
    default: str
    source: str


_BY_URGENCY = "空：不按紧急程度另定；北京 2 小时、24 小时两档用它（DOMAIN.md §5）"
_OURS = "项目默认值，可改"
_BY_SEVERITY = "空：层级只按事项；填写后该紧急程度的事件至少由这一级主办（DOMAIN.md §4.4 按事项、轻重和是否跨界定级）"
_SHANGHAI = "上海 1/5/15 个工作日分档（DOMAIN.md §5）"

KNOWN: dict[str, Known] = {
    "duplicate_radius_m": Known(_positive, "50", "运城规范：相似案件默认半径 50 米（DOMAIN.md §4.2）"),
    "duplicate_window_hours": Known(_positive, "24", "运城规范：相似案件默认时段 24 小时（DOMAIN.md §4.2）"),
    "classify_min_precision": Known(_share, "0.85", _OURS),
    "border_within_m": Known(_positive, "10", "事发地距相邻街道多少米以内算跨界（项目默认值，可改）"),
    "least_level.urgent": Known(_maybe_level, "", _BY_SEVERITY),
    "least_level.critical": Known(_maybe_level, "", _BY_SEVERITY),
    "sign_limit": Known(_limit, "2 work_hour", _OURS),
    "first_contact_limit": Known(_limit, "1 legal_work_day", "上海某街道：1 个工作日内先行联系（DOMAIN.md §5）"),
    "total_limit.inquiry": Known(_limit, "1 legal_work_day", _SHANGHAI),
    "total_limit.help": Known(_limit, "5 legal_work_day", _SHANGHAI),
    "total_limit.complaint": Known(_limit, "5 legal_work_day", _SHANGHAI),
    "total_limit.accusation": Known(_limit, "5 legal_work_day", _SHANGHAI),
    "total_limit.suggestion": Known(_limit, "5 legal_work_day", _OURS),
    "total_limit.praise": Known(_limit, "5 legal_work_day", _OURS),
    "total_limit.finding": Known(_limit, "15 legal_work_day", _SHANGHAI),
    "total_limit.urgency.urgent": Known(_maybe_limit, "", _BY_URGENCY),
    "total_limit.urgency.critical": Known(_maybe_limit, "", _BY_URGENCY),
    "handling_limit.grid": Known(_limit, "4 work_hour", _OURS),
    "handling_limit.street": Known(_limit, "1 work_day", _OURS),
    "handling_limit.district": Known(_limit, "3 work_day", _OURS),
    "handling_limit.city": Known(_limit, "5 work_day", _OURS),
    "acceptance_limit": Known(_limit, "1 work_hour", _OURS),
    "filing_limit": Known(_limit, "2 work_hour", _OURS),
    "dispatch_limit": Known(_limit, "2 work_hour", _OURS),
    "return_review_limit": Known(_limit, "4 work_hour", _OURS),
    "return_window": Known(_limit, "2 work_day", "某山东城市：退单须在 2 个工作日内提出（DOMAIN.md §4.3）"),
    "returns_to_ruling": Known(_count, "2", "同一事件第几次申请退单时直接转裁决席（项目默认值，可改）"),
    "negotiation_limit": Known(_limit, "1 work_day", _OURS),
    "ruling_limit": Known(_limit, "1 work_day", _OURS),
    "appearance_limit": Known(_limit, "2 work_hour", "被吹哨的单位多久内须到场（项目默认值，可改）"),
    "inspection_limit": Known(_limit, "1 work_day", _OURS),
    "callback_limit": Known(_limit, "2 legal_work_day", _OURS),
    "uncounted_cap": Known(_limit, "10 work_day", "不计时须有上限（项目默认值，可改）"),
    "pause_gives_back": Known(_given_back, "covered", _OURS),
    "extension_times": Known(_count, "1", "每个工单延期次数；运城规范为最多 2 次（DOMAIN.md §4.3），项目默认更严"),
    "extension_share": Known(_multiple, "1.0", "运城规范：每次最多延长一倍原时限（DOMAIN.md §4.3）"),
    "extension_long_share": Known(_multiple, "0.5", "延长超过原时限的这一比例为长延期（项目默认值，可改）"),
    "extension_approvers": Known(_approvers, "dispatcher", "运城规范：延期经派遣员审批（DOMAIN.md §4.3）"),
    "extension_long_approvers": Known(_approvers, "dispatcher|shift_leader", _OURS),
    "deferral_times": Known(_count, "1", "运城规范：挂账一次（DOMAIN.md §4.3）"),
    "deferral_max_days": Known(_days, "365", "运城规范：挂账最长一年（DOMAIN.md §4.3）"),
    "deferral_approvers": Known(_approvers, "dispatcher|shift_leader", _OURS),
    "waiting_max": Known(_limit, "5 natural_day", _OURS),
    "waiting_approvers": Known(_approvers_or_none, "none", "none 表示无须审批；不计时另有上限（项目默认值，可改）"),
    "appeal_window": Known(_limit, "5 legal_work_day", "自结案起（项目默认值，可改）"),
    "appeal_reviewers": Known(_approvers, "quality_reviewer|adjudicator", "运城规范：申诉两级审核（DOMAIN.md §4.3）"),
    "late_mark_minutes": Known(_count, "5", _OURS),
    "rehandle_limit": Known(_limit, "3 legal_work_day", "上海某街道：二次办理 3 个工作日（DOMAIN.md §4）"),
    "callback_attempts": Known(_count, "3", _OURS),
    "near_limit_share": Known(_share, "0.2", _OURS),
    "calendar": Known(_code, "cn", _OURS),
    "satisfaction_scale": Known(_scale, "five", "110 与 12345 对接表的五级满意度（DOMAIN.md §5）"),
}


class PolicyRow(BaseModel):
    """One policy as a release states it. An unknown key or a value that cannot be read is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    key: str = Field(min_length=1)
    value: str = Field(min_length=1)
    source: str = ""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        known = KNOWN.get(self.key)
        if known is None:
            raise ValueError(f"没有“{self.key}”这项策略，可用：{'、'.join(KNOWN)}")
        try:
            known.read(self.value)
        except ValueError as error:
            raise ValueError(f"{self.key} 的值“{self.value}”不能用：{_chinese(error)}") from None
        return self


def _chinese(error: ValueError) -> str:
    """Python's own words for "not a number" are English; ours pass."""
    text = str(error)
    return "应为数字" if text.isascii() or "convert" in text or "invalid literal" in text else text


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies in force, typed. What the release does not name has its default (see ``KNOWN``)."""

    _values: dict[str, Any]
    _sources: dict[str, str]

    @classmethod
    def build(cls, rows: Iterable[PolicyRow] = ()) -> Self:
        """Raises KeyError or ValueError only for rows that were not validated."""
        values = {key: known.read(known.default) for key, known in KNOWN.items()}
        sources = {key: known.source for key, known in KNOWN.items()}
        for row in rows:
            values[row.key] = KNOWN[row.key].read(row.value)
            sources[row.key] = row.source
        return cls(values, sources)

    def source(self, key: str) -> str:
        """Where the value in force comes from. Raises KeyError for an unknown policy."""
        return self._sources[key]

    @property
    def duplicate_radius_m(self) -> float:
        """Metres within which two reports may be about the same thing."""
        return float(self._values["duplicate_radius_m"])

    @property
    def duplicate_window(self) -> timedelta:
        """Time within which two reports may be about the same thing."""
        return timedelta(hours=float(self._values["duplicate_window_hours"]))

    @property
    def classify_min_precision(self) -> float:
        """Share (0..1) of unaided classifications that must be right."""
        return float(self._values["classify_min_precision"])

    @property
    def border_within_m(self) -> float:
        """Metres from the cell of another street within which a place belongs to both."""
        return float(self._values["border_within_m"])

    def least_level(self, urgency: str) -> str:
        """The lowest level that may lead what is so urgent; empty: that of the item, whatever it is."""
        return str(self._values.get(f"least_level.{urgency}", ""))

    @property
    def sign_limit(self) -> str:
        """Until an order must be signed for, as ``"2 work_hour"``."""
        return str(self._values["sign_limit"])

    @property
    def first_contact_limit(self) -> str:
        """Until the complainant must be called, as ``"1 legal_work_day"``."""
        return str(self._values["first_contact_limit"])

    def total_limit(self, demand_type: str, urgency: str) -> tuple[str, str]:
        """(limit, policy key) of the citizen's clock, from receipt, of a demand type or ``"finding"``.

        A city may set it by urgency, which then goes before the demand type. Raises KeyError.
        """
        for key in (f"total_limit.urgency.{urgency}", f"total_limit.{demand_type}"):
            if self._values.get(key):
                return str(self._values[key]), key
        raise KeyError(demand_type)

    def stage_limit(self, stage: str) -> str:
        """The limit of a stage that is the centre's own: ``"filing"`` → ``"2 work_hour"``. Raises KeyError."""
        return str(self._values[f"{stage}_limit"])

    @property
    def uncounted_cap(self) -> str:
        """How much of a handling clock may stay uncounted, as ``"10 work_day"``; a deferral has its own limit."""
        return str(self._values["uncounted_cap"])

    @property
    def pause_gives_back(self) -> GivenBack:
        """Which days a pause gives back to a limit in days: those it covers, or those it touches."""
        return "touched" if self._values["pause_gives_back"] == "touched" else "covered"

    def number(self, key: str) -> float:
        """A policy that is a plain number: ``"extension_times"``, ``"deferral_max_days"``. Raises KeyError."""
        return float(self._values[key])

    def approvers(self, what: str) -> tuple[str, ...]:
        """The roles that must agree, in order: to an ``extension``, ``extension_long``, ``deferral``, ``waiting``.

        Empty: nobody must. Raises KeyError for anything else.
        """
        roles: tuple[str, ...] = self._values[f"{what}_approvers"]
        return roles

    @property
    def waiting_max(self) -> str:
        """How long a unit may wait for the complainant at a time, as ``"5 natural_day"``."""
        return str(self._values["waiting_max"])

    @property
    def appeal_window(self) -> str:
        """From closing, in which a unit may appeal against lateness, as ``"5 legal_work_day"``."""
        return str(self._values["appeal_window"])

    @property
    def return_window(self) -> str:
        """From dispatch, in which a unit may ask to give an order back, as ``"2 work_day"``."""
        return str(self._values["return_window"])

    @property
    def appeal_reviewers(self) -> tuple[str, ...]:
        """The roles that review an appeal, in order."""
        roles: tuple[str, ...] = self._values["appeal_reviewers"]
        return roles

    @property
    def late_mark(self) -> timedelta:
        """A rung that fires later than this after its time is marked late."""
        return timedelta(minutes=int(self._values["late_mark_minutes"]))

    @property
    def rehandle_limit(self) -> str:
        """The citizen's clock after a dissatisfied callback 二次办理, as ``"3 legal_work_day"``."""
        return str(self._values["rehandle_limit"])

    def handling_limit(self, level: str) -> str:
        """A unit's clock where no filing standard says; by level. Raises KeyError for an unknown level."""
        return str(self._values[f"handling_limit.{level}"])

    @property
    def callback_attempts(self) -> int:
        """Calls before a reporter counts as not reached."""
        return int(self._values["callback_attempts"])

    @property
    def near_limit_share(self) -> float:
        """A clock is near its limit when this share (0..1) of it is left."""
        return float(self._values["near_limit_share"])

    @property
    def calendar(self) -> str:
        """Code of the calendar that clocks run on."""
        return str(self._values["calendar"])

    @property
    def satisfaction_scale(self) -> str:
        """The scale on which callers rate, one of ``feedback.answers.SCALES``."""
        return str(self._values["satisfaction_scale"])
