"""Only tokens that we signed, that are whole and not yet over, say who asks."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.accounts.tokens import LEEWAY_SECONDS, ClientSubject, Subject, TokenIssuer, UserSubject
from app.core.crypto import Keyring
from app.core.errors import Unauthenticated
from app.core.settings import Settings
from app.core.timing import MovableClock, use_clock

AT = datetime(2026, 5, 6, 4, 0, tzinfo=UTC)
KEY = b"k" * 32
USER = UserSubject(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))


@pytest.fixture(name="issuer")
def _issuer() -> TokenIssuer:
    return TokenIssuer(KEY, timedelta(hours=8))


@pytest.fixture(autouse=True, name="clock")
def _clock() -> Any:
    with use_clock(MovableClock(AT)) as clock:
        yield clock


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hand_made(header: dict[str, Any], claims: dict[str, Any], key: bytes = KEY, digest: str = "sha256") -> str:
    signed = f"{b64(orjson.dumps(header))}.{b64(orjson.dumps(claims))}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


HEADER = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS = {
    "sub": f"user:{USER.id}",
    "jur": 1,
    "ver": 0,
    "iat": int(AT.timestamp()),
    "exp": int(AT.timestamp()) + 60,
    "jti": "one",
}


@pytest.mark.parametrize("subject", [USER, ClientSubject(12)])
def test_a_token_says_who_it_was_given_to(subject: Subject, issuer: TokenIssuer) -> None:
    text, expires_at = issuer.issue(subject, jurisdiction_id=3, token_version=5)
    token = issuer.verify(text)
    assert (token.subject, token.jurisdiction_id, token.token_version) == (subject, 3, 5)
    assert (token.issued_at, token.expires_at) == (AT, expires_at) == (AT, AT + timedelta(hours=8))


def test_each_token_has_an_id_of_its_own(issuer: TokenIssuer) -> None:
    ids = {issuer.verify(issuer.issue(USER, jurisdiction_id=1, token_version=0)[0]).jti for _ in range(3)}
    assert len(ids) == 3


def test_a_token_ends(issuer: TokenIssuer, clock: MovableClock) -> None:
    text, expires_at = issuer.issue(USER, jurisdiction_id=1, token_version=0)
    clock.set(expires_at + timedelta(seconds=LEEWAY_SECONDS - 1))
    issuer.verify(text)
    clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="已过期") as refusal:
        issuer.verify(text)
    assert refusal.value.to_problem()["reason"] == "expired"


def test_a_token_from_the_future_is_refused(issuer: TokenIssuer, clock: MovableClock) -> None:
    text, _ = issuer.issue(USER, jurisdiction_id=1, token_version=0)
    clock.advance(seconds=-LEEWAY_SECONDS)
    issuer.verify(text)
    clock.advance(seconds=-1)
    with pytest.raises(Unauthenticated):
        issuer.verify(text)


def test_the_hand_made_token_of_these_tests_is_good(issuer: TokenIssuer) -> None:
    assert issuer.verify(hand_made(HEADER, CLAIMS)).subject == USER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "令牌",
        "x" * 5000,
        hand_made({**HEADER, "alg": "none"}, CLAIMS),
        hand_made({**HEADER, "alg": "none"}, CLAIMS).rpartition(".")[0] + ".",
        hand_made({**HEADER, "alg": "None"}, CLAIMS).rpartition(".")[0] + ".",
        hand_made({**HEADER, "alg": "HS512"}, CLAIMS, digest="sha512"),
        hand_made({**HEADER, "alg": "RS256"}, CLAIMS),
        hand_made({"typ": "at+jwt"}, CLAIMS),
        hand_made({"alg": "HS256", "typ": "JWT"}, CLAIMS),
        hand_made({**HEADER, "crit": ["x"], "x": 1}, CLAIMS),
        hand_made(HEADER, CLAIMS, key=b"o" * 32),
        hand_made({**HEADER, "jwk": {"kty": "oct", "k": b64(b"o" * 32)}}, CLAIMS, key=b"o" * 32),
        hand_made(HEADER, CLAIMS)[:-2],
        hand_made(HEADER, CLAIMS) + "\n.",
    ],
)
def test_what_we_did_not_sign_this_way_is_refused(text: str, issuer: TokenIssuer) -> None:
    with pytest.raises(Unauthenticated, match="无效") as refusal:
        issuer.verify(text)
    assert refusal.value.headers() == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_every_claim_is_needed(claim: str, issuer: TokenIssuer) -> None:
    with pytest.raises(Unauthenticated):
        issuer.verify(hand_made(HEADER, {name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", "admin:1"),
        ("sub", "user:1"),
        ("sub", "client:x"),
        ("sub", "user"),
        ("sub", ""),
        ("sub", 5),
        ("sub", None),
        ("jur", "x"),
        ("ver", None),
        ("exp", "tomorrow"),
        ("exp", 10**30),
        ("iat", [1]),
    ],
)
def test_claims_that_make_no_sense_are_refused(claim: str, value: object, issuer: TokenIssuer) -> None:
    signed = f"{b64(orjson.dumps(HEADER))}.{b64(json.dumps({**CLAIMS, claim: value}).encode())}"
    text = f"{signed}.{b64(hmac.digest(KEY, signed.encode(), 'sha256'))}"
    with pytest.raises(Unauthenticated):
        issuer.verify(text)


def test_any_changed_character_is_noticed(issuer: TokenIssuer) -> None:
    text, _ = issuer.issue(USER, jurisdiction_id=1, token_version=0)
    for position in range(0, len(text) - 1, 7):
        other = "A" if text[position] != "A" else "B"
        with pytest.raises(Unauthenticated):
            issuer.verify(text[:position] + other + text[position + 1 :])


def test_short_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        TokenIssuer(b"short", timedelta(hours=1))


def test_lifetime_and_key_come_from_the_settings() -> None:
    settings = Settings(demo=True, token_minutes=5)
    issuer = TokenIssuer.from_settings(settings, Keyring.from_settings(settings))
    text, expires_at = issuer.issue(USER, jurisdiction_id=1, token_version=0)
    assert expires_at == AT + timedelta(minutes=5)
    with pytest.raises(Unauthenticated):
        TokenIssuer(KEY, timedelta(hours=8)).verify(text)
