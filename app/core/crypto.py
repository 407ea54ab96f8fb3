"""Keys and what is done with them: sealing personal data, search digests, timeline chains, signed deliveries.

Each report has a data key of its own, kept wrapped beside the report: erasing the wrapped key erases
everything sealed with it, copies in other tables and delivery bodies included (DESIGN.md §3). A ``Keyring``
is built from the settings once and passed to whoever needs it; there is no global one.

Layouts, so that they can be changed later:

* wrapped data key: version (1 byte, 1) · key-encryption key id (4) · nonce (12) · AES-256-GCM ciphertext
  (32) and tag (16)
* sealed text: version (1 byte, 1) · nonce (12) · AES-256-GCM ciphertext and tag (16)
"""

import hashlib
import hmac
import os
import re
import unicodedata
from datetime import datetime, timedelta
from typing import Final, Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.settings import Settings

DigestPurpose = Literal["phone", "external_id", "source_ref"]

KEY_BYTES: Final = 32
MIN_SALT_BYTES: Final = 16
#: what the first row of a timeline is chained to
CHAIN_START: Final = bytes(32)
#: how far the clock of a receiver of deliveries may differ from ours
DELIVERY_TOLERANCE: Final = timedelta(minutes=5)

_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = 1 + _KEY_ID_BYTES + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES


class UnsealError(Exception):
    """Sealed data does not open: another key, another place (``aad``), damaged, or from a newer version."""


def derive_key(secret: str, use: str) -> bytes:
    """32 bytes for one use from a secret text (HKDF-SHA-256, RFC 5869); other uses get unrelated keys."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"bihuan/1/{use}".encode()).derive(secret.encode())


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """``plaintext`` sealed under a data key of 32 bytes and tied to ``aad`` (the report id and column, say).

    Nonces are random: one data key serves the few texts of one report, far below the 2³² that AES-GCM allows.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """What ``seal`` was given. Raises UnsealError."""
    if sealed[:1] != _VERSION:
        raise UnsealError("unknown version of sealed data")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if len(ciphertext) < _TAG_BYTES:
        raise UnsealError("sealed data is cut short")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise UnsealError("sealed data does not open with this key and place") from None


class Keyring:
    """The keys of one deployment. Its ``repr`` shows no key."""

    def __init__(
        self,
        *,
        secret_key: str,
        sealing_key: str,
        digest_key: str,
        timeline_key: str,
        retired_sealing_keys: tuple[str, ...] = (),
    ) -> None:
        #: signs access tokens (32 bytes)
        self.token_key: Final = derive_key(secret_key, "token")
        self._digest_key: Final = derive_key(digest_key, "digest")
        self._timeline_key: Final = derive_key(timeline_key, "timeline")
        self._note_key: Final = derive_key(timeline_key, "timeline-note")
        self._wrapping_key_id: Final = _key_id(sealing_key)
        # AESGCM objects hold no state between calls, and making one costs as much as a short encryption.
        self._wrapping_keys: Final = {
            _key_id(secret): AESGCM(derive_key(secret, "wrap")) for secret in (*retired_sealing_keys, sealing_key)
        }

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The keyring that ``settings`` describe."""
        return cls(
            secret_key=settings.secret_key.get_secret_value(),
            sealing_key=settings.sealing_key.get_secret_value(),
            digest_key=settings.digest_key.get_secret_value(),
            timeline_key=settings.timeline_key.get_secret_value(),
            retired_sealing_keys=tuple(key.get_secret_value() for key in settings.retired_sealing_keys),
        )

    def __repr__(self) -> str:
        return f"<Keyring sealing with {self._wrapping_key_id.hex()}>"

    def new_data_key(self) -> tuple[bytes, bytes]:
        """A fresh data key (32 bytes), and the same wrapped (65 bytes), which is what is stored."""
        key = os.urandom(KEY_BYTES)
        return key, self.wrap(key)

    def wrap(self, key: bytes) -> bytes:
        """``key`` under the present sealing key."""
        header, nonce = _VERSION + self._wrapping_key_id, os.urandom(_NONCE_BYTES)
        return header + nonce + self._wrapping_keys[self._wrapping_key_id].encrypt(nonce, key, header)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key, wrapped under the present or a retired sealing key. Raises UnsealError."""
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _VERSION:
            raise UnsealError("not a wrapped data key")
        header, rest = wrapped[: 1 + _KEY_ID_BYTES], wrapped[1 + _KEY_ID_BYTES :]
        wrapping_key = self._wrapping_keys.get(header[1:])
        if wrapping_key is None:
            raise UnsealError(f"no sealing key with id {header[1:].hex()}: is a retired one missing?")
        try:
            return wrapping_key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header)
        except InvalidTag:
            raise UnsealError("the wrapped data key is damaged") from None

    def needs_rewrap(self, wrapped: bytes) -> bool:
        """True when ``wrapped`` is under a retired sealing key: ``wrap(unwrap(wrapped))`` moves it on."""
        return wrapped[1 : 1 + _KEY_ID_BYTES] != self._wrapping_key_id

    def seal_alone(self, plaintext: bytes, aad: bytes) -> bytes:
        """Seal what belongs to no report (a client's endpoint secret), with its own data key in front."""
        key, wrapped = self.new_data_key()
        return wrapped + seal(key, plaintext, aad)

    def open_alone(self, sealed: bytes, aad: bytes) -> bytes:
        """What ``seal_alone`` was given. Raises UnsealError."""
        return open_sealed(self.unwrap(sealed[:_WRAPPED_BYTES]), sealed[_WRAPPED_BYTES:], aad)

    def digest(self, value: str, purpose: DigestPurpose) -> bytes:
        """Keyed digest (32 bytes) that finds equal values without showing them; purposes cannot be compared.

        Phone numbers are normalised first. Raises ValueError for one without a number in it, since all
        those would be taken for the same caller: ask ``normalise_phone`` first.
        """
        if purpose == "phone":
            value = normalise_phone(value)
            if not value:
                raise ValueError("no phone number to digest")
        return hmac.digest(self._digest_key, f"{purpose}\0{value}".encode(), "sha256")

    def chain_mac(self, prev: bytes, payload: bytes) -> bytes:
        """Tag (32 bytes) of a timeline row, over the tag of the row before and its own payload.

        The first row of a timeline follows ``CHAIN_START``. Raises ValueError when ``prev`` is not 32
        bytes: with a shorter one, bytes could move between the two.
        """
        if len(prev) != len(CHAIN_START):
            raise ValueError("the tag before must be 32 bytes")
        return hmac.digest(self._timeline_key, prev + payload, "sha256")

    def salted_digest(self, salt: bytes, text: str) -> bytes:
        """Digest (32 bytes) by which a timeline row vouches for a note that can be erased.

        The salt (16 random bytes or more) is stored with the note and erased with it; then the digest tells
        nothing, however short the note was. Raises ValueError for a salt that is too short for this.
        """
        if not MIN_SALT_BYTES <= len(salt) <= 255:
            raise ValueError(f"a salt has {MIN_SALT_BYTES} to 255 bytes")
        return hmac.digest(self._note_key, bytes([len(salt)]) + salt + text.encode(), "sha256")


