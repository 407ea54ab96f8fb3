"""How a report looks to its reader: identities masked, and nothing at all where the rules say so."""

from typing import Any
from uuid import UUID

from pydantic import Field

from app.api.shapes import CityTime, Shape
from app.events.visibility import Stand, visible_report


class ReporterShape(Shape):
    """Who sent it, masked."""

    anonymous: bool = Field(description="匿名")
    confidential: bool = Field(description="要求保密")
    name: str = Field(description="姓名（脱敏）")
    phone: str = Field(description="电话（脱敏）")


class ReportShape(Shape):
    """One report."""

    id: UUID = Field(description="诉求标识")
    kind: str = Field(description="demand 诉求、finding 上报件")
    demand_type: str | None = Field(description="诉求性质")
    channel: str = Field(description="来源渠道")
    state: str = Field(description="open 办理中、replied 已答复、settled 已了结、withdrawn 已撤回")
    withheld: bool = Field(description="内容按规定对您不显示")
    title: str | None
    content: str | None = Field(description="内容（号码已脱敏）")
    address: str | None
    pictures: list[str] = Field(description="照片（内容摘要）")
    source_ref: str | None = Field(description="来源系统的编号，只对中心显示")
    reporter: ReporterShape | None = Field(description="诉求人（脱敏）；null 表示对您不显示")
    reply_wanted: bool = Field(description="是否要求答复")
    chase_count: int = Field(description="催单次数")
    owes: list[str] = Field(description="尚欠：reply 答复、callback 回访、result 来源结果")
    occurred_at: CityTime = Field(description="发生时间")
    received_at: CityTime = Field(description="收到时间")
    allowed_actions: list[str] | None = Field(None, description="您现在可以执行的操作；列表中不给出")


def report_values(
    row: Any,
    report_id: UUID,
    stand: Stand,
    *,
    received_at: Any,
    masked_name: str | None,
    masked_phone: str | None,
    owes: list[str],
    allowed: list[str] | None = None,
) -> dict[str, Any]:
    """The members of ``ReportShape``, from a report's row or a row of a list."""
    shown = visible_report(stand, row)
    # Where it is may be a confidential reporter's own door.
    address_shown = shown.content and (stand == "centre" or not row.confidential)
    reporter = None
    if shown.identity:
        reporter = {
            "anonymous": row.anonymous,
            "confidential": row.confidential,
            "name": masked_name or "",
            "phone": masked_phone or "",
        }
    return {
        "id": report_id,
        "kind": row.kind,
        "demand_type": row.demand_type,
        "channel": row.channel,
        "state": row.state,
        "withheld": not shown.content,
        "title": row.title if shown.content else None,
        "content": row.content if shown.content else None,
        "address": row.address if address_shown else None,
        "pictures": row.pictures if shown.content else [],
        "source_ref": row.source_ref if stand == "centre" else None,
        "reporter": reporter,
        "reply_wanted": row.reply_wanted,
        "chase_count": row.chase_count,
        "owes": owes,
        "occurred_at": row.occurred_at,
        "received_at": received_at,
        "allowed_actions": allowed,
    }


class ReportInList(ReportShape):
    """A report with what a list tells of its event."""

    event_id: UUID = Field(description="所属事件")
    event_no: str = Field(description="事件编号")
    event_state: str = Field(description="事件状态")
    joined: str = Field(
        description="怎样归入事件：first 首报、same_place 自动并单、linked_by_person 人工并单、unlinked 拆出"
    )


class ReplyShape(Shape):
    """An answer that the reporter got."""

    n: int
    method: str = Field(description="答复方式")
    result: str = Field(description="resolved 实际解决、explained 解释说明、not_accepted 不予受理")
    body: str
    replied_at: CityTime


class CallbackShape(Shape):
    """A callback."""

    n: int
    called_at: CityTime
    reached: bool = Field(description="是否接通")
    contacted: bool | None = Field(description="承办单位是否联系过")
    resolved: bool | None = Field(description="是否解决")
    satisfaction_level: int | None = Field(description="满意度原始等级")
    satisfaction_scale: str | None = Field(description="满意度量表")
    satisfied: bool | None


class ReportDetail(ReportInList):
    """A report with its answers."""

    replies: list[ReplyShape]
    callbacks: list[CallbackShape]
