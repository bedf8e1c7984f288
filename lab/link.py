"""What lies between server and browser: nothing, or a relay that delays, slices and cuts."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, cast

from lab import clock

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


class Relay:
    """A TCP relay on a loopback port of its own. It can't lose packets: TCP ends on both of its sides.

    Args:
        port: where the server listens.
        delay: seconds that everything from the server is held; set it as you go.
        piece: bytes of each write towards the browser, a millisecond apart; 0 = as they come.
    """

    def __init__(self, port: int, delay: float = 0.0, piece: int = 0) -> None:
        self.port, self.delay, self.piece = port, delay, piece
        self.held: list[int] = []  # ns that each chunk from the server was truly held
        self.accepted = 0
        self.pairs: set[tuple[_End, _End]] = set()
        self.origin = ""

    def cut(self, how: Literal["fin", "rst"] = "rst") -> int:
        """Cut every connection there is; how many they were."""
        pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                end.hang_up(reset=how == "rst")
        return len(pairs)

    def connect(self) -> "_End":
        self.accepted += 1
        browser, server = _End(self), _End(self)
        browser.other, server.other = server, browser
        self.pairs.add((browser, server))
        loop = asyncio.get_running_loop()
        browser.reaching = loop.create_task(self._reach(loop, browser, server))
        return browser

    async def _reach(self, loop: asyncio.AbstractEventLoop, browser: "_End", server: "_End") -> None:
        try:
            await loop.create_connection(lambda: server, "127.0.0.1", self.port)
        except OSError:
            browser.hang_up(reset=True)
        if (browser, server) not in self.pairs:  # it has left meanwhile
            server.hang_up()

    def gone(self, browser: "_End") -> None:
        self.pairs.discard((browser, browser.other))

    def towards_browser(self, end: "_End", data: bytes, arrived: int) -> None:
        if self.piece:
            end.slice(data, self.piece)
        else:
            end.write(data)
        self.held.append(clock.now() - arrived)


class _End(asyncio.Protocol):
    """One end of a relayed connection; what it receives goes to the other."""

    other: "_End"
    reaching: asyncio.Task[None] | None = None  # set on the browser's end

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.Transport | None = None
        self.early = bytearray()  # came before the other side was there
        self.holding: deque[tuple[float, int, bytes]] = deque()  # until when (loop's time), since when, what
        self.sliced = bytearray()  # waits for its turn
        self.ending = False  # when nothing waits any more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.write(bytes(self.early))

    def data_received(self, data: bytes) -> None:
        if self.reaching is not None:
            self.other.write(data)
        else:
            self.hold(data)

    def hold(self, data: bytes) -> None:
        """Pass it on after the delay, but never before what came earlier; nothing = the end."""
        until = asyncio.get_running_loop().time() + self.relay.delay
        self.holding.append((until, clock.now(), data))
        if len(self.holding) == 1:
            self._pass_on()

    def _pass_on(self) -> None:
        loop = asyncio.get_running_loop()
        while self.holding:
            until, arrived, data = self.holding[0]
            if until > loop.time():
                loop.call_at(until, self._pass_on)
                return
            if data:
                self.relay.towards_browser(self.other, data, arrived)
            else:
                self.other.finish()
            self.holding.popleft()

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self.early += data
        elif not self.transport.is_closing():
            self.transport.write(data)

    def slice(self, data: bytes, size: int) -> None:
        """Write it in pieces, in order with what is still waiting."""
        begin = not self.sliced
        self.sliced += data
        if begin:
            self._write_piece(size)

    def _write_piece(self, size: int) -> None:
        self.write(bytes(self.sliced[:size]))
        del self.sliced[:size]
        if self.sliced:
            asyncio.get_running_loop().call_later(0.001, self._write_piece, size)
        elif self.ending:
            self.hang_up()

    def finish(self) -> None:
        """Hang up when all that waits has been written."""
        self.ending = True
        if not self.sliced:
            self.hang_up()

    def pause_writing(self) -> None:
        if self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport:
            self.other.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        if self.reaching is not None:
            self.relay.gone(self)
            self.other.hang_up()
        else:
            self.hold(b"")

    def hang_up(self, *, reset: bool = False) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if reset:
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        else:
            self.transport.close()


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[Relay]:
    """The relay, listening on a free port; all its connections are gone at the end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(relay.connect, "127.0.0.1", 0)
    relay.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
        await server.wait_closed()
