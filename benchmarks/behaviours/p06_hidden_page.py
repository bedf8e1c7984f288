"""P6: a page that nobody looks at has slow timers, and what waits for a timer becomes slow with it."""

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast
from urllib.parse import urlencode

from benchmarks.bare import BareContext, BarePage, bare_context
from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.browser import LOADED, PageReader
from benchmarks.ground import OPENING, Failed
from lab.process import ServerProcess
from lab.transport import Subject

UNSLOWED = (
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)
"""Flags by which the browser's driver keeps hidden pages as quick as shown ones."""

TICK_MS = 100
EVENTS, EVERY = 13, 0.382
"""How many events, and seconds between them: they fall evenly on all parts of a second."""

SLOWING = 2.0
"""Seconds after hiding in which a page's timers have become slow."""

GRACE = 3.0
"""Seconds in which the last event has to come."""

SLOWER_MS = 150.0
"""By how much the median has to grow to count. Half a period of slow timers is 500 ms, noise some 50."""

TICK = f"""(() => {{
    window.ticks = [];
    (function tick() {{ ticks.push(performance.now()); setTimeout(tick, {TICK_MS}); }})();
}})()"""

HIDDEN = """document.hidden || new Promise((done) => {
    onvisibilitychange = () => done(document.hidden);
    setTimeout(() => done(document.hidden), 5000);
})"""

# What libraries do who want timers of old: a worker keeps the time.
WORKER_TIMERS = """(() => {
    const worker = new Worker("/lab/timers.js");
    const waiting = new Map();
    const clear = window.clearTimeout.bind(window);
    let last = 1e9; // far from the ids of the timers that are there
    worker.onmessage = ({ data: id }) => { const act = waiting.get(id); waiting.delete(id); act?.(); };
    window.setTimeout = (act, ms = 0) => {
        last += 1;
        waiting.set(last, act);
        worker.postMessage([last, ms]);
        return last;
    };
    window.clearTimeout = (id) => { if (!waiting.delete(id)) clear(id); };
})()"""


@dataclass(frozen=True)
class Spell:
    """A while in which a page was shown, or was not.

    Attributes:
        sent: how many events. points: of each that came: when it was sent (s since the first), how long it took (ms).
        tick_ms: median time between ticks of a timer that was set to 100 ms.
    """

    sent: int
    points: Sequence[tuple[float, float]]
    tick_ms: float

    @property
    def p50_ms(self) -> float:
        return statistics.median(took for _, took in self.points)


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    engine = cast("Any", await field.engine(server, without=UNSLOWED))
    context = await field.stack.enter_async_context(bare_context(engine.browser))
    page = await following(context, field.subject, server.origins[0])
    if cured:
        await page.evaluate(WORKER_TIMERS)
    reader = PageReader(page, engine.time_origin, drifts=False)
    if not await reader.opened(OPENING):
        raise Failed(f"the page did not open within {OPENING:g} s")
    field.note("open")
    shown = await spell(server, reader)
    await hide(context, page)
    field.note("another page is in front: hidden")
    await asyncio.sleep(SLOWING)
    return judged(shown, await spell(server, reader))


async def following(context: BareContext, subject: Subject, origin: str) -> BarePage:
    """A page that follows, with a timer beside. What polls does so often enough to tell the timers' doing."""
    page = await context.page()
    options = '{"every": 0.1}' if subject.found.about.pattern == "polling" else "{}"
    asked = {"transport": subject.name, "cursor": "now", "options": options}
    await page.goto(f"{origin}/lab/trial.html?{urlencode(asked)}")
    await page.evaluate(LOADED)
    await page.evaluate(TICK)
    return page


async def hide(context: BareContext, page: BarePage) -> None:
    """Raises:
    Failed: the browser shows it still.
    """
    await context.show(await context.page())
    if not await page.evaluate(HIDDEN):
        raise Failed("the page is not hidden by another in front of it")


