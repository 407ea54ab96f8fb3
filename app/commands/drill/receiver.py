"""A small system of our own that takes deliveries and notes their ids: what it got, and how often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class DeliveryReceiver:
    """Counts deliveries by their id. ``url`` is where it listens."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its other end is gone: a sender that was killed breaks off anywhere."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                await reader.readexactly(int(headers.get("content-length", "0")))
                # noted before it is answered: who dies in between has delivered
                self.received[headers["bihuan-delivery-id"]] += 1
                writer.write(_ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def repeated(self) -> int:
        """Deliveries beyond the first of each id."""
        return sum(self.received.values()) - len(self.received)


@asynccontextmanager
async def listening_receiver() -> AsyncIterator[DeliveryReceiver]:
    """A receiver on a free port of the loopback, until the block ends."""
    receiver = DeliveryReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/deliveries"
    try:
        yield receiver
    finally:
        server.close()
