"""One way of a connection: bytes that come in any pieces, and a reading of them that waits for more where it must."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from lab.classroom.wire.meaning import meaning
from lab.classroom.wire.step import KEPT, Draft, Id, Kind, Part
from lab.link.relay.toxics import Way

Result = TypeVar("Result")
Reading = Generator[None, None, Result]
"""A reading yields where it waits for bytes, or for the other way."""

LONGEST_LINE = 4 << 10
"""Bytes of a line of a protocol's own, such as a chunk's size."""


class Unknown(Exception):
    """What came is not what this reading knows."""


Tell = Callable[..., None]
"""Takes what a `Step` has beside its connection and its instant."""


class Side:
    """What goes one way. What is read of it gets into `draft`, and what is told of it is a step.

    Every byte that came is in exactly one step, or still in `rest` or `draft`.
    """

    def __init__(self, way: Way, tell: Tell, reading: Callable[["Side"], Reading[None]]) -> None:
        self.way = way
        self.rest = bytearray()
        self.draft = Draft()
        self._tell_of = tell
        self._reading = self._read(reading)
        next(self._reading)

    def feed(self, data: bytes) -> None:
        self.rest += data
        self.go_on()

    def go_on(self) -> None:
        """Read on, if what is there allows it."""
        next(self._reading)

    def end(self) -> None:
        """No more comes: what was not finished is told as such."""
        self.draft.add("payload", bytes(self.rest))
        self.rest.clear()
        if self.draft:
            self.tell_content("not finished")

    # Telling

    def tell(  # noqa: PLR0913  (what a step may have, named)
        self,
        kind: Kind,
        title: str,
        *,
        note: str = "",
        cursor: str | None = None,
        took: int | None = None,
        events: tuple[Id, ...] = (),
    ) -> None:
        """A step, of what is in the draft."""
        draft, self.draft = self.draft, Draft()
        besides = {"note": note, "cursor": cursor, "took": took, "events": events, "inflated": draft.inflated or 0}
        self._tell_of(self.way, kind, title, draft.spans(), draft.size, **besides)

    def tell_content(self, otherwise: str, note: str = "") -> None:
        """A step that is called by what its payload says."""
        kind, title, events, carried = meaning(self.draft.payload, otherwise)
        if carried:
            self.draft.frame(carried)
        self.tell(kind, title, note=note, events=tuple(events))

    # Reading

    def have(self, count: int) -> Reading[None]:
        """Wait until so many bytes are there."""
        while len(self.rest) < count:
            yield

    def cut(self, count: int) -> bytes:
        """Take the first of what is there out of it."""
        data = bytes(self.rest[:count])
        del self.rest[:count]
        return data

    def line(self, part: Part) -> Reading[bytes]:
        """A line that ends by CR LF, as HTTP's own do; it is in the draft, and returned without its end."""
        while (end := self.rest.find(b"\r\n")) < 0:
            if len(self.rest) > LONGEST_LINE:
                raise Unknown
            yield
        line = self.cut(end + 2)
        self.draft.add(part, line)
        return line[:-2]

    def wait_for(self, there: Callable[[], bool]) -> Reading[None]:
        """Wait for something that the other way tells."""
        while not there():
            if len(self.rest) > KEPT:
                raise Unknown
            yield

    def _read(self, reading: Callable[["Side"], Reading[None]]) -> Reading[None]:
        with suppress(Unknown):
            yield from reading(self)
        while True:
            yield from self.have(1)
            self.draft.add("payload", self.cut(len(self.rest)))
            self.tell_content("bytes that are not understood")
