"""Accounts and seats from a user file: what it says of a person is made so, and nothing is ever deleted."""

import asyncio
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import UNIT_ROLES
from app.accounts.holdings import refuse_bereft
from app.accounts.organizations import Organizations
from app.accounts.passwords import CONCURRENT_HASHES, Passwords, check_new_password
from app.accounts.rows import UserRow
from app.accounts.tables import Seat, UserAccount
from app.core.errors import Malformed
from app.core.ids import uuid7
from app.core.releases import lock
from app.core.set_writes import write_rows
from app.core.timing import now


@dataclass(frozen=True, slots=True)
class UsersOutcome:
    """What loading users came to, in accounts and seats."""

    created: int
    updated: int
    unchanged: int
    seats_begun: int
    seats_ended: int
    passwords_set: int


class _Place(NamedTuple):
    """A seat as the database keeps it."""

    role: str
    area: str | None
    org_id: int | None


@dataclass(frozen=True, slots=True)
class _Account:
    id: UUID
    display_name: str
    org_id: int
    has_password: bool
    closed_at: datetime | None


async def load_users(
    session: AsyncSession,
    jurisdiction_id: int,
    rows: Iterable[UserRow],
    organizations: Organizations,
    *,
    area_codes: Container[str],
    passwords: Passwords,
) -> UsersOutcome:
    """Creates and updates the accounts of ``rows``, and begins and ends seats until they are those listed.

    Loading the same again changes nothing. Accounts that are not listed are left as they are. A password is
    set only where the row has one and the account has none: a file never undoes what a person chose. Raises
    Malformed with every unit, scope and password that cannot be taken, and every account that was closed; StillHolds
    when somebody would lose the seat for what they hold. Nothing is written then.
    """
    rows = tuple(rows)
    places = _checked(rows, organizations, area_codes)
    # One loader at a time: two of them would both find an account missing.
    await lock(session, jurisdiction_id)
    accounts = await _accounts(session, jurisdiction_id, [row.username for row in rows])
    _refuse_closed(accounts)
    seats = await _seats(session, [account.id for account in accounts.values()])
    await _refuse_bereft(session, rows, accounts, places, seats, organizations)
    hashes = await _hashes(rows, accounts, passwords)
    at = now()
    inserts: list[UserAccount | Seat] = []
    updates: list[tuple[UserAccount | Seat, tuple[str, ...]]] = []
    touched: set[str] = set()
    begun = ended = 0
    for row in rows:
        account, org_id = accounts.get(row.username), organizations.id_of(row.org_code)
        user_id = account.id if account else uuid7()
        if account is None:
            inserts.append(
                UserAccount(
                    id=user_id,
                    jurisdiction_id=jurisdiction_id,
                    username=row.username,
                    display_name=row.display_name,
                    org_id=org_id,
                    password_hash=hashes.get(row.username),
                )
            )
        else:
            changes = {"display_name": row.display_name, "org_id": org_id}
            if row.username in hashes:
                changes["password_hash"] = hashes[row.username]
            elif (row.display_name, org_id) == (account.display_name, account.org_id):
                changes = {}
            if changes:
                updates.append((UserAccount(id=user_id, **changes), tuple(changes)))
                touched.add(row.username)
        wanted, held = places[row.username], seats.get(user_id, {})
        for place in wanted:
            if place not in held:
                inserts.append(_seat(user_id, place, at))
                begun += 1
        for place, (seat_id, since) in held.items():
            if place not in wanted:
                # A seat has a length, also one that ends in the moment it began.
                until = max(at, since + timedelta(microseconds=1))
                updates.append((Seat(id=seat_id, until=until), ("until",)))
                ended += 1
    await write_rows(session, inserts, updates)
    created = len(rows) - len(accounts)
    return UsersOutcome(created, len(touched), len(accounts) - len(touched), begun, ended, passwords_set=len(hashes))


def _seat(user_id: UUID, place: _Place, at: datetime) -> Seat:
    return Seat(user_id=user_id, role=place.role, scope_area=place.area, scope_org_id=place.org_id, since=at)


