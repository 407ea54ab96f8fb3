"""发现, from outside: messages come in, are kept, and go through the loop in one transaction; none is ever lost.

One message or many take the same path: one statement keeps them, one locks the places, one finds neighbours, one
writes everything. If deriving fails, the raw message is kept as ``held`` with its fault and a job tries again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app import loop
from app.accounts.access import Client, client_by_id, client_of
from app.accounts.tokens import AccessToken
from app.clocks.calendar import CHINA_TIME
from app.core import jobs
from app.core.database import transaction
from app.core.errors import BihuanError, Conflict, Forbidden, Unauthenticated, Unavailable
from app.core.faults import fault_point
from app.core.timing import now
from app.dispatch.loads import open_orders
from app.events.again import ReportMoved, until_alone
from app.events.aggregate import Act, Actor
from app.events.store import event_of_report, load_reports, lock_events, still_there, write_events
from app.intake import admission, inbox
from app.intake.amendments import is_amendment, told_by_source
from app.intake.analysis import Analysis, Analyst, with_client_datum
from app.intake.channels import CHANNELS, ClientTraits, Fault, MalformedMessage
from app.intake.duplicates import DuplicateRule, KnownEvent, Sighting, lock_nearest
from app.intake.inbox import Arrival, ChangedMessage, Earlier, arrive
from app.masters import Masters, routing
from app.runtime import Runtime
from app.turn import Turn

log = structlog.get_logger()

Outcome = Literal["created", "joined", "held", "supplemented"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """回执: what a source gets for its message; the same again for every retry. ``repeated``: it was there before."""

    report_id: UUID
    source_ref: str
    outcome: Outcome
    received_at: datetime
    event_id: UUID | None = None
    event_no: str | None = None
    repeated: bool = False

    def as_body(self) -> dict[str, Any]:
        """The receipt as the API answers it."""
        return {
            "report_id": str(self.report_id),
            "source_ref": self.source_ref,
            "outcome": self.outcome,
            "event_id": str(self.event_id) if self.event_id else None,
            "event_no": self.event_no,
            "received_at": self.received_at.astimezone(CHINA_TIME).isoformat(),
            "repeated": self.repeated,
        }


@dataclass(frozen=True, slots=True)
class _Derived:
    """An arrival with what was found out about it."""

    arrival: Arrival
    analysis: Analysis
    item_id: int | None
    sighting: Sighting | None


def read_message(channel: str, body: Mapping[str, Any], raw: bytes | None, runtime: Runtime) -> Arrival:
    """Reads a channel's own message; ``raw`` None: it came inside another one. Raises ``MalformedMessage``."""
    # Whose message it is, and so the datum agreed with them, is known when it is taken in.
    report = CHANNELS[channel].parse(body, ClientTraits(crs_later=True))
    try:
        return arrive(orjson.dumps(body) if raw is None else raw, body, report, runtime.keyring)
    except orjson.JSONEncodeError:
        # Fields that a channel does not know are let through unread; only their depth can still be too much.
        raise MalformedMessage([Fault("", "too_deep", "报文嵌套层数过多，请只发送接口说明中的字段。")]) from None


async def take_in(
    runtime: Runtime, token: AccessToken, channel: str, arrivals: Sequence[Arrival]
) -> list[Receipt | BihuanError]:
    """Takes messages of one client in, one transaction for all, and answers each in order.

    Raises ``Unauthenticated`` or ``Forbidden`` for the client, and errors of the database: then nothing was kept and
    the client may send again. A message whose deriving fails is held and answered with a receipt all the same.
    """

    async def once() -> list[Receipt | BihuanError]:
        async with transaction(runtime.sessions) as session:
            client = await client_of(session, token)
            if client.channel != channel:
                raise Forbidden(f"该来源系统登记的渠道是 {client.channel}，不能用 {channel} 渠道上报。")
            receipts = await _receive(session, runtime, client, arrivals)
            fault_point("intake.before_commit")
        return receipts

    try:
        receipts = await until_alone(once)
        fault_point("intake.after_commit")
        return receipts
    except (Unauthenticated, Forbidden, Unavailable, OSError, TimeoutError):
        raise
    except DBAPIError as fault:
        if fault.connection_invalidated or not _data_fault(fault):
            raise
        reason = f"{type(fault.orig).__name__}"
    except Exception as fault:
        log.exception("intake.derive_failed", client_id=token.subject.id, count=len(arrivals))
        reason = f"{type(fault).__name__}: {str(fault)[:200]}"
    if len(arrivals) > 1:
        one_by_one = [await take_in(runtime, token, channel, [arrival]) for arrival in arrivals]
        return [receipts[0] for receipts in one_by_one]
    return [await _hold(runtime, token, arrivals[0], reason)]


