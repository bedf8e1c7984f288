"""What an experiment works with: a server, a link, a browser, and a watch. All of it gone when it is over."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from benchmarks.behaviours.experiment import Moment
from benchmarks.browser import Engine, Reader, launched
from lab import link as links
from lab.link import DIRECT, Link
from lab.process import Entry, ServerProcess, read_ledger, server_process
from lab.transport import Subject

OPENING = 10.0
"""Seconds that a reader may take to open."""


class Browsers:
    """Engines that experiments share: each is launched once for each place and each set of flags left out."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._launched: dict[Any, Engine] = {}
        self._launching = asyncio.Lock()  # or those who come at once launch one each

    async def get(self, name: str, without: Sequence[str] = ()) -> Engine:
        """Raises:
        UserError: it isn't there, or does not start.
        """
        key = name, tuple(without)
        async with self._launching:
            if key not in self._launched or not self._launched[key].works():
                self._launched[key] = await self._stack.enter_async_context(launched(name, without=without))
        return self._launched[key]


class Field:
    """For one observation of one subject in one engine.

    Attributes:
        moments: what happened, in order; see `note`. versions: of the engines that took part.
    """

    def __init__(self, stack: AsyncExitStack, subject: Subject, engine: str, browsers: Browsers) -> None:
        self.stack, self.subject, self.engine_name, self._browsers = stack, subject, engine, browsers
        self.moments: list[Moment] = []
        self.versions: dict[str, str] = {}
        self._began = time.monotonic()

    def note(self, what: str, detail: str = "") -> None:
        """Put it on the observation's time line, now."""
        self.moments.append(Moment(round(time.monotonic() - self._began, 4), what, detail))

    @property
    def now(self) -> float:
        """Seconds since the observation began."""
        return time.monotonic() - self._began

    async def link(self, text: str = DIRECT) -> Link:
        """Raises:
        UserError: it can't be had here.
        """
        return await self.stack.enter_async_context(links.laid(links.parse(text)))

    async def server(self, link: Link | None = None, *, ports: int = 1, **settings: Any) -> ServerProcess:
        """One that offers the subject, with these settings of the lab: heartbeat=0, watchdog=2."""
        place = (link or Link(links.LinkSpec())).server
        options = self.subject.options.server
        process = server_process([self.subject.name], ports=ports, settings=settings, options=options, place=place)
        return await self.stack.enter_async_context(process)

    async def engine(
        self,
        server: ServerProcess,  # noqa: ARG002  (as `follow`: who needs an engine has one to follow)
        link: Link | None = None,
        *,
        without: Sequence[str] = (),
    ) -> Engine:
        """The browser, or the native client; without some of the flags that it is usually launched with."""
        place = (link or Link(links.LinkSpec())).reader
        if not place.enter:
            engine = await self._browsers.get(self.engine_name, without)
        else:  # the place is there for this observation alone, and so is what runs in it
            engine = await self.stack.enter_async_context(launched(self.engine_name, place=place, without=without))
        self.versions[self.engine_name] = engine.version
        return engine

    async def browser(self) -> Engine:
        """The browser, for an experiment that has a server of its own."""
        engine = await self._browsers.get(self.engine_name)
        self.versions[self.engine_name] = engine.version
        return engine

    async def follow(
        self,
        server: ServerProcess,
        link: Link | None = None,
        *,
        cursor: str = "now",
        engine: Engine | None = None,
        open_: bool = True,
        **settings: Any,
    ) -> Reader:
        """A reader of the subject through the link, open if that is asked for."""
        between = link or Link(links.LinkSpec())
        origin, beside = await between.through(server.origins[0]), between.beside(server.origins[0])
        await server.ask("allow", origins=[origin, beside])
        engine = engine or await self.engine(server, link)
        reading = engine.reading(self.subject, origin, settings, cursor, clock=beside)
        reader: Reader = await self.stack.enter_async_context(reading)
        self.note("set out", origin)
        if open_ and await reader.opened(OPENING):
            self.note("open")
        return reader

    @staticmethod
    def sent(server: ServerProcess) -> list[Entry]:
        """Everything that was appended until now, by every process of the server."""
        return read_ledger(server.ledger)[0]


@asynccontextmanager
async def field_for(subject: Subject, engine: str, browsers: Browsers) -> AsyncIterator[Field]:
    async with AsyncExitStack() as stack:
        yield Field(stack, subject, engine, browsers)


async def until(there: Callable[[], Any], seconds: float, every: float = 0.05) -> bool:
    """Whether it comes true within so many seconds."""
    end = time.monotonic() + seconds
    while not (result := there()) and time.monotonic() < end:  # noqa: ASYNC110  (it may look at anything)
        await asyncio.sleep(every)
    return bool(result)
