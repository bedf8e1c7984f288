"""What a body consists of: lines, an event stream, or whatever it is."""

from lab.classroom.wire.body import Body, Chunked
from lab.classroom.wire.side import Reading, Side
from lab.classroom.wire.step import Draft

LONGEST_VALUE = 200
"""Bytes that are kept of a field, to be named in a title."""

NAMED = (b"", b"event", b"id", b"retry")
"""Fields of which that is of interest; the one without a name is a comment."""


def read(side: Side, body: Body, media_type: str, encoding: str) -> Reading[None]:
    """A body to its end, each of its parts a step."""
    if encoding not in ("", "identity"):
        yield from _opaque(side, body, f"compressed ({encoding}): what it carries can't be read here")
    elif media_type == "text/event-stream":
        yield from _event_stream(side, body)
    elif media_type in ("text/plain", "application/x-ndjson", "application/json", ""):
        yield from _lines(side, body)
    else:
        yield from _opaque(side, body, "")
    if side.draft:
        last = isinstance(body, Chunked) and not side.draft.size.payload
        side.tell_content("the last chunk: the body ends" if last else "part of the body")


def _opaque(side: Side, body: Body, note: str) -> Reading[None]:
    """Whatever comes together is a part: a chunk, a whole body, or what was passed at once."""
    while data := (yield from body.upto()):
        side.draft.add("payload", data)
        if body.endless or not body.left:
            yield from body.settle()
            side.tell_content("part of the body", note)


def _lines(side: Side, body: Body) -> Reading[None]:
    while data := (yield from body.upto(b"\n")):
        text = data.rstrip(b"\n")
        side.draft.add("payload", text)
        if len(text) < len(data):
            side.draft.add("framing", b"\n")
            yield from body.settle()
            if side.draft.size.payload:
                side.tell_content("a line")
            else:
                side.tell("alive", "an empty line")


class Field:
    """A line of an event stream (HTML Standard, section 9.2.6), which may come in pieces."""

    def __init__(self) -> None:
        self.name = self.value = b""
        self.size = 0
        self._in_value = self._after_colon = False

    @property
    def blank(self) -> bool:
        return not self.name and not self._in_value

    def add(self, draft: Draft, data: bytes) -> None:
        """More of it; its line's end at most at the end of that."""
        if not self._in_value:
            name, colon, data = data.partition(b":")
            draft.add("framing", name + colon)
            self.name = (self.name + name.rstrip(b"\r\n"))[:LONGEST_VALUE]
            self._in_value = self._after_colon = bool(colon)
        if self._after_colon and data:
            self._after_colon = False
            draft.add("framing", data[:1] if data[:1] == b" " else b"")
            data = data.removeprefix(b" ")
        text = data.rstrip(b"\r\n")
        self.value = (self.value + text)[:LONGEST_VALUE]
        if self.name == b"data":
            draft.add("payload", text)
        else:
            draft.add("framing", text, "cursor" if self.name == b"id" else "")
        draft.add("framing", data[len(text) :])


def _event_stream(side: Side, body: Body) -> Reading[None]:
    """A block of fields, which an empty line ends, is a step."""
    fields: dict[bytes, bytes] = {}
    while data := (yield from body.upto(b"\n")):
        field = Field()
        field.add(side.draft, data)
        while not data.endswith(b"\n") and (data := (yield from body.upto(b"\n"))):
            field.add(side.draft, data)
        if not field.blank:
            fields |= {field.name: field.value} if field.name in NAMED else {}
        elif data:
            yield from body.settle()
            _tell_block(side, fields)
            fields = {}


def _tell_block(side: Side, fields: dict[bytes, bytes]) -> None:
    said = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in fields.items()}
    if side.draft.size.payload:
        side.tell_content("data", f"event: {said['event']}" if "event" in said else "")
    elif "retry" in said:
        side.tell("piece", f"retry: {said['retry']}", note="how many ms to wait before coming back")
    elif "event" in said:
        side.tell("alive", f"event: {said['event']}", note="without data")
    else:
        side.tell("alive", "a comment" if "" in said else "an empty line")
