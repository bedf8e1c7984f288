"""The live demonstration: one source, a lane for each transport, and what a teacher may break."""

import asyncio
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, WebSocket
from fastapi.responses import PlainTextResponse

from lab import clock, sources
from lab.classroom.channel import Channel, attend, request
from lab.classroom.host import Host, Opening, Place, Tell, browsing, hosting, stopped
from lab.classroom.studio import Lane, Studio, profile, studio
from lab.classroom.wire import Wire
from lab.errors import UserError
from lab.link.relay.toxics import KEYS, Setting, as_settings
from lab.live import offer
from lab.process import Entry, read_ledger
from lab.sources import SourceSpec
from lab.sources.files import Followed
from lab.transport import BROWSERS, Subject, subject

HEARTBEAT, WATCHDOG, HOLD = 2.0, 5.0, 2.0
"""Seconds: so short that a class sees silence being noticed. A request that waits is held for the last."""

LOOK = 0.05
"""Seconds between looks at the ledger."""

TOLD = 1000
"""Appends that a page is told of when it comes."""

MOST_RATE, MOST_SIZE, MOST_BYTES = 200.0, 64 << 10, 1 << 20
"""Events in a second, bytes of one, and bytes in a second that a page may ask for: each goes through every lane."""

MOST_TYPED = 10_000
"""Characters of an event that is typed."""


@dataclass(frozen=True)
class Fault:
    """What a lane's relay is told; where only new connections heed it, the old ones are cut."""

    settings: Mapping[str, Setting]
    cuts: bool = False


FAULTS: Mapping[str, Fault] = {
    "freeze": Fault({"freeze": "both"}),
    "delay": Fault({"delay": "300ms"}),
    "slow": Fault(profile("3g")),
    "buffer": Fault({"buffer": "end"}, cuts=True),
}
WHOLE: Mapping[str, Setting] = {"freeze": "off", "delay": "off", "rate": "off", "rate_up": "off", "buffer": "off"}


@dataclass(frozen=True)
class Asked:
    """What whoever starts the demonstration chooses: a source, the transports shown at first, and a port."""

    source: str = "steady:rate=20,size=100"
    transports: Sequence[str] = ()
    port: int = 0
    browser: bool = False


async def demo(asked: Asked, tell: Tell) -> None:
    """Demonstrate until Ctrl-C.

    Raises:
        UserError: the source, a transport or the port can't be had.
    """
    async with demonstrating(asked) as shown:
        ending = asyncio.create_task(stopped())
        await asyncio.sleep(0)  # signals are waited for before anybody is told that Ctrl-C ends it
        tell(f"the demo is open at {shown.host.url}; who has this address may control it. Ctrl-C ends it")
        async with browsing(shown.host.url, tell, wanted=asked.browser):
            await ending


def checked(text: str) -> SourceSpec:
    """The source of that text, if it is one that the lanes can bear.

    Raises:
        UserError: there is none, or it is not for here.
    """
    spec = _bounded(sources.parse(text))
    if spec.kind == "http" or spec.options.get("of", "") is None:
        raise UserError(f"source {text!r} is not for the demo: type an event, or follow a file with lines:FILE")
    rate, size, bytes_ = _load(spec)
    for given, most, unit in ((rate, MOST_RATE, "events/s"), (size, MOST_SIZE, "bytes"), (bytes_, MOST_BYTES, "B/s")):
        if given > most:
            raise UserError(f"source {text!r} makes {given:.9g} {unit}: {most:.9g} are the most that the demo takes")
    return spec


def _load(spec: SourceSpec) -> tuple[float, int, float]:
    """Events in a second, bytes of the largest, and bytes in a second, at most."""
    options = spec.options
    if spec.kind == "lines":
        return options["most"], 0, options["bytes"]
    if spec.kind == "replay":
        return _densest([(due / options["factor"], len(json.dumps(data))) for due, data in options["of"]])
    rate = options["rate"] * (options["count"] if spec.kind == "bursts" else 1)
    return rate, options["size"], rate * options["size"]


def _densest(events: Sequence[tuple[float, int]]) -> tuple[int, int, int]:
    """Of events, each its instant (ns) and its bytes: the most in any second, the largest, and the most bytes."""
    most, most_bytes, bytes_, first = 0, 0, 0, 0
    for nth, (due, size) in enumerate(events):
        bytes_ += size
        while events[first][0] <= due - 1e9:
            bytes_ -= events[first][1]
            first += 1
        most, most_bytes = max(most, nth + 1 - first), max(most_bytes, bytes_)
    return most, max(size for _, size in events), most_bytes


def _bounded(spec: SourceSpec) -> SourceSpec:
    """A file that is followed has no rate of its own: somebody may write any number of lines to it at once."""
    if spec.kind != "lines":
        return spec
    most = {"most": int(MOST_RATE), "bytes": MOST_BYTES}
    added = {key: value for key, value in most.items() if spec.options[key] == math.inf}
    text = ",".join([spec.text, *(f"{key}={value}" for key, value in added.items())])
    return replace(spec, text=text, options={**spec.options, **added})