def _key_id(secret: str) -> bytes:
    """Tells sealing keys apart without showing anything of them."""
    return derive_key(secret, "wrap-id")[:_KEY_ID_BYTES]


_NOT_DIALLED = re.compile(r"[^0-9+]")
_EXTENSION = re.compile(r"(转|分机|ext|#|,|;).*$", re.IGNORECASE | re.DOTALL)
#: prefixes dialled for cheap trunk calls, which some exchanges leave in the calling number
_TRUNK_PREFIX = re.compile(r"^(17951|17909|17911|12593)(?=0?1[3-9]\d{9}$|0\d{9,11}$)")
_MOBILE = re.compile(r"^1[3-9]\d{9}$")


def normalise_phone(text: str) -> str:
    """One spelling for the many that sources use for a Chinese phone number; empty when there is none in it.

    Mobile numbers become 11 digits; fixed lines keep their area code with its 0; numbers of other countries
    start with ``+``. Country code, separators, full-width digits, extensions and trunk prefixes go.
    """
    number = _NOT_DIALLED.sub("", _EXTENSION.sub("", unicodedata.normalize("NFKC", text).strip()))
    foreign = number.startswith(("+", "00"))
    number = number.replace("+", "")
    if foreign:
        number = number.removeprefix("00")
        if not number.startswith("86"):
            return f"+{number}" if number else ""
        number = number.removeprefix("86")
        if not _MOBILE.match(number) and not number.startswith("0") and len(number) >= 9:
            number = "0" + number
    elif number.startswith("86") and _MOBILE.match(number[2:]):
        number = number[2:]
    number = _TRUNK_PREFIX.sub("", number)
    return number[1:] if number.startswith("0") and _MOBILE.match(number[1:]) else number


def sign_delivery(secret: bytes, timestamp: datetime, body: bytes) -> str:
    """Value of the signature header of a delivery: ``t=<Unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">``."""
    seconds = int(timestamp.timestamp())
    return f"t={seconds},v1={_delivery_mac(secret, seconds, body)}"


def verify_delivery(
    secret: bytes, header: str, body: bytes, at: datetime, tolerance: timedelta = DELIVERY_TOLERANCE
) -> bool:
    """True when ``header`` signs ``body`` and was made within ``tolerance`` of ``at``.

    Several ``v1`` may be given: a sender that changes its secret signs with both for a while.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        return False
    seconds = int(times[0])
    if abs(at.timestamp() - seconds) > tolerance.total_seconds():
        return False
    expected = _delivery_mac(secret, seconds, body).encode()
    return any(name == "v1" and hmac.compare_digest(value.encode(), expected) for name, _, value in parts)


def _delivery_mac(secret: bytes, seconds: int, body: bytes) -> str:
    return hmac.new(secret, b"%d." % seconds + body, hashlib.sha256).hexdigest()
