"""Where a scenario plays, and what a scenario is."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.reader import Reader
from lab import clock
from lab.link import Link
from lab.process import ServerProcess
from lab.transport import ENGINES


@dataclass
class Stage:
    """Server, link and reader, and chance, the same for all cells of a round.

    Attributes:
        prepare: makes the server ready for the trial, a new one too.
        undo: what a fault leaves behind; unwound when the reader has been read back.
        fault: what was done, see `struck`; empty until then.
        restarted: whether the server is not the one that it was.
    """

    server: ServerProcess
    rng: Random
    seconds: float
    link: Link
    reader: Reader
    prepare: Callable[[], Awaitable[None]]
    undo: AsyncExitStack
    fault: dict[str, Any] = field(default_factory=dict)
    restarted: bool = False

    async def play(self, source: str) -> None:
        """The source, from its beginning to its end."""
        await self.begin(source)
        await self.server.ended()

    async def begin(self, source: str, seconds: float | None = None) -> str:
        """The source, which goes on; as it was told to the server."""
        seeded = self.seeded(source, self.seconds if seconds is None else seconds)
        await self.server.ask("play", source=seeded, spin=True)
        return seeded

    def seeded(self, source: str, seconds: float) -> str:
        joint = "," if ":" in source else ":"
        return f"{source}{joint}seconds={seconds:.6f},seed={self.rng.getrandbits(31)}"

    async def wait(self, least: float, most: float) -> None:
        """Some part of the scenario's time, by chance."""
        await asyncio.sleep(self.seconds * self.rng.uniform(least, most))

    def struck(self, what: str) -> None:
        """The fault begins, now."""
        self.fault = {"what": what, "at": clock.now(), "healed": None, "unsent": 0}

    def healed(self) -> None:
        """From now on everything is as it was before."""
        self.fault["healed"] = clock.now()

    async def again(self) -> None:
        """A new server in the place of the one that has ended."""
        await self.server.again()
        await self.prepare()
        self.restarted = True


@dataclass(frozen=True)
class Scenario:
    """A kind of trial.

    Attributes:
        source: what is played, without seed and duration. seconds: how long.
        happen: plays it, and does what else belongs to it.
        patience: seconds after the last event in which every transport should have delivered it.
        costs: whether it measures what a transport costs, and no latency; `ground` knows how.
        settings: of the lab and of the reader, where they differ from the usual ones.
        needs: kinds of segments; the link must have one of these. engines: those that it can be played in.
        storm: the back-off of readers that all come back at once, see `backoff`; empty where that is not what it is.
    """

    name: str
    title: str
    source: str
    seconds: float
    happen: Callable[[Stage, str], Awaitable[None]]
    patience: float = 3.0
    costs: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    engines: Collection[str] = ENGINES
    storm: str = ""

    def unsupported(self, engine: str, kinds: Collection[str]) -> str:
        """Why it can't be played in that engine, over a link of such segments; empty when it can."""
        if engine not in self.engines:
            return f"the scenario {self.name} is for {' and '.join(sorted(self.engines))}"
        if self.needs and not set(self.needs) & set(kinds):
            return f"the scenario {self.name} takes a link with a {' or a '.join(self.needs)}"
        return ""
