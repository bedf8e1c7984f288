"""The relay as a process of its own: what it does is no work of the bench's or the server's."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from lab import process
from lab.errors import UserError
from lab.link.place import Place
from lab.link.relay.toxics import Setting, Toxics, as_settings, changed
from lab.link.segment import Cut

LIMITS = "a relay passes on streams of bytes: it loses no packets, and TCP's handshakes are not held"


class RelayProcess:
    """The bench's end of it.

    Attributes:
        facts: `settings` in force; `adds_ms`, what it adds to a piece's way by itself, beside the same way `direct`.
    """

    def __init__(self, child: "process.Child") -> None:
        self.child = child
        self.toxics = Toxics()
        self._adds: Mapping[str, Any] = {}

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"settings": as_settings(self.toxics), **self._adds, "limits": LIMITS}

    async def measure(self) -> None:
        """Find out what it adds by itself; to be called while it does nothing else."""
        self._adds = await self.child.ask("measure")

    async def through(self, origin: str) -> str:
        found: str = await self.child.ask("through", behind=origin)
        return found

    async def set(self, **settings: Setting) -> None:
        self.toxics = changed(self.toxics, settings)
        await self.child.ask("set", **settings)

    async def cut(self, how: Cut = "rst") -> int:
        cut: int = await self.child.ask("cut", how=how)
        return cut

    async def lap(self) -> dict[str, Any]:
        lap: dict[str, Any] = await self.child.ask("lap")
        return lap


@asynccontextmanager
async def running(toxics: Toxics, place: Place) -> AsyncIterator[RelayProcess]:
    """A relay in `place`; gone at the end, with its connections, as it is when this process is.

    Raises:
        UserError: it does not start.
    """
    child = process.Child(await process.start("lab.link.relay", place.host, place=place))
    child.name = "the relay"
    relay = RelayProcess(child)
    try:
        try:
            await relay.measure()
            await relay.set(**as_settings(toxics))
        except ConnectionError as error:
            raise UserError(f"the relay does not start: {error}") from error
        yield relay
    finally:
        await child.stop()
