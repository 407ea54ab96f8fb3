"""Access tokens: signed JWTs (HS256) that say who asks, and nothing about what they may do.

Permissions are read from the seats at each request, so a seat that ends, ends at once. ``token_version`` is
compared with the account's by whoever loads the account: raising it there ends every token given out
before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey

from app.core import timing
from app.core.crypto import Keyring
from app.core.errors import Unauthenticated
from app.core.ids import uuid7
from app.core.settings import Settings

#: how far the clocks of two of our machines may differ
LEEWAY_SECONDS: Final = 30
#: real ones have fewer than 300 characters; a longer text is not worth decoding
MAX_TOKEN_CHARS: Final = 2048

_ALGORITHM: Final = "HS256"
#: RFC 9068's type, so that no other kind of token signed with the same key passes for one of these
_TYPE: Final = "at+jwt"


@dataclass(frozen=True, slots=True)
class UserSubject:
    """A person: the id of their ``user_account``."""

    id: UUID


@dataclass(frozen=True, slots=True)
class ClientSubject:
    """A channel's system: the id of its ``machine_client``."""

    id: int


Subject = UserSubject | ClientSubject


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a valid token says."""

    subject: Subject
    jurisdiction_id: int
    token_version: int
    issued_at: datetime
    expires_at: datetime
    jti: str


_KEPT_TOKENS: Final = 4096


class TokenIssuer:
    """Makes and checks access tokens under one key (32 bytes or more)."""

    def __init__(self, key: bytes, lifetime: timedelta) -> None:
        if len(key) < 32:
            raise ValueError("HS256 needs a key of at least 32 bytes")
        self._key = OctKey.import_key(key)
        self._lifetime = lifetime
        #: tokens whose signature was checked
        self._known: dict[str, tuple[dict[str, Any], AccessToken]] = {}
        self._rules = jwt.JWTClaimsRegistry(
            now=lambda: int(timing.now().timestamp()),
            leeway=LEEWAY_SECONDS,
            sub={"essential": True},
            jti={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        )

    @classmethod
    def from_settings(cls, settings: Settings, keyring: Keyring) -> "TokenIssuer":
        """The issuer that ``settings`` describe."""
        return cls(keyring.token_key, timedelta(minutes=settings.token_minutes))

    def issue(self, subject: Subject, *, jurisdiction_id: int, token_version: int) -> tuple[str, datetime]:
        """A new token and when it ends."""
        issued_at = timing.now().replace(microsecond=0)
        expires_at = issued_at + self._lifetime
        kind = "user" if isinstance(subject, UserSubject) else "client"
        claims = {
            "sub": f"{kind}:{subject.id}",
            "jur": jurisdiction_id,
            "ver": token_version,
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": uuid7().hex,
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE}
        return jwt.encode(header, claims, self._key, algorithms=[_ALGORITHM]), expires_at

    def verify(self, text: str) -> AccessToken:
        """What ``text`` says, if we signed it and it has not ended. Raises Unauthenticated."""
        if not text or len(text) > MAX_TOKEN_CHARS:
            raise _invalid()
        try:
            claims, token = self._known.get(text) or self._decode(text)
            self._rules.validate(claims)
        except ExpiredTokenError:
            raise Unauthenticated("登录已过期，请重新登录", reason="expired") from None
        except (JoseError, ValueError):
            raise _invalid() from None
        return token

    def _decode(self, text: str) -> tuple[dict[str, Any], AccessToken]:
        decoded = jwt.decode(text, self._key, algorithms=[_ALGORITHM])
        if decoded.header.get("typ") != _TYPE:
            raise _invalid()
        # A client sends the same token with every report. What we signed stays signed; whether it has ended, and
        # whether it was withdrawn, is asked every time.
        if len(self._known) >= _KEPT_TOKENS:
            self._known.clear()
        self._known[text] = decoded.claims, _read(decoded.claims)
        return self._known[text]


def _invalid() -> Unauthenticated:
    return Unauthenticated("登录凭证无效，请重新登录", reason="invalid")


def _read(claims: dict[str, Any]) -> AccessToken:
    try:
        kind, _, number = str(claims["sub"]).partition(":")
        subject: Subject = {"user": _user, "client": _client}[kind](number)
        return AccessToken(
            subject=subject,
            jurisdiction_id=int(claims["jur"]),
            token_version=int(claims["ver"]),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            jti=str(claims["jti"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _invalid() from None


def _user(number: str) -> Subject:
    return UserSubject(UUID(number))


def _client(number: str) -> Subject:
    return ClientSubject(int(number))
