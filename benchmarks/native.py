"""The engine `native`: a reader without a browser, in this process, or in one of its own in another place.

The latter is this module run as a program, told what to do over a pipe.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, replace
from typing import Any

from benchmarks.reader import Broken, Clock, Reader, Seen
from lab import clock
from lab.link import Place
from lab.log import Cursor
from lab.native import Arrivals, follow
from lab.process import Child, obey, run, start
from lab.transport import Options, Subject, discover, subject, subjects

PATIENCE = 0.25
"""Seconds that a process in another place waits for something at once: its other readers are to have turns."""

LONGEST = 256 << 20
"""Bytes of an answer: what a reader saw, perhaps with all the data."""


class Native:
    """The native client, in this process and on the server's own clock."""

    name = "native"
    version = "Python with aiohttp and websockets"
    flags: Sequence[str] = ()
    clock = Clock("the server's own", 0.001, 0.000_001)

    def works(self) -> bool:
        return True

    async def try_clock(self, origin: str) -> None:
        """Nothing to do: the same machine, the same clock."""

    @asynccontextmanager
    async def reading(  # noqa: PLR0913  (what differs between readers, named)
        self,
        subject: Subject,
        origin: str,
        settings: Options,
        cursor: Cursor = "now",
        *,
        keep_data: bool = False,
        clock: str = "",  # noqa: ARG002  (its clock is the server's)
    ) -> AsyncIterator[Reader]:
        reader = NativeReader(keep_data=keep_data, block=settings.get("block", 0.0))
        base = f"{settings.get('origin', origin)}/transports/{subject.name}"
        reader.following = asyncio.create_task(
            follow(subject, base, settings, reader.arrivals, cursor=cursor, on=reader.wake)
        )
        reader.following.add_done_callback(lambda _: reader.news.set())
        try:
            yield reader
        finally:
            await reader.hang_up()


