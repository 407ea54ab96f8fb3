"""The chain of MACs over an event's timeline: made when rows are written, checked by ``bihuan audit verify``."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from app.core.crypto import CHAIN_START, Keyring
from app.core.set_writes import plain_row, set_values
from app.events.aggregate import EventAggregate
from app.events.tables import Event
from app.events.timeline_tables import Timeline, TimelineNote


def _payload(row: Timeline) -> bytes:
    """What a MAC covers: every column that says who did what when; notes by their salted digest."""
    return orjson.dumps(
        [
            str(row.event_id),
            row.n,
            row.jurisdiction_id,
            row.act,
            row.subject,
            row.subject_n,
            str(row.report_id) if row.report_id else None,
            row.from_state,
            row.to_state,
            row.actor_kind,
            row.actor_id,
            row.actor_role,
            row.actor_org_id,
            str(row.act_id) if row.act_id else None,
            row.acted_at,
            row.recorded_at,
            row.data,
            row.note_digest.hex() if row.note_digest else None,
        ],
        option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z,
    )


def head_tag(keyring: Keyring, event_id: UUID, n: int, mac: bytes) -> bytes:
    """The tag on the event row: without the key nobody can make one for an earlier head."""
    return keyring.chain_mac(mac, b"head" + event_id.bytes + n.to_bytes(8, "big"))


def seal_chain(aggregate: EventAggregate, keyring: Keyring) -> list[Timeline | TimelineNote]:
    """Gives the pending rows their MACs, moves the event's head, and returns the rows to insert."""
    event = aggregate.event
    rows: list[Timeline | TimelineNote] = []
    mac, n = event.head, event.head_n
    for pending in aggregate.timeline:
        row = pending.row
        if pending.note:
            salt = secrets.token_bytes(16)
            set_values(row, note_digest=keyring.salted_digest(salt, pending.note))
            rows.append(plain_row(TimelineNote, event_id=row.event_id, n=row.n, salt=salt, body=pending.note))
        mac = keyring.chain_mac(mac, _payload(row))
        set_values(row, mac=mac)
        n = row.n
        rows.append(row)
    if n != event.head_n:
        aggregate.change(event, head=mac, head_n=n, head_tag=head_tag(keyring, event.id, n, mac))
    return rows


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A place where an event's history is not what was written."""

    event_id: UUID
    n: int | None
    what: str


def verify_chain(
    event: Event, rows: Sequence[Timeline], notes: Iterable[TimelineNote], keyring: Keyring
) -> list[ChainFault]:
    """Faults of one event's chain; ``rows`` in order of ``n``. An erased note is no fault, a changed one is."""
    faults: list[ChainFault] = []
    mac, n = CHAIN_START, 0
    digests = {row.n: row.note_digest for row in rows}
    for row in rows:
        mac = keyring.chain_mac(mac, _payload(row))
        n = row.n
        if mac != row.mac:
            faults.append(ChainFault(event.id, row.n, "row changed, removed before it, or inserted"))
            mac = row.mac
    if (n, mac) != (event.head_n, event.head) or event.head_tag != head_tag(keyring, event.id, n, mac):
        faults.append(ChainFault(event.id, None, "the newest rows are not the ones that the event's head tags"))
    faults += [
        ChainFault(event.id, note.n, "note changed")
        for note in notes
        if digests.get(note.n) != keyring.salted_digest(note.salt, note.body)
    ]
    return faults
