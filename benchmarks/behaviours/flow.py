"""A flow of events to readers of one subject, each on another road, and how late they came."""

import asyncio
import json
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.behaviours.experiment import Observation
from benchmarks.behaviours.field import Field
from benchmarks.behaviours.hosted import Hosted
from benchmarks.browser import Reader, Seen
from lab import link as links
from lab.link import Link

SETTING_OUT = 2.0
"""Seconds in which a reader may open before the first event; one whose response is held back can't."""

GRACE = 1.5
"""Seconds after the last event in which it may still come: a poll's period, and a burdened machine."""

HINTS = ("x-accel-buffering", "cache-control")
"""Headers by which a response asks proxies not to hold it back."""


@dataclass
class Unhinted:
    """The lab, but its responses ask nothing of proxies."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def unhinted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in HINTS:
                    del headers[name]
            await send(message)

        await self.app(scope, receive, unhinted)


@dataclass(frozen=True)
class Flow:
    """What came on a road.

    Attributes:
        sent: when each event was appended, in s since the first. delays_ms: of each that came, by its place.
        bytes_down: that the road itself counted; None where it doesn't count. lost: what the reader was told.
    """

    sent: Sequence[float]
    delays_ms: Mapping[int, float]
    bytes_down: int | None = None
    lost: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        return len(self.sent) - len(self.delays_ms)

    @property
    def p50_ms(self) -> float | None:
        return round(statistics.median(self.delays_ms.values()), 1) if self.delays_ms else None

    @property
    def max_ms(self) -> float | None:
        return round(max(self.delays_ms.values()), 1) if self.delays_ms else None

    @property
    def first_ms(self) -> float | None:
        """From the sending of the first event to the arrival of whichever came first."""
        arrived = [self.sent[at] * 1000 + delay for at, delay in self.delays_ms.items()]
        return round(min(arrived), 1) if arrived else None

    @property
    def curve(self) -> list[tuple[float, float]]:
        return [(round(self.sent[at], 3), round(delay, 1)) for at, delay in sorted(self.delays_ms.items())]

    def numbers(self, name: str) -> dict[str, float | str | None]:
        told: dict[str, float | str | None] = {
            f"{name}_events_missing": self.missing,
            f"{name}_first_ms": self.first_ms,
            f"{name}_p50_ms": self.p50_ms,
            f"{name}_max_ms": self.max_ms,
        }
        return told if self.bytes_down is None else {**told, f"{name}_bytes": self.bytes_down}


@dataclass(frozen=True)
class Pulse:
    """The events of a flow: how many, and the seconds between two of them."""

    events: int
    period: float
    text: str = "x" * 60


@dataclass
class Road:
    """A way from a lab to a reader.

    Attributes:
        name: as numbers are named by it. link: as it is written.
    """

    name: str
    lab: Hosted
    link: str
    laid: Link | None = field(default=None, repr=False)


def observation(found: Mapping[str, Flow], says: str, *, bitten: bool) -> Observation:
    """What came on all these roads, by their names."""
    numbers: dict[str, float | str | None] = {"events_sent": max(len(flow.sent) for flow in found.values())}
    for name, flow in found.items():
        numbers |= flow.numbers(name)
    curves = {f"{name}_ms": flow.curve for name, flow in found.items() if flow.curve}
    log = tuple(f"{name}: {why}" for name, flow in found.items() for why in flow.lost)
    return Observation(bitten, says, numbers, curves, log)


def missing(texts: Sequence[str]) -> str:
    """Why links of these can't be had here; empty when all can."""
    return "; ".join(dict.fromkeys(filter(None, (links.parse(text).missing() for text in texts))))


async def flows(ground: Field, roads: Sequence[Road], pulse: Pulse) -> dict[str, Flow]:
    """Send to all roads at once; what came on each, by its name.

    The page comes from the lab itself, and only the transport takes the road: so nothing else is counted or held.
    """
    async with AsyncExitStack() as stack:
        readers = {road.name: await _set_out(ground, stack, road) for road in roads}
        await asyncio.gather(*(reader.opened(SETTING_OUT) for reader in readers.values()))
        for road in roads:
            await _bytes(road)  # opening is not counted
        ground.note("the readers have set out", ", ".join(road.link for road in roads))
        sent = await _send({id(road.lab): road.lab for road in roads}, pulse)
        ground.note(f"{pulse.events} events are sent", f"one every {pulse.period:g} s")
        await asyncio.sleep(GRACE)
        seen = {name: await reader.seen() for name, reader in readers.items()}
        return {road.name: _flow(seen[road.name], sent[id(road.lab)], await _bytes(road)) for road in roads}


async def _set_out(ground: Field, stack: AsyncExitStack, road: Road) -> Reader:
    road.laid = await ground.link(road.link)
    origin = await road.laid.through(road.lab.origin)
    road.lab.allowed.append(origin)
    engine = await ground.browser()
    asked = {"origin": origin}
    return await stack.enter_async_context(
        engine.reading(ground.subject, road.lab.origin, asked, "", clock=road.lab.origin)
    )


async def _bytes(road: Road) -> int | None:
    """Towards the reader, since the last time; None where the road does not count."""
    if road.laid is None or "relay" not in road.laid.segments:
        return None
    lap = await road.laid["relay"].lap()
    return int(lap["bytes"]["down"])


async def _send(labs: Mapping[int, Hosted], pulse: Pulse) -> dict[int, list[int]]:
    """Append them; when that was, in ns, for each lab."""
    sent: dict[int, list[int]] = {key: [] for key in labs}
    for number in range(pulse.events):
        for key, lab in labs.items():
            event = await lab.log.append(f"{number} {pulse.text}")
            sent[key].append(json.loads(event.line)["at"])
        await asyncio.sleep(pulse.period)
    return sent


def _flow(seen: Seen, sent: Sequence[int], bytes_down: int | None) -> Flow:
    delays: dict[int, float] = {}
    for _, id_, at in seen.events:
        delays.setdefault(id_ - 1, (at - sent[id_ - 1]) / 1e6)
    since = [(at - sent[0]) / 1e9 for at in sent]
    return Flow(since, delays, bytes_down, tuple(dict.fromkeys(why for _, why in seen.lost))[:3])
