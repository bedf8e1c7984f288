"""What trials stand on: the servers under test and the engines, each started when it is first needed."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from random import Random

from benchmarks.browser import BrowserError, Engine, Reader, launched
from benchmarks.runs import Cell, Trial
from benchmarks.scenarios import Scenario, Stage, scenario
from lab.process import ServerProcess, read_ledger, server_process
from lab.transport import Subject

OPENING = 10.0
"""Seconds that a reader may take to open."""

AFTERMATH = 0.05
"""Seconds that a reader is watched after the last event came: for one that comes twice."""


class Failed(Exception):
    """A trial that yields no numbers; says why."""


BREAKDOWNS = (Failed, BrowserError, ConnectionError)
"""What a trial may fail by without hurting the others: its reader, its browser, its server."""


class Ground:
    """Servers and engines for the trials of one block; all of them end with `stack`."""

    def __init__(self, stack: AsyncExitStack, subjects: Mapping[str, Subject]) -> None:
        self.stack, self.subjects = stack, subjects
        self.engines: dict[str, Engine] = {}
        self.servers: dict[str, ServerProcess] = {}

    async def engine(self, name: str) -> Engine:
        """Raises:
        UserError: it isn't there, or does not start.
        """
        if name not in self.engines or not self.engines[name].works():
            engine = await self.stack.enter_async_context(launched(name))
            await engine.try_clock((await self.server_with(())).origins[0])
            self.engines[name] = engine
        return self.engines[name]

    async def server(self, cell: Cell) -> ServerProcess:
        """The one for that cell: a variant that asks something of the server as a whole has one of its own."""
        return await self.server_with(tuple(sorted(self.subjects[cell.subject].options.server.items())))

    async def server_with(self, options: Iterable[tuple[str, object]]) -> ServerProcess:
        key = repr(options)
        if key not in self.servers or not self.servers[key].runs():
            names = [name for name, one in self.subjects.items() if one.found.module is not None]
            process = server_process(names, options=dict(options))
            self.servers[key] = await self.stack.enter_async_context(process)
        return self.servers[key]

    async def warm_up(self, cells: Iterable[Cell]) -> None:
        """One trial per engine and server that counts for nothing: the first is slower than all others."""
        first: dict[tuple[str, ServerProcess], Cell] = {}
        for cell in cells:
            first.setdefault((cell.engine, await self.server(cell)), cell)
        for cell in first.values():
            await self.trial(cell, 0, Random(0))

    async def trial(self, cell: Cell, number: int, rng: Random) -> Trial:
        """Measure the cell once; a trial that fails says why, and hurts no other."""
        what = scenario(cell.scenario)
        try:
            server, engine = await self.server(cell), await self.engine(cell.engine)
            async with engine.reading(self.subjects[cell.subject], server.origins[0], {}, "now") as reader:
                return await self._watch(cell, number, what, Stage(server, rng, what.seconds), reader)
        except BREAKDOWNS as error:
            return Trial(cell, number, "failed", str(error).strip().splitlines()[0])

    async def _watch(self, cell: Cell, number: int, what: Scenario, stage: Stage, reader: Reader) -> Trial:
        if not await reader.opened(OPENING):
            why = "; ".join(why for _, why in (await reader.seen()).lost[:3])
            raise Failed(f"did not open within {OPENING:g} s{': ' if why else ''}{why}")
        _, start = read_ledger(stage.server.ledger)
        began = time.monotonic_ns()
        await what.happen(stage, what.source)
        sent, _ = read_ledger(stage.server.ledger, start)
        if sent:
            await reader.reached(sent[-1].epoch, sent[-1].id, what.patience)
            await asyncio.sleep(AFTERMATH)
        seen = await reader.seen()
        return Trial(
            cell,
            number,
            "measured",
            began=began,
            ended=time.monotonic_ns(),
            navigated=seen.navigated,
            opened=seen.opened,
            lost=seen.lost,
            gaps=seen.gaps,
            bound_ms=seen.bound_ms,
            sent=[(entry.epoch, entry.id, entry.due, entry.at) for entry in sent],
            arrived=seen.events,
        )
