"""A TCP relay: it accepts connections, makes one of its own for each, and meddles with what passes."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lab import clock
from lab.link.relay.connection import Connection
from lab.link.relay.toxics import Setting, Toxics, Way, changed
from lab.link.segment import Cut
from lab.server import listen, origin

if TYPE_CHECKING:
    from lab.link.relay.tap import Tap

KEPT = 10_000
"""Pieces whose holding is remembered, each way."""


class Relay:
    """It can't lose packets, and TCP's handshakes are not held: connections end on both of its sides.

    Attributes:
        origin: where it's found, before the first that it was put before.
        held: ns that each piece was truly held, from when it was read until it was written.
        accepted: connections. cuts: of these, by itself. connections: those there are.
        taps: are told what passes.
    """

    def __init__(self, toxics: Toxics | None = None, host: str = "127.0.0.1") -> None:
        self.toxics, self.host = toxics or Toxics(), host
        self.connections: set[Connection] = set()
        self.taps: list[Tap] = []
        self.accepted = self.cuts = 0
        self.bytes: dict[Way, int] = {"up": 0, "down": 0}
        self.held: dict[Way, deque[int]] = {"up": deque(maxlen=KEPT), "down": deque(maxlen=KEPT)}
        self.gates: dict[Way, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._free_at: dict[Way, int] = {"up": 0, "down": 0}  # when a bounded rate lets the next one begin
        self._servers: dict[str, tuple[str, asyncio.Server]] = {}  # by origin: where it's found, and what listens
        self._lapped = (0, 0)
        self._random = random.Random("relay")
        self._open_gates()

    @property
    def origin(self) -> str:
        return next(iter(self._servers.values()))[0]

    async def through(self, behind: str, port: int = 0) -> str:
        """The origin at which the one `behind` is found; listens there, on a free port if 0, from now on."""
        if behind not in self._servers:
            (listening,) = listen(self.host, port)
            there = urlsplit(behind)
            server = await asyncio.get_running_loop().create_server(
                lambda: self._accept(str(there.hostname), there.port or 80), sock=listening
            )
            self._servers[behind] = origin(listening), server
        return self._servers[behind][0]

    def _accept(self, host: str, port: int) -> asyncio.Protocol:
        connection = Connection(self, host, port)
        self.accepted += 1
        self.connections.add(connection)
        for tap in self.taps:
            tap.opened(connection)
        return connection.reader

    async def reach(self, loop: asyncio.AbstractEventLoop, end: Callable[[], Any], host: str, port: int) -> None:
        await loop.create_connection(end, host, port)

    def set(self, **settings: Setting) -> None:
        """Change what it does, as it goes; what waits already, waits as long as it was to.

        What takes an understanding of HTTP is for connections that come after the first such setting.

        Raises:
            UserError: it can't do that.
        """
        self.toxics = changed(self.toxics, settings)
        self._open_gates()
        for connection in list(self.connections):
            if "cut_at" in settings:
                connection.down.passed = 0
            connection.watch_idle()

    def _open_gates(self) -> None:
        for way, gate in self.gates.items():
            gate.clear() if self.toxics.frozen(way) else gate.set()

    def cut(self, how: Cut = "rst") -> int:
        """Cut every connection there is; how many they were."""
        connections = list(self.connections)
        for connection in connections:
            connection.cut(how)
        return len(connections)

    def draw(self, way: Way) -> int:
        """How long something is to be held that has just come, in ns."""
        held = self.toxics.held(way)
        if held and self.toxics.jitter:
            held += self._random.uniform(-self.toxics.jitter, self.toxics.jitter)
        return round(held * 1e9)

    def slot(self, way: Way, size: int) -> int:
        """When so many bytes, which nothing else keeps any more, are through at the bounded rate."""
        begins = max(clock.now(), self._free_at[way])
        self._free_at[way] = begins + round(size * 8e9 / self.toxics.bounded(way))
        return self._free_at[way]

    def lap(self) -> dict[str, Any]:
        """What passed since the last time this was asked; `held_ns` by piece, the last of each way."""
        accepted, cuts = self._lapped
        told = {
            "connections": self.accepted - accepted,
            "cuts": self.cuts - cuts,
            "bytes": dict(self.bytes),
            "held_ns": {way: list(held) for way, held in self.held.items()},
        }
        self._lapped = self.accepted, self.cuts
        for way in self.bytes:
            self.bytes[way] = 0
            self.held[way].clear()
        return told

    async def close(self) -> None:
        """Listens no more; all its connections are gone."""
        for _, server in self._servers.values():
            server.close()
        self.cut()
        for _, server in self._servers.values():
            await server.wait_closed()
        for connection in list(self.connections):
            await asyncio.wait([connection.reaching])
            connection.cut("rst")


@asynccontextmanager
async def relaying(port: int, **settings: Setting) -> AsyncIterator[Relay]:
    """A relay in this process before that port; gone at the end."""
    relay = Relay(changed(Toxics(), settings))
    try:
        await relay.through(f"http://127.0.0.1:{port}")
        yield relay
    finally:
        await relay.close()
