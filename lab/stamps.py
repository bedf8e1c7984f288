"""When the server handed each event to the kernel, found in the very bytes that it wrote.

A stamp is taken just before the write that completes the head of an event's line, and the first such write counts:
an event that is sent again, after a connection was lost, keeps its stamp. The server's connections may keep nothing
back themselves, and so hand over at once what fits into the kernel's buffer, in every event loop: the stamp is the
instant of the system call. Of an event that does not fit, it is when its first bytes were handed over.

While events are on their way, bytes and instants are only noted; the bytes are searched afterwards. What is
compressed can't be searched: it has no stamps, and the reason is told.
"""

import asyncio
import re
from typing import Any

from lab import clock

HEAD = re.compile(rb'\{"epoch":(\d+),"id":(\d+),')
"""How the line of an event begins, and of nothing else that the lab sends."""

LONGEST = len('{"epoch":,"id":,') + 2 * 16
"""Bytes of the longest of these: a count has 16 digits at most."""

SEAM = re.compile(rb"\r\n[0-9A-Fa-f]+\r\n")
"""What stands between two chunks of an HTTP body."""

ENCODED = re.compile(rb"\r\n(?:content-encoding|sec-websocket-extensions):", re.IGNORECASE)
COMPRESSED = "what the server writes is compressed: no event can be found in it"

KEPT = 8 << 20
"""Bytes that are noted at most before they are searched."""

UNKNOWN = 2**32 - 1
"""The kernel's round trip where it has none yet."""


class Stamps:
    """Of one trial.

    Attributes:
        round_trip: the smallest that the kernel saw on a connection of the trial, µs; None = none yet.
        reason: why writes can't be read; empty when they can.
    """

    def __init__(self) -> None:
        self.round_trip: int | None = None
        self.reason = ""
        self._written: dict[tuple[int, int], int] = {}
        self._noted: list[tuple[Heads, int, bytes]] = []
        self._size = 0

    @property
    def written(self) -> dict[tuple[int, int], int]:
        """(epoch, id) → when it was first written, ns."""
        self._search()
        return self._written

    def met(self, round_trip: int) -> None:
        if round_trip != UNKNOWN:
            self.round_trip = min(round_trip, self.round_trip or UNKNOWN)

    def note(self, heads: "Heads", at: int, data: bytes) -> None:
        """These bytes were written at `at`, to the connection that `heads` belongs to."""
        self._noted.append((heads, at, data))
        self._size += len(data)
        if self._size > KEPT:
            self._search()

    def before(self, transport: asyncio.Transport, head: bytes) -> Any:
        """What stands for the transport once it has carried the head of a response: itself, where stamping is vain."""
        if ENCODED.search(head):
            self.reason = COMPRESSED
            return transport
        return Stamping(transport, self)

    def _search(self) -> None:
        for heads, at, data in self._noted:
            for event in heads.found(data):
                self._written.setdefault(event, at)
        self._noted.clear()
        self._size = 0


class Stamping:
    """Stands before the transport of a watched connection and notes what is written, and when."""

    def __init__(self, transport: asyncio.Transport, stamps: Stamps) -> None:
        self._transport, self._note, self._heads = transport, stamps.note, Heads()

    def write(self, data: bytes) -> None:
        at = clock.now()
        self._transport.write(data)
        self._note(self._heads, at, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Heads:
    """Finds the events in a stream of bytes that comes in pieces; a head may be cut anywhere, by chunks, too."""

    def __init__(self) -> None:
        self._rest = b""  # of the piece before: perhaps the beginning of a head

    def found(self, piece: bytes) -> list[tuple[int, int]]:
        """(epoch, id) of each event whose head is complete with this piece."""
        data = SEAM.sub(b"", self._rest + piece, count=1) if self._rest else piece
        cut = data.rfind(b"{", max(0, len(data) - LONGEST))
        self._rest = data[cut:] if cut >= 0 and not HEAD.match(data, cut) else b""
        return [(int(epoch), int(id_)) for epoch, id_ in HEAD.findall(data)]
