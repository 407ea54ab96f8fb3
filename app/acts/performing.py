"""Performing an act: lock, check, run the loop's step, write; one transaction, whoever acts and on whatever."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker, Client, client_of, user_of
from app.accounts.tokens import AccessToken, ClientSubject
from app.acts import families, late_acts
from app.acts.action import ActBody, Action, Case, Resource
from app.acts.permissions import ACTIONS, forbidden, grant, offered_names, refused_now
from app.acts.pictures import refuse_unknown_pictures
from app.core.crypto import Keyring, open_sealed
from app.core.database import transaction
from app.core.errors import Conflict, Forbidden, Malformed, NotAllowedNow, NotFound, PreconditionFailed
from app.core.faults import fault_point
from app.core.timing import now
from app.events.again import until_alone
from app.events.aggregate import Act, Actor, EventAggregate
from app.events.late_clocks import load_late_clocks
from app.events.report_tables import Report
from app.events.store import event_of_report, load_reports, lock_events, parent_of, still_there, write_events
from app.events.tables import Event, WorkOrder
from app.events.visibility import Sight
from app.intake.admission import IDENTITY_AAD
from app.masters import Masters
from app.runtime import Runtime
from app.turn import Turn

#: how far a phone's clock may run ahead of ours
_AHEAD = timedelta(minutes=5)


class ActIdReused(Conflict):
    """The act id was used before for something else."""

    code = "act_id_reused"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: an action on a subject. ``n`` numbers a work order; ``report_id`` names a report."""

    resource: Resource
    action: str
    event_id: UUID | None
    n: int | None = None
    report_id: UUID | None = None
    body: Mapping[str, Any] | None = None
    #: the version that the asker saw (ETag); None: whatever it is
    if_match: int | None = None

    @property
    def asked(self) -> str:
        """The action and its subject: what an act id stands for."""
        number = self.n if self.resource == "work_order" else self.report_id
        return f"{self.resource}/{self.action}" if number is None else f"{self.resource}.{number}/{self.action}"


async def perform(runtime: Runtime, token: AccessToken, request: Request) -> dict[str, Any]:
    """Performs an act and answers with the new state. Raises errors of ``app.core.errors``; nothing is half done.

    The same ``act_id`` again is answered with the present state and changes nothing. An act that carries its own
    ``acted_at`` (an offline phone) and comes too late is kept for a person to resolve, besides the 409 or 404.
    """
    action = ACTIONS[request.resource].get(request.action)
    if action is None:
        known = "、".join(ACTIONS[request.resource])
        raise NotFound(f"没有“{request.action}”这个操作；可用：{known}。")
    body = _body(action, request.body)
    await refuse_unknown_pictures(runtime, body)

    async def once() -> dict[str, Any]:
        async with transaction(runtime.sessions) as session:
            answer = await _perform(session, runtime, token, request, action, body)
            fault_point("act.before_commit")
        return answer

    try:
        return await until_alone(once)
    except ActIdReused:
        raise
    except (Conflict, NotFound, Forbidden) as refusal:
        if body.acted_at is not None and body.act_id is not None:
            await _keep_late(runtime, token, request, action, body, refusal)
        raise


