"""A step of a sequence diagram, and how one comes to be of bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from lab.link.relay.toxics import Way

Part = Literal["headers", "framing", "payload"]
"""Heads of requests and responses; what is put around a payload; what is to be carried."""

Kind = Literal["connect", "request", "response", "event", "alive", "ping", "pong", "close", "piece", "end", "skipped"]

PARTS: Sequence[Part] = ("headers", "framing", "payload")

SHOWN = 4 << 10
"""Bytes of each part that a step shows."""

KEPT = 64 << 10
"""Bytes of each part that are kept while a step is in the making."""

Id = tuple[int, int]
"""An event's epoch and id."""


class Span(NamedTuple):
    """Bytes that belong together. label: "cursor" where it is one, "hex" where they are no text."""

    part: Part
    text: bytes
    label: str = ""

    def as_json(self) -> list[str]:
        """Bytes that are not UTF-8 become U+DC80 to U+DCFF, which nothing else can become."""
        text = self.text.hex(" ") if self.label == "hex" else self.text.decode("utf-8", "surrogateescape")
        return [self.part, text, self.label] if self.label else [self.part, text]


@dataclass(slots=True)
class Size:
    """How many bytes of each part."""

    headers: int = 0
    framing: int = 0
    payload: int = 0

    @property
    def total(self) -> int:
        return self.headers + self.framing + self.payload

    def add(self, other: "Size") -> None:
        for part in PARTS:
            self.more(part, getattr(other, part))

    def more(self, part: Part, count: int) -> None:
        setattr(self, part, getattr(self, part) + count)

    def as_json(self) -> dict[str, int]:
        return {part: getattr(self, part) for part in PARTS}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that passed, or happened, on a connection.

    Attributes:
        connection: from 1 on, in the order in which they came. at: CLOCK_MONOTONIC in ns; of its last byte.
        way: None = neither, or both. note: what there is to say besides.
        cursor: from where on it asks; None = it asks for no such thing. took: ns since what it answers.
        spans: its bytes, in order; no more than is shown. size: all of its bytes. events: that it carries.
        inflated: bytes that it says more than passed (or less, below 0), because it was compressed.
        steps: how many this stands for, if it is "skipped".
    """

    connection: int
    at: int
    way: Way | None
    kind: Kind
    title: str
    note: str = ""
    cursor: str | None = None
    took: int | None = None
    spans: Sequence[Span] = ()
    size: Size = field(default_factory=Size)
    events: Sequence[Id] = ()
    inflated: int = 0

    def as_json(self) -> dict[str, Any]:
        """`unshown`: bytes that it says besides those of its spans."""
        told = {
            "connection": self.connection,
            "at": self.at,
            "way": self.way,
            "kind": self.kind,
            "title": self.title,
            "spans": [span.as_json() for span in self.spans],
            "bytes": self.size.as_json(),
            "unshown": self.size.total + self.inflated - sum(len(span.text) for span in self.spans),
            "events": len(self.events),
        }
        besides = {
            "note": self.note or None,
            "cursor": self.cursor,
            "took": self.took,
            "inflated": self.inflated or None,
        }
        return told | {key: value for key, value in besides.items() if value is not None}


class Draft:
    """The bytes of a step in the making; bounded, however many come. inflated: see `Step`."""

    def __init__(self) -> None:
        self.size = Size()
        self.inflated: int | None = None  # nothing was compressed
        self._kept: list[tuple[Part, bytearray, str]] = []
        self._room = dict.fromkeys(PARTS, KEPT)

    def __bool__(self) -> bool:
        return self.size.total > 0

    def add(self, part: Part, data: bytes, label: str = "") -> None:
        self.size.more(part, len(data))
        self.keep(part, data, label)

    def keep(self, part: Part, data: bytes, label: str = "") -> None:
        """To be shown, as far as there is room."""
        if not data:
            return
        kept = data[: self._room[part]]
        self._room[part] -= len(kept)
        if self._kept and self._kept[-1][::2] == (part, label):
            self._kept[-1][1].extend(kept)
        elif kept:
            self._kept.append((part, bytearray(kept), label))

    @property
    def said(self) -> int:
        """Bytes of the payload as it's meant."""
        return self.size.payload + (self.inflated or 0)

    @property
    def payload(self) -> bytes:
        """Of it, what was kept."""
        return b"".join(bytes(data) for part, data, _ in self._kept if part == "payload")

    def frame(self, carried: Iterable[tuple[int, int]]) -> None:
        """Of what was taken for payload, only these stretches are: what is around them is framing."""
        parts = [one for one in self._kept if one[0] == "payload"]
        if len(parts) != 1 or self.inflated is not None:  # compressed, they are no stretches of what passed
            return
        (_, data, _), at, place = parts[0], 0, self._kept.index(parts[0])
        anew: list[tuple[Part, bytearray, str]] = []
        for start, end in [*carried, (len(data), len(data))]:
            anew += [("framing", data[at:start], ""), ("payload", data[start:end], "")]
            self.size.framing += start - at
            self.size.payload -= start - at
            at = end
        self._kept[place : place + 1] = [one for one in anew if one[1]]

    def spans(self) -> list[Span]:
        """What is shown of it."""
        room, shown = dict.fromkeys(PARTS, SHOWN), []
        for part, data, label in self._kept:
            if text := bytes(data[: room[part]]):
                shown.append(Span(part, text, label))
                room[part] -= len(text)
        return shown
