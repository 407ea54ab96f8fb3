"""Who asks: the person with their seats, or the machine client; read from the database at every request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.organizations import Organizations
from app.accounts.tokens import AccessToken, ClientSubject, UserSubject
from app.core.database import fetch
from app.core.errors import Forbidden, Unauthenticated
from app.core.timing import now

#: seats of the centre: what they see is an area; the order is that of the one in which somebody is taken to act
CENTRE_ROLES = (
    "shift_leader",
    "dispatcher",
    "operator",
    "callback_agent",
    "supervisor",
    "quality_reviewer",
    "adjudicator",
)
#: seats in a unit: what they see is that unit's part in events
UNIT_ROLES = ("unit_liaison", "handler", "grid_worker")
#: the three separated administrators (DESIGN.md §6): no deputy ever holds their seats, nor is one of them a deputy
ADMINISTRATORS = ("system_administrator", "security_administrator", "audit_administrator")


@dataclass(frozen=True, slots=True)
class Seat:
    """A role within a scope: an area, or an organization and what is under it (their own when none is named)."""

    role: str
    area: str | None
    org_id: int | None
    #: whose seat it is, held as that person's deputy 代理; None: their own
    lent_by: UUID | None = None
    #: that person's organization
    home_id: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody for whom a deputy stands in now."""

    user_id: UUID
    org_id: int


@dataclass(frozen=True, slots=True)
class Asker:
    """A person who is logged in, with their current seats: their own first, then those they hold as a deputy."""

    user_id: UUID
    username: str
    display_name: str
    jurisdiction_id: int
    jurisdiction_code: str
    org_id: int
    seats: tuple[Seat, ...]
    release_vector: dict[str, int]
    #: as of a ``Client``
    police_client_id: int | None = None
    #: those whose deputy they are
    principals: tuple[Principal, ...] = ()

    @property
    def persons(self) -> frozenset[str]:
        """Their id and those of their principals: what one of them did, none of them may judge."""
        return frozenset(str(each) for each in (self.user_id, *(p.user_id for p in self.principals)))

    @property
    def homes(self) -> frozenset[int]:
        """Their organization and those of their principals."""
        return frozenset((self.org_id, *(p.org_id for p in self.principals)))

    def for_themselves(self) -> "Asker":
        """The same person with nothing but their own seats."""
        return replace(self, seats=tuple(seat for seat in self.seats if seat.lent_by is None))

    def capacities(self) -> "Iterator[tuple[UUID | None, Asker]]":
        """In whose place they may act: their own (None) first, then each principal's, with that one's seats alone."""
        yield None, self.for_themselves()
        for one in self.principals:
            lent = tuple(seat for seat in self.seats if seat.lent_by == one.user_id)
            yield one.user_id, replace(self, seats=lent, org_id=one.org_id)

    def has(self, roles: Iterable[str]) -> bool:
        """True when they hold one of these roles, in any scope."""
        wanted = set(roles)
        return any(seat.role in wanted for seat in self.seats)

    def areas(self, roles: Iterable[str] = CENTRE_ROLES) -> frozenset[str]:
        """Division codes over which they hold one of these roles."""
        wanted = set(roles)
        return frozenset(seat.area for seat in self.seats if seat.role in wanted and seat.area)

    def units(self, organizations: Organizations, roles: Iterable[str] = UNIT_ROLES) -> frozenset[int]:
        """Organizations for which they may act in one of these roles: each seat's, with all under it.

        A grid worker's seat names the area they walk; what they handle is what their own team was given.
        """
        wanted = set(roles)
        found: frozenset[int] = frozenset()
        for seat in self.seats:
            if seat.role in wanted and seat.role in UNIT_ROLES:
                found |= organizations.under(seat.org_id or seat.home_id or self.org_id)
        return found

    def role_among(self, roles: Iterable[str]) -> str | None:
        """The first of ``roles`` that they hold: the one in which they act."""
        held = {seat.role for seat in self.seats}
        return next((role for role in roles if role in held), None)

    def require(self, *roles: str) -> None:
        """Raises ``Forbidden`` unless they hold one of these roles."""
        if not self.has(roles):
            raise Forbidden("您的席位没有此项权限。", needs=list(roles))


@dataclass(frozen=True, slots=True)
class Client:
    """A machine client that is logged in."""

    id: int
    code: str
    jurisdiction_id: int
    channel: str
    crs: str | None
    release_vector: dict[str, int]
    #: the client of this jurisdiction that is told of danger to life; None: there is none
    police_client_id: int | None


# A deputy's own principals' seats only, one step: what these hold as somebody's deputy goes no further.
_USER = """
    SELECT u.id, u.username, u.display_name, u.jurisdiction_id, j.code AS jurisdiction_code, u.org_id,
           u.token_version, u.active, j.release_vector,
           (SELECT jsonb_agg(jsonb_build_array(s.role, s.scope_area, s.scope_org_id) ORDER BY s.id) FROM seat s
             WHERE s.user_id = u.id AND s.until IS NULL) AS seats,
           (SELECT jsonb_agg(jsonb_build_array(s.role, s.scope_area, s.scope_org_id, p.id, p.org_id)
              ORDER BY p.id, s.id)
             FROM deputy d JOIN user_account p ON p.id = d.user_id AND p.active
             JOIN seat s ON s.user_id = p.id AND s.until IS NULL AND s.role NOT IN
               ('system_administrator', 'security_administrator', 'audit_administrator')
             WHERE d.deputy_id = u.id AND d.until_at > $2 AND d.since_at <= $2) AS lent,
           (SELECT min(p.id) FROM machine_client p
             WHERE p.jurisdiction_id = j.id AND p.channel = 'police-110' AND p.active) AS police
    FROM user_account u JOIN jurisdiction j ON j.id = u.jurisdiction_id WHERE u.id = $1
    """