async def spell(server: ServerProcess, reader: PageReader) -> Spell:
    """Send events, and see when they come."""
    page = cast("BarePage", reader.page)
    began: float = await page.evaluate("performance.now()")
    last: list[int] = []
    sent: set[int] = set()
    for _ in range(EVENTS):
        last = await server.ask("append", data="news")
        sent.add(last[1])
        await asyncio.sleep(EVERY)
    await reader.reached(last[0], last[1], GRACE)
    ticks = await page.evaluate(f"ticks.filter((at) => at >= {began})")
    return spell_of(sent, await latencies(server, reader, sent), ticks)


async def latencies(server: ServerProcess, reader: PageReader, ids: set[int]) -> Mapping[int, tuple[int, int]]:
    """When each of these events was appended and when it came (ns), of those that came."""
    appended = {entry.id: entry.at for entry in Field.sent(server)}
    return {id_: (appended[id_], at) for _, id_, at in (await reader.seen()).events if id_ in ids}


def spell_of(sent: set[int], times: Mapping[int, tuple[int, int]], ticks: Sequence[float]) -> Spell:
    """Raises:
    Failed: nothing came, or the timer stood still.
    """
    if not times:
        raise Failed("no event came")
    if len(ticks) < 2:
        raise Failed("the page's timer stood still")
    first = min(at for at, _ in times.values())
    points = sorted(((at - first) / 1e9, (came - at) / 1e6) for at, came in times.values())
    between = [later - earlier for earlier, later in pairwise(ticks)]
    return Spell(len(sent), points, statistics.median(between))


def judged(shown: Spell, hidden: Spell) -> Observation:
    """Bitten: events that come to the hidden page take far longer, or do not come."""
    missed = hidden.sent - len(hidden.points)
    says = f"half of the events came within {shown.p50_ms:,.0f} ms while the page was shown, "
    says += f"within {hidden.p50_ms:,.0f} ms while it was hidden"
    says += f"; {missed} of {hidden.sent} did not come" if missed else ""
    numbers: dict[str, float | str | None] = {
        "shown_p50_ms": round(shown.p50_ms, 1),
        "hidden_p50_ms": round(hidden.p50_ms, 1),
        "hidden_max_ms": round(max(took for _, took in hidden.points), 1),
        "shown_tick_ms": round(shown.tick_ms, 1),
        "hidden_tick_ms": round(hidden.tick_ms, 1),
        "hidden_missed": missed,
    }
    curves = {f"{name}_ms": rounded(one.points) for name, one in (("shown", shown), ("hidden", hidden))}
    return Observation(hidden.p50_ms - shown.p50_ms > SLOWER_MS or missed > 0, says, numbers, curves)


def rounded(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(round(at, 3), round(took, 1)) for at, took in points]


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """What waits for a timer before it asks, or looks."""
    by_timer = subject.found.about.pattern == "polling" or bool(subject.options.client.get("look"))
    return not cured and by_timer


def unfit(subject: Subject, engine: str) -> str:
    if engine == "firefox":
        return "driven from outside, Firefox shows a page also when another is in front of it"
    return only_browsers(subject, engine)


experiment = Experiment(
    id="P6",
    name="hidden_page",
    title="A page that nobody looks at",
    question="Do events reach a page as soon when another page is in front of it?",
    fixture="A page follows while it is shown, and 13 events are sent, one each 0.38 s. Then another page of the same "
    "window comes in front; two seconds later 13 more are sent. A timer of 100 ms runs in the page beside, to show "
    "what becomes of timers. The browser runs without the flags by which its driver usually keeps hidden pages quick. "
    "What polls does so every 100 ms.",
    expected="Chromium lets the timers of a hidden page fire once a second. Who waits for a timer before it asks "
    "again gets events up to a second late: half of them within some 500 ms, instead of 50. What is pushed needs no "
    "timer and comes as soon as before. (After minutes, Chromium lets chained timers fire only once a minute. It can't "
    "be made to do so earlier, and so that is not observed here.)",
    cure="Push: events are delivered whether the page is shown or not. Who has to poll can take the timers of a "
    "worker, which stay quick: that is what was measured here.",
    sources=(
        "https://developer.chrome.com/blog/timer-throttling-in-chrome-88",
        "https://developer.mozilla.org/en-US/docs/Web/API/Window/setTimeout",
    ),
    bites=bites,
    unfit=unfit,
    seconds=16,
    observe=observe,
)
