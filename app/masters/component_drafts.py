"""From an accepted correction to a draft of the register of components, never further."""

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import releases
from app.core.errors import Conflict
from app.core.releases import DraftOutcome
from app.core.tables import ReleaseRow
from app.dispatch.component_corrections import DUTIES_ZH
from app.dispatch.rows import ComponentRow
from app.masters.publishing import put_file
from app.masters.validation import MasterFile

_KIND = "components"


async def correct_component(
    session: AsyncSession, jurisdiction_id: int, component_id: str, duty: str, unit: str | None, *, by: str
) -> DraftOutcome:
    """Lays the component's row, with this unit (code; None: none) for the duty, over the draft, or begins one.

    Raises Conflict (Chinese) for a component that is in neither draft nor register any more, and where the row would
    name nobody at all.
    """
    await releases.lock(session, jurisdiction_id)
    base = await releases.draft_of(session, jurisdiction_id, _KIND)
    base = base or await releases.published_of(session, jurisdiction_id, _KIND)
    body = base and await session.scalar(
        select(ReleaseRow.body).where(ReleaseRow.release_id == base.id, ReleaseRow.key == component_id)
    )
    if not body:
        raise Conflict(f"部件 {component_id} 已不在部件登记中，请驳回这份更正。")
    try:
        row = ComponentRow.model_validate({**body, duty: unit or ""})
    except ValidationError:
        raise Conflict(f"部件 {component_id} 只登记了{DUTIES_ZH[duty]}，须指明应为哪个单位才能采纳。") from None
    return await put_file(session, jurisdiction_id, MasterFile(_KIND, "patch", {row.key: row}), by=by)
