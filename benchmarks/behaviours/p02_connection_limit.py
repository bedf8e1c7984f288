"""P2: browsers give an origin six connections, and what stays open keeps them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.behaviours.experiment import Experiment, Observation, only_browsers
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.tabs import OPENED, Tab, Tabs, tabs_of
from benchmarks.ground import OPENING, Failed
from lab.process import ServerProcess
from lab.transport import Subject

PAGES = 7
PATIENCE = 4.0
"""Seconds that a page waits for a connection before it counts as left out."""

HEARING = 2.0
"""Seconds in which a page that is open hears of an event."""

HOLDING = 0.3
"""Seconds after a page's first answer in which what is held is held: a long poll's second request."""

# Everything that follow() needs is loaded before anybody follows: so the seventh page is not kept from that.
LOAD = """async (name) => {
    await import("/lab/follow.js");
    const { list } = await import("/lab/transports.js");
    await import((await list()).find((one) => one.name === name).client);
}"""

FOLLOW = """async ([name, cursor]) => {
    const { follow } = await import("/lab/follow.js");
    window.heard = [];
    const on = (what, event) => { if (what === "event") heard.push(event.id); };
    window.trial = follow(name, { cursor, on });
}"""

# All pages of the origin ask for one lock. Who gets it follows and tells the others; it is free when its page has gone.
FOLLOW_TOGETHER = """async (name) => {
    const { follow } = await import("/lab/follow.js");
    const channel = new BroadcastChannel("news");
    window.heard = [];
    window.leads = false;
    let cursor = "";
    const hear = (event) => { heard.push(event.id); cursor = `${event.epoch}-${event.id}`; };
    channel.onmessage = ({ data }) => hear(data);
    navigator.locks.request("leader", () => new Promise(() => {
        window.leads = true;
        const on = (what, event) => { if (what === "event") { hear(event); channel.postMessage(event); } };
        window.trial = follow(name, { cursor, on });
    }));
}"""

HEARD = """async ([id, seconds]) => {
    const end = performance.now() + seconds * 1000;
    while (!heard.includes(id) && performance.now() < end) await new Promise((done) => setTimeout(done, 10));
    return heard.includes(id);
}"""

FILE = """async (seconds) => {
    const began = performance.now();
    try {
        const signal = AbortSignal.timeout(seconds * 1000);
        await (await fetch("/lab/icon.svg", { cache: "no-store", signal })).text();
        return performance.now() - began;
    } catch { return null; }
}"""

COMPLAINTS = "() => window.trial ? trial.lost.length : 0"


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server()
    visitor = await field.stack.enter_async_context(tabs_of(await field.engine(server)))
    tabs = [await loaded(visitor, server, field.subject) for _ in range(PAGES)]
    field.note(f"{PAGES} pages of one visitor are loaded")
    return await (together if cured else each)(field, server, tabs)


async def loaded(visitor: Tabs, server: ServerProcess, subject: Subject) -> Tab:
    tab = await visitor.new_page()
    await tab.goto(f"{server.origins[0]}/lab/trial.html")
    await tab.evaluate(LOAD, subject.name)
    return tab


@dataclass(frozen=True)
class Without:
    """What was seen where each page has a connection of its own; times in ms, None where it was not within patience."""

    first: int  # of the other pages, how many opened
    held: int  # of their connections, how many the server held open when the seventh set out
    seventh_ms: float | None
    file_ms: float | None
    heard: int
    errors: int
    after_closing_ms: float | None


async def each(field: Field, server: ServerProcess, tabs: Sequence[Tab]) -> Observation:
    """Each page follows by itself."""
    *others, seventh = tabs
    *cursors, last = await addresses(server)
    opened = [await follows(tab, field.subject, at, OPENING) for tab, at in zip(others, cursors, strict=True)]
    field.note(f"{sum(one is not None for one in opened)} pages are open")
    await asyncio.sleep(HOLDING)
    held = await server.ask("waiting")
    seventh_ms, file_ms = await asyncio.gather(
        follows(seventh, field.subject, last, PATIENCE), others[0].evaluate(FILE, PATIENCE)
    )
    field.note("the seventh page", "is open" if seventh_ms is not None else f"is not open after {PATIENCE:g} s")
    field.note("a file of the same origin", "came" if file_ms is not None else f"did not come in {PATIENCE:g} s")
    heard = await tell(field, server, tabs)
    errors = sum([await tab.evaluate(COMPLAINTS) for tab in tabs])
    after_ms = await closing(field, others[0], seventh) if seventh_ms is None else None
    first = sum(one is not None for one in opened)
    if first < PAGES - 1:
        raise Failed(f"only {first} of the first {PAGES - 1} pages opened")
    return judged(Without(first, held, seventh_ms, file_ms, heard, errors, after_ms))


async def addresses(server: ServerProcess) -> list[str]:
    """The same cursor, written differently for each page: browsers' caches send one request for an address at a time,
    and let others for the same address wait until that is answered.
    """
    epoch, id_ = await server.ask("append", data="first")
    return [f"{epoch}-{'0' * n}{id_}" for n in range(PAGES)]


async def follows(tab: Tab, subject: Subject, cursor: str, seconds: float) -> float | None:
    """The ms until it was open; None where that took longer."""
    began = time.monotonic()
    await tab.evaluate(FOLLOW, [subject.name, cursor])
    return (time.monotonic() - began) * 1000 if await tab.evaluate(OPENED, seconds) else None


async def tell(field: Field, server: ServerProcess, tabs: Sequence[Tab]) -> int:
    """Append an event; how many of the pages heard of it."""
    _, id_ = await server.ask("append", data="news")
    heard: int = sum(await asyncio.gather(*(tab.evaluate(HEARD, [id_, HEARING]) for tab in tabs)))
    field.note("an event", f"{heard} of {len(tabs)} pages heard of it")
    return heard


async def closing(field: Field, other: Tab, seventh: Tab) -> float | None:
    """Close one of the others; after how many ms the seventh was open, 0 where it had opened meanwhile."""
    began = time.monotonic()
    if await seventh.evaluate(OPENED, 0):
        return 0.0
    await other.close()
    if not await seventh.evaluate(OPENED, PATIENCE):
        return None
    field.note("one page was closed, and the seventh opened")
    return (time.monotonic() - began) * 1000


def judged(seen: Without) -> Observation:
    """Bitten: the seventh page was not open in time, or did not hear of the event."""
    bitten = seen.seventh_ms is None or seen.heard < PAGES
    return Observation(
        bitten,
        f"{waits(seen)}; {seen.heard} of {PAGES} pages heard of an event",
        {
            "pages_open": seen.first + (seen.seventh_ms is not None),
            "connections_held": seen.held,
            "seventh_open_ms": rounded(seen.seventh_ms),
            "file_ms": rounded(seen.file_ms),
            "pages_that_heard": seen.heard,
            "errors_told": seen.errors,
            "seventh_open_after_closing_ms": rounded(seen.after_closing_ms),
        },
    )


def waits(seen: Without) -> str:
    if seen.seventh_ms is not None:
        return f"the seventh page was open after {seen.seventh_ms:,.0f} ms"
    errors = "no page was told of an error" if not seen.errors else f"{seen.errors} errors were told"
    after = "it opened when there was an event" if seen.after_closing_ms == 0 else "it opened when another was closed"
    return f"the seventh page waited {PATIENCE:g} s in vain, {errors}" + (
        f", {after}" if seen.after_closing_ms is not None else ", and it did not open when another was closed"
    )


def rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)


async def together(field: Field, server: ServerProcess, tabs: Sequence[Tab]) -> Observation:
    """One page follows for all; when it is closed, another does."""
    for tab in tabs:
        await tab.evaluate(FOLLOW_TOGETHER, field.subject.name)
    leader = await leading(tabs)
    others = [tab for tab in tabs if tab is not leader]
    field.note("one page follows for all")
    heard = await tell(field, server, tabs)
    began = time.monotonic()
    await leader.close()
    field.note("the page that followed was closed")
    after = await tell(field, server, others)
    taken_over_ms = (time.monotonic() - began) * 1000
    numbers: dict[str, float | str | None] = {
        "pages_that_heard": heard,
        "pages_that_heard_the_second": after,
        "pages_that_follow": sum([await tab.evaluate("() => leads") for tab in others]),
        "events_heard_twice": sum([await tab.evaluate("() => heard.length - new Set(heard).size") for tab in others]),
        "taken_over_ms": rounded(taken_over_ms) if after == PAGES - 1 else None,
    }
    says = f"with one connection for all, {heard} of {PAGES} pages heard of the event"
    says += f"; when the page that had it was closed, {after} of the {PAGES - 1} others heard of the next"
    return Observation(heard < PAGES or after < PAGES - 1 or numbers["events_heard_twice"] != 0, says, numbers)


async def leading(tabs: Sequence[Tab]) -> Tab:
    """The page that has the lock, open.

    Raises:
        Failed: no page has got it, or it did not open.
    """
    end = time.monotonic() + OPENING
    while time.monotonic() < end:
        for tab in tabs:
            if await tab.evaluate("() => leads"):
                if await tab.evaluate(OPENED, OPENING):
                    return tab
                raise Failed("the page that follows for all did not open")
        await asyncio.sleep(0.02)
    raise Failed("no page has become the leader")


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Whatever holds a request open keeps its connection; WebSockets have a limit of their own, far higher."""
    return not cured and subject.found.about.pattern in ("streaming", "long polling")


