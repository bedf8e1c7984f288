"""A link: what lies between server and browser, one segment after the other, named from the server's side on.

`proxy:nginx+net:4g` is nginx in front of the server, and a phone's network between nginx and the browser.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from lab.errors import UserError
from lab.link import net, proxy, relay
from lab.link.place import HERE, Place
from lab.link.segment import Cut, NetworkSpec, Segment, SegmentSpec

DIRECT = "direct"

KINDS: Mapping[str, Callable[[str], SegmentSpec]] = {"relay": relay.parse, "net": net.parse, "proxy": proxy.parse}


@dataclass(frozen=True)
class LinkSpec:
    """A link that was asked for: its segments, from the server's side on; none = direct."""

    segments: tuple[SegmentSpec, ...] = ()

    @property
    def text(self) -> str:
        """The one way to write it: what cells are named by."""
        return "+".join(segment.text for segment in self.segments) or DIRECT

    @property
    def title(self) -> str:
        return ", then ".join(segment.title for segment in self.segments) or "nothing in between"

    @property
    def one_connection(self) -> bool:
        """Whether one TCP connection reaches from server to reader: relays and proxies make several of it."""
        return all(map(_is_network, self.segments))

    def missing(self) -> str:
        """Why it can't be had here; empty when it can."""
        return "; ".join(filter(None, (segment.missing() for segment in self.segments)))


def parse(text: str) -> LinkSpec:
    """Read "direct", "relay:delay=50ms", "net:4g", "proxy:nginx", or several with + in between.

    Raises:
        UserError: something in it is unknown, impossible, or said twice.
    """
    if text == DIRECT:
        return LinkSpec()
    spec = LinkSpec(tuple(_segment(part.strip(), text) for part in text.split("+")))
    kinds = [segment.text.partition(":")[0] for segment in spec.segments]
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
        raise UserError(f"link {text!r} has two segments of the kind {twice!r}; it may have one of each")
    return spec


def _segment(part: str, text: str) -> SegmentSpec:
    kind, _, rest = part.partition(":")
    if kind not in KINDS:
        raise UserError(f"unknown link {text!r}: there are {DIRECT}, {', '.join(f'{kind}:…' for kind in KINDS)}")
    return KINDS[kind](rest)


def _is_network(segment: SegmentSpec) -> bool:
    return hasattr(segment, "between")


@dataclass
class Link:
    """It runs. `server` and `reader` are where those have to be started.

    Attributes:
        segments: by their kind: link.segments["relay"].
    """

    spec: LinkSpec
    server: Place = HERE
    reader: Place = HERE
    segments: dict[str, Segment] = field(default_factory=dict)

    async def through(self, origin: str) -> str:
        """Where readers find what listens at `origin`."""
        for segment in self.segments.values():
            origin = await segment.through(origin)
        return origin

    def beside(self, origin: str) -> str:
        """Where readers find it with nothing in between: for their clocks."""
        return origin.replace(self.server.host, self.server.own)

    @property
    def facts(self) -> dict[str, Any]:
        """What a report has to tell, by segment."""
        return {kind: dict(segment.facts) for kind, segment in self.segments.items()}

    def __getitem__(self, kind: str) -> Segment:
        """Raises:
        UserError: the link has no such segment.
        """
        if kind not in self.segments:
            raise UserError(f"link {self.spec.text!r} has no {kind}")
        return self.segments[kind]

    async def cut(self, how: Cut = "rst") -> int:
        """Cut every connection, nearest to the readers; how many they were."""
        return await list(self.segments.values())[-1].cut(how) if self.segments else 0


@asynccontextmanager
async def laid(spec: LinkSpec) -> AsyncIterator[Link]:
    """The link, before there is a server: all of it gone at the end.

    Raises:
        UserError: something of it can't be had here, or does not start.
    """
    if missing := spec.missing():
        raise UserError(f"link {spec.text!r} is unavailable: {missing}")
    async with AsyncExitStack() as stack:
        link = Link(spec)
        network = next((one for one in spec.segments if _is_network(one)), None)
        running: dict[int, Segment] = {}
        if network is not None:
            made = await stack.enter_async_context(cast("NetworkSpec", network).between())
            link.server, link.reader = made.near, made.far
            running[id(network)] = made
        place = link.server
        for segment in spec.segments:
            if segment is network:
                place = link.reader
            else:
                running[id(segment)] = await stack.enter_async_context(segment.running(place))
        link.segments = {one.text.partition(":")[0]: running[id(one)] for one in spec.segments}
        yield link
