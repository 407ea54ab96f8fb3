"""Acts of offline phones that came too late: kept with what they say, until a person has resolved them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker, Client
from app.acts.action import ActBody, Resource
from app.core.crypto import Keyring
from app.core.errors import Conflict, NotFound
from app.core.timing import now
from app.events.aggregate import Act, Actor
from app.events.store import lock_events, write_events
from app.events.visibility import Areas, Sight
from app.masters import Masters

#: seats that look after them, within their area
ROLES: Final = ("dispatcher", "shift_leader", "supervisor")

_LIST_LIMIT: Final = 200

# Whose part it is, or was: a unit with an order there whatever became of it, or who has acted there before.
# What was done already under this id is not late, however the answer to its repetition reads.
_KEEP = text(
    """
    INSERT INTO late_act (event_id, act_id, resource, subject_n, action, body, actor_id, acted_at, recorded_at,
                          refused_because)
    SELECT e.id, :act_id, :resource, :n, :action, CAST(:body AS jsonb), :actor, :acted_at, :at, :why
    FROM event e
    WHERE e.id = :event_id AND e.jurisdiction_id = :jurisdiction
      AND (:theirs
        OR EXISTS (SELECT 1 FROM work_order o WHERE o.event_id = e.id AND o.unit_id = ANY(CAST(:units AS bigint[])))
        OR EXISTS (SELECT 1 FROM timeline t
                   WHERE t.event_id = e.id AND t.actor_kind = :actor_kind AND t.actor_id = :actor))
      AND NOT EXISTS (SELECT 1 FROM timeline t WHERE t.event_id = e.id AND t.act_id = :act_id)
    ON CONFLICT (event_id, act_id) DO NOTHING
    """
)

_OF = """
    SELECT l.event_id, e.event_no, l.act_id, l.resource, l.subject_n, l.action, l.body, l.actor_id,
           u.display_name AS actor_name, l.acted_at, l.recorded_at, l.refused_because, l.resolved_at
    FROM late_act l JOIN event e ON e.id = l.event_id LEFT JOIN user_account u ON u.id::text = l.actor_id
    WHERE e.jurisdiction_id = :jurisdiction AND {areas} AND {unbarred} {more}
    ORDER BY (l.resolved_at IS NOT NULL), l.recorded_at DESC, l.event_id, l.act_id LIMIT :limit
"""


async def keep(
    session: AsyncSession,
    who: Asker | Client,
    masters: Masters,
    event_id: UUID,
    *,
    resource: Resource,
    n: int | None,
    report_id: UUID | None,
    action: str,
    body: ActBody,
    why: str,
    theirs: bool,
) -> None:
    """Keeps a refused act of somebody who has or had a part in the event; ``theirs``: that they have one is known.

    Nothing is kept for others, nor for an unknown event, so that nobody fills the list by guessing.
    """
    said = body.model_dump(mode="json", exclude={"act_id", "acted_at"})
    if report_id is not None:
        said["report_id"] = str(report_id)
    person = isinstance(who, Asker)
    await session.execute(
        _KEEP,
        {
            "event_id": event_id,
            "act_id": body.act_id,
            "resource": resource,
            "n": n,
            "action": action,
            "body": orjson.dumps(said).decode(),
            "actor": str(who.user_id if isinstance(who, Asker) else who.id),
            "actor_kind": "user" if person else "client",
            "acted_at": body.acted_at,
            "at": now(),
            "why": why,
            "jurisdiction": who.jurisdiction_id,
            "theirs": theirs,
            "units": sorted(Sight.of(who, masters.organizations).units) if isinstance(who, Asker) else [],
        },
    )


async def find(
    session: AsyncSession, asker: Asker, masters: Masters, *, one: tuple[UUID, UUID] | None = None
) -> Sequence[Any]:
    """The kept acts of the asker's area, unresolved first, then the newest, 200 at most; ``one``: only this one.

    Raises ``Forbidden`` for whoever has none of ``ROLES``.
    """
    asker.require(*ROLES)
    areas, values = Areas.of(asker.areas(ROLES), asker.jurisdiction_code).condition("e", "late")
    unbarred, more = Sight.of(asker, masters.organizations).unbarred("e")
    values |= more | {"jurisdiction": asker.jurisdiction_id, "limit": _LIST_LIMIT}
    narrowed = ""
    if one is not None:
        narrowed = "AND l.event_id = :event_id AND l.act_id = :act_id"
        values |= {"event_id": one[0], "act_id": one[1]}
    return (await session.execute(text(_OF.format(areas=areas, unbarred=unbarred, more=narrowed)), values)).all()


async def resolve(
    session: AsyncSession,
    keyring: Keyring,
    asker: Asker,
    masters: Masters,
    event_id: UUID,
    act_id: UUID,
    note: str,
) -> Any:
    """A person says what became of a kept act; answers its row. Raises NotFound, Conflict (resolved before)."""
    asker.require(*ROLES)
    event = (await lock_events(session, [event_id])).get(event_id)
    found = await find(session, asker, masters, one=(event_id, act_id))
    if event is None or not found:
        raise NotFound("没有这条迟到的操作，或不在您的权限范围内。")
    if found[0].resolved_at is not None:
        raise Conflict("这条迟到的操作已处理。")
    at = now()
    role = next(role for role in ROLES if Areas.of(asker.areas((role,)), asker.jurisdiction_code).holds(event.event))
    actor = Actor("user", str(asker.user_id), role, asker.org_id)
    event.record(
        Act(actor, at, at),
        "late_act_resolved",
        data={"late_act_id": str(act_id), "late_action": found[0].action},
        note=note,
    )
    await write_events(session, keyring, [event])
    await session.execute(
        text("UPDATE late_act SET resolved_at = :at WHERE event_id = :event_id AND act_id = :act_id"),
        {"at": at, "event_id": event_id, "act_id": act_id},
    )
    return (await find(session, asker, masters, one=(event_id, act_id)))[0]