def _data_fault(fault: DBAPIError) -> bool:
    """True when the statement itself was refused (bad data, a constraint), not the connection or the server's state."""
    code = str(getattr(fault.orig, "sqlstate", "") or "")
    return code[:2] in ("22", "23", "42")


async def _hold(runtime: Runtime, token: AccessToken, arrival: Arrival, fault: str) -> Receipt | BihuanError:
    async with transaction(runtime.sessions) as session:
        client = await client_of(session, token)
        at = now()
        if await inbox.keep(session, client.id, [arrival], at, fault=fault):
            await jobs.enqueue(session, "retry_held", str(arrival.id), {"message_id": str(arrival.id)}, at)
            return Receipt(arrival.id, arrival.report.source_ref, "held", at)
        known = (await inbox.earlier(session, client.id, [arrival])).get(arrival.report.source_ref, ())
        receipt = _repeated(arrival, known)
        if known and isinstance(receipt, BihuanError):
            await _keep_refused(session, runtime, arrival, known[0], at)
        if known and is_amendment(client.channel, arrival, known):
            return Unavailable("本次补充或修订暂时未能处理，请稍后原样重试。", source_ref=arrival.report.source_ref)
        return receipt


async def retry_held(runtime: Runtime, message_id: UUID) -> None:
    """Derives a held message again; the job's own retries follow when it fails again."""
    async with transaction(runtime.sessions) as session:
        row = (
            await session.execute(
                text(
                    """
                    SELECT i.client_id, i.received_at, k.wrapped, i.digest
                    FROM inbox i JOIN report_key k ON k.report_id = i.id
                    WHERE i.id = :id AND i.state = 'held' FOR UPDATE OF i
                    """
                ),
                {"id": message_id},
            )
        ).one_or_none()
        raw = await inbox.open_raw(session, message_id, runtime.keyring) if row else None
        if row is None or raw is None:
            return
        client = await client_by_id(session, row.client_id)
        report = CHANNELS[client.channel].parse(orjson.loads(raw), ClientTraits(crs_later=True))
        key = runtime.keyring.unwrap(row.wrapped)
        # What is promised to the reporter counts from when the message came, not from when we could read it.
        arrival = Arrival(
            message_id, raw, with_client_datum(report, client.crs), row.digest, key, row.wrapped, row.received_at
        )
        masters = await runtime.masters.at(session, client.jurisdiction_id, client.release_vector)
        await _derive_and_write(session, runtime, client, masters, [arrival], now())
        await session.execute(
            text("UPDATE inbox SET state = 'accepted', fault = NULL WHERE id = :id"), {"id": message_id}
        )


async def _receive(
    session: AsyncSession, runtime: Runtime, client: Client, arrivals: Sequence[Arrival]
) -> list[Receipt | BihuanError]:
    at = now()
    masters = await runtime.masters.at(session, client.jurisdiction_id, client.release_vector)
    receipts: dict[UUID, Receipt | BihuanError] = {}
    legible: list[Arrival] = []
    for arrival in arrivals:
        try:
            legible.append(_with_datum(client, arrival))
        except MalformedMessage as fault:
            receipts[arrival.id] = fault.as_error()
    new = await inbox.keep(session, client.id, legible, at)
    fault_point("intake.after_inbox")
    fresh = [arrival for arrival in legible if arrival.id in new]
    if fresh:
        for receipt in await _derive_and_write(session, runtime, client, masters, fresh, at):
            receipts[receipt.report_id] = receipt
    if len(fresh) < len(legible):
        again = [arrival for arrival in legible if arrival.id not in new]
        again.sort(key=lambda arrival: arrival.report.revision)
        known = await inbox.earlier(session, client.id, again)
        for arrival in again:
            receipts[arrival.id] = await _again(
                session, runtime, client, arrival, known.get(arrival.report.source_ref, ()), at
            )
    return [receipts[arrival.id] for arrival in arrivals]


