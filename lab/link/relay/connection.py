"""A relayed connection: its end towards the reader, its end towards the server, and a lane each way."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from lab.link.relay.conversation import Conversation
from lab.link.relay.lane import Lane
from lab.link.relay.toxics import Way

if TYPE_CHECKING:
    from lab.link.relay.relay import Relay

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends RST


class End(asyncio.Protocol):
    """One end of it.

    Attributes:
        full: whoever is there takes no more for now. on_room: is told when that changes.
    """

    connection: "Connection"
    on_room: Callable[[], None]

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.early = bytearray()  # to be said as soon as it is connected
        self.full = self.lost = False
        self.doomed: bool | None = None  # hung up before it was connected: with a reset?
        self._reads = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._reads:
            self.transport.pause_reading()
        self.write(bytes(self.early))
        if self.doomed is not None:
            self.hang_up(reset=self.doomed)

    def data_received(self, data: bytes) -> None:
        self.connection.received(self, data)

    def pause_writing(self) -> None:
        self.full = True
        self.on_room()

    def resume_writing(self) -> None:
        self.full = False
        self.on_room()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self.connection.left(self, reset=isinstance(error, ConnectionResetError))

    def read(self, *, go_on: bool) -> None:
        if go_on == self._reads:
            return
        self._reads = go_on
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading() if go_on else self.transport.pause_reading()

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self.early += data
        elif not self.transport.is_closing():
            self.transport.write(data)

    def hang_up(self, *, reset: bool = False) -> None:
        if self.transport is None:
            self.doomed = reset
            return
        if self.lost:
            return
        if reset:
            raw: socket.socket = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()


class Connection:
    """Made when a reader has come; gone when both ends are."""

    def __init__(self, relay: "Relay", host: str, port: int) -> None:
        self.relay, self.host, self.port = relay, host, port
        self.reader, self.server = End(), End()
        self.reader.connection = self.server.connection = self
        self.up = Lane(relay, "up", self.reader, self.server)
        self.down = Lane(relay, "down", self.server, self.reader)
        understood = relay.toxics.http  # what comes later is not for those that are under way
        self.conversation = Conversation(lambda: relay.toxics, self.up, self.down) if understood else None
        loop = asyncio.get_running_loop()
        self.heard = loop.time()
        self.idle: asyncio.TimerHandle | None = None
        self.watch_idle()
        self.reaching = loop.create_task(self._reach())

    async def _reach(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self.relay.reach(loop, lambda: self.server, self.host, self.port)
        except OSError:
            self.server.lost = True
            self.ended("down", "rst")
            self.reader.hang_up(reset=True)
        if self.reader.lost:  # it has left meanwhile
            self.server.hang_up()
            self._gone_if_over()

    def received(self, end: End, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        if self.conversation:
            (self.conversation.from_reader if end is self.reader else self.conversation.from_server)(data)
        else:
            (self.up if end is self.reader else self.down).feed(data)

    def left(self, end: End, *, reset: bool) -> None:
        """That end has hung up."""
        if end is self.reader:
            self.down.close()
            self.up.end(reset=reset)
        else:
            self.up.close()
            if self.conversation:
                self.conversation.server_left()
            self.down.end(reset=reset)
        self._gone_if_over()

    def ended(self, way: Way | None, how: str) -> None:
        """Its end passes that way; None = it is cut here."""
        for tap in self.relay.taps:
            tap.ended(self, way, how)

    def cut(self, how: str) -> None:
        self.ended(None, how)
        for lane in (self.up, self.down):
            lane.close()
        for end in (self.reader, self.server):
            end.hang_up(reset=how == "rst")

    def watch_idle(self) -> None:
        """Cut it when nothing has been heard for as long as it may be idle."""
        if self.idle:
            self.idle.cancel()
        toxics, loop = self.relay.toxics, asyncio.get_running_loop()
        if not toxics.idle:
            return
        if loop.time() < self.heard + toxics.idle:
            self.idle = loop.call_at(self.heard + toxics.idle, self.watch_idle)
        elif not (self.reader.lost and self.server.lost):
            self.relay.cuts += 1
            self.cut(toxics.by)

    def _gone_if_over(self) -> None:
        if not (self.reader.lost and self.server.lost):
            return
        for lane in (self.up, self.down):
            lane.close()
        if self.idle:
            self.idle.cancel()
        self.relay.connections.discard(self)
        for tap in self.relay.taps:
            tap.gone(self)
