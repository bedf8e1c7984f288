"""What passes on one connection, as steps: HTTP/1.1, and what it may be switched to."""

from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.classroom.wire import content
from lab.classroom.wire.body import Body, Chunked
from lab.classroom.wire.frame import frames
from lab.classroom.wire.head import REQUEST, RESPONSE, Head, head, plausible
from lab.classroom.wire.inflater import agreed
from lab.classroom.wire.side import Reading, Side, Unknown
from lab.classroom.wire.step import Kind, Size, Span, Step
from lab.link.relay.toxics import Way

SWITCHED = 101
BODILESS = (204, 304)

REMEMBERED = 100
"""Paths of which it is known who asked for them last; and requests that wait for a response."""

LONGEST = 160
"""Characters of a title, a note or a cursor."""


@dataclass
class Asked:
    """A request that waits for its response, and then its status, and to what extensions both have agreed."""

    method: str
    at: int
    answer: int | None = None
    extensions: str = ""

    def answered(self) -> bool:
        return self.answer is not None


class Dissector:
    """Takes one connection's bytes in whatever pieces, and tells steps.

    Args:
        number: the connection's. at: when it was opened; None = nobody saw it, and what comes first is its middle.
        asked_before: of a path, on which connection it was asked for last; all connections share it.
    """

    def __init__(
        self,
        number: int,
        at: int | None,
        tell: Callable[[Step], None],
        asked_before: "MutableMapping[str, Dissector] | None" = None,
    ) -> None:
        self.number, self.at, self._tell_step = number, at or 0, tell
        self.over = False
        self._asked: deque[Asked] = deque(maxlen=REMEMBERED)
        self._asked_before = {} if asked_before is None else asked_before
        if at is not None:
            self._tell("up", "connect", f"connection {number}", (), Size())
        joined = at is None
        self.sides: dict[Way, Side] = {
            "up": Side("up", self._tell, _joined(self._requests, "up") if joined else self._requests),
            "down": Side("down", self._tell, _joined(self._responses, "down") if joined else self._responses),
        }

    def feed(self, way: Way, data: bytes, at: int) -> None:
        """These bytes have passed that way."""
        self.at = at
        self.sides[way].feed(data)
        self.sides["down" if way == "up" else "up"].go_on()

    def end(self, way: Way | None, how: str, at: int) -> None:
        """It has ended; only the first time counts. way: whose end passed; None = it was cut in between."""
        if self.over:
            return
        self.over, self.at = True, at
        for side in self.sides.values():
            side.end()
        who = {"up": "by the client", "down": "by the server", None: "in between"}[way]
        title = f"{how.upper() or 'end'} {who}" if how or way else "both ends are gone"
        self._tell(way, "end", title, (), Size())

    def _tell(self, way: Way | None, kind: Kind, title: str, spans: Sequence[Span], size: Size, **besides: Any) -> None:
        besides = {key: _short(value) if isinstance(value, str) else value for key, value in besides.items()}
        self._tell_step(Step(self.number, self.at, way, kind, _short(title), spans=spans, size=size, **besides))

    # Up

    def _requests(self, side: Side) -> Reading[None]:
        while True:
            request = yield from head(side, REQUEST)
            asked = Asked(request.text("method"), self.at)
            self._asked.append(asked)
            path = request.text("target").partition("?")[0]
            side.tell("request", f"{asked.method} {path}", note=self._note(path), cursor=request.cursor)
            yield from self._body(side, request, request.length or 0)
            if request.says("connection", "upgrade"):
                yield from side.wait_for(asked.answered)
                if asked.answer == SWITCHED:
                    yield from self._switched(side, request, asked.extensions)

    def _note(self, path: str) -> str:
        """Whether somebody asks for that again."""
        before = self._asked_before.get(path)
        if len(self._asked_before) < REMEMBERED or before:
            self._asked_before[path] = self
        if before is None:
            return ""
        if before is self:
            return "asks again"
        return "comes back" if before.over else "asks on another connection"

    # Down

    def _responses(self, side: Side) -> Reading[None]:
        while True:
            response = yield from head(side, RESPONSE)
            status = int(response.first["status"])
            title = f"{status} {response.text('reason')}".strip()
            if status < 200 and status != SWITCHED:
                side.tell("response", title, note="the answer itself is still to come")
                continue
            asked = self._asked.popleft() if self._asked else None
            took = self.at - asked.at if asked else None
            side.tell("response", title, note=_describe(response, status, asked), took=took)
            extensions = response.field("sec-websocket-extensions")
            if asked:
                asked.answer, asked.extensions = status, extensions
            if status == SWITCHED:
                yield from self._switched(side, response, extensions)
            if not (status in BODILESS or (asked and asked.method == "HEAD")):
                yield from self._body(side, response, response.length)

    # Both

    def _body(self, side: Side, of: Head, length: int | None) -> Reading[None]:
        body = Chunked(side) if of.chunked else Body(side, length)
        yield from content.read(side, body, of.media_type, of.field("content-encoding").lower())

    def _switched(self, side: Side, to: Head, extensions: str) -> Reading[None]:
        """Whatever both have agreed on, until the end."""
        if not to.says("upgrade", "websocket"):
            raise Unknown
        yield from frames(side, agreed(extensions, side.way))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _describe(response: Head, status: int, asked: Asked | None) -> str:
    if status == SWITCHED:
        return f"from here on it speaks {response.field('upgrade') or 'something else'}"
    length = f"{response.length} bytes" if response.length else "empty" if response.length == 0 else "until the end"
    said = [response.media_type, "in chunks" if response.chunked else length]
    if asked is None:
        said.append("nobody was seen to ask")
    return ", ".join(filter(None, said))


def _joined(reading: Callable[[Side], Reading[None]], way: Way) -> Callable[[Side], Reading[None]]:
    """What is not understood until a head begins, as it may where pieces do."""
    kind = REQUEST if way == "up" else RESPONSE

    def read(side: Side) -> Reading[None]:
        while True:
            yield from side.have(1)
            if len(side.rest) >= 7 and b" " in side.rest[:24] and plausible(bytes(side.rest[:24]), kind):
                yield from reading(side)
            side.draft.add("payload", side.cut(len(side.rest)))
            side.tell_content("in the middle of what nobody saw begin")

    return read