def _with_datum(client: Client, arrival: Arrival) -> Arrival:
    """The message with the datum agreed with its client. Raises ``MalformedMessage`` when it needs one and has none."""
    if all(point.crs for point in arrival.report.points):
        return arrival
    if client.crs is None:
        CHANNELS[client.channel].parse(orjson.loads(arrival.raw), ClientTraits())
    return replace(arrival, report=with_client_datum(arrival.report, client.crs))


async def _derive_and_write(
    session: AsyncSession,
    runtime: Runtime,
    client: Client,
    masters: Masters,
    arrivals: Sequence[Arrival],
    at: datetime,
) -> list[Receipt]:
    derived = await _analyse(masters, arrivals, at)
    rule = DuplicateRule(masters.policies.duplicate_radius_m, masters.policies.duplicate_window)
    known, open_events = await lock_nearest(session, rule, [one.sighting for one in derived if one.sighting])
    numbers = iter(await runtime.numbers.take(session, len(derived), at))
    act = Act(Actor("client", str(client.id)), at, at)
    shared = frozenset[int]().union(*(_shared_duty(masters, one.analysis) for one in derived))
    load = await open_orders(session, shared)
    receipts: list[Receipt] = []
    for one in derived:
        target = rule.nearest(one.sighting, known) if one.sighting else None
        if target is not None:
            aggregate, outcome = open_events[target], "joined"
            turn = Turn(masters, aggregate, act)
            loop.join(turn, one.arrival, one.analysis, client, runtime.keyring, cause="same_place")
        else:
            turn = _begin(masters, client, one, next(numbers), act)
            turn.load = dict(load)
            loop.begin(turn, one.arrival, one.analysis, client, runtime.keyring)
            aggregate, outcome = turn.event, "created"
            for order in aggregate.open_orders if shared else ():
                load[order.unit_id] = load.get(order.unit_id, 0) + 1  # the next of this batch must know
            open_events[aggregate.event.id] = aggregate
            if one.sighting and aggregate.event.ended_at is None:
                known.append(KnownEvent(aggregate.event.id, one.sighting))
        receipts.append(
            Receipt(
                one.arrival.id,
                one.arrival.report.source_ref,
                "joined" if outcome == "joined" else "created",
                at,
                aggregate.event.id,
                aggregate.event.event_no,
            )
        )
    touched = [aggregate for aggregate in open_events.values() if aggregate.timeline]
    for aggregate in touched:
        Turn(masters, aggregate, act).rest()
    await write_events(session, runtime.keyring, touched)
    return receipts


def _shared_duty(masters: Masters, found: Analysis) -> frozenset[int]:
    if found.item is None or found.item.default_level != "grid":
        return frozenset()
    return routing.shared_duty(masters, found.location.cell_id, found.location.community_code)


def _begin(masters: Masters, client: Client, one: _Derived, event_no: str, act: Act) -> Turn:
    """A turn on an event of its own, with nothing done yet."""
    receiver = one.arrival.report.first_receiver
    aggregate = admission.new_event(
        client.jurisdiction_id,
        event_no,
        one.arrival,
        one.analysis,
        one.item_id,
        dict(masters.vector),
        act.at,
        level=routing.level_of(masters, one.analysis.item, one.analysis.grade.urgency),
        first_receiver_id=masters.organizations.id_of(receiver) if receiver else None,
    )
    return Turn(masters, aggregate, act)