async def _perform(
    session: AsyncSession,
    runtime: Runtime,
    token: AccessToken,
    request: Request,
    action: Action,
    body: ActBody,
) -> dict[str, Any]:
    asker: Asker | None = None
    client: Client | None = None
    if isinstance(token.subject, ClientSubject):
        client = await client_of(session, token)
    else:
        asker = await user_of(session, token)
    who = asker or client
    assert who is not None  # noqa: S101 - one of the two was just read
    event_id = request.event_id
    if event_id is None and request.report_id is not None:
        event_id = await event_of_report(session, request.report_id)
    if event_id is None:
        raise _not_found(request.resource)
    masters = await runtime.masters.at(session, who.jurisdiction_id, who.release_vector)
    other_id = action.other_event(body) if action.other_event else None
    if action.with_parent:
        other_id = await parent_of(session, event_id)
    ids = [event_id] if other_id is None else [event_id, other_id]
    locked = await lock_events(session, ids, act_id=body.act_id)
    aggregate = locked.get(event_id)
    if aggregate is None or aggregate.event.jurisdiction_id != who.jurisdiction_id:
        raise _not_found(request.resource)
    if action.needs_reports or request.report_id is not None:
        await load_reports(session, aggregate)
    if action.late_clocks:
        await load_late_clocks(session, aggregate)
    if request.report_id is not None:
        still_there(aggregate, request.report_id)
    subject = _subject(aggregate, request)
    if _repeats(aggregate, request, asker, client) and not (
        asker and Sight.of(asker, masters.organizations).barred(aggregate)
    ):
        # Before their right to it: doing it may have ended that, and their phone must still learn that it was done.
        again = action.again(aggregate, aggregate.repeated) if action.again and aggregate.repeated else {}
        return _answer(aggregate, subject, request, asker, masters) | again | {"repeated": True}
    actor = _authorise(asker, client, masters, aggregate, subject, action)
    if other_id is not None and asker is not None:
        target = locked.get(other_id)
        if target is None or not Sight.of(asker, masters.organizations).sees(target):
            raise _not_found("event")
    if aggregate.repeated is not None:
        raise ActIdReused("这个操作编号 act_id 已用于其他操作，请换一个新的编号。")
    if request.if_match is not None and request.if_match != aggregate.event.seq:
        raise PreconditionFailed("该事件已被他人更新，请刷新后再操作。", seq=aggregate.event.seq)
    case = Case(
        turn=Turn(masters, aggregate, _act(body, actor, aggregate.event, request)),
        subject=subject,
        asker=asker,
        other=Turn(masters, locked[other_id], _act(body, actor, locked[other_id].event, request)) if other_id else None,
        police_client_id=who.police_client_id,
        event_nos=await runtime.numbers.take(session, action.begins(body), now()) if action.begins else (),
    )
    if action.fetch is not None:
        await action.fetch(session, case, body)
    if why := refused_now(masters, aggregate, subject, action):
        raise NotAllowedNow(
            why,
            allowed=offered_names(request.resource, asker, masters, aggregate, subject),
            state=subject.state,
        )
    was_settled = aggregate.event.settled_at is not None
    before = families.Before.of(locked.values())
    action.run(case, body)
    written = [aggregate, *case.begun] + ([case.other.event] if case.other else [])
    for one in written:
        Turn(masters, one, case.turn.act).rest()
    await write_events(session, runtime.keyring, written)
    await families.tell(session, runtime.keyring, case, before)
    if was_settled != (aggregate.event.settled_at is not None):
        await settle_merged(session, runtime.keyring, case.turn)
    if "reveal" in case.answer:
        case.answer["identity"] = await _identity(session, runtime, case.answer.pop("reveal"))
    return _answer(aggregate, subject, request, asker, masters) | case.answer


def who_id(client: Client | None) -> int:
    """The id of the machine client that acts."""
    assert client is not None  # noqa: S101 - callers have one
    return client.id


def _body(action: Action, given: Mapping[str, Any] | None) -> ActBody:
    try:
        body = action.body.model_validate(dict(given or {}))
    except ValidationError as fault:
        faults = [
            {
                "path": ".".join(str(part) for part in error["loc"]),
                "message": error["msg"],
                "code": error["type"],
            }
            for error in fault.errors(include_url=False, include_input=False, include_context=False)
        ]
        names = "、".join(sorted({str(fault["path"]) for fault in faults}))
        raise Malformed(f"“{action.name_zh}”的内容有误：{names}。", faults=faults) from None
    if body.acted_at is not None:
        if body.acted_at.tzinfo is None:
            raise Malformed("acted_at 须带时区。", faults=[{"path": "acted_at", "message": "须带时区"}])
        if body.acted_at > now() + _AHEAD:
            raise Malformed("acted_at 晚于现在，请检查手机时间。", faults=[{"path": "acted_at", "message": "晚于现在"}])
    return body


def _act(body: ActBody, actor: Actor, event: Event, request: Request) -> Act:
    at = now()
    # A phone whose clock is wrong must not date an act before its event, nor after our own time.
    acted_at = min(max(body.acted_at, event.received_at), at) if body.acted_at else at
    return Act(actor, at, acted_at, body.act_id, body.note, request.asked)


def _subject(aggregate: EventAggregate, request: Request) -> Event | WorkOrder | Report:
    if request.resource == "event":
        return aggregate.event
    found: WorkOrder | Report | None
    if request.resource == "work_order":
        found = aggregate.order(request.n or 0)
    else:
        found = next((report for report in aggregate.reports if report.id == request.report_id), None)
    if found is None:
        raise _not_found(request.resource)
    return found


def _not_found(resource: Resource) -> NotFound:
    names = {"event": "事件", "work_order": "工单", "report": "诉求"}
    return NotFound(f"没有这个{names[resource]}，或不在您的权限范围内。")


