"""A proxy that runs: one process of its program for each origin that it stands before."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.ending import end
from lab.errors import UserError
from lab.link.place import Place
from lab.link.proxy import keeper
from lab.link.proxy.program import Program
from lab.link.segment import Cut

STARTING = 15.0
"""Seconds that a proxy may take until it answers."""

ESTABLISHED = "01"  # as the kernel writes it in /proc/net/tcp


class Kept:
    """The program, before one origin.

    Attributes:
        origin: where readers find it.
    """

    origin = ""

    def __init__(self, text: str, place: Place, orders: keeper.Orders) -> None:
        self.text, self.place, self.orders = text, place, orders

    async def start(self) -> None:
        """Raises:
        UserError: it does not start; says its last words.
        """
        self.process = await asyncio.create_subprocess_exec(
            *(*self.place.enter, sys.executable, "-IS", keeper.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the bench, which ends its processes when it has finished
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps(self.orders).encode() + b"\n")
        try:
            port = await self._port()
        except BaseException:  # also when it is no longer wanted
            await self.stop()
            raise
        self.orders["port"] = port  # when it starts again, it is found there again
        self.origin = f"http://{self.place.host}:{port}"

    async def _port(self) -> int:
        said = await self._said()
        if "port" not in said:
            raise UserError(f"{self.text} does not start: {said['error']}")
        port: int = said["port"]
        return port

    async def _said(self) -> dict[str, Any]:
        assert self.process.stdout
        line = await self.process.stdout.readline()
        said: dict[str, Any] = json.loads(line or '{"error": "its keeper was killed"}')
        return said

    async def check(self) -> None:
        """Raises:
        UserError: it has ended by itself; says its last words.
        """
        if self.process.returncode is not None:
            raise UserError(f"{self.text} has ended: {(await self._said())['error']}")

    async def stop(self) -> None:
        await end(self.process)

    def connections(self) -> int:
        """How many readers' connections it has, by the kernel's table of its network."""
        port = f"{self.orders['port']:04X}"
        rows = Path(f"/proc/{self.process.pid}/net/tcp").read_text("ascii").splitlines()[1:]
        return sum(row.split()[1].endswith(f":{port}") and row.split()[3] == ESTABLISHED for row in rows)


class Proxy:
    """A segment: a real proxy with a configuration that is fixed."""

    facts: Mapping[str, Any]

    def __init__(self, program: Program, variant: str, text: str, place: Place) -> None:
        self.program, self.variant, self.text, self.place = program, variant, text, place
        self.facts = {"version": program.version(), **program.shown(variant)}
        self.kept: dict[str, Kept] = {}
        self._starting = asyncio.Lock()

    async def through(self, origin: str) -> str:
        """Raises:
        UserError: the origin is none that it can stand before, or it does not start or has ended; says why.
        """
        async with self._starting:
            if origin not in self.kept:
                kept = Kept(self.text, self.place, self._orders(origin))
                await kept.start()
                self.kept[origin] = kept
        await self.kept[origin].check()
        return self.kept[origin].origin

    def _orders(self, origin: str) -> keeper.Orders:
        parts = urlsplit(origin)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise UserError(f"{self.text} can't stand before {origin!r}: it passes on plain http://host:port")
        assert self.program.path
        server = {"server": parts.netloc, "server_host": parts.hostname, "server_port": str(parts.port)}
        return {
            "command": [self.program.path, *self.program.command[1:]],
            "files": {self.program.file: self.program.variants[self.variant]},
            "leaves": self.program.leaves,
            "values": server,
            "host": self.place.host,
            "port": 0,
            "seconds": STARTING,
        }

    async def set(self, **settings: Any) -> None:
        raise UserError(
            f"{self.text} can't be told {', '.join(settings)}: its configuration is fixed;"
            f" there are {', '.join(self.program.variants)}"
        )

    async def cut(self, how: Cut = "rst") -> int:
        """Kill the proxy and start it again where it was: the kernel ends its connections, by FIN."""
        if how != "fin":
            raise UserError(
                f"{self.text} can't cut connections by {how}: it can by fin, when it is killed and started again"
            )
        count = sum(one.connections() for one in self.kept.values())
        for one in self.kept.values():
            await one.stop()
            await one.start()
        return count

    async def lap(self) -> dict[str, Any]:
        """Nothing: a proxy doesn't say."""
        return {}

    async def stop(self) -> None:
        for one in self.kept.values():
            await one.stop()