async def _analyse(masters: Masters, arrivals: Sequence[Arrival], at: datetime) -> list[_Derived]:
    register = masters.router.components.find
    analyst = Analyst(masters.items, masters.classifier, masters.places, masters.organizations, register)
    reports = [arrival.report for arrival in arrivals]
    # One text takes less than a thread switch is worth; a batch would hold up every other request.
    analyses = analyst.analyse(reports) if len(reports) == 1 else await asyncio.to_thread(analyst.analyse, reports)
    derived = []
    for arrival, analysis in zip(arrivals, analyses, strict=True):
        item_id = masters.item_ids[analysis.item.key] if analysis.item else None
        found = admission.sighting(item_id, analysis, arrival.report, arrival.received_at or at)
        derived.append(_Derived(arrival, analysis, item_id, found))
    return derived


async def _again(
    session: AsyncSession,
    runtime: Runtime,
    client: Client,
    arrival: Arrival,
    known: Sequence[Earlier],
    at: datetime,
) -> Receipt | BihuanError:
    """A message whose ref is known: a retry, a supplement or amendment, or a contradiction that is kept."""
    receipt = _repeated(arrival, known)
    if isinstance(receipt, Receipt) or not known:
        return receipt
    first = known[0]
    if not is_amendment(client.channel, arrival, known):
        await _keep_refused(session, runtime, arrival, first, at)
        return receipt
    if first.event_id is None:
        return Unavailable("原诉求尚在处理，本次补充或修订请稍后原样重试。", source_ref=first.source_ref)
    return await _supplement(session, runtime, client, arrival, first, Act(Actor("client", str(client.id)), at, at))


async def _keep_refused(
    session: AsyncSession, runtime: Runtime, arrival: Arrival, first: Earlier, at: datetime
) -> None:
    wrapped = await session.scalar(text("SELECT wrapped FROM report_key WHERE report_id = :id"), {"id": first.id})
    if wrapped is not None:
        await inbox.keep_refused(session, arrival, first, wrapped, runtime.keyring, at)


def _repeated(arrival: Arrival, known: Sequence[Earlier]) -> Receipt | BihuanError:
    first = known[0] if known else None
    if first is None:
        return Conflict("该消息正在处理，请稍后重发。", source_ref=arrival.report.source_ref)
    same = next((message for message in known if message.digest == arrival.digest), None)
    if same is not None:
        outcome: Outcome = "held" if first.event_id is None else "created" if first.cause == "first" else "joined"
        return Receipt(
            first.id,
            first.source_ref,
            "supplemented" if same.state == "supplement" else outcome,
            same.received_at,
            first.event_id,
            first.event_no,
            repeated=True,
        )
    return ChangedMessage(
        "同一编号的诉求已收到且内容不同：本渠道不接受覆盖。补充内容请用补充接口，或换新的编号、修订号。",
        source_ref=first.source_ref,
        report_id=str(first.id),
    )


async def _supplement(
    session: AsyncSession, runtime: Runtime, client: Client, arrival: Arrival, first: Earlier, act: Act
) -> Receipt | BihuanError:
    event_id = await event_of_report(session, first.id)
    if event_id is None:
        raise ReportMoved
    aggregate = (await lock_events(session, [event_id]))[event_id]
    await load_reports(session, aggregate, only=first.id)
    still_there(aggregate, first.id)
    # Looked up again under the event's lock: the same supplement may have come twice at one instant, and two
    # different ones must not take the same revision.
    known = (await inbox.earlier(session, client.id, [arrival]))[first.source_ref]
    receipt = _repeated(arrival, known)
    if isinstance(receipt, Receipt):
        return receipt
    if not is_amendment(client.channel, arrival, known):  # a higher one came between looking and locking
        await _keep_refused(session, runtime, arrival, first, act.at)
        return receipt
    # A copy: when this step is done again, the message must look as it came.
    revision = max(arrival.report.revision, known[-1].revision + 1)
    kept = replace(arrival, report=replace(arrival.report, revision=revision))
    await inbox.keep(session, client.id, [kept], act.at, state="supplement")
    masters = await runtime.masters.at(session, client.jurisdiction_id, client.release_vector)
    turn = Turn(masters, aggregate, act)
    for report in aggregate.reports:
        loop.supplement(turn, report, told_by_source(arrival.report), police_client_id=client.police_client_id)
    turn.rest()
    await write_events(session, runtime.keyring, [aggregate])
    return Receipt(first.id, first.source_ref, "supplemented", act.at, first.event_id, first.event_no)
