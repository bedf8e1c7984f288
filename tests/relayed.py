"""A server, a relay and readers, each in a process of its own but native ones, and what passes between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from conftest import SUBJECTS, Engines

from benchmarks.browser import Reader
from lab.link import Link, laid, parse
from lab.link.relay.toxics import Setting
from lab.process import ServerProcess, read_ledger, server_process
from lab.transport import Options

DRAIN = 0.005
"""Seconds beyond what the relay holds, in which the last event of a block arrives."""

QUIET = {"heartbeat": 3600, "watchdog": 0}
"""Nothing passes but events."""


@dataclass(frozen=True)
class Block:
    """Events that were played while the relay did one thing.

    Attributes:
        due: when each was, by id. held: ns that the relay held each piece on its way to the reader.
    """

    due: dict[int, int]
    held: list[int]


@dataclass
class Line:
    """A server, and a relay before it."""

    server: ServerProcess
    link: Link

    @asynccontextmanager
    async def reading(
        self, name: str, reads: str, engines: Engines, settings: Options | None = None
    ) -> AsyncIterator[Reader]:
        """A reader that is open, by way of the relay, which does nothing yet."""
        await self.set(delay=0)
        engine, direct = await engines.get(reads), self.server.origins[0]
        origin = await self.link.through(direct)
        await self.server.ask("allow", origins=[origin])
        subject = SUBJECTS[name]
        async with engine.reading(subject, origin, {**QUIET, **(settings or {})}, "now", clock=direct) as reader:
            assert await reader.opened(20), (await reader.seen()).lost
            await asyncio.sleep(0.1)  # what belongs to opening is through
            yield reader

    async def set(self, **settings: Setting) -> None:
        await self.link["relay"].set(**settings)

    async def append(self) -> dict[int, int]:
        """One event, at once: its id, and when it was due."""
        _, start = read_ledger(self.server.ledger)
        await self.server.ask("append", data="x")
        entries, _ = read_ledger(self.server.ledger, start)
        return {entry.id: entry.due for entry in entries}

    async def play(self, source: str, wait: float, *readers: Reader) -> Block:
        """Play it, and wait so many seconds more for the last event to arrive, or longer until these have it."""
        await self.link["relay"].lap()
        _, start = read_ledger(self.server.ledger)
        await self.server.play(source)
        await asyncio.sleep(wait + DRAIN)
        entries, _ = read_ledger(self.server.ledger, start)
        for reader in readers:  # else a late one would count for the next block
            assert await reader.reached(entries[-1].epoch, entries[-1].id, 5)
        held = (await self.link["relay"].lap())["held_ns"]["down"]
        return Block({entry.id: entry.due for entry in entries}, held)


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    names = [name for name, one in SUBJECTS.items() if one.found.module and not one.options.server]
    async with laid(parse("relay")) as link, server_process(names, settings=QUIET) as server:
        yield Line(server, link)


async def delays(reader: Reader, block: Block) -> np.ndarray:
    """How long after it was due each of the block's events arrived, in ms; NaN = it has not."""
    received = {id_: received for _, id_, received in (await reader.seen()).events}
    return np.array([(received.get(id_, np.nan) - due) / 1e6 for id_, due in block.due.items()])
