"""The scenarios in which something goes wrong while events come, and the page is watched for what it makes of it.

What passes is stopped at the link, so that neither end is told; processes are ended by signals. The times are shorter
than in real life, and so are heartbeat and watchdog, but for one: what counts is how they compare with each other.
"""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING, Any, cast

from benchmarks.backoff import BACKOFFS
from benchmarks.stage import Scenario, Stage
from benchmarks.storm import DOWN, READERS
from lab import sources
from lab.errors import UserError
from lab.link.segment import Cut
from lab.process import Entry, read_ledger
from lab.sources.schedules import steady

if TYPE_CHECKING:
    from benchmarks.browser import PageReader

SOURCE = "steady:rate=60,size=100"

SHUT: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "relay": ({"freeze": "both"}, {"freeze": "off"}),
    "net": ({"blackhole": True}, {"blackhole": False}),
}
"""By kind of segment: what lets nothing pass any more, and what ends that."""

WATCHED = {"heartbeat": 0.4, "watchdog": 1.0}
UNWATCHED = {"heartbeat": 0.4, "watchdog": 0.0}
IN_LIFE = {"heartbeat": 2.0, "watchdog": 5.0}

LARGE = "steady:rate=60,size=65536"
TAKES = 0.025
"""Seconds that a slow reader takes for an event: 1.5 × their period."""


async def cut_by_server(stage: Stage, source: str) -> None:
    """Every connection of the server is cut, once, somewhere in the middle third."""
    await stage.begin(source)
    await stage.wait(1 / 3, 2 / 3)
    stage.struck("the server cuts every connection")
    await stage.server.ask("cut")
    stage.healed()
    await stage.server.ended()


async def cut_between(stage: Stage, source: str, how: Cut) -> None:
    """The same, by what lies in between."""
    segment = stage.link["relay" if "relay" in stage.link.segments else "net"]
    await stage.begin(source)
    await stage.wait(1 / 3, 2 / 3)
    stage.struck(f"every connection is cut by {how.upper()}")
    await segment.cut(how)
    stage.healed()
    await stage.server.ended()


async def end_server(stage: Stage, source: str, how: signal.Signals) -> None:
    """The server ends, and another is started in its place; the source goes on there."""
    _, start = read_ledger(stage.server.ledger)
    first = await stage.begin(source)
    await stage.wait(1 / 4, 1 / 3)
    stage.struck(f"the server gets {how.name}, and another is started {DOWN:g} s after it has ended")
    await stage.server.kill(how)
    await asyncio.sleep(DOWN)
    await stage.again()
    stage.healed()
    second = await stage.begin(source, stage.seconds / 2)
    await stage.server.ended()
    stage.fault["unsent"] = unsent(first, second, read_ledger(stage.server.ledger, start)[0])


def unsent(first: str, second: str, entries: Sequence[Entry]) -> int:
    """How many events of the first source fell due after the last that it sent, and before the second began.

    Args:
        first, second: the steady sources, as the servers were told them. entries: of both, from the first's start on.
    """
    epochs = sorted({entry.epoch for entry in entries})
    if len(epochs) != 2:
        raise UserError(f"the source was to be played by two servers, and was by {len(epochs)}")
    due, later = ([entry.due for entry in entries if entry.epoch == epoch] for epoch in epochs)
    began, resumed = due[0] - _offsets(first)[0], later[0] - _offsets(second)[0]
    return sum(due[-1] < began + offset < resumed for offset in _offsets(first))


def _offsets(source: str) -> list[int]:
    """When its events are due, ns after its start."""
    options = sources.parse(source).options
    return list(takewhile(lambda at: at < options["seconds"] * 1e9, steady(Random(options["seed"]), options["rate"])))


async def shut(stage: Stage, source: str, *, for_good: bool = False) -> None:
    """Nothing passes the link any more, for half of the time or for good, and nobody is told."""
    kind = next(kind for kind in SHUT if kind in stage.link.segments)
    closing, opening = SHUT[kind]
    await stage.begin(source)
    await stage.wait(1 / 6, 1 / 4)
    stage.undo.push_async_callback(stage.link[kind].set, **opening)
    await stage.link[kind].set(**closing)
    stage.struck("nothing passes any more, and no connection ends")  # not before: what still passed has not come back
    if not for_good:
        await asyncio.sleep(stage.seconds / 2)
        await stage.link[kind].set(**opening)
        stage.healed()
    await stage.server.ended()


