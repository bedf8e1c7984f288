"""The body of a response as a proxy may treat it: kept until there is enough, compressed, cut anew."""

import zlib
from collections.abc import Iterator

from lab.link.relay.toxics import Toxics

GZIP = 31
"""zlib's window bits for gzip's own framing."""


class Body:
    """Takes what came, gives what may go on: first buffered, then compressed, then cut."""

    def __init__(self, toxics: Toxics, *, compressed: bool) -> None:
        self.toxics = toxics
        self.kept = bytearray()
        self.gzip = zlib.compressobj(wbits=GZIP) if compressed else None

    def feed(self, data: bytes) -> list[bytes]:
        """What may go on now that this has come."""
        self.kept += data
        if self.toxics.buffer < 0 or len(self.kept) < self.toxics.buffer:
            return []
        return list(self._cut(self._compress(self._taken())))

    def finish(self) -> list[bytes]:
        """What is left when there is no more."""
        data = self._taken()
        if self.gzip:
            data = self.gzip.compress(data) + self.gzip.flush()
        return list(self._cut(data))

    def broken_off(self) -> list[bytes]:
        """What is left when it ends before its end: no more than what was whole."""
        return list(self._cut(self._compress(self._taken())))

    def _taken(self) -> bytes:
        data = bytes(self.kept)
        self.kept.clear()
        return data

    def _compress(self, data: bytes) -> bytes:
        if self.gzip is None or not data:
            return data
        packed = self.gzip.compress(data)
        return packed + self.gzip.flush(zlib.Z_SYNC_FLUSH) if self.toxics.gzip == "flush" else packed

    def _cut(self, data: bytes) -> Iterator[bytes]:
        size = self.toxics.chunk or len(data)
        for at in range(0, len(data), size or 1):
            yield data[at : at + size]
