"""Lines of text out of bytes that come in any pieces."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from lab.clock import Turns, now
from lab.sources.source import Source

LONGEST_LINE = 512 << 10
"""Bytes of a line that become one event. As JSON they may be six times as many: the log takes that."""


class LineSplitter:
    """Cuts bytes that come in any pieces into lines of text, of at most `LONGEST_LINE` bytes each."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes; b"" completes what was left without a newline.

        CR before LF belongs to the end of the line; invalid UTF-8 becomes U+FFFD; a line that is too
        long comes in several pieces, cut between characters: nothing is lost, and nothing is held for long.
        """
        if not chunk:
            left, self._rest = self._rest, b""
            return [_text(left)] if left else []
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [_text(piece) for line in whole for piece in _pieces(line.removesuffix(b"\r"))]
        *long, self._rest = _pieces(self._rest)
        return lines + [_text(piece) for piece in long]


def _pieces(line: bytes) -> Iterator[bytes]:
    while len(line) > LONGEST_LINE:
        end = LONGEST_LINE
        while end > LONGEST_LINE - 3 and line[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        yield line[:end]
        line = line[end:]
    yield line


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


async def split(chunks: AsyncGenerator[bytes, None]) -> Source:
    """The lines in what is read. Each is due when it was read; reading and readers take turns."""
    lines, turns = LineSplitter(), Turns()
    async with aclosing(chunks):
        async for chunk in chunks:
            due = now()
            for line in lines.feed(chunk):
                yield due, line
                await turns.give()
            await turns.give()
