"""P7: a server comes back, and so do all its readers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.tabs import Tab, tabs_of
from benchmarks.crowd import Return, crowding, returned
from benchmarks.ground import OPENING, Failed
from benchmarks.storm import BACK, DOWN, WINDOW, Storm, storm
from lab import clock
from lab.native import Arrivals
from lab.process import ServerProcess
from lab.transport import Subject

VISITORS, EACH = 4, 6
"""Visitors of the site in a browser, each with a browser context of its own, and how often each one's page follows:
more of one visitor's WebSockets at once would be slowed down by Chromium itself, by seconds.
"""

NATIVE = 48
"""Readers natively."""

FIXED = 1.0
"""Seconds that readers wait each time without the cure: more than a server takes to be there again."""

RETRY_MS = 500, 4000
"""Between which the server draws the retry that it tells an EventSource, with the cure."""

SETTING_OUT_MS = 1000
"""In which all readers of a browser set out, one by one. It is also the period of those that poll, and as long as they
wait when they have failed: so each polls at another instant, before and after.
"""

PATIENCE = 15.0
"""Seconds in which readers have to be back."""

LOOK = 0.1

TOO_MANY = 0.4
"""The part of all readers that counts as a storm if they come back within `WINDOW`. Those who wait for the same time
come in one group, or in two where the server comes back in between; of those who draw lots a seventh is to be expected.
"""

# Each follows at an origin of its own, or the browser's cache would send requests for one address one by one.
# Where nothing is random, retry.js waits just as long as it may.
FOLLOW = """async ([name, origins, fixed, within, later]) => {
    const { follow } = await import("/lab/follow.js");
    if (fixed) Math.random = () => 1;
    const policy = { every: within / 1000, ...(fixed ? { first: fixed / 2, longest: fixed } : {}) };
    window.readers = [];
    await new Promise((done) => setTimeout(done, later));
    for (const origin of origins) {
        readers.push(follow(name, { origin, ...policy }));
        await new Promise((done) => setTimeout(done, within / origins.length));
    }
}"""

OPENED = """(seconds) => Promise.all(readers.map((one) => one.until(() => one.opened.length > 0, seconds)))
    .then((there) => there.every(Boolean))"""

# On the wall clock, which all pages share, in ms.
SEEN = """() => readers.map(({ opened, lost }) => [
    opened.map((at) => performance.timeOrigin + at), lost.map(([at]) => performance.timeOrigin + at)])"""

Returns = Callable[[int], Awaitable[list[Return]]]
"""Those who were lost since an instant, and are back."""


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server(ports=EACH, retry=RETRY_MS if cured else (round(FIXED * 1000),) * 2)
    native = field.engine_name == "native"
    readers = NATIVE if native else VISITORS * EACH
    returns = await (crowded if native else visited)(field, server, cured=cured)
    field.note(f"{readers} readers are open")
    ended = clock.now()
    field.note("the server is killed", "SIGKILL")
    await server.kill()
    await asyncio.sleep(DOWN)
    await server.again()
    answered = clock.now()
    field.note("another server has taken its place")
    back = await all_back(returns, ended, readers)
    field.note("back", f"{len(back)} of {readers} readers")
    if len(back) < readers * BACK:
        raise Failed(f"only {len(back)} of {readers} readers were back within {PATIENCE:g} s")
    return judged(storm(back, readers, ended, answered), back, readers, ended)


async def crowded(field: Field, server: ServerProcess, *, cured: bool) -> Returns:
    """Native readers, in a process of their own. They set out one by one: else those that poll would keep in step."""
    crowd = await field.stack.enter_async_context(crowding())
    for _ in range(NATIVE):
        await crowd.join(field.subject, server.origins[0], 1, "jittered" if cured else "fixed")
    return crowd.returned


async def visited(field: Field, server: ServerProcess, *, cured: bool) -> Returns:
    """Readers in pages of several visitors."""
    engine = await field.engine(server)
    tabs = []
    for _ in range(VISITORS):
        visitor = await field.stack.enter_async_context(tabs_of(engine))
        tabs.append(await visitor.new_page())
        await tabs[-1].goto(f"{server.origins[0]}/lab/trial.html")
    asked = [field.subject.name, server.origins, 0 if cured else FIXED, SETTING_OUT_MS]
    later = SETTING_OUT_MS / EACH / VISITORS
    await asyncio.gather(*(tab.evaluate(FOLLOW, [*asked, nth * later]) for nth, tab in enumerate(tabs)))
    if not all([await tab.evaluate(OPENED, OPENING) for tab in tabs]):
        raise Failed(f"some of {VISITORS * EACH} readers did not open within {OPENING:g} s")
    return lambda since: returned_in(tabs, since)


async def returned_in(tabs: Sequence[Tab], since: int) -> list[Return]:
    ahead = time.time_ns() - clock.now()
    seen = [one for tab in tabs for one in await tab.evaluate(SEEN)]
    found = (returned(arrivals(opened, lost, ahead), since) for opened, lost in seen)
    return [one for one in found if one is not None]


def arrivals(opened: Sequence[float], lost: Sequence[float], ahead: int) -> Arrivals:
    """Of a reader, from ms on the wall clock, which is so many ns ahead."""

    def ns(at: float) -> int:
        return round(at * 1e6) - ahead

    return Arrivals(opened=[ns(at) for at in opened], lost=[(ns(at), "") for at in lost])


async def all_back(returns: Returns, since: int, readers: int) -> list[Return]:
    """All of them, or those that are back in time."""
    end = time.monotonic() + PATIENCE
    while len(back := await returns(since)) < readers and time.monotonic() < end:  # noqa: ASYNC110  (another process.s business)
        await asyncio.sleep(LOOK)
    return back


def judged(seen: Storm, back: Sequence[Return], readers: int, ended: int) -> Observation:
    """Bitten: a large part of the readers came back within the same tenth of a second."""
    at_once = round(seen.peak_connects_per_s * WINDOW)
    says = f"{at_once} of {readers} readers came back within the same {WINDOW * 1000:.0f} ms; "
    says += f"{BACK:.0%} were back {seen.back_ms - seen.down_ms:,.0f} ms after the server was"
    numbers: dict[str, float | str | None] = {
        "readers": readers,
        "peak_connects_per_s": seen.peak_connects_per_s,
        "back_within_100_ms": at_once,
        "server_down_ms": round(seen.down_ms, 1),
        "back_95_percent_ms": round(seen.back_ms, 1),
        "tries_per_reader": round(seen.tries_per_reader, 2),
    }
    instants = sorted((one.at - ended) / 1e9 for one in back)
    curve = [(round(at, 4), float(nth)) for nth, at in enumerate(instants, 1)]
    return Observation(at_once > readers * TOO_MANY, says, numbers, {"back_readers": curve})


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Who polls now and then hears of the end at the next poll, and so each at another instant."""
    return not cured and subject.found.about.pattern != "polling"