async def offline(stage: Stage, source: str) -> None:
    """The browser is told that it has no network, as its developer tools do it."""
    page = cast("PageReader", stage.reader)
    await stage.begin(source)
    await stage.wait(1 / 6, 1 / 4)
    stage.undo.push_async_callback(page.emulate, offline=False)
    stage.struck("the browser emulates to be offline")
    await page.emulate(offline=True)
    await asyncio.sleep(stage.seconds / 2)
    await page.emulate(offline=False)
    stage.healed()
    await stage.server.ended()


async def undisturbed(stage: Stage, source: str) -> None:
    """Nothing but the source; a reader whose `block` setting makes it slow has enough to do with that."""
    await stage.play(source)


async def nothing(_stage: Stage, _source: str) -> None:
    """What is measured otherwise."""


def _told(settings: Mapping[str, Any]) -> str:
    watchdog = f"watchdog {settings['watchdog']:g} s" if settings["watchdog"] else "no watchdog"
    return f"heartbeat {settings['heartbeat']:g} s, {watchdog}"


def _shut(name: str, settings: Mapping[str, Any], lasts: float | None) -> Scenario:
    """For so many seconds, or for good."""
    told = "for good" if lasts is None else f"for {lasts:g} s"
    return Scenario(
        name,
        f"60 events/s of 100 B; the link lets nothing pass {told}; {_told(settings)}",
        SOURCE,
        4.0 if lasts is None else 2 * lasts,
        partial(shut, for_good=lasts is None),
        patience=0.1 if lasts is None else 15.0,
        settings=settings,
        needs=tuple(SHUT),
    )


def _storm(backoff: str) -> Scenario:
    title = f"{READERS} native readers come back to a server that was killed, and another started {DOWN:g} s later"
    return Scenario(
        f"storm_{backoff}",
        f"{title}; they wait {BACKOFFS[backoff].title}",
        "",
        0.0,
        nothing,
        costs=True,
        storm=backoff,
        engines=frozenset({"native"}),
    )


FAULTS: Sequence[Scenario] = (
    Scenario("cut_fin", "60 events/s of 100 B; a relay ends every connection once, politely (FIN)",
             SOURCE, 1.5, partial(cut_between, how="fin"), patience=10.0, needs=("relay",)),
    Scenario("cut_rst", "60 events/s of 100 B; every connection is reset once, in between (RST)",
             SOURCE, 1.5, partial(cut_between, how="rst"), patience=10.0, needs=("relay", "net")),
    Scenario("kill", "60 events/s of 100 B; the server is killed (SIGKILL), and another starts 1 s later",
             SOURCE, 3.0, partial(end_server, how=signal.SIGKILL), patience=10.0),
    Scenario("term", "60 events/s of 100 B; the server is asked to end (SIGTERM), and another starts 1 s later",
             SOURCE, 3.0, partial(end_server, how=signal.SIGTERM), patience=10.0),
    _shut("blackhole", WATCHED, 3.0),
    _shut("blackhole_unwatched", UNWATCHED, 3.0),
    _shut("blackhole_12s", IN_LIFE, 12.0),
    _shut("silence", WATCHED, None),
    _shut("silence_unwatched", UNWATCHED, None),
    Scenario("slow_reader", f"60 events/s of 64 KiB; the reader takes {TAKES * 1000:g} ms for each, 1.5 × their period",
             LARGE, 4.0, undisturbed, patience=20.0, settings={"block": TAKES}),
    Scenario("offline", "60 events/s of 100 B; the browser's own emulation of having no network for 1.5 s",
             SOURCE, 3.0, offline, patience=10.0, engines=frozenset({"chromium"})),
    *(_storm(name) for name in BACKOFFS),
)  # fmt: skip
