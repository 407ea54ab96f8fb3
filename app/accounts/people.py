"""Accounts as those who look after people see them: by name, in pages, and whose they are to look after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import CENTRE_ROLES, UNIT_ROLES, Asker, Seat
from app.accounts.organizations import Organizations
from app.core.database import Json, fetch_named
from app.core.errors import NotFound
from app.core.pagination import Page, decode_cursor, digest_of, encode_cursor
from app.core.timing import now

#: whom a shift leader looks after: those whose seats name an area
_CENTRE_PEOPLE = (*CENTRE_ROLES, "collector")


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account with the seats of their own."""

    id: UUID
    username: str
    display_name: str
    jurisdiction_id: int
    org_id: int
    active: bool
    closed_at: datetime | None
    seats: tuple[Seat, ...]
    #: arrangements that last or are to come, as ``username``, ``display_name``, ``since_at``, ``until_at``
    deputies: tuple[Json, ...]
    #: the same, of those whose deputy they are
    stands_in_for: tuple[Json, ...]
    held_orders: int

    def as_asker(self, jurisdiction_code: str) -> Asker:
        """The person as if they asked, in their own seats: what they would see and might do."""
        return Asker(
            user_id=self.id,
            username=self.username,
            display_name=self.display_name,
            jurisdiction_id=self.jurisdiction_id,
            jurisdiction_code=jurisdiction_code,
            org_id=self.org_id,
            seats=self.seats,
            release_vector={},
        )


_ACCOUNTS = """
    WITH standing AS MATERIALIZED (
      SELECT d.user_id, d.deputy_id, d.since_at, d.until_at FROM deputy d WHERE d.until_at > :at
    )
    SELECT u.id, u.username, u.display_name, u.jurisdiction_id, u.org_id, u.active, u.closed_at,
      (SELECT jsonb_agg(jsonb_build_array(s.role, s.scope_area, s.scope_org_id) ORDER BY s.id) FROM seat s
        WHERE s.user_id = u.id AND s.until IS NULL) AS seats,
      (SELECT jsonb_agg(jsonb_build_object('username', p.username, 'display_name', p.display_name,
          'since_at', d.since_at, 'until_at', d.until_at) ORDER BY d.since_at, p.username)
        FROM standing d JOIN user_account p ON p.id = d.deputy_id WHERE d.user_id = u.id) AS deputies,
      (SELECT jsonb_agg(jsonb_build_object('username', p.username, 'display_name', p.display_name,
          'since_at', d.since_at, 'until_at', d.until_at) ORDER BY d.since_at, p.username)
        FROM standing d JOIN user_account p ON p.id = d.user_id WHERE d.deputy_id = u.id) AS stands_in_for,
      (SELECT count(*) FROM work_order o WHERE o.holder_id = u.id AND o.ended_at IS NULL) AS held_orders
    FROM user_account u WHERE u.jurisdiction_id = :jurisdiction AND {where}
    ORDER BY u.username LIMIT :most
"""

_LOCK = """
    SELECT u.id FROM user_account u WHERE u.jurisdiction_id = :jurisdiction AND u.username = :username FOR UPDATE
"""


def _account(row: Any) -> Account:
    return Account(
        id=UUID(int=row.id.int),  # the driver's own kind of it, which JSON writers do not know
        username=row.username,
        display_name=row.display_name,
        jurisdiction_id=row.jurisdiction_id,
        org_id=row.org_id,
        active=row.active,
        closed_at=row.closed_at,
        seats=tuple(Seat(*seat) for seat in row.seats or ()),
        deputies=_arrangements(row.deputies),
        stands_in_for=_arrangements(row.stands_in_for),
        held_orders=row.held_orders,
    )


def _arrangements(rows: Sequence[Json] | None) -> tuple[Json, ...]:
    times = ("since_at", "until_at")
    return tuple(row | {name: datetime.fromisoformat(row[name]) for name in times} for row in rows or ())


async def find_account(session: AsyncSession, jurisdiction_id: int, username: str, *, lock: bool = False) -> Account:
    """The account of that name; locked, nobody gives it work and nobody closes it until the transaction ends.

    Raises ``NotFound``.
    """
    values = {"jurisdiction": jurisdiction_id, "at": now(), "most": 1, "username": username}
    if "\x00" in username:
        raise unknown(username)
    if lock:
        # In a statement of its own: only a later one sees what whoever held the lock wrote.
        await fetch_named(session, _LOCK, values)
    rows = await fetch_named(session, _ACCOUNTS.format(where="u.username = :username"), values)
    if not rows:
        raise unknown(username)
    return _account(rows[0])


