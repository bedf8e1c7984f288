"""The scenario `bulk`: 20 MB through one page, for what that does to the memory of the page's own process."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

from benchmarks.browser import Engine, PageReader
from lab import cost
from lab.errors import UserError
from lab.process import ServerProcess, read_ledger
from lab.transport import Subject

SOURCE = "metronome:rate=1600,size=16384,count=1221"
"""20.0 MB within 0.8 s."""

OPENING = 10.0
PATIENCE = 5.0
"""Seconds within which the page must have opened, and after the last event, must have got it."""

LOOK = 0.03
"""Seconds between two looks at the memory. One takes about 2 ms."""

WORK_MS = 40
"""How long the page works so that its process is known by it."""

ATTEMPTS = 30

WORKING = "ms => { const end = performance.now() + ms; while (performance.now() < end); }"


@dataclass(frozen=True)
class Growth:
    """Of the renderer, the process that a page has to itself, above what it held when the page had opened.

    Attributes:
        sent: events. delivered: of them, to the page.
        peak_kib: the most that was seen while it went on. end_kib: right after the last event had come.
        kept_kib: after the browser was told to collect its garbage, as it was before; None where it can't be told.
        memory: of which kind these are: USS or RSS.
    """

    sent: int
    delivered: int
    peak_kib: float
    end_kib: float
    kept_kib: float | None
    memory: str


async def measure(server: ServerProcess, whom: Subject, engine: Engine) -> Growth:
    """A fresh page of a browser, 20 MB, and what its process held before, meanwhile and afterwards.

    Raises:
        UserError: the page did not open, or its process could not be found.
    """
    async with engine.reading(whom, server.origins[0], {}, "now") as reader:
        assert isinstance(reader, PageReader), "a native reader has no process of its own"
        if not await reader.opened(OPENING):
            raise UserError(f"{whom.name} did not open in {engine.name} within {OPENING:g} s")
        pid = await renderer(reader)
        await _collect_garbage(reader, engine)
        before = cost.memory_kib([pid])
        _, start = read_ledger(server.ledger)
        async with _watching(pid) as held:
            await server.play(SOURCE, spin=False)
            sent, _ = read_ledger(server.ledger, start)
            await reader.reached(sent[-1].epoch, sent[-1].id, PATIENCE)
            end = cost.memory_kib([pid])
        collected = await _collect_garbage(reader, engine)
        kept = cost.memory_kib([pid])
        delivered = {(epoch, id_) for epoch, id_, _ in (await reader.seen()).events}
    return Growth(
        len(sent),
        len(delivered),
        max(*held, end.kib) - before.kib,
        end.kib - before.kib,
        kept.kib - before.kib if collected else None,
        before.kind,
    )


async def renderer(reader: PageReader) -> int:
    """The process that works when the page does, while all others like it rest.

    No browser tells which one that is. And the others must rest for the sake of the numbers, too: the code that a
    process has loaded is no longer its own, and so not in its USS, once another that has just started loads it.

    Raises:
        UserError: there is no such process.
    """
    for _ in range(ATTEMPTS):
        began = _cpu_ns(_content_processes())
        await asyncio.sleep(WORK_MS / 1000)
        rested = _cpu_ns(_content_processes())
        await reader.page.evaluate(WORKING, WORK_MS)
        worked = _cpu_ns(rested)
        busy = [pid for pid in worked if worked[pid] - rested[pid] > WORK_MS * 1e6 / 4]
        if len(busy) == 1 and all(rested[pid] - began.get(pid, 0) < WORK_MS * 1e6 / 20 for pid in rested):
            return busy[0]
    raise UserError("the page's own process could not be told from the browser's others")


def _content_processes() -> Iterator[int]:
    """Those in which Chromium and Firefox run pages: of all browsers that this process has started."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            line = process.cmdline()
            if "--type=renderer" in line or ("-contentproc" in line and line[-1] == "tab"):
                yield process.pid


def _cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """Of those that are still there."""
    times = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            times[pid] = cost.process_cpu_ns(pid)
    return times


@asynccontextmanager
async def _watching(pid: int) -> AsyncIterator[list[float]]:
    """What it holds, in KiB, looked at all the while."""
    seen: list[float] = []

    async def look() -> None:
        while True:
            seen.append(cost.memory_kib([pid]).kib)
            await asyncio.sleep(LOOK)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _collect_garbage(reader: PageReader, engine: Engine) -> bool:
    """Whether the browser could be told to: Chromium can."""
    if engine.name != "chromium":
        return False
    session = await reader.page.context.new_cdp_session(reader.page)
    await session.send("HeapProfiler.collectGarbage")
    await session.detach()
    return True
