"""Who takes a delivery: a system at an address (real), or nobody (Null).

What we promise a receiver: each message is posted at least once, in order within its lane, and every repetition
carries the same ``Bihuan-Delivery-Id`` and ``Idempotency-Key``. What we ask: 2xx when it is stored; 409 when this id
is stored already, which counts as delivered; 410 when the address has gone for good, which stops the lane until a
person looks; anything else is tried again. Redirects are not followed: a signed message goes where it was addressed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, Protocol

import httpx

from app.core.crypto import sign_delivery
from app.core.timing import now

CONNECT_SECONDS: Final = 5.0
#: between two pieces of an answer, and for the whole exchange
READ_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 15.0
#: an answer's body is thrown away; what is longer than this is not even read
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_RETRY_AFTER: Final = timedelta(hours=6)

#: the receiver is overloaded or its gateway finds it down: others addressed to it need not be tried just now
_BUSY: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. ``delivery_id`` is the same at every repetition; ``body`` is JSON."""

    delivery_id: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver made of a message. ``detail`` is kept as the delivery's last error."""

    outcome: Literal["delivered", "retry", "dead"]
    detail: str | None = None
    #: nothing gets through to this receiver at the moment
    down: bool = False
    #: the receiver asked not to be tried sooner
    retry_after: timedelta | None = None


class Receiver(Protocol):
    """Takes messages. May raise: then it is tried again."""

    async def send(self, message: Message) -> Answer:
        """Hands the message over; never within a database transaction."""
        ...


class NullReceiver:
    """Accepts everything and keeps nothing: for clients that gave no address."""

    async def send(self, message: Message) -> Answer:
        """Delivered, always."""
        return Answer("delivered")


class HttpReceiver:
    """Posts messages to an address, signed with the receiver's own secret if it has one."""

    def __init__(self, client: httpx.AsyncClient, url: str, secret: bytes | None) -> None:
        self._client = client
        self._url = url
        self._secret = secret

    def __repr__(self) -> str:
        return "<HttpReceiver>"  # an address can hold credentials

    async def send(self, message: Message) -> Answer:
        """Posts the message; every failure of the network is an answer, none is raised."""
        headers = {
            "Content-Type": "application/json",
            "Bihuan-Delivery-Id": message.delivery_id,
            "Bihuan-Delivery-Kind": message.kind,
            "Idempotency-Key": message.delivery_id,
        }
        if self._secret is not None:
            headers["Bihuan-Signature"] = sign_delivery(self._secret, now(), message.body)
        answer: Answer | None = None
        try:
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                self._client.stream("POST", self._url, content=message.body, headers=headers) as response,
            ):
                # The status is the answer, however the rest of it comes or does not come.
                answer = _judge(response)
                await _read_away(response)
        except TimeoutError:
            return answer or Answer("retry", "no answer in time", down=True)
        except httpx.InvalidURL:
            return Answer("dead", "the address is not a valid URL")
        except httpx.UnsupportedProtocol:
            return Answer("dead", "the address is neither http nor https")
        except httpx.HTTPError as fault:
            # the kind only: messages of the transport can quote the address
            return answer or Answer("retry", f"no answer: {type(fault).__name__}", down=True)
        return answer


async def _read_away(response: httpx.Response) -> None:
    """Reads a short answer to its end, so that the connection can be used again; drops a long one."""
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            return


def _judge(response: httpx.Response) -> Answer:
    status = response.status_code
    detail = f"HTTP {status}"
    if response.is_success:
        return Answer("delivered")
    if status == httpx.codes.CONFLICT:
        return Answer("delivered", f"{detail}: it had this message already")
    if status == httpx.codes.GONE:
        return Answer("dead", f"{detail}: the address has gone for good")
    if response.is_redirect:
        return Answer("retry", f"{detail}: redirects are not followed")
    return Answer("retry", detail, down=status in _BUSY, retry_after=_retry_after(response))


def _retry_after(response: httpx.Response) -> timedelta | None:
    """``Retry-After`` in seconds (RFC 9110 §10.2.3); its date form is rare and our own back-off serves as well."""
    value = response.headers.get("Retry-After", "")
    if not value.isdecimal() or len(value) > 9:
        return None
    return min(timedelta(seconds=int(value)), MAX_RETRY_AFTER)


@asynccontextmanager
async def open_http(concurrency: int) -> AsyncIterator[httpx.AsyncClient]:
    """The client that all HttpReceivers of a process share; proxies of the environment are not used."""
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=concurrency * 2, max_keepalive_connections=concurrency),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "bihuan"},
    ) as client:
        yield client