async def usernames(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of accounts."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = await fetch_named(session, "SELECT id, username FROM user_account WHERE id = ANY(:ids)", {"ids": wanted})
    return {UUID(int=row.id.int): row.username for row in rows}


def unknown(username: str) -> NotFound:
    """The refusal for an account that does not exist, or is not the asker's to look after."""
    return NotFound(f"没有用户 {username}，或不在您的管理范围内。")


# --- who looks after whom -----------------------------------------------------------------------------------------


def administers(asker: Asker) -> bool:
    """Whether they are a system administrator of the whole jurisdiction."""
    return asker.jurisdiction_code in asker.areas(("system_administrator",))


def leads(asker: Asker, account: Account) -> bool:
    """Whether the person works at the centre, in an area of which the asker is the shift leader."""
    mine = tuple(asker.areas(("shift_leader",)))
    return any(seat.role in _CENTRE_PEOPLE and (seat.area or "").startswith(mine) for seat in account.seats if mine)


def liaises(asker: Asker, account: Account, organizations: Organizations) -> bool:
    """Whether the asker is the liaison of the person's unit, or of one above it."""
    return account.org_id in asker.units(organizations, ("unit_liaison",))


def answers_for(asker: Asker, account: Account, organizations: Organizations) -> bool:
    """Whether all that the person may do is the asker's to arrange: a shift leader's desks, or a liaison's unit.

    Every seat counts, not where the person belongs: the liaison of a centre has no say over the seats at its desks.
    """
    units = asker.units(organizations, ("unit_liaison",))
    areas = tuple(asker.areas(("shift_leader",)))
    of_unit = (seat.role in UNIT_ROLES and (seat.org_id or account.org_id) in units for seat in account.seats)
    of_desk = (seat.role in _CENTRE_PEOPLE and (seat.area or "").startswith(areas) for seat in account.seats)
    return (account.org_id in units and all(of_unit)) or bool(areas and account.seats and all(of_desk))


def may_read(asker: Asker, account: Account, organizations: Organizations) -> bool:
    """Whether an account is the asker's to look at."""
    own = account.id == asker.user_id
    return own or administers(asker) or leads(asker, account) or liaises(asker, account, organizations)


async def list_accounts(
    session: AsyncSession,
    asker: Asker,
    organizations: Organizations,
    *,
    org_ids: Iterable[int] | None,
    active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[Account]:
    """The accounts that the asker looks after, by username. ``org_ids`` narrows to these organizations' people.

    Raises ``Forbidden`` for whoever looks after nobody, ``Malformed`` for a cursor of other filters.
    """
    asker.require("system_administrator", "unit_liaison", "shift_leader")
    org_ids = None if org_ids is None else sorted(org_ids)
    digest = digest_of("users", {"org": org_ids, "active": active})
    after = decode_cursor(cursor, digest, (str,))
    values: Json = {"jurisdiction": asker.jurisdiction_id, "at": now(), "most": limit + 1}
    where = ["true"]
    if not administers(asker):
        where.append(
            "(u.org_id = ANY(CAST(:units AS bigint[])) OR EXISTS (SELECT 1 FROM seat z WHERE z.user_id = u.id "
            "AND z.role = ANY(CAST(:roles AS text[])) AND (z.until IS NULL OR z.until >= u.closed_at) "
            "AND EXISTS (SELECT 1 FROM unnest(CAST(:areas AS text[])) a WHERE starts_with(z.scope_area, a))))"
        )
        values["units"] = sorted(asker.units(organizations, ("unit_liaison",)))
        values["areas"] = sorted(asker.areas(("shift_leader",)))
        values["roles"] = list(_CENTRE_PEOPLE)
    if org_ids is not None:
        where.append("u.org_id = ANY(CAST(:orgs AS bigint[]))")
        values["orgs"] = org_ids
    if active is not None:
        where.append("u.active = CAST(:active AS boolean)")
        values["active"] = active
    if after is not None:
        where.append("u.username > CAST(:after AS text)")
        values["after"] = after[0]
    rows = await fetch_named(session, _ACCOUNTS.format(where=" AND ".join(where)), values)
    found = [_account(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(found, encode_cursor(digest, (found[-1].username,)) if more else None)
