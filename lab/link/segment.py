"""One thing that lies between server and browser."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from lab.link.place import Place

Cut = Literal["fin", "rst"]


class Segment(Protocol):
    """It runs, and what passes through it can be meddled with."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a report has to tell of it: the configuration in force, the latency that it adds by itself."""

    async def through(self, origin: str) -> str:
        """Where `origin` ("http://127.0.0.1:8000") is found from the other side of it."""

    async def set(self, **settings: Any) -> None:
        """Change what it does, as it goes.

        Raises:
            UserError: it can't do that; says what it can.
        """

    async def cut(self, how: Cut = "rst") -> int:
        """Cut every connection that passes; how many they were.

        Raises:
            UserError: it can't.
        """

    async def lap(self) -> dict[str, Any]:
        """What passed, was held and was lost since the last time this was asked."""


class SegmentSpec(Protocol):
    """What was asked for, understood and checked, but not yet there.

    Attributes:
        text: as it is written: "relay:delay=50ms". title: for people.
    """

    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str: ...

    def missing(self) -> str:
        """Why it can't be had here, and what would help; empty when it can."""

    def running(self, place: Place) -> AbstractAsyncContextManager[Segment]:
        """It, running in `place`, gone at the end.

        Raises:
            UserError: it does not start; says why.
        """


class Network(Segment, Protocol):
    """A segment with two ends, each a place of its own: the server is near, readers are far."""

    near: Place
    far: Place


class NetworkSpec(SegmentSpec, Protocol):
    def between(self) -> AbstractAsyncContextManager[Network]:
        """The network and its two places, gone at the end, also after a crash.

        Raises:
            UserError: it can't be made here; says why.
        """