def _authorise(
    asker: Asker | None,
    client: Client | None,
    masters: Masters,
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
    action: Action,
) -> Actor:
    """Who acts, in which role and organization, and as whose deputy. Not theirs: 404; theirs but not allowed: 403.

    What somebody's own seats allow they do in their own name.
    """
    if asker is None:
        mine = isinstance(subject, Report) and client is not None and subject.client_id == client.id
        if not mine:
            raise _not_found("report")
        if not action.client:
            raise Forbidden("来源系统不能执行此操作。")
        return Actor("client", str(who_id(client)))
    if not Sight.of(asker, masters.organizations).sees(aggregate):
        raise _not_found("event")
    granted = grant(asker, masters, aggregate, subject, action)
    if granted is None:
        raise forbidden(asker, masters, aggregate, subject, action)
    lender: UUID | None = None
    for principal, capacity in asker.capacities() if asker.principals else ():
        if (alone := grant(capacity, masters, aggregate, subject, action)) is not None:
            granted, lender = alone, principal
            break
    return Actor("user", str(asker.user_id), *granted, deputy_for=str(lender) if lender else None)


def _repeats(aggregate: EventAggregate, request: Request, asker: Asker | None, client: Client | None) -> bool:
    """Whether this very act, by this actor on this subject, was done before."""
    done = aggregate.repeated
    if done is None or done.data.get("action") != request.asked:
        return False
    actor = ("user", str(asker.user_id)) if asker else ("client", str(who_id(client)))
    return (done.actor_kind, done.actor_id) == actor


def _answer(
    aggregate: EventAggregate,
    subject: Event | WorkOrder | Report,
    request: Request,
    asker: Asker | None,
    masters: Masters,
) -> dict[str, Any]:
    event = aggregate.event
    answer: dict[str, Any] = {
        "event_id": str(event.id),
        "event_no": event.event_no,
        "event_state": event.state,
        "seq": event.seq,
        "action": request.action,
        "state": subject.state,
        "repeated": False,
    }
    if isinstance(subject, WorkOrder):
        answer["work_order_id"] = f"{event.id}.{subject.n}"
    if isinstance(subject, Report):
        answer["report_id"] = str(subject.id)
    if asker is not None:
        answer["allowed_actions"] = offered_names(request.resource, asker, masters, aggregate, subject)
    return answer


_MERGED = text(
    """
    WITH RECURSIVE family(id) AS (
      SELECT e.id FROM event e WHERE e.merged_into = :id
      UNION SELECT e.id FROM event e JOIN family f ON e.merged_into = f.id
    ) SELECT id FROM family
    """
)


async def settle_merged(session: AsyncSession, keyring: Keyring, turn: Turn) -> None:
    """Events merged into one are final with it, and open again when it is; each says so on its own timeline."""
    root = turn.event.event
    ids = (await session.scalars(_MERGED, {"id": root.id})).all()
    merged = (await lock_events(session, ids)).values() if ids else ()
    for child in merged:
        if (child.event.settled_at is None) != (root.settled_at is None):
            child.change(child.event, settled_at=root.settled_at)
            name = "reopen" if root.settled_at is None else "settled"
            child.record(turn.act, name, data={"with": str(root.id)}, note="")
    await write_events(session, keyring, [child for child in merged if child.timeline])


async def _identity(session: AsyncSession, runtime: Runtime, report_id: UUID) -> dict[str, Any] | None:
    row = (
        await session.execute(
            text(
                "SELECT i.sealed, k.wrapped FROM report_identity i JOIN report_key k USING (report_id) "
                "WHERE i.report_id = :id"
            ),
            {"id": report_id},
        )
    ).one_or_none()
    if row is None:
        return None
    plain = open_sealed(runtime.keyring.unwrap(row.wrapped), row.sealed, IDENTITY_AAD + report_id.bytes)
    found: dict[str, Any] = orjson.loads(plain)
    return found


async def _keep_late(
    runtime: Runtime,
    token: AccessToken,
    request: Request,
    action: Action,
    body: ActBody,
    refusal: Conflict | NotFound | Forbidden,
) -> None:
    """Keeps what an offline phone sent too late, when the event is there and the actor has or had a part in it."""
    # Refused for what they are, not for what has happened meanwhile; an inspection may have gone to somebody else.
    if isinstance(refusal, Forbidden) and not action.claimant:
        return
    async with transaction(runtime.sessions) as session:
        who: Asker | Client
        if isinstance(token.subject, ClientSubject):
            who = await client_of(session, token)
        else:
            who = await user_of(session, token)
        event_id = request.event_id
        if event_id is None and request.report_id is not None:
            event_id = await event_of_report(session, request.report_id)
        if event_id is None:
            return
        await late_acts.keep(
            session,
            who,
            await runtime.masters.at(session, who.jurisdiction_id, who.release_vector),
            event_id,
            resource=request.resource,
            n=request.n,
            report_id=request.report_id,
            action=request.action,
            body=body,
            why=refusal.detail,
            theirs=isinstance(refusal, Conflict),
        )
    # Whose the event is not any more learns nothing of it by its being kept.
    if isinstance(refusal, Conflict):
        refusal.extra["kept"] = True
