"""What each answer of a receiver means, and what is sent to it. No network: httpx's own mock transport."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import pytest

from app.core.crypto import verify_delivery
from app.core.receivers import MAX_ANSWER_BYTES, Answer, HttpReceiver, Message, NullReceiver, open_http
from app.core.timing import now

URL = "https://source.example/hook?key=private"
MESSAGE = Message("0192.7", "result", b'{"state":"closed"}')


class Body(httpx.AsyncByteStream):
    """An answer that comes piece by piece, as from a network, and may break off."""

    def __init__(self, pieces: int = 1, fault: Exception | None = None) -> None:
        self._pieces = pieces
        self._fault = fault
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._pieces):
            self.read += 1024
            yield b"x" * 1024
        if self._fault is not None:
            raise self._fault


async def send(
    answer: Callable[[httpx.Request], httpx.Response], url: str = URL, secret: bytes | None = b"s" * 32
) -> Answer:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        return await HttpReceiver(client, url, secret).send(MESSAGE)


async def test_a_message_is_posted_signed_and_under_its_id() -> None:
    seen: list[httpx.Request] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, stream=Body())

    assert await send(accept) == Answer("delivered")
    [request] = seen
    assert (request.method, str(request.url), request.content) == ("POST", URL, MESSAGE.body)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Bihuan-Delivery-Id"] == request.headers["Idempotency-Key"] == "0192.7"
    assert request.headers["Bihuan-Delivery-Kind"] == "result"
    assert verify_delivery(b"s" * 32, request.headers["Bihuan-Signature"], request.content, now())
    await send(accept, secret=None)
    assert "Bihuan-Signature" not in seen[1].headers


@pytest.mark.parametrize(
    ("status", "outcome", "down"),
    [
        (200, "delivered", False),
        (204, "delivered", False),
        (409, "delivered", False),
        (410, "dead", False),
        (301, "retry", False),
        (400, "retry", False),
        (401, "retry", False),
        (429, "retry", True),
        (500, "retry", False),
        (503, "retry", True),
    ],
)
async def test_what_an_answer_means(status: int, outcome: str, down: bool) -> None:
    answer = await send(lambda _: httpx.Response(status, headers={"Location": "https://other.example/"}, stream=Body()))
    assert (answer.outcome, answer.down) == (outcome, down)


@pytest.mark.parametrize(
    ("value", "after"),
    [("120", timedelta(minutes=2)), ("999999", timedelta(hours=6)), ("soon", None), ("9" * 40, None), ("²", None)],
)
async def test_a_receiver_may_ask_for_patience(value: str, after: timedelta | None) -> None:
    answer = await send(lambda _: httpx.Response(503, headers=[(b"Retry-After", value.encode())], stream=Body()))
    assert answer.retry_after == after


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_no_answer_is_tried_again_and_tells_nothing_of_the_address(fault: type[httpx.TransportError]) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise fault(f"cannot reach {URL}")

    answer = await send(fail)
    assert (answer.outcome, answer.down) == ("retry", True)
    assert answer.detail == f"no answer: {fault.__name__}"


async def test_an_address_that_is_none_is_for_a_person() -> None:
    async with open_http(1) as client:
        for url in ("ftp://source.example", "source.example", "http://[::1"):
            answer = await HttpReceiver(client, url, None).send(MESSAGE)
            assert answer.outcome == "dead"
            assert "source.example" not in (answer.detail or "")


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    body = Body(pieces=10_000)
    assert await send(lambda _: httpx.Response(200, stream=body)) == Answer("delivered")
    assert body.read <= MAX_ANSWER_BYTES + 1024


async def test_an_answer_that_breaks_off_after_its_status_is_an_answer() -> None:
    body = Body(fault=httpx.ReadError("gone"))
    assert await send(lambda _: httpx.Response(200, stream=body)) == Answer("delivered")


async def test_null_accepts() -> None:
    assert await NullReceiver().send(MESSAGE) == Answer("delivered")


def test_a_receiver_shows_neither_address_nor_secret() -> None:
    assert "private" not in repr(HttpReceiver(httpx.AsyncClient(), URL, b"secret"))
