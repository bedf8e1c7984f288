"""P11: what lies between lets no WebSocket through."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.behaviours.experiment import Experiment, Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.flow import missing
from benchmarks.browser import Reader
from lab.process import ServerProcess
from lab.transport import Subject

PATIENCE, TIMES = 6.0, 10
"""Seconds in which a reader has to know: it hears of the event, or is told that the connection is lost. Where others
use the machine, so many times what the first reader took: nothing is in its way.
"""

WATCHDOG = 1.5

PLAIN = {
    "direct": "direct",
    "403": "relay:websocket=403",
    "strip": "relay:websocket=strip",
    "close": "relay:websocket=close",
    "blackhole": "relay:websocket=blackhole",
    "nginx": "proxy:nginx",
}
TUNED, HOLE = "nginx_tuned", "blackhole"
CURED = {TUNED: "proxy:nginx:tuned", HOLE: PLAIN[HOLE]}

TITLES = {
    "direct": "nothing in between",
    "403": "403",
    "strip": "Upgrade stripped",
    "close": "accepted, then closed",
    "blackhole": "black hole after the handshake",
    "nginx": "nginx as it comes",
    TUNED: "nginx tuned",
}


@dataclass(frozen=True)
class Known:
    """What a reader knew, in ms since it set out; None where it was not so within patience."""

    event_ms: float | None
    lost_ms: float | None
    why: str = ""
    patience: float = PATIENCE
    opened_ms: float | None = None

    def told(self) -> str:
        if self.event_ms is not None:
            return f"event after {self.event_ms:,.0f} ms"
        return f"told after {self.lost_ms:,.0f} ms" if self.lost_ms is not None else f"nothing in {self.patience:.0f} s"


async def observe(field: Field, cured: bool) -> Observation:  # noqa: FBT001  (as every experiment)
    server = await field.server(heartbeat=WATCHDOG / 3 if cured else 0)
    epoch, id_ = await server.ask("append", data="news")
    watchdog = WATCHDOG if cured else 0
    found: dict[str, Known] = {}
    patience = PATIENCE
    for name, link in (CURED if cured else PLAIN).items():  # in turn, or each would wait for the others' pages to load
        found[name] = await tried(field, server, (name, link), (epoch, id_), watchdog=watchdog, patience=patience)
        patience = max(patience, TIMES * (next(iter(found.values())).event_ms or 0) / 1000)
    return judged(found)


async def tried(  # noqa: PLR0913  (what differs between the readers)
    field: Field,
    server: ServerProcess,
    road: tuple[str, str],
    event: tuple[int, int],
    *,
    watchdog: float,
    patience: float,
) -> Known:
    """A reader on that road. Where a watchdog has to notice a black hole, the road is cleared once it has."""
    name, text = road
    link = await field.link(text)
    origin = await link.through(server.origins[0])
    await server.ask("allow", origins=[origin])
    asked: dict[str, Any] = {"origin": origin, "watchdog": watchdog}
    reader = await field.follow(server, cursor="", open_=False, **asked)
    known = await knowing(reader, event, patience)
    if watchdog and name == HOLE and known.lost_ms is not None:
        await link["relay"].set(websocket="off")
        field.note("the black hole is gone")
        known = await knowing(reader, event, patience, told=False)
    field.note(TITLES[name], f"{known.told()}: {known.why}" if known.why else known.told())
    return known


async def knowing(reader: Reader, event: tuple[int, int], patience: float, *, told: bool = True) -> Known:
    """When the reader has heard of the event, or (if `told`) of a loss, whichever comes first."""
    end = asyncio.get_running_loop().time() + patience
    while True:
        over = await reader.reached(*event, 0.2)
        seen = await reader.seen()
        if over or (told and seen.lost) or asyncio.get_running_loop().time() > end:
            break

    def since(at: int) -> float:
        return (at - seen.navigated) / 1e6

    event_ms = since(seen.events[0][2]) if seen.events else None
    at, why = seen.lost[0] if seen.lost else (None, "")
    opened_ms = since(seen.opened[0]) if seen.opened else None
    return Known(event_ms, None if at is None else since(at), why, patience, opened_ms)


def judged(found: Mapping[str, Known]) -> Observation:
    """Bitten: a reader did not hear of the event."""
    numbers: dict[str, float | str | None] = {}
    for name, one in found.items():
        numbers[f"{name}_open_ms"] = None if one.opened_ms is None else round(one.opened_ms, 1)
        numbers[f"{name}_event_ms"] = None if one.event_ms is None else round(one.event_ms, 1)
        numbers[f"{name}_told_ms"] = None if one.lost_ms is None else round(one.lost_ms, 1)
    says = "; ".join(f"{TITLES[name]}: {one.told()}" for name, one in found.items())
    log = tuple(f"{TITLES[name]}: {one.why}" for name, one in found.items() if one.why)
    return Observation(any(one.event_ms is None for one in found.values()), says, numbers, log=log)


def bites(subject: Subject, cured: bool) -> bool:  # noqa: FBT001  (as every experiment)
    return not cured and "websocket" in subject.found.about.uses


experiment = Experiment(
    id="P11",
    name="refused_websocket",
    title="No WebSocket gets through",
    question="When something on the way lets no WebSocket through, how soon does the page know?",
    fixture="An event is waiting. Readers set out for it one after the other: one with nothing in between, four "
    "through relays that answer a WebSocket's handshake "
    "with 403, pass it on without its Upgrade, let it succeed and then close, or let it succeed and then pass "
    "nothing on, and "
    f"one through nginx with its default configuration. Each has {PATIENCE:g} s, or longer on a busy "
    "machine. There are no heartbeats and no "
    "watchdog. Times count from the beginning of the navigation, so they contain the loading of the page: the way "
    "with nothing in between tells how much that is."
    "",
    expected="What is refused is known about as soon as an event would have come, and a page could go on by another "
    "transport at once. A connection "
    "that is accepted and then closed looks like success at first. The black hole looks like success for good: it is "
    "open, "
    "and nothing ever comes. Whatever is plain HTTP gets its event on every road.",
    cure="A proxy that is told to pass on Upgrade and Connection, as nginx was here; and against the black hole, "
    "heartbeats and a "
    f"watchdog, here of {WATCHDOG:g} s: it gives the connection up, and when the way is clear the next one brings "
    "the event. A page that can't choose "
    "its proxies begins with long polling and upgrades when a WebSocket has brought something.",
    sources=(
        "https://nginx.org/en/docs/http/websocket.html",
        "https://www.rfc-editor.org/rfc/rfc6455#section-4.1",
    ),
    bites=bites,
    missing=lambda: missing([*PLAIN.values(), *CURED.values()]),
    seconds=14,
    observe=observe,
)
