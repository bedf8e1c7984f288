"""What trials stand on: the servers under test and the engines, each started when it is first needed."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from benchmarks import bulk, crowd
from benchmarks.browser import Broken, BrowserError, Engine, Reader, Seen, launched
from benchmarks.runs import Cell, Trial
from benchmarks.scenarios import Scenario, Stage, scenario
from lab.errors import UserError
from lab.process import Entry, ServerProcess, read_ledger, server_process
from lab.transport import Subject
from lab.wire import Totals

OPENING = 10.0
"""Seconds that a reader may take to open."""

AFTERMATH = 0.05
"""Seconds that a reader is watched after the last event came: for one that comes twice."""


class Failed(Exception):
    """A trial that yields no numbers; says why."""


BREAKDOWNS = (Failed, Broken, BrowserError, ConnectionError, UserError)
"""What a trial may fail by without hurting the others: its reader, its browser, its server."""


class Ground:
    """Servers and engines for the trials of one block; all of them end with `stack`."""

    def __init__(self, stack: AsyncExitStack, subjects: Mapping[str, Subject]) -> None:
        self.stack, self.subjects = stack, subjects
        self.engines: dict[str, Engine] = {}
        self.servers: dict[str, ServerProcess] = {}
        self.crowd: crowd.Crowd | None = None

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
            if scenario(cell.scenario).costs:
                continue
            first.setdefault((cell.engine, await self.server(cell)), cell)
        for cell in first.values():
            await self.trial(cell, 0, Random(0))

    async def trial(self, cell: Cell, number: int, rng: Random) -> Trial:
        """Measure the cell once; a trial that fails says why, and hurts no other."""
        what = scenario(cell.scenario)
        try:
            if what.costs:
                return Trial(cell, number, "measured", cost=await self._cost(cell))
            server, engine = await self.server(cell), await self.engine(cell.engine)
            await server.ask("watch", prefix=f"/transports/{cell.subject}/")
            async with engine.reading(self.subjects[cell.subject], server.origins[0], {}, "now") as reader:
                return await self._watch(cell, number, what, Stage(server, rng, what.seconds), reader)
        except BREAKDOWNS as error:
            return Trial(cell, number, "failed", (str(error).strip() or repr(error)).splitlines()[0])

    async def _watch(self, cell: Cell, number: int, what: Scenario, stage: Stage, reader: Reader) -> Trial:
        if not await reader.opened(OPENING):
            why = "; ".join(why for _, why in (await reader.seen()).lost[:3])
            raise Failed(f"did not open within {OPENING:g} s{': ' if why else ''}{why}")
        _, start = read_ledger(stage.server.ledger)
        await stage.server.ask("wire")  # what has been until now was for opening
        began = time.monotonic_ns()
        await what.happen(stage, what.source)
        sent, _ = read_ledger(stage.server.ledger, start)
        if sent:
            await reader.reached(sent[-1].epoch, sent[-1].id, what.patience)
            await asyncio.sleep(AFTERMATH)
        wire = await stage.server.ask("wire")
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
            wire=_split(wire, sent, seen),
        )

    async def _cost(self, cell: Cell) -> dict[str, float | str | None]:
        """What the transport costs the server, or the page."""
        subject = self.subjects[cell.subject]
        if cell.scenario == "crowd":
            return await self._crowd_cost(subject)
        engine, server = await self.engine(cell.engine), await self.server(cell)
        growth = await bulk.measure(server, subject, engine)
        if growth.delivered < growth.sent:
            raise Failed(f"only {growth.delivered} of {growth.sent} events of the bulk arrived")
        return {"renderer_kib": growth.peak_kib, "renderer_kept_kib": growth.kept_kib, "memory": growth.memory}

    async def _crowd_cost(self, subject: Subject) -> dict[str, float | str | None]:
        """By a server of its own: one that had readers before would use the memory again that they left."""
        if self.crowd is None or not self.crowd.runs():
            self.crowd = await self.stack.enter_async_context(crowd.crowding())
        async with server_process([subject.name], options=subject.options.server) as server:
            cost = await crowd.measure(server, subject, self.crowd)
        if cost.deliveries != cost.expected:
            raise Failed(f"{cost.deliveries} deliveries to the crowd instead of {cost.expected}")
        return {
            "server_cpu_us_per_delivery": cost.cpu_us_per_delivery,
            "server_kib_per_reader": cost.reader_kib,
            "memory": cost.memory,
        }


def _split(wire: dict[str, Any], sent: list[Entry], seen: Seen) -> dict[str, Any]:
    """The bytes of each direction by what they were for."""
    if wire["totals"] is None:
        return {"reason": wire["reason"]}
    totals = Totals(**wire["totals"])
    sizes = {(entry.epoch, entry.id): entry.size for entry in sent}
    payload = sum(sizes.get((epoch, id_), 0) for epoch, id_, _ in seen.events)
    return {
        **totals.split(payload),
        "packets": {"down": totals.segments_down, "up": totals.segments_up},
        "connections": totals.connections,
        "requests": totals.requests,
        "others": totals.others,
    }
