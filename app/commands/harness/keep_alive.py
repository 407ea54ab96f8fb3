"""A bare HTTP/1.1 client over kept-alive connections, so cheap that it leaves the cores to the server it measures.

It speaks to our own API on the loopback and to nothing else: one request at a time a connection, bodies with a
Content-Length, no redirects, no TLS.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import urlencode, urlsplit

import orjson

ANSWER_SECONDS: Final = 60.0


class NoAnswer(Exception):
    """The connection broke or stayed silent: whether the request was done is not known."""


class _Link(asyncio.Protocol):
    """One TCP connection, never used again once it is broken."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = bytearray()
        self._body_at = 0
        self._end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        # uvloop's transports are no subclass of asyncio's, though they do the same
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        self._received += data
        if not self._end:
            head_end = self._received.find(b"\r\n\r\n")
            if head_end < 0:
                return
            self._body_at = head_end + 4
            self._end = self._body_at + _content_length(bytes(self._received[:head_end]))
        if len(self._received) < self._end:
            return
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((int(self._received[9:12]), bytes(self._received[self._body_at : self._end])))
        self._received.clear()
        self._end = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.transport = None
        self.fail("the connection broke")

    def fail(self, why: str) -> None:
        """Ends it; who waits for an answer gets NoAnswer."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(NoAnswer(why))
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


class Connection:
    """A place in the queue of requests: one at a time, over a link that is opened again after it broke."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._link: _Link | None = None

    async def open(self) -> _Link:
        """Opens it if it is not open. Raises NoAnswer."""
        if self._link is None or self._link.transport is None:
            try:
                _, self._link = await asyncio.get_running_loop().create_connection(_Link, self._host, self._port)
            except OSError as fault:
                raise NoAnswer(f"cannot connect: {type(fault).__name__}") from None
        return self._link

    async def send(self, request: bytes, *, timeout_seconds: float = ANSWER_SECONDS) -> tuple[int, bytes]:
        """Status and body of the answer to ``request`` (see ``Target``). Raises NoAnswer."""
        loop = asyncio.get_running_loop()
        link = await self.open()
        if link.transport is None:
            raise NoAnswer("the connection was closed at once")
        answer: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        link.answer = answer
        silent = loop.call_later(timeout_seconds, link.fail, "no answer in time")
        link.transport.write(request)
        try:
            return await answer
        finally:
            silent.cancel()

    def close(self) -> None:
        """Ends the connection; it may be used again."""
        if self._link is not None:
            self._link.fail("closed")
            self._link = None


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without Content-Length")


class Target:
    """The API at an address, with the head that every request to one of its channels carries."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not a plain http address: {url}")
        self.host, self.port = parts.hostname, parts.port or 80
        self._base = parts.path.rstrip("/")
        self._token = token

    def connection(self) -> Connection:
        """A connection to it, not opened yet."""
        return Connection(self.host, self.port)

    def get_request(self, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """The bytes of a GET of ``path`` (from the address's own path on)."""
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        return (
            f"GET {self._base}{path}{query} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{self._authorization()}\r\n"
        ).encode()

    def post_request(
        self, path: str, body: bytes, content_type: str = "application/json", *, if_match: int | None = None
    ) -> bytes:
        """The bytes of a POST of ``body`` to ``path`` (from the address's own path on)."""
        authorization = self._authorization()
        if if_match is not None:
            authorization += f'If-Match: "{if_match}"\r\n'
        return (
            f"POST {self._base}{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{authorization}"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def _authorization(self) -> str:
        return f"Authorization: Bearer {self._token}\r\n" if self._token else ""


async def access_token(url: str, client_id: str, secret: str) -> str:
    """The access token of a machine client. Raises NoAnswer, and PermissionError with the API's own words."""
    target = Target(url)
    form = urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret})
    connection = target.connection()
    try:
        status, body = await connection.send(
            target.post_request("/api/v1/auth/token", form.encode(), "application/x-www-form-urlencoded")
        )
    finally:
        connection.close()
    answer = orjson.loads(body)
    if status != 200:
        raise PermissionError(str(answer.get("detail", status)))
    return str(answer["access_token"])


class Connections:
    """Several connections to one target, closed together."""

    def __init__(self, target: Target, count: int) -> None:
        self.all = [target.connection() for _ in range(count)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self.all:
            connection.close()
