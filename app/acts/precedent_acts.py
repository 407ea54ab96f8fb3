"""What is done to a precedent besides following it: written into the draft of the catalogue, or ended."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker
from app.core.crypto import Keyring
from app.core.errors import Conflict, Forbidden, NotFound
from app.core.releases import DraftOutcome
from app.core.timing import now
from app.dispatch.precedents import Taught, rule_of
from app.events.aggregate import Act, Actor
from app.events.store import lock_events, write_events
from app.masters import Masters
from app.masters.publishing import put_file
from app.masters.validation import MasterFile
from app.supervision import precedents
from app.turn import Turn

#: who keeps the precedents: of seats over all of the jurisdiction, since a precedent speaks of events everywhere
KEEPERS: Final = ("adjudicator", "shift_leader", "dispatcher", "knowledge_editor")


def _require_keeper(asker: Asker) -> str:
    for role in KEEPERS:
        if asker.jurisdiction_code in asker.areas((role,)):
            return role
    raise Forbidden("裁决先例只由全辖区的裁决员、值班长、派遣员和知识库编辑维护。", needs=list(KEEPERS))


async def _live(session: AsyncSession, asker: Asker, precedent_id: int) -> Taught:
    taught = await precedents.one(session, asker.jurisdiction_id, precedent_id)
    if taught is None:
        raise NotFound("没有这个裁决先例。")
    if taught.row.ended_at is not None:
        raise Conflict("该裁决先例已停用，请刷新先例列表。")
    return taught


async def draft_rule(session: AsyncSession, asker: Asker, masters: Masters, precedent_id: int) -> DraftOutcome:
    """Lays the precedent as a rule over the draft of the catalogue, or begins one; it is offered as before.

    Raises Forbidden, NotFound, Conflict (ended, or its unit or item is not in use any more).
    """
    _require_keeper(asker)
    taught = await _live(session, asker, precedent_id)
    item = masters.items.item(masters.item_keys.get(taught.row.item_id, ""))
    if item is None:
        raise Conflict("现行事项清单中已没有该先例的事项，不能写入派单目录。")
    try:
        row = rule_of(taught, item.key, masters.organizations)
    except ValueError as fault:
        raise Conflict(str(fault)) from None
    return await put_file(
        session, asker.jurisdiction_id, MasterFile("routing-rules", "patch", {row.key: row}), by=asker.username
    )


async def end(
    session: AsyncSession, keyring: Keyring, asker: Asker, masters: Masters, precedent_id: int, *, reason: str
) -> Taught:
    """It is offered no longer; the reason stands on the timeline of the event that was ruled.

    Raises Forbidden, NotFound, Conflict (ended before).
    """
    role = _require_keeper(asker)
    event_id = (await _live(session, asker, precedent_id)).row.event_id
    event = (await lock_events(session, [event_id]))[event_id]
    taught = await _live(session, asker, precedent_id)  # again: somebody may have ended it before the lock
    at = now()
    turn = Turn(masters, event, Act(Actor("user", str(asker.user_id), role, asker.org_id), at, at))
    event.record(turn.act, "precedent_ended", data={"precedent_id": precedent_id}, note=reason)
    event.change(taught.row, ended_at=at, ended_by=asker.username)
    turn.rest()
    await write_events(session, keyring, [event])
    return taught