class NativeReader:
    """What `lab.native.follow` notes, and the waiting for it.

    Attributes:
        block: seconds that it is busy with each event, and so is its whole process, and reads nothing.
    """

    following: asyncio.Task[None]

    def __init__(self, *, keep_data: bool, block: float = 0.0) -> None:
        self.block = block
        self.navigated = clock.now()
        self.arrivals = Arrivals()
        self.news = asyncio.Event()
        self.keep_data = keep_data
        self.data: list[Any] = []

    def wake(self, line: str) -> None:
        if self.keep_data and line and "id" in (event := json.loads(line)):
            self.data.append(event["data"])
        if self.block and line:
            time.sleep(self.block)
        self.news.set()

    async def hang_up(self) -> None:
        """Raises:
        Broken: following has ended by itself, which it never does.
        """
        self.following.cancel()
        await asyncio.wait([self.following])
        if not self.following.cancelled():
            error = self.following.exception()
            raise Broken(f"the native client broke down: {error!r}") from error

    async def opened(self, seconds: float) -> bool:
        return await self._until(lambda: bool(self.arrivals.opened), seconds)

    async def reached(self, epoch: int, id_: int, seconds: float) -> bool:
        return await self._until(lambda: self.arrivals.events[-1:] >= [(epoch, id_, 0)], seconds)

    async def _until(self, there: Callable[[], bool], seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not there() and not self.following.done():
                    self.news.clear()
                    await self.news.wait()
        return there()

    async def seen(self) -> Seen:
        """Until now: what comes later, when the link is whole again, changes none of it."""
        kept = self.arrivals
        lists = list(kept.opened), list(kept.events), list(kept.gaps), list(kept.lost)
        return Seen(self.navigated, *lists, kept.alive, Native.clock.bound_ms, list(self.data))


class Readers(Child):
    """The process of an outpost."""

    name = "the native client"


class Outpost(Native):
    """Native readers in another place: the bench's end."""

    def __init__(self, readers: Readers) -> None:
        self.readers, self.ask = readers, readers.ask

    def works(self) -> bool:
        return self.readers.runs()

    @asynccontextmanager
    async def reading(  # noqa: PLR0913  (what differs between readers, named)
        self,
        subject: Subject,
        origin: str,
        settings: Options,
        cursor: Cursor = "now",
        *,
        keep_data: bool = False,
        clock: str = "",  # noqa: ARG002  (its clock is the server's)
    ) -> AsyncIterator[Reader]:
        what = {"name": subject.name, "origin": origin, "settings": dict(settings), "cursor": cursor}
        number = await self.ask("begin", **what, keep_data=keep_data)
        reader = FarReader(self, number)
        try:
            yield reader
        finally:
            await reader.leave()


class FarReader:
    """One of an outpost's readers."""

    def __init__(self, outpost: Outpost, number: int) -> None:
        self.outpost, self.number = outpost, number

    async def opened(self, seconds: float) -> bool:
        return await self._until(seconds, "opened")

    async def reached(self, epoch: int, id_: int, seconds: float) -> bool:
        return await self._until(seconds, "reached", epoch=epoch, id_=id_)

    async def _until(self, seconds: float, do: str, **what: int) -> bool:
        """Asked again and again, so that nobody waits long for an answer."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            left = end - asyncio.get_running_loop().time()
            if await self.outpost.ask(do, number=self.number, seconds=min(max(left, 0.0), PATIENCE), **what):
                return True
            if left <= PATIENCE:
                return False

    async def seen(self) -> Seen:
        seen = Seen(**await self.outpost.ask("seen", number=self.number))
        events = [(epoch, id_, received) for epoch, id_, received in seen.events]
        return replace(seen, events=events, lost=[(at, why) for at, why in seen.lost])

    async def hang_up(self) -> None:
        """Raises:
        Broken: following has ended by itself, which it never does.
        """
        await self._end("hang_up")

    async def leave(self) -> None:
        """Likewise, and be forgotten."""
        await self._end("leave")

    async def _end(self, how: str) -> None:
        if broken := await self.outpost.ask(how, number=self.number):
            raise Broken(broken)


@asynccontextmanager
async def native(place: Place) -> AsyncIterator[Native]:
    """The engine in that place."""
    if not place.enter:
        yield Native()
        return
    readers = Readers(await start("benchmarks.native", place=place, limit=LONGEST))
    try:
        yield Outpost(readers)
    finally:
        await readers.stop()


class Worker:
    """The readers' process: its own end."""

    def __init__(self, known: Mapping[str, Subject]) -> None:
        self.known, self.engine = known, Native()
        self.readers: dict[int, tuple[Reader, AsyncExitStack]] = {}
        self.begun = 0

    async def begin(self, name: str, origin: str, settings: Options, cursor: Cursor, *, keep_data: bool) -> int:
        """A new reader's number."""
        stack, self.begun = AsyncExitStack(), self.begun + 1
        whom = subject(name, self.known)
        reading = self.engine.reading(whom, origin, settings, cursor, keep_data=keep_data)
        self.readers[self.begun] = await stack.enter_async_context(reading), stack
        return self.begun

    async def opened(self, number: int, seconds: float) -> bool:
        return await self.readers[number][0].opened(seconds)

    async def reached(self, number: int, epoch: int, id_: int, seconds: float) -> bool:
        return await self.readers[number][0].reached(epoch, id_, seconds)

    async def seen(self, number: int) -> dict[str, Any]:
        return asdict(await self.readers[number][0].seen())

    async def hang_up(self, number: int) -> str:
        """What is wrong with the client, if anything."""
        return await _complaint(self.readers[number][0].hang_up())

    async def leave(self, number: int) -> str:
        _, stack = self.readers.pop(number)
        return await _complaint(stack.aclose())


async def _complaint(ending: Awaitable[None]) -> str:
    try:
        await ending
    except Broken as broken:
        return str(broken)
    return ""


async def work() -> None:
    worker = Worker(subjects(discover()))
    await obey(worker)
    for number in list(worker.readers):
        await worker.leave(number)


def main() -> None:
    """Do what standard input asks, until it ends."""
    run(work())


if __name__ == "__main__":
    main()
