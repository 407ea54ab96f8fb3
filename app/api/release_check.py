"""``GET /releases/check``: what is wrong with the dispatch catalogue 派单目录, in force or with drafts."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.dependencies import ReaderDep
from app.api.problems import RESPONSES
from app.api.release_seats import READING, require_everywhere
from app.api.shapes import Shape
from app.core.errors import Malformed, TooMany
from app.masters.catalogue.check import ADVICE, SHOWN, TITLES, Finding, FindingKind, Severity, by_kind, check
from app.masters.catalogue.reading import READ, read_city

router = APIRouter(prefix="/releases", tags=["releases 基础数据的各版"], responses=RESPONSES)

#: a large city takes seconds of the processor: one at a time in a process
_checking = asyncio.Lock()


class FindingShape(Shape):
    """One fault."""

    severity: Severity = Field(description="error 不应发布、warning 提醒")
    subject: str = Field(description="规则编号、事项键、单位代码或单元网格号")
    sentence: str = Field(description="问题，一句话")
    count: int = Field(description="涉及多少处：区划、事项或提及次数")
    others: list[str] = Field(description="相关的其他规则或职责清单条目")


class FindingsShape(Shape):
    """All faults of one kind, the first of them shown."""

    kind: FindingKind
    title: str = Field(description="名称")
    advice: str = Field(description="怎么办")
    total: int = Field(description="共多少处")
    findings: list[FindingShape] = Field(description=f"前 {SHOWN} 处")


class ReleaseCheckShape(Shape):
    """What the checker found."""

    errors: int = Field(description="错误；有错误的草稿不应发布")
    warnings: int = Field(description="提醒")
    kinds: list[FindingsShape]


@router.get("/check", summary="检查派单目录")
async def check_release(
    who: ReaderDep,
    draft: Annotated[bool, Query(description="用草稿代替已发布的来检查")] = False,
    kind: Annotated[
        list[str] | None, Query(description="只用这些种类的草稿，可多个，须与 draft=true 同用；缺省为全部草稿")
    ] = None,
) -> ReleaseCheckShape:
    """Gaps, contradictions, rules that never decide, duties aimed at streets, units that cannot. Writes nothing."""
    require_everywhere(who.asker, READING, "检查派单目录须为参与起草、复核或发布的席位")
    for name in kind or ():
        if name not in READ or not draft:
            message = f"派单目录的检查不看“{name}”的草稿，可用：{'、'.join(READ)}" if draft else "须加 draft=true"
            raise Malformed(message, faults=[{"path": "kind", "message": message}])
    if _checking.locked():
        raise TooMany("正在检查派单目录，请稍后再试。", retry_after_seconds=30)
    async with _checking:
        city = await read_city(who.session, who.asker.jurisdiction_id, drafts=kind if draft else ())
        found = await asyncio.to_thread(check, city)
    errors = sum(finding.severity == "error" for finding in found)
    return ReleaseCheckShape(
        errors=errors,
        warnings=len(found) - errors,
        kinds=[_shape(name, findings) for name, findings in by_kind(found).items()],
    )


def _shape(kind: FindingKind, findings: list[Finding]) -> FindingsShape:
    return FindingsShape(
        kind=kind,
        title=TITLES[kind],
        advice=ADVICE[kind],
        total=len(findings),
        findings=[
            FindingShape(
                severity=each.severity,
                subject=each.subject,
                sentence=each.sentence,
                count=each.count,
                others=list(each.others),
            )
            for each in findings[:SHOWN]
        ],
    )