def _checked(
    rows: Iterable[UserRow], organizations: Organizations, area_codes: Container[str]
) -> dict[str, tuple[_Place, ...]]:
    """The seats of everybody, with their scopes looked up."""
    faults: list[tuple[str, str]] = []
    places: dict[str, tuple[_Place, ...]] = {}
    for row in rows:
        if row.username in places:
            faults.append((row.username, "用户名重复"))
        unit = organizations.by_code(row.org_code)
        if unit is None or not unit.active:
            faults.append((row.username, f"单位 {row.org_code} 不存在或已停用"))
        if row.password:
            try:
                check_new_password(row.password)
            except Malformed as error:
                faults.append((row.username, error.detail))
        found = []
        for role, scope in row.seatings:
            if not scope:
                found.append(_Place(role, None, None))
            elif scope in area_codes:
                found.append(_Place(role, scope, None))
            elif scope in organizations:
                found.append(_Place(role, None, organizations.id_of(scope)))
            else:
                faults.append((row.username, f"席位 {role} 的范围 {scope} 既不是区划也不是单位"))
        places[row.username] = tuple(found)
    if faults:
        raise Malformed(
            f"人员账号有 {len(faults)} 处错误，全部未载入",
            faults=[{"path": username, "message": message} for username, message in faults],
        )
    return places


async def _accounts(session: AsyncSession, jurisdiction_id: int, usernames: list[str]) -> dict[str, _Account]:
    found = await session.execute(
        select(
            UserAccount.username,
            UserAccount.id,
            UserAccount.display_name,
            UserAccount.org_id,
            UserAccount.password_hash.is_not(None),
            UserAccount.closed_at,
        ).where(UserAccount.jurisdiction_id == jurisdiction_id, UserAccount.username.in_(usernames))
    )
    return {
        # The driver has a UUID class of its own, which JSON writers do not know.
        username: _Account(UUID(int=id_.int), display_name, org_id, has_password, closed_at)
        for username, id_, display_name, org_id, has_password, closed_at in found
    }


def _refuse_closed(accounts: Mapping[str, _Account]) -> None:
    faults = [
        {"path": username, "message": f"账号已于 {account.closed_at:%Y-%m-%d} 注销，不能再启用；复职的请另立用户名"}
        for username, account in sorted(accounts.items())
        if account.closed_at is not None
    ]
    if faults:
        raise Malformed(f"名单中有 {len(faults)} 个账号已注销，全部未载入；请从名单中删去", faults=faults)


async def _refuse_bereft(
    session: AsyncSession,
    rows: Iterable[UserRow],
    accounts: Mapping[str, _Account],
    places: Mapping[str, tuple[_Place, ...]],
    seats: Mapping[UUID, Mapping[_Place, tuple[int, datetime]]],
    organizations: Organizations,
) -> None:
    """Raises ``StillHolds`` when people whose seats end, or who move, hold what they will have no seat for."""
    losing: dict[UUID, str] = {}
    units: dict[UUID, set[int]] = {}
    for row in rows:
        account, org_id, wanted = accounts.get(row.username), organizations.id_of(row.org_code), places[row.username]
        if account is None or org_id is None:
            continue
        if org_id == account.org_id and not seats.get(account.id, {}).keys() - set(wanted):
            continue
        losing[account.id] = row.username
        bases = {place.org_id or org_id for place in wanted if place.role in UNIT_ROLES}
        units[account.id] = {unit for base in bases for unit in organizations.under(base)}
    inspecting = [id_ for id_, name in losing.items() if any(place.role == "collector" for place in places[name])]
    await refuse_bereft(session, losing, units, inspecting)


async def _seats(session: AsyncSession, user_ids: list[UUID]) -> dict[UUID, dict[_Place, tuple[int, datetime]]]:
    """The seats that people hold now, each with its id and since when."""
    found = await session.execute(
        select(Seat.user_id, Seat.role, Seat.scope_area, Seat.scope_org_id, Seat.id, Seat.since).where(
            Seat.user_id.in_(user_ids), Seat.until.is_(None)
        )
    )
    seats: dict[UUID, dict[_Place, tuple[int, datetime]]] = {}
    for user_id, role, area, org_id, seat_id, since in found:
        seats.setdefault(user_id, {})[_Place(role, area, org_id)] = (seat_id, since)
    return seats


async def _hashes(rows: Iterable[UserRow], accounts: Mapping[str, _Account], passwords: Passwords) -> dict[str, str]:
    """Hashes of the passwords to set, a few at a time as ``Passwords`` works on them."""
    wanted = [
        row for row in rows if row.password and not ((account := accounts.get(row.username)) and account.has_password)
    ]
    hashes: dict[str, str] = {}
    for start in range(0, len(wanted), CONCURRENT_HASHES):
        batch = wanted[start : start + CONCURRENT_HASHES]
        made = await asyncio.gather(*(passwords.hash(row.password) for row in batch))
        hashes |= {row.username: hashed for row, hashed in zip(batch, made, strict=True)}
    return hashes
