"""A database that is still starting up: its server takes connections and refuses each, until it is let through."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url

_SSL_REQUEST = 80877103
#: ErrorResponse of the wire protocol, as the server itself words it: cannot_connect_now
_STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@dataclass(slots=True)
class Recovering:
    """Stands before a real server. ``ready`` lets new connections through; ``refused`` counts those that it did not."""

    url: str = ""
    ready: bool = False
    refused: int = 0
    seen: asyncio.Condition = field(default_factory=asyncio.Condition)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def until_refused(self, times: int) -> None:
        """Returns when so many connections have been refused."""
        async with self.seen:
            await self.seen.wait_for(lambda: self.refused >= times)

    def fall(self) -> None:
        """Breaks every connection and refuses new ones."""
        self.ready = False
        for writer in self._open:
            writer.transport.abort()

    async def take(self, real: URL, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        self._open.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.ready:
                await self._through(real, reader, writer)
            else:
                await self._refuse(reader, writer)
        self._open.discard(writer)
        writer.close()

    async def _through(self, real: URL, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder, port = real.query.get("host"), real.query.get("port") or real.port or 5432
        if folder:
            there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        else:
            there = await asyncio.open_connection(real.host, int(str(port)))
        ways = [asyncio.create_task(_pipe(reader, there[1])), asyncio.create_task(_pipe(there[0], writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there[1].close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await _packet(reader) == _SSL_REQUEST:
            writer.write(b"N")
            await _packet(reader)
        writer.write(b"E" + struct.pack("!I", len(_STARTING_UP) + 4) + _STARTING_UP)
        await writer.drain()
        self.refused += 1
        async with self.seen:
            self.seen.notify_all()


async def _packet(reader: asyncio.StreamReader) -> int:
    """Reads one packet of the time before the first answer, and gives its code."""
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    (code,) = struct.unpack("!I", (await reader.readexactly(length - 4))[:4])
    return int(code)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def recovering(url: str) -> AsyncIterator[Recovering]:
    """The database of ``url`` behind a server of this process, on a port of its own."""
    real = make_url(url)
    front = Recovering()
    server = await asyncio.start_server(lambda r, w: front.take(real, r, w), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    front.url = real.set(host=host, port=port, query={}).render_as_string(hide_password=False)
    try:
        yield front
    finally:
        server.close()
        front.fall()
