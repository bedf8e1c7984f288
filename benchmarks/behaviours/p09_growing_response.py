"""P9: a response that a page keeps whole, though it has long read it."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from benchmarks import bulk
from benchmarks.bare import BarePage, bare_page
from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.browser import Chromium
from benchmarks.ground import Failed
from lab import cost
from lab.transport import Subject

BATCHES, EVENTS, SIZE = 4, 305, 16384
"""How often 5.0 MB are sent, in how many events of how many bytes."""

SOURCE = f"metronome:rate=1600,size={SIZE},count={EVENTS}"
BATCH_MB = EVENTS * SIZE / 1e6

ENDLESS = 64 << 20
"""Bytes after which the server ends the response: more than there are."""

KEEPS = 0.5
"""MB that a page grows by for each MB of a batch, of every batch, from which on it keeps what it has read."""


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    engine = await field.engine(server)
    assert isinstance(engine, Chromium)
    page = await field.stack.enter_async_context(bare_page(engine.browser))
    await bulk.opened(page, field.subject, server.origins[0], {} if cured else {"limit": ENDLESS})
    field.note("open")
    pid = await bulk.renderer(page)
    held = [await holds(page, pid)]
    for batch in range(1, BATCHES + 1):
        await bulk.deliver(server, page, SOURCE)
        held.append(await holds(page, pid))
        field.note(f"{batch * BATCH_MB:.0f} MB are sent", f"the page holds {held[-1].kib - held[0].kib:,.0f} KiB more")
    there: int = await page.evaluate("trial.arrivals.length")
    if there != EVENTS * BATCHES:
        raise Failed(f"{there} of {EVENTS * BATCHES} events arrived")
    return judged([one.kib for one in held], held[0].kind, await page.evaluate("trial.opened.length"))


async def holds(page: BarePage, pid: int) -> cost.Memory:
    """What the page's process holds when the garbage is collected."""
    await page.send("HeapProfiler.collectGarbage")
    return cost.memory_kib([pid])


def judged(held: Sequence[float], kind: str, responses: int) -> Observation:
    """Bitten: the page grows with each batch that it reads. What grows once is the garbage collector's doing.

    Args:
        held: KiB, before the first batch and after each.
    """
    grown = [(one - held[0]) * 1024 / 1e6 for one in held]
    read = [nth * BATCH_MB for nth in range(len(held))]
    slope = statistics.linear_regression(read, grown).slope
    least = min(after - before for before, after in pairwise(grown)) / BATCH_MB
    says = f"the page grew by {slope:.2f} MB for each MB that it read, by {grown[-1]:.1f} MB in all"
    numbers: dict[str, float | str | None] = {
        "grown_mb_per_mb": round(slope, 3),
        "grown_least_mb_per_mb": round(least, 3),
        "grown_mb": round(grown[-1], 2),
        "read_mb": round(read[-1], 2),
        "responses": responses,
        "memory": kind,
    }
    curve = [(round(x, 2), round(y, 2)) for x, y in zip(read, grown, strict=True)]
    return Observation(least > KEEPS, says, numbers, {"grown_mb by MB read": curve})


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """A responseText is all that has come since the request was sent."""
    return not cured and "xmlhttprequest" in subject.found.about.uses


def unfit(subject: Subject, engine: str) -> str:
    if engine != "chromium":
        return only_browsers(subject, engine) or f"no page of {engine} can be had that no tool inspects, and keeps"
    return ""


experiment = Experiment(
    id="P9",
    name="growing_response",
    title="A page that forgets nothing",
    question="Does a page grow with all that it has ever read?",
    fixture=f"{BATCHES} times {BATCH_MB:.0f} MB come to a page, in events of 16 KiB. After each time the browser is "
    "told to collect its garbage, and the memory is read that the page's own process has written. Responses "
    "end only after 64 MiB.",
    expected="With XMLHttpRequest it grows by about as much as it reads, for responseText is always the whole "
    "response, from its beginning on. Everything else lets go what it has read.",
    cure="An end to each response after a while, here after 1 MiB, and a new request at the cursor: memory falls back "
    "each time. Or fetch or EventSource, which keep nothing. (A client that begins a new request by itself before the "
    "old one is read to its end may lose the last event; here the server ends the response, between two events.)",
    sources=(
        "https://xhr.spec.whatwg.org/#the-responsetext-attribute",
        "https://www.rfc-editor.org/rfc/rfc6202#section-3.2",
        "https://github.com/grpc/grpc-web/issues/1154",
    ),
    bites=bites,
    unfit=unfit,
    seconds=6,
    alone=True,
    observe=observe,
)
