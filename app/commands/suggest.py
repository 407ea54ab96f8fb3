"""``bihuan release suggest``: what people's dispatches say against the catalogue, and accepting some of it."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clocks.calendar import CHINA_TIME
from app.commands.release_tables import lost_words
from app.core import releases
from app.dispatch.suggestions import Suggestion
from app.masters import MastersCache
from app.masters.suggested_rules import accept, find_suggestions


async def suggest(
    session: AsyncSession,
    jurisdiction_id: int,
    *,
    since: datetime | None,
    numbers: Sequence[str],
    by: str,
    out: Console,
) -> None:
    """Lists the suggestions; with ``numbers`` lays those over the draft of the catalogue. ``since``: a local time."""
    masters = await MastersCache().get(session, jurisdiction_id)
    since_at = since.replace(tzinfo=CHINA_TIME) if since and since.tzinfo is None else since
    found, looked_at = await find_suggestions(session, masters, since_at=since_at)
    if numbers:
        outcome = await accept(session, jurisdiction_id, found, numbers, by=by)
        if outcome.draft is None:
            out.print("派单目录没有变化，未留草稿")
            return
        out.print(
            Text(
                f"已写入派单目录草稿第 {outcome.draft.number} 版：新增 {outcome.added}，修改 {outcome.changed}"
                f"{lost_words(outcome.lost)}；"
                "由第二人用 bihuan release preview、bihuan release review routing-rules 复核后再发布"
            ),
            soft_wrap=True,
        )
        return
    draft = await releases.draft_of(session, jurisdiction_id, "routing-rules")
    drafted = await releases.rows_of(session, draft.id) if draft else {}
    show(out, found, looked_at, {key for key, body in drafted.items() if _is_there(found, key, body)})


def _is_there(found: Sequence[Suggestion], key: str, body: dict[str, object]) -> bool:
    return any(each.row.key == key and each.row.lead_unit == body.get("lead_unit") for each in found)


def show(out: Console, found: Sequence[Suggestion], looked_at: int, drafted: set[str]) -> None:
    """A table of numbers and evidence, and under it each finding in words with its cases."""
    if not found:
        out.print(f"看了 {looked_at} 件派单，没有依据充分而与派单目录不同的，没有建议")
        return
    table = Table("编号", "规则", "件数", "占比", "至少", "现对", "改后对", title=f"从 {looked_at} 件派单得出的建议")
    for each in found:
        kind = f"改 {each.replaces}" if each.replaces else "新增"
        table.add_row(
            *(each.number, kind + ("（草稿已有）" if each.row.key in drafted else "")),
            *(f"{each.support}/{each.cases}", f"{each.confidence:.0%}", f"{each.certain_share:.0%}"),
            *(str(each.catalogue_right), str(each.right_with_it)),
        )
    out.print(table)
    for each in found:
        against = f"；不同的：{'、'.join(each.counter_examples)}" if each.counter_examples else ""
        out.print(
            Text(f"{each.number} {each.sentence}例：{'、'.join(each.examples)}{against}"),
            soft_wrap=True,
            highlight=False,
        )
    out.print(
        "至少：按 95% 把握估计的下限。建议不会自动生效；采纳：bihuan release suggest --accept 编号", soft_wrap=True
    )