experiment = Experiment(
    id="P2",
    name="connection_limit",
    title="Six connections for each origin",
    question="Does the seventh page of a site get its events?",
    fixture="Seven pages of one visitor, all of the same origin over HTTP/1.1, are loaded and then begin to follow, "
    "one after the other, while the source is quiet; their addresses differ a little, as those of sessions do. The "
    "seventh is given four seconds, and so is a file of the same origin that another page asks for. Then an event is "
    "sent, and at last one of the other pages is closed.",
    expected="A stream keeps its connection for as long as its page is there, and so does a long poll until there is "
    "something to say. Six of them take all that browsers give to an origin over HTTP/1.1: the seventh page waits, "
    "and no page is told of an error; not even a file can be loaded. With long polling the next event lets the "
    "seventh in. Short polling uses a connection for a moment only, and WebSockets do not count among the six. (If "
    "the addresses of several long polls are equal to the letter, Chromium and Firefox send one of them and keep the "
    "others back until it is answered: their caches do that.)",
    cure="One connection for all pages: with Web Locks one page becomes the leader, follows, and tells the others "
    "over a BroadcastChannel; when it is closed, the next takes over from its cursor. That works in Chromium and in "
    "Firefox, and is what was measured here. Other cures are HTTP/2, where one connection carries many streams, and "
    "host names or ports of their own for streams, as this lab has them.",
    sources=(
        "https://developer.mozilla.org/en-US/docs/Web/API/EventSource",
        "https://stackoverflow.com/questions/16852690/sseeventsource-why-no-more-than-6-connections",
        "https://www.rfc-editor.org/rfc/rfc6202",
    ),
    bites=bites,
    unfit=only_browsers,
    seconds=20,
    observe=observe,
)
