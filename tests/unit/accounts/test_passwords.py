"""Passwords are checked without telling who has an account, and a flood of log-ins is turned away."""

import asyncio
import time

import pytest

from app.accounts import passwords
from app.accounts.passwords import Passwords, check_new_password
from app.core.errors import Malformed, TooMany


@pytest.fixture(name="cheap")
def _cheap() -> Passwords:
    return Passwords(time_cost=1, memory_kib=64, parallelism=1)


async def test_the_right_password_fits_and_no_other(cheap: Passwords) -> None:
    stored = await cheap.hash("城市运行 2026!")
    assert "城市" not in stored
    assert await cheap.verify("城市运行 2026!", stored) == (True, None)
    assert await cheap.verify("城市运行 2026", stored) == (False, None)
    assert stored != await cheap.hash("城市运行 2026!"), "salted"


async def test_full_width_input_is_the_same_password(cheap: Passwords) -> None:
    stored = await cheap.hash("password-1234")
    assert (await cheap.verify("ｐａｓｓｗｏｒｄ－１２３４", stored))[0]


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$broken"])
async def test_no_usable_hash_never_fits(stored: str | None, cheap: Passwords) -> None:
    for password in ("", "anything at all"):
        assert await cheap.verify(password, stored) == (False, None)


async def test_nobody_takes_as_long_as_somebody() -> None:
    heavier = Passwords(time_cost=4, memory_kib=4096, parallelism=1)
    stored = await heavier.hash("right password")

    async def fastest(password: str, against: str | None) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            await heavier.verify(password, against)
            times.append(time.perf_counter() - started)
        return min(times)

    somebody = await fastest("wrong password", stored)
    for password, against in (("wrong password", None), ("wrong password", "no hash"), ("x" * 5000, stored)):
        assert await fastest(password, against) > somebody / 3


async def test_a_hash_with_other_costs_is_renewed_on_log_in(cheap: Passwords) -> None:
    stored = await cheap.hash("right password")
    dearer = Passwords(time_cost=2, memory_kib=64, parallelism=1)
    fits, renewed = await dearer.verify("right password", stored)
    assert fits
    assert renewed is not None
    assert await dearer.verify("right password", renewed) == (True, None)
    assert await dearer.verify("wrong password", stored) == (False, None)


async def test_the_default_is_argon2id_with_64_mib() -> None:
    assert (await Passwords().hash("right password")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_at_most_two_at_a_time_and_a_flood_is_turned_away(
    cheap: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 6)
    release, running, most = asyncio.Event(), 0, 0

    async def held_thread(work: object) -> tuple[bool, None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return True, None

    monkeypatch.setattr(asyncio, "to_thread", held_thread)
    waiting = [asyncio.create_task(cheap.verify("x", None)) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as refusal:
        await cheap.verify("x", None)
    assert refusal.value.headers()["Retry-After"] == "5"
    release.set()
    await asyncio.gather(*waiting)
    assert most == 2
    assert (await cheap.verify("x", None))[0], "room again"


@pytest.mark.parametrize("password", ["", "short-9ch", "aaaaaaaaaaaa", "ababababababab", "x1y2" * 100])
def test_weak_new_passwords_are_refused(password: str) -> None:
    with pytest.raises(Malformed) as refusal:
        check_new_password(password)
    assert refusal.value.extra["faults"][0]["path"] == "password"
    assert not password or password not in refusal.value.detail


def test_ten_characters_are_enough() -> None:
    check_new_password("城市运行管理服务平台")
