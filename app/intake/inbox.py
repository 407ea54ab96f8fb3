"""The inbox: the raw message is kept, sealed, before anything is derived from it; a retry is recognised here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.crypto import Keyring, open_sealed, seal
from app.core.database import fetch
from app.core.errors import Conflict
from app.core.ids import uuid7
from app.core.set_writes import to_json
from app.intake.normalised import NormalisedReport

RAW_AAD = b"inbox"


class ChangedMessage(Conflict):
    """The same ref and revision came with another body, and the channel has no supplements."""

    code = "changed_message"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message on its way in; ``id`` is the inbox row's and the report's.

    Frozen, because taking it in may be done again from the start: a step that needs another one makes a copy.
    """

    id: UUID
    raw: bytes
    report: NormalisedReport
    digest: bytes
    data_key: bytes
    wrapped_key: bytes
    #: when it came, if that was before now: a held message that is derived later
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that stands in the inbox already under the same ref."""

    id: UUID
    source_ref: str
    revision: int
    digest: bytes
    state: str
    received_at: datetime
    event_id: UUID | None
    event_no: str | None
    cause: str | None


def arrive(raw: bytes, body: Mapping[str, Any], report: NormalisedReport, keyring: Keyring) -> Arrival:
    """Gives a message its id, its data key and the digest by which a retry is recognised.

    The digest is over the sorted fields, so that a retry in a batch or with other white space is the same message.
    """
    data_key, wrapped = keyring.new_data_key()
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
    return Arrival(uuid7(), raw, report, keyring.digest(canonical, "source_ref"), data_key, wrapped)


# No index is named, because two must hold: one message of a revision, and one report of a ref. Whoever meets another
# transaction there waits until that one has ended, and then finds what it kept.
_KEEP = """
    WITH arrived AS (
      SELECT * FROM json_to_recordset(CAST(CAST($1 AS text) AS json))
        AS x(id uuid, source_ref text, revision integer, digest bytea, sealed bytea, wrapped bytea,
             state text, fault text)
    ), kept AS (
      INSERT INTO inbox (id, client_id, source_ref, revision, received_at, digest, sealed, state, fault)
      SELECT id, $2, source_ref, revision, $3, digest, sealed, state, fault FROM arrived
      ON CONFLICT DO NOTHING RETURNING id
    ), keys AS (
      INSERT INTO report_key (report_id, wrapped) SELECT a.id, a.wrapped FROM arrived a JOIN kept USING (id)
    )
    SELECT id FROM kept
    """

_EARLIER = text(
    """
    SELECT i.id, i.source_ref, i.revision, i.digest, i.state, i.received_at,
           l.event_id, e.event_no, l.cause
    FROM inbox i
    LEFT JOIN LATERAL (
      SELECT event_id, cause FROM event_report WHERE report_id = i.id ORDER BY joined_at LIMIT 1
    ) l ON true
    LEFT JOIN event e ON e.id = l.event_id
    WHERE i.client_id = :client_id AND i.source_ref = ANY(:refs)
    ORDER BY i.revision
    """
)

_REFUSE = text(
    """
    INSERT INTO inbox_refused (id, inbox_id, received_at, digest, sealed)
    VALUES (:id, :inbox_id, :at, :digest, :sealed) ON CONFLICT (inbox_id, digest) DO NOTHING
    """
)


async def keep(
    session: AsyncSession,
    client_id: int,
    arrivals: Sequence[Arrival],
    at: datetime,
    *,
    fault: str | None = None,
    state: Literal["accepted", "supplement"] = "accepted",
) -> set[UUID]:
    """Stores raw messages, sealed; returns the ids of those that are new. ``fault``: held because of it.

    A ref becomes one report: of several messages under it only the one with the lowest revision is stored, and none
    when the ref is known; ``state`` "supplement" stores what belongs to a report that is known.

    In the order of their refs, so that two batches with the same messages wait for each other instead of dead-locking.
    """
    firsts: dict[str, Arrival] = {}
    for arrival in sorted(arrivals, key=lambda arrival: (arrival.report.source_ref, arrival.report.revision)):
        firsts.setdefault(arrival.report.source_ref, arrival)
    rows: list[dict[str, Any]] = [
        {
            "id": arrival.id,
            "source_ref": arrival.report.source_ref,
            "revision": arrival.report.revision,
            "digest": arrival.digest,
            "sealed": seal(arrival.data_key, arrival.raw, RAW_AAD + arrival.id.bytes),
            "wrapped": arrival.wrapped_key,
            "state": "held" if fault else state,
            "fault": fault,
        }
        for arrival in firsts.values()
    ]
    return {row["id"] for row in await fetch(session, _KEEP, to_json(rows), client_id, at)}


async def earlier(session: AsyncSession, client_id: int, arrivals: Sequence[Arrival]) -> dict[str, list[Earlier]]:
    """What stands in the inbox under the refs of these messages, by ref."""
    refs = list({arrival.report.source_ref for arrival in arrivals})
    found = await session.execute(_EARLIER, {"client_id": client_id, "refs": refs})
    by_ref: dict[str, list[Earlier]] = {}
    for row in found:
        by_ref.setdefault(row.source_ref, []).append(Earlier(*row))
    return by_ref


async def keep_refused(
    session: AsyncSession, arrival: Arrival, first: Earlier, wrapped: bytes, keyring: Keyring, at: datetime
) -> None:
    """Keeps a changed body that was refused, sealed under the key of the message that it contradicts."""
    sealed = seal(keyring.unwrap(wrapped), arrival.raw, RAW_AAD + first.id.bytes)
    await session.execute(
        _REFUSE,
        {"id": arrival.id, "inbox_id": first.id, "at": at, "digest": arrival.digest, "sealed": sealed},
    )


async def open_raw(session: AsyncSession, message_id: UUID, keyring: Keyring) -> bytes | None:
    """The raw message as it came; None when its key was erased."""
    row = (
        await session.execute(
            text(
                "SELECT i.sealed, k.wrapped FROM inbox i LEFT JOIN report_key k ON k.report_id = i.id WHERE i.id = :id"
            ),
            {"id": message_id},
        )
    ).one()
    if row.wrapped is None:
        return None
    return open_sealed(keyring.unwrap(row.wrapped), row.sealed, RAW_AAD + message_id.bytes)