def among() -> dict[str, Subject]:
    """What can be shown: of what one server offers together, all that has a browser half."""
    there = [one for one in offer() if one.found.module is not None]
    return {one.name: one for one in there if any(not one.unsupported(engine) for engine in BROWSERS)}


def plain(known: Mapping[str, Subject]) -> list[str]:
    """The transports as such, the oldest first."""
    names = [name for name, one in known.items() if one.variant is None]
    return sorted(names, key=lambda name: known[name].found.about.year)


class Demo:
    """What is demonstrated, and the pages that show it.

    Attributes:
        shown: names of the transports that a page shows at first.
        faults: by lane, what is wrong with it now, in the order in which it was asked for.
    """

    def __init__(self, studio: Studio, host: Host, shown: Sequence[str]) -> None:
        self.studio, self.host, self.shown = studio, host, shown
        self.faults: dict[str, list[str]] = {name: [] for name in studio.lanes}
        self.wires = {name: Wire(lane.relay) for name, lane in studio.lanes.items()}
        self.channels: set[Channel] = set()
        self.recent: deque[Entry] = deque(maxlen=TOLD)

    @asynccontextmanager
    async def enter(self, channel: Channel, key: str = "") -> AsyncIterator["Desk"]:
        """Raises:
        UserError: it is not the key.
        """
        self.host.check(str(key))
        channel.tell("state", **self.state())
        channel.tell("sent", events=[_told(entry) for entry in self.recent])
        self.channels.add(channel)
        try:
            async with AsyncExitStack() as stack:
                yield Desk(self, channel, stack)
        finally:
            self.channels.discard(channel)

    def state(self) -> dict[str, Any]:
        """All that a page has to know when it comes."""
        looks = _looks(lane.subject for lane in self.studio.lanes.values())
        return {
            "lanes": {
                name: {"origin": lane.origin, "faults": self.faults[name], "link": _link(lane), "look": looks[name]}
                for name, lane in self.studio.lanes.items()
            },
            "shown": list(self.shown),
            "source": self.studio.source,
            "reader": {"watchdog": WATCHDOG, "hold": HOLD},
            "heartbeat": HEARTBEAT,
        }

    def tell(self, kind: str, **what: Any) -> None:
        for channel in self.channels:
            channel.tell(kind, **what)

    async def play(self, text: str) -> None:
        spec = checked(text)
        await self.studio.play(spec.text)
        self.tell("source", source=self.studio.source, why=_waiting(spec))

    async def pause(self) -> None:
        await self.studio.pause()
        self.tell("source", source="", why="")

    def cut(self, names: Iterable[str]) -> None:
        for name in names:
            at = clock.now()
            cut = self.studio.lanes[name].relay.cut()
            self.tell("fault", lane=name, fault="cut", on=True, at=at, connections=cut, faults=self.faults[name])

    def damage(self, names: Iterable[str], kind: str) -> None:
        for name in names:
            if kind not in self.faults[name]:
                self._set(name, [*self.faults[name], kind], kind, on=True)

    def heal(self, names: Iterable[str], kinds: Iterable[str]) -> None:
        for name in names:
            for kind in [kind for kind in self.faults[name] if kind in kinds]:
                self._set(name, [other for other in self.faults[name] if other != kind], kind, on=False)

    def _set(self, name: str, faults: list[str], kind: str, *, on: bool) -> None:
        relay, at = self.studio.lanes[name].relay, clock.now()
        relay.set(**{**WHOLE, **{key: value for one in faults for key, value in FAULTS[one].settings.items()}})
        cut = relay.cut() if FAULTS[kind].cuts else 0
        self.faults[name] = faults
        link = _link(self.studio.lanes[name])
        self.tell("fault", lane=name, fault=kind, on=on, at=at, connections=cut, faults=faults, link=link)

    async def restart(self) -> None:
        self.tell("server", up=False, at=clock.now())
        await self.studio.restart()
        self.tell("server", up=True, at=clock.now())

    async def tail(self) -> None:
        """Tell what was appended, soon after it was."""
        at = 0
        while True:
            entries, at = read_ledger(self.studio.server.ledger, at)
            self.recent.extend(entries)
            if entries:
                self.tell("sent", events=[_told(entry) for entry in entries])
            await asyncio.sleep(LOOK)

    async def heed(self) -> None:
        """Tell when the source has ended by itself, and why."""
        while True:
            why = "the source has ended"
            try:
                await self.studio.server.ended()
            except ConnectionError:  # the server was restarted, or is about to be
                await asyncio.sleep(LOOK)
                continue
            except UserError as error:
                why = f"the source has failed: {error}"
            self.studio.source = ""
            self.tell("source", source="", why=why)


