"""Bytes on the wire: exact to the byte for exchanges made by hand, and as a packet capture sees them."""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field

import pytest

from lab import wire
from lab.app import create_app
from lab.log import Event, Log
from lab.server import Server, listen, serving
from lab.transport import discover, subject, subjects
from lab.wire import Totals

SUBJECTS = subjects(discover())

pytestmark = pytest.mark.skipif(bool(wire.unavailable()), reason=wire.unavailable())

SEGMENT = 20 + 20 + 12  # IP, TCP, timestamps
SYN = 20 + 20 + 20  # IP, TCP, maximum segment size, SACK permitted, timestamps, window scale


@dataclass
class Lab:
    """A server in this process, and its port."""

    server: Server
    log: Log
    port: int

    def lap(self) -> Totals:
        totals = self.server.meter.lap()
        assert totals is not None
        return totals


@asynccontextmanager
async def lab(*names: str, host: str = "127.0.0.1") -> AsyncIterator[Lab]:
    log, sockets = Log(epoch=7), listen(host)
    app = create_app(log, [subject(name, SUBJECTS) for name in names], hosts=["*"])
    async with serving(app, log, sockets) as server:
        yield Lab(server, log, sockets[0].getsockname()[1])


@dataclass
class Client:
    """A connection made by hand that keeps count of its bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sent: int = 0
    received: int = 0

    async def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        data = await self.reader.readuntil(end)
        self.received += len(data)
        return data

    async def exactly(self, count: int) -> bytes:
        data = await self.reader.readexactly(count)
        self.received += len(data)
        return data

    async def get(self, path: str, headers: bytes = b"") -> tuple[bytes, bytes]:
        """The heads of the request and of its response."""
        request = f"GET {path} HTTP/1.1\r\nHost: lab\r\n".encode() + headers + b"\r\n"
        await self.send(request)
        return request, await self.until(b"\r\n\r\n")

    async def chunk(self) -> bytes:
        size = int(await self.until(b"\r\n"), 16)
        data = await self.exactly(size)
        assert await self.until(b"\r\n") == b"\r\n"
        return data


@asynccontextmanager
async def client(port: int, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    one = Client(*await asyncio.open_connection(host, port))
    try:
        yield one
    finally:
        one.writer.close()


async def settled(there: Lab, before: Totals | None = None) -> Totals:
    """The lap, once the last acknowledgements are in: when nothing comes any more."""
    raise NotImplementedError
