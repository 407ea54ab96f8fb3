"""Sealing, digests, chains and signatures: each opens for the right key and for nothing else."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.crypto import (
    CHAIN_START,
    Keyring,
    UnsealError,
    derive_key,
    normalise_phone,
    open_sealed,
    seal,
    sign_delivery,
    verify_delivery,
)
from app.core.settings import Settings

AT = datetime(2026, 5, 6, 4, 0, tzinfo=UTC)
SECRETS = {name: f"{name}-{'0123456789abcdef' * 2}" for name in ("secret", "sealing", "digest", "timeline")}


def make_keyring(*, sealing: str = SECRETS["sealing"], retired: tuple[str, ...] = (), **other: str) -> Keyring:
    return Keyring(
        secret_key=SECRETS["secret"],
        sealing_key=sealing,
        digest_key=other.get("digest", SECRETS["digest"]),
        timeline_key=other.get("timeline", SECRETS["timeline"]),
        retired_sealing_keys=retired,
    )


@pytest.fixture(name="keyring")
def _keyring() -> Keyring:
    return make_keyring()


@given(plaintext=st.binary(max_size=300), aad=st.binary(max_size=40))
def test_what_is_sealed_opens_again(plaintext: bytes, aad: bytes) -> None:
    key = secrets.token_bytes(32)
    assert open_sealed(key, seal(key, plaintext, aad), aad) == plaintext


def test_sealing_the_same_twice_shows_no_likeness() -> None:
    key = secrets.token_bytes(32)
    assert seal(key, b"same", b"") != seal(key, b"same", b"")


@given(position=st.integers(min_value=0, max_value=28), bit=st.integers(min_value=0, max_value=7))
def test_every_changed_bit_is_noticed(position: int, bit: int) -> None:
    key = bytes(32)
    sealed = bytearray(seal(key, b"", b"place"))
    sealed[position] ^= 1 << bit
    with pytest.raises(UnsealError):
        open_sealed(key, bytes(sealed), b"place")


def test_sealed_data_opens_only_with_its_key_and_in_its_place() -> None:
    key = secrets.token_bytes(32)
    sealed = seal(key, b"text", b"report 1")
    for wrong_key, aad in ((secrets.token_bytes(32), b"report 1"), (key, b"report 2")):
        with pytest.raises(UnsealError):
            open_sealed(wrong_key, sealed, aad)


@pytest.mark.parametrize("length", range(0, 29, 4))
def test_cut_short(length: int) -> None:
    key = bytes(32)
    with pytest.raises(UnsealError):
        open_sealed(key, seal(key, b"text", b"")[:length], b"")


def test_a_data_key_comes_wrapped_and_unwraps(keyring: Keyring) -> None:
    key, wrapped = keyring.new_data_key()
    assert len(key) == 32
    assert key not in wrapped
    assert keyring.unwrap(wrapped) == make_keyring().unwrap(wrapped) == key
    assert keyring.new_data_key()[0] != key


def test_a_retired_sealing_key_still_opens_and_data_keys_can_move_on(keyring: Keyring) -> None:
    key, wrapped = keyring.new_data_key()
    fresh = secrets.token_urlsafe(32)
    rotated = make_keyring(sealing=fresh, retired=(SECRETS["sealing"],))
    assert rotated.needs_rewrap(wrapped)
    moved = rotated.wrap(rotated.unwrap(wrapped))
    assert not rotated.needs_rewrap(moved)
    assert make_keyring(sealing=fresh).unwrap(moved) == key
    with pytest.raises(UnsealError, match="retired"):
        make_keyring(sealing=fresh).unwrap(wrapped)


def test_damaged_wrapped_keys(keyring: Keyring) -> None:
    _, wrapped = keyring.new_data_key()
    for position in range(len(wrapped)):
        damaged = bytearray(wrapped)
        damaged[position] ^= 1
        with pytest.raises(UnsealError):
            keyring.unwrap(bytes(damaged))
    for wrong in (b"", wrapped[:-1], wrapped + b"x"):
        with pytest.raises(UnsealError):
            keyring.unwrap(wrong)


def test_sealing_what_belongs_to_no_report(keyring: Keyring) -> None:
    sealed = keyring.seal_alone(b"endpoint secret", b"client 7")
    assert keyring.open_alone(sealed, b"client 7") == b"endpoint secret"
    for wrong, aad in ((sealed, b"client 8"), (sealed[:-1], b"client 7"), (b"", b"client 7")):
        with pytest.raises(UnsealError):
            keyring.open_alone(wrong, aad)


@pytest.mark.parametrize(
    "written",
    [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "+86 13812345678",
        "86-138-1234-5678",
        "008613812345678",
        "+86(0)13812345678",
        "013812345678",
        "1795113812345678",
        "１３８１２３４５６７８",
        " 13812345678 转 801",
    ],
)
def test_one_spelling_for_a_mobile_number(written: str) -> None:
    assert normalise_phone(written) == "13812345678"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("025-8765 4321", "02587654321"),
        ("(025)87654321", "02587654321"),
        ("+86 25 87654321", "02587654321"),
        ("+86-025-87654321", "02587654321"),
        ("87654321", "87654321"),
        ("8765432", "8765432"),
        ("12345", "12345"),
        ("+86 12345", "12345"),
        ("400-810-1234", "4008101234"),
        ("86543210", "86543210"),
        ("+852 2345 6789", "+85223456789"),
        ("0085223456789", "+85223456789"),
        ("无", ""),
        ("", ""),
        ("+", ""),
    ],
)
def test_other_numbers(written: str, normal: str) -> None:
    assert normalise_phone(written) == normal


@given(st.text(max_size=30))
def test_normalising_any_text_yields_digits_and_is_final(text: str) -> None:
    once = normalise_phone(text)
    assert once.removeprefix("+").isdigit() or not once


def test_phone_digests_find_the_same_caller_under_any_spelling(keyring: Keyring) -> None:
    digest = keyring.digest("13812345678", "phone")
    assert len(digest) == 32
    assert keyring.digest("+86 138-1234-5678", "phone") == digest
    assert keyring.digest("13812345679", "phone") != digest
    assert keyring.digest("13812345678", "external_id") != digest
    assert make_keyring(digest=secrets.token_urlsafe(32)).digest("13812345678", "phone") != digest


def test_all_callers_without_a_number_are_not_one_caller(keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="phone"):
        keyring.digest("未提供", "phone")


def test_a_chain_depends_on_order_content_and_key(keyring: Keyring) -> None:
    def tip(ring: Keyring, *payloads: bytes) -> bytes:
        mac = CHAIN_START
        for payload in payloads:
            mac = ring.chain_mac(mac, payload)
        return mac

    tips = [
        tip(keyring, b"a", b"b"),
        tip(keyring, b"b", b"a"),
        tip(keyring, b"ab"),
        tip(keyring, b"a"),
        tip(make_keyring(timeline=secrets.token_urlsafe(32)), b"a", b"b"),
    ]
    assert len(set(tips)) == len(tips)
    assert tip(make_keyring(), b"a", b"b") == tips[0]
    with pytest.raises(ValueError, match="32"):
        keyring.chain_mac(b"", b"a")


def test_a_note_is_vouched_for_only_with_its_salt(keyring: Keyring) -> None:
    salt = secrets.token_bytes(16)
    digest = keyring.salted_digest(salt, "已联系")
    assert digest == make_keyring().salted_digest(salt, "已联系")
    assert digest != keyring.salted_digest(salt, "未联系")
    assert digest != keyring.salted_digest(secrets.token_bytes(16), "已联系")
    assert keyring.salted_digest(salt + b"a", "b") != keyring.salted_digest(salt, "ab")
    with pytest.raises(ValueError, match="salt"):
        keyring.salted_digest(b"short", "已联系")


def test_keys_for_different_uses_are_unrelated() -> None:
    keys = {derive_key("one secret", use) for use in ("token", "wrap", "digest", "timeline")}
    assert len(keys) == 4


def test_keyring_comes_from_settings_and_shows_no_key() -> None:
    settings = Settings(demo=True)
    keyring = Keyring.from_settings(settings)
    assert settings.sealing_key.get_secret_value() not in repr(keyring)
    key, wrapped = keyring.new_data_key()
    assert Keyring.from_settings(settings).unwrap(wrapped) == key
    assert len(keyring.token_key) == 32


def test_a_signed_delivery_is_recognised() -> None:
    header = sign_delivery(b"secret", AT, b'{"a":1}')
    assert header.startswith(f"t={int(AT.timestamp())},v1=")
    assert verify_delivery(b"secret", header, b'{"a":1}', AT + timedelta(minutes=4))
    assert verify_delivery(b"secret", header.replace(",v1=", ",v1=00,v1="), b'{"a":1}', AT), "two secrets"


@pytest.mark.parametrize("late_by", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_replayed_delivery_is_refused(late_by: timedelta) -> None:
    assert not verify_delivery(b"secret", sign_delivery(b"secret", AT, b"x"), b"x", AT + late_by)


def test_a_changed_delivery_is_refused() -> None:
    header = sign_delivery(b"secret", AT, b"x")
    assert not verify_delivery(b"secret", header, b"y", AT)
    assert not verify_delivery(b"other", header, b"x", AT)
    later = header.replace(f"t={int(AT.timestamp())}", f"t={int(AT.timestamp()) + 1}")
    assert not verify_delivery(b"secret", later, b"x", AT)


@pytest.mark.parametrize(
    "header", ["", "v1=ab", "t=1", "t=x,v1=ab", "t=,v1=", "t=1,t=2,v1=ab", "é=1,v1=é", "t=１,v1=a"]
)
def test_a_header_that_makes_no_sense_is_refused(header: str) -> None:
    assert not verify_delivery(b"secret", header, b"x", AT)
