"""The body of a request or response: how long it is, and the framing of its chunks (RFC 9112, sections 6 and 7)."""

import re

from lab.classroom.wire.side import Reading, Side, Unknown

ENDLESS = 1 << 62


class Body:
    """A body of so many bytes, or one that its connection's end ends.

    Attributes:
        left: bytes until its end, or its chunk's.
    """

    def __init__(self, side: Side, length: int | None) -> None:
        self.side = side
        self.left = ENDLESS if length is None else length
        self.endless = length is None

    def upto(self, mark: bytes | None = None) -> Reading[bytes]:
        """Some of it, up to and with the next `mark`, a byte, if there is one; empty at its end."""
        yield from self._begin()
        if not self.left:
            return b""
        yield from self.side.have(1)
        most = min(self.left, len(self.side.rest))
        end = self.side.rest.find(mark, 0, most) if mark else -1
        data = self.side.cut(most if end < 0 else end + 1)
        self.left -= len(data)
        return data

    def settle(self) -> Reading[None]:
        """Take what frames its piece, if that has just ended, into the draft."""
        yield from ()

    def _begin(self) -> Reading[None]:
        yield from ()


class Chunked(Body):
    """One in chunks; `left` is until its chunk's end."""

    def __init__(self, side: Side) -> None:
        super().__init__(side, 0)
        self._open = self._over = False

    def settle(self) -> Reading[None]:
        if self._open and not self.left:
            self._open = False
            if (yield from self.side.line("framing")):
                raise Unknown

    def _begin(self) -> Reading[None]:
        """The next chunk, where the last has ended; the last of all has no bytes, and trailers after it."""
        if self.left or self._over:
            return
        yield from self.settle()
        size = yield from self.side.line("framing")
        if not re.match(rb"[0-9A-Fa-f]{1,15}\s*(;|$)", size):
            raise Unknown
        self.left = int(size.partition(b";")[0], 16)
        self._open, self._over = self.left > 0, self.left == 0
        while self._over and (yield from self.side.line("framing")):
            pass
