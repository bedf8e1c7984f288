"""P10: a page that takes longer for an event than it is until the next."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.browser import PageReader
from benchmarks.ground import OPENING, Failed
from lab import cost
from lab.process import Entry, ServerProcess, read_ledger

RATE, SIZE, SECONDS = 80, 32768, 2.0
TAKES_MS = 25
"""What the page takes for an event: twice as long as it is until the next."""

SOURCE = f"metronome:rate={RATE},size={SIZE},seconds={SECONDS:g}"

PATIENCE = 15.0
"""Seconds in which the page has to show the last event."""

STALE_MS = 1000
"""How old what a page shows may be. A poll every half second makes it half a second old."""

LOOK = 0.1
"""Seconds between two looks at the server's memory."""

# What is shown is what the page has worked for. With `newest` it notes each event at once, and works when it is free.
FOLLOW = """async (name, takes, newest) => {
    const { follow } = await import("/lab/follow.js");
    window.shown = [];
    let noted = null;
    const show = ({ id }) => {
        for (const end = performance.now() + takes; performance.now() < end;);
        shown.push([id, performance.now()]);
    };
    const showNewest = () => { const one = noted; noted = null; show(one); };
    const note = (event) => { if (!noted) setTimeout(showNewest); noted = event; };
    const on = (what, event) => { if (what === "event") (newest ? note : show)(event); };
    window.trial = follow(name, { on });
}"""

SHOWN = """new Promise((done) => {{
    const end = performance.now() + {seconds} * 1000;
    const look = () => (shown.at(-1)?.[0] === {id} || performance.now() > end ? done(shown) : setTimeout(look, 20));
    look();
}})"""


@dataclass
class Held:
    """What the server held: seconds since its source began, KiB beyond what it held before, bytes of events sent, and
    whether the reader had not yet taken all of these.
    """

    looks: list[tuple[float, float, int, bool]]

    @property
    def beyond(self) -> list[tuple[float, float]]:
        """What the log does not account for, in KiB, over seconds."""
        return [(round(at, 2), round(kib - size / 1024, 1)) for at, kib, size, _ in self.looks]

    @property
    def back(self) -> float:
        """In which part of the looks the server still had something for the reader."""
        return sum(behind for *_, behind in self.looks) / len(self.looks)


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    engine = cast("Any", await field.engine(server))
    address = f"{server.origins[0]}/lab/trial.html?{urlencode({'clock': server.origins[0]})}"
    page = await field.stack.enter_async_context(engine.evaluating(address))
    await page.evaluate(f"({FOLLOW})({json.dumps(field.subject.name)}, {TAKES_MS}, {json.dumps(cured)})")
    reader = PageReader(page, engine.time_origin, drifts=engine.drifts)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open within {OPENING:g} s")
    field.note("open")
    async with watched(server) as held:
        await server.play(SOURCE, spin=False)
        sent = field.sent(server)
        field.note(f"{len(sent)} events are sent")
        shown = await page.evaluate(SHOWN.format(seconds=PATIENCE, id=sent[-1].id))
    field.note("shown", f"{len(shown)} events, the last of them {'' if shown_last(shown, sent) else 'not '}the newest")
    if not shown_last(shown, sent):
        raise Failed(f"the page did not show the last event within {PATIENCE:g} s")
    began, _ = await engine.time_origin(page)
    ages = aged(sent, [(id_, began + round(at * 1e6)) for id_, at in shown])
    return judged(sent, ages, held)


def shown_last(shown: Sequence[Sequence[float]], sent: Sequence[Entry]) -> bool:
    return bool(shown) and shown[-1][0] == sent[-1].id


@asynccontextmanager
async def watched(server: ServerProcess) -> AsyncIterator[Held]:
    """What it holds meanwhile, looked at all the while."""
    held = Held([])
    before, began = cost.memory_kib(cost.family(server.pid)).kib, time.monotonic()

    async def look() -> None:
        while True:
            kib = cost.memory_kib(cost.family(server.pid)).kib - before
            size = sum(entry.size for entry in read_ledger(server.ledger)[0])
            behind = not await server.ask("waiting")
            held.looks.append((time.monotonic() - began, kib, size, behind))
            await asyncio.sleep(LOOK)

    looking = asyncio.create_task(look())
    try:
        yield held
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def aged(sent: Sequence[Entry], shown: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """How old each event was (ms) when the page had shown it, over the seconds since the first was sent."""
    at = {entry.id: entry.at for entry in sent}
    return [(round((then - sent[0].at) / 1e9, 3), round((then - at[id_]) / 1e6, 1)) for id_, then in shown]


def judged(sent: Sequence[Entry], ages: list[tuple[float, float]], held: Held) -> Observation:
    """Bitten: the page shows what is old. The server's memory is told, but not judged: what polls leave for the garbage
    collector is more than a queue of what the page has not taken would be.
    """
    stale, beyond = max(age for _, age in ages), max(kib for _, kib in held.beyond)
    says = f"what the page showed was up to {stale:,.0f} ms old; it showed {len(ages)} of {len(sent)} events; "
    says += f"the server had more for it in {held.back:.0%} of all looks, and grew by {beyond:,.0f} KiB beyond its log"
    numbers: dict[str, float | str | None] = {
        "events_sent": len(sent),
        "events_shown": len(ages),
        "oldest_shown_ms": stale,
        "last_shown_ms": ages[-1][1],
        "looks_at_server": len(held.looks),
        "looks_that_found_more_for_the_page": sum(behind for *_, behind in held.looks),
        "server_beyond_log_kib": beyond,
    }
    curves = {"shown_ms": ages, "server_beyond_log_kib": held.beyond}
    return Observation(stale > STALE_MS, says, numbers, curves)


experiment = Experiment(
    id="P10",
    name="slow_page",
    title="A page that can't keep up",
    question="What becomes of events that come faster than the page can show them?",
    fixture=f"{RATE} events of 32 KiB per second come for {SECONDS:g} s, and the page works {TAKES_MS} ms for each: "
    "twice as long as there is. It is looked at how old each event is when it is shown, whether the server still has "
    "some that the page has not taken, and how much its memory grows beyond what its log keeps.",
    expected="Nothing is lost and nobody complains, but what the page shows is older from event to event, with every "
    "transport: by half a second each second. Where the events wait differs: with the browser, which reads ahead, or "
    "with the server, once the buffers in between are full. The server needs no queue for it in either case, for a "
    "reader is nothing but a place in its log: beyond that, memory grows by a few MiB of buffers and garbage.",
    cure="Note each event as it comes, which takes no time, and show the newest whenever the page is free: what is "
    "shown is then as old as one piece of work. (A server can skip events, too, as this lab's log does with what it no "
    "longer keeps; but not what the browser has already taken.)",
    sources=(
        "https://github.com/websockets/ws/issues/1620",
        "https://developer.mozilla.org/en-US/docs/Web/API/WebSockets_API",
        "https://developer.mozilla.org/en-US/docs/Web/API/Streams_API/Concepts#backpressure",
    ),
    unfit=only_browsers,
    seconds=6,
    alone=True,
    observe=observe,
)
