"""Releases on the screen: the list of all of them, and the rows by which a draft differs from what is in force."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from rich.table import Table
from rich.text import Text

from app.clocks.calendar import CHINA_TIME
from app.core.database import Json
from app.core.releases import Lost, RowDiff, makers_of
from app.core.tables import Release
from app.masters.kinds import KINDS

STATUS: Final = {"draft": "草稿", "reviewed": "已复核", "published": "已发布", "retired": "已停用"}
MODE: Final = {"new_only": "只管新的", "re_decide_open": "在办的重算"}
_CELL_CHARS: Final = 60


def local(at: datetime) -> str:
    """A moment as people there write it."""
    return f"{at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}"


def title_of(kind: str) -> str:
    """A kind for people; of one that is not known any more, its name."""
    return KINDS[kind].title if kind in KINDS else kind


def lost_words(lost: Lost) -> str:
    """What a change of a draft took back, to be put behind a sentence; empty for nothing."""
    told = f"；{lost.reviewed_by} 的复核随之作废" if lost.reviewed_by else ""
    if lost.publish_at:
        told += f"；原定 {local(lost.publish_at)} 的发布已取消"
    if lost.with_it:
        told += f"，同时取消的还有{'、'.join(map(title_of, lost.with_it))}"
    return told


def answers_for(release: Release, numbers: Mapping[int, int]) -> str:
    """Who answers for a release besides who made it. ``numbers``: releases' numbers by id."""
    if release.reviewed_at:
        told = f"{release.reviewed_by} {local(release.reviewed_at)}"
    elif release.brings_back_id:
        why = f"：{release.unreviewed_because}" if release.unreviewed_because else ""
        told = f"恢复第 {numbers.get(release.brings_back_id, '?')} 版{why}"
    else:
        told = f"未复核：{release.unreviewed_because}" if release.unreviewed_because else ""
    waiting = release.status == "reviewed" and release.publish_at
    return f"{told}；定于 {local(waiting)} 发布" if waiting else told


def list_table(releases: Iterable[Release], faults: Mapping[int, str]) -> Table:
    """All releases. ``faults``: why a scheduled publication failed, by release id."""
    found = list(releases)
    numbers = {release.id: release.number for release in found}
    table = Table("种类", "版", "状态", "行数", "载入", "复核", "发布", "方式")
    for release in found:
        fault = f"；定时发布未成：{faults[release.id]}" if release.id in faults else ""
        by = f" {release.published_by}"
        table.add_row(
            f"{release.kind} {title_of(release.kind)}",
            str(release.number),
            STATUS[release.status],
            str(release.row_count),
            Text(f"{local(release.created_at)} {'、'.join(makers_of(release))}"),
            Text(answers_for(release, numbers) + fault),
            Text(local(release.published_at) + by) if release.published_at else "",
            MODE[release.mode] if release.published_at else "",
        )
    return table


def diff_table(title: str, diffs: list[RowDiff]) -> Table:
    """Rows that a draft adds, changes and removes, a line a changed member."""
    table = Table("", "键", "字段", "原值", "新值", title=title)
    for diff in diffs:
        if diff.before is None:
            table.add_row("新增", Text(diff.key), "", "", Text(_short(diff.after)))
        elif diff.after is None:
            table.add_row("删除", Text(diff.key), "", Text(_short(diff.before)), "")
        else:
            for n, (field, before, after) in enumerate(_changed_fields(diff.before, diff.after)):
                table.add_row(
                    *(("", "") if n else ("修改", Text(diff.key))),
                    field,
                    Text(_short(before)),
                    Text(_short(after)),
                )
    return table


def _changed_fields(before: Json, after: Json) -> list[tuple[str, Any, Any]]:
    return [
        (field, before.get(field), after.get(field))
        for field in dict.fromkeys([*before, *after])
        if before.get(field) != after.get(field)
    ]


def _short(value: Any) -> str:
    """A value for a narrow column; of a whole row only the members that say something."""
    if isinstance(value, Mapping):
        text = "，".join(f"{name} {_short(member)}" for name, member in value.items() if member not in ("", None, []))
    elif value is None or isinstance(value, str):
        text = value or ""
    else:
        text = orjson.dumps(value).decode()
    return text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + "…"