_CLIENT = """
    SELECT c.id, c.code, c.jurisdiction_id, c.channel, c.crs, c.token_version, c.active, j.release_vector,
           (SELECT min(p.id) FROM machine_client p
             WHERE p.jurisdiction_id = c.jurisdiction_id AND p.channel = 'police-110' AND p.active) AS police
    FROM machine_client c JOIN jurisdiction j ON j.id = c.jurisdiction_id WHERE c.id = $1
    """


def _only_valid(rows: Sequence[Any], token: AccessToken) -> Any:
    row = rows[0] if rows else None
    if row is None or not row["active"] or row["token_version"] != token.token_version:
        raise Unauthenticated("登录凭证已失效，请重新登录。", reason="revoked")
    return row


async def user_of(session: AsyncSession, token: AccessToken) -> Asker:
    """The person behind a token, with the release vector, in one statement. Raises ``Unauthenticated``."""
    if not isinstance(token.subject, UserSubject):
        raise Forbidden("此接口只供人员账号使用。")
    row = _only_valid(await fetch(session, _USER, token.subject.id, now()), token)
    lent = _lent(row["lent"] or ())
    return Asker(
        user_id=row["id"],
        username=row["username"],
        display_name=row["display_name"],
        jurisdiction_id=row["jurisdiction_id"],
        jurisdiction_code=row["jurisdiction_code"],
        org_id=row["org_id"],
        seats=(*(Seat(*seat) for seat in row["seats"] or ()), *lent),
        release_vector=row["release_vector"],
        police_client_id=row["police"],
        principals=tuple(dict.fromkeys(Principal(s.lent_by, s.home_id) for s in lent if s.lent_by and s.home_id)),
    )


def _lent(rows: Iterable[Sequence[Any]]) -> tuple[Seat, ...]:
    return tuple(Seat(role, area, org_id, UUID(user_id), home_id) for role, area, org_id, user_id, home_id in rows)


def _client(row: Any) -> Client:
    return Client(
        row["id"], row["code"], row["jurisdiction_id"], row["channel"], row["crs"], row["release_vector"], row["police"]
    )


async def client_by_id(session: AsyncSession, client_id: int) -> Client:
    """A machine client that exists, whether or not it may still log in, for work on what it sent before."""
    return _client((await fetch(session, _CLIENT, client_id))[0])


async def client_of(session: AsyncSession, token: AccessToken) -> Client:
    """The machine client behind a token, with the release vector. Raises ``Unauthenticated``."""
    if not isinstance(token.subject, ClientSubject):
        raise Forbidden("此接口只供已登记的来源系统使用。")
    row = _only_valid(await fetch(session, _CLIENT, token.subject.id), token)
    return _client(row)


_LOGIN_USER = text(
    """
    SELECT u.id, u.jurisdiction_id, u.password_hash, u.token_version, u.failures, u.locked_until
    FROM user_account u JOIN jurisdiction j ON j.id = u.jurisdiction_id
    WHERE u.username = :name AND u.active AND (CAST(:jurisdiction AS text) IS NULL OR j.code = :jurisdiction)
    ORDER BY u.jurisdiction_id LIMIT 2
    """
)
_LOGIN_CLIENT = text(
    """
    SELECT c.id, c.jurisdiction_id, c.secret_hash, c.token_version FROM machine_client c
    JOIN jurisdiction j ON j.id = c.jurisdiction_id
    WHERE c.code = :code AND c.active AND (CAST(:jurisdiction AS text) IS NULL OR j.code = :jurisdiction)
    ORDER BY c.jurisdiction_id LIMIT 2
    """
)
_FAILED = text(
    """
    UPDATE user_account SET failures = failures + 1,
      locked_until = CASE WHEN failures + 1 >= :max THEN CAST(:lock_until AS timestamptz) ELSE locked_until END
    WHERE id = :id
    """
)
_SUCCEEDED = text("UPDATE user_account SET failures = 0, locked_until = NULL WHERE id = :id AND failures > 0")


async def user_login_row(session: AsyncSession, name: str, jurisdiction: str | None) -> Any:
    """The account to log in to: None when there is none, or several and the jurisdiction is not named."""
    rows = (await session.execute(_LOGIN_USER, {"name": name, "jurisdiction": jurisdiction})).all()
    return rows[0] if len(rows) == 1 else None


async def client_login_row(session: AsyncSession, code: str, jurisdiction: str | None) -> Any:
    """The machine client to log in to; None as for ``user_login_row``."""
    rows = (await session.execute(_LOGIN_CLIENT, {"code": code, "jurisdiction": jurisdiction})).all()
    return rows[0] if len(rows) == 1 else None


async def note_login(
    session: AsyncSession, user_id: UUID, *, ok: bool, max_failures: int, lock_until: datetime
) -> None:
    """Counts a failed log-in and locks the account after too many; a good one clears the count."""
    if ok:
        await session.execute(_SUCCEEDED, {"id": user_id})
    else:
        await session.execute(_FAILED, {"id": user_id, "max": max_failures, "lock_until": lock_until})
