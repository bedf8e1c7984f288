"""P8: what is sent while a reader is away, and whether it ever hears of that."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.hosted import Before, hosted, is_transports
from benchmarks.browser import Reader, Seen
from benchmarks.ground import OPENING, Failed
from benchmarks.reckoning import reckoned
from lab.link import Link
from lab.link.segment import Cut
from lab.log import Log

KEPT = 5
"""Events that the log keeps: what a reader easily misses while it is away."""

CUTS = 10
BETWEEN = 0.4
"""Seconds between two cuts at most."""

RECOVERING = 0.4
"""Seconds after a cut in which readers usually are back."""

EVERY, IN_A_ROW, REST = 0.01, 40, 0.2
"""Seconds between two events; after so many in a row, a rest in which also the slowest reaches the end of the log."""

POLLED = 0.03
"""Seconds between two polls of what polls: less than the log's memory."""

PATIENCE = 15.0
"""Seconds in which the reader has to reach the last event."""


@dataclass
class Unremembering:
    """A server that knows a reader by its connection: who comes by a new one gets what comes from now on."""

    app: ASGIApp
    known: set[tuple[str, int]] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_transports(scope) and (who := tuple(scope["client"])) not in self.known:
            self.known.add(who)
            scope = from_now(scope)
        await self.app(scope, receive, send)


def from_now(scope: Scope) -> Scope:
    """The same request, but it does not say where its reader stands."""
    asked = [(key, value) for key, value in parse_qsl(scope["query_string"].decode()) if key != "cursor"]
    headers = [one for one in scope["headers"] if one[0].lower() != b"last-event-id"]
    return {**scope, "query_string": urlencode([("cursor", "now"), *asked]).encode(), "headers": headers}


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    log = Log(count=KEPT)
    before: Before = (lambda app: app) if cured else Unremembering
    lab = await field.stack.enter_async_context(hosted(field.subject, before, log))
    link = await field.link("relay")
    origin = await link.through(lab.origin)
    lab.allowed.append(origin)
    engine, asked = await field.browser(), {"origin": origin, "every": POLLED}
    reading = engine.reading(field.subject, lab.origin, asked, "now", clock=lab.origin)
    reader = await field.stack.enter_async_context(reading)
    if not await reader.opened(OPENING):
        raise Failed(f"did not open within {OPENING:g} s")
    sent: list[int] = []
    sending = asyncio.create_task(send(log, sent))
    try:
        await arrived(reader, log)
        cuts = await cut(field, link)
    finally:
        sending.cancel()
    caught_up = await last_comes(reader, log)
    return judged(await reader.seen(), sent, cuts, caught_up=caught_up)


async def send(log: Log, sent: list[int]) -> None:
    """Event after event, until cancelled; when each was sent."""
    while True:
        for _ in range(IN_A_ROW):
            event = await log.append("news")
            sent.append(json.loads(event.line)["at"])
            await asyncio.sleep(EVERY)
        await asyncio.sleep(REST)


async def arrived(reader: Reader, log: Log) -> None:
    """Raises:
    Failed: the first event did not come.
    """
    if not await reader.reached(log.epoch, 1, PATIENCE):
        raise Failed(f"nothing came within {PATIENCE:g} s")


async def cut(field: Field, link: Link) -> int:
    """Cut the connection at moments by chance, the same for all; how often there was one."""
    rng, cuts = Random("P8"), 0
    for _ in range(CUTS):
        await asyncio.sleep(rng.uniform(0, BETWEEN))
        how = drawn(rng)
        there = await link["relay"].cut(how)
        field.note("cut", f"by {how.upper()}" if there else "there was no connection just then")
        cuts += min(there, 1)
        await asyncio.sleep(RECOVERING)
    return cuts


def drawn(rng: Random) -> Cut:
    return "rst" if rng.random() < 0.5 else "fin"


async def last_comes(reader: Reader, log: Log) -> bool:
    """Whether the reader reaches the end. One that was just cut has to be sent something to know where that is."""
    end = time.monotonic() + PATIENCE
    there = await reader.reached(log.epoch, log.last, RECOVERING)
    while not there and time.monotonic() < end:
        await log.append("news")
        there = await reader.reached(log.epoch, log.last, 2 * RECOVERING)
    return there


def judged(seen: Seen, sent: Sequence[int], cuts: int, *, caught_up: bool) -> Observation:
    """Bitten: something is missing and nothing tells the reader so, or it came twice, or in another order.

    Raises:
        Failed: the reader did not come back, or there was nothing to come back from.
    """
    if not caught_up or not cuts:
        raise Failed(f"after {cuts} cuts the reader was {'back' if caught_up else f'not back in {PATIENCE:g} s'}")
    account = reckoned(seen)
    told, wrong = len(account.missed) - len(account.silent), list(account.wrong())
    says = f"after {cuts} cuts {len(account.missed)} of {account.got[-1] - account.got[0] + 1} events were missing: "
    says += f"of {told} of them the reader was told, of {len(account.silent)} it was not; "
    says += f"{account.repeated} came twice"
    numbers: dict[str, float | str | None] = {
        "cuts": cuts,
        "connections_lost_told": len(seen.lost),
        "events_sent": account.got[-1] - account.got[0] + 1,
        "events_missing": len(account.missed),
        "events_missing_in_silence": len(account.silent),
        "gaps_announced": len(seen.gaps),
        "events_repeated": account.repeated,
        "steps_backwards": len(account.backwards),
    }
    began = sent[0]
    curves = {
        "sent_events": [(round((at - began) / 1e9, 3), float(nth)) for nth, at in enumerate(sent)],
        "seen_events": [(round((at - began) / 1e9, 3), float(nth)) for nth, (*_, at) in enumerate(seen.events)],
    }
    return Observation(bool(wrong), says, numbers, curves, tuple(wrong[:10]))


experiment = Experiment(
    id="P8",
    name="lost_messages",
    title="What was said meanwhile",
    question="Does a reader that is cut off now and then get every event once, or hear which ones it will never get?",
    fixture=f"Events come every {EVERY * 1000:.0f} ms through a relay, which cuts the connection {CUTS} times, at "
    "random instants, the same for all. The server knows its readers by their connections alone, as many do that send "
    "to whoever is connected: who comes by a new one gets what comes from then on.",
    expected="What was sent between a cut and the return is lost, with every transport, polls included: they come by "
    "a new connection, too. And nobody knows: what comes next looks like what was to come next.",
    cure="A cursor that the reader shows when it comes back, and a log on the server to go on from there. No log keeps "
    f"everything (this one {KEPT} events, so that it has to forget some here): what it has forgotten it announces as a "
    "gap, with the ids. Then the page knows, and can load anew what it shows.",
    sources=(
        "https://html.spec.whatwg.org/multipage/server-sent-events.html#last-event-id",
        "https://github.com/whatwg/html/issues/8297",
        "https://github.com/modelcontextprotocol/python-sdk/issues/2809",
    ),
    seconds=12,
    observe=observe,
)
