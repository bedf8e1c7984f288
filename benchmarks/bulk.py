"""The scenario `bulk`: 20 MB through one page, for what that does to the memory of the page's own process."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlencode

import psutil

from benchmarks.bare import BarePage, bare_page
from benchmarks.browser import Chromium, Engine
from lab import cost
from lab.errors import UserError
from lab.process import ServerProcess, read_ledger
from lab.transport import Options, Subject

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

WORKING = f"for (const end = performance.now() + {WORK_MS}; performance.now() < end;);"


@dataclass(frozen=True)
class Growth:
    """Of the renderer, the process that a page has to itself, above what it held when the page had opened.

    Attributes:
        sent: events. delivered: of them, to the page.
        peak_kib: the most that was seen while it went on. end_kib: right after the last event had come.
        kept_kib: after the browser was told to collect its garbage, as it was before.
        memory: of which kind these are (lab/cost.py).
    """

    sent: int
    delivered: int
    peak_kib: float
    end_kib: float
    kept_kib: float
    memory: str


async def measure(server: ServerProcess, whom: Subject, engine: Engine) -> Growth:
    """A fresh page of a browser, 20 MB, and what its process held before, meanwhile and afterwards.

    Raises:
        UserError: it can't be measured in that engine, the page did not open, or its process could not be found.
        ConnectionError: the page or the server has gone.
    """
    if not isinstance(engine, Chromium):
        raise UserError(
            f"bulk is measured in Chromium alone: no page of {engine.name} can be had that no tool inspects"
        )
    async with bare_page(engine.browser) as page:
        await opened(page, whom, server.origins[0])
        pid = await renderer(page)
        await page.send("HeapProfiler.collectGarbage")
        before = cost.memory_kib([pid])
        async with _watching(pid) as held:
            sent = await deliver(server, page, SOURCE)
            end = cost.memory_kib([pid])
        await page.send("HeapProfiler.collectGarbage")
        kept = cost.memory_kib([pid])
        delivered = await page.evaluate("new Set(trial.arrivals.map(([epoch, id]) => `${epoch}-${id}`)).size")
    peak = max(*held, end.kib)
    return Growth(sent, delivered, peak - before.kib, end.kib - before.kib, kept.kib - before.kib, before.kind)


async def opened(page: BarePage, whom: Subject, origin: str, options: Options | None = None) -> None:
    """Have the page follow, and wait until it is open.

    Raises:
        UserError: it did not open.
    """
    asked = urlencode({"transport": whom.name, "cursor": "now", "options": json.dumps(options or {})})
    await page.goto(f"{origin}/lab/trial.html?{asked}")
    await page.evaluate(
        "new Promise((done) => { const look = () => window.trial ? done() : setTimeout(look, 5); look(); })"
    )
    if not await page.evaluate(f"trial.until(() => trial.opened.length > 0, {OPENING})"):
        raise UserError(f"{whom.name} did not open in {OPENING:g} s")


async def deliver(server: ServerProcess, page: BarePage, source: str) -> int:
    """Play the source until the page has got all of it; the number of events."""
    _, start = read_ledger(server.ledger)
    await server.play(source, spin=False)
    sent, _ = read_ledger(server.ledger, start)
    last = sent[-1]
    await page.evaluate(f"trial.until(() => trial.reached({last.epoch}, {last.id}), {PATIENCE})")
    return len(sent)


async def renderer(page: BarePage) -> int:
    """The process that works when the page does, while all others like it rest.

    No browser tells which one that is. And where USS is all that can be had, the others must rest for the sake of the
    numbers, too: code that another process loads is no longer the page's own.

    Raises:
        UserError: there is no such process.
    """
    for _ in range(ATTEMPTS):
        began = _cpu_ns(_content_processes())
        await asyncio.sleep(WORK_MS / 1000)
        rested = _cpu_ns(_content_processes())
        await page.evaluate(WORKING)
        worked = _cpu_ns(rested)
        busy = [pid for pid in worked if worked[pid] - rested[pid] > WORK_MS * 1e6 / 4]
        if len(busy) == 1 and all(rested[pid] - began.get(pid, 0) < WORK_MS * 1e6 / 20 for pid in rested):
            return busy[0]
    raise UserError("the page's own process could not be told from the browser's others")


def _content_processes() -> Iterator[int]:
    """Those in which Chromium runs pages, and parts of itself that are pages: of all that this process has started."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
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
