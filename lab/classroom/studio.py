"""A server under test with a way of its own for each transport: lanes that can be cut, frozen and slowed one by one."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lab import sources
from lab.link import Relay, conditions
from lab.link.relay.toxics import Setting
from lab.process import ServerProcess, server_process
from lab.transport import Subject

DOWN = 1.0
"""Seconds from the server's end until the next is started."""


@dataclass(frozen=True)
class Lane:
    """One transport's way: readers find it at `origin`, an origin of its own, through `relay`."""

    subject: Subject
    relay: Relay
    origin: str


def profile(name: str) -> dict[str, Setting]:
    """What a relay can have of a network that others have published: its delay each way, and its rates.

    Source: `lab.link.profiles`. A relay ends TCP on both sides: it loses no packets.
    """
    _, known = conditions.parse(name)
    return {"delay": known.rtt / 2, "rate": known.down, "rate_up": known.up}


class Studio:
    """What there is to control.

    Attributes:
        lanes: by the subject's name. friends: origins whose pages may come.
        source: what plays, as it is written; empty = nothing.
    """

    def __init__(self, server: ServerProcess, lanes: Mapping[str, Lane], friends: Collection[str]) -> None:
        self.server, self.lanes, self.friends = server, lanes, friends
        self.source = ""
        self._seats: set[str] = set()
        self._busy = asyncio.Lock()  # whoever asks while the server is started anew waits until it is there

    async def play(self, source: str) -> None:
        """Play this source from now on, in place of what plays.

        Raises:
            UserError: there is no such source.
        """
        spec = sources.parse(source)
        async with self._busy:
            await self.server.ask("play", source=spec.text, spin=False)
            self.source = spec.text

    async def pause(self) -> None:
        async with self._busy:
            await self.server.ask("stop")
            self.source = ""

    async def publish(self, data: Any) -> list[int]:
        """An event now; its epoch and id."""
        async with self._busy:
            event: list[int] = await self.server.ask("append", data=data)
            return event

    async def restart(self, how: signal.Signals = signal.SIGKILL, down: float = DOWN) -> None:
        """End the server and start another in its place: same addresses, an empty log of a new epoch."""
        async with self._busy:
            await self.server.kill(how)
            await asyncio.sleep(down)
            await self.server.again()
            if self.source:
                await self.server.ask("play", source=self.source, spin=False)

    async def seat(self, key: str) -> None:
        """Let in whoever has that key; once is enough, also for the servers that are started later."""
        async with self._busy:
            if key not in self._seats:
                self._seats.add(key)
                await self.server.seat(key)

    async def unseat(self, whose: Callable[[str], bool]) -> None:
        """Let nobody in any more with a key of which that is true."""
        async with self._busy:
            for key in [key for key in self._seats if whose(key)]:
                self._seats.discard(key)
                await self.server.unseat(key)

    async def befriend(self) -> None:
        await self.server.befriend([*self.friends, *(lane.origin for lane in self.lanes.values())])

    async def lane(self, subject: Subject, stack: AsyncExitStack, address: str, port: int) -> Lane:
        """A way of its own for one transport; gone with the stack."""
        relay = Relay(host=address)
        stack.push_async_callback(relay.close)
        return Lane(subject, relay, await relay.through(self.server.origins[0], port))


@asynccontextmanager
async def studio(  # noqa: PLR0913  (what differs between studios, named)
    subjects: Iterable[Subject],
    friends: Collection[str],
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    names: Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    seats: Iterable[str] | None = None,
) -> AsyncIterator[Studio]:
    """A server with a lane for each of these, gone at the end.

    Args:
        friends: origins of pages that may come.
        address: where the lanes are found. names: by which, besides. port: the first one; 0 = free ones.
        settings: of the lab, where they differ from the usual ones. seats: see `lab.app.create_site`.
    """
    chosen = list(subjects)
    async with AsyncExitStack() as stack:
        process = server_process([one.name for one in chosen], settings=settings, names=[address, *names], seats=seats)
        server = await stack.enter_async_context(process)
        lanes: dict[str, Lane] = {}
        made = Studio(server, lanes, friends)
        for nth, one in enumerate(chosen):
            lanes[one.name] = await made.lane(one, stack, address, port + nth if port else 0)
        await made.befriend()
        yield made
