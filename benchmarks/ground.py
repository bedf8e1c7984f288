"""What trials stand on: the servers under test and the engines, each started when it is first needed."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from random import Random
from typing import Any

from benchmarks import bulk, crowd, storm
from benchmarks.browser import Broken, BrowserError, Engine, Reader, Seen, launched
from benchmarks.runs import Cell, Trial
from benchmarks.scenarios import scenario
from benchmarks.stage import Scenario, Stage
from lab import link as links
from lab.errors import UserError
from lab.link import DIRECT, Link, Place, laid
from lab.process import Entry, ServerProcess, read_ledger, server_process
from lab.transport import SETTINGS, Subject
from lab.wire import Totals

OPENING = 10.0
"""Seconds that a reader may take to open."""

AFTERMATH = 0.05
"""Seconds that a reader is watched after the last event came: for one that comes twice."""


RESTARTED = "the server was started anew meanwhile, and what the first one had counted went with it"


class Failed(Exception):
    """A trial that yields no numbers; says why."""


BREAKDOWNS = (Failed, Broken, BrowserError, ConnectionError, UserError)
"""What a trial may fail by without hurting the others: its reader, its browser, its server."""


class Ground:
    """Servers and engines for the trials of one block; all of them end with `stack`."""

    def __init__(self, stack: AsyncExitStack, subjects: Mapping[str, Subject]) -> None:
        self.stack, self.subjects = stack, subjects
        self.links: dict[str, Link] = {}
        self.engines: dict[tuple[str, Place], Engine] = {}
        self.servers: dict[str, ServerProcess] = {}
        self.crowd: crowd.Crowd | None = None

    async def link(self, text: str = DIRECT) -> Link:
        """Raises:
        UserError: it can't be had here, or does not start.
        """
        if text not in self.links:
            self.links[text] = await self.stack.enter_async_context(laid(links.parse(text)))
        return self.links[text]

    async def facts(self, link: str) -> dict[str, Any]:
        """What a report has to tell of the link."""
        between = await self.link(link)
        return {"title": between.spec.title} | between.facts

    async def engine(self, name: str, link: str = DIRECT) -> Engine:
        """Raises:
        UserError: it isn't there, or does not start.
        """
        between = await self.link(link)
        key = name, between.reader
        if key not in self.engines or not self.engines[key].works():
            server = await self.server_with((), link)
            engine = await self.stack.enter_async_context(launched(name, place=between.reader))
            await engine.try_clock(between.beside(server.origins[0]))
            self.engines[key] = engine
        return self.engines[key]

    async def server(self, cell: Cell) -> ServerProcess:
        """The one for that cell: a variant that asks something of the server as a whole has one of its own."""
        return await self.server_with(tuple(sorted(self.subjects[cell.subject].options.server.items())), cell.link)

    async def server_with(self, options: Iterable[tuple[str, object]], link: str = DIRECT) -> ServerProcess:
        key = f"{link} {options!r}"
        if key not in self.servers or not self.servers[key].runs():
            names = [name for name, one in self.subjects.items() if one.found.module is not None]
            place = (await self.link(link)).server
            process = server_process(names, options=dict(options), place=place)
            self.servers[key] = await self.stack.enter_async_context(process)
        return self.servers[key]

    async def warm_up(self, cells: Iterable[Cell]) -> None:
        """One trial per engine and server that counts for nothing: the first is slower than all others."""
        first: dict[tuple[str, str, ServerProcess], Cell] = {}
        for cell in cells:
            if scenario(cell.scenario).costs:
                continue
            first.setdefault((cell.engine, cell.link, await self.server(cell)), cell)
        for cell in first.values():
            await self.trial(cell, 0, Random(0))

    async def trial(self, cell: Cell, number: int, rng: Random) -> Trial:
        """Measure the cell once; a trial that fails says why, and hurts no other."""
        what = scenario(cell.scenario)
        try:
            if what.costs:
                return Trial(cell, number, "measured", cost=await self._cost(cell))
            async with AsyncExitStack() as undo:
                stage = await self._stage(cell, what, rng, undo)
                return await self._watch(cell, number, what, stage)
        except BREAKDOWNS as error:
            return Trial(cell, number, "failed", (str(error).strip() or repr(error)).splitlines()[0])

    async def _stage(self, cell: Cell, what: Scenario, rng: Random, undo: AsyncExitStack) -> Stage:
        """A reader that has set out, and everything else that the scenario takes."""
        server, engine = await self.server(cell), await self.engine(cell.engine, cell.link)
        link, subject = await self.link(cell.link), self.subjects[cell.subject]
        origin, beside = await link.through(server.origins[0]), link.beside(server.origins[0])

        async def prepare() -> None:
            await server.ask("allow", origins=[origin, beside])
            await server.ask("set", **{key: what.settings.get(key, usual) for key, usual in SETTINGS.items()})
            await server.ask("watch", prefix=f"/transports/{cell.subject}/")

        await prepare()
        reading = engine.reading(subject, origin, what.settings, "now", clock=beside)
        reader: Reader = await undo.enter_async_context(reading)
        return Stage(server, rng, what.seconds, link, reader, prepare, undo)

    async def _watch(self, cell: Cell, number: int, what: Scenario, stage: Stage) -> Trial:
        reader = stage.reader
        if not await reader.opened(OPENING):
            why = "; ".join(why for _, why in (await reader.seen()).lost[:3])
            raise Failed(f"did not open within {OPENING:g} s{': ' if why else ''}{why}")
        _, start = read_ledger(stage.server.ledger)
        await stage.server.ask("wire")  # what has been until now was for opening
        await _network(stage.link)
        began = time.monotonic_ns()
        await what.happen(stage, what.source)
        sent, _ = read_ledger(stage.server.ledger, start)
        if sent:
            await reader.reached(sent[-1].epoch, sent[-1].id, what.patience)
            await asyncio.sleep(AFTERMATH)
        wire, stamped = await stage.server.ask("wire"), await stage.server.ask("unwatch")
        network, seen = await _network(stage.link), await reader.seen()
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
            written=[(epoch, id_, at) for epoch, id_, at in stamped["written"]],
            arrived=seen.events,
            wire=_split(wire, sent, seen) if not stage.restarted else {"reason": RESTARTED},
            stamps=_stamps(stamped, stage.link),
            fault=stage.fault,
            network=network,
        )

    async def _cost(self, cell: Cell) -> dict[str, float | str | None]:
        """What the transport costs the server, or the page."""
        subject = self.subjects[cell.subject]
        if cell.scenario == "crowd":
            return await self._crowd_cost(subject)
        if backoff := scenario(cell.scenario).storm:
            return await self._storm(subject, backoff)
        engine, server = await self.engine(cell.engine, cell.link), await self.server(cell)
        await server.ask("unwatch")  # a trial that failed may have left it on
        growth = await bulk.measure(server, subject, engine)
        if growth.delivered < growth.sent:
            raise Failed(f"only {growth.delivered} of {growth.sent} events of the bulk arrived")
        return {"renderer_kib": growth.peak_kib, "renderer_kept_kib": growth.kept_kib, "memory": growth.memory}

    async def _crowd_cost(self, subject: Subject) -> dict[str, float | str | None]:
        """By a server of its own: one that had readers before would use the memory again that they left."""
        readers = await self._crowd()
        async with server_process([subject.name], options=subject.options.server) as server:
            cost = await crowd.measure(server, subject, readers)
        if cost.deliveries != cost.expected:
            raise Failed(f"{cost.deliveries} deliveries to the crowd instead of {cost.expected}")
        return {
            "server_cpu_us_per_delivery": cost.cpu_us_per_delivery,
            "server_kib_per_reader": cost.reader_kib,
            "memory": cost.memory,
        }

    async def _storm(self, subject: Subject, backoff: str) -> dict[str, float | str | None]:
        readers = await self._crowd()
        async with server_process([subject.name], options=subject.options.server) as server:
            return asdict(await storm.measure(server, subject, readers, backoff))

    async def _crowd(self) -> crowd.Crowd:
        """The process of many readers; nobody follows anything there now."""
        if self.crowd is None or not self.crowd.runs():
            self.crowd = await self.stack.enter_async_context(crowd.crowding())
        return self.crowd


async def _network(link: Link) -> dict[str, Any]:
    """What an emulated network has done with packets since this was last asked; nothing where there is none."""
    return await link["net"].lap() if "net" in link.segments else {}


def _stamps(stamped: dict[str, Any], link: Link) -> dict[str, Any]:
    """The round trip from server to reader, ms, and why that or the instants of the writes are not known."""
    if not link.spec.one_connection:
        between = "the server's connection ends at a relay or a proxy: how long the way to the reader is can't be told"
        return {"rtt_ms": None, "reason": stamped["reason"] or between}
    if stamped["round_trip_us"] is None:
        return {"rtt_ms": None, "reason": stamped["reason"] or "the server's kernel has not seen a round trip"}
    return {"rtt_ms": stamped["round_trip_us"] / 1000, "reason": stamped["reason"]}


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
