"""Compressed messages of a WebSocket: permessage-deflate (RFC 7692)."""

import zlib
from collections.abc import Iterator

from lab.classroom.wire.side import Unknown
from lab.link.relay.toxics import Way

EXTENSION = "permessage-deflate"

TAIL = b"\x00\x00\xff\xff"
"""What a sender leaves out at the end of each message (section 7.2.1)."""

AT_ONCE = 64 << 10
LONGEST = 16 << 20
"""Bytes of a message, inflated: more is not read, however small it came."""


class Inflater:
    """One way's messages. What they have in common goes on from one to the next, unless `anew` was agreed."""

    def __init__(self, *, anew: bool) -> None:
        self.anew = anew
        self._begin()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What some bytes of a message say.

        Raises:
            Unknown: they are not compressed like that, or say too much.
        """
        while data:
            try:
                text = self._context.decompress(data, AT_ONCE)
            except zlib.error as error:
                raise Unknown from error
            self._said += len(text)
            if self._said > LONGEST or self._context.eof:  # a sender may end its deflate; nobody does
                raise Unknown
            yield text
            data = self._context.unconsumed_tail

    def end(self) -> Iterator[bytes]:
        """What a message's end still says; the next one begins."""
        yield from self.feed(TAIL)
        self._said = 0
        if self.anew:
            self._begin()

    def _begin(self) -> None:
        self._context = zlib.decompressobj(-zlib.MAX_WBITS)
        self._said = 0


def agreed(extensions: str, way: Way) -> Inflater | None:
    """What inflates the messages of one way, by what the handshake's response says; None = nothing is compressed."""
    for one in extensions.split(","):
        name, *parameters = (part.strip().partition("=")[0] for part in one.lower().split(";"))
        if name == EXTENSION:
            who = "client" if way == "up" else "server"
            return Inflater(anew=f"{who}_no_context_takeover" in parameters)
    return None