class Desk:
    """What a page that has the key may ask for."""

    def __init__(self, demo: Demo, channel: Channel, stack: AsyncExitStack) -> None:
        self.demo, self.channel, self._stack = demo, channel, stack
        self._watched: dict[str, AsyncExitStack] = {}

    @request
    async def play(self, source: str) -> None:
        await self.demo.play(source)

    @request
    async def pause(self) -> None:
        await self.demo.pause()

    @request
    async def publish(self, text: str) -> list[int]:
        if len(text) > MOST_TYPED:
            raise UserError(f"an event of {len(text)} characters is too long: {MOST_TYPED} are the most")
        return await self.demo.studio.publish(text)

    @request
    async def cut(self, lane: str | None = None) -> None:
        self.demo.cut(self._lanes(lane))

    @request
    async def damage(self, kind: str, lane: str | None = None) -> None:
        self.demo.damage(self._lanes(lane), _known(kind))

    @request
    async def heal(self, kind: str | None = None, lane: str | None = None) -> None:
        self.demo.heal(self._lanes(lane), FAULTS if kind is None else [_known(kind)])

    @request
    async def restart(self) -> None:
        await self.demo.restart()

    @request
    async def watch(self, lane: str) -> None:
        """Tell what passes over that lane's wire from now on, and how the connections that are open began."""
        (name,) = self._lanes(lane)
        if name not in self._watched:
            self._watched[name] = await self._stack.enter_async_context(AsyncExitStack())
            await self._watched[name].enter_async_context(_beside(self._tell_wire(name)))

    @request
    async def unwatch(self, lane: str) -> None:
        if lane in self._watched:
            await self._watched.pop(lane).aclose()

    async def _tell_wire(self, name: str) -> None:
        async with aclosing(self.demo.wires[name].batches()) as batches:
            async for steps in batches:
                self.channel.tell("wire", lane=name, steps=steps)

    def _lanes(self, lane: str | None) -> list[str]:
        """That one, or all of them."""
        known = self.demo.studio.lanes
        if lane is not None and lane not in known:
            raise UserError(f"unknown lane {lane[:40]!r}: there are {', '.join(known)}")
        return list(known) if lane is None else [lane]


def _waiting(spec: SourceSpec) -> str:
    """Why nothing comes of it yet, where that is plain."""
    of = spec.options.get("of")
    if isinstance(of, Followed) and not of.existed:
        return f"{of.path.name} is not there yet"
    return ""


def _known(kind: str) -> str:
    if kind not in FAULTS:
        raise UserError(f"unknown fault {kind[:40]!r}: there are {', '.join(FAULTS)}")
    return kind


def _told(entry: Entry) -> list[int]:
    return [entry.epoch, entry.id, entry.due, entry.size]


def _link(lane: Lane) -> str:
    """What its relay does, in the relay's own words; empty = nothing."""
    return ", ".join(KEYS[key].tells.format(value) for key, value in as_settings(lane.relay.toxics).items())


def _looks(shown: Iterable[Subject]) -> dict[str, dict[str, Any]]:
    """The colour and shape that each has in every report, too."""
    from benchmarks.report.looks import looks  # noqa: PLC0415  (the command starts without it)

    found = looks([{"transport": one.found.name, "variant": one.variant} for one in shown])
    return {name: {"colour": look.colour, "path": look.path} for name, look in found.items()}


def _routes(demo: Demo, shown: Mapping[str, Subject]) -> APIRouter:
    """The pages' line, and the server halves of what is shown, as they run."""
    router = APIRouter()
    halves = {one.found.name: one.found.folder / "__init__.py" for one in shown.values()}

    @router.websocket("/classroom/demo")
    async def line(websocket: WebSocket) -> None:
        await attend(websocket, demo.enter)

    @router.get("/classroom/halves/{name}")
    def half(name: str) -> PlainTextResponse:
        if name not in halves:
            return PlainTextResponse("no such transport is shown\n", 404)
        return PlainTextResponse(Path(halves[name]).read_text("utf-8"), headers={"X-Content-Type-Options": "nosniff"})

    return router


@asynccontextmanager
async def demonstrating(asked: Asked) -> AsyncIterator[Demo]:
    """The demonstration, open; gone at the end.

    Raises:
        UserError: the source, a transport or the port can't be had.
    """
    known, source = among(), checked(asked.source)
    chosen = [subject(name, known).name for name in asked.transports] or plain(known)
    opening = Opening(Place(port=asked.port))
    settings = {"heartbeat": HEARTBEAT, "watchdog": WATCHDOG}
    async with studio(known.values(), opening.origins, settings=settings) as made:
        shown = Demo(made, opening.host, chosen)
        async with (
            hosting("demo", opening, [_routes(shown, known)], known.values()),
            _beside(shown.tail(), shown.heed()),
        ):
            await made.play(source.text)
            yield shown


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on meanwhile, and has no end of its own."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended
