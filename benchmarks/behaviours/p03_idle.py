"""P3: a connection that says nothing is cut on the way, or is dead and nobody notices."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import OPENING, Field
from benchmarks.browser import Reader
from benchmarks.ground import Failed
from lab.link.segment import Segment
from lab.process import ServerProcess
from lab.transport import Subject

IDLE = 2.0
"""Seconds of silence after which the relay cuts: a minute of a real proxy."""

SILENCE = 3 * IDLE

NOTICING = 13.0
"""Seconds in which a reader has to notice that its connection is dead. A long poll's watchdog takes 10.5."""

COMING = 5.0
"""Seconds in which an event has to come."""

PLAIN: Mapping[str, Any] = {"heartbeat": 0, "watchdog": 0}
CURED: Mapping[str, Any] = {"heartbeat": IDLE / 4, "watchdog": IDLE}
HOLD = IDLE / 4
"""Seconds that a long poll is held in the cure: its answer is its sign of life."""


@dataclass(frozen=True)
class Found:
    """What was seen; noticed_ms is None where it was not within `NOTICING`."""

    cuts: int  # by the relay, in the silence
    told: int  # of these, how often the page was
    came: bool  # the event after the silence
    noticed_ms: float | None


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    settings = CURED if cured else PLAIN
    server = await field.server(**settings)
    link = await field.link(f"relay:idle={IDLE:g}s")
    relay, origin = link["relay"], await link.through(server.origins[0])
    asked: dict[str, Any] = {**settings, "origin": origin} | ({"hold": HOLD} if cured else {})
    await server.ask("allow", origins=[origin])
    reader = await field.follow(server, **asked)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open within {OPENING:g} s")
    cuts, told, came = await silence(field, server, relay, reader)
    return judged(Found(cuts, told, came, await half_open(field, relay, reader)))


async def silence(field: Field, server: ServerProcess, relay: Segment, reader: Reader) -> tuple[int, int, bool]:
    """Say nothing for long; how often the relay cut, how often the page was told, whether it hears the next event."""
    await relay.lap()
    await asyncio.sleep(SILENCE)
    cuts, told = int((await relay.lap())["cuts"]), len((await reader.seen()).lost)
    field.note(
        f"{SILENCE:g} s of silence are over", f"the relay has cut {cuts} times, the reader was told {told} times"
    )
    epoch, id_ = await server.ask("append", data="news")
    came = await reader.reached(epoch, id_, COMING)
    field.note("an event", "came" if came else f"did not come in {COMING:g} s")
    return cuts, told, came


async def half_open(field: Field, relay: Segment, reader: Reader) -> float | None:
    """Let nothing pass, nor end; the ms until the reader noticed."""
    await relay.set(idle="off", freeze="both")
    before, began = len((await reader.seen()).lost), time.monotonic_ns()
    field.note("nothing passes any more")
    end = time.monotonic() + NOTICING
    lost: list[tuple[int, str]] = []
    while not lost and time.monotonic() < end:
        await asyncio.sleep(0.1)
        lost = (await reader.seen()).lost[before:]
    field.note("the reader noticed" if lost else "the reader noticed nothing", lost[0][1] if lost else "")
    return (lost[0][0] - began) / 1e6 if lost else None


def judged(found: Found) -> Observation:
    """Bitten: it was cut for its silence, missed the event, or did not notice that its connection was dead."""
    noticed = None if found.noticed_ms is None else round(found.noticed_ms, 1)
    numbers: dict[str, float | str | None] = {
        "cuts_in_silence": found.cuts,
        "cuts_told": found.told,
        "event_after_silence": "came" if found.came else "did not come",
        "dead_noticed_ms": noticed,
    }
    says = f"cut {found.cuts} times in {SILENCE:g} s of silence, and the reader was told {found.told} times; "
    says += "the next event came; " if found.came else "the next event did not come; "
    says += (
        f"the dead connection was not noticed in {NOTICING:g} s"
        if noticed is None
        else f"the dead connection was noticed after {noticed:,.0f} ms"
    )
    return Observation(found.cuts > 0 or not found.came or noticed is None, says, numbers)


def bites(_subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    """Whatever waits for an answer waits for ever when there is nobody any more: polls, too."""
    return not cured


experiment = Experiment(
    id="P3",
    name="idle",
    title="Silence on the way",
    question="Does a reader outlive a proxy that cuts silent connections, and does it notice a connection that is "
    "dead?",
    fixture=f"A relay cuts each connection on which nothing was said for {IDLE:g} s: real proxies wait a minute, "
    "time runs faster "
    f"here. The source is silent for {SILENCE:g} s, then there is an event. After that the relay freezes: nothing "
    "passes and "
    f"nothing ends, as when a phone has lost its network. The reader has {NOTICING:g} s to notice. There are no "
    "heartbeats and no watchdog.",
    expected="Streams, WebSockets and held polls are cut in the silence, again and again; they come back, and "
    "nothing is lost, for they "
    "resume at a cursor. (Chromium may send a long poll's request again by itself: then the page is not told of each "
    "cut.) A short poll is never "
    "silent for so long. But nobody notices the dead connection, not even the short poll: its request waits for an "
    "answer "
    "without limit.",
    cure=f"Heartbeats four times as often as the proxy's limit, here every {IDLE / 4:g} s (a long poll is held no "
    "longer than that), "
    f"and a watchdog in the page that gives the connection up after {IDLE:g} s without a sign of life; for a long "
    "poll, "
    "10 s after the answer was due.",
    sources=(
        "https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes",
        "https://www.rfc-editor.org/rfc/rfc6202",
    ),
    bites=bites,
    seconds=22,
    observe=observe,
)