experiment = Experiment(
    id="P7",
    name="reconnect_storm",
    title="All come back at once",
    question="How many readers come upon a server in the same instant, when it is there again?",
    fixture=f"{VISITORS * EACH} readers follow in a browser, in the pages of {VISITORS} visitors; natively it is "
    f"{NATIVE}. The server is killed, and another is started in its place {DOWN:g} s later. Each reader "
    f"waits {FIXED:g} s, and tries again, and so on, as long as it takes. EventSource waits by itself for as long as "
    "the server's retry says, here the same second for all.",
    expected="All connections break in the same instant, so all readers count from the same instant, and come back in "
    f"the same instant: {TOO_MANY:.0%} of them and more within {WINDOW * 1000:.0f} ms. The new server gets "
    "in a moment what the old one got over hours. Who polls is not cut but hears of it at the next poll, and each has "
    "its own.",
    cure="Full jitter, as everything in this lab does it that reconnects by hand: wait at random between nothing and a "
    "bound that doubles. EventSource can't draw lots; the server does that for it, with another retry for each "
    f"connection (here {RETRY_MS[0]} to {RETRY_MS[1]} ms).",
    sources=(
        "https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/",
        "https://html.spec.whatwg.org/multipage/server-sent-events.html#concept-event-stream-reconnection-time",
        "https://github.com/rails/rails/pull/40229",
    ),
    bites=bites,
    seconds=6,
    alone=True,
    observe=observe,
)
