"""Passwords: argon2id, in threads, a few at a time (one hash takes about 0.1 s and 64 MiB)."""

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from app.core.errors import Malformed, TooMany

MIN_PASSWORD_CHARS: Final = 10
#: longer ones only cost us time
MAX_PASSWORD_CHARS: Final = 256
CONCURRENT_HASHES: Final = 2
#: more log-ins than this waiting for a thread are turned away, so that a flood of them cannot stop
#: everything else
MAX_WAITING: Final = 64

T = TypeVar("T")

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


def check_new_password(password: str) -> None:
    """Raises Malformed when ``password`` may not be set. Those set earlier are never judged again."""
    message = ""
    if len(password) < MIN_PASSWORD_CHARS:
        message = f"密码至少 {MIN_PASSWORD_CHARS} 个字符"
    elif len(password) > MAX_PASSWORD_CHARS:
        message = f"密码最多 {MAX_PASSWORD_CHARS} 个字符"
    elif len(set(password)) < 4:
        message = "密码过于简单，请使用更多不同的字符"
    if message:
        raise Malformed(message, faults=[{"path": "password", "message": message}])


class Passwords:
    """Hashes and checks passwords, one object per process. The costs are RFC 9106's second choice."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65536, parallelism: int = 4) -> None:
        self._hasher = PasswordHash(
            (
                Argon2Hasher(
                    time_cost=time_cost,
                    memory_cost=memory_kib,
                    parallelism=parallelism,
                    hash_len=_HASH_BYTES,
                    salt_len=_SALT_BYTES,
                ),
            )
        )
        self._slots = asyncio.Semaphore(CONCURRENT_HASHES)
        self._waiting = 0
        # Random bytes where the hash would be: no password fits, and finding that out takes as long as for
        # a real one.
        self._nobodys = (
            f"$argon2id$v=19$m={memory_kib},t={time_cost},p={parallelism}"
            f"${_unpadded(secrets.token_bytes(_SALT_BYTES))}${_unpadded(secrets.token_bytes(_HASH_BYTES))}"
        )

    async def hash(self, password: str) -> str:
        """What is stored for ``password``. Raises TooMany."""
        return await self._in_thread(lambda: self._hasher.hash(_normalised(password)))

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether ``password`` fits, and a new hash to store when the old one was made with other costs.

        ``stored`` None (nobody of that name, or no password set yet) never fits and takes as long as any
        other, so that the time does not tell who has an account. Raises TooMany.
        """
        if len(password) > MAX_PASSWORD_CHARS:
            password, stored = "", None
        return await self._in_thread(lambda: self._verify(_normalised(password), stored or self._nobodys))

    def _verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        try:
            return self._hasher.verify_and_update(password, stored)
        except UnknownHashError:
            return self._hasher.verify(password, self._nobodys), None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._slot():
            return await asyncio.to_thread(work)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise TooMany("登录请求过多，请稍后再试", retry_after_seconds=5)
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1


def _normalised(password: str) -> str:
    """One spelling for what different keyboards and input methods send."""
    return unicodedata.normalize("NFKC", password)


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
