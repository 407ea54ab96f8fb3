"""What ``/releases`` answers with and is sent."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.api.shapes import CityTime, Shape
from app.core.database import Json
from app.core.releases import DraftOutcome, Lost, Mode, makers_of
from app.core.tables import Release

ReleaseId = Annotated[int, Field(ge=1, lt=2**63)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]


class ReleaseShape(Shape):
    """One immutable edition of one kind of master."""

    id: int
    kind: str = Field(description="种类：items、areas、organizations…")
    number: int = Field(description="第几版")
    status: str = Field(description="draft 草稿、reviewed 已复核、published 生效、retired 已替换")
    mode: str = Field(description="new_only 只对新事件、re_decide_open 在办的也重新计算")
    row_count: int
    digest: str = Field(description="内容摘要（SHA-256）")
    created_at: CityTime
    created_by: list[str] = Field(description="改动过这份草稿的人，都不能复核它")
    reviewed_at: CityTime | None
    reviewed_by: str | None = Field(description="复核人")
    unreviewed_because: str | None = Field(description="未经复核即发布的理由")
    publish_at: CityTime | None = Field(description="定时发布的时刻")
    fault: str | None = Field(description="定时发布未成的原因")
    published_at: CityTime | None
    published_by: str | None = Field(description="发布人；定时发布的为安排的人")
    brings_back: int | None = Field(description="回退：恢复的是哪一版（编号）的内容")
    retired_at: CityTime | None

    @classmethod
    def of(cls, release: Release, fault: str | None = None) -> "ReleaseShape":
        """A release's row; ``fault``: why its scheduled publication failed."""
        computed = {"digest", "created_by", "fault", "brings_back"}
        return cls(
            digest=release.digest.hex(),
            created_by=list(makers_of(release)),
            fault=fault,
            brings_back=release.brings_back_id,
            **{name: getattr(release, name) for name in cls.model_fields if name not in computed},
        )


class LostShape(Shape):
    """What a draft had before it was changed or thrown away."""

    reviewed_by: str | None = Field(description="复核随之作废的复核人")
    publish_at: CityTime | None = Field(description="已取消的定时发布")
    with_it: list[str] = Field(description="原定同时发布、定时一并取消的其他种类")

    @classmethod
    def of(cls, lost: Lost) -> "LostShape":
        """The same from the core's own form."""
        return cls(reviewed_by=lost.reviewed_by, publish_at=lost.publish_at, with_it=list(lost.with_it))


class DraftShape(Shape):
    """What an import came to, counted against what is in force."""

    draft: ReleaseShape | None = Field(description="草稿；空为内容与现行版相同，没有草稿")
    added: int = Field(description="新增的行")
    changed: int = Field(description="修改的行")
    removed: int = Field(description="删除的行")
    unchanged: int = Field(description="不变的行")
    left_out: list[str] = Field(description="整份替换的文件没有写、因而各行都按空值处理的列")
    lost: LostShape = Field(description="原有草稿因此失去的复核和定时")

    @classmethod
    def of(cls, outcome: DraftOutcome, left_out: Sequence[str] = ()) -> "DraftShape":
        """The same from the core's own form. ``left_out``: columns that the file does not have."""
        return cls(
            draft=ReleaseShape.of(outcome.draft) if outcome.draft else None,
            added=outcome.added,
            changed=outcome.changed,
            removed=outcome.removed,
            unchanged=outcome.unchanged,
            left_out=list(left_out),
            lost=LostShape.of(outcome.lost),
        )


class RowDiffShape(Shape):
    """One row that is not what is in force."""

    key: str = Field(description="行的键")
    before: Json | None = Field(description="现行版的内容；空为新增")
    after: Json | None = Field(description="这一版的内容；空为删除")


class ScheduledShape(Shape):
    """What now waits for its moment, or is in force."""

    releases: list[ReleaseShape]
    unscheduled: list[str] = Field(description="原定与其同时发布、因此取消了定时的其他种类")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DraftsBody(_Body):
    """The drafts that were looked at, by id: one that was changed since has another."""

    releases: Annotated[list[ReleaseId], Field(min_length=1, max_length=50)] = Field(description="草稿的编号")


class PublishBody(DraftsBody):
    """Drafts that come into force together."""

    mode: Mode | None = Field(None, description="缺省按种类：日历、阶梯、应急预案在办的也重算，其余只管新的")
    unreviewed_because: Reason | None = Field(None, description="未经复核即发布的理由，只有系统管理员可用")


class ScheduleBody(DraftsBody):
    """Reviewed drafts that come into force together at a moment."""

    publish_at: AwareDatetime = Field(description="生效时刻，带时区，将来一年之内")
    mode: Mode | None = Field(None, description="同发布")


class RollBackBody(_Body):
    """Which edition is brought back."""

    to: int | None = Field(None, ge=1, lt=2**31, description="第几版；缺省为上一个生效的版")
    because: Reason | None = Field(None, description="恢复更早的版时必填：未经复核的理由")
    mode: Mode | None = Field(None, description="同发布")


class MovedClock(Shape):
    """One open clock that a draft would move."""

    event_id: UUID
    event_no: str = Field(description="事件编号")
    clock: str = Field(description="时限种类：handling、citizen_total…")
    cause: str = Field(description="calendar 日历、limit 时限、emergency 应急预案")
    before_at: CityTime = Field(description="现在的到期时间")
    after_at: CityTime = Field(description="发布后的到期时间")


class ReleasePreviewShape(Shape):
    """What drafts would do to open clocks if they were published now with re_decide_open."""

    kinds: list[str] = Field(description="参与计算的草稿种类")
    open: int = Field(description="在办的时限")
    moved: int = Field(description="会变动的")
    earlier: int = Field(description="到期提前的")
    later: int = Field(description="到期推后的")
    most_earlier_minutes: int = Field(description="最多提前多少分钟（自然时间）")
    most_later_minutes: int = Field(description="最多推后多少分钟（自然时间）")
    assumed_before: int = Field(description="现在按估算的（日历未到）")
    assumed_after: int = Field(description="发布后仍按估算的")
    examples: list[MovedClock] = Field(description="前 20 个")
